//! One supervised program: a few facts, a want, and the next step that closes the gap.
//!
//! ```text
//! Down --started--> Run --exited--> Finish --exited, or no such script--> Down
//! ```
//! A log service is a service like any other; what binds the two is in `services`. The rules are
//! runit's (runsv(8)), but nothing in here waits.

use crate::contract::Program;
use crate::ending::Ending;
use crate::status::{State, Status, UnixTime, Want};
use crate::verbs::{Deed, Deeds, Verb};
use crate::words::{Instant, Kept, Pid, Rarely, Signal};
use aside::Aside;

/// The next thing a service needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Show its want before anything is done about it.
    Publish,
    /// Start this. Answer: `started`, `start_refused` or `not_there`.
    Start(Program),
    /// Send this.
    Signal(Pid, Signal),
    /// Say that patience is over.
    Force(Pid),
    /// Say that `./run` keeps ending at once, as if all were well.
    Daemonizes,
}

/// How fast its status has to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unseen {
    Nothing,
    Change,
    Want,
}

/// What was to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asked {
    Run,
    Finish,
    Control(u8),
}

/// The service.
#[derive(Clone, Debug, Hash)]
pub struct Service {
    state: State,
    want: Want,
    /// `run` or `finish`.
    process: Option<Pid>,
    /// The step whose answer is awaited.
    asked: Option<Asked>,
    since: Kept,
    aside: Rarely<Aside>,
    owed: Deeds,
    unseen: Unseen,
    paused: bool,
    got_term: bool,
    /// Start it although it is not wanted up: `o`.
    once: bool,
    /// It ends because somebody wants it to.
    told: bool,
    /// `control/X`, by its letter, was asked about something owed, or about the start, and left
    /// it to us.
    consulted: Option<u8>,
    /// `finish` is still to be run.
    finish_due: bool,
    exec_failed: bool,
    refused: bool,
    /// Its directory is new: somebody may be writing `run` this moment.
    pub fresh: bool,
    /// It is a log service, and has no scripts in `control/`.
    pub is_log: bool,
    /// A startup script started it. (It is here because here is room for it.)
    pub is_early: bool,
    /// How often in a row `run` ended at once with status 0.
    quick_ends: u8,
}

impl Service {
    /// A service that is down, and stays so until it is wanted up.
    #[must_use]
    pub fn new(now: Instant) -> Service {
        Service {
            state: State::Down,
            want: Want::Down,
            process: None,
            asked: None,
            since: now.into(),
            aside: Rarely::default(),
            owed: Deeds::default(),
            unseen: Unseen::Change,
            paused: false,
            got_term: false,
            once: false,
            told: false,
            consulted: None,
            finish_due: false,
            exec_failed: false,
            refused: false,
            fresh: false,
            is_log: false,
            is_early: false,
            quick_ends: 0,
        }
    }

    /// Hear a verb. Whoever was told to end by a stop is not called back.
    pub fn verb(&mut self, verb: Verb) {
        let is_ending = self.aside.get().ending != Ending::NotAsked;
        match verb {
            Verb::Up | Verb::Once | Verb::Down if is_ending => {}
            Verb::Up => self.wants(Want::Up),
            Verb::Once => {
                self.wants(Want::Down);
                self.once = self.state == State::Down;
            }
            Verb::Down => {
                self.wants(Want::Down);
                self.once = false;
                self.stop_running();
            }
            Verb::Exit => {
                self.wants(Want::Exit);
                self.once = false;
                self.stop_running();
            }
            Verb::Term
            | Verb::Kill
            | Verb::Pause
            | Verb::Continue
            | Verb::Hangup
            | Verb::Alarm
            | Verb::Interrupt
            | Verb::Quit
            | Verb::User1
            | Verb::User2 => self.send(verb),
        }
    }

    fn wants(&mut self, want: Want) {
        self.want = want;
        self.unseen = Unseen::Want;
        if self.state == State::Down && !self.refused {
            // Somebody asks: it has rested enough.
            self.aside.change(|aside| aside.rest_until = None);
        }
    }

    /// As runsv's stopservice: TERM, and where it shall not come back CONT and a word about it.
    fn stop_running(&mut self) {
        if !self.can_be_asked() {
            return;
        }
        self.owed.add(Deed::Term);
        match self.want {
            Want::Up => return,
            Want::Down => self.owed.add(Deed::TellDown),
            Want::Exit => self.owed.add(Deed::TellExit),
        }
        self.owed.remove(Deed::Pause);
        self.owed.add(Deed::Wake);
    }

    fn send(&mut self, verb: Verb) {
        if !self.can_be_asked() {
            return;
        }
        if verb == Verb::Term {
            return self.stop_running();
        }
        if verb == Verb::Pause {
            self.owed.remove(Deed::Continue);
        }
        if verb == Verb::Continue {
            self.owed.remove(Deed::Pause);
        }
        if let Some(deed) = verb.deed() {
            self.owed.add(deed);
        }
    }

    /// What was sent, or what a script did in its place, has paused it or woken it up.
    fn is_paused_by(&mut self, deed: Deed) {
        self.paused = deed == Deed::Pause;
        self.changed();
    }

    /// The stop of the container, or the end of the service directory: end, and be killed when
    /// patience is over.
    pub fn end(&mut self, kill_at: Option<Instant>) {
        if self.aside.get().ending == Ending::NotAsked {
            self.verb(Verb::Exit);
        }
        self.limit(kill_at);
    }

    /// The same for a log service: end of file is what ends it, no signal. Whether that is news.
    pub fn end_by_end_of_file(&mut self, kill_at: Option<Instant>) -> bool {
        let is_news = self.want != Want::Exit;
        self.wants(Want::Exit);
        self.once = false;
        self.limit(kill_at);
        is_news
    }

    fn limit(&mut self, kill_at: Option<Instant>) {
        if let Ending::NotAsked | Ending::Asked { kill_at: None } = self.aside.get().ending {
            self.ends(Ending::asked(kill_at));
        }
    }

    fn ends(&mut self, ending: Ending) {
        self.aside.change(|aside| aside.ending = ending);
    }

    /// The next step, if `may_start` says that anything may still be started.
    pub fn next(&mut self, now: Instant, may_start: bool, hurry: bool) -> Option<Step> {
        if self.unseen == Unseen::Want {
            self.unseen = Unseen::Nothing;
            return Some(Step::Publish);
        }
        if let Some(step) = self.next_of_ending(now, hurry) {
            return Some(step);
        }
        if self.aside.get().control.is_some() || self.asked.is_some() {
            return None;
        }
        if self.finish_due
            && let Some((exit, pid)) = self.aside.get().ended
        {
            return self.start(Program::Finish(exit, pid));
        }
        match (self.state, self.process) {
            (State::Run, Some(pid)) => self.next_owed(pid),
            (State::Down, None) if may_start => self.next_start(now),
            _ => None,
        }
    }

    fn start(&mut self, program: Program) -> Option<Step> {
        self.asked = Some(match program {
            Program::Run => Asked::Run,
            Program::Finish(..) => Asked::Finish,
            Program::Control(letter) => Asked::Control(letter),
        });
        Some(Step::Start(program))
    }

    fn next_owed(&mut self, pid: Pid) -> Option<Step> {
        let asked = self.consulted.take().and_then(|letter| self.owed.with_letter(letter));
        let deed = asked.or(self.owed.first())?;
        if let Some(letter) = deed.letter()
            && asked.is_none()
            && !self.is_log
        {
            return self.start(Program::Control(letter));
        }
        self.owed.remove(deed);
        let Some(signal) = deed.signal() else { return self.next_owed(pid) };
        match deed {
            Deed::Term => {
                self.got_term = true;
                self.told = true;
                self.changed();
            }
            Deed::Kill | Deed::Interrupt | Deed::Quit => self.told = true,
            Deed::Pause | Deed::Continue | Deed::Wake => self.is_paused_by(deed),
            Deed::TellDown
            | Deed::TellExit
            | Deed::Hangup
            | Deed::Alarm
            | Deed::User1
            | Deed::User2 => {}
        }
        Some(Step::Signal(pid, signal))
    }

    fn next_start(&mut self, now: Instant) -> Option<Step> {
        if self.quick_ends == 2 {
            self.quick_ends = 3;
            return Some(Step::Daemonizes);
        }
        let is_wanted = self.want == Want::Up || self.once;
        let rest_until = self.aside.get().rest_until;
        if !is_wanted || rest_until.is_some_and(|until| until > now.into()) {
            return None;
        }
        if self.consulted != Some(b'u') && !self.is_log {
            return self.start(Program::Control(b'u'));
        }
        self.start(Program::Run)
    }

    fn next_of_ending(&mut self, now: Instant, hurry: bool) -> Option<Step> {
        let Aside { control, ending, .. } = self.aside.get();
        let pid = self.process.or(control.map(|(pid, _)| pid))?;
        match ending {
            Ending::Asked { .. } if hurry || ending.is_due(now) => {
                self.ends(Ending::Killed { gone_by: None });
                self.owed = Deeds::default();
                Some(Step::Force(pid))
            }
            Ending::Killed { gone_by: None } => {
                self.ends(Ending::killed(now));
                Some(Step::Signal(pid, Signal::KILL))
            }
            Ending::Killed { gone_by: Some(_) } if ending.is_due(now) => {
                if self.process.take().is_some() && control.is_some() {
                    // A script of `control/` is still to be killed.
                    self.ends(Ending::Asked { kill_at: Some(now.into()) });
                    return self.next_of_ending(now, hurry);
                }
                self.aside.change(|aside| aside.control = None);
                self.is_down(now);
                None
            }
            Ending::NotAsked | Ending::Asked { .. } | Ending::Killed { .. } => None,
        }
    }

    /// Whether its `run` can be sent anything, or a script of `control/` instead: it runs, and was
    /// not killed.
    fn can_be_asked(&self) -> bool {
        self.state == State::Run && self.process.is_some() && !self.is_killed()
    }

    fn is_killed(&self) -> bool {
        matches!(self.aside.get().ending, Ending::Killed { .. })
    }

    fn changed(&mut self) {
        if self.unseen == Unseen::Nothing {
            self.unseen = Unseen::Change;
        }
    }

    /// What `sv` shall see of it, if it is `wall` on the clock on the wall now.
    #[must_use]
    pub fn status(&self, now: Instant, wall: UnixTime) -> Status {
        Status {
            state: self.state,
            pid: self.process,
            paused: self.paused,
            want: self.want,
            got_term: self.got_term,
            since: UnixTime(wall.0.saturating_sub(Instant::from(self.since).until(now))),
        }
    }

    /// Whether its status has changed since it was last shown; from now on it has not.
    pub fn take_unseen(&mut self) -> bool {
        let unseen = self.unseen != Unseen::Nothing;
        self.unseen = Unseen::Nothing;
        unseen
    }

    /// When to ask again although nothing has happened, if anything may still be started.
    #[must_use]
    pub fn deadline(&self, may_start: bool) -> Option<Instant> {
        let is_wanted = may_start && (self.want == Want::Up || self.once);
        let rests = is_wanted && self.state == State::Down && self.is_idle();
        let Aside { rest_until, ending, .. } = self.aside.get();
        let rest = rest_until.filter(|_| rests).map(Instant::from);
        let ending = ending.deadline().filter(|_| !self.is_idle());
        [rest, ending].into_iter().flatten().min()
    }

    fn is_idle(&self) -> bool {
        self.process.is_none() && self.aside.get().control.is_none() && !self.finish_due
    }

    /// Whether nothing of it runs, or will.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.want == Want::Exit && self.state == State::Down && self.is_idle()
    }
}

mod aside;
mod facts;
#[cfg(test)]
mod tests;
