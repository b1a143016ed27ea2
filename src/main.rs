//! One binary, several programs: the name it is called by decides which.

// What cannot happen is unrepresentable; nothing here panics its way out of PID 1.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)]
#![deny(clippy::indexing_slicing, clippy::string_slice, clippy::todo)]

mod doing;
mod environment;
mod init;
mod nested;
mod notices;
mod pid1;
mod processes;
mod say;
mod service;
mod services;
mod setuser;
mod spawn;
mod supervise;
mod sv;

use logic::sv::Manner;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os().map(OsStringExt::into_vec);
    let called = words.next().unwrap_or_default();
    let called = spawn::path(&called);
    let name = called.file_name().unwrap_or_default();
    ExitCode::from(match name.as_bytes() {
        // PID 1 is in a hurry: until it listens, signals are lost.
        b"my_init" => init::run(|| words.collect()),
        b"setuser" => setuser::run(words.collect()),
        b"sv" => sv::run(Manner::Sv, b"sv", &words.collect::<Vec<_>>()),
        name if is_init_script(called) => {
            sv::run(Manner::InitScript, name, &words.collect::<Vec<_>>())
        }
        // Under any other name: an image may have it as its entry point, called as it likes.
        _ => init::run(|| words.collect()),
    })
}

/// Whether it stands where init scripts do, however it was called: `cd /etc/init.d; ./web start`.
fn is_init_script(called: &Path) -> bool {
    let directory = called.parent().and_then(|parent| parent.canonicalize().ok());
    directory.is_some_and(|directory| directory == Path::new("/etc/init.d"))
}
