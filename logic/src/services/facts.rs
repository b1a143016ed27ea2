//! What the services are told: the answers to their starts, and the ends of their processes.

use super::Services;
use crate::contract::{Notice, Role, ServiceId};
use crate::exec::{Deed, Errno};
use crate::words::{Exit, Instant, Pid};

impl Services {
    /// The answer to a start: it runs.
    pub fn started(&mut self, now: Instant, id: ServiceId, pid: Pid) {
        if let Err(at) = self.pids.binary_search_by_key(&pid, |&(pid, _)| pid) {
            self.pids.insert(at, (pid, id));
        }
        self.with(id, |service| service.started(now, pid));
    }

    /// The answer to a start: no process could be made. Whether that is news.
    pub fn start_refused(&mut self, now: Instant, id: ServiceId) -> bool {
        let mut is_news = false;
        self.with(id, |service| is_news = service.start_refused(now));
        is_news
    }

    /// The answer to a start: there is no such script.
    pub fn not_there(&mut self, now: Instant, id: ServiceId) {
        self.with(id, |service| service.not_there(now));
    }

    /// A process could not become its program. What there is to say of it.
    pub fn exec_failed(&mut self, pid: Pid, deed: Deed, errno: Errno) -> Option<Notice> {
        let at = self.pids.binary_search_by_key(&pid, |&(pid, _)| pid).ok()?;
        let &(_, id) = self.pids.get(at)?;
        let entry = self.entry(id)?;
        let (program, again) = entry.service.exec_failed(pid, deed, errno)?;
        let notice = if again { Notice::StillCannotRun } else { Notice::CannotRun };
        Some(notice(Role::Service(id, program), deed, errno))
    }

    /// A process has ended; one of ours or not.
    pub fn exited(&mut self, now: Instant, pid: Pid, exit: Exit) {
        if let Ok(at) = self.pids.binary_search_by_key(&pid, |&(pid, _)| pid) {
            let Some((_, id)) = self.pids.remove(at) else { return };
            self.with(id, |service| service.exited(now, pid, exit));
        }
    }
}
