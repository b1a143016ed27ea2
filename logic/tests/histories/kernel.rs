//! The processes of the fake kernel: how they are born, what they do, what ends them.

use crate::dice::{Dice, mix};
use logic::contract::{Program, Role, ServiceId};
use logic::exec::{Deed, Errno};
use logic::words::{Exit, Signal};
use std::collections::BTreeMap;

pub type Milliseconds = u64;

/// So few that a process id soon comes again, and sometimes none is left.
const PIDS: std::ops::RangeInclusive<i32> = 2..=40;

/// In some histories all moments are full half seconds.
pub fn grain(seed: u64) -> Milliseconds {
    if mix(seed, 5).is_multiple_of(3) { 500 } else { 1 }
}

#[derive(Clone, Debug)]
pub struct Process {
    pub role: Option<Role>,
    /// Put here by `docker exec`: no child of ours.
    pub stranger: bool,
    pub ends_at: Option<Milliseconds>,
    pub exit: Exit,
    pub deaf: bool,
    pub unkillable: bool,
    /// By a signal, or by its terminal.
    pub stopped: bool,
    /// When its terminal stops it.
    pub stops_at: Option<Milliseconds>,
    pub got_term: Option<Milliseconds>,
    /// CONT, after TERM.
    pub got_cont: bool,
    pub got_hup: bool,
    pub got_kill: bool,
    pub started: Milliseconds,
    /// It cannot become its program; PID 1 hears of that, and then of its end.
    pub fails: Option<(Deed, Errno)>,
    /// The same, heard or not.
    pub failed: bool,
}

impl Process {
    pub fn service(&self) -> Option<(ServiceId, Program)> {
        match self.role {
            Some(Role::Service(id, program)) => Some((id, program)),
            _ => None,
        }
    }

    /// When it ends, if nothing else happens.
    pub fn end(&self) -> Option<Milliseconds> {
        self.ends_at.filter(|_| !self.stopped || self.got_kill)
    }
}

pub struct Kernel {
    seed: u64,
    pub now: Milliseconds,
    pub births: u64,
    last_pid: i32,
    /// From when to when no process can be made.
    full: (Milliseconds, Milliseconds),
    pub processes: BTreeMap<i32, Process>,
}

impl Kernel {
    pub fn new(seed: u64) -> Kernel {
        let mut dice = Dice::new(seed, 6);
        let from = dice.below(12_000);
        let lasts = if dice.one_in(4) { dice.below(6000) } else { 0 };
        Kernel {
            seed,
            now: 0,
            births: 0,
            last_pid: 1,
            full: (from, from + lasts),
            processes: BTreeMap::new(),
        }
    }

    fn span(&self, span: Milliseconds) -> Milliseconds {
        span - span % grain(self.seed)
    }

    /// The next number that nobody has, as the kernel gives them out.
    fn free_pid(&self) -> Option<i32> {
        let after = (self.last_pid + 1..=*PIDS.end()).chain(PIDS);
        after.into_iter().find(|pid| !self.processes.contains_key(pid))
    }

    /// The program that the next birth brings: what it does depends on the seed and its turn only.
    pub fn born(&mut self, role: Option<Role>) -> Result<i32, Errno> {
        self.births += 1;
        let mut dice = Dice::new(self.seed, 10_000 + self.births);
        let is_full = (self.full.0..self.full.1).contains(&self.now);
        if role.is_some() && (is_full || dice.one_in(12)) {
            // EAGAIN, ENOMEM.
            return Err(Errno(dice.of(&[11, 12])));
        }
        let Some(pid) = self.free_pid() else { return Err(Errno(11)) };
        self.last_pid = pid;
        let process = self.program(role, &mut dice);
        self.processes.insert(pid, process);
        if role.is_some() && dice.one_in(6) {
            let _ = self.born(None);
        }
        Ok(pid)
    }

    fn program(&self, role: Option<Role>, dice: &mut Dice) -> Process {
        let signal = dice.of(&[Signal::KILL, Signal::TERM, Signal(40)]);
        let code = if dice.one_in(6) { u8::try_from(dice.below(256)).unwrap() } else { 0 };
        let exit = if dice.one_in(8) { Exit::Signal(signal) } else { Exit::Code(code) };
        let lasts = match role {
            None | Some(Role::MainCommand | Role::Service(_, Program::Run)) => !dice.one_in(3),
            Some(Role::Script(_) | Role::Service(..)) => dice.one_in(8),
        };
        let ends_at = (!lasts).then(|| self.now + self.span(dice.below(2000)));
        let process = Process {
            role,
            stranger: role.is_none() && dice.one_in(4),
            ends_at,
            exit,
            deaf: dice.one_in(5),
            unkillable: dice.one_in(40),
            stopped: false,
            stops_at: (role == Some(Role::MainCommand) && dice.one_in(6))
                .then(|| self.now + self.span(dice.below(2000))),
            got_term: None,
            got_cont: false,
            got_hup: false,
            got_kill: false,
            started: self.now,
            fails: None,
            failed: false,
        };
        if role.is_none() || !dice.one_in(10) {
            return process;
        }
        let errno = dice.of(&[Errno::NOENT, Errno::NOEXEC, Errno::ACCES, Errno::TXTBSY, Errno(12)]);
        let deed = dice.of(&[Deed::Exec, Deed::Exec, Deed::Exec, Deed::Directory, Deed::Session]);
        Process {
            ends_at: Some(self.now + self.span(dice.below(3))),
            exit: Exit::Code(errno.status()),
            fails: Some((deed, errno)),
            failed: true,
            stops_at: None,
            ..process
        }
    }

    /// A signal comes to a process.
    pub fn deliver(&mut self, pid: i32, signal: Signal) {
        let delay = self.span(mix(self.seed, u64::try_from(pid).unwrap()) % 3);
        let now = self.now;
        let Some(process) = self.processes.get_mut(&pid) else { return };
        match signal {
            Signal::TERM => _ = process.got_term.get_or_insert(now),
            Signal::STOP => process.stopped = true,
            Signal::CONT => {
                process.stopped = false;
                process.got_cont |= process.got_term.is_some();
            }
            Signal::HUP => process.got_hup = true,
            Signal::KILL => process.got_kill = true,
            _ => {}
        }
        // One that is deaf ignores them all.
        let dies = match signal {
            Signal::KILL => !process.unkillable,
            Signal::STOP | Signal::CONT | Signal::WINCH => false,
            _ => !process.deaf && !process.unkillable,
        };
        if dies && process.ends_at.is_none_or(|at| at > now) {
            process.ends_at = Some(now + delay);
            process.exit = Exit::Signal(signal);
            // It dies before it can say that it could not become its program.
            if process.fails.take().is_some() {
                process.failed = false;
            }
        }
    }

    /// A script that stands in for STOP or CONT has done what the signal would have done.
    pub fn script_ended(&mut self, script: &Process) {
        let Some((id, Program::Control(letter @ (b'p' | b'c')))) = script.service() else { return };
        let run = self.processes.values_mut().find(|process| {
            script.exit.is_success() && process.service() == Some((id, Program::Run))
        });
        if let Some(run) = run {
            run.stopped = letter == b'p';
        }
    }

    /// A logger ends when there is nothing more to read, unless it hangs.
    pub fn end_of_file(&mut self, id: ServiceId) {
        let now = self.now;
        for process in self.processes.values_mut() {
            let is_logger = matches!(process.service(), Some((of, Program::Run)) if of == id);
            if is_logger && !process.deaf && !process.unkillable && process.fails.is_none() {
                process.ends_at = Some(now + 1);
                process.exit = Exit::Code(0);
            }
        }
    }

    /// The next moment at which one of them does something.
    pub fn next(&self) -> Option<Milliseconds> {
        let ends = self.processes.values().filter_map(Process::end);
        let stops = self.processes.values().filter_map(|process| process.stops_at);
        let fails = self.processes.values().filter(|p| p.fails.is_some()).map(|_| self.now);
        ends.chain(stops).chain(fails).min()
    }
}
