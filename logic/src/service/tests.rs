//! Stories of one service.

use super::*;
use crate::exec::{Deed as Birth, Errno};
use crate::words::Exit;
use alloc::vec::Vec;
use core::time::Duration;

const RUN: Program = Program::Run;

struct World {
    service: Service,
    now: Instant,
    next_pid: i32,
    /// The scripts of `control/`, and whether there is a `finish`.
    controls: &'static [u8],
    finish: bool,
    did: Vec<Step>,
}

impl World {
    fn new() -> World {
        World {
            service: Service::new(Instant(Duration::ZERO)),
            now: Instant(Duration::ZERO),
            next_pid: 100,
            controls: b"",
            finish: false,
            did: Vec::new(),
        }
    }

    fn up() -> World {
        let mut world = World::new();
        world.verb(b'u');
        world
    }

    fn go(&mut self) {
        while let Some(step) = self.service.next(self.now, true, false) {
            self.did.push(step);
            assert!(self.did.len() < 10_000, "the service needs steps without end");
            let Step::Start(program) = step else { continue };
            let is_there = match program {
                Program::Run => true,
                Program::Finish(..) => self.finish,
                Program::Control(letter) => self.controls.contains(&letter),
            };
            if is_there {
                self.service.started(self.now, Pid(self.next_pid));
                self.next_pid += 1;
            } else {
                self.service.not_there(self.now);
            }
        }
    }

    fn verb(&mut self, byte: u8) {
        self.service.verb(Verb::from_byte(byte).unwrap());
        self.go();
    }

    fn ends(&mut self, pid: i32, exit: Exit) {
        self.service.exited(self.now, Pid(pid), exit);
        self.go();
    }

    fn wait(&mut self, milliseconds: u64) {
        self.now = self.now.after(Duration::from_millis(milliseconds)).unwrap();
        self.go();
    }

    fn starts(&self) -> usize {
        self.did.iter().filter(|&&step| step == Step::Start(RUN)).count()
    }

    fn did(&self, step: Step) -> bool {
        self.did.contains(&step)
    }

    fn status(&self) -> Status {
        self.service.status(self.now, UnixTime(Duration::from_secs(1_000_000)))
    }
}

#[test]
fn a_service_that_lived_a_second_is_started_again_at_once() {
    let mut world = World::up();
    world.wait(1000);
    world.ends(100, Exit::Signal(Signal::KILL));
    assert_eq!(world.starts(), 2);
}

#[test]
fn a_service_that_dies_young_rests_for_a_second() {
    let mut world = World::up();
    world.wait(500);
    world.ends(100, Exit::Code(1));
    assert_eq!(world.service.deadline(true), world.now.after(Duration::from_secs(1)));
    world.wait(999);
    assert_eq!(world.starts(), 1);
    world.wait(1);
    assert_eq!(world.starts(), 2);
}

#[test]
fn a_finish_that_ends_when_a_second_is_over_leaves_nothing_to_rest() {
    let mut world = World::up();
    world.finish = true;
    world.wait(400);
    world.ends(100, Exit::Code(1));
    world.wait(600);
    world.ends(101, Exit::Code(0));
    assert_eq!(world.starts(), 2);
}

#[test]
fn one_that_was_told_to_end_needs_no_rest() {
    let mut world = World::up();
    world.verb(b't');
    world.ends(100, Exit::Signal(Signal::TERM));
    assert_eq!(world.starts(), 2);
}

#[test]
fn whoever_asks_for_it_need_not_wait_for_its_rest() {
    let mut world = World::up();
    world.ends(100, Exit::Code(1));
    world.verb(b'u');
    assert_eq!(world.starts(), 2);
}

#[test]
fn the_want_is_shown_before_anything_is_done_about_it() {
    for (byte, want) in [(b'u', b'u'), (b'o', b'd')] {
        let mut world = World::new();
        world.verb(byte);
        let published = world.did.iter().position(|&step| step == Step::Publish);
        let started = world.did.iter().position(|&step| step == Step::Start(RUN));
        assert!(published < started && started.is_some());
        assert_eq!(world.status().to_bytes()[17], want);
    }
}

#[test]
fn down_is_term_and_cont_and_no_return() {
    let mut world = World::up();
    world.wait(2000);
    world.verb(b'd');
    assert!(world.did(Step::Signal(Pid(100), Signal::TERM)));
    assert!(world.did(Step::Signal(Pid(100), Signal::CONT)));
    assert_eq!(world.status().to_bytes()[17..], [b'd', 1, 1]);
    world.ends(100, Exit::Signal(Signal::TERM));
    world.wait(5000);
    assert_eq!((world.starts(), world.status().state), (1, State::Down));
}

#[test]
fn once_is_not_started_again() {
    let mut world = World::new();
    world.verb(b'o');
    world.wait(2000);
    world.ends(100, Exit::Code(0));
    world.wait(2000);
    assert_eq!(world.starts(), 1);
}

#[test]
fn finish_hears_how_run_ended_and_then_it_runs_again() {
    let mut world = World::up();
    world.finish = true;
    world.wait(2000);
    world.ends(100, Exit::Code(7));
    assert!(world.did(Step::Start(Program::Finish(Exit::Code(7), Pid(100)))));
    assert_eq!((world.status().state, world.starts()), (State::Finish, 1));
    world.ends(101, Exit::Code(0));
    assert_eq!(world.starts(), 2);
}

#[test]
fn a_run_that_cannot_be_executed_counts_as_111_and_is_said_once() {
    let mut world = World::up();
    world.finish = true;
    for (pid, again) in [(100, false), (102, true)] {
        let said = world.service.exec_failed(Pid(pid), Birth::Exec, Errno::NOENT);
        assert_eq!(said, Some((RUN, again)));
        world.ends(pid, Exit::Code(127));
        assert!(world.did(Step::Start(Program::Finish(Exit::Code(111), Pid(pid)))));
        world.ends(pid + 1, Exit::Code(0));
        world.wait(1000);
    }
    world.wait(2000);
    world.ends(104, Exit::Code(0));
    world.ends(105, Exit::Code(0));
    let again = world.service.exec_failed(Pid(106), Birth::Exec, Errno::NOENT);
    assert_eq!(again, Some((RUN, false)), "after it ran it is news again");
}

#[test]
fn a_run_that_is_being_written_gets_a_second_chance_in_silence() {
    let mut world = World::new();
    world.service.fresh = true;
    world.verb(b'u');
    assert_eq!(world.service.exec_failed(Pid(100), Birth::Exec, Errno::NOENT), None);
    world.ends(100, Exit::Code(127));
    world.wait(1000);
    let said = world.service.exec_failed(Pid(101), Birth::Exec, Errno::NOENT);
    assert_eq!(said, Some((RUN, false)));
}

#[test]
fn a_run_that_seems_to_daemonize_is_told_so_once() {
    let mut world = World::up();
    for pid in 100..105 {
        world.ends(pid, Exit::Code(0));
        world.wait(1000);
    }
    assert_eq!(world.did.iter().filter(|&&step| step == Step::Daemonizes).count(), 1);
}

#[test]
fn a_control_script_stands_in_for_the_signal_or_fails_to() {
    let mut world = World::up();
    world.controls = b"t";
    world.verb(b'd');
    assert!(world.did(Step::Start(Program::Control(b't'))));
    assert!(!world.did(Step::Signal(Pid(100), Signal::TERM)), "it waits for the script");
    world.ends(101, Exit::Code(0));
    assert!(!world.did(Step::Signal(Pid(100), Signal::TERM)), "the script did it");
    assert!(world.did(Step::Signal(Pid(100), Signal::CONT)));
    world.verb(b't');
    world.ends(102, Exit::Code(1));
    assert!(world.did(Step::Signal(Pid(100), Signal::TERM)), "the script did not do it");
}

#[test]
fn a_flood_of_verbs_ends_in_the_last_want() {
    let mut world = World::up();
    for byte in *b"dududuuddu" {
        world.service.verb(Verb::from_byte(byte).unwrap());
    }
    world.go();
    let terms = world.did.iter().filter(|&&s| s == Step::Signal(Pid(100), Signal::TERM));
    assert_eq!(terms.count(), 1);
    world.ends(100, Exit::Signal(Signal::TERM));
    assert_eq!((world.status().want, world.starts()), (Want::Up, 2));
}

#[test]
fn a_pause_shows_and_ends_with_cont() {
    let mut world = World::up();
    world.verb(b'p');
    assert!(world.did(Step::Signal(Pid(100), Signal::STOP)) && world.status().paused);
    world.verb(b'c');
    assert!(world.did(Step::Signal(Pid(100), Signal::CONT)) && !world.status().paused);
}

#[test]
fn signals_are_for_run_only() {
    let mut world = World::new();
    for byte in *b"tkpchaiq12" {
        world.verb(byte);
    }
    assert!(world.did.is_empty());
}

#[test]
fn a_refused_fork_is_tried_again_after_a_second() {
    let mut service = Service::new(Instant(Duration::ZERO));
    service.verb(Verb::Up);
    let mut now = Instant(Duration::ZERO);
    let mut news = Vec::new();
    for _ in 0..3 {
        while let Some(step) = service.next(now, true, false) {
            match step {
                Step::Start(Program::Run) => news.push(service.start_refused(now)),
                Step::Start(_) => service.not_there(now),
                _ => {}
            }
        }
        now = service.deadline(true).unwrap();
    }
    assert_eq!((news.as_slice(), now.0.as_secs()), (&[true, false, false][..], 3));
}

#[test]
fn a_dead_process_is_not_shown_as_running_while_control_d_hangs() {
    let mut world = World { controls: b"d", ..World::new() };
    world.verb(b'u');
    world.verb(b'd');
    world.service.take_unseen();
    world.ends(100, Exit::Signal(Signal::TERM));
    assert!(world.service.take_unseen(), "nobody is told that it has died");
    assert_eq!(world.status().pid, None);
}

#[test]
fn a_stop_is_not_lost_because_control_2_did_what_it_was_asked_for() {
    let mut world = World { controls: b"2", ..World::new() };
    world.verb(b'u');
    world.verb(b'2');
    world.verb(b'd');
    world.ends(101, Exit::Code(0));
    assert!(world.did(Step::Signal(Pid(100), Signal::TERM)), "{:?}", world.did);
    assert!(!world.did(Step::Signal(Pid(100), Signal::USR2)), "control/2 stood in for it");
}

#[test]
fn control_t_is_asked_although_control_2_had_nothing_to_say() {
    let mut world = World { controls: b"2t", ..World::new() };
    world.verb(b'u');
    world.verb(b'2');
    world.verb(b't');
    world.ends(101, Exit::Code(1));
    assert!(world.did(Step::Signal(Pid(100), Signal::USR2)));
    assert!(world.did(Step::Start(Program::Control(b't'))));
    assert!(!world.did(Step::Signal(Pid(100), Signal::TERM)), "control/t has not answered yet");
}

#[test]
fn up_said_again_and_again_does_not_try_a_refused_start_again_and_again() {
    let mut world = World::new();
    world.service.verb(Verb::Up);
    assert_eq!(world.service.next(world.now, true, false), Some(Step::Publish));
    for _ in 0..2 {
        let Some(Step::Start(program)) = world.service.next(world.now, true, false) else { break };
        if program == RUN {
            world.service.start_refused(world.now);
        } else {
            world.service.not_there(world.now);
        }
    }
    world.verb(b'u');
    assert_eq!(world.starts(), 0, "a second has not passed");
    world.wait(1000);
    assert_eq!(world.starts(), 1);
}

#[test]
fn a_service_at_its_finish_cannot_be_paused() {
    let mut world = World { finish: true, ..World::new() };
    world.verb(b'u');
    world.ends(100, Exit::Code(0));
    assert_eq!(world.status().state, State::Finish);
    world.verb(b'p');
    assert!(!world.status().paused);
}

#[test]
fn a_finish_that_had_to_wait_for_a_killed_control_t_is_killed_too_and_not_left_alone() {
    let mut world = World { controls: b"t", finish: true, ..World::new() };
    world.verb(b'u');
    world.service.end(world.now.after(Duration::from_secs(2)));
    world.go();
    world.wait(2000);
    assert!(world.did(Step::Signal(Pid(100), Signal::KILL)), "control/t hangs: {:?}", world.did);
    world.ends(100, Exit::Signal(Signal::KILL));
    world.wait(1000);
    assert!(world.did(Step::Signal(Pid(101), Signal::KILL)));
    world.ends(101, Exit::Signal(Signal::KILL));
    assert_eq!(world.status().state, State::Finish);
    world.wait(1000);
    assert!(world.did(Step::Signal(Pid(102), Signal::KILL)), "{:?}", world.did);
}

#[test]
fn nobody_asks_control_t_about_a_service_that_was_killed() {
    let mut world = World { controls: b"t", ..World::new() };
    world.verb(b'u');
    world.service.end(Some(world.now));
    world.go();
    assert!(world.did(Step::Signal(Pid(100), Signal::KILL)));
    assert!(!world.did(Step::Start(Program::Control(b't'))));
    assert!(!world.did(Step::Signal(Pid(100), Signal::TERM)));
}

#[test]
fn a_control_t_beside_a_run_that_cannot_be_killed_is_killed() {
    let mut world = World { controls: b"t", ..World::new() };
    world.verb(b'u');
    world.service.end(world.now.after(Duration::from_secs(2)));
    world.go();
    world.wait(2000);
    world.wait(2000);
    assert!(world.did(Step::Signal(Pid(101), Signal::KILL)), "{:?}", world.did);
    assert!(!world.service.is_gone());
    let mut deaf = World { service: world.service.clone(), did: Vec::new(), ..world };
    deaf.wait(2000);
    assert!(deaf.service.is_gone(), "neither can be killed");
    world.ends(101, Exit::Signal(Signal::KILL));
    assert!(world.service.is_gone());
}

#[test]
fn control_u_is_asked_before_each_start_and_never_of_a_log_service() {
    let mut world = World::up();
    world.ends(100, Exit::Code(0));
    world.wait(1000);
    let asked = Step::Start(Program::Control(b'u'));
    assert_eq!(world.did.iter().filter(|&&step| step == asked).count(), 2);
    world = World::new();
    world.service.is_log = true;
    world.verb(b'u');
    assert!(!world.did(asked) && world.starts() == 1);
}

#[test]
fn a_log_service_that_reads_to_the_end_of_file_is_not_told_to_end_by_a_verb() {
    let mut world = World::new();
    world.service.is_log = true;
    world.verb(b'u');
    world.service.end_by_end_of_file(None);
    world.verb(b'd');
    assert!(!world.did(Step::Signal(Pid(100), Signal::TERM)), "what it has not read would be lost");
    world.verb(b't');
    assert!(world.did(Step::Signal(Pid(100), Signal::TERM)), "whoever says TERM means it");
    world.ends(100, Exit::Code(0));
    assert!(world.service.is_gone());
}

#[test]
fn a_service_is_not_gone_while_control_u_is_at_work() {
    let mut world = World { controls: b"u", ..World::new() };
    world.verb(b'u');
    world.verb(b'x');
    assert!(!world.service.is_gone());
    world.ends(100, Exit::Code(0));
    assert!(world.service.is_gone());
}

#[test]
fn a_run_that_fails_or_lasts_or_was_told_to_end_does_not_daemonize() {
    let ends: [(Exit, u64, &[u8]); 3] =
        [(Exit::Code(1), 0, b""), (Exit::Code(0), 1000, b""), (Exit::Code(0), 0, b"t")];
    for (exit, lasts, verbs) in ends {
        let mut world = World::up();
        for pid in 100..104 {
            world.wait(lasts);
            verbs.iter().for_each(|&byte| world.verb(byte));
            world.ends(pid, exit);
            world.wait(1000 - lasts);
        }
        assert!(!world.did(Step::Daemonizes), "{exit} after {lasts} ms, told {verbs:?}");
    }
}

#[test]
fn a_run_that_cannot_be_executed_is_named_although_control_h_is_at_work() {
    let mut world = World { controls: b"h", ..World::new() };
    world.verb(b'u');
    world.verb(b'h');
    let failed = world.service.exec_failed(Pid(100), Birth::Exec, Errno::NOENT);
    assert_eq!(failed, Some((RUN, false)));
}

#[test]
fn a_script_that_stands_in_for_stop_or_cont_is_believed() {
    let mut world = World { controls: b"pc", ..World::up() };
    for (verb, script, paused) in [(b'p', 101, true), (b'c', 102, false)] {
        world.verb(verb);
        world.ends(script, Exit::Code(0));
        assert_eq!(world.status().paused, paused);
    }
}

#[test]
fn of_pause_and_cont_at_once_the_last_counts() {
    for (verbs, paused) in
        [([Verb::Continue, Verb::Pause], true), ([Verb::Pause, Verb::Continue], false)]
    {
        let mut world = World::up();
        verbs.into_iter().for_each(|verb| world.service.verb(verb));
        world.go();
        assert_eq!(world.status().paused, paused);
    }
}

#[test]
fn what_a_script_paused_is_paused_although_cont_was_asked_for_meanwhile() {
    let mut world = World { controls: b"pc", ..World::up() };
    world.verb(b'p');
    let pauses = world.next_pid - 1;
    world.verb(b'c');
    assert!(!world.status().paused);
    world.ends(pauses, Exit::Code(0));
    assert!(world.status().paused);
    world.ends(world.next_pid - 1, Exit::Code(0));
    assert!(!world.status().paused);
}
