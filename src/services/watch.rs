//! What of the service directories is watched, and what is heard of it.

use super::Directories;
use logic::contract::Event;
use nix::sys::inotify::AddWatchFlags;

impl Directories {
    /// Watch the service directory; where there is none, the directory it would appear in.
    pub(super) fn watch_root(&mut self) {
        let flags = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF;
        let is_there = self.root.is_dir();
        let parent = self.root.parent().unwrap_or(&self.root);
        let place = if is_there { &self.root } else { parent };
        let watch = self.inotify.as_ref().and_then(|inotify| inotify.add_watch(place, flags).ok());
        if watch.is_none() && is_there {
            let root = self.root.display();
            self.say_once(&format!("cannot watch {root}; send HUP to look again after a change"));
        }
        self.root_watch = watch;
        self.root_is_there = is_there;
        if !is_there && self.root.is_dir() {
            // It appeared before we watched.
            self.unwatch_root();
            self.watch_root();
        }
    }

    /// Watch neither.
    pub(super) fn unwatch_root(&mut self) {
        if let (Some(inotify), Some(watch)) = (&self.inotify, self.root_watch.take()) {
            // Where the directory is gone, so is the watch.
            let _ = inotify.rm_watch(watch);
        }
    }

    /// Whether changes are noticed; if not, every verb is a reason to look.
    pub fn are_watched(&self) -> bool {
        self.root_watch.is_some()
    }

    /// What inotify says.
    pub fn hear_changes(&mut self) -> Vec<Event> {
        let Some(inotify) = &self.inotify else { return Vec::new() };
        let mut events = Vec::new();
        while let Ok(heard) = inotify.read_events() {
            for event in heard {
                let is_root = Some(event.wd) == self.root_watch;
                let gone = AddWatchFlags::IN_IGNORED
                    | AddWatchFlags::IN_DELETE_SELF
                    | AddWatchFlags::IN_MOVE_SELF;
                if is_root && event.mask.intersects(gone) {
                    // Another may take its place; the next scan watches that.
                    self.root_is_there = false;
                }
                if is_root || event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    events.push(Event::Changed);
                    continue;
                }
                let hurt = self.known.iter().find(|(_, known)| known.watch == Some(event.wd));
                events.extend(hurt.map(|(&id, _)| Event::Hurt(id)));
            }
        }
        events.dedup();
        events
    }
}
