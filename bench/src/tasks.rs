//! What is done to a system that runs, and what is measured of it: the figures after the boot.

use crate::one::{Run, say, until};
use crate::processes::{children, memory};
use crate::programs;
use crate::systems::System;
use crate::world::{World, now};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Error, Result};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs};

/// How long a service has to have run to be started again at once (runsv(8)), and a little more.
const SETTLED: Duration = Duration::from_millis(1100);
/// How many services of one run are restarted.
const RESTARTS: usize = 3;
/// How long a system may take for what the services have left behind.
const PATIENCE: Duration = Duration::from_secs(8);

/// kill -9 of some services: when each runs again.
pub fn crash(run: &Run) -> Result<()> {
    run.until_all_run()?;
    let processes = run.until_idle()?;
    sleep(SETTLED);
    for &service in processes.services.iter().take(RESTARTS) {
        let before = run.world.starts()?.len();
        let service = i32::try_from(service).map(Pid::from_raw).map_err(Error::other)?;
        let killed = now()?;
        kill(service, Signal::SIGKILL)?;
        let starts = run.until_started(before + 1)?;
        say("crash", killed, starts.last().copied().unwrap_or(0));
    }
    Ok(())
}

/// `sv restart` and `sv stop` of some services: until the service has done it, until sv has
/// answered, how much later that is, and what PID 1 has had to do.
pub fn sv(run: &Run, program: &str) -> Result<()> {
    run.until_all_run()?;
    run.until_idle()?;
    let program = programs::directory()?.join(program);
    for number in 0..RESTARTS {
        sleep(SETTLED);
        let service = run.world.service(run.services.saturating_sub(1 + number % run.services));
        let tell = |word: &str| -> Result<(u64, u64)> {
            let mut sv = Command::new(&program);
            // As the service does it, sv is told: sv(8) has seven seconds of patience.
            sv.arg(word).arg(&service).stdout(Stdio::null());
            let asked = now()?;
            if !sv.status()?.success() {
                return Err(Error::other(format!("sv {word}")));
            }
            Ok((asked, now()?))
        };
        let work = run.processor()?;
        let starts = run.world.starts()?.len();
        let (asked, answered) = tell("restart")?;
        let reached = run.until_started(starts + 1)?.last().copied().unwrap_or(0);
        figures("restart", asked, reached, answered);
        run.until_idle()?;
        say("work", work, run.processor()?);

        let ends = run.world.ends()?.len();
        let (asked, answered) = tell("stop")?;
        let noted = Duration::from_millis(1);
        until("the end", noted, || Ok(run.world.ends()?.len() > ends))?;
        figures("down", asked, run.world.ends()?.last().copied().unwrap_or(0), answered);
        if run.services == 1 {
            tell("start")?;
        }
    }
    Ok(())
}

fn figures(what: &str, asked: u64, reached: u64, answered: u64) {
    say(&format!("{what}-reached"), asked, reached);
    say(&format!("{what}-answered"), asked, answered);
    say(&format!("{what}-late"), reached, answered);
}

/// So many seconds of nothing: what the supervisors do in a minute of it.
pub fn idle(run: &Run) -> Result<()> {
    run.until_all_run()?;
    sleep(3 * SETTLED);
    let processes = run.processes()?;
    let (switches, processor) = (processes.switches()?, processes.processor()?);
    let window = seconds("IDLE_SECONDS", 60);
    sleep(window);
    let processor = processes.processor()?.saturating_sub(processor);
    println!("wakeups {}", a_minute(processes.switches()?.saturating_sub(switches), window));
    println!("idle {}", a_minute(processor, window));
    Ok(())
}

/// A number of seconds from the environment, or the usual one.
pub fn seconds(name: &str, usual: u64) -> Duration {
    let asked = env::var(name).ok().and_then(|value| value.parse().ok());
    Duration::from_secs(asked.unwrap_or(usual))
}

/// So much of it in that time, made that of a minute.
fn a_minute(what: u64, window: Duration) -> u64 {
    what * 60 / window.as_secs().max(1)
}

/// A service that always ends at once: what a minute of that costs the supervisors.
pub fn crash_loop(run: &Run) -> Result<()> {
    run.until_started(2)?;
    sleep(SETTLED);
    let processes = run.processes()?;
    let before = (run.world.starts()?.len(), processes.processor()?);
    let window = seconds("LOOP_SECONDS", 20);
    sleep(window);
    let processor = processes.processor()?.saturating_sub(before.1);
    let starts = run.world.starts()?.len().saturating_sub(before.0);
    println!("loop {}", a_minute(processor, window));
    println!("starts {}", a_minute(starts as u64, window));
    Ok(())
}

/// A service leaves 20,000 orphans behind: how they are waited for.
pub fn orphans(run: &Run) -> Result<()> {
    let init = run.init.id();
    let go = run.world.root.join("go");
    run.until_all_run()?;
    run.until_idle()?;
    let usual = children(init)?.len();
    let (processor, private) = (run.processor()?, memory(init, "Anonymous")?);
    drop(File::options().write(true).open(&go)?);
    let (mut most, mut done, start) = (0, None, Instant::now());
    let (mut waiting, mut gone);
    loop {
        waiting = children(init)?.len().saturating_sub(usual);
        gone = now()?;
        most = most.max(waiting);
        done = done.or(run.world.ends()?.first().copied());
        if start.elapsed() > PATIENCE || (done.is_some() && waiting == 0) {
            break;
        }
        sleep(Duration::from_millis(1));
    }
    let done = done.ok_or_else(|| Error::other("the orphans are not done"))?;
    println!("zombies {most}");
    println!("left {waiting}");
    if waiting == 0 {
        say("lag", done, gone);
    }
    run.until_idle()?;
    say("reaping", processor, run.processor()?);
    println!("growth {}", memory(init, "Anonymous")?.saturating_sub(private));
    Ok(())
}

/// A command of one moment: from the exec of PID 1 until it is gone.
pub fn once(system: &System) -> Result<()> {
    let words = system.once().ok_or_else(|| Error::other("runs no command"))?;
    let world = World::new(system, 0, "service")?;
    let status = Run::start(&world, &words)?.wait()?;
    let gone = now()?;
    if !status.success() {
        return Err(Error::other(format!("PID 1: {status}")));
    }
    say("once", world.starts()?.first().copied().unwrap_or(0), gone);
    Ok(())
}

/// The tools that become another user, each with the command line that does the same.
const TOOLS: [(&str, &[&str]); 5] = [
    ("bare", &[]),
    ("setuser", &["/setuser", "nobody"]),
    ("chpst", &["/usr/bin/chpst", "-u", "nobody"]),
    ("setpriv", &["/usr/bin/setpriv", "--reuid", "nobody", "--regid", "nogroup", "--init-groups"]),
    ("gosu", &["/usr/sbin/gosu", "nobody"]),
];

/// In a root of its own, because each reads its passwd, group and libraries.
pub fn setuser(system: &System) -> Result<()> {
    let world = World::new(system, 0, "service")?;
    fs::copy(world.root.join("my_init"), world.root.join("setuser"))?;
    let inside = programs::myself(&["become".as_ref(), world.root.as_os_str()])?.status()?;
    if inside.success() { Ok(()) } else { Err(Error::other("becoming another user")) }
}

/// In that root: each tool in turn, many times, from its start to its end.
pub fn become_others(root: &str) -> Result<()> {
    crate::world::settle(Path::new(root))?;
    for _ in 0..40 {
        for (name, words) in TOOLS {
            let all: Vec<&str> = words.iter().copied().chain(["/true"]).collect();
            let Some((program, arguments)) = all.split_first() else { continue };
            if !Path::new(program).exists() {
                continue;
            }
            let mut command = Command::new(program);
            command.args(arguments).env_clear().env("PATH", "/usr/bin");
            command.stderr(Stdio::null());
            let asked = now()?;
            let status = command.status()?;
            let ended = now()?;
            if status.success() {
                say(&format!("setuser,{name}"), asked, ended);
            }
        }
    }
    Ok(())
}
