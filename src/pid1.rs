//! The loop of PID 1: perform what the core asks for until it asks for nothing, collect the dead,
//! sleep until an event or the next deadline.

use crate::doing::Doing;
use crate::environment::Container;
use crate::nested::Lock;
use crate::notices::Said;
use crate::service::{Location, RUN};
use crate::services::Directories;
use crate::spawn::{Failures, Nursery, Place, Program, Stream};
use crate::{notices, processes, say, services, spawn};
use logic::contract::{
    Action, Event, Notice, Plan, Program as Part, Role, Script, Scripts, ServiceId,
};
use logic::environment::{Environment, Settings, settings};
use logic::init::Init;
use logic::options::{Flag, Options};
use logic::status::UnixTime;
use logic::words::{Instant, Signal, shown_words};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::borrow::Cow;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// As many sources as are heard of at one wake-up; others come with the next.
const EVENTS: usize = 32;
/// What epoll calls the sources that are no service.
const SIGNALS: u64 = 0;
const FAILURES: u64 = 1;
const CHANGES: u64 = 2;

mod hear;

/// What acts for the core.
pub struct Hands {
    core: Init,
    options: Options,
    container: Container,
    settings: Settings,
    complaints: Vec<String>,
    scripts: Vec<PathBuf>,
    said: Said,
    directories: Directories,
    /// Of each `run` of a service.
    words_of_run: [Vec<u8>; 1],
    terminal: bool,
    nursery: Nursery,
    failures: Failures,
    signals: SignalFd,
    epoll: Epoll,
    start: std::time::Instant,
    _lock: Lock,
}

impl Hands {
    /// All that is needed, opened; `mask` is what signals are heard through.
    ///
    /// # Errors
    /// The kernel refuses one of it.
    pub fn new(
        options: Options,
        docker: Environment,
        mask: &SigSet,
        lock: Lock,
    ) -> nix::Result<Hands> {
        processes::adopt_orphans();
        let signals = SignalFd::with_flags(mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let (nursery, failures) = Nursery::open()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(signals.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, SIGNALS))?;
        epoll.add(failures.0.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, FAILURES))?;
        let directories = Directories::new(nursery.descriptors(), &epoll, CHANGES);
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
            said: Said::default(),
            directories,
            words_of_run: [RUN.to_vec()],
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
    pub fn run(&mut self) -> u8 {
        self.reap();
        loop {
            while let Some(action) = self.core.next(self.now()) {
                if let Action::Exit(code) = action {
                    self.directories.abandon_watches();
                    return code;
                }
                self.perform(action);
            }
            let sources = self.sleep();
            // If we were not let sleep, each source is asked all the same.
            let speaks = |source| sources.is_empty() || sources.contains(&source);
            if speaks(SIGNALS) {
                self.hear_signals();
            }
            if speaks(FAILURES) {
                self.hear_failures();
            }
            for &source in &sources {
                self.hear_services(source);
            }
            self.directories.have_slept();
            if speaks(CHANGES) {
                for event in self.directories.hear_changes() {
                    self.hear(event);
                }
            }
        }
    }

    /// Until an event or the deadline.
    fn sleep(&self) -> Vec<u64> {
        let wait = self.core.deadline().map(|at| self.now().until(at));
        // In whole milliseconds, up: waking early would be polling.
        let wait = wait.map(|wait| wait.saturating_add(std::time::Duration::from_micros(999)));
        let timeout = match wait {
            None => EpollTimeout::NONE,
            Some(wait) => EpollTimeout::try_from(wait).unwrap_or(EpollTimeout::MAX),
        };
        let mut events = [EpollEvent::empty(); EVENTS];
        let count = self.epoll.wait(&mut events, timeout).unwrap_or(0);
        events.iter().take(count).map(EpollEvent::data).collect()
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::LoadEnvironment => {
                self.container.load();
                self.read_settings();
                self.directories.settle(services::root(&self.container.environment));
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
            Action::Scan => self.scan(),
            Action::OpenServices => {
                for id in self.directories.open(&self.epoll) {
                    self.publish(id);
                }
            }
            Action::Publish(id) => self.publish(id),
            Action::Heal(id) => {
                let trouble = self.directories.heal(id, &self.epoll);
                if !matches!(trouble, Some(Event::NotShown(_))) {
                    self.publish(id);
                }
                trouble.into_iter().for_each(|event| self.hear(event));
            }
            Action::CloseLog(id) => self.directories.close_log(id),
            Action::Forget(id) => {
                self.said.forget(id);
                if self.directories.forget(id) {
                    self.hear(Event::Changed);
                }
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
        let entries = std::fs::read_dir(directory).doing("read", directory);
        if let Err(error) = &entries {
            // An image need not have the usual ones; one that was named should be there.
            let is_named = of == Scripts::Startup && directory != Path::new("/etc/my_init.d");
            if is_named || error.errno() != nix::errno::Errno::ENOENT as i32 {
                say::warning(&format!("{error}; no script of it is run"));
            }
        }
        let entries = entries.into_iter().flatten().flatten();
        let mut scripts: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        // By bytes: a locale would put them in another order on another machine.
        scripts.sort_unstable();
        executables(scripts)
    }

    fn scan(&mut self) {
        let now = self.now();
        self.directories.scan(|event| self.core.handle(now, event));
    }

    fn publish(&mut self, id: ServiceId) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let Some(status) = self.core.status(id, self.now(), UnixTime(wall)) else { return };
        if let Some(event) = self.directories.publish(id, &status, &self.epoll) {
            self.hear(event);
        }
    }

    fn start(&mut self, role: Role) {
        if let Role::Service(id, Part::Run) = role
            && let Some(event) = self.directories.look_for_log(id)
        {
            self.hear(event);
        }
        let is_there = match role {
            Role::MainCommand | Role::Script(Script { of: Scripts::InsecureKey, .. }) => true,
            // An earlier script may have removed it, or taken its permission.
            Role::Script(Script { index, .. }) => {
                self.scripts.get(index).is_some_and(|script| is_executable(script))
            }
            Role::Service(id, program) => self.directories.has(id, program),
        };
        if !is_there {
            return self.core.not_there(self.now());
        }
        let words = self.words(role);
        if !matches!(role, Role::Service(..)) {
            say::info(&format!("Running {}...", shown_words(&words)));
        }
        match self.nursery.start(&self.program(role, &words)) {
            Ok(pid) => self.core.started(self.now(), pid),
            Err(errno) => self.core.start_refused(self.now(), errno),
        }
    }

    fn words(&self, role: Role) -> Cow<'_, [Vec<u8>]> {
        Cow::Owned(match role {
            Role::MainCommand => return Cow::Borrowed(&self.options.command),
            Role::Service(_, Part::Run) => return Cow::Borrowed(&self.words_of_run),
            Role::Script(Script { index, .. }) => {
                let script = self.scripts.get(index).into_iter();
                script.map(|path| path.as_os_str().as_encoded_bytes().to_vec()).collect()
            }
            Role::Service(id, program) => {
                self.directories.at(id).map(|at| at.words(program)).unwrap_or_default()
            }
        })
    }

    fn program<'a>(&'a self, role: Role, words: &'a [Vec<u8>]) -> Program<'a> {
        let program = Program::command(words, &self.container.environment);
        match role {
            Role::MainCommand if self.terminal => Program { place: Place::Terminal, ..program },
            Role::MainCommand => program,
            Role::Script(_) => Program { by_shell: false, ..program },
            Role::Service(id, _) => Program {
                by_shell: false,
                directory: self.directories.at(id),
                input: self.directories.input(id).map_or(Stream::Null, Stream::Of),
                output: self.directories.output(id).map_or(Stream::Ours, Stream::Of),
                ..program
            },
        }
    }

    fn say(&mut self, notice: Notice) {
        let mut said = std::mem::take(&mut self.said);
        notices::say(
            notice,
            &mut said,
            |role| match role {
                Role::Service(id, _) => {
                    self.directories.at(id).map(Location::name).unwrap_or_default()
                }
                role => shown_words(self.words(role).get(..1).unwrap_or_default()),
            },
            |role, deed, errno| {
                let words = self.words(role);
                self.program(role, &words).cannot_run(deed, errno)
            },
        );
        self.said = said;
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
