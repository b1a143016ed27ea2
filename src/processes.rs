//! The processes that there are: collected, signalled, looked for.
//!
//! `kill(-1)` reaches everybody in a PID namespace, so it is for PID 1 only. Anywhere else we are a
//! subreaper, and know our own by walking /proc.

use logic::contract::Left;
use logic::words::{Exit, Pid, Signal};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use rustix::process::{WaitOptions, wait};
use std::collections::BTreeMap;

/// Be told the end of every orphan among our descendants, as PID 1 is anyway (prctl(2)).
pub fn adopt_orphans() {
    if !is_first() {
        // Kernels before 3.4 have no such thing; then orphans go to the real PID 1.
        let _ = nix::sys::prctl::set_child_subreaper(true);
    }
}

/// Whether we are PID 1.
pub fn is_first() -> bool {
    nix::unistd::getpid().as_raw() == 1
}

/// What became of a child.
pub enum Fate {
    /// It has ended, and is collected.
    Ended(Exit),
    /// Its terminal has stopped it: Ctrl-Z, or a read in the background.
    Stopped,
}

/// The next news of a child, if there is any.
///
/// Not through nix: it has no name for a real-time signal, and would lose a child killed by one.
pub fn next_news() -> Option<(Pid, Fate)> {
    loop {
        let (pid, status) = match wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
            Ok(found) => found?,
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return None,
        };
        let pid = Pid(pid.as_raw_nonzero().get());
        let number = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
        let code = status.exit_status().map(|code| Exit::Code(number(code)));
        let killed = status.terminating_signal().map(|signal| Exit::Signal(Signal(number(signal))));
        if let Some(exit) = code.or(killed) {
            return Some((pid, Fate::Ended(exit)));
        }
        // One that somebody stopped with STOP is meant to stand still.
        if status.stopping_signal().is_some_and(|signal| signal != nix::libc::SIGSTOP) {
            return Some((pid, Fate::Stopped));
        }
    }
}

/// Send a signal to one process of ours. That it has just ended is no failure.
pub fn signal(Pid(pid): Pid, signal: Signal) {
    let Ok(signal) = nix::sys::signal::Signal::try_from(i32::from(signal.0)) else { return };
    let _ = kill(nix::unistd::Pid::from_raw(pid), signal);
}

/// Send a signal to everybody who is left: as PID 1 to all, else to our descendants.
pub fn signal_all(to_all: Signal) {
    if is_first() {
        signal(Pid(-1), to_all);
    } else {
        for pid in descendants() {
            signal(pid, to_all);
        }
    }
}

/// Who is left.
pub fn left() -> Left {
    let none = waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT);
    if none != Err(Errno::ECHILD) {
        return Left::Children;
    }
    let nobody = kill(nix::unistd::Pid::from_raw(-1), None) == Err(Errno::ESRCH);
    // A subreaper without children has no descendants; what else there is, is not ours. Nor is what
    // we may not signal: the kernel ends it with us.
    if !is_first() || nobody || (!is_root() && !all().any(may_signal)) {
        Left::Nobody
    } else {
        Left::Strangers
    }
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether a process beside us is one that we may signal.
fn may_signal(pid: i32) -> bool {
    pid != 1 && kill(nix::unistd::Pid::from_raw(pid), None).is_ok()
}

/// The signals that a process ignores, a bit each (proc(5): SigIgn).
pub fn ignored(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Whether the process ignores the signal; where there is no /proc, no.
pub fn is_ignored(Pid(pid): Pid, signal: Signal) -> bool {
    let mask = ignored(&pid.to_string()).unwrap_or(0);
    let bit = u32::from(signal.0).saturating_sub(1);
    mask.checked_shr(bit).is_some_and(|mask| mask & 1 == 1)
}

/// All our descendants, as /proc has them this moment; none where there is no /proc.
fn descendants() -> Vec<Pid> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for pid in all() {
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = children.remove(&nix::unistd::getpid().as_raw()).unwrap_or_default();
    let mut looked_at = 0;
    while let Some(&pid) = found.get(looked_at) {
        found.extend(children.remove(&pid).unwrap_or_default());
        looked_at += 1;
    }
    found.into_iter().map(Pid).collect()
}

/// The ids of all processes in /proc.
pub fn all() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The parent's id: the second field behind the name, which is in parentheses and may hold any
/// byte (proc(5)).
fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let behind = stat.rsplit(|&b| b == b')').next()?;
    let fields = std::str::from_utf8(behind).ok()?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}
