//! The service directories: found, watched, and served.

use crate::doing::{Doing, Error};
use crate::say;
use crate::service::{Directory, Identity, Location, Name};
use crate::supervise::{Elsewhere, Supervise};
use logic::contract::{Event, Kin, Program, ServiceId, Shape};
use logic::status::Status;
use logic::verbs::Verb;
use nix::fcntl::OFlag;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use nix::unistd::pipe2;
use rustix::fs::{Access, FileType, Stat, access, stat};
use rustix::io::Errno;
use std::cell::Cell;
use std::ffi::CStr;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

mod look;
mod watch;

/// Descriptors kept free for everything else.
const RESERVE: u64 = 16;
/// What epoll calls the FIFO of service 0; below it stand the sources that are no service.
pub const FIRST: u64 = 16;

/// Each stands alone: a list of them that grows would be copied, and leave a hole in memory as long
/// as itself.
#[allow(clippy::vec_box)]
type Table = Vec<Box<Directory>>;

/// All of them.
pub struct Directories {
    root: PathBuf,
    /// In rising order of their numbers.
    known: Table,
    next: u32,
    /// From this number on they have been found since we slept: no need to look again already.
    found_now: ServiceId,
    /// The one that was seen last to have no `control/`, since we slept: a verb asks twice.
    plain: Cell<Option<ServiceId>>,
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
            known: Vec::new(),
            next: 0,
            found_now: ServiceId(0),
            plain: Cell::new(None),
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

    /// A service's log service, if it has come since the service was found: whoever makes a service
    /// directory makes `log` in it a moment later.
    pub fn look_for_log(&mut self, id: ServiceId) -> Option<Event> {
        let known = self.get(id)?;
        if known.kin != Kin::None || known.is_gone || id >= self.found_now {
            return None;
        }
        let log = self.add_log(id)?;
        let down = self.is_there_in(id, "down");
        Some(Event::Found(id, Shape { down, log: Some(log) }))
    }

    fn add_log(&mut self, id: ServiceId) -> Option<(ServiceId, bool)> {
        self.ask_in(id, &[b"log"], |path| stat(path)).filter(is_directory)?;
        let name = Location { is_log: true, ..self.at(id)? }.name();
        let identity = self.get(id)?.identity;
        let pipe = self.pipe(&name);
        let log = Directory::new(Name::default(), identity, Kin::LogOf(id));
        let log = self.insert(Box::new(Directory { pipe, ..log }));
        if let Some(service) = self.get_mut(id) {
            service.kin = Kin::Log(log);
        }
        Some((log, self.is_there_in(log, "down")))
    }

    fn insert(&mut self, mut directory: Box<Directory>) -> ServiceId {
        let id = ServiceId(self.next);
        self.next = self.next.wrapping_add(1);
        directory.id = id;
        if let Err(at) = self.known.binary_search_by_key(&id, |known| known.id) {
            self.known.insert(at, directory);
        }
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
        let all: Vec<ServiceId> = self.known.iter().rev().map(|known| known.id).collect();
        for &id in &all {
            self.open_one(id, epoll);
        }
        all
    }

    fn open_one(&mut self, id: ServiceId, epoll: &Epoll) {
        let Some((path, name)) = self.at(id).map(|at| (at.path(), at.name())) else { return };
        match Supervise::open(&path, &name, &mut self.elsewhere) {
            Ok(supervise) if descriptor(supervise.control()) > self.limit => {
                self.say_once(&format!(
                    "{name}: no descriptor is left for it; it runs, but sv cannot control it"
                ));
            }
            opened => {
                let held = opened.and_then(|supervise| self.hold(id, &path, supervise, epoll));
                if let Err(error) = held {
                    self.say_once(&format!("{error}; it runs, but sv cannot control it"));
                }
            }
        }
    }

    /// Wait for verbs, and for somebody to delete something of it.
    fn hold(
        &mut self,
        id: ServiceId,
        service: &Path,
        supervise: Supervise,
        epoll: &Epoll,
    ) -> Result<(), Error> {
        let directory = supervise.directory(service);
        let event = EpollEvent::new(EpollFlags::EPOLLIN, FIRST + u64::from(id.0));
        epoll.add(supervise.control().as_fd(), event).doing("wait for", &directory)?;
        let gone = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_DELETE_SELF;
        let inotify = self.inotify.as_ref();
        let watch = inotify.and_then(|inotify| inotify.add_watch(&directory, gone).ok());
        if let Some(known) = self.get_mut(id) {
            known.watch = watch;
            known.supervise = Some(supervise);
        }
        Ok(())
    }

    /// Show what is seen of a service. One that nobody can look at yet is opened first.
    pub fn publish(&mut self, id: ServiceId, status: &Status, epoll: &Epoll) -> Option<Event> {
        // Another directory may be where its own was.
        if !self.open || self.service(id)?.is_gone {
            return None;
        }
        if self.get(id)?.supervise.is_none() {
            self.open_one(id, epoll);
        }
        let path = self.at(id)?.path();
        let error = self.get(id)?.supervise.as_ref()?.publish(&path, status).err()?;
        if !self.is_there(id) {
            return None;
        }
        self.say_once(&format!("{error}; sv may see an old status"));
        Some(Event::NotShown(id))
    }

    /// What came through `control`.
    pub fn read(&mut self, id: ServiceId) -> Vec<Event> {
        let supervise = self.get_mut(id).and_then(|known| known.supervise.as_mut());
        let bytes = supervise.map(Supervise::read).unwrap_or_default();
        let verbs = bytes.into_iter().filter_map(Verb::from_byte);
        verbs.map(|verb| Event::Verb(id, verb)).collect()
    }

    /// Serve anew what was deleted, unless all is gone with its service directory.
    pub fn heal(&mut self, id: ServiceId, epoll: &Epoll) -> Option<Event> {
        if !self.is_there(id) {
            return None;
        }
        let path = self.at(id)?.path();
        let watch = self.get_mut(id)?.watch.take();
        self.unwatch(watch);
        let renewed = self.get_mut(id)?.supervise.as_mut()?.renew(&path);
        let held = renewed.and_then(|supervise| self.hold(id, &path, supervise, epoll));
        let supervise = self.get_mut(id)?.supervise.as_mut()?;
        let Err(error) = held else {
            // Of what was deleted while nothing was watched nobody has told us.
            return (!supervise.is_whole(&path)).then_some(Event::Hurt(id));
        };
        supervise.lock_again(&path);
        self.say_once(&format!("{error}; until it can be, sv cannot control it"));
        Some(Event::NotShown(id))
    }

    /// Whether the directory that was found is where it was, and no other in its place.
    fn is_there(&self, id: ServiceId) -> bool {
        let Some(service) = self.service(id).filter(|service| !service.is_gone) else {
            return false;
        };
        let found = self.ask_in(service.id, &[], |path| stat(path));
        found.is_some_and(|found| identity(&found) == service.identity)
    }

    /// Close our ends of the pipe to a log service: its end of file.
    pub fn close_log(&mut self, id: ServiceId) {
        if let Some(directory) = self.get_mut(id) {
            directory.pipe = None;
        }
    }

    /// Close what is held for a service. Whether another waits for its place.
    pub fn forget(&mut self, id: ServiceId) -> bool {
        let Some(at) = self.position(id) else { return false };
        let directory = self.known.remove(at);
        self.unwatch(directory.watch);
        self.waiting
    }

    fn position(&self, id: ServiceId) -> Option<usize> {
        self.known.binary_search_by_key(&id, |known| known.id).ok()
    }

    fn get(&self, id: ServiceId) -> Option<&Directory> {
        self.known.get(self.position(id)?).map(Box::as_ref)
    }

    fn get_mut(&mut self, id: ServiceId) -> Option<&mut Directory> {
        let at = self.position(id)?;
        self.known.get_mut(at).map(Box::as_mut)
    }

    /// It, or the one whose log service it is.
    fn service(&self, id: ServiceId) -> Option<&Directory> {
        let known = self.get(id)?;
        match known.kin {
            Kin::LogOf(service) => self.get(service),
            Kin::None | Kin::Log(_) => Some(known),
        }
    }

    /// Where one of them is.
    pub fn at(&self, id: ServiceId) -> Option<Location<'_>> {
        let (known, service) = (self.get(id)?, self.service(id)?);
        Some(Location {
            root: &self.root,
            service: service.name.as_os_str(),
            is_log: known.kin.log_of().is_some(),
        })
    }

    /// Whether a script is there to be started. `run` is always tried, so that it is said why not;
    /// as with runit, `finish` has to be readable, and `control/X` executable. Nothing is opened:
    /// that could take for ever, and this is PID 1.
    pub fn has(&self, id: ServiceId, program: Program) -> bool {
        let may =
            |pieces: &[&[u8]], flags| self.ask_in(id, pieces, |file| access(file, flags)).is_some();
        match program {
            Program::Run => self.get(id).is_some(),
            Program::Finish(..) => may(&[b"finish"], Access::READ_OK),
            Program::Control(letter) => {
                if self.plain.get() != Some(id) && !may(&[b"control"], Access::EXISTS) {
                    self.plain.set(Some(id));
                }
                self.plain.get() != Some(id) && may(&[b"control/", &[letter]], Access::EXEC_OK)
            }
        }
    }

    fn is_there_in(&self, id: ServiceId, file: &str) -> bool {
        self.ask_in(id, &[file.as_bytes()], |path| stat(path)).is_some()
    }

    /// Ask the kernel about a directory, or about a file in it whose name is in pieces.
    fn ask_in<T>(
        &self,
        id: ServiceId,
        file: &[&[u8]],
        question: impl FnOnce(&CStr) -> Result<T, Errno>,
    ) -> Option<T> {
        self.at(id)?.ask(file, |path| question(path).ok())
    }

    /// What a service reads, if it is a log service: its pipe.
    pub fn input(&self, id: ServiceId) -> Option<BorrowedFd<'_>> {
        let pipe = self.get(id)?.pipe.as_ref()?;
        Some(pipe.0.as_fd())
    }

    /// Where a service writes, if it has a log service: that one's pipe.
    pub fn output(&self, id: ServiceId) -> Option<BorrowedFd<'_>> {
        let pipe = self.get(self.get(id)?.kin.log()?)?.pipe.as_ref()?;
        Some(pipe.1.as_fd())
    }
}

fn is_directory(file: &Stat) -> bool {
    FileType::from_raw_mode(file.st_mode).is_dir()
}

fn identity(file: &Stat) -> Identity {
    (file.st_dev, file.st_ino)
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
