//! Random histories of a container's life, driven through the core by a fake kernel, checked after
//! every step. The fake is never kinder than the real one: programs hang, ignore TERM, cannot be
//! killed, fork orphans, cannot be forked or executed, and signals come at the worst moment.
//!
//! A failing history prints its seed and the shortest list of signals that still fails:
//! `SEED=n cargo test --package logic --test histories` runs it again. `HISTORIES=n` runs more.

use logic::contract::{Action, Event, Left, Notice, Plan, Role, Script, Scripts};
use logic::environment::Patience;
use logic::exec::{Deed, Errno};
use logic::init::Init;
use logic::words::{Exit, Instant, Pid, Signal};
use std::collections::BTreeMap;
use std::time::Duration;

/// One step of the generator of Vigna's splitmix64: as random as a test needs, and the same
/// everywhere.
fn mix(seed: u64, salt: u64) -> u64 {
    let mut z = seed.wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Numbers drawn one after the other.
struct Dice(u64, u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.1 += 1;
        mix(self.0, self.1) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

type Milliseconds = u64;

#[derive(Clone, Debug)]
struct Process {
    role: Option<Role>,
    stranger: bool,
    ends_at: Option<Milliseconds>,
    exit: Exit,
    deaf: bool,
    unkillable: bool,
    got_term: Option<Milliseconds>,
    started: Milliseconds,
}

struct World {
    seed: u64,
    plan: Plan,
    patience: Patience,
    scripts: [usize; 5],
    core: Init,
    now: Milliseconds,
    births: u64,
    processes: BTreeMap<i32, Process>,
    requests: Vec<Signal>,
    stop_began: Option<Milliseconds>,
    loaded: bool,
    told_all: bool,
    last_role: Option<(u8, usize)>,
    hurry_began: Option<Milliseconds>,
    alone_since: Option<Milliseconds>,
    expected: Option<u8>,
    exit: Option<u8>,
}

fn rank(role: Role) -> (u8, usize) {
    match role {
        Role::Script(Script { of, index }) => {
            (if of >= Scripts::PreShutdown { of as u8 + 1 } else { of as u8 }, index)
        }
        Role::MainCommand => (3, 0),
    }
}

fn seconds(wait: Option<Duration>) -> Option<Milliseconds> {
    wait.map(|wait| u64::try_from(wait.as_millis()).unwrap())
}

impl World {
    fn new(seed: u64) -> World {
        let mut dice = Dice(seed, 1 << 32);
        let mut patience = || Some(Duration::from_secs(1 + dice.below(5)));
        let patience = Patience { process: patience(), all: patience(), stop: patience() };
        let mut dice = Dice(seed, 2 << 32);
        let plan = Plan {
            insecure_key: dice.one_in(4),
            startup_files: !dice.one_in(4),
            services: !dice.one_in(4),
            main_command: dice.one_in(2),
            terminal: dice.one_in(3),
            kill_all: !dice.one_in(5),
        };
        let stop = patience.stop.filter(|_| dice.one_in(3));
        World {
            seed,
            plan,
            patience: Patience { stop, ..patience },
            scripts: std::array::from_fn(|_| usize::try_from(dice.below(3)).unwrap()),
            core: Init::new(plan),
            now: 0,
            births: 0,
            processes: BTreeMap::new(),
            requests: Vec::new(),
            stop_began: None,
            loaded: false,
            told_all: false,
            last_role: None,
            hurry_began: None,
            alone_since: None,
            expected: None,
            exit: None,
        }
    }

    fn instant(&self) -> Instant {
        Instant(Duration::from_millis(self.now))
    }

    fn stop_begins(&mut self) {
        self.stop_began.get_or_insert(self.now);
    }

    fn hurries(&self) -> bool {
        let limit = seconds(self.patience.stop);
        let over = |began: Milliseconds| limit.is_some_and(|limit| began + limit <= self.now);
        self.requests.len() > 1 || self.stop_began.is_some_and(over)
    }

    /// The program that the next birth brings: what it does depends on the seed and its turn only,
    /// so that leaving out a signal changes nothing else.
    fn born(&mut self, role: Option<Role>) -> Result<Pid, Errno> {
        self.births += 1;
        let mut dice = Dice(mix(self.seed, self.births), 0);
        if role.is_some() && dice.one_in(12) {
            return Err(Errno(11));
        }
        let pid = i32::try_from(self.births).unwrap() + 1;
        let signal =
            [Signal::KILL, Signal::TERM, Signal(40)][usize::try_from(dice.below(3)).unwrap()];
        let code = if dice.one_in(6) { u8::try_from(dice.below(256)).unwrap() } else { 0 };
        let exit = if dice.one_in(8) { Exit::Signal(signal) } else { Exit::Code(code) };
        let hangs = dice.one_in(8) || role.is_none() || role == Some(Role::MainCommand);
        let process = Process {
            role,
            stranger: role.is_none() && dice.one_in(4),
            ends_at: (!hangs || dice.one_in(3)).then(|| self.now + dice.below(2000)),
            exit,
            deaf: dice.one_in(5),
            unkillable: dice.one_in(30),
            got_term: None,
            started: self.now,
        };
        self.processes.insert(pid, process);
        if role.is_some() && dice.one_in(3) {
            let _ = self.born(None);
        }
        if role.is_some() && dice.one_in(10) {
            self.core.handle(self.instant(), Event::ExecFailed(Pid(pid), Deed::Exec, Errno::NOENT));
        }
        Ok(Pid(pid))
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::LoadEnvironment | Action::ReloadEnvironment => {
                self.loaded = true;
                self.core.handle(self.instant(), Event::Patience(self.patience));
            }
            Action::List(of) => {
                self.core.handle(self.instant(), Event::Listed(of, self.scripts[of as usize]));
            }
            Action::Start(role) => self.start(role),
            Action::Signal(pid, signal) => self.signal(pid, signal),
            Action::SignalAll(signal) => {
                assert!(self.plan.kill_all, "everybody is signalled against the plan");
                assert!(self.told_all || signal == Signal::TERM, "TERM comes first");
                assert!([Signal::TERM, Signal::CONT, Signal::KILL].contains(&signal), "{signal}");
                self.told_all = true;
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
                self.core.handle(self.instant(), Event::Left(left));
            }
            Action::Say(Notice::MainExited(exit)) => self.main_exited(exit),
            Action::LookWhetherDeaf(pid) => {
                if self.processes.get(&pid.0).is_some_and(|process| process.deaf) {
                    self.core.handle(self.instant(), Event::Deaf(pid));
                }
            }
            Action::Say(_) | Action::TakeTerminalBack => {}
            Action::Exit(code) => self.exit = Some(code),
        }
    }

    fn start(&mut self, role: Role) {
        assert!(self.loaded, "nothing starts without an environment");
        assert!(self.last_role.is_none_or(|last| last <= rank(role)), "{role:?} comes too late");
        self.last_role = Some(rank(role));
        let is_hook = rank(role).0 > 3;
        assert_eq!(is_hook, self.stop_began.is_some(), "{role:?} at the wrong end of life");
        let alive = |process: &&Process| process.role.is_some() && !process.unkillable;
        assert_eq!(self.processes.values().find(alive).map(|p| p.role), None, "two at a time");
        if matches!(role, Role::Script(_)) && mix(self.seed, self.births).is_multiple_of(20) {
            self.births += 1;
            self.core.not_there();
            return;
        }
        match self.born(Some(role)) {
            Ok(pid) => self.core.started(self.instant(), pid),
            Err(errno) => self.core.start_refused(self.instant(), errno),
        }
    }

    fn signal(&mut self, pid: Pid, signal: Signal) {
        let process = self.processes.get(&pid.0).expect("a signal to a process we no longer own");
        let role = process.role.expect("a signal to an orphan");
        let hook = rank(role).0 > 3;
        if signal == Signal::KILL {
            let since = if hook { Some(process.started) } else { process.got_term };
            let since = since.expect("KILL without TERM before");
            let patience = seconds(self.patience.process).unwrap();
            assert!(self.hurries() || since + patience <= self.now, "KILL before its time");
        }
        self.deliver(pid.0, signal);
    }

    fn deliver(&mut self, pid: i32, signal: Signal) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        if signal == Signal::TERM {
            process.got_term.get_or_insert(self.now);
        }
        let dies = match signal {
            Signal::KILL => !process.unkillable,
            Signal::TERM | Signal::HUP => !process.deaf && !process.unkillable,
            _ => false,
        };
        if dies && process.ends_at.is_none_or(|at| at > self.now) {
            let delay = mix(self.seed, u64::try_from(pid).unwrap()) % 3;
            process.ends_at = Some(self.now + delay);
            process.exit = Exit::Signal(signal);
        }
    }

    /// The core takes the main command for ended: it did end, or KILL could not end it.
    fn main_exited(&mut self, exit: Exit) {
        let is_main = |process: &&Process| process.role == Some(Role::MainCommand);
        if let Some(process) = self.processes.values().find(is_main) {
            assert!(process.unkillable && exit == Exit::Signal(Signal::KILL));
            self.expected = Some(137);
        }
        assert_eq!(self.expected, Some(exit.status()));
    }

    fn settle(&mut self) {
        for _ in 0..1000 {
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
            if process.stranger {
                continue;
            }
            if let Some(role) = process.role {
                self.expect(role, process.exit);
            }
            self.core.handle(self.instant(), Event::Exited(Pid(pid), process.exit));
        }
    }

    /// What the end of this process makes of the container's code.
    fn expect(&mut self, role: Role, exit: Exit) {
        let is_startup = rank(role).0 < 3;
        if role == Role::MainCommand {
            self.expected.get_or_insert(exit.status());
            self.stop_begins();
        } else if is_startup && !exit.is_success() && self.stop_began.is_none() {
            self.expected = Some(1);
            self.stop_begins();
        }
    }

    /// The longest that a stop may take: each script and the command its patience and the time to
    /// be given up, the same for all that are left, and a little for the ends themselves.
    fn longest_stop(&self) -> Milliseconds {
        let one = seconds(self.patience.process).unwrap() + 2000;
        let scripts = u64::try_from(self.scripts[3] + self.scripts[4] + 1).unwrap();
        scripts * one + seconds(self.patience.all).unwrap() + 2000 + 100
    }

    fn run(&mut self, signals: &[(Milliseconds, Signal)]) {
        let mut signals = signals.iter().copied().peekable();
        for _ in 0..10_000 {
            self.settle();
            if self.exit.is_some() {
                return self.check_the_end();
            }
            let deadline = self
                .core
                .deadline()
                .map(|at| u64::try_from(at.0.as_millis()).unwrap().max(self.now));
            let end = self.processes.values().filter_map(|process| process.ends_at).min();
            let signal = signals.peek().map(|(at, _)| (*at).max(self.now));
            let next = [deadline, end, signal].into_iter().flatten().min();
            self.now = next.expect("the core waits for nothing, for ever");
            self.check_the_time();
            while let Some((_, signal)) = signals.next_if(|(at, _)| *at <= self.now) {
                self.hear(signal);
            }
            self.reap();
        }
        panic!("the history does not end");
    }

    fn check_the_time(&mut self) {
        if let Some(began) = self.stop_began {
            assert!(self.now <= began + self.longest_stop(), "the stop takes too long");
        }
        if self.told_all && self.processes.is_empty() {
            let since = *self.alone_since.get_or_insert(self.now);
            assert!(self.now <= since + 20, "nobody is left, and nobody notices");
        }
        if self.hurries() {
            let began = *self.hurry_began.get_or_insert(self.now);
            assert!(self.now <= began + 4100, "a hurry takes too long");
        }
    }

    fn hear(&mut self, signal: Signal) {
        let asks = [Signal::TERM, Signal::INT, Signal::RTMIN_3].contains(&signal)
            || (signal == Signal::QUIT && !self.plan.main_command);
        if asks {
            self.requests.push(signal);
            self.stop_begins();
        }
        self.core.handle(self.instant(), Event::Signal(signal));
    }

    fn check_the_end(&self) {
        let never_ran = self.requests.first().filter(|_| self.plan.main_command);
        let expected = self.expected.or(never_ran.map(|signal| 128 + signal.0));
        assert_eq!(self.exit, Some(expected.unwrap_or(0)), "the wrong exit code");
        let alive = |process: &&Process| !process.unkillable;
        if self.plan.kill_all {
            assert_eq!(self.processes.values().find(alive).map(|p| p.role), None, "left alive");
        }
        assert!(self.stop_began.is_some(), "it ended for no reason");
    }
}

fn signals(seed: u64) -> Vec<(Milliseconds, Signal)> {
    let mut dice = Dice(seed, 3 << 32);
    let all = [1, 2, 3, 10, 12, 14, 15, 15, 18, 28, 37, 40, 64];
    let mut signals: Vec<_> = (0..dice.below(5))
        .map(|_| (dice.below(6000), Signal(all[usize::try_from(dice.below(13)).unwrap()])))
        .collect();
    // Sooner or later everybody is told to stop.
    signals.push((6000 + dice.below(6000), Signal::TERM));
    signals.sort();
    signals
}

fn fails(seed: u64, signals: &[(Milliseconds, Signal)]) -> bool {
    std::panic::catch_unwind(|| World::new(seed).run(signals)).is_err()
}

/// Leave out one signal after the other, as long as what is left still fails.
fn shortest(seed: u64, mut signals: Vec<(Milliseconds, Signal)>) -> Vec<(Milliseconds, Signal)> {
    let mut at = 0;
    while at < signals.len() {
        let mut fewer = signals.clone();
        fewer.remove(at);
        if fails(seed, &fewer) {
            signals = fewer;
        } else {
            at += 1;
        }
    }
    signals
}

#[test]
fn histories_keep_every_promise() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    if let Some(seed) = number("SEED") {
        World::new(seed).run(&signals(seed));
        return;
    }
    let count = number("HISTORIES").unwrap_or(10_000);
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let failed = (0..count).find(|&seed| fails(seed, &signals(seed)));
    let failed = failed.map(|seed| (seed, shortest(seed, signals(seed))));
    std::panic::set_hook(quiet);
    if let Some((seed, shortest)) = failed {
        eprintln!("SEED={seed} fails; the shortest list of signals that does: {shortest:?}");
        World::new(seed).run(&shortest);
    }
}
