//! The one process of ours that runs beside the services: a script, or the main command.

use crate::contract::{Action, Notice, Role};
use crate::ending::{Ending, Owed, UNKILLABLE};
use crate::words::{Instant, Pid, Signal};
use core::time::Duration;

/// Such a process, from its start to its end.
#[derive(Clone, Copy, Debug)]
pub struct Child {
    /// What it is.
    pub role: Role,
    /// Who it is.
    pub pid: Pid,
    /// How far its end has come.
    pub ending: Ending,
    /// Signals on their way to it.
    pub owed: Owed,
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
    /// Tell it to end. An interactive shell ignores TERM; it ends when its terminal hangs up.
    pub fn ask(&mut self, now: Instant, patience: Option<Duration>, hang_up: bool) -> Action {
        self.owed.add(Signal::TERM);
        self.owed.add(Signal::CONT);
        if hang_up {
            self.owed.add(Signal::HUP);
        }
        self.ending = Ending::Asked { kill_at: patience.and_then(|wait| now.after(wait)) };
        Action::Say(Notice::ShuttingDown(self.role, self.pid))
    }

    /// The next step towards its end, if it was told to end, or towards its signals.
    pub fn next(&mut self, now: Instant, hurry: bool) -> Next {
        if let Some(signal) = self.owed.take() {
            return Next::Do(Action::Signal(self.pid, signal));
        }
        match self.ending {
            Ending::Asked { .. } if hurry || self.ending.is_due(now) => {
                self.owed.add(Signal::KILL);
                self.ending = Ending::Killed { gone_by: now.after(UNKILLABLE) };
                Next::Do(Action::Say(Notice::Forcing(self.role, self.pid)))
            }
            Ending::Killed { .. } if self.ending.is_due(now) => Next::GiveUp,
            Ending::NotAsked | Ending::Asked { .. } | Ending::Killed { .. } => Next::Wait,
        }
    }
}
