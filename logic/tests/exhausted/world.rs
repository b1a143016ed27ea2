//! One state of a small world: the core, the processes, the directories, and what the checks
//! remember. What may happen in it, and what each of that makes of it.

use crate::checks::Memory;
use crate::fingerprint::{OF_CORE, for_checks};
use logic::contract::{Action, Event, Left, Plan, Program, Role, ServiceId, Shape};
use logic::environment::Patience;
use logic::exec::{Deed, Errno};
use logic::init::Init;
use logic::verbs::Verb;
use logic::words::{Exit, Instant, Pid, Signal};
use std::time::Duration;

/// How large a world is, and what may happen in it.
#[derive(Clone, Copy)]
pub struct Bounds {
    pub plan: Plan,
    /// How many there are of each list.
    pub scripts: [usize; 5],
    /// The services there are, and whether they have log services.
    pub services: &'static [bool],
    /// Whether there are files `down` in their directories.
    pub down: bool,
    pub finish: bool,
    /// The scripts of `control/`.
    pub controls: &'static [u8],
    /// What services and log services may be told.
    pub verbs: &'static [u8],
    pub log_verbs: &'static [u8],
    /// How a process may end by itself.
    pub exits: &'static [Exit],
    /// The signals that may come to PID 1; those that ask for a stop, twice in all.
    pub signals: &'static [Signal],
    /// No process can be made.
    pub refusals: bool,
    /// A process cannot become its program.
    pub failures: bool,
    /// A process leaves another one behind: one at a time.
    pub orphans: bool,
    /// How often a service directory goes, and how often one comes.
    pub vanishings: u8,
    pub appearances: u8,
    /// How often what is served is deleted, and how often the disk is full, for a while.
    pub hurts: u8,
    pub fills: u8,
    /// How much may be heard before the core is asked again.
    pub batch: usize,
    pub patience: Duration,
    /// How long nothing happens, at the most, before something else may.
    pub tick: Duration,
    /// How long a stop may take.
    pub longest_stop: Duration,
}

#[derive(Clone, Hash, Debug)]
pub struct Process {
    pub pid: i32,
    pub role: Option<Role>,
    /// When a script or the main command was told to end.
    pub asked: Option<Instant>,
    pub got_term: bool,
    pub got_cont: bool,
    pub got_kill: bool,
    /// It could not become its program; whether that was heard.
    pub failed: Option<bool>,
}

#[derive(Clone, Copy, Hash, Debug)]
pub struct Directory {
    pub id: ServiceId,
    pub log: Option<ServiceId>,
    pub exists: bool,
    pub known: bool,
}

/// What may happen.
#[derive(Clone, Copy, Debug)]
pub enum Move {
    Wait,
    Signal(Signal),
    Verb(ServiceId, Verb),
    /// PID 1 hears that a process could not become its program.
    Fails(i32),
    Ends(i32, Exit),
    /// It ends, and leaves a process behind.
    Leaves(i32),
    Vanishes(ServiceId),
    Appears,
    /// What is served of a service is deleted.
    Hurt(ServiceId),
    /// The disk is full, or no longer.
    Fills(bool),
}

/// How a start may go.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Runs,
    Fails,
    Refused,
    NotThere,
}

#[derive(Clone, Hash)]
pub struct World {
    pub now: Instant,
    pub core: Init,
    pub processes: Vec<Process>,
    pub directories: Vec<Directory>,
    next_id: u32,
    vanishings: u8,
    appearances: u8,
    hurts: u8,
    fills: u8,
    is_full: bool,
    pub memory: Memory,
    pub exit: Option<u8>,
}

impl World {
    /// Before the first step.
    pub fn new(bounds: &Bounds) -> World {
        let mut world = World {
            now: Instant(Duration::new(1000, OF_CORE)),
            core: Init::new(bounds.plan),
            processes: Vec::new(),
            directories: Vec::new(),
            next_id: 0,
            vanishings: bounds.vanishings,
            appearances: bounds.appearances,
            hurts: bounds.hurts,
            fills: bounds.fills,
            is_full: false,
            memory: Memory::default(),
            exit: None,
        };
        for &has_log in bounds.services {
            world.appear(has_log);
        }
        world
    }

    fn appear(&mut self, has_log: bool) {
        let id = ServiceId(self.next_id);
        let log = has_log.then_some(ServiceId(self.next_id + 1));
        self.next_id += 1 + u32::from(has_log);
        self.directories.push(Directory { id, log, exists: true, known: false });
    }

    /// All that may happen now.
    pub fn moves(&self, bounds: &Bounds) -> Vec<Move> {
        let mut moves = vec![Move::Wait];
        let asks = |signal: Signal| [Signal::TERM, Signal::INT].contains(&signal);
        let signals =
            bounds.signals.iter().filter(|&&signal| !asks(signal) || self.memory.requests < 2);
        moves.extend(signals.map(|&signal| Move::Signal(signal)));
        for directory in self.directories.iter().filter(|directory| directory.known) {
            let verbs = |id, bytes: &'static [u8]| {
                bytes.iter().map(move |&byte| Move::Verb(id, Verb::from_byte(byte).unwrap()))
            };
            moves.extend(verbs(directory.id, bounds.verbs));
            moves.extend(directory.log.into_iter().flat_map(|id| verbs(id, bounds.log_verbs)));
            if directory.exists && self.vanishings > 0 {
                moves.push(Move::Vanishes(directory.id));
            }
            if directory.exists && self.hurts > 0 {
                moves.push(Move::Hurt(directory.id));
            }
        }
        for process in &self.processes {
            match process.failed {
                Some(false) => moves.push(Move::Fails(process.pid)),
                Some(true) => moves.push(Move::Ends(process.pid, Exit::Code(127))),
                None if process.got_kill => {
                    moves.push(Move::Ends(process.pid, Exit::Signal(Signal::KILL)));
                }
                None => moves.extend(bounds.exits.iter().map(|&e| Move::Ends(process.pid, e))),
            }
            let is_alone = self.processes.iter().all(|process| process.role.is_some());
            if bounds.orphans && is_alone && process.failed.is_none() && !process.got_kill {
                moves.push(Move::Leaves(process.pid));
            }
        }
        if self.appearances > 0 {
            moves.push(Move::Appears);
        }
        if self.is_full || self.fills > 0 {
            moves.push(Move::Fills(!self.is_full));
        }
        moves
    }

    /// It happens.
    pub fn befall(&mut self, bounds: &Bounds, what: Move) {
        match what {
            Move::Wait => {
                let left = self.core.deadline().map(|at| self.now.until(at));
                self.now.0 += left.map_or(bounds.tick, |left| left.min(bounds.tick));
            }
            Move::Signal(signal) => {
                self.checking(|memory, world| memory.signalled(bounds, world, signal));
                self.hear(Event::Signal(signal));
            }
            Move::Verb(id, verb) => {
                self.checking(|memory, world| memory.told(bounds, world, id, verb));
                self.hear(Event::Verb(id, verb));
            }
            Move::Fails(pid) => {
                let failed = self.processes.iter_mut().find(|process| process.pid == pid).unwrap();
                failed.failed = Some(true);
                self.hear(Event::ExecFailed(Pid(pid), Deed::Exec, Errno::NOENT));
            }
            Move::Ends(pid, exit) => self.end(pid, exit),
            Move::Leaves(pid) => {
                self.end(pid, Exit::Code(0));
                self.born(None, None);
            }
            Move::Vanishes(id) => {
                self.vanishings -= 1;
                let gone = self.directories.iter_mut().find(|directory| directory.id == id);
                gone.unwrap().exists = false;
                self.hear(Event::Changed);
            }
            Move::Appears => {
                self.appearances -= 1;
                self.appear(false);
                self.hear(Event::Changed);
            }
            Move::Hurt(id) => {
                self.hurts -= 1;
                self.checking(|memory, world| memory.hurt(world, id, Duration::from_secs(1)));
                self.hear(Event::Hurt(id));
            }
            Move::Fills(is_full) => {
                self.fills -= u8::from(is_full);
                self.is_full = is_full;
            }
        }
    }

    pub fn checking(&mut self, check: impl FnOnce(&mut Memory, &World)) {
        let mut memory = std::mem::take(&mut self.memory);
        check(&mut memory, self);
        self.memory = memory;
    }

    fn hear(&mut self, event: Event) {
        self.core.handle(self.now, event);
    }

    fn end(&mut self, pid: i32, exit: Exit) {
        let at = self.processes.iter().position(|process| process.pid == pid).unwrap();
        let process = self.processes.remove(at);
        self.checking(|memory, world| memory.ended(world, &process, exit));
        self.hear(Event::Exited(Pid(pid), exit));
    }

    /// The lowest number that is free: no number comes again sooner than with the real kernel at
    /// its worst.
    fn born(&mut self, role: Option<Role>, failed: Option<bool>) -> Pid {
        let mut pid = 2;
        while self.processes.iter().any(|process| process.pid == pid) {
            pid += 1;
        }
        let (got_term, got_cont, got_kill) = (false, false, false);
        let process = Process { pid, role, asked: None, got_term, got_cont, got_kill, failed };
        let process = Process { asked: self.memory.asked_at_birth(role, self.now), ..process };
        self.processes.push(process);
        self.processes.sort_by_key(|process| process.pid);
        Pid(pid)
    }

    /// Every way in which a start may go: one, and the others.
    pub fn answers(&self, bounds: &Bounds, role: Role) -> (Answer, Vec<Answer>) {
        let is_there = match role {
            Role::MainCommand | Role::Script(_) | Role::Service(_, Program::Run) => true,
            Role::Service(_, Program::Finish(..)) => bounds.finish,
            Role::Service(_, Program::Control(letter)) => bounds.controls.contains(&letter),
        };
        if !is_there {
            return (Answer::NotThere, Vec::new());
        }
        let mut others = Vec::new();
        others.extend(bounds.failures.then_some(Answer::Fails));
        others.extend(bounds.refusals.then_some(Answer::Refused));
        others.extend(matches!(role, Role::Script(_)).then_some(Answer::NotThere));
        (Answer::Runs, others)
    }

    /// It goes so.
    pub fn answer(&mut self, bounds: &Bounds, role: Role, answer: Answer) {
        match answer {
            Answer::Runs | Answer::Fails => {
                let failed = matches!(answer, Answer::Fails).then_some(false);
                let pid = self.born(Some(role), failed);
                self.core.started(self.now, pid);
            }
            Answer::Refused => {
                self.checking(|memory, world| memory.refused(bounds, world, role));
                self.core.start_refused(self.now, Errno(11));
            }
            Answer::NotThere => self.core.not_there(self.now),
        }
    }

    /// The next step, done; but for a start, whose answer is still to be given.
    pub fn step(&mut self, bounds: &Bounds) -> Option<Action> {
        let action = self.core.next(self.now)?;
        self.checking(|memory, world| memory.before(bounds, world, action));
        match action {
            Action::LoadEnvironment | Action::ReloadEnvironment => {
                let patience = Some(bounds.patience);
                let patience = Patience { process: patience, all: patience, stop: None };
                self.hear(Event::Patience(patience));
            }
            Action::List(of) => self.hear(Event::Listed(of, bounds.scripts[of as usize])),
            Action::Signal(pid, signal) => self.deliver(pid.0, signal),
            Action::SignalAll(signal) => {
                for pid in self.processes.iter().map(|process| process.pid).collect::<Vec<_>>() {
                    self.deliver(pid, signal);
                }
            }
            Action::LookWhoIsLeft => {
                let nobody = self.processes.is_empty();
                self.hear(Event::Left(if nobody { Left::Nobody } else { Left::Children }));
            }
            Action::LookWhetherDeaf(pid) => self.hear(Event::Deaf(pid)),
            Action::Scan => self.scan(bounds),
            Action::Forget(id) => self.forget(id),
            Action::Exit(code) => self.exit = Some(code),
            Action::Publish(id) | Action::Heal(id) => self.show(id),
            Action::OpenServices => {
                let ids = self.directories.iter().flat_map(|d| [Some(d.id), d.log]).flatten();
                ids.collect::<Vec<_>>().into_iter().for_each(|id| self.show(id));
            }
            Action::Start(_) | Action::Say(_) | Action::TakeTerminalBack | Action::CloseLog(_) => {}
        }
        Some(action)
    }

    fn deliver(&mut self, pid: i32, signal: Signal) {
        let now = for_checks(self.now);
        let Some(process) = self.processes.iter_mut().find(|process| process.pid == pid) else {
            return;
        };
        match signal {
            Signal::TERM => {
                process.got_term = true;
                if !matches!(process.role, None | Some(Role::Service(..))) {
                    process.asked.get_or_insert(now);
                }
            }
            Signal::CONT => process.got_cont |= process.got_term,
            Signal::KILL => process.got_kill = true,
            _ => {}
        }
    }

    fn scan(&mut self, bounds: &Bounds) {
        for at in 0..self.directories.len() {
            let Directory { id, log, exists, known } = self.directories[at];
            if exists {
                self.directories[at].known = true;
                let log = log.map(|log| (log, false));
                self.hear(Event::Found(id, Shape { down: bounds.down, log }));
            } else if known {
                self.checking(|memory, world| memory.lost(bounds, world, id));
                self.hear(Event::Lost(id));
            }
        }
    }

    /// It cannot be where the disk is full; but nobody misses it whose directory is gone.
    fn show(&mut self, id: ServiceId) {
        let is_its = |d: &&Directory| d.id == id || d.log == Some(id);
        let is_there = self.directories.iter().find(is_its).is_some_and(|d| d.exists && d.known);
        if self.is_full && is_there {
            self.checking(|memory, world| memory.hurt(world, id, Duration::from_secs(5)));
            self.hear(Event::NotShown(id));
        }
    }

    /// If its directory is still there, it will be found again as another service; but not for
    /// ever: then somebody has removed it.
    fn forget(&mut self, id: ServiceId) {
        let Some(at) = self.directories.iter().position(|d| d.id == id) else { return };
        let gone = self.directories.remove(at);
        if gone.exists && self.appearances > 0 {
            self.appearances -= 1;
            self.appear(gone.log.is_some());
        }
    }
}
