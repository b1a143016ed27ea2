//! The children of PID 1: how they are born, that they are collected, that nobody's end is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use world::{Container, Live, Need};

/// Each call leaves a thousand orphans at once: children of a parent that ends before them.
const THOUSAND: &str = "for (1..1000) { fork or exit }";

fn orphans(it: &Live, thousands: usize) {
    let script = format!("for i in $(seq {thousands}); do perl -e '{THOUSAND}'; done");
    it.sh(&script);
}

fn zombies(it: &Live) -> usize {
    it.sh("grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null || :").lines().count()
}

fn kilobytes(it: &Live) -> i64 {
    it.status("VmRSS").trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn twenty_thousand_orphans_leave_no_zombie_and_take_no_memory() {
    let it = Container::new().boot();
    it.until_said("*** Runit started");
    orphans(&it, 1);
    it.until(|it| zombies(it) == 0);
    let before = kilobytes(&it);
    orphans(&it, 20);
    it.until(|it| zombies(it) == 0);
    let after = kilobytes(&it);
    assert!(after <= before + 64, "{before} kB before, {after} kB after");
    assert_eq!(it.stop().code, 0);
}

#[test]
fn pid_1_is_small() {
    if Need::Shipped.is_missing() || Need::Namespaces.is_missing() {
        return;
    }
    let it = Container::new().boot();
    it.until_said("*** Runit started");
    let all = it.run(&["cat", "/proc/1/smaps_rollup"]).stdout;
    let own: u32 = all
        .lines()
        .filter_map(|line| line.strip_prefix("Anonymous:"))
        .map(|line| line.trim().trim_end_matches(" kB").parse::<u32>().unwrap())
        .sum();
    assert!((1..300).contains(&own), "{own} kB of its own");
}

#[test]
fn orphans_are_collected_during_every_stage() {
    let script = format!(
        "#!/bin/sh\nperl -e '{THOUSAND}'\n\
        while grep -q '^State:.Z' /proc/[0-9]*/status 2>/dev/null; do :; done\necho none left\n"
    );
    let it = Container::new()
        .executable("/etc/my_init.d/10", &script)
        .executable("/etc/my_init.pre_shutdown.d/10", &script)
        .executable("/etc/my_init.post_shutdown.d/10", &script)
        .executable("/main", &script)
        .command(&["/main"])
        .boot();
    let out = it.wait();
    assert_eq!((out.code, out.stdout), (0, "none left\n".repeat(4)));
}

#[test]
fn in_a_crowd_of_orphans_every_code_stays_its_owners() {
    let storm = "perl -e 'for (1..2000) { fork or exit($_ % 256) }'";
    let mut container = Container::new();
    for n in 10..16 {
        container = container.startup(&n.to_string(), &format!("{storm} & exit 0"));
    }
    let out = container.script(&format!("{storm}; exit 7")).boot().wait();
    assert_eq!(out.code, 7);
    assert_eq!(out.times_said("failed"), 0);
}

#[test]
fn the_end_of_a_process_is_told_to_whoever_waits_for_it() {
    let out = Container::new()
        .script(&format!(
            "perl -e '{THOUSAND}' & for code in 1 2 3 4 5; do sh -c \"exit $code\"; echo $?; done
            sh -c 'kill -9 $$'; echo $?; wait"
        ))
        .boot()
        .wait();
    assert_eq!(out.stdout, "1\n2\n3\n4\n5\n137\n");
}

/// Scripts of no shell, which would repair what it finds.
const SIGNALS: &str = "#!/usr/bin/cat /proc/self/status\n";
const DESCRIPTORS: &str = "#!/usr/bin/ls /proc/self/fd\n";

/// Each kind of child, as both scripts.
fn everywhere(container: Container) -> Container {
    let with = |container: Container, place: &str| {
        container
            .executable(format!("/etc/{place}/10"), SIGNALS)
            .executable(format!("/etc/{place}/20"), DESCRIPTORS)
    };
    let container = with(container, "my_init.d");
    let container = with(container, "my_init.pre_shutdown.d");
    let container = with(container, "my_init.post_shutdown.d");
    container.executable("/etc/rc.local", SIGNALS).executable("/main", SIGNALS).command(&["/main"])
}

/// The C library keeps 32 and 33 to itself: nobody can set them, so they are as the test was born.
const RESERVED: u64 = 3 << 31;

fn masks<const N: usize>(stdout: &str) -> [u64; N] {
    let lines = stdout.lines().filter_map(|line| {
        line.strip_prefix("SigBlk:\t").or_else(|| line.strip_prefix("SigIgn:\t"))
    });
    let masks = lines.map(|mask| u64::from_str_radix(mask, 16).unwrap() & !RESERVED);
    masks.collect::<Vec<_>>().try_into().expect("that many masks")
}

#[track_caller]
fn assert_all_default(stdout: &str) {
    assert_eq!(masks(stdout), [0; 10], "{stdout}");
    let lists: Vec<&str> = stdout.split("/proc/self/fd:\n").skip(1).collect();
    assert_eq!(lists.len(), 3);
    for list in lists {
        let open: Vec<&str> = list.lines().take_while(|line| line.parse::<u32>().is_ok()).collect();
        // The fourth is the directory that ls reads.
        assert_eq!(open, ["0", "1", "2", "3"]);
    }
}

#[test]
fn every_child_starts_with_default_signals_and_three_descriptors() {
    assert_all_default(&everywhere(Container::new()).boot().wait().stdout);
}

#[test]
fn what_we_were_born_with_is_not_handed_on() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let container = everywhere(Container::new())
        .setup("trap '' HUP INT QUIT USR1 PIPE XFSZ ALRM CHLD")
        .setup("exec 5</dev/null 7</etc/passwd 8>/dev/null 9<>/dev/null");
    let it = container.boot();
    let out = it.wait();
    assert_eq!(out.code, 0);
    assert_all_default(&out.stdout);
}

#[test]
fn a_nested_command_starts_like_any_other() {
    let it = Container::new().executable("/main", SIGNALS).boot();
    it.until_said("*** Runit started");
    let out = it.run(&["my_init", "--", "/main"]);
    // What whoever calls it ignores on purpose, as nohup does, stays ignored.
    assert_eq!(masks(&out.stdout).map(|mask| mask & !world::ignored_here()), [0, 0]);
}

#[test]
fn a_child_has_the_limits_the_container_was_given() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let out = Container::new()
        .setup("ulimit -Sn 300; ulimit -Hn 500; ulimit -Sc 0")
        .startup("10", "ulimit -Sn; ulimit -Hn")
        .script("ulimit -Sn; ulimit -Hn; ulimit -Sc")
        .boot()
        .wait();
    assert_eq!(out.stdout, "300\n500\n300\n500\n0\n");
}

#[test]
fn with_hardly_any_descriptors_it_boots_or_says_why_not() {
    if Need::Namespaces.is_missing() {
        return;
    }
    for limit in [20, 10, 9, 8, 7, 6, 5, 4, 3] {
        let container = Container::new().setup(&format!("ulimit -n {limit}"));
        let out = container.command(&["/usr/bin/echo", "fine"]).boot().wait();
        let works = (out.code, out.stdout.as_str()) == (0, "fine\n");
        let says_why = out.code != 0 && out.stderr.lines().any(|line| line.contains("cannot "));
        assert!(works || says_why, "{limit}: {} {}", out.code, out.stderr);
        assert!(works || limit < 10, "{limit}: {}", out.stderr);
    }
}

/// A container whose user may have two processes, and another that has one of them. The kernel
/// counts a user's processes everywhere, so each test has a user of its own.
fn crowded(user: u32) -> (Live, Container) {
    let neighbour = Container::new().user(user, user).boot();
    neighbour.until_said("*** Runit started");
    (neighbour, Container::new().user(user, user).setup("prlimit --pid $$ --nproc=2"))
}

#[test]
fn where_no_process_can_be_made_it_says_so_and_tries_again() {
    if Need::Namespaces.is_missing() {
        return;
    }
    if Need::Users.is_missing() {
        return;
    }
    let (neighbour, container) = crowded(23_456);
    let it = container.script("echo fine; exit 7").boot();
    it.until_said("*** cannot start sh");
    assert!(!it.is_over());
    assert_eq!(neighbour.stop().code, 0);
    let out = it.wait();
    assert_eq!((out.code, out.stdout.as_str()), (7, "fine\n"));
    assert_eq!(out.times_said("cannot start sh"), 1);
}

#[test]
fn where_no_process_can_be_made_a_stop_still_ends() {
    if Need::Namespaces.is_missing() {
        return;
    }
    if Need::Users.is_missing() {
        return;
    }
    let (_neighbour, container) = crowded(23_457);
    let it = container
        .executable("/etc/my_init.pre_shutdown.d/10", "#!/bin/sh\ntrue\n")
        .script("echo fine")
        .boot();
    it.until_said("*** cannot start sh");
    let out = it.stop();
    assert_eq!((out.code, out.stdout.as_str()), (143, ""));
    assert_eq!(out.times_said("cannot start /etc/my_init.pre_shutdown.d/10"), 1);
}
