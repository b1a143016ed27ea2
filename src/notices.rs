//! What PID 1 has to say, in the predecessor's words where it had words.

use crate::{say, spawn};
use logic::contract::{Notice, Program, Role, Scripts};
use logic::exec::{Deed, Errno};

/// Say it. `name` names what it is about, `cannot_run` tells why that could not be executed.
pub fn say(
    notice: Notice,
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
            let why = cannot_run(role, deed, errno);
            match role {
                Role::Service(_, Program::Run) => {
                    say::warning(&format!("{}: {why}; trying again every second", name(role)));
                }
                Role::Service(..) => say::warning(&format!("{}: {why}", name(role))),
                Role::Script(_) | Role::MainCommand => say::warning(&why),
            }
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
