//! A container that runs, or has run: what it said, how it ended, what it left on its disk.

use super::cell::Cell;
use super::output::{Begun, Output, Stream, code, until_over};
use super::terminal::Terminal;
use super::{Container, DEADLINE, docker, namespace};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::cell::RefCell;
use std::fs;
use std::io::PipeReader;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

/// A booted container. Dropping it ends it.
pub struct Live {
    pub(super) container: Container,
    pub(super) place: Place,
    pub(super) stdout: Stream,
    pub(super) stderr: Stream,
    pub(super) terminal: Option<Terminal>,
    /// The other end of a standard error that nobody reads.
    #[expect(dead_code, reason = "it is held, never read")]
    pub(super) unread: Option<PipeReader>,
    /// The process that ends with the container's exit code.
    pub(super) child: RefCell<Child>,
}

/// How a container is ended that shall begin again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// In order, if it has not ended already.
    Asked,
    /// By KILL.
    Killed,
}

/// Where it runs.
pub(super) enum Place {
    /// In namespaces: PID 1 as this machine sees it.
    Namespace(Pid),
    /// In Docker, under this name.
    Docker(String),
}

impl Live {
    /// What it has written to standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// The same, byte for byte.
    pub fn stdout_bytes(&self) -> Vec<u8> {
        self.stdout.heard.lock().unwrap().clone()
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// What its terminal has shown so far.
    pub fn screen(&self) -> String {
        self.terminal.as_ref().expect("a container with a terminal").heard.text()
    }

    /// Type on its terminal.
    pub fn type_keys(&self, keys: &str) {
        self.terminal.as_ref().expect("a container with a terminal").type_keys(keys);
    }

    /// Change the size of its terminal's window.
    pub fn resize(&self, rows: u16, columns: u16) {
        self.terminal.as_ref().expect("a container with a terminal").resize(rows, columns);
    }

    /// Wait for a condition. Fails, and shows what was said, when it does not come.
    #[track_caller]
    pub fn until(&self, condition: impl Fn(&Live) -> bool) {
        let begun = Instant::now();
        loop {
            let over = self.is_over();
            if condition(self) {
                return;
            }
            assert!(!over, "the container has ended, and what was waited for has not come");
            assert!(begun.elapsed() < DEADLINE, "what was waited for does not come");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// PID 1 as this machine sees it. Only in namespaces.
    pub fn pid(&self) -> i32 {
        match &self.place {
            Place::Namespace(pid) => pid.as_raw(),
            Place::Docker(_) => panic!("a container in Docker has no pid of ours"),
        }
    }

    /// Its name in Docker.
    pub fn docker_name(&self) -> &str {
        match &self.place {
            Place::Docker(name) => name,
            Place::Namespace(_) => panic!("a container in namespaces has no name"),
        }
    }

    /// Wait until PID 1 catches or blocks this signal: before that the kernel throws it away,
    /// whoever PID 1 is. Only in namespaces.
    #[track_caller]
    pub fn until_it_can_hear(&self, signal: &str) {
        let bit = 1_u64 << (format!("SIG{signal}").parse::<Signal>().unwrap() as u32 - 1);
        let begun = Instant::now();
        loop {
            let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
            let mut masks = status.lines().filter_map(|line| {
                line.strip_prefix("SigBlk:").or_else(|| line.strip_prefix("SigCgt:"))
            });
            if masks.any(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & bit != 0) {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "PID 1 never hears {signal}");
        }
    }

    /// Wait until standard error has this text.
    #[track_caller]
    pub fn until_said(&self, text: &str) {
        self.until(|it| it.stderr().contains(text));
    }

    /// Wait until this file is there.
    #[track_caller]
    pub fn until_there(&self, path: &str) {
        self.until(|it| it.exists(path));
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.child.borrow_mut().try_wait().unwrap().is_some()
    }

    /// Wait for its end.
    #[track_caller]
    pub fn wait(&self) -> Output {
        let begun = Instant::now();
        let status = until_over(&mut self.child.borrow_mut());
        let took = begun.elapsed();
        self.stdout.finish();
        self.stderr.finish();
        if let Some(terminal) = &self.terminal {
            terminal.heard.finish();
        }
        Output { code: code(status), stdout: self.stdout(), stderr: self.stderr(), took }
    }

    /// Send a signal to PID 1, as `docker kill --signal` does: by name without SIG, or by number.
    #[track_caller]
    pub fn signal(&self, signal: &str) {
        match &self.place {
            Place::Docker(name) => docker::signal(name, signal),
            Place::Namespace(pid) => namespace::signal(*pid, signal),
        }
    }

    /// `docker stop`: TERM, ten seconds, KILL; and how it ended.
    #[track_caller]
    pub fn stop(&self) -> Output {
        let begun = Instant::now();
        match &self.place {
            Place::Docker(name) => docker::stop(name),
            Place::Namespace(_) => {
                self.signal("TERM");
                while !self.is_over() && begun.elapsed() < Duration::from_secs(10) {
                    thread::sleep(Duration::from_millis(2));
                }
                if !self.is_over() {
                    self.signal("KILL");
                }
            }
        }
        let took = begun.elapsed();
        Output { took, ..self.wait() }
    }

    /// Run a command in it, as `docker exec` does.
    #[track_caller]
    pub fn run(&self, command: &[&str]) -> Output {
        self.run_as((0, 0), command)
    }

    /// Run a command in it, as `docker exec --user` does.
    #[track_caller]
    pub fn run_as(&self, user: (u32, u32), command: &[&str]) -> Output {
        self.begin_as(user, command).wait()
    }

    /// Begin a command in it.
    #[track_caller]
    pub fn begin(&self, command: &[&str]) -> Begun {
        self.begin_as((0, 0), command)
    }

    fn begin_as(&self, user: (u32, u32), command: &[&str]) -> Begun {
        let mut inside = match &self.place {
            Place::Docker(name) => docker::inside(name, user),
            Place::Namespace(pid) => namespace::inside(&self.container, *pid, user),
        };
        Begun::from(inside.args(command))
    }

    /// Run a script of `/bin/sh` in it; it must succeed.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        let out = self.run(&["sh", "-c", script]);
        assert_eq!(out.code, 0, "{script}: {}", out.stderr);
        out.stdout
    }

    /// Let somebody through who waits at `read go </gate`. (What this runs may be ended by the stop
    /// that it lets go on.)
    #[track_caller]
    pub fn open_gate(&self) {
        self.run(&["sh", "-c", "echo go >/gate"]);
    }

    /// The contents of a file, also after the end.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        String::from_utf8(self.read_bytes(path)).expect("text")
    }

    /// The contents of a file, also after the end.
    #[track_caller]
    pub fn read_bytes(&self, path: &str) -> Vec<u8> {
        self.find(path).unwrap_or_else(|| panic!("the container has no {path}"))
    }

    /// Whether a file is there, also after the end.
    pub fn exists(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// The contents of a file; nothing for a directory.
    fn find(&self, path: &str) -> Option<Vec<u8>> {
        if let Place::Docker(name) = &self.place {
            return docker::read(name, path);
        }
        let path = path.strip_prefix('/').expect("an absolute path");
        let layers = [self.container.cell.0.join("upper"), self.container.cell.given()];
        let place = layers.iter().map(|layer| layer.join(path)).find(|one| is_there(one))?;
        // A removed file is a character device in an overlay's upper layer.
        let kind = fs::symlink_metadata(&place).ok()?.file_type();
        if kind.is_char_device() {
            return None;
        }
        Some(if kind.is_file() { fs::read(place).ok()? } else { Vec::new() })
    }

    /// What the container has written to its disk: each path below its root, in order.
    pub fn written(&self) -> Vec<PathBuf> {
        let upper = self.container.cell.0.join("upper");
        let mut all = Vec::new();
        let mut ahead = vec![upper.clone()];
        while let Some(directory) = ahead.pop() {
            for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
                all.push(Path::new("/").join(entry.path().strip_prefix(&upper).unwrap()));
                if entry.file_type().unwrap().is_dir() {
                    ahead.push(entry.path());
                }
            }
        }
        all.sort();
        all
    }

    /// A line of /proc/PID/status of PID 1, such as `VmRSS`.
    pub fn status(&self, field: &str) -> String {
        let status = self.run(&["cat", "/proc/1/status"]).stdout;
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
        line.expect("the field").trim().to_string()
    }

    /// End it, and boot the same container again, its disk as it was left.
    #[track_caller]
    pub fn again(mut self, stop: Stop) -> Live {
        if stop == Stop::Asked {
            self.stop();
        }
        self.end();
        let container = std::mem::replace(&mut self.container, Container::nothing());
        match &self.place {
            Place::Docker(name) => docker::start(container, name.clone()),
            Place::Namespace(_) => namespace::boot(container),
        }
    }

    /// End it now, whatever it does.
    fn end(&mut self) {
        if let (Place::Namespace(pid), false) = (&self.place, self.is_over()) {
            let _ = kill(*pid, Signal::SIGKILL);
        }
        if let Place::Docker(name) = &self.place {
            docker::kill(name);
        }
        let _ = self.child.get_mut().kill();
        let _ = self.child.get_mut().wait();
    }
}

fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.container.is_nothing() {
            return;
        }
        self.end();
        if let Place::Docker(name) = &self.place {
            docker::remove(name);
        }
        if thread::panicking() {
            let screen = self.terminal.as_ref().map(|terminal| terminal.heard.text());
            eprintln!("--- standard output\n{}", self.stdout());
            eprintln!("--- standard error\n{}", self.stderr());
            eprintln!("--- terminal\n{}---", screen.unwrap_or_default());
        }
    }
}

impl Container {
    /// What is left where a container has been moved away.
    fn nothing() -> Container {
        let mut nothing = Container::bare();
        nothing.cell = Cell(PathBuf::new());
        nothing
    }

    fn is_nothing(&self) -> bool {
        self.cell.0.as_os_str().is_empty()
    }
}
