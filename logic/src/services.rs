//! All services: who has something to do, who waits until when, and which log belongs to whom.
//!
//! Nothing in here looks at every service for one event: an event makes its service ready, and a
//! step is asked of the ready ones only.

use crate::contract::{Action, Kin, Notice, Program, Role, ServiceId, Shape};
use crate::service::{Service, Step};
use crate::status::{Status, UnixTime};
use crate::verbs::Verb;
use crate::words::{Instant, Kept, Pid};
use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;
use entry::{Entry, Moments};

mod entry;
mod facts;

/// All services.
#[derive(Clone, Debug, Default, Hash)]
pub struct Services {
    /// In rising order of their numbers. Each stands alone: a list of them that grows would be
    /// copied, and leave a hole in memory as long as itself.
    entries: VecDeque<Box<Entry>>,
    ready: VecDeque<ServiceId>,
    timers: BTreeSet<(Kept, ServiceId)>,
    /// In rising order. Those that began first tend to end first, and then nothing is moved.
    pids: VecDeque<(Pid, ServiceId)>,
    unseen: VecDeque<ServiceId>,
    /// Those that a startup script started, in that order. They stop last.
    early: Vec<ServiceId>,
    /// Services found from now on wait for nobody.
    released: bool,
    /// The stop has begun: nothing starts any more.
    frozen: bool,
    /// Status is shown no more.
    silent: bool,
    hurry: bool,
    actions: VecDeque<Action>,
    alive: usize,
}

impl Services {
    fn at(&self, id: ServiceId) -> Option<usize> {
        self.entries.binary_search_by_key(&id, |entry| entry.id).ok()
    }

    fn entry(&mut self, id: ServiceId) -> Option<&mut Entry> {
        let at = self.at(id)?;
        self.entries.get_mut(at).map(Box::as_mut)
    }

    /// Change a service, and let it say what it needs now.
    fn with(&mut self, id: ServiceId, change: impl FnOnce(&mut Service)) {
        if let Some(entry) = self.entry(id) {
            change(&mut entry.service);
            self.wake(id);
        }
    }

    fn wake(&mut self, id: ServiceId) {
        if let Some(entry) = self.entry(id)
            && !entry.ready
        {
            entry.ready = true;
            self.ready.push_back(id);
        }
    }

    /// A directory is there.
    pub fn found(&mut self, now: Instant, id: ServiceId, shape: Shape) {
        if self.at(id).is_some() {
            return self.found_again(now, id, shape);
        }
        if self.frozen {
            return;
        }
        let kin = shape.log.map_or(Kin::None, |(log, _)| Kin::Log(log));
        // Its log service first, so that nothing is said before somebody listens.
        if let Some((log, down)) = shape.log {
            self.add_log(now, id, log, down);
        }
        self.add(Entry { kin, ..Entry::new(now, id, shape.down) });
        if self.released {
            self.with(id, |service| service.fresh = true);
            self.release_one(id);
        }
    }

    /// It is known; its `down` files, and a log service that has come since, may be news.
    fn found_again(&mut self, now: Instant, id: ServiceId, shape: Shape) {
        let Some(entry) = self.entry(id) else { return };
        entry.down = shape.down;
        let Some((log, down)) = shape.log else { return };
        let had_none = entry.kin.log().is_none();
        entry.kin = Kin::Log(log);
        let held = entry.held;
        if had_none && !self.frozen {
            self.add_log(now, id, log, down);
            if !held {
                self.release_one(log);
            }
        } else if let Some(entry) = self.entry(log) {
            entry.down = down;
        }
    }

    fn add_log(&mut self, now: Instant, of: ServiceId, log: ServiceId, down: bool) {
        let mut entry = Entry { kin: Kin::LogOf(of), ..Entry::new(now, log, down) };
        entry.service.is_log = true;
        self.add(entry);
    }

    fn add(&mut self, entry: Entry) {
        let id = entry.id;
        if entry.kin.log_of().is_none() {
            self.alive = self.alive.saturating_add(1);
        }
        let Err(at) = self.entries.binary_search_by_key(&id, |entry| entry.id) else { return };
        self.entries.insert(at, Box::new(entry));
        self.wake(id);
    }

    /// The startup scripts are over: every service that is still held goes its way.
    pub fn release(&mut self) {
        self.released = true;
        for id in self.entries.iter().map(|entry| entry.id).collect::<Vec<_>>() {
            self.release_one(id);
        }
    }

    fn release_one(&mut self, id: ServiceId) {
        let Some(entry) = self.entry(id).filter(|entry| entry.held) else { return };
        entry.held = false;
        let log = entry.kin.log();
        if !entry.down {
            entry.service.verb(Verb::Up);
        }
        // Here, too, its log service first.
        if let Some(log) = log {
            self.release_one(log);
        }
        self.wake(id);
    }

    /// A byte came through `control`.
    pub fn verb(&mut self, id: ServiceId, verb: Verb) {
        let released = self.released;
        let Some(entry) = self.entry(id) else { return };
        if entry.kin.log_of().is_some() && verb == Verb::Exit {
            return;
        }
        let starts = matches!(verb, Verb::Up | Verb::Once);
        let asks = starts || matches!(verb, Verb::Down | Verb::Exit);
        entry.held &= !asks;
        let (log, log_of) = (entry.kin.log(), entry.kin.log_of());
        let is_early = !released && log_of.is_none() && !entry.service.is_early;
        if starts {
            if let Some(log) = log {
                self.release_one(log);
            }
            if is_early {
                self.start_early(id);
            }
        }
        self.with(id, |service| service.verb(verb));
    }

    fn start_early(&mut self, id: ServiceId) {
        self.early.push(id);
        if let Some(entry) = self.entry(id) {
            entry.service.is_early = true;
        }
    }

    /// A directory is gone: its service ends, in its own time.
    pub fn lost(&mut self, id: ServiceId) {
        self.with(id, |service| service.end(None));
    }

    /// Something of what is served of it was deleted; by somebody perhaps who is about to delete
    /// the whole directory, and must not find new files in it: so give him time, but no more if he
    /// goes on.
    pub fn heal_after(&mut self, wait: Duration, now: Instant, id: ServiceId) {
        if let Some(entry) = self.entry(id) {
            let heal_at = now.after(wait).map(Kept::from);
            entry.moments.change(|moments| {
                moments.heal_at = [moments.heal_at, heal_at].into_iter().flatten().min();
            });
            self.wake(id);
        }
    }

    /// The stop begins: nothing starts from here on.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Every service but the early ones is told to end. From here on nobody looks at a status.
    pub fn stop(&mut self, kill_at: Option<Instant>) {
        self.silent = true;
        let regular = self
            .entries
            .iter()
            .filter(|entry| entry.kin.log_of().is_none() && !entry.service.is_early);
        let ids: Vec<_> = regular.map(|entry| entry.id).collect();
        for id in ids {
            self.with(id, |service| service.end(kill_at));
        }
    }

    /// The last of the early services is told to end.
    pub fn stop_last_early(&mut self, kill_at: Option<Instant>) {
        if let Some(id) = self.early.pop() {
            self.with(id, |service| service.end(kill_at));
        }
    }

    /// No more patience.
    pub fn hurry(&mut self) {
        if !self.hurry {
            self.hurry = true;
            for id in self.entries.iter().map(|entry| entry.id).collect::<Vec<_>>() {
                self.wake(id);
            }
        }
    }

    /// Whether all that were told to end are over: what is left are early ones.
    #[must_use]
    pub fn are_stopped(&self) -> bool {
        self.alive <= self.early.len()
    }

    /// Whether no early one is left to be told.
    #[must_use]
    pub fn has_early(&self) -> bool {
        !self.early.is_empty()
    }

    /// What of a service can be seen.
    #[must_use]
    pub fn status(&self, id: ServiceId, now: Instant, wall: UnixTime) -> Option<Status> {
        let entry = self.entries.get(self.at(id)?)?;
        Some(entry.service.status(now, wall))
    }

    /// The next step, until `None`.
    pub fn next(&mut self, now: Instant, patience: Option<Instant>) -> Option<Action> {
        while let Some(&(at, id)) = self.timers.first()
            && at <= now.into()
        {
            self.timers.pop_first();
            if let Some(entry) = self.entry(id) {
                entry.moments.change(|moments| moments.timer = None);
            }
            self.wake(id);
        }
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Some(action);
            }
            let id = *self.ready.front()?;
            let (may_start, hurry, silent) = (!self.frozen, self.hurry, self.silent);
            let Some(entry) = self.entry(id) else {
                self.ready.pop_front();
                continue;
            };
            if entry.moments.get().heal_at.is_some_and(|at| at <= now.into()) {
                entry.moments.change(|moments| moments.heal_at = None);
                return Some(Action::Heal(id));
            }
            let may_start = may_start && !entry.held;
            if silent {
                entry.service.take_unseen();
            }
            if let Some(step) = entry.service.next(now, may_start, hurry) {
                return Some(self.action(id, step));
            }
            self.ready.pop_front();
            self.rest(id, patience);
        }
    }

    fn action(&self, id: ServiceId, step: Step) -> Action {
        match step {
            Step::Publish => Action::Publish(id),
            Step::Start(program) => Action::Start(Role::Service(id, program)),
            Step::Signal(pid, signal) => Action::Signal(pid, signal),
            Step::Force(pid) => Action::Say(Notice::Forcing(Role::Service(id, Program::Run), pid)),
            Step::Daemonizes => Action::Say(Notice::Daemonizes(id)),
        }
    }

    /// A service needs nothing for now: set its timer, note what is to be shown, end its log after
    /// it, forget it when it is over.
    fn rest(&mut self, id: ServiceId, patience: Option<Instant>) {
        let may_start = !self.frozen;
        let Some(entry) = self.entry(id) else { return };
        entry.ready = false;
        let deadline = entry.service.deadline(may_start && !entry.held).map(Kept::from);
        let Moments { heal_at, timer: old } = entry.moments.get();
        let timer = [deadline, heal_at].into_iter().flatten().min();
        entry.moments.change(|moments| moments.timer = timer);
        let is_unseen = entry.service.take_unseen() && !core::mem::replace(&mut entry.unseen, true);
        let is_gone = entry.service.is_gone();
        let (log, log_of) = (entry.kin.log(), entry.kin.log_of());
        if is_unseen {
            self.unseen.push_back(id);
        }
        if old != timer {
            if let Some(old) = old {
                self.timers.remove(&(old, id));
            }
            self.timers.extend(timer.map(|at| (at, id)));
        }
        if !is_gone {
            return;
        }
        match (log.filter(|&log| self.entry(log).is_some()), log_of) {
            (Some(log), _) => self.end_log(log, patience),
            (None, Some(of)) => {
                self.forget(id);
                self.wake(of);
            }
            (None, None) => self.forget(id),
        }
    }

    fn end_log(&mut self, log: ServiceId, patience: Option<Instant>) {
        let Some(entry) = self.entry(log) else { return };
        if entry.service.end_by_end_of_file(patience) {
            self.actions.push_back(Action::CloseLog(log));
        }
        self.wake(log);
    }

    fn forget(&mut self, id: ServiceId) {
        let Some(at) = self.at(id) else { return };
        let Some(entry) = self.entries.remove(at) else { return };
        if let Some(at) = entry.moments.get().timer {
            self.timers.remove(&(at, id));
        }
        if entry.service.is_early {
            self.early.retain(|&early| early != id);
        }
        if entry.kin.log_of().is_none() {
            self.alive = self.alive.saturating_sub(1);
        }
        self.actions.extend((!self.silent).then_some(Action::Forget(id)));
    }

    /// All is shown, just now.
    pub fn are_shown(&mut self) {
        for entry in &mut self.entries {
            entry.service.take_unseen();
            entry.unseen = false;
        }
        self.unseen.clear();
    }

    /// The next status to be shown now that nothing else is to be done.
    pub fn next_unseen(&mut self) -> Option<Action> {
        while let Some(id) = self.unseen.pop_front() {
            if let Some(entry) = self.entry(id) {
                entry.unseen = false;
                return Some(Action::Publish(id));
            }
        }
        None
    }

    /// When to ask again although nothing has happened.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|&(at, _)| at.into())
    }
}
