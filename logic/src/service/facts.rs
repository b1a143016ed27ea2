//! What a service is told: the answers to its starts, and the ends of its processes.

use super::aside::{Aside, Said};
use super::{Asked, Service};
use crate::contract::Program;
use crate::ending::{Ending, REST};
use crate::exec::{Deed as Birth, Errno};
use crate::status::State;
use crate::verbs::{Deed, Deeds};
use crate::words::{Exit, Instant, Kept, Pid};

impl Service {
    /// The answer to `Start`: it runs as this process.
    pub fn started(&mut self, now: Instant, pid: Pid) {
        match self.asked.take() {
            Some(Asked::Control(letter)) => {
                self.aside.change(|aside| aside.control = Some((pid, letter)));
                return;
            }
            Some(Asked::Run) => {
                self.state = State::Run;
                self.since = now.into();
                self.once = false;
                self.told = false;
                self.owed = Deeds::default();
            }
            Some(Asked::Finish) => {
                self.state = State::Finish;
                self.finish_due = false;
                self.grant_a_turn(now);
            }
            None => return,
        }
        self.process = Some(pid);
        self.consulted = None;
        self.refused = false;
        self.paused = false;
        self.got_term = false;
        self.aside.change(|aside| aside.rest_until = None);
        self.changed();
    }

    /// The answer to `Start`: there is no such script. `run` is always tried.
    pub fn not_there(&mut self, now: Instant) {
        match self.asked.take() {
            Some(Asked::Control(letter)) => self.consulted = Some(letter),
            Some(Asked::Finish) => self.is_down(now),
            Some(Asked::Run) | None => {}
        }
    }

    /// The answer to `Start`: no process could be made. Whether that is news.
    pub fn start_refused(&mut self, now: Instant) -> bool {
        let is_news = !self.refused;
        match self.asked.take() {
            // A script that stands in for a signal: then the signal itself.
            Some(Asked::Control(letter)) => self.consulted = Some(letter),
            Some(Asked::Finish) => self.is_down(now),
            Some(Asked::Run) => {
                self.refused = true;
                let rest_until = now.after(REST).map(Kept::from);
                self.aside.change(|aside| aside.rest_until = rest_until);
            }
            None => {}
        }
        is_news
    }

    /// One of its processes could not become its program: which, and whether it is the same again.
    /// `None` where somebody may be writing it this moment.
    pub fn exec_failed(&mut self, pid: Pid, deed: Birth, errno: Errno) -> Option<(Program, bool)> {
        let Aside { control, ended, .. } = self.aside.get();
        let program = match (control, ended) {
            (Some((control, letter)), _) if control == pid => Program::Control(letter),
            (_, Some((exit, run))) => Program::Finish(exit, run),
            _ => {
                self.exec_failed = true;
                Program::Run
            }
        };
        if core::mem::take(&mut self.fresh) {
            return None;
        }
        let before = self.aside.change(|Aside { said: Said([run, finish, control]), .. }| {
            let said = match program {
                Program::Run => run,
                Program::Finish(..) => finish,
                Program::Control(_) => control,
            };
            said.replace((deed, errno))
        });
        Some((program, before == Some((deed, errno))))
    }

    /// One of its processes has ended.
    pub fn exited(&mut self, now: Instant, pid: Pid, exit: Exit) {
        if let Some((control, letter)) = self.aside.get().control
            && control == pid
        {
            self.aside.change(|aside| aside.control = None);
            self.control_ended(letter, exit);
            // It was all that was left beside a process that cannot be killed.
            if self.state != State::Down && self.is_idle() {
                self.is_down(now);
            }
        } else if self.process == Some(pid) {
            self.process = None;
            if self.state == State::Run {
                self.run_ended(now, pid, exit);
            } else {
                self.is_down(now);
            }
        }
    }

    /// Exit 0 means that the script did what the signal should do; even one that is not asked for
    /// any more.
    fn control_ended(&mut self, letter: u8, exit: Exit) {
        self.consulted = Some(letter);
        if !exit.is_success() {
            return;
        }
        if let Some(deed) = self.owed.with_letter(letter) {
            self.owed.remove(deed);
            self.consulted = None;
        }
        match letter {
            // Unless the service has ended meanwhile.
            b'p' if self.process.is_some() => self.is_paused_by(Deed::Pause),
            b'c' => self.is_paused_by(Deed::Continue),
            _ => {}
        }
    }

    fn run_ended(&mut self, now: Instant, pid: Pid, exit: Exit) {
        // As runit counts it: what could not be executed ended with 111.
        let failed = core::mem::take(&mut self.exec_failed);
        let exit = if failed { Exit::Code(111) } else { exit };
        let rested = self.rested(now);
        self.aside.change(|aside| {
            aside.ended = Some((exit, pid));
            aside.rested = rested;
            let Said([run, ..]) = &mut aside.said;
            if !failed {
                *run = None;
            }
        });
        let quickly = rested.is_some() && exit.is_success();
        // After three it has been said.
        self.quick_ends = if quickly { self.quick_ends.saturating_add(1).min(3) } else { 0 };
        self.owed = Deeds::default();
        self.consulted = None;
        self.paused = false;
        self.got_term = false;
        self.finish_due = true;
        // Its `finish` may have to wait for a script of `control/`, and somebody looks meanwhile.
        self.changed();
        self.grant_a_turn(now);
    }

    /// One process was killed, and another of the service has not had its turn yet: a second.
    fn grant_a_turn(&mut self, now: Instant) {
        if self.is_killed() {
            self.ends(Ending::asked(now.after(REST)));
        }
    }

    /// It runs, and ends now: when it has run for long enough to be started again at once, if that
    /// is still to come, and nobody told it to end.
    fn rested(&self, now: Instant) -> Option<Kept> {
        let rested = Instant::from(self.since).after(REST)?;
        (rested > now && !self.told).then(|| rested.into())
    }

    pub(super) fn is_down(&mut self, now: Instant) {
        let rested = match self.state {
            State::Run => self.rested(now),
            State::Finish | State::Down => self.aside.get().rested,
        };
        let is_quick = rested.is_some_and(|rested| rested > now.into());
        let rest_until = now.after(REST).filter(|_| is_quick).map(Kept::from);
        self.aside.change(|aside| {
            (aside.ended, aside.rested) = (None, None);
            aside.rest_until = rest_until.or(aside.rest_until);
        });
        self.state = State::Down;
        self.finish_due = false;
        self.process = None;
        self.since = now.into();
        self.changed();
    }
}
