//! The real thing: a Debian in Docker, booted by `my_init` as PID 1, with Docker's own switches.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::fs;
use std::process::Command;
use std::time::Duration;
use world::{Container, Live, Need, Stop, engine};

/// `None` where there is no Docker.
fn docker(options: &[&str]) -> Option<Container> {
    if Need::Docker.is_missing() {
        return None;
    }
    Some(Container::new().docker(options))
}

/// Docker itself takes most of a second for a stop on a small machine, and kills after ten.
const AT_ONCE: Duration = Duration::from_secs(5);

fn served(container: Container) -> Live {
    let it = container.boot();
    it.until_said("*** Runit started");
    it
}

#[test]
fn a_debian_boots_runs_its_command_and_stops() {
    let Some(container) = docker(&[]) else { return };
    let it = container
        .variable("FROM_FILE", "file\n")
        .env("FROM_DOCKER", "two words")
        .startup("10_hello", "echo hello; echo script >/etc/container_environment/FROM_SCRIPT")
        .executable("/etc/rc.local", "#!/bin/sh\necho rc.local\n")
        .executable("/etc/my_init.pre_shutdown.d/10", "#!/bin/sh\necho pre\n")
        .executable("/etc/my_init.post_shutdown.d/10", "#!/bin/sh\necho post\n")
        .script("echo $$ $PPID; echo \"$FROM_FILE, $FROM_DOCKER, $FROM_SCRIPT, $HOME\"; exit 7")
        .boot();
    let out = it.wait();
    assert_eq!(out.code, 7);
    let lines: Vec<&str> = out.stdout.lines().collect();
    assert_eq!(lines[..2], ["hello", "rc.local"]);
    assert!(lines[2].ends_with(" 1"), "the parent is PID 1: {}", lines[2]);
    assert_eq!(lines[3..], ["file, two words, script, /root", "pre", "post"]);
    out.assert_said(&[
        "*** Running /etc/my_init.d/10_hello...",
        "*** Running /etc/rc.local...",
        "*** Booting runit daemon...",
        "*** Runit started as PID 1",
        "*** sh exited with status 7.",
        "*** Shutting down runit daemon (PID 1)...",
        "*** Killing all processes...",
    ]);
    let json: serde_json::Value =
        serde_json::from_slice(&it.read_bytes("/etc/container_environment.json")).unwrap();
    assert_eq!(json["FROM_DOCKER"], "two words");
    assert!(it.read("/etc/container_environment.sh").contains("export FROM_SCRIPT=script\n"));
}

#[test]
fn docker_stop_is_instant_and_orderly() {
    let Some(container) = docker(&[]) else { return };
    // What Docker needs for its part: a PID 1 that ends as soon as it is asked to.
    let least = container
        .argv(&["sh", "-c", "sleep 1000 & trap 'exit 0' TERM; echo ready >&2; wait $!"])
        .boot();
    least.until_said("ready");
    let least = least.stop();
    assert_eq!(least.code, 0);

    let Some(container) = docker(&[]) else { return };
    let it = served(
        container
            .startup("10_daemon", "sleep 1000 &")
            .executable("/etc/my_init.post_shutdown.d/10", "#!/bin/sh\necho post\n"),
    );
    let out = it.stop();
    assert_eq!((out.code, out.stdout.as_str()), (0, "post\n"));
    assert!(out.took < least.took + Duration::from_secs(1), "{:?} {:?}", out.took, least.took);
}

#[test]
fn a_stop_right_after_the_start_is_not_lost() {
    // Before its first instruction nothing can hear, so it must be there soon: a big binary on a
    // slow disk is not.
    if Need::Shipped.is_missing() {
        return;
    }
    for _ in 0..3 {
        let Some(container) = docker(&[]) else { return };
        let it = container.startup("10", "sleep 1000").boot();
        // The engine says that it runs when its own process is about to become ours.
        it.until(|it| program(it) == "my_init\n");
        let out = it.stop();
        assert_eq!(out.code, 0);
        assert!(out.took < AT_ONCE, "{:?}", out.took);
    }
}

/// What PID 1 is, as this machine sees it.
fn program(it: &Live) -> String {
    let inspect = ["inspect", "--format", "{{.State.Pid}}", it.docker_name()];
    let out = Command::new(engine()).args(inspect).output().unwrap();
    let pid = String::from_utf8(out.stdout).unwrap();
    fs::read_to_string(format!("/proc/{}/comm", pid.trim())).unwrap_or_default()
}

#[test]
fn exit_codes_reach_docker() {
    for (command, code) in [
        (&["true"][..], 0),
        (&["sh", "-c", "exit 255"], 255),
        (&["sh", "-c", "kill -9 $$"], 137),
        (&["no-such"], 127),
        (&["/etc/passwd"], 126),
    ] {
        let Some(container) = docker(&[]) else { return };
        let it = container.command(command).boot();
        assert_eq!(it.wait().code, code, "{command:?}");
    }
}

#[test]
fn every_stop_signal_stops() {
    for signal in ["SIGINT", "SIGQUIT", "SIGRTMIN+3", "SIGTERM"] {
        let Some(container) = docker(&["--stop-signal", signal]) else { return };
        let out = served(container).stop();
        assert_eq!(out.code, 0, "{signal}");
        assert!(out.took < AT_ONCE, "{signal}: {:?}", out.took);
    }
}

#[test]
fn a_signal_by_docker_kill_reaches_the_command() {
    let Some(container) = docker(&[]) else { return };
    let it = container
        .script(
            "sleep 1000 & trap 'echo got it' USR1; trap 'exit 3' TERM; echo ready
            while :; do wait $!; done",
        )
        .boot();
    it.until(|it| it.stdout().contains("ready"));
    it.signal("USR1");
    it.until(|it| it.stdout().contains("got it"));
    assert_eq!(it.stop().code, 3);
}

#[test]
fn a_read_only_root_boots() {
    let Some(container) = docker(&[]) else { return };
    let it = container
        .read_only()
        .variable("A", "file")
        .env("B", "docker")
        .startup("10", "true")
        .script("echo $A $B $HOME; exit 7")
        .boot();
    let out = it.wait();
    assert_eq!((out.code, out.stdout.as_str()), (7, "file docker /root\n"));
    assert_eq!(out.times_said("ead-only"), 1);
}

#[test]
fn an_ordinary_user_boots() {
    let Some(container) = docker(&[]) else { return };
    let it = container
        .user(12345, 0)
        .startup("10", "id -u")
        .script("echo $HOME; setuser 12345 id -u; exit 7")
        .boot();
    let out = it.wait();
    assert_eq!((out.code, out.stdout.as_str()), (7, "12345\n/\n12345\n"));
}

#[test]
fn an_ordinary_user_on_a_read_only_root_serves_and_stops() {
    let Some(container) = docker(&["--cap-drop=ALL", "--security-opt=no-new-privileges"]) else {
        return;
    };
    let out = served(container.user(12345, 12345).read_only().startup("10", "sleep 1000 &")).stop();
    assert_eq!(out.code, 0);
    assert!(out.took < AT_ONCE, "{:?}", out.took);
}

#[test]
fn a_root_without_any_right_serves_and_stops() {
    let Some(container) = docker(&["--cap-drop=ALL", "--security-opt=no-new-privileges"]) else {
        return;
    };
    let it = served(container.env("FOO", "bar").startup("10", "sleep 1000 &"));
    assert!(it.read("/etc/container_environment.sh").contains("export FOO=bar\n"));
    let refused = it.run(&["setuser", "12345", "touch", "/tmp/ran"]);
    assert_eq!((refused.code, refused.stderr.lines().count()), (1, 1));
    let out = it.stop();
    assert_eq!(out.code, 0);
    assert!(out.took < AT_ONCE, "{:?}", out.took);
}

#[test]
fn under_dockers_own_init_it_serves_nests_and_stops() {
    let Some(container) = docker(&["--init"]) else { return };
    let it = served(container.startup("10", "sleep 1000 &"));
    assert!(!it.stderr().contains("Runit started as PID 1\n"));
    assert_eq!(it.run(&["my_init", "--", "sh", "-c", "exit 5"]).code, 5);
    assert!(!it.is_over());
    let out = it.stop();
    assert_eq!(out.code, 0);
    assert!(out.took < AT_ONCE, "{:?}", out.took);
}

#[test]
fn docker_exec_of_my_init_runs_beside_the_container() {
    let Some(container) = docker(&[]) else { return };
    let it = served(
        container
            .env("B", "docker")
            .startup("10", "echo script >/etc/container_environment/A; sleep 1000 &"),
    );
    let out = it.run(&["my_init", "--", "sh", "-c", "echo $A $B $HOME; exit 5"]);
    assert_eq!((out.code, out.stdout.as_str()), (5, "script docker /root\n"));
    let out = it.run_as((12345, 12345), &["my_init", "--", "sh", "-c", "echo $B; exit 6"]);
    assert_eq!((out.code, out.stdout.as_str()), (6, "docker\n"));
    assert_eq!(it.run(&["my_init"]).code, 2);
    assert!(!it.is_over());
    assert_eq!(it.stop().code, 0);
}

#[test]
fn a_neighbour_in_a_shared_pid_namespace_is_left_alone() {
    let Some(container) = docker(&[]) else { return };
    let first = served(container.startup("10", "sleep 1000 & echo $! >/pid"));
    let pid = format!("--pid=container:{}", first.docker_name());
    let Some(container) = docker(&[&pid]) else { return };
    let second = container.script("setsid sleep 1000 & exit 3").boot();
    assert_eq!(second.wait().code, 3);
    first.sh("kill -0 $(cat /pid)");
    assert!(!first.is_over());
    assert_eq!(first.stop().code, 0);
}

#[test]
fn a_restarted_container_boots_again() {
    let Some(container) = docker(&[]) else { return };
    let it = served(container.startup("10", "echo boot >>/boots"));
    let it = it.again(Stop::Killed);
    it.until_said("*** Runit started");
    let it = it.again(Stop::Asked);
    it.until_said("*** Runit started");
    assert_eq!(it.read("/boots"), "boot\nboot\nboot\n");
    assert_eq!(it.stop().code, 0);
}

#[test]
fn a_full_pids_cgroup_does_not_hold_up_the_stop() {
    let Some(container) = docker(&["--pids-limit=40"]) else { return };
    let bomb = "while (1) { my $p = fork; last unless defined $p; next if $p; sleep 1000; exit }
        print \"full\\n\"; $| = 1; print \"\"; sleep 1000";
    let it = container.command(&["perl", "-e", &format!("$| = 1; {bomb}")]).boot();
    it.until(|it| it.stdout().contains("full"));
    let out = it.stop();
    assert_eq!(out.code, 143);
    assert!(out.took < AT_ONCE, "{:?}", out.took);
}

#[test]
fn hostile_variables_survive_docker_and_every_reload() {
    let Some(container) = docker(&[]) else { return };
    let values = ["it's", "$(touch /pwned)", "line\nline\n", " blank ", "\u{e9}\u{1f600}", "\\n\r"];
    let mut container = container.startup("10", "true");
    for (n, value) in values.iter().enumerate() {
        container = container.env(format!("V{n}"), value).env(format!("../X.{n}"), value);
    }
    let it = container.command(&["env", "-0"]).boot();
    assert_eq!(it.wait().code, 0);
    let seen = world::variables(&it.stdout_bytes());
    for (n, value) in values.iter().enumerate() {
        assert_eq!(seen.get(&format!("V{n}")).unwrap(), value);
        assert_eq!(seen.get(&format!("../X.{n}")).unwrap(), value);
    }
    assert!(!it.exists("/pwned") && !it.exists("/etc/X.0"));
}

#[test]
fn what_is_piped_in_reaches_the_command_and_only_its_bytes_come_out() {
    let Some(container) = docker(&[]) else { return };
    let out = container.input("x\n").startup("10", "true").command(&["cat"]).boot().wait();
    assert_eq!((out.code, out.stdout.as_str()), (0, "x\n"));
}

#[test]
fn a_shell_on_dockers_terminal_has_job_control() {
    let Some(container) = docker(&[]) else { return };
    let it = container.terminal().command(&["bash", "-l"]).boot();
    let until_prompts =
        |count| it.until(|it| it.screen().matches("root@container:/# ").count() >= count);
    until_prompts(1);
    it.type_keys("sleep 1000\r");
    it.until(|it| it.sh("cat /proc/[0-9]*/comm 2>/dev/null || :").contains("sleep"));
    it.type_keys("\x1a");
    until_prompts(2);
    assert!(it.screen().contains("Stopped"), "{}", it.screen());
    it.type_keys("\x03");
    until_prompts(3);
    // The shell warns of its stopped job, and means it.
    it.type_keys("exit 5\r");
    until_prompts(4);
    it.type_keys("exit 5\r");
    assert_eq!(it.wait().code, 5);
    assert!(!it.screen().contains("no job control"));
}

#[test]
fn ctrl_c_on_dockers_terminal_ends_the_command_in_order() {
    let Some(container) = docker(&[]) else { return };
    let it = container.terminal().command(&["cat"]).boot();
    it.until(|it| it.screen().contains("*** Running cat..."));
    it.until(|it| it.sh("cat /proc/[0-9]*/comm 2>/dev/null || :").lines().count() >= 3);
    it.type_keys("\x03");
    assert_eq!(it.wait().code, 130);
    assert!(it.screen().contains("*** Killing all processes..."));
}

#[test]
fn a_new_window_size_goes_through_docker_to_the_command() {
    let Some(container) = docker(&[]) else { return };
    let it = container
        .terminal()
        .script("sleep 1000 & trap 'stty size' WINCH; echo ready; while :; do wait $!; done")
        .boot();
    it.until(|it| it.screen().contains("ready\r\n"));
    // Docker's client hears of sizes some time after the command has begun.
    it.until(|it| {
        it.resize(50, 131);
        it.resize(50, 132);
        it.screen().contains("50 132")
    });
    it.type_keys("\x03");
    assert_eq!(it.wait().code, 130);
}

#[test]
fn docker_stop_does_not_wait_for_an_interactive_shell() {
    let Some(container) = docker(&[]) else { return };
    let it = container.terminal().command(&["bash", "-l"]).boot();
    it.until(|it| it.screen().contains("root@container:/# "));
    let out = it.stop();
    assert_eq!(out.code, 129);
    assert!(out.took < AT_ONCE, "{:?}", out.took);
}
