//! A container's life goes on: nothing that is to be started in it is left out.

use logic::contract::{Action, Notice, Plan, Role, Script, Scripts};
use logic::words::Instant;
use std::time::Duration;

/// How far it has come.
#[derive(Clone, Debug, Default, Hash)]
pub struct Course {
    /// How many scripts of each list were tried.
    tried: [usize; 5],
    /// The services are released: those without `down` are wanted up.
    pub booted: bool,
    /// It was seen to wait for nothing but the main command, or for nothing: the scripts of the
    /// shutdown have to run.
    serves: bool,
    /// When no process could be made for a startup script or for the main command.
    refused: Option<Instant>,
}

/// What the life is made of.
#[derive(Clone, Copy)]
pub struct Life<'a> {
    pub plan: &'a Plan,
    /// How many scripts there are of each list.
    pub scripts: &'a [usize; 5],
    pub stops: bool,
    pub hurries: bool,
}

impl Course {
    /// Before a step.
    pub fn before(&mut self, life: Life<'_>, action: Action) {
        match action {
            Action::Start(Role::Script(Script { of, index })) => {
                assert_eq!(index, self.tried[of as usize], "a script is left out, or runs twice");
                self.tried[of as usize] += 1;
            }
            Action::Start(Role::MainCommand) => {
                self.startup_is_over(life);
                assert!(self.booted || !life.plan.services, "the command before the services");
            }
            Action::Say(Notice::ServicesBooted) => {
                self.startup_is_over(life);
                self.booted = true;
            }
            Action::Say(Notice::ShuttingDownServices) if self.serves && !life.hurries => {
                self.have_been_tried(life, Scripts::PreShutdown);
            }
            Action::Exit(_) if self.serves && !life.hurries => {
                self.have_been_tried(life, Scripts::PreShutdown);
                self.have_been_tried(life, Scripts::PostShutdown);
            }
            _ => {}
        }
    }

    /// No process could be made. A script of the shutdown is left out then.
    pub fn refused(&mut self, life: Life<'_>, role: Role, now: Instant) {
        if life.stops || matches!(role, Role::Service(..)) {
            return;
        }
        self.refused = Some(now);
        if let Role::Script(Script { of, .. }) = role {
            self.tried[of as usize] -= 1;
        }
    }

    /// When nothing is to be done, and this script, or the main command, runs.
    pub fn settled(&mut self, life: Life<'_>, running: Option<Role>, now: Instant) {
        if life.stops {
            return;
        }
        let second = Duration::from_secs(1);
        let rests = self.refused.is_some_and(|refused| refused.until(now) < second);
        if running.is_none() && !rests {
            self.startup_is_over(life);
            assert!(self.booted || !life.plan.services, "the services are never started");
            assert!(!life.plan.main_command, "the main command is never started");
        }
        self.serves |= matches!(running, None | Some(Role::MainCommand)) && !rests;
    }

    /// Whether services that nobody has asked for may start while this runs.
    pub fn releases(&self, life: Life<'_>, running: Option<Role>) -> bool {
        let is_over = |of: Scripts| self.tried[of as usize] == planned(life, of);
        let is_at_a_script = matches!(running, Some(Role::Script(_)));
        life.plan.services && STARTUP.into_iter().all(is_over) && !is_at_a_script
    }

    fn startup_is_over(&self, life: Life<'_>) {
        for of in STARTUP {
            self.have_been_tried(life, of);
        }
    }

    fn have_been_tried(&self, life: Life<'_>, of: Scripts) {
        let (tried, planned) = (self.tried[of as usize], planned(life, of));
        assert_eq!(tried, planned, "scripts of {of:?} that were never started");
    }
}

const STARTUP: [Scripts; 3] = [Scripts::InsecureKey, Scripts::Startup, Scripts::RcLocal];

/// How many scripts of a list are to be run.
fn planned(life: Life<'_>, of: Scripts) -> usize {
    let is_planned = match of {
        Scripts::InsecureKey => life.plan.insecure_key,
        Scripts::Startup | Scripts::RcLocal => life.plan.startup_files,
        Scripts::PreShutdown | Scripts::PostShutdown => true,
    };
    if is_planned { life.scripts[of as usize] } else { 0 }
}
