//! A container in namespaces of its own: some thirty milliseconds from its description to PID 1.
//!
//! ```text
//! unshare ─exec─> sh ──> sh (mounts) ─exec─> env -i ─exec─> setsid ─exec─> chroot ─exec─> my_init
//!        we watch this one            PID 1 of the new namespace all the way
//! ```

use super::bytes::assignment;
use super::live::{Live, Place};
use super::output::Stream;
use super::terminal::Terminal;
use super::{Container, DEADLINE, Stderr, rungs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The parent of PID 1: waits for it, and ends with its code, or 128 + n where signal n killed it.
/// (`unshare --fork` would do that, but Debian 12's gets the signals wrong.)
const WATCH: &str = r#"exec 3>&2 2>/dev/null
"$@" 2>&3 3>&-
exit $?
"#;

/// What Docker does between its `create` and the first instruction of PID 1, as far as tests need.
const SETUP: &str = r#"set -eu
cell=$1 lower=$2 disk=$3 ro=$4 lines=$5
shift 5
if [ -n "$disk" ]; then
    mount -t tmpfs -o "size=$disk" tmpfs "$cell/upper"
    mkdir "$cell/upper/upper" "$cell/upper/work"
    upper=$cell/upper/upper work=$cell/upper/work
else
    upper=$cell/upper work=$cell/work
fi
options=lowerdir=$cell/given:$lower,upperdir=$upper,workdir=$work
mount -t overlay -o "$options" overlay "$cell/root" 2>/dev/null ||
    mount -t overlay -o "$options,userxattr" overlay "$cell/root"
cd "$cell/root"
mount -t proc proc proc
mount -t tmpfs -o mode=755,size=64k tmpfs dev
for device in null zero full random urandom tty; do
    : >dev/$device
    mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777,size=64m shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
hostname container
if [ -n "$ro" ]; then mount -o remount,bind,ro "$cell/root"; fi
eval "$lines"
exec "$@"
"#;

/// Boot, and return when PID 1 is the program that was asked for, or is over already.
#[track_caller]
pub(super) fn boot(container: Container) -> Live {
    assert!(container.docker.is_none(), "docker() options need Docker");
    let mut command = command(&container);
    let mut unread = None;
    let mut terminal = None;
    if container.terminal {
        let (ours, theirs) = Terminal::open();
        command.stdin(theirs.stdio()).stdout(theirs.stdio()).stderr(theirs.stdio());
        terminal = Some(ours);
    } else {
        let input = if container.input.is_some() { Stdio::piped() } else { Stdio::null() };
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    if container.stderr != Stderr::Heard {
        let (reader, writer) = std::io::pipe().unwrap();
        command.stderr(writer);
        unread = Some(reader);
    }
    let mut child = command.spawn().expect("env of coreutils");
    drop(command);
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), container.input.clone()) {
        thread::spawn(move || pipe.write_all(&input));
    }
    let stdout = child.stdout.take().map_or_else(Stream::silent, Stream::from);
    let stderr = child.stderr.take().map_or_else(Stream::silent, Stream::from);
    let Some(pid) = pid_one(&mut child, &container.words()) else {
        let place = Place::Namespace(Pid::from_raw(child.id() as i32));
        let child = RefCell::new(child);
        return Live { container, place, stdout, stderr, terminal, child, unread };
    };
    if container.stderr == Stderr::Broken {
        unread = None;
    }
    let (place, child) = (Place::Namespace(pid), RefCell::new(child));
    Live { container, place, stdout, stderr, terminal, child, unread }
}

fn command(container: &Container) -> Command {
    // A job in the background of a script ignores Ctrl-C, and so would all that tests start.
    let mut command = Command::new("env");
    command.args(["--default-signal", "setpriv"]);
    // When the test's thread ends, whatever way, the container does too.
    command.args(["--pdeathsig", "KILL", "unshare"]).args(rungs::namespaces());
    command.args(["sh", "-c", WATCH, "sh", "setpriv", "--pdeathsig", "KILL"]);
    command.args(["sh", "-c", SETUP, "sh"]);
    command.arg(&container.cell.0).arg(container.lower());
    command.arg(container.disk.as_deref().unwrap_or_default());
    command.arg(if container.read_only { "ro" } else { "" });
    let fill = if container.stderr == Stderr::Full { "head -c 65536 /dev/zero >&2\n" } else { "" };
    let mut lines = String::from(fill);
    for (volume, path) in &container.volumes {
        lines.push_str(&format!("mount --bind '{}' '.{path}'\n", volume.display()));
    }
    command.arg(lines + &container.setup);
    command.args(["env", "-i", "--"]);
    command.args(container.variables().iter().map(|(name, value)| assignment(name, value)));
    command.arg(tool("setsid"));
    command.args(container.terminal.then_some("--ctty"));
    command.arg(tool("chroot"));
    if let Some((user, group)) = container.user {
        command.arg(format!("--userspec={user}:{group}")).arg("--groups=");
    }
    command.arg(container.cell.0.join("root")).args(container.words());
    // A group of its own: Ctrl-C at the test run must not end containers before their tests.
    command.process_group(0);
    command
}

/// Where a program of this machine is; the container's PATH is not ours.
fn tool(name: &str) -> String {
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .iter()
        .map(|directory| format!("{directory}/{name}"))
        .find(|path| fs::metadata(path).is_ok())
        .unwrap_or_else(|| name.into())
}

/// PID 1 as this machine sees it, once it is the program: the watching shell's only child, whose
/// command line is the one asked for. `None` where it has ended already.
#[track_caller]
fn pid_one(child: &mut Child, words: &[OsString]) -> Option<Pid> {
    let begun = Instant::now();
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let wanted: Vec<u8> = words.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
    let before = ["setpriv", "sh", "env", &tool("setsid"), &tool("chroot")];
    loop {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        let pid = fs::read_to_string(&children).unwrap_or_default();
        if let Ok(pid) = pid.trim().parse() {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let is_before = |stage: &&str| line.starts_with(format!("{stage}\0").as_bytes());
            if line.ends_with(&wanted) && (line == wanted || !before.iter().any(is_before)) {
                return Some(Pid::from_raw(pid));
            }
        }
        assert!(begun.elapsed() < DEADLINE, "the container does not begin");
        thread::sleep(Duration::from_micros(200));
    }
}

/// Send a signal to PID 1 from outside.
#[track_caller]
pub(super) fn signal(pid: Pid, signal: &str) {
    let Ok(number) = signal.parse::<i32>() else {
        // Nobody is there any more: as good as sent.
        let _ = kill(pid, format!("SIG{signal}").parse::<Signal>().expect("a signal's name"));
        return;
    };
    // nix has no name for a real-time signal.
    let mut shell = Command::new("sh");
    shell.args(["-c", "kill -\"$1\" \"$2\" 2>/dev/null", "sh"]);
    let _ = shell.arg(number.to_string()).arg(pid.to_string()).status().unwrap();
}

/// The beginning of a command that runs what follows inside, with Docker's variables.
pub(super) fn inside(container: &Container, pid: Pid, user: (u32, u32)) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &pid.to_string(), "--mount", "--pid", "--ipc", "--uts", "--root"]);
    match rungs::has(rungs::Need::Users) {
        true => {
            command.args([format!("--setuid={}", user.0), format!("--setgid={}", user.1)]);
        }
        false => {
            command.args(["--user", "--preserve-credentials"]);
        }
    }
    command.args(["env", "-i", "--chdir=/", "--"]);
    command.args(container.variables().iter().map(|(name, value)| assignment(name, value)));
    command
}
