//! What may start, and what has to.

use super::{Memory, ours, owner};
use crate::common::rank::{of_service, rank};
use crate::world::{Bounds, Process, World};
use logic::contract::{Program, Role, ServiceId};
use logic::status::Want;
use std::time::Duration;

impl Memory {
    pub(super) fn may_start(&mut self, bounds: &Bounds, world: &World, role: Role) {
        assert!(self.loaded, "nothing starts without an environment");
        let Some(rank) = rank(role) else { return self.may_start_service(bounds, world, role) };
        assert!(self.last_rank.is_none_or(|last| last <= rank), "{role:?} comes too late");
        self.last_rank = Some(rank);
        assert_eq!(rank.0 > 3, self.stop_began.is_some(), "{role:?} at the wrong end of life");
        let is_other = |process: &&Process| {
            !matches!(process.role, None | Some(Role::Service(..))) && !process.got_kill
        };
        let other = world.processes.iter().find(is_other);
        assert!(other.is_none(), "two at a time: {other:?}");
    }

    fn may_start_service(&mut self, bounds: &Bounds, world: &World, role: Role) {
        let Role::Service(id, program) = role else { return };
        let has_begun = self.stop_began.is_some();
        let is_released = self.is_released(bounds, world, id);
        if program == Program::Run {
            self.starts_after_its_log(world, id);
        }
        let told = self.of(id);
        assert!(!told.forgotten, "a forgotten service starts");
        match program {
            Program::Run => {
                assert!(!has_begun, "a service starts after the stop has begun");
                let is_wanted = told.want.map_or(is_released, |want| want == Want::Up);
                assert!(std::mem::take(&mut told.once) || is_wanted, "what nobody wants up starts");
                let heard = !bounds.finish || told.last_run.take().is_none();
                assert!(heard, "it starts, and its finish never ran");
                let is_same = |process: &&Process| {
                    matches!(process.role, Some(Role::Service(of, Program::Run
                        | Program::Finish(..))) if of == id)
                };
                let other = world.processes.iter().find(is_same);
                assert!(other.is_none(), "two instances of one service: {other:?}");
                // What was said of the last one is not said of this one.
                (told.told, told.may_kill) = (false, false);
            }
            Program::Finish(exit, pid) => {
                assert_eq!(told.last_run.take(), Some((exit, pid)), "no such run has ended");
            }
            Program::Control(_) => {}
        }
    }

    /// Whether it may start although nobody has asked for it.
    fn is_released(&self, bounds: &Bounds, world: &World, id: ServiceId) -> bool {
        let owner = owner(world, id);
        // The log of one that was started early comes with it.
        let comes_along = id != owner && self.ends.is_early(owner);
        let running = world.processes.iter().find_map(ours);
        let is_down = bounds.down && id == owner;
        !is_down && (comes_along || self.course.releases(self.life(bounds), running))
    }

    /// Nothing is said before somebody listens, but where either was told something before.
    fn starts_after_its_log(&mut self, world: &World, id: ServiceId) {
        self.of(id).tried = true;
        let of_log = world.directories.iter().find(|d| d.id == id).and_then(|d| d.log);
        let Some(log) = of_log else { return };
        let is_told = [id, log].map(|id| self.of(id).want.is_some()).contains(&true);
        assert!(is_told || self.of(log).tried, "{id:?} starts before its log");
    }

    /// What is wanted of a service by what it was told, or by itself.
    pub(super) fn want(&self, bounds: &Bounds, world: &World, id: ServiceId) -> Option<Want> {
        let owner = owner(world, id);
        let is_early = id != owner && self.ends.is_early(owner);
        let is_down = bounds.down && id == owner;
        let is_released = (self.course.booted || is_early) && !is_down;
        let told = self.services.get(id.0 as usize).and_then(|told| told.want);
        told.or(is_released.then_some(Want::Up))
    }

    pub(super) fn want_is_obeyed(&self, bounds: &Bounds, world: &World, id: ServiceId) {
        let Some(told) = self.services.get(id.0 as usize) else { return };
        let is_it = |process: &Process| process.role.and_then(of_service) == Some(id);
        let is_busy = world.processes.iter().any(is_it);
        let second = Duration::from_secs(1);
        let rests = told.idle_since.is_some_and(|since| since.until(world.now) < second);
        let is_closed = self.ends.is_closed(id) || told.forgotten;
        let is_wanted = self.want(bounds, world, id) == Some(Want::Up) || told.once;
        assert!(!is_wanted || is_busy || rests || is_closed, "{id:?} is wanted up");
        let wakes = world.core.deadline().is_some();
        assert!(!is_wanted || is_busy || wakes || is_closed, "{id:?} is forgotten");
    }
}
