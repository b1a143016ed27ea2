//! The service directories of a world, and what there is in them.

use crate::common::ends::Left;
use crate::common::rank::of_service;
use crate::dice::mix;
use crate::world::World;
use logic::contract::{Program, ServiceId, Shape};

/// A service directory.
#[derive(Clone, Copy, Debug)]
pub struct Directory {
    pub shape: Shape,
    pub exists: bool,
    pub known: bool,
    /// Somebody makes `log` in it a moment after it was found.
    pub log_to_come: bool,
}

impl World {
    pub fn has_finish(&self, ServiceId(id): ServiceId) -> bool {
        id.is_multiple_of(2)
    }

    /// Whether there is a script `control/X`.
    pub fn has_control(&self, ServiceId(id): ServiceId, letter: u8) -> bool {
        mix(self.seed, u64::from(id) * 256 + u64::from(letter)).is_multiple_of(6)
    }

    /// Whether nothing stands between a verb and the process: no script in `control/`.
    pub fn obeys(&self, id: ServiceId) -> bool {
        let is_it = |program| matches!(program, Some((of, Program::Control(_))) if of == id);
        let is_asked = self.kernel.processes.values().any(|process| is_it(process.service()));
        self.is_log(id) || (!is_asked && !self.has_control(id, b't'))
    }

    pub fn is_log(&self, id: ServiceId) -> bool {
        !self.directories.contains_key(&id)
    }

    /// The service itself, or the one whose log it is.
    pub fn owner(&self, id: ServiceId) -> ServiceId {
        let is_its = |directory: &Directory| directory.shape.log.is_some_and(|(log, _)| log == id);
        self.directories.iter().find(|(_, d)| is_its(d)).map_or(id, |(&owner, _)| owner)
    }

    /// Whom a stop waits for. What cannot be killed is given up.
    pub fn left(&self) -> Left {
        let processes = self.kernel.processes.values();
        let left = processes.filter(|process| !process.unkillable || !process.got_kill);
        let roles = left.filter_map(|process| process.role);
        roles.map(|role| of_service(role).map(|id| self.owner(id))).collect()
    }

    /// The directory of a service, or of the one whose log it is; and whether it has `down`.
    pub fn found(&self, id: ServiceId) -> Option<(&Directory, bool)> {
        let directory = self.directories.get(&self.owner(id))?;
        let of_log = directory.shape.log.filter(|&(log, _)| log == id).map(|(_, down)| down);
        Some((directory, of_log.unwrap_or(directory.shape.down)))
    }

    /// Of all services and their logs.
    pub fn ids(&self) -> Vec<ServiceId> {
        let all = self.directories.iter();
        all.flat_map(|(&id, of)| [Some(id), of.shape.log.map(|(log, _)| log)]).flatten().collect()
    }

    /// Whether the core has heard of the service.
    pub fn is_known(&self, id: ServiceId) -> bool {
        self.directories.iter().any(|(&service, directory)| {
            let is_log = directory.shape.log.is_some_and(|(log, _)| log == id);
            directory.known && (service == id || is_log)
        })
    }
}
