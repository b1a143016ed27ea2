//! What lies in /etc/container_environment that is no variable, and disks that cannot be written:
//! a warning, never the boot.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use world::{Container, DOCKER_ENV, Live, Need, Stop, Volume, variables};

const DIRECTORY: &str = "/etc/container_environment";
const SHELL: &str = "/etc/container_environment.sh";
const JSON: &str = "/etc/container_environment.json";

fn container() -> Container {
    Container::new().options(&["--quiet"])
}

/// Modes and owners of the three dumps, as `stat` prints them.
fn modes(it: &Live) -> String {
    it.sh(&format!("stat -c '%a %u:%g' {DIRECTORY} {SHELL} {JSON}"))
}

#[test]
fn odd_entries_are_named_in_one_warning_and_the_boot_goes_on() {
    let odd = ["subdirectory", "fifo", "holds-nul", "equals=sign", ".hidden", "dangling", "huge"];
    let out = container()
        .directory("/etc/container_environment/subdirectory")
        .fifo("/etc/container_environment/fifo")
        .variable("holds-nul", b"a\0b")
        .variable("equals=sign", "a")
        .variable(".hidden", "a")
        .symlink("/nowhere", "/etc/container_environment/dangling")
        .variable("huge", "x".repeat(140_000))
        .variable("FINE", "fine")
        .startup("10", "true")
        .startup("20", "true")
        .script("echo $FINE; env | wc -l; exit 7")
        .boot()
        .wait();
    assert_eq!((out.code, out.stdout.as_str()), (7, "fine\n8\n"));
    for name in odd {
        assert_eq!(out.times_said(name), 1, "{name}: {}", out.stderr);
    }
    assert_eq!(out.stderr.lines().count(), 1);
}

#[test]
fn a_secret_mounted_by_kubernetes_is_imported_without_a_word() {
    let it = container()
        .variable("..2026_08_01/KEY", "secret")
        .symlink("..2026_08_01", "/etc/container_environment/..data")
        .symlink("..data/KEY", "/etc/container_environment/KEY")
        .startup("10", "true")
        .script("echo $KEY; ls /etc/container_environment")
        .boot();
    let out = it.wait();
    assert_eq!(out.stdout, "secret\nHOSTNAME\nKEY\nPATH\n");
    assert_eq!(out.stderr, "");
}

#[test]
fn a_directory_mounted_read_only_costs_one_warning() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let it = container()
        .variable("KEY", "secret")
        .env("FOO", "bar")
        .setup("mount --bind etc/container_environment etc/container_environment")
        .setup("mount -o remount,bind,ro etc/container_environment")
        .startup("10", "true")
        .startup("20", "true")
        .script("echo $KEY $FOO")
        .boot();
    let out = it.wait();
    assert_eq!((out.code, out.stdout.as_str()), (0, "secret bar\n"));
    assert_eq!((out.stderr.lines().count(), out.times_said(DIRECTORY)), (1, 1));
    assert!(it.read(SHELL).contains("export FOO=bar\n"));
}

#[test]
fn more_variables_than_the_kernel_takes_leave_room_for_the_command() {
    for (count, length) in [(30, 100_000), (2090, 1000), (30_000, 60)] {
        let mut container = container();
        for n in 0..count {
            container = container.variable(format!("V{n:06}"), "x".repeat(length));
        }
        let out = container.startup("10", "true").script("echo fine").boot().wait();
        assert_eq!((out.code, out.stdout.as_str()), (0, "fine\n"), "{count} of {length}");
        assert_eq!(out.stderr.lines().count(), 1, "{count} of {length}");
    }
}

#[test]
fn without_the_directory_nothing_is_read_or_written() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let it = container()
        .without(DIRECTORY)
        .without(SHELL)
        .without(JSON)
        .env("FOO", "bar")
        .startup("10", "true")
        .script("echo $FOO $HOME")
        .boot();
    let out = it.wait();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("bar /root\n", ""));
    assert!(it.written().is_empty());
}

#[test]
fn a_file_or_a_pipe_in_place_of_the_directory_does_not_end_the_boot() {
    let file = container().without(DIRECTORY).file(DIRECTORY, "A=b\n");
    let pipe = container().without(DIRECTORY).fifo(DIRECTORY);
    for container in [file, pipe] {
        let out = container.env("FOO", "bar").startup("10", "true").script("echo $FOO").boot();
        let out = out.wait();
        assert_eq!((out.code, out.stdout.as_str()), (0, "bar\n"));
        assert!(out.stderr.lines().count() <= 1, "{}", out.stderr);
    }
}

#[test]
fn a_read_only_root_costs_one_warning_and_no_variable() {
    let it = container()
        .read_only()
        .variable("FILE", "file")
        .env("FOO", "bar")
        .env("FILE2", "docker")
        .variable("FILE2", "file")
        .startup("10", "true")
        .startup("20", "true")
        .script("echo $FILE $FOO $FILE2 $HOME; exit 7")
        .boot();
    let out = it.wait();
    assert_eq!((out.code, out.stdout.as_str()), (7, "file bar docker /root\n"));
    assert_eq!(out.stderr.lines().count(), 1, "{}", out.stderr);
    assert!(out.stderr.contains("ead-only file system"));
}

#[test]
fn a_full_disk_costs_one_warning_and_no_variable() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let it = container()
        .disk("256k")
        .file(SHELL, "export OLD=dump\n")
        .variable("FILE", "file")
        .env("LONG", "x".repeat(100_000))
        .setup("cat /dev/zero >filler 2>/dev/null || :")
        .startup("10", "true")
        .startup("20", "true")
        .script(
            "echo $FILE ${#LONG}; cat /etc/container_environment.sh
            ls -a /etc | grep '[.][.].'; exit 7",
        )
        .boot();
    let out = it.wait();
    assert_eq!((out.code, out.stdout.as_str()), (7, "file 100000\nexport OLD=dump\n"));
    assert_eq!(out.stderr.lines().count(), 1, "{}", out.stderr);
    assert!(out.stderr.to_lowercase().contains("no space left"));
}

#[test]
fn a_disk_that_fills_up_half_way_leaves_whole_dumps_or_none() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let out = container()
        .disk("400k")
        .env("LONG1", "x".repeat(100_000))
        .env("LONG2", "y".repeat(100_000))
        .startup("10", "true")
        .script(
            "cd /etc/container_environment
            echo ${#LONG1} ${#LONG2}
            for f in LONG1 LONG2; do [ ! -e $f ] || wc -c <$f; done
            [ ! -s ../container_environment.json ] || tail -c 1 ../container_environment.json",
        )
        .boot()
        .wait();
    assert_eq!(out.code, 0);
    assert_eq!(out.stderr.lines().count(), 1, "{}", out.stderr);
    let mut lines = out.stdout.lines();
    assert_eq!(lines.next().unwrap(), "100000 100000");
    for line in lines {
        assert!(["100000", "}"].contains(&line), "half a dump: {line}");
    }
}

#[test]
fn a_dump_mounted_on_its_own_is_written_in_place() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let volume = Volume::new();
    for dump in [SHELL, JSON] {
        let it = container()
            .volume(&volume, "/mnt")
            .env("FOO", "bar")
            .setup("printf 'old contents that are much longer than the new ones %500s' >mnt/dump")
            .setup(&format!("mount --bind mnt/dump .{dump}"))
            .startup("10", "echo new >/etc/container_environment/ADDED")
            .script(&format!("cat {dump}; stat -c %i {dump} /mnt/dump | uniq | wc -l"))
            .boot();
        let out = it.wait();
        assert_eq!(out.code, 0);
        assert!(out.stdout.contains("FOO") && out.stdout.contains("ADDED"));
        assert!(!out.stdout.contains("old contents") && out.stdout.ends_with("1\n"));
    }
}

#[test]
fn the_directory_as_a_volume_of_its_own_works() {
    let volume = Volume::new();
    let it = container()
        .volume(&volume, DIRECTORY)
        .env("FOO", "bar")
        .startup("10", "echo new >/etc/container_environment/ADDED")
        .script("echo $ADDED; cat /etc/container_environment/FOO")
        .boot();
    assert_eq!(it.wait().stdout, "new\nbar");
}

#[test]
fn what_is_dumped_is_for_root_and_docker_env_only() {
    if Need::Users.is_missing() {
        return;
    }
    let it = Container::new().env("FOO", "bar").startup("10", "true").boot();
    it.until_said("*** Runit started");
    assert_eq!(modes(&it), format!("700 0:0\n640 0:{DOCKER_ENV}\n640 0:{DOCKER_ENV}\n"));
    assert_eq!(it.sh(&format!("stat -c %a {DIRECTORY}/FOO")), "644\n");
    let cat = format!("cat {DIRECTORY}/FOO {SHELL} {JSON}");
    assert_eq!(it.run_as((12345, 12345), &["sh", "-c", &cat]).stdout, "");
    let member = it.run_as((12345, DOCKER_ENV), &["cat", SHELL]);
    assert!(member.stdout.contains("export FOO=bar\n"));
}

#[test]
fn missing_dumps_are_made_for_root_and_docker_env_only() {
    if Need::Users.is_missing() {
        return;
    }
    let it = Container::new()
        .without(SHELL)
        .without(JSON)
        .file("/etc/group", format!("root:x:0:\ndocker_env:x:{DOCKER_ENV}:\n"))
        .boot();
    it.until_said("*** Runit started");
    assert_eq!(modes(&it), format!("700 0:0\n640 0:{DOCKER_ENV}\n640 0:{DOCKER_ENV}\n"));
}

#[test]
fn modes_and_owners_given_by_the_image_stay() {
    if Need::Users.is_missing() {
        return;
    }
    let it = Container::new()
        .variable("SECRET", "old")
        .chmod("/etc/container_environment/SECRET", 0o600)
        .chown("/etc/container_environment/SECRET", 0, 7)
        .env("SECRET", "new")
        .chmod(DIRECTORY, 0o755)
        .chmod(SHELL, 0o644)
        .chmod(JSON, 0o604)
        .chown(JSON, 0, 7)
        .startup("10", "true")
        .boot();
    it.until_said("*** Runit started");
    assert_eq!(modes(&it), format!("755 0:0\n644 0:{DOCKER_ENV}\n604 0:7\n"));
    assert_eq!(it.sh(&format!("stat -c '%a %u:%g' {DIRECTORY}/SECRET")), "600 0:7\n");
    assert_eq!(it.read("/etc/container_environment/SECRET"), "new");
    assert!(it.run_as((12345, 12345), &["cat", SHELL]).stdout.contains("export SECRET=new"));
}

#[test]
fn a_second_boot_of_the_same_disk_forgets_nothing_and_doubles_nothing() {
    let it = container()
        .env("FOO", "bar")
        .startup("10", "echo new >/etc/container_environment/ADDED")
        .command(&["env", "-0"])
        .boot();
    assert_eq!(it.wait().code, 0);
    let first = variables(&it.stdout_bytes());
    let it = it.again(Stop::Asked);
    assert_eq!((it.wait().code, it.stderr().as_str()), (0, ""));
    assert_eq!(variables(&it.stdout_bytes()), first);
}

#[test]
fn no_proc_no_passwd_and_no_group_are_no_reason_to_fail() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let out = container()
        .file("/etc/passwd", "")
        .file("/etc/group", "")
        .setup("umount proc; rm etc/passwd etc/group")
        .startup("10", "true")
        .script("echo $HOME; exit 7")
        .boot()
        .wait();
    assert_eq!((out.code, out.stdout.as_str(), out.stderr.as_str()), (7, "/root\n", ""));
}

#[test]
fn a_dump_linked_to_dev_null_is_turned_off_and_dev_null_stays() {
    let it = container().without(SHELL).symlink("/dev/null", SHELL);
    let out = it.script("test -c /dev/null && echo device").boot().wait();
    assert_eq!((out.code, out.stdout.as_str()), (0, "device\n"));
}

#[test]
fn large_variables_of_docker_survive_a_script() {
    let mut container = container().startup("10", "true");
    for n in 0..11 {
        container = container.env(format!("LARGE{n}"), "x".repeat(100_000));
    }
    let out = container.script("env | grep -c ^LARGE").boot().wait();
    assert_eq!((out.code, out.stdout.as_str()), (0, "11\n"), "{}", out.stderr);
}
