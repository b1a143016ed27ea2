//! PID 1 as a stage, at most one child, and the services: told facts, it answers with one step at
//! a time.
//!
//! ```text
//! Startup ─> Booting ─> Serving ─> PreShutdown ─> StoppingServices ─> PostShutdown
//!    │                                                                     v
//!    └─ a script failed, or a stop was asked for ─> StoppingEarly ─> KillingAll ─> Over
//! ```
//! The stages only advance. Nothing in here waits: what takes time is a deadline, and the answer to
//! a step (`started`, `start_refused`, an event) is heard before the next step is asked for.

use crate::child::{Child, Next};
use crate::contract::{Action, Event, Notice, Plan, Role, Script, Scripts, ServiceId};
use crate::ending::{Ending, LATER, REST};
use crate::environment::Patience;
use crate::exec::Errno;
use crate::killing::Killing;
use crate::services::Services;
use crate::status::{Status, UnixTime};
use crate::words::{Exit, Instant, Pid, Signal};
use alloc::collections::VecDeque;
use stages::{Position, Stage};

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

/// PID 1.
#[derive(Clone, Debug, Hash)]
pub struct Init {
    plan: Plan,
    patience: Patience,
    stage: Stage,
    child: Option<Child>,
    services: Services,
    /// The start whose answer is awaited.
    starting: Option<Role>,
    scan_due: bool,
    opened: bool,
    booted: bool,
    has_run_scripts: bool,
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
            services: Services::default(),
            starting: None,
            scan_due: false,
            opened: false,
            booted: false,
            has_run_scripts: false,
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
                let child = self.child.filter(|child| child.pid == pid);
                let notice = child.map(|child| Notice::CannotRun(child.role, deed, errno));
                let notice = notice.or_else(|| self.services.exec_failed(pid, deed, errno));
                self.notices.extend(notice);
            }
            // No shell is there to say "fg".
            Event::Stopped(pid) => {
                if let Some(child) = self.child.as_mut().filter(|child| child.pid == pid) {
                    child.owed.add(Signal::CONT);
                }
            }
            Event::Deaf(pid) => {
                if let Some(child) = self.child.as_mut().filter(|child| child.pid == pid) {
                    child.owed.add(Signal::HUP);
                }
            }
            Event::Signal(signal) => self.signalled(now, signal),
            Event::Verb(id, verb) => self.services.verb(id, verb),
            Event::Found(id, shape) => self.services.found(now, id, shape),
            // Its directory is gone, so nobody waits for it: as long as it takes.
            Event::Lost(id) => self.services.lost(id),
            Event::Hurt(id) => self.services.heal_after(REST, now, id),
            Event::NotShown(id) => self.services.heal_after(LATER, now, id),
            Event::Changed => self.scan_due = true,
        }
    }

    /// The next step, until `None`.
    pub fn next(&mut self, now: Instant) -> Option<Action> {
        self.hurry |= self.stop_by.is_some_and(|at| at <= now);
        if self.hurry {
            self.services.hurry();
        }
        let action = self.next_action(now);
        match action {
            Some(Action::Start(role)) => self.starting = Some(role),
            Some(Action::OpenServices) => self.services.are_shown(),
            _ => {}
        }
        action
    }

    fn next_action(&mut self, now: Instant) -> Option<Action> {
        if let Some(notice) = self.notices.pop_front() {
            return Some(Action::Say(notice));
        }
        if core::mem::take(&mut self.scan_due) {
            return Some(Action::Scan);
        }
        let kill_at = self.kill_at(now).filter(|_| self.stopping);
        if let Some(action) = self.services.next(now, kill_at) {
            return Some(action);
        }
        let action = if self.child.is_some() {
            self.next_for_child(now)
        } else if core::mem::take(&mut self.terminal_lent) {
            Some(Action::TakeTerminalBack)
        } else {
            self.next_in_stage(now)
        };
        action.or_else(|| self.services.next_unseen().filter(|_| self.opened))
    }

    /// The answer to `Start`: it runs as this process.
    pub fn started(&mut self, now: Instant, pid: Pid) {
        let Some(role) = self.starting.take() else { return };
        // A shutdown script is part of the stop, and its patience runs from its start.
        let ending = match role {
            Role::Service(id, _) => return self.services.started(now, id, pid),
            Role::Script(Script { of: Scripts::PreShutdown | Scripts::PostShutdown, .. }) => {
                Ending::asked(self.kill_at(now))
            }
            Role::Script(_) | Role::MainCommand => Ending::NotAsked,
        };
        self.retry_at = None;
        self.has_run_scripts |= role != Role::MainCommand;
        self.terminal_lent = role == Role::MainCommand && self.plan.terminal;
        self.child = Some(Child::new(role, pid, ending));
    }

    /// The answer to `Start`: no process could be made.
    pub fn start_refused(&mut self, now: Instant, why: Errno) {
        let Some(role) = self.starting.take() else { return };
        let is_news = match role {
            Role::Service(id, _) => self.services.start_refused(now, id),
            Role::Script(script) if self.stopping => {
                self.notices.push_back(Notice::ScriptSkipped(script, why));
                return self.advance();
            }
            Role::Script(_) | Role::MainCommand => {
                let is_news = self.retry_at.is_none();
                self.retry_at = now.after(REST);
                is_news
            }
        };
        if is_news {
            self.notices.push_back(Notice::CannotStart(role, why));
        }
    }

    /// The answer to `Start`: there is no such script, or it is no longer executable.
    pub fn not_there(&mut self, now: Instant) {
        match self.starting.take() {
            Some(Role::Service(id, _)) => self.services.not_there(now, id),
            Some(Role::Script(_) | Role::MainCommand) => self.advance(),
            None => {}
        }
    }

    /// What can be seen of a service.
    #[must_use]
    pub fn status(&self, id: ServiceId, now: Instant, wall: UnixTime) -> Option<Status> {
        self.services.status(id, now, wall)
    }

    /// When to ask for a step again although nothing has happened.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let child = self.child.and_then(|child| child.ending.deadline());
        let killing = self.killing.deadline();
        let stop_by = self.stop_by.filter(|_| !self.hurry);
        let services = self.services.deadline();
        [child, killing, stop_by, services, self.retry_at].into_iter().flatten().min()
    }

    /// When the patience that begins now is over.
    fn kill_at(&self, now: Instant) -> Option<Instant> {
        self.patience.process.and_then(|wait| now.after(wait))
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
        self.services.exited(now, pid, exit);
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
        } else if signal == Signal::HUP && !self.plan.main_command {
            self.scan_due = true;
        }
    }

    fn stop(&mut self, now: Instant) {
        if !self.stopping {
            self.stopping = true;
            self.services.freeze();
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
                self.next_action(now)
            }
        }
    }

    /// With a main command its own code. One that a stop kept from running was killed by that
    /// signal, as far as anybody outside can tell.
    fn exit_code(&self) -> u8 {
        let never_ran = self.requested.filter(|_| self.plan.main_command).map(Exit::Signal);
        self.code.or(never_ran.map(Exit::status)).unwrap_or(0)
    }
}

mod stages;
#[cfg(test)]
mod tests;
