//! All figures, of ours, the floor and the peers, in turns; then RESULTS.md and its plots.
//!
//! From the environment: ROUNDS; PARTS, COUNTS and SYSTEMS, lists with commas, to measure less;
//! RESULTS, where the results go. Parts that are not measured keep the figures of the last time.

use crate::samples::Samples;
use crate::systems::{self, System, Told, Variant};
use crate::{programs, report, tasks, world};
use std::env;
use std::fs;
use std::io::{Error, ErrorKind, Result, Write, stderr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// In how many rounds what is slow takes part.
const SLOW_ROUNDS: usize = 3;

/// A machine with a load below this has nothing else to do.
const QUIET: f64 = 0.3;

/// No run takes longer, in seconds.
const PATIENCE: &str = "120";

/// What is measured in one go, and kept in a file of its own.
struct Part {
    name: &'static str,
    counts: &'static [usize],
    /// How often in a round.
    times: usize,
    /// Whether all take place at the same moment, once: they do nothing but wait.
    together: bool,
    /// The task of a system, and what its figures are listed under.
    task: fn(&'static System) -> Option<(&'static str, &'static str)>,
}

const USUAL: Part = Part {
    name: "boot",
    counts: &[0, 1, 10, 100, 500],
    times: 1,
    together: false,
    task: |system| (system.name != "bare").then_some(("boot", system.name)),
};

/// No variant of ours, nor the floor that publishes.
fn is_plain(system: &System) -> bool {
    system.variant == Variant::Plain && system.name != "floor with files"
}

fn is_supervisor(system: &System) -> bool {
    is_plain(system) && system.is_supervisor()
}

const PARTS: [Part; 10] = [
    USUAL,
    Part {
        name: "busy",
        counts: &[1, 10, 100, 500],
        task: |system| (is_plain(system) && system.name != "bare").then_some(("busy", system.name)),
        ..USUAL
    },
    Part {
        name: "publish",
        counts: &[1, 10, 100, 500],
        task: |system| {
            let is_floor = system.is_floor() && system.name != "floor with files";
            let does = system.told == Told::Directories && !is_floor;
            (does && system.variant == Variant::Plain).then_some(("publish", system.name))
        },
        ..USUAL
    },
    Part {
        name: "stop",
        counts: &[500],
        task: |system| {
            let does = is_plain(system) && system.stop.is_some() && system.told != Told::Command;
            does.then_some(("stop", system.name))
        },
        ..USUAL
    },
    Part {
        name: "crash",
        counts: &[1, 500],
        task: |system| {
            let does = is_supervisor(system) || system.name == "floor by fork";
            does.then_some(("crash", system.name))
        },
        ..USUAL
    },
    Part {
        name: "sv",
        counts: &[1, 500],
        task: |system| match system.name {
            "ours" => Some(("sv", "ours, our sv")),
            // The same once more, with the other sv.
            "ours with logs" => Some(("debian", "ours, Debian's sv")),
            "runit" => Some(("debian", "runit, Debian's sv")),
            _ => None,
        },
        ..USUAL
    },
    Part {
        name: "orphans",
        counts: &[1],
        task: |system| {
            let does = is_plain(system) && !["bare", "floor by vfork"].contains(&system.name);
            does.then_some(("orphans", system.name))
        },
        ..USUAL
    },
    Part {
        name: "once",
        counts: &[1],
        times: 4,
        task: |system| {
            (is_plain(system) && system.once().is_some()).then_some(("once", system.name))
        },
        ..USUAL
    },
    Part {
        name: "setuser",
        counts: &[1],
        task: |system| (system.name == "bare").then_some(("setuser", system.name)),
        ..USUAL
    },
    Part {
        name: "idle",
        counts: &[1, 100],
        together: true,
        task: |system| is_supervisor(system).then_some(("idle", system.name)),
        ..USUAL
    },
];

/// Whether one core is to be kept busy: by this process, a stranger to what is measured.
static BUSY: AtomicBool = AtomicBool::new(false);

/// What is asked for by the environment.
struct Asked {
    rounds: usize,
    parts: Option<Vec<String>>,
    counts: Option<Vec<String>>,
    systems: Option<Vec<String>>,
    results: PathBuf,
    samples: PathBuf,
}

impl Asked {
    fn new() -> Result<Asked> {
        let list = |name: &str| -> Option<Vec<String>> {
            let value = env::var(name).ok().filter(|value| !value.is_empty())?;
            Some(value.split(',').map(String::from).collect())
        };
        let rounds = env::var("ROUNDS").ok().filter(|rounds| !rounds.is_empty());
        let rounds = rounds.map_or(Ok(5), |rounds| rounds.parse()).map_err(Error::other)?;
        let elsewhere = env::var_os("RESULTS").filter(|results| !results.is_empty());
        let elsewhere = elsewhere.map(PathBuf::from);
        let samples = match &elsewhere {
            Some(results) => results.join("samples"),
            None => programs::repository().join("target/bench"),
        };
        let results = elsewhere.unwrap_or_else(|| programs::repository().join("bench"));
        let (parts, counts, systems) = (list("PARTS"), list("COUNTS"), list("SYSTEMS"));
        for part in parts.iter().flatten() {
            if !PARTS.iter().any(|known| known.name == part) {
                let known = PARTS.map(|known| known.name).join(", ");
                return Err(Error::other(format!("no part {part}; there are {known}")));
            }
        }
        Ok(Asked { rounds, parts, counts, systems, results, samples })
    }

    fn parts(&self) -> impl Iterator<Item = &'static Part> {
        static TABLE: [Part; PARTS.len()] = PARTS;
        TABLE.iter().filter(|part| is_in(self.parts.as_deref(), part.name))
    }

    /// Figures of what in this part.
    fn systems(&self, part: &Part) -> Vec<(&'static str, &'static System, &'static str)> {
        let asked = |system: &&System| is_in(self.systems.as_deref(), system.name);
        let here = systems::all().iter().filter(asked).filter(|system| system.is_here());
        let mut found: Vec<_> = here
            .filter_map(|system| (part.task)(system).map(|(task, name)| (task, system, name)))
            .collect();
        if part.name == "idle" {
            let systems: Vec<_> = found.iter().map(|&(_, system, name)| (system, name)).collect();
            found.extend(systems.into_iter().map(|(system, name)| ("loop", system, name)));
        }
        found
    }
}

fn is_in(list: Option<&[String]>, name: &str) -> bool {
    list.is_none_or(|list| list.iter().any(|asked| asked == name))
}

/// Measure what is asked for, and write the results.
pub fn run() -> Result<()> {
    let asked = Asked::new()?;
    if report::commit().ends_with("-dirty") {
        eprintln!("bench: there are changes that are not committed: the results are of no commit");
    }
    world::leave(nix::sched::CloneFlags::empty())?;
    world::mount_tmpfs(&programs::directory()?)?;
    programs::gather()?;
    let is_asked = |system: &System| is_in(asked.systems.as_deref(), system.name);
    let wants_peers = |system: &System| system.package.is_some() && is_asked(system);
    if systems::all().iter().any(wants_peers) && !programs::gather_peers()? {
        eprintln!("bench: without the peers");
    }
    let busy = thread::spawn(keep_busy).thread().clone();

    let mut gathered: Vec<Samples> = asked.parts().map(|_| Samples::default()).collect();
    let mut failures = Vec::new();
    let load = until_quiet();
    let start = Instant::now();
    for round in 0..asked.rounds {
        for (part, samples) in asked.parts().zip(&mut gathered) {
            progress(start, &format!("round {} of {}: {}", round + 1, asked.rounds, part.name));
            BUSY.store(part.name == "busy", Ordering::Relaxed);
            busy.unpark();
            measure(&asked, part, round, samples, &mut failures)?;
            BUSY.store(false, Ordering::Relaxed);
        }
        // After each round, so that whoever has seen enough may interrupt it.
        keep(&asked, &gathered, round + 1, &load)?;
    }
    eprintln!();
    for failure in &failures {
        eprintln!("bench: {failure}");
    }
    let ours = failures.iter().any(|failure| failure.starts_with("ours"));
    if ours { Err(Error::other("ours failed")) } else { Ok(()) }
}

/// Over the line before.
fn progress(start: Instant, what: &str) {
    // Whoever does not see it misses nothing.
    let _ = write!(stderr(), "\r{:4} s, {what:40}\r", start.elapsed().as_secs());
}

/// Until the machine has had nothing else to do for a minute, or for as long as one has patience.
/// The load then.
fn until_quiet() -> String {
    let (start, patience) = (Instant::now(), tasks::seconds("WAIT_SECONDS", 300));
    loop {
        let load = report::load();
        // One that cannot be read says nothing.
        if load.parse().map_or(true, |load: f64| load < QUIET) {
            return load;
        }
        if start.elapsed() >= patience {
            eprintln!("bench: the machine is not quiet: going on with a load of {load}");
            return load;
        }
        progress(start, &format!("waiting for a quiet machine: load {load}"));
        thread::sleep(Duration::from_secs(1));
    }
}

fn keep(asked: &Asked, gathered: &[Samples], rounds: usize, load: &str) -> Result<()> {
    fs::create_dir_all(&asked.samples)?;
    let about = report::about(rounds, load);
    for (part, samples) in asked.parts().zip(gathered) {
        samples.write(&asked.samples.join(part.name), &about)?;
    }
    report::write(&asked.samples, &asked.results)
}

fn keep_busy() {
    loop {
        if BUSY.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        } else {
            thread::park();
        }
    }
}

/// Whose turn it is of so many. Each round begins elsewhere, and every other one goes backwards: so
/// nobody is always early, or after the same one.
fn at(round: usize, rounds: usize, turn: usize, systems: usize) -> usize {
    let turn = turn % systems;
    let turn = if round.is_multiple_of(2) { turn } else { systems - turn };
    (round * systems / rounds + turn) % systems
}

fn measure(
    asked: &Asked,
    part: &Part,
    round: usize,
    samples: &mut Samples,
    failures: &mut Vec<String>,
) -> Result<()> {
    let steps = asked.systems(part);
    let mut running = Vec::new();
    for &services in part.counts {
        if !is_in(asked.counts.as_deref(), &services.to_string()) {
            continue;
        }
        for turn in 0..steps.len() * part.times {
            let Some(&(task, system, name)) = steps.get(at(round, asked.rounds, turn, steps.len()))
            else {
                continue;
            };
            let rests = if part.together { round > 0 } else { system.slow && round >= SLOW_ROUNDS };
            // What waits for a minute is looked at with a hundred services, what crashes with one.
            let other = part.together && (task == "loop") != (services == 1);
            if rests || other || !system.takes(services) {
                continue;
            }
            let run = start(system, services, task)?;
            if part.together {
                running.push((run, name, services));
            } else if let Err(error) = finish(run, name, services, samples) {
                failures.push(format!("{name}, {services} services, {task}: {error}"));
            }
        }
    }
    for (run, name, services) in running {
        if let Err(error) = finish(run, name, services, samples) {
            failures.push(format!("{name}, {services} services, {}: {error}", part.name));
        }
    }
    Ok(())
}

/// One run, in a process of its own: it leaves our namespaces.
pub fn start(system: &System, services: usize, task: &str) -> Result<Child> {
    let system = if task == "debian" && system.is_ours() { "ours" } else { system.name };
    let count = services.to_string();
    // An init that has missed its signal would be waited for without end; it is killed with `one`,
    // which can have no thread to look after the time: it has left its process namespace.
    let mut one = Command::new("timeout");
    one.arg(PATIENCE).arg(env::current_exe()?).args(["one", system, &count, task]);
    one.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// Its figures, listed under a name.
pub fn finish(run: Child, system: &str, services: usize, samples: &mut Samples) -> Result<()> {
    let output = run.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::other(format!("{} ({})", said.trim(), output.status)));
    }
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let (figure, value) = line.split_once(' ').ok_or(ErrorKind::InvalidData)?;
        // A tool that becomes another user is listed under its own name.
        let (figure, system) = figure.split_once(',').unwrap_or((figure, system));
        samples.add(figure, services, system, value.parse().map_err(Error::other)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn in_each_round_everybody_has_a_turn_and_the_first_are_spread() {
        let order = |round| (0..15).map(|turn| at(round, 5, turn, 15)).collect::<Vec<_>>();
        for round in 0..5 {
            assert_eq!(order(round).iter().collect::<BTreeSet<_>>().len(), 15);
        }
        let first: Vec<_> = (0..5).map(|round| order(round)[0]).collect();
        assert_eq!(first, [0, 3, 6, 9, 12]);
        assert_eq!(order(1)[..3], [3, 2, 1]);
    }
}
