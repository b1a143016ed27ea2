//! Which service directories there are, compared with those that are known.

use super::{Directories, identity, is_directory};
use crate::service::{Directory, Identity, Kin, Location};
use logic::contract::{Event, Shape};
use logic::words::Shown;
use rustix::fs::stat;
use std::ffi::OsStr;
use std::fs;

impl Directories {
    /// Look at the directories, and tell what is there, and what is there no longer.
    pub fn scan(&mut self, mut tell: impl FnMut(Event)) {
        if self.root_watch.is_none() || !self.root_is_there {
            self.unwatch_root();
            self.watch_root();
        }
        let (mut names, mut there) = self.look();
        self.look_again(&mut names, &there, &mut tell);
        for at in 0..self.known.len() {
            let id = self.known.get(at).map(|known| known.id);
            id.and_then(|id| self.look_for_log(id)).into_iter().for_each(&mut tell);
        }
        // Those whose name is left are new.
        there.retain(|&(_, at)| names.get(at).is_some_and(|name| !name.is_empty()));
        let found = there.len();
        let mut taken: Vec<_> = self.known.iter().map(|known| &known.name).collect();
        taken.sort_unstable();
        there.retain(|&(_, at)| {
            names.get(at).is_some_and(|name| taken.binary_search(&name).is_err())
        });
        // The predecessor of the same name has to end first.
        self.waiting = there.len() < found;
        there.sort_unstable_by_key(|&(_, at)| at);
        self.known.reserve_exact(there.len());
        for (identity, at) in there {
            let name = names.get_mut(at).map(std::mem::take).unwrap_or_default();
            let id = self.insert(Directory::new(name, identity, Kin::None));
            let down = self.is_there_in(id, "down");
            tell(Event::Found(id, Shape { down, log: self.add_log(id) }));
        }
    }

    /// What is there now: the names in their order, and the directories among them by identity,
    /// each with the place of its first name.
    fn look(&mut self) -> (Vec<Box<OsStr>>, Vec<(Identity, usize)>) {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let mut names: Vec<Box<OsStr>> = entries
            .map(|entry| entry.file_name().into_boxed_os_str())
            .filter(|name| !name.as_encoded_bytes().starts_with(b"."))
            .collect();
        names.sort_unstable();
        let mut there = Vec::with_capacity(names.len());
        for (at, service) in names.iter().enumerate() {
            let place = Location { root: &self.root, service, is_log: false };
            if let Some(found) = place.ask(&[], |path| stat(path)).ok().filter(is_directory) {
                there.push((identity(&found), at));
            }
        }
        there.sort_unstable();
        let mut twice = Vec::new();
        there.dedup_by(|(other, at), (one, first)| {
            let is_same = other == one;
            twice.extend(is_same.then_some((*at, *first)));
            is_same
        });
        for (other, first) in twice {
            let (Some(other), Some(first)) = (names.get(other), names.get(first)) else { continue };
            let (other, first) = (Shown(other.as_encoded_bytes()), Shown(first.as_encoded_bytes()));
            self.say_once(&format!("{other} is the directory of {first}; it is served once"));
        }
        (names, there)
    }

    /// Of those that are known: what they are called now, or that they are gone.
    fn look_again(
        &mut self,
        names: &mut [Box<OsStr>],
        there: &[(Identity, usize)],
        mut tell: impl FnMut(Event),
    ) {
        for at in 0..self.known.len() {
            let Some(known) = self.known.get_mut(at).filter(|known| !known.is_log()) else {
                continue;
            };
            let found = there.binary_search_by_key(&known.identity, |&(identity, _)| identity);
            let found = found.ok().and_then(|at| there.get(at)).map(|&(_, at)| at);
            // One that is gone has left its number to others.
            let name = found.filter(|_| !known.is_gone).and_then(|at| names.get_mut(at));
            let id = known.id;
            let Some(name) = name else {
                known.is_gone = true;
                tell(Event::Lost(id));
                continue;
            };
            known.name = std::mem::take(name);
            let log = known.log().map(|log| (log, self.is_there_in(log, "down")));
            tell(Event::Found(id, Shape { down: self.is_there_in(id, "down"), log }));
        }
    }
}
