//! The promises, and whether they are kept.

use crate::facts::{is_hook, is_main_over, is_run, longest_stop, milliseconds, rank, runs};
use crate::kernel::{Milliseconds, Process};
use crate::order::Order;
use crate::world::{Directory, World};
use logic::contract::{Action, Program, Role, ServiceId};
use logic::status::{State, Status, UnixTime, Want};
use logic::verbs::Verb;
use logic::words::{Exit, Pid, Signal};
use std::collections::{BTreeMap, BTreeSet};

/// What is remembered of a history. What must happen soon is measured in prompt time.
#[derive(Default)]
pub struct Checks {
    requests: Vec<Signal>,
    stop_began: Option<Milliseconds>,
    stop_began_prompt: Milliseconds,
    hurry_began: Option<Milliseconds>,
    alone_since: Option<Milliseconds>,
    loaded: bool,
    last_rank: Option<(u8, usize)>,
    /// The code that the container must end with, once something has decided it.
    expected: Option<u8>,
    /// What was last said to a service.
    wants: BTreeMap<ServiceId, Want>,
    /// Those that may start once.
    once: BTreeSet<ServiceId>,
    /// Those that ran when they were told to end, and the process.
    told_to_end: BTreeMap<ServiceId, i32>,
    /// How the last `run` of a service ended, and as which process.
    last_run: BTreeMap<ServiceId, (Exit, Pid)>,
    /// What was last shown of a service.
    shown: BTreeMap<ServiceId, Status>,
    opened: bool,
    order: Order,
    /// When the last script of `control/` of a service ended.
    asked_until: BTreeMap<ServiceId, Milliseconds>,
    /// What was deleted of a service must be there again by then.
    heals: BTreeMap<ServiceId, Milliseconds>,
    /// When the last process of a service ended, or could not be made.
    last_end: BTreeMap<ServiceId, Milliseconds>,
    /// Services that were sent KILL, and those whose log was closed.
    may_kill: BTreeSet<ServiceId>,
    closed: BTreeSet<ServiceId>,
    forgotten: BTreeSet<ServiceId>,
}

impl Checks {
    fn stop_begins(&mut self, now: Milliseconds, prompt: Milliseconds) {
        if self.stop_began.is_none() {
            self.stop_began = Some(now);
            self.stop_began_prompt = prompt;
        }
    }

    fn hurries(&self, world: &World) -> bool {
        let limit = milliseconds(world.patience.stop);
        let over = |began: Milliseconds| limit.is_some_and(|limit| began + limit <= world.now());
        self.requests.len() > 1 || self.stop_began.is_some_and(over)
    }

    /// A signal comes.
    pub fn signalled(&mut self, world: &World, signal: Signal) {
        let asks = [Signal::TERM, Signal::INT, Signal::RTMIN_3].contains(&signal)
            || (signal == Signal::QUIT && !world.plan.main_command);
        if asks {
            self.requests.push(signal);
            self.stop_begins(world.now(), world.prompt());
        }
    }

    /// A verb comes.
    pub fn told(&mut self, world: &World, id: ServiceId, verb: Verb) {
        let status = world.core.status(id, world.instant(), UnixTime::default());
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
        match verb {
            Verb::Once if status.is_some_and(|status| status.state == State::Down) => {
                self.once.insert(id);
            }
            Verb::Up | Verb::Down | Verb::Exit => _ = self.once.remove(&id),
            _ => {}
        }
        if let Verb::Down | Verb::Exit | Verb::Term = verb {
            self.must_end(world, id);
        }
        self.order.told(world, id, verb);
    }

    /// It is told to end, or its directory is gone.
    pub fn must_end(&mut self, world: &World, id: ServiceId) {
        if let Some((&pid, _)) = world.kernel.processes.iter().find(|(_, p)| is_run(p, id)) {
            self.told_to_end.insert(id, pid);
        }
    }

    /// Something of what is served of it was deleted, or could not be shown.
    pub fn hurt(&mut self, world: &World, id: ServiceId, wait: Milliseconds) {
        self.heals.insert(id, world.prompt() + wait);
        self.order.hurt(world, id, wait);
    }

    /// No process could be made.
    pub fn refused(&mut self, now: Milliseconds, role: Role) {
        if let Role::Service(id, program) = role {
            self.last_end.insert(id, now);
            // It is tried again, unless it is told otherwise.
            if program == Program::Run && self.wants.get(&id) == Some(&Want::Down) {
                self.once.insert(id);
            }
        }
    }

    /// A process has ended.
    pub fn ended(&mut self, world: &World, pid: i32, process: &Process) {
        match process.service() {
            Some((id, Program::Run)) => {
                // As runit counts it.
                let exit = if process.failed { Exit::Code(111) } else { process.exit };
                self.last_run.insert(id, (exit, Pid(pid)));
                self.last_end.insert(id, world.now());
            }
            Some((id, Program::Control(_))) => {
                self.asked_until.insert(id, world.now());
                self.last_end.insert(id, world.now());
            }
            Some((id, Program::Finish(..))) => _ = self.last_end.insert(id, world.now()),
            None => {}
        }
        self.order.ended(process);
        let Some(role) = process.role else { return };
        let is_startup = rank(role).is_some_and(|(rank, _)| rank < 3);
        if role == Role::MainCommand {
            self.expected.get_or_insert(process.exit.status());
            self.stop_begins(world.now(), world.prompt());
        } else if is_startup && !process.exit.is_success() && self.stop_began.is_none() {
            self.expected = Some(1);
            self.stop_begins(world.now(), world.prompt());
        }
    }

    /// Before a step is performed.
    pub fn before(&mut self, world: &World, action: Action) {
        let hurries = self.hurries(world);
        self.order.before(world, action, hurries);
        if let Some(exit) = is_main_over(action) {
            let is_main = |process: &&Process| process.role == Some(Role::MainCommand);
            if let Some(process) = world.kernel.processes.values().find(is_main) {
                assert!(process.unkillable && exit == Exit::Signal(Signal::KILL));
                self.expected = Some(137);
            }
            assert_eq!(self.expected, Some(exit.status()));
        }
        match action {
            Action::LoadEnvironment => self.loaded = true,
            Action::Start(role) => self.may_start(world, role),
            Action::Signal(pid, signal) => {
                let process = world.kernel.processes.get(&pid.0);
                let process = process.expect("a signal to a process we no longer own");
                self.may_signal(world, process, signal);
            }
            Action::OpenServices => {
                self.opened = true;
                for id in world.ids() {
                    self.is_shown(world, id);
                }
            }
            Action::Publish(id) => {
                self.tells_the_truth(world, id);
                self.is_shown(world, id);
            }
            Action::Heal(id) => {
                self.heals.remove(&id);
                self.is_shown(world, id);
            }
            Action::CloseLog(log) => {
                assert!(self.closed.insert(log), "a log is closed once");
                let of =
                    |directory: &Directory| directory.shape.log.is_some_and(|(id, _)| id == log);
                let (&of, _) = world.directories.iter().find(|(_, d)| of(d)).unwrap();
                assert!(!runs(world, of), "a log ends before its service");
            }
            Action::Forget(id) => {
                assert!(self.forgotten.insert(id), "a service is forgotten once");
                self.heals.remove(&id);
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
                let is_wanted = !matches!(self.wants.get(&id), Some(Want::Down | Want::Exit));
                assert!(self.once.remove(&id) || is_wanted, "what is wanted down starts");
            }
            Program::Finish(exit, pid) => {
                assert_eq!(self.last_run.remove(&id), Some((exit, pid)), "no such run has ended");
            }
            Program::Control(_) => {}
        }
    }

    fn may_signal(&mut self, world: &World, process: &Process, signal: Signal) {
        let role = process.role.expect("a signal to an orphan");
        if signal != Signal::KILL {
            return;
        }
        let patience = milliseconds(world.patience.process);
        let since = match role {
            Role::Service(id, _) if self.may_kill.contains(&id) => return,
            Role::Service(..) => self.stop_began,
            role if is_hook(role) => Some(process.started),
            Role::Script(_) | Role::MainCommand => process.got_term,
        };
        let since = since.expect("KILL without TERM before");
        let is_over = patience.is_some_and(|patience| since + patience <= world.now());
        assert!(self.hurries(world) || is_over, "KILL before its time");
        // A script in `control/` may have taken the place of a signal, or hang.
        let is_asked = match role {
            Role::Service(id, Program::Run) => {
                let just_asked = self.asked_until.get(&id) == Some(&world.now());
                world.obeys(id) && !world.is_log(id) && !just_asked
            }
            Role::MainCommand => true,
            Role::Script(_) | Role::Service(..) => false,
        };
        let was_asked = process.got_term.is_some() && process.got_cont;
        assert!(!is_asked || was_asked || self.hurries(world), "KILL without TERM and CONT before");
    }

    fn is_shown(&mut self, world: &World, id: ServiceId) {
        if let Some(status) = world.core.status(id, world.instant(), UnixTime::default()) {
            self.shown.insert(id, status);
        }
    }

    fn tells_the_truth(&self, world: &World, id: ServiceId) {
        let now = world.instant();
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
                let process =
                    world.kernel.processes.get(&pid.0).expect("a status of a dead process");
                assert!(is_it(&process), "{status:?} of {process:?}");
            }
            None if status.state == State::Down => {
                let alive = world.kernel.processes.values().find(is_it);
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
        let deadline = world.core.deadline().filter(|_| !world.is_over());
        assert!(deadline.is_none_or(|at| at > world.instant()), "PID 1 would not sleep");
        self.check_the_time(world);
        let is_unhealed = |(id, due): (&ServiceId, &Milliseconds)| {
            *due < world.prompt() && !self.forgotten.contains(id) && self.stop_began.is_none()
        };
        assert!(!self.heals.iter().any(is_unhealed), "what was deleted is not made again");
        let stands = |p: &Process| p.role == Some(Role::MainCommand) && p.stopped;
        let stands = world.kernel.processes.values().any(stands);
        assert!(!stands, "the main command stands still for ever");
        if self.stop_began.is_none() {
            self.wants_are_obeyed(world);
            self.ends_are_obeyed(world);
            self.what_is_shown_is_so(world);
        }
    }

    /// What is wanted up runs, rests for a second, or is at its other scripts.
    fn wants_are_obeyed(&self, world: &World) {
        for id in world.ids() {
            let Some((directory, down)) = world.found(id) else { continue };
            let is_over = self.forgotten.contains(&id) || self.closed.contains(&id);
            if !directory.exists || !directory.known || is_over {
                continue;
            }
            let released = (self.order.booted && !down).then_some(Want::Up);
            let want = self.wants.get(&id).copied().or(released);
            let of_it = |process: &&Process| process.service().is_some_and(|(of, _)| of == id);
            let is_busy = world.kernel.processes.values().any(|process| of_it(&process));
            let rests = self.last_end.get(&id).is_some_and(|end| world.now() < end + 1000);
            assert!(want != Some(Want::Up) || is_busy || rests, "{id:?} is wanted up and is not");
        }
    }

    /// Whoever was told to end was sent TERM.
    fn ends_are_obeyed(&mut self, world: &World) {
        for (id, pid) in std::mem::take(&mut self.told_to_end) {
            let Some(process) = world.kernel.processes.get(&pid) else { continue };
            // A log service whose service is over ends by end of file.
            if self.closed.contains(&id) {
                continue;
            }
            if !world.obeys(id) {
                self.told_to_end.insert(id, pid);
            } else if is_run(process, id) {
                assert!(process.got_term.is_some(), "{id:?} was told to end, and was sent nothing");
            }
        }
    }

    /// Whoever looks at a status sees how it is.
    fn what_is_shown_is_so(&self, world: &World) {
        let is_seen = |(_, directory): &(&ServiceId, &Directory)| {
            self.opened && directory.exists && directory.known
        };
        let seen = world.directories.iter().filter(is_seen);
        for id in seen.flat_map(|(&id, of)| [Some(id), of.shape.log.map(|(log, _)| log)]).flatten()
        {
            let Some(status) = world.core.status(id, world.instant(), UnixTime::default()) else {
                continue;
            };
            if !self.heals.contains_key(&id) && !self.forgotten.contains(&id) {
                let shown = self.shown.get(&id).expect("a status that nobody was shown");
                let since = UnixTime::default();
                let (shown, so) = (Status { since, ..*shown }, Status { since, ..status });
                assert_eq!(shown, so, "{id:?} is not what is shown of it");
            }
        }
    }

    fn check_the_time(&mut self, world: &World) {
        let prompt = world.prompt();
        if self.stop_began.is_some()
            && let Some(longest) = longest_stop(world)
        {
            assert!(prompt <= self.stop_began_prompt + longest, "the stop takes too long");
        }
        if self.order.has_told_all() && world.kernel.processes.is_empty() {
            let since = *self.alone_since.get_or_insert(prompt);
            assert!(prompt <= since + 20, "nobody is left, and nobody notices");
        }
        if self.hurries(world) {
            let began = *self.hurry_began.get_or_insert(prompt);
            let services = u64::try_from(world.directories.len()).unwrap();
            assert!(prompt <= began + 8100 + services * 8000, "a hurry takes too long");
        }
    }

    /// When it is over.
    pub fn at_the_end(&self, world: &World, code: u8) {
        let never_ran = self.requests.first().filter(|_| world.plan.main_command);
        let expected = self.expected.or(never_ran.map(|signal| 128 + signal.0));
        assert_eq!(code, expected.unwrap_or(0), "the wrong exit code");
        if world.plan.kill_all {
            let alive = world.kernel.processes.values().find(|process| !process.unkillable);
            assert!(alive.is_none(), "left alive: {alive:?}");
        }
        assert!(self.stop_began.is_some(), "it ended for no reason");
    }
}
