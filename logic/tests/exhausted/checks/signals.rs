//! Which signals may be sent, and which have to be.

use super::{Memory, is_log, left, owner, run_of};
use crate::common::rank::rank;
use crate::fingerprint::for_checks;
use crate::world::{Bounds, World};
use logic::contract::{Program, Role, ServiceId};
use logic::status::Want;
use logic::verbs::Verb;
use logic::words::{Pid, Signal};

impl Memory {
    /// What runs of the service will be sent what the verb asks for.
    pub(super) fn owes(&mut self, bounds: &Bounds, world: &World, id: ServiceId, verb: Verb) {
        let stops = self.stop_began.is_some();
        let is_closed = self.ends.is_closed(id);
        let told = self.of(id);
        let is_ending = stops || is_closed || (told.lost && verb == Verb::Down);
        if !is_ending && run_of(world, id).is_some() {
            let wanted_up = !matches!(told.want, Some(Want::Down | Want::Exit));
            let stands_in = |letter| !is_log(world, id) && bounds.controls.contains(&letter);
            told.owed.told(verb, wanted_up, stands_in);
        }
    }

    /// Its directory is gone: it is told to end, once.
    pub fn lost(&mut self, bounds: &Bounds, world: &World, id: ServiceId) {
        if !std::mem::replace(&mut self.of(id).lost, true) {
            (self.of(id).told, self.of(id).want) = (true, Some(Want::Exit));
            self.owes(bounds, world, id, Verb::Exit);
        }
    }

    /// Before a signal is sent.
    pub(super) fn may_signal(&mut self, bounds: &Bounds, world: &World, pid: Pid, signal: Signal) {
        let process = world.processes.iter().find(|process| process.pid == pid.0);
        let process = process.expect("a signal to a process we no longer own");
        let role = process.role.expect("a signal to an orphan");
        if let Role::Service(id, Program::Run) = role {
            let told = self.of(id);
            told.owed.remove(signal);
            match signal {
                Signal::STOP => told.stopped = true,
                Signal::CONT => told.stopped = false,
                Signal::TERM => {
                    let by_end_of_file = !told.told && is_log(world, id);
                    assert!(!by_end_of_file, "TERM to a log service, which ends by end of file");
                    let is_told = told.told || self.ends.is_its_turn(id, &left(world));
                    assert!(is_told, "{id:?} ends before others");
                }
                _ => {}
            }
        }
        if signal != Signal::KILL {
            return;
        }
        let now = for_checks(world.now);
        let since = match role {
            Role::Service(id, Program::Run) if self.of(id).may_kill => return,
            Role::Service(id, _) => self.ends.since(id, self.stop_began),
            Role::MainCommand | Role::Script(_) => {
                assert!(process.asked.is_some(), "KILL to one that was not told to end");
                process.asked
            }
        };
        let is_over = since.is_some_and(|since| since.until(now) >= bounds.patience);
        assert!(is_over || self.requests > 1, "KILL before its time");
        let is_asked = match role {
            Role::MainCommand => true,
            Role::Service(id, Program::Run) => bounds.controls.is_empty() && !is_log(world, id),
            Role::Script(_) => rank(role).is_some_and(|(rank, _)| rank < 3),
            Role::Service(..) => false,
        };
        let was_asked = process.got_term && process.got_cont;
        assert!(!is_asked || was_asked || self.requests > 1, "KILL without TERM and CONT before");
    }

    pub(super) fn may_signal_all(&mut self, bounds: &Bounds, world: &World, signal: Signal) {
        assert!(bounds.plan.kill_all, "everybody is signalled against the plan");
        let order = [Signal::TERM, Signal::CONT, Signal::KILL];
        assert_eq!(order.get(usize::from(self.told_all)), Some(&signal), "out of order");
        self.told_all += 1;
        let now = for_checks(world.now);
        let waited = self.told_all_at.get_or_insert(now).until(now);
        let is_over = signal != Signal::KILL || waited >= bounds.patience;
        assert!(is_over || self.requests > 1, "KILL before its time");
    }

    /// In a stop: loggers have their end of file, and nobody lives in a hurry.
    pub(super) fn ends_go_on(&self, world: &World) {
        let hurries = self.requests > 1;
        let first =
            world.processes.iter().find(|p| p.role.is_some_and(|role| rank(role).is_some()));
        if let Some(first) = first {
            assert!(first.got_kill || !hurries, "left alive in a hurry: {first:?}");
            return;
        }
        for process in world.processes.iter().filter(|process| !process.got_kill) {
            let Some(Role::Service(id, Program::Run)) = process.role else { continue };
            let owner = owner(world, id);
            if self.ends.is_early(owner) {
                continue;
            }
            if !is_log(world, id) {
                assert!(!hurries, "left alive in a hurry: {process:?}");
                continue;
            }
            let is_of = |role| matches!(role, Role::Service(of, _) if of == owner);
            let is_over = !world.processes.iter().any(|process| process.role.is_some_and(is_of));
            assert!(!is_over || self.ends.is_closed(id), "no end of file for a logger");
        }
    }

    /// When nothing is to be done: all that was asked for was sent.
    pub(super) fn nothing_is_owed(&self, world: &World) {
        for (id, told) in (0..).map(ServiceId).zip(&self.services) {
            let is_asked = world.processes.iter().any(|process| {
                matches!(process.role, Some(Role::Service(of, Program::Control(_))) if of == id)
            });
            let waits = is_asked || self.ends.is_closed(id);
            assert!(told.owed.is_empty() || waits, "{:?} is owed to {id:?}", told.owed);
        }
    }
}
