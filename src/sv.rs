//! sv: ask the supervisor of a service how it is, tell it what to do, wait until it is done.
//!
//! Nothing is polled where the kernel can tell: a new status is renamed into `supervise/`, which
//! inotify reports, and a supervisor that ends lets go of `supervise/ok`, whose other end we hold.

mod supervise;

use crate::{say, spawn};
use logic::exec::Errno;
use logic::status::{Status, UnixTime};
use logic::sv::{
    Asked, Colour, Command, Follow, Hints, Manner, Order, Progress, REST, Report, Request, Trouble,
};
use logic::sv::{help, json, parse, reason, rest, table};
use logic::words::Shown;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use supervise::{
    Look, all_services, enter, errno, find, look, send, service_directory, supervise_directory,
};

/// How long a supervisor that is just beginning may need until it serves a directory.
const BEGINNING: Duration = Duration::from_secs(1);
/// How often is looked where nothing tells: while a supervisor begins, and without inotify.
const GLANCE: Duration = Duration::from_millis(20);

/// Run the program; returns with the code to exit with.
pub fn run(manner: Manner, name: &[u8], words: &[Vec<u8>]) -> u8 {
    let svwait = std::env::var_os("SVWAIT").map(OsStringExt::into_vec);
    let version = concat!("sv (baseimage) ", env!("CARGO_PKG_VERSION"), "\n");
    let request = match parse(manner, name, words, svwait.as_deref()) {
        Ok(Asked::Request(request)) => request,
        Ok(Asked::Help) => return u8::from(say::answer(help()).is_err()),
        Ok(Asked::Version) => return u8::from(say::answer(version).is_err()),
        Err(usage) => {
            say::error(&usage);
            return manner.usage_code();
        }
    };
    let mut caller = Caller {
        hints: if say::is_for_people() { Hints::Shown } else { Hints::Hidden },
        asked: now(),
        began: Instant::now(),
        failed: 0,
        is_heard: true,
    };
    match request.command {
        Command::Status => caller.status(manner, request),
        Command::Order(order) => {
            let deadline = caller.began.checked_add(request.patience);
            let told = request.services.into_iter().filter_map(|name| caller.tell(name, order));
            let told: Vec<Waiting> = told.collect();
            if order.follow != Follow::Leave {
                caller.wait(told, order, deadline);
            }
            manner.code(caller.failed.saturating_add(usize::from(!caller.is_heard)))
        }
    }
}

fn now() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

/// Whoever asks: what has been answered so far.
struct Caller {
    hints: Hints,
    asked: UnixTime,
    began: Instant,
    failed: usize,
    is_heard: bool,
}

impl Caller {
    fn say(&mut self, text: &str) {
        // The other services are told all the same.
        self.is_heard &= say::answer(text).is_ok();
    }

    fn fail(&mut self, name: &[u8], trouble: Trouble) {
        self.failed = self.failed.saturating_add(1);
        self.say(&trouble.line(name, self.hints));
    }

    fn status(&mut self, manner: Manner, request: Request) -> u8 {
        let named = request.services;
        let names = match if named.is_empty() { all_services() } else { Ok(named) } {
            Ok(names) => names,
            Err(error) => {
                let (place, why) = (service_directory(), reason(errno(&error)));
                let place = Shown(place.as_os_str().as_bytes());
                say::error(&format!("fatal: unable to open {place}: {why}"));
                return manner.usage_code();
            }
        };
        let reports: Vec<Report> = names.into_iter().map(|name| self.report(name)).collect();
        let now = now();
        self.failed = reports.iter().map(Report::failures).sum();
        if request.json {
            self.say(&json(&reports, now));
        } else if self.hints == Hints::Shown {
            self.say(&table(&reports, now, colour()));
        } else {
            let lines: String = reports.iter().map(|report| report.lines(now)).collect();
            self.say(&lines);
        }
        match (manner, reports.first()) {
            (Manner::InitScript, Some(report)) => report.init_script_code(),
            (Manner::InitScript | Manner::Sv, _) => {
                manner.code(self.failed.saturating_add(usize::from(!self.is_heard)))
            }
        }
    }

    fn report(&self, name: Vec<u8>) -> Report {
        let directory = match find(&name) {
            Ok(directory) => directory,
            Err(trouble) => return Report { name, service: Err(trouble), log: None },
        };
        let service = self.await_supervisor(&directory).map(|look| look.sight(&directory));
        let log = directory.join("log");
        let log = match enter(&log) {
            _ if service.is_err() => None,
            Err(error) if errno(&error) == Errno::NOENT => None,
            Err(error) => Some(Err(Trouble::LogDirectory(errno(&error)))),
            // It is served before the service is, or it never will be.
            Ok(()) => Some(look(&supervise_directory(&log)).map(|look| look.sight(&log))),
        };
        Report { name, service, log }
    }

    /// Look at a service; one that is not supervised yet gets a moment: PID 1 publishes its
    /// services when it has started them. Nothing tells where that will be, so it is looked for.
    fn await_supervisor(&self, directory: &Path) -> Result<Look, Trouble> {
        loop {
            let look = look(&supervise_directory(directory));
            let is_missing = matches!(look, Err(Trouble::Ok(Errno::NOENT)));
            if !is_missing || self.began.elapsed() >= BEGINNING {
                return look;
            }
            let _ = poll(&mut [], spawn::until(Instant::now().checked_add(GLANCE)));
        }
    }

    /// Send the verbs of the order. `None` where there is nothing to wait for.
    fn tell(&mut self, name: Vec<u8>, order: Order) -> Option<Waiting> {
        let told = find(&name).and_then(|directory| {
            let status = if order.is_exit() {
                look(&supervise_directory(&directory))?.status
            } else {
                self.await_supervisor(&directory)?.status
            };
            if order.must_send(&status) {
                send(&supervise_directory(&directory), order)?;
            }
            Ok(Waiting {
                name: name.clone(),
                directory,
                before: status,
                watch: None,
                supervisor: None,
                look_at: Some(self.began),
                failed: 0,
            })
        });
        told.map_err(|trouble| self.lost(&name, order, trouble)).ok()
    }

    /// No supervisor is what `exit` is for, and trouble for all else.
    fn lost(&mut self, name: &[u8], order: Order, trouble: Trouble) {
        if order.is_exit() && trouble == Trouble::NotRunning {
            self.say(&format!("ok: {}: {}\n", Shown(name), trouble.words()));
        } else {
            self.fail(name, trouble);
        }
    }

    /// Wait until the order has taken effect on each of them, or the deadline.
    fn wait(&mut self, mut all: Vec<Waiting>, order: Order, deadline: Option<Instant>) {
        // Refused where a user has too many; then look from time to time.
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok();
        loop {
            all.retain_mut(|one| self.is_waiting(one, order, deadline, inotify.as_ref()));
            if all.is_empty() {
                return;
            }
            listen(&mut all, deadline, inotify.as_ref());
        }
    }

    /// Look at one where it is due. Whether it is to be waited for any longer.
    fn is_waiting(
        &mut self,
        one: &mut Waiting,
        order: Order,
        deadline: Option<Instant>,
        inotify: Option<&Inotify>,
    ) -> bool {
        let is_past = |moment: Instant| moment <= Instant::now();
        let is_last = deadline.is_some_and(is_past);
        if !is_last && !one.look_at.is_some_and(is_past) {
            return true;
        }
        let supervise = supervise_directory(&one.directory);
        // First watch, then look: what changes in between is reported.
        one.watch = inotify.and_then(|inotify| inotify.add_watch(&supervise, watched()).ok());
        let look = match look(&supervise) {
            Ok(look) => look,
            Err(trouble) => {
                self.lost(&one.name, order, trouble);
                return false;
            }
        };
        let sight = look.sight(&one.directory);
        let words = sight.words(&one.name, now());
        let is_reached = match order.progress(&sight.status, self.asked) {
            Progress::Reached => true,
            Progress::ReachedIfAvailable => {
                let is_available = is_available(one, deadline.max(after(REST)));
                one.look_at = after(rest(one.failed));
                one.failed = one.failed.saturating_add(1);
                is_available
            }
            Progress::NotYet if order.is_overruled(&one.before, &sight.status, self.asked) => {
                self.fail(&one.name, Trouble::ToldDown);
                return false;
            }
            Progress::NotYet => {
                one.look_at = if one.watch.is_some() { None } else { after(GLANCE) };
                false
            }
        };
        if is_reached {
            self.say(&format!("ok: {words}\n"));
        } else if is_last {
            self.give_up(&one.name, order, &supervise, &words);
        }
        one.supervisor = Some(look.supervisor);
        !is_reached && !is_last
    }

    /// The deadline has passed.
    fn give_up(&mut self, name: &[u8], order: Order, supervise: &Path, words: &str) {
        self.failed = self.failed.saturating_add(1);
        let is_killed = order.follow == Follow::Insist;
        self.say(&format!("{}: {words}\n", if is_killed { "kill" } else { "timeout" }));
        if is_killed && let Err(trouble) = send(supervise, Order::KILL) {
            self.lost(name, order, trouble);
        }
    }
}

/// A service whose order has not taken effect yet.
struct Waiting {
    name: Vec<u8>,
    directory: PathBuf,
    /// How it was before it was told.
    before: Status,
    watch: Option<WatchDescriptor>,
    /// Held open, because the kernel reports an error on it when nobody serves it any more.
    supervisor: Option<File>,
    /// When to look at it again unasked.
    look_at: Option<Instant>,
    /// How often its `check` has failed.
    failed: u32,
}

fn watched() -> AddWatchFlags {
    AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_DELETE_SELF
}

fn after(wait: Duration) -> Option<Instant> {
    Instant::now().checked_add(wait)
}

/// Whether its `check` succeeds, if it has one.
fn is_available(one: &Waiting, deadline: Option<Instant>) -> bool {
    let warn = |deed: &str, error: io::Error| {
        let (name, why) = (Shown(&one.name), reason(errno(&error)));
        say::error(&format!("warning: unable to {deed} {name}/check: {why}"));
    };
    match fs::metadata(one.directory.join("check")) {
        Err(error) if errno(&error) == Errno::NOENT => return true,
        Err(error) => {
            warn("stat", error);
            return false;
        }
        Ok(_) => {}
    }
    // As runit has it, one that cannot be run does not stand in the way.
    spawn::ask(&one.directory, "check", deadline).unwrap_or_else(|error| {
        warn("run", error);
        true
    })
}

/// Until something may have changed, or it is time to look again.
fn listen(all: &mut [Waiting], deadline: Option<Instant>, inotify: Option<&Inotify>) {
    let moments = all.iter().filter_map(|one| one.look_at).chain(deadline);
    let wake = spawn::until(moments.min());
    let supervisors = all.iter().filter_map(|one| one.supervisor.as_ref());
    let mut ready: Vec<PollFd> =
        supervisors.map(|file| PollFd::new(file.as_fd(), PollFlags::empty())).collect();
    ready.extend(inotify.map(|inotify| PollFd::new(inotify.as_fd(), PollFlags::POLLIN)));
    // Whatever woke us, the services are looked at.
    let _ = poll(&mut ready, wake);
    let is_gone: Vec<bool> = ready
        .iter()
        .map(|one| one.revents().is_some_and(|events| events.contains(PollFlags::POLLERR)))
        .collect();
    for (one, is_gone) in all.iter_mut().filter(|one| one.supervisor.is_some()).zip(is_gone) {
        if is_gone {
            one.look_at = Some(Instant::now());
        }
    }
    let events = inotify.and_then(|inotify| inotify.read_events().ok()).unwrap_or_default();
    for event in events {
        // The other files come with the status; what has no name concerns the directory itself.
        let is_news = event.name.is_none_or(|name| name == "status");
        for one in all.iter_mut() {
            let is_lost = event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW);
            if is_lost || (is_news && one.watch == Some(event.wd)) {
                one.look_at = Some(Instant::now());
            }
        }
    }
}

/// Colours are for terminals that have them (https://no-color.org).
fn colour() -> Colour {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    if is_unwanted || is_dumb { Colour::Hidden } else { Colour::Shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use logic::status::{State, Want};
    use logic::verbs::Verb;
    use logic::words::Pid;
    use nix::sys::stat::Mode;
    use std::os::unix::fs::PermissionsExt;

    /// A service directory, served by this very process.
    struct Served {
        directory: PathBuf,
        _ok: File,
        control: File,
    }

    fn status(pid: Option<i32>, want: Want) -> Status {
        let state = if pid.is_some() { State::Run } else { State::Down };
        let pid = pid.map(Pid);
        Status { state, pid, paused: false, want, got_term: false, since: now() }
    }

    impl Served {
        fn new(name: &str) -> Served {
            let directory = std::env::temp_dir().join(format!("sv-{}-{name}", std::process::id()));
            let supervise = directory.join("supervise");
            fs::create_dir_all(&supervise).unwrap();
            let [_ok, control] = ["ok", "control"].map(|name| {
                nix::unistd::mkfifo(&supervise.join(name), Mode::S_IRWXU).unwrap();
                File::options().read(true).write(true).open(supervise.join(name)).unwrap()
            });
            let it = Served { directory, _ok, control };
            it.publish(status(None, Want::Down));
            it
        }

        fn publish(&self, status: Status) {
            let supervise = self.directory.join("supervise");
            fs::write(supervise.join("status.new"), status.to_bytes()).unwrap();
            fs::rename(supervise.join("status.new"), supervise.join("status")).unwrap();
        }

        fn check(&self, script: &str) {
            let file = self.directory.join("check");
            fs::write(&file, script).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }

        fn waiting(&self) -> Waiting {
            Waiting {
                name: b"web".to_vec(),
                directory: self.directory.clone(),
                before: status(None, Want::Down),
                watch: None,
                supervisor: None,
                look_at: after(Duration::ZERO),
                failed: 0,
            }
        }
    }

    impl Drop for Served {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }

    fn caller() -> Caller {
        Caller {
            hints: Hints::Hidden,
            asked: now(),
            began: Instant::now(),
            failed: 0,
            is_heard: true,
        }
    }

    const START: Order = Order { verbs: &[Verb::Up], follow: Follow::Wait };

    #[test]
    fn a_start_is_answered_when_the_new_status_is_there_not_at_the_deadline() {
        let web = Served::new("start");
        let began = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut verb = [0];
                io::Read::read_exact(&mut &web.control, &mut verb).unwrap();
                assert_eq!(verb, *b"u");
                web.publish(status(Some(7), Want::Up));
            });
            let mut caller = caller();
            let name = web.directory.as_os_str().as_bytes().to_vec();
            let told = caller.tell(name, START).into_iter().collect();
            caller.wait(told, START, after(Duration::from_secs(60)));
            assert_eq!(caller.failed, 0);
        });
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn without_inotify_the_answer_comes_as_well() {
        let web = Served::new("blind");
        web.publish(status(Some(7), Want::Up));
        let mut one = web.waiting();
        let mut caller = caller();
        assert!(!caller.is_waiting(&mut one, START, None, None));
        web.publish(status(None, Want::Up));
        one.look_at = after(Duration::ZERO);
        assert!(caller.is_waiting(&mut one, START, None, None));
        assert!(one.look_at.is_some(), "nobody would tell, so it is looked again");
    }

    #[test]
    fn a_start_that_is_overruled_fails_at_once_not_at_the_deadline() {
        let web = Served::new("overruled");
        let began = Instant::now();
        let mut caller = caller();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut verb = [0];
                io::Read::read_exact(&mut &web.control, &mut verb).unwrap();
                web.publish(status(None, Want::Down));
            });
            let name = web.directory.as_os_str().as_bytes().to_vec();
            let told = caller.tell(name, START).into_iter().collect();
            caller.wait(told, START, after(Duration::from_secs(60)));
        });
        assert_eq!(caller.failed, 1);
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn what_does_not_come_up_is_one_failure_at_the_deadline() {
        let web = Served::new("timeout");
        let mut caller = caller();
        caller.wait(vec![web.waiting()], START, after(Duration::from_millis(30)));
        assert_eq!(caller.failed, 1);
    }

    #[test]
    fn what_does_not_go_down_is_killed_at_the_deadline() {
        let web = Served::new("insist");
        web.publish(status(Some(7), Want::Down));
        let mut caller = caller();
        let stop = Order { verbs: &[Verb::Down], follow: Follow::Insist };
        caller.wait(vec![web.waiting()], stop, after(Duration::ZERO));
        let mut verb = [0];
        io::Read::read_exact(&mut &web.control, &mut verb).unwrap();
        assert_eq!((verb, caller.failed), (*b"k", 1));
    }

    #[test]
    fn a_supervisor_that_ends_is_the_end_of_an_exit() {
        let mut web = Served::new("exit");
        let exit = Order { verbs: &[Verb::Exit], follow: Follow::Wait };
        let (mut caller, waiting) = (caller(), web.waiting());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Gone, as far as anybody can see: nobody holds its FIFOs.
                let null = || File::open("/dev/null").unwrap();
                (web._ok, web.control) = (null(), null());
            });
            caller.wait(vec![waiting], exit, after(Duration::from_secs(60)));
        });
        assert_eq!(caller.failed, 0);
    }

    #[test]
    fn a_check_decides_and_one_that_hangs_is_no_success() {
        let web = Served::new("check");
        let is_available = |patience| is_available(&web.waiting(), after(patience));
        let long = Duration::from_secs(60);
        assert!(is_available(long), "without a check, up is enough");
        web.check("#!/bin/sh\ntest -d supervise && echo a closed output would fail this\n");
        assert!(is_available(long));
        web.check("#!/bin/sh\nexit 1\n");
        assert!(!is_available(long));
        web.check("#!/bin/sh\nexec sleep 1000\n");
        assert!(!is_available(Duration::from_millis(50)));
        web.check("#!/no/such/interpreter\n");
        assert!(is_available(long), "as in runit, it does not stand in the way");
    }
}
