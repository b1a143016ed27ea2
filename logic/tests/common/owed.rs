//! The signals that a verb brings to the process of a service, unless a script of `control/` stands
//! in for them; and those that are still to come.

use logic::verbs::Verb;
use logic::words::Signal;

/// A set of signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owed(u64);

impl Owed {
    pub fn add(&mut self, signal: Signal) {
        self.0 |= 1 << signal.0;
    }

    pub fn remove(&mut self, signal: Signal) {
        self.0 &= !(1 << signal.0);
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// A service that runs hears a verb. `stands_in` tells whether there is a script for a letter.
    pub fn told(&mut self, verb: Verb, wanted_up: bool, stands_in: impl Fn(u8) -> bool) {
        let (letter, signal) = match verb {
            Verb::Up | Verb::Once => return,
            Verb::Down | Verb::Exit | Verb::Term => (b't', Signal::TERM),
            Verb::Kill => (b'k', Signal::KILL),
            Verb::Pause => (b'p', Signal::STOP),
            Verb::Continue => (b'c', Signal::CONT),
            Verb::Hangup => (b'h', Signal::HUP),
            Verb::Alarm => (b'a', Signal::ALRM),
            Verb::Interrupt => (b'i', Signal::INT),
            Verb::Quit => (b'q', Signal::QUIT),
            Verb::User1 => (b'1', Signal::USR1),
            Verb::User2 => (b'2', Signal::USR2),
        };
        if !stands_in(letter) {
            self.add(signal);
        }
        match verb {
            // What comes last is what counts.
            Verb::Pause => self.remove(Signal::CONT),
            Verb::Continue => self.remove(Signal::STOP),
            // One that stands still wakes up to its end.
            Verb::Down | Verb::Exit => self.wake(),
            Verb::Term if !wanted_up => self.wake(),
            _ => {}
        }
    }

    fn wake(&mut self) {
        self.remove(Signal::STOP);
        self.add(Signal::CONT);
    }
}
