//! What a new process does before it is the program.

use super::{Place, Variables, Words, head};
use logic::exec::{Deed, is_text};
use nix::errno::Errno as Failure;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{execve, getpid, setpgid, tcsetpgrp};
use rustix::io::Errno;
use rustix::process::{chdir, setsid};
use rustix::stdio::{dup2_stdin, dup2_stdout};
use std::ffi::{CStr, OsStr};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What it is born into.
pub(super) struct Surroundings<'a> {
    pub limits: Option<(u64, u64)>,
    pub directory: Option<&'a CStr>,
    pub input: Option<BorrowedFd<'a>>,
    pub output: Option<BorrowedFd<'a>>,
    pub place: Place,
    /// Text without a `#!` line goes to the shell.
    pub shell: bool,
}

impl Surroundings<'_> {
    /// Settle there. What goes wrong, and where.
    pub(super) fn settle(&self) -> Result<(), (Deed, Failure)> {
        let failed = |deed| move |errno: Errno| (deed, Failure::from_raw(errno.raw_os_error()));
        match self.place {
            Place::Session => {
                setsid().map_err(failed(Deed::Session))?;
            }
            Place::Terminal => take_terminal().map_err(|failure| (Deed::Terminal, failure))?,
        }
        if let Some((soft, hard)) = self.limits {
            // What could be raised can be lowered.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
        }
        if let Some(directory) = self.directory {
            chdir(directory).map_err(failed(Deed::Directory))?;
        }
        if let Some(input) = self.input {
            dup2_stdin(input).map_err(failed(Deed::Streams))?;
        }
        if let Some(output) = self.output {
            dup2_stdout(output).map_err(failed(Deed::Streams))?;
        }
        Ok(())
    }

    /// The shell's turn with what the kernel refused, if it is text. What went wrong.
    pub(super) fn by_shell(
        &self,
        file: &CStr,
        words: &Words,
        variables: &Variables,
        failure: Failure,
    ) -> Failure {
        let path = Path::new(OsStr::from_bytes(file.to_bytes()));
        if failure != Failure::ENOEXEC || !self.shell || !is_text(&head(path)) {
            return failure;
        }
        let words: Vec<&CStr> = [c"/bin/sh", file].into_iter().chain(words.arguments()).collect();
        let Err(failure) = execve(c"/bin/sh", &words, variables.strings());
        failure
    }
}

/// Be the foreground job of the terminal. The child does it itself, before it runs: were it the
/// parent, the program could read from the terminal before it owns it and be stopped. TTOU, which
/// would stop us here, is still blocked.
fn take_terminal() -> nix::Result<()> {
    let own = nix::unistd::Pid::from_raw(0);
    setpgid(own, own)?;
    tcsetpgrp(std::io::stdin(), getpid())
}
