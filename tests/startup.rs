//! The startup scripts: which run, in what order, and what happens when one fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use world::Container;

/// A script that leaves its own name in /steps.
const MARK: &str = "#!/bin/sh\necho \"$0\" >>/steps\n";

#[test]
fn scripts_run_in_the_byte_order_of_their_names() {
    let in_order = [".dot", "10", "20~", "9", "B", "_x", "a b", "aa", "\u{e9}"];
    let mut container = Container::new().env("LC_ALL", "en_US.UTF-8");
    for name in in_order.iter().rev() {
        container = container.executable(format!("/etc/my_init.d/{name}"), MARK);
    }
    let it = container.script("echo main >>/steps").boot();
    assert_eq!(it.wait().code, 0);
    let expected: String = in_order.iter().map(|name| format!("/etc/my_init.d/{name}\n")).collect();
    assert_eq!(it.read("/steps"), expected + "main\n");
}

#[test]
fn only_executable_files_run() {
    let it = Container::new()
        .file("/etc/my_init.d/10_data", MARK)
        .directory("/etc/my_init.d/20_directory")
        .symlink("/nowhere", "/etc/my_init.d/30_dangling")
        .fifo("/etc/my_init.d/40_fifo")
        .chmod("/etc/my_init.d/40_fifo", 0o755)
        .executable("/opt/script", MARK)
        .symlink("/opt/script", "/etc/my_init.d/50_link")
        .options(&["--quiet"])
        .script("true")
        .boot();
    let out = it.wait();
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
    assert_eq!(it.read("/steps"), "/etc/my_init.d/50_link\n");
}

#[test]
fn rc_local_runs_last_and_only_if_it_is_executable() {
    let with = |mode| {
        Container::new()
            .executable("/etc/my_init.d/zz", MARK)
            .file("/etc/rc.local", MARK)
            .chmod("/etc/rc.local", mode)
            .script("true")
            .boot()
    };
    let it = with(0o755);
    assert_eq!(it.wait().code, 0);
    assert_eq!(it.read("/steps"), "/etc/my_init.d/zz\n/etc/rc.local\n");
    let it = with(0o644);
    assert_eq!(it.wait().code, 0);
    assert_eq!(it.read("/steps"), "/etc/my_init.d/zz\n");
}

#[test]
fn no_directory_of_scripts_is_no_trouble() {
    let it = Container::new().without("/etc/my_init.d").options(&["--quiet"]).script("exit 3");
    let out = it.boot().wait();
    assert_eq!((out.code, out.stderr.as_str()), (3, ""));
}

#[test]
fn another_directory_of_scripts_may_be_named() {
    let container = || {
        Container::new()
            .executable("/etc/my_init.d/10_usual", MARK)
            .executable("/srv/init/10_other", MARK)
            .executable("/etc/rc.local", MARK)
            .script("true")
    };
    let by_docker = container().env("ENV_INIT_DIRECTORY", "/srv/init");
    let by_file = container().variable("ENV_INIT_DIRECTORY", "/srv/init\n");
    for it in [by_docker.boot(), by_file.boot()] {
        assert_eq!(it.wait().code, 0);
        assert_eq!(it.read("/steps"), "/srv/init/10_other\n/etc/rc.local\n");
    }
}

#[test]
fn skip_startup_files_skips_the_scripts_and_rc_local() {
    let it = Container::new()
        .executable("/etc/my_init.d/10", MARK)
        .executable("/etc/rc.local", MARK)
        .options(&["--skip-startup-files"])
        .script("exit 3")
        .boot();
    assert_eq!(it.wait().code, 3);
    assert!(!it.exists("/steps"));
}

#[test]
fn the_insecure_key_is_installed_before_the_first_script() {
    let it = Container::new()
        .executable("/usr/sbin/enable_insecure_key", MARK)
        .executable("/etc/my_init.d/10", MARK)
        .options(&["--enable-insecure-key"])
        .script("true")
        .boot();
    assert_eq!(it.wait().code, 0);
    assert_eq!(it.read("/steps"), "/usr/sbin/enable_insecure_key\n/etc/my_init.d/10\n");
}

#[test]
fn an_image_without_the_insecure_key_says_so() {
    let it = Container::new()
        .executable("/etc/my_init.d/10", MARK)
        .options(&["--enable-insecure-key"])
        .script("true")
        .boot();
    let out = it.wait();
    assert_eq!(out.code, 1);
    assert_eq!(out.times_said("/usr/sbin/enable_insecure_key: not found"), 1);
    assert!(!it.exists("/steps"));
}

#[test]
fn a_failing_script_ends_the_boot_with_its_name_and_its_real_status() {
    for (ending, status) in [
        ("exit 3", "status 3"),
        ("exit 255", "status 255"),
        ("kill -KILL $$", "status 137 (killed by signal KILL)"),
        ("kill -TERM $$", "status 143 (killed by signal TERM)"),
    ] {
        let it = Container::new()
            .executable("/etc/my_init.d/10_first", MARK)
            .startup("20_bad", ending)
            .executable("/etc/my_init.d/30_later", MARK)
            .executable("/etc/rc.local", MARK)
            .executable("/etc/my_init.pre_shutdown.d/10", MARK)
            .executable("/etc/my_init.post_shutdown.d/10", MARK)
            .script("echo main >>/steps")
            .boot();
        let out = it.wait();
        assert_eq!(out.code, 1, "{ending}");
        let failed = format!("*** /etc/my_init.d/20_bad failed with {status}");
        out.assert_said(&[&failed, "*** Killing all processes..."]);
        assert_eq!(it.read("/steps"), "/etc/my_init.d/10_first\n", "{ending}");
    }
}

#[test]
fn a_failing_rc_local_ends_the_boot_too() {
    let it = Container::new()
        .executable("/etc/rc.local", "#!/bin/sh\nexit 5\n")
        .script("touch /main")
        .boot();
    let out = it.wait();
    assert_eq!(out.code, 1);
    out.assert_said(&["*** /etc/rc.local failed with status 5"]);
    assert!(!it.exists("/main"));
}

#[test]
fn what_a_failed_boot_leaves_running_is_ended_in_order() {
    let it = Container::new()
        .startup(
            "10_daemon",
            "(sleep 1000 & trap 'echo bye >/steps; exit' TERM; touch /on; wait $!) &",
        )
        .startup("20_bad", "while [ ! -e /on ]; do :; done; exit 1")
        .boot();
    assert_eq!(it.wait().code, 1);
    assert_eq!(it.read("/steps"), "bye\n");
}

#[test]
fn a_script_that_cannot_run_is_named_with_the_reason() {
    for (contents, reason) in [
        (&b"echo hi\n"[..], "it has no #! line"),
        (b"#!/bin/sh\r\necho hi\r\n", "CR LF"),
        (b"#!/opt/no/python -u\n", "interpreter /opt/no/python does not exist"),
        (b"", "it is empty"),
        (b"\x7fELF\0\0", "not a program for this machine"),
    ] {
        let it = Container::new()
            .executable("/etc/my_init.d/10_bad", contents)
            .script("touch /main")
            .boot();
        let out = it.wait();
        assert_eq!(out.code, 1, "{reason}");
        let line = out.stderr.lines().find(|line| line.contains(reason)).expect(reason);
        assert!(line.contains("/etc/my_init.d/10_bad"), "{line}");
        assert!(!it.exists("/main"));
    }
}

#[test]
fn a_script_may_take_away_a_later_one() {
    for deed in ["rm /etc/my_init.d/20_later", "chmod -x /etc/my_init.d/20_later"] {
        let it = Container::new()
            .startup("10_first", deed)
            .executable("/etc/my_init.d/20_later", MARK)
            .executable("/etc/my_init.d/30_last", MARK)
            .script("exit 7")
            .boot();
        let out = it.wait();
        assert_eq!((out.code, out.times_said("20_later")), (7, 0), "{deed}");
        assert_eq!(it.read("/steps"), "/etc/my_init.d/30_last\n", "{deed}");
    }
}

#[test]
fn what_a_script_leaves_in_the_background_lives_on() {
    let out = Container::new()
        .startup("10_daemon", "sleep 1000 & echo $! >/pid")
        .script("kill -0 $(cat /pid) && ps=/proc/$(cat /pid)/status && grep PPid $ps")
        .boot()
        .wait();
    assert_eq!((out.code, out.stdout.as_str()), (0, "PPid:\t1\n"));
}

#[test]
fn a_script_has_the_containers_input_and_output() {
    let out = Container::new()
        .input("for the script\nfor the command\n")
        .startup("10_read", "read line; echo \"$line\"; echo oops >&2")
        .options(&["--quiet"])
        .script("exec cat")
        .boot()
        .wait();
    assert_eq!(out.stderr, "oops\n");
    assert_eq!(out.stdout, "for the script\nfor the command\n");
}

#[test]
fn a_hostile_name_neither_forges_a_line_nor_moves_the_cursor() {
    let out = Container::new()
        .executable("/etc/my_init.d/10\n*** Runit started as PID 7\x1b[2J", "#!/bin/sh\ntrue\n")
        .script("true")
        .boot()
        .wait();
    assert_eq!(out.code, 0);
    assert!(!out.stderr.contains('\x1b'));
    assert_eq!(out.stderr.lines().filter(|line| line.contains("PID 7")).count(), 1);
    assert_eq!(out.stderr.lines().filter(|line| line.starts_with("*** Runit")).count(), 1);
}

#[test]
fn a_directory_with_very_many_entries_boots() {
    let mut container = Container::new();
    for n in 0..3000 {
        container = container.file(format!("/etc/my_init.d/{n:05}"), "");
    }
    for n in 0..60 {
        container = container.executable(format!("/etc/my_init.d/run{n:05}"), MARK);
    }
    let it = container.script("true").boot();
    assert_eq!(it.wait().code, 0);
    assert_eq!(it.read("/steps").lines().count(), 60);
}

#[test]
fn a_directory_of_scripts_that_was_named_and_is_not_there_is_said() {
    let it = Container::new().env("ENV_INIT_DIRECTORY", "/etc/typo").script("true").boot();
    let out = it.wait();
    assert_eq!((out.code, out.times_said("cannot read /etc/typo")), (0, 1), "{}", out.stderr);
}
