//! Many services: they come up, hold up nobody, and go down as quickly as the slowest of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use world::{Container, Live, Need, Output, Subject};

/// A stop that waits for nobody.
const AT_ONCE: Duration = Duration::from_secs(3);
/// A service that stays.
const STAYS: &str = "exec sleep 1000";
/// Deaf to TERM.
const DEAF: &str = "trap '' TERM; touch ready; exec sleep 1000";
/// A program that keeps whoever opens the file waiting for it, as a hung file system would: a lease
/// makes the kernel ask its holder first, for 45 s (fcntl(2)).
const LEASE: &str = "$SIG{IO} = 'IGNORE'; open my $file, '+<', $ARGV[0] or die;
    fcntl($file, 1024, 1) or die \"no lease: $!\"; print \"held\\n\"; $| = 1; print ''; sleep 1000";

fn many(mut container: Container, count: usize, run: &str) -> (Container, Vec<String>) {
    let names: Vec<String> = (0..count).map(|n| format!("s{n:03}")).collect();
    for name in &names {
        container = container.service(name, run);
    }
    (container, names)
}

fn ours() -> Container {
    Subject::Ours.container()
}

fn are_there(it: &Live, names: &[String], file: &str) -> bool {
    names.iter().all(|name| it.exists(&format!("/etc/service/{name}/{file}")))
}

/// Ask for the stop and wait for its end, without Docker's own ten seconds.
#[track_caller]
fn stopped(it: &Live) -> Output {
    let begun = Instant::now();
    it.signal("TERM");
    let out = it.wait();
    Output { took: begun.elapsed(), ..out }
}

#[test]
fn five_hundred_services_come_up_answer_and_go_down() {
    let run = "sleep 1000 & trap 'echo off >off; exit' TERM; echo on >>on; wait $!";
    let (container, names) = many(ours(), 500, run);
    let it = container.boot();
    it.until(|it| are_there(it, &names, "on") && are_there(it, &names, "supervise/status"));
    it.until(|it| it.sv(&format!("status {}", names.join(" "))).matches("run: s").count() == 500);
    it.sv(&format!("term {}", names.join(" ")));
    let starts = |it: &Live, name| it.read(&format!("/etc/service/{name}/on")).lines().count();
    it.until(|it| names.iter().all(|name| starts(it, name) == 2));
    it.sh("rm /etc/service/*/off");
    let out = stopped(&it);
    assert_eq!((out.code, out.times_said("Forcing")), (0, 0));
    assert!(out.took < Duration::from_secs(15), "{:?}", out.took);
    assert!(are_there(&it, &names, "off"));
    assert!(names.iter().all(|name| starts(&it, name) == 2));
    assert!(!out.stderr.contains("cannot") && !out.stderr.contains("left"), "{}", out.stderr);
}

#[test]
fn more_services_than_descriptors_run_all_the_same_and_a_line_names_each() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let (container, names) = many(ours(), 60, "echo on >on; exec sleep 1000");
    let it = container.setup("ulimit -n 100").boot();
    it.until(|it| are_there(it, &names, "on"));
    it.until_said("*** Runit started");
    assert!(it.stderr().contains("; it runs, but sv cannot control it"), "{}", it.stderr());
    let without = it.stderr().matches("no descriptor is left").count();
    assert!((10..50).contains(&without), "{}", it.stderr());
    let has_control = |name: &&String| !it.stderr().contains(&format!("{name}: "));
    let lucky = names.iter().find(has_control).unwrap();
    it.until_is("run", lucky);
    it.sv(&format!("down {lucky}"));
    it.until_is("down", lucky);
    let out = stopped(&it);
    assert_eq!(out.code, 0);
    assert!(out.took < AT_ONCE, "{:?}", out.took);
}

#[test]
fn a_stop_of_services_that_listen_takes_no_time() {
    let run = "sleep 1000 & trap 'date +%s%N >off; exit' TERM; touch ready; wait $!";
    let rest = (0..10).map(|_| {
        let (container, names) = many(ours(), 20, run);
        let it = container.boot();
        it.until_said("*** Runit started");
        it.until(|it| are_there(it, &names, "ready"));
        let out = it.stop();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert_eq!(out.code, 0);
        assert!(out.took < AT_ONCE, "{:?}", out.took);
        let off = |name| it.read(&format!("/etc/service/{name}/off")).trim().parse().unwrap();
        now.saturating_sub(Duration::from_nanos(names.iter().map(off).max().unwrap()))
    });
    // From the end of the last one, its shell's included: the least, as the machine may be busy.
    let least = rest.min().unwrap();
    assert!(least < Duration::from_millis(20), "{least:?}");
}

#[test]
fn services_deaf_to_term_cost_their_patience_once_not_once_each() {
    let (container, names) = many(ours().env("KILL_PROCESS_TIMEOUT", "2"), 10, DEAF);
    let it = container
        .service("web", "sleep 1000 & trap 'echo off >off; exit' TERM; touch ready; wait $!")
        .executable("/etc/my_init.post_shutdown.d/10", "#!/bin/sh\ntouch /post\n")
        .boot();
    it.until_said("*** Runit started");
    it.until(|it| are_there(it, &names, "ready") && it.exists("/etc/service/web/ready"));
    it.signal("TERM");
    it.until_there("/etc/service/web/off");
    assert!(!it.is_over() && !it.exists("/post"), "the others did not wait for the deaf ones");
    let out = it.wait();
    assert_eq!((out.code, out.times_said("did not shut down in time")), (0, 10));
    assert!(out.took < Duration::from_secs(8), "{:?}", out.took);
    assert!(it.exists("/post"));
}

#[test]
fn a_second_signal_ends_the_patience_with_services() {
    let (container, names) = many(ours(), 3, DEAF);
    let it = container.boot();
    it.until_said("*** Runit started");
    it.until(|it| are_there(it, &names, "ready"));
    it.signal("TERM");
    it.until_said("*** Shutting down runit daemon");
    it.signal("TERM");
    let out = it.wait();
    assert_eq!(out.code, 0);
    assert!(out.took < AT_ONCE, "{:?}", out.took);
}

#[test]
fn a_paused_service_and_one_that_hangs_in_finish_end_as_well() {
    let it = ours()
        .env("KILL_PROCESS_TIMEOUT", "1")
        .service("paused", STAYS)
        .service("slow", "touch ready; exec sleep 1000")
        .executable("/etc/service/slow/finish", "#!/bin/sh\ntouch finishing; exec sleep 1000\n")
        .boot();
    it.until_is("run", "paused");
    it.until_there("/etc/service/slow/ready");
    it.sv("pause paused");
    it.until(|it| it.sv("status paused").contains(", paused"));
    let out = stopped(&it);
    assert_eq!(out.code, 0);
    assert!(out.took < Duration::from_secs(8), "{:?}", out.took);
    assert!(it.exists("/etc/service/slow/finishing"));
    assert_eq!(out.times_said("paused (PID"), 0);
}

#[test]
fn a_program_on_a_file_system_that_hangs_holds_up_nobody() {
    if Need::Namespaces.is_missing() {
        return;
    }
    for hung in ["run", "finish", "log/run", "control/u"] {
        println!("{hung} hangs");
        // A `finish` is not told to end; it is patience that ends it.
        let it = ours().env("KILL_PROCESS_TIMEOUT", "1");
        let mut it = it.service("hung", "exit 1").service("web", STAYS);
        for file in ["finish", "log/run", "control/u"] {
            let lines = "#!/bin/sh\nexec cat\n";
            it = it.executable(format!("/etc/service/hung/{file}"), lines);
        }
        let hold =
            format!("perl -e '{}' /etc/service/hung/{hung} >/held &", LEASE.replace('\'', "\""));
        let it = it.startup("10", &format!("{hold} until [ -s /held ]; do :; done")).boot();
        let begun = Instant::now();
        it.until_is("run", "web");
        for _ in 0..5 {
            it.sv("term web");
            it.until_is("run", "web");
        }
        let out = it.stop();
        assert_eq!(out.code, 0, "{hung}");
        // The kernel breaks the lease after 45 s: nobody has waited for that.
        assert!(begun.elapsed() < Duration::from_secs(20), "{hung}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_fifo_in_place_of_a_script_holds_up_nobody() {
    for fifo in ["run", "finish", "control/u", "down", "log/run", "supervise/lock"] {
        println!("{fifo} is a FIFO");
        let mut it = ours().service("web", STAYS);
        if fifo != "run" {
            it = it.service("odd", "exit 1");
        }
        let it = it.fifo(&format!("/etc/service/odd/{fifo}"));
        let it = it.chmod(format!("/etc/service/odd/{fifo}"), 0o755).boot();
        it.until_is("run", "web");
        it.sv("down web");
        it.until_is("down", "web");
        let out = it.stop();
        assert_eq!(out.code, 0, "{fifo}");
        assert!(out.took < AT_ONCE, "{fifo}: {:?}", out.took);
    }
}
