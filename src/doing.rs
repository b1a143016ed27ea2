//! The error that names the deed and the thing: "cannot open /etc/x: Permission denied".

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What was being done, to what, and why it failed.
#[derive(Debug)]
pub struct Error {
    deed: &'static str,
    thing: PathBuf,
    cause: io::Error,
}

impl Error {
    /// The kernel's number for the cause.
    pub fn errno(&self) -> i32 {
        self.cause.raw_os_error().unwrap_or(0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thing = logic::words::Shown(self.thing.as_os_str().as_encoded_bytes());
        write!(f, "cannot {} {thing}: ", self.deed)?;
        match self.cause.raw_os_error() {
            Some(number) => f.write_str(nix::errno::Errno::from_raw(number).desc()),
            None => self.cause.fmt(f),
        }
    }
}

/// Name the deed and the thing of a failure.
pub trait Doing<T> {
    /// "cannot `deed` `thing`: ..."
    fn doing(self, deed: &'static str, thing: &Path) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, deed: &'static str, thing: &Path) -> Result<T, Error> {
        self.map_err(|cause| Error { deed, thing: thing.to_path_buf(), cause: cause.into() })
    }
}
