//! /etc/container_environment and its two dumps: read, and replaced whole.
//!
//! Nothing here ends the boot: what cannot be read is left out, what cannot be written stays in
//! memory, and each of the two is said in one line, once.

use crate::doing::{Doing, Error};
use crate::{say, spawn};
use logic::accounts::{by_uid, group_id};
use logic::environment::{self as rules, Environment, LONGEST_BYTES};
use logic::words::Shown;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::resource::{Resource, getrlimit};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

const DIRECTORY: &str = "/etc/container_environment";
const SHELL_DUMP: &str = "/etc/container_environment.sh";
const JSON_DUMP: &str = "/etc/container_environment.json";
/// A file on its way. Two dots: as in Kubernetes' `..data`, no import ever takes it for a variable.
const NEW: &str = "..new";
/// The container's environment, and what of it cannot stand in the directory.
pub struct Container {
    pub environment: Environment,
    carried: Environment,
    said_odd: String,
    said_failed: bool,
    said_unread: bool,
    said_too_many: bool,
}

/// What one pass over the files ran into.
#[derive(Default)]
struct Trouble {
    odd: Vec<String>,
    /// The directory could not be read.
    unread: Option<Error>,
    /// Variables for which there was no room.
    too_many: usize,
    failed: Vec<Error>,
}

impl Container {
    /// What Docker gave, and nothing imported yet.
    pub fn new(docker: Environment) -> Container {
        Container {
            carried: docker.clone(),
            environment: docker,
            said_odd: String::new(),
            said_failed: false,
            said_unread: false,
            said_too_many: false,
        }
    }

    /// For a command beside a container at work, whose first process is `first`. Nothing is
    /// written, and whoever may not read the directory has Docker's variables all the same.
    pub fn beside(own: Environment, first: i32) -> Environment {
        let mut trouble = Trouble::default();
        let files = read_directory(room(&own), &mut trouble);
        let given = fs::read(format!("/proc/{first}/environ"));
        let mut environment = match given {
            Ok(given) if trouble.unread.is_none() && Path::new(DIRECTORY).is_dir() => {
                let pairs = given.split(|&b| b == 0).filter_map(|pair| {
                    let equals = pair.iter().position(|&b| b == b'=')?;
                    Some((pair.get(..equals)?, pair.get(equals + 1..)?))
                });
                rules::beside(&own, &pairs.collect(), &files)
            }
            Ok(_) | Err(_) => rules::import(&own, &files),
        };
        identify(&mut environment);
        environment
    }

    /// The first import, and the first dump.
    pub fn load(&mut self) {
        let mut trouble = Trouble::default();
        self.import(&mut trouble);
        // Without the directory nothing is written.
        if Path::new(DIRECTORY).is_dir() {
            self.fill_directory(&mut trouble);
            self.write_dumps(&mut trouble);
        }
        self.complain(&trouble);
    }

    fn import(&mut self, trouble: &mut Trouble) {
        let files = read_directory(room(&self.environment), trouble);
        self.environment = rules::import(&self.environment, &files);
        identify(&mut self.environment);
        self.carried = self.environment.clone();
    }

    fn fill_directory(&mut self, trouble: &mut Trouble) {
        self.carried = Environment::default();
        for (name, value) in self.environment.iter() {
            if rules::is_identity(name) {
                self.carried.set(name, value);
            } else if !rules::is_name_for_file(name) {
                self.carried.set(name, value);
                trouble.odd.push(format!("{} (no file can bear this name)", Shown(name)));
            } else if let Err(error) = write_variable(name, value) {
                self.carried.set(name, value);
                trouble.failed.push(error);
            }
        }
    }

    /// After a startup script: the directory's state is the environment's, and is dumped again.
    pub fn reload(&mut self) {
        if !Path::new(DIRECTORY).is_dir() {
            return;
        }
        let mut trouble = Trouble::default();
        let files = read_directory(room(&self.carried), &mut trouble);
        // What cannot be read says nothing new.
        if trouble.unread.is_none() {
            self.environment = rules::import(&self.carried, &files);
        }
        self.write_dumps(&mut trouble);
        self.complain(&trouble);
    }

    fn write_dumps(&self, trouble: &mut Trouble) {
        let dumps = [
            (SHELL_DUMP, rules::shell_dump(&self.environment)),
            (JSON_DUMP, rules::json_dump(&self.environment)),
        ];
        for (file, contents) in dumps {
            // An image may have it elsewhere, and a link here; to /dev/null if it wants none.
            let file = fs::canonicalize(file).unwrap_or_else(|_| PathBuf::from(file));
            if fs::metadata(&file).is_ok_and(|file| file.file_type().is_char_device()) {
                continue;
            }
            trouble.failed.extend(replace(&file, &contents, 0o640).err());
        }
    }

    /// One line for what was skipped, when that has changed; for what failed, once.
    fn complain(&mut self, trouble: &Trouble) {
        let odd = enumerate(&trouble.odd);
        if !odd.is_empty() && odd != self.said_odd {
            say::warning(&format!("{DIRECTORY}: skipped {odd}"));
            self.said_odd = odd;
        }
        if trouble.too_many > 0 && !self.said_too_many {
            say::warning(&format!(
                "{DIRECTORY}: the kernel gives no program so many variables; {} are left out",
                trouble.too_many
            ));
            self.said_too_many = true;
        }
        if let Some(error) = &trouble.unread {
            if !self.said_unread {
                say::warning(&format!("{error}; the boot goes on without it"));
                self.said_unread = true;
            }
            return;
        }
        let Some(first) = trouble.failed.first() else { return };
        if !self.said_failed {
            let more = match trouble.failed.len() - 1 {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            say::warning(&format!("{first}{more}; the boot goes on, and no variable is lost"));
            self.said_failed = true;
        }
    }
}

/// As many as fit into a line that is still read.
fn enumerate(things: &[String]) -> String {
    let mut line = things.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
    if things.len() > 8 {
        line.push_str(&format!(" and {} more", things.len() - 8));
    }
    line
}

/// HOME and the like, for the user that we are.
fn identify(environment: &mut Environment) {
    let passwd = fs::read("/etc/passwd").unwrap_or_default();
    environment.identify(by_uid(&passwd, nix::unistd::geteuid().as_raw()).as_ref());
}

/// How many bytes of variables a program can be given beside these: the kernel takes a quarter of
/// the stack's limit, 6 MiB at most, for arguments and environment (execve(2)). 64 KiB are for the
/// arguments.
fn room(beside: &Environment) -> usize {
    let stack = getrlimit(Resource::RLIMIT_STACK).map_or(8 << 20, |(soft, _)| soft);
    let all = usize::try_from((stack / 4).clamp(128 << 10, 6 << 20)).unwrap_or(128 << 10);
    let taken: usize = beside.iter().map(|(name, value)| rules::cost_bytes(name, value)).sum();
    all.saturating_sub(64 << 10).saturating_sub(taken)
}

/// The variables in the directory. No directory is none.
fn read_directory(mut room: usize, trouble: &mut Trouble) -> Environment {
    let mut variables = Environment::default();
    let directory = Path::new(DIRECTORY);
    let entries = match fs::read_dir(directory).doing("read", directory) {
        Ok(entries) => entries,
        Err(error) if error.errno() == Errno::ENOENT as i32 => return variables,
        Err(error) => {
            trouble.unread = Some(error);
            return variables;
        }
    };
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.sort_unstable();
    for name in names {
        let name = name.as_bytes();
        match read_variable(directory, name) {
            Ok(value) if rules::cost_bytes(name, &value) <= room => {
                room -= rules::cost_bytes(name, &value);
                variables.set(name, &value);
            }
            Ok(_) => trouble.too_many += 1,
            // Kubernetes keeps the files it links to in such a directory.
            Err(_) if name.starts_with(b"..") => {}
            Err(why) => trouble.odd.push(format!("{} ({why})", Shown(name))),
        }
    }
    variables
}

fn read_variable(directory: &Path, name: &[u8]) -> Result<Vec<u8>, String> {
    rules::name_of_file(name).map_err(|odd| odd.to_string())?;
    let contents = read_file(&directory.join(spawn::path(name)))?;
    rules::value_of_file(name, &contents).map(<[u8]>::to_vec).map_err(|odd| odd.to_string())
}

/// The contents of a regular file, as far as the longest possible variable goes.
fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let system = |error: std::io::Error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
        errno.desc().to_lowercase()
    };
    let kind = fs::metadata(path).map_err(system)?;
    if kind.is_dir() {
        return Err("a directory".into());
    }
    if !kind.is_file() {
        return Err("not a regular file".into());
    }
    let file = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
    let mut contents = Vec::new();
    let most = u64::try_from(LONGEST_BYTES).unwrap_or(u64::MAX);
    file.map_err(system)?.take(most).read_to_end(&mut contents).map_err(system)?;
    Ok(contents)
}

fn write_variable(name: &[u8], value: &[u8]) -> Result<(), Error> {
    let path = Path::new(DIRECTORY).join(spawn::path(name));
    let stands = read_file(&path)
        .is_ok_and(|contents| rules::value_of_file(name, &contents).is_ok_and(|old| old == value));
    if stands {
        return Ok(());
    }
    // The directory protects it; who opens the directory to all means its files too.
    replace(&path, &rules::contents_of_file(value), 0o644)
}

/// Replace a file whole: a new one beside it takes its mode, its owner and its place. A file that
/// is mounted on its own cannot be renamed over, and one in a directory that is not ours has no
/// beside: both are written in place.
fn replace(path: &Path, contents: &[u8], fresh_mode: u32) -> Result<(), Error> {
    let new = path.with_file_name(NEW);
    match write_new(path, &new, contents, fresh_mode) {
        Ok(()) => Ok(()),
        Err(error) => {
            // Where it was never made there is nothing to remove.
            let _ = fs::remove_file(&new);
            let errno = Errno::from_raw(error.errno());
            let in_place =
                matches!(errno, Errno::EBUSY | Errno::EACCES | Errno::EPERM | Errno::EROFS);
            if in_place && write_in_place(path, contents).is_ok() {
                return Ok(());
            }
            Err(error)
        }
    }
}

fn write_new(path: &Path, new: &Path, contents: &[u8], fresh_mode: u32) -> Result<(), Error> {
    // One left behind by a container that was killed.
    let _ = fs::remove_file(new);
    let mut options = File::options();
    let file = options.write(true).create_new(true).mode(0o600).open(new);
    let mut file = file.doing("write", path)?;
    let old = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file);
    let (mode, owner) = match &old {
        Some(old) => (old.mode() & 0o7777, Some((Some(old.uid()), Some(old.gid())))),
        None => (fresh_mode, None),
    };
    file.write_all(contents).doing("write", path)?;
    if let Some((uid, gid)) = owner {
        fchown(&file, uid, gid).doing("keep the owner of", path)?;
    } else if fresh_mode == 0o640 {
        let group = fs::read("/etc/group").unwrap_or_default();
        // An ordinary user may not give its file away; then it stays its own.
        let _ = fchown(&file, None, group_id(&group, b"docker_env"));
    }
    file.set_permissions(fs::Permissions::from_mode(mode)).doing("write", path)?;
    fs::rename(new, path).doing("write", path)
}

fn write_in_place(path: &Path, contents: &[u8]) -> std::io::Result<()> {
    // A FIFO in its place would hold us up.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut file = File::options().write(true).custom_flags(flags.bits()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Errno::EINVAL.into());
    }
    file.write_all(contents)?;
    file.set_len(u64::try_from(contents.len()).unwrap_or(u64::MAX))
}
