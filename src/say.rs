//! The one way a message is said: a line on standard error that can never hold up who says it.
//!
//! A pipe that nobody reads fills up, and a write to it would block PID 1 for ever. So each line is
//! written in one piece where there is room for it, and lines that found none are counted.

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What a pipe takes in one piece (PIPE_BUF, pipe(7)).
const WHOLE_BYTES: usize = 4096;

static QUIET: AtomicBool = AtomicBool::new(false);
static DROPPED: AtomicU32 = AtomicU32::new(0);

/// From now on say warnings and errors only.
pub fn quietly() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Say what happens in the course of things.
pub fn info(line: &str) {
    if !QUIET.load(Ordering::Relaxed) {
        warning(line);
    }
}

/// Say what somebody should know.
pub fn warning(line: &str) {
    let dropped = DROPPED.swap(0, Ordering::Relaxed);
    if dropped > 0 && !write(&format!("*** {dropped} messages were lost: nobody read them\n")) {
        DROPPED.fetch_add(dropped, Ordering::Relaxed);
    }
    if !write(&format!("*** {line}\n")) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Say what is wrong, for a program that is about to end because of it.
pub fn error(line: &str) {
    write(&format!("{line}\n"));
}

/// Print the answer to a question, such as `--help`, on standard output.
///
/// # Errors
/// Standard output is closed or full.
pub fn answer(text: &str) -> std::io::Result<()> {
    use std::io::Write;
    std::io::stdout().write_all(text.as_bytes())
}

/// Whether a person reads what we answer.
pub fn is_for_people() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stdout())
}

/// Standard error once more, for ourselves: a description of our own does not block, and leaves the
/// one that we share with everybody as it is. Only of a pipe and a terminal: a file would be
/// written from its beginning. `None` too where we may not open it, or it is a socket.
fn own_stderr() -> Option<&'static File> {
    static OWN: OnceLock<Option<File>> = OnceLock::new();
    let own = OWN.get_or_init(|| {
        let kind = fstat(std::io::stderr()).ok()?.st_mode & SFlag::S_IFMT.bits();
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let is_stream = [SFlag::S_IFIFO.bits(), SFlag::S_IFCHR.bits()].contains(&kind);
        let mut options = File::options();
        options.write(true).custom_flags(flags.bits());
        is_stream.then(|| options.open("/proc/self/fd/2").ok()).flatten()
    });
    own.as_ref()
}

/// Whether the line could be said. One that is too long keeps its beginning and its end of line.
fn write(line: &str) -> bool {
    let bytes = line.as_bytes();
    let cut;
    let bytes = match bytes.get(..WHOLE_BYTES.saturating_sub(4)) {
        Some(head) if bytes.len() > WHOLE_BYTES => {
            cut = [head, b"...\n"].concat();
            cut.as_slice()
        }
        _ => bytes,
    };
    if let Some(own) = own_stderr() {
        return nix::unistd::write(own, bytes).is_ok();
    }
    let stderr = std::io::stderr();
    let mut ready = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    let has_room = poll(&mut ready, PollTimeout::ZERO).is_ok_and(|count| count > 0);
    has_room && nix::unistd::write(stderr, bytes).is_ok()
}
