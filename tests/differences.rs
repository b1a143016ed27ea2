//! What docs/compatibility.md says of Debian's runit, asked of Debian's runit: a row that is not
//! true any more is no difference. What it says of ours has its tests in the row.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::time::{Duration, Instant};
use world::{Live, Row, Subject, normal};

/// A service that stays.
const STAYS: &str = "exec sleep 1000";

/// With `web`, whose `run` is this.
fn with_web(row: Row, run: &str) -> Live {
    let it = Subject::runit(row).service("web", run).boot();
    it.until_there("/etc/service/web/supervise/status");
    it
}

/// How long `sv` takes for these words at least: others may want the processor too.
fn least_time(it: &Live, words: [&str; 2]) -> Duration {
    let timed = |words| {
        let begun = Instant::now();
        it.sv_output(words);
        begun.elapsed()
    };
    (0..3).map(|_| words.map(timed)[1]).min().unwrap()
}

#[test]
fn runsvdir_looks_now_and_then() {
    let it = Subject::runit(Row("noticed-at-once")).service("first", STAYS).boot();
    let add = |name: &str| {
        let begun = Instant::now();
        it.sh(&format!("cp -r /etc/service/first/run /{name}.run; mkdir /{name}"));
        it.sh(&format!("mv /{name}.run /{name}/run; mv /{name} /etc/service/{name}"));
        it.until_is("run", name);
        begun.elapsed()
    };
    // The first is found when it looks, and so the second when it looks again.
    add("second");
    let waited = add("third");
    assert!(waited > Duration::from_millis(500), "{waited:?}");
}

#[test]
fn runsvdir_starts_a_new_definition_while_the_old_one_ends() {
    let it = with_web(Row("replaced"), "trap '' TERM; echo $$ >/old; while :; do sleep 1; done");
    it.until_there("/old");
    it.sh("mkdir /new; printf '#!/bin/sh\ntouch /new-runs; exec sleep 1000\n' >/new/run");
    it.sh("chmod +x /new/run; mv /etc/service/web /gone; mv /new /etc/service/web");
    it.until_there("/new-runs");
    it.sh("kill -0 $(cat /old)");
}

#[test]
fn runsv_says_nothing_of_a_run_that_ends_at_once() {
    let it = with_web(Row("daemonizes"), "echo on >>/starts");
    it.until(|it| it.exists("/starts") && it.read("/starts").lines().count() == 4);
    assert_eq!(it.stderr(), "");
}

#[test]
fn runsv_rests_whoever_asks() {
    let it = with_web(Row("up-ends-the-rest"), "date +%s%3N >>/starts; exit 1");
    let starts = || it.read("/starts").lines().map(|at| at.parse().unwrap()).collect::<Vec<u64>>();
    it.until_there("/starts");
    it.until(|it| {
        it.sv("up web");
        it.read("/starts").lines().count() >= 3
    });
    assert!(starts().windows(2).all(|two| two[1] - two[0] >= 900), "{:?}", starts());
}

#[test]
fn a_script_of_control_that_hangs_holds_up_runsv() {
    let it = Subject::runit(Row("control-waits")).service("web", STAYS).fifo("/gate");
    let it = it.executable("/etc/service/web/control/h", "#!/bin/sh\nread go </gate\n").boot();
    it.until_is("run", "web");
    it.sv("hup web");
    let out = it.sv_output("-w 2 force-stop web");
    assert_eq!((out.code, normal(&out.stdout).as_str()), (1, "kill: run: web: (pid N) Ns"));
}

#[test]
fn ok_and_control_are_two_fifos() {
    let it = with_web(Row("one-fifo"), STAYS);
    let numbers = it.sh("cd /etc/service/web/supervise; stat --format %i ok control");
    let numbers: Vec<&str> = numbers.lines().collect();
    assert!(numbers.len() == 2 && numbers[0] != numbers[1], "{numbers:?}");
}

#[test]
fn what_is_deleted_of_supervise_stays_so() {
    let it = with_web(Row("healed"), STAYS);
    it.until_is("run", "web");
    it.sh("rm /etc/service/web/supervise/ok; cp -r /etc/service/web /new; rm -r /new/supervise");
    it.sh("mv /new /etc/service/new");
    // It has looked at all of them.
    it.until_is("run", "new");
    it.until_settled("new");
    assert!(!it.exists("/etc/service/web/supervise/ok"));
}

#[test]
fn runsv_follows_links_that_were_planted() {
    let it = Subject::runit(Row("planted"))
        .service("web", STAYS)
        .file("/somebodys", "own")
        .symlink("/somebodys", "/etc/service/web/supervise/status.new")
        .boot();
    it.until(|it| it.read_bytes("/somebodys") != *b"own");
}

#[test]
fn sv_looks_every_420_milliseconds() {
    // It is not down yet when it looks for the first time.
    let it = Subject::runit(Row("sv-at-once"))
        .service("web", STAYS)
        .executable("/etc/service/web/finish", "#!/bin/sh\nexec sleep 0.2\n")
        .boot();
    it.until_is("run", "web");
    let least = least_time(&it, ["start web", "stop web"]);
    assert!(least > Duration::from_millis(300), "{least:?}");
}

#[test]
fn sv_does_not_wait_for_ok() {
    let it = Subject::runit(Row("sv-waits-for-ok"))
        .executable("/etc/service/.db/run", "#!/bin/sh\nexec sleep 1000\n")
        .boot();
    let least = least_time(&it, ["status ./.db", "start /etc/service/.db"]);
    assert!(least < Duration::from_millis(900), "{least:?}");
}

#[test]
fn sv_takes_a_run_of_the_same_second_for_the_new_one() {
    let it = with_web(Row("sv-restart"), "trap '' TERM; exec sleep 1000");
    let process = |it: &Live| it.sv("status web").split(')').next().unwrap().to_string();
    // It cannot be restarted at all.
    it.until(|it| {
        let killed = process(it);
        it.sv("kill web");
        it.until(|it| process(it).starts_with("run: ") && process(it) != killed);
        let out = it.sv_output("-w 1 restart web");
        out.code == 0 && out.stdout.contains(&process(it))
    });
}

#[test]
fn sv_runs_out_of_time_for_a_service_that_dies_at_once() {
    let it = with_web(Row("sv-start-dies"), "exit 1");
    it.until(|it| {
        let out = it.sv_output("-w 1 start web");
        out.code == 1 && out.stdout.starts_with("timeout: ")
    });
}

#[test]
fn sv_check_is_content_with_a_finish_that_runs() {
    let it = Subject::runit(Row("sv-check")).service("web", "exit 1").fifo("/gate");
    let it = it.executable("/etc/service/web/finish", "#!/bin/sh\nread go </gate\n").boot();
    it.until_is("finish", "web");
    let out = it.sv_output("check web");
    assert_eq!((out.code, normal(&out.stdout).as_str()), (0, "ok: finish: web: (pid N) Ns"));
}

#[test]
fn sv_asks_a_check_again_after_420_milliseconds() {
    let check = "#!/bin/sh\necho asked >>/asked; exit 1\n";
    let it = Subject::runit(Row("sv-check-soon"))
        .service("web", STAYS)
        .executable("/etc/service/web/check", check)
        .boot();
    it.until_is("run", "web");
    assert_eq!(it.sv_output("-w 1 check web").code, 1);
    let asked = it.read("/asked").lines().count();
    assert!((1..=5).contains(&asked), "{asked}");
}

#[test]
fn sv_waits_for_a_service_that_switches_itself_off() {
    let it = with_web(Row("sv-overruled"), "sv down web; exec sleep 1000");
    it.until_is("down", "web");
    let out = it.sv_output("-w 2 start web");
    assert_eq!(out.code, 1, "{}", out.stdout);
    assert!(out.stdout.starts_with("timeout: "), "{}", out.stdout);
}

#[test]
fn sv_shows_a_logger_that_cannot_be_asked_as_its_service() {
    let it = Subject::runit(Row("sv-logger"))
        .service("web", STAYS)
        .service("web/log", "exec cat")
        .boot();
    it.until_is("run", "web");
    it.until_is("run", "web/log");
    it.sh("mv /etc/service/web/log/supervise /gone");
    let status = it.sv("status web");
    let pid = format!("(pid {})", it.service_pid("web"));
    assert_eq!(status.matches(&pid).count(), 2, "{status}");
}

#[test]
fn sv_shows_a_broken_status_as_it_comes() {
    let it = with_web(Row("sv-garbage"), STAYS);
    it.until_is("run", "web");
    it.sh("printf '%20s' >/etc/service/web/supervise/status");
    let out = it.sv_output("status web");
    assert!(out.code == 0 && out.stdout.starts_with("web: (pid "), "{}", out.stdout);
}

#[test]
fn sv_prints_names_as_they_are() {
    let it = with_web(Row("sv-names"), STAYS);
    let out = it.run(&["sv", "status", "we\nb"]);
    assert!(out.stdout.contains("we\nb: "), "{}", out.stdout);
}

#[test]
fn sv_under_any_other_name_is_an_init_script() {
    let it = with_web(Row("sv-lsb"), STAYS);
    it.until_is("run", "web");
    it.sh("ln -s /usr/bin/sv /usr/local/bin/web");
    assert_eq!(normal(&it.sh("web status")), "run: web: (pid N) Ns");
}
