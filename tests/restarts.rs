//! A service that ends, or cannot even begin: when it is started again, what is said of it, and
//! that nobody else notices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::time::Instant;
use world::{Container, Live, Ours, Row, Subject, Theirs};

/// A service that stays.
const STAYS: &str = "exec sleep 1000";
/// Finish scripts that count.
const COUNTS: &str = "#!/bin/sh\necho \"$1 $2\" >>finished\n";

fn lines(it: &Live, path: &str) -> usize {
    if it.exists(path) { it.read(path).lines().count() } else { 0 }
}

/// Milliseconds between each start and the next, after so many of them.
fn between_starts(it: &Live, count: usize) -> Vec<u64> {
    it.until(|it| lines(it, "/starts") >= count);
    let starts: Vec<u64> =
        it.read("/starts").lines().map(|line| line.parse::<u64>().unwrap() / 1_000_000).collect();
    starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn a_service_that_ran_for_a_second_is_started_again_at_once() {
    for subject in Subject::BOTH {
        let run = "date +%s%N >>/starts; sleep 1.1; exit 1";
        let it = subject.container().service("web", run).boot();
        let gaps = between_starts(&it, 4);
        // One of them, at least, was not held up by a busy machine.
        assert!(gaps.iter().any(|&gap| gap < 2_000), "{subject:?}: {gaps:?}");
    }
}

#[test]
fn a_service_that_ends_at_once_rests_for_a_second() {
    for subject in Subject::BOTH {
        let it = subject.container().service("web", "date +%s%N >>/starts; exit 1").boot();
        let gaps = between_starts(&it, 4);
        assert!(gaps.iter().all(|&gap| gap >= 990), "{subject:?}: {gaps:?}");
    }
}

#[test]
fn a_rest_is_over_when_somebody_says_up() {
    let it = Subject::Ours.container().service("web", "date +%s%N >>/starts; exit 1").boot();
    it.until(|it| lines(it, "/starts") == 1);
    // See compatibility.md#up-ends-the-rest.
    for count in 2..7 {
        it.sh(
            "while read -r stat </etc/service/web/supervise/stat && [ \"$stat\" = run ]; do :; done
            printf u >/etc/service/web/supervise/control",
        );
        it.until(|it| lines(it, "/starts") >= count);
    }
    assert!(between_starts(&it, 6).iter().any(|&gap| gap < 900));
}

#[test]
fn many_that_rest_hold_up_nobody() {
    for subject in Subject::BOTH {
        let mut it = subject.container().service("web", "echo on >>/starts; exec sleep 1000");
        let all: Vec<String> = (0..50).map(|n| format!("crash{n}")).collect();
        for name in &all {
            it = it.service(name, "echo start >>starts; exit 1");
        }
        let it = it.boot();
        let begun = Instant::now();
        it.until_is("run", "web");
        let starts = |it: &Live, name: &String| lines(it, &format!("/etc/service/{name}/starts"));
        for count in 1..4 {
            it.until(|it| all.iter().all(|name| starts(it, name) >= count));
            it.until(|it| lines(it, "/starts") == count);
            it.sv("term web");
        }
        // If each had waited for the rest of another, one would have had all the starts.
        let most = all.iter().map(|name| starts(&it, name)).max().unwrap();
        let seconds = begun.elapsed().as_secs();
        assert!(most as u64 <= seconds + 3, "{most} in {seconds} s");
        assert_eq!(it.stop().code, 0);
    }
}

/// A service whose `run` is this file; `finish` counts its ends.
fn broken(it: Container, name: &str, run: &[u8]) -> Container {
    it.executable(format!("/etc/service/{name}/run"), run)
        .executable(format!("/etc/service/{name}/finish"), COUNTS)
}

#[test]
fn a_run_that_cannot_run_is_named_once_with_the_reason() {
    let cases: [(&str, &[u8], &str); 5] = [
        ("crlf", b"#!/bin/sh\r\nexec sleep 1000\r\n", "CR LF"),
        ("snake", b"#!/opt/no/python -u\n", "/opt/no/python"),
        ("text", b"exec sleep 1000\n", "it has no #! line (begin it with #!/bin/sh)"),
        ("empty", b"", "it is empty"),
        ("junk", b"\x7fELF\x00\x01\x02\xff", "not a program for this machine"),
    ];
    for subject in Subject::BOTH {
        let mut it = subject.container().service("web", "echo on >>/starts; exec sleep 1000");
        for (name, run, _) in cases {
            it = broken(it, name, run);
        }
        let it = broken(it, "denied", b"#!/bin/sh\nexec sleep 1000\n")
            .chmod("/etc/service/denied/run", 0o644)
            .executable("/etc/service/missing/finish", COUNTS)
            .directory("/etc/service/folder/run")
            .executable("/etc/service/folder/finish", COUNTS)
            .symlink("run", "/etc/service/loop/run")
            .executable("/etc/service/loop/finish", COUNTS)
            .boot();
        let mut cases: Vec<(&str, &str)> =
            cases.iter().map(|(name, _, why)| (*name, *why)).collect();
        cases.extend([
            ("denied", "not executable (chmod +x it)"),
            ("missing", "not found"),
            ("folder", "it is a directory"),
            ("loop", "cannot run ./run: "),
        ]);
        for (name, _) in &cases {
            let finished = format!("/etc/service/{name}/finished");
            it.until(|it| lines(it, &finished) >= 3);
            assert!(it.read(&finished).lines().all(|line| line == "111 0"), "{name}");
        }
        assert_eq!(it.read("/starts"), "on\n");
        for (name, why) in cases {
            let said = it.stderr();
            let said: Vec<&str> =
                said.lines().filter(|line| line.contains(&format!("{name}: "))).collect();
            let is_ours = subject.is_ours(Row("said-once"));
            assert_eq!(said.len() == 1, is_ours, "{name}: {said:#?}");
            if is_ours {
                assert!(said[0].contains(why), "{name}: {}", said[0]);
                assert!(said[0].ends_with("; trying again every second"), "{}", said[0]);
            }
        }
    }
}

#[test]
fn a_run_that_is_being_written_starts_as_soon_as_it_is_closed() {
    for subject in Subject::BOTH {
        let it = broken(subject.container(), "web", b"#!/bin/sh\ntouch /up; exec sleep 1000\n");
        let it = it.file("/etc/service/web/down", "").service("other", STAYS).fifo("/gate").boot();
        it.until_is("run", "other");
        let writer =
            it.begin(&["sh", "-c", "exec 9>>/etc/service/web/run; touch /open; read x </gate"]);
        it.until_there("/open");
        it.sv("up web");
        it.until(|it| lines(it, "/etc/service/web/finished") >= 3);
        assert!(!it.exists("/up"));
        it.sh("echo go >/gate");
        assert_eq!(writer.wait().code, 0);
        it.until_is("run", "web");
        let times = it.stderr().matches("it is open for writing").count();
        assert_eq!(times, subject.either(Row("said-once"), Ours(1), Theirs(0)));
    }
}

#[test]
fn a_run_that_is_mended_starts_and_when_broken_again_is_named_again() {
    let it = broken(Subject::Ours.container(), "web", b"#!/bin/sh\r\nexec sleep 1000\r\n").boot();
    it.until_said("CR LF");
    it.sh("printf '#!/bin/sh\\nexec sleep 1000\\n' >/etc/service/web/run");
    it.until_is("run", "web");
    it.sh("rm /etc/service/web/run");
    it.sv("term web");
    it.until_said("web: cannot run ./run: not found");
    it.sh("printf '#!/bin/sh\\r\\n' >/etc/service/web/run; chmod +x /etc/service/web/run");
    it.until(|it| it.stderr().matches("CR LF").count() == 2);
}

#[test]
fn a_run_that_daemonizes_is_named_once() {
    let it = broken(Subject::Ours.container(), "web", b"#!/bin/sh\nsetsid sleep 1000 &\n").boot();
    it.until(|it| lines(it, "/etc/service/web/finished") >= 5);
    let said = it.stderr();
    let said: Vec<&str> = said.lines().filter(|line| line.starts_with("*** web")).collect();
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].contains("has to stay in the foreground"), "{}", said[0]);
    assert_eq!(it.stop().code, 0);
}

#[test]
fn a_service_that_ends_well_when_it_is_told_to_is_no_daemon() {
    let it = Subject::Ours
        .container()
        .service("web", "sleep 1000 & trap 'exit 0' TERM; echo on >>/starts; wait $!")
        .boot();
    it.until_is("run", "web");
    for count in 1..6 {
        it.until(|it| lines(it, "/starts") == count);
        it.sv("term web");
    }
    it.until(|it| lines(it, "/starts") == 6);
    assert!(!it.stderr().contains("foreground"), "{}", it.stderr());
}
