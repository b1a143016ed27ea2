//! A child of a program that is not PID 1: started, and waited for.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{PidfdFlags, pidfd_open};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Run `./NAME` in a directory and wait for its end: an ordinary child of a program that is not
/// PID 1, with our environment and without a standard output. Whether it succeeded; one that is
/// not over at the deadline is killed, and did not.
///
/// # Errors
/// It could not be started.
pub fn ask(directory: &Path, name: &str, deadline: Option<Instant>) -> std::io::Result<bool> {
    let mut command = std::process::Command::new(Path::new(".").join(name));
    let mut child = command.current_dir(directory).stdout(Stdio::null()).spawn()?;
    let number = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let end = number.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        let now = Instant::now();
        if deadline.is_some_and(|deadline| deadline <= now) {
            // Whoever inherits it will collect it: it may take its time, being on a hung disk.
            child.kill()?;
            return Ok(false);
        }
        // Not every sandbox tells the end of a process (pidfd_open(2)); then look every 20 ms.
        let soon = now.checked_add(Duration::from_millis(20));
        let wake = if end.is_some() { deadline } else { soon.min(deadline.or(soon)) };
        let mut ends: Vec<_> =
            end.iter().map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN)).collect();
        // Whatever woke us, the child is asked.
        let _ = poll(&mut ends, until(wake));
    }
}

/// How long poll(2) may wait until that moment; for ever where there is none. Rounded up: waking
/// early would be polling.
pub fn until(moment: Option<Instant>) -> PollTimeout {
    let Some(moment) = moment else { return PollTimeout::NONE };
    let wait = moment.saturating_duration_since(Instant::now());
    let wait = wait.saturating_add(Duration::from_micros(999));
    PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX)
}
