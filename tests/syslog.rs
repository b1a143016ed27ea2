//! Syslog in the image as it ships: what clients of /dev/log say, in files and in `docker logs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::time::Duration;
use world::{Container, Live, Stop};

/// Docker itself takes most of a second for a stop on a small machine, and kills after ten.
const AT_ONCE: Duration = Duration::from_secs(5);
/// Long before `sv start` would give up: it waits for seven seconds.
const SOON: Duration = Duration::from_secs(5);

fn served(options: &[&str]) -> Option<Live> {
    let it = Container::shipped(options)?.boot();
    it.until_said("*** Runit started");
    Some(it)
}

/// Log a line as `docker exec` does, and wait until it stands in `docker logs`.
#[track_caller]
fn assert_logs(it: &Live, line: &str) {
    assert_eq!(it.run(&["logger", "--tag", "test", line]).code, 0);
    it.until(|it| it.stderr().contains(&format!("]: {line}\n")));
}

/// What the file has so far; nothing where there is none yet.
fn text(it: &Live, file: &str) -> String {
    it.run(&["cat", file]).stdout
}

#[test]
fn a_service_logs_as_its_first_act_and_its_last_word_at_the_stop_is_heard() {
    let Some(container) = Container::shipped(&[]) else { return };
    let it = container
        .service(
            "web",
            "logger --tag web first words
            trap 'logger --tag web last words; exit' TERM; sleep 1000 & wait $!",
        )
        .executable(
            "/etc/my_init.post_shutdown.d/99",
            "#!/bin/sh\nlogger --tag late the very end\n",
        )
        .boot();
    it.until_said("]: first words\n");
    let out = it.stop();
    assert_eq!((out.code, out.stdout.as_str()), (0, ""));
    assert!(out.took < AT_ONCE, "{:?}", out.took);
    for (times, line) in [(1, "]: first words"), (1, "]: last words"), (1, "]: the very end")] {
        assert_eq!(out.times_said(line), times, "{line}");
    }
    let log = it.read("/var/log/syslog");
    assert!(log.contains("]: first words\n") && log.contains("]: the very end\n"), "{log}");
}

#[test]
fn each_facility_has_its_file_and_every_line_is_in_docker_logs() {
    let Some(it) = served(&[]) else { return };
    let lines = [
        ("auth.warning", "auth.log"),
        ("authpriv.info", "auth.log"),
        ("mail.err", "mail.log error"),
        ("daemon.info", "daemon.log syslog"),
        ("user.notice", "user.log syslog messages"),
        ("cron.err", "cron.log syslog error"),
        ("local3.crit", "syslog error"),
        ("local3.info", "syslog messages"),
        ("local3.debug", "debug"),
    ];
    for (priority, _) in lines {
        it.sh(&format!("logger --priority {priority} --tag test about {priority}"));
    }
    for (priority, files) in lines {
        it.until_said(&format!("]: about {priority}\n"));
        let found = format!("cd /var/log; grep --files-with-matches 'about {priority}$' *");
        let mut wanted: Vec<&str> = files.split(' ').collect();
        wanted.sort_unstable();
        it.until(|it| {
            let out = it.run(&["sh", "-c", &found]);
            out.stdout.split_whitespace().eq(wanted.iter().copied())
        });
    }
    let modes = it.sh("stat -c '%a %U:%G' /var/log/*.log /var/log/syslog /var/log/messages \
         /var/log/debug /var/log/error | grep -v 'root:root' | sort -u");
    assert_eq!(modes, "640 root:adm\n");
    assert_eq!(it.sh("stat -c '%a %F' /dev/log"), "666 socket\n");
    let network = it.sh("cat /proc/net/tcp /proc/net/udp | wc -l; grep -c /dev/log /proc/net/unix");
    assert_eq!(network, "2\n1\n");
    assert_eq!(it.stdout(), "");
}

#[test]
fn a_quiet_boot_says_nothing_and_a_pipe_gets_what_the_command_wrote() {
    let Some(container) = Container::shipped(&[]) else { return };
    let it = container
        .options(&["--quiet"])
        .command(&["sh", "-c", "echo hello; [ -S /dev/log ] && exit 3"])
        .boot();
    let out = it.wait();
    assert_eq!((out.code, out.stdout.as_str(), out.stderr.as_str()), (3, "hello\n", ""));
}

#[test]
fn on_a_terminal_the_lines_are_shown_as_well() {
    let Some(container) = Container::shipped(&[]) else { return };
    let it = container.terminal().boot();
    it.until(|it| it.screen().contains("Runit started"));
    it.run(&["logger", "--tag", "test", "on the screen"]);
    it.until(|it| it.screen().contains("]: on the screen"));
}

#[test]
fn the_container_boots_without_a_working_configuration_and_one_line_says_so() {
    let Some(container) = Container::shipped(&[]) else { return };
    let it =
        container.file("/etc/syslog-ng/conf.d/mine.conf", "\noptions { nonsense(1); };\n").boot();
    it.until_said("*** Runit started");
    let said = it.stderr();
    let about: Vec<&str> = said.lines().filter(|line| line.contains("syslog-ng: ")).collect();
    assert_eq!(about.len(), 1, "{about:?}");
    assert!(about[0].contains("/etc/syslog-ng/conf.d/mine.conf:2:11"), "{about:?}");
    assert!(it.sv("status syslog-ng").starts_with("down: "));
    it.sh("rm /etc/syslog-ng/conf.d/mine.conf; sv start syslog-ng");
    assert_logs(&it, "mended");
}

#[test]
fn a_configuration_that_does_not_parse_costs_the_boot_no_seconds() {
    let Some(container) = Container::shipped(&[]) else { return };
    let it = container
        .file("/etc/syslog-ng/conf.d/mine.conf", "nonsense\n")
        .startup("09", "date +%s >/before")
        .startup("11", "date +%s >/after")
        .boot();
    it.until_said("*** Runit started");
    let [before, after] =
        ["/before", "/after"].map(|file| it.read(file).trim().parse::<u64>().unwrap());
    assert!(after - before < SOON.as_secs(), "{before} {after}");
}

#[test]
fn a_drop_in_uses_the_source_and_the_filters_of_the_image() {
    let Some(container) = Container::shipped(&[]) else { return };
    let it = container
        .file(
            "/etc/syslog-ng/conf.d/mine.conf",
            "destination d_mine { file(\"/var/log/mine\"); };
            log { source(s_src); filter(f_mail); destination(d_mine); };\n",
        )
        .boot();
    it.until_said("*** Runit started");
    it.sh("logger --priority mail.info for me; logger not for me");
    it.until(|it| text(it, "/var/log/mine").contains(": for me\n"));
    it.until_said("]: not for me\n");
    assert_eq!(it.read("/var/log/mine").lines().count(), 1);
}

#[test]
fn a_daemon_that_is_killed_comes_back_over_its_stale_socket() {
    let Some(it) = served(&[]) else { return };
    let pid = it.service_pid("syslog-ng");
    it.sh(&format!("kill -KILL {pid}"));
    it.until(|it| it.sv_output("check syslog-ng").code == 0 && it.service_pid("syslog-ng") != pid);
    assert_logs(&it, "back again");
    assert_eq!(it.sh("cat /run/syslog-ng.pid").trim(), it.service_pid("syslog-ng").to_string());
}

#[test]
fn a_container_that_was_killed_has_syslog_again() {
    let Some(it) = served(&[]) else { return };
    assert_logs(&it, "before");
    let it = it.again(Stop::Killed);
    it.until_said("*** Runit started");
    assert_logs(&it, "after");
}

#[test]
fn check_is_true_only_while_somebody_takes_lines() {
    let Some(it) = served(&[]) else { return };
    let check = ["/etc/service/syslog-ng/check"];
    assert_eq!(it.run(&check).code, 0);
    // A locale that is not installed is no reason to talk.
    let out = it.run(&["env", "LC_ALL=xx_YY.UTF-8", check[0]]);
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
    // Killed, and not started again: its socket is left over.
    it.sh("sv once syslog-ng; kill -KILL $(cat /run/syslog-ng.pid)");
    it.until_is("down", "syslog-ng");
    it.sh("[ -S /dev/log ]");
    assert_eq!(it.run(&check).code, 1);
}

#[test]
fn whatever_lies_at_dev_log_is_replaced() {
    for mess in [
        "echo >/dev/log",
        "mkdir -p /dev/log/deep",
        "mkfifo /dev/log",
        "ln -s /nowhere /dev/log",
        "perl -MSocket -e 'socket(S,AF_UNIX,SOCK_DGRAM,0); bind(S,sockaddr_un(q(/dev/log)))'",
    ] {
        let Some(container) = Container::shipped(&[]) else { return };
        let it = container.startup("09", mess).boot();
        it.until_said("*** Runit started");
        assert_logs(&it, "here");
        assert_eq!(it.stderr().matches("syslog-ng:").count(), 0, "{mess}: {}", it.stderr());
    }
}

#[test]
fn a_dev_log_from_outside_is_left_alone() {
    let place = std::env::temp_dir().join(format!("dev-log-{}", std::process::id()));
    std::fs::write(&place, "").unwrap();
    let Some(it) = served(&["--volume", &format!("{}:/dev/log", place.display())]) else { return };
    let said = it.stderr();
    assert_eq!(
        said.matches("*** syslog-ng: /dev/log is mounted from outside").count(),
        1,
        "{said}"
    );
    assert!(it.sv("status syslog-ng").starts_with("down: "));
    std::fs::remove_file(place).unwrap();
}

#[test]
fn it_can_be_switched_off() {
    let Some(it) = served(&["--env", "DISABLE_SYSLOG=yes"]) else { return };
    assert_eq!(it.stderr().matches("syslog-ng:").count(), 0, "{}", it.stderr());
    assert!(it.sv("status syslog-ng").starts_with("down: "));
    let out = it.sv_output("start syslog-ng");
    assert_eq!((out.code, out.stdout.as_str()), (1, "fail: syslog-ng: told to be down\n"));
}

#[test]
fn deleting_its_two_scripts_is_having_none() {
    let dockerfile = "RUN rm /etc/my_init.d/10_syslog-ng.init \
         /etc/my_init.post_shutdown.d/10_syslog-ng.shutdown";
    let Some(container) = Container::built(dockerfile, &[]) else { return };
    let it = container.boot();
    it.until_said("*** Runit started");
    assert!(it.sv("status syslog-ng").starts_with("down: "));
    assert!(!it.exists("/dev/log"));
    let out = it.stop();
    assert_eq!((out.code, out.times_said("syslog")), (0, 0));
}

#[test]
fn the_configuration_can_be_changed_with_sed() {
    let dockerfile =
        "RUN sed -i 's|/var/log/mail.log|/var/log/post.log|' /etc/syslog-ng/syslog-ng.conf";
    let Some(container) = Container::built(dockerfile, &[]) else { return };
    let it = container.boot();
    it.until_said("*** Runit started");
    it.sh("logger --priority mail.info moved");
    it.until(|it| it.exists("/var/log/post.log"));
    // And nothing else changes it.
    it.sh("[ -f /etc/syslog-ng/syslog-ng.conf ] && syslog-ng --no-caps --syntax-only");
    assert!(it.sh("head -n 1 /etc/syslog-ng/syslog-ng.conf").starts_with("@version: "));
}

#[test]
fn an_ordinary_user_boots_without_syslog_and_without_a_word_about_it() {
    let Some(it) = served(&["--user", "1000:1000"]) else { return };
    assert_eq!(it.stderr().matches("syslog-ng:").count(), 0, "{}", it.stderr());
    assert!(!it.exists("/dev/log"));
}

#[test]
fn on_a_read_only_root_the_lines_are_in_docker_logs() {
    let Some(container) = Container::shipped(&["--cap-drop=ALL"]) else { return };
    let it = container.read_only().boot();
    it.until_said("*** Runit started");
    assert_logs(&it, "nowhere else");
    assert_eq!(it.sh("stat -c '%a %U' /dev/shm/syslog-ng"), "700 root\n");
    assert_eq!(it.stderr().matches("syslog-ng").count(), 1, "its script alone: {}", it.stderr());
    assert_eq!(it.sh("sv restart syslog-ng").lines().count(), 1);
    assert_logs(&it, "nowhere else either");
    assert!(it.stop().took < AT_ONCE);
}

#[test]
fn a_root_without_rights_logs() {
    let Some(it) = served(&["--cap-drop=ALL", "--security-opt=no-new-privileges"]) else { return };
    assert_logs(&it, "no rights");
    it.sh("grep 'no rights' /var/log/syslog");
}

#[test]
fn the_kernels_messages_are_logged_where_they_may_be_read() {
    let Some(it) = served(&["--device=/dev/kmsg", "--cap-add=SYSLOG"]) else { return };
    if it.run(&["sh", "-c", "head -c 0 /dev/kmsg && echo '<4>baseimage test' >/dev/kmsg"]).code != 0
    {
        return;
    }
    it.until_said(" kernel: baseimage test\n");
    it.sh("grep 'kernel: baseimage test' /var/log/user.log");
}
