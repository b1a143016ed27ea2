//! What of the service directories is watched, and what is heard of it.

use super::Directories;
use crate::supervise;
use logic::contract::{Event, ServiceId};
use nix::sys::inotify::{AddWatchFlags, WatchDescriptor};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair,
};
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd};

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
        let watch = self.root_watch.take();
        self.unwatch(watch);
    }

    /// Watch this no more; what was heard of it is of no meaning from now on.
    pub(super) fn unwatch(&self, watch: Option<WatchDescriptor>) {
        if let (Some(inotify), Some(watch)) = (&self.inotify, watch) {
            // Where the directory is gone, so is the watch.
            let _ = inotify.rm_watch(watch);
        }
    }

    /// Whether changes are noticed; if not, every verb is a reason to look.
    pub fn are_watched(&self) -> bool {
        self.root_watch.is_some()
    }

    /// Time has passed since the directories were looked at.
    pub fn have_slept(&mut self) {
        self.found_now = ServiceId(self.next);
        self.plain.set(None);
    }

    /// What inotify says.
    pub fn hear_changes(&mut self) -> Vec<Event> {
        let Some(inotify) = &self.inotify else { return Vec::new() };
        let (mut events, mut hurt) = (Vec::new(), Vec::new());
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
                } else if !event.name.is_some_and(|name| supervise::is_unfinished(&name)) {
                    hurt.push(event.wd);
                }
            }
        }
        // One look at all services for all that was heard: who deletes hundreds is heard at once.
        hurt.sort_unstable();
        let is_hurt = |watch| hurt.binary_search(&watch).is_ok();
        let known = self.known.iter().filter(|_| !hurt.is_empty());
        let hurt = known.filter(|known| known.watch.is_some_and(is_hurt));
        events.extend(hurt.map(|known| Event::Hurt(known.id)));
        events.dedup();
        events
    }

    /// We end now. Whoever closes an inotify descriptor waits some 15 ms in the kernel, until no
    /// processor can be looking at its watches any more: longer than the whole of a quick stop. So
    /// leave it to the kernel to close: one end of a pair of sockets goes through that very pair,
    /// and the descriptor with it. Nobody can receive what only reaches itself (unix(7)): the
    /// kernel's collector finds it once both ends are closed here.
    pub fn abandon_watches(&mut self) {
        let pair = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC);
        let (Some(inotify), Ok((near, far))) = (self.inotify.take(), pair) else { return };
        let passed = [inotify.as_fd().as_raw_fd(), far.as_raw_fd()];
        let (bytes, passed) = ([IoSlice::new(&[0])], [ControlMessage::ScmRights(&passed)]);
        // Where this is refused the end takes longer, and that is all.
        let _ = sendmsg::<()>(near.as_raw_fd(), &bytes, &passed, MsgFlags::empty(), None);
        // Before the pair: whoever closes it last is the one who waits.
        drop(inotify);
    }
}
