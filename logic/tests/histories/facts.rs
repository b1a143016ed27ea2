//! What a role or a world says of itself, without a memory.

pub use crate::common::rank::rank;
use crate::kernel::{Milliseconds, Process};
use crate::world::World;
use logic::contract::{Action, Notice, Program, Role, ServiceId};
use logic::words::Exit;
use std::time::Duration;

/// Whether a script belongs to the shutdown.
pub fn is_hook(role: Role) -> bool {
    rank(role).is_some_and(|(rank, _)| rank > 3)
}

/// Whether the core says that the main command is over.
pub fn is_main_over(action: Action) -> Option<Exit> {
    match action {
        Action::Say(Notice::MainExited(exit)) => Some(exit),
        _ => None,
    }
}

pub fn milliseconds(wait: Option<Duration>) -> Option<Milliseconds> {
    wait.map(|wait| u64::try_from(wait.as_millis()).unwrap())
}

/// Whether it is the service's `run`.
pub fn is_run(process: &Process, id: ServiceId) -> bool {
    matches!(process.service(), Some((of, Program::Run)) if of == id)
}

/// Whether the service's `run` runs.
pub fn runs(world: &World, id: ServiceId) -> bool {
    world.kernel.processes.values().any(|process| is_run(process, id) && !process.unkillable)
}

/// The longest that a stop may take: each script, the command and the services their patience, and
/// the time to be given up; the services all at once, those that began early one after the other;
/// then all that are left. `None` where patience has no end.
pub fn longest_stop(world: &World, early: u64) -> Option<Milliseconds> {
    let one = milliseconds(world.patience.process)? + 2000;
    let scripts = u64::try_from(world.scripts[3] + world.scripts[4] + 1).unwrap();
    // `run`, a `control/X`, `finish` and the log, each of which may hang.
    let of_services = (1 + early) * (2 * one + 2 * 3000);
    Some(scripts * one + of_services + milliseconds(world.patience.all)? + 2000 + 100)
}
