//! One service: its directory, its scripts, and what they are given.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use world::{Container, Live, Need, Ours, Row, Subject, Theirs};

/// A service that stays.
const STAYS: &str = "exec sleep 1000";
/// A service that notes each signal and lives on. Not a shell: one that comes just before a shell
/// waits may be noted with the next.
const NOTES: &str = r#"exec perl -e '
    sub note { open(my $file, ">>", $_[0]); syswrite($file, "$_[1]\n") }
    for my $s (qw(TERM CONT HUP ALRM INT QUIT USR1 USR2)) { $SIG{$s} = sub { note("/got", $s) } }
    note("/ready", "on");
    select(undef, undef, undef, 0.05) while 1'"#;

/// What a file says, once it says something.
#[track_caller]
fn said(it: &Live, path: &str) -> String {
    it.until(|it| it.exists(path) && it.read(path).ends_with('\n'));
    it.read(path).trim_end().to_string()
}

/// A script beside `run`.
fn script(container: Container, path: &str, lines: &str) -> Container {
    container.executable(format!("/etc/service/{path}"), format!("#!/bin/sh\n{lines}\n"))
}

#[test]
fn a_directory_is_a_service_and_a_name_with_a_leading_dot_is_none() {
    for subject in Subject::BOTH {
        let it = subject
            .container()
            .service("web", STAYS)
            .service("two words", STAYS)
            .service(".hidden", "touch /hidden; exec sleep 1000")
            .file("/etc/service/a-file", "")
            .boot();
        it.until_is("run", "web");
        let two = ["sv", "status", "two words"];
        it.until(|it| it.run(&two).stdout.starts_with("run: two words: (pid "));
        it.sh("kill -0 $(cat /etc/service/web/supervise/pid)");
        assert!(!it.exists("/hidden") && !it.exists("/etc/service/.hidden/supervise"));
    }
}

#[test]
fn a_service_directory_may_be_a_link_and_so_may_etc_service() {
    for subject in Subject::BOTH {
        // As Debian's package has it.
        let it = subject
            .container()
            .without("/etc/service")
            .symlink("/etc/runit/runsvdir/current", "/etc/service")
            .symlink("default", "/etc/runit/runsvdir/current")
            .executable("/etc/runit/runsvdir/default/web/run", "#!/bin/sh\nexec sleep 1000\n")
            .executable("/etc/sv/db/run", "#!/bin/sh\npwd >/cwd; exec sleep 1000\n")
            .symlink("/etc/sv/db", "/etc/runit/runsvdir/default/db")
            .boot();
        it.until_is("run", "web");
        it.until_is("run", "db");
        assert_eq!(said(&it, "/cwd"), "/etc/sv/db");
    }
}

#[test]
fn run_has_no_arguments_and_begins_in_its_directory() {
    for subject in Subject::BOTH {
        let it = subject.container().service("web", "echo $# $(pwd) >/seen; exec sleep 1000");
        assert_eq!(said(&it.boot(), "/seen"), "0 /etc/service/web");
    }
}

#[test]
fn a_service_is_a_session_of_its_own() {
    for subject in Subject::BOTH {
        let run = "read -r pid name state parent group session tty rest </proc/$$/stat
            echo $((pid == group)) $((pid == session)) $tty >/seen; exec sleep 1000";
        let it = subject.container().service("web", run).boot();
        let expected = subject.either(Row("service-session"), Ours("1 1 0"), Theirs("0 0 0"));
        assert_eq!(said(&it, "/seen"), expected, "{subject:?}");
    }
}

#[test]
fn a_service_reads_nothing_and_so_steals_no_input() {
    for subject in Subject::BOTH {
        let run = "read -r word || word=nothing; echo $word >/seen; exec sleep 1000";
        let it = subject.container().input("keys\n").service("web", run).boot();
        let expected = subject.either(Row("service-input"), Ours("nothing"), Theirs("keys"));
        assert_eq!(said(&it, "/seen"), expected, "{subject:?}");
    }
}

#[test]
fn a_service_never_has_the_terminal() {
    let it = Container::new()
        .terminal()
        .service("web", "readlink /proc/self/fd/0 >/seen; exec sleep 1000")
        .service(
            "tty",
            "(: </dev/tty) 2>/dev/null && echo terminal >/tty || echo none >/tty
            exec sleep 1000",
        )
        .command(&["cat"])
        .boot();
    assert_eq!(said(&it, "/seen"), "/dev/null");
    assert_eq!(said(&it, "/tty"), "none");
    it.type_keys("for the command\r");
    it.until(|it| it.screen().matches("for the command").count() == 2);
}

#[test]
fn a_service_has_the_containers_environment() {
    let it = Subject::Ours
        .container()
        .env("FROM_DOCKER", "two words")
        .variable("FROM_FILE", "file\n")
        .startup("10", "echo script >/etc/container_environment/FROM_SCRIPT")
        .service(
            "web",
            "echo $FROM_DOCKER, $FROM_FILE, $FROM_SCRIPT, $HOME >/seen
            exec sleep 1000",
        )
        .service("web/log", "echo $FROM_DOCKER, $FROM_FILE >/log; exec cat")
        .boot();
    assert_eq!(said(&it, "/seen"), "two words, file, script, /root");
    assert_eq!(said(&it, "/log"), "two words, file");
}

#[test]
fn signals_are_at_their_defaults_for_every_script_of_a_service() {
    if Need::Namespaces.is_missing() {
        return;
    }
    for subject in Subject::BOTH {
        // dash clears the mask for what it forks: only what it becomes can tell.
        let look =
            |name: &str| format!("exec grep -E '^Sig(Blk|Ign):' /proc/self/status >/of-{name}");
        let mut it = subject
            .container()
            .setup("trap '' HUP INT QUIT PIPE USR1 USR2 ALRM XFSZ TTOU")
            .service("run", &look("run"))
            .service("logs", STAYS)
            .service("logs/log", &look("log"));
        it = script(it, "run/finish", &look("finish"));
        it = script(it, "run/control/u", &look("control"));
        let it = it.boot();
        for name in ["run", "log", "finish", "control"] {
            let seen = said(&it, &format!("/of-{name}"));
            let masks = seen.lines().map(|line| line.split_once(":\t").unwrap().1);
            // 32 and 33 belong to the C library, which lets nobody set them.
            let masks = masks.map(|mask| u64::from_str_radix(mask, 16).unwrap() & !(3 << 31));
            let is_default = masks.sum::<u64>() == 0;
            assert_eq!(is_default, subject.is_ours(Row("service-signals")), "{name}: {seen}");
        }
    }
}

#[test]
fn no_service_has_a_descriptor_of_another_or_of_pid_1() {
    if Need::Namespaces.is_missing() {
        return;
    }
    for subject in Subject::BOTH {
        let it = subject
            .container()
            .setup("exec 7</dev/null")
            .service("plain", STAYS)
            .service("logged", STAYS)
            .service("logged/log", STAYS)
            .service("more", STAYS)
            .service("more/log", STAYS)
            .boot();
        for name in ["plain", "logged", "logged/log", "more", "more/log"] {
            it.until_is("run", name);
            let pid = it.service_pid(name);
            it.until(|it| it.sh(&format!("cat /proc/{pid}/comm")) == "sleep\n");
            let open = it.sh(&format!("cd /proc/{pid}/fd; for n in *; do readlink $n; done"));
            let has_stray = it.sh(&format!("ls /proc/{pid}/fd")).lines().any(|one| one == "7");
            let is_ours = subject.is_ours(Row("stray-descriptors"));
            assert_eq!(has_stray, !is_ours, "{name}");
            if is_ours {
                // Standard output and error are pipes to the test, or to the logger.
                let pipes = open.lines().filter(|one| one.starts_with("pipe:")).count();
                assert_eq!(pipes, if name.ends_with("/log") { 3 } else { 2 }, "{name}: {open}");
                assert_eq!(open.lines().count(), 3, "{name}: {open}");
            }
        }
    }
}

#[test]
fn a_service_has_the_limits_the_container_was_given() {
    if Need::Namespaces.is_missing() {
        return;
    }
    for subject in Subject::BOTH {
        let it = subject
            .container()
            .setup("ulimit -Sn 300; ulimit -Hn 3000")
            .service("web", "echo $(ulimit -Sn) $(ulimit -Hn) >/seen; exec sleep 1000")
            .boot();
        assert_eq!(said(&it, "/seen"), "300 3000");
    }
}

#[test]
fn finish_is_told_how_run_ended() {
    for subject in Subject::BOTH {
        let mut it = subject
            .container()
            .service("code", "echo $$ >>/pids; exit 7")
            .service("killed", "kill -KILL $$")
            .service("dumped", "ulimit -c unlimited 2>/dev/null; kill -ABRT $$")
            .directory("/etc/service/missing")
            .file("/etc/service/denied/run", "#!/bin/sh\n");
        for name in ["code", "killed", "dumped", "missing", "denied"] {
            it = script(it, &format!("{name}/finish"), &format!("echo \"$@\" >>/{name}"));
        }
        let it = it.boot();
        let is_ours = subject.is_ours(Row("finish-arguments"));
        let pid = said(&it, "/pids").lines().next().unwrap().to_string();
        for (name, ended) in [
            ("code", "7 0"),
            ("killed", "-1 9"),
            ("missing", "111 0"),
            ("denied", "111 0"),
            ("dumped", "-1"),
        ] {
            let told = said(&it, &format!("/{name}")).lines().next().unwrap().to_string();
            let words: Vec<&str> = told.split(' ').collect();
            assert!(told.starts_with(&format!("{ended} ")) || told == ended, "{name}: {told}");
            assert_eq!(words.len(), if is_ours { 4 } else { 2 }, "{told}");
            assert!(!is_ours || words[2] == name, "{told}");
            assert!(!is_ours || name != "code" || words[3] == pid, "{told}, not {pid}");
            // Theirs: 128 more, where a core could be dumped.
            let aborted =
                is_ours && words[1] == "6" || !is_ours && ["6", "134"].contains(&words[1]);
            assert!(name != "dumped" || aborted, "{told}");
        }
    }
}

#[test]
fn finish_runs_between_two_runs_and_is_waited_for() {
    for subject in Subject::BOTH {
        let it = subject.container().service("web", "echo run >>/steps; exit 1").fifo("/gate");
        let finish = "read go </gate; echo finish >>/steps";
        let it = script(it, "web/finish", finish).boot();
        it.until_is("finish", "web");
        assert_eq!(it.read("/steps"), "run\n");
        it.sh("echo go >/gate");
        it.until(|it| it.read("/steps").starts_with("run\nfinish\nrun\n"));
    }
}

#[test]
fn a_finish_that_is_not_executable_costs_a_line_and_nothing_else() {
    for subject in Subject::BOTH {
        let it = subject.container().service("web", "echo run >>/steps; exit 1");
        let it = it.file("/etc/service/web/finish", "#!/bin/sh\ntouch /finished\n").boot();
        it.until(|it| it.exists("/steps") && it.read("/steps").lines().count() == 3);
        let times = it.stderr().matches("./finish").count();
        assert_eq!(
            times.min(2),
            subject.either(Row("said-once"), Ours(1), Theirs(2)),
            "{}",
            it.stderr()
        );
        assert!(!it.exists("/finished"));
    }
}

#[test]
fn down_keeps_a_service_down_until_it_is_asked_for() {
    for subject in Subject::BOTH {
        let it = subject
            .container()
            .service("web", "touch /up; exec sleep 1000")
            .file("/etc/service/web/down", "")
            .service("other", STAYS)
            .boot();
        it.until_is("run", "other");
        it.until_is("down", "web");
        assert!(!it.exists("/up"));
        it.sv("up web");
        it.until_is("run", "web");
        assert!(it.exists("/etc/service/web/down"));
        it.sh("rm /up; kill $(cat /etc/service/web/supervise/pid)");
        it.until_there("/up");
    }
}

#[test]
fn a_log_service_has_a_down_of_its_own() {
    for subject in Subject::BOTH {
        let it = subject
            .container()
            .service("web", STAYS)
            .service("web/log", "touch /up; exec cat >/dev/null")
            .file("/etc/service/web/log/down", "")
            .boot();
        it.until_is("run", "web");
        it.until_is("down", "web/log");
        assert!(!it.exists("/up"));
        it.sv("up web/log");
        it.until_is("run", "web/log");
    }
}

#[test]
fn a_control_script_stands_in_for_its_signal_unless_it_fails() {
    const SIGNALS: [(char, &str); 8] = [
        ('h', "HUP"),
        ('a', "ALRM"),
        ('i', "INT"),
        ('q', "QUIT"),
        ('1', "USR1"),
        ('2', "USR2"),
        ('t', "TERM"),
        ('c', "CONT"),
    ];
    for subject in Subject::BOTH {
        let mut it = subject.container().service("web", NOTES);
        for (letter, _) in SIGNALS {
            // Decided before anybody can see that it was asked.
            let lines = format!("code=$(cat /code); echo {letter} >>/asked; exit $code");
            it = script(it, &format!("web/control/{letter}"), &lines);
        }
        let it = it.file("/code", "0\n").boot();
        it.until_there("/ready");
        it.until_is("run", "web");
        let ask = |letter| {
            let before = it.sh("cat /asked 2>/dev/null || :").lines().count();
            it.sv(&format!("{letter} web"));
            it.until(|it| it.sh("cat /asked 2>/dev/null || :").lines().count() == before + 1);
        };
        SIGNALS.iter().for_each(|(letter, _)| ask(*letter));
        assert!(!it.exists("/got"), "{}", it.read("/got"));
        it.sh("echo 1 >/code");
        for (n, (letter, signal)) in SIGNALS.iter().enumerate() {
            ask(*letter);
            it.until(|it| it.exists("/got") && it.read("/got").lines().count() == n + 1);
            assert_eq!(it.read("/got").lines().last(), Some(*signal));
        }
    }
}

#[test]
fn down_asks_control_t_then_wakes_the_service_then_asks_control_d() {
    for subject in Subject::BOTH {
        for (verb, letter) in [("down", "d"), ("exit", "x")] {
            let mut it = subject.container().service("web", NOTES);
            it = script(it, "web/control/t", "echo t >>/got");
            it = script(it, "web/control/c", "echo not for this >>/got");
            it = script(it, &format!("web/control/{letter}"), "echo last >>/got; exit 1");
            let it = it.boot();
            it.until_there("/ready");
            it.until_is("run", "web");
            it.sv(&format!("{verb} web"));
            it.until(|it| it.exists("/got") && it.read("/got").lines().count() == 3);
            assert_eq!(it.read("/got").lines().next(), Some("t"), "{subject:?} {verb}");
            assert!(it.read("/got").contains("CONT\n") && it.read("/got").contains("last\n"));
            assert!(it.sv("status web").contains("want down"), "{}", it.sv("status web"));
        }
    }
}

#[test]
fn control_u_runs_before_every_start_whatever_it_says() {
    for subject in Subject::BOTH {
        let it = subject.container().service("web", "echo run >>/steps; exit 0");
        let it = script(it, "web/control/u", "echo u >>/steps; exit 1").boot();
        it.until(|it| it.exists("/steps") && it.read("/steps").lines().count() >= 4);
        assert!(it.read("/steps").starts_with("u\nrun\nu\nrun\n"), "{}", it.read("/steps"));
    }
}

#[test]
fn a_log_service_has_no_control_scripts() {
    for subject in Subject::BOTH {
        let it = subject
            .container()
            .service("web", STAYS)
            .service("web/log", "echo on >>/starts; exec cat >/dev/null");
        let it = script(it, "web/log/control/t", "touch /asked").boot();
        it.until(|it| it.exists("/starts") && it.read("/starts") == "on\n");
        it.sv("term web/log");
        it.until(|it| it.read("/starts") == "on\non\n");
        assert!(!it.exists("/asked"), "{subject:?}");
    }
}
