//! One service directory, or the `log` in it: where it is, what it is called, and its scripts.

use crate::supervise::Supervise;
use logic::contract::{Kin, Program, ServiceId};
use logic::words::{Exit, Shown};
use nix::sys::inotify::WatchDescriptor;
use std::ffi::{CStr, OsStr};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

mod name;

pub use name::Name;

/// What tells one directory from another, whatever it is called: its device and its inode.
pub type Identity = (u64, u64);

/// A directory that is served. There are hundreds: what can be told from something else is not in
/// here, its path for one.
pub struct Directory {
    /// Its number.
    pub id: ServiceId,
    /// The name of its file, which a rename changes; nothing for a log service.
    pub name: Name,
    /// Whatever it is called; a log service's is that of its service.
    pub identity: Identity,
    /// Whom it belongs with.
    pub kin: Kin,
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
    pub fn new(name: Name, identity: Identity, kin: Kin) -> Directory {
        Directory {
            id: ServiceId(0),
            name,
            identity,
            kin,
            pipe: None,
            supervise: None,
            watch: None,
            is_gone: false,
        }
    }
}

/// Where a directory is: its path, in the pieces that are kept of it.
#[derive(Clone, Copy)]
pub struct Location<'a> {
    /// Where all service directories are.
    pub root: &'a Path,
    /// The name of the service directory.
    pub service: &'a OsStr,
    /// It is the `log` in it.
    pub is_log: bool,
}

impl Location<'_> {
    /// Its path, or that of a file in it whose name is in pieces, for a question to the kernel.
    ///
    /// It is put together on the stack: services are started one after the other, and each page of
    /// the heap that is written between two forks is copied. (No NUL is in it: its pieces are names
    /// of files, and values of variables.)
    pub fn ask<T>(self, file: &[&[u8]], question: impl FnOnce(&CStr) -> T) -> T {
        let directory = if self.is_log { b"/log/".as_slice() } else { b"/" };
        let root = self.root.as_os_str().as_encoded_bytes();
        let first = [root, b"/", self.service.as_encoded_bytes(), directory];
        let pieces = || first.iter().chain(file).copied();
        let mut short = [0; 256];
        let mut free = short.as_mut_slice();
        if pieces().all(|piece| free.write_all(piece).is_ok()) && !free.is_empty() {
            return question(CStr::from_bytes_until_nul(&short).unwrap_or_default());
        }
        let long: Vec<u8> = pieces().chain([b"\0".as_slice()]).flatten().copied().collect();
        question(CStr::from_bytes_until_nul(&long).unwrap_or_default())
    }

    /// In one piece.
    pub fn path(self) -> PathBuf {
        let path = inside(self.root, self.service);
        if self.is_log { inside(&path, "log") } else { path }
    }

    /// As `sv` and messages say it.
    pub fn name(self) -> String {
        let name = Shown(self.service.as_encoded_bytes());
        if self.is_log { format!("{name}/log") } else { name.to_string() }
    }

    /// The words to start a program of it with.
    pub fn words(self, program: Program) -> Vec<Vec<u8>> {
        let (exit, pid) = match program {
            Program::Run => return vec![RUN.to_vec()],
            Program::Control(letter) => return vec![[b"./control/", &[letter][..]].concat()],
            Program::Finish(exit, pid) => (exit, pid),
        };
        // runit's two; then, as s6 has them, the name and the process group.
        let (code, signal) = match exit {
            Exit::Code(code) => (i32::from(code), 0),
            Exit::Signal(signal) => (-1, signal.0),
        };
        let (code, signal) = (code.to_string(), signal.to_string());
        let words = ["./finish".to_string(), code, signal, self.name(), pid.to_string()];
        words.map(String::into_bytes).to_vec()
    }
}

/// A path in a directory, in a piece of memory that never has to grow: a small piece that grows at
/// the end of the heap is freed as a larger one, and the next small one makes the heap longer.
pub fn inside(directory: &Path, name: impl AsRef<Path>) -> PathBuf {
    let name = name.as_ref();
    // "/", and ".new" behind some.
    let length = directory.as_os_str().len().saturating_add(name.as_os_str().len());
    let mut path = PathBuf::with_capacity(length.saturating_add(5));
    path.push(directory);
    path.push(name);
    path
}

/// The one word of a `run`.
pub const RUN: &[u8] = b"./run";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundreds_of_services_take_little_room() {
        // With its own eight bytes glibc's allocator makes a piece of 96 of that.
        assert!(size_of::<Directory>() <= 88, "{} bytes", size_of::<Directory>());
    }
}
