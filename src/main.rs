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

use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os().map(OsStringExt::into_vec);
    let name = words.next().unwrap_or_default();
    let name = spawn::path(&name).file_name().unwrap_or_default();
    ExitCode::from(if name == Path::new("setuser") {
        setuser::run(words.collect())
    } else {
        // Under any other name: an image may have it as its entry point, called as it likes.
        init::run(|| words.collect())
    })
}
