//! The stages of a container's life: what each does, and what follows it. They only advance.

use super::Init;
use crate::contract::{Action, Notice, Role, Script, Scripts};
use crate::words::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Beginning,
    Startup(Scripts, Position),
    Booting,
    Serving,
    PreShutdown(Position),
    StoppingServices,
    PostShutdown(Position),
    StoppingEarly,
    KillingAll,
    Over,
}

/// The place in a list of scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Position {
    Unlisted,
    At { index: usize, count: usize },
}

impl Init {
    pub(super) fn next_in_stage(&mut self, now: Instant) -> Option<Action> {
        match self.stage {
            Stage::Beginning => {
                self.stage = Stage::Startup(Scripts::InsecureKey, Position::Unlisted);
                self.scan_due = true;
                Some(Action::LoadEnvironment)
            }
            Stage::Startup(..) if self.stopping => self.enter(now, Stage::StoppingEarly),
            Stage::Startup(..) if self.reload_due => {
                self.reload_due = false;
                Some(Action::ReloadEnvironment)
            }
            Stage::Startup(of, position) => self.next_of_scripts(now, of, position),
            Stage::Booting => {
                if self.plan.services {
                    self.services.release();
                }
                self.enter(now, Stage::Serving)
            }
            Stage::Serving if self.stopping => {
                self.enter(now, Stage::PreShutdown(Position::Unlisted))
            }
            Stage::Serving => self.next_of_serving(now),
            Stage::PreShutdown(position) => {
                self.next_of_scripts(now, Scripts::PreShutdown, position)
            }
            Stage::PostShutdown(position) => {
                self.next_of_scripts(now, Scripts::PostShutdown, position)
            }
            Stage::StoppingServices if self.services.are_stopped() => {
                self.enter(now, Stage::PostShutdown(Position::Unlisted))
            }
            Stage::StoppingEarly if self.services.are_stopped() => {
                if !self.services.has_early() {
                    return self.enter(now, Stage::KillingAll);
                }
                self.services.stop_last_early(self.kill_at(now));
                self.next_action(now)
            }
            Stage::StoppingServices | Stage::StoppingEarly => None,
            Stage::KillingAll if self.killing.is_over() => self.enter(now, Stage::Over),
            Stage::KillingAll => {
                let action = self.killing.next(now, self.patience.all, self.hurry);
                if self.killing.is_over() { self.next_action(now) } else { action }
            }
            Stage::Over => Some(Action::Exit(self.exit_code())),
        }
    }

    fn next_of_serving(&mut self, now: Instant) -> Option<Action> {
        if !core::mem::replace(&mut self.opened, true) {
            return Some(Action::OpenServices);
        }
        if !core::mem::replace(&mut self.booted, true) && self.plan.services {
            return Some(Action::Say(Notice::ServicesBooted));
        }
        if !self.plan.main_command {
            return None;
        }
        // The command may ask `sv`: first it is shown what has started.
        self.services.next_unseen().or_else(|| self.next_to_start(now))
    }

    fn next_of_scripts(&mut self, now: Instant, of: Scripts, position: Position) -> Option<Action> {
        let is_wanted = match of {
            Scripts::InsecureKey => self.plan.insecure_key,
            Scripts::Startup | Scripts::RcLocal => self.plan.startup_files,
            Scripts::PreShutdown | Scripts::PostShutdown => true,
        };
        match position {
            Position::Unlisted if is_wanted => Some(Action::List(of)),
            Position::At { index, count } if index < count && self.hurry => {
                self.notices.push_back(Notice::ScriptsLeftOut(of));
                self.enter(now, after_scripts(of))
            }
            // A script may ask for a service.
            Position::At { index, count } if index < count && !self.opened => {
                self.opened = true;
                Some(Action::OpenServices)
            }
            Position::At { index, count } if index < count => self.next_to_start(now),
            Position::Unlisted | Position::At { .. } => self.enter(now, after_scripts(of)),
        }
    }

    fn next_to_start(&self, now: Instant) -> Option<Action> {
        let rested = self.retry_at.is_none_or(|at| at <= now);
        self.to_start().filter(|_| rested).map(Action::Start)
    }

    /// What `Start` starts now.
    fn to_start(&self) -> Option<Role> {
        let (of, position) = match self.stage {
            Stage::Serving => return Some(Role::MainCommand),
            Stage::Startup(of, position) => (of, position),
            Stage::PreShutdown(position) => (Scripts::PreShutdown, position),
            Stage::PostShutdown(position) => (Scripts::PostShutdown, position),
            Stage::Beginning
            | Stage::Booting
            | Stage::StoppingServices
            | Stage::StoppingEarly
            | Stage::KillingAll
            | Stage::Over => return None,
        };
        match position {
            Position::Unlisted => None,
            Position::At { index, .. } => Some(Role::Script(Script { of, index })),
        }
    }

    pub(super) fn advance(&mut self) {
        if let Stage::Startup(_, position)
        | Stage::PreShutdown(position)
        | Stage::PostShutdown(position) = &mut self.stage
            && let Position::At { index, .. } = position
        {
            *index = index.saturating_add(1);
        }
    }

    fn enter(&mut self, now: Instant, stage: Stage) -> Option<Action> {
        self.retry_at = None;
        match stage {
            Stage::Booting => {
                // A script may have taken a `down` file away.
                self.scan_due |= self.has_run_scripts;
                if self.plan.services {
                    self.notices.push_back(Notice::BootingServices);
                }
            }
            Stage::StoppingServices => {
                if self.plan.services {
                    self.notices.push_back(Notice::ShuttingDownServices);
                }
                self.services.stop(self.kill_at(now));
            }
            Stage::StoppingEarly => self.services.stop(self.kill_at(now)),
            Stage::KillingAll if self.plan.kill_all => {
                self.notices.push_back(Notice::KillingAll);
            }
            _ => {}
        }
        self.stage = match stage {
            Stage::KillingAll if !self.plan.kill_all => Stage::Over,
            stage => stage,
        };
        self.next_action(now)
    }
}

fn after_scripts(of: Scripts) -> Stage {
    match of {
        Scripts::InsecureKey => Stage::Startup(Scripts::Startup, Position::Unlisted),
        Scripts::Startup => Stage::Startup(Scripts::RcLocal, Position::Unlisted),
        Scripts::RcLocal => Stage::Booting,
        Scripts::PreShutdown => Stage::StoppingServices,
        Scripts::PostShutdown => Stage::StoppingEarly,
    }
}
