//! What `sv` decides: which verbs a command sends, when it has taken effect, and the lines it
//! prints, to the byte as runit's sv prints them, because scripts read them.
//!
//! ```text
//! words --parse--> Request --must_send--> verbs into control
//!                                            │
//!                  status --progress--> NotYet ... Reached --> "ok: run: web: (pid 7) 0s"
//! ```

mod command_line;
mod report;

pub use command_line::{Asked, Command, Manner, Request, help, parse};
pub use report::{Colour, Report, json, table};

use crate::exec::Errno;
use crate::status::{State, Status, UnixTime, Want};
use crate::verbs::Verb;
use crate::words::Shown;
use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

/// How long runit rests between two looks; no patience is shorter.
pub const REST: Duration = Duration::from_millis(REST_MILLISECONDS);
const REST_MILLISECONDS: u64 = 420;

/// How long to rest after so many times that `check` has failed. Nothing tells when it would
/// succeed: a daemon that is ready in 30 ms shall not cost a boot the whole rest.
#[must_use]
pub fn rest(failed: u32) -> Duration {
    let milliseconds = 10_u64 << failed.min(6);
    Duration::from_millis(milliseconds.min(REST_MILLISECONDS))
}

/// What happens once the verbs are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Nothing.
    Leave,
    /// Wait until they have taken effect, and say so.
    Wait,
    /// The same, and KILL where patience ends first.
    Insist,
}

/// A command that is more than a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// What is sent, in one piece. Nothing at all for `check`, which waits for what was asked
    /// before.
    pub verbs: &'static [Verb],
    /// What happens then.
    pub follow: Follow,
}

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It has not taken effect.
    NotYet,
    /// It has, if `check` agrees.
    ReachedIfAvailable,
    /// It has.
    Reached,
}

impl Order {
    /// The order to kill what did not obey.
    pub const KILL: Order = Order { verbs: &[Verb::Kill], follow: Follow::Leave };

    /// Whether the supervisor is told to forget the service: then its absence is success.
    #[must_use]
    pub fn is_exit(&self) -> bool {
        self.verbs == [Verb::Exit]
    }

    /// Whether anything is to be sent: not `up` to what is wanted up, nor `down` to what is wanted
    /// down and was told so by TERM (a `once` is wanted down, and was not).
    #[must_use]
    pub fn must_send(&self, status: &Status) -> bool {
        match (self.verbs.first(), status.want) {
            (None, _) => false,
            (Some(Verb::Up), Want::Up) => false,
            (Some(Verb::Down), Want::Down | Want::Exit) => !status.got_term,
            (Some(_), _) => true,
        }
    }

    /// How far the order that was given at `asked` has come.
    #[must_use]
    pub fn progress(&self, status: &Status, asked: UnixTime) -> Progress {
        let asked_before = [match status.want {
            Want::Up => Verb::Up,
            Want::Down | Want::Exit => Verb::Down,
        }];
        let verbs = if self.verbs.is_empty() { &asked_before[..] } else { self.verbs };
        let mut progress = Progress::Reached;
        for verb in verbs {
            match verb_progress(*verb, status, asked) {
                Progress::NotYet => return Progress::NotYet,
                Progress::ReachedIfAvailable => progress = Progress::ReachedIfAvailable,
                Progress::Reached => {}
            }
        }
        progress
    }

    /// Whether an `up` will not come to pass any more: it was `before` wanted up, or has run since
    /// it was asked, and somebody has told it to be down. (Before the verb is read it is down as
    /// well, but since earlier.)
    #[must_use]
    pub fn is_overruled(&self, before: &Status, status: &Status, asked: UnixTime) -> bool {
        let is_idle = |status: &Status| status.state == State::Down && status.pid.is_none();
        let has_run = is_idle(before) && !is_older(status, asked);
        self.verbs.last() == Some(&Verb::Up)
            && is_idle(status)
            && status.want != Want::Up
            && (before.want == Want::Up || has_run)
    }
}

/// Whether it was so before it was asked.
fn is_older(status: &Status, asked: UnixTime) -> bool {
    // To the microsecond: runsv knows no more, and a start may follow the question that fast.
    let asked = Duration::from_micros(u64::try_from(asked.0.as_micros()).unwrap_or(u64::MAX));
    status.since.0 < asked
}

fn verb_progress(verb: Verb, status: &Status, asked: UnixTime) -> Progress {
    let is_alive = status.pid.is_some();
    let wants_up = status.want == Want::Up;
    let is_older = is_older(status, asked);
    let reached = match verb {
        // Not before the supervisor has read the verb, where runit sees no further than the state:
        // what rests after a crash is not stopped, and what is being stopped is not up.
        Verb::Up if is_alive && status.state == State::Run && wants_up => {
            return Progress::ReachedIfAvailable;
        }
        Verb::Up => false,
        Verb::Down => !is_alive && status.state == State::Down && !wants_up,
        Verb::Once if is_alive => !wants_up,
        Verb::Once => !is_older,
        // Only the absence of the supervisor is the end of it.
        Verb::Exit => false,
        Verb::Term | Verb::Kill if !is_alive && !wants_up => true,
        Verb::Term | Verb::Kill if is_alive && !is_older && !status.got_term => {
            return Progress::ReachedIfAvailable;
        }
        Verb::Term | Verb::Kill => false,
        Verb::Pause => !is_alive || status.paused,
        Verb::Continue => !is_alive || !status.paused,
        Verb::Hangup | Verb::Alarm | Verb::Interrupt | Verb::Quit => true,
        Verb::User1 | Verb::User2 => true,
    };
    if reached { Progress::Reached } else { Progress::NotYet }
}

/// How long an order is waited for: never less than runit does, whose last look comes at the first
/// multiple of 420 ms behind the number of seconds.
#[must_use]
pub fn patience(seconds: u64) -> Duration {
    let rests = (seconds.saturating_mul(1000) / REST_MILLISECONDS).saturating_add(1);
    Duration::from_millis(rests.saturating_mul(REST_MILLISECONDS))
}

/// Why a service could not be asked or told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Its directory is not there, or not for us.
    Directory(Errno),
    /// Its `log` is no directory, or not for us.
    LogDirectory(Errno),
    /// Nobody has opened `supervise/ok`.
    NotRunning,
    /// It was to come up, and somebody has told it to be down.
    ToldDown,
    /// `supervise/ok` could not be opened.
    Ok(Errno),
    /// `supervise/status` could not be opened.
    Status(Errno),
    /// `supervise/status` could not be read.
    Read(Errno),
    /// `supervise/status` holds something else.
    Format,
    /// `supervise/control` could not be opened.
    Control(Errno),
    /// `supervise/control` could not be written.
    Write(Errno),
}

impl Trouble {
    /// The line, in runit's words. People also get to know what to do.
    #[must_use]
    pub fn line(&self, name: &[u8], hints: Hints) -> String {
        let prefix = match self {
            Trouble::Directory(_) | Trouble::NotRunning | Trouble::ToldDown => "fail",
            Trouble::LogDirectory(_) | Trouble::Ok(_) | Trouble::Status(_) => "warning",
            Trouble::Read(_) | Trouble::Format => "warning",
            Trouble::Control(_) | Trouble::Write(_) => "warning",
        };
        let words = match hints {
            Hints::Hidden => self.words(),
            Hints::Shown => self.advice(),
        };
        format!("{prefix}: {}: {words}\n", Shown(name))
    }

    /// What failed and why, and what to do about it.
    fn advice(&self) -> String {
        match self.hint() {
            Some(hint) => format!("{} ({hint})", self.words()),
            None => self.words(),
        }
    }

    /// What failed and why, without the name.
    #[must_use]
    pub fn words(&self) -> String {
        let (deed, errno) = match self {
            Trouble::Directory(errno) => ("unable to change to service directory", errno),
            Trouble::LogDirectory(errno) => ("unable to change directory", errno),
            Trouble::NotRunning => return "runsv not running".to_string(),
            Trouble::ToldDown => return "told to be down".to_string(),
            Trouble::Ok(errno) => ("unable to open supervise/ok", errno),
            Trouble::Status(errno) => ("unable to open supervise/status", errno),
            Trouble::Read(errno) => ("unable to read supervise/status", errno),
            Trouble::Format => return "unable to read supervise/status: bad format".to_string(),
            Trouble::Control(errno) => ("unable to open supervise/control", errno),
            Trouble::Write(errno) => ("unable to write to supervise/control", errno),
        };
        format!("{deed}: {}", reason(*errno))
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Trouble::Directory(Errno::NOENT) => Some("`sv status` lists the services"),
            Trouble::NotRunning | Trouble::Ok(Errno::NOENT) => {
                Some("nothing supervises it: is my_init running, and is this its directory?")
            }
            Trouble::Directory(errno)
            | Trouble::LogDirectory(errno)
            | Trouble::Ok(errno)
            | Trouble::Status(errno)
            | Trouble::Read(errno)
            | Trouble::Control(errno)
            | Trouble::Write(errno) => match *errno {
                Errno::ACCES => Some("not for this user: see PERMISSIONS in sv(8)"),
                EAGAIN => Some("its supervisor reads no commands: is it stopped?"),
                _ => None,
            },
            Trouble::Format | Trouble::ToldDown => None,
        }
    }
}

/// Whether a line also says what to do: for people, not for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hints {
    /// The line is runit's.
    Hidden,
    /// What to do stands behind it, in parentheses.
    Shown,
}

/// The FIFO is full: resource temporarily unavailable.
const EAGAIN: Errno = Errno(11);

/// Runit's words for what files and FIFOs answer (error_str.c). Its list lacks many: it says
/// "unknown error" then.
#[must_use]
pub fn reason(errno: Errno) -> &'static str {
    match errno.0 {
        1 => "permission denied",
        2 => "file does not exist",
        4 => "interrupted system call",
        5 => "input/output error",
        6 => "device not configured",
        7 => "argument list too long",
        8 => "exec format error",
        9 => "file descriptor not open",
        11 => "temporary failure",
        12 => "out of memory",
        13 => "access denied",
        14 => "bad address",
        16 => "device busy",
        17 => "file already exists",
        20 => "not a directory",
        21 => "is a directory",
        22 => "invalid argument",
        23 | 24 => "system cannot open more files",
        26 => "text busy",
        27 => "file too big",
        28 => "out of disk space",
        30 => "read-only file system",
        32 => "broken pipe",
        36 => "file name too long",
        40 => "symbolic link loop",
        110 => "timed out",
        116 => "stale NFS file handle",
        122 => "disk quota exceeded",
        _ => "unknown error",
    }
}

/// What a look at a service shows: its status, and whether it comes up by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The twenty bytes.
    pub status: Status,
    /// What it becomes when its supervisor begins: down where there is a `down` file.
    pub normally: Want,
}

impl Sight {
    /// Runit's words, from the state to the last remark, without the end of the line.
    #[must_use]
    pub fn words(&self, name: &[u8], now: UnixTime) -> String {
        let status = &self.status;
        let pid = match (status.state, status.pid) {
            (State::Down, _) => String::new(),
            // Between run and finish there is none.
            (State::Run | State::Finish, pid) => format!("(pid {}) ", pid.map_or(0, |pid| pid.0)),
        };
        let seconds = now.seconds_since(status.since);
        let remarks: String = self.remarks().map(|remark| format!(", {remark}")).collect();
        format!("{}: {}: {pid}{seconds}s{remarks}", status.state.word(), Shown(name))
    }

    /// What is not as one would expect.
    pub(crate) fn remarks(&self) -> impl Iterator<Item = &'static str> {
        let Status { paused, want, got_term, .. } = self.status;
        let is_alive = self.status.pid.is_some();
        let normally_up = self.normally == Want::Up;
        let all = [
            (is_alive && !normally_up, "normally down"),
            (!is_alive && normally_up, "normally up"),
            (is_alive && paused, "paused"),
            (!is_alive && want == Want::Up, "want up"),
            (is_alive && want != Want::Up, "want down"),
            (is_alive && got_term, "got TERM"),
        ];
        all.into_iter().filter_map(|(holds, remark)| holds.then_some(remark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Pid;
    use alloc::format;
    use proptest::prelude::*;

    const ASKED: UnixTime = UnixTime(Duration::from_millis(100_500));

    fn at(seconds: u64) -> UnixTime {
        UnixTime(Duration::from_secs(seconds))
    }

    fn running(since: UnixTime) -> Status {
        Status {
            state: State::Run,
            pid: Some(Pid(7)),
            paused: false,
            want: Want::Up,
            got_term: false,
            since,
        }
    }

    fn down(since: UnixTime, want: Want) -> Status {
        Status { state: State::Down, pid: None, want, ..running(since) }
    }

    fn order(verbs: &'static [Verb]) -> Order {
        Order { verbs, follow: Follow::Wait }
    }

    fn progress(verbs: &'static [Verb], status: Status) -> Progress {
        order(verbs).progress(&status, ASKED)
    }

    const RESTART: &[Verb] = &[Verb::Term, Verb::Continue, Verb::Up];

    #[test]
    fn a_restart_is_over_when_a_later_run_is_up_and_not_before() {
        let old = running(at(90));
        assert_eq!(progress(RESTART, old), Progress::NotYet);
        assert_eq!(progress(RESTART, Status { got_term: true, ..old }), Progress::NotYet);
        assert_eq!(progress(RESTART, down(at(101), Want::Up)), Progress::NotYet);
        assert_eq!(progress(RESTART, running(at(101))), Progress::ReachedIfAvailable);
    }

    #[test]
    fn a_run_that_began_in_the_second_of_the_question_but_before_it_is_the_old_one() {
        let early = UnixTime(ASKED.0.saturating_sub(Duration::from_millis(1)));
        assert_eq!(progress(RESTART, running(early)), Progress::NotYet);
        assert_eq!(progress(RESTART, running(ASKED)), Progress::ReachedIfAvailable);
        // runsv cuts to microseconds what we know to the nanosecond.
        let asked = UnixTime(ASKED.0.saturating_add(Duration::from_nanos(900)));
        let reached = order(RESTART).progress(&running(ASKED), asked);
        assert_eq!(reached, Progress::ReachedIfAvailable);
    }

    #[test]
    fn a_start_is_overruled_by_a_down_that_came_later_and_by_nothing_else() {
        let start = order(&[Verb::Up]);
        let idle = down(at(1), Want::Down);
        let was = |before: &Status, now: Status| start.is_overruled(before, &now, ASKED);
        assert!(was(&idle, down(at(101), Want::Down)), "it has run since");
        assert!(!was(&idle, idle), "nobody has read the verb yet");
        assert!(!was(&idle, down(at(101), Want::Up)), "it rests after a crash");
        let ending = Status { state: State::Finish, want: Want::Down, ..running(at(101)) };
        assert!(!was(&idle, ending), "not before finish is over");
        let stopping = Status { want: Want::Down, got_term: true, ..running(at(1)) };
        assert!(!was(&stopping, down(at(101), Want::Down)), "the end it was on the way to");
        assert!(was(&running(at(1)), down(at(101), Want::Down)));
        assert!(order(RESTART).is_overruled(&running(at(1)), &idle, ASKED));
        assert!(!order(&[Verb::Down]).is_overruled(&idle, &down(at(101), Want::Down), ASKED));
    }

    #[test]
    fn a_check_that_fails_is_asked_again_soon_and_then_as_often_as_runit_does() {
        assert_eq!(rest(0), Duration::from_millis(10));
        assert_eq!(rest(3), Duration::from_millis(80));
        for failed in [6, 63, 64, u32::MAX] {
            assert_eq!(rest(failed), REST, "{failed}");
        }
    }

    #[test]
    fn a_stop_is_over_when_finish_is() {
        let finishing = Status { state: State::Finish, want: Want::Down, ..running(at(90)) };
        assert_eq!(progress(&[Verb::Down], finishing), Progress::NotYet);
        assert_eq!(progress(&[Verb::Down], Status { pid: None, ..finishing }), Progress::NotYet);
        assert_eq!(progress(&[Verb::Down], down(at(101), Want::Down)), Progress::Reached);
    }

    #[test]
    fn what_rests_after_a_crash_is_not_stopped_and_what_is_being_stopped_is_not_up() {
        assert_eq!(progress(&[Verb::Down], down(at(101), Want::Up)), Progress::NotYet);
        let stopping = Status { want: Want::Down, got_term: true, ..running(at(90)) };
        assert_eq!(progress(&[Verb::Up], stopping), Progress::NotYet);
    }

    #[test]
    fn what_is_down_on_request_needs_no_restart() {
        let idle = down(at(1), Want::Down);
        assert_eq!(progress(&[Verb::Term, Verb::Continue], idle), Progress::Reached);
        assert_eq!(progress(RESTART, idle), Progress::NotYet);
    }

    #[test]
    fn once_is_over_when_it_has_run_or_runs_for_the_last_time() {
        assert_eq!(progress(&[Verb::Once], down(at(1), Want::Down)), Progress::NotYet);
        assert_eq!(progress(&[Verb::Once], down(at(101), Want::Down)), Progress::Reached);
        assert_eq!(progress(&[Verb::Once], running(at(1))), Progress::NotYet);
        let last = Status { want: Want::Down, ..running(at(1)) };
        assert_eq!(progress(&[Verb::Once], last), Progress::Reached);
    }

    #[test]
    fn check_waits_for_what_was_asked_before() {
        assert_eq!(progress(&[], running(at(1))), Progress::ReachedIfAvailable);
        assert_eq!(progress(&[], down(at(1), Want::Up)), Progress::NotYet);
        assert_eq!(progress(&[], down(at(1), Want::Down)), Progress::Reached);
        assert!(!order(&[]).must_send(&running(at(1))));
    }

    #[test]
    fn pause_and_cont_look_at_the_flag_and_the_other_signals_at_nothing() {
        let paused = Status { paused: true, ..running(at(1)) };
        assert_eq!(progress(&[Verb::Pause], running(at(1))), Progress::NotYet);
        assert_eq!(progress(&[Verb::Pause], paused), Progress::Reached);
        assert_eq!(progress(&[Verb::Continue], paused), Progress::NotYet);
        assert_eq!(progress(&[Verb::Pause], down(at(1), Want::Up)), Progress::Reached);
        for verbs in [&[Verb::Hangup], &[Verb::Alarm], &[Verb::User1], &[Verb::Quit]] {
            assert_eq!(progress(verbs, running(at(1))), Progress::Reached);
        }
        assert_eq!(progress(&[Verb::Exit], down(at(101), Want::Down)), Progress::NotYet);
    }

    #[test]
    fn what_is_wanted_already_is_not_sent_again_but_a_once_is_sent_down() {
        let once = Status { want: Want::Down, ..running(at(1)) };
        assert!(!order(&[Verb::Up]).must_send(&running(at(1))));
        assert!(order(&[Verb::Up]).must_send(&once));
        assert!(order(&[Verb::Down]).must_send(&once));
        assert!(!order(&[Verb::Down]).must_send(&Status { got_term: true, ..once }));
        assert!(order(RESTART).must_send(&running(at(1))));
    }

    #[test]
    fn patience_is_never_shorter_than_runits() {
        assert_eq!(patience(7), Duration::from_millis(7140));
        assert_eq!(patience(0), REST);
        assert_eq!(patience(21), Duration::from_millis(21_420));
        assert!(patience(u64::MAX) > Duration::from_secs(1 << 50));
    }

    fn words(status: Status, normally: Want) -> String {
        Sight { status, normally }.words(b"web", at(120))
    }

    #[test]
    fn the_lines_are_runits() {
        assert_eq!(words(running(at(90)), Want::Up), "run: web: (pid 7) 30s");
        assert_eq!(words(running(at(130)), Want::Down), "run: web: (pid 7) 0s, normally down");
        let stopping =
            Status { paused: true, want: Want::Down, got_term: true, ..running(at(120)) };
        assert_eq!(words(stopping, Want::Up), "run: web: (pid 7) 0s, paused, want down, got TERM");
        assert_eq!(words(down(at(1), Want::Down), Want::Down), "down: web: 119s");
        assert_eq!(words(down(at(1), Want::Up), Want::Up), "down: web: 119s, normally up, want up");
        let between = Status { state: State::Finish, ..down(at(119), Want::Up) };
        assert_eq!(words(between, Want::Up), "finish: web: (pid 0) 1s, normally up, want up");
    }

    #[test]
    fn trouble_is_told_in_runits_words_and_only_people_get_advice() {
        let gone = Trouble::Directory(Errno::NOENT);
        let line = "fail: web: unable to change to service directory: file does not exist";
        assert_eq!(gone.line(b"web", Hints::Hidden), format!("{line}\n"));
        assert_eq!(
            gone.line(b"web", Hints::Shown),
            format!("{line} (`sv status` lists the services)\n")
        );
        assert_eq!(
            Trouble::NotRunning.line(b"web", Hints::Hidden),
            "fail: web: runsv not running\n"
        );
        assert_eq!(
            Trouble::Ok(Errno::ACCES).line(b"web/log", Hints::Hidden),
            "warning: web/log: unable to open supervise/ok: access denied\n"
        );
    }

    #[test]
    fn a_hostile_name_cannot_forge_a_line() {
        let line = Trouble::NotRunning.line(b"web\nok: db", Hints::Hidden);
        assert_eq!(line.lines().count(), 1);
    }

    proptest! {
        #[test]
        fn any_status_gives_one_line(bytes in any::<[u8; 20]>(), up: bool, state in 0..3_u8) {
            let mut bytes = bytes;
            bytes[17] = if up { b'u' } else { b'd' };
            bytes[19] = state;
            if let Some(status) = Status::from_bytes(&bytes) {
                let sight = Sight { status, normally: Want::Up };
                prop_assert_eq!(sight.words(b"x", at(5)).lines().count(), 1);
                let verbs = [Verb::Term, Verb::Continue, Verb::Up, Verb::Once, Verb::Down];
                for verb in verbs {
                    verb_progress(verb, &status, at(5));
                }
            }
        }
    }

    #[test]
    fn only_exit_alone_makes_absence_a_success() {
        assert!(order(&[Verb::Exit]).is_exit());
        assert!(!order(&[Verb::Down]).is_exit() && !order(&[]).is_exit());
    }

    #[test]
    fn a_start_is_not_overruled_between_run_and_finish() {
        let between = Status { pid: None, want: Want::Down, ..running(at(101)) };
        let idle = down(at(1), Want::Down);
        assert!(!order(&[Verb::Up]).is_overruled(&idle, &between, ASKED));
    }

    #[test]
    fn a_term_is_not_done_while_the_old_process_lives_or_a_new_one_is_to_come() {
        let old = Status { want: Want::Down, ..running(at(90)) };
        assert_eq!(progress(&[Verb::Term], old), Progress::NotYet);
        assert_eq!(progress(&[Verb::Term], down(at(101), Want::Up)), Progress::NotYet);
        assert_eq!(progress(&[Verb::Term], down(at(101), Want::Down)), Progress::Reached);
    }

    #[test]
    fn whoever_may_not_or_is_not_heard_is_told_what_to_do() {
        let line = |errno| Trouble::Control(errno).line(b"web", Hints::Shown);
        assert!(line(Errno::ACCES).contains("PERMISSIONS in sv(8)"));
        assert!(line(EAGAIN).contains("reads no commands"));
        assert!(!Trouble::Control(EAGAIN).line(b"web", Hints::Hidden).contains("commands"));
    }
}
