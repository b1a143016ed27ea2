//! Which service directories there are, compared with those that are known.

use super::{Directories, Table, identity, is_directory};
use crate::service::{Directory, Location, Name};
use logic::contract::{Event, Kin, Shape};
use logic::words::Shown;
use rustix::fs::stat;
use std::fs;

impl Directories {
    /// Look at the directories, and tell what is there, and what is there no longer.
    pub fn scan(&mut self, mut tell: impl FnMut(Event)) {
        if self.root_watch.is_none() || !self.root_is_there {
            self.unwatch_root();
            self.watch_root();
        }
        let mut there = self.look();
        self.look_again(&mut there, &mut tell);
        for at in 0..self.known.len() {
            let id = self.known.get(at).map(|known| known.id);
            id.and_then(|id| self.look_for_log(id)).into_iter().for_each(&mut tell);
        }
        // Those whose name is left are new.
        there.retain(|directory| directory.name != Name::default());
        let found = there.len();
        let mut taken: Vec<_> = self.known.iter().map(|known| &known.name).collect();
        taken.sort_unstable();
        there.retain(|directory| taken.binary_search(&&directory.name).is_err());
        // The predecessor of the same name has to end first.
        self.waiting = there.len() < found;
        there.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        self.known.reserve_exact(there.len());
        for directory in there {
            let id = self.insert(directory);
            let down = self.is_there_in(id, "down");
            tell(Event::Found(id, Shape { down, log: self.add_log(id) }));
        }
    }

    /// What is there now, in the order of their identities, each with the first of its names.
    fn look(&mut self) -> Table {
        let mut there = Table::new();
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let place = Location { root: &self.root, service: &name, is_log: false };
            if let Some(found) = place.ask(&[], |path| stat(path).ok()).filter(is_directory) {
                let name = name.as_os_str().into();
                there.push(Box::new(Directory::new(name, identity(&found), Kin::None)));
            }
        }
        there.sort_unstable_by(|a, b| (a.identity, &a.name).cmp(&(b.identity, &b.name)));
        let shown = |name: &Name| Shown(name.as_os_str().as_encoded_bytes()).to_string();
        let mut twice = Vec::new();
        there.dedup_by(|other, first| {
            let is_same = other.identity == first.identity;
            twice.extend(is_same.then(|| (shown(&other.name), shown(&first.name))));
            is_same
        });
        for (other, first) in twice {
            self.say_once(&format!("{other} is the directory of {first}; it is served once"));
        }
        there
    }

    /// Of those that are known: what they are called now, or that they are gone.
    fn look_again(&mut self, there: &mut Table, mut tell: impl FnMut(Event)) {
        for at in 0..self.known.len() {
            let Some(known) = self.known.get_mut(at).filter(|known| known.kin.log_of().is_none())
            else {
                continue;
            };
            let found = there.binary_search_by_key(&known.identity, |found| found.identity);
            // One that is gone has left its number to others.
            let found = found.ok().filter(|_| !known.is_gone).and_then(|at| there.get_mut(at));
            let id = known.id;
            let Some(found) = found else {
                known.is_gone = true;
                tell(Event::Lost(id));
                continue;
            };
            known.name = std::mem::take(&mut found.name);
            let log = known.kin.log().map(|log| (log, self.is_there_in(log, "down")));
            tell(Event::Found(id, Shape { down: self.is_there_in(id, "down"), log }));
        }
    }
}
