//! Stories of one boot each, told to the core alone.

use super::*;
use crate::contract::{Left, Program, Shape};
use crate::exec::Deed;
use crate::killing::LOOK;
use crate::verbs::Verb;
use alloc::vec::Vec;
use core::time::Duration;

const PLAN: Plan = Plan {
    insecure_key: false,
    startup_files: true,
    services: true,
    main_command: true,
    terminal: false,
    kill_all: true,
};
const NO_COMMAND: Plan = Plan { main_command: false, ..PLAN };

/// A core and the hands that answer it: each process gets the next pid, and lives until told.
struct World {
    core: Init,
    now: Instant,
    next_pid: i32,
    scripts: fn(Scripts) -> usize,
    left: Left,
    patience: Patience,
    /// No process can be made.
    refuses: bool,
    did: Vec<Action>,
}

impl World {
    fn new(plan: Plan) -> World {
        World {
            core: Init::new(plan),
            now: Instant(Duration::ZERO),
            next_pid: 100,
            scripts: |_| 0,
            left: Left::Nobody,
            patience: Patience::default(),
            refuses: false,
            did: Vec::new(),
        }
    }

    fn boot(plan: Plan) -> World {
        let mut world = World::new(plan);
        world.go();
        world
    }

    fn go(&mut self) {
        while let Some(action) = self.core.next(self.now) {
            self.did.push(action);
            assert!(self.did.len() < 10_000, "the core asks for steps without end");
            match action {
                Action::Exit(_) => return,
                Action::LoadEnvironment | Action::ReloadEnvironment => {
                    self.core.handle(self.now, Event::Patience(self.patience));
                }
                Action::List(of) => {
                    self.core.handle(self.now, Event::Listed(of, (self.scripts)(of)));
                }
                Action::Start(_) if self.refuses => self.core.start_refused(self.now, Errno(11)),
                Action::Start(Role::Service(_, Program::Control(_) | Program::Finish(..))) => {
                    self.core.not_there(self.now);
                }
                Action::Start(_) => {
                    self.core.started(self.now, Pid(self.next_pid));
                    self.next_pid += 1;
                }
                Action::LookWhoIsLeft => self.core.handle(self.now, Event::Left(self.left)),
                Action::Scan
                | Action::OpenServices
                | Action::Publish(_)
                | Action::Heal(_)
                | Action::CloseLog(_)
                | Action::Forget(_)
                | Action::Signal(..)
                | Action::SignalAll(_)
                | Action::Say(_)
                | Action::LookWhetherDeaf(_)
                | Action::TakeTerminalBack => {}
            }
        }
    }

    fn tell(&mut self, event: Event) {
        self.core.handle(self.now, event);
        self.go();
    }

    fn signal(&mut self, signal: Signal) {
        self.tell(Event::Signal(signal));
    }

    /// The process started last ends.
    fn ends(&mut self, exit: Exit) {
        self.tell(Event::Exited(Pid(self.next_pid - 1), exit));
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds)).unwrap();
        self.go();
    }

    fn at(&self, action: Action) -> Option<usize> {
        self.did.iter().position(|&done| done == action)
    }

    fn did(&self, action: Action) -> bool {
        self.at(action).is_some()
    }

    fn count(&self, action: Action) -> usize {
        self.did.iter().filter(|&&done| done == action).count()
    }

    fn code(&self) -> Option<u8> {
        match self.did.last() {
            Some(Action::Exit(code)) => Some(*code),
            _ => None,
        }
    }
}

fn script(of: Scripts, index: usize) -> Role {
    Role::Script(Script { of, index })
}

#[test]
fn a_command_gives_the_container_its_code() {
    let mut world = World::boot(PLAN);
    assert_eq!(world.code(), None);
    world.ends(Exit::Code(7));
    assert_eq!(world.code(), Some(7));
}

#[test]
fn a_killed_command_gives_128_and_its_signal() {
    let mut world = World::boot(PLAN);
    world.ends(Exit::Signal(Signal::KILL));
    assert_eq!(world.code(), Some(137));
}

#[test]
fn without_a_command_it_serves_until_told_to_stop_and_ends_with_0() {
    for signal in [Signal::TERM, Signal::INT, Signal::RTMIN_3, Signal::QUIT] {
        let mut world = World::boot(NO_COMMAND);
        world.signal(Signal::HUP);
        world.signal(Signal::USR1);
        assert_eq!((world.code(), world.core.deadline()), (None, None));
        world.signal(signal);
        assert_eq!(world.code(), Some(0));
    }
}

#[test]
fn scripts_run_one_after_the_other_each_in_a_fresh_environment() {
    let mut world = World::new(PLAN);
    world.scripts = |of| usize::from(of == Scripts::Startup) * 2;
    world.go();
    assert!(!world.did(Action::Start(script(Scripts::Startup, 1))));
    world.ends(Exit::Code(0));
    assert!(world.did(Action::Start(script(Scripts::Startup, 1))));
    let reload = world.at(Action::ReloadEnvironment);
    assert!(reload < world.at(Action::Start(script(Scripts::Startup, 1))));
    world.ends(Exit::Code(0));
    assert!(world.did(Action::Start(Role::MainCommand)));
}

#[test]
fn a_failed_script_ends_the_boot_and_nothing_else_starts() {
    let mut world = World::new(PLAN);
    world.scripts = |of| usize::from(of != Scripts::InsecureKey) * 2;
    world.go();
    let failed = Script { of: Scripts::Startup, index: 0 };
    world.ends(Exit::Signal(Signal::KILL));
    assert!(world.did(Action::Say(Notice::ScriptFailed(failed, Exit::Signal(Signal::KILL)))));
    assert_eq!(world.did.iter().filter(|did| matches!(did, Action::Start(_))).count(), 1);
    assert_eq!(world.code(), Some(1));
}

#[test]
fn docker_stop_ends_the_command_before_it_kills_the_rest() {
    let mut world = World::boot(PLAN);
    world.left = Left::Children;
    world.signal(Signal::TERM);
    assert!(world.did(Action::Signal(Pid(100), Signal::TERM)));
    assert!(!world.did(Action::SignalAll(Signal::TERM)));
    world.ends(Exit::Code(3));
    assert!(world.did(Action::SignalAll(Signal::TERM)));
    assert_eq!(world.code(), None);
    world.left = Left::Nobody;
    world.tell(Event::Exited(Pid(4711), Exit::Code(0)));
    assert_eq!(world.code(), Some(3));
}

#[test]
fn a_stopped_process_wakes_up_to_its_end() {
    let mut world = World::boot(PLAN);
    world.signal(Signal::TERM);
    let term = world.at(Action::Signal(Pid(100), Signal::TERM));
    assert!(term.is_some() && term < world.at(Action::Signal(Pid(100), Signal::CONT)));
}

#[test]
fn a_deaf_command_costs_its_patience_and_no_more() {
    let mut world = World::boot(PLAN);
    world.signal(Signal::TERM);
    world.wait(29);
    assert!(!world.did(Action::Signal(Pid(100), Signal::KILL)));
    world.wait(1);
    assert!(world.did(Action::Signal(Pid(100), Signal::KILL)));
    world.ends(Exit::Signal(Signal::KILL));
    assert_eq!(world.code(), Some(137));
}

#[test]
fn a_patience_of_0_waits_for_ever() {
    let mut world = World::new(PLAN);
    world.patience.process = None;
    world.go();
    world.signal(Signal::TERM);
    assert_eq!(world.core.deadline(), None);
}

#[test]
fn a_command_the_kernel_cannot_kill_does_not_hold_the_stop() {
    let mut world = World::boot(PLAN);
    world.signal(Signal::TERM);
    world.wait(30);
    world.wait(2);
    assert_eq!(world.code(), Some(137));
}

#[test]
fn a_second_request_means_hurry() {
    let mut world = World::boot(PLAN);
    world.left = Left::Children;
    world.signal(Signal::TERM);
    world.signal(Signal::INT);
    assert!(world.did(Action::Signal(Pid(100), Signal::KILL)));
    world.ends(Exit::Signal(Signal::KILL));
    assert!(world.did(Action::SignalAll(Signal::KILL)));
}

#[test]
fn one_request_after_the_command_has_ended_is_no_hurry() {
    let mut world = World::boot(PLAN);
    world.left = Left::Children;
    world.ends(Exit::Code(4));
    world.signal(Signal::TERM);
    assert!(!world.did(Action::SignalAll(Signal::KILL)));
    world.left = Left::Nobody;
    world.tell(Event::Exited(Pid(4711), Exit::Code(0)));
    assert_eq!(world.code(), Some(4));
}

#[test]
fn the_stop_deadline_bounds_the_whole() {
    let mut world = World::new(PLAN);
    world.patience.stop = Some(Duration::from_secs(5));
    world.scripts = |of| usize::from(of == Scripts::PreShutdown);
    world.left = Left::Children;
    world.go();
    world.signal(Signal::TERM);
    world.wait(3);
    world.ends(Exit::Code(0));
    world.wait(2);
    let left_out = Notice::Forcing(script(Scripts::PreShutdown, 0), Pid(101));
    assert!(world.did(Action::Say(left_out)));
    world.ends(Exit::Signal(Signal::KILL));
    assert!(world.did(Action::SignalAll(Signal::KILL)));
    world.wait(2);
    assert_eq!(world.code(), Some(0));
}

#[test]
fn a_failing_or_hanging_shutdown_script_skips_nothing() {
    let mut world = World::new(NO_COMMAND);
    world.scripts = |of| usize::from(of >= Scripts::PreShutdown) * 2;
    world.go();
    world.signal(Signal::TERM);
    world.ends(Exit::Code(3));
    world.wait(30);
    world.ends(Exit::Signal(Signal::KILL));
    assert!(world.did(Action::Start(script(Scripts::PostShutdown, 0))));
    world.ends(Exit::Code(0));
    world.ends(Exit::Code(0));
    assert_eq!(world.code(), Some(0));
}

#[test]
fn a_stop_during_a_startup_script_is_orderly() {
    for (plan, code) in [(PLAN, 143), (NO_COMMAND, 0)] {
        let mut world = World::new(plan);
        world.scripts = |_| 2;
        world.go();
        world.signal(Signal::TERM);
        assert!(world.did(Action::Signal(Pid(100), Signal::TERM)));
        world.ends(Exit::Signal(Signal::TERM));
        assert_eq!(world.code(), Some(code));
        assert!(!world.did(Action::List(Scripts::PreShutdown)), "nothing had been booted");
    }
}

#[test]
fn signals_are_passed_on_to_the_command_only() {
    let mut world = World::boot(PLAN);
    for signal in PASSED_ON {
        world.signal(signal);
        assert!(world.did(Action::Signal(Pid(100), signal)));
    }
    world.signal(Signal(40));
    world.signal(Signal(13));
    assert_eq!(world.code(), None);
}

#[test]
fn a_signal_that_comes_with_the_end_of_the_command_goes_to_nobody() {
    let mut world = World::new(PLAN);
    world.scripts = |of| usize::from(of == Scripts::PreShutdown);
    world.go();
    world.core.handle(world.now, Event::Signal(Signal::USR1));
    world.ends(Exit::Code(0));
    assert!(world.did(Action::Start(script(Scripts::PreShutdown, 0))));
    assert!(!world.did.iter().any(|did| matches!(did, Action::Signal(_, Signal::USR1))));
}

#[test]
fn an_interactive_shell_is_hung_up_on() {
    let mut world = World::boot(Plan { terminal: true, ..PLAN });
    world.signal(Signal::TERM);
    let asked = world.at(Action::LookWhetherDeaf(Pid(100)));
    assert!(asked > world.at(Action::Signal(Pid(100), Signal::TERM)));
    assert!(!world.did(Action::Signal(Pid(100), Signal::HUP)), "it may be at its clean-up");
    world.tell(Event::Deaf(Pid(100)));
    assert!(world.did(Action::Signal(Pid(100), Signal::HUP)));
    world.ends(Exit::Signal(Signal::HUP));
    assert!(world.did(Action::TakeTerminalBack));
}

#[test]
fn a_command_that_ctrl_z_has_stopped_goes_on_because_there_is_no_shell() {
    let mut world = World::boot(Plan { terminal: true, ..PLAN });
    world.tell(Event::Stopped(Pid(99)));
    assert!(!world.did(Action::Signal(Pid(100), Signal::CONT)));
    world.tell(Event::Stopped(Pid(100)));
    assert!(world.did(Action::Signal(Pid(100), Signal::CONT)));
}

#[test]
fn an_orphan_changes_nothing() {
    let mut world = World::boot(PLAN);
    world.tell(Event::Exited(Pid(99), Exit::Code(1)));
    world.tell(Event::ExecFailed(Pid(99), Deed::Exec, Errno::NOENT));
    assert_eq!(world.code(), None);
    world.ends(Exit::Code(0));
    assert_eq!(world.code(), Some(0));
}

#[test]
fn a_refused_fork_is_tried_again_and_said_once() {
    let mut core = Init::new(Plan { startup_files: false, ..PLAN });
    let mut now = Instant(Duration::ZERO);
    let mut said = 0;
    for _ in 0..3 {
        for _ in 0..100 {
            let Some(action) = core.next(now) else { break };
            match action {
                Action::Start(_) => core.start_refused(now, Errno(11)),
                Action::Say(Notice::CannotStart(..)) => said += 1,
                _ => {}
            }
        }
        now = core.deadline().unwrap();
    }
    assert_eq!((said, now), (1, Instant(Duration::from_secs(3))));
}

#[test]
fn strangers_are_looked_for_because_nobody_tells_their_end() {
    let mut world = World::boot(NO_COMMAND);
    world.left = Left::Strangers;
    world.signal(Signal::TERM);
    assert_eq!(world.core.deadline(), world.now.after(LOOK));
    world.left = Left::Nobody;
    world.wait(1);
    assert_eq!(world.code(), Some(0));
}

#[test]
fn without_kill_all_nobody_is_touched() {
    let mut world = World::boot(Plan { kill_all: false, ..PLAN });
    world.left = Left::Children;
    world.ends(Exit::Code(0));
    assert_eq!(world.code(), Some(0));
    assert!(!world.did(Action::SignalAll(Signal::TERM)));
    assert!(!world.did(Action::Say(Notice::KillingAll)));
    world = World::boot(PLAN);
    world.ends(Exit::Code(0));
    assert!(world.did(Action::Say(Notice::KillingAll)));
}

#[test]
fn a_startup_script_that_cannot_be_forked_is_tried_again_and_not_left_out() {
    let mut world = World::new(NO_COMMAND);
    world.scripts = |of| usize::from(of == Scripts::Startup);
    world.refuses = true;
    world.go();
    assert!(!world.did(Action::Say(Notice::BootingServices)));
    world.refuses = false;
    world.wait(1);
    assert_eq!(world.count(Action::Start(script(Scripts::Startup, 0))), 2);
    world.ends(Exit::Code(0));
    assert!(world.did(Action::Say(Notice::BootingServices)));
}

#[test]
fn a_shutdown_script_that_cannot_be_forked_is_left_out_and_the_stop_goes_on() {
    let mut world = World::new(NO_COMMAND);
    world.scripts = |of| usize::from(of == Scripts::PreShutdown);
    world.go();
    world.refuses = true;
    world.signal(Signal::TERM);
    let skipped = Script { of: Scripts::PreShutdown, index: 0 };
    assert!(world.did(Action::Say(Notice::ScriptSkipped(skipped, Errno(11)))));
    assert_eq!(world.code(), Some(0));
}

#[test]
fn the_service_directory_is_looked_at_again_only_after_scripts() {
    let mut world = World::boot(PLAN);
    assert_eq!(world.count(Action::Scan), 1);
    world = World::new(PLAN);
    world.scripts = |of| usize::from(of == Scripts::Startup);
    world.go();
    world.ends(Exit::Code(0));
    assert_eq!(world.count(Action::Scan), 2, "a script may have taken a `down` file away");
}

#[test]
fn a_terminal_is_taken_back_only_from_a_command_that_had_it() {
    let mut world = World::boot(PLAN);
    world.ends(Exit::Code(0));
    assert!(!world.did(Action::TakeTerminalBack));
    world = World::new(Plan { terminal: true, ..PLAN });
    world.scripts = |of| usize::from(of == Scripts::Startup);
    world.go();
    world.ends(Exit::Code(0));
    assert!(!world.did(Action::TakeTerminalBack), "a script had it not");
}

#[test]
fn only_a_command_on_a_terminal_is_suspected_of_being_deaf() {
    let mut world = World::boot(PLAN);
    world.signal(Signal::TERM);
    assert!(!world.did(Action::LookWhetherDeaf(Pid(100))));
    world = World::new(Plan { terminal: true, ..PLAN });
    world.scripts = |of| usize::from(of == Scripts::Startup);
    world.go();
    world.signal(Signal::TERM);
    assert!(!world.did(Action::LookWhetherDeaf(Pid(100))), "a script has no terminal");
}

#[test]
fn hup_looks_for_services_where_there_is_no_command_and_no_other_signal_does() {
    let mut world = World::boot(NO_COMMAND);
    let scans = world.count(Action::Scan);
    world.signal(Signal::USR1);
    assert_eq!(world.count(Action::Scan), scans);
    world.signal(Signal::HUP);
    assert_eq!(world.count(Action::Scan), scans + 1);
    world = World::new(PLAN);
    world.scripts = |of| usize::from(of == Scripts::Startup);
    world.go();
    world.signal(Signal::HUP);
    assert_eq!(world.count(Action::Scan), 1, "it is for the command, which is not there yet");
}

#[test]
fn what_was_shown_when_the_services_were_opened_is_not_shown_again() {
    let mut world = World::new(NO_COMMAND);
    let shape = Shape { down: true, log: None };
    world.core.handle(world.now, Event::Found(ServiceId(0), shape));
    world.go();
    assert!(world.did(Action::OpenServices));
    assert!(!world.did(Action::Publish(ServiceId(0))));
}

/// Services 0, 1 and the log service 2 of the latter; a script is running, and has started 1.
fn early(down: bool) -> World {
    let mut world = World::new(NO_COMMAND);
    world.scripts = |of| usize::from(matches!(of, Scripts::Startup | Scripts::PostShutdown));
    let shape = |log| Shape { down, log };
    world.core.handle(world.now, Event::Found(ServiceId(0), shape(None)));
    let with_log = shape(Some((ServiceId(2), false)));
    world.core.handle(world.now, Event::Found(ServiceId(1), with_log));
    world.go();
    world.tell(Event::Verb(ServiceId(1), Verb::Up));
    world
}

fn run(id: u32) -> Action {
    Action::Start(Role::Service(ServiceId(id), Program::Run))
}

#[test]
fn a_script_starts_one_service_and_its_log_and_no_other() {
    let world = early(false);
    assert!(world.did(run(1)) && world.did(run(2)) && !world.did(run(0)));
    assert!(world.at(run(2)) < world.at(run(1)), "somebody listens before anything is said");
}

#[test]
fn a_verb_that_starts_nothing_leaves_a_service_to_the_end_of_the_scripts() {
    for (verb, runs) in [(Verb::Hangup, 1), (Verb::Down, 0)] {
        let mut world = early(false);
        world.tell(Event::Verb(ServiceId(0), verb));
        let script = world.at(Action::Start(script(Scripts::Startup, 0))).unwrap();
        assert!(script < world.at(run(1)).unwrap());
        world.tell(Event::Exited(Pid(100), Exit::Code(0)));
        assert_eq!(world.count(run(0)), runs, "{verb:?}");
    }
}

#[test]
fn what_a_script_started_ends_after_the_last_script_and_its_log_by_end_of_file() {
    let mut world = early(true);
    let (log, service) = (Pid(101), Pid(102));
    world.tell(Event::Exited(Pid(100), Exit::Code(0)));
    world.signal(Signal::TERM);
    assert!(world.did(Action::Start(script(Scripts::PostShutdown, 0))));
    assert!(!world.did(Action::Signal(service, Signal::TERM)), "a script may need it");
    world.ends(Exit::Code(0));
    assert!(world.did(Action::Signal(service, Signal::TERM)));
    assert!(!world.did(Action::Signal(log, Signal::TERM)));
}

#[test]
fn a_script_may_take_the_down_files_of_a_service_and_its_log_away() {
    let mut world = World::new(NO_COMMAND);
    world.scripts = |of| usize::from(of == Scripts::Startup);
    let shape = |down| Shape { down, log: Some((ServiceId(1), down)) };
    world.core.handle(world.now, Event::Found(ServiceId(0), shape(true)));
    world.go();
    world.tell(Event::Found(ServiceId(0), shape(false)));
    world.tell(Event::Exited(Pid(100), Exit::Code(0)));
    assert!(world.did(run(0)) && world.did(run(1)), "{:?}", world.did);
}

#[test]
fn a_hurry_that_leaves_no_script_out_does_not_say_that_it_does() {
    let mut world = World::new(NO_COMMAND);
    world.scripts = |of| usize::from(of == Scripts::PreShutdown);
    world.go();
    world.signal(Signal::TERM);
    world.signal(Signal::TERM);
    world.ends(Exit::Signal(Signal::KILL));
    assert!(!world.did(Action::Say(Notice::ScriptsLeftOut(Scripts::PreShutdown))));
}

#[test]
fn without_scripts_the_services_start_before_anybody_can_look_at_them() {
    let world = World::boot(NO_COMMAND);
    let booting = world.at(Action::Say(Notice::BootingServices));
    assert!(booting.is_some() && booting < world.at(Action::OpenServices));
}

#[test]
fn the_command_sees_of_the_services_that_they_run() {
    let mut world = World::new(PLAN);
    // A script: so services can be looked at before they run.
    world.scripts = |of| usize::from(of == Scripts::Startup);
    let shape = Shape { down: false, log: None };
    world.core.handle(world.now, Event::Found(ServiceId(0), shape));
    world.go();
    world.ends(Exit::Code(0));
    let shown = world.did.iter().rposition(|&done| done == Action::Publish(ServiceId(0)));
    assert!(world.at(run(0)) < shown && shown < world.at(Action::Start(Role::MainCommand)));
}
