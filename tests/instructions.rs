//! What the core costs, in instructions: callgrind counts the same whatever else the machine does,
//! so a slowdown cannot hide in the noise. The scenarios are in logic/examples/paces.rs.
//!
//! The counts are those of x86-64 and of the compiler of the day. Where a change is meant, or a new
//! compiler differs, the failing test prints what to store.

mod world;

use std::process::Command;
use world::Need;

/// What each service adds to a scenario of a hundred; for commands, what one costs among a hundred.
const STORED: [(&str, u64); 4] =
    [("boot", 4349), ("crash", 4490), ("commands", 11846), ("stop", 6991)];
/// How much more it may be, in percent: another compiler, not another algorithm.
const TOLERANCE: u64 = 15;
/// How many commands the scenario has.
const COMMANDS: u64 = 100;

/// Build the scenarios as the binary is built.
fn build() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--release", "--package", "logic", "--example", "paces"]);
    assert!(cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
}

fn instructions(scenario: &str, services: u64) -> u64 {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or("target".to_string());
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(format!("{target}/release/examples/paces"));
    valgrind.args([scenario, &services.to_string()]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = valgrind.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let count = said.lines().find_map(|line| line.split_once("Collected : "));
    count.unwrap_or_else(|| panic!("no count: {said}")).1.trim().parse().unwrap()
}

/// What one service, or one command, costs in the scenario among so many.
fn each(scenario: &str, services: u64) -> u64 {
    let before = instructions("boot", if scenario == "boot" { 1 } else { services });
    let times = if scenario == "commands" { COMMANDS } else { services };
    (instructions(scenario, services) - before) / times
}

#[test]
fn the_core_has_not_become_slower() {
    if cfg!(not(target_arch = "x86_64")) || Need::Valgrind.is_missing() {
        return;
    }
    build();
    let found = STORED.map(|(scenario, _)| (scenario, each(scenario, 100)));
    for ((scenario, stored), (_, found_here)) in STORED.into_iter().zip(found) {
        let most = stored * (100 + TOLERANCE) / 100;
        assert!(found_here <= most, "{scenario}: at most {most}; to be stored: {found:?}");
        // Else what is stored forbids nothing.
        assert!(found_here >= stored / 2, "{scenario} is cheaper; to be stored: {found:?}");
    }
}

#[test]
fn a_service_costs_as_much_among_two_thousand_as_among_a_hundred() {
    if Need::Valgrind.is_missing() {
        return;
    }
    build();
    for scenario in ["boot", "crash", "stop"] {
        let (few, many) = (each(scenario, 100), each(scenario, 2000));
        // A search in an ordered list takes a few steps more; what is quadratic, twenty times more.
        assert!(many * 10 <= few * 15, "{scenario}: {few} among 100, {many} among 2000");
    }
}

#[test]
fn a_command_to_one_of_five_hundred_costs_at_most_twice_that_to_the_only_one() {
    if Need::Valgrind.is_missing() {
        return;
    }
    build();
    let (alone, among) = (each("commands", 1), each("commands", 500));
    assert!(among <= alone * 2, "{alone} alone, {among} among 500");
}
