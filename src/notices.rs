//! What PID 1 has to say, in the predecessor's words where it had words.

use crate::{say, spawn};
use logic::contract::{Notice, Program, Role, Scripts, ServiceId};
use logic::exec::{Deed, Errno};
use std::collections::BTreeMap;

/// What was told last of each service that cannot run.
#[derive(Default)]
pub struct Said(BTreeMap<ServiceId, String>);

impl Said {
    /// Say the line if it is news.
    fn line(&mut self, role: Role, line: String, is_news: bool) {
        let Role::Service(id, _) = role else { return say::warning(&line) };
        if is_news || self.0.get(&id) != Some(&line) {
            say::warning(&line);
            self.0.insert(id, line);
        }
    }

    /// The service is over.
    pub fn forget(&mut self, id: ServiceId) {
        self.0.remove(&id);
    }
}

fn why_not(role: Role, name: &str, why: &str) -> String {
    match role {
        Role::Service(_, Program::Run) => format!("{name}: {why}; trying again every second"),
        Role::Service(..) => format!("{name}: {why}"),
        Role::Script(_) | Role::MainCommand => why.to_string(),
    }
}

/// Say it. `name` names what it is about, `cannot_run` tells why that could not be executed, and
/// `said` is what was told last of services that cannot run.
pub fn say(
    notice: Notice,
    said: &mut Said,
    name: impl Fn(Role) -> String,
    cannot_run: impl Fn(Role, Deed, Errno) -> String,
) {
    let pid = std::process::id();
    let service = |id| name(Role::Service(id, Program::Run));
    match notice {
        Notice::BootingServices => say::info("Booting runit daemon..."),
        Notice::ServicesBooted => say::info(&format!("Runit started as PID {pid}")),
        Notice::MainExited(exit) => {
            say::info(&format!("{} exited with {exit}.", name(Role::MainCommand)));
        }
        Notice::ScriptFailed(script, exit) => {
            say::warning(&format!("{} failed with {exit}", name(Role::Script(script))));
        }
        Notice::CannotRun(role, deed, errno) => {
            said.line(role, why_not(role, &name(role), &cannot_run(role, deed, errno)), true);
        }
        Notice::StillCannotRun(role, deed, errno) => {
            said.line(role, why_not(role, &name(role), &cannot_run(role, deed, errno)), false);
        }
        Notice::Daemonizes(id) => say::warning(&format!(
            "{}: ./run ends at once with status 0; it has to stay in the foreground (does its \
             program daemonize?)",
            service(id)
        )),
        Notice::CannotStart(role, errno) => say::warning(&format!(
            "cannot start {}: {}; trying again every second",
            name(role),
            spawn::describe(errno)
        )),
        Notice::ScriptSkipped(script, errno) => say::warning(&format!(
            "cannot start {}: {}; the stop goes on without it",
            name(Role::Script(script)),
            spawn::describe(errno)
        )),
        Notice::ScriptsLeftOut(of) => {
            let hooks = if of == Scripts::PreShutdown { "pre" } else { "post" };
            say::warning(&format!("no time left for the {hooks}-shutdown scripts"));
        }
        Notice::ShuttingDown(role, pid) => {
            say::info(&format!("Shutting down {} (PID {pid})...", name(role)));
        }
        Notice::Forcing(role, pid) => say::warning(&format!(
            "{} (PID {pid}) did not shut down in time. Forcing it to exit.",
            name(role)
        )),
        Notice::ShuttingDownServices => {
            say::info(&format!("Shutting down runit daemon (PID {pid})..."));
        }
        Notice::KillingAll => say::info("Killing all processes..."),
        Notice::ForcingAll => {
            say::warning("Not all processes have exited in time. Forcing them to exit.");
        }
    }
}
