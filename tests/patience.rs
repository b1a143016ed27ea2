//! How long a stop waits, and for whom: the timeouts, the deadline, and the second signal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::time::{Duration, Instant};
use world::{Container, Live, Output};

/// Deaf to TERM.
const DEAF: &str = "trap '' TERM; touch /ready; exec sleep 1000";
/// A program left by a startup script, deaf to TERM.
const DEAF_ORPHAN: &str = "setsid sh -c 'trap \"\" TERM; touch /on; exec sleep 1000' &
    while [ ! -e /on ]; do :; done";
/// The timeouts under test are a second or two, the others thirty: what ends before this did not
/// wait for one of the others.
const SOON: Duration = Duration::from_secs(15);

fn ready(container: Container) -> Live {
    let it = container.boot();
    it.until_there("/ready");
    it
}

/// Ask for the stop and wait for its end, without Docker's own ten seconds.
#[track_caller]
fn stopped(it: &Live) -> Output {
    let begun = Instant::now();
    it.signal("TERM");
    let out = it.wait();
    Output { took: begun.elapsed(), ..out }
}

#[track_caller]
fn assert_waited_about(out: &Output, seconds: u64) {
    assert!(out.took >= Duration::from_secs(seconds), "only {:?}", out.took);
    assert!(out.took < SOON, "{:?}", out.took);
}

#[test]
fn a_deaf_command_is_killed_after_kill_process_timeout() {
    let it = ready(Container::new().env("KILL_PROCESS_TIMEOUT", "1").script(DEAF));
    let out = stopped(&it);
    assert_eq!(out.code, 137);
    assert_waited_about(&out, 1);
    let line = out.stderr.lines().find(|line| line.contains("did not")).unwrap();
    let rest = line.strip_prefix("*** sh (PID ").unwrap();
    let (pid, rest) = rest.split_once(')').unwrap();
    assert!(pid.parse::<u32>().is_ok());
    assert_eq!(rest, " did not shut down in time. Forcing it to exit.");
}

#[test]
fn a_deaf_orphan_is_killed_after_kill_all_processes_timeout() {
    let container = Container::new().env("KILL_ALL_PROCESSES_TIMEOUT", "1");
    let it = container.startup("10", DEAF_ORPHAN).boot();
    it.until_said("*** Runit started");
    let out = stopped(&it);
    assert_eq!(out.code, 0);
    assert_waited_about(&out, 1);
    out.assert_said(&[
        "*** Killing all processes...",
        "*** Not all processes have exited in time. Forcing them to exit.",
    ]);
}

#[test]
fn a_deaf_startup_script_is_killed_after_one_timeout_not_two() {
    let it = ready(
        Container::new()
            .env("KILL_PROCESS_TIMEOUT", "1")
            .env("KILL_ALL_PROCESSES_TIMEOUT", "20")
            .startup("10", "trap '' TERM; touch /ready; while :; do :; done"),
    );
    let out = stopped(&it);
    assert_eq!(out.code, 0);
    assert_waited_about(&out, 1);
    assert_eq!(out.times_said("did not shut down in time"), 1);
}

#[test]
fn a_hanging_hook_is_killed_and_the_next_one_runs() {
    let it = Container::new()
        .env("KILL_PROCESS_TIMEOUT", "1")
        .executable("/etc/my_init.pre_shutdown.d/10", "#!/bin/sh\nexec sleep 1000\n")
        .executable("/etc/my_init.pre_shutdown.d/20", "#!/bin/sh\necho pre >>/steps\n")
        .executable("/etc/my_init.post_shutdown.d/10", "#!/bin/sh\necho post >>/steps\n")
        .script("exit 5")
        .boot();
    let out = it.wait();
    assert_eq!(out.code, 5);
    assert!(out.took < SOON, "{:?}", out.took);
    assert_eq!(it.read("/steps"), "pre\npost\n");
    assert_eq!(out.times_said("did not shut down in time"), 1);
}

#[test]
fn the_timeouts_may_stand_in_the_directory_or_be_set_by_a_script() {
    let by_file = Container::new().variable("KILL_PROCESS_TIMEOUT", "1\n");
    let by_script =
        Container::new().startup("10", "echo 1 >/etc/container_environment/KILL_PROCESS_TIMEOUT");
    for container in [by_file, by_script] {
        let out = stopped(&ready(container.script(DEAF)));
        assert_eq!(out.code, 137);
        assert_waited_about(&out, 1);
    }
}

#[test]
fn a_timeout_of_zero_waits_for_as_long_as_it_takes() {
    let it = ready(
        Container::new()
            .env("KILL_PROCESS_TIMEOUT", "0")
            .env("KILL_ALL_PROCESSES_TIMEOUT", "0")
            .script("trap '' TERM; mkfifo /gate; touch /ready; read go </gate; exit 9"),
    );
    it.signal("TERM");
    it.until_said("*** Shutting down sh");
    it.open_gate();
    let out = it.wait();
    assert_eq!((out.code, out.times_said("Forcing")), (9, 0));
}

#[test]
fn the_stop_deadline_bounds_the_whole() {
    let it = ready(
        Container::new()
            .env("STOP_DEADLINE", "2")
            .startup("10", DEAF_ORPHAN)
            .executable("/etc/my_init.pre_shutdown.d/10", "#!/bin/sh\nexec sleep 1000\n")
            .executable("/etc/my_init.post_shutdown.d/10", "#!/bin/sh\nexec sleep 1000\n")
            .script(DEAF),
    );
    let out = stopped(&it);
    assert_eq!(out.code, 137);
    assert_waited_about(&out, 2);
}

#[test]
fn the_stop_deadline_bounds_a_stop_that_nobody_asked_for() {
    let it = Container::new()
        .variable("STOP_DEADLINE", "1\n")
        .startup("10", DEAF_ORPHAN)
        .script("exit 5")
        .boot();
    let out = it.wait();
    assert_eq!(out.code, 5);
    assert!(out.took < SOON, "{:?}", out.took);
}

#[test]
fn a_stop_that_is_done_before_its_deadline_does_not_wait_for_it() {
    let it =
        ready(Container::new().env("STOP_DEADLINE", "20").script("touch /ready; exec sleep 1000"));
    let out = stopped(&it);
    assert_eq!(out.code, 143);
    assert!(out.took < Duration::from_secs(3), "{:?}", out.took);
}

#[test]
fn a_second_signal_means_no_more_patience() {
    for second in ["TERM", "INT", "37"] {
        let it = ready(
            Container::new()
                .startup("10", DEAF_ORPHAN)
                .executable("/etc/my_init.pre_shutdown.d/10", "#!/bin/sh\nexec sleep 1000\n")
                .script(DEAF),
        );
        it.signal("TERM");
        it.until_said("*** Shutting down sh");
        assert!(!it.is_over());
        it.signal(second);
        let out = it.wait();
        assert_eq!(out.code, 137, "{second}");
        assert!(out.took < Duration::from_secs(5), "{:?}", out.took);
        out.assert_said(&["*** Not all processes have exited in time. Forcing them to exit."]);
    }
}

#[test]
fn a_second_signal_cuts_a_hook_short() {
    let it = Container::new()
        .executable("/etc/my_init.pre_shutdown.d/10", "#!/bin/sh\ntouch /ready; exec sleep 1000\n")
        .boot();
    it.until_said("*** Runit started");
    it.signal("TERM");
    it.until_there("/ready");
    it.signal("TERM");
    let out = it.wait();
    assert_eq!(out.code, 0);
    assert!(out.took < Duration::from_secs(5), "{:?}", out.took);
}

#[test]
fn a_second_signal_ends_a_deaf_startup_script_at_once() {
    let it = ready(Container::new().startup("10", DEAF).script("touch /main"));
    it.signal("INT");
    it.until_said("*** Shutting down /etc/my_init.d/10");
    assert!(!it.is_over());
    it.signal("TERM");
    let out = it.wait();
    assert_eq!(out.code, 130);
    assert!(out.took < Duration::from_secs(5), "{:?}", out.took);
    assert!(!it.exists("/main"));
}

#[test]
fn a_third_signal_changes_nothing() {
    let it = ready(Container::new().script(DEAF));
    for _ in 0..3 {
        it.signal("TERM");
        it.until(|it| it.is_over() || it.stderr().contains("Shutting down sh"));
    }
    assert_eq!(it.wait().code, 137);
}
