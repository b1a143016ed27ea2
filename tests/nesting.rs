//! `docker exec C my_init -- CMD`: a second my_init in a container runs its command and touches
//! nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use world::{Container, Live, Need, Stop, Volume};

fn container() -> Container {
    Container::new()
        .variable("FROM_FILE", "file\n")
        .env("FROM_DOCKER", "docker")
        .startup("10_add", "echo script >/etc/container_environment/FROM_SCRIPT")
        .executable("/etc/my_init.pre_shutdown.d/10", "#!/bin/sh\ntouch /hook\n")
        .executable("/etc/my_init.post_shutdown.d/10", "#!/bin/sh\ntouch /hook\n")
}

fn boot(container: Container) -> Live {
    let it = container.boot();
    it.until_said("*** Runit started");
    it
}

const SHOW: &str = "echo $FROM_FILE $FROM_DOCKER $FROM_SCRIPT $HOME; exit 5";

#[test]
fn a_nested_command_has_the_containers_environment_and_its_own_exit_code() {
    let it = boot(container());
    for words in [&["my_init", "--", "sh", "-c", SHOW][..], &["/sbin/my_init", "sh", "-c", SHOW]] {
        let out = it.run(words);
        assert_eq!((out.code, out.stdout.as_str()), (5, "file docker script /root\n"));
        assert_eq!(out.stderr, "");
    }
}

#[test]
fn a_nested_command_leaves_the_container_as_it_is() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let it = boot(container().script("sleep 1000 & echo $! >/pid; exec sleep 1000"));
    it.until_there("/pid");
    let before = it.written();
    assert_eq!(it.run(&["my_init", "--", "true"]).code, 0);
    assert_eq!(
        it.run(&["my_init", "--skip-startup-files", "--", "sh", "-c", "kill -9 $$"]).code,
        137
    );
    assert_eq!(it.written(), before);
    it.sh("kill -0 $(cat /pid)");
    assert!(!it.is_over() && !it.exists("/hook"));
    assert_eq!(it.stop().code, 143);
    assert!(it.exists("/hook"));
}

#[test]
fn a_nested_command_that_cannot_run_says_why() {
    let it = boot(container());
    let out = it.run(&["my_init", "--", "no-such"]);
    assert_eq!((out.code, out.stderr.lines().count()), (127, 1));
    assert!(out.stderr.contains("no-such: not found"));
    let out = it.run(&["my_init", "--", "/etc/passwd"]);
    assert_eq!(out.code, 126);
    assert!(out.stderr.contains("/etc/passwd: not executable"));
}

#[test]
fn nested_without_a_command_is_wrong_usage() {
    let it = boot(container());
    for words in [&["my_init"][..], &["my_init", "--quiet"], &["my_init", "--skip-runit"]] {
        let out = it.run(words);
        assert_eq!((out.code, out.stderr.lines().count()), (2, 1), "{}", out.stderr);
    }
    assert!(!it.is_over());
}

#[test]
fn an_ordinary_user_may_nest_and_sees_what_it_may_read() {
    if Need::Users.is_missing() {
        return;
    }
    let it = boot(container());
    let out = it.run_as((12345, 12345), &["my_init", "--", "sh", "-c", SHOW]);
    assert_eq!((out.code, out.stderr.as_str()), (5, ""));
    assert!(out.stdout.starts_with("docker "), "{}", out.stdout);
    it.sh("chmod 755 /etc/container_environment");
    let out = it.run_as((12345, 12345), &["my_init", "--", "sh", "-c", SHOW]);
    assert!(out.stdout.starts_with("file docker script "), "{}", out.stdout);
}

#[test]
fn nesting_is_known_where_my_init_is_not_pid_1() {
    let it = Container::new().argv(&["sh", "-c", "my_init & wait"]).boot();
    it.until_said("*** Runit started");
    let out = it.run(&["my_init", "--", "sh", "-c", "exit 5"]);
    assert_eq!((out.code, out.stderr.as_str()), (5, ""));
    assert!(!it.stderr().contains("Killing"));
}

#[test]
fn a_script_and_a_command_may_nest_too() {
    let out = Container::new()
        .startup("10_nest", "my_init -- echo nested")
        .command(&["my_init", "--quiet", "--", "sh", "-c", "exit 3"])
        .boot()
        .wait();
    assert_eq!((out.code, out.stdout.as_str()), (3, "nested\n"));
    assert_eq!(out.times_said("Killing all"), 1);
}

#[test]
fn a_container_that_starts_again_is_not_nested() {
    let it = boot(container());
    let it = it.again(Stop::Killed);
    it.until_said("*** Runit started");
    assert_eq!(it.stop().code, 0);
}

#[test]
fn a_service_directory_shared_with_a_neighbour_does_not_make_us_nested() {
    let services = Volume::new();
    let first = boot(Container::new().volume(&services, "/etc/service"));
    let second = boot(Container::new().volume(&services, "/etc/service"));
    assert_eq!(second.stop().code, 0);
    assert!(!first.is_over());
}
