//! Where a container's files lie on this machine, while it is described, runs, and has run.

use super::rungs;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that containers can share.
pub struct Volume(pub(super) Cell);

impl Volume {
    /// An empty one.
    pub fn new() -> Volume {
        Volume(Cell::new())
    }
}

/// A directory of our own for one container's files, removed in the end.
pub(super) struct Cell(pub(super) PathBuf);

impl Cell {
    pub(super) fn new() -> Cell {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "baseimage-test-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = rungs::scratch().join(name);
        for part in ["given", "upper", "work", "root", "empty"] {
            fs::create_dir_all(path.join(part)).unwrap();
        }
        for part in ["given", "upper"] {
            fs::set_permissions(path.join(part), fs::Permissions::from_mode(0o755)).unwrap();
        }
        Cell(path)
    }

    pub(super) fn given(&self) -> PathBuf {
        self.0.join("given")
    }

    pub(super) fn name(&self) -> &OsStr {
        self.0.file_name().unwrap()
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        if self.0.as_os_str().is_empty() {
            return;
        }
        // The kernel leaves a directory of mode 000 in an overlay's work directory.
        let inner = self.0.join("work/work");
        let _ = fs::set_permissions(&inner, fs::Permissions::from_mode(0o700));
        let _ = fs::remove_dir_all(&self.0);
    }
}
