//! Who may be told to end, and when, in a stop: scripts and the main command first, then the
//! services; those that were started early last, one after the other; a logger after its service.

use logic::contract::ServiceId;
use logic::verbs::Verb;
use std::collections::BTreeSet;

/// What is remembered of it.
#[derive(Clone, Debug, Default, Hash)]
pub struct Ends {
    /// Those that were told, before the boot was over, anything of what they are wanted to be.
    asked: BTreeSet<ServiceId>,
    /// Those that were told to start before that, in that order. They, and their logs, stop last,
    /// and the last of them first.
    pub early: Vec<ServiceId>,
}

impl Ends {
    /// A service that is no log service hears a verb before the boot is over.
    pub fn told_early(&mut self, id: ServiceId, verb: Verb) {
        let starts = matches!(verb, Verb::Up | Verb::Once);
        let asks = starts || matches!(verb, Verb::Down | Verb::Exit);
        if asks && self.asked.insert(id) && starts {
            self.early.push(id);
        }
    }

    pub fn is_early(&self, id: ServiceId) -> bool {
        self.early.contains(&id)
    }

    /// The stop tells it to end, and of the others some run.
    pub fn may_end(&self, id: ServiceId, runs: impl Fn(ServiceId) -> bool) {
        let from = self.early.iter().position(|&early| early == id);
        for &later in self.early.iter().skip(from.unwrap_or(self.early.len()) + 1) {
            assert!(!runs(later), "{id:?} ends before {later:?}, which was started later");
        }
    }
}
