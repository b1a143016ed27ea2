//! Random histories of a container's life, driven through the core by a fake kernel, checked after
//! every step. The fake is never kinder than the real one: programs hang, ignore TERM, cannot be
//! killed, are stopped, fork orphans, cannot be forked or executed, numbers come again, service
//! directories come and go, the disk is full, signals and verbs come at the worst moment, and PID 1
//! wakes up late.
//!
//! A failing history prints its seed and the shortest list of blows that still fails:
//! `SEED=n cargo test --package logic --test histories` runs it again.
//! `HISTORIES=n` runs more, from seed `FROM=n` on.

mod checks;
#[path = "../common/mod.rs"]
mod common;
mod dice;
mod directories;
mod facts;
mod kernel;
mod order;
mod world;

use dice::Dice;
use kernel::{Milliseconds, grain};
use logic::contract::ServiceId;
use logic::environment::Patience;
use logic::verbs::Verb;
use logic::words::Signal;
use std::ops::Range;
use world::World;

/// What befalls a container from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// A signal to PID 1.
    Signal(Signal),
    /// A byte into a service's `control`.
    Verb(ServiceId, Verb),
    /// A service directory vanishes.
    Vanish(ServiceId),
    /// What is served of a service is deleted.
    Hurt(ServiceId),
    /// A new one appears.
    Appear,
}

type Blows = Vec<(Milliseconds, Blow)>;

/// How many requests to stop end every history: one, or two where patience has no end.
fn needed(seed: u64) -> u64 {
    let Patience { process, all, stop } = World::new(seed).patience;
    if stop.is_none() && (process.is_none() || all.is_none()) { 2 } else { 1 }
}

/// Sooner or later everybody is told to stop; before that anything may happen. In some histories
/// all moments are full half seconds: what comes then comes with the deadlines of the core.
fn blows(seed: u64) -> Blows {
    let signals = [1, 2, 3, 10, 12, 14, 15, 15, 18, 28, 37, 40, 64];
    let mut dice = Dice::new(seed, 3);
    let mut blows: Blows = Vec::new();
    for _ in 0..dice.below(10) {
        let service = ServiceId(u32::try_from(dice.below(8)).unwrap());
        let blow = match dice.below(12) {
            0 => Blow::Signal(Signal(dice.of(&signals))),
            1 => Blow::Vanish(service),
            2 => Blow::Appear,
            3 => Blow::Hurt(service),
            _ => Blow::Verb(service, Verb::from_byte(dice.of(b"uuddooxtkpchaiq12tk")).unwrap()),
        };
        blows.push((dice.below(8000), blow));
    }
    // At once, in the startup scripts, or when everything has long been running.
    let first = match dice.below(8) {
        0 => dice.below(20),
        1 => dice.below(4000),
        _ => 8000 + dice.below(6000),
    };
    let mut term = |at| blows.push((at, Blow::Signal(Signal::TERM)));
    term(first);
    for n in 1..=2 {
        if n < needed(seed) || dice.one_in(3) {
            term(first + dice.below(8000));
        }
    }
    let grain = grain(seed);
    for (at, _) in &mut blows {
        *at -= *at % grain;
    }
    blows.sort_by_key(|&(at, _)| at);
    blows
}

fn fails(seed: u64, blows: &Blows) -> bool {
    std::panic::catch_unwind(|| World::new(seed).run(blows)).is_err()
}

/// Leave out one blow after the other, as long as what is left still fails.
fn shortest(seed: u64, mut blows: Blows) -> Blows {
    let mut at = 0;
    while at < blows.len() {
        let mut fewer = blows.clone();
        fewer.remove(at);
        // A history in which nobody is ever told to stop need not end.
        let requests = fewer.iter().filter(|(_, blow)| *blow == Blow::Signal(Signal::TERM));
        let ends = requests.count() as u64 >= needed(seed);
        if ends && fails(seed, &fewer) {
            blows = fewer;
        } else {
            at += 1;
        }
    }
    blows
}

/// The first that fails, and the shortest list of blows with which it does.
fn first_that_fails(seeds: Range<u64>) -> Option<(u64, Blows)> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let failed = seeds.into_iter().find(|&seed| fails(seed, &blows(seed)));
    let failed = failed.map(|seed| (seed, shortest(seed, blows(seed))));
    std::panic::set_hook(hook);
    failed
}

#[test]
fn histories_keep_every_promise() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    if let Some(seed) = number("SEED") {
        let (_, blows) = first_that_fails(seed..seed + 1).unwrap_or((seed, blows(seed)));
        eprintln!("SEED={seed} {blows:?}");
        return World::new(seed).telling().run(&blows);
    }
    let count = number("HISTORIES").unwrap_or(100_000);
    let from = number("FROM").unwrap_or(0);
    let start = std::time::Instant::now();
    let failed = first_that_fails(from..from + count);
    if let Some((seed, blows)) = failed {
        eprintln!("SEED={seed} fails; the shortest list of blows that does: {blows:?}");
        return World::new(seed).run(&blows);
    }
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("{count} histories in {seconds:.1} s: {:.0} a second", count as f64 / seconds);
}
