//! `supervise/` where it cannot be as it should: deleted, flooded, on a disk that is full or read
//! only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use world::{Container, Live, Need, Stop, Subject};

/// A service that stays.
const STAYS: &str = "exec sleep 1000";
/// The files that somebody may delete.
const FILES: [&str; 7] = ["ok", "control", "lock", "status", "pid", "stat", "."];

fn up(container: Container) -> Live {
    let it = container.boot();
    it.until_is("run", "web");
    it
}

fn ours() -> Container {
    Subject::Ours.container().service("web", STAYS)
}

fn is_alive(it: &Live, pid: i32) -> bool {
    it.run(&["kill", "-0", &pid.to_string()]).code == 0
}

/// Delete a file of `supervise/`, or the whole, and wait until all of it is there again.
fn delete(it: &Live, service: &str, file: &str) {
    println!("{service}/supervise/{file} is deleted");
    let supervise = format!("/etc/service/{service}/supervise");
    match file {
        "." => it.sh(&format!("rm -r {supervise}")),
        file => it.sh(&format!("rm {supervise}/{file}")),
    };
    let all = format!("cd {supervise} && ls -d ok control lock status pid stat");
    it.until(|it| it.run(&["sh", "-c", &all]).code == 0);
}

#[test]
fn what_is_deleted_is_made_anew_and_the_service_does_not_notice() {
    let it = up(ours().service("web/log", STAYS));
    it.until_is("run", "web/log");
    for service in ["web", "web/log"] {
        let pid = it.service_pid(service);
        for file in FILES {
            delete(&it, service, file);
            it.until_is("run", service);
            assert_eq!(it.service_pid(service), pid);
            it.sv(&format!("pause {service}"));
            it.until(|it| it.sv(&format!("status {service}")).contains("s, paused"));
            it.sv(&format!("cont {service}"));
            it.until(|it| !it.sv(&format!("status {service}")).contains("paused"));
            assert!(it.is_locked(service), "{service}");
        }
    }
    assert!(!it.stderr().contains("cannot"), "{}", it.stderr());
}

#[test]
fn what_is_not_deleted_keeps_its_mode_while_the_rest_is_healed() {
    let it = up(ours());
    let supervise = "/etc/service/web/supervise";
    it.sh(&format!("cd {supervise}; chmod 755 .; chmod 666 control ok"));
    it.sh(&format!("rm {supervise}/ok"));
    it.until(|it| {
        it.sh(&format!("stat -c %a {supervise} {supervise}/*[kl]")) == "755\n666\n600\n666\n"
    });
    it.sh(&format!("chmod 644 {supervise}/lock; rm {supervise}/control; :"));
    it.until(|it| it.run(&["test", "-p", "/etc/service/web/supervise/control"]).code == 0);
    assert_eq!(it.sh(&format!("stat -c %a {supervise} {supervise}/lock")), "755\n644\n");
    it.until_is("run", "web");
}

/// How often PID 1 wakes up in so many seconds.
fn wakes_up(it: &Live, seconds: u32) -> u32 {
    let count = || it.status("voluntary_ctxt_switches").parse::<u32>().unwrap();
    let before = count();
    it.sh(&format!("sleep {seconds}"));
    count() - before
}

#[test]
fn what_is_healed_is_healed_once() {
    let it = up(ours());
    for file in FILES {
        delete(&it, "web", file);
    }
    it.sh("sleep 1");
    assert_eq!(wakes_up(&it, 2), 0);
}

#[test]
fn what_cannot_be_healed_is_said_once_and_tried_again() {
    let it = up(ours());
    it.sh("cd /etc/service/web; rm -r supervise; touch supervise");
    it.until_said("; until it can be, sv cannot control it");
    it.sh("rm /etc/service/web/supervise");
    it.until_is("run", "web");
    it.sv("down web");
    it.until_is("down", "web");
    assert_eq!(it.stop().times_said("cannot control it"), 1);
}

#[test]
fn what_cannot_be_healed_stays_locked() {
    let it = up(ours());
    it.sh("cd /etc/service/web/supervise; rm ok; mkdir ok");
    it.until_said("; until it can be, sv cannot control it");
    assert!(it.is_locked("web"));
    it.sh("rmdir /etc/service/web/supervise/ok");
    it.until(|it| it.run(&["test", "-p", "/etc/service/web/supervise/ok"]).code == 0);
    it.until(|it| it.is_locked("web"));
    assert!(!it.stderr().contains("another supervisor"), "{}", it.stderr());
}

#[test]
fn who_deletes_again_and_again_does_not_put_off_the_heal() {
    let it = up(ours());
    let deletes = "cd /etc/service/web/supervise; rm control
        until test -p control; do touch x; rm x; sleep 0.3; done";
    assert_eq!(it.run(&["timeout", "20", "sh", "-c", deletes]).code, 0);
}

#[test]
fn what_is_deleted_amid_the_heal_is_healed_too() {
    let it = up(ours());
    let lock = "/etc/service/web/supervise/lock";
    for _ in 0..2 {
        it.run(&["perl", "-e", "my $end = time + 3; unlink $ARGV[0] while time < $end", lock]);
        it.until(|it| it.exists(lock));
    }
}

#[test]
fn a_flood_of_random_bytes_harms_nobody() {
    let it = up(ours().service("other", STAYS).service("web/log", STAYS));
    it.until_is("run", "other");
    it.until_is("run", "web/log");
    let other = it.service_pid("other");
    let memory = || it.status("VmRSS").split(' ').next().unwrap().parse::<u32>().unwrap();
    let before = memory();
    for to in ["web", "web/log"] {
        it.sh(&format!(
            "head -c 100000 /dev/urandom | tr -d x >/etc/service/{to}/supervise/control"
        ));
        // The last of u, d and o wins.
        it.sh(&format!("printf cu >/etc/service/{to}/supervise/control"));
        it.until(|it| {
            let status = it.sv(&format!("status {to}"));
            status.starts_with("run: ") && !status.contains("paused") && !status.contains("want")
        });
    }
    // With `x` among them it may be gone in the end, but nobody else.
    it.run(&["sh", "-c", "head -c 100000 /dev/urandom >/etc/service/web/supervise/control"]);
    assert_eq!(it.service_pid("other"), other);
    assert!(memory() < before + 200, "{before} kB before, {} now", memory());
    assert_eq!(it.stop().code, 0);
}

#[test]
fn a_flood_by_one_does_not_keep_the_others_waiting() {
    let it = up(ours().service("other", STAYS));
    it.until_is("run", "other");
    let flood = it.begin(&[
        "sh",
        "-c",
        "timeout 5 sh -c 'yes t | tr -d \"\\n\"' >/etc/service/web/supervise/control",
    ]);
    for _ in 0..5 {
        let pid = it.service_pid("other");
        it.sv("term other");
        it.until(|it| !is_alive(it, pid));
        it.until_is("run", "other");
    }
    flood.wait();
    it.until_is("run", "web");
}

/// Where the state is when the root is read only, and the least that must be mounted for it.
const PLACES: [(&str, &str); 3] = [
    ("/run", "mount -t tmpfs -o mode=755 tmpfs run; mount -t tmpfs -o mode=1777 tmpfs tmp"),
    ("/tmp", "mount -t tmpfs -o mode=1777 tmpfs tmp"),
    ("/dev/shm", ":"),
];

#[test]
fn on_a_read_only_root_the_state_is_elsewhere_and_services_run() {
    if Need::Namespaces.is_missing() {
        return;
    }
    for (place, setup) in PLACES {
        println!("state in {place}");
        let it = ours()
            .service("web/log", "exec cat >/dev/null")
            .service("off", STAYS)
            .file("/etc/service/off/down", "")
            .setup(setup)
            .read_only()
            .boot();
        it.until_said(&format!(
            "the services' supervise directories are in {place}/my_init/service"
        ));
        let sv = |words: &str| it.sh(&format!("SVDIR={place}/my_init/service sv {words} || :"));
        it.until(|_| sv("status web").starts_with("run: web: "));
        it.until(|_| {
            sv("status web").contains("; run: log: ") || sv("status web/log").starts_with("run")
        });
        sv("start off");
        it.until(|_| sv("status off").starts_with("run: off: "));
        sv("stop web");
        it.until(|_| sv("status web").starts_with("down: web: "));
        let modes = it.sh(&format!("cd {place}/my_init; stat -c '%a' . service/web/supervise"));
        assert_eq!(modes, "700\n700\n");
        let out = it.stop();
        assert_eq!((out.code, out.times_said("supervise directories")), (0, 1));
        assert_eq!(out.times_said("cannot"), out.times_said("environment"), "{}", out.stderr);
    }
}

#[test]
fn an_ordinary_user_on_a_read_only_root_has_services_and_controls_them() {
    if Need::Namespaces.is_missing() || Need::Users.is_missing() {
        return;
    }
    let it = ours().user(12345, 0).read_only().boot();
    it.until_said("supervise directories are in /dev/shm/my_init/service");
    let sv = |words: &str| {
        let script = format!("SVDIR=/dev/shm/my_init/service sv {words}");
        it.run_as((12345, 0), &["sh", "-c", &script]).stdout
    };
    it.until(|_| sv("status web").starts_with("run: web: "));
    sv("down web");
    it.until(|_| sv("status web").starts_with("down: web: "));
    assert_eq!(it.stop().code, 0);
}

#[test]
fn a_directory_that_somebody_else_prepared_is_not_used() {
    if Need::Namespaces.is_missing() || Need::Users.is_missing() {
        return;
    }
    let plant = "mount -t tmpfs -o mode=1777 tmpfs tmp; mkdir tmp/my_init; chown 1000 tmp/my_init";
    for setup in [plant, "mount -t tmpfs -o mode=1777 tmpfs tmp; ln -s /dev tmp/my_init"] {
        let it = ours().setup(setup).read_only().boot();
        it.until_said("supervise directories are in /dev/shm/my_init/service");
        let sv = "SVDIR=/dev/shm/my_init/service sv status web || :";
        it.until(|it| it.sh(sv).starts_with("run: web: "));
        assert_eq!(it.sh("ls /tmp/my_init | grep -c service || :"), "0\n");
    }
}

#[test]
fn where_nothing_can_be_written_services_run_all_the_same() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let it = Subject::Ours
        .container()
        .service("web", "echo up >&2; exec sleep 1000")
        .setup("mount -o remount,ro dev/shm")
        .read_only()
        .boot();
    it.until_said("up\n");
    it.until_said("; it runs, but sv cannot control it");
    assert_eq!(it.stop().code, 0);
}

#[test]
fn on_a_full_disk_services_run_and_are_seen_again_when_there_is_room() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let fill = "until ! echo x >>/fill; do :; done 2>/dev/null; head -c 100000 /dev/zero >>/fill";
    let it = ours()
        .service("more", "echo up >&2; exec sleep 1000")
        .disk("256k")
        .startup("10", &format!("({fill}) 2>/dev/null; :"))
        .boot();
    it.until_said("up\n");
    it.sh("rm /fill");
    // Nothing happens to them now; what could not be written is tried again.
    it.until_is("run", "more");
    it.until_is("run", "web");
    it.sv("down web");
    it.until_is("down", "web");
    assert_eq!(it.stop().code, 0);
}

#[test]
fn on_a_full_disk_nothing_is_tried_again_each_second() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let it = up(ours().disk("256k"));
    it.sh("head -c 1000000 /dev/zero >/fill 2>/dev/null; :");
    it.sh("printf p >/etc/service/web/supervise/control");
    it.until_said("sv may see an old status");
    assert!(it.sv("status web").contains("s, paused"), "{}", it.sv("status web"));
    let count = wakes_up(&it, 4);
    assert!(count <= 1, "{count} times");
    // The status is not given up for a new one, for which there might be no room.
    let status = || it.sh("stat -c %i /etc/service/web/supervise/status");
    let before = status();
    it.sh("rm /etc/service/web/supervise/ok");
    it.until(|it| it.run(&["test", "-p", "/etc/service/web/supervise/ok"]).code == 0);
    assert!(it.sv("status web").contains("s, paused"), "{}", it.sv("status web"));
    assert_eq!(status(), before);
}

#[test]
fn a_boot_on_the_files_of_a_killed_one_shows_nothing_of_it() {
    let container = ours().service("web/log", STAYS).startup("10", "sv status web >/seen");
    let mut it = up(container);
    for stop in [Stop::Killed, Stop::Asked, Stop::Killed] {
        it.until_is("run", "web/log");
        it.sv("pause web");
        it.until(|it| it.sv("status web").contains("s, paused"));
        it = it.again(stop);
        it.until_is("run", "web");
        let seen = it.read("/seen");
        assert!(seen.starts_with("down: web: ") && seen.contains("; down: log: "), "{seen}");
        assert!(!it.sv("status web").contains("paused"), "{}", it.sv("status web"));
        let pid = it.service_pid("web");
        it.until(|it| it.sh(&format!("cat /proc/{pid}/comm")) == "sleep\n");
        assert!(!it.stderr().contains("lock"), "{}", it.stderr());
    }
}
