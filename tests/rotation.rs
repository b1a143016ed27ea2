//! Log rotation in the image as it ships: real rotations of real files, while somebody logs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use world::{Container, Live};

const FORCED: &str = "logrotate --force /etc/logrotate.d/syslog-ng";
/// A client that logs so many numbered lines.
const CLIENT: &str = "use Socket; socket(S, AF_UNIX, SOCK_DGRAM, 0);
    connect(S, sockaddr_un('/dev/log')) or die;
    for (1..$ARGV[0]) { send(S, \"<13>load: line $_ end\", 0) or die $!; }";

fn served() -> Option<Live> {
    let it = Container::shipped(&[])?.boot();
    it.until_said("*** Runit started");
    Some(it)
}

/// How many lines of the client are found so often in the files of this name, as `uniq` counts.
fn found(it: &Live, file: &str) -> String {
    it.sh(&format!(
        "cd /var/log; (zcat {file}.*.gz; cat {file}.1 {file}) | grep -o ': line [0-9]* end$' |
        sort | uniq -c | awk '{{ times[$1]++ }}
            END {{ for (n in times) print n \" x \" times[n] }}'"
    ))
}

/// What the file has so far; nothing where there is none yet.
fn text(it: &Live, file: &str) -> String {
    it.run(&["cat", file]).stdout
}

#[test]
fn nothing_is_lost_or_doubled_while_files_are_rotated_under_load() {
    let Some(it) = served() else { return };
    let client = it.begin(&["perl", "-e", CLIENT, "60000"]);
    it.until(|it| text(it, "/var/log/syslog").contains(" load["));
    for _ in 0..2 {
        let out = it.run(&["sh", "-c", FORCED]);
        assert_eq!((out.code, out.stderr.as_str()), (0, ""));
    }
    assert_eq!(client.wait().code, 0);
    for file in ["syslog", "messages", "user.log"] {
        // The client may have been done before the last rotation was.
        it.until(|it| {
            it.sh(&format!("zcat --force /var/log/{file}* | grep --count 'line 60000 end' || true"))
                == "1\n"
        });
        it.sh(&format!("test -e /var/log/{file}.2.gz && test -e /var/log/{file}.1"));
        assert_eq!(found(&it, file), "1 x 60000\n", "{file}");
    }
}

#[test]
fn a_rotated_file_is_let_go_before_logrotate_returns_and_the_new_one_has_its_mode() {
    let Some(it) = served() else { return };
    for round in 1..=2 {
        it.sh(&format!("logger --priority auth.info round {round}; logger round {round}"));
        it.until(|it| text(it, "/var/log/auth.log").contains(&format!("]: round {round}\n")));
        let open = it.sh(&format!("{FORCED}; ls -l /proc/$(cat /run/syslog-ng.pid)/fd"));
        assert!(!open.contains(".1\n") && !open.contains("deleted"), "{open}");
        it.sh(&format!("logger --priority auth.info after {round}; logger after {round}"));
        it.until(|it| text(it, "/var/log/auth.log").contains(&format!("]: after {round}\n")));
    }
    let modes = it.sh("cd /var/log; stat -c '%a %U:%G' syslog* auth.log* | sort -u");
    assert_eq!(modes, "640 root:adm\n");
    it.sh("zcat /var/log/auth.log.2.gz | grep 'round 1'");
}

#[test]
fn it_works_where_a_group_may_write_to_var_log() {
    let Some(it) = served() else { return };
    it.sh("chown root:adm /var/log; chmod 0775 /var/log; logger before");
    it.until(|it| text(it, "/var/log/syslog").contains("]: before\n"));
    let out = it.run(&["sh", "-c", FORCED]);
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
    it.sh("grep before /var/log/syslog.1; logger behind");
    it.until(|it| text(it, "/var/log/syslog").contains("]: behind\n"));
}

#[test]
fn it_is_quiet_where_syslog_is_down() {
    let Some(it) = served() else { return };
    it.sh("logger before; sv stop syslog-ng");
    let out = it.run(&["sh", "-c", FORCED]);
    assert_eq!((out.code, out.stdout.as_str(), out.stderr.as_str()), (0, "", ""));
}

#[test]
fn the_daily_job_rotates_what_is_due_and_keeps_a_week_of_it() {
    let Some(it) = served() else { return };
    for day in 1..=9 {
        it.sh(&format!("logger day {day}"));
        it.until(|it| text(it, "/var/log/syslog").contains(&format!("]: day {day}\n")));
        it.sh("sed -i 's|\"/var/log/syslog\" .*|\"/var/log/syslog\" 2020-1-1-0:0:0|' \
             /var/lib/logrotate/status 2>/dev/null || true
             grep -q /var/log/syslog /var/lib/logrotate/status 2>/dev/null || printf \
             'logrotate state -- version 2\\n\"/var/log/syslog\" 2020-1-1-0:0:0\\n' \
             >/var/lib/logrotate/status
             /etc/cron.daily/logrotate");
    }
    it.sh("zcat /var/log/syslog.7.gz | grep 'day 3'; ! test -e /var/log/syslog.8.gz");
    assert!(!it.exists("/var/log/user.log.1"), "not due for a week");
}
