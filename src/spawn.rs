//! The one way a process is born, and the one way a process becomes another program.
//!
//! PID 1 forks: a spawn that waits for the exec would let one program on a hung file system stop
//! everything. So nobody waits here either: a child that cannot become its program writes what
//! failed into a pipe that all children share, and ends with the status a shell would give.

use crate::service::Location;
use logic::environment::Environment;
use logic::exec::{Deed, Errno, Look, is_text, reason};
use logic::words::{Pid, Shown};
use nix::errno::Errno as Failure;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{getpid, pipe2};
use std::cell::{Cell, Ref, RefCell};
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

mod ask;
mod child;
mod invocation;

pub use ask::{ask, until};
use child::Birth;
use invocation::Invocation;

/// Where a program is looked for when the environment has no PATH: Docker's own default.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// One record in the pipe: pid, deed, errno, each four bytes. Smaller than PIPE_BUF, so whole.
const RECORD_BYTES: usize = 12;

/// Bytes from outside as a path.
pub fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// The kernel's own word for an error.
pub fn describe(errno: Errno) -> &'static str {
    Failure::from_raw(errno.0).desc()
}

/// Whom a new process belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A session of its own.
    Session,
    /// The foreground job of our terminal.
    Terminal,
}

/// Where a program reads from and writes to.
#[derive(Clone, Copy)]
pub enum Stream<'a> {
    /// Where we do.
    Ours,
    /// Nowhere: /dev/null.
    Null,
    /// This descriptor.
    Of(BorrowedFd<'a>),
}

/// A program to be started.
pub struct Program<'a> {
    /// Its name, looked for along PATH where it has no slash, and its arguments.
    pub words: &'a [Vec<u8>],
    /// All it gets of an environment.
    pub environment: &'a Environment,
    /// Where it is started; where we are, if nowhere else.
    pub directory: Option<Location<'a>>,
    /// What it reads.
    pub input: Stream<'a>,
    /// Where it writes.
    pub output: Stream<'a>,
    /// Whom it belongs to.
    pub place: Place,
    /// Text without a `#!` line goes to the shell, as execvp(3) has it.
    pub by_shell: bool,
}

impl<'a> Program<'a> {
    /// A command as somebody typed it: it reads and writes what we do.
    pub fn command(words: &'a [Vec<u8>], environment: &'a Environment) -> Program<'a> {
        Program {
            words,
            environment,
            directory: None,
            input: Stream::Ours,
            output: Stream::Ours,
            place: Place::Session,
            by_shell: true,
        }
    }
}

impl Program<'_> {
    /// The files it may be, in the order they are tried.
    fn candidates(&self) -> Vec<PathBuf> {
        let name = self.words.first().map_or(&b""[..], Vec::as_slice);
        if name.contains(&b'/') {
            return vec![path(name).to_path_buf()];
        }
        let along = self.environment.get(b"PATH").unwrap_or(DEFAULT_PATH);
        // An empty entry means the working directory, as in every shell.
        let in_directory = |entry: &[u8]| match entry {
            b"" => Path::new(".").join(path(name)),
            entry => path(entry).join(path(name)),
        };
        along.split(|&b| b == b':').map(in_directory).collect()
    }

    /// "cannot run NAME: ...", and what to do about it.
    pub fn cannot_run(&self, deed: Deed, errno: Errno) -> String {
        let name = Shown(self.words.first().map(Vec::as_slice).unwrap_or_default());
        let system = describe(errno);
        match deed {
            Deed::Exec => format!("cannot run {name}: {}", self.reason(errno)),
            Deed::Streams => format!("cannot connect {name}: {system}"),
            Deed::Directory => format!("cannot change to the directory of {name}: {system}"),
            Deed::Session => format!("cannot begin a session for {name}: {system}"),
            Deed::Terminal => format!("cannot give the terminal to {name}: {system}"),
        }
    }

    fn reason(&self, errno: Errno) -> String {
        let system = || describe(errno).to_string();
        let from = self.directory.map(Location::path).unwrap_or_default();
        let mut candidates = self.candidates().into_iter().map(|file| from.join(file));
        let found = candidates.find(|candidate| candidate.exists());
        let Some(found) = found else {
            return reason(errno, Look::Missing).unwrap_or_else(system);
        };
        let head = head(&found);
        let look = match found.metadata() {
            Ok(file) if file.is_dir() => Look::Directory,
            Ok(file) => Look::File { executable: file.mode() & 0o111 != 0, head: &head },
            Err(_) => Look::Missing,
        };
        reason(errno, look).unwrap_or_else(system)
    }
}

/// The first bytes of a file: enough for its first line.
fn head(file: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    // Not blocking, should it be a FIFO.
    let opened = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(file);
    if let Ok(file) = opened {
        // What cannot be read has no beginning worth showing.
        let _ = file.take(256).read_to_end(&mut head);
    }
    head
}

/// Try one file after the other, as execvp(3) does, until one becomes the program.
fn first_that_runs<File: ?Sized>(
    candidates: impl Iterator<Item = impl AsRef<File>>,
    run: impl Fn(&File) -> Failure,
) -> Failure {
    let mut worst = Failure::ENOENT;
    for candidate in candidates {
        match run(candidate.as_ref()) {
            Failure::ENOENT | Failure::ENOTDIR => {}
            Failure::EACCES => worst = Failure::EACCES,
            other => return other,
        }
    }
    worst
}

/// Become the program, in this process. Returns only with what went wrong.
pub fn replace(program: &Program<'_>) -> Errno {
    let rest = program.words.get(1..).unwrap_or_default();
    let run = |file: &Path, arguments: &[&[u8]]| {
        let mut command = std::process::Command::new(file);
        command.args(arguments.iter().map(|word| OsStr::from_bytes(word))).env_clear();
        let pairs = program.environment.iter();
        command
            .envs(pairs.map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value))));
        // exec() puts SIGPIPE back, which Rust's start-up ignores, and which a child would inherit.
        let error = command.exec();
        Failure::from_raw(error.raw_os_error().unwrap_or(Failure::EINVAL as i32))
    };
    let words: Vec<&[u8]> = rest.iter().map(Vec::as_slice).collect();
    let failure = first_that_runs(program.candidates().iter(), |file: &Path| {
        let failure = run(file, &words);
        if failure != Failure::ENOEXEC || !program.by_shell || !is_text(&head(file)) {
            return failure;
        }
        let script = file.as_os_str().as_bytes();
        run(Path::new("/bin/sh"), &[&[script], words.as_slice()].concat())
    });
    Errno(failure as i32)
}

/// What every birth needs.
pub struct Nursery {
    /// Where children write what failed.
    failures: OwnedFd,
    /// What a service reads, where there is a /dev/null.
    null: Option<File>,
    /// How many descriptors we may have, and how many our children shall be told.
    limits: (u64, Option<(u64, u64)>),
    /// What was started last: hundreds of services are started alike.
    last: RefCell<Option<Invocation>>,
    /// The signals we ignore, or were born ignoring, a bit each: children shall not.
    ignored: Cell<u64>,
}

/// The other end of the pipe.
pub struct Failures(pub File);

impl Nursery {
    /// Open the pipe.
    ///
    /// # Errors
    /// The kernel has no descriptor left.
    pub fn open() -> nix::Result<(Nursery, Failures)> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let null = File::options().read(true).write(true).open("/dev/null").ok();
        let nursery = Nursery {
            failures: write,
            null,
            limits: raise_limits(),
            last: RefCell::new(None),
            ignored: Cell::new(ignored()),
        };
        Ok((nursery, Failures(File::from(read))))
    }

    /// How many descriptors we may have.
    pub fn descriptors(&self) -> u64 {
        self.limits.0
    }

    /// Start the program.
    ///
    /// # Errors
    /// No process could be made, or a word holds a NUL.
    pub fn start(&self, program: &Program<'_>) -> Result<Pid, Errno> {
        let invocation = self.invocation(program).ok_or(Errno(Failure::EINVAL as i32))?;
        match program.directory {
            None => self.fork(&self.birth(program, None), &invocation),
            Some(at) => {
                at.ask(&[], |path| self.fork(&self.birth(program, Some(path)), &invocation))
            }
        }
    }

    // The one exception to the rule: a fork, and what its child does until it is another program.
    //
    // Services are born in hundreds, and each page that a child writes is copied for it, and each
    // page of our program that it needs is a page fault. So it is clone(2) itself, and so on: the
    // C library's fork() writes six pages, which only programs with threads need.
    #[allow(unsafe_code)]
    fn fork(&self, birth: &Birth<'_>, invocation: &Invocation) -> Result<Pid, Errno> {
        let ignored = self.ignored.get();
        let (words, variables) = invocation.vectors();
        let no_signals = 0_u64;
        // SAFETY: we have one thread, so the child may do what a process may: no lock is held by a
        // thread that the fork left behind. The pointers are to what `invocation` and we hold, in
        // the form that the calls take. signal() only ever sets the default, of signals that we
        // block, and _exit() ends the child without running what belongs to the parent.
        unsafe {
            if ignored != 0 {
                for signal in (1..=64).filter(|signal| ignored >> (signal - 1) & 1 == 1) {
                    libc::signal(signal, libc::SIG_DFL);
                }
                self.ignored.set(0);
            }
            match libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) {
                -1 => Err(Errno(Failure::last_raw())),
                0 => {
                    let (deed, failure) = match birth.settle() {
                        Err(failed) => failed,
                        Ok(()) => {
                            // We block all signals to read them from a descriptor; a program that
                            // inherited the mask would be deaf to TERM. dash clears it for what it
                            // forks, bash does not.
                            libc::syscall(
                                libc::SYS_rt_sigprocmask,
                                libc::SIG_SETMASK,
                                &raw const no_signals,
                                0,
                                size_of_val(&no_signals),
                            );
                            (
                                Deed::Exec,
                                first_that_runs(invocation.candidates(), |file| {
                                    libc::execve(file.as_ptr(), words, variables);
                                    birth.by_shell(file, invocation, Failure::last())
                                }),
                            )
                        }
                    };
                    libc::_exit(self.report(deed, failure))
                }
                pid => Ok(Pid(i32::try_from(pid).unwrap_or(i32::MAX))),
            }
        }
    }

    /// How execve(2) takes the program.
    fn invocation(&self, program: &Program<'_>) -> Option<Ref<'_, Invocation>> {
        if !self.last.borrow().as_ref().is_some_and(|last| last.is_of(program)) {
            *self.last.borrow_mut() = Invocation::of(program);
        }
        Ref::filter_map(self.last.borrow(), Option::as_ref).ok()
    }

    fn birth<'a>(&'a self, program: &Program<'a>, directory: Option<&'a CStr>) -> Birth<'a> {
        Birth {
            limits: self.limits.1,
            directory,
            input: self.descriptor(program.input),
            output: self.descriptor(program.output),
            place: program.place,
            by_shell: program.by_shell,
        }
    }

    fn descriptor<'a>(&'a self, stream: Stream<'a>) -> Option<BorrowedFd<'a>> {
        match stream {
            Stream::Ours => None,
            Stream::Null => self.null.as_ref().map(AsFd::as_fd),
            Stream::Of(descriptor) => Some(descriptor),
        }
    }

    /// In the child: tell PID 1 what failed. The status to end with.
    fn report(&self, deed: Deed, failure: Failure) -> i32 {
        let mut record = Vec::with_capacity(RECORD_BYTES);
        record.extend_from_slice(&getpid().as_raw().to_ne_bytes());
        record.extend_from_slice(&(deed as u32).to_ne_bytes());
        record.extend_from_slice(&(failure as i32).to_ne_bytes());
        // Nobody is left to hear of a failure here; the status says enough.
        let _ = nix::unistd::write(self.failures.as_fd(), &record);
        i32::from(Errno(failure as i32).status())
    }
}

impl Failures {
    /// The next failure told, if any.
    pub fn next(&mut self) -> Option<(Pid, Deed, Errno)> {
        let mut record = [0; RECORD_BYTES];
        self.0.read_exact(&mut record).ok()?;
        let mut numbers = record.chunks_exact(4).filter_map(|four| four.try_into().ok());
        let mut number = || numbers.next().map(i32::from_ne_bytes);
        let (pid, deed, errno) = (number()?, number()?, number()?);
        Some((Pid(pid), Deed::from_number(u8::try_from(deed).ok()?)?, Errno(errno)))
    }
}

/// Have as many descriptors as we may: some are needed for each service. How many there are, and
/// the limits our children shall have, if they are others.
fn raise_limits() -> (u64, Option<(u64, u64)>) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return (u64::MAX, None) };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return (hard, Some((soft, hard)));
    }
    (soft, None)
}

/// SIGPIPE, which Rust's start-up ignores, and what we were born ignoring. Where /proc is missing
/// nobody can tell: all that may be ignored.
fn ignored() -> u64 {
    crate::processes::ignored("self").unwrap_or(u64::MAX) | 1 << (libc::SIGPIPE - 1)
}
