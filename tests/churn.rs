//! Services that come, go, crash and are commanded all at once: what holds in the end, and that
//! nothing piles up in PID 1.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::time::Duration;
use world::{Container, Live, Need, Stderr, Subject};

/// A service that stays.
const STAYS: &str = "exec sleep 1000";
/// A stop that waits for nobody.
const AT_ONCE: Duration = Duration::from_secs(3);

fn served(container: Container) -> Live {
    let it = container.service("web", STAYS).boot();
    it.until_is("run", "web");
    it
}

/// What PID 1 holds: descriptors, watches, and its memory in kB.
fn holdings(it: &Live) -> (usize, usize, u32) {
    let descriptors = it.sh("ls /proc/1/fd").lines().count();
    let watches = it.sh("cat /proc/1/fdinfo/* 2>/dev/null | grep -c ^inotify || :");
    let memory = it.status("VmRSS").split(' ').next().unwrap().parse().unwrap();
    (descriptors, watches.trim().parse().unwrap(), memory)
}

#[test]
fn the_last_command_wins_whatever_happens_meanwhile() {
    for subject in Subject::BOTH {
        let names: Vec<String> = (0..8).map(|n| format!("s{n}")).collect();
        let mut it = subject.container();
        // Lives from nothing to two seconds; some are deaf, some finish slowly.
        for (n, name) in names.iter().enumerate() {
            let trap = if n % 3 == 0 { "trap '' HUP INT QUIT USR1 USR2 ALRM\n" } else { "" };
            let run = format!("{trap}exec sleep 0.{}", n * 2);
            it = it.service(name, if n > 5 { STAYS } else { &run });
            if n % 2 == 0 {
                let finish = "#!/bin/sh\nexec sleep 0.1\n";
                it = it.executable(format!("/etc/service/{name}/finish"), finish);
            }
        }
        let it = served(it);
        names
            .iter()
            .for_each(|name| it.until_there(&format!("/etc/service/{name}/supervise/status")));
        let mut seed: u32 = 4711;
        let mut script = String::from("cd /etc/service\n");
        for _ in 0..400 {
            seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            let byte = b"uuuddoottkpchaiq12"[(seed >> 8) as usize % 18] as char;
            let name = &names[(seed >> 16) as usize % names.len()];
            script.push_str(&format!("printf {byte} >{name}/supervise/control\n"));
        }
        it.sh(&script);
        it.sh("cd /etc/service; for s in s?; do printf ckd >$s/supervise/control; done");
        names.iter().for_each(|name| it.until_is("down", name));
        it.sh("cd /etc/service; for s in s?; do printf u >$s/supervise/control; done");
        ["s6", "s7"].iter().for_each(|name| it.until_is("run", name));
        assert!(
            it.sv("status s0").ends_with("want up\n") || it.sv("status s0").contains(": (pid ")
        );
        // One process of each at most, and of those that stay exactly one.
        let sleeping = it.sh("grep -l '^Name:.sleep' /proc/[0-9]*/status || :").lines().count();
        assert!((3..=9).contains(&sleeping), "{sleeping}");
    }
}

#[test]
fn nothing_is_left_of_services_that_came_and_went() {
    let it = served(Subject::Ours.container());
    let come_and_go = |times: u32| {
        let make = "mkdir -p /new/log
            printf '#!/bin/sh\\nexec sleep 1000\\n' >/new/run
            printf '#!/bin/sh\\nexec cat >/dev/null\\n' >/new/log/run
            chmod +x /new/run /new/log/run";
        let one = "mv /new /etc/service/new
            until [ -s /etc/service/new/log/supervise/pid ]; do :; done
            kill $(cat /etc/service/new/supervise/pid); rm -rf /etc/service/new";
        it.sh(&format!("for n in $(seq {times}); do\n{make}\n{one}\ndone"));
        it.until(|it| it.sh("grep -l '^Name:.cat' /proc/[0-9]*/status || :").is_empty());
        it.until(|it| it.sh("ls /proc/1/fd").lines().count() < 30);
    };
    come_and_go(5);
    let (descriptors, watches, memory) = holdings(&it);
    come_and_go(40);
    let after = holdings(&it);
    assert_eq!((after.0, after.1), (descriptors, watches));
    assert!(after.2 < memory + 300, "{memory} kB, then {}", after.2);
    assert_eq!(it.stop().code, 0);
}

#[test]
fn nothing_piles_up_over_many_restarts() {
    let it = served(Subject::Ours.container().service("web/log", "exec cat >/dev/null"));
    it.until_is("run", "web/log");
    let restart = |times: u32| {
        it.sh(&format!(
            "cd /etc/service/web; for n in $(seq {times}); do
            old=$(cat supervise/pid); printf t >supervise/control
            while [ ! -s supervise/pid ] || [ \"$(cat supervise/pid)\" = \"$old\" ]; do :; done
            done 2>/dev/null"
        ));
    };
    restart(20);
    let before = holdings(&it);
    restart(300);
    let after = holdings(&it);
    assert_eq!((after.0, after.1), (before.0, before.1));
    assert!(after.2 < before.2 + 200, "{} kB, then {}", before.2, after.2);
}

#[test]
fn a_service_that_somebody_stopped_is_left_alone_and_ends_when_it_is_told() {
    for subject in Subject::BOTH {
        let it = served(subject.container());
        it.until_settled("web");
        let pid = it.service_pid("web");
        it.sh(&format!("kill -STOP {pid}"));
        it.sv("hup web");
        assert_eq!(it.service_pid("web"), pid);
        assert!(it.sv("-w 20 stop web").starts_with("ok: down: web: "));
    }
}

#[test]
fn services_need_nobody_who_reads_what_pid_1_says() {
    if Need::Namespaces.is_missing() {
        return;
    }
    for stderr in [Stderr::Full, Stderr::Broken] {
        let it = served(
            Subject::Ours
                .container()
                .stderr(stderr)
                .service("broken", "exit 0")
                .file("/etc/service/broken/finish", "no script\n"),
        );
        it.sv("term web");
        it.until_is("run", "web");
        let out = it.stop();
        assert_eq!(out.code, 0);
        assert!(out.took < AT_ONCE, "{:?}", out.took);
    }
}

#[test]
fn not_as_pid_1_it_serves_and_stops_services_too() {
    let it = Subject::Ours
        .container()
        .argv(&["sh", "-c", "my_init & trap 'kill $!' TERM; wait; wait $!; echo code $?"])
        .service(
            "web",
            "(setsid sleep 1000 &); sleep 1000 & trap 'echo off >/off; exit' TERM; wait $!",
        )
        .boot();
    it.until_is("run", "web");
    it.until(|it| it.sh("grep -l '^Name:.sleep' /proc/[0-9]*/status || :").lines().count() == 2);
    let out = it.stop();
    assert_eq!((out.stdout.as_str(), it.read("/off").as_str()), ("code 0\n", "off\n"));
    assert!(out.took < AT_ONCE, "{:?}", out.took);
}

#[test]
fn a_nested_my_init_leaves_services_alone() {
    let it = served(Subject::Ours.container());
    let pid = it.service_pid("web");
    let out = it.run(&["my_init", "--", "sh", "-c", "sv status web; sv -w 20 restart web"]);
    assert!(out.stdout.starts_with("run: web: (pid ") && out.code == 0, "{}", out.stdout);
    assert_ne!(it.service_pid("web"), pid);
    assert_eq!(it.run(&["my_init", "--", "true"]).code, 0);
    it.until_is("run", "web");
}
