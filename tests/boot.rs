//! The boot seen from the command line: what is asked for, what is said, how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::time::Duration;
use world::{Container, Need, Stderr};

#[test]
fn a_wrong_option_is_named_and_nothing_starts() {
    if Need::Namespaces.is_missing() {
        return;
    }
    for wrong in ["--quite", "-x", "--skip-s", "--quiet=1", "-"] {
        let it = Container::new()
            .startup("10_mark", "touch /started")
            .options(&["--quiet", wrong, "--", "touch", "/started"])
            .boot();
        let out = it.wait();
        assert_eq!((out.code, out.stdout.as_str()), (2, ""), "{wrong}");
        assert_eq!(out.stderr.lines().count(), 1, "{wrong}");
        assert!(out.stderr.contains(&format!(" {wrong} ")), "{wrong}");
        assert!(!it.exists("/started") && it.written().is_empty(), "{wrong}");
    }
}

#[test]
fn an_empty_word_is_no_command() {
    let out = Container::new().options(&[""]).boot().wait();
    assert_eq!((out.code, out.stderr.lines().count()), (2, 1));
}

#[test]
fn help_answers_on_stdout_and_starts_nothing() {
    if Need::Namespaces.is_missing() {
        return;
    }
    for help in ["--help", "-h"] {
        let it = Container::new()
            .startup("10_mark", "touch /started")
            .options(&["--quiet", help, "ls"])
            .boot();
        let out = it.wait();
        assert_eq!((out.code, out.stderr.as_str()), (0, ""));
        for word in [
            "my_init [OPTION]",
            "--skip-startup-files",
            "--skip-runit",
            "--no-kill-all-on-exit",
            "--quiet",
            "--enable-insecure-key",
            "KILL_PROCESS_TIMEOUT",
            "KILL_ALL_PROCESSES_TIMEOUT",
            "STOP_DEADLINE",
            "ENV_INIT_DIRECTORY",
        ] {
            assert!(out.stdout.contains(word), "{word}");
        }
        assert!(it.written().is_empty());
    }
}

#[test]
fn version_is_one_line_on_stdout() {
    let out = Container::new().options(&["--version"]).boot().wait();
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
    assert_eq!(out.stdout.lines().count(), 1);
    assert!(out.stdout.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_command_needs_no_dashes_before_it() {
    let out = Container::new().options(&["ls", "-la", "/etc/debian_version"]).boot().wait();
    assert_eq!(out.code, 0);
    assert!(out.stdout.contains("/etc/debian_version") && out.stdout.contains("rw-r--r--"));
}

#[test]
fn what_follows_the_command_belongs_to_it() {
    let out = Container::new().options(&["echo", "--quiet", "--", "-x"]).boot().wait();
    assert_eq!((out.code, out.stdout.as_str()), (0, "--quiet -- -x\n"));
}

#[test]
fn behind_two_dashes_everything_is_a_command() {
    let out = Container::new().command(&["--quiet"]).boot().wait();
    assert_eq!(out.code, 127);
    assert!(out.stderr.contains("--quiet: not found"));
}

#[test]
fn without_services_and_without_a_command_there_is_nothing_to_do() {
    let it =
        Container::new().startup("10_mark", "touch /started").options(&["--skip-runit"]).boot();
    let out = it.wait();
    assert_eq!((out.code, out.stderr.lines().count()), (1, 1));
    assert!(out.stderr.contains("--skip-runit"));
    assert!(!it.exists("/started"));
}

#[test]
fn without_services_a_command_runs_all_the_same() {
    let out = Container::new().options(&["--skip-runit"]).script("echo hi; exit 3").boot().wait();
    assert_eq!((out.code, out.stdout.as_str()), (3, "hi\n"));
    assert_eq!(out.times_said("runit"), 0);
}

#[test]
fn quiet_says_nothing_of_what_goes_well() {
    let out = Container::new()
        .startup("10_fine", "true")
        .executable("/etc/rc.local", "#!/bin/sh\ntrue\n")
        .options(&["--quiet"])
        .script("exit 4")
        .boot()
        .wait();
    assert_eq!((out.code, out.stdout.as_str(), out.stderr.as_str()), (4, "", ""));
}

#[test]
fn quiet_still_says_what_goes_wrong() {
    let failed = Container::new().startup("10_bad", "exit 9").options(&["--quiet"]).boot().wait();
    assert!(failed.stderr.contains("/etc/my_init.d/10_bad failed with status 9"));
    let missing = Container::new().options(&["--quiet"]).command(&["no-such"]).boot().wait();
    assert!(missing.stderr.contains("no-such: not found"));
    let number =
        Container::new().env("STOP_DEADLINE", "soon").options(&["--quiet"]).script("").boot();
    assert!(number.wait().stderr.contains("STOP_DEADLINE=soon"));
}

#[test]
fn it_may_be_called_as_an_image_likes() {
    for program in ["/sbin/my_init", "my_init", "/usr/local/bin/entrypoint", "/init.sh"] {
        let it = Container::new()
            .symlink("/usr/sbin/my_init", "/usr/local/bin/entrypoint")
            .symlink("/usr/sbin/my_init", "/init.sh")
            .called(program)
            .startup("10_hello", "echo hello")
            .script("echo $PPID; exit 6")
            .boot();
        let out = it.wait();
        assert_eq!((out.code, out.stdout.as_str()), (6, "hello\n1\n"), "{program}");
    }
}

#[test]
fn the_boot_speaks_in_the_predecessors_words() {
    let out = Container::new()
        .startup("10_hello", "true")
        .executable("/etc/rc.local", "#!/bin/sh\ntrue\n")
        .executable("/etc/my_init.pre_shutdown.d/10_pre", "#!/bin/sh\ntrue\n")
        .executable("/etc/my_init.post_shutdown.d/10_post", "#!/bin/sh\ntrue\n")
        .command(&["ls", "/"])
        .boot()
        .wait();
    out.assert_said(&[
        "*** Running /etc/my_init.d/10_hello...",
        "*** Running /etc/rc.local...",
        "*** Booting runit daemon...",
        "*** Runit started as PID 1",
        "*** Running ls /...",
        "*** ls exited with status 0.",
        "*** Running /etc/my_init.pre_shutdown.d/10_pre...",
        "*** Shutting down runit daemon (PID 1)...",
        "*** Running /etc/my_init.post_shutdown.d/10_post...",
        "*** Killing all processes...",
    ]);
    assert_eq!(out.stderr.lines().count(), 10);
}

#[test]
fn a_command_gives_the_container_its_exit_code() {
    for code in [0, 1, 4, 125, 126, 127, 128, 255] {
        let out = Container::new().script(&format!("exit {code}")).boot().wait();
        assert_eq!(out.code, code);
        out.assert_said(&[&format!("*** sh exited with status {code}.")]);
    }
}

#[test]
fn a_command_killed_by_a_signal_gives_128_and_the_signal() {
    for (signal, number) in [("KILL", 9), ("TERM", 15), ("ABRT", 6), ("HUP", 1), ("40", 40)] {
        let out = Container::new().script(&format!("kill -{signal} $$")).boot().wait();
        assert_eq!(out.code, 128 + number, "{signal}");
        let line = out.stderr.lines().find(|line| line.starts_with("*** sh exited")).unwrap();
        assert!(line.contains(&format!("{}", 128 + number)) && line.contains(signal), "{line}");
    }
}

#[test]
fn a_command_that_cannot_run_gives_126_or_127_and_the_reason() {
    for (command, code, reason) in [
        ("no-such", 127, "no-such: not found"),
        ("/no/such", 127, "/no/such: not found"),
        ("/etc/passwd/x", 127, "/etc/passwd/x: not found"),
        ("/data", 126, "/data: not executable"),
        ("/etc", 126, "/etc: it is a directory"),
        ("/crlf", 127, "CR LF"),
        ("/snake", 127, "/opt/no/python"),
        ("/empty-program", 126, "not a program for this machine"),
    ] {
        let it = Container::new()
            .file("/data", "#!/bin/sh\n")
            .executable("/crlf", "#!/bin/sh\r\necho hi\r\n")
            .executable("/snake", "#!/opt/no/python -u\n")
            .executable("/empty-program", b"\x7fELF\0\0\0\0")
            .command(&[command])
            .boot();
        let out = it.wait();
        assert_eq!(out.code, code, "{command}");
        assert_eq!(out.times_said(reason), 1, "{command}");
        out.assert_said(&["*** Killing all processes..."]);
    }
}

#[test]
fn a_file_that_may_not_be_run_hides_no_program_further_along_path() {
    let out = Container::new()
        .file("/first/hello", "nothing")
        .executable("/second/hello", "#!/bin/sh\necho second\n")
        .env("PATH", "/none:/first:/second:/usr/bin:/bin")
        .command(&["hello"])
        .boot()
        .wait();
    assert_eq!((out.code, out.stdout.as_str()), (0, "second\n"));
}

#[test]
fn text_without_a_first_line_is_run_by_the_shell_as_execvp_does() {
    let out = Container::new()
        .executable("/usr/local/bin/greet", "echo \"$0 $1\"; exit 5\n")
        .command(&["greet", "you"])
        .boot()
        .wait();
    assert_eq!((out.code, out.stdout.as_str()), (5, "/usr/local/bin/greet you\n"));
}

#[test]
fn without_a_command_it_serves_until_it_is_stopped() {
    let it = Container::new().startup("10_hello", "echo hello").boot();
    it.until_said("*** Runit started as PID 1");
    assert!(!it.is_over());
    let out = it.stop();
    assert_eq!(out.code, 0);
    assert!(out.took < Duration::from_secs(1), "{:?}", out.took);
}

#[test]
fn a_container_that_does_nothing_never_wakes_up() {
    let idle = Container::new();
    let waiting = Container::new().command(&["sleep", "1000"]);
    for container in [idle, waiting] {
        let it = container.boot();
        it.until_said("*** Runit started");
        // What the boot began is over in a second; the next one is watched.
        it.sh("sleep 1");
        let before = it.status("voluntary_ctxt_switches");
        it.sh("sleep 1");
        assert_eq!(it.status("voluntary_ctxt_switches"), before);
    }
}

#[test]
fn a_command_runs_where_and_as_it_was_called() {
    let out = Container::new()
        .argv(&["sh", "-c", "cd /tmp; umask 027; exec my_init -- sh -c 'pwd; umask; echo $0' me"])
        .boot()
        .wait();
    assert_eq!(out.stdout, "/tmp\n0027\nme\n");
}

#[test]
fn a_standard_error_that_nobody_reads_holds_nothing_up() {
    if Need::Namespaces.is_missing() {
        return;
    }
    for stderr in [Stderr::Full, Stderr::Broken] {
        let it = Container::new()
            .stderr(stderr)
            .startup("10_hello", "echo hello")
            .executable("/etc/my_init.post_shutdown.d/10_post", "#!/bin/sh\ntouch /post\n")
            .script("sleep 1000 & trap 'exit 7' TERM; echo main; wait $!")
            .boot();
        it.until(|it| it.stdout() == "hello\nmain\n");
        assert_eq!(it.stop().code, 7);
        assert!(it.exists("/post"));
    }
}

#[test]
fn closed_standard_descriptors_hold_nothing_up() {
    if Need::Namespaces.is_missing() {
        return;
    }
    for closed in ["exec 2>&-", "exec 2>/dev/full", "exec <&- 2>&-"] {
        let it = Container::new().setup(closed).startup("10", "echo a").script("echo b; exit 7");
        let out = it.boot().wait();
        assert_eq!((out.code, out.stdout.as_str()), (7, "a\nb\n"), "{closed}");
    }
}

#[test]
fn a_closed_standard_output_is_no_reason_to_fail() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let out = Container::new().setup("exec >&-").script("exit 7").boot().wait();
    assert_eq!(out.code, 7);
    let help = Container::new().setup("exec >/dev/full").options(&["--help"]).boot().wait();
    assert_eq!(help.code, 1);
}
