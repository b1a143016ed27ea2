//! What this machine can do, and what the environment says: the ladder the tests stand on.
//!
//! | Variable | Meaning | Default |
//! |---|---|---|
//! | BASEIMAGE_ROOTFS | a Debian root file system, unpacked | what `tools/base directory` makes |
//! | BASEIMAGE_RUNIT | Debian's runit, unpacked | what `tools/runit` makes |
//! | MY_INIT, SETUSER, SV | the programs under test | the binary that cargo built |
//! | BASEIMAGE_ENGINE | `docker` or `podman` | `docker` |
//! | BASEIMAGE_BASE | an image of the base | what `tools/base image` makes |
//! | BASEIMAGE_IMAGE | the image that ships | what `tools/image` makes |
//! | BASEIMAGE_WORLDS | `namespaces`, `docker` or both | both |
//! | BASEIMAGE_SKIPPED | a file that lists the tests that were skipped | none |
//! | CI | `true`: a missing Docker or valgrind is a failure | |

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};
use std::sync::OnceLock;
use std::{env, fs, io, thread};

/// What a test may need that not every machine has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Several user ids: root, outside of a user namespace.
    Users,
    /// Namespaces of our own, for what Docker has no switch for.
    Namespaces,
    /// An engine that answers.
    Docker,
    /// A processor that counts its instructions, and does nothing else.
    Valgrind,
    /// The binary as it ships: what cargo builds for a test run is dynamic.
    Shipped,
}

/// Whether this machine has it.
pub fn has(need: Need) -> bool {
    match need {
        Need::Users => nix::unistd::geteuid().is_root(),
        Need::Namespaces => has_namespaces(),
        Need::Docker => docker_answers(),
        Need::Valgrind => Command::new("valgrind").arg("--version").output().is_ok(),
        Need::Shipped => env::var_os("MY_INIT").is_some(),
    }
}

impl Need {
    /// Whether the test can go on; if not, the one line that says why. Written past the test
    /// harness, which hides what passing tests print.
    pub fn is_missing(self) -> bool {
        if has(self) {
            return false;
        }
        let what = match self {
            Need::Users => "root",
            Need::Namespaces => "namespaces of its own",
            Need::Docker => "Docker",
            Need::Valgrind => "valgrind",
            Need::Shipped => "MY_INIT=dist/my_init, the binary as it ships",
        };
        let test = thread::current().name().unwrap_or("a test").to_string();
        let can_be_had = matches!(self, Need::Docker | Need::Valgrind);
        assert!(!can_be_had || !is_ci(), "{test} needs {what}, and under CI it must be there");
        say(&format!("skipped: {test}: needs {what}"));
        // cargo counts it as passed; whoever set this variable counts it as what it is.
        if let Some(list) = env::var_os("BASEIMAGE_SKIPPED") {
            let list = fs::File::options().append(true).create(true).open(list);
            let _ = list.and_then(|mut list| writeln!(list, "{test}: {what}"));
        }
        true
    }
}

fn is_ci() -> bool {
    env::var("CI").is_ok_and(|ci| ci == "true")
}

/// A line past the test harness, which hides what passing tests print.
pub fn say(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// No test of this file can run here: that is no failure.
pub fn leave() -> ! {
    assert!(
        !is_ci(),
        "neither root, nor a user namespace, nor Docker: under CI they must be there"
    );
    let file = env::current_exe().unwrap_or_default();
    let file = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    say(&format!("skipped: all of {file}: needs root, a user namespace or Docker"));
    exit(0);
}

fn is_asked_for(world: &str) -> bool {
    env::var("BASEIMAGE_WORLDS").map_or(true, |worlds| worlds.split(',').any(|one| one == world))
}

/// Whether containers can be booted in namespaces: as root, or in a user namespace.
pub fn has_namespaces() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let mut trial = Command::new("unshare");
        trial.args(namespaces()).args(["sh", "-c", "mount -t tmpfs none /mnt; exit $?"]);
        is_asked_for("namespaces") && succeeds(&mut trial)
    })
}

/// The options of unshare(1) that make a container.
pub fn namespaces() -> Vec<&'static str> {
    let mut options = vec!["--mount", "--pid", "--ipc", "--uts"];
    if !has(Need::Users) {
        options.extend(["--user", "--map-root-user"]);
    }
    options
}

fn docker_answers() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        is_asked_for("docker") && succeeds(Command::new(engine()).args(["version"]))
    })
}

/// The container engine's command.
pub fn engine() -> String {
    env::var("BASEIMAGE_ENGINE").unwrap_or_else(|_| "docker".into())
}

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The unpacked base.
pub fn rootfs() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| match env::var_os("BASEIMAGE_ROOTFS") {
        Some(path) => fs::canonicalize(path).expect("BASEIMAGE_ROOTFS is a directory"),
        None => made_by_tools("directory").into(),
    })
}

/// The image of the base.
pub fn base() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| env::var("BASEIMAGE_BASE").unwrap_or_else(|_| made_by_tools("image")))
}

/// The image that ships.
pub fn image() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| env::var("BASEIMAGE_IMAGE").unwrap_or_else(|_| made_by("tools/image", &[])))
}

/// Debian's runit, unpacked.
pub fn runit() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| match env::var_os("BASEIMAGE_RUNIT") {
        Some(path) => path.into(),
        None => made_by("tools/runit", &[]).into(),
    })
}

fn made_by_tools(what: &str) -> String {
    made_by("tools/base", &[what])
}

fn made_by(tool: &str, words: &[&str]) -> String {
    let made = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(tool))
        .args(words)
        .env("BASEIMAGE_ENGINE", if docker_answers() { engine() } else { String::new() })
        .stderr(Stdio::inherit())
        .output()
        .expect("tools/base can be run");
    assert!(made.status.success(), "{tool} failed; see the variables in tests/world/rungs.rs");
    String::from_utf8(made.stdout).unwrap().trim().to_string()
}

/// The image of an example on top of the one that ships; where it cannot be built, that is said,
/// and under CI it is a failure.
pub fn example(name: &str) -> Option<String> {
    let (base, version) = image().rsplit_once(':').expect("an image's name and version");
    let made = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/example"))
        .arg(name)
        .env("BASEIMAGE_ENGINE", engine())
        .env("NAME", base)
        .env("VERSION", version)
        .output()
        .expect("tools/example can be run");
    let complaint = String::from_utf8_lossy(&made.stderr).into_owned();
    if made.status.success() {
        return Some(String::from_utf8(made.stdout).unwrap().trim().to_string());
    }
    let ci = env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci, "{complaint}");
    let test = thread::current().name().unwrap_or("a test").to_string();
    say(&format!("skipped: {test}: {}", complaint.trim()));
    None
}

/// The program under test.
pub fn program(variable: &str) -> PathBuf {
    env::var_os(variable).unwrap_or_else(|| env!("CARGO_BIN_EXE_baseimage").into()).into()
}

/// Where the containers' files lie: in memory if possible, which an overlay can always stand on.
/// What a test run that was killed has left there is removed.
pub fn scratch() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let trial = memory.join(format!("baseimage-test-trial-{}", std::process::id()));
        let place = match fs::create_dir(&trial).and_then(|()| fs::remove_dir(&trial)) {
            Ok(()) => memory.to_path_buf(),
            Err(_) => env::temp_dir(),
        };
        for entry in fs::read_dir(&place).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name.strip_prefix("baseimage-test-").and_then(|rest| rest.split('-').next());
            if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        place
    })
}
