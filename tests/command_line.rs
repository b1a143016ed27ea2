//! How `sv` is called: by another name, in another directory, by another user, with wrong words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use world::{Line, Live, Need, Ours, Party, Row, Theirs, normal, told};

const WEB: &str = "run: web: (pid N) Ns";
const OK_WEB: &str = "ok: run: web: (pid N) Ns";
const NO_DIRECTORY: &str = "fail: web: unable to change to service directory: file does not exist";
const TIMEOUT: &str = "timeout: run: deaf: (pid N) Ns, want down, got TERM";

fn booted(party: Party) -> Live {
    let mut it = party
        .container()
        .service("web", "trap '' HUP; exec sleep 1000")
        .service("off", "exec sleep 1000")
        .file("/etc/service/off/down", "")
        .service("deaf", "trap '' TERM; exec sleep 1000")
        .executable("/srv/db/run", "#!/bin/sh\nexec sleep 1000\n");
    for name in ["web", "off", "deaf", "nosuch"] {
        it = it.symlink("/usr/bin/sv", &format!("/etc/init.d/{name}"));
    }
    let it = it.boot();
    it.until_is("run", "web");
    it.until_is("run", "deaf");
    it.until_settled("deaf");
    it.until_settled("web");
    it
}

/// Told to all, each line being one of the shell.
#[track_caller]
fn story(lines: &[Line]) {
    Party::each(|party| {
        let it = booted(party);
        told(|line| it.run(&["sh", "-c", line]), lines);
    });
}

#[test]
fn by_another_name_it_is_an_init_script_of_that_service() {
    story(&[
        ("/etc/init.d/web status", 0, WEB),
        ("/etc/init.d/web reload", 0, OK_WEB),
        ("/etc/init.d/off status", 3, "down: off: Ns"),
        ("/etc/init.d/web stop", 0, "ok: down: web: Ns, normally up"),
        ("/etc/init.d/web status", 3, "down: web: Ns, normally up"),
        ("/etc/init.d/web start", 0, OK_WEB),
        ("/etc/init.d/web force-stop", 0, "ok: down: web: Ns, normally up"),
        ("/etc/init.d/web up", 0, ""),
        ("until /etc/init.d/web status", 0, WEB),
        // Last: their sv may answer before their runsv has read the command.
        ("/etc/init.d/web restart", 0, OK_WEB),
        ("/etc/init.d/web try-restart", 0, OK_WEB),
        ("/etc/init.d/web force-reload", 0, OK_WEB),
        ("/etc/init.d/deaf -w 1 stop", 1, TIMEOUT),
        ("SVWAIT=1 /etc/init.d/deaf stop", 1, TIMEOUT),
        ("SVDIR=/nosuch /etc/init.d/web status", 1, NO_DIRECTORY),
        (
            "/etc/init.d/nosuch start",
            1,
            "fail: nosuch: unable to change to service directory: file does not exist",
        ),
        (
            "/etc/init.d/nosuch status",
            1,
            "fail: nosuch: unable to change to service directory: file does not exist",
        ),
        ("/etc/init.d/off exit", 0, ""),
        ("until /etc/init.d/off status", 1, "fail: off: runsv not running"),
    ]);
}

#[test]
fn variables_and_options_say_where_and_for_how_long() {
    story(&[
        ("SVDIR=/etc/service sv status web", 0, WEB),
        ("SVDIR=/nosuch sv status web", 1, NO_DIRECTORY),
        (
            "SVDIR=/srv sv status db",
            1,
            "warning: db: unable to open supervise/ok: file does not exist",
        ),
        ("cd /etc/service && sv status ./web", 0, "run: ./web: (pid N) Ns"),
        ("cd / && sv status etc/service/web/", 0, "run: etc/service/web/: (pid N) Ns"),
        ("sv -v status web", 0, WEB),
        ("SVWAIT=1 sv stop deaf", 1, TIMEOUT),
        ("sv -w 1 stop deaf", 1, TIMEOUT),
        ("SVWAIT=1000 sv -w 1 stop deaf", 1, TIMEOUT),
    ]);
}

#[test]
fn an_empty_svdir_is_none() {
    Party::each(|party| {
        let it = booted(party);
        let empty = "SVDIR= sv status web";
        // Theirs looks where it stands.
        let (ours, theirs) = (Ours((empty, 0, WEB)), Theirs((empty, 1, NO_DIRECTORY)));
        let line = party.either(Row("sv-empty-svdir"), ours, theirs);
        told(|line| it.run(&["sh", "-c", line]), &[line]);
    });
}

#[test]
fn wrong_words_show_the_usage_and_are_code_100() {
    Party::each(|party| {
        let it = booted(party);
        for words in
            ["", "-v", "-w", "-w 1", "-x status web", "frob web", "3 web", "stop", "-w 1 start"]
        {
            let out = it.sv_output(words);
            assert_eq!((out.code, out.stdout.as_str()), (100, ""), "{words}: {}", out.stderr);
            assert!(out.stderr.contains("usage: sv "), "{words}: {}", out.stderr);
        }
        for words in ["", "frob"] {
            let out = it.run(&["sh", "-c", &format!("/etc/init.d/web {words}")]);
            assert_eq!((out.code, out.stdout.as_str()), (2, ""), "{words}: {}", out.stderr);
            assert!(out.stderr.contains("usage: web "), "{words}: {}", out.stderr);
        }
        let all = it.sv_output("status");
        let ours = Ours((0, "run: deaf: (pid N) Ns\ndown: off: Ns\nrun: web: (pid N) Ns"));
        let expected = party.either(Row("sv-status-all"), ours, Theirs((100, "")));
        assert_eq!((all.code, normal(&all.stdout).as_str()), expected);
    });
}

#[test]
fn an_ordinary_user_is_refused_in_words() {
    if Need::Users.is_missing() {
        return;
    }
    Party::each(|party| {
        let it = booted(party);
        let refused = "warning: web: unable to open supervise/ok: access denied";
        for words in ["status", "down", "start", "check", "exit"] {
            told(|words| it.run_as((1000, 1000), &["sv", words, "web"]), &[(words, 1, refused)]);
        }
        // LSB: unknown. (Where no supervisor runs it is a plain failure.)
        told(
            |words| it.run_as((1000, 1000), &["/etc/init.d/web", words]),
            &[("status", 4, refused), ("stop", 1, refused)],
        );
        assert!(it.sv("status web").starts_with("run: web: "));
    });
}
