//! What is known of one service beside what it does itself.

use crate::contract::ServiceId;
use crate::service::Service;
use crate::words::Instant;

/// A service among the others.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: ServiceId,
    pub(super) service: Service,
    /// Its log service, if it has one.
    pub(super) log: Option<ServiceId>,
    /// Whose log service it is, if it is one.
    pub(super) log_of: Option<ServiceId>,
    /// There is a file `down`.
    pub(super) down: bool,
    /// It waits for the end of the startup scripts, or for a verb.
    pub(super) held: bool,
    /// In the queue of those that are ready.
    pub(super) ready: bool,
    /// Its status is still to be shown.
    pub(super) unseen: bool,
    /// When to serve anew what was deleted of it.
    pub(super) heal_at: Option<Instant>,
    /// The timer set for it.
    pub(super) timer: Option<Instant>,
    /// Forgotten.
    pub(super) gone: bool,
}

impl Entry {
    /// One that is down, and held.
    pub(super) fn new(now: Instant, id: ServiceId, down: bool) -> Entry {
        Entry {
            id,
            service: Service::new(now),
            log: None,
            log_of: None,
            down,
            held: true,
            ready: false,
            unseen: false,
            heal_at: None,
            timer: None,
            gone: false,
        }
    }
}
