//! The service directories: found, watched, and served.

use crate::doing::Doing;
use crate::say;
use crate::service::{Directory, Identity};
use crate::supervise::{Elsewhere, Supervise};
use logic::contract::{Event, ServiceId, Shape};
use logic::status::Status;
use logic::verbs::Verb;
use logic::words::Shown;
use nix::fcntl::OFlag;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use nix::unistd::pipe2;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

mod watch;

/// Descriptors kept free for everything else.
const RESERVE: u64 = 16;
/// What epoll calls the FIFO of service 0; below it stand the sources that are no service.
pub const FIRST: u64 = 16;

/// All of them.
pub struct Directories {
    root: PathBuf,
    known: BTreeMap<ServiceId, Directory>,
    next: u32,
    inotify: Option<Inotify>,
    root_watch: Option<WatchDescriptor>,
    /// It is the service directory that is watched, not the one it would appear in.
    root_is_there: bool,
    elsewhere: Elsewhere,
    /// From now on somebody may look.
    open: bool,
    /// A directory waits for the end of its predecessor of the same name.
    waiting: bool,
    /// The highest descriptor that a service may take.
    limit: u64,
    said: Vec<String>,
}

impl Directories {
    /// None yet. No descriptor above the `limit` is theirs; changes come as `token`.
    pub fn new(limit: u64, epoll: &Epoll, token: u64) -> Directories {
        let mut all = Directories {
            root: PathBuf::new(),
            known: BTreeMap::new(),
            next: 0,
            inotify: Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok(),
            root_watch: None,
            root_is_there: false,
            elsewhere: Elsewhere::default(),
            open: false,
            waiting: false,
            limit: limit.saturating_sub(RESERVE),
            said: Vec::new(),
        };
        let is_heard = all.inotify.as_ref().is_some_and(|inotify| {
            epoll.add(inotify.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, token)).is_ok()
        });
        if !is_heard {
            all.inotify = None;
        }
        all
    }

    /// They are in `root`.
    pub fn settle(&mut self, root: PathBuf) {
        self.root = root;
        self.watch_root();
    }

    fn say_once(&mut self, line: &str) {
        if !self.said.iter().any(|said| said == line) {
            say::warning(line);
            // As many different ones as somebody would still read.
            if self.said.len() < 100 {
                self.said.push(line.to_string());
            }
        }
    }

    /// Look at the directories: what is there, and what is there no longer.
    pub fn scan(&mut self) -> Vec<Event> {
        if self.root_watch.is_none() || !self.root_is_there {
            self.unwatch_root();
            self.watch_root();
        }
        let mut events = Vec::new();
        let mut there = self.look();
        for (&id, directory) in self.known.iter_mut().filter(|(_, known)| !known.is_log) {
            // One that is gone has left its number to others.
            let found = if directory.is_gone { None } else { there.remove(&directory.identity) };
            match found {
                Some((name, path)) => {
                    directory.rename(path, name);
                    let down = directory.path.join("down").exists();
                    let log = directory.log.map(|log| (log, false));
                    events.push(Event::Found(id, Shape { down, log }));
                }
                None => {
                    directory.is_gone = true;
                    events.push(Event::Lost(id));
                }
            }
        }
        self.lose_logs();
        self.rename_logs(&mut events);
        for id in self.known.keys().copied().collect::<Vec<_>>() {
            events.extend(self.look_for_log(id));
        }
        let mut new: Vec<_> = there.into_iter().collect();
        new.sort_by(|(_, (a, _)), (_, (b, _))| a.cmp(b));
        self.waiting = false;
        let taken: BTreeSet<String> = self.known.values().map(|known| known.name.clone()).collect();
        for (identity, (name, path)) in new {
            if taken.contains(&name) {
                // Its predecessor has to end first.
                self.waiting = true;
                continue;
            }
            events.push(self.add(identity, name, path));
        }
        events
    }

    /// What is there now.
    fn look(&mut self) -> BTreeMap<Identity, (String, PathBuf)> {
        let mut there: BTreeMap<Identity, (String, PathBuf)> = BTreeMap::new();
        let mut names: Vec<_> = fs::read_dir(&self.root)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.file_name())
            .collect();
        names.sort();
        for name in names {
            let path = self.root.join(&name);
            let name = Shown(name.as_encoded_bytes()).to_string();
            let Ok(meta) = fs::metadata(&path) else { continue };
            if name.starts_with('.') || !meta.is_dir() {
                continue;
            }
            let identity = (meta.dev(), meta.ino());
            if let Some((other, _)) = there.get(&identity) {
                let line = format!("{name} is the directory of {other}; it is served once");
                self.say_once(&line);
                continue;
            }
            there.insert(identity, (name, path));
        }
        there
    }

    /// With a service directory goes its log service.
    fn lose_logs(&mut self) {
        let gone: Vec<ServiceId> = self
            .known
            .values()
            .filter(|known| known.is_gone)
            .filter_map(|known| known.log)
            .collect();
        for log in gone {
            if let Some(log) = self.known.get_mut(&log) {
                log.is_gone = true;
            }
        }
    }

    /// A log service goes where its service goes.
    fn rename_logs(&mut self, events: &mut [Event]) {
        for event in events {
            let Event::Found(id, Shape { log: Some((log, down)), .. }) = event else { continue };
            let Some(service) = self.known.get(id) else { continue };
            let (name, path) = (format!("{}/log", service.name), service.path.join("log"));
            if let Some(directory) = self.known.get_mut(log) {
                *down = path.join("down").exists();
                directory.rename(path, name);
            }
        }
    }

    fn add(&mut self, identity: Identity, name: String, path: PathBuf) -> Event {
        let down = path.join("down").exists();
        let id = self.insert(Directory::new(path, name, identity));
        Event::Found(id, Shape { down, log: self.add_log(id) })
    }

    /// A service's log service, if it has come since the service was found: whoever makes a service
    /// directory makes `log` in it a moment later.
    pub fn look_for_log(&mut self, id: ServiceId) -> Option<Event> {
        let wants_one = |known: &&Directory| !known.is_log && !known.is_gone && known.log.is_none();
        let directory = self.known.get(&id).filter(wants_one)?;
        let down = directory.path.join("down").exists();
        let log = self.add_log(id)?;
        Some(Event::Found(id, Shape { down, log: Some(log) }))
    }

    fn add_log(&mut self, id: ServiceId) -> Option<(ServiceId, bool)> {
        let service = self.known.get(&id)?;
        let path = service.path.join("log");
        if !path.is_dir() {
            return None;
        }
        let (name, identity) = (format!("{}/log", service.name), service.identity);
        let down = path.join("down").exists();
        let pipe = self.pipe(&name);
        let log = Directory { pipe, is_log: true, ..Directory::new(path, name, identity) };
        let log = self.insert(log);
        if let Some(service) = self.known.get_mut(&id) {
            service.log = Some(log);
        }
        Some((log, down))
    }

    fn insert(&mut self, directory: Directory) -> ServiceId {
        let id = ServiceId(self.next);
        self.next = self.next.wrapping_add(1);
        self.known.insert(id, directory);
        id
    }

    fn pipe(&mut self, name: &str) -> Option<(OwnedFd, OwnedFd)> {
        let pipe = pipe2(OFlag::O_CLOEXEC);
        if let Err(errno) = pipe {
            self.say_once(&format!("{name}: cannot make its log pipe: {}", errno.desc()));
        }
        pipe.ok()
    }

    /// From now on somebody may look: make and hold `supervise/` of every service.
    /// Which they are.
    pub fn open(&mut self, epoll: &Epoll) -> Vec<ServiceId> {
        self.open = true;
        // A log service before its service: whoever may ask the one finds the other.
        let all: Vec<ServiceId> = self.known.keys().rev().copied().collect();
        for &id in &all {
            self.open_one(id, epoll);
        }
        all
    }

    fn open_one(&mut self, id: ServiceId, epoll: &Epoll) {
        let Some(directory) = self.known.get_mut(&id) else { return };
        let opened = Supervise::open(&directory.path, &directory.name, &mut self.elsewhere)
            .and_then(|supervise| {
                let event = EpollEvent::new(EpollFlags::EPOLLIN, FIRST + u64::from(id.0));
                let added = epoll.add(supervise.control().as_fd(), event);
                added.doing("wait for", supervise.directory()).map(|()| supervise)
            });
        match opened {
            Ok(supervise) if descriptor(supervise.control()) > self.limit => {
                let line = format!(
                    "{}: no descriptor is left for it; it runs, but sv cannot control it",
                    directory.name
                );
                self.say_once(&line);
            }
            Ok(supervise) => {
                let gone = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_DELETE_SELF;
                let watch = self
                    .inotify
                    .as_ref()
                    .and_then(|inotify| inotify.add_watch(supervise.directory(), gone).ok());
                directory.watch = watch;
                directory.supervise = Some(supervise);
            }
            Err(error) => {
                let line = format!("{error}; it runs, but sv cannot control it");
                self.say_once(&line);
            }
        }
    }

    /// Show what is seen of a service. One that nobody can look at yet is opened first.
    pub fn publish(&mut self, id: ServiceId, status: &Status, epoll: &Epoll) -> Option<Event> {
        // Another directory may be where its own was.
        if !self.open || self.known.get(&id).is_none_or(|known| known.is_gone) {
            return None;
        }
        if self.known.get(&id).is_some_and(|directory| directory.supervise.is_none()) {
            self.open_one(id, epoll);
        }
        let supervise = self.known.get(&id).and_then(|directory| directory.supervise.as_ref());
        let error = supervise?.publish(status).err()?;
        if !self.is_there(id) {
            return None;
        }
        self.say_once(&format!("{error}; sv may see an old status"));
        Some(Event::NotShown(id))
    }

    /// What came through `control`.
    pub fn read(&mut self, id: ServiceId) -> Vec<Event> {
        let supervise = self.known.get_mut(&id).and_then(|known| known.supervise.as_mut());
        let bytes = supervise.map(Supervise::read).unwrap_or_default();
        let verbs = bytes.into_iter().filter_map(Verb::from_byte);
        verbs.map(|verb| Event::Verb(id, verb)).collect()
    }

    /// Serve anew what was deleted, unless all is gone with its service directory.
    pub fn heal(&mut self, id: ServiceId, epoll: &Epoll) {
        if !self.is_there(id) {
            return;
        }
        if let Some(directory) = self.known.get_mut(&id) {
            directory.supervise = None;
            directory.watch = None;
        }
        self.open_one(id, epoll);
    }

    /// Whether the directory that was found is where it was, and no other in its place.
    fn is_there(&self, id: ServiceId) -> bool {
        let Some(known) = self.known.get(&id).filter(|known| !known.is_gone) else { return false };
        let service = if known.is_log { known.path.parent() } else { Some(known.path.as_path()) };
        let found = service.and_then(|service| fs::metadata(service).ok());
        found.is_some_and(|found| (found.dev(), found.ino()) == known.identity)
    }

    /// Close our ends of the pipe to a log service: its end of file.
    pub fn close_log(&mut self, id: ServiceId) {
        if let Some(directory) = self.known.get_mut(&id) {
            directory.pipe = None;
        }
    }

    /// Close what is held for a service. Whether another waits for its place.
    pub fn forget(&mut self, id: ServiceId) -> bool {
        let Some(directory) = self.known.remove(&id) else { return false };
        if let (Some(inotify), Some(watch)) = (&self.inotify, directory.watch) {
            // The directory may be gone, and the watch with it.
            let _ = inotify.rm_watch(watch);
        }
        self.waiting
    }

    /// One of them.
    pub fn get(&self, id: ServiceId) -> Option<&Directory> {
        self.known.get(&id)
    }

    /// What a service reads, if it is a log service: its pipe.
    pub fn input(&self, id: ServiceId) -> Option<BorrowedFd<'_>> {
        let pipe = self.known.get(&id)?.pipe.as_ref()?;
        Some(pipe.0.as_fd())
    }

    /// Where a service writes, if it has a log service: that one's pipe.
    pub fn output(&self, id: ServiceId) -> Option<BorrowedFd<'_>> {
        let log = self.known.get(&id)?.log?;
        let pipe = self.known.get(&log)?.pipe.as_ref()?;
        Some(pipe.1.as_fd())
    }
}

fn descriptor(file: &fs::File) -> u64 {
    u64::try_from(file.as_raw_fd()).unwrap_or(u64::MAX)
}

/// Where services are: the service directory, or what SVDIR says.
pub fn root(environment: &logic::environment::Environment) -> PathBuf {
    match environment.get(b"SVDIR") {
        Some(directory) if !directory.is_empty() => crate::spawn::path(directory).to_path_buf(),
        _ => PathBuf::from("/etc/service"),
    }
}
