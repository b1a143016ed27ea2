//! my_init: its command line, and whether it is the first of its kind in the container.

use crate::environment::Container;
use crate::nested::Lock;
use crate::pid1::Hands;
use crate::spawn::Program;
use crate::{nested, say, spawn};
use logic::environment::Environment;
use logic::exec::{Deed, Errno};
use logic::options::{self, Flag, Options};
use nix::sys::signal::SigSet;
use std::os::unix::ffi::OsStringExt;

/// Wrong usage; the predecessor's code.
const USAGE: u8 = 2;
/// A boot that cannot be.
const FAILED: u8 = 1;

/// Run the program; returns with the code to exit with.
pub fn run(arguments: impl FnOnce() -> Vec<Vec<u8>>) -> u8 {
    // Before anything else: from here on a signal waits for us, where it would be lost.
    let mask = SigSet::all();
    if let Err(errno) = mask.thread_block() {
        return refuse(&format!("cannot block signals: {}", errno.desc()));
    }
    let options = match options::parse(&arguments()) {
        Ok(options) => options,
        Err(wrong) => {
            say::error(&format!("my_init: {wrong}"));
            return USAGE;
        }
    };
    if options.has(Flag::Help) || options.has(Flag::Version) {
        let text = if options.has(Flag::Help) {
            options::help()
        } else {
            concat!("my_init (baseimage) ", env!("CARGO_PKG_VERSION"), "\n").to_string()
        };
        return if say::answer(&text).is_ok() { 0 } else { FAILED };
    }
    if options.has(Flag::Quiet) {
        say::quietly();
    }
    close_stray_descriptors();
    let variables = std::env::vars_os();
    let docker = variables.map(|(name, value)| (name.into_vec(), value.into_vec())).collect();
    match nested::lock() {
        Err(first) => run_nested(&options, docker, &mask, first),
        Ok(_) if options.has(Flag::SkipServices) && options.command.is_empty() => {
            refuse("--skip-runit needs a command: without services there is nothing to do")
        }
        Ok(lock) => from_the_top_of_a_page(|| boot(options, docker, &mask, lock)),
    }
}

/// With a stack that begins where a page ends. Each page that PID 1 writes between two forks is
/// copied; so all that it writes of its stack is one, where it would be two.
#[inline(never)]
fn from_the_top_of_a_page(run: impl FnOnce() -> u8) -> u8 {
    #[repr(align(4096))]
    struct Page;
    let mut page = Page;
    std::hint::black_box(&mut page);
    run()
}

#[inline(never)]
fn boot(options: Options, docker: Environment, mask: &SigSet, lock: Lock) -> u8 {
    // Not moved: it is large, and would stand twice on the stack.
    let mut hands = Hands::new(options, docker, mask, lock);
    let code = match &mut hands {
        Ok(hands) => hands.run(),
        Err(errno) => refuse(&format!("cannot boot: {}", errno.desc())),
    };
    // The kernel closes what is open quicker than we could.
    std::mem::forget(hands);
    code
}

fn refuse(why: &str) -> u8 {
    say::error(&format!("my_init: {why}"));
    FAILED
}

/// Another my_init is at work here: run the command beside it, and touch nothing else.
fn run_nested(options: &Options, docker: Environment, mask: &SigSet, first: i32) -> u8 {
    if options.command.is_empty() {
        say::error(&format!(
            "my_init: it runs in this container already, as process {first}; \
             give a command to run beside it"
        ));
        return USAGE;
    }
    let environment = Container::beside(docker, first);
    let program = Program::command(&options.command, &environment);
    // What was pending may end us now, as it would end any command.
    let errno = match mask.thread_unblock() {
        Ok(()) => spawn::replace(&program),
        Err(errno) => Errno(errno as i32),
    };
    say::error(&format!("my_init: {}", program.cannot_run(Deed::Exec, errno)));
    errno.status()
}

/// Descriptors above 2 are none of ours, and shall not be our children's.
fn close_stray_descriptors() {
    let open: Vec<i32> = match std::fs::read_dir("/proc/self/fd") {
        Ok(entries) => {
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
        }
        // Without /proc: as many as a shell could have left open.
        Err(_) => (3..256).collect(),
    };
    for descriptor in open.into_iter().filter(|&descriptor| descriptor > 2) {
        // The one that the list was read through is closed already.
        let _ = nix::unistd::close(descriptor);
    }
}
