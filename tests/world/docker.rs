//! A container in Docker (or podman): the same description, through the engine's own commands.

use super::bytes::assignment;
use super::live::{Live, Place};
use super::output::{Output, Stream, code};
use super::rungs::{self, engine};
use super::terminal::Terminal;
use super::{Container, DEADLINE, Need};
use std::cell::RefCell;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

impl Container {
    /// The image as it ships, in Docker, with nothing added. `None` where there is no Docker.
    pub fn shipped(options: &[&str]) -> Option<Container> {
        if Need::Docker.is_missing() {
            return None;
        }
        let mut container = Container::bare().docker(options);
        container.image = Some(rungs::image().to_string());
        Some(container)
    }

    /// The image of `examples/NAME`. `None` where it cannot be built, as without a network.
    pub fn example(name: &str, options: &[&str]) -> Option<Container> {
        let mut container = Container::shipped(options)?;
        container.image = Some(rungs::example(name)?);
        Some(container)
    }

    /// The image that this Dockerfile makes of the one that ships, for as long as the container.
    #[track_caller]
    pub fn built(dockerfile: &str, options: &[&str]) -> Option<Container> {
        let mut container = Container::shipped(options)?;
        let name = container.cell.name().to_str().unwrap().to_string();
        let out = build(&name, dockerfile);
        assert_eq!(out.code, 0, "{}", out.stdout);
        container.image = Some(name);
        Some(container)
    }

    fn image(&self) -> &str {
        self.image.as_deref().unwrap_or_else(|| rungs::base())
    }
}

/// Build an image on the one that ships, from what follows the line `FROM`; both outputs of the
/// engine are in `stdout`.
pub fn build(name: &str, dockerfile: &str) -> Output {
    build_on(rungs::image(), name, dockerfile)
}

/// The same on another one.
pub fn build_on(base: &str, name: &str, dockerfile: &str) -> Output {
    let script = "exec \"$0\" build --force-rm --no-cache --tag \"$1\" - 2>&1";
    let mut command = Command::new("sh");
    command.args(["-c", script, &engine(), name]).env("DOCKER_BUILDKIT", "0");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let dockerfile = format!("FROM {base}\n{dockerfile}");
    child.stdin.take().unwrap().write_all(dockerfile.as_bytes()).unwrap();
    let begun = Instant::now();
    let out = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&out.stdout).into_owned();
    Output { code: code(out.status), stdout, stderr: String::new(), took: begun.elapsed() }
}

/// Create it, put its files in, start it, and return when it runs or has run.
#[track_caller]
pub(super) fn boot(container: Container) -> Live {
    assert!(container.setup.is_empty() && container.disk.is_none(), "Docker has no setup or disk");
    let name = container.cell.name().to_str().unwrap().to_string();
    if container.is_alone {
        let archive = archive(&container);
        told(Command::new(engine()).args(["import", "-", &name]).stdin(archive));
        told(&mut create(&container, &name, &name));
    } else if container.read_only {
        // Nothing can be copied into a read-only container: its files come with an image.
        told(Command::new(engine()).args(["create", "--name", &name, container.image(), "true"]));
        fill(&container, &name);
        told(Command::new(engine()).args(["commit", &name, &name]));
        told(Command::new(engine()).args(["rm", &name]));
        told(&mut create(&container, &name, &name));
    } else {
        told(&mut create(&container, &name, container.image()));
        fill(&container, &name);
    }
    start(container, name)
}

fn create(container: &Container, name: &str, image: &str) -> Command {
    let mut create = Command::new(engine());
    let words = container.words();
    create.args(["create", "--name", name, "--label", "baseimage.test=1", "--hostname=container"]);
    for (name, value) in &container.env {
        create.arg("--env").arg(assignment(name, value));
    }
    if let Some((user, group)) = container.user {
        create.arg(format!("--user={user}:{group}"));
    }
    for (volume, path) in &container.volumes {
        create.arg("--volume").arg(format!("{}:{path}", volume.display()));
    }
    create.args(container.read_only.then_some("--read-only"));
    create.args((container.input.is_some() || container.terminal).then_some("--interactive"));
    create.args(container.terminal.then_some("--tty"));
    create.args(container.docker.iter().flatten());
    create.arg("--entrypoint").arg(&words[0]).arg(image).args(&words[1..]);
    create
}

/// The files that were given, as tar writes them.
fn archive(container: &Container) -> Stdio {
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(container.cell.given()).args(["-c", "--numeric-owner", "."]);
    if container.image.is_some() {
        // A directory of this name would take the place of the image's link.
        tar.arg("--transform=s,^./etc/service,./etc/runit/runsvdir/default,");
    }
    // Nobody waits for it: who reads to its end has all of it.
    tar.stdout(Stdio::piped()).spawn().unwrap().stdout.take().unwrap().into()
}

fn fill(container: &Container, name: &str) {
    let archive = archive(container);
    told(Command::new(engine()).args(["cp", "-", &format!("{name}:/")]).stdin(archive));
}

/// Start it, or start it again.
#[track_caller]
pub(super) fn start(container: Container, name: String) -> Live {
    // The engine's client learns of a new window size as the foreground of its own terminal.
    let mut command = Command::new(if container.terminal { "setsid" } else { "env" });
    command.args(container.terminal.then_some("--ctty"));
    command.arg(engine()).args(["start", "--attach"]);
    command.args((container.input.is_some() || container.terminal).then_some("--interactive"));
    command.arg(&name);
    let mut terminal = None;
    if container.terminal {
        let (ours, theirs) = Terminal::open();
        command.stdin(theirs.stdio()).stdout(theirs.stdio()).stderr(theirs.stdio());
        terminal = Some(ours);
    } else {
        let input = if container.input.is_some() { Stdio::piped() } else { Stdio::null() };
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    let mut child = command.spawn().unwrap();
    drop(command);
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), container.input.clone()) {
        thread::spawn(move || pipe.write_all(&input));
    }
    let stdout = child.stdout.take().map_or_else(Stream::silent, Stream::from);
    let stderr = child.stderr.take().map_or_else(Stream::silent, Stream::from);
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() && !has_begun(&name) {
        assert!(begun.elapsed() < DEADLINE, "the container does not begin");
        thread::sleep(Duration::from_millis(2));
    }
    let (place, child) = (Place::Docker(name), RefCell::new(child));
    Live { container, place, stdout, stderr, terminal, child, unread: None }
}

fn has_begun(name: &str) -> bool {
    let state = told(Command::new(engine()).args(["inspect", "-f", "{{.State.Pid}}", name]));
    state.trim() != "0"
}

/// What the engine answers; it must succeed.
#[track_caller]
pub(super) fn told(command: &mut Command) -> String {
    let out = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {complaint}");
    String::from_utf8(out.stdout).unwrap()
}

/// Send a signal to PID 1.
#[track_caller]
pub(super) fn signal(name: &str, signal: &str) {
    let out = Command::new(engine()).args(["kill", "--signal", signal, name]).output().unwrap();
    let complaint = String::from_utf8_lossy(&out.stderr);
    // Nobody is there any more: as good as sent.
    assert!(out.status.success() || complaint.contains("not running"), "{complaint}");
}

pub(super) fn stop(name: &str) {
    told(Command::new(engine()).args(["stop", name]));
}

pub(super) fn inside(name: &str, user: (u32, u32)) -> Command {
    let mut command = Command::new(engine());
    command.args(["exec", "--user", &format!("{}:{}", user.0, user.1), name]);
    command
}

/// A file's contents, whether it runs or not.
pub(super) fn read(name: &str, path: &str) -> Option<Vec<u8>> {
    let mut copy = Command::new(engine())
        .args(["cp", &format!("{name}:{path}"), "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let archive = copy.stdout.take().unwrap();
    let out = Command::new("tar").args(["-x", "--to-stdout"]).stdin(archive).output().unwrap();
    copy.wait().unwrap().success().then_some(out.stdout)
}

/// End it now.
pub(super) fn kill(name: &str) {
    let _ = Command::new(engine()).args(["kill", name]).output();
    let _ = Command::new(engine()).args(["wait", name]).output();
}

/// Remove it, and the image it may have been given.
pub(super) fn remove(name: &str) {
    let _ = Command::new(engine()).args(["rm", "--force", "--volumes", name]).output();
    let _ = Command::new(engine()).args(["rmi", name]).output();
}
