//! Services around the rest of a container's life: before the first startup script, behind the
//! main command, and in the order of the stop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::time::Duration;
use world::{Container, Live, Subject};

/// A stop that waits for nobody.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A service that notes its beginning and its end.
fn notes(name: &str) -> String {
    format!(
        "sleep 1000 & trap 'echo {name} off >>/steps; exit' TERM; echo {name} on >>/steps
        touch /{name}; wait $!"
    )
}

fn ours() -> Container {
    Subject::Ours.container()
}

fn booted(container: Container) -> Live {
    let it = container.boot();
    it.until_said("*** Runit started");
    it
}

/// Shell that waits until this service has noted its beginning.
fn wait_for(name: &str) -> String {
    format!("while [ ! -e /{name} ]; do :; done")
}

#[test]
fn services_are_there_and_down_before_the_first_startup_script() {
    let it = booted(
        ours()
            .service("web", &notes("web"))
            .service("web/log", "exec cat >/dev/null")
            .service("off", &notes("off"))
            .file("/etc/service/off/down", "")
            .startup("10", "sv status web off >/seen; echo script >>/steps"),
    );
    it.until_is("run", "web");
    it.until_is("run", "web/log");
    let seen = it.read("/seen");
    let lines: Vec<&str> = seen.lines().collect();
    assert!(
        lines[0].starts_with("down: web: ") && lines[0].contains("s, normally up; down: log: ")
    );
    assert!(lines[1].starts_with("down: off: ") && lines[1].ends_with('s'), "{seen}");
    it.until_there("/web");
    assert_eq!(it.read("/steps"), "script\nweb on\n");
}

#[test]
fn a_startup_script_may_start_a_service_and_use_it_at_once() {
    let it = booted(
        ours()
            .service("syslog", &notes("syslog"))
            .service("syslog/log", "exec cat >/logged")
            .file("/etc/service/syslog/down", "")
            .service("web", &notes("web"))
            .startup("10", "sv start syslog >/answer; echo $? >/code")
            .startup("20", &format!("{}; echo script >>/steps", wait_for("syslog"))),
    );
    it.until_there("/web");
    assert!(it.read("/answer").starts_with("ok: run: syslog: (pid "), "{}", it.read("/answer"));
    assert_eq!(it.read("/code"), "0\n");
    assert_eq!(it.read("/steps"), "syslog on\nscript\nweb on\n");
    // It stays up although it has a `down` file, and is started again as any other.
    it.sv("term syslog");
    it.until(|it| it.read("/steps").matches("syslog on").count() == 2);
}

#[test]
fn an_early_service_stops_after_the_post_shutdown_scripts_the_last_one_first() {
    let it = booted(
        ours()
            .service("a", &notes("a"))
            .service("b", &notes("b"))
            .service("web", &notes("web"))
            .startup("10", &format!("sv up b; {}; sv up a; {}", wait_for("b"), wait_for("a")))
            .executable("/etc/my_init.pre_shutdown.d/10", "#!/bin/sh\necho pre >>/steps\n")
            .executable("/etc/my_init.post_shutdown.d/10", "#!/bin/sh\necho post >>/steps\n"),
    );
    it.until_there("/web");
    let out = it.stop();
    assert_eq!(out.code, 0);
    assert!(out.took < AT_ONCE, "{:?}", out.took);
    let off = "pre\nweb off\npost\na off\nb off\n";
    assert_eq!(it.read("/steps"), format!("b on\na on\nweb on\n{off}"));
}

#[test]
fn a_service_that_a_script_started_and_stopped_again_is_started_by_nobody() {
    let it = booted(
        ours()
            .service("web", &notes("web"))
            .service("other", &notes("other"))
            .startup("10", &format!("sv up web; {}; sv stop web", wait_for("web"))),
    );
    it.until_there("/other");
    it.until_is("down", "web");
    assert_eq!(it.read("/steps"), "web on\nweb off\nother on\n");
}

#[test]
fn a_service_that_a_script_stopped_and_started_has_its_log() {
    let it = ours()
        .service("web", &notes("web"))
        .service("web/log", "exec cat >/dev/null")
        .options(&["--skip-runit"])
        .startup("10", "sv down web; sv start web")
        .command(&["sleep", "1000"])
        .boot();
    it.until_is("run", "web");
    it.until_is("run", "web/log");
}

#[test]
fn a_startup_script_may_make_and_take_away_down_files_and_services() {
    let make = "mkdir -p /etc/service/made/log; cd /etc/service/made
        printf '#!/bin/sh\\ntouch /made; exec sleep 1000\\n' >run
        printf '#!/bin/sh\\ntouch /made-log; exec cat\\n' >log/run; chmod +x run log/run";
    let it = booted(
        ours()
            .service("on", &notes("on"))
            .service("off", &notes("off"))
            .file("/etc/service/off/down", "")
            .service("gone", &notes("gone"))
            .startup("10", "rm /etc/service/off/down; : >/etc/service/on/down")
            .startup("20", make)
            .startup("30", "rm -r /etc/service/gone"),
    );
    it.until_is("run", "off");
    it.until_is("down", "on");
    it.until_there("/made");
    it.until_there("/made-log");
    assert!(!it.exists("/on") && !it.exists("/gone"));
}

#[test]
fn services_are_up_while_the_main_command_runs_and_go_after_it() {
    let it = ours()
        .service("web", &notes("web"))
        .script(&format!("{}; sv status web >/seen; echo main >>/steps; exit 5", wait_for("web")))
        .boot();
    assert_eq!(it.wait().code, 5);
    assert!(it.read("/seen").starts_with("run: web: "), "{}", it.read("/seen"));
    assert_eq!(it.read("/steps"), "web on\nmain\nweb off\n");
}

#[test]
fn with_skip_runit_only_a_verb_starts_a_service() {
    let it = ours()
        .service("web", &notes("web"))
        .service("other", &notes("other"))
        .options(&["--skip-runit"])
        .script(&format!(
            "sv status other >/seen; sv start web >>/seen; {}; sv status other >>/seen; exit 5",
            wait_for("web")
        ))
        .boot();
    let out = it.wait();
    assert_eq!((out.code, out.times_said("runit daemon")), (5, 0));
    let seen = it.read("/seen");
    let states: Vec<&str> = seen.lines().map(|line| &line[..9]).collect();
    assert_eq!(states, ["down: oth", "ok: run: ", "down: oth"], "{seen}");
    assert_eq!(it.read("/steps"), "web on\nweb off\n");
}

#[test]
fn services_may_ask_for_each_other_from_their_run_files() {
    let it = booted(
        ours()
            .service("a", &format!("sv start z >/answer || exit 1\n{}", notes("a")))
            .service("z", &notes("z")),
    );
    it.until_there("/a");
    assert!(it.read("/answer").starts_with("ok: run: z: "), "{}", it.read("/answer"));
    it.until_there("/z");
}

#[test]
fn nothing_is_started_after_the_stop_began() {
    let it = booted(
        ours()
            .service("web", &notes("web"))
            .service("resting", "echo resting >>/resting; exit 1")
            .service("off", &notes("off"))
            .file("/etc/service/off/down", "")
            .startup("10", "")
            .executable(
                "/etc/my_init.pre_shutdown.d/10",
                "#!/bin/sh\necho pre >>/resting; sv -w 2 start off >/answer; echo $? >>/answer
                mkdir -p /new; printf '#!/bin/sh\\ntouch /new-ran\\n' >/new/run; chmod +x /new/run
                mv /new /etc/service/new\n",
            ),
    );
    it.until_there("/web");
    it.until_there("/resting");
    let out = it.stop();
    assert_eq!(out.code, 0);
    assert!(it.read("/resting").ends_with("\npre\n"), "{}", it.read("/resting"));
    assert!(it.read("/answer").ends_with("\n1\n"), "{}", it.read("/answer"));
    assert_eq!(it.read("/steps"), "web on\nweb off\n");
    assert!(!it.exists("/new-ran"));
}

#[test]
fn a_stop_during_a_startup_script_ends_what_it_started_and_starts_nothing() {
    let it = ours()
        .service("early", &notes("early"))
        .service("web", &notes("web"))
        .startup(
            "10",
            &format!("sv up early; {}; touch /ready; exec sleep 1000", wait_for("early")),
        )
        .boot();
    it.until_there("/ready");
    let out = it.stop();
    assert_eq!(out.code, 0);
    assert!(out.took < AT_ONCE, "{:?}", out.took);
    assert_eq!(it.read("/steps"), "early on\nearly off\n");
}

#[test]
fn a_failed_startup_script_ends_what_it_started_and_starts_nothing() {
    let it = ours()
        .service("early", &notes("early"))
        .service("web", &notes("web"))
        .startup("10", &format!("sv up early; {}; exit 7", wait_for("early")))
        .boot();
    assert_eq!(it.wait().code, 1);
    assert_eq!(it.read("/steps"), "early on\nearly off\n");
}
