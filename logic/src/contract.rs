//! The contract between mind and hands: the facts the core is told and the steps it asks for.
//!
//! Nothing is queued that a later fact could make wrong: the core is asked for one step at a time,
//! and hears the answer before it is asked for the next.

use crate::environment::Patience;
use crate::exec::{Deed, Errno};
use crate::verbs::Verb;
use crate::words::{Exit, Pid, Signal};

/// What the command line and the terminal make of this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// Install the insecure key first.
    pub insecure_key: bool,
    /// Run the startup scripts.
    pub startup_files: bool,
    /// Start the services.
    pub services: bool,
    /// There is a main command.
    pub main_command: bool,
    /// The main command will own the terminal.
    pub terminal: bool,
    /// At the end, kill what is left.
    pub kill_all: bool,
}

/// The lists of scripts, in the order of a container's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scripts {
    /// `/usr/sbin/enable_insecure_key`.
    InsecureKey,
    /// `/etc/my_init.d/*`.
    Startup,
    /// `/etc/rc.local`.
    RcLocal,
    /// `/etc/my_init.pre_shutdown.d/*`.
    PreShutdown,
    /// `/etc/my_init.post_shutdown.d/*`.
    PostShutdown,
}

/// One script: the list and the place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Script {
    /// The list.
    pub of: Scripts,
    /// The place, from 0.
    pub index: usize,
}

/// What of a service directory is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// `./run`.
    Run,
    /// `./finish`, told how `./run` ended, and as which process it ran.
    Finish(Exit, Pid),
    /// `./control/X`, X being this letter.
    Control(u8),
}

/// A service, or the log service of one: its number for as long as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub u32);

/// Whom a service belongs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kin {
    /// Nobody.
    None,
    /// This is its log service.
    Log(ServiceId),
    /// It is the log service of this one.
    LogOf(ServiceId),
}

impl Kin {
    /// Its log service, if it has one.
    #[must_use]
    pub fn log(self) -> Option<ServiceId> {
        match self {
            Kin::Log(log) => Some(log),
            Kin::None | Kin::LogOf(_) => None,
        }
    }

    /// Whose log service it is, if it is one.
    #[must_use]
    pub fn log_of(self) -> Option<ServiceId> {
        match self {
            Kin::LogOf(service) => Some(service),
            Kin::None | Kin::Log(_) => None,
        }
    }
}

/// What a service directory says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// There is a file `down`.
    pub down: bool,
    /// There is a directory `log`: the number for its service, and whether it has a file `down`.
    pub log: Option<(ServiceId, bool)>,
}

/// What a process is started as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A startup or shutdown script.
    Script(Script),
    /// The command of the command line.
    MainCommand,
    /// A part of a service.
    Service(ServiceId, Program),
}

/// A fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The answer to `LoadEnvironment` and `ReloadEnvironment`.
    Patience(Patience),
    /// The answer to `List`: so many scripts.
    Listed(Scripts, usize),
    /// The answer to `LookWhoIsLeft`.
    Left(Left),
    /// A child was reaped, ours or an orphan.
    Exited(Pid, Exit),
    /// Its terminal has stopped a child.
    Stopped(Pid),
    /// A process of ours could not become its program; its exit follows.
    ExecFailed(Pid, Deed, Errno),
    /// The answer to `LookWhetherDeaf`, if it is.
    Deaf(Pid),
    /// A signal came.
    Signal(Signal),
    /// A byte came through `control`.
    Verb(ServiceId, Verb),
    /// A service directory is there, for the first time or still.
    Found(ServiceId, Shape),
    /// A service directory is there no longer.
    Lost(ServiceId),
    /// Something of what is served of the service was deleted: the answer is a `Heal`, later.
    Hurt(ServiceId),
    /// Its status could not be shown, or what was deleted of it not be served anew, on a full disk
    /// perhaps: the answer is a `Heal`, later.
    NotShown(ServiceId),
    /// The service directories have changed: the answer is a `Scan`.
    Changed,
}

/// Which processes there are beside us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Left {
    /// None.
    Nobody,
    /// Children of ours: their end will be told.
    Children,
    /// Only processes that `docker exec` put here: the kernel tells us nothing of their end.
    Strangers,
}

/// One step for the hands. Those that ask for an answer say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Import the environment and dump it. Answer: `Event::Patience`.
    LoadEnvironment,
    /// Read the directory again and rewrite the dumps. Answer: `Event::Patience`.
    ReloadEnvironment,
    /// Read the names of the scripts. Answer: `Event::Listed`.
    List(Scripts),
    /// Say that it runs, and start it. Answer: `started`, `start_refused` or `not_there`.
    Start(Role),
    /// Send the signal to the process.
    Signal(Pid, Signal),
    /// Send the signal to all processes that are left.
    SignalAll(Signal),
    /// Find out whether the process ignores TERM. Answer: `Event::Deaf`, if so.
    LookWhetherDeaf(Pid),
    /// Find out whether anybody is left. Answer: `Event::Left`.
    LookWhoIsLeft,
    /// The main command has ended: be the terminal's foreground again.
    TakeTerminalBack,
    /// Say it.
    Say(Notice),
    /// Look at the service directories. Answer: `Event::Found` for each, `Event::Lost`.
    Scan,
    /// From now on somebody may look: serve the FIFOs of all services, and show the status of all.
    /// Answer: `Event::NotShown` for each of which that cannot be.
    OpenServices,
    /// Show the status of the service. Answer: `Event::NotShown`, if that cannot be.
    Publish(ServiceId),
    /// If its directory is still there, serve what was deleted of it anew, and show its status.
    /// Answer: `Event::NotShown`, if that cannot be; `Event::Hurt`, if more was deleted meanwhile.
    Heal(ServiceId),
    /// Close our ends of the pipe to this log service.
    CloseLog(ServiceId),
    /// The service is over: close what is open for it.
    Forget(ServiceId),
    /// End with this code. The last action.
    Exit(u8),
}

/// What there is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// The services are about to be started.
    BootingServices,
    /// The services have been started.
    ServicesBooted,
    /// The main command has ended.
    MainExited(Exit),
    /// A script has failed.
    ScriptFailed(Script, Exit),
    /// It could not become its program.
    CannotRun(Role, Deed, Errno),
    /// The same again, and the kernel's error is the same: worth saying if the reason is another.
    StillCannotRun(Role, Deed, Errno),
    /// No process could be made; it is tried again.
    CannotStart(Role, Errno),
    /// No process could be made for a shutdown script; the stop goes on.
    ScriptSkipped(Script, Errno),
    /// A stop in a hurry leaves out the rest of these scripts.
    ScriptsLeftOut(Scripts),
    /// It was asked to end.
    ShuttingDown(Role, Pid),
    /// It did not end in time and is killed.
    Forcing(Role, Pid),
    /// Its `run` ends at once, again and again, as if all were well.
    Daemonizes(ServiceId),
    /// The services are told to end.
    ShuttingDownServices,
    /// All that is left is told to end.
    KillingAll,
    /// Some did not end in time and are killed.
    ForcingAll,
}
