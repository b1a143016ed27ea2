//! How something ended, and what it said: of the container, or of a command in it.

use super::DEADLINE;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How something ended: the container, or a command in it.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// The exit code; 128 + n where signal n ended it, as Docker tells it.
    pub code: i32,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
    /// From the call to the end.
    pub took: Duration,
}

impl Output {
    /// These lines stand on standard error, in this order.
    #[track_caller]
    pub fn assert_said(&self, lines: &[&str]) {
        let mut said = self.stderr.lines();
        for line in lines {
            assert!(said.any(|one| one == *line), "not said, or not in order: {line}");
        }
    }

    /// How many lines of standard error have this text.
    pub fn times_said(&self, text: &str) -> usize {
        self.stderr.lines().filter(|line| line.contains(text)).count()
    }
}

/// A command that was begun in a container.
pub struct Begun {
    at: Instant,
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

impl Begun {
    /// Begin it.
    pub(super) fn from(command: &mut Command) -> Begun {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (at, mut child) = (Instant::now(), command.spawn().unwrap());
        let stdout = Stream::from(child.stdout.take().unwrap());
        let stderr = Stream::from(child.stderr.take().unwrap());
        Begun { at, child, stdout, stderr }
    }

    /// Wait for its end.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        let status = until_over(&mut self.child);
        let took = self.at.elapsed();
        self.stdout.finish();
        self.stderr.finish();
        let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
        Output { code: code(status), stdout, stderr, took }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Wait for the end of a process, but not for ever.
#[track_caller]
pub(super) fn until_over(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(begun.elapsed() < DEADLINE, "it does not end");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The code; 128 + n where signal n ended it.
pub(super) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().expect("a code or a signal"))
}

/// What somebody says, collected as it comes.
pub(super) struct Stream {
    pub(super) heard: Arc<Mutex<Vec<u8>>>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

impl Stream {
    /// Listen until the end of file, or an error.
    pub(super) fn from(mut source: impl Read + Send + 'static) -> Stream {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ours = Arc::clone(&heard);
        let listener = thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(length @ 1..) = source.read(&mut buffer) {
                ours.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Stream { heard, listener: Mutex::new(Some(listener)) }
    }

    /// Nobody who says anything.
    pub(super) fn silent() -> Stream {
        Stream { heard: Arc::default(), listener: Mutex::new(None) }
    }

    /// All of it so far, as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }

    /// Wait for the end of file.
    pub(super) fn finish(&self) {
        if let Some(listener) = self.listener.lock().unwrap().take() {
            listener.join().unwrap();
        }
    }
}
