//! What PID 1 costs, beside the least that the kernel asks for. README.md says how and why.
//!
//! ```text
//! bench all ─────────────┐
//! bench quick [ROUNDS] ──┴─> bench one SYSTEM COUNT TASK ──> bench enter ROOT WORD... ─exec─> PID 1
//!   medians, tables, plots     a root of its own, the clock    into it, notes the time
//! ```

mod all;
mod bars;
mod figures;
mod one;
mod plot;
mod processes;
mod programs;
mod quick;
mod report;
mod samples;
mod systems;
mod table;
mod tasks;
mod world;

use std::env;
use std::io::{Error, Result};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {}: {error}", words.join(" "));
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    match words {
        ["all"] => all::run(),
        ["quick"] => quick::run(5),
        ["quick", rounds] => quick::run(rounds.parse().map_err(Error::other)?),
        ["one", system, count, task] => one::run(system, count, task),
        ["enter", root, program @ ..] => Err(world::enter(root, program)),
        ["become", root] => tasks::become_others(root),
        _ => Err(Error::other("usage: bench all, or bench quick [ROUNDS]")),
    }
}
