//! What may start, and what has to.

use super::Checks;
use crate::facts::{is_hook, rank};
use crate::kernel::Process;
use crate::world::World;
use logic::contract::{Program, Role, ServiceId};
use logic::status::Want;

impl Checks {
    pub(super) fn may_start(&mut self, world: &World, role: Role) {
        assert!(self.loaded, "nothing starts without an environment");
        let Some(rank) = rank(role) else { return self.may_start_service(world, role) };
        assert!(self.last_rank.is_none_or(|last| last <= rank), "{role:?} comes too late");
        self.last_rank = Some(rank);
        assert_eq!(is_hook(role), self.stop_began.is_some(), "{role:?} at the wrong end of life");
        let other = world.kernel.processes.values().find(|process| {
            let is_ours = process.role.is_some() && process.service().is_none();
            is_ours && !process.unkillable
        });
        assert!(other.is_none(), "two at a time: {other:?}");
    }

    fn may_start_service(&mut self, world: &World, role: Role) {
        let Role::Service(id, program) = role else { return };
        assert!(!self.forgotten.contains(&id), "a forgotten service starts");
        let is_same = |process: &&Process| {
            let program = process.service().filter(|&(of, _)| of == id).map(|(_, program)| program);
            matches!(program, Some(Program::Run | Program::Finish(..)))
        };
        match program {
            Program::Run => {
                assert!(self.stop_began.is_none(), "a service starts after the stop has begun");
                let other = world.kernel.processes.values().find(is_same);
                assert!(other.is_none(), "two instances of one service: {other:?}");
                let is_wanted = match self.wants.get(&id) {
                    Some(want) => *want == Want::Up,
                    None => self.is_released(world, id),
                };
                assert!(self.once.remove(&id) || is_wanted, "what nobody wants up starts");
                self.starts_after_its_log(world, id);
                // What was said of the last one is not said of this one.
                self.may_kill.remove(&id);
                self.told.remove(&id);
                assert!(!self.finish_due.contains(&id), "it starts, and its finish never ran");
            }
            Program::Finish(exit, pid) => {
                assert_eq!(self.last_run.remove(&id), Some((exit, pid)), "no such run has ended");
                self.finish_due.remove(&id);
            }
            Program::Control(_) => {}
        }
    }

    /// Whether it may start although nobody has asked for it.
    fn is_released(&self, world: &World, id: ServiceId) -> bool {
        let Some((_, down)) = world.found(id) else { return false };
        let owner = world.owner(id);
        let ours = world.kernel.processes.values().filter(|process| process.service().is_none());
        let running = ours.filter_map(|process| process.role).next();
        // The log of one that was started early comes with it, or after it.
        let is_early = self.ends.is_early(owner) || self.tried.contains(&owner);
        let comes_along = id != owner && is_early;
        !down && (comes_along || self.course.releases(self.life(world), running))
    }

    /// Nothing is said before somebody listens, but where either was told something before.
    fn starts_after_its_log(&mut self, world: &World, id: ServiceId) {
        let log = world.directories.get(&id).and_then(|directory| directory.shape.log);
        if self.tried.insert(id)
            && !self.wants.contains_key(&id)
            && let Some((log, false)) = log
            && !self.wants.contains_key(&log)
        {
            assert!(self.tried.contains(&log), "{id:?} starts before its log");
        }
    }

    /// What is wanted up runs, rests for a second, or is at its other scripts.
    pub(super) fn wants_are_obeyed(&self, world: &World) {
        for id in world.ids() {
            let Some((directory, down)) = world.found(id) else { continue };
            let is_over = self.forgotten.contains(&id) || self.ends.is_closed(id);
            if !directory.exists || !directory.known || is_over {
                continue;
            }
            let owner = world.owner(id);
            let is_early = id != owner && self.ends.is_early(owner);
            let released = (self.course.booted || is_early) && !down;
            let released = released.then_some(Want::Up);
            let want = self.wants.get(&id).copied().or(released);
            let of_it = |process: &&Process| process.service().is_some_and(|(of, _)| of == id);
            let is_busy = world.kernel.processes.values().any(|process| of_it(&process));
            let rests = self.last_end.get(&id).is_some_and(|end| world.now() < end + 1000);
            let is_wanted = want == Some(Want::Up) || self.once.contains(&id);
            assert!(!is_wanted || is_busy || rests, "{id:?} is wanted up and is not");
        }
    }
}
