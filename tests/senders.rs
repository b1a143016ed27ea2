//! Who logs to /dev/log and means no good, and where the lines go that nobody reads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::time::Duration;
use world::{Container, Live};

/// Docker itself takes most of a second for a stop on a small machine, and kills after ten.
const AT_ONCE: Duration = Duration::from_secs(5);

fn served() -> Option<Live> {
    let it = Container::shipped(&[])?.boot();
    it.until_said("*** Runit started");
    Some(it)
}

/// Send datagrams as they are, as this user, and a last one that is waited for; its process.
#[track_caller]
fn send(it: &Live, user: u32, datagrams: &str) -> String {
    let script = format!(
        "use Socket; socket(S, AF_UNIX, SOCK_DGRAM, 0); connect(S, sockaddr_un('/dev/log')) or die;
        for ({datagrams}) {{ send(S, $_, 0); }} send(S, '<13>last: of ' . $<, 0); print $$"
    );
    let out = it.run_as((user, user), &["perl", "-e", &script]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    it.until_said(&format!("]: of {user}\n"));
    out.stdout
}

/// The line of the file that ends with this, without date and host.
#[track_caller]
fn line(it: &Live, file: &str, end: &str) -> String {
    let file = it.read(&format!("/var/log/{file}"));
    let line = file.lines().find(|line| line.ends_with(end));
    let line = line.unwrap_or_else(|| panic!("no line ends with {end:?}: {file}"));
    line.split_once(" container ").expect("the host").1.to_string()
}

/// What the file has so far; nothing where there is none yet.
fn text(it: &Live, file: &str) -> String {
    it.run(&["cat", file]).stdout
}

#[test]
fn a_line_looks_as_fail2ban_expects_it() {
    let Some(it) = served() else { return };
    let said = "Failed password for root from 192.0.2.1 port 22 ssh2";
    let pid = send(&it, 0, &format!("'<86>Nov  1 10:00:00 sshd[7]: {said}'"));
    it.sh(&format!(
        "grep -E '^[A-Z][a-z]{{2}} [ 0-9][0-9] [0-9:]{{8}} container sshd\\[{pid}\\]: \
         {said}$' /var/log/auth.log"
    ));
}

#[test]
fn the_number_of_a_process_is_the_kernels_and_so_is_the_user_of_a_login() {
    let Some(it) = served() else { return };
    let pid = send(&it, 1000, "'<38>sshd[1]: let in', '<30>cron[1]: job', '<0>kernel: oops'");
    assert_eq!(line(&it, "auth.log", "let in"), format!("sshd[{pid}]: [uid 1000] let in"));
    assert_eq!(line(&it, "daemon.log", "job"), format!("cron[{pid}]: job"));
    assert_eq!(line(&it, "user.log", "oops"), format!("kernel[{pid}]: [uid 1000] kernel: oops"));
    let pid = send(&it, 0, "'<38>sshd[1]: root let in'");
    assert_eq!(line(&it, "auth.log", "root let in"), format!("sshd[{pid}]: root let in"));
    // Nobody logs without a name, where a forged one would stand alone.
    let pid = send(&it, 1000, "'<30>: sshd[1]: nameless'");
    assert!(line(&it, "daemon.log", "nameless").contains(&format!("[{pid}]: ")));
}

#[test]
fn the_date_is_the_date_of_arrival() {
    let Some(it) = served() else { return };
    send(&it, 1000, "'<13>Jan  2 03:04:05 t: old', '<13>2999-01-01T00:00:00Z host t: new'");
    let today = it.sh("date '+%b %e'");
    for line in it.read("/var/log/user.log").lines() {
        assert!(line.starts_with(today.trim()), "{line}");
    }
}

#[test]
fn hostile_datagrams_are_one_clean_bounded_line_each() {
    let Some(it) = served() else { return };
    let datagrams = r#"'', "\0", "<13>lf: a\nNov  1 00:00:00 host sshd[1]: forged", "<13>cr: a\rb",
        "<13>esc: \e[2J\x07", "<-1>minus: a", "<99999999999>big: a", "no priority",
        "<0>kernel: a", "<13>latin: \xe9 \xff\xfe \xc2\x9b", "<13>long: " . "x" x 64000,
        "<13>longer: " . "y" x 190000, "<13>Jan  1 00:00:00 2999 year: a",
        "<165>1 2999-01-01T00:00:00Z h a - - [a b=\"" . "\\" x 5000 . "\"] a",
        "<13>tag\e[31m: a", "<13>nul: a\0b", "<13>" . "p" x 3000 . ": a""#;
    let pid = send(&it, 1000, datagrams);
    let files = it.sh("cat /var/log/syslog");
    let is_daemons = |line: &&str| [" cron[", " syslog-ng["].iter().any(|name| line.contains(name));
    let lines: Vec<&str> = files.lines().filter(|line| !is_daemons(line)).collect();
    // 3.38 says itself that it cannot read one of them, and leaves out another.
    assert!((15..=18).contains(&lines.len()), "{lines:#?}");
    for line in &lines {
        assert!(line.len() < 9000, "{} bytes: {line}", line.len());
        assert!(line.chars().all(|c| c == '\t' || !c.is_control()), "{line:?}");
        assert!(line.contains(&format!("[{pid}]: ")), "{line:?}");
    }
    assert!(files.contains("]: a\\nNov  1 00:00:00 host sshd[1]: forged\n"), "{files}");
    // In docker logs they are the same.
    assert_eq!(it.stderr().matches("forged\n").count(), 1);
    assert!(!it.stderr().contains('\u{1b}') && !it.stderr().contains('\r'));
    assert!(it.run(&["sh", "-c", "sv check syslog-ng"]).code == 0);
}

#[test]
fn an_ordinary_user_cannot_fill_the_disk_in_seconds_and_root_loses_nothing() {
    let Some(it) = served() else { return };
    // Many more than a thousand, in less than ten seconds: how long depends on the machine.
    let flood = "$t = time; for ($n = 0; $n < 200000 && time - $t < 5; ++$n) {
        send(S, '<13>flood: line', 0) }";
    let script = format!(
        "use Socket; socket(S, AF_UNIX, SOCK_DGRAM, 0); connect(S, sockaddr_un('/dev/log'));
        {flood}; print $n"
    );
    let sent: usize = it.run_as((1000, 1000), &["perl", "-e", &script]).stdout.parse().unwrap();
    it.until_said(
        "syslog-ng: uid 1000 logs more than 1000 lines a second, or 50 of over 1 KiB: lines",
    );
    let kept = "grep --count ' flood' /var/log/user.log";
    let kept: usize = it.sh(kept).trim().parse().unwrap();
    assert!(kept < 10_000 && kept < sent, "{kept} of {sent}");
    let said = it.sh("grep --count 'lines are lost' /var/log/syslog");
    assert!(said.trim().parse::<usize>().unwrap() < 10, "{said}");

    // Nor with long ones: what counts is what is on the disk.
    let script = script.replace("flood: line'", "long: ' . 'x' x 8000");
    let sent: usize = it.run_as((1001, 1001), &["perl", "-e", &script]).stdout.parse().unwrap();
    let kept: usize = it.sh("grep --count ' long' /var/log/user.log").trim().parse().unwrap();
    assert!(0 < kept && kept < 500 && kept < sent, "{kept} of {sent}");

    it.sh("perl -MSocket -e 'socket(S, AF_UNIX, SOCK_DGRAM, 0);
        connect(S, sockaddr_un(q(/dev/log))); send(S, qq(<13>root: line $_ end), 0) for 1..20000'");
    it.until(|it| it.sh("grep --count 'root.*: line' /var/log/syslog") == "20000\n");
}

#[test]
fn a_standard_error_that_nobody_reads_holds_nothing_up() {
    let Some(container) = Container::shipped(&[]) else { return };
    let it = container
        .argv(&["sh", "-c", "mkfifo /full; sleep 1000 3<>/full & exec my_init 2>/full"])
        .boot();
    it.until(|it| it.run(&["sv", "start", "syslog-ng"]).code == 0);
    it.sh("perl -MSocket -e 'socket(S, AF_UNIX, SOCK_DGRAM, 0);
        connect(S, sockaddr_un(q(/dev/log))); send(S, qq(<13>t: line $_ end), 0) for 1..5000'");
    it.until(|it| it.sh("grep --count ' t.*: line' /var/log/syslog") == "5000\n");
    let out = it.stop();
    assert_eq!(out.code, 0);
    assert!(out.took < AT_ONCE, "{:?}", out.took);
}

#[test]
fn a_standard_error_may_be_a_file_a_socket_or_closed() {
    let file = "touch /err; chmod 0604 /err; exec my_init 2>>/err";
    let closed = "exec my_init 2>&-";
    let socket = "exec perl -MSocket -e 'socketpair(A, B, AF_UNIX, SOCK_STREAM, 0);
        if (!fork) { close B; open F, q(>/err); F->autoflush(1); print F $_ while <A>; exit }
        open STDERR, q(>&), B; exec q(my_init)'";
    for (stderr, is_heard) in [(file, true), (closed, false), (socket, true)] {
        let Some(container) = Container::shipped(&[]) else { return };
        let it = container.argv(&["sh", "-c", stderr]).boot();
        it.until(|it| it.run(&["sv", "start", "syslog-ng"]).code == 0);
        it.sh("logger into the file");
        it.until(|it| text(it, "/var/log/syslog").contains("]: into the file\n"));
        if is_heard {
            it.until(|it| text(it, "/err").contains("]: into the file\n"));
        }
        // It is not ours to change.
        if stderr == file {
            assert_eq!(it.sh("stat -c %a /err"), "604\n");
        }
        assert!(it.stop().took < AT_ONCE, "{stderr}");
    }
}
