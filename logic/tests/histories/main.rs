//! Random histories of a container's life, driven through the core by a fake kernel, checked after
//! every step. The fake is never kinder than the real one: programs hang, ignore TERM, cannot be
//! killed, fork orphans, cannot be forked or executed, service directories come and go, and signals
//! and verbs come at the worst moment.
//!
//! A failing history prints its seed and the shortest list of blows that still fails:
//! `SEED=n cargo test --package logic --test histories` runs it again. `HISTORIES=n` runs more.

mod checks;
mod dice;
mod world;

use dice::Dice;
use logic::contract::ServiceId;
use logic::verbs::Verb;
use logic::words::Signal;
use world::{Milliseconds, World};

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

/// Sooner or later everybody is told to stop; before that anything may happen.
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
    blows.push((8000 + dice.below(6000), Blow::Signal(Signal::TERM)));
    if dice.one_in(3) {
        blows.push((dice.below(14_000), Blow::Signal(Signal::TERM)));
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
        let ends = fewer.iter().any(|(_, blow)| *blow == Blow::Signal(Signal::TERM));
        if ends && fails(seed, &fewer) {
            blows = fewer;
        } else {
            at += 1;
        }
    }
    blows
}

#[test]
fn histories_keep_every_promise() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    if let Some(seed) = number("SEED") {
        let blows = shortest(seed, blows(seed));
        eprintln!("SEED={seed} {blows:?}");
        World::new(seed).telling().run(&blows);
        return;
    }
    let count = number("HISTORIES").unwrap_or(10_000);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let failed = (0..count).find(|&seed| fails(seed, &blows(seed)));
    let failed = failed.map(|seed| (seed, shortest(seed, blows(seed))));
    std::panic::set_hook(hook);
    if let Some((seed, blows)) = failed {
        eprintln!("SEED={seed} fails; the shortest list of blows that does: {blows:?}");
        World::new(seed).run(&blows);
    }
}
