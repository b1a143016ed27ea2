//! What PID 1 hears when it wakes up: signals, the ends of processes, what failed in a child, and
//! the verbs of `sv`.

use super::Hands;
use crate::processes::{self, Fate};
use crate::services;
use logic::contract::{Event, ServiceId};
use logic::words::{Exit, Signal};

/// As many dead as are collected at once.
const BATCH: usize = 64;
/// A record of a signalfd(2); the number of the signal comes first.
const SIGNAL_BYTES: usize = size_of::<nix::libc::signalfd_siginfo>();

impl Hands {
    pub(super) fn hear_signals(&mut self) {
        let mut child_ended = false;
        let mut records = [0; 4 * SIGNAL_BYTES];
        loop {
            let count = nix::unistd::read(&self.signals, &mut records).unwrap_or(0);
            let heard = records.get(..count).unwrap_or_default().chunks_exact(SIGNAL_BYTES);
            for number in heard.filter_map(|record| record.first_chunk().copied()) {
                let Ok(number) = u8::try_from(u32::from_ne_bytes(number)) else { continue };
                if i32::from(number) == nix::libc::SIGCHLD {
                    child_ended = true;
                } else {
                    self.hear(Event::Signal(Signal(number)));
                }
            }
            if count < records.len() {
                break;
            }
        }
        if child_ended {
            self.reap();
        }
    }

    /// Collect the dead until there is none. What a child wrote before its end is heard before its
    /// end: it cannot have written it later.
    pub(super) fn reap(&mut self) {
        loop {
            let news: Vec<_> = std::iter::from_fn(processes::next_news).take(BATCH).collect();
            let count = news.len();
            // What could not be executed ends so.
            let is_failure =
                |(_, fate): &(_, Fate)| matches!(fate, Fate::Ended(Exit::Code(126 | 127)));
            if news.iter().any(is_failure) {
                self.hear_failures();
            }
            for (pid, fate) in news {
                self.hear(match fate {
                    Fate::Ended(exit) => Event::Exited(pid, exit),
                    Fate::Stopped => Event::Stopped(pid),
                });
            }
            // Whoever dies from here on is told by another signal.
            if count < BATCH {
                return;
            }
        }
    }

    pub(super) fn hear_failures(&mut self) {
        while let Some((pid, deed, errno)) = self.failures.next() {
            self.hear(Event::ExecFailed(pid, deed, errno));
        }
    }

    pub(super) fn hear_services(&mut self, token: u64) {
        let Some(number) = token.checked_sub(services::FIRST) else { return };
        let id = ServiceId(u32::try_from(number).unwrap_or(u32::MAX));
        for event in self.directories.read(id) {
            self.hear(event);
            if !self.directories.are_watched() {
                self.hear(Event::Changed);
            }
        }
    }
}
