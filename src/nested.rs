//! A my_init that finds another at work in its container (`docker exec C my_init -- CMD`).
//!
//! The first one holds a lock on the root directory for as long as it lives: that works on a
//! read-only root and as any user, and no volume that containers share comes into it. "PID 1 is
//! my_init" would be the wrong question: with `docker run --init` it never is.

use crate::processes;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::os::unix::fs::MetadataExt;

/// The first my_init's own lock, kept for as long as it lives; it is closed on exec.
pub type Lock = Option<Flock<File>>;

/// Whether another my_init runs here; if not, our own lock.
///
/// # Errors
/// The process id of the other.
pub fn lock() -> Result<Lock, i32> {
    let Ok(root) = File::open("/") else { return Ok(None) };
    match Flock::lock(root, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        // A root that several containers share may be locked by a neighbour we cannot see.
        Err(_) => other().map_or(Ok(None), Err),
    }
}

/// Another process of our own binary. Who may not look at its file goes by its name.
fn other() -> Option<i32> {
    let own = nix::unistd::getpid().as_raw();
    let identity = |pid: i32| {
        let file = std::fs::metadata(format!("/proc/{pid}/exe")).ok()?;
        Some((file.dev(), file.ino()))
    };
    let name = |pid: i32| std::fs::read(format!("/proc/{pid}/comm")).ok();
    let (own_identity, own_name) = (identity(own), name(own));
    processes::all().filter(|&pid| pid != own).find(|&pid| match identity(pid) {
        Some(identity) => Some(identity) == own_identity,
        None => name(pid).is_some_and(|name| Some(name) == own_name),
    })
}
