//! Why a program could not be started, in words that say what to do.
//!
//! The kernel says "no such file or directory" for a missing file, a missing interpreter and a
//! script with DOS line ends alike (execve(2)); a look at the file tells them apart.

use crate::words::Shown;
use alloc::format;
use alloc::string::{String, ToString};

/// An error number of the kernel (errno(3); x86 and arm64 agree on those named here).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

impl Errno {
    /// No such file or directory.
    pub const NOENT: Errno = Errno(2);
    /// Argument list too long.
    pub const TOO_BIG: Errno = Errno(7);
    /// Exec format error.
    pub const NOEXEC: Errno = Errno(8);
    /// Permission denied.
    pub const ACCES: Errno = Errno(13);
    /// Not a directory.
    pub const NOTDIR: Errno = Errno(20);
    /// Text file busy.
    pub const TXTBSY: Errno = Errno(26);

    /// What a shell exits with after this refusal: 127 where nothing was found, else 126.
    #[must_use]
    pub fn status(self) -> u8 {
        if matches!(self, Errno::NOENT | Errno::NOTDIR) { 127 } else { 126 }
    }
}

/// What a new process does before it is the program: where it can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// Begin a session of its own (setsid(2)).
    Session,
    /// Take the terminal (setpgid(2), tcsetpgrp(3)).
    Terminal,
    /// Change to its directory.
    Directory,
    /// Put what it reads and writes in place (dup2(2)).
    Streams,
    /// Become the program (execve(2)).
    Exec,
}

impl Deed {
    const ALL: [Deed; 5] =
        [Deed::Session, Deed::Terminal, Deed::Directory, Deed::Streams, Deed::Exec];

    /// The deed with this number, as `deed as u8` gives it.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Deed> {
        Deed::ALL.get(usize::from(number)).copied()
    }
}

/// What stands at the path that could not be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Look<'a> {
    /// Nothing.
    Missing,
    /// A directory.
    Directory,
    /// A file, executable by us or not, and how it begins.
    File {
        /// Whether we may execute it.
        executable: bool,
        /// The first bytes; one line of a script is enough.
        head: &'a [u8],
    },
}

/// The reason, or `None` where the kernel's own word for the error is the best there is.
#[must_use]
pub fn reason(errno: Errno, look: Look<'_>) -> Option<String> {
    match (errno, look) {
        (Errno::NOENT | Errno::NOTDIR, Look::Missing) => Some("not found".to_string()),
        (Errno::NOENT | Errno::NOTDIR, Look::File { head, .. }) => Some(missing_interpreter(head)),
        (Errno::ACCES, Look::Directory) => Some("it is a directory".to_string()),
        (Errno::ACCES, Look::File { executable: false, .. }) => {
            Some("not executable (chmod +x it)".to_string())
        }
        (Errno::NOEXEC, Look::File { head: [], .. }) => Some("it is empty".to_string()),
        (Errno::NOEXEC, Look::File { head, .. }) if is_text(head) => {
            Some("it has no #! line (begin it with #!/bin/sh)".to_string())
        }
        (Errno::NOEXEC, Look::File { .. }) => Some("not a program for this machine".to_string()),
        (Errno::TXTBSY, _) => Some("it is open for writing".to_string()),
        (Errno::TOO_BIG, _) => {
            Some("its arguments and environment are too large for the kernel together".to_string())
        }
        _ => None,
    }
}

fn missing_interpreter(head: &[u8]) -> String {
    let Some(line) = head.strip_prefix(b"#!") else {
        return "its loader is missing (was it built for another system?)".to_string();
    };
    let line = line.split(|&b| b == b'\n').next().unwrap_or_default();
    if line.ends_with(b"\r") {
        return "its lines end in CR LF (save it with Unix line ends)".to_string();
    }
    let line = line.trim_ascii();
    let interpreter = line.split(|&b| b == b' ' || b == b'\t').next().unwrap_or_default();
    format!("its interpreter {} does not exist", Shown(interpreter))
}

/// Whether a file without `#!` may be handed to a shell, as execvp(3) does: it looks like text.
#[must_use]
pub fn is_text(head: &[u8]) -> bool {
    !head.is_empty() && !head.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(errno: Errno, head: &[u8]) -> String {
        reason(errno, Look::File { executable: true, head }).unwrap()
    }

    #[test]
    fn the_three_faces_of_no_such_file_are_told_apart() {
        assert_eq!(reason(Errno::NOENT, Look::Missing).unwrap(), "not found");
        assert!(said(Errno::NOENT, b"#!/bin/sh\r\necho").contains("CR LF"));
        assert!(said(Errno::NOENT, b"#! /opt/python -u\n").contains("/opt/python does not"));
        assert!(said(Errno::NOENT, b"\x7fELF\x02").contains("loader"));
    }

    #[test]
    fn what_has_no_hash_bang_is_named() {
        assert!(said(Errno::NOEXEC, b"echo hi\n").contains("no #! line"));
        assert!(said(Errno::NOEXEC, b"").contains("empty"));
        assert!(said(Errno::NOEXEC, b"\x7fELF\0").contains("not a program for this machine"));
    }

    #[test]
    fn permission_denied_says_of_what() {
        let look = Look::File { executable: false, head: b"#!/bin/sh\n" };
        assert!(reason(Errno::ACCES, look).unwrap().contains("chmod +x"));
        assert!(reason(Errno::ACCES, Look::Directory).unwrap().contains("directory"));
        assert_eq!(reason(Errno::ACCES, Look::File { executable: true, head: b"x" }), None);
    }

    #[test]
    fn statuses_are_a_shells() {
        assert_eq!(Errno::NOENT.status(), 127);
        assert_eq!(Errno::ACCES.status(), 126);
    }

    #[test]
    fn too_many_words_and_a_file_that_is_being_written_are_named() {
        assert!(said(Errno::TXTBSY, b"").contains("open for writing"));
        assert!(reason(Errno::TOO_BIG, Look::Missing).unwrap().contains("too large"));
    }

    #[test]
    fn a_deed_that_failed_in_the_child_is_the_same_deed_here() {
        for deed in Deed::ALL {
            assert_eq!(Deed::from_number(deed as u8), Some(deed));
        }
        assert_eq!(Deed::from_number(5), None);
    }
}
