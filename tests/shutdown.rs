//! The orderly stop: its order, its hooks, its exit codes, and what is left alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::time::Duration;
use world::{Container, Live};

/// A stop that waits for nobody takes milliseconds; the shortest of the timeouts is 30 s.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A main command that ends on TERM with this code, and notes it.
const POLITE: &str = "sleep 1000 & trap 'echo main >>/steps; exit 3' TERM; touch /ready; wait $!";

fn hook(of: &str, name: &str, script: &str) -> (String, String) {
    (format!("/etc/my_init.{of}_shutdown.d/{name}"), format!("#!/bin/sh\n{script}\n"))
}

fn with_hooks(hooks: &[(&str, &str, &str)]) -> Container {
    hooks.iter().fold(Container::new(), |container, (of, name, script)| {
        let (path, contents) = hook(of, name, script);
        container.executable(path, contents)
    })
}

fn noted(name: &str) -> String {
    format!("echo {name} >>/steps")
}

fn ready(container: Container) -> Live {
    let it = container.boot();
    it.until_there("/ready");
    it
}

#[test]
fn a_stop_goes_from_the_command_over_the_hooks_to_everything_left() {
    let orphan = "(sleep 1000 & trap 'echo orphan >>/steps; exit' TERM; touch /on; wait $!) &
        while [ ! -e /on ]; do :; done";
    let container = with_hooks(&[
        ("pre", "20", &noted("pre20")),
        ("pre", "10", &noted("pre10")),
        ("post", "B", &noted("postB")),
        ("post", "a", &noted("posta")),
    ]);
    let it = ready(container.startup("10_orphan", orphan).script(POLITE));
    let out = it.stop();
    assert_eq!(out.code, 3);
    assert!(out.took < AT_ONCE, "{:?}", out.took);
    assert_eq!(it.read("/steps"), "main\npre10\npre20\npostB\nposta\norphan\n");
    out.assert_said(&[
        "*** sh exited with status 3.",
        "*** Running /etc/my_init.pre_shutdown.d/10...",
        "*** Running /etc/my_init.pre_shutdown.d/20...",
        "*** Shutting down runit daemon (PID 1)...",
        "*** Running /etc/my_init.post_shutdown.d/B...",
        "*** Running /etc/my_init.post_shutdown.d/a...",
        "*** Killing all processes...",
    ]);
    assert_eq!(out.times_said("*** Shutting down sh (PID "), 1);
    assert_eq!(out.times_said("Forcing"), 0);
}

#[test]
fn a_command_that_ends_by_itself_is_followed_by_the_same_stop() {
    let it = with_hooks(&[("pre", "10", &noted("pre")), ("post", "10", &noted("post"))])
        .script("echo main >>/steps; exit 4")
        .boot();
    assert_eq!(it.wait().code, 4);
    assert_eq!(it.read("/steps"), "main\npre\npost\n");
}

#[test]
fn without_a_command_an_orderly_stop_is_a_success() {
    for signal in ["TERM", "INT", "QUIT", "37"] {
        let it = with_hooks(&[("pre", "10", &noted("pre")), ("post", "10", &noted("post"))]).boot();
        it.until_said("*** Runit started");
        it.signal(signal);
        let out = it.wait();
        assert_eq!(out.code, 0, "{signal}");
        assert!(out.took < AT_ONCE, "{signal}: {:?}", out.took);
        assert_eq!(it.read("/steps"), "pre\npost\n", "{signal}");
    }
}

#[test]
fn with_a_command_the_stop_ends_with_its_code() {
    for (script, code) in [
        ("sleep 1000 & trap 'exit 0' TERM; touch /ready; wait $!", 0),
        ("sleep 1000 & trap 'exit 9' TERM; touch /ready; wait $!", 9),
        ("touch /ready; exec sleep 1000", 143),
    ] {
        for signal in ["TERM", "INT", "37"] {
            let it = ready(Container::new().script(script));
            it.signal(signal);
            assert_eq!(it.wait().code, code, "{signal}: {script}");
        }
    }
}

#[test]
fn a_quiet_stop_says_nothing_when_all_goes_well() {
    let hooks = with_hooks(&[("pre", "10", &noted("pre")), ("post", "10", &noted("post"))]);
    let it = ready(hooks.options(&["--quiet"]).script(POLITE));
    let out = it.stop();
    assert_eq!((out.code, out.stderr.as_str()), (3, ""));
}

#[test]
fn hooks_run_without_services_too() {
    let it = with_hooks(&[("pre", "10", &noted("pre")), ("post", "10", &noted("post"))])
        .options(&["--skip-runit"])
        .script("exit 4")
        .boot();
    assert_eq!(it.wait().code, 4);
    assert_eq!(it.read("/steps"), "pre\npost\n");
}

#[test]
fn a_failing_hook_is_reported_and_skips_nothing() {
    let it = with_hooks(&[
        ("pre", "10_exit", "exit 3"),
        ("pre", "20_killed", "kill -KILL $$"),
        ("pre", "30_fine", &noted("pre")),
        ("post", "10_exit", "exit 4"),
        ("post", "30_fine", &noted("post")),
    ])
    .executable("/etc/my_init.post_shutdown.d/20_crlf", "#!/bin/sh\r\ntrue\r\n")
    .script("exit 5")
    .boot();
    let out = it.wait();
    assert_eq!(out.code, 5);
    assert_eq!(it.read("/steps"), "pre\npost\n");
    out.assert_said(&[
        "*** /etc/my_init.pre_shutdown.d/10_exit failed with status 3",
        "*** /etc/my_init.pre_shutdown.d/20_killed failed with status 137 (killed by signal KILL)",
        "*** /etc/my_init.post_shutdown.d/10_exit failed with status 4",
        "*** Killing all processes...",
    ]);
    assert_eq!(out.times_said("/etc/my_init.post_shutdown.d/20_crlf: its lines end in CR LF"), 1);
}

#[test]
fn only_executable_files_are_hooks_and_no_directory_is_fine() {
    let it = with_hooks(&[("pre", "10", &noted("pre"))])
        .file("/etc/my_init.pre_shutdown.d/20", "#!/bin/sh\necho data >>/steps\n")
        .directory("/etc/my_init.pre_shutdown.d/30")
        .without("/etc/my_init.post_shutdown.d")
        .options(&["--quiet"])
        .script("true")
        .boot();
    let out = it.wait();
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
    assert_eq!(it.read("/steps"), "pre\n");
}

#[test]
fn a_stop_during_a_startup_script_ends_it_and_nothing_else_begins() {
    // Without a command nothing failed; with one, it never ran: as if the signal had killed it.
    for (signal, command, code) in [
        ("TERM", None, 0),
        ("TERM", Some("true"), 143),
        ("INT", Some("true"), 130),
        ("INT", None, 0),
    ] {
        let container = with_hooks(&[("pre", "10", &noted("pre")), ("post", "10", &noted("post"))])
            .startup(
                "10",
                "sleep 1000 & trap 'echo told >>/steps; exit 3' TERM; touch /ready; wait $!",
            )
            .startup("20", &noted("later"));
        let container = match command {
            Some(command) => container.script(command),
            None => container,
        };
        let it = ready(container);
        it.signal(signal);
        let out = it.wait();
        assert_eq!(out.code, code, "{signal} {command:?}");
        assert!(out.took < AT_ONCE, "{:?}", out.took);
        assert_eq!(it.read("/steps"), "told\n");
        assert_eq!(out.times_said("failed"), 0);
        out.assert_said(&["*** Killing all processes..."]);
    }
}

#[test]
fn a_startup_script_that_ends_well_after_term_begins_nothing_either() {
    let it = ready(
        Container::new()
            .startup("10", "sleep 1000 & trap 'exit 0' TERM; touch /ready; wait $!")
            .startup("20", "touch /later")
            .executable("/etc/rc.local", "#!/bin/sh\ntouch /later\n"),
    );
    assert_eq!(it.stop().code, 0);
    assert!(!it.exists("/later"));
}

#[test]
fn a_stop_asked_for_while_a_finished_command_is_cleaned_up_changes_nothing() {
    let it = with_hooks(&[
        ("pre", "10", "mkfifo /gate; touch /ready; read go </gate; echo pre >>/steps"),
        ("post", "10", &noted("post")),
    ])
    .script("exit 5")
    .boot();
    it.until_there("/ready");
    it.signal("TERM");
    it.open_gate();
    let out = it.wait();
    assert_eq!(out.code, 5);
    assert_eq!(it.read("/steps"), "pre\npost\n");
}

#[test]
fn what_docker_exec_runs_is_asked_to_end_and_waited_for() {
    let it = Container::new().boot();
    it.until_said("*** Runit started");
    let guest = it.begin(&[
        "sh",
        "-c",
        "trap 'echo bye; mkfifo /gate; touch /told; read go </gate; exit 4' TERM; touch /ready
        while :; do sleep 1 & wait $!; done",
    ]);
    it.until_there("/ready");
    it.signal("TERM");
    it.until_there("/told");
    assert!(!it.is_over());
    it.open_gate();
    let out = guest.wait();
    assert_eq!((out.code, out.stdout.as_str()), (4, "bye\n"));
    assert_eq!(it.wait().code, 0);
}

#[test]
fn a_stopped_orphan_ends_as_quickly_as_any() {
    let it = ready(Container::new().startup(
        "10",
        "(sleep 1000 & trap 'echo bye >/steps; exit' TERM; touch /on; while :; do wait $!; done) &
        while [ ! -e /on ]; do :; done; kill -STOP $!; touch /ready",
    ));
    it.until_said("*** Runit started");
    let out = it.stop();
    assert_eq!(out.code, 0);
    assert!(out.took < AT_ONCE, "{:?}", out.took);
    assert_eq!(it.read("/steps"), "bye\n");
}

#[test]
fn a_stopped_command_ends_as_quickly_as_any() {
    let it = ready(Container::new().script("touch /ready; kill -STOP $$; exit 1"));
    it.until(|it| it.sh("grep -l '^State:.T' /proc/[0-9]*/status || :").lines().count() == 1);
    let out = it.stop();
    assert_eq!(out.code, 143);
    assert!(out.took < AT_ONCE, "{:?}", out.took);
}

#[test]
fn not_as_pid_1_it_ends_its_own_orphans_and_never_a_stranger() {
    // An orphan of its own, and one that has a child.
    let main = "setsid sleep 1000 & echo $! >/own
        setsid sh -c 'sleep 1000 & echo $! >/deep; wait' & while [ ! -s /deep ]; do :; done";
    let out = Container::new()
        .executable("/main", format!("#!/bin/sh\n{main}\n"))
        .argv(&[
            "sh",
            "-c",
            "sleep 1000 & stranger=$!
            my_init /main; echo code $?
            kill -0 $stranger && echo the stranger lives
            kill -0 $(cat /own) 2>/dev/null || echo its own is gone
            kill -0 $(cat /deep) 2>/dev/null || echo and the deep one",
        ])
        .boot()
        .wait();
    assert_eq!(out.stdout, "code 0\nthe stranger lives\nits own is gone\nand the deep one\n");
    assert!(out.took < AT_ONCE, "{:?}", out.took);
}

#[test]
fn no_kill_all_on_exit_leaves_what_is_left() {
    let out = Container::new()
        .argv(&[
            "sh",
            "-c",
            "my_init --no-kill-all-on-exit -- sh -c 'setsid sleep 1000 & echo $! >/own; exit 6'
            echo code $?; kill -0 $(cat /own) && echo it lives",
        ])
        .boot()
        .wait();
    assert_eq!(out.stdout, "code 6\nit lives\n");
    assert_eq!(out.times_said("Killing all"), 0);
}

#[test]
fn not_as_pid_1_it_stops_in_order_too() {
    let it =
        ready(with_hooks(&[("pre", "10", &noted("pre")), ("post", "10", &noted("post"))]).argv(&[
            "sh",
            "-c",
            "my_init -- sh -c \"$0\" & trap 'kill $!' TERM; wait; wait $!; exit $?",
            POLITE,
        ]));
    let out = it.stop();
    assert_eq!(out.code, 3);
    assert_eq!(it.read("/steps"), "main\npre\npost\n");
}
