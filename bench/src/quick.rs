//! The first figures, in a minute.

use crate::figures::Unit;
use crate::samples::Samples;
use crate::table::{Row, SYSTEMS, Table};
use crate::{all, bars, programs, report, systems};
use std::fs;
use std::io::{Result, Write, stderr};

/// Numbers of services: booted and stopped.
const COUNTS: [usize; 5] = [0, 1, 10, 100, 500];
/// Numbers of services among which some are restarted.
const RESTARTED: [usize; 2] = [10, 500];

/// Measure in so many rounds, and print the medians.
pub fn run(rounds: usize) -> Result<()> {
    let sv = programs::gather()?;
    let mut samples = Samples::default();
    let mut measure = |system, services, task| {
        let run = all::start(systems::named(system)?, services, task)?;
        all::finish(run, system, services, &mut samples)
    };
    for round in 0..rounds {
        progress(&format!("round {} of {rounds}", round + 1));
        for services in COUNTS {
            // Each system comes first as often as any other.
            for turn in 0..SYSTEMS.len() {
                let system = SYSTEMS[(round + turn) % SYSTEMS.len()];
                measure(system, services, "boot")?;
                if services > 0 && system != "floor by fork" {
                    measure(system, services, "publish")?;
                }
            }
        }
        for services in RESTARTED {
            for system in ["ours", "floor by fork"] {
                measure(system, services, "crash")?;
            }
            if sv.is_some() {
                measure("ours", services, "sv")?;
            }
        }
    }
    progress("");
    print(&samples, rounds, sv);
    Ok(())
}

/// Over the line before; standard output is for the table.
fn progress(what: &str) {
    // Whoever does not see it misses nothing.
    let _ = write!(stderr(), "\r{what:20}\r");
}

fn print(samples: &Samples, rounds: usize, sv: Option<&str>) {
    let table = Table::new();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = report::load();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = kernel.trim();
    println!("medians of {rounds} interleaved runs; {cores} cores, load {load}, kernel {kernel}\n");
    table.head();
    let time = |name, figure, counts: &[usize], of: [&str; 3]| {
        for (line, &services) in counts.iter().enumerate() {
            let name = if line == 0 { name } else { "" };
            let value = |system| samples.median(figure, services, system);
            let values = of.map(value);
            table.row(&Row { name, services, unit: Unit::Time, values, bar: None });
        }
    };
    time("boot to last service", "boot", &COUNTS[1..], SYSTEMS);
    time("boot to last status", "published", &COUNTS[1..], ["ours", "", "floor with files"]);
    time("processor at boot", "processor", &COUNTS[1..], SYSTEMS);
    time("stop", "stop", &COUNTS, SYSTEMS);
    for (line, (services, bar)) in
        bars::memory_at_most(programs::is_glibc(&programs::ours())).into_iter().enumerate()
    {
        let name = if line == 0 { "private memory" } else { "" };
        let values = SYSTEMS.map(|system| samples.median("memory", services, system));
        table.row(&Row { name, services, unit: Unit::Memory, values, bar: Some(bar) });
    }
    time("kill -9 to new process", "crash", &RESTARTED, SYSTEMS);
    let Some(sv) = sv else {
        println!("no sv here (ours, SV=PATH, in PATH, or target/runit): no `sv restart`");
        return;
    };
    for (name, figure) in
        [("sv restart to new", "restart-reached"), ("sv restart to answer", "restart-answered")]
    {
        time(name, figure, &RESTARTED, ["ours", "", ""]);
    }
    println!("{:24}sv restart: {sv}; its own start is in it. It answers once the exec has", "");
    println!("{:24}succeeded, which may be before the service notes its own start", "");
}
