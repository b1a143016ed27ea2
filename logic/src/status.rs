//! What a supervisor says of a service: the twenty bytes of `supervise/status`, and `stat` and
//! `pid` beside it for people. PID 1 writes them, `sv` reads them, to the byte as runit has them.
//!
//! ```text
//! 0        8          12     16       17     18         19
//! seconds  nanosec.   pid    paused   want   got TERM   state
//! TAI64 BE BE         LE     0 or 1   u, d   0 or 1     0 down, 1 run, 2 finish
//! ```

use crate::words::Pid;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

/// How long `supervise/status` is.
pub const LENGTH_BYTES: usize = 20;

/// The TAI64 label of 1970-01-01, as runit's library has it (tai_now.c: 2^62 + 10).
const EPOCH: u64 = 4_611_686_018_427_387_914;

/// A moment on the clock on the wall: time since 1970. Anybody can set it, so it may stand in the
/// future.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub Duration);

impl UnixTime {
    /// How many seconds have begun since `earlier`, counted as runit does: by the full second,
    /// nothing where it lies in the future.
    #[must_use]
    pub fn seconds_since(self, earlier: UnixTime) -> u64 {
        self.0.as_secs().saturating_sub(earlier.0.as_secs())
    }
}

/// What of a service is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Nothing.
    Down,
    /// Its `run`.
    Run,
    /// Its `finish`.
    Finish,
}

impl State {
    const ALL: [State; 3] = [State::Down, State::Run, State::Finish];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            State::Down => "down",
            State::Run => "run",
            State::Finish => "finish",
        }
    }
}

/// What a service shall become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Want {
    /// Running, and started again whenever it ends.
    Up,
    /// Down, once what runs has ended.
    Down,
    /// Down, and then forgotten by its supervisor. The twenty bytes show it as down.
    Exit,
}

/// One service at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// What is running.
    pub state: State,
    /// The process that is running. None between `run` and `finish`; some while a killed one is
    /// not dead yet.
    pub pid: Option<Pid>,
    /// It was sent STOP.
    pub paused: bool,
    /// What it shall become.
    pub want: Want,
    /// It was sent TERM, and has not ended since.
    pub got_term: bool,
    /// When the state last changed. The start of `finish` is not counted as a change.
    pub since: UnixTime,
}

impl Status {
    /// The contents of `supervise/status`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; LENGTH_BYTES] {
        let [s0, s1, s2, s3, s4, s5, s6, s7] =
            EPOCH.saturating_add(self.since.0.as_secs()).to_be_bytes();
        let [n0, n1, n2, n3] = self.since.0.subsec_nanos().to_be_bytes();
        let [p0, p1, p2, p3] = self.pid.map_or(0, |pid| pid.0).to_le_bytes();
        let want = match self.want {
            Want::Up => b'u',
            Want::Down | Want::Exit => b'd',
        };
        let (paused, got_term) = (u8::from(self.paused), u8::from(self.got_term));
        let state = self.state as u8;
        [
            s0, s1, s2, s3, s4, s5, s6, s7, n0, n1, n2, n3, p0, p1, p2, p3, paused, want, got_term,
            state,
        ]
    }

    /// Read `supervise/status`. `None` where that is no status: a wrong length, a state or want
    /// nobody has, a process id no kernel gives.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Status> {
        let bytes: &[u8; LENGTH_BYTES] = bytes.try_into().ok()?;
        let [seconds @ .., _, _, _, _, _, _, _, _, _, _, _, _] = *bytes;
        let [.., n0, n1, n2, n3, p0, p1, p2, p3, paused, want, got_term, state] = *bytes;
        // A label before 1970 is a wrong clock, not a wrong status.
        let seconds = Duration::from_secs(u64::from_be_bytes(seconds).saturating_sub(EPOCH));
        let nanoseconds = Duration::from_nanos(u32::from_be_bytes([n0, n1, n2, n3]).into());
        let pid = i32::from_le_bytes([p0, p1, p2, p3]);
        let want = match want {
            b'u' => Want::Up,
            b'd' => Want::Down,
            _ => return None,
        };
        Some(Status {
            state: State::ALL.get(usize::from(state)).copied()?,
            pid: if pid < 0 { return None } else { (pid != 0).then_some(Pid(pid)) },
            paused: paused != 0,
            want,
            got_term: got_term != 0,
            since: UnixTime(seconds.saturating_add(nanoseconds)),
        })
    }

    /// The contents of `supervise/stat`.
    #[must_use]
    pub fn stat_text(&self) -> String {
        let paused = if self.paused { ", paused" } else { "" };
        let got_term = if self.got_term { ", got TERM" } else { "" };
        let want = match (self.state, self.want) {
            (State::Down, _) | (_, Want::Up) => "",
            (_, Want::Down) => ", want down",
            (_, Want::Exit) => ", want exit",
        };
        format!("{}{paused}{got_term}{want}\n", self.state.word())
    }

    /// The contents of `supervise/pid`: empty where nothing runs.
    #[must_use]
    pub fn pid_text(&self) -> String {
        self.pid.map_or_else(String::new, |pid| format!("{pid}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RUNNING: Status = Status {
        state: State::Run,
        pid: Some(Pid(0x0102_0304)),
        paused: false,
        want: Want::Up,
        got_term: false,
        since: UnixTime(Duration::new(1_700_000_000, 5)),
    };

    #[test]
    fn the_twenty_bytes_are_runits() {
        let bytes = RUNNING.to_bytes();
        assert_eq!(bytes[..8], (4_611_686_020_127_387_914_u64).to_be_bytes());
        assert_eq!(bytes[8..], [0, 0, 0, 5, 4, 3, 2, 1, 0, b'u', 0, 1]);
        let stopping = Status { paused: true, want: Want::Exit, got_term: true, ..RUNNING };
        assert_eq!(stopping.to_bytes()[16..], [1, b'd', 1, 1]);
    }

    #[test]
    fn a_status_written_by_debians_runsv_is_understood() {
        // runsv 2.1.2-54, of a service that ran as process 17323 and was told to go down.
        let bytes = b"\x40\0\0\0\x6b\x05\x7c\x16\x02\x69\x64\xbc\xab\x43\0\0\0d\x01\x01";
        let status = Status::from_bytes(bytes).unwrap();
        assert_eq!((status.state, status.want), (State::Run, Want::Down));
        assert_eq!((status.pid, status.got_term), (Some(Pid(17_323)), true));
        assert_eq!(status.since.0, Duration::new(0x6b05_7c16 - 10, 0x0269_64bc));
        assert_eq!(status.to_bytes(), *bytes);
    }

    #[test]
    fn stat_and_pid_are_runits() {
        assert_eq!(RUNNING.stat_text(), "run\n");
        let stopping = Status { paused: true, want: Want::Down, got_term: true, ..RUNNING };
        assert_eq!(stopping.stat_text(), "run, paused, got TERM, want down\n");
        let leaving = Status { state: State::Finish, want: Want::Exit, ..RUNNING };
        assert_eq!(leaving.stat_text(), "finish, want exit\n");
        let gone = Status { state: State::Down, pid: None, ..leaving };
        assert_eq!((gone.stat_text().as_str(), gone.pid_text().as_str()), ("down\n", ""));
        assert_eq!(RUNNING.pid_text(), "16909060\n");
    }

    #[test]
    fn what_is_no_status_is_refused() {
        let good = RUNNING.to_bytes();
        let with = |at: usize, value: u8| {
            let mut bytes = good;
            bytes[at] = value;
            Status::from_bytes(&bytes)
        };
        assert_eq!(Status::from_bytes(&good[..19]), None);
        assert_eq!(Status::from_bytes(&[&good[..], b"u"].concat()), None);
        assert_eq!((with(19, 3), with(17, 0), with(17, b'x')), (None, None, None));
        assert_eq!(with(15, 0x80), None, "a process id below zero");
        assert!(with(16, 7).is_some_and(|status| status.paused));
    }

    #[test]
    fn a_start_in_the_future_is_no_time_ago() {
        let early = UnixTime(Duration::from_secs(3));
        let late = UnixTime(Duration::from_millis(5900));
        assert_eq!((late.seconds_since(early), early.seconds_since(late)), (2, 0));
    }

    prop_compose! {
        /// Any status a supervisor can be in, want exit left out: the bytes do not tell it.
        fn any_status()(
            state in prop::sample::select(&State::ALL[..]), pid in 0..=i32::MAX,
            paused: bool, is_up: bool, got_term: bool,
            seconds in 0..=u64::MAX - EPOCH, nanoseconds in 0..1_000_000_000_u32,
        ) -> Status {
            Status {
                state,
                pid: (pid != 0).then_some(Pid(pid)),
                paused,
                want: if is_up { Want::Up } else { Want::Down },
                got_term,
                since: UnixTime(Duration::new(seconds, nanoseconds)),
            }
        }
    }

    proptest! {
        #[test]
        fn a_status_survives_its_bytes(status in any_status()) {
            prop_assert_eq!(Status::from_bytes(&status.to_bytes()), Some(status));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(status) = Status::from_bytes(&bytes) {
                prop_assert_eq!(bytes.len(), LENGTH_BYTES);
                prop_assert_eq!(status.to_bytes()[12..16].to_vec(), bytes[12..16].to_vec());
            }
        }

        #[test]
        fn twenty_bytes_with_a_want_and_a_state_are_read_without_harm(
            mut bytes in any::<[u8; 20]>(), state in 0..3_u8, is_up: bool,
        ) {
            bytes[17] = if is_up { b'u' } else { b'd' };
            bytes[19] = state;
            prop_assert_eq!(Status::from_bytes(&bytes).is_some(), bytes[15] < 0x80);
        }
    }

    #[test]
    fn a_service_that_is_down_has_no_process() {
        let down = Status { state: State::Down, pid: None, ..RUNNING };
        assert_eq!(Status::from_bytes(&down.to_bytes()), Some(down));
    }
}
