//! Who may be told to end, and when, in a stop: scripts and the main command first, then the
//! services; those that were started early last, one after the other; a logger after its service.

use logic::contract::ServiceId;
use logic::verbs::Verb;
use logic::words::Instant;
use std::collections::BTreeMap;

/// What is remembered of it.
#[derive(Clone, Debug, Default, Hash)]
pub struct Ends {
    /// Those that were told to start before the boot was over, in that order. They, and their logs,
    /// stop last, and the last of them first.
    pub early: Vec<ServiceId>,
    /// Since when it is their turn.
    turns: BTreeMap<ServiceId, Instant>,
    /// When log services were given their end of file: `None` before the stop.
    closed: BTreeMap<ServiceId, Option<Instant>>,
}

/// Whom a stop waits for: a script, or the main command (`None`); or a service, or its log.
pub type Left = Vec<Option<ServiceId>>;

impl Ends {
    /// A service that is no log service hears a verb before the boot is over.
    pub fn told_early(&mut self, id: ServiceId, verb: Verb) {
        if matches!(verb, Verb::Up | Verb::Once) && !self.is_early(id) {
            self.early.push(id);
        }
    }

    pub fn is_early(&self, id: ServiceId) -> bool {
        self.early.contains(&id)
    }

    /// Whether a stop may tell a service to end while these are left.
    pub fn is_its_turn(&self, id: ServiceId, left: &Left) -> bool {
        let place = |id| self.early.iter().position(|&early| early == id);
        // `None` comes before every place.
        left.iter().all(|other| {
            other.is_some_and(|other| {
                place(id).is_none() || place(other).is_some_and(|other| Some(other) <= place(id))
            })
        })
    }

    /// When nothing is to be done in a stop, and these are left.
    pub fn settled(&mut self, ids: impl Iterator<Item = ServiceId>, left: &Left, now: Instant) {
        for id in ids {
            if !self.turns.contains_key(&id) && self.is_its_turn(id, left) {
                self.turns.insert(id, now);
            }
        }
    }

    /// A log service is given its end of file, in a stop or not.
    pub fn close(&mut self, log: ServiceId, now: Instant, stops: bool) {
        let at = stops.then_some(now);
        assert!(self.closed.insert(log, at).is_none(), "a log is closed once");
    }

    pub fn is_closed(&self, log: ServiceId) -> bool {
        self.closed.contains_key(&log)
    }

    /// Since when a stop, which began then, may have been waiting for the end of a service, or of a
    /// log service.
    pub fn since(&self, id: ServiceId, began: Option<Instant>) -> Option<Instant> {
        let closed = self.closed.get(&id).map(|closed| closed.or(began));
        closed.unwrap_or_else(|| self.turns.get(&id).copied())
    }
}
