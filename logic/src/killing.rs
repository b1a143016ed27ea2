//! The end of everybody who is left: told to end, waited for, killed.

use crate::contract::{Action, Left, Notice};
use crate::ending::{Ending, Owed};
use crate::words::{Instant, Signal};
use core::time::Duration;

/// How often to look for processes whose end nobody tells us (see [`Left::Strangers`]).
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// When to look who is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Look {
    Now,
    At(Instant),
    WhenOneEnds,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Killing {
    ending: Ending,
    owed: Owed,
    look: Look,
    over: bool,
}

impl Killing {
    /// Nobody has been told yet.
    pub fn new() -> Killing {
        Killing { ending: Ending::NotAsked, owed: Owed::default(), look: Look::Now, over: false }
    }

    /// Nobody is left, or nobody we could do anything about.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Somebody has ended.
    pub fn exited(&mut self) {
        self.look = Look::Now;
    }

    /// The answer to a look.
    pub fn left(&mut self, now: Instant, left: Left) {
        match left {
            Left::Nobody => self.over = true,
            Left::Children => self.look = Look::WhenOneEnds,
            Left::Strangers => self.look = now.after(LOOK).map_or(Look::Now, Look::At),
        }
    }

    /// When to be asked again although nobody has ended.
    pub fn deadline(&self) -> Option<Instant> {
        let look = match self.look {
            Look::At(at) => Some(at),
            Look::Now | Look::WhenOneEnds => None,
        };
        [look, self.ending.deadline()].into_iter().flatten().min()
    }

    /// The next step.
    pub fn next(
        &mut self,
        now: Instant,
        patience: Option<Duration>,
        hurry: bool,
    ) -> Option<Action> {
        let is_time = match self.look {
            Look::Now => true,
            Look::At(at) => at <= now,
            Look::WhenOneEnds => false,
        };
        if is_time {
            self.look = Look::WhenOneEnds;
            return Some(Action::LookWhoIsLeft);
        }
        if let Some(signal) = self.owed.take() {
            // Of those who are gone at once, not all would tell us.
            self.look = Look::Now;
            return Some(Action::SignalAll(signal));
        }
        match self.ending {
            Ending::NotAsked => {
                self.owed.add(Signal::CONT);
                self.ending = Ending::asked(patience.and_then(|wait| now.after(wait)));
                Some(Action::SignalAll(Signal::TERM))
            }
            Ending::Asked { .. } if hurry || self.ending.is_due(now) => {
                self.owed.add(Signal::KILL);
                self.ending = Ending::killed(now);
                Some(Action::Say(Notice::ForcingAll))
            }
            Ending::Killed { .. } if self.ending.is_due(now) => {
                self.over = true;
                None
            }
            Ending::Asked { .. } | Ending::Killed { .. } => None,
        }
    }
}
