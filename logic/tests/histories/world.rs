//! The fake kernel: processes, service directories, and the clock.

use crate::checks::Checks;
use crate::dice::{Dice, mix};
use crate::{Blow, Blows};
use logic::contract::{
    Action, Event, Left, Notice, Plan, Program, Role, Script, Scripts, ServiceId, Shape,
};
use logic::environment::Patience;
use logic::exec::{Deed, Errno};
use logic::init::Init;
use logic::verbs::Verb;
use logic::words::{Exit, Instant, Pid, Signal};
use std::collections::BTreeMap;
use std::time::Duration;

pub type Milliseconds = u64;

#[derive(Clone, Debug)]
pub struct Process {
    pub role: Option<Role>,
    pub stranger: bool,
    pub ends_at: Option<Milliseconds>,
    pub exit: Exit,
    pub deaf: bool,
    pub unkillable: bool,
    pub got_term: Option<Milliseconds>,
    pub started: Milliseconds,
}

impl Process {
    pub fn service(&self) -> Option<(ServiceId, Program)> {
        match self.role {
            Some(Role::Service(id, program)) => Some((id, program)),
            _ => None,
        }
    }
}

/// A service directory.
#[derive(Clone, Copy, Debug)]
pub struct Directory {
    pub shape: Shape,
    pub exists: bool,
    pub known: bool,
}

pub struct World {
    seed: u64,
    pub plan: Plan,
    pub patience: Patience,
    pub scripts: [usize; 5],
    pub core: Init,
    pub now: Milliseconds,
    births: u64,
    pub processes: BTreeMap<i32, Process>,
    pub directories: BTreeMap<ServiceId, Directory>,
    next_id: u32,
    checks: Checks,
    exit: Option<u8>,
    tells: bool,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut dice = Dice::new(seed, 1);
        let mut patience = || Some(Duration::from_secs(1 + dice.below(5)));
        let patience = Patience { process: patience(), all: patience(), stop: patience() };
        let plan = Plan {
            insecure_key: dice.one_in(4),
            startup_files: !dice.one_in(4),
            services: !dice.one_in(4),
            main_command: dice.one_in(2),
            terminal: dice.one_in(3),
            kill_all: !dice.one_in(5),
        };
        let stop = patience.stop.filter(|_| dice.one_in(3));
        let mut world = World {
            seed,
            plan,
            patience: Patience { stop, ..patience },
            scripts: std::array::from_fn(|_| usize::try_from(dice.below(3)).unwrap()),
            core: Init::new(plan),
            now: 0,
            births: 0,
            processes: BTreeMap::new(),
            directories: BTreeMap::new(),
            next_id: 0,
            checks: Checks::default(),
            exit: None,
            tells: false,
        };
        for _ in 0..dice.below(4) {
            world.appear();
        }
        world
    }

    /// Print every step.
    pub fn telling(mut self) -> World {
        self.tells = true;
        self
    }

    fn appear(&mut self) {
        let mut dice = Dice::new(self.seed, 1000 + u64::from(self.next_id));
        let id = ServiceId(self.next_id);
        let log = dice.one_in(3).then(|| (ServiceId(self.next_id + 1), dice.one_in(8)));
        self.next_id += 1 + u32::from(log.is_some());
        let shape = Shape { down: dice.one_in(4), log };
        self.directories.insert(id, Directory { shape, exists: true, known: false });
    }

    fn instant(&self) -> Instant {
        Instant(Duration::from_millis(self.now))
    }

    fn hear(&mut self, event: Event) {
        if self.tells {
            eprintln!("{:6} {event:?}", self.now);
        }
        self.core.handle(self.instant(), event);
    }

    /// The program that the next birth brings: what it does depends on the seed and its turn only.
    fn born(&mut self, role: Option<Role>) -> Result<Pid, Errno> {
        self.births += 1;
        let mut dice = Dice::new(self.seed, 10_000 + self.births);
        if role.is_some() && dice.one_in(12) {
            return Err(Errno(11));
        }
        let pid = i32::try_from(self.births).unwrap() + 1;
        let signal = dice.of(&[Signal::KILL, Signal::TERM, Signal(40)]);
        let code = if dice.one_in(6) { u8::try_from(dice.below(256)).unwrap() } else { 0 };
        let exit = if dice.one_in(8) { Exit::Signal(signal) } else { Exit::Code(code) };
        let lasts = match role {
            None | Some(Role::MainCommand | Role::Service(_, Program::Run)) => !dice.one_in(3),
            Some(Role::Script(_) | Role::Service(..)) => dice.one_in(8),
        };
        let process = Process {
            role,
            stranger: role.is_none() && dice.one_in(4),
            ends_at: (!lasts).then(|| self.now + dice.below(2000)),
            exit,
            deaf: dice.one_in(5),
            unkillable: dice.one_in(40),
            got_term: None,
            started: self.now,
        };
        self.processes.insert(pid, process);
        if role.is_some() && dice.one_in(6) {
            let _ = self.born(None);
        }
        if role.is_some() && dice.one_in(10) {
            let failed = Event::ExecFailed(Pid(pid), Deed::Exec, Errno::NOENT);
            self.hear(failed);
        }
        Ok(Pid(pid))
    }

    fn perform(&mut self, action: Action) {
        if self.tells {
            eprintln!("{:6}     {action:?}", self.now);
        }
        let mut checks = std::mem::take(&mut self.checks);
        checks.before(self, action);
        self.checks = checks;
        match action {
            Action::LoadEnvironment | Action::ReloadEnvironment => {
                self.hear(Event::Patience(self.patience));
            }
            Action::List(of) => self.hear(Event::Listed(of, self.scripts[of as usize])),
            Action::Start(role) => self.start(role),
            Action::Signal(pid, signal) => self.deliver(pid.0, signal),
            Action::SignalAll(signal) => {
                for pid in self.processes.keys().copied().collect::<Vec<_>>() {
                    self.deliver(pid, signal);
                }
            }
            Action::LookWhoIsLeft => {
                let left = match self.processes.values().map(|process| process.stranger).min() {
                    None => Left::Nobody,
                    Some(true) => Left::Strangers,
                    Some(false) => Left::Children,
                };
                self.hear(Event::Left(left));
            }
            Action::LookWhetherDeaf(pid) => {
                if self.processes.get(&pid.0).is_some_and(|process| process.deaf) {
                    self.hear(Event::Deaf(pid));
                }
            }
            Action::Scan => self.scan(),
            Action::CloseLog(id) => self.end_of_file(id),
            Action::Say(_)
            | Action::TakeTerminalBack
            | Action::OpenServices
            | Action::Heal(_)
            | Action::Publish(_) => {}
            Action::Forget(id) => self.forget(id),
            Action::Exit(code) => self.exit = Some(code),
        }
    }

    fn scan(&mut self) {
        for (id, directory) in self.directories.clone() {
            if directory.exists {
                self.directories.get_mut(&id).unwrap().known = true;
                self.hear(Event::Found(id, directory.shape));
            } else if directory.known {
                self.hear(Event::Lost(id));
            }
        }
    }

    /// What is found again after that is another service.
    fn forget(&mut self, id: ServiceId) {
        let Some(directory) = self.directories.get(&id).copied() else { return };
        if !directory.exists {
            return;
        }
        self.directories.insert(id, Directory { exists: false, known: false, ..directory });
        let log = directory.shape.log.map(|(_, down)| (ServiceId(self.next_id + 1), down));
        let again = ServiceId(self.next_id);
        self.next_id += 1 + u32::from(log.is_some());
        let shape = Shape { log, ..directory.shape };
        self.directories.insert(again, Directory { shape, known: false, exists: true });
    }

    /// A logger ends when there is nothing more to read, unless it hangs.
    fn end_of_file(&mut self, id: ServiceId) {
        let now = self.now;
        for process in self.processes.values_mut() {
            let is_logger = matches!(process.service(), Some((of, Program::Run)) if of == id);
            if is_logger && !process.deaf && !process.unkillable {
                process.ends_at = Some(now + 1);
                process.exit = Exit::Code(0);
            }
        }
    }

    fn start(&mut self, role: Role) {
        let is_there = match role {
            Role::MainCommand | Role::Service(_, Program::Run) => true,
            Role::Script(_) => !mix(self.seed, self.births).is_multiple_of(20),
            Role::Service(ServiceId(id), Program::Finish(..)) => id % 2 == 0,
            Role::Service(ServiceId(id), Program::Control(letter)) => {
                mix(self.seed, u64::from(id) * 256 + u64::from(letter)).is_multiple_of(6)
            }
        };
        if !is_there {
            self.births += 1;
            return self.core.not_there(self.instant());
        }
        match self.born(Some(role)) {
            Ok(pid) => self.core.started(self.instant(), pid),
            Err(errno) => {
                self.checks.refused(self.now, role);
                self.core.start_refused(self.instant(), errno);
            }
        }
    }

    fn deliver(&mut self, pid: i32, signal: Signal) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        if signal == Signal::TERM {
            process.got_term.get_or_insert(self.now);
        }
        let dies = match signal {
            Signal::KILL => !process.unkillable,
            Signal::TERM | Signal::HUP | Signal::INT | Signal::QUIT => {
                !process.deaf && !process.unkillable
            }
            _ => false,
        };
        if dies && process.ends_at.is_none_or(|at| at > self.now) {
            let delay = mix(self.seed, u64::try_from(pid).unwrap()) % 3;
            process.ends_at = Some(self.now + delay);
            process.exit = Exit::Signal(signal);
        }
    }

    fn settle(&mut self) {
        for _ in 0..2000 {
            let Some(action) = self.core.next(self.instant()) else { return };
            self.perform(action);
            if self.exit.is_some() {
                return;
            }
        }
        panic!("the core asks for steps without end");
    }

    fn reap(&mut self) {
        let ended = |process: &Process| process.ends_at.is_some_and(|at| at <= self.now);
        let dead: Vec<i32> =
            self.processes.iter().filter(|(_, p)| ended(p)).map(|(&pid, _)| pid).collect();
        for pid in dead {
            let process = self.processes.remove(&pid).unwrap();
            self.checks.ended(self.now, &process);
            if !process.stranger {
                self.hear(Event::Exited(Pid(pid), process.exit));
            }
        }
    }

    fn is_known(&self, id: ServiceId) -> bool {
        self.directories.iter().any(|(&service, directory)| {
            let is_log = directory.shape.log.is_some_and(|(log, _)| log == id);
            directory.known && (service == id || is_log)
        })
    }

    fn befall(&mut self, blow: Blow) {
        match blow {
            Blow::Signal(signal) => {
                self.checks.signalled(self.now, &self.plan, signal);
                self.hear(Event::Signal(signal));
            }
            // Nobody serves the FIFO of a service that is not known.
            Blow::Verb(id, _) if !self.is_known(id) => {}
            Blow::Verb(id, verb) => {
                // A log service is not told to exit.
                if verb != Verb::Exit || self.directories.contains_key(&id) {
                    self.checks.told(id, verb);
                }
                self.hear(Event::Verb(id, verb));
            }
            Blow::Vanish(id) => {
                if let Some(directory) = self.directories.get_mut(&id) {
                    directory.exists = false;
                    self.hear(Event::Changed);
                }
            }
            Blow::Hurt(id) => self.hear(Event::Hurt(id)),
            Blow::Appear => {
                self.appear();
                self.hear(Event::Changed);
            }
        }
    }

    /// The whole history.
    pub fn run(mut self, blows: &Blows) {
        let mut blows = blows.iter().copied().peekable();
        for _ in 0..20_000 {
            self.settle();
            let mut checks = std::mem::take(&mut self.checks);
            checks.after(&self);
            if let Some(code) = self.exit {
                return checks.at_the_end(&self, code);
            }
            self.checks = checks;
            let deadline = self.core.deadline();
            let deadline =
                deadline.map(|at| u64::try_from(at.0.as_millis()).unwrap().max(self.now));
            let end = self.processes.values().filter_map(|process| process.ends_at).min();
            let blow = blows.peek().map(|(at, _)| (*at).max(self.now));
            let next = [deadline, end, blow].into_iter().flatten().min();
            self.now = next.expect("the core waits for nothing, for ever").max(self.now);
            while let Some((_, blow)) = blows.next_if(|(at, _)| *at <= self.now) {
                self.befall(blow);
            }
            self.reap();
        }
        panic!("the history does not end");
    }
}

/// Where in a container's life something is started.
pub fn rank(role: Role) -> Option<(u8, usize)> {
    match role {
        Role::Script(Script { of, index }) => {
            Some((if of >= Scripts::PreShutdown { of as u8 + 1 } else { of as u8 }, index))
        }
        Role::MainCommand => Some((3, 0)),
        Role::Service(..) => None,
    }
}

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
