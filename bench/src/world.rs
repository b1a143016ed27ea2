//! A root of its own for one run: a tmpfs with the programs, N services and nothing else.

use crate::programs;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{chroot, getegid, geteuid};
use std::fs::{self, File};
use std::io::{Error, Result, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where PID 1 and the services note when they began: eight bytes each, the first is PID 1's exec.
/// Before it stands how much processor time had gone until then.
const STARTS: &str = "starts";

/// Nanoseconds of CLOCK_MONOTONIC: the clock that the services look at.
pub fn now() -> Result<u64> {
    nanoseconds(ClockId::CLOCK_MONOTONIC)
}

fn nanoseconds(clock: ClockId) -> Result<u64> {
    let now = Duration::from(clock_gettime(clock)?);
    u64::try_from(now.as_nanos()).map_err(Error::other)
}

/// The root.
pub struct World {
    /// Where it is, seen from outside.
    pub root: PathBuf,
}

impl World {
    /// Leave the machine's namespaces, and make the root. The next child is PID 1 in it.
    pub fn new(services: usize) -> Result<World> {
        let (uid, gid) = (geteuid(), getegid());
        let mut namespaces = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID;
        if !uid.is_root() {
            namespaces |= CloneFlags::CLONE_NEWUSER;
        }
        unshare(namespaces)?;
        if !uid.is_root() {
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
            fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
        }
        let nothing = None::<&str>;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;

        let programs = programs::directory()?;
        let root = programs.join("root");
        fs::create_dir_all(&root)?;
        mount(Some("tmpfs"), &root, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
        for directory in ["etc/service", "proc", "dev"] {
            fs::create_dir_all(root.join(directory))?;
        }
        for file in [STARTS, "dev/null"] {
            File::create(root.join(file))?;
        }
        let null = root.join("dev/null");
        mount(Some("/dev/null"), &null, nothing, MsFlags::MS_BIND, nothing)?;
        for program in ["my_init", "floor", "service"] {
            fs::copy(programs.join(program), root.join(program))?;
        }
        for service in 0..services {
            let directory = root.join("etc/service").join(service.to_string());
            fs::create_dir(&directory)?;
            fs::hard_link(root.join("service"), directory.join("run"))?;
        }
        Ok(World { root })
    }

    /// When PID 1 and the services began, in the order in which they noted it.
    pub fn starts(&self) -> Result<Vec<u64>> {
        Ok(self.noted()?.into_iter().skip(1).collect())
    }

    /// The processor time of what became PID 1.
    pub fn before_exec(&self) -> Result<u64> {
        Ok(self.noted()?.first().copied().unwrap_or(0))
    }

    fn noted(&self) -> Result<Vec<u64>> {
        let bytes = fs::read(self.root.join(STARTS))?;
        let records = bytes.chunks_exact(8).filter_map(|eight| eight.try_into().ok());
        Ok(records.map(u64::from_ne_bytes).collect())
    }

    /// A service's directory.
    pub fn service(&self, number: usize) -> PathBuf {
        self.root.join("etc/service").join(number.to_string())
    }
}

/// In the child that is PID 1 already: enter the root and become the program. Only with what went
/// wrong does it return.
pub fn enter(root: &str, program: &[&str]) -> Error {
    let Some((name, arguments)) = program.split_first() else {
        return Error::other("no program");
    };
    if let Err(error) = settle(Path::new(root)) {
        return error;
    }
    let mut command = Command::new(name);
    // What Docker gives.
    command.args(arguments).env_clear().env("HOSTNAME", "bench").env("HOME", "/root");
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    match note() {
        Ok(()) => command.exec(),
        Err(error) => error,
    }
}

fn settle(root: &Path) -> Result<()> {
    // Should the one who measures be killed, so is what he measures.
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    let nothing = None::<&str>;
    mount(Some("proc"), &root.join("proc"), Some("proc"), MsFlags::empty(), nothing)?;
    chroot(root)?;
    std::env::set_current_dir("/")
}

fn note() -> Result<()> {
    let mut starts = File::options().append(true).open(Path::new("/").join(STARTS))?;
    let used = nanoseconds(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.to_ne_bytes();
    starts.write_all(&[used, now()?.to_ne_bytes()].concat())
}
