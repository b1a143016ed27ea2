//! Puts the core through one scenario with so many services, so that its work can be counted:
//! `paces boot 500`. Nothing is read, so each run is the same to the instruction.

use logic::contract::{Action, Event, Left, Plan, Program, Role, ServiceId, Shape};
use logic::init::Init;
use logic::status::UnixTime;
use logic::verbs::Verb;
use logic::words::{Exit, Instant, Pid, Signal};
use std::hint::black_box;
use std::time::Duration;

/// The core, and as little of a world as it needs.
struct World {
    core: Init,
    now: Duration,
    services: u32,
    births: i32,
    runs: Vec<Option<Pid>>,
    signalled: Vec<Pid>,
    is_over: bool,
}

impl World {
    fn new(services: u32) -> World {
        let plan = Plan {
            insecure_key: false,
            startup_files: true,
            services: true,
            main_command: false,
            terminal: false,
            kill_all: true,
        };
        World {
            core: Init::new(plan),
            now: Duration::ZERO,
            services,
            births: 100,
            runs: vec![None; services as usize],
            signalled: Vec::new(),
            is_over: false,
        }
    }

    /// Do all that is asked for.
    fn settle(&mut self) {
        while let Some(action) = self.core.next(Instant(self.now)) {
            let now = Instant(self.now);
            match action {
                Action::List(of) => self.core.handle(now, Event::Listed(of, 0)),
                Action::LookWhoIsLeft => self.core.handle(now, Event::Left(Left::Nobody)),
                Action::Scan => (0..self.services).for_each(|id| {
                    let found = Event::Found(ServiceId(id), Shape { down: false, log: None });
                    self.core.handle(now, found);
                }),
                Action::Start(Role::Service(ServiceId(id), Program::Run)) => {
                    self.births += 1;
                    self.runs[id as usize] = Some(Pid(self.births));
                    self.core.started(now, Pid(self.births));
                }
                Action::Start(_) => self.core.not_there(now),
                Action::Signal(pid, Signal::TERM) => self.signalled.push(pid),
                Action::Publish(id) => {
                    black_box(self.core.status(id, now, UnixTime(self.now)));
                }
                Action::Exit(_) => {
                    self.is_over = true;
                    return;
                }
                _ => {}
            }
        }
    }

    fn dies(&mut self, pid: Pid, exit: Exit) {
        self.core.handle(Instant(self.now), Event::Exited(pid, exit));
        self.settle();
    }

    fn booted(services: u32) -> World {
        let mut world = World::new(services);
        world.settle();
        world.now += Duration::from_secs(10);
        world
    }

    fn crash(&mut self) {
        // In no order that helps: 7919 is a prime.
        for n in 0..self.runs.len() {
            if let Some(pid) = self.runs[n * 7919 % self.runs.len()] {
                self.dies(pid, Exit::Signal(Signal::KILL));
            }
        }
    }

    fn command(&mut self) {
        let last = ServiceId(self.services - 1);
        for verb in [Verb::Down, Verb::Up] {
            self.core.handle(Instant(self.now), Event::Verb(last, verb));
            self.settle();
            for pid in std::mem::take(&mut self.signalled) {
                self.dies(pid, Exit::Signal(Signal::TERM));
            }
        }
    }

    fn stop(&mut self) {
        self.core.handle(Instant(self.now), Event::Signal(Signal::TERM));
        self.settle();
        for pid in std::mem::take(&mut self.signalled) {
            self.dies(pid, Exit::Signal(Signal::TERM));
        }
    }
}

fn main() {
    let mut words = std::env::args().skip(1);
    let scenario = words.next().expect("a scenario");
    let services = words.next().and_then(|word| word.parse().ok()).expect("a number of services");
    let mut world = World::booted(services);
    assert!(world.runs.iter().all(Option::is_some));
    match scenario.as_str() {
        "boot" => {}
        "crash" => world.crash(),
        "commands" => (0..100).for_each(|_| world.command()),
        "stop" => {
            world.stop();
            assert!(world.is_over);
        }
        other => panic!("no such scenario: {other}"),
    }
    black_box(&world.core);
}
