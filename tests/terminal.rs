//! `docker run -it`: the terminal belongs to the main command, and no key decides PID 1's fate.
//! And without a terminal: pipes in, pipes out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::time::Duration;
use world::{Container, Live};

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_BACKSLASH: &str = "\x1c";
const CTRL_Z: &str = "\x1a";
/// The shortest of the timeouts is thirty seconds.
const AT_ONCE: Duration = Duration::from_secs(3);

fn terminal() -> Container {
    Container::new().terminal()
}

#[track_caller]
fn until_runs(it: &Live, program: &str) {
    let is_it = |name: &str| name == program;
    it.until(|it| it.sh("cat /proc/[0-9]*/comm 2>/dev/null || :").lines().any(is_it));
}

#[track_caller]
fn until_shown(it: &Live, text: &str) {
    it.until(|it| it.screen().contains(text));
}

/// A login shell, at its prompt. (What is typed is shown too, so what is waited for must differ.)
fn bash(container: Container) -> Live {
    let it = container.command(&["bash", "-l"]).boot();
    until_prompts(&it, 1);
    it
}

/// Wait until that many prompts have been shown: a key like Ctrl-C throws away what was typed
/// before the shell could read it.
#[track_caller]
fn until_prompts(it: &Live, count: usize) {
    it.until(|it| it.screen().matches("root@container:/# ").count() >= count);
}

#[test]
fn a_login_shell_has_job_control() {
    let it = bash(terminal());
    assert!(!it.screen().contains("no job control"), "{}", it.screen());
    it.type_keys("sleep 1000\r");
    until_runs(&it, "sleep");
    it.type_keys(CTRL_Z);
    until_shown(&it, "Stopped");
    it.type_keys("fg\r");
    it.until(|it| !it.sh("cat /proc/[0-9]*/status").contains("State:\tT"));
    it.type_keys(CTRL_C);
    until_prompts(&it, 3);
    it.type_keys("exit 5\r");
    assert_eq!(it.wait().code, 5);
}

#[test]
fn ctrl_c_in_a_shell_ends_neither_the_shell_nor_the_container() {
    let it = bash(terminal());
    it.type_keys("sleep 1000\r");
    until_runs(&it, "sleep");
    it.type_keys(CTRL_C);
    until_prompts(&it, 2);
    it.type_keys(CTRL_BACKSLASH);
    it.type_keys(CTRL_C);
    until_prompts(&it, 3);
    it.type_keys("echo still $((1 + 1)) here; exit 7\r");
    assert_eq!(it.wait().code, 7);
    assert!(it.screen().contains("still 2 here") && !it.screen().contains("Shutting down bash"));
}

#[test]
fn ctrl_c_and_ctrl_backslash_end_the_command_and_the_stop_is_orderly() {
    for (key, code) in [(CTRL_C, 130), (CTRL_BACKSLASH, 131)] {
        let it = terminal()
            .executable("/etc/my_init.post_shutdown.d/10", "#!/bin/sh\ntouch /post\n")
            .command(&["cat"])
            .boot();
        until_runs(&it, "cat");
        it.type_keys(key);
        let out = it.wait();
        assert_eq!(out.code, code);
        assert!(out.took < AT_ONCE, "{:?}", out.took);
        assert!(it.exists("/post"));
        assert!(it.screen().contains("*** Killing all processes..."));
    }
}

#[test]
fn a_command_that_handles_ctrl_c_decides_itself() {
    let it = terminal().script("trap 'echo in''terrupted; exit 9' INT; touch /ready; cat").boot();
    it.until_there("/ready");
    until_runs(&it, "cat");
    it.type_keys(CTRL_C);
    assert_eq!(it.wait().code, 9);
    assert!(it.screen().contains("interrupted"));
}

#[test]
fn the_end_of_input_ends_the_command_and_the_container() {
    let it = terminal().command(&["cat"]).boot();
    until_runs(&it, "cat");
    it.type_keys("hello\r");
    it.type_keys(CTRL_D);
    assert_eq!(it.wait().code, 0);
    assert_eq!(it.screen().matches("hello").count(), 2);
}

#[test]
fn a_new_window_size_reaches_the_command() {
    let it = terminal()
        .script("sleep 1000 & trap 'stty size; exit 8' WINCH; stty size; touch /ready; wait $!")
        .boot();
    it.until_there("/ready");
    until_shown(&it, "24 80");
    it.resize(50, 132);
    assert_eq!(it.wait().code, 8);
    assert!(it.screen().contains("50 132"));
}

#[test]
fn ctrl_c_during_a_startup_script_stops_the_boot_in_order() {
    let it = terminal()
        .startup("10", "sleep 1000 & trap 'echo told >/steps; exit' TERM; touch /ready; wait $!")
        .script("echo main >>/steps")
        .boot();
    it.until_there("/ready");
    it.type_keys(CTRL_C);
    let out = it.wait();
    assert_eq!(out.code, 130);
    assert!(out.took < AT_ONCE, "{:?}", out.took);
    assert_eq!(it.read("/steps"), "told\n");
    assert!(it.screen().contains("*** Killing all processes..."));
}

#[test]
fn a_startup_script_may_ask_a_question() {
    let it = terminal()
        .startup("10", "printf 'your ''name? '; read name; echo hello, $name")
        .script("exit 3")
        .boot();
    until_shown(&it, "your name? ");
    it.type_keys("moby\r");
    assert_eq!(it.wait().code, 3);
    assert!(it.screen().contains("hello, moby"));
}

#[test]
fn a_stop_does_not_wait_for_a_shell_that_is_deaf_to_term() {
    let it = bash(terminal());
    let out = it.stop();
    // An interactive bash ignores TERM, and ends when its terminal hangs up.
    assert_eq!(out.code, 129);
    assert!(out.took < AT_ONCE, "{:?}", out.took);
}

#[test]
fn a_stop_ends_what_the_shell_runs_too() {
    let it = bash(terminal());
    it.type_keys("sleep 1000\r");
    until_runs(&it, "sleep");
    let out = it.stop();
    assert!(out.took < AT_ONCE, "{:?}", out.took);
}

#[test]
fn ctrl_z_on_a_command_without_a_shell_stops_nothing() {
    let it = terminal().command(&["cat"]).boot();
    until_runs(&it, "cat");
    it.type_keys(CTRL_Z);
    it.type_keys("still here\n");
    // Once as it is typed, once as cat says it.
    it.until(|it| it.screen().matches("still here").count() == 2);
    it.type_keys(CTRL_C);
    assert_eq!(it.wait().code, 130);
}

#[test]
fn on_a_terminal_too_a_command_may_take_its_time_to_end() {
    let it = terminal()
        .script(
            "sleep 1000 & trap 'mkfifo /gate; touch /told; read go </gate; exit 9' TERM
            touch /ready; wait $!",
        )
        .boot();
    it.until_there("/ready");
    it.signal("TERM");
    it.until_there("/told");
    it.open_gate();
    assert_eq!(it.wait().code, 9);
}

#[test]
fn the_terminal_is_given_back_when_the_command_has_ended() {
    let it = terminal()
        .executable("/etc/my_init.post_shutdown.d/10", "#!/bin/sh\ntouch /ready; exec sleep 1000\n")
        .script("exit 4")
        .boot();
    it.until_there("/ready");
    // Its own process group, and the terminal's foreground group (proc(5)).
    assert_eq!(it.sh("cut -d ' ' -f 5,8 /proc/1/stat"), "1 1\n");
    it.type_keys(CTRL_C);
    it.signal("TERM");
    assert_eq!(it.wait().code, 4);
}

#[test]
fn started_from_a_shell_it_gives_the_terminal_back_to_it() {
    let it = terminal().argv(&["bash", "--norc"]).boot();
    it.type_keys("my_init -- cat; echo code $?\r");
    until_runs(&it, "cat");
    it.type_keys(CTRL_C);
    until_shown(&it, "code 130");
    it.type_keys("my_init --quiet -- sleep 1000 & echo in the $((1 + 1))nd place\r");
    until_shown(&it, "in the 2nd place");
    until_runs(&it, "sleep");
    it.type_keys("kill %1; wait; exit 6\r");
    assert_eq!(it.wait().code, 6);
}

#[test]
fn in_the_background_of_a_shell_it_does_not_take_the_terminal() {
    let it = terminal().argv(&["bash", "--norc"]).boot();
    it.until(|it| it.screen().contains("bash-"));
    it.type_keys("my_init -- sleep 1000 & sleep 2000\r");
    it.until(|it| it.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").contains("sleep 2000"));
    until_runs(&it, "sleep");
    it.type_keys(CTRL_C);
    it.until(|it| it.screen().matches("bash-").count() >= 2);
    it.type_keys("echo still $((1 + 1)) here; kill %1; wait; exit 6\r");
    until_shown(&it, "still 2 here");
    assert_eq!(it.wait().code, 6);
}

#[test]
fn what_is_piped_in_reaches_the_command_and_only_its_bytes_come_out() {
    let it = Container::new().input("x\n").startup("10", "true").command(&["cat"]).boot();
    let out = it.wait();
    assert_eq!((out.code, out.stdout.as_str()), (0, "x\n"));
    assert!(out.stderr.contains("*** Running cat..."));
}

#[test]
fn a_pipe_carries_every_byte() {
    let bytes: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
    let it = Container::new().input(&bytes).command(&["cat"]).boot();
    assert_eq!(it.wait().code, 0);
    assert!(it.stdout_bytes() == bytes);
}

#[test]
fn a_command_that_stops_reading_or_writing_ends_like_in_any_pipeline() {
    let out = Container::new().input("a\nb\n").command(&["head", "-n", "1"]).boot().wait();
    assert_eq!((out.code, out.stdout.as_str()), (0, "a\n"));
    let it = Container::new()
        .argv(&["bash", "-c", "my_init --quiet -- yes | head -n 1; echo ${PIPESTATUS[0]}"])
        .boot();
    assert_eq!(it.wait().stdout, "y\n141\n");
}
