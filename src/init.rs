//! my_init: the loop of PID 1. Perform what the core asks for until it asks for nothing, collect
//! the dead, sleep until an event or the next deadline.

use crate::environment::Container;
use crate::nested::Lock;
use crate::spawn::{Failures, Nursery, Place, Program};
use crate::{nested, processes, say, spawn};
use logic::contract::{Action, Event, Notice, Plan, Role, Script, Scripts};
use logic::environment::{Environment, Settings, settings};
use logic::exec::{Deed, Errno};
use logic::init::Init;
use logic::options::{self, Flag, Options};
use logic::words::{Instant, Signal, shown_words};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Wrong usage; the predecessor's code.
const USAGE: u8 = 2;
/// A boot that cannot be.
const FAILED: u8 = 1;

/// Run the program; returns with the code to exit with.
pub fn run(arguments: impl FnOnce() -> Vec<Vec<u8>>) -> u8 {
    // Before anything else: from here on a signal waits for us, where it would be lost.
    let mask = SigSet::all();
    if let Err(errno) = mask.thread_block() {
        return refuse(&format!("cannot block signals: {}", errno.desc()));
    }
    let options = match options::parse(&arguments()) {
        Ok(options) => options,
        Err(wrong) => {
            say::error(&format!("my_init: {wrong}"));
            return USAGE;
        }
    };
    if options.has(Flag::Help) || options.has(Flag::Version) {
        let text = if options.has(Flag::Help) {
            options::help()
        } else {
            concat!("my_init (baseimage) ", env!("CARGO_PKG_VERSION"), "\n").to_string()
        };
        return if say::answer(&text).is_ok() { 0 } else { FAILED };
    }
    if options.has(Flag::Quiet) {
        say::quietly();
    }
    close_stray_descriptors();
    let variables = std::env::vars_os();
    let docker = variables.map(|(name, value)| (name.into_vec(), value.into_vec())).collect();
    match nested::lock() {
        Err(first) => run_nested(&options, docker, &mask, first),
        Ok(_) if options.has(Flag::SkipServices) && options.command.is_empty() => {
            refuse("--skip-runit needs a command: without services there is nothing to do")
        }
        Ok(lock) => match Hands::new(options, docker, &mask, lock) {
            Ok(mut hands) => hands.run(),
            Err(errno) => refuse(&format!("cannot boot: {}", errno.desc())),
        },
    }
}

fn refuse(why: &str) -> u8 {
    say::error(&format!("my_init: {why}"));
    FAILED
}

/// Another my_init is at work here: run the command beside it, and touch nothing else.
fn run_nested(options: &Options, docker: Environment, mask: &SigSet, first: i32) -> u8 {
    if options.command.is_empty() {
        say::error(&format!(
            "my_init: it runs in this container already, as process {first}; \
             give a command to run beside it"
        ));
        return USAGE;
    }
    let environment = Container::beside(docker, first);
    let program = Program {
        words: &options.command,
        environment: &environment,
        place: Place::Session,
        by_shell: true,
    };
    // What was pending may end us now, as it would end any command.
    let errno = match mask.thread_unblock() {
        Ok(()) => spawn::replace(&program),
        Err(errno) => Errno(errno as i32),
    };
    say::error(&format!("my_init: {}", program.cannot_run(Deed::Exec, errno)));
    errno.status()
}

/// Descriptors above 2 are none of ours, and shall not be our children's.
fn close_stray_descriptors() {
    let open: Vec<i32> = match std::fs::read_dir("/proc/self/fd") {
        Ok(entries) => {
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
        }
        // Without /proc: as many as a shell could have left open.
        Err(_) => (3..256).collect(),
    };
    for descriptor in open.into_iter().filter(|&descriptor| descriptor > 2) {
        // The one that the list was read through is closed already.
        let _ = nix::unistd::close(descriptor);
    }
}

/// What acts for the core.
struct Hands {
    core: Init,
    options: Options,
    container: Container,
    settings: Settings,
    complaints: Vec<String>,
    scripts: Vec<PathBuf>,
    terminal: bool,
    nursery: Nursery,
    failures: Failures,
    signals: SignalFd,
    epoll: Epoll,
    start: std::time::Instant,
    _lock: Lock,
}

impl Hands {
    fn new(options: Options, docker: Environment, mask: &SigSet, lock: Lock) -> nix::Result<Hands> {
        processes::adopt_orphans();
        let signals = SignalFd::with_flags(mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let (nursery, failures) = Nursery::open()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(signals.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        epoll.add(failures.0.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        let plan = Plan {
            insecure_key: options.has(Flag::InsecureKey),
            startup_files: !options.has(Flag::SkipStartupFiles),
            services: !options.has(Flag::SkipServices),
            main_command: !options.command.is_empty(),
            terminal: owns_terminal(),
            kill_all: !options.has(Flag::NoKillAll),
        };
        Ok(Hands {
            core: Init::new(plan),
            options,
            container: Container::new(docker),
            settings: Settings::default(),
            complaints: Vec::new(),
            scripts: Vec::new(),
            terminal: plan.terminal,
            nursery,
            failures,
            signals,
            epoll,
            start: std::time::Instant::now(),
            _lock: lock,
        })
    }

    fn now(&self) -> Instant {
        Instant(self.start.elapsed())
    }

    fn hear(&mut self, event: Event) {
        self.core.handle(self.now(), event);
    }

    /// The whole of PID 1.
    fn run(&mut self) -> u8 {
        self.reap();
        loop {
            while let Some(action) = self.core.next(self.now()) {
                if let Action::Exit(code) = action {
                    return code;
                }
                self.perform(action);
            }
            self.sleep();
            self.hear_signals();
            self.hear_failures();
        }
    }

    /// Until an event or the deadline.
    fn sleep(&self) {
        let wait = self.core.deadline().map(|at| self.now().until(at));
        // In whole milliseconds, up: waking early would be polling.
        let wait = wait.map(|wait| wait.saturating_add(std::time::Duration::from_micros(999)));
        let timeout = match wait {
            None => EpollTimeout::NONE,
            Some(wait) => EpollTimeout::try_from(wait).unwrap_or(EpollTimeout::MAX),
        };
        let mut events = [EpollEvent::empty(); 2];
        // Whatever woke us, or failed to let us sleep, each source is asked in turn.
        let _ = self.epoll.wait(&mut events, timeout);
    }

    fn hear_signals(&mut self) {
        let mut child_ended = false;
        while let Ok(Some(info)) = self.signals.read_signal() {
            let Ok(number) = u8::try_from(info.ssi_signo) else { continue };
            if i32::from(number) == nix::libc::SIGCHLD {
                child_ended = true;
            } else {
                self.hear(Event::Signal(Signal(number)));
            }
        }
        if child_ended {
            self.reap();
        }
    }

    /// Collect the dead until there is none. What a child wrote before its end is heard before its
    /// end: it cannot have written it later.
    fn reap(&mut self) {
        while let Some((pid, exit)) = processes::reap() {
            self.hear_failures();
            self.hear(Event::Exited(pid, exit));
        }
    }

    fn hear_failures(&mut self) {
        while let Some((pid, deed, errno)) = self.failures.next() {
            self.hear(Event::ExecFailed(pid, deed, errno));
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::LoadEnvironment => {
                self.container.load();
                self.read_settings();
            }
            Action::ReloadEnvironment => {
                self.container.reload();
                self.read_settings();
            }
            Action::List(of) => {
                self.scripts = self.list(of);
                self.hear(Event::Listed(of, self.scripts.len()));
            }
            Action::Start(role) => self.start(role),
            Action::Signal(pid, signal) => processes::signal(pid, signal),
            Action::SignalAll(signal) => processes::signal_all(signal),
            Action::LookWhoIsLeft => self.hear(Event::Left(processes::left())),
            Action::LookWhetherDeaf(pid) => {
                if processes::is_ignored(pid, Signal::TERM) {
                    self.hear(Event::Deaf(pid));
                }
            }
            Action::TakeTerminalBack => {
                // TTOU, which a process in the background gets for this, is blocked.
                let _ = nix::unistd::tcsetpgrp(std::io::stdin(), nix::unistd::getpgrp());
            }
            Action::Say(notice) => self.say(notice),
            Action::Exit(_) => {}
        }
    }

    fn read_settings(&mut self) {
        let (settings, complaints) = settings(&self.container.environment);
        if complaints != self.complaints {
            complaints.iter().for_each(|complaint| say::warning(complaint));
            self.complaints = complaints;
        }
        self.hear(Event::Patience(settings.patience));
        self.settings = settings;
    }

    fn list(&self, of: Scripts) -> Vec<PathBuf> {
        let directory = match of {
            Scripts::InsecureKey => return vec!["/usr/sbin/enable_insecure_key".into()],
            Scripts::RcLocal => return executables(vec!["/etc/rc.local".into()]),
            Scripts::Startup => spawn::path(&self.settings.startup_directory),
            Scripts::PreShutdown => Path::new("/etc/my_init.pre_shutdown.d"),
            Scripts::PostShutdown => Path::new("/etc/my_init.post_shutdown.d"),
        };
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let mut scripts: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        // By bytes: a locale would put them in another order on another machine.
        scripts.sort();
        executables(scripts)
    }

    fn start(&mut self, role: Role) {
        if let Role::Script(Script { of, index }) = role
            && of != Scripts::InsecureKey
            // An earlier script may have removed it, or taken its permission.
            && !self.scripts.get(index).is_some_and(|script| is_executable(script))
        {
            return self.core.not_there();
        }
        let words = self.words(role);
        say::info(&format!("Running {}...", shown_words(&words)));
        match self.nursery.start(&self.program(role, &words)) {
            Ok(pid) => self.core.started(self.now(), pid),
            Err(errno) => self.core.start_refused(self.now(), errno),
        }
    }

    fn words(&self, role: Role) -> Vec<Vec<u8>> {
        match role {
            Role::MainCommand => self.options.command.clone(),
            Role::Script(Script { index, .. }) => {
                let script = self.scripts.get(index).into_iter();
                script.map(|path| path.as_os_str().as_encoded_bytes().to_vec()).collect()
            }
        }
    }

    fn program<'a>(&'a self, role: Role, words: &'a [Vec<u8>]) -> Program<'a> {
        let is_main = role == Role::MainCommand;
        Program {
            words,
            environment: &self.container.environment,
            place: if is_main && self.terminal { Place::Terminal } else { Place::Session },
            by_shell: is_main,
        }
    }

    /// In the predecessor's words, where it had words.
    fn say(&self, notice: Notice) {
        match notice {
            Notice::BootingServices => say::info("Booting runit daemon..."),
            Notice::ServicesBooted => {
                say::info(&format!("Runit started as PID {}", std::process::id()));
            }
            Notice::MainExited(exit) => {
                say::info(&format!("{} exited with {exit}.", self.name(Role::MainCommand)));
            }
            Notice::ScriptFailed(script, exit) => {
                say::warning(&format!("{} failed with {exit}", self.name(Role::Script(script))));
            }
            Notice::CannotRun(role, deed, errno) => {
                let words = self.words(role);
                say::warning(&self.program(role, &words).cannot_run(deed, errno));
            }
            Notice::CannotStart(role, errno) => say::warning(&format!(
                "cannot start {}: {}; trying again every second",
                self.name(role),
                spawn::describe(errno)
            )),
            Notice::ScriptSkipped(script, errno) => say::warning(&format!(
                "cannot start {}: {}; the stop goes on without it",
                self.name(Role::Script(script)),
                spawn::describe(errno)
            )),
            Notice::ScriptsLeftOut(of) => {
                let hooks = if of == Scripts::PreShutdown { "pre" } else { "post" };
                say::warning(&format!("no time left for the {hooks}-shutdown scripts"));
            }
            Notice::ShuttingDown(role, pid) => {
                say::info(&format!("Shutting down {} (PID {pid})...", self.name(role)));
            }
            Notice::Forcing(role, pid) => say::warning(&format!(
                "{} (PID {pid}) did not shut down in time. Forcing it to exit.",
                self.name(role)
            )),
            Notice::ShuttingDownServices => {
                say::info(&format!("Shutting down runit daemon (PID {})...", std::process::id()));
            }
            Notice::KillingAll => say::info("Killing all processes..."),
            Notice::ForcingAll => {
                say::warning("Not all processes have exited in time. Forcing them to exit.");
            }
        }
    }

    fn name(&self, role: Role) -> String {
        shown_words(self.words(role).get(..1).unwrap_or_default())
    }
}

/// Whether the main command can own a terminal: ours, if we are its foreground now.
fn owns_terminal() -> bool {
    let stdin = std::io::stdin();
    nix::unistd::tcgetpgrp(stdin).is_ok_and(|foreground| foreground == nix::unistd::getpgrp())
}

fn executables(mut files: Vec<PathBuf>) -> Vec<PathBuf> {
    files.retain(|file| is_executable(file));
    files
}

fn is_executable(file: &Path) -> bool {
    file.is_file() && nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok()
}
