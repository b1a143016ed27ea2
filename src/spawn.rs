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
use child::Surroundings;
use invocation::{Variables, Words};

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
    /// Where it is looked for, if its name has no slash.
    fn path(&self) -> &[u8] {
        self.environment.get(b"PATH").unwrap_or(DEFAULT_PATH)
    }

    /// The files it may be, in the order they are tried.
    fn candidates(&self) -> Vec<PathBuf> {
        let name = self.words.first().map_or(&b""[..], Vec::as_slice);
        if name.contains(&b'/') {
            return vec![path(name).to_path_buf()];
        }
        let along = self.path();
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
fn first_that_runs<Name: ?Sized>(
    candidates: impl Iterator<Item = impl AsRef<Name>>,
    run: impl Fn(&Name) -> Failure,
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
    words: RefCell<Option<Words>>,
    variables: RefCell<Option<Variables>>,
    /// The signals that are still to go back to their default before the first birth, a bit each:
    /// those we ignore, or were born ignoring.
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
            words: RefCell::default(),
            variables: RefCell::default(),
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
        let unfit = || Errno(Failure::EINVAL as i32);
        let words = recall(&self.words, |words| words.are_of(program), || Words::of(program));
        let variables = recall(
            &self.variables,
            |variables| variables.are_of(program.environment),
            || Variables::of(program.environment),
        );
        let (words, variables) = (words.ok_or_else(unfit)?, variables.ok_or_else(unfit)?);
        let fork = |directory: Option<&CStr>| {
            self.fork(&self.around(program, directory), &words, &variables)
        };
        match program.directory {
            None => fork(None),
            Some(at) => at.ask(&[], |path| fork(Some(path))),
        }
    }

    // The one exception to the rule: a fork, and what its child does until it is another program.
    //
    // Services are born in hundreds, and each page that a child writes is copied for it, and each
    // page of our program that it needs is a page fault. So it is clone(2) itself, without flags:
    // the C library's fork() writes six pages more, which only programs with threads need.
    #[allow(unsafe_code)]
    fn fork(
        &self,
        surroundings: &Surroundings<'_>,
        words: &Words,
        variables: &Variables,
    ) -> Result<Pid, Errno> {
        const { assert!(!cfg!(target_arch = "s390x"), "clone(2) takes its flags second there") };
        let none = 0_usize;
        let no_signals = 0_u64;
        // SAFETY: we have one thread, so the child may do what a process may: no lock is held by a
        // thread that the fork left behind. The C library still takes it for its parent, so it must
        // neither raise() nor abort(): it allocates in `by_shell` only. The pointers are to what
        // `words` and `variables` hold, in the form that the calls take; each argument of syscall()
        // is as wide as a register. signal() only ever sets the default, of signals that we block,
        // and _exit() ends the child without running what belongs to the parent.
        unsafe {
            let ignored = self.ignored.take();
            for signal in (1..=64).filter(|signal| ignored >> (signal - 1) & 1 == 1) {
                libc::signal(signal, libc::SIG_DFL);
            }
            let execute = |file: &CStr| {
                libc::execve(file.as_ptr(), words.addresses(), variables.addresses());
                surroundings.by_shell(file, words, variables, Failure::last())
            };
            let (clone, child_ended) = (libc::SYS_clone, libc::c_long::from(libc::SIGCHLD));
            let pid = libc::syscall(clone, child_ended, none, none, none, none);
            if pid == -1 {
                return Err(Errno(Failure::last_raw()));
            }
            if pid > 0 {
                return Ok(Pid(i32::try_from(pid).unwrap_or(i32::MAX)));
            }
            if let Err((deed, failure)) = surroundings.settle() {
                libc::_exit(self.report(deed, failure));
            }
            // We block all signals to read them from a descriptor; a program that inherited the
            // mask would be deaf to TERM. dash clears it for what it forks, bash does not.
            let (change, how) = (libc::SYS_rt_sigprocmask, libc::c_long::from(libc::SIG_SETMASK));
            libc::syscall(change, how, &raw const no_signals, none, size_of_val(&no_signals));
            libc::_exit(self.report(Deed::Exec, first_that_runs(words.candidates(), execute)))
        }
    }

    fn around<'a>(
        &'a self,
        program: &Program<'a>,
        directory: Option<&'a CStr>,
    ) -> Surroundings<'a> {
        Surroundings {
            limits: self.limits.1,
            directory,
            input: self.descriptor(program.input),
            output: self.descriptor(program.output),
            place: program.place,
            shell: program.by_shell,
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
        let mut record = [0; RECORD_BYTES];
        let numbers = [getpid().as_raw(), deed as i32, failure as i32];
        for (room, number) in record.chunks_exact_mut(4).zip(numbers) {
            room.copy_from_slice(&number.to_ne_bytes());
        }
        // Nobody is left to hear of a failure here; the status says enough.
        let _ = nix::unistd::write(self.failures.as_fd(), &record);
        i32::from(Errno(failure as i32).status())
    }
}

/// What was made last, if it serves again; else a new one. Nothing is written where it serves.
fn recall<T>(
    last: &RefCell<Option<T>>,
    serves: impl FnOnce(&T) -> bool,
    make: impl FnOnce() -> Option<T>,
) -> Option<Ref<'_, T>> {
    if !last.borrow().as_ref().is_some_and(serves) {
        *last.borrow_mut() = make();
    }
    Ref::filter_map(last.borrow(), Option::as_ref).ok()
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
    let bit = |signal: i32| 1_u64 << (signal - 1);
    // Rust handles these two, to say where a stack ends.
    let handled = bit(libc::SIGSEGV) | bit(libc::SIGBUS);
    let mask = crate::processes::ignored("self").unwrap_or(!handled);
    mask | bit(libc::SIGPIPE)
}
