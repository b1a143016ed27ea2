//! The programs that are run: ours, the floor, the services, the peers, and an `sv`.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{Error, Result};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Without a C library, so that nothing is in them that was not asked for.
const FLAGS: [&str; 7] = [
    "-static",
    "-nostdlib",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-pie",
    "-no-pie",
    "-O2",
];

/// What is compiled: the program, its source, and what is defined for it.
const COMPILED: [(&str, &str, &str); 7] = [
    ("floor", "floor.c", "FLOOR"),
    ("service", "service.c", "SERVICE"),
    ("noting", "service.c", "NOTE_THE_END"),
    ("log", "service.c", "READ"),
    ("ending", "service.c", "END_AT_ONCE"),
    ("orphans", "orphans.c", "ORPHANS"),
    ("true", "true.c", "TRUE"),
];

/// Where they are gathered: beside this program.
pub fn directory() -> Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name("bench-programs"))
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Gather them. Whose `sv` it is, if there is one.
pub fn gather() -> Result<Option<&'static str>> {
    let directory = directory()?;
    fs::create_dir_all(&directory)?;
    for (name, source, defined) in COMPILED {
        let mut compile = Command::new(env::var_os("CC").unwrap_or("cc".into()));
        compile.args(FLAGS).arg("-D").arg(defined).arg("-o").arg(directory.join(name));
        compile.arg(repository().join("bench").join(source));
        if !compile.status()?.success() {
            return Err(Error::other(format!("cannot compile {source}")));
        }
    }
    let ours = ours();
    fs::copy(&ours, directory.join("my_init"))
        .map_err(|error| Error::other(format!("{} (`make dist`): {error}", ours.display())))?;
    if let Some(binary) = with_musl() {
        let shown = binary.display();
        fs::copy(&binary, directory.join("my_init_with_musl"))
            .map_err(|error| Error::other(format!("MY_INIT_MUSL, {shown}: {error}")))?;
        if is_glibc(&binary) {
            return Err(Error::other(format!("MY_INIT_MUSL, {shown}: linked with glibc")));
        }
    }
    find_sv(&directory)
}

/// Our binary: MY_INIT, or what `make dist` has built.
pub fn ours() -> PathBuf {
    env::var_os("MY_INIT").map_or_else(|| repository().join("dist/baseimage"), PathBuf::from)
}

/// The same linked with musl, where somebody has built it: MY_INIT_MUSL.
pub fn with_musl() -> Option<PathBuf> {
    env::var_os("MY_INIT_MUSL").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Whether a binary has glibc in it, which needs more memory than musl.
pub fn is_glibc(binary: &Path) -> bool {
    let binary = fs::read(binary).unwrap_or_default();
    let mark = b"GNU C Library";
    binary.windows(mark.len()).any(|window| window == mark)
}

/// Gather the peers as well, as tools/peers has unpacked them. Whether there are any.
pub fn gather_peers() -> Result<bool> {
    let found = Command::new(repository().join("tools/peers")).stderr(Stdio::inherit()).output()?;
    if !found.status.success() {
        return Ok(false);
    }
    let peers = String::from_utf8_lossy(&found.stdout);
    let copy = Command::new("cp").args(["-a", peers.trim_end()]).arg(directory()?).status()?;
    Ok(copy.success())
}

/// The version of a distribution's package among the peers.
pub fn version(package: &str) -> Result<Option<String>> {
    let versions = fs::read_to_string(directory()?.join("peers/versions"))?;
    let mut pairs = versions.lines().filter_map(|line| line.split_once(' '));
    Ok(pairs.find(|(name, _)| *name == package).map(|(_, version)| version.to_string()))
}

/// Our own, where it is there; else SV, one in PATH, or where the tests have put Debian's.
fn find_sv(directory: &Path) -> Result<Option<&'static str>> {
    let sv = directory.join("sv");
    if fs::symlink_metadata(&sv).is_ok() {
        fs::remove_file(&sv)?;
    }
    symlink("my_init", &sv)?;
    let asked = Command::new(&sv).arg("--version").stderr(Stdio::null()).output()?;
    if asked.stdout.starts_with(b"sv") {
        return Ok(Some("our sv"));
    }
    fs::remove_file(&sv)?;
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).map(|entry| entry.join("sv"));
    let others = env::var_os("SV").map(PathBuf::from).into_iter().chain(in_path);
    let mut others = others.chain([repository().join("target/runit/usr/bin/sv")]);
    match others.find(|other| other.is_file()) {
        Some(other) => symlink(other, &sv).map(|()| Some("Debian's sv")),
        None => Ok(None),
    }
}

/// A command of this very program.
pub fn myself(words: &[&OsStr]) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(words);
    Ok(command)
}
