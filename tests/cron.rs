//! cron in the image as it ships: whose jobs run, what they see, and where their words go.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::thread;
use std::time::{Duration, Instant};
use world::{Container, Live, Stop};

/// Docker itself takes most of a second for a stop on a small machine, and kills after ten.
const AT_ONCE: Duration = Duration::from_secs(5);
/// A job for each minute begins within 60 seconds, on a busy machine a little later.
const A_MINUTE: Duration = Duration::from_secs(130);

/// Wait until these lines stand on standard error, in any order.
#[track_caller]
fn until_logged(it: &Live, lines: &[&str]) {
    let begun = Instant::now();
    let missing = || lines.iter().find(|line| !it.stderr().lines().any(|one| one == **line));
    while let Some(line) = missing() {
        assert!(!it.is_over() && begun.elapsed() < A_MINUTE, "not logged: {line}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// What the jobs of this user have said.
fn logged(it: &Live, user: &str) -> Vec<String> {
    let prefix = format!("cron[{user}]: ");
    it.stderr().lines().filter_map(|line| line.strip_prefix(&prefix)).map(Into::into).collect()
}

/// The image with this file in /etc/cron.d.
fn with_jobs(jobs: &str, options: &[&str]) -> Option<Container> {
    Some(Container::shipped(options)?.file("/etc/cron.d/jobs", jobs))
}

/// What a command says where `my_init` says nothing itself.
#[track_caller]
fn says(container: Container, script: &str) -> (String, String) {
    let out = container.options(&["--quiet"]).script(script).boot().wait();
    assert_eq!(out.code, 0, "{}", out.stderr);
    (out.stdout, out.stderr)
}

/// Waits for the service to have found out that it shall not run.
const UNTIL_DOWN: &str = "until sv status cron | grep '^down: .*normally up'; do :; done";

#[test]
fn jobs_of_each_kind_of_crontab_run_as_their_users() {
    let dockerfile = r#"
        RUN echo '* * * * * root echo crontab' >>/etc/crontab
        RUN echo '* * * * * root run-parts /etc/cron.hourly' >>/etc/crontab
        RUN printf '#!/bin/sh\necho hourly\n' >/etc/cron.hourly/job
        RUN chmod +x /etc/cron.hourly/job
        RUN echo '* * * * * nobody echo cron.d as "$(id -un)"; exit 3' >/etc/cron.d/first
        RUN echo '* * * * * root echo linked' >/etc/cron.d/linked
        RUN ln /etc/cron.d/linked /other
        RUN printf '* * * * * root echo open' >/etc/cron.d/open
        RUN echo '* * * * * echo crontab as "$(id -un)"' | crontab -u nobody -
        RUN echo '* * * * * echo crontab of root' | crontab -
        RUN ln /var/spool/cron/crontabs/root /its"#;
    let Some(container) = Container::built(dockerfile, &[]) else { return };
    let it = container.boot();
    it.until_there("/run/crond.reboot");
    // While it runs.
    it.sh("echo '* * * * * root echo noticed' >/etc/cron.d/new");
    let by_itself = "echo '* * * * * echo of an ordinary user' | crontab - && crontab -l";
    assert_eq!(it.run_as((2, 2), &["sh", "-c", by_itself]).code, 0);
    until_logged(
        &it,
        &[
            "cron[root]: crontab",
            "cron[root]: hourly",
            "cron[nobody]: cron.d as nobody",
            "cron[root]: linked",
            "cron[root]: open",
            "cron[nobody]: crontab as nobody",
            "cron[root]: crontab of root",
            "cron[root]: noticed",
            "cron[bin]: of an ordinary user",
        ],
    );
    assert_eq!(it.stdout(), "");
    assert_eq!(it.stop().code, 0);
}

#[test]
fn the_example_greets_whom_the_environment_names() {
    let Some(container) = Container::example("cron", &[]) else { return };
    let it = container.env("GREETED", "the world").boot();
    until_logged(&it, &["cron[nobody]: hello the world"]);
    assert_eq!(it.stdout(), "");
}

#[test]
fn jobs_have_the_containers_environment_and_their_own_users() {
    let jobs = "OWN=\"of the crontab\"\n@reboot nobody env | sort\n";
    let Some(container) = with_jobs(jobs, &[]) else { return };
    let it = container
        .env("SPACES", " two  words ")
        .env("QUOTES", r#""it's" `$x` \"#)
        .env("EQUALS", "a=b=")
        .env("UTF8", "grün")
        .env("EMPTY", "")
        .env("OWN", "of docker")
        .env("LONG", "x".repeat(8000))
        .variable("FROM_FILE", "file")
        .startup("10", "echo script >/etc/container_environment/FROM_SCRIPT")
        .boot();
    until_logged(&it, &[&format!("cron[nobody]: LONG={}", "x".repeat(8000))]);
    it.until(|it| logged(it, "nobody").iter().any(|line| line == "UTF8=grün"));
    let environment = logged(&it, "nobody");
    for line in [
        "SPACES= two  words ",
        r#"QUOTES="it's" `$x` \"#,
        "EQUALS=a=b=",
        "EMPTY=",
        "OWN=of the crontab",
        "FROM_FILE=file",
        "FROM_SCRIPT=script",
        "HOSTNAME=container",
        "LOGNAME=nobody",
        "HOME=/nonexistent",
        "SHELL=/bin/sh",
    ] {
        assert!(environment.iter().any(|one| one == line), "no {line} in {environment:?}");
    }
    for name in ["USER", "UID", "GID", "GROUP"] {
        let roots = format!("{name}=");
        assert!(!environment.iter().any(|line| line.starts_with(&roots)), "{environment:?}");
    }
    assert!(!it.stderr().contains("jobs will not see"));
    let secret = "cat /run/cron/environment";
    assert_ne!(it.run_as((65534, 65534), &["sh", "-c", secret]).code, 0);
    it.sh(&format!("{secret} | grep -q SPACES"));
}

/// See compatibility.md#cron-environment.
#[test]
fn a_variable_that_cannot_reach_a_job_is_named_and_there_is_another_way() {
    let jobs = "@reboot nobody env | grep -c _IS_\n\
         @reboot root . /etc/container_environment.sh; echo \"<$HASH_IS_LOST>\"\n";
    let Some(container) = with_jobs(jobs, &[]) else { return };
    let it = container
        .env("HASH_IS_LOST", "a#b")
        .env("LINE_IS_LOST", "a\nb")
        .env("LONG_IS_LOST", "x".repeat(9000))
        .env("THIS_IS_NOT", "1")
        .boot();
    until_logged(&it, &["cron[nobody]: 1", "cron[root]: <a#b>"]);
    let said = "*** cron: jobs will not see HASH_IS_LOST LINE_IS_LOST LONG_IS_LOST (";
    // Once a boot, not each time it is started.
    it.sh("sv restart cron");
    it.until_settled("cron");
    assert_eq!(it.stderr().matches(said).count(), 1, "{}", it.stderr());
}

#[test]
fn output_is_complete_line_by_line_and_harmless_and_not_on_stdout() {
    let jobs = r"@reboot root seq -f 'number \%g of many, none of them lost' 30000
@reboot nobody echo out; echo err >&2; printf 'a\033]0;b\rc\302\233d\r\nlast'
@reboot nobody head -c 3000 /dev/zero | tr '\0' '='; echo; echo end
@reboot nobody i=0; while [ $i -lt 2000 ]; do echo of nobody; i=$((i+1)); done
";
    let silent = "MAILTO=\"\"\n@reboot root echo nobody wants to know\n";
    let Some(container) = with_jobs(jobs, &[]) else { return };
    let it = container.file("/etc/cron.d/silent", silent).boot();
    let count = |it: &Live, user| logged(it, user).len();
    it.until(|it| count(it, "root") >= 30000 && count(it, "nobody") >= 2006);
    let numbers = logged(&it, "root");
    assert_eq!(numbers.len(), 30000);
    for (line, number) in numbers.iter().zip(1..) {
        assert_eq!(*line, format!("number {number} of many, none of them lost"));
    }
    let theirs = logged(&it, "nobody");
    assert_eq!(theirs.iter().filter(|line| *line == "of nobody").count(), 2000);
    let long = "=".repeat(3000);
    for line in ["out", "err", r"a\x1b]0;b\x0dc\xc2\x9bd", "last", &long, "end"] {
        assert!(theirs.iter().any(|one| one == line), "{line}");
    }
    assert_eq!(it.stdout(), "");
}

#[test]
fn who_is_not_cron_is_told_that_there_is_no_mail_and_a_package_brings_it() {
    let Some(container) = Container::shipped(&[]) else { return };
    let it = container.boot();
    let out = it.run(&["sh", "-c", "echo hello | /usr/sbin/sendmail root"]);
    assert_eq!((out.code, out.stdout.as_str()), (69, ""));
    assert_eq!(out.stderr, "sendmail: no mail transport agent is installed\n");
    let package = r"cd /tmp; mkdir -p mail/DEBIAN mail/usr/sbin
        printf 'Package: mail\nVersion: 1\nArchitecture: all\n' >mail/DEBIAN/control
        printf 'Maintainer: x <x@x>\nDescription: x\n' >>mail/DEBIAN/control
        printf '#!/bin/sh\ncat >/mailed\n' >mail/usr/sbin/sendmail
        chmod +x mail/usr/sbin/sendmail
        dpkg-deb --build mail mail.deb && dpkg --install mail.deb
        echo '@reboot root echo for the mail' >/etc/cron.d/mail
        rm /run/crond.reboot; sv restart cron";
    it.sh(package);
    it.until(|it| it.exists("/mailed") && it.read("/mailed").ends_with("\nfor the mail\n"));
    assert_eq!(logged(&it, "root"), Vec::<String>::new());
}

#[test]
fn at_run_time_it_stays_down_without_a_word() {
    let Some(container) = Container::shipped(&[]) else { return };
    let (stdout, stderr) = says(container.env("DISABLE_CRON", "1"), UNTIL_DOWN);
    assert!(stdout.starts_with("down: cron: "), "{stdout}");
    assert_eq!(stderr, "");
    let container = Container::shipped(&[]).unwrap().user(65534, 65534);
    let (_, stderr) = says(container, UNTIL_DOWN);
    assert!(!stderr.contains("cron"), "{stderr}");
}

#[test]
fn where_it_cannot_work_it_stays_down_and_says_why() {
    let Some(container) = Container::shipped(&[]) else { return };
    let (_, stderr) = says(container.read_only(), UNTIL_DOWN);
    let why =
        "*** cron: cannot write to /run (docker run --tmpfs /run); it stays down until: sv up cron";
    assert_eq!(stderr.matches(why).count(), 1, "{stderr}");
    let without = Container::shipped(&["--cap-drop=ALL"]).unwrap();
    let (_, stderr) = says(without, UNTIL_DOWN);
    let why = "*** cron: cannot run a job as its user ";
    assert_eq!(stderr.matches(why).count(), 1, "{stderr}");
}

#[test]
fn on_a_read_only_disk_jobs_run_with_run_and_tmp_in_memory() {
    let jobs = "@reboot nobody echo \"$THIS runs\"\n";
    let options = ["--tmpfs=/run", "--tmpfs=/tmp"];
    let Some(container) = with_jobs(jobs, &options) else { return };
    let it = container.env("THIS", "it").read_only().boot();
    until_logged(&it, &["cron[nobody]: it runs"]);
}

#[test]
fn a_normal_boot_says_nothing_of_it() {
    let Some(container) = Container::shipped(&[]) else { return };
    let script = "until test -e /run/crond.reboot; do :; done; echo hello";
    assert_eq!(says(container, script), ("hello\n".into(), String::new()));
}

#[test]
fn the_stop_is_quick_while_a_job_runs() {
    let Some(container) = with_jobs("@reboot root touch /begun; sleep 1000\n", &[]) else { return };
    let it = container.boot();
    it.until_there("/begun");
    let out = it.stop();
    assert_eq!((out.code, out.times_said("Forcing")), (0, 0));
    assert!(out.took < AT_ONCE, "{:?}", out.took);
}

#[test]
fn jobs_for_the_boot_run_when_the_container_boots_and_not_when_only_cron_does() {
    let jobs = "@reboot root echo booted >>/boots; echo noted\n";
    let Some(container) = with_jobs(jobs, &[]) else { return };
    let it = container.boot();
    until_logged(&it, &["cron[root]: noted"]);
    it.sh("sv restart cron");
    it.until_settled("cron");
    let it = it.again(Stop::Killed);
    until_logged(&it, &["cron[root]: noted"]);
    assert_eq!(it.read("/boots"), "booted\nbooted\n");
}

#[test]
fn crontabs_that_an_image_dates_with_the_second_0_are_read() {
    let dockerfile = r"
        RUN echo '@reboot root echo read' >>/etc/crontab
        RUN touch --date @0 /etc/crontab /etc/cron.d /var/spool/cron/crontabs";
    let Some(container) = Container::built(dockerfile, &[]) else { return };
    let it = container.boot();
    until_logged(&it, &["cron[root]: read"]);
}

#[test]
fn no_job_of_the_base_sleeps_before_the_users() {
    let Some(container) = Container::shipped(&[]) else { return };
    let it = container.argv(&["sleep", "1000"]).boot();
    let jobs = it.sh("cd /etc; find cron.d cron.*ly -type f ! -name .placeholder");
    for job in ["apt-compat", "dpkg", "e2scrub_all"] {
        assert!(!jobs.contains(job), "{jobs}");
    }
    assert_eq!(it.run(&["grep", "-rw", "sleep", "/etc/cron.d", "/etc/cron.daily"]).stdout, "");
}
