//! One service directory, or the `log` in it: where it is, what it is called, and its scripts.

use crate::supervise::Supervise;
use logic::contract::{Program, ServiceId};
use logic::words::Exit;
use nix::sys::inotify::WatchDescriptor;
use nix::unistd::{AccessFlags, access};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// What tells one directory from another, whatever it is called: its device and its inode.
pub type Identity = (u64, u64);

/// A directory that is served.
pub struct Directory {
    /// Its path, which a rename changes.
    pub path: PathBuf,
    /// Its name, as `sv` and messages say it.
    pub name: String,
    /// Whatever it is called.
    pub identity: Identity,
    /// A service's log service.
    pub log: Option<ServiceId>,
    /// It is the `log` of another.
    pub is_log: bool,
    /// A log service's pipe: kept open at both ends, so that it survives either side's restart.
    pub pipe: Option<(OwnedFd, OwnedFd)>,
    /// What `sv` sees, once it is open.
    pub supervise: Option<Supervise>,
    /// The watch on that.
    pub watch: Option<WatchDescriptor>,
    /// It is there no longer; another may be in its place.
    pub is_gone: bool,
}

impl Directory {
    /// A directory that nobody can look at yet.
    pub fn new(path: PathBuf, name: String, identity: Identity) -> Directory {
        Directory {
            path,
            name,
            identity,
            log: None,
            is_log: false,
            pipe: None,
            supervise: None,
            watch: None,
            is_gone: false,
        }
    }

    /// It was renamed: what stands in it has gone with it.
    pub fn rename(&mut self, path: PathBuf, name: String) {
        if let Some(supervise) = self.supervise.as_mut() {
            supervise.rename(&self.path, &path);
        }
        self.path = path;
        self.name = name;
    }

    /// Whether the script is there to be started. `run` is always tried, so that it is said why
    /// not; as with runit, `finish` has to be readable, and `control/X` executable. Nothing is
    /// opened: that could take for ever, and this is PID 1.
    pub fn has(&self, program: Program) -> bool {
        let file = self.path.join(script(program));
        match program {
            Program::Run => true,
            Program::Finish(..) => access(&file, AccessFlags::R_OK).is_ok(),
            Program::Control(_) => access(&file, AccessFlags::X_OK).is_ok(),
        }
    }

    /// The words to start it with.
    pub fn words(&self, program: Program) -> Vec<Vec<u8>> {
        let mut words = vec![script(program).into_bytes()];
        if let Program::Finish(exit, pid) = program {
            // runit's two; then, as s6 has them, the name and the process group.
            let (code, signal) = match exit {
                Exit::Code(code) => (i32::from(code), 0),
                Exit::Signal(signal) => (-1, signal.0),
            };
            let more = [code.to_string(), signal.to_string(), self.name.clone(), pid.to_string()];
            words.extend(more.map(String::into_bytes));
        }
        words
    }
}

/// The file of a program, seen from the service directory.
fn script(program: Program) -> String {
    match program {
        Program::Run => "./run".to_string(),
        Program::Finish(..) => "./finish".to_string(),
        Program::Control(letter) => format!("./control/{}", char::from(letter)),
    }
}
