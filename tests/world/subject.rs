//! Whose supervisor is under test: ours, or Debian's runit, whose place it takes.
//!
//! Where the two differ on purpose a test says so with `either(Row(..), Ours(..), Theirs(..))`.

use super::{Container, Live, Output, rungs};
use std::path::PathBuf;

/// A supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `my_init`.
    Ours,
    /// `runsvdir` as PID 1, and the `runsv` it starts.
    Runit,
}

/// A row of docs/compatibility.md, by its first column. Each about runit stands in some test that
/// asks runit: see tests/documents.rs.
#[derive(Clone, Copy, Debug)]
pub struct Row(pub &'static str);

/// What is expected of ours.
pub struct Ours<T>(pub T);
/// What is expected of Debian's.
pub struct Theirs<T>(pub T);

impl Subject {
    /// Each in turn.
    pub const BOTH: [Subject; 2] = [Subject::Ours, Subject::Runit];

    /// A Debian with this supervisor as PID 1 and an `sv` to ask it: the one under test for ours,
    /// their own for theirs.
    pub fn container(self) -> Container {
        // Shown where the test fails.
        println!("--- subject: {self:?}");
        match self {
            Subject::Ours => {
                let mut container = Container::new();
                container.install("/usr/bin/sv", &rungs::program("SV"));
                container
            }
            Subject::Runit => {
                let mut container = Container::bare().directory("/etc/service");
                for program in ["runsvdir", "runsv", "sv"] {
                    container.install(&format!("/usr/bin/{program}"), &program_of_runit(program));
                }
                container.argv(&["runsvdir", "-P", "/etc/service"])
            }
        }
    }

    /// What is expected of this one, as the row says.
    #[track_caller]
    pub fn either<T>(self, row: Row, ours: Ours<T>, theirs: Theirs<T>) -> T
    where
        T: PartialEq + std::fmt::Debug,
    {
        one_of(row, self == Subject::Ours, ours, theirs)
    }

    /// Whether it is the one that differs from runit as the row says.
    pub fn is_ours(self, row: Row) -> bool {
        self.either(row, Ours(true), Theirs(false))
    }

    /// Whether it is ours, of which alone something is asked here; the other is asked elsewhere.
    pub fn only_ours(self, _row: &str) -> bool {
        self == Subject::Ours
    }

    /// Debian's, to be asked about the row.
    pub fn runit(Row(row): Row) -> Container {
        println!("--- row: {row}");
        Subject::Runit.container()
    }
}

/// Where both are the same there is no difference to name.
#[track_caller]
pub(super) fn one_of<T>(row: Row, is_ours: bool, ours: Ours<T>, theirs: Theirs<T>) -> T
where
    T: PartialEq + std::fmt::Debug,
{
    let (Ours(ours), Theirs(theirs)) = (ours, theirs);
    assert_ne!(ours, theirs, "no difference: {row:?}");
    if is_ours { ours } else { theirs }
}

/// A program of Debian's package.
pub fn program_of_runit(program: &str) -> PathBuf {
    rungs::runit().join("usr/bin").join(program)
}

impl Container {
    /// A service: `/etc/service/NAME/run`, a script of `/bin/sh`. Its log service is `NAME/log`.
    pub fn service(self, name: &str, run: &str) -> Container {
        self.executable(format!("/etc/service/{name}/run"), format!("#!/bin/sh\n{run}\n"))
    }

    /// Another program of Debian's runit (svlogd, chpst), or its `sv` under another name.
    pub fn runits(mut self, program: &str, path: &str) -> Container {
        self.install(path, &program_of_runit(program));
        self
    }
}

impl Live {
    /// What `sv` answers to these words, whatever its code.
    #[track_caller]
    pub fn sv(&self, words: &str) -> String {
        self.sv_output(words).stdout
    }

    /// The same, with its code.
    #[track_caller]
    pub fn sv_output(&self, words: &str) -> Output {
        let words: Vec<&str> = words.split_whitespace().collect();
        self.run(&[&["sv"], words.as_slice()].concat())
    }

    /// Wait until `sv status` of a service begins so, its name left out: `run`, `down`.
    #[track_caller]
    pub fn until_is(&self, state: &str, service: &str) {
        let wanted = format!("{state}: {service}: ");
        self.until(|it| it.sv(&format!("status {service}")).starts_with(&wanted));
    }

    /// The process that runs as this service now, as the container sees it.
    #[track_caller]
    pub fn service_pid(&self, service: &str) -> i32 {
        let status = self.sv(&format!("status {service}"));
        let rest = status.split_once("(pid ").map(|(_, rest)| rest);
        let pid = rest.and_then(|rest| rest.split_once(')')).and_then(|(pid, _)| pid.parse().ok());
        pid.unwrap_or_else(|| panic!("{service} does not run: {status}"))
    }
}
