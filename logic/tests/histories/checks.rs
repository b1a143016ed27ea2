//! The promises, and whether they are kept.

use crate::world::{Milliseconds, Process, World, is_hook, is_main_over, rank};
use logic::contract::{Action, Plan, Program, Role, ServiceId};
use logic::status::{State, UnixTime, Want};
use logic::verbs::Verb;
use logic::words::{Exit, Instant, Signal};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What is remembered of a history.
#[derive(Default)]
pub struct Checks {
    requests: Vec<Signal>,
    stop_began: Option<Milliseconds>,
    hurry_began: Option<Milliseconds>,
    alone_since: Option<Milliseconds>,
    loaded: bool,
    told_all: bool,
    last_rank: Option<(u8, usize)>,
    /// The code that the container must end with, once something has decided it.
    expected: Option<u8>,
    /// What was last said to a service.
    wants: BTreeMap<ServiceId, Want>,
    /// When the last process of a service ended, or could not be made.
    last_end: BTreeMap<ServiceId, Milliseconds>,
    /// Services that were sent KILL, and those whose log was closed.
    may_kill: BTreeSet<ServiceId>,
    closed: BTreeSet<ServiceId>,
    forgotten: BTreeSet<ServiceId>,
}

fn milliseconds(wait: Option<Duration>) -> Option<Milliseconds> {
    wait.map(|wait| u64::try_from(wait.as_millis()).unwrap())
}

impl Checks {
    fn stop_begins(&mut self, now: Milliseconds) {
        self.stop_began.get_or_insert(now);
    }

    fn hurries(&self, world: &World) -> bool {
        let limit = milliseconds(world.patience.stop);
        let over = |began: Milliseconds| limit.is_some_and(|limit| began + limit <= world.now);
        self.requests.len() > 1 || self.stop_began.is_some_and(over)
    }

    /// A signal comes.
    pub fn signalled(&mut self, now: Milliseconds, plan: &Plan, signal: Signal) {
        let asks = [Signal::TERM, Signal::INT, Signal::RTMIN_3].contains(&signal)
            || (signal == Signal::QUIT && !plan.main_command);
        if asks {
            self.requests.push(signal);
            self.stop_begins(now);
        }
    }

    /// A verb comes.
    pub fn told(&mut self, id: ServiceId, verb: Verb) {
        match verb {
            Verb::Up => self.wants.insert(id, Want::Up),
            Verb::Down | Verb::Once => self.wants.insert(id, Want::Down),
            Verb::Exit => self.wants.insert(id, Want::Exit),
            Verb::Kill => {
                self.may_kill.insert(id);
                None
            }
            _ => None,
        };
    }

    /// No process could be made.
    pub fn refused(&mut self, now: Milliseconds, role: Role) {
        if let Role::Service(id, _) = role {
            self.last_end.insert(id, now);
        }
    }

    /// A process has ended.
    pub fn ended(&mut self, now: Milliseconds, process: &Process) {
        if let Some((id, _)) = process.service() {
            self.last_end.insert(id, now);
        }
        let Some(role) = process.role else { return };
        let is_startup = rank(role).is_some_and(|(rank, _)| rank < 3);
        if role == Role::MainCommand {
            self.expected.get_or_insert(process.exit.status());
            self.stop_begins(now);
        } else if is_startup && !process.exit.is_success() && self.stop_began.is_none() {
            self.expected = Some(1);
            self.stop_begins(now);
        }
    }

    /// Before a step is performed.
    pub fn before(&mut self, world: &World, action: Action) {
        if let Some(exit) = is_main_over(action) {
            let is_main = |process: &&Process| process.role == Some(Role::MainCommand);
            if let Some(process) = world.processes.values().find(is_main) {
                assert!(process.unkillable && exit == Exit::Signal(Signal::KILL));
                self.expected = Some(137);
            }
            assert_eq!(self.expected, Some(exit.status()));
        }
        match action {
            Action::LoadEnvironment => self.loaded = true,
            Action::Start(role) => self.may_start(world, role),
            Action::Signal(pid, signal) => {
                let process = world.processes.get(&pid.0);
                let process = process.expect("a signal to a process we no longer own");
                self.may_signal(world, process, signal);
            }
            Action::SignalAll(signal) => {
                assert!(world.plan.kill_all, "everybody is signalled against the plan");
                assert!(self.told_all || signal == Signal::TERM, "TERM comes first");
                assert!([Signal::TERM, Signal::CONT, Signal::KILL].contains(&signal), "{signal}");
                self.told_all = true;
            }
            Action::Publish(id) => self.tells_the_truth(world, id),
            Action::CloseLog(log) => {
                assert!(self.closed.insert(log), "a log is closed once");
                let of = |directory: &crate::world::Directory| {
                    directory.shape.log.is_some_and(|(id, _)| id == log)
                };
                let (&of, _) = world.directories.iter().find(|(_, d)| of(d)).unwrap();
                assert!(!runs(world, of), "a log ends before its service");
            }
            Action::Forget(id) => {
                assert!(!runs(world, id), "a service is forgotten while it runs");
                assert!(self.forgotten.insert(id), "a service is forgotten once");
            }
            _ => {}
        }
    }

    fn may_start(&mut self, world: &World, role: Role) {
        assert!(self.loaded, "nothing starts without an environment");
        let Some(rank) = rank(role) else { return self.may_start_service(world, role) };
        assert!(self.last_rank.is_none_or(|last| last <= rank), "{role:?} comes too late");
        self.last_rank = Some(rank);
        assert_eq!(is_hook(role), self.stop_began.is_some(), "{role:?} at the wrong end of life");
        let other = world.processes.values().find(|process| {
            let is_ours = process.role.is_some() && process.service().is_none();
            is_ours && !process.unkillable
        });
        assert!(other.is_none(), "two at a time: {other:?}");
    }

    fn may_start_service(&mut self, world: &World, role: Role) {
        let Role::Service(id, program) = role else { return };
        assert!(!self.forgotten.contains(&id), "a forgotten service starts");
        if program == Program::Run {
            assert!(self.stop_began.is_none(), "a service starts after the stop has begun");
            assert!(!runs(world, id), "two instances of one service");
            assert!(self.wants.get(&id) != Some(&Want::Exit), "a service starts that shall exit");
        }
    }

    fn may_signal(&mut self, world: &World, process: &Process, signal: Signal) {
        let role = process.role.expect("a signal to an orphan");
        if signal != Signal::KILL {
            return;
        }
        let patience = milliseconds(world.patience.process).unwrap();
        let since = match role {
            Role::Service(id, _) if self.may_kill.contains(&id) => return,
            Role::Service(..) => self.stop_began,
            role if is_hook(role) => Some(process.started),
            Role::Script(_) | Role::MainCommand => process.got_term,
        };
        let since = since.expect("KILL without TERM before");
        assert!(self.hurries(world) || since + patience <= world.now, "KILL before its time");
    }

    fn tells_the_truth(&self, world: &World, id: ServiceId) {
        let now = Instant(Duration::from_millis(world.now));
        let Some(status) = world.core.status(id, now, UnixTime(now.0)) else { return };
        let is_it = |process: &&Process| {
            matches!(
                (process.service(), status.state),
                (Some((of, Program::Run)), State::Run)
                    | (Some((of, Program::Finish(..))), State::Finish) if of == id
            )
        };
        match status.pid {
            Some(pid) => {
                let process = world.processes.get(&pid.0).expect("a status of a dead process");
                assert!(is_it(&process), "{status:?} of {process:?}");
            }
            None if status.state == State::Down => {
                let alive = world.processes.values().find(is_it);
                assert!(alive.is_none_or(|process| process.unkillable), "{status:?}");
            }
            None => {}
        }
        if let Some(want) = self.wants.get(&id)
            && self.stop_began.is_none()
            && world.directories.get(&id).is_some_and(|directory| directory.exists)
        {
            assert_eq!(status.to_bytes()[17] == b'u', *want == Want::Up, "the want is not shown");
        }
    }

    /// When nothing is to be done.
    pub fn after(&mut self, world: &World) {
        self.check_the_time(world);
        if self.stop_began.is_none() {
            self.wants_are_obeyed(world);
        }
    }

    /// What is wanted up runs, rests for a second, or is at its other scripts.
    fn wants_are_obeyed(&self, world: &World) {
        for (&id, &want) in &self.wants {
            let Some(directory) = world.directories.get(&id) else { continue };
            if !directory.exists || !directory.known || self.forgotten.contains(&id) {
                continue;
            }
            let of_it = |process: &&Process| process.service().is_some_and(|(of, _)| of == id);
            let is_busy = world.processes.values().any(|process| of_it(&process));
            let rests = self.last_end.get(&id).is_some_and(|end| world.now < end + 1000);
            assert!(want != Want::Up || is_busy || rests, "{id:?} is wanted up and is not");
        }
    }

    fn check_the_time(&mut self, world: &World) {
        if let Some(began) = self.stop_began {
            assert!(world.now <= began + longest_stop(world), "the stop takes too long");
        }
        if self.told_all && world.processes.is_empty() {
            let since = *self.alone_since.get_or_insert(world.now);
            assert!(world.now <= since + 20, "nobody is left, and nobody notices");
        }
        if self.hurries(world) {
            let began = *self.hurry_began.get_or_insert(world.now);
            let services = u64::try_from(world.directories.len()).unwrap();
            assert!(world.now <= began + 8100 + services * 8000, "a hurry takes too long");
        }
    }

    /// When it is over.
    pub fn at_the_end(&self, world: &World, code: u8) {
        let never_ran = self.requests.first().filter(|_| world.plan.main_command);
        let expected = self.expected.or(never_ran.map(|signal| 128 + signal.0));
        assert_eq!(code, expected.unwrap_or(0), "the wrong exit code");
        if world.plan.kill_all {
            let alive = world.processes.values().find(|process| !process.unkillable);
            assert!(alive.is_none(), "left alive: {alive:?}");
        }
        assert!(self.stop_began.is_some(), "it ended for no reason");
    }
}

/// Whether the service's `run` runs.
fn runs(world: &World, id: ServiceId) -> bool {
    let is_run = |process: &Process| {
        matches!(process.service(), Some((of, Program::Run)) if of == id) && !process.unkillable
    };
    world.processes.values().any(is_run)
}

/// The longest that a stop may take: each script, the command and the services their patience, and
/// the time to be given up; early services one after the other; then all that are left.
fn longest_stop(world: &World) -> Milliseconds {
    let one = milliseconds(world.patience.process).unwrap() + 2000;
    let scripts = u64::try_from(world.scripts[3] + world.scripts[4] + 1).unwrap();
    let services = u64::try_from(world.directories.len()).unwrap();
    // `run`, a `control/X`, `finish` and the log, each of which may hang.
    let of_services = (services + 1) * (2 * one + 2 * 3000);
    scripts * one + of_services + milliseconds(world.patience.all).unwrap() + 2000 + 100
}
