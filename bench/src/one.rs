//! One run of one system with so many services: booted, looked at, stopped. Each figure is a line.

use crate::processes::{Processes, processor};
use crate::programs;
use crate::systems::{self, System, Told, Variant};
use crate::tasks;
use crate::world::{World, now};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{Error, Result};
use std::process::{Child, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Nothing here takes longer, unless something is wrong.
const DEADLINE: Duration = Duration::from_secs(20);

/// One run.
pub struct Run {
    /// How it was configured.
    pub system: &'static System,
    /// Its root.
    pub world: World,
    /// PID 1.
    pub init: Child,
    /// So many.
    pub services: usize,
    run: &'static str,
}

/// Boot, print the figures of the task, stop.
pub fn run(system: &str, services: &str, task: &str) -> Result<()> {
    let system = systems::named(system)?;
    let services = services.parse().map_err(Error::other)?;
    let boot = |run| Run::boot(system, services, run);
    match task {
        "boot" => boot("service")?.booted_and_stopped(),
        "busy" => boot("service")?.booted(),
        "publish" => boot("service")?.published(),
        "stop" => boot("noting")?.stopped_and_noted(),
        "crash" => boot("service")?.ended(tasks::crash),
        "sv" => boot("noting")?.ended(|run| tasks::sv(run, "sv")),
        "debian" => boot("noting")?.ended(|run| tasks::sv(run, "peers/usr/bin/sv")),
        "idle" => boot("service")?.ended(tasks::idle),
        "loop" => boot("ending")?.ended(tasks::crash_loop),
        "orphans" => boot("orphans")?.ended(tasks::orphans),
        "once" => tasks::once(system),
        "setuser" => tasks::setuser(system),
        _ => Err(Error::other("no such task")),
    }
}

/// Print a length of time, or of processor time.
pub fn say(figure: &str, from: u64, to: u64) {
    println!("{figure} {}", to.saturating_sub(from));
}

/// Look every so often until it is so.
pub fn until(what: &str, every: Duration, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is_so()? {
        if start.elapsed() > DEADLINE {
            return Err(Error::other(format!("in vain waited for {what}")));
        }
        sleep(every);
    }
    Ok(())
}

impl Run {
    /// Make the world, and exec PID 1 in it.
    fn boot(system: &'static System, services: usize, run: &'static str) -> Result<Run> {
        let world = World::new(system, services, run)?;
        let init = Run::start(&world, &system.words(services))?;
        Ok(Run { system, init, world, services, run })
    }

    /// Exec a program as PID 1.
    pub fn start<Word: AsRef<std::ffi::OsStr>>(world: &World, words: &[Word]) -> Result<Child> {
        let mut enter = programs::myself(&["enter".as_ref(), world.root.as_os_str()])?;
        let nothing = || Stdio::null();
        enter.args(words).stdin(nothing()).stdout(nothing()).stderr(nothing()).spawn()
    }

    /// How many have noted their start when all run, PID 1's exec with them.
    fn all(&self) -> usize {
        let logs = if self.system.variant == Variant::Logs { self.services } else { 0 };
        1 + self.services + logs
    }

    /// The times are the services' own: how often we look makes no difference.
    pub fn until_started(&self, starts: usize) -> Result<Vec<u64>> {
        let millisecond = Duration::from_millis(1);
        until("the services", millisecond, || Ok(self.world.starts()?.len() >= starts))?;
        self.world.starts()
    }

    /// All services run.
    pub fn until_all_run(&self) -> Result<Vec<u64>> {
        self.until_started(self.all())
    }

    /// The init and the supervisors of this run.
    pub fn processes(&self) -> Result<Processes> {
        let services = [self.run, "log"].map(|program| self.world.root.join(program));
        Processes::below(self.init.id(), &services)
    }

    /// None of them has used a processor for a while.
    pub fn until_idle(&self) -> Result<Processes> {
        let mut before = None;
        until("idleness", Duration::from_millis(25), || {
            // A child that has not come to its exec yet may end under our eyes.
            let processes = self.processes()?;
            let now = processes.processor().ok();
            Ok(now.is_some() && now == before.replace(now.unwrap_or(0)) && processes.sleep())
        })?;
        self.processes()
    }

    fn booted_and_stopped(mut self) -> Result<()> {
        let starts = self.until_all_run()?;
        if let (Some(&exec), Some(&last)) = (starts.first(), starts.iter().max())
            && self.services > 0
        {
            say("boot", exec, last);
        }
        let processes = self.until_idle()?;
        say("processor", self.world.before_exec()?, processes.processor()?);
        println!("memory {}", processes.memory("Anonymous")?);
        println!("resident {}", processes.memory("Rss")?);
        let (starts, all) = (self.world.starts()?.len(), self.all());
        if starts != all {
            return Err(Error::other(format!("{starts} starts instead of {all}")));
        }
        let Some(signal) = self.system.stop else { return self.kill() };
        let (told, gone) = self.stop(signal)?;
        say("stop", told, gone);
        Ok(())
    }

    fn booted(mut self) -> Result<()> {
        let starts = self.until_all_run()?;
        if let (Some(&exec), Some(&last)) = (starts.first(), starts.iter().max()) {
            say("boot-busy", exec, last);
        }
        self.kill()
    }

    /// When every service had all that its supervisor shows, to half a millisecond.
    fn published(mut self) -> Result<()> {
        let mut published = 0;
        let shows = self.system.shows();
        let is_there = |service| {
            let supervise = self.world.service(service).join("supervise");
            shows.iter().all(|file| supervise.join(file).exists())
        };
        until("supervise/", Duration::from_micros(500), || {
            while published < self.services && is_there(published) {
                published += 1;
            }
            Ok(published == self.services)
        })?;
        let published = now()?;
        let starts = self.until_all_run()?;
        if let (Some(&exec), Some(&last)) = (starts.first(), starts.iter().max()) {
            say("published", exec, published.max(last));
        }
        self.kill()
    }

    /// How long PID 1 is there after its last service.
    fn stopped_and_noted(mut self) -> Result<()> {
        self.until_all_run()?;
        self.until_idle()?;
        let Some(signal) = self.system.stop else { return self.kill() };
        let (_, gone) = self.stop(signal)?;
        let ends = self.world.ends()?;
        println!("ended {}", ends.len());
        if let Some(&last) = ends.iter().max() {
            say("after", last, gone);
        }
        Ok(())
    }

    fn ended(mut self, task: impl Fn(&Run) -> Result<()>) -> Result<()> {
        task(&self)?;
        self.kill()
    }

    fn pid(&self) -> Result<Pid> {
        i32::try_from(self.init.id()).map(Pid::from_raw).map_err(Error::other)
    }

    /// When it was told, and when it was gone.
    fn stop(&mut self, signal: Signal) -> Result<(u64, u64)> {
        let told = now()?;
        kill(self.pid()?, signal)?;
        let status = self.init.wait()?;
        let gone = now()?;
        self.check(status)?;
        Ok((told, gone))
    }

    fn check(&self, status: ExitStatus) -> Result<()> {
        let may_fail = self.system.package.is_some() || self.system.told == Told::Command;
        if may_fail || status.success() {
            Ok(())
        } else {
            Err(Error::other(format!("PID 1: {status}")))
        }
    }

    /// Nobody measures this end.
    fn kill(&mut self) -> Result<()> {
        self.init.kill()?;
        self.init.wait().map(drop)
    }

    /// Nanoseconds of PID 1 on a processor.
    pub fn processor(&self) -> Result<u64> {
        processor(self.init.id())
    }
}
