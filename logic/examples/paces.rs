//! Puts the core through one scenario with so many services, so that its work can be counted:
//! `paces boot 500`. Nothing is read, so each run is the same to the instruction.

use logic::contract::{Action, Event, Left, Plan, Program, Role, ServiceId, Shape};
use logic::init::Init;
use logic::status::UnixTime;
use logic::verbs::Verb;
use logic::words::{Exit, Instant, Pid, Signal};
use std::hint::black_box;
use std::time::Duration;

/// What there is beside the services.
#[derive(Clone, Copy, Default)]
struct Kind {
    /// A main command.
    command: bool,
    /// A log service for each service.
    logs: bool,
    /// A `finish` in each service.
    finish: bool,
}

/// The core, and as little of a world as it needs.
struct World {
    core: Init,
    kind: Kind,
    now: Duration,
    services: u32,
    births: i32,
    command: Option<Pid>,
    /// By number: a service, and behind it its log service.
    runs: Vec<Option<Pid>>,
    /// Those that end next: signalled, at their end of file, or a `finish`.
    ending: Vec<Pid>,
    is_over: bool,
}

impl World {
    fn new(services: u32, kind: Kind) -> World {
        let plan = Plan {
            insecure_key: false,
            startup_files: true,
            services: true,
            main_command: kind.command,
            terminal: false,
            kill_all: true,
        };
        let all = if kind.logs { services * 2 } else { services };
        World {
            core: Init::new(plan),
            kind,
            now: Duration::ZERO,
            services,
            births: 100,
            command: None,
            runs: vec![None; all as usize],
            ending: Vec::new(),
            is_over: false,
        }
    }

    fn born(&mut self) -> Pid {
        self.births += 1;
        self.core.started(Instant(self.now), Pid(self.births));
        Pid(self.births)
    }

    /// Do all that is asked for.
    fn settle(&mut self) {
        while let Some(action) = self.core.next(Instant(self.now)) {
            let now = Instant(self.now);
            match action {
                Action::List(of) => self.core.handle(now, Event::Listed(of, 0)),
                Action::LookWhoIsLeft => self.core.handle(now, Event::Left(Left::Nobody)),
                Action::Scan => (0..self.services).for_each(|id| {
                    let (id, log) = match self.kind.logs {
                        true => (ServiceId(id * 2), Some((ServiceId(id * 2 + 1), false))),
                        false => (ServiceId(id), None),
                    };
                    self.core.handle(now, Event::Found(id, Shape { down: false, log }));
                }),
                Action::Start(Role::MainCommand) => self.command = Some(self.born()),
                Action::Start(Role::Service(ServiceId(id), Program::Run)) => {
                    self.runs[id as usize] = Some(self.born());
                }
                Action::Start(Role::Service(_, Program::Finish(..))) if self.kind.finish => {
                    let pid = self.born();
                    self.ending.push(pid);
                }
                Action::Start(_) => self.core.not_there(now),
                Action::Signal(pid, Signal::TERM) => self.ending.push(pid),
                Action::CloseLog(ServiceId(id)) => self.ending.extend(self.runs[id as usize]),
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

    /// All that are about to end do, and what ends for that reason.
    fn end(&mut self, exit: Exit) {
        while !self.ending.is_empty() {
            for pid in std::mem::take(&mut self.ending) {
                self.dies(pid, exit);
            }
        }
    }

    fn booted(services: u32, kind: Kind) -> World {
        let mut world = World::new(services, kind);
        world.settle();
        world.now += Duration::from_secs(10);
        world
    }

    fn crash(&mut self) {
        // In no order that helps: 7919 is a prime.
        let services = self.services as usize;
        for n in 0..services {
            if let Some(pid) = self.runs[n * 7919 % services].take() {
                self.dies(pid, Exit::Signal(Signal::KILL));
                self.end(Exit::Code(0));
            }
        }
    }

    /// They crash, and again at once: so they rest, each for its second.
    fn rest(&mut self) {
        self.crash();
        self.crash();
        assert!(self.runs.iter().all(Option::is_none));
        while let Some(at) = self.core.deadline() {
            self.now = at.0;
            self.settle();
        }
    }

    fn command(&mut self) {
        let Some(last) = self.services.checked_sub(1).map(ServiceId) else { return };
        for verb in [Verb::Down, Verb::Up] {
            self.core.handle(Instant(self.now), Event::Verb(last, verb));
            self.settle();
            self.end(Exit::Signal(Signal::TERM));
        }
    }

    fn reap_orphans(&mut self) {
        for n in 0..self.services as i32 {
            self.dies(Pid(100_000 + n), Exit::Code(0));
        }
    }

    fn stop(&mut self) {
        self.core.handle(Instant(self.now), Event::Signal(Signal::TERM));
        self.settle();
        self.end(Exit::Signal(Signal::TERM));
        assert!(self.is_over);
    }

    /// The main command has done its work.
    fn done(&mut self) {
        if let Some(pid) = self.command {
            self.dies(pid, Exit::Code(0));
        }
        self.end(Exit::Signal(Signal::TERM));
        assert!(self.is_over);
    }
}

fn main() {
    let mut words = std::env::args().skip(1);
    let scenario = words.next().expect("a scenario");
    let services = words.next().and_then(|word| word.parse().ok()).expect("a number of services");
    // What a process costs that does nothing.
    if scenario == "nothing" {
        return;
    }
    let kind = Kind {
        command: scenario == "one-shot",
        logs: scenario.starts_with("logged-"),
        finish: scenario == "finish",
    };
    let mut world = World::booted(services, kind);
    assert!(world.runs.iter().all(Option::is_some));
    match scenario.as_str() {
        "boot" | "logged-boot" => {}
        "crash" | "finish" => world.crash(),
        "rest" => world.rest(),
        "commands" => (0..100).for_each(|_| world.command()),
        "orphans" => world.reap_orphans(),
        "stop" | "logged-stop" => world.stop(),
        "one-shot" => world.done(),
        other => panic!("no such scenario: {other}"),
    }
    assert!(world.is_over || world.runs.iter().all(Option::is_some));
    black_box(&world.core);
}
