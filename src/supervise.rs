//! `supervise/`: what `sv` sees of a service, and how it speaks to us. The files, and their bytes,
//! are those of runit (runsv(8)), so that any `sv` will do.
//!
//! It stands in the service directory, or where the link of that name leads. Where that cannot be
//! written, it stands below a directory of our own in the first place that can.

use crate::doing::{Doing, Error};
use crate::say;
use crate::service::inside;
use logic::status::Status;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where our own directory may stand, if service directories cannot be written.
const PLACES: [&str; 3] = ["/run", "/tmp", "/dev/shm"];
/// Its name there.
const OWN: &str = "my_init";
/// Who may ask and command: the owner.
const FIFO_MODE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);
/// What the name of a file ends with until all of it is written.
const UNFINISHED: &str = ".new";
/// As many bytes of `control` as are read at once.
const BYTES: usize = 64;

/// What is held open for one service.
pub struct Supervise {
    /// Where it stands, if not in the service directory.
    elsewhere: Option<Box<PathBuf>>,
    /// Opened for reading and writing, so that it never reports the end of a writer.
    control: File,
    /// Only where `ok` is a FIFO of its own: an image may let somebody ask, but not command.
    _ok: Option<File>,
    lock: Option<Flock<File>>,
}

/// Who wrote the status that is found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    /// A container that has ended: it is not true any more.
    Earlier,
    /// We.
    This,
}

impl Supervise {
    /// Make what is missing of `supervise/`, and hold it.
    ///
    /// # Errors
    /// Neither the service directory nor any other place can be written.
    pub fn open(service: &Path, name: &str, elsewhere: &mut Elsewhere) -> Result<Supervise, Error> {
        let inside = inside(service, "supervise");
        match Supervise::open_in(&inside, Life::Earlier) {
            Ok(supervise) => Ok(supervise),
            Err(error) => {
                let Some(other) = elsewhere.place(name) else { return Err(error) };
                make_directory(&other).doing("make", &other)?;
                let supervise = Supervise::open_in(&other, Life::Earlier)?;
                Ok(Supervise { elsewhere: Some(Box::new(other)), ..supervise })
            }
        }
    }

    /// The same once more, where something of it was deleted: in its place, and its status stays.
    ///
    /// # Errors
    /// It cannot be written now: then what is held has to be locked again.
    pub fn renew(&mut self, service: &Path) -> Result<Supervise, Error> {
        // Else we would take ourselves for another supervisor.
        self.lock = None;
        let renewed = Supervise::open_in(&self.directory(service), Life::This)?;
        Ok(Supervise { elsewhere: self.elsewhere.clone(), ..renewed })
    }

    /// Lock it again, that of a service directory, if it can be.
    pub fn lock_again(&mut self, service: &Path) {
        self.lock = lock(&self.directory(service), false).ok().flatten();
    }

    /// Whether all that is held of it can be found there.
    pub fn is_whole(&self, service: &Path) -> bool {
        let directory = self.directory(service);
        ["control", "ok", "lock"].iter().all(|file| inside(&directory, file).exists())
    }

    fn open_in(directory: &Path, life: Life) -> Result<Supervise, Error> {
        let (control, ok) = (inside(directory, "control"), inside(directory, "ok"));
        // Where the directory is new nothing has to be looked at: boots are quick.
        let is_new = fs::DirBuilder::new().mode(0o700).create(directory).is_ok();
        let is_ready =
            is_new && mkfifo(&control, FIFO_MODE).is_ok() && fs::hard_link(&control, &ok).is_ok();
        if !is_ready {
            prepare(directory, life, &control, &ok)?;
        }
        let held = open_fifo(&control)?;
        let ok = if is_ready || same(&control, &ok) { None } else { Some(open_fifo(&ok)?) };
        let lock = lock(directory, is_ready)?;
        Ok(Supervise { elsewhere: None, control: held, _ok: ok, lock })
    }

    /// Where it stands, that of a service directory.
    pub fn directory(&self, service: &Path) -> PathBuf {
        match &self.elsewhere {
            Some(elsewhere) => elsewhere.to_path_buf(),
            None => inside(service, "supervise"),
        }
    }

    /// The descriptor to wait for.
    pub fn control(&self) -> &File {
        &self.control
    }

    /// The next bytes of `control`, as many as there are, up to a bound.
    pub fn read(&mut self) -> Vec<u8> {
        let mut bytes = [0; BYTES];
        let count = self.control.read(&mut bytes).unwrap_or(0);
        bytes.get(..count).unwrap_or_default().to_vec()
    }

    /// Show the status of a service directory: each of the three files is replaced whole.
    ///
    /// # Errors
    /// The first that could not be.
    pub fn publish(&self, service: &Path, status: &Status) -> Result<(), Error> {
        let directory = &self.directory(service);
        let pid = status.pid_text();
        let (status, stat) = (status.to_bytes(), status.stat_text());
        // The one that `sv` reads comes first. On a full disk, where nothing new can be made, it is
        // written over: it is as long as it was, and one write puts all of it.
        let shown = replace(directory, "status", &status);
        let shown = shown.or_else(|error| overwrite(&inside(directory, "status"), &status, error));
        let rest = replace(directory, "pid", pid.as_bytes());
        shown.and(rest).and(replace(directory, "stat", stat.as_bytes()))
    }
}

/// Whether a file of this name is still being written.
pub fn is_unfinished(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(UNFINISHED.as_bytes())
}

fn overwrite(path: &Path, contents: &[u8], why: Error) -> Result<(), Error> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = File::options().write(true).custom_flags(flags.bits()).open(path);
    let is_same = |file: &File| {
        let length = u64::try_from(contents.len()).unwrap_or(u64::MAX);
        file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() == length)
    };
    match file {
        Ok(mut file) if is_same(&file) => file.write_all(contents).map_err(|_| why),
        Ok(_) | Err(_) => Err(why),
    }
}

fn replace(directory: &Path, name: &str, contents: &[u8]) -> Result<(), Error> {
    let path = inside(directory, name);
    let mut new = inside(directory, name);
    new.as_mut_os_string().push(UNFINISHED);
    let mut file = create(&new).doing("write", &new)?;
    let written = file.write_all(contents).doing("write", &new);
    if written.is_err() {
        // Half of it is of no use to anybody.
        let _ = fs::remove_file(&new);
    }
    written?;
    fs::rename(&new, &path).doing("write", &path)
}

/// Make what is missing in a directory that may have been there, and take away a status that is not
/// true any more.
fn prepare(directory: &Path, life: Life, control: &Path, ok: &Path) -> Result<(), Error> {
    make_directory(directory).doing("make", directory)?;
    if life == Life::Earlier {
        // It may never have had one.
        let _ = fs::remove_file(inside(directory, "status"));
    }
    make_fifo(control)?;
    link_ok(control, ok)
}

fn same(a: &Path, b: &Path) -> bool {
    let identity = |path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    identity(a) == identity(b)
}

/// A new file. What stands in its place, a link or a FIFO perhaps, is removed and not opened: the
/// directory may belong to a user who controls the service.
fn create(path: &Path) -> std::io::Result<File> {
    let create = || File::options().write(true).create_new(true).open(path);
    match create() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            create()
        }
        made => made,
    }
}

/// Keep other supervisors out; one that is there already is named, and stays.
fn lock(directory: &Path, is_new: bool) -> Result<Option<Flock<File>>, Error> {
    let path = inside(directory, "lock");
    let file = open_lock(&path, is_new).doing("open", &path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, errno)) => {
            let error = Err::<(), Errno>(errno).doing("lock", &path);
            let why = error.err().map(|error| error.to_string()).unwrap_or_default();
            say::warning(&format!("{why}; is another supervisor at work?"));
            Ok(None)
        }
    }
}

/// The file that is locked; one that is there keeps its mode.
fn open_lock(path: &Path, is_new: bool) -> std::io::Result<File> {
    if !is_new && fs::symlink_metadata(path).is_ok_and(|file| !file.is_file()) {
        fs::remove_file(path)?;
    }
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut options = File::options();
    options.append(true).create(true).mode(0o600).custom_flags(flags.bits()).open(path)
}

/// A directory only we may enter; what is there already keeps its mode. A link that leads nowhere
/// yet (Debian's packages ship such links into /run) gets the directory it leads to.
fn make_directory(directory: &Path) -> std::io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let leads_to = fs::read_link(directory).ok();
    let target = match &leads_to {
        Some(target) => &directory.parent().unwrap_or(Path::new("/")).join(target),
        None => directory,
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(target)
}

fn make_fifo(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_fifo() => return Ok(()),
        Ok(_) => fs::remove_file(path).doing("replace", path)?,
        Err(_) => {}
    }
    mkfifo(path, FIFO_MODE).doing("make", path)
}

/// `ok` is one more name of `control`, which saves a descriptor; unless it was found as a FIFO that
/// somebody gave another mode or owner.
fn link_ok(control: &Path, ok: &Path) -> Result<(), Error> {
    if let (Ok(asked), Ok(commanded)) = (fs::symlink_metadata(ok), fs::metadata(control)) {
        let rights = |file: &fs::Metadata| (file.mode(), file.uid(), file.gid());
        let is_own = asked.file_type().is_fifo() && rights(&asked) != rights(&commanded);
        if is_own || asked.ino() == commanded.ino() {
            return Ok(());
        }
        fs::remove_file(ok).doing("replace", ok)?;
    }
    // Some file systems have no links; then it is a FIFO of its own.
    fs::hard_link(control, ok)
        .or_else(|_| mkfifo(ok, FIFO_MODE).map_err(std::io::Error::from))
        .doing("make", ok)
}

fn open_fifo(path: &Path) -> Result<File, Error> {
    let mut options = File::options();
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    options.read(true).write(true).custom_flags(flags.bits());
    options.open(path).doing("open", path)
}

/// The directory of our own for services whose directory cannot be written.
#[derive(Default)]
pub struct Elsewhere {
    /// Looked for once: found, or nowhere.
    directory: Option<Option<PathBuf>>,
}

impl Elsewhere {
    fn place(&mut self, name: &str) -> Option<PathBuf> {
        let directory = self.directory.get_or_insert_with(|| {
            let directory = PLACES.iter().find_map(|place| fresh(Path::new(place)).ok());
            if let Some(directory) = &directory {
                let shown = directory.display();
                say::warning(&format!(
                    "the services' supervise directories are in {shown}/service"
                ));
            }
            directory
        });
        Some(directory.as_ref()?.join("service").join(name).join("supervise"))
    }
}

/// A directory nobody else had a hand in: one left by an earlier boot is removed, one that is not
/// ours makes us look elsewhere.
fn fresh(place: &Path) -> std::io::Result<PathBuf> {
    let directory = place.join(OWN);
    if let Ok(old) = fs::symlink_metadata(&directory) {
        if old.uid() != nix::unistd::geteuid().as_raw() || !old.is_dir() {
            return Err(Errno::EEXIST.into());
        }
        fs::remove_dir_all(&directory)?;
    }
    fs::DirBuilder::new().mode(0o700).create(&directory)?;
    Ok(directory)
}
