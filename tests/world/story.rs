//! Stories that are told of every supervisor with every `sv`: the same lines, the same codes.
//!
//! A story is a list of command lines, each with its code and what it answers, processes and
//! seconds written as N. A line that begins with `until` is said until it is answered so.

use super::subject::{one_of, program_of_runit};
use super::{Container, DEADLINE, Live, Ours, Output, Row, Subject, Theirs, rungs};
use std::time::Instant;

/// A command line, its code, and its answer.
pub type Line<'a> = (&'a str, i32, &'a str);

/// Who supervises, and with whose `sv`.
#[derive(Clone, Copy, Debug)]
pub struct Party {
    pub subject: Subject,
    /// It is Debian's.
    by_theirs: bool,
}

impl Party {
    /// Ours and theirs with Debian's `sv`, and ours with our own where there is one.
    fn all() -> Vec<Party> {
        let mut all = Subject::BOTH.map(|subject| Party { subject, by_theirs: true }).to_vec();
        if rungs::program("SV") != program_of_runit("sv") {
            all.push(Party { subject: Subject::Ours, by_theirs: false });
        }
        all
    }

    /// Tell all of them, at the same time: most of it is waiting.
    pub fn each(tell: impl Fn(Party) + Sync) {
        std::thread::scope(|threads| {
            for party in Party::all() {
                let tell = &tell;
                // Whom it is told to is said where it fails.
                let named = std::thread::Builder::new().name(format!("{party:?}"));
                named.spawn_scoped(threads, move || tell(party)).unwrap();
            }
        });
    }

    /// What is expected of that `sv`, as the row says.
    #[track_caller]
    pub fn either<T>(self, row: Row, ours: Ours<T>, theirs: Theirs<T>) -> T
    where
        T: PartialEq + std::fmt::Debug,
    {
        one_of(row, !self.by_theirs, ours, theirs)
    }

    /// A container with that `sv`.
    pub fn container(self) -> Container {
        let container = self.subject.container();
        if !self.by_theirs {
            println!("--- with our own sv");
            return container;
        }
        container.runits("sv", "/usr/bin/sv")
    }
}

/// Tell it, asking through `ask`.
#[track_caller]
pub fn told(ask: impl Fn(&str) -> Output, story: &[Line]) {
    for (line, code, answer) in story {
        let words = line.strip_prefix("until ");
        let begun = Instant::now();
        loop {
            let out = ask(words.unwrap_or(line));
            let heard = normal(&(out.stdout + &out.stderr));
            if (out.code, heard.as_str()) == (*code, *answer) {
                break;
            }
            let is_patient = words.is_some() && begun.elapsed() < DEADLINE;
            assert!(is_patient, "sv {line} answers {} {heard:?}, not {code} {answer:?}", out.code);
        }
    }
}

/// Numbers that differ from run to run are N: `(pid 12)` and `3s`.
pub fn normal(answer: &str) -> String {
    let normal_word = |word: &str| {
        let (seconds, rest) = word.split_at(word.find('s').unwrap_or(0));
        let is_number = !seconds.is_empty() && seconds.bytes().all(|b| b.is_ascii_digit());
        if is_number { format!("N{rest}") } else { word.to_string() }
    };
    let normal_line = |line: &str| {
        let mut words: Vec<String> = line.split(' ').map(normal_word).collect();
        for n in 1..words.len() {
            if words[n - 1] == "(pid" {
                words[n] = "N)".into();
            }
        }
        words.join(" ")
    };
    answer.trim_end().lines().map(normal_line).collect::<Vec<_>>().join("\n")
}

impl Live {
    /// Whether somebody holds the lock of a service, as its supervisor does.
    pub fn is_locked(&self, service: &str) -> bool {
        let lock = format!("/etc/service/{service}/supervise/lock");
        self.run(&["flock", "-n", &lock, "true"]).code == 1
    }

    /// Wait until the last change of this service is more than a second ago: `sv` counts in whole
    /// ones, and takes one that was started in this second for one that was started anew.
    #[track_caller]
    pub fn until_settled(&self, service: &str) {
        self.until(|it| {
            let status = it.sv(&format!("status {service}"));
            !status.contains(" 0s") && !status.contains(" 1s")
        });
    }
}
