//! One run of one system with so many services: booted, looked at, stopped. Each figure is a line.

use crate::programs;
use crate::world::{World, now};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{Error, Result};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Nothing here takes longer, unless something is wrong.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long a service has to have run to be started again at once (runsv(8)), and a little more.
const SETTLED: Duration = Duration::from_millis(1100);
/// How many services of one run are restarted, each in both ways.
const RESTARTS: usize = 3;

struct Run {
    world: World,
    init: Child,
    services: usize,
}

/// Boot, print the figures of the task, stop.
pub fn run(system: &str, services: &str, task: &str) -> Result<()> {
    let services = services.parse().map_err(Error::other)?;
    let mut run = Run::boot(system, services)?;
    match task {
        "boot" => run.booted(system != "floor"),
        "restart" => run.restarted(system == "ours"),
        _ => Err(Error::other("no such task")),
    }?;
    run.stop()
}

fn say(figure: &str, from: u64, to: u64) {
    println!("{figure} {}", to.saturating_sub(from));
}

/// Look every so often until it is so.
fn until(what: &str, every: Duration, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
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
    fn boot(system: &str, services: usize) -> Result<Run> {
        let world = World::new(services)?;
        let count = services.to_string();
        let words: &[&str] = match system {
            "ours" => &["/my_init"],
            "floor" => &["/floor", &count],
            "files" => &["/floor", &count, "files"],
            _ => return Err(Error::other("no such system")),
        };
        let mut enter = programs::myself(&["enter".as_ref(), world.root.as_os_str()])?;
        let nothing = || Stdio::null();
        enter.args(words).stdin(nothing()).stdout(nothing()).stderr(nothing());
        Ok(Run { init: enter.spawn()?, world, services })
    }

    fn pid(&self) -> Result<Pid> {
        i32::try_from(self.init.id()).map(Pid::from_raw).map_err(Error::other)
    }

    /// The times are the services' own: how often we look makes no difference.
    fn until_all_run(&self, starts: usize) -> Result<Vec<u64>> {
        let millisecond = Duration::from_millis(1);
        until("the services", millisecond, || Ok(self.world.starts()?.len() >= starts))?;
        self.world.starts()
    }

    /// It has used no processor for a while. How much it has used before.
    fn until_idle(&self) -> Result<u64> {
        let schedstat = format!("/proc/{}/schedstat", self.init.id());
        let mut last = String::new();
        until("idleness", Duration::from_millis(25), || {
            let before = std::mem::replace(&mut last, fs::read_to_string(&schedstat)?);
            Ok(before == last)
        })?;
        let used = last.split(' ').next().unwrap_or_default();
        used.parse().map_err(Error::other)
    }

    fn booted(&self, publishes: bool) -> Result<()> {
        let published = if publishes { Some(self.until_published()?) } else { None };
        let starts = self.until_all_run(self.services + 1)?;
        if let (Some(&exec), Some(&last)) = (starts.first(), starts.iter().max()) {
            say("boot", exec, last);
            if let Some(published) = published {
                say("published", exec, published.max(last));
            }
        }
        say("processor", self.world.before_exec()?, self.until_idle()?);
        println!("memory {}", self.private_memory()?);
        let starts = self.world.starts()?.len();
        if starts != self.services + 1 {
            return Err(Error::other(format!("{starts} starts instead of {}", self.services + 1)));
        }
        Ok(())
    }

    /// When every service had its status, to half a millisecond.
    fn until_published(&self) -> Result<u64> {
        let mut published = 0;
        let is_there = |service| self.world.service(service).join("supervise/status").exists();
        until("supervise/", Duration::from_micros(500), || {
            while published < self.services && is_there(published) {
                published += 1;
            }
            Ok(published == self.services)
        })?;
        now()
    }

    /// Bytes that are nobody else's: no pages of its file, which all containers of an image share.
    fn private_memory(&self) -> Result<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.init.id()))?;
        let number = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:"));
        let kilobytes = number.and_then(|number| number.trim().strip_suffix(" kB"));
        let kilobytes: u64 = kilobytes.unwrap_or_default().parse().map_err(Error::other)?;
        Ok(kilobytes * 1024)
    }

    /// The new start, after something has been done to a service.
    fn restart(&self, mut how: impl FnMut() -> Result<()>) -> Result<(u64, u64)> {
        let before = self.world.starts()?.len();
        let asked = now()?;
        how()?;
        let starts = self.until_all_run(before + 1)?;
        Ok((asked, starts.last().copied().unwrap_or(0)))
    }

    fn restarted(&self, has_sv: bool) -> Result<()> {
        self.until_all_run(self.services + 1)?;
        self.until_idle()?;
        sleep(SETTLED);
        let list = format!("/proc/{0}/task/{0}/children", self.init.id());
        let children = fs::read_to_string(list)?;
        for child in children.split_ascii_whitespace().take(RESTARTS) {
            let child = child.parse().map(Pid::from_raw).map_err(Error::other)?;
            let (killed, new) = self.restart(|| Ok(kill(child, Signal::SIGKILL)?))?;
            say("crash", killed, new);
        }
        let sv = programs::directory()?.join("sv");
        if !has_sv || !sv.exists() {
            return Ok(());
        }
        // Not those that have just been killed.
        for service in (0..self.services).rev().take(RESTARTS) {
            let mut sv = Command::new(&sv);
            sv.arg("restart").arg(self.world.service(service)).stdout(Stdio::null());
            let mut sv_running = None;
            let (asked, new) = self.restart(|| {
                sv_running = Some(sv.spawn()?);
                Ok(())
            })?;
            say("restart", asked, new);
            if let Some(mut sv) = sv_running {
                sv.wait()?;
                say("answer", asked, now()?);
            }
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        self.until_idle()?;
        let told = now()?;
        kill(self.pid()?, Signal::SIGTERM)?;
        let status = self.init.wait()?;
        say("stop", told, now()?);
        if status.success() { Ok(()) } else { Err(Error::other(format!("PID 1: {status}"))) }
    }
}
