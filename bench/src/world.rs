//! A root of its own for one run: a tmpfs with the programs, N services and nothing else.

use crate::programs;
use crate::systems::{System, Variant};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{chroot, getegid, geteuid, mkfifo};
use std::fs::{self, File};
use std::io::{Error, Result, Write};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Where PID 1 and the services note when they began: eight bytes each, the first is PID 1's exec.
/// Before it stands how much processor time had gone until then.
const STARTS: &str = "starts";
/// Where services that are asked to note when they ended.
const ENDS: &str = "ends";

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

/// Leave the machine's namespaces: its mounts, and what else is asked for.
pub fn leave(more: CloneFlags) -> Result<()> {
    let (uid, gid) = (geteuid(), getegid());
    let mut namespaces = CloneFlags::CLONE_NEWNS | more;
    if !uid.is_root() {
        namespaces |= CloneFlags::CLONE_NEWUSER;
    }
    unshare(namespaces)?;
    if !uid.is_root() {
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    mount_over("/".as_ref(), "/".as_ref(), MsFlags::MS_REC | MsFlags::MS_PRIVATE)
}

fn mount_over(what: &Path, on: &Path, flags: MsFlags) -> Result<()> {
    Ok(mount(Some(what), on, None::<&str>, flags, None::<&str>)?)
}

/// An empty file system in memory.
pub fn mount_tmpfs(on: &Path) -> Result<()> {
    fs::create_dir_all(on)?;
    Ok(mount(Some("tmpfs"), on, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?)
}

impl World {
    /// Leave the machine's namespaces, and make the root. The next child is PID 1 in it. Each
    /// service is the program `run`.
    pub fn new(system: &System, services: usize, run: &str) -> Result<World> {
        leave(CloneFlags::CLONE_NEWPID)?;
        let programs = programs::directory()?;
        let root = programs.join("root");
        mount_tmpfs(&root)?;
        let etc = ["etc/service", "etc/container_environment"];
        for directory in etc.into_iter().chain(["proc", "dev", "tmp", "run", "root"]) {
            fs::create_dir_all(root.join(directory))?;
        }
        for file in [STARTS, ENDS, "dev/null"] {
            File::create(root.join(file))?;
        }
        mkfifo(&root.join("go"), Mode::S_IRWXU)?;
        mount_over("/dev/null".as_ref(), &root.join("dev/null"), MsFlags::MS_BIND)?;
        for program in ["my_init", "floor", "true", "log", run] {
            fs::copy(programs.join(program), root.join(program))?;
        }
        if system.variant == Variant::Musl {
            fs::copy(programs.join("my_init_with_musl"), root.join("my_init"))?;
        }
        let peers = programs.join("peers");
        if peers.exists() {
            fs::create_dir(root.join("usr"))?;
            mount_over(&peers.join("usr"), &root.join("usr"), MsFlags::MS_BIND)?;
            for link in ["bin", "sbin", "lib", "lib64"] {
                symlink(format!("usr/{link}"), root.join(link))?;
            }
            for file in ["etc/passwd", "etc/group"] {
                fs::copy(peers.join(file), root.join(file))?;
            }
        }
        let world = World { root };
        for service in 0..services {
            let directory = world.service(service);
            fs::create_dir(&directory)?;
            fs::hard_link(world.root.join(run), directory.join("run"))?;
            if system.variant == Variant::Logs {
                fs::create_dir(directory.join("log"))?;
                fs::hard_link(world.root.join("log"), directory.join("log/run"))?;
            }
        }
        system.configure(&world.root, services)?;
        // As in an image, which is older than its containers: runsvdir sleeps for a second when the
        // directory is as young as that.
        let old = SystemTime::now() - Duration::from_secs(3600);
        File::open(world.root.join("etc/service"))?.set_modified(old)?;
        Ok(world)
    }

    /// When services ended, in the order in which they noted it: those that do.
    pub fn ends(&self) -> Result<Vec<u64>> {
        self.read(ENDS)
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
        self.read(STARTS)
    }

    fn read(&self, file: &str) -> Result<Vec<u64>> {
        let bytes = fs::read(self.root.join(file))?;
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

/// In the child that is PID 1 already: enter the root and stay there.
pub fn settle(root: &Path) -> Result<()> {
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
