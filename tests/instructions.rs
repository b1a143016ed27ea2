//! What the core costs, in instructions: callgrind counts the same whatever else the machine does,
//! so a slowdown cannot hide in the noise. The scenarios are in logic/examples/paces.rs.
//!
//! The counts are those of x86-64. Where a change is meant, the failing test prints what to store.

mod world;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::Command;
use std::sync::{LazyLock, Mutex};
use world::Need;

/// A scenario, what it costs without services and with one, and what each of a hundred more adds.
type Costs = (&'static str, [u64; 3]);

/// The compiler and the C library that these were counted with.
const TOOLS: &str = "rustc 1.95.0 (59807616e 2026-04-14), glibc 2.36";
const STORED: [Costs; 10] = [
    ("boot", [3126, 7870, 4441]),
    ("crash", [29, 3441, 4575]),
    ("finish", [40, 5147, 6850]),
    ("rest", [156, 8872, 11508]),
    ("commands", [626, 871756, 3235]),
    ("orphans", [18, 316, 360]),
    ("stop", [2554, 8374, 7003]),
    ("logged-boot", [3188, 10567, 8657]),
    ("logged-stop", [2556, 12942, 12709]),
    ("one-shot", [6280, 16858, 11445]),
];
/// How far it may be from that, more or less, in percent.
const TOLERANCE: u64 = 3;
/// How much more it may be with others, which are not another algorithm.
const OTHER_TOOLS: u64 = 25;
/// Where the process is loaded, and how long its arguments are, changes a count by so much.
const NOISE: [u64; 3] = [60, 60, 1];
/// How many commands the scenario has.
const COMMANDS: u64 = 100;

fn tools() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or("rustc".to_string());
    let said = |program: &str, word| {
        let stdout = Command::new(program).arg(word).output().map(|out| out.stdout);
        String::from_utf8_lossy(&stdout.unwrap_or_default()).trim().to_string()
    };
    format!("{}, {}", said(&rustc, "--version"), said("getconf", "GNU_LIBC_VERSION"))
}

/// Build the scenarios as the binary is built.
fn build() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--release", "--package", "logic", "--example", "paces"]);
    assert!(cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
}

/// All that the process does, counted once for each scenario and number of services.
fn instructions(scenario: &'static str, services: u64) -> u64 {
    static COUNTED: Mutex<BTreeMap<(&str, u64), u64>> = Mutex::new(BTreeMap::new());
    static BUILT: LazyLock<()> = LazyLock::new(build);
    LazyLock::force(&BUILT);
    let mut counted = COUNTED.lock().unwrap();
    *counted.entry((scenario, services)).or_insert_with(|| count(scenario, services))
}

fn count(scenario: &str, services: u64) -> u64 {
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

/// What the scenario costs, without what comes before it: the start of a process, or the boot.
fn cost(scenario: &'static str, services: u64) -> u64 {
    let before = match scenario {
        "boot" | "logged-boot" | "one-shot" => "nothing",
        "logged-stop" => "logged-boot",
        _ => "boot",
    };
    instructions(scenario, services).saturating_sub(instructions(before, services))
}

/// What each service adds to what one costs, among so many more.
fn each(scenario: &'static str, more: u64) -> u64 {
    (cost(scenario, 1 + more) - cost(scenario, 1)) / more
}

/// As it stands above.
fn to_be_stored(tools: &str, found: &[Costs]) -> String {
    let mut lines = format!("const TOOLS: &str = {tools:?};\n");
    writeln!(lines, "const STORED: [Costs; {}] = [", found.len()).unwrap();
    for costs in found {
        writeln!(lines, "    {costs:?},").unwrap();
    }
    lines + "];"
}

#[test]
fn the_core_has_become_neither_slower_nor_faster_unnoticed() {
    if cfg!(not(target_arch = "x86_64")) || Need::Valgrind.is_missing() {
        return;
    }
    let tools = tools();
    let found = STORED.map(|(scenario, _)| {
        (scenario, [cost(scenario, 0), cost(scenario, 1), each(scenario, 100)])
    });
    let (least, most) = match tools == TOOLS {
        true => (100 - TOLERANCE, 100 + TOLERANCE),
        false => (0, 100 + OTHER_TOOLS),
    };
    if tools != TOOLS {
        world::say(&format!(
            "instructions: {tools}, not {TOOLS}: a loss of {OTHER_TOOLS} % is seen"
        ));
    }
    let mut differs = String::new();
    for ((scenario, stored), (_, found)) in STORED.into_iter().zip(found) {
        for (n, how_many) in ["none", "one", "each more"].into_iter().enumerate() {
            let (stored, found, noise) = (stored[n], found[n], NOISE[n]);
            let least = (stored * least / 100).saturating_sub(noise);
            if !(least..=stored * most / 100 + noise).contains(&found) {
                writeln!(differs, "{scenario}, {how_many}: {found}, not {stored}").unwrap();
            }
        }
    }
    let to_be_stored = to_be_stored(&tools, &found);
    assert!(differs.is_empty(), "{differs}if that is meant, store:\n{to_be_stored}");
}

#[test]
fn a_service_costs_as_much_among_two_thousand_as_among_a_hundred() {
    if Need::Valgrind.is_missing() {
        return;
    }
    // How commands depend on that is the next test's.
    for scenario in STORED.map(|(scenario, _)| scenario).into_iter().filter(|of| *of != "commands")
    {
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
    let [alone, among] = [1, 500].map(|services| cost("commands", services) / COMMANDS);
    assert!(among <= alone * 2, "{alone} alone, {among} among 500");
}
