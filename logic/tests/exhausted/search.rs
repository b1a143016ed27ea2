//! Every state that can be reached, breadth first, so that the way to a broken promise is shortest.

use crate::fingerprint;
use crate::world::{Answer, Bounds, Move, World};
use logic::contract::{Action, Role};
use std::cell::Cell;
use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// What was found where no promise was broken.
#[derive(Debug)]
pub struct Found {
    pub states: usize,
    pub transitions: usize,
    /// How many events away the last new state was.
    pub depth: u32,
    /// Those in which the container is over.
    pub ends: usize,
    pub longest_stop: Duration,
    /// No state was left out.
    pub whole: bool,
    pub took: Duration,
}

/// How a state was reached: from which, as its how many-th successor.
type Way = Vec<(u32, u32)>;

/// Visit every state, but no more than `limit`.
pub fn exhaust(bounds: &Bounds, limit: usize) -> Found {
    let start = Instant::now();
    let root = World::new(bounds);
    let mut seen = HashSet::from([fingerprint::of(&root, root.now)]);
    let mut way: Way = vec![(0, 0)];
    let mut open = VecDeque::from([(root, 0_u32, 0_u32)]);
    let (mut transitions, mut depth, mut ends) = (0, 0, 0);
    let (mut longest_stop, mut whole) = (Duration::ZERO, true);
    while let Some((world, number, away)) = open.pop_front() {
        let (mut at, last) = (0, Last::default());
        let visit = |next: World, _: &Story| {
            transitions += 1;
            at += 1;
            longest_stop = longest_stop.max(next.memory.stop_took(next.now).unwrap_or_default());
            if seen.len() >= limit {
                whole &= seen.contains(&fingerprint::of(&next, next.now));
            } else if seen.insert(fingerprint::of(&next, next.now)) {
                depth = away + 1;
                ends += usize::from(next.exit.is_some());
                way.push((number, at));
                if next.exit.is_none() {
                    open.push_back((next, u32::try_from(way.len() - 1).unwrap(), away + 1));
                }
            }
        };
        let result = catch_unwind(AssertUnwindSafe(|| successors(bounds, &world, &last, visit)));
        if let Err(broken) = result {
            eprintln!("The shortest way to a broken promise:");
            tell(bounds, &way, number);
            eprintln!("{:?}", last.get().into_iter().flatten().collect::<Vec<_>>());
            std::panic::resume_unwind(broken);
        }
    }
    let states = seen.len();
    Found { states, transitions, depth, ends, longest_stop, whole, took: start.elapsed() }
}

/// What happened, and how the starts went.
#[derive(Clone, Default, Debug)]
struct Story {
    moves: [Option<Move>; 2],
    starts: Vec<(Role, Answer)>,
}

/// What happened last: where a promise is broken, that is what broke it.
type Last = Cell<[Option<Move>; 2]>;

/// All states that come next: something happens, or two things; and then the core has its way.
fn successors(bounds: &Bounds, world: &World, last: &Last, mut visit: impl FnMut(World, &Story)) {
    if !world.memory.has_begun() {
        return settle(bounds, world.clone(), Story::default(), &mut visit);
    }
    for first in world.moves(bounds) {
        let mut after = world.clone();
        last.set([Some(first), None]);
        after.befall(bounds, first);
        if bounds.batch > 1 && !matches!(first, Move::Wait) {
            for second in after.moves(bounds) {
                if !matches!(second, Move::Wait) {
                    let mut after = after.clone();
                    last.set([Some(first), Some(second)]);
                    after.befall(bounds, second);
                    let story = Story { moves: last.get(), starts: Vec::new() };
                    settle(bounds, after, story, &mut visit);
                }
            }
        }
        last.set([Some(first), None]);
        let story = Story { moves: last.get(), starts: Vec::new() };
        settle(bounds, after, story, &mut visit);
    }
}

/// Steps until there are none, whatever the answers are.
fn settle(bounds: &Bounds, world: World, story: Story, visit: &mut impl FnMut(World, &Story)) {
    let mut open = vec![(world, story, 0)];
    while let Some((mut world, mut story, mut steps)) = open.pop() {
        loop {
            steps += 1;
            assert!(steps < 300, "the core asks for steps without end");
            match world.step(bounds) {
                None => {
                    world.checking(|memory, world| memory.settled(bounds, world));
                    break visit(world, &story);
                }
                Some(Action::Exit(_)) => break visit(world, &story),
                Some(Action::Start(role)) => {
                    let (first, others) = world.answers(bounds, role);
                    for answer in others {
                        let (mut world, mut story) = (world.clone(), story.clone());
                        world.answer(bounds, role, answer);
                        story.starts.push((role, answer));
                        open.push((world, story, steps));
                    }
                    world.answer(bounds, role, first);
                    story.starts.push((role, first));
                }
                Some(_) => {}
            }
        }
    }
}

/// Print the way to a state.
fn tell(bounds: &Bounds, way: &Way, number: u32) {
    let mut turns = Vec::new();
    let mut at = number;
    while at != 0 {
        let (from, turn) = way[at as usize];
        turns.push(turn);
        at = from;
    }
    let mut world = World::new(bounds);
    for turn in turns.into_iter().rev() {
        let mut at = 0;
        let mut found = None;
        successors(bounds, &world, &Last::default(), |next, story| {
            at += 1;
            if at == turn {
                found = Some((next, story.clone()));
            }
        });
        let (next, story) = found.unwrap();
        eprintln!("{:?}", story.moves.into_iter().flatten().collect::<Vec<_>>());
        let runs = |&(_, answer): &(Role, Answer)| !matches!(answer, Answer::NotThere);
        for (role, answer) in story.starts.into_iter().filter(runs) {
            eprintln!("    {role:?}: {answer:?}");
        }
        world = next;
    }
}
