//! The test world: a container described by its files, booted in namespaces of its own or in
//! Docker, and watched from outside.
//!
//! ```text
//! Container::new().file(..).env(..).command(..)   what it is
//!     .boot()                                     where: namespaces (milliseconds) or Docker
//! it.until(..)  it.signal(..)  it.run(..)         while it runs
//! it.wait()  it.stop()                            how it ended
//! ```
//! The programs under test come from MY_INIT and SETUSER, so another implementation can be put
//! here; the rest of what is read from the environment stands in `rungs.rs`. Nothing is left
//! behind: dropping a container ends it and removes its files.
#![allow(dead_code, unused_imports, reason = "each test file uses its part of the world")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests: a failed expectation is a failed test"
)]

mod bytes;
mod cell;
mod client;
mod docker;
mod live;
mod namespace;
mod output;
mod rungs;
mod story;
mod subject;
mod terminal;

pub use bytes::{bytes, ignored_here, variables};
pub use cell::Volume;
pub use client::{Client, PORT, WHY, listens, port, up};
pub use docker::{build, build_on};
pub use live::{Live, Stop};
pub use output::Output;
pub use rungs::{Need, base, engine, has, program, say};
pub use story::{Line, Party, normal, told};
pub use subject::{Ours, Row, Subject, Theirs};

use cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long anything may take before we say that it does not happen: generous, because a deadline
/// that is met costs nothing.
pub const DEADLINE: Duration = Duration::from_secs(40);

/// What Docker gives every container.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the standard error of the container goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stderr {
    /// To us.
    Heard,
    /// Into a pipe that is full and that nobody reads.
    Full,
    /// Into a pipe whose reader has gone.
    Broken,
}

/// A container before it is booted.
pub struct Container {
    cell: Cell,
    is_alone: bool,
    program: OsString,
    options: Vec<OsString>,
    command: Option<Vec<OsString>>,
    argv: Option<Vec<OsString>>,
    env: Vec<(OsString, OsString)>,
    user: Option<(u32, u32)>,
    input: Option<Vec<u8>>,
    stderr: Stderr,
    read_only: bool,
    disk: Option<String>,
    terminal: bool,
    setup: String,
    volumes: Vec<(PathBuf, String)>,
    docker: Option<Vec<OsString>>,
    /// Another image than the base.
    image: Option<String>,
}

impl Container {
    /// A Debian with `my_init` and `setuser`, and the directories the image brings.
    pub fn new() -> Container {
        let mut container = Container::bare();
        container.install("/sbin/my_init", &rungs::program("MY_INIT"));
        container.install("/sbin/setuser", &rungs::program("SETUSER"));
        for directory in [
            "/etc/my_init.d",
            "/etc/my_init.pre_shutdown.d",
            "/etc/my_init.post_shutdown.d",
            "/etc/service",
            "/etc/container_environment",
        ] {
            container = container.directory(directory);
        }
        container = container.chmod("/etc/container_environment", 0o700);
        for dump in ["/etc/container_environment.sh", "/etc/container_environment.json"] {
            container = container.file(dump, "").chmod(dump, 0o640);
            if has(Need::Users) {
                container = container.chown(dump, 0, DOCKER_ENV);
            }
        }
        container
    }

    /// The base and nothing of ours.
    pub fn bare() -> Container {
        Container {
            cell: Cell::new(),
            is_alone: false,
            program: "/sbin/my_init".into(),
            options: Vec::new(),
            command: None,
            argv: None,
            env: Vec::new(),
            user: None,
            input: None,
            stderr: Stderr::Heard,
            read_only: false,
            disk: None,
            terminal: false,
            setup: String::new(),
            volumes: Vec::new(),
            docker: None,
            image: None,
        }
    }

    /// `my_init` at this path, and nothing else at all.
    pub fn alone(path: &str) -> Container {
        let mut container = Container::bare();
        container.is_alone = true;
        container.install(path, &rungs::program("MY_INIT"));
        container.directory("/proc").directory("/dev")
    }

    fn install(&mut self, path: &str, program: &Path) {
        let to = self.given(path);
        fs::copy(program, &to)
            .unwrap_or_else(|error| panic!("cannot copy {}: {error}", program.display()));
        fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Where a path of the container lies on this machine, its directory made. What the base has
    /// as a symlink (`/sbin`) is followed: a directory of that name would hide it.
    fn given(&self, path: impl AsRef<OsStr>) -> PathBuf {
        let path = Path::new(path.as_ref()).strip_prefix("/").expect("an absolute path");
        let first = Path::new(path.components().next().expect("not / itself").as_os_str());
        let path = match fs::read_link(self.lower().join(first)) {
            Ok(target) => target.join(path.strip_prefix(first).unwrap()),
            Err(_) => path.to_path_buf(),
        };
        let place = self.cell.given().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        place
    }

    /// What lies under what is given.
    fn lower(&self) -> PathBuf {
        if self.is_alone { self.cell.0.join("empty") } else { rungs::rootfs().to_path_buf() }
    }

    /// A file, mode 0644.
    pub fn file(self, path: impl AsRef<OsStr>, contents: impl AsRef<[u8]>) -> Container {
        self.with_mode(path, contents, 0o644)
    }

    /// A file, mode 0755.
    pub fn executable(self, path: impl AsRef<OsStr>, contents: impl AsRef<[u8]>) -> Container {
        self.with_mode(path, contents, 0o755)
    }

    fn with_mode(
        self,
        path: impl AsRef<OsStr>,
        contents: impl AsRef<[u8]>,
        mode: u32,
    ) -> Container {
        let place = self.given(path);
        fs::write(&place, contents).unwrap();
        fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    /// A startup script of `/bin/sh`, named `/etc/my_init.d/NAME`.
    pub fn startup(self, name: &str, script: &str) -> Container {
        self.executable(format!("/etc/my_init.d/{name}"), format!("#!/bin/sh\n{script}\n"))
    }

    /// A variable as a file of `/etc/container_environment`.
    pub fn variable(self, name: impl AsRef<OsStr>, contents: impl AsRef<[u8]>) -> Container {
        let mut path = OsString::from("/etc/container_environment/");
        path.push(name);
        self.file(path, contents)
    }

    /// A directory, mode 0755.
    pub fn directory(self, path: &str) -> Container {
        fs::create_dir_all(self.given(path)).unwrap();
        self
    }

    /// A symbolic link at `path` to `target`.
    pub fn symlink(self, target: &str, path: &str) -> Container {
        symlink(target, self.given(path)).unwrap();
        self
    }

    /// A named pipe.
    pub fn fifo(self, path: &str) -> Container {
        nix::unistd::mkfifo(&self.given(path), nix::sys::stat::Mode::from_bits_truncate(0o644))
            .unwrap();
        self
    }

    /// The mode of something given before.
    pub fn chmod(self, path: impl AsRef<OsStr>, mode: u32) -> Container {
        fs::set_permissions(self.given(path), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    /// The owner of something given before. Needs [`Need::Users`].
    pub fn chown(self, path: impl AsRef<OsStr>, user: u32, group: u32) -> Container {
        chown(self.given(path), Some(user), Some(group)).unwrap();
        self
    }

    /// Take away something given before, such as a directory the image brings.
    pub fn without(self, path: &str) -> Container {
        let place = self.given(path);
        match place.is_dir() {
            true => fs::remove_dir_all(place).unwrap(),
            false => fs::remove_file(place).unwrap(),
        }
        self
    }

    /// A variable as given by `docker run --env`.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Container {
        self.env.push((name.as_ref().into(), value.as_ref().into()));
        self
    }

    /// Words between `my_init` and the `--` of the command.
    pub fn options(mut self, options: &[&str]) -> Container {
        self.options = options.iter().map(OsString::from).collect();
        self
    }

    /// The main command, behind `--`.
    pub fn command(mut self, command: &[&str]) -> Container {
        self.command = Some(command.iter().map(OsString::from).collect());
        self
    }

    /// The main command as a script of `/bin/sh`.
    pub fn script(self, script: &str) -> Container {
        self.command(&["sh", "-c", script])
    }

    /// How `my_init` is called: a path, or a name for PATH.
    pub fn called(mut self, program: &str) -> Container {
        self.program = program.into();
        self
    }

    /// PID 1 and its arguments, where it is not `my_init`.
    pub fn argv(mut self, argv: &[&str]) -> Container {
        self.argv = Some(argv.iter().map(OsString::from).collect());
        self
    }

    /// `docker run --user`. Needs [`Need::Users`].
    pub fn user(mut self, user: u32, group: u32) -> Container {
        self.user = Some((user, group));
        self
    }

    /// `docker run --interactive`, with these bytes as standard input.
    pub fn input(mut self, bytes: impl AsRef<[u8]>) -> Container {
        self.input = Some(bytes.as_ref().to_vec());
        self
    }

    /// Where standard error goes.
    pub fn stderr(mut self, stderr: Stderr) -> Container {
        self.stderr = stderr;
        self
    }

    /// `docker run --read-only`.
    pub fn read_only(mut self) -> Container {
        self.read_only = true;
        self
    }

    /// Only that much room for what the container writes, as tmpfs(5) writes sizes. (What it
    /// wrote can then be seen from inside only.)
    pub fn disk(mut self, size: &str) -> Container {
        self.disk = Some(size.into());
        self
    }

    /// `docker run --tty --interactive`.
    pub fn terminal(mut self) -> Container {
        self.terminal = true;
        self
    }

    /// `docker run --volume`: a directory of this machine at that path.
    pub fn volume(mut self, volume: &Volume, path: &str) -> Container {
        self = self.directory(path);
        self.volumes.push((volume.0.given(), path.into()));
        self
    }

    /// Lines of shell, run as root in the container's root directory before PID 1 takes their
    /// place: limits, descriptors, mounts. Only in namespaces.
    pub fn setup(mut self, lines: &str) -> Container {
        self.setup.push_str(lines);
        self.setup.push('\n');
        self
    }

    /// Boot it in Docker, with these options of `docker create` besides. Needs [`Need::Docker`].
    pub fn docker(mut self, options: &[&str]) -> Container {
        self.docker = Some(options.iter().map(OsString::from).collect());
        self
    }

    /// Boot it, and return as soon as PID 1 has begun.
    #[track_caller]
    pub fn boot(self) -> Live {
        match (&self.docker, rungs::has_namespaces()) {
            (None, true) => namespace::boot(self),
            (Some(_), _) => docker::boot(self),
            (None, false) if has(Need::Docker) => docker::boot(self.docker(&[])),
            (None, false) => rungs::leave(),
        }
    }

    /// PID 1 and its arguments.
    fn words(&self) -> Vec<OsString> {
        if let Some(argv) = &self.argv {
            return argv.clone();
        }
        let mut words = vec![self.program.clone()];
        words.extend(self.options.iter().cloned());
        if let Some(command) = &self.command {
            words.push("--".into());
            words.extend(command.iter().cloned());
        }
        words
    }

    /// All variables that Docker would give.
    fn variables(&self) -> Vec<(OsString, OsString)> {
        let home = if self.user.is_some() { "/" } else { "/root" };
        let mut all: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), PATH.into()),
            ("HOSTNAME".into(), "container".into()),
            ("HOME".into(), home.into()),
        ];
        if self.terminal {
            all.push(("TERM".into(), "xterm".into()));
        }
        all.retain(|(name, _)| !self.env.iter().any(|(given, _)| given == name));
        all.extend(self.env.iter().cloned());
        all
    }
}

/// The group that may read the dumps.
pub const DOCKER_ENV: u32 = 8377;
