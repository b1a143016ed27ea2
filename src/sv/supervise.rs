//! The files of a service as `sv` sees them: its directory, and what its supervisor keeps.

use crate::spawn;
use logic::exec::Errno;
use logic::status::{LENGTH_BYTES, Status, Want};
use logic::sv::{Order, Sight, Trouble};
use nix::fcntl::OFlag;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Debian's place for services.
const SERVICE_DIRECTORY: &str = "/etc/service";
/// Where PID 1 keeps what it cannot keep in a service directory, because that is read-only.
const STATES: [&str; 3] = ["/run/my_init", "/tmp/my_init", "/dev/shm/my_init"];

/// The kernel's number for an error.
pub fn errno(error: &io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(nix::libc::EIO))
}

/// What was seen in `supervise/`.
pub struct Look {
    /// The FIFO `ok`, opened for writing: that somebody serves it.
    pub supervisor: File,
    /// The twenty bytes.
    pub status: Status,
}

impl Look {
    /// With what the service directory says.
    pub fn sight(&self, directory: &Path) -> Sight {
        let is_down = match fs::metadata(directory.join("down")) {
            Ok(_) => true,
            Err(error) => errno(&error) != Errno::NOENT,
        };
        Sight { status: self.status, normally: if is_down { Want::Down } else { Want::Up } }
    }
}

/// Open `ok`, and read the status.
pub fn look(supervise: &Path) -> Result<Look, Trouble> {
    let open = |options: &mut fs::OpenOptions, name: &str| {
        options.custom_flags(OFlag::O_NONBLOCK.bits()).open(supervise.join(name))
    };
    let supervisor =
        open(File::options().write(true), "ok").map_err(|error| match errno(&error) {
            Errno(nix::libc::ENXIO) => Trouble::NotRunning,
            errno => Trouble::Ok(errno),
        })?;
    let status = open(File::options().read(true), "status")
        .map_err(|error| Trouble::Status(errno(&error)))?;
    let mut bytes = Vec::with_capacity(LENGTH_BYTES);
    let length = u64::try_from(LENGTH_BYTES).unwrap_or(u64::MAX);
    status.take(length).read_to_end(&mut bytes).map_err(|error| Trouble::Read(errno(&error)))?;
    let status = Status::from_bytes(&bytes).ok_or(Trouble::Format)?;
    Ok(Look { supervisor, status })
}

/// Write the verbs into `control`, all in one piece.
pub fn send(supervise: &Path, order: Order) -> Result<(), Trouble> {
    let flags = OFlag::O_NONBLOCK.bits();
    let control = File::options().write(true).custom_flags(flags).open(supervise.join("control"));
    let mut control = control.map_err(|error| match errno(&error) {
        Errno(nix::libc::ENXIO) => Trouble::NotRunning,
        errno => Trouble::Control(errno),
    })?;
    let bytes: Vec<u8> = order.verbs.iter().map(|verb| verb.byte()).collect();
    control.write_all(&bytes).map_err(|error| Trouble::Write(errno(&error)))
}

/// Where services are.
pub fn service_directory() -> PathBuf {
    let named = std::env::var_os("SVDIR").filter(|directory| !directory.is_empty());
    named.map_or_else(|| SERVICE_DIRECTORY.into(), PathBuf::from)
}

/// The names of all services, in byte order.
pub fn all_services() -> io::Result<Vec<Vec<u8>>> {
    let directory = service_directory();
    let entries = fs::read_dir(&directory)?.flatten();
    let mut names: Vec<Vec<u8>> = entries.map(|entry| entry.file_name().into_vec()).collect();
    names.retain(|name| !name.starts_with(b".") && directory.join(spawn::path(name)).is_dir());
    names.sort_unstable();
    Ok(names)
}

/// The directory of a service. As for runit, one that begins with a dot or a slash, or ends with
/// a slash, is a path.
pub fn find(name: &[u8]) -> Result<PathBuf, Trouble> {
    let is_path = name.starts_with(b"/") || name.starts_with(b".") || name.ends_with(b"/");
    let directory = match name {
        b"" => return Err(Trouble::Directory(Errno::NOENT)),
        path if is_path => spawn::path(path).to_path_buf(),
        name => service_directory().join(spawn::path(name)),
    };
    enter(&directory).map_err(|error| Trouble::Directory(errno(&error)))?;
    Ok(directory)
}

/// Whether one may change to the directory (chdir(2)): the dot in it must be reached.
pub fn enter(directory: &Path) -> io::Result<()> {
    fs::metadata(directory.join(".")).map(|_| ())
}

/// Where the supervisor of a service keeps its files: `supervise` in the directory of the service,
/// or, where PID 1 may not write there, in a directory of its own. That must belong to root or to
/// us: anybody can make one in /tmp.
pub fn supervise_directory(directory: &Path) -> PathBuf {
    let at_home = directory.join("supervise");
    if ["ok", "control"].iter().any(|name| at_home.join(name).exists()) {
        return at_home;
    }
    let Some(name) = name_in_state(directory) else { return at_home };
    let is_trusted = |state: &Path| {
        let own = nix::unistd::geteuid().as_raw();
        fs::symlink_metadata(state)
            .is_ok_and(|state| state.is_dir() && [0, own].contains(&state.uid()))
    };
    let states = STATES.iter().map(Path::new).filter(|state| is_trusted(state));
    let mut places = states.map(|state| state.join("service").join(&name).join("supervise"));
    places.find(|place| place.exists()).unwrap_or(at_home)
}

/// The name of a service as PID 1 has it, and `NAME/log` for a logger: the last part of the path,
/// the link's rather than what it points to; but a path may also be `.` or `..`.
fn name_in_state(directory: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(directory).ok()?;
    let path = if path.file_name().is_some() { path } else { path.canonicalize().ok()? };
    let name = Path::new(path.file_name()?);
    match path.parent().and_then(Path::file_name) {
        Some(owner) if name == Path::new("log") => Some(Path::new(owner).join(name)),
        _ => Some(name.to_path_buf()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    fn in_directory(name: &str, story: impl FnOnce(&Path)) {
        let directory = std::env::temp_dir().join(format!("svdir-{}-{name}", std::process::id()));
        fs::create_dir_all(directory.join("supervise")).unwrap();
        story(&directory);
        fs::remove_dir_all(directory).unwrap();
    }

    fn trouble(directory: &Path) -> Trouble {
        look(&directory.join("supervise")).map(|_| ()).unwrap_err()
    }

    #[test]
    fn each_trouble_has_its_own_name() {
        in_directory("trouble", |directory| {
            let file = |name: &str| directory.join("supervise").join(name);
            assert_eq!(trouble(directory), Trouble::Ok(Errno::NOENT));
            mkfifo(&file("ok"), Mode::S_IRWXU).unwrap();
            assert_eq!(trouble(directory), Trouble::NotRunning);
            let _served = File::options().read(true).write(true).open(file("ok")).unwrap();
            assert_eq!(trouble(directory), Trouble::Status(Errno::NOENT));
            fs::write(file("status"), b"no status").unwrap();
            assert_eq!(trouble(directory), Trouble::Format);
            fs::remove_file(file("status")).unwrap();
            fs::create_dir(file("status")).unwrap();
            assert_eq!(trouble(directory), Trouble::Read(Errno(nix::libc::EISDIR)));
        });
    }

    #[test]
    fn a_fifo_in_place_of_the_status_holds_nobody_up() {
        in_directory("fifo", |directory| {
            let file = |name: &str| directory.join("supervise").join(name);
            mkfifo(&file("ok"), Mode::S_IRWXU).unwrap();
            mkfifo(&file("status"), Mode::S_IRWXU).unwrap();
            let _served = File::options().read(true).write(true).open(file("ok")).unwrap();
            assert_eq!(trouble(directory), Trouble::Format);
        });
    }

    #[test]
    fn a_full_control_fifo_is_told_and_not_waited_for() {
        in_directory("full", |directory| {
            let supervise = directory.join("supervise");
            let control = supervise.join("control");
            mkfifo(&control, Mode::S_IRWXU).unwrap();
            assert_eq!(send(&supervise, Order::KILL), Err(Trouble::NotRunning));
            let _served = File::options().read(true).write(true).open(&control).unwrap();
            let refused = (0..1_000_000).find_map(|_| send(&supervise, Order::KILL).err());
            assert_eq!(refused, Some(Trouble::Write(Errno(nix::libc::EAGAIN))));
        });
    }

    #[test]
    fn a_path_is_a_path_and_an_empty_name_is_nothing() {
        in_directory("find", |directory| {
            let with =
                |end: &str| [directory.as_os_str().as_encoded_bytes(), end.as_bytes()].concat();
            assert!(find(&with("")).is_ok() && find(&with("/")).is_ok() && find(b".").is_ok());
            assert_eq!(find(b""), Err(Trouble::Directory(Errno::NOENT)));
            assert_eq!(find(&with("/none")), Err(Trouble::Directory(Errno::NOENT)));
            fs::write(directory.join("file"), "").unwrap();
            assert_eq!(find(&with("/file")), Err(Trouble::Directory(Errno::NOTDIR)));
        });
    }

    #[test]
    fn a_service_is_known_to_pid_1_by_the_last_part_of_its_path() {
        let name = |path: &str| name_in_state(Path::new(path)).unwrap();
        assert_eq!(name("/etc/service/web"), Path::new("web"));
        assert_eq!(name("/etc/service/web/"), Path::new("web"));
        assert_eq!(name("/etc/service/web/log"), Path::new("web/log"));
        assert_eq!(name("web/./log/"), Path::new("web/log"));
        assert_eq!(Some(name(".").as_os_str()), std::env::current_dir().unwrap().file_name());
    }

    #[test]
    fn what_is_not_elsewhere_is_at_home() {
        in_directory("home", |directory| {
            assert_eq!(supervise_directory(directory), directory.join("supervise"));
        });
    }
}
