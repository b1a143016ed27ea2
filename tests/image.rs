//! The image as it ships: what a Dockerfile, and a person inside, find in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::collections::HashSet;
use std::process::Command;
use std::thread;
use world::{Container, Live, Need, Output, base, build_on, engine};

/// A container of the image in which nothing has been started but a shell that waits.
fn inside() -> Option<Live> {
    Some(Container::shipped(&[])?.argv(&["sleep", "1000"]).boot())
}

/// `tools/image` with these variables; nothing of it stays.
fn make(variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", "tools/image 2>&1"]).envs(variables.iter().copied());
    let out = command.env("NAME", "baseimage-test").env("BASEIMAGE_ENGINE", engine()).output();
    let out = out.unwrap();
    let stdout = String::from_utf8(out.stdout).unwrap();
    Output { code: out.status.code().unwrap(), stdout, ..Output::default() }
}

fn docker(words: &[&str]) -> String {
    let out = Command::new(engine()).args(words).output().unwrap();
    String::from_utf8(out.stdout).unwrap()
}

/// Remove an image, and what builds on it that failed have left.
fn remove(image: &str) {
    let all = ["image", "ls", "--quiet", "--no-trunc", "--filter", "dangling=true"];
    let id = docker(&["image", "inspect", "--format", "{{.Id}}", image]);
    for left in docker(&all).lines() {
        if docker(&["history", "--quiet", "--no-trunc", left]).contains(id.trim()) {
            docker(&["image", "rm", left]);
        }
    }
    docker(&["image", "rm", image]);
}

#[test]
fn the_paths_that_dockerfiles_lean_on_are_there() {
    let Some(it) = inside() else { return };
    for path in [
        "/sbin/my_init",
        "/sbin/setuser",
        "/sbin/install_clean",
        "/usr/sbin/enable_insecure_key",
        "/etc/my_init.d/00_regen_ssh_host_keys.sh",
        "/etc/my_init.d/10_syslog-ng.init",
        "/etc/my_init.post_shutdown.d/10_syslog-ng.shutdown",
        "/bd_build/cleanup.sh",
    ] {
        it.sh(&format!("test -x {path}"));
    }
    for path in ["/etc/syslog-ng/syslog-ng.conf", "/etc/service/sshd/down", "/bd_build/buildconfig"]
    {
        it.sh(&format!("test -f {path} && ! test -h {path}"));
    }
    for path in ["/etc/syslog-ng/conf.d", "/etc/service/cron", "/etc/my_init.pre_shutdown.d"] {
        it.sh(&format!("test -d {path}"));
    }
    it.sh("test /etc/service -ef /etc/runit/runsvdir/default");
    it.sh("! test -h /etc/runit/runsvdir/default");
    let modes = it.sh("cd /etc; stat -c '%a %U %G %s' container_environment.sh /root/.ssh \
         container_environment.json container_environment | sed 's/ 4096$//'");
    let dump = "640 root docker_env 0";
    assert_eq!(modes, format!("{dump}\n700 root root\n{dump}\n700 root root\n"));
    assert_eq!(it.sh("getent group docker_env"), "docker_env:x:8377:\n");
    // What is there of the build can be used in a Dockerfile.
    it.sh(". /bd_build/buildconfig && test -n \"$minimal_apt_get_args\"");
    assert_eq!(it.sh("ls /bd_build"), "buildconfig\ncleanup.sh\n");
}

#[test]
fn the_locale_is_utf_8_and_there_is_no_python() {
    let Some(it) = inside() else { return };
    assert_eq!(it.sh("locale charmap; printf 'h\\303\\251' | wc -m"), "UTF-8\n2\n");
    let out = it.run(&["perl", "-e", "print 'no complaint'"]);
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("no complaint", ""));
    assert_eq!(it.sh("find / -xdev -name 'python*' -type f"), "");
    assert_eq!(it.sh("du -sm /usr/lib/locale | cut -f 1 | sed 's/^[1-5]$/few/'"), "few\n");
    for utility in ["curl --version", "less --version", "vim --version", "killall --version"] {
        it.sh(utility);
    }
    assert_eq!(it.sh("chpst -u nobody id -un"), "nobody\n");
    it.sh("command -v svlogd");
}

#[test]
fn packages_that_ask_for_an_init_get_an_answer() {
    let Some(it) = inside() else { return };
    it.sh("ischroot && initctl start anything && /sbin/initctl reload");
    let asked = "printf '#!/bin/sh\\necho \"$1\" >>/asked\\n' >/etc/init.d/some
        chmod +x /etc/init.d/some
        for act in start restart rotate status; do invoke-rc.d --quiet some $act || true; done
        cat /asked";
    // Nothing is started behind the supervisor's back; a log may be rotated.
    assert_eq!(it.sh(asked), "rotate\nstatus\n");
}

#[test]
fn service_is_sv_where_there_is_a_service_directory() {
    let Some(container) = Container::shipped(&[]) else { return };
    let it = container.service("web", "exec sleep 1000").boot();
    it.until_is("run", "web");
    assert_eq!(it.run(&["service", "web", "status"]).code, 0);
    assert_eq!(it.run(&["service", "web", "stop"]).code, 0);
    it.until_is("down", "web");
    assert_eq!(it.run(&["service", "web", "status"]).code, 3);
    assert_eq!(it.run(&["service", "web", "start"]).code, 0);
    it.until_is("run", "web");
    let pid = it.service_pid("web");
    assert_eq!(it.run(&["service", "web", "restart"]).code, 0);
    assert_ne!(it.service_pid("web"), pid);
    // For the rest it is the distribution's own.
    it.sh("printf '#!/bin/sh\\necho init script: $1\\n' >/etc/init.d/other
        chmod +x /etc/init.d/other");
    assert_eq!(it.sh("service other start"), "init script: start\n");
    let out = it.run(&["service", "nothing", "start"]);
    assert_ne!(out.code, 0);
    assert!(out.stderr.contains("nothing: unrecognized service"), "{}", out.stderr);
}

#[test]
fn install_clean_installs_a_daemon_in_a_dockerfile_and_leaves_nothing_else() {
    let dockerfile = "RUN install_clean memcached && memcached --version
        RUN ! pgrep memcached
        RUN ! find /var/lib/apt /var/cache/apt /tmp -type f -size +0 | grep -v extended_states\n";
    let Some(container) = Container::built(dockerfile, &[]) else { return };
    let it = container.argv(&["sleep", "1000"]).boot();
    it.sh("memcached --version && test ! -e /etc/service/memcached");
}

#[test]
fn install_clean_fails_loudly_and_cleans_up() {
    let Some(it) = inside() else { return };
    let out = it.run(&["install_clean", "no-such-package"]);
    assert_eq!(out.code, 100);
    assert!(out.stderr.contains("no-such-package"), "{}", out.stderr);
    assert_eq!(it.sh("ls -A /var/lib/apt/lists /tmp"), "/tmp:\n\n/var/lib/apt/lists:\n");
    // A word is a word, whatever is in it.
    let out = it.run(&["install_clean", "less; touch /broken-in", "$(touch /broken-in)"]);
    assert_eq!(out.code, 100);
    assert!(!it.exists("/broken-in"));
    assert_eq!(it.run(&["install_clean"]).code, 100);
    // What is an option of apt-get is passed on.
    assert_eq!(it.run(&["install_clean", "-y", "--no-install-recommends", "less"]).code, 0);
    it.sh("echo 'deb http://127.0.0.1:1/ nowhere main' >/etc/apt/sources.list");
    let out = it.run(&[
        "sh",
        "-c",
        "PATH=/quick:$PATH; mkdir /quick
        ln -s /bin/true /quick/sleep; install_clean less",
    ]);
    assert_eq!(out.code, 100);
    assert_eq!(out.times_said("trying again"), 3, "{}", out.stderr);
    assert_eq!(it.sh("ls -A /var/lib/apt/lists"), "");
}

#[test]
fn parts_can_be_left_out() {
    if Need::Docker.is_missing() {
        return;
    }
    let parts = [("DISABLE_SYSLOG", "1"), ("DISABLE_CRON", "1"), ("DISABLE_SSH", "1")];
    let out = make(&[&parts[..], &[("VERSION", "bare")]].concat());
    assert_eq!(out.code, 0, "{}", out.stdout);
    let run = ["run", "--rm", "baseimage-test:bare", "sh", "-c"];
    let left =
        "ls /etc/service/ /etc/my_init.d; dpkg-query --show | grep -E 'syslog-ng|cron|ssh-server'
        ls /etc/ssh /etc/syslog-ng /usr/sbin/cron /usr/sbin/sshd /usr/sbin/enable_insecure_key";
    let said = docker(&[&run[..], &[left]].concat());
    assert_eq!(said, "/etc/my_init.d:\n\n/etc/service/:\n");
    let quiet = docker(&["run", "--rm", "baseimage-test:bare", "my_init", "--", "echo", "up"]);
    assert_eq!(quiet, "up\n");
    docker(&["image", "rm", "baseimage-test:bare"]);
}

#[test]
fn what_cannot_be_built_is_one_clear_line_and_no_image() {
    if Need::Docker.is_missing() {
        return;
    }
    let out = make(&[("VERSION", "bad"), ("BASE_IMAGE", "no.such.host.invalid/none:1")]);
    assert_eq!(out.code, 1, "{}", out.stdout);
    assert_eq!(out.stdout.lines().count(), 1, "{}", out.stdout);
    assert!(out.stdout.contains("cannot pull BASE_IMAGE=no.such.host.invalid/none:1: "));

    let without_apt = "RUN rm /usr/bin/apt-get";
    assert_eq!(build_on(base(), "baseimage-test-base:no-apt", without_apt).code, 0);
    let out = make(&[("VERSION", "bad"), ("BASE_IMAGE", "baseimage-test-base:no-apt")]);
    assert_eq!(out.code, 1, "{}", out.stdout);
    assert!(out.stdout.contains(": the base has no apt-get: it must be Debian or Ubuntu"));

    let cut_off = "RUN rm -rf /etc/apt/sources.list* /etc/apt/apt.conf.d/* \
         && echo 'deb http://127.0.0.1:1/ nowhere main' >/etc/apt/sources.list";
    assert_eq!(build_on(base(), "baseimage-test-base:cut-off", cut_off).code, 0);
    let out = make(&[("VERSION", "bad"), ("BASE_IMAGE", "baseimage-test-base:cut-off")]);
    assert_eq!(out.code, 1, "{}", out.stdout);
    assert!(out.stdout.contains("Failed to fetch http://127.0.0.1:1/"), "{}", out.stdout);
    assert!(out.stdout.lines().count() <= 2, "{}", out.stdout);

    let out = make(&[("VERSION", "bad"), ("DOCKER_HOST", "tcp://127.0.0.1:1")]);
    assert_eq!(out.code, 1, "{}", out.stdout);
    let last = out.stdout.lines().last().unwrap();
    assert!(last.contains("Cannot connect to the Docker daemon at tcp://127.0.0.1:1"), "{last}");
    // An engine that cannot build for another machine builds for its own, and says nothing of it.
    let out = make(&[("VERSION", "bad"), ("PLATFORM", "linux/s390x")]);
    let refused = "dist/baseimage is not for linux/s390x: make dist PLATFORM=linux/s390x\n";
    assert!(out.code == 1 && out.stdout.ends_with(refused), "{}", out.stdout);
    assert_eq!(docker(&["image", "ls", "--quiet", "baseimage-test:bad"]), "");
    remove("baseimage-test-base:no-apt");
    remove("baseimage-test-base:cut-off");
}

/// Every file with all that is in it but its times, and every package.
const CONTENT: &str = "find / -xdev \\( -path /dev -o -path /proc -o -path /sys \\) -prune \
     -o ! -path '/etc/host*' ! -path /etc/resolv.conf ! -path /etc/mtab ! -path / \
     -printf '%M %U:%G %n %l %p\\n' | sort
     find / -xdev -type f ! -path '/etc/host*' ! -path /etc/resolv.conf -exec sha256sum {} + | sort
     dpkg-query --show";

#[test]
fn two_builds_have_the_same_content() {
    if Need::Docker.is_missing() {
        return;
    }
    let content = |version: &str| {
        let out = make(&[("VERSION", version), ("NO_CACHE", "1")]);
        assert_eq!(out.code, 0, "{}", out.stdout);
        let image = format!("baseimage-test:{version}");
        let content = docker(&["run", "--rm", &image, "sh", "-c", CONTENT]);
        docker(&["image", "rm", &image]);
        content
    };
    let (one, two) = thread::scope(|scope| {
        let one = scope.spawn(|| content("one"));
        (content("two"), one.join().unwrap())
    });
    assert!(one.lines().count() > 5000, "{one}");
    let (ones, twos): (HashSet<_>, HashSet<_>) = (one.lines().collect(), two.lines().collect());
    let differ: Vec<_> = ones.symmetric_difference(&twos).collect();
    assert!(differ.is_empty(), "{differ:?}");
}

/// Debian 13 has the plugin that the engine needs for it, so the test is for an image of Debian 13.
#[test]
fn buildkit_builds_it_too() {
    if Need::Docker.is_missing() || !base().ends_with(":trixie") {
        return;
    }
    let script = "set -eu; exec 2>&1
        plugins=$(mktemp --directory)
        trap 'rm --recursive $plugins' EXIT
        mkdir $plugins/cli-plugins
        plugin=$plugins/cli-plugins/docker-buildx
        docker run --rm \"$1\" sh -c 'apt-get update -q=2 && cd /tmp &&
            apt-get download -q=2 docker-buildx >&2 && dpkg-deb --fsys-tarfile docker-buildx*.deb |
            tar -xO ./usr/libexec/docker/cli-plugins/docker-buildx' >$plugin
        chmod +x $plugin
        DOCKER_CONFIG=$plugins DOCKER_BUILDKIT=1 docker build --build-arg BASE_IMAGE=\"$1\" \
            --tag baseimage-test:buildkit --file image/Dockerfile .
        docker run --rm baseimage-test:buildkit my_init --quiet -- echo built
        docker image rm baseimage-test:buildkit >/dev/null";
    let out = Command::new("sh").args(["-c", script, "sh", base()]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(said.ends_with("\nbuilt\n"), "{said}");
}
