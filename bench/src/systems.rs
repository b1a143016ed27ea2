//! What is measured: how each is configured, started and stopped, as its own documents say.

use crate::programs;
use nix::sys::signal::Signal;
use std::fs;
use std::io::{Error, Result};
use std::path::Path;

/// How a system is told what its services are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It finds /etc/service/N/run.
    Directories,
    /// A line each in /etc/inittab.
    Inittab,
    /// A section each in /etc/supervisord.conf.
    Sections,
    /// It runs one command, and is no supervisor.
    Command,
}

/// In what it differs from the plain one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// In nothing.
    Plain,
    /// Every service has a log service.
    Logs,
    /// The environment is as full as Docker's users fill it: a hundred variables.
    FullEnvironment,
    /// It is linked with musl: another binary.
    Musl,
}

/// One system.
pub struct System {
    /// What tables and plots call it.
    pub name: &'static str,
    /// The command line of PID 1; `COUNT` stands for the number of services.
    words: &'static [&'static str],
    /// How it learns of its services.
    pub told: Told,
    /// What asks it to end, if anything does.
    pub stop: Option<Signal>,
    /// Whether its end then comes after that of its services.
    pub waits: bool,
    /// So slow that three rounds are enough.
    pub slow: bool,
    /// Ours in other circumstances.
    pub variant: Variant,
    /// The distribution's package, for a peer.
    pub package: Option<&'static str>,
}

const OURS: System = System {
    name: "ours",
    words: &["/my_init"],
    told: Told::Directories,
    stop: Some(Signal::SIGTERM),
    waits: true,
    slow: false,
    variant: Variant::Plain,
    package: None,
};

const fn floor(name: &'static str, words: &'static [&'static str]) -> System {
    System { name, words, ..OURS }
}

const fn peer(name: &'static str, words: &'static [&'static str], told: Told) -> System {
    System { name, words, told, package: Some(name), ..OURS }
}

/// All of them, in the order of the tables.
const ALL: [System; 16] = [
    OURS,
    System { name: "ours in a full environment", variant: Variant::FullEnvironment, ..OURS },
    System { name: "ours with logs", variant: Variant::Logs, ..OURS },
    System { name: "ours with musl", variant: Variant::Musl, ..OURS },
    floor("floor by fork", &["/floor", "COUNT"]),
    floor("floor by vfork", &["/floor", "COUNT", "vfork"]),
    floor("floor with files", &["/floor", "COUNT", "files"]),
    // runsvdir(8): on HUP it tells its runsv to end, and is gone. It has no signal that waits.
    System {
        stop: Some(Signal::SIGHUP),
        waits: false,
        ..peer("runit", &["/usr/bin/runsvdir", "-P", "/etc/service"], Told::Directories)
    },
    // Its limit is 500 services unless told otherwise.
    peer("s6", &["/usr/bin/s6-svscan", "-c", "1200", "/etc/service"], Told::Directories),
    // As PID 1 no signal reaches svscan: it handles none.
    System {
        stop: None,
        ..peer("daemontools", &["/usr/bin/svscan", "/etc/service"], Told::Directories)
    },
    System {
        slow: true,
        package: Some("busybox-static"),
        ..peer("busybox", &["/usr/bin/busybox", "init"], Told::Inittab)
    },
    System {
        slow: true,
        ..peer(
            "supervisor",
            &["/usr/bin/supervisord", "-n", "-c", "/etc/supervisord.conf"],
            Told::Sections,
        )
    },
    peer("tini", &["/usr/bin/tini", "--", "/etc/service/0/run"], Told::Command),
    peer("dumb-init", &["/usr/bin/dumb-init", "--", "/etc/service/0/run"], Told::Command),
    peer("catatonit", &["/usr/bin/catatonit", "--", "/etc/service/0/run"], Told::Command),
    // No init at all: the command is PID 1, and deaf to what it does not handle.
    System { told: Told::Command, stop: None, ..floor("bare", &["/etc/service/0/run"]) },
];

/// All of them.
pub fn all() -> &'static [System] {
    static TABLE: [System; ALL.len()] = ALL;
    &TABLE
}

/// By name.
pub fn named(name: &str) -> Result<&'static System> {
    let found = all().iter().find(|system| system.name == name);
    found.ok_or_else(|| Error::other(format!("no system {name}")))
}

impl System {
    /// Whether it is what the kernel asks at least, and no supervisor.
    pub fn is_floor(&self) -> bool {
        self.words.first() == Some(&"/floor")
    }

    /// Whether it starts services again, and is not one that runs a command.
    pub fn is_supervisor(&self) -> bool {
        !self.is_floor() && self.told != Told::Command
    }

    /// Whether it is this project's.
    pub fn is_ours(&self) -> bool {
        self.words.first() == Some(&"/my_init")
    }

    /// The files of a service that tell of it: runit's three, or the one that it got them from.
    pub fn shows(&self) -> &'static [&'static str] {
        match self.name {
            "s6" | "daemontools" => &["status"],
            _ => &["status", "pid", "stat"],
        }
    }

    /// Whether it is here to be measured.
    pub fn is_here(&self) -> bool {
        if self.variant == Variant::Musl {
            return programs::with_musl().is_some();
        }
        let program = self.words.first().unwrap_or(&"/").trim_start_matches('/');
        let peers = programs::directory().map(|directory| directory.join("peers"));
        self.package.is_none() || peers.is_ok_and(|peers| peers.join(program).exists())
    }

    /// Whether it can have so many services.
    pub fn takes(&self, services: usize) -> bool {
        self.told != Told::Command || services == 1
    }

    /// The command line of PID 1.
    pub fn words(&self, services: usize) -> Vec<String> {
        let count = services.to_string();
        let word = |&word: &&str| if word == "COUNT" { count.clone() } else { word.to_string() };
        self.words.iter().map(word).collect()
    }

    /// The command line with which it runs a command and ends, if that is what it can do.
    pub fn once(&self) -> Option<Vec<&'static str>> {
        let command = "/true";
        match self.name {
            "ours" => Some(vec!["/my_init", "--skip-startup-files", "--quiet", "--", command]),
            "bare" => Some(vec![command]),
            _ if self.told == Told::Command => {
                let options = self.words.iter().take_while(|word| !word.contains("service"));
                Some(options.copied().chain([command]).collect())
            }
            _ => None,
        }
    }

    /// Write down its services where it looks for them; the directories are there already.
    pub fn configure(&self, root: &Path, services: usize) -> Result<()> {
        let etc = root.join("etc");
        if self.variant == Variant::FullEnvironment {
            for number in 0..100 {
                let value = format!("{number:0100}\n");
                fs::write(etc.join(format!("container_environment/VARIABLE_{number}")), value)?;
            }
        }
        let each = |line: &dyn Fn(usize) -> String| (0..services).map(line).collect::<String>();
        match self.told {
            Told::Directories | Told::Command => Ok(()),
            Told::Inittab => {
                let lines = each(&|n| format!("::respawn:/etc/service/{n}/run\n"));
                fs::write(etc.join("inittab"), lines)
            }
            Told::Sections => {
                let head = "[supervisord]\nuser=root\nlogfile=/dev/null\nlogfile_maxbytes=0\n\
                    pidfile=/run/supervisord.pid\nminfds=10000\n";
                let lines = each(&|n| {
                    format!(
                        "[program:{n}]\ncommand=/etc/service/{n}/run\nautorestart=true\n\
                         stdout_logfile=NONE\nstderr_logfile=NONE\n"
                    )
                });
                fs::write(etc.join("supervisord.conf"), head.to_string() + &lines)
            }
        }
    }
}
