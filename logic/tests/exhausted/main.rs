//! Every state of the core that a small world can bring it into: not a sample, all of them. In each
//! the promises are kept; and from each the stop is reached, because it is among the events that
//! may come next, and a state in which a stop takes longer than it may breaks a promise.
//!
//! `cargo test --package logic --test exhausted -- --nocapture` prints the numbers.
//! `make exhausted` takes half a minute more, for larger worlds.

mod checks;
#[path = "../common/mod.rs"]
mod common;
mod fingerprint;
mod search;
mod world;

use logic::contract::Plan;
use logic::words::{Exit, Signal};
use search::{Found, exhaust};
use std::time::Duration;
use world::Bounds;

const NOTHING: Bounds = Bounds {
    plan: Plan {
        insecure_key: false,
        startup_files: true,
        services: true,
        main_command: false,
        terminal: false,
        kill_all: true,
    },
    scripts: [0; 5],
    services: &[],
    down: false,
    finish: false,
    controls: b"",
    verbs: b"",
    log_verbs: b"",
    exits: &[Exit::Code(0)],
    signals: &[Signal::TERM],
    refusals: false,
    failures: false,
    orphans: false,
    vanishings: 0,
    appearances: 0,
    hurts: 0,
    fills: 0,
    batch: 1,
    patience: Duration::from_secs(2),
    tick: Duration::from_secs(1),
    longest_stop: Duration::ZERO,
};

/// More than this would not fit into memory: some two thousand bytes each.
const MOST: usize = 4_000_000;

/// Where the number of states of each world stands, so that none gets lost unnoticed.
const PROOF: &str = include_str!("../../../docs/proof.md");

fn holds(name: &str, bounds: &Bounds) {
    let found = exhaust(bounds, MOST);
    let Found { states, transitions, depth, ends, longest_stop, took, .. } = found;
    let (took, rate) = (took.as_secs_f64(), transitions as f64 / took.as_secs_f64());
    eprintln!(
        "{name}: {states} states, {transitions} transitions, {depth} events deep, {ends} ends, \
         longest stop {longest_stop:?}; {took:.1} s, {rate:.0} transitions a second"
    );
    assert!(found.whole, "{name}: too large to be exhausted");
    assert!(found.ends > 0, "{name}: no end is reached");
    let mut rows = PROOF.lines().filter(|row| row.starts_with(&format!("| {name} |")));
    let found = format!("| {} | {} s |", in_thousands(states), longest_stop.as_secs());
    assert!(rows.any(|row| row.ends_with(&found)), "{name}: docs/proof.md has no {found}");
}

fn in_thousands(number: usize) -> String {
    let (rest, last) = (number / 1000, number % 1000);
    if rest == 0 { last.to_string() } else { format!("{},{last:03}", in_thousands(rest)) }
}

#[test]
fn every_state_of_a_service_with_a_logger() {
    let bounds = Bounds {
        services: &[true],
        verbs: b"ud",
        log_verbs: b"d",
        refusals: true,
        // The logger after its service.
        longest_stop: Duration::from_secs(12),
        ..NOTHING
    };
    holds("a service with a logger", &bounds);
}

#[test]
fn every_state_of_two_services() {
    let bounds = Bounds {
        services: &[false, false],
        verbs: b"ud",
        // The two end together.
        longest_stop: Duration::from_secs(8),
        ..NOTHING
    };
    holds("two services", &bounds);
}

#[test]
fn every_state_of_startup_scripts_main_command_and_stop() {
    let bounds = Bounds {
        plan: Plan { main_command: true, terminal: true, ..NOTHING.plan },
        scripts: [0, 1, 1, 1, 1],
        exits: &[Exit::Code(0), Exit::Code(1)],
        signals: &[Signal::TERM, Signal::HUP],
        refusals: true,
        failures: true,
        orphans: true,
        batch: 2,
        // The main command, a script before and one after, and all that are left.
        longest_stop: Duration::from_secs(16),
        ..NOTHING
    };
    holds("startup scripts, main command and stop", &bounds);
}

#[test]
fn every_state_of_a_service_with_scripts_of_its_own() {
    let bounds = Bounds {
        services: &[false],
        finish: true,
        controls: b"t2",
        verbs: b"udt2",
        exits: &[Exit::Code(0), Exit::Code(1)],
        refusals: true,
        // A second and two for `control/t`, and for `finish`, after a `run` that was killed.
        longest_stop: Duration::from_secs(12),
        ..NOTHING
    };
    holds("a service with finish, control/t and control/2", &bounds);
}

#[test]
fn every_state_of_early_services() {
    let bounds = Bounds {
        scripts: [0, 1, 0, 0, 0],
        services: &[false, false],
        verbs: b"u",
        // Early services one after the other, and all that are left.
        longest_stop: Duration::from_secs(16),
        ..NOTHING
    };
    holds("a startup script and two services", &bounds);
}

#[test]
fn every_state_of_a_service_that_stays_down_unless_asked() {
    let bounds = Bounds { down: true, verbs: b"ud", refusals: true, ..ONE };
    holds("a service with a file down", &bounds);
}

#[test]
fn every_state_of_startup_scripts_and_a_service() {
    let bounds = Bounds {
        scripts: [0, 1, 1, 0, 0],
        services: &[false],
        verbs: b"ud",
        // A script that is told to end, the service, and all that are left.
        longest_stop: Duration::from_secs(12),
        ..NOTHING
    };
    holds("startup scripts, and a service", &bounds);
}

const ONE: Bounds = Bounds {
    services: &[false],
    // Patience and two seconds, for the service and for all that are left.
    longest_stop: Duration::from_secs(8),
    ..NOTHING
};

#[test]
fn every_state_of_one_service_told_anything() {
    let bounds = Bounds { verbs: b"udoxtkpchaiq12", refusals: true, ..ONE };
    holds("one service, all verbs", &bounds);
}

#[test]
fn every_state_of_one_service_for_which_much_fails() {
    let exits = &[Exit::Code(0), Exit::Code(1), Exit::Signal(Signal(11))];
    let failing = Bounds { refusals: true, failures: true, orphans: true, exits, ..ONE };
    holds("one service, failures and orphans", &Bounds { verbs: b"udo", ..failing });
}

#[test]
fn every_state_of_a_service_whose_directory_comes_and_goes() {
    let bounds = Bounds { vanishings: 1, appearances: 1, ..ONE };
    holds("one service, and its directory comes and goes", &bounds);
}

#[test]
fn every_state_of_a_service_that_cannot_always_be_shown() {
    let bounds = Bounds { verbs: b"ud", hurts: 2, fills: 1, ..ONE };
    holds("one service, deleted things and a full disk", &bounds);
}

/// With more that may happen.
#[test]
#[ignore = "takes half a minute: make exhausted"]
fn every_state_of_larger_worlds() {
    let in_pairs = Bounds { verbs: b"udoxt", refusals: true, batch: 2, ..ONE };
    holds("one service, two events at a time", &in_pairs);
    let directory = Bounds { verbs: b"udx", vanishings: 1, appearances: 1, ..ONE };
    holds("one service, told things, and its directory comes and goes", &directory);
    let longest_stop = Duration::from_secs(12);
    let logger = Bounds { services: &[true], log_verbs: b"ud", longest_stop, ..NOTHING };
    holds("a service with a logger, more verbs", &Bounds { verbs: b"udx", ..logger });
    let two = Bounds { services: &[false, false], verbs: b"ud", refusals: true, ..ONE };
    holds("two services, and no process can be made", &two);
}
