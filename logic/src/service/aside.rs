//! What few services have at a time.

use crate::ending::Ending;
use crate::exec::{Deed as Birth, Errno};
use crate::words::{Exit, Kept, Pid};

/// What was said last of its `run`, its `finish` and its `control/X`, so that it is said once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Said(pub(super) [Option<(Birth, Errno)>; 3]);

/// What few services have at a time, and one that has just been started has not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Aside {
    /// A script of `control/`, and its letter: what it may do instead of us.
    pub(super) control: Option<(Pid, u8)>,
    /// It ended at once, and has to rest until then.
    pub(super) rest_until: Option<Kept>,
    pub(super) ending: Ending,
    /// How `run` ended, until the service is down.
    pub(super) ended: Option<(Exit, Pid)>,
    /// It ended too soon, and untold: if it is down before this moment, it has to rest.
    pub(super) rested: Option<Kept>,
    pub(super) said: Said,
}
