//! PID 1 as a stage and at most one child: told facts, it answers with one step at a time.
//!
//! ```text
//! Startup ──> Serving ──> PreShutdown ──> PostShutdown ──> KillingAll ──> Over
//!    └─ a script failed, or a stop was asked for ───────────────^
//! ```
//! The stages only advance. Nothing in here waits: what takes time is a deadline, and the answer to
//! a step (`started`, `start_refused`, an event) is heard before the next step is asked for.

use crate::child::{Child, Next};
use crate::contract::{Action, Event, Notice, Plan, Role, Script, Scripts};
use crate::ending::Ending;
use crate::environment::Patience;
use crate::exec::Errno;
use crate::killing::Killing;
use crate::words::{Exit, Instant, Pid, Signal};
use alloc::collections::VecDeque;
use core::time::Duration;

/// How long until a fork that was refused is tried again.
const REST: Duration = Duration::from_secs(1);
/// Passed on to the main command; as with `docker kill --signal`.
const PASSED_ON: [Signal; 7] = [
    Signal::HUP,
    Signal::USR1,
    Signal::USR2,
    Signal::QUIT,
    Signal::WINCH,
    Signal::ALRM,
    Signal::CONT,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Beginning,
    Startup(Scripts, Position),
    Serving,
    PreShutdown(Position),
    PostShutdown(Position),
    KillingAll,
    Over,
}

/// The place in a list of scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Unlisted,
    At { index: usize, count: usize },
}

/// PID 1.
#[derive(Clone, Debug)]
pub struct Init {
    plan: Plan,
    patience: Patience,
    stage: Stage,
    child: Option<Child>,
    /// Facts to say: a few per event, said before the next event is heard.
    notices: VecDeque<Notice>,
    /// Set when a fork was refused: when to try again.
    retry_at: Option<Instant>,
    reload_due: bool,
    terminal_lent: bool,
    killing: Killing,
    stopping: bool,
    /// The first signal that asked for a stop.
    requested: Option<Signal>,
    /// When the whole stop must be over.
    stop_by: Option<Instant>,
    hurry: bool,
    code: Option<u8>,
}

impl Init {
    /// A boot that has not begun.
    #[must_use]
    pub fn new(plan: Plan) -> Init {
        Init {
            plan,
            patience: Patience::default(),
            stage: Stage::Beginning,
            child: None,
            notices: VecDeque::new(),
            retry_at: None,
            reload_due: false,
            terminal_lent: false,
            killing: Killing::new(),
            stopping: false,
            requested: None,
            stop_by: None,
            hurry: false,
            code: None,
        }
    }

    /// Hear a fact.
    pub fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::Patience(patience) => self.patience = patience,
            Event::Listed(of, count) => self.listed(of, count),
            Event::Left(left) => self.killing.left(now, left),
            Event::Exited(pid, exit) => self.exited(now, pid, exit),
            Event::ExecFailed(pid, deed, errno) => {
                if let Some(child) = self.child.filter(|child| child.pid == pid) {
                    self.notices.push_back(Notice::CannotRun(child.role, deed, errno));
                }
            }
            Event::Deaf(pid) => {
                if let Some(child) = self.child.as_mut().filter(|child| child.pid == pid) {
                    child.owed.add(Signal::HUP);
                }
            }
            Event::Signal(signal) => self.signalled(now, signal),
        }
    }

    /// The next step, until `None`.
    pub fn next(&mut self, now: Instant) -> Option<Action> {
        self.hurry |= self.stop_by.is_some_and(|at| at <= now);
        if let Some(notice) = self.notices.pop_front() {
            return Some(Action::Say(notice));
        }
        if self.child.is_some() {
            return self.next_for_child(now);
        }
        if self.terminal_lent {
            self.terminal_lent = false;
            return Some(Action::TakeTerminalBack);
        }
        self.next_in_stage(now)
    }

    /// The answer to `Start`: it runs as this process.
    pub fn started(&mut self, now: Instant, pid: Pid) {
        self.retry_at = None;
        let Some(role) = self.to_start() else { return };
        // A shutdown script is part of the stop, and its patience runs from its start.
        let ending = match role {
            Role::Script(Script { of: Scripts::PreShutdown | Scripts::PostShutdown, .. }) => {
                Ending::Asked { kill_at: self.patience.process.and_then(|wait| now.after(wait)) }
            }
            Role::Script(_) | Role::MainCommand => Ending::NotAsked,
        };
        self.terminal_lent = role == Role::MainCommand && self.plan.terminal;
        self.child = Some(Child::new(role, pid, ending));
    }

    /// The answer to `Start`: no process could be made.
    pub fn start_refused(&mut self, now: Instant, why: Errno) {
        let Some(role) = self.to_start() else { return };
        if let Role::Script(script) = role
            && self.stopping
        {
            self.notices.push_back(Notice::ScriptSkipped(script, why));
            self.advance();
            return;
        }
        if self.retry_at.is_none() {
            self.notices.push_back(Notice::CannotStart(role, why));
        }
        self.retry_at = now.after(REST);
    }

    /// The answer to `Start`: since it was listed the script has gone, or is no longer executable.
    pub fn not_there(&mut self) {
        self.advance();
    }

    /// When to ask for a step again although nothing has happened.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let child = self.child.and_then(|child| child.ending.deadline());
        let killing = self.killing.deadline();
        let stop_by = self.stop_by.filter(|_| !self.hurry);
        [child, killing, stop_by, self.retry_at].into_iter().flatten().min()
    }

    // What is heard.

    fn listed(&mut self, of: Scripts, count: usize) {
        let first = Position::At { index: 0, count };
        match &mut self.stage {
            Stage::Startup(listed, position) if *listed == of => *position = first,
            Stage::PreShutdown(position) | Stage::PostShutdown(position) => *position = first,
            _ => {}
        }
    }

    fn exited(&mut self, now: Instant, pid: Pid, exit: Exit) {
        self.killing.exited();
        if let Some(child) = self.child.filter(|child| child.pid == pid) {
            self.child_ended(now, child, exit);
        }
    }

    fn child_ended(&mut self, now: Instant, child: Child, exit: Exit) {
        self.child = None;
        let Role::Script(script) = child.role else {
            self.notices.push_back(Notice::MainExited(exit));
            self.code = Some(exit.status());
            self.stop(now);
            return;
        };
        let is_startup = matches!(self.stage, Stage::Startup(..));
        // A startup script that ended because we told it to has not failed.
        let was_told = is_startup && self.stopping;
        let has_failed = !exit.is_success() && !was_told;
        if has_failed {
            self.notices.push_back(Notice::ScriptFailed(script, exit));
        }
        if has_failed && is_startup {
            self.code = Some(1);
            self.stop(now);
        }
        self.reload_due = matches!(script.of, Scripts::Startup | Scripts::RcLocal);
        self.advance();
    }

    fn signalled(&mut self, now: Instant, signal: Signal) {
        let asks_for_stop = match signal {
            Signal::TERM | Signal::INT | Signal::RTMIN_3 => true,
            Signal::QUIT => !self.plan.main_command,
            _ => false,
        };
        if asks_for_stop {
            self.hurry |= self.requested.is_some();
            self.requested.get_or_insert(signal);
            self.stop(now);
        } else if PASSED_ON.contains(&signal)
            && let Some(child) = self.child.as_mut()
            && child.role == Role::MainCommand
        {
            child.owed.add(signal);
        }
    }

    fn stop(&mut self, now: Instant) {
        if !self.stopping {
            self.stopping = true;
            self.stop_by = self.patience.stop.and_then(|wait| now.after(wait));
        }
    }

    // What is done.

    fn next_for_child(&mut self, now: Instant) -> Option<Action> {
        let child = self.child.as_mut()?;
        if child.ending == Ending::NotAsked && self.stopping {
            let terminal = child.role == Role::MainCommand && self.plan.terminal;
            return Some(child.ask(now, self.patience.process, terminal));
        }
        match child.next(now, self.hurry) {
            Next::Do(action) => Some(action),
            Next::Wait => None,
            Next::GiveUp => {
                let child = *child;
                self.child_ended(now, child, Exit::Signal(Signal::KILL));
                self.next(now)
            }
        }
    }

    fn next_in_stage(&mut self, now: Instant) -> Option<Action> {
        match self.stage {
            Stage::Beginning => {
                self.stage = Stage::Startup(Scripts::InsecureKey, Position::Unlisted);
                Some(Action::LoadEnvironment)
            }
            Stage::Startup(..) if self.stopping => self.enter(now, Stage::KillingAll),
            Stage::Startup(..) if self.reload_due => {
                self.reload_due = false;
                Some(Action::ReloadEnvironment)
            }
            Stage::Startup(of, position) => self.next_of_scripts(now, of, position),
            Stage::Serving if self.stopping => {
                self.enter(now, Stage::PreShutdown(Position::Unlisted))
            }
            Stage::Serving => self.next_to_start(now, self.plan.main_command),
            Stage::PreShutdown(position) => {
                self.next_of_scripts(now, Scripts::PreShutdown, position)
            }
            Stage::PostShutdown(position) => {
                self.next_of_scripts(now, Scripts::PostShutdown, position)
            }
            Stage::KillingAll if self.killing.is_over() => self.enter(now, Stage::Over),
            Stage::KillingAll => {
                let action = self.killing.next(now, self.patience.all, self.hurry);
                if self.killing.is_over() { self.next(now) } else { action }
            }
            Stage::Over => Some(Action::Exit(self.exit_code())),
        }
    }

    fn next_of_scripts(&mut self, now: Instant, of: Scripts, position: Position) -> Option<Action> {
        let is_wanted = match of {
            Scripts::InsecureKey => self.plan.insecure_key,
            Scripts::Startup | Scripts::RcLocal => self.plan.startup_files,
            Scripts::PreShutdown | Scripts::PostShutdown => true,
        };
        match position {
            Position::Unlisted if is_wanted => Some(Action::List(of)),
            Position::At { index, count } if index < count && self.hurry => {
                self.notices.push_back(Notice::ScriptsLeftOut(of));
                self.enter(now, after_scripts(of))
            }
            Position::At { index, count } if index < count => self.next_to_start(now, true),
            Position::Unlisted | Position::At { .. } => self.enter(now, after_scripts(of)),
        }
    }

    fn next_to_start(&self, now: Instant, is_wanted: bool) -> Option<Action> {
        let rested = self.retry_at.is_none_or(|at| at <= now);
        self.to_start().filter(|_| is_wanted && rested).map(Action::Start)
    }

    /// What `Start` starts now.
    fn to_start(&self) -> Option<Role> {
        let (of, position) = match self.stage {
            Stage::Serving => return Some(Role::MainCommand),
            Stage::Startup(of, position) => (of, position),
            Stage::PreShutdown(position) => (Scripts::PreShutdown, position),
            Stage::PostShutdown(position) => (Scripts::PostShutdown, position),
            Stage::Beginning | Stage::KillingAll | Stage::Over => return None,
        };
        match position {
            Position::Unlisted => None,
            Position::At { index, .. } => Some(Role::Script(Script { of, index })),
        }
    }

    fn advance(&mut self) {
        if let Stage::Startup(_, position)
        | Stage::PreShutdown(position)
        | Stage::PostShutdown(position) = &mut self.stage
            && let Position::At { index, .. } = position
        {
            *index = index.saturating_add(1);
        }
    }

    fn enter(&mut self, now: Instant, stage: Stage) -> Option<Action> {
        self.retry_at = None;
        match stage {
            Stage::Serving if self.plan.services => {
                self.notices.push_back(Notice::BootingServices);
                self.notices.push_back(Notice::ServicesBooted);
            }
            Stage::PostShutdown(_) if self.plan.services => {
                self.notices.push_back(Notice::ShuttingDownServices);
            }
            Stage::KillingAll if self.plan.kill_all => {
                self.notices.push_back(Notice::KillingAll);
            }
            _ => {}
        }
        self.stage = match stage {
            Stage::KillingAll if !self.plan.kill_all => Stage::Over,
            stage => stage,
        };
        self.next(now)
    }

    /// With a main command its own code. One that a stop kept from running was killed by that
    /// signal, as far as anybody outside can tell.
    fn exit_code(&self) -> u8 {
        let never_ran = self.requested.filter(|_| self.plan.main_command).map(Exit::Signal);
        self.code.or(never_ran.map(Exit::status)).unwrap_or(0)
    }
}

fn after_scripts(of: Scripts) -> Stage {
    match of {
        Scripts::InsecureKey => Stage::Startup(Scripts::Startup, Position::Unlisted),
        Scripts::Startup => Stage::Startup(Scripts::RcLocal, Position::Unlisted),
        Scripts::RcLocal => Stage::Serving,
        Scripts::PreShutdown => Stage::PostShutdown(Position::Unlisted),
        Scripts::PostShutdown => Stage::KillingAll,
    }
}

#[cfg(test)]
mod tests;
