//! Real daemons from the distribution's packages, as services in Docker: memcached, nginx, redis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::time::Duration;
use world::{Container, Live, Stop};

/// Docker itself takes most of a second for a stop on a small machine, and kills after ten.
const AT_ONCE: Duration = Duration::from_secs(5);
/// The services; what each is asked, on which port, and how it answers.
const DAEMONS: [(&str, &str, &str); 3] = [
    ("memcached", "11211 version quit", "VERSION "),
    ("nginx", "80 'GET /'", "hello from nginx\n"),
    ("redis", "6379 PING QUIT", "+PONG\r\n"),
];

/// All three, up and available. `None` where there is no Docker, or where no package can be had.
fn up() -> Option<Live> {
    let it = Container::example("daemons", &[])?.boot();
    it.until_said("*** Runit started");
    assert_available(&it);
    Some(it)
}

fn ask(it: &Live, question: &str) -> String {
    it.run(&["sh", "-c", &format!("ask {question}")]).stdout
}

/// `sv start` waits for the service and for its `check`.
#[track_caller]
fn assert_available(it: &Live) {
    for (name, question, answer) in DAEMONS {
        let out = it.sv_output(&format!("-w 30 start {name}"));
        assert_eq!(out.code, 0, "{}", out.stdout);
        assert!(out.stdout.starts_with(&format!("ok: run: {name}: (pid ")), "{}", out.stdout);
        assert!(ask(it, question).starts_with(answer), "{name}: {}", ask(it, question));
    }
}

#[test]
fn daemons_answer_as_their_own_users_and_their_logs_can_be_read() {
    let Some(it) = up() else { return };
    for (name, user) in [("memcached", "memcache"), ("redis", "redis"), ("nginx", "root")] {
        let owner = it.sh(&format!("stat -c %U /proc/{}", it.service_pid(name)));
        assert_eq!(owner.trim(), user, "{name}");
        let status = format!("grep '^PPid:' /proc/{}/status", it.service_pid(name));
        assert_eq!(it.sh(&status), "PPid:\t1\n", "{name}");
    }
    it.until(|it| it.sh("cat /var/log/redis.log").contains("Ready to accept connections"));
    it.until(|it| it.sh("cat /var/log/nginx/access.log").contains("GET /"));
    assert!(it.sv("status redis").contains("; run: log: (pid "), "{}", it.sv("status redis"));
    it.sh("test -f /var/log/memcached.log");
}

#[test]
fn daemons_that_are_killed_come_back_and_restart_and_stop_when_told() {
    let Some(it) = up() else { return };
    for (name, question, _) in DAEMONS {
        let pid = it.service_pid(name);
        // And its children, which are all of its process group: those of nginx would keep the port.
        it.sh(&format!("kill -KILL -{pid}"));
        it.until(|it| {
            let status = it.sv(&format!("status {name}"));
            status.starts_with("run: ") && !status.contains(&format!("(pid {pid})"))
        });
        assert_available(&it);
        it.until_settled(name);
        let pid = it.service_pid(name);
        assert_eq!(it.sv_output(&format!("-w 30 restart {name}")).code, 0);
        assert_ne!(it.service_pid(name), pid);
        assert_available(&it);
        let out = it.sv_output(&format!("-w 30 stop {name}"));
        assert!(out.stdout.starts_with(&format!("ok: down: {name}: ")), "{}", out.stdout);
        assert_eq!(ask(&it, question), "", "{name}");
        assert_available(&it);
    }
}

#[test]
fn daemons_end_in_order_at_docker_stop_and_come_back_at_docker_start() {
    let Some(it) = up() else { return };
    assert_eq!(ask(&it, "6379 'SET kept value' QUIT"), "+OK\r\n+OK\r\n");
    let out = it.stop();
    assert_eq!((out.code, out.times_said("Forcing")), (0, 0));
    assert!(out.took < AT_ONCE, "{:?}", out.took);
    let log = it.read("/var/log/redis.log");
    assert!(log.trim_end().ends_with("bye bye..."), "{log}");
    let it = it.again(Stop::Asked);
    it.until_said("*** Runit started");
    assert_available(&it);
    // It was asked to end and had the time to save.
    assert_eq!(ask(&it, "6379 'GET kept' QUIT"), "$5\r\nvalue\r\n+OK\r\n");
    let it = it.again(Stop::Killed);
    it.until_said("*** Runit started");
    assert_available(&it);
}
