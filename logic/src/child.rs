//! The one process of ours that runs beside the services: a script, or the main command.

use crate::contract::{Action, Notice, Role};
use crate::ending::{Ending, Owed};
use crate::words::{Instant, Pid, Signal};
use core::time::Duration;

/// Such a process, from its start to its end.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Child {
    /// What it is.
    pub role: Role,
    /// Who it is.
    pub pid: Pid,
    /// How far its end has come.
    pub ending: Ending,
    /// Signals on their way to it.
    pub owed: Owed,
    /// Told to end, it may be deaf to that: an interactive shell.
    pub maybe_deaf: bool,
}

/// What becomes of it next.
pub enum Next {
    /// This is to be done.
    Do(Action),
    /// Not even KILL could end it: go on as if it had.
    GiveUp,
    /// Nothing, for now.
    Wait,
}

impl Child {
    /// A process that has just been started.
    pub fn new(role: Role, pid: Pid, ending: Ending) -> Child {
        Child { role, pid, ending, owed: Owed::default(), maybe_deaf: false }
    }

    /// Tell it to end. One with a terminal may be an interactive shell: that ignores TERM, and ends
    /// when its terminal hangs up. No other is sent HUP: it would die of it amid its clean-up.
    pub fn ask(&mut self, now: Instant, patience: Option<Duration>, terminal: bool) -> Action {
        self.owed.add(Signal::TERM);
        self.owed.add(Signal::CONT);
        self.maybe_deaf = terminal;
        self.ending = Ending::asked(patience.and_then(|wait| now.after(wait)));
        Action::Say(Notice::ShuttingDown(self.role, self.pid))
    }

    /// The next step towards its end, if it was told to end, or towards its signals.
    pub fn next(&mut self, now: Instant, hurry: bool) -> Next {
        if let Some(signal) = self.owed.take() {
            return Next::Do(Action::Signal(self.pid, signal));
        }
        if core::mem::take(&mut self.maybe_deaf) {
            return Next::Do(Action::LookWhetherDeaf(self.pid));
        }
        match self.ending {
            Ending::Asked { .. } if hurry || self.ending.is_due(now) => {
                self.owed.add(Signal::KILL);
                self.ending = Ending::killed(now);
                Next::Do(Action::Say(Notice::Forcing(self.role, self.pid)))
            }
            Ending::Killed { .. } if self.ending.is_due(now) => Next::GiveUp,
            Ending::NotAsked | Ending::Asked { .. } | Ending::Killed { .. } => Next::Wait,
        }
    }
}
