//! The first figures, in less than two minutes.

use crate::programs;
use crate::table::{Figures, Row, SYSTEMS, Table, Unit};
use std::fs;
use std::io::{Error, ErrorKind, Result, Write, stderr};
use std::process::Stdio;

/// Numbers of services: booted and stopped.
const COUNTS: [usize; 5] = [0, 1, 10, 100, 500];
/// Numbers of services among which some are restarted.
const RESTARTED: [usize; 2] = [10, 500];
/// What private memory may be with so many services, in bytes: for static glibc.
const MEMORY: [(usize, u64); 2] = [(0, 96 << 10), (500, 192 << 10)];

/// Measure in so many rounds, and print the medians.
pub fn run(rounds: usize) -> Result<()> {
    let sv = programs::gather()?;
    let mut figures = Figures::default();
    for round in 0..rounds {
        progress(&format!("round {} of {rounds}", round + 1));
        for services in COUNTS {
            // Each system comes first as often as any other.
            for turn in 0..SYSTEMS.len() {
                let system = SYSTEMS[(round + turn) % SYSTEMS.len()];
                measure(&mut figures, system, services, "boot")?;
                if services > 0 && system != "floor" {
                    measure(&mut figures, system, services, "publish")?;
                }
            }
        }
        for services in RESTARTED {
            for system in ["ours", "floor"] {
                measure(&mut figures, system, services, "crash")?;
            }
            if sv.is_some() {
                measure(&mut figures, "ours", services, "sv")?;
            }
        }
    }
    progress("");
    print(&figures, rounds, sv);
    Ok(())
}

/// Over the line before; standard output is for the table.
fn progress(what: &str) {
    // Whoever does not see it misses nothing.
    let _ = write!(stderr(), "\r{what:20}\r");
}

/// One run, in a process of its own: it leaves our namespaces.
fn measure(figures: &mut Figures, system: &'static str, services: usize, task: &str) -> Result<()> {
    let count = services.to_string();
    let name = match system {
        "floor" => "floor by fork",
        "files" => "floor with files",
        _ => system,
    };
    let words = ["one", name, &count, task].map(AsRef::as_ref);
    let output = programs::myself(&words)?.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(Error::other(format!("{system} with {services} services: no figures")));
    }
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let (figure, value) = line.split_once(' ').ok_or(ErrorKind::InvalidData)?;
        figures.add(figure, services, system, value.parse().map_err(Error::other)?);
    }
    Ok(())
}

fn print(figures: &Figures, rounds: usize, sv: Option<&str>) {
    let table = Table::new();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = kernel.trim();
    println!("medians of {rounds} interleaved runs; {cores} cores, load {load}, kernel {kernel}\n");
    table.head();
    let time = |name, figure, counts: &[usize], of: [&'static str; 3]| {
        for (line, &services) in counts.iter().enumerate() {
            let name = if line == 0 { name } else { "" };
            let value = |system| figures.median(figure, services, system);
            let values = of.map(value);
            table.row(&Row { name, services, unit: Unit::Time, values, bar: None });
        }
    };
    time("boot to last service", "boot", &COUNTS[1..], SYSTEMS);
    time("boot to last status", "published", &COUNTS[1..], ["ours", "", "files"]);
    time("processor at boot", "processor", &COUNTS[1..], SYSTEMS);
    time("stop", "stop", &COUNTS, SYSTEMS);
    for (line, (services, bar)) in MEMORY.into_iter().enumerate() {
        let name = if line == 0 { "private memory" } else { "" };
        let values = SYSTEMS.map(|system| figures.median("memory", services, system));
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
    println!("{:24}sv restart: {sv}; its own start is in it", "");
}
