//! The promises, and whether they are kept.

use crate::common::course::{Course, Life};
use crate::common::ends::Ends;
use crate::common::owed::Owed;
use crate::directories::Directory;
use crate::facts::{is_main_over, longest_stop, milliseconds, rank, runs};
use crate::kernel::{Milliseconds, Process};
use crate::order::Order;
use crate::world::World;
use logic::contract::{Action, Program, Role, ServiceId};
use logic::status::{State, Status, UnixTime, Want};
use logic::verbs::Verb;
use logic::words::{Exit, Pid, Signal};
use std::collections::{BTreeMap, BTreeSet};

mod shown;
mod signals;
mod starts;

/// Passed on to the main command. Not the core's own list: that is what is checked.
const PASSED_ON: [Signal; 7] = [
    Signal::HUP,
    Signal::USR1,
    Signal::USR2,
    Signal::QUIT,
    Signal::WINCH,
    Signal::ALRM,
    Signal::CONT,
];

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
    /// Those whose `run` somebody told to end.
    told: BTreeSet<ServiceId>,
    /// Those whose directory is gone.
    lost: BTreeSet<ServiceId>,
    /// What processes of services, and the main command, are still to be sent.
    owed: BTreeMap<i32, (ServiceId, Owed)>,
    main_owed: Owed,
    /// How the last `run` of a service ended, and as which process.
    last_run: BTreeMap<ServiceId, (Exit, Pid)>,
    /// Those whose `finish` has to hear of that.
    finish_due: BTreeSet<ServiceId>,
    /// What was last shown of a service.
    shown: BTreeMap<ServiceId, Status>,
    opened: bool,
    order: Order,
    course: Course,
    ends: Ends,
    /// Services whose `run` was to be started.
    tried: BTreeSet<ServiceId>,
    /// When the last script of `control/` of a service ended.
    asked_until: BTreeMap<ServiceId, Milliseconds>,
    /// What was deleted of a service must be there again by then.
    heals: BTreeMap<ServiceId, Milliseconds>,
    /// When the last process of a service ended, or could not be made.
    last_end: BTreeMap<ServiceId, Milliseconds>,
    /// Those whose `run` somebody wants to be sent KILL.
    may_kill: BTreeSet<ServiceId>,
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

    /// Whether the stop has begun.
    pub fn stops(&self) -> bool {
        self.stop_began.is_some()
    }

    /// A signal comes.
    pub fn signalled(&mut self, world: &World, signal: Signal) {
        let asks = [Signal::TERM, Signal::INT, Signal::RTMIN_3].contains(&signal)
            || (signal == Signal::QUIT && !world.plan.main_command);
        let is_main = |process: &Process| process.role == Some(Role::MainCommand);
        if asks {
            self.requests.push(signal);
            self.stop_begins(world.now(), world.prompt());
        } else if PASSED_ON.contains(&signal) && world.kernel.processes.values().any(is_main) {
            self.main_owed.add(signal);
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
            self.told.insert(id);
        }
        self.owes(world, id, verb);
        if !self.course.booted && !world.is_log(id) {
            self.ends.told_early(id, verb);
        }
    }

    /// Something of what is served of it was deleted, or could not be shown.
    pub fn hurt(&mut self, world: &World, id: ServiceId, wait: Milliseconds) {
        // The first is what counts, however often it is hurt again.
        let due = world.prompt() + wait;
        self.heals.entry(id).and_modify(|first| *first = due.min(*first)).or_insert(due);
        self.order.hurt(world, id, wait);
    }

    /// No process could be made.
    pub fn refused(&mut self, world: &World, role: Role) {
        self.course.refused(self.life(world), role, world.instant());
        if let Role::Service(id, program) = role {
            self.last_end.insert(id, world.now());
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
                // One that was given up is over already.
                if world.has_finish(id) && !process.unkillable {
                    self.finish_due.insert(id);
                }
            }
            Some((id, Program::Control(_))) => {
                self.asked_until.insert(id, world.now());
                self.last_end.insert(id, world.now());
            }
            Some((id, Program::Finish(..))) => _ = self.last_end.insert(id, world.now()),
            None => {}
        }
        self.order.ended(process);
        self.owed.remove(&pid);
        let Some(role) = process.role else { return };
        let is_startup = rank(role).is_some_and(|(rank, _)| rank < 3);
        if role == Role::MainCommand {
            self.main_owed = Owed::default();
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
        self.order.before(world, &self.ends, action, hurries);
        self.course.before(self.life(world), action);
        if action == Action::Start(Role::MainCommand) {
            self.what_is_shown_is_so(world);
        }
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
            Action::Signal(pid, signal) => self.may_signal(world, pid, signal),
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
                self.ends.close(log, world.instant(), self.stops());
                let of =
                    |directory: &Directory| directory.shape.log.is_some_and(|(id, _)| id == log);
                let (&of, _) = world.directories.iter().find(|(_, d)| of(d)).unwrap();
                assert!(!runs(world, of), "a log ends before its service");
            }
            Action::Forget(id) => self.may_forget(world, id),
            Action::Exit(_) => {
                // Where a script that cannot be killed was before it, both were given up.
                let is_before = |id| {
                    let of_it =
                        |process: &Process| process.service().is_some_and(|(of, _)| of == id);
                    world.kernel.processes.values().any(of_it)
                };
                let left = self.finish_due.iter().find(|&&id| !is_before(id));
                assert!(hurries || left.is_none(), "the finish of {left:?} never ran");
            }
            _ => {}
        }
    }

    fn may_forget(&mut self, world: &World, id: ServiceId) {
        assert!(self.forgotten.insert(id), "a service is forgotten once");
        // The one that cannot be killed is given up, and `finish` would have come after it.
        let hangs = |process: &Process| {
            let is_script = |(of, program)| of == id && matches!(program, Program::Control(_));
            process.unkillable && process.got_kill && process.service().is_some_and(is_script)
        };
        let given_up = world.kernel.processes.values().any(hangs);
        assert!(given_up || !self.finish_due.contains(&id), "forgotten before its finish");
        self.heals.remove(&id);
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
        let ours = world.kernel.processes.values().filter(|process| process.service().is_none());
        let role = ours.filter_map(|process| process.role).next();
        self.course.settled(self.life(world), role, world.instant());
        self.nothing_is_owed(world);
        if self.stop_began.is_none() {
            self.wants_are_obeyed(world);
            self.what_is_shown_is_so(world);
        } else if !world.is_over() {
            self.ends.settled(world.directories.keys().copied(), &world.left(), world.instant());
            self.ends_go_on(world);
        }
    }

    fn life<'a>(&self, world: &'a World) -> Life<'a> {
        let (stops, hurries) = (self.stop_began.is_some(), self.hurries(world));
        Life { plan: &world.plan, scripts: &world.scripts, stops, hurries }
    }

    /// In a stop, when nothing is to be done: loggers have their end of file, and nobody lives in a
    /// hurry.
    fn ends_go_on(&self, world: &World) {
        let processes = || world.kernel.processes.values();
        let first = processes().find(|p| p.role.is_some() && p.service().is_none());
        if let Some(first) = first {
            assert!(first.got_kill || !self.hurries(world), "left alive in a hurry: {first:?}");
            return;
        }
        for process in processes().filter(|process| !process.got_kill) {
            let Some((id, Program::Run)) = process.service() else { continue };
            let owner = world.owner(id);
            if self.ends.is_early(owner) {
                continue;
            }
            if !world.is_log(id) {
                assert!(!self.hurries(world), "left alive in a hurry: {process:?}");
            } else if !processes().any(|p| p.service().is_some_and(|(of, _)| of == owner)) {
                assert!(self.ends.is_closed(id), "no end of file for a logger");
            }
        }
    }

    fn check_the_time(&mut self, world: &World) {
        let prompt = world.prompt();
        if self.stop_began.is_some()
            && let Some(longest) = longest_stop(world, self.ends.early.len() as u64)
        {
            assert!(prompt <= self.stop_began_prompt + longest, "the stop takes too long");
        }
        if self.order.has_told_all() && world.kernel.processes.is_empty() {
            let since = *self.alone_since.get_or_insert(prompt);
            assert!(prompt <= since + 20, "nobody is left, and nobody notices");
        }
        if self.hurries(world) {
            let began = *self.hurry_began.get_or_insert(prompt);
            // Two seconds each for what cannot be killed: the command or a script, then a `run`,
            // its `control/X` and its log, those of early services one by one, and all others.
            let longest = 2000 + 6000 * (1 + self.ends.early.len() as u64) + 2000;
            assert!(prompt <= began + longest + 100, "a hurry takes too long");
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
