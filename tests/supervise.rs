//! `supervise/`: what stands in it, to the byte as Debian's `sv` needs it, and what survives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::time::{SystemTime, UNIX_EPOCH};
use world::{Container, Live, Need, Ours, Row, Stop, Subject, Theirs};

/// A service that stays.
const STAYS: &str = "exec sleep 1000";
/// A service that notes TERM and stays.
const DEAF: &str =
    "sleep 1000 & trap 'echo TERM >>/got' TERM; touch /ready; while :; do wait $!; done";
/// The TAI64 label of 1970-01-01, as runit counts.
const EPOCH: u64 = 4_611_686_018_427_387_914;

fn up(container: Container) -> Live {
    let it = container.boot();
    it.until_is("run", "web");
    it
}

/// What `supervise/` of this service has: kind, mode, owner and name of each file.
fn listing(it: &Live, service: &str) -> String {
    let files = ". control lock ok pid stat status";
    it.sh(&format!("cd /etc/service/{service}/supervise/; stat -c '%F %a %u:%g %n' {files}"))
}

/// The twenty bytes: seconds since 1970, process, and the last four.
fn status(it: &Live, service: &str) -> (u64, i32, [u8; 4]) {
    let bytes = it.read_bytes(&format!("/etc/service/{service}/supervise/status"));
    assert_eq!(bytes.len(), 20);
    let seconds = u64::from_be_bytes(bytes[..8].try_into().unwrap()) - EPOCH;
    assert!(u32::from_be_bytes(bytes[8..12].try_into().unwrap()) < 1_000_000_000);
    let pid = i32::from_le_bytes(bytes[12..16].try_into().unwrap());
    (seconds, pid, bytes[16..].try_into().unwrap())
}

#[track_caller]
fn until_stat(it: &Live, service: &str, stat: &str, last_bytes: [u8; 4]) {
    let path = format!("/etc/service/{service}/supervise/stat");
    it.until(|it| it.exists(&path) && it.read(&path) == format!("{stat}\n"));
    it.until(|it| status(it, service).2 == last_bytes);
    let pid = it.read(&format!("/etc/service/{service}/supervise/pid"));
    assert_eq!(pid.trim().parse().unwrap_or(0), status(it, service).1, "{stat}");
}

#[test]
fn the_files_are_runits_with_runits_modes() {
    for subject in Subject::BOTH {
        let it = up(subject.container().service("web", STAYS).service("web/log", STAYS));
        it.until_is("run", "web/log");
        for service in ["web", "web/log"] {
            let expected = "directory 700 0:0 .\nfifo 600 0:0 control\n\
                regular empty file 600 0:0 lock\nfifo 600 0:0 ok\nregular file 644 0:0 pid\n\
                regular file 644 0:0 stat\nregular file 644 0:0 status\n";
            assert_eq!(listing(&it, service), expected, "{service}");
            let all = it.sh(&format!("ls -A /etc/service/{service}/supervise/"));
            assert_eq!(all.split_whitespace().count(), 6, "{all}");
            assert!(it.is_locked(service), "{service}");
        }
    }
}

#[test]
fn status_stat_and_pid_say_what_runits_say() {
    for subject in Subject::BOTH {
        let it = up(subject
            .container()
            .service("web", DEAF)
            .executable("/etc/service/web/finish", "#!/bin/sh\nread go </gate\n")
            .service("web/log", STAYS)
            .fifo("/gate"));
        it.until_there("/ready");
        until_stat(&it, "web", "run", [0, b'u', 0, 1]);
        until_stat(&it, "web/log", "run", [0, b'u', 0, 1]);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!((now - 40..=now).contains(&status(&it, "web").0));
        it.sh(&format!("kill -0 {}", status(&it, "web").1));
        it.sv("pause web");
        until_stat(&it, "web", "run, paused", [1, b'u', 0, 1]);
        it.sv("term web");
        until_stat(&it, "web", "run, paused, got TERM", [1, b'u', 1, 1]);
        it.sv("cont web");
        until_stat(&it, "web", "run, got TERM", [0, b'u', 1, 1]);
        it.sv("once web");
        until_stat(&it, "web", "run, got TERM, want down", [0, b'd', 1, 1]);
        it.sv("up web");
        until_stat(&it, "web", "run, got TERM", [0, b'u', 1, 1]);
        it.sv("down web");
        until_stat(&it, "web", "run, got TERM, want down", [0, b'd', 1, 1]);
        it.sv("kill web");
        until_stat(&it, "web", "finish, want down", [0, b'd', 0, 2]);
        it.sv("up web");
        until_stat(&it, "web", "finish", [0, b'u', 0, 2]);
        it.sv("exit web");
        until_stat(&it, "web", "finish, want exit", [0, b'd', 0, 2]);
        it.sv("down web/log");
        until_stat(&it, "web/log", "down", [0, b'd', 0, 0]);
        assert_eq!(it.read("/etc/service/web/log/supervise/pid"), "");
    }
}

/// A service that notes each signal and lives on. Not a shell: one that comes just before a shell
/// waits may be noted with the next.
const NOTES: &str = r#"exec perl -e '
    sub note { open(my $file, ">>", $_[0]); syswrite($file, "$_[1]\n") }
    for my $s (qw(TERM CONT HUP ALRM INT QUIT USR1 USR2)) { $SIG{$s} = sub { note("/got", $s) } }
    note("/starts", "on");
    select(undef, undef, undef, 0.05) while 1'"#;

fn send(it: &Live, bytes: &str) {
    it.sh(&format!("printf '{bytes}' >/etc/service/web/supervise/control"));
}

fn until_started(it: &Live, times: usize) {
    it.until(|it| it.exists("/starts") && it.read("/starts").lines().count() == times);
}

#[test]
fn each_signal_byte_sends_its_signal_and_other_bytes_do_nothing() {
    for subject in Subject::BOTH {
        let it = up(subject.container().service("web", NOTES));
        until_started(&it, 1);
        for (byte, signal) in [
            ("t", "TERM"),
            ("c", "CONT"),
            ("h", "HUP"),
            ("a", "ALRM"),
            ("i", "INT"),
            ("q", "QUIT"),
            ("1", "USR1"),
            ("2", "USR2"),
        ] {
            send(&it, byte);
            it.until(|it| it.exists("/got") && it.read("/got") == format!("{signal}\n"));
            it.sh("rm /got");
        }
        send(&it, "b\\0U\\377\\n");
        send(&it, "p");
        it.until(|it| it.sv("status web").contains("s, paused"));
        send(&it, "c");
        it.until(|it| it.exists("/got") && !it.sv("status web").contains("paused"));
        assert_eq!(it.read("/got"), "CONT\n");
        send(&it, "k");
        until_started(&it, 2);
    }
}

#[test]
fn the_bytes_u_d_o_and_x_change_what_is_wanted() {
    for subject in Subject::BOTH {
        let it = up(subject.container().service("web", NOTES));
        until_started(&it, 1);
        send(&it, "o");
        it.until(|it| it.sv("status web").ends_with("s, want down\n"));
        assert!(!it.exists("/got"), "{}", it.read("/got"));
        send(&it, "k");
        it.until_is("down", "web");
        // Nobody is there to be signalled.
        send(&it, "tchaiqkp12");
        send(&it, "o");
        until_started(&it, 2);
        send(&it, "k");
        it.until_is("down", "web");
        send(&it, "u");
        until_started(&it, 3);
        send(&it, "k");
        until_started(&it, 4);
        send(&it, "d");
        it.until(|it| it.exists("/got") && it.read("/got").lines().count() >= 2);
        let got = it.read("/got");
        assert!(["TERM\nCONT\n", "CONT\nTERM\n"].contains(&got.as_str()), "{got}");
        it.until(|it| it.sv("status web").ends_with("s, want down, got TERM\n"));
        send(&it, "u");
        it.until(|it| it.sv("status web").ends_with("s, got TERM\n"));
        send(&it, "x");
        it.until(|it| it.sv("status web").ends_with("s, want down, got TERM\n"));
        send(&it, "k");
        // Ours is forgotten, theirs begins again.
        let starts = subject.either(Row("exit-verb"), Ours(4), Theirs(5));
        it.until(|it| starts == 5 || it.sv("status web") == "fail: web: runsv not running\n");
        until_started(&it, starts);
    }
}

#[test]
fn the_exit_byte_is_ignored_by_a_log_service() {
    for subject in Subject::BOTH {
        let it = up(subject.container().service("web", STAYS).service("web/log", STAYS));
        it.until_is("run", "web/log");
        let pid = it.service_pid("web/log");
        it.sh("printf xh >/etc/service/web/log/supervise/control");
        it.sv("down web");
        it.until_is("down", "web");
        it.sh("printf t >/etc/service/web/log/supervise/control");
        it.until(|it| it.sh(&format!("kill -0 {pid} 2>/dev/null || echo gone")) == "gone\n");
        it.until_is("run", "web/log");
    }
}

#[test]
fn modes_and_owners_that_a_user_gave_survive_every_boot() {
    if Need::Users.is_missing() {
        return;
    }
    for subject in Subject::BOTH {
        let mut it = up(subject.container().service("web", STAYS).service("web/log", STAYS));
        it.until_is("run", "web/log");
        it.sh("cd /etc/service/web; chmod 755 supervise log/supervise; chmod 644 supervise/lock
            chown 1000:50 supervise/ok supervise/control; chmod 660 supervise/ok
            chown :50 log/supervise/ok; chmod 620 log/supervise/ok");
        let (service, log) = (listing(&it, "web"), listing(&it, "web/log"));
        assert!(service.contains("fifo 660 1000:50 ok\n"), "{service}");
        for _ in 0..2 {
            it = it.again(Stop::Killed);
            it.until_is("run", "web");
            it.until_is("run", "web/log");
            assert_eq!(
                (listing(&it, "web"), listing(&it, "web/log")),
                (service.clone(), log.clone())
            );
        }
        let as_user = |words: &[&str]| it.run_as((1000, 1000), &[&["sv"], words].concat());
        assert!(as_user(&["status", "web"]).stdout.starts_with("run: web: "));
        assert_eq!(as_user(&["-w", "20", "down", "web"]).code, 0);
        it.until_is("down", "web");
        assert_eq!(as_user(&["status", "web/log"]).code, 1);
    }
}

#[test]
fn an_image_may_let_a_user_ask_but_not_command() {
    if Need::Users.is_missing() {
        return;
    }
    for subject in Subject::BOTH {
        let it = up(subject
            .container()
            .directory("/etc/service/web/supervise")
            .fifo("/etc/service/web/supervise/ok")
            .chmod("/etc/service/web/supervise/ok", 0o622)
            .service("web", STAYS));
        let as_user = |words: &[&str]| it.run_as((1000, 1000), &[&["sv"], words].concat());
        assert!(as_user(&["status", "web"]).stdout.starts_with("run: web: "), "{subject:?}");
        let out = as_user(&["down", "web"]);
        assert_eq!(out.code, 1);
        assert!(out.stdout.contains("supervise/control: access denied"), "{}", out.stdout);
        it.until_is("run", "web");
    }
}

#[test]
fn a_supervise_that_is_a_link_to_nowhere_yet_is_made_where_it_leads() {
    for subject in Subject::BOTH {
        // As Debian's packages ship them; the second is a chain of links.
        let it = subject
            .container()
            .service("web", STAYS)
            .symlink("/run/runit/supervise/web", "/etc/service/web/supervise")
            .service("web/log", STAYS)
            .symlink("/run/runit/supervise/web.log", "/etc/service/web/log/supervise")
            .directory("/run/runit/supervise");
        let it = up(it);
        it.until_is("run", "web/log");
        let kind = it.sh("stat -c '%F %a' /run/runit/supervise/web /run/runit/supervise/web.log");
        assert_eq!(kind, "directory 700\ndirectory 700\n");
        it.sv("down web");
        it.until_is("down", "web");
    }
}

#[test]
fn whatever_was_planted_in_place_of_a_file_harms_nobody() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let plant = "(cd etc/service/web; mkdir -p supervise log/supervise/status.new
        echo x >supervise/ok; echo x >supervise/control; ln -s /etc/passwd supervise/status.new
        echo twenty-bytes-of-junk >supervise/status; ln -s /etc/passwd supervise/pid
        ln -s /etc/passwd supervise/lock; mkdir log/supervise/ok log/supervise/control
        mkfifo log/supervise/pid.new log/supervise/lock; mkdir log/supervise/stat)";
    let log = "touch /log; exec cat >/dev/null";
    let container = Subject::Ours.container().service("web", STAYS).service("web/log", log);
    let it = up(container.service("other", STAYS).startup("10", "true").setup(plant));
    let passwd = it.sh("cat /etc/passwd; stat -c %a /etc/passwd");
    assert!(passwd.starts_with("root:x:0:0:"), "{passwd}");
    it.until_there("/log");
    let listing = it.sh("cd /etc/service/web/supervise; stat -c '%F %a %n' ok control status");
    assert_eq!(listing, "fifo 600 ok\nfifo 600 control\nregular file 644 status\n");
    it.sv("down web");
    it.until_is("down", "web");
    it.until_is("run", "other");
    assert_eq!(it.sh("cat /etc/passwd; stat -c %a /etc/passwd"), passwd);
    assert_eq!(it.stop().code, 0);
}

#[test]
fn a_paused_service_that_is_told_to_end_is_awake_and_is_shown_so() {
    for subject in Subject::BOTH {
        let it = subject.container().service("web", DEAF).boot();
        it.until_there("/ready");
        it.until_is("run", "web");
        it.sv("pause web");
        it.until(|it| it.sv("status web").contains("s, paused"));
        it.sh("printf d >/etc/service/web/supervise/control");
        it.until(|it| it.sv("status web").contains("got TERM"));
        let paused = subject.either(Row("paused-down"), Ours(false), Theirs(true));
        it.until(|it| it.sv("status web").contains("paused") == paused);
        let pid = it.service_pid("web");
        it.until(|it| !it.sh(&format!("cat /proc/{pid}/stat")).contains(" T "));
    }
}

#[test]
fn a_script_that_stands_in_for_stop_or_cont_is_believed() {
    for subject in Subject::BOTH {
        let script = |container: Container, letter, signal| {
            let lines = format!("#!/bin/sh\nkill -{signal} $(cat supervise/pid)\n");
            container.executable(format!("/etc/service/web/control/{letter}"), lines)
        };
        let it = subject.container().service("web", STAYS);
        let it = up(script(script(it, 'p', "STOP"), 'c', "CONT"));
        it.sv("pause web");
        it.until(|it| it.sv("status web").contains("s, paused"));
        it.sv("cont web");
        it.until(|it| !it.sv("status web").contains("paused"));
    }
}
