//! The words everything else is said in: a process, a signal, an end, a moment.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt::{self, Write as _};
use core::hash::{Hash, Hasher};
use core::num::NonZeroU64;
use core::time::Duration;

/// A process id as the kernel gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(pub i32);

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A signal by its number on Linux, 1 to 64 (signal(7); x86 and arm agree on those named here).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(pub u8);

impl Signal {
    /// The terminal was hung up; by custom "read your configuration again".
    pub const HUP: Signal = Signal(1);
    /// Ctrl-C.
    pub const INT: Signal = Signal(2);
    /// Ctrl-\.
    pub const QUIT: Signal = Signal(3);
    /// The one that cannot be refused.
    pub const KILL: Signal = Signal(9);
    /// For the program's own use.
    pub const USR1: Signal = Signal(10);
    /// For the program's own use.
    pub const USR2: Signal = Signal(12);
    /// An alarm clock.
    pub const ALRM: Signal = Signal(14);
    /// The request to end.
    pub const TERM: Signal = Signal(15);
    /// Go on after a stop.
    pub const CONT: Signal = Signal(18);
    /// Stop, until CONT.
    pub const STOP: Signal = Signal(19);
    /// The window changed its size.
    pub const WINCH: Signal = Signal(28);
    /// "Halt", as container engines send it to systemd-like inits: SIGRTMIN+3. By number, because
    /// Docker sends 37 while the C libraries disagree where the real-time signals begin
    /// (glibc 34, musl 35).
    pub const RTMIN_3: Signal = Signal(37);
}

/// The name of a signal without `SIG`, or its number where it has none.
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 32] = [
            "0", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV",
            "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN",
            "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
        ];
        match NAMES.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}

/// How a process ended: with a code of its own, or killed by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// `exit(code)`.
    Code(u8),
    /// Killed by this signal.
    Signal(Signal),
}

impl Exit {
    /// The one number a shell gives for it: the code, or 128 + the signal.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128_u8.saturating_add(signal.0),
        }
    }

    /// Whether this is what success looks like.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Exit::Code(0)
    }
}

/// "status 3", or "status 137 (killed by signal KILL)".
impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "status {code}"),
            Exit::Signal(signal) => {
                write!(f, "status {} (killed by signal {signal})", self.status())
            }
        }
    }
}

/// A moment on a clock that only goes forward and that nobody can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub Duration);

impl Instant {
    /// The moment that much later; `None` where no clock reaches, which means never.
    #[must_use]
    pub fn after(self, wait: Duration) -> Option<Instant> {
        self.0.checked_add(wait).map(Instant)
    }

    /// How long from here until `later`; nothing where that has passed.
    #[must_use]
    pub fn until(self, later: Instant) -> Duration {
        later.0.saturating_sub(self.0)
    }
}

/// A moment as it is kept where there are hundreds of them: in half the room, also where there may
/// be none. In nanoseconds, and one more, so that none of them is zero; the last one comes after
/// five hundred years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kept(NonZeroU64);

/// As the moment that it is: whoever compares states takes moments relative to each other.
impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Instant::from(*self).hash(state);
    }
}

impl From<Instant> for Kept {
    fn from(Instant(moment): Instant) -> Kept {
        let nanoseconds = u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX);
        Kept(NonZeroU64::MIN.saturating_add(nanoseconds))
    }
}

impl From<Kept> for Instant {
    fn from(Kept(nanoseconds): Kept) -> Instant {
        Instant(Duration::from_nanos(nanoseconds.get().saturating_sub(1)))
    }
}

/// Facts that few of hundreds have at a time: eight bytes, as long as none is other than usual.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Rarely<T>(Option<Box<T>>);

impl<T: Copy + Default + PartialEq> Rarely<T> {
    /// The facts.
    pub(crate) fn get(&self) -> T {
        self.0.as_deref().copied().unwrap_or_default()
    }

    /// Change them.
    pub(crate) fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut facts = self.get();
        let result = change(&mut facts);
        if facts == T::default() {
            self.0 = None;
        } else if let Some(room) = &mut self.0 {
            **room = facts;
        } else {
            self.0 = Some(Box::new(facts));
        }
        result
    }
}

/// Bytes from outside, made fit for one line of a message: control characters, backslashes and
/// bytes that are no UTF-8 are escaped, so that a name can neither forge a line nor move a cursor.
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for letter in chunk.valid().chars() {
                match letter {
                    '\n' | '\r' | '\t' | '\\' => write!(f, "{}", letter.escape_default())?,
                    _ if letter.is_control() => {
                        hexadecimal(f, letter.encode_utf8(&mut [0; 4]).as_bytes())?;
                    }
                    _ => f.write_char(letter)?,
                }
            }
            hexadecimal(f, chunk.invalid())?;
        }
        Ok(())
    }
}

/// As bash's `printf` and `$'...'` read it.
fn hexadecimal(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))
}

/// Words joined by a blank, each shown safely: a command as a person would read it.
#[must_use]
pub fn shown_words<W: AsRef<[u8]>>(words: &[W]) -> String {
    let mut line = String::new();
    for (n, word) in words.iter().enumerate() {
        if n > 0 {
            line.push(' ');
        }
        // Writing to a String cannot fail.
        let _ = write!(line, "{}", Shown(word.as_ref()));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_exit_reads_as_a_shell_would_number_it() {
        assert_eq!(Exit::Code(3).status(), 3);
        assert_eq!(Exit::Signal(Signal::KILL).status(), 137);
        assert_eq!(Exit::Signal(Signal::KILL).to_string(), "status 137 (killed by signal KILL)");
        assert_eq!(Signal(40).to_string(), "40");
    }

    #[test]
    fn a_hostile_name_stays_on_its_line() {
        assert_eq!(Shown(b"a\n\x1b[2J\xff\\").to_string(), "a\\n\\x1b[2J\\xff\\\\");
        assert_eq!(Shown("\u{9b}2J".as_bytes()).to_string(), "\\xc2\\x9b2J");
        assert_eq!(Shown("caf\u{e9}".as_bytes()).to_string(), "caf\u{e9}");
    }

    #[test]
    fn for_ever_is_a_moment_no_clock_reaches() {
        assert_eq!(Instant(Duration::from_secs(1)).after(Duration::MAX), None);
    }

    #[test]
    fn from_a_moment_to_a_later_one_is_as_long_as_between_them() {
        let at = |seconds| Instant(Duration::from_secs(seconds));
        assert_eq!(at(1).until(at(4)), Duration::from_secs(3));
        assert_eq!(at(4).until(at(1)), Duration::ZERO);
        assert_eq!(at(1).after(Duration::from_secs(3)), Some(at(4)));
    }

    #[test]
    fn a_command_is_shown_with_a_blank_between_its_words() {
        assert_eq!(shown_words(&["sleep", "1\n", "x"]), "sleep 1\\n x");
        assert_eq!(shown_words::<&str>(&[]), "");
    }
}
