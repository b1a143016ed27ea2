//! What comes before what: in the boot, and in the stop.

use crate::common::ends::Ends;
use crate::facts::milliseconds;
use crate::kernel::{Milliseconds, Process};
use crate::world::World;
use logic::contract::{Action, Program, Role, Script, Scripts, ServiceId};
use logic::words::Signal;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Order {
    /// A startup script may have changed the environment.
    reload_due: bool,
    opened: bool,
    /// When what was deleted of a service may be made anew.
    heals_from: BTreeMap<ServiceId, Milliseconds>,
    /// What all that are left were sent, and when first.
    told_all: Vec<Signal>,
    told_all_at: Milliseconds,
}

impl Order {
    pub fn hurt(&mut self, world: &World, id: ServiceId, wait: Milliseconds) {
        let from = world.now() + wait;
        self.heals_from.entry(id).and_modify(|first| *first = from.min(*first)).or_insert(from);
    }

    pub fn ended(&mut self, process: &Process) {
        let of = match process.role {
            Some(Role::Script(Script { of, .. })) => of,
            Some(Role::MainCommand | Role::Service(..)) | None => return,
        };
        self.reload_due |= matches!(of, Scripts::Startup | Scripts::RcLocal);
    }

    /// Before a step is performed, in a hurry perhaps.
    pub fn before(&mut self, world: &World, ends: &Ends, action: Action, hurries: bool) {
        match action {
            Action::ReloadEnvironment => self.reload_due = false,
            Action::OpenServices => self.opened = true,
            Action::Heal(id) => {
                let from = self.heals_from.remove(&id).expect("nothing was deleted");
                assert!(from <= world.now(), "what is being deleted is made again");
            }
            Action::Start(Role::Script(Script { of, .. })) => match of {
                Scripts::InsecureKey | Scripts::Startup | Scripts::RcLocal => self.may_boot(),
                Scripts::PreShutdown => assert!(!hurries, "a script in a hurry"),
                Scripts::PostShutdown => {
                    assert!(!hurries, "a script in a hurry");
                    self.have_ended(world, |id| !ends.is_early(world.owner(id)));
                }
            },
            Action::Start(Role::MainCommand) => self.may_boot(),
            Action::Start(Role::Service(id, Program::Control(_))) => {
                assert!(!world.is_log(id), "a log service has no scripts in `control/`");
            }
            Action::SignalAll(signal) => {
                self.have_ended(world, |_| true);
                self.may_signal_all(world, signal, hurries);
            }
            Action::Exit(_) => self.have_ended(world, |_| true),
            Action::Forget(gone) => {
                let is_of_it = |process: &Process| {
                    process.service().is_some_and(|(id, _)| id == gone) && !process.got_kill
                };
                let left = world.kernel.processes.values().find(|process| is_of_it(process));
                assert!(left.is_none(), "forgotten while it is at work: {left:?}");
            }
            _ => {}
        }
    }

    pub fn has_told_all(&self) -> bool {
        !self.told_all.is_empty()
    }

    fn may_signal_all(&mut self, world: &World, signal: Signal, hurries: bool) {
        assert!(world.plan.kill_all, "everybody is signalled against the plan");
        let order = [Signal::TERM, Signal::CONT, Signal::KILL];
        assert_eq!(order.get(self.told_all.len()), Some(&signal), "out of order");
        if self.told_all.is_empty() {
            self.told_all_at = world.now();
        }
        let patience = milliseconds(world.patience.all);
        let is_over = patience.is_some_and(|wait| self.told_all_at + wait <= world.now());
        assert!(signal != Signal::KILL || is_over || hurries, "KILL before its time");
        self.told_all.push(signal);
    }

    /// A script may ask for a service, and finds the environment as the one before it left it.
    fn may_boot(&self) {
        assert!(self.opened, "nobody can ask for a service yet");
        assert!(!self.reload_due, "a script does not see what the one before it has changed");
    }

    /// These services are over, or given up.
    fn have_ended(&self, world: &World, which: impl Fn(ServiceId) -> bool) {
        let is_it = |process: &&Process| {
            process.service().is_some_and(|(id, _)| which(id)) && !process.got_kill
        };
        let left = world.kernel.processes.values().find(is_it);
        assert!(left.is_none(), "not waited for: {left:?}");
    }
}
