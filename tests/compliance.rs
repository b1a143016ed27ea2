//! `sv` of Debian's package against our supervisor and against its own, and our own `sv` against
//! ours: the commands, their answers and their codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use world::{Line, Live, Ours, Party, Row, Theirs, normal, told};

const WEB: &str = "run: web: (pid N) Ns";
const OK_WEB: &str = "ok: run: web: (pid N) Ns";
const DEAF: &str = "run: deaf: (pid N) Ns";
const NOSUCH: &str = "fail: nosuch: unable to change to service directory: file does not exist";

/// One service of each kind, each in the state it stays in.
fn booted(party: Party) -> Live {
    let it = party
        .container()
        .service("web", "trap '' HUP ALRM INT QUIT USR1 USR2; exec sleep 1000")
        .service("off", "exec sleep 1000")
        .file("/etc/service/off/down", "")
        .service("logged", "exec sleep 1000")
        .service("logged/log", "exec cat >/dev/null")
        .service("deaf", "trap '' TERM; exec sleep 1000")
        .service("checked", "exec sleep 1000")
        .executable("/etc/service/checked/check", "#!/bin/sh\ntest -e /available\n")
        .service("unchecked", "exec sleep 1000")
        .file("/etc/service/unchecked/check", "#!/bin/sh\nexit 1\n")
        .service("crash", "exit 1")
        .service("slow", "exit 1")
        .executable("/etc/service/slow/finish", "#!/bin/sh\nexec sleep 1000\n")
        .service(".hidden", "exec sleep 1000")
        .file("/etc/service/file", "")
        .boot();
    for name in ["web", "logged", "logged/log", "deaf", "checked", "unchecked"] {
        it.until_is("run", name);
    }
    it.until_is("finish", "slow");
    it.until_settled("web");
    it
}

/// Tell it to all, in parts that each begin with services that are settled.
#[track_caller]
fn stories(parts: &[&[Line]]) {
    Party::each(|party| {
        let it = booted(party);
        for lines in parts {
            it.until_settled("web");
            told(|words| it.sv_output(words), lines);
        }
    });
}

/// Tell a story to all.
#[track_caller]
fn story(lines: &[Line]) {
    stories(&[lines]);
}

#[test]
fn status_says_what_runs_what_is_normal_and_what_is_wanted() {
    story(&[
        ("status web", 0, WEB),
        ("status off", 0, "down: off: Ns"),
        ("status logged", 0, "run: logged: (pid N) Ns; run: log: (pid N) Ns"),
        ("status logged/log", 0, "run: logged/log: (pid N) Ns"),
        ("until status crash", 0, "down: crash: Ns, normally up, want up"),
        ("status slow", 0, "finish: slow: (pid N) Ns"),
        ("status web off", 0, "run: web: (pid N) Ns\ndown: off: Ns"),
        ("status /etc/service/web", 0, "run: /etc/service/web: (pid N) Ns"),
        ("status /etc/service/off/", 0, "down: /etc/service/off/: Ns"),
        ("st web", 0, WEB),
        ("s web", 0, WEB),
        ("status nosuch", 1, NOSUCH),
        ("status file", 1, "fail: file: unable to change to service directory: not a directory"),
        (
            "status /etc/service/.hidden",
            1,
            "warning: /etc/service/.hidden: unable to open supervise/ok: file does not exist",
        ),
    ]);
}

#[test]
fn the_commands_that_only_send_answer_nothing_and_take_effect() {
    story(&[
        ("up web", 0, ""),
        ("down web", 0, ""),
        ("until status web", 0, "down: web: Ns, normally up"),
        ("up web off", 0, ""),
        ("until status web", 0, WEB),
        ("until status off", 0, "run: off: (pid N) Ns, normally down"),
        ("pause web", 0, ""),
        ("until status web", 0, "run: web: (pid N) Ns, paused"),
        ("cont web", 0, ""),
        ("until status web", 0, WEB),
        ("once web", 0, ""),
        ("until status web", 0, "run: web: (pid N) Ns, want down"),
        ("kill web", 0, ""),
        ("until status web", 0, "down: web: Ns, normally up"),
        ("once web", 0, ""),
        ("until status web", 0, "run: web: (pid N) Ns, want down"),
        ("up web", 0, ""),
        ("until status web", 0, WEB),
        ("hup web", 0, ""),
        ("alarm web", 0, ""),
        ("interrupt web", 0, ""),
        ("quit web", 0, ""),
        ("1 web", 0, ""),
        ("2 web", 0, ""),
        ("status web", 0, WEB),
        ("term deaf", 0, ""),
        ("until status deaf", 0, "run: deaf: (pid N) Ns, got TERM"),
        ("down deaf", 0, ""),
        ("until status deaf", 0, "run: deaf: (pid N) Ns, want down, got TERM"),
        ("up deaf", 0, ""),
        ("until status deaf", 0, "run: deaf: (pid N) Ns, got TERM"),
        ("kill deaf", 0, ""),
        ("until status deaf", 0, DEAF),
        ("u off", 0, ""),
        ("d off", 0, ""),
        ("until status off", 0, "down: off: Ns"),
    ]);
}

#[test]
fn start_stop_and_restart_wait_and_answer() {
    stories(&[
        &[
            ("start web", 0, OK_WEB),
            ("stop web", 0, "ok: down: web: Ns, normally up"),
            ("start web", 0, OK_WEB),
        ],
        &[("reload web", 0, OK_WEB), ("restart web", 0, OK_WEB)],
        &[("try-restart web", 0, OK_WEB)],
        &[("force-reload web", 0, OK_WEB)],
        &[("force-restart web", 0, OK_WEB)],
        &[
            ("force-stop web", 0, "ok: down: web: Ns, normally up"),
            ("check web", 0, "ok: down: web: Ns, normally up"),
            ("start off", 0, "ok: run: off: (pid N) Ns, normally down"),
            ("check off", 0, "ok: run: off: (pid N) Ns, normally down"),
            ("stop off", 0, "ok: down: off: Ns"),
            ("try-restart off", 0, "ok: down: off: Ns"),
            ("status off", 0, "down: off: Ns"),
            ("restart off", 0, "ok: run: off: (pid N) Ns, normally down"),
        ],
    ]);
}

#[test]
fn with_v_the_sending_commands_wait_and_answer_too() {
    stories(&[
        &[
            ("-v up web", 0, OK_WEB),
            ("-v hup web", 0, OK_WEB),
            ("-v 1 web", 0, OK_WEB),
            ("-v cont web", 0, OK_WEB),
            ("-v down web", 0, "ok: down: web: Ns, normally up"),
            ("-v up web", 0, OK_WEB),
            ("-w 3 up off", 0, "ok: run: off: (pid N) Ns, normally down"),
            ("-v -w 3 down off", 0, "ok: down: off: Ns"),
        ],
        &[("-v term web", 0, OK_WEB)],
        &[("-v once off", 0, "ok: run: off: (pid N) Ns, normally down, want down")],
    ]);
}

#[test]
fn what_does_not_come_is_a_timeout_and_force_kills() {
    Party::each(|party| {
        let (it, subject) = (booted(party), party.subject);
        let told = |lines: &[Line]| told(|words| it.sv_output(words), lines);
        it.until_settled("deaf");
        told(&[
            ("-w 1 stop deaf", 1, "timeout: run: deaf: (pid N) Ns, want down, got TERM"),
            ("up deaf", 0, ""),
            ("until status deaf", 0, "run: deaf: (pid N) Ns, got TERM"),
            ("-w 1 restart deaf", 1, "timeout: run: deaf: (pid N) Ns, got TERM"),
            ("-w 1 force-stop deaf", 1, "kill: run: deaf: (pid N) Ns, want down, got TERM"),
            ("until status deaf", 0, "down: deaf: Ns, normally up"),
            ("start deaf", 0, "ok: run: deaf: (pid N) Ns"),
        ]);
        it.until_settled("deaf");
        told(&[("-w 1 force-restart deaf", 1, "kill: run: deaf: (pid N) Ns, got TERM")]);
        it.until_settled("deaf");
        told(&[("-w 1 force-reload deaf", 1, "kill: run: deaf: (pid N) Ns, got TERM")]);
        it.until_settled("deaf");
        told(&[
            ("-w 1 shutdown deaf", 1, "timeout: run: deaf: (pid N) Ns, want down, got TERM"),
            ("-w 1 force-shutdown deaf", 1, "kill: run: deaf: (pid N) Ns, want down, got TERM"),
        ]);
        let gone = ("until status deaf", 1, "fail: deaf: runsv not running");
        let back = ("until status deaf", 0, DEAF);
        told(&[subject.either(Row("exit-verb"), Ours(gone), Theirs(back))]);
    });
}

#[test]
fn a_service_that_is_not_up_times_out() {
    story(&[
        ("-w 1 start slow", 1, "timeout: finish: slow: (pid N) Ns"),
        ("-w 1 stop slow", 1, "timeout: finish: slow: (pid N) Ns, want down"),
        ("-w 1 restart slow", 1, "timeout: finish: slow: (pid N) Ns"),
        ("-w 1 force-stop slow", 1, "kill: finish: slow: (pid N) Ns, want down"),
        ("down crash", 0, ""),
        ("until status crash", 0, "down: crash: Ns, normally up"),
        ("-w 1 check crash", 0, "ok: down: crash: Ns, normally up"),
    ]);
}

#[test]
fn check_decides_whether_a_service_is_available() {
    Party::each(|party| {
        let it = booted(party);
        it.until_settled("checked");
        let checked = "timeout: run: checked: (pid N) Ns";
        told(
            |words| it.sv_output(words),
            &[
                ("status checked", 0, "run: checked: (pid N) Ns"),
                ("-w 1 start checked", 1, checked),
                ("-w 1 check checked", 1, checked),
                ("-w 1 restart checked", 1, checked),
                ("-w 1 try-restart checked", 1, checked),
            ],
        );
        it.sh("touch /available");
        let checked = "ok: run: checked: (pid N) Ns";
        let answers = ["start", "check", "restart", "try-restart"]
            .map(|verb| it.sv(&format!("{verb} checked")));
        assert!(answers.iter().all(|answer| normal(answer) == checked), "{answers:?}");
        // A `check` that cannot be run is none.
        let out = it.sv_output("start unchecked");
        assert_eq!((out.code, normal(&out.stdout).as_str()), (0, "ok: run: unchecked: (pid N) Ns"));
        assert!(out.stderr.contains("unchecked/check"), "{}", out.stderr);
    });
}

#[test]
fn exit_and_shutdown_end_the_supervision_of_a_service() {
    Party::each(|party| {
        let it = booted(party);
        // In one breath: their runsvdir starts it again within a second.
        let exit = "out=$(sv exit web 2>&1) && [ -z \"$out\" ]";
        it.sh(&format!("{exit} && until sv status web | grep 'runsv not running'; do :; done"));
        told(
            |words| it.sv_output(words),
            &[
                ("until status logged/log", 0, "run: logged/log: (pid N) Ns"),
                ("exit logged/log", 0, ""),
                ("status logged/log", 0, "run: logged/log: (pid N) Ns"),
                ("shutdown logged", 0, "ok: logged: runsv not running"),
            ],
        );
    });
}

#[test]
fn after_exit_a_service_is_forgotten_until_a_directory_comes_or_goes_or_hup_comes() {
    Party::each(|party| {
        let it = booted(party);
        let changes = vec!["cp -r /etc/service/off /new; mv /new /etc/service/new", "kill -HUP 1"];
        // Theirs is there again without any of it.
        for change in party.subject.either(Row("exit-verb"), Ours(changes), Theirs(vec![""])) {
            let pid = it.service_pid("web");
            it.sv("exit web");
            it.until(|it| it.sh(&format!("kill -0 {pid} 2>/dev/null || echo gone")) == "gone\n");
            if !change.is_empty() {
                it.sv("restart logged");
                assert_eq!(it.sv("status web"), "fail: web: runsv not running\n");
                it.sh(change);
            }
            it.until_is("run", "web");
        }
    });
}

#[test]
fn a_logger_is_a_service_and_is_told_with_its_own() {
    story(&[
        ("stop logged", 0, "ok: down: logged: Ns, normally up"),
        ("status logged", 0, "down: logged: Ns, normally up; run: log: (pid N) Ns"),
        ("start logged", 0, "ok: run: logged: (pid N) Ns"),
        ("stop logged/log", 0, "ok: down: logged/log: Ns, normally up"),
        ("status logged", 0, "run: logged: (pid N) Ns; down: log: Ns, normally up"),
        ("start logged/log", 0, "ok: run: logged/log: (pid N) Ns"),
        ("restart logged/log", 0, "ok: run: logged/log: (pid N) Ns"),
    ]);
}

#[test]
fn one_that_fails_of_several_is_counted_and_the_others_are_told() {
    story(&[
        ("status web nosuch off", 1, &format!("{WEB}\n{NOSUCH}\ndown: off: Ns")),
        ("up nosuch", 1, NOSUCH),
        ("-w 1 start nosuch", 1, NOSUCH),
        ("down nosuch nosuch off", 2, &format!("{NOSUCH}\n{NOSUCH}")),
        ("start nosuch off", 1, &format!("{NOSUCH}\nok: run: off: (pid N) Ns, normally down")),
        ("stop nosuch off", 1, &format!("{NOSUCH}\nok: down: off: Ns")),
        (
            "down /etc/service/.hidden",
            1,
            "warning: /etc/service/.hidden: unable to open supervise/ok: file does not exist",
        ),
    ]);
}
