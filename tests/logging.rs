//! `log/`: a service's standard output on its way to its logger, over every end of either.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::time::Duration;
use world::{Container, Live, Need, Ours, Row, Subject, Theirs};

/// A service that stays.
const STAYS: &str = "exec sleep 1000";
/// A stop that waits for nobody.
const AT_ONCE: Duration = Duration::from_secs(3);
/// A logger that loses nothing of its own, whenever it is killed: the kernel moves what is in the
/// pipe to the end of the file (splice(2)); what has been taken out has been written.
const MOVES: &str = r#"exec perl -e '
    my $splice = `uname -m` =~ /x86_64/ ? 275 : 76;
    open my $log, "+>>", "/log"; close $log; open $log, "+<", "/log"; sysseek $log, 0, 2;
    1 while syscall($splice, 0, 0, fileno $log, 0, 65536, 0) > 0'"#;
/// A logger that notes how it ends.
const NOTES: &str = "trap 'echo TERM >>/ends' TERM
    while read -r line; do echo \"$line\" >>/log; done; echo end of file >>/ends";

fn ours() -> Container {
    Subject::Ours.container()
}

fn up(container: Container) -> Live {
    let it = container.boot();
    it.until_is("run", "web");
    it.until_is("run", "web/log");
    it
}

fn lines(it: &Live, path: &str) -> usize {
    if it.exists(path) { it.read(path).lines().count() } else { 0 }
}

#[test]
fn ten_kills_of_a_logger_at_a_thousand_lines_a_second_lose_none() {
    let run = r#"exec perl -e '
        until (-e "/enough") { syswrite STDOUT, ++$n . "\n"; select undef, undef, undef, 0.001 }
        open my $count, ">", "/count.new"; print $count $n; close $count;
        rename "/count.new", "/count"; sleep 1000'"#;
    for subject in Subject::BOTH {
        let it = up(subject.container().service("web", run).service("web/log", MOVES));
        for _ in 0..10 {
            let before = lines(&it, "/log");
            it.until(|it| lines(it, "/log") > before);
            let pid = it.service_pid("web/log");
            it.sh(&format!("kill -KILL {pid}"));
            it.until(|it| {
                let status = it.sv("status web/log");
                status.starts_with("run: ") && !status.contains(&format!("(pid {pid})"))
            });
        }
        it.sh(": >/enough");
        it.until_there("/count");
        let count: usize = it.read("/count").parse().unwrap();
        assert!(count > 1000, "{count}");
        it.until(|it| lines(it, "/log") >= count);
        let expected: Vec<String> = (1..=count).map(|n| n.to_string()).collect();
        assert!(it.read("/log").lines().eq(expected.iter()), "lines are lost, doubled or torn");
    }
}

#[test]
fn what_a_service_said_before_its_end_reaches_the_logger() {
    for subject in Subject::BOTH {
        let run =
            "trap '' TERM; echo >>/starts; for n in $(seq 100); do echo said; done; kill -KILL $$";
        let it = up(subject.container().service("web", run).service("web/log", MOVES));
        it.until(|it| lines(it, "/starts") >= 4);
        it.sv("down web");
        it.until_is("down", "web");
        let said = 100 * lines(&it, "/starts");
        it.until(|it| lines(it, "/log") == said);
    }
}

#[test]
fn finish_and_control_scripts_speak_to_the_logger_and_nobodys_errors_do() {
    for subject in Subject::BOTH {
        let says = |what: &str| format!("#!/bin/sh\necho {what}; echo error of {what} >&2\n");
        let it = subject
            .container()
            .service("web", "echo run; echo error of run >&2; exec sleep 1000")
            .service("web/log", "exec cat >>/log")
            .executable("/etc/service/web/finish", says("finish"))
            .executable("/etc/service/web/control/u", says("control"));
        let it = up(it);
        it.until(|it| lines(it, "/log") == 2);
        it.sv("term web");
        it.until(|it| lines(it, "/log") == 5);
        assert_eq!(it.read("/log"), "control\nrun\nfinish\ncontrol\nrun\n");
        for what in ["run", "finish", "control"] {
            assert!(it.stderr().contains(&format!("error of {what}\n")));
        }
        assert_eq!(it.stdout(), "");
    }
}

#[test]
fn a_logger_that_ends_again_and_again_costs_the_service_nothing() {
    for subject in Subject::BOTH {
        let run = "trap 'echo PIPE >>/trouble' PIPE; while :; do echo line; sleep 0.01; done";
        let it = subject.container().service("web", run);
        let it = it.service("web/log", "echo >>/starts; exit 1").boot();
        it.until_is("run", "web");
        let pid = it.service_pid("web");
        it.until(|it| lines(it, "/starts") >= 3);
        it.sh("printf '#!/bin/sh\\nexec cat >>/log\\n' >/etc/service/web/log/run");
        it.until(|it| lines(it, "/log") > 100);
        assert_eq!(it.service_pid("web"), pid);
        assert!(!it.exists("/trouble"));
    }
}

#[test]
fn a_logger_that_is_added_later_has_all_from_the_next_run_on() {
    for subject in Subject::BOTH {
        let it = subject.container().service("web", "echo on; exec sleep 1000").boot();
        it.until_is("run", "web");
        it.sh("mkdir /new; printf '#!/bin/sh\nexec cat >>/log\n' >/new/run; chmod +x /new/run");
        it.sh("mv /new /etc/service/web/log");
        it.until_settled("web");
        let pid = it.service_pid("web");
        it.sv("term web");
        it.until(|it| it.sv("status web").starts_with("run: ") && it.service_pid("web") != pid);
        let lines_logged = subject.either(Row("late-log"), Ours(1), Theirs(0));
        it.until(|it| lines(it, "/log") == lines_logged);
        let log = it.sv("status web").contains("; run: log: ");
        assert_eq!(log, subject.is_ours(Row("late-log")));
    }
}

#[test]
fn a_full_pipe_holds_up_its_own_service_and_no_other() {
    for subject in Subject::BOTH {
        let it = up(subject
            .container()
            .env("KILL_PROCESS_TIMEOUT", "1")
            .service("web", "yes >&1; exec sleep 1000")
            .service("web/log", STAYS)
            .service("other", "echo other; exec sleep 1000")
            .service("other/log", "exec cat >>/log"));
        it.until(|it| lines(it, "/log") == 1);
        it.sv("term other");
        it.until(|it| lines(it, "/log") == 2);
        let out = it.stop();
        assert_eq!(out.code, 0);
        assert!(out.took < Duration::from_secs(8), "{:?}", out.took);
    }
}

#[test]
fn at_a_stop_loggers_end_last_by_end_of_file_and_have_it_all() {
    let run =
        "sleep 1000 >/dev/null & trap 'for n in $(seq 1000); do echo last words; done; exit' TERM
        echo first; touch /ready; wait $!";
    let it = up(ours()
        .service("web", run)
        .executable("/etc/service/web/finish", "#!/bin/sh\necho finished\n")
        .service("web/log", NOTES)
        .executable("/etc/my_init.post_shutdown.d/10", "#!/bin/sh\ncp /ends /then\n"));
    it.until_there("/ready");
    let out = it.stop();
    assert_eq!((out.code, out.times_said("Forcing")), (0, 0));
    assert!(out.took < AT_ONCE, "{:?}", out.took);
    let log = it.read("/log");
    assert_eq!((log.lines().count(), log.matches("last words\n").count()), (1002, 1000));
    assert!(log.starts_with("first\n") && log.ends_with("\nfinished\n"));
    assert_eq!((it.read("/ends"), it.read("/then")), ("end of file\n".into(), it.read("/ends")));
}

#[test]
fn sv_exit_ends_the_service_and_then_its_logger_by_end_of_file() {
    for subject in Subject::BOTH {
        let run = "sleep 1000 >/dev/null &
            trap 'echo last; exit' TERM; echo first; touch /ready; wait $!";
        let it = up(subject.container().service("web", run).service("web/log", NOTES));
        it.until_there("/ready");
        it.sv("exit web");
        it.until_there("/ends");
        assert_eq!(it.read("/log"), "first\nlast\n");
        assert_eq!(it.read("/ends"), "end of file\n");
    }
}

#[test]
fn a_service_whose_directory_goes_leaves_its_last_words_too() {
    for subject in Subject::BOTH {
        let run = "sleep 1000 >/dev/null & trap 'echo last; exit' TERM
            echo first; touch /ready; wait $!";
        let it = up(subject.container().service("web", run).service("web/log", NOTES));
        it.until_there("/ready");
        it.sh("mv /etc/service/web /gone");
        it.until_there("/ends");
        assert_eq!(
            (it.read("/log"), it.read("/ends")),
            ("first\nlast\n".into(), "end of file\n".into())
        );
    }
}

#[test]
fn a_logger_that_ignores_its_end_of_file_is_killed_when_patience_is_over() {
    let it = up(ours()
        .env("KILL_PROCESS_TIMEOUT", "1")
        .service("web", STAYS)
        .service("web/log", STAYS)
        // A program left behind that holds the pipe open, so that no end of file comes.
        .service("holds", "(trap '' TERM; exec sleep 1000) & exec sleep 1000")
        .service("holds/log", NOTES));
    it.until_is("run", "holds/log");
    it.until(|it| it.sh("grep -l '^Name:.sleep' /proc/[0-9]*/status || :").lines().count() == 4);
    it.signal("TERM");
    let out = it.wait();
    assert_eq!((out.code, out.times_said("did not shut down in time")), (0, 2));
    assert!(out.took >= Duration::from_secs(1) && out.took < Duration::from_secs(50));
    assert!(out.stderr.contains("*** web/log (PID ") && out.stderr.contains("*** holds/log (PID "));
}

#[test]
fn lines_wait_for_a_logger_that_is_down() {
    for subject in Subject::BOTH {
        let it = subject
            .container()
            .service("web", "echo early; echo on >>/starts; exec sleep 1000")
            .service("web/log", "exec cat >>/log")
            .file("/etc/service/web/log/down", "")
            .boot();
        it.until_is("run", "web");
        it.until_is("down", "web/log");
        for count in 1..3 {
            it.until(|it| lines(it, "/starts") == count);
            it.sv("term web");
        }
        it.sv("up web/log");
        it.until(|it| lines(it, "/log") == 3);
    }
}

#[test]
fn svlogd_of_the_package_is_a_logger() {
    for subject in Subject::BOTH {
        let run = "trap 'echo last; exit' TERM
            echo first
            while :; do echo tick; sleep 0.1; done";
        let it = up(subject
            .container()
            .runits("svlogd", "/usr/bin/svlogd")
            .directory("/var/log/web")
            .service("web", run)
            .service("web/log", "exec svlogd -tt /var/log/web"));
        it.until(|it| it.sh("cat /var/log/web/current || :").contains(" first\n"));
        it.sv("alarm web/log");
        it.until(|it| it.sh("cat /var/log/web/@*.s 2>/dev/null || :").contains(" first\n"));
        it.sh("echo pweb: >/var/log/web/config");
        it.sv("hup web/log");
        it.until(|it| it.sh("cat /var/log/web/current").contains(" web:tick\n"));
        it.sv("exit web");
        it.until(|it| it.sh("cat /var/log/web/current").ends_with(" web:last\n"));
        it.until(|it| it.sh("stat -c %A /var/log/web/current").starts_with("-rwx"));
    }
}

#[test]
fn svlogd_ends_with_all_lines_at_a_stop() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let run = "sleep 1000 >/dev/null & trap 'seq 5000; exit' TERM; touch /ready; wait $!";
    let it = up(ours()
        .runits("svlogd", "/usr/bin/svlogd")
        .directory("/var/log/web")
        .service("web", run)
        .service("web/log", "exec svlogd /var/log/web"));
    it.until_there("/ready");
    let out = it.stop();
    assert_eq!((out.code, out.times_said("Forcing")), (0, 0));
    let current = it.read("/var/log/web/current");
    assert_eq!((current.lines().count(), current.lines().last()), (5000, Some("5000")));
}
