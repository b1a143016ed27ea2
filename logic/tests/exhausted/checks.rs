//! What is remembered of the way to a state, as far as it matters to the promises; the promises.

use crate::common::course::{Course, Life};
use crate::common::ends::{Ends, Left};
use crate::common::owed::Owed;
use crate::common::rank::{of_service, rank};
use crate::fingerprint::for_checks;
use crate::world::{Bounds, Process, World};
use logic::contract::{Action, Notice, Program, Role, ServiceId};
use logic::status::{State, Status, UnixTime, Want};
use logic::verbs::Verb;
use logic::words::{Exit, Instant, Pid, Signal};
use std::time::Duration;

mod signals;
mod starts;

/// Of one service.
#[derive(Clone, Default, Hash)]
struct Told {
    want: Option<Want>,
    once: bool,
    /// Its `run` was to be started.
    tried: bool,
    may_kill: bool,
    /// What its `run` is still to be sent.
    owed: Owed,
    /// Its directory is gone.
    lost: bool,
    /// Somebody told it to end.
    told: bool,
    /// When its last process ended, or could not be made.
    idle_since: Option<Instant>,
    /// The end of its `run`, of which `finish` has not heard.
    last_run: Option<(Exit, Pid)>,
    /// Whether its `run`, of which there is one, stands still.
    stopped: bool,
    shown: Option<(State, Option<Pid>, Want, bool, bool)>,
    /// When what was deleted, or could not be shown, is to be made anew.
    heal_at: Option<Instant>,
    forgotten: bool,
}

#[derive(Clone, Default, Hash)]
pub struct Memory {
    /// How many have asked for a stop.
    pub requests: u8,
    stop_began: Option<Instant>,
    loaded: bool,
    opened: bool,
    last_rank: Option<(u8, usize)>,
    expected: Option<u8>,
    told_all: u8,
    told_all_at: Option<Instant>,
    course: Course,
    ends: Ends,
    services: Vec<Told>,
}

impl Memory {
    fn of(&mut self, id: ServiceId) -> &mut Told {
        let at = id.0 as usize;
        if self.services.len() <= at {
            self.services.resize(at + 1, Told::default());
        }
        &mut self.services[at]
    }

    /// Whether anything has been done yet.
    pub fn has_begun(&self) -> bool {
        self.loaded
    }

    /// How long the stop has taken.
    pub fn stop_took(&self, now: Instant) -> Option<Duration> {
        self.stop_began.map(|began| began.until(for_checks(now)))
    }

    fn stop_begins(&mut self, now: Instant) {
        self.stop_began.get_or_insert(for_checks(now));
        // From here on it is patience that counts.
        self.services.iter_mut().for_each(|told| told.owed = Owed::default());
    }

    /// A script of the shutdown has as much patience as there is, from its birth.
    pub fn asked_at_birth(&self, role: Option<Role>, now: Instant) -> Option<Instant> {
        let is_hook = role.and_then(rank).is_some_and(|(rank, _)| rank > 3);
        is_hook.then_some(for_checks(now))
    }

    pub fn signalled(&mut self, bounds: &Bounds, world: &World, signal: Signal) {
        let is_quit = signal == Signal::QUIT && !bounds.plan.main_command;
        if [Signal::TERM, Signal::INT].contains(&signal) || is_quit {
            if self.requests == 0 && bounds.plan.main_command && self.expected.is_none() {
                let runs = world.processes.iter().any(|p| p.role == Some(Role::MainCommand));
                let never_ran = !runs && self.stop_began.is_none();
                self.expected = never_ran.then_some(128 + signal.0);
            }
            self.requests = 2.min(self.requests + 1);
            self.stop_begins(world.now);
        }
    }

    pub fn told(&mut self, bounds: &Bounds, world: &World, id: ServiceId, verb: Verb) {
        if is_log(world, id) && verb == Verb::Exit {
            return;
        }
        let status = world.core.status(id, world.now, UnixTime::default());
        let is_down = status.is_some_and(|status| status.state == State::Down);
        if !self.course.booted && !is_log(world, id) {
            self.ends.told_early(id, verb);
        }
        let told = self.of(id);
        told.told |= matches!(verb, Verb::Down | Verb::Exit | Verb::Term);
        match verb {
            Verb::Up => told.want = Some(Want::Up),
            Verb::Down | Verb::Once => told.want = Some(Want::Down),
            Verb::Exit => told.want = Some(Want::Exit),
            Verb::Kill => told.may_kill = true,
            _ => {}
        }
        match verb {
            Verb::Once => told.once |= is_down,
            Verb::Up | Verb::Down | Verb::Exit => told.once = false,
            _ => {}
        }
        self.owes(bounds, world, id, verb);
    }

    pub fn refused(&mut self, bounds: &Bounds, world: &World, role: Role) {
        self.course.refused(self.life(bounds), role, world.now);
        if let Role::Service(id, program) = role {
            let told = self.of(id);
            told.idle_since = Some(world.now);
            told.once |= program == Program::Run && told.want == Some(Want::Down);
        }
    }

    /// Something of what is served of it was deleted, or could not be shown. The first is what
    /// counts, however often it is hurt again.
    pub fn hurt(&mut self, world: &World, id: ServiceId, wait: Duration) {
        let at = for_checks(Instant(world.now.0 + wait));
        let told = self.of(id);
        told.heal_at = Some(told.heal_at.map_or(at, |first| first.min(at)));
    }

    pub fn ended(&mut self, world: &World, process: &Process, exit: Exit) {
        match process.role {
            None => {}
            Some(Role::Service(id, program)) => {
                let told = self.of(id);
                told.idle_since = Some(world.now);
                if program == Program::Run {
                    (told.owed, told.stopped) = (Owed::default(), false);
                    let exit = if process.failed.is_some() { Exit::Code(111) } else { exit };
                    told.last_run = Some((exit, Pid(process.pid)));
                }
            }
            Some(Role::MainCommand) => {
                self.expected.get_or_insert(exit.status());
                self.stop_begins(world.now);
            }
            Some(role @ Role::Script(_)) => {
                let is_startup = rank(role).is_some_and(|(rank, _)| rank < 3);
                if is_startup && !exit.is_success() && self.stop_began.is_none() {
                    self.expected = Some(1);
                    self.stop_begins(world.now);
                }
            }
        }
    }

    /// Before a step.
    pub fn before(&mut self, bounds: &Bounds, world: &World, action: Action) {
        self.course.before(self.life(bounds), action);
        match action {
            Action::LoadEnvironment => self.loaded = true,
            Action::Start(role) => self.may_start(bounds, world, role),
            Action::Signal(pid, signal) => self.may_signal(bounds, world, pid, signal),
            Action::SignalAll(signal) => self.may_signal_all(bounds, world, signal),
            Action::OpenServices => {
                self.opened = true;
                for directory in &world.directories {
                    for id in [Some(directory.id), directory.log].into_iter().flatten() {
                        self.show(world, id);
                    }
                }
            }
            Action::Publish(id) => self.show(world, id),
            Action::Heal(id) => {
                let at = self.of(id).heal_at.take().expect("nothing was deleted");
                assert!(at <= for_checks(world.now), "what is being deleted is made again");
                self.show(world, id);
            }
            Action::Say(Notice::MainExited(exit)) => {
                let is_main = |process: &&Process| process.role == Some(Role::MainCommand);
                if let Some(main) = world.processes.iter().find(is_main) {
                    assert!(main.got_kill, "the main command is said to be over, and runs");
                    self.expected = Some(137);
                }
                assert_eq!(self.expected, Some(exit.status()), "said of the main command");
            }
            Action::CloseLog(log) => {
                self.ends.close(log, for_checks(world.now), self.stop_began.is_some());
                let of = world.directories.iter().find(|d| d.log == Some(log)).unwrap();
                let is_over = |process: &Process| process.got_kill && self.stop_began.is_some();
                let runs = run_of(world, of.id).is_some_and(|process| !is_over(process));
                assert!(!runs, "a log ends before its service");
            }
            Action::Forget(id) => {
                assert!(!std::mem::replace(&mut self.of(id).forgotten, true), "forgotten twice");
                assert!(run_of(world, id).is_none(), "a service is forgotten while it runs");
                let heard = !bounds.finish || self.of(id).last_run.is_none();
                assert!(heard, "forgotten before its finish");
            }
            Action::Exit(code) => self.at_the_end(bounds, world, code),
            Action::ReloadEnvironment
            | Action::List(_)
            | Action::LookWhetherDeaf(_)
            | Action::LookWhoIsLeft
            | Action::TakeTerminalBack
            | Action::Say(_)
            | Action::Scan => {}
        }
    }

    fn life<'a>(&self, bounds: &'a Bounds) -> Life<'a> {
        let (stops, hurries) = (self.stop_began.is_some(), self.requests > 1);
        Life { plan: &bounds.plan, scripts: &bounds.scripts, stops, hurries }
    }

    fn show(&mut self, world: &World, id: ServiceId) {
        let status = world.core.status(id, world.now, UnixTime::default());
        self.of(id).shown = status.map(seen);
    }

    fn at_the_end(&self, bounds: &Bounds, world: &World, code: u8) {
        assert!(self.stop_began.is_some(), "it ends for no reason");
        assert_eq!(code, self.expected.unwrap_or(0), "the wrong exit code");
        let alive = world.processes.iter().find(|process| !process.got_kill);
        assert!(!bounds.plan.kill_all || alive.is_none(), "left alive: {alive:?}");
    }

    /// Whenever nothing is to be done.
    pub fn settled(&mut self, bounds: &Bounds, world: &World) {
        self.course.settled(self.life(bounds), world.processes.iter().find_map(ours), world.now);
        let deadline = world.core.deadline();
        assert!(deadline.is_none_or(|at| at > world.now), "PID 1 would not sleep");
        if let Some(took) = self.stop_took(world.now) {
            assert!(deadline.is_some(), "a stop that waits for ever");
            assert!(took <= bounds.longest_stop, "the stop takes too long");
            let ids = world.directories.iter().map(|directory| directory.id);
            self.ends.settled(ids, &left(world), for_checks(world.now));
            return self.ends_go_on(world);
        }
        self.nothing_is_owed(world);
        for directory in world.directories.iter().filter(|directory| directory.known) {
            for id in [Some(directory.id), directory.log].into_iter().flatten() {
                if directory.exists {
                    self.of(id);
                    self.want_is_obeyed(bounds, world, id);
                    self.status_is_true(bounds, world, id);
                }
            }
        }
    }

    fn status_is_true(&self, bounds: &Bounds, world: &World, id: ServiceId) {
        let Some(told) = self.services.get(id.0 as usize) else { return };
        let Some(status) = world.core.status(id, world.now, UnixTime::default()) else { return };
        let found = status.pid.map(|pid| world.processes.iter().find(|p| p.pid == pid.0));
        match found {
            Some(process) => {
                let process = process.expect("a status of a dead process");
                let is_it = matches!(
                    (process.role, status.state),
                    (Some(Role::Service(of, Program::Run)), State::Run)
                        | (Some(Role::Service(of, Program::Finish(..))), State::Finish) if of == id
                );
                assert!(is_it, "{status:?} of {process:?}");
                if status.state == State::Run {
                    assert_eq!(status.got_term, process.got_term, "whether it got TERM");
                    assert_eq!(status.paused, told.stopped, "whether it stands still");
                }
            }
            None => assert!(run_of(world, id).is_none(), "{status:?}, and it runs"),
        }
        if let Some(want) = self.want(bounds, world, id)
            && !self.ends.is_closed(id)
        {
            assert_eq!(status.to_bytes()[17] == b'u', want == Want::Up, "the want is not shown");
        }
        let now = for_checks(world.now);
        let is_late = told.heal_at.is_some_and(|at| at <= now) && !told.forgotten;
        assert!(!is_late, "what was deleted is not made again");
        if self.opened && told.heal_at.is_none() && !told.forgotten {
            assert_eq!(told.shown, Some(seen(status)), "{id:?} is not what is shown of it");
        }
    }
}

/// A script, or the main command.
fn ours(process: &Process) -> Option<Role> {
    process.role.filter(|role| rank(*role).is_some())
}

/// The service itself, or the one whose log it is.
fn owner(world: &World, id: ServiceId) -> ServiceId {
    world.directories.iter().find(|d| d.log == Some(id)).map_or(id, |directory| directory.id)
}

/// Whom a stop waits for. Who got KILL may be given up.
fn left(world: &World) -> Left {
    let left = world.processes.iter().filter(|process| !process.got_kill);
    let roles = left.filter_map(|process| process.role);
    roles.map(|role| of_service(role).map(|id| owner(world, id))).collect()
}

fn is_log(world: &World, id: ServiceId) -> bool {
    world.directories.iter().any(|directory| directory.log == Some(id))
}

/// What of a status does not depend on the time.
fn seen(status: Status) -> (State, Option<Pid>, Want, bool, bool) {
    (status.state, status.pid, status.want, status.paused, status.got_term)
}

fn run_of(world: &World, id: ServiceId) -> Option<&Process> {
    let wanted = Role::Service(id, Program::Run);
    let is_it = |process: &&Process| process.role.as_ref() == Some(&wanted);
    world.processes.iter().find(is_it)
}
