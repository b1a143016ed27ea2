//! The order in which a container's life starts what is no service.

use logic::contract::{Role, Script, Scripts, ServiceId};

/// Where in a container's life something is started.
pub fn rank(role: Role) -> Option<(u8, usize)> {
    match role {
        Role::Script(Script { of, index }) => {
            Some((if of >= Scripts::PreShutdown { of as u8 + 1 } else { of as u8 }, index))
        }
        Role::MainCommand => Some((3, 0)),
        Role::Service(..) => None,
    }
}

/// The service of which something is a part.
pub fn of_service(role: Role) -> Option<ServiceId> {
    match role {
        Role::Service(id, _) => Some(id),
        Role::Script(_) | Role::MainCommand => None,
    }
}
