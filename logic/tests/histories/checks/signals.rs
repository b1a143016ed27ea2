//! Which signals may be sent, and which have to be.

use super::Checks;
use crate::facts::{is_hook, is_run, milliseconds};
use crate::kernel::Process;
use crate::world::World;
use logic::contract::{Program, Role, ServiceId};
use logic::status::Want;
use logic::verbs::Verb;
use logic::words::{Instant, Pid, Signal};
use std::time::Duration;

impl Checks {
    /// Its directory is gone: it is told to end, once.
    pub fn lost(&mut self, world: &World, id: ServiceId) {
        if self.lost.insert(id) {
            self.wants.insert(id, Want::Exit);
            self.told.insert(id);
            self.owes(world, id, Verb::Exit);
        }
    }

    /// What runs of the service will be sent what the verb asks for.
    pub(super) fn owes(&mut self, world: &World, id: ServiceId, verb: Verb) {
        let is_ending = self.ends.is_closed(id) || (self.lost.contains(&id) && verb == Verb::Down);
        let run = world.kernel.processes.iter().find(|(_, process)| is_run(process, id));
        if let Some((&pid, _)) = run
            && self.stop_began.is_none()
            && !is_ending
        {
            let wanted_up = !matches!(self.wants.get(&id), Some(Want::Down | Want::Exit));
            let stands_in = |letter| !world.is_log(id) && world.has_control(id, letter);
            let (_, owed) = self.owed.entry(pid).or_insert((id, Default::default()));
            owed.told(verb, wanted_up, stands_in);
        }
    }

    /// Before a signal is sent.
    pub(super) fn may_signal(&mut self, world: &World, pid: Pid, signal: Signal) {
        let process = world.kernel.processes.get(&pid.0);
        let process = process.expect("a signal to a process we no longer own");
        let role = process.role.expect("a signal to an orphan");
        if let Some((_, owed)) = self.owed.get_mut(&pid.0) {
            owed.remove(signal);
        }
        if role == Role::MainCommand {
            self.main_owed.remove(signal);
        }
        if let Role::Service(id, Program::Run) = role
            && signal == Signal::TERM
            && !self.told.contains(&id)
        {
            assert!(!world.is_log(id), "TERM to a log service, which ends by end of file");
            let left = world.left();
            assert!(self.ends.is_its_turn(id, &left), "{id:?} ends before others: {left:?}");
        }
        if signal == Signal::KILL {
            self.may_kill(world, process, role);
        }
    }

    fn may_kill(&mut self, world: &World, process: &Process, role: Role) {
        let patience = milliseconds(world.patience.process);
        let since = match role {
            Role::Service(id, Program::Run) if self.may_kill.contains(&id) => return,
            Role::Service(id, _) => {
                let began = self.stop_began.map(Duration::from_millis).map(Instant);
                milliseconds(self.ends.since(id, began).map(|Instant(since)| since))
            }
            role if is_hook(role) => Some(process.started),
            Role::Script(_) | Role::MainCommand => {
                assert!(process.got_term.is_some(), "KILL without TERM before");
                process.got_term
            }
        };
        let ends = since.zip(patience).map(|(since, patience)| since + patience);
        let is_over = ends.is_some_and(|end| end <= world.now());
        assert!(self.hurries(world) || is_over, "KILL before its time");
        // A script in `control/` may have taken the place of a signal, or hang.
        let is_asked = match role {
            Role::Service(id, Program::Run) => {
                let just_asked = self.asked_until.get(&id) == Some(&world.now());
                world.obeys(id) && !world.is_log(id) && !just_asked
            }
            Role::MainCommand => true,
            Role::Script(_) => !is_hook(role),
            Role::Service(..) => false,
        };
        let was_asked = process.got_term.is_some() && process.got_cont;
        assert!(!is_asked || was_asked || self.hurries(world), "KILL without TERM and CONT before");
    }

    /// When nothing is to be done: all that was asked for was sent.
    pub(super) fn nothing_is_owed(&self, world: &World) {
        for (pid, (id, owed)) in &self.owed {
            let is_script = |program| matches!(program, Program::Control(_));
            let is_asked = world.kernel.processes.values().any(|process| {
                process.service().is_some_and(|(of, program)| of == *id && is_script(program))
            });
            let waits = is_asked || self.stop_began.is_some() || self.ends.is_closed(*id);
            assert!(owed.is_empty() || waits, "{owed:?} is owed to {id:?}, {pid}");
        }
        let is_main = |process: &&Process| process.role == Some(Role::MainCommand);
        let main = world.kernel.processes.values().find(is_main);
        if let Some(main) = main.filter(|main| !main.got_kill) {
            assert!(self.main_owed.is_empty(), "{:?} is owed to the command", self.main_owed);
            let is_shell = world.plan.terminal && main.deaf && main.got_term.is_some();
            assert!(!is_shell || main.got_hup, "a shell that ignores TERM was not sent HUP");
        }
    }
}
