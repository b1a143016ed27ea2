//! The bytes of `supervise/control`: what they ask for, and what is owed to a process for them.

use crate::words::Signal;

/// One byte in `control` (runsv(8), CONTROL).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Start, and start again whenever it ends.
    Up,
    /// TERM and CONT; do not start again.
    Down,
    /// Start; do not start again.
    Once,
    /// As down; then the supervisor forgets the service.
    Exit,
    /// Signal TERM.
    Term,
    /// Signal KILL.
    Kill,
    /// Signal STOP.
    Pause,
    /// Signal CONT.
    Continue,
    /// Signal HUP.
    Hangup,
    /// Signal ALRM.
    Alarm,
    /// Signal INT.
    Interrupt,
    /// Signal QUIT.
    Quit,
    /// Signal USR1.
    User1,
    /// Signal USR2.
    User2,
}

impl Verb {
    /// Each with its byte, and what it is for a running process if it is no more than a signal.
    const ALL: [(Verb, u8, Option<Deed>); 14] = [
        (Verb::Up, b'u', None),
        (Verb::Down, b'd', None),
        (Verb::Once, b'o', None),
        (Verb::Exit, b'x', None),
        (Verb::Term, b't', Some(Deed::Term)),
        (Verb::Kill, b'k', Some(Deed::Kill)),
        (Verb::Pause, b'p', Some(Deed::Pause)),
        (Verb::Continue, b'c', Some(Deed::Continue)),
        (Verb::Hangup, b'h', Some(Deed::Hangup)),
        (Verb::Alarm, b'a', Some(Deed::Alarm)),
        (Verb::Interrupt, b'i', Some(Deed::Interrupt)),
        (Verb::Quit, b'q', Some(Deed::Quit)),
        (Verb::User1, b'1', Some(Deed::User1)),
        (Verb::User2, b'2', Some(Deed::User2)),
    ];

    /// The verb of a byte; `None` for a byte that is none.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Verb> {
        Verb::ALL.into_iter().find(|&(_, other, _)| other == byte).map(|(verb, ..)| verb)
    }

    /// As it stands in `control`.
    #[must_use]
    pub fn byte(self) -> u8 {
        Verb::ALL.into_iter().find(|&(verb, ..)| verb == self).map_or(0, |(_, byte, _)| byte)
    }

    /// What is owed to a running process for it, if it is no more than a signal.
    #[must_use]
    pub fn deed(self) -> Option<Deed> {
        Verb::ALL.into_iter().find(|&(verb, ..)| verb == self).and_then(|(.., deed)| deed)
    }
}

/// Something owed to a running process, in the order in which it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// KILL.
    Kill,
    /// TERM.
    Term,
    /// CONT, so that a stopped process wakes up to its end. No script stands in for it.
    Wake,
    /// Only the script `control/d`.
    TellDown,
    /// Only the script `control/x`.
    TellExit,
    /// STOP.
    Pause,
    /// CONT.
    Continue,
    /// HUP.
    Hangup,
    /// ALRM.
    Alarm,
    /// INT.
    Interrupt,
    /// QUIT.
    Quit,
    /// USR1.
    User1,
    /// USR2.
    User2,
}

impl Deed {
    const ALL: [Deed; 13] = [
        Deed::Kill,
        Deed::Term,
        Deed::Wake,
        Deed::TellDown,
        Deed::TellExit,
        Deed::Pause,
        Deed::Continue,
        Deed::Hangup,
        Deed::Alarm,
        Deed::Interrupt,
        Deed::Quit,
        Deed::User1,
        Deed::User2,
    ];
    /// The name of the script in `control/` that may stand in for the signal.
    #[must_use]
    pub fn letter(self) -> Option<u8> {
        match self {
            Deed::Kill => Some(b'k'),
            Deed::Term => Some(b't'),
            Deed::Wake => None,
            Deed::TellDown => Some(b'd'),
            Deed::TellExit => Some(b'x'),
            Deed::Pause => Some(b'p'),
            Deed::Continue => Some(b'c'),
            Deed::Hangup => Some(b'h'),
            Deed::Alarm => Some(b'a'),
            Deed::Interrupt => Some(b'i'),
            Deed::Quit => Some(b'q'),
            Deed::User1 => Some(b'1'),
            Deed::User2 => Some(b'2'),
        }
    }

    /// The signal.
    #[must_use]
    pub fn signal(self) -> Option<Signal> {
        match self {
            Deed::Kill => Some(Signal::KILL),
            Deed::Term => Some(Signal::TERM),
            Deed::Wake | Deed::Continue => Some(Signal::CONT),
            Deed::TellDown | Deed::TellExit => None,
            Deed::Pause => Some(Signal::STOP),
            Deed::Hangup => Some(Signal::HUP),
            Deed::Alarm => Some(Signal::ALRM),
            Deed::Interrupt => Some(Signal::INT),
            Deed::Quit => Some(Signal::QUIT),
            Deed::User1 => Some(Signal::USR1),
            Deed::User2 => Some(Signal::USR2),
        }
    }

    fn bit(self) -> u16 {
        1_u16.checked_shl(self as u32).unwrap_or(0)
    }
}

/// What is owed: a set, so that a flood of bytes costs no more than one of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Deeds(u16);

impl Deeds {
    /// Owe one more.
    pub fn add(&mut self, deed: Deed) {
        self.0 |= deed.bit();
    }

    /// Owe it no longer.
    pub fn remove(&mut self, deed: Deed) {
        self.0 &= !deed.bit();
    }

    /// The one to be done first.
    #[must_use]
    pub fn first(self) -> Option<Deed> {
        Deed::ALL.into_iter().find(|deed| self.0 & deed.bit() != 0)
    }

    /// The one that `control/X` may stand in for, X being this letter.
    #[must_use]
    pub fn with_letter(self, letter: u8) -> Option<Deed> {
        let is_it = |deed: &Deed| self.0 & deed.bit() != 0 && deed.letter() == Some(letter);
        Deed::ALL.into_iter().find(is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_of_runit_is_a_verb_and_no_other_is() {
        let verbs = |bytes: &[u8]| bytes.iter().filter_map(|&b| Verb::from_byte(b)).count();
        assert_eq!(verbs(b"udoxtkpchaiq12"), 14);
        let all: alloc::vec::Vec<u8> = (0..=255).collect();
        assert_eq!(verbs(&all), 14);
    }

    #[test]
    fn a_flood_of_deeds_is_one_of_each_in_order() {
        let mut owed = Deeds::default();
        for deed in [Deed::Hangup, Deed::Wake, Deed::Term, Deed::Hangup] {
            owed.add(deed);
        }
        let mut done = alloc::vec::Vec::new();
        for deed in (0..10).map_while(|_| owed.first().inspect(|&deed| owed.remove(deed))) {
            done.push(deed);
        }
        assert_eq!(done, [Deed::Term, Deed::Wake, Deed::Hangup]);
    }

    #[test]
    fn a_letter_answers_only_for_what_is_owed() {
        let mut owed = Deeds::default();
        owed.add(Deed::Hangup);
        assert_eq!((owed.with_letter(b'h'), owed.with_letter(b't')), (Some(Deed::Hangup), None));
    }
}
