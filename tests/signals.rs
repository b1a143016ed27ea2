//! Signals to PID 1: none is lost, each does what `--help` says and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::time::{Duration, Instant};
use world::{Container, Live, Need};

/// A main command that writes down each signal it gets, and ends with 9 on TERM.
const SCRIBE: &str = r#"
use Config;
open(OUT, ">>", "/got"); my $said = 0;
for my $name (split " ", $Config{sig_name}) {
    next if $name =~ /^(ZERO|KILL|STOP|CHLD|CLD|POLL|IOT|UNUSED)$/;
    $SIG{$name} = sub { syswrite(OUT, "$name\n"); exit 9 if $name eq "TERM" };
}
open(READY, ">", "/ready"); sleep 1 while 1;
"#;

/// What `--help` says is passed on.
const PASSED_ON: [&str; 7] = ["HUP", "USR1", "USR2", "QUIT", "WINCH", "ALRM", "CONT"];

fn scribe() -> Live {
    let it = Container::new().command(&["perl", "-e", SCRIBE]).boot();
    it.until_there("/ready");
    it
}

/// All but KILL and STOP, which no process can do anything about, and what asks for a stop.
fn harmless(to_stop: &[u32]) -> impl Iterator<Item = u32> {
    (1..=64).filter(|number| ![9, 19].contains(number) && !to_stop.contains(number))
}

#[test]
fn a_stop_is_heard_from_the_first_moment_on() {
    if Need::Namespaces.is_missing() {
        return;
    }
    // Each moment of the first milliseconds, with and without a command.
    for microseconds in (0..20_000).step_by(500) {
        for (command, code) in [(None, 0), (Some("exec sleep 1000"), 143)] {
            let container = match command {
                Some(command) => Container::new().script(command),
                None => Container::new(),
            };
            let it = container.startup("10", "true").boot();
            it.until_it_can_hear("TERM");
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_micros(microseconds) {
                std::hint::spin_loop();
            }
            it.signal("TERM");
            let out = it.wait();
            assert_eq!(out.code, code, "after {microseconds} us");
            assert!(out.took < Duration::from_secs(3), "after {microseconds} us: {:?}", out.took);
        }
    }
}

#[test]
fn the_first_moment_comes_early() {
    if Need::Namespaces.is_missing() {
        return;
    }
    // A signal before it is lost, whoever is PID 1: from the exec to it must be no time at all.
    let mut moments: Vec<Duration> = (0..20)
        .map(|_| {
            let it = Container::new().boot();
            let begun = Instant::now();
            it.until_it_can_hear("TERM");
            begun.elapsed()
        })
        .collect();
    moments.sort();
    assert!(moments[10] < Duration::from_millis(10), "{moments:?}");
}

#[test]
fn with_a_command_what_is_not_for_us_is_passed_on() {
    let it = scribe();
    for (n, signal) in PASSED_ON.iter().enumerate() {
        it.signal(signal);
        it.until(|it| it.read("/got").lines().count() == n + 1);
    }
    assert_eq!(it.read("/got"), PASSED_ON.map(|name| format!("{name}\n")).concat());
    assert_eq!(it.stop().code, 9);
}

#[test]
fn with_a_command_each_signal_has_its_documented_effect_only() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let it = scribe();
    let passed_on = [1, 3, 10, 12, 14, 18, 28];
    let mut count = 0;
    for number in harmless(&[2, 15, 37]) {
        it.signal(&number.to_string());
        // One by one: TSTP would make the kernel forget a CONT that is still on its way.
        count += usize::from(passed_on.contains(&number));
        it.until(|it| it.read("/got").lines().count() == count);
    }
    assert_eq!(it.read("/got"), "HUP\nQUIT\nUSR1\nUSR2\nALRM\nCONT\nWINCH\n");
    assert_eq!(it.stop().code, 9);
}

#[test]
fn without_a_command_each_signal_has_its_documented_effect_only() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let it = Container::new().boot();
    it.until_said("*** Runit started");
    let before = it.stderr();
    for number in harmless(&[2, 3, 15, 37]) {
        it.signal(&number.to_string());
        assert!(!it.is_over(), "ended by signal {number}");
    }
    // It still answers.
    assert_eq!(it.run(&["my_init", "--", "true"]).code, 0);
    assert_eq!(it.stderr(), before);
    assert_eq!(it.stop().code, 0);
}

#[test]
fn signals_during_a_startup_script_do_not_reach_it() {
    let it = Container::new()
        .startup("10", "mkfifo /gate; touch /ready; read go </gate; echo done")
        .script("echo main")
        .boot();
    it.until_there("/ready");
    for signal in PASSED_ON {
        if signal != "CONT" {
            it.signal(signal);
        }
    }
    it.open_gate();
    let out = it.wait();
    assert_eq!((out.code, out.stdout.as_str()), (0, "done\nmain\n"));
}

#[test]
fn a_storm_of_signals_is_one_orderly_stop() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let it = Container::new()
        .executable("/etc/my_init.post_shutdown.d/10", "#!/bin/sh\necho post >>/steps\n")
        .boot();
    it.until_said("*** Runit started");
    for _ in 0..2000 {
        it.signal("CHLD");
        it.signal("ALRM");
        it.signal("HUP");
        it.signal("USR1");
    }
    assert!(!it.is_over());
    for _ in 0..2000 {
        it.signal("TERM");
        it.signal("CHLD");
        it.signal("ALRM");
    }
    let out = it.wait();
    assert_eq!(out.code, 0);
    assert_eq!(out.times_said("*** Shutting down runit daemon"), 1);
    assert_eq!(out.times_said("*** Killing all processes..."), 1);
}

#[test]
fn a_stop_asked_for_while_pid_1_is_frozen_is_heard_when_it_thaws() {
    let it = Container::new().script("touch /ready; exec sleep 1000").boot();
    it.until_there("/ready");
    it.signal("STOP");
    it.signal("TERM");
    assert!(!it.is_over());
    it.signal("CONT");
    assert_eq!(it.wait().code, 143);
}

#[test]
fn kill_from_inside_does_nothing_to_pid_1() {
    let it = Container::new().boot();
    it.until_said("*** Runit started");
    it.sh("kill -KILL 1; kill -STOP 1; kill -SEGV 1; kill -ABRT 1");
    assert_eq!(it.run(&["my_init", "--", "true"]).code, 0);
    // The stop may end this shell too.
    it.run(&["sh", "-c", "kill -TERM 1"]);
    assert_eq!(it.wait().code, 0);
}
