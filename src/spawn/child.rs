//! What a new process does before it is the program.

use super::{Place, first_that_runs, head};
use logic::exec::{Deed, is_text};
use nix::errno::Errno as Failure;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::SigSet;
use nix::unistd::{chdir, dup2_stdin, dup2_stdout, execve, getpid, setpgid, setsid, tcsetpgrp};
use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// All that the child needs.
pub(super) struct Prepared<'a> {
    pub limits: Option<(u64, u64)>,
    pub directory: Option<PathBuf>,
    pub input: Option<BorrowedFd<'a>>,
    pub output: Option<BorrowedFd<'a>>,
    pub words: Vec<CString>,
    pub variables: &'a [CString],
    pub candidates: Vec<PathBuf>,
    pub place: Place,
    pub by_shell: bool,
}

impl Prepared<'_> {
    /// Become it. Returns only with what went wrong, and where.
    pub(super) fn become_program(&self) -> Result<Infallible, (Deed, Failure)> {
        match self.place {
            Place::Session => {
                setsid().map_err(|failure| (Deed::Session, failure))?;
            }
            Place::Terminal => take_terminal().map_err(|failure| (Deed::Terminal, failure))?,
        }
        if let Some((soft, hard)) = self.limits {
            // What could be raised can be lowered.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
        }
        if let Some(directory) = &self.directory {
            chdir(directory).map_err(|failure| (Deed::Directory, failure))?;
        }
        if let Some(input) = self.input {
            dup2_stdin(input).map_err(|failure| (Deed::Streams, failure))?;
        }
        if let Some(output) = self.output {
            dup2_stdout(output).map_err(|failure| (Deed::Streams, failure))?;
        }
        // We block all signals to read them from a descriptor; a program that inherited the mask
        // would be deaf to TERM. dash clears it for what it forks, bash does not.
        SigSet::empty().thread_set_mask().map_err(|failure| (Deed::Exec, failure))?;
        Err((Deed::Exec, first_that_runs(&self.candidates, |file| self.exec(file))))
    }

    fn exec(&self, file: &Path) -> Failure {
        let Ok(name) = CString::new(file.as_os_str().as_bytes()) else { return Failure::EINVAL };
        let Err(failure) = execve(&name, &self.words, self.variables);
        if failure != Failure::ENOEXEC || !self.by_shell || !is_text(&head(file)) {
            return failure;
        }
        let mut words = vec![c"/bin/sh".to_owned(), name];
        words.extend(self.words.iter().skip(1).cloned());
        let Err(failure) = execve(c"/bin/sh", &words, self.variables);
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
