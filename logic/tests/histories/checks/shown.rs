//! Whether what is shown of a service is true.

use super::Checks;
use crate::directories::Directory;
use crate::world::World;
use logic::contract::{Program, ServiceId};
use logic::status::{State, UnixTime, Want};
use std::time::Duration;

impl Checks {
    pub(super) fn is_shown(&mut self, world: &World, id: ServiceId) {
        let now = world.instant();
        if let Some(status) = world.core.status(id, now, UnixTime(now.0)) {
            self.shown.insert(id, status);
        }
    }

    pub(super) fn tells_the_truth(&self, world: &World, id: ServiceId) {
        let now = world.instant();
        let Some(status) = world.core.status(id, now, UnixTime(now.0)) else { return };
        let alive = |program: fn(&Program) -> bool| {
            world.kernel.processes.iter().find(move |(_, process)| {
                process.service().is_some_and(|(of, this)| of == id && program(&this))
            })
        };
        let (state, found) = match status.state {
            State::Run => ("run", alive(|program| *program == Program::Run)),
            State::Finish => ("finish", alive(|program| matches!(program, Program::Finish(..)))),
            State::Down => {
                let alive = alive(|program| !matches!(program, Program::Control(_)));
                assert!(alive.is_none_or(|(_, process)| process.unkillable), "{status:?}");
                return;
            }
        };
        if status.pid.is_none() {
            let left = found.filter(|(_, process)| !process.unkillable);
            assert!(left.is_none(), "{status:?}, and there is {left:?}");
        }
        if let Some(pid) = status.pid {
            let (&of, process) = found.expect("a status of a dead process");
            assert_eq!((pid.0, state), (of, state), "the status of another process");
            if status.state == State::Run {
                let since = Duration::from_millis(process.started);
                assert_eq!(status.since, UnixTime(since), "since when it runs");
                assert_eq!(status.got_term, process.got_term.is_some(), "whether it got TERM");
            }
        }
        if let Some(want) = self.wants.get(&id)
            && self.stop_began.is_none()
            && world.directories.get(&id).is_some_and(|directory| directory.exists)
        {
            assert_eq!(status.to_bytes()[17] == b'u', *want == Want::Up, "the want is not shown");
        }
    }

    /// When nothing is to be done: whoever looks at a status sees how it is.
    pub(super) fn what_is_shown_is_so(&self, world: &World) {
        let is_seen = |(_, directory): &(&ServiceId, &Directory)| {
            self.opened && directory.exists && directory.known
        };
        let seen = world.directories.iter().filter(is_seen);
        for id in seen.flat_map(|(&id, of)| [Some(id), of.shape.log.map(|(log, _)| log)]).flatten()
        {
            let now = world.instant();
            let Some(status) = world.core.status(id, now, UnixTime(now.0)) else { continue };
            self.tells_the_truth(world, id);
            let stopped = status.pid.and_then(|pid| world.kernel.processes.get(&pid.0));
            let stopped = stopped.is_some_and(|process| process.stopped);
            assert_eq!(status.paused, stopped, "whether {id:?} stands still");
            if !self.heals.contains_key(&id) && !self.forgotten.contains(&id) {
                let shown = self.shown.get(&id).expect("a status that nobody was shown");
                assert_eq!(status, *shown, "{id:?} is not what is shown of it");
            }
        }
    }
}
