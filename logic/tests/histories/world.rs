//! The fake hands: what the core asks for is done to the fake kernel, to service directories and to
//! the clock.

use crate::checks::Checks;
use crate::dice::{Dice, mix};
use crate::directories::Directory;
use crate::kernel::{Kernel, Milliseconds, Process, grain};
use crate::{Blow, Blows};
use logic::contract::{Action, Event, Left, Plan, Program, Role, ServiceId, Shape};
use logic::environment::Patience;
use logic::init::Init;
use logic::verbs::Verb;
use logic::words::{Instant, Pid};
use std::collections::BTreeMap;
use std::time::Duration;

pub struct World {
    pub seed: u64,
    pub plan: Plan,
    pub patience: Patience,
    pub scripts: [usize; 5],
    pub core: Init,
    pub kernel: Kernel,
    /// By how much, in all, PID 1 has woken up too late.
    pub late: Milliseconds,
    wakes: u64,
    pub directories: BTreeMap<ServiceId, Directory>,
    next_id: u32,
    checks: Checks,
    exit: Option<u8>,
    tells: bool,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut dice = Dice::new(seed, 1);
        let mut patience =
            || Some(Duration::from_secs(1 + dice.below(5))).filter(|_| !dice.one_in(12));
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
            kernel: Kernel::new(seed),
            late: 0,
            wakes: 0,
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
        let log_to_come = log.is_none() && dice.one_in(6);
        let directory = Directory { shape, exists: true, known: false, log_to_come };
        self.directories.insert(id, directory);
    }

    pub fn instant(&self) -> Instant {
        Instant(Duration::from_millis(self.kernel.now))
    }

    pub fn is_over(&self) -> bool {
        self.exit.is_some()
    }

    pub fn now(&self) -> Milliseconds {
        self.kernel.now
    }

    /// The time it would be had PID 1 always woken up in time.
    pub fn prompt(&self) -> Milliseconds {
        self.kernel.now - self.late
    }

    fn hear(&mut self, event: Event) {
        if self.tells {
            eprintln!("{:6} {event:?}", self.kernel.now);
        }
        self.core.handle(self.instant(), event);
    }

    fn checking(&mut self, check: impl FnOnce(&mut Checks, &World)) {
        let mut checks = std::mem::take(&mut self.checks);
        check(&mut checks, self);
        self.checks = checks;
    }

    fn perform(&mut self, action: Action) {
        if self.tells {
            eprintln!("{:6}     {action:?}", self.kernel.now);
        }
        self.checking(|checks, world| checks.before(world, action));
        match action {
            Action::LoadEnvironment | Action::ReloadEnvironment => {
                self.hear(Event::Patience(self.patience));
            }
            Action::List(of) => self.hear(Event::Listed(of, self.scripts[of as usize])),
            Action::Start(role) => self.start(role),
            Action::Signal(pid, signal) => self.kernel.deliver(pid.0, signal),
            Action::SignalAll(signal) => {
                for pid in self.kernel.processes.keys().copied().collect::<Vec<_>>() {
                    self.kernel.deliver(pid, signal);
                }
            }
            Action::LookWhoIsLeft => {
                let left =
                    match self.kernel.processes.values().map(|process| process.stranger).min() {
                        None => Left::Nobody,
                        Some(true) => Left::Strangers,
                        Some(false) => Left::Children,
                    };
                self.hear(Event::Left(left));
            }
            Action::LookWhetherDeaf(pid) => {
                if self.kernel.processes.get(&pid.0).is_some_and(|process| process.deaf) {
                    self.hear(Event::Deaf(pid));
                }
            }
            Action::Scan => self.scan(),
            Action::CloseLog(id) => self.kernel.end_of_file(id),
            Action::Publish(id) => self.show(id, 25),
            Action::Heal(id) => self.show(id, 4),
            Action::OpenServices => self.ids().into_iter().for_each(|id| self.show(id, 25)),
            Action::Say(_) | Action::TakeTerminalBack => {}
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
                self.checking(|checks, world| checks.lost(world, id));
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
        self.directories
            .insert(again, Directory { shape, known: false, exists: true, log_to_come: false });
    }

    fn start(&mut self, role: Role) {
        if let Role::Service(id, Program::Run) = role {
            self.look_for_log(id);
        }
        let births = self.kernel.births;
        let is_there = match role {
            Role::MainCommand | Role::Service(_, Program::Run) => true,
            Role::Script(_) => !mix(self.seed, births).is_multiple_of(20),
            Role::Service(id, Program::Finish(..)) => self.has_finish(id),
            Role::Service(id, Program::Control(letter)) => self.has_control(id, letter),
        };
        if !is_there {
            self.kernel.births += 1;
            return self.core.not_there(self.instant());
        }
        match self.kernel.born(Some(role)) {
            Ok(pid) => self.core.started(self.instant(), Pid(pid)),
            Err(errno) => {
                self.checking(|checks, world| checks.refused(world, role));
                self.core.start_refused(self.instant(), errno);
            }
        }
    }

    fn look_for_log(&mut self, id: ServiceId) {
        let next = ServiceId(self.next_id);
        let Some(directory) = self.directories.get_mut(&id) else { return };
        if directory.exists && std::mem::take(&mut directory.log_to_come) {
            directory.shape.log = Some((next, false));
            self.next_id += 1;
            let found = Event::Found(id, directory.shape);
            self.hear(found);
        }
    }

    /// Until the core asks for nothing more. Whether it asked for anything.
    fn settle(&mut self) -> bool {
        for step in 0..2000 {
            let Some(action) = self.core.next(self.instant()) else { return step > 0 };
            self.perform(action);
            if self.exit.is_some() {
                return true;
            }
        }
        panic!("the core asks for steps without end");
    }

    /// Once in n times the disk is full, for a moment.
    fn show(&mut self, id: ServiceId, n: u64) {
        if self.is_known(id) && self.chance(n) {
            self.checking(|checks, world| checks.hurt(world, id, 5000));
            self.hear(Event::NotShown(id));
        }
    }

    /// Once in n times, now.
    fn chance(&self, n: u64) -> bool {
        let salt = self.wakes ^ self.kernel.births << 32;
        mix(self.seed, salt.wrapping_add(n << 50)).is_multiple_of(n)
    }

    /// What a child said before its end is heard before its end.
    fn reap(&mut self, until: Milliseconds) {
        for pid in self.kernel.processes.keys().copied().collect::<Vec<_>>() {
            let process = self.kernel.processes.get_mut(&pid).unwrap();
            let fails = process.fails.take();
            let stops = process.stops_at.is_some_and(|at| at <= self.kernel.now);
            if stops {
                process.stops_at = None;
                process.stopped = true;
            }
            if let Some((deed, errno)) = fails {
                self.hear(Event::ExecFailed(Pid(pid), deed, errno));
            }
            if stops {
                self.hear(Event::Stopped(Pid(pid)));
            }
        }
        let has_ended = |(_, p): &(&i32, &Process)| p.end().is_some_and(|at| at <= until);
        let dead = self.kernel.processes.iter().filter(has_ended);
        for pid in dead.map(|(&pid, _)| pid).collect::<Vec<_>>() {
            let process = self.kernel.processes.remove(&pid).unwrap();
            self.checking(|checks, world| checks.ended(world, pid, &process));
            self.kernel.script_ended(&process);
            if !process.stranger {
                self.hear(Event::Exited(Pid(pid), process.exit));
            }
        }
    }

    fn befall(&mut self, blow: Blow) {
        match blow {
            Blow::Signal(signal) => {
                self.checking(|checks, world| checks.signalled(world, signal));
                self.hear(Event::Signal(signal));
            }
            // Nobody serves the FIFO of a service that is not known.
            Blow::Verb(id, _) | Blow::Hurt(id) if !self.is_known(id) => {}
            Blow::Verb(id, verb) => {
                // A log service is not told to exit.
                if verb != Verb::Exit || self.directories.contains_key(&id) {
                    self.checking(|checks, world| checks.told(world, id, verb));
                }
                self.hear(Event::Verb(id, verb));
            }
            Blow::Vanish(id) => {
                if let Some(directory) = self.directories.get_mut(&id) {
                    directory.exists = false;
                    self.hear(Event::Changed);
                }
            }
            Blow::Hurt(id) => {
                self.checking(|checks, world| checks.hurt(world, id, 1000));
                self.hear(Event::Hurt(id));
            }
            Blow::Appear => {
                self.appear();
                self.hear(Event::Changed);
            }
        }
    }

    /// Until something happens. PID 1 may wake up late: the machine was busy, or stood still.
    /// Whether it woke up only because it wanted to.
    fn sleep(&mut self, blow: Option<Milliseconds>) -> bool {
        let deadline = self.core.deadline();
        let deadline = deadline.map(|at| u64::try_from(at.0.as_millis()).unwrap());
        let other = [self.kernel.next(), blow].into_iter().flatten().min();
        let next = [deadline, other].into_iter().flatten().min();
        let next = next.expect("the core waits for nothing, for ever").max(self.kernel.now);
        self.wakes += 1;
        let late = match mix(self.seed, 7_000_000 + self.wakes) % 500 {
            0 => 60_000,
            1..10 => mix(self.seed, self.wakes) % 3000 / grain(self.seed) * grain(self.seed),
            _ => 0,
        };
        self.late += late;
        self.kernel.now = next + late;
        other.is_none_or(|at| at > self.kernel.now)
    }

    /// The whole history.
    pub fn run(mut self, blows: &Blows) {
        let mut left = blows.clone();
        let mut wanted = false;
        for _ in 0..20_000 {
            let does_something = self.settle();
            // In a stop it may be to give up a process that cannot be killed, which nobody sees.
            let is_wanted = does_something || !wanted || self.checks.stops();
            assert!(is_wanted, "PID 1 wakes up, and has nothing to do");
            self.checking(Checks::after);
            if let Some(code) = self.exit {
                return self.checks.at_the_end(&self, code);
            }
            wanted = self.sleep(left.first().map(|&(at, _)| at));
            // In the order of the real loop. What comes at this very moment may come too late for
            // this time.
            let now = self.kernel.now;
            let until = |n| if self.chance(n) { now.saturating_sub(1) } else { now };
            let (signals_until, ends_until, verbs_until) = (until(9), until(5), until(6));
            let is_signal = |blow: &Blow| matches!(blow, Blow::Signal(_));
            let signals = left.extract_if(.., |(at, blow)| is_signal(blow) && *at <= signals_until);
            signals.for_each(|(_, blow)| self.befall(blow));
            self.reap(ends_until);
            let others = left.extract_if(.., |(at, blow)| !is_signal(blow) && *at <= verbs_until);
            others.for_each(|(_, blow)| self.befall(blow));
        }
        panic!("the history does not end");
    }
}
