//! What is known of one service beside what it does itself.

use crate::contract::ServiceId;
use crate::service::Service;
use crate::words::{Instant, Kept, Rarely};

/// Whom a service belongs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kin {
    /// Nobody.
    None,
    /// This is its log service.
    Log(ServiceId),
    /// It is the log service of this one.
    LogOf(ServiceId),
}

/// What its clock is set to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Moments {
    /// When to serve anew what was deleted of it.
    pub(super) heal_at: Option<Kept>,
    /// The timer set for it.
    pub(super) timer: Option<Kept>,
}

/// A service among the others.
#[derive(Clone, Debug, Hash)]
pub(super) struct Entry {
    pub(super) id: ServiceId,
    pub(super) service: Service,
    pub(super) kin: Kin,
    /// There is a file `down`.
    pub(super) down: bool,
    /// It waits for the end of the startup scripts, or for a verb.
    pub(super) held: bool,
    /// In the queue of those that are ready.
    pub(super) ready: bool,
    /// Its status is still to be shown.
    pub(super) unseen: bool,
    pub(super) moments: Rarely<Moments>,
}

impl Entry {
    /// Its log service, if it has one.
    pub(super) fn log(&self) -> Option<ServiceId> {
        match self.kin {
            Kin::Log(log) => Some(log),
            Kin::None | Kin::LogOf(_) => None,
        }
    }

    /// Whose log service it is, if it is one.
    pub(super) fn log_of(&self) -> Option<ServiceId> {
        match self.kin {
            Kin::LogOf(service) => Some(service),
            Kin::None | Kin::Log(_) => None,
        }
    }

    /// One that is down, and held.
    pub(super) fn new(now: Instant, id: ServiceId, down: bool) -> Entry {
        Entry {
            id,
            service: Service::new(now),
            kin: Kin::None,
            down,
            held: true,
            ready: false,
            unseen: false,
            moments: Rarely::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundreds_of_services_take_little_room() {
        // With its own eight bytes glibc's allocator makes a piece of 80 of that.
        assert!(size_of::<Entry>() <= 72, "{} bytes", size_of::<Entry>());
    }
}
