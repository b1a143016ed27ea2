//! What is known of one service beside what it does itself.

use crate::contract::{Kin, ServiceId};
use crate::service::Service;
use crate::words::{Instant, Kept, Rarely};

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
