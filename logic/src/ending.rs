//! How a process is brought to its end: asked, waited for with patience, killed.

use crate::words::{Instant, Kept, Signal};
use core::time::Duration;

/// The least time between two starts of a program that ends by itself, and how long until a fork
/// that was refused is tried again.
pub const REST: Duration = Duration::from_secs(1);
/// How long until something that failed for want of room is tried again.
pub const LATER: Duration = Duration::from_secs(5);
/// How long a process may take to be gone after KILL, before we go on without it: one in an
/// uninterruptible system call (a dead NFS server) never goes.
pub const UNKILLABLE: Duration = Duration::from_secs(2);

/// How far the end of a process, or of all that are left, has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It may live.
    #[default]
    NotAsked,
    /// It was told to end; `None` waits for ever.
    Asked {
        /// When patience is over.
        kill_at: Option<Kept>,
    },
    /// It got KILL.
    Killed {
        /// When to go on without it.
        gone_by: Option<Kept>,
    },
}

impl Ending {
    /// Asked now, with that much patience.
    pub fn asked(kill_at: Option<Instant>) -> Ending {
        Ending::Asked { kill_at: kill_at.map(Kept::from) }
    }

    /// Killed now.
    pub fn killed(now: Instant) -> Ending {
        Ending::Killed { gone_by: now.after(UNKILLABLE).map(Kept::from) }
    }

    /// When to look at it again.
    pub fn deadline(self) -> Option<Instant> {
        match self {
            Ending::NotAsked => None,
            Ending::Asked { kill_at } => kill_at.map(Instant::from),
            Ending::Killed { gone_by } => gone_by.map(Instant::from),
        }
    }

    /// Whether that moment has come.
    pub fn is_due(self, now: Instant) -> bool {
        self.deadline().is_some_and(|at| at <= now)
    }
}

/// Signals still to be sent: a set, so its size has a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owed(u64);

impl Owed {
    fn bit(signal: Signal) -> u64 {
        1_u64.checked_shl(u32::from(signal.0)).unwrap_or(0)
    }

    /// Owe one more.
    pub fn add(&mut self, signal: Signal) {
        self.0 |= Owed::bit(signal);
    }

    /// KILL first; TERM before CONT, so that a stopped process wakes up to its end; then the rest.
    pub fn take(&mut self) -> Option<Signal> {
        let lowest = Signal(u8::try_from(self.0.trailing_zeros()).unwrap_or(0));
        let order = [Signal::KILL, Signal::TERM, Signal::CONT, lowest];
        let signal = order.into_iter().find(|&signal| self.0 & Owed::bit(signal) != 0)?;
        self.0 &= !Owed::bit(signal);
        Some(signal)
    }
}
