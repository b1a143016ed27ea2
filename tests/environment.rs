//! The environment: where it comes from, who sees it, what a script can change of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use world::{Container, Need, PATH, variables};

/// A script of no shell, which would drop odd names: its variables, byte for byte, into a file.
const SEEN: &str = "#!/usr/bin/perl\n\
    open(I, '<', '/proc/self/environ'); open(O, '>', '/seen/' . ($0 =~ s,.*/,,r)); print O <I>;\n";

fn container() -> Container {
    Container::new().directory("/seen").options(&["--quiet"])
}

#[test]
fn files_of_the_directory_are_variables_of_every_script_and_the_command() {
    let it = container()
        .variable("MY_NAME", "Apachai Hopachai")
        .executable("/etc/my_init.d/10", SEEN)
        .executable("/etc/rc.local", SEEN)
        .executable("/etc/my_init.pre_shutdown.d/pre", SEEN)
        .executable("/etc/my_init.post_shutdown.d/post", SEEN)
        .command(&["sh", "-c", "echo $MY_NAME"])
        .boot();
    assert_eq!(it.wait().stdout, "Apachai Hopachai\n");
    for who in ["10", "rc.local", "pre", "post"] {
        let seen = variables(&it.read_bytes(&format!("/seen/{who}")));
        assert_eq!(seen.get("MY_NAME").unwrap(), "Apachai Hopachai", "{who}");
    }
}

#[test]
fn dockers_value_wins_over_the_file_even_if_it_is_empty() {
    let out = container()
        .variable("A", "file")
        .variable("B", "file")
        .variable("C", "file")
        .env("A", "docker")
        .env("B", "")
        .startup("10", "true")
        .script("echo \"$A,$B,$C\"; cat /etc/container_environment/A")
        .boot()
        .wait();
    assert_eq!(out.stdout, "docker,,file\ndocker");
}

#[test]
fn exactly_one_newline_at_the_end_of_a_file_is_dropped() {
    let it = container()
        .variable("NONE", "a")
        .variable("ONE", "a\n")
        .variable("TWO", "a\n\n")
        .variable("ONLY", "\n")
        .variable("EMPTY", "")
        .variable("DOS", "a\r\nb\r\n")
        .variable("BLANK", " a ")
        .executable("/etc/my_init.d/10", SEEN)
        .command(&["env", "-0"])
        .boot();
    it.wait();
    for seen in [it.stdout_bytes(), it.read_bytes("/seen/10")] {
        let seen = variables(&seen);
        for (name, value) in [
            ("NONE", "a"),
            ("ONE", "a"),
            ("TWO", "a\n"),
            ("ONLY", ""),
            ("EMPTY", ""),
            ("DOS", "a\r\nb\r"),
            ("BLANK", " a "),
        ] {
            assert_eq!(seen.get(name).unwrap(), value, "{name}");
        }
    }
}

#[test]
fn nothing_is_there_that_nobody_gave() {
    let it = container()
        .env("FOO", "bar")
        .executable("/etc/my_init.d/10", SEEN)
        .executable("/etc/my_init.d/20", SEEN)
        .command(&["env", "-0"])
        .boot();
    it.wait();
    let expected = variables(
        format!(
            "FOO=bar\0HOME=/root\0HOSTNAME=container\0LOGNAME=root\0PATH={PATH}\0\
             SHELL=/bin/bash\0USER=root\0"
        )
        .as_bytes(),
    );
    for seen in [it.stdout_bytes(), it.read_bytes("/seen/10"), it.read_bytes("/seen/20")] {
        assert_eq!(variables(&seen), expected);
    }
}

#[test]
fn a_script_adds_changes_and_removes_variables_for_all_that_follows() {
    let it = container()
        .variable("CHANGED", "old")
        .variable("REMOVED", "old")
        .env("ALSO_REMOVED", "docker")
        .env("ALSO_CHANGED", "docker")
        .startup(
            "10_change",
            "cd /etc/container_environment
            echo new >ADDED; echo new >CHANGED; echo new >ALSO_CHANGED; rm REMOVED ALSO_REMOVED",
        )
        .executable("/etc/my_init.d/20", SEEN)
        .executable("/etc/rc.local", "#!/bin/sh\necho rc >/etc/container_environment/LAST\n")
        .executable("/etc/my_init.post_shutdown.d/post", SEEN)
        .command(&["env", "-0"])
        .boot();
    it.wait();
    for seen in [it.read_bytes("/seen/20"), it.stdout_bytes(), it.read_bytes("/seen/post")] {
        let seen = variables(&seen);
        for name in ["ADDED", "CHANGED", "ALSO_CHANGED"] {
            assert_eq!(seen.get(name).unwrap(), "new", "{name}");
        }
        assert!(!seen.contains_key("REMOVED") && !seen.contains_key("ALSO_REMOVED"));
    }
    assert_eq!(variables(&it.stdout_bytes()).get("LAST").unwrap(), "rc");
    let shell = it.read("/etc/container_environment.sh");
    assert!(shell.contains("export ADDED=new\n") && shell.contains("export LAST=rc\n"));
    assert!(!shell.contains("REMOVED"));
    let json = it.read("/etc/container_environment.json");
    assert!(json.contains(r#""ADDED": "new""#) && !json.contains("REMOVED"));
}

#[test]
fn what_a_script_writes_into_the_directory_stays_as_it_is() {
    let it = container()
        .startup("10", "printf 'two\\n\\n' >/etc/container_environment/TWO")
        .startup("20", "true")
        .script("true")
        .boot();
    it.wait();
    assert_eq!(it.read("/etc/container_environment/TWO"), "two\n\n");
}

#[test]
fn neither_the_dumps_nor_a_scripts_own_variables_change_anything() {
    let out = container()
        .variable("A", "file")
        .startup(
            "10",
            "export A=script B=script
            echo 'export A=dump' >/etc/container_environment.sh
            echo '{\"A\": \"dump\"}' >/etc/container_environment.json",
        )
        .script("echo $A $B; grep '^export A=' /etc/container_environment.sh")
        .boot()
        .wait();
    assert_eq!(out.stdout, "file\nexport A=file\n");
}

#[test]
fn a_change_after_the_boot_is_seen_by_nobody() {
    let it = container()
        .variable("A", "old")
        .executable("/etc/my_init.post_shutdown.d/post", SEEN)
        .script("echo new >/etc/container_environment/A")
        .boot();
    it.wait();
    assert_eq!(variables(&it.read_bytes("/seen/post")).get("A").unwrap(), "old");
}

#[test]
fn without_startup_files_the_environment_is_imported_and_dumped_all_the_same() {
    let it = Container::new()
        .variable("A", "file")
        .options(&["--skip-startup-files", "--quiet"])
        .script("echo $A $HOME")
        .boot();
    assert_eq!(it.wait().stdout, "file /root\n");
    assert!(it.read("/etc/container_environment.sh").contains("export A=file\n"));
}

#[test]
fn home_is_the_file_then_dockers_then_the_accounts_then_the_root() {
    if Need::Users.is_missing() {
        return;
    }
    let accounts = "root:x:0:0:root:/root:/bin/bash\napp:x:1000:1000::/srv/app:/bin/dash\n";
    let home = |container: Container| {
        let container = container.file("/etc/passwd", accounts).startup("10", "echo $HOME");
        container.script("echo $HOME").boot().wait().stdout
    };
    // Docker always gives a HOME; other engines, and other ways to boot, need not.
    let unset = |container: Container| {
        container.argv(&["env", "-u", "HOME", "/sbin/my_init", "--", "sh", "-c", "echo $HOME"])
    };
    assert_eq!(home(container().variable("HOME", "/app\n")), "/app\n/app\n");
    assert_eq!(home(container().env("HOME", "/given")), "/given\n/given\n");
    assert_eq!(home(container().env("HOME", "/given").variable("HOME", "/app")), "/app\n/app\n");
    assert_eq!(home(unset(container())), "/root\n/root\n");
    assert_eq!(home(unset(container().user(1000, 1000))), "/srv/app\n/srv/app\n");
    assert_eq!(home(unset(container().user(12345, 0))), "/\n/\n");
}

#[test]
fn who_one_is_stays_true_over_every_script_and_out_of_the_directory() {
    let it = container()
        .env("USER", "given")
        .env("UID", "0")
        .executable("/etc/my_init.d/10", SEEN)
        .executable("/etc/my_init.d/20", SEEN)
        .command(&["env", "-0"])
        .boot();
    it.wait();
    let who = [
        ("HOME", "/root"),
        ("USER", "given"),
        ("LOGNAME", "root"),
        ("SHELL", "/bin/bash"),
        ("UID", "0"),
    ];
    let json = it.read("/etc/container_environment.json");
    for (name, value) in who {
        for seen in [it.read_bytes("/seen/10"), it.read_bytes("/seen/20"), it.stdout_bytes()] {
            assert_eq!(variables(&seen).get(name).unwrap(), value, "{name}");
        }
        assert!(json.contains(&format!(r#""{name}": "{value}""#)), "{name}");
        assert!(!it.exists(&format!("/etc/container_environment/{name}")), "{name}");
        assert!(!it.read("/etc/container_environment.sh").contains(&format!("export {name}=")));
    }
}

#[test]
fn a_bad_number_is_named_once_and_the_boot_goes_on() {
    for (name, value) in [
        ("KILL_PROCESS_TIMEOUT", "abc"),
        ("KILL_ALL_PROCESSES_TIMEOUT", "1.5"),
        ("STOP_DEADLINE", "-1"),
        ("KILL_PROCESS_TIMEOUT", ""),
        ("STOP_DEADLINE", "99999999999999999999999"),
    ] {
        let by_docker = container().env(name, value);
        let by_file = container().variable(name, value);
        for container in [by_docker, by_file] {
            let out = container.startup("10", "true").script("exit 7").boot().wait();
            assert_eq!((out.code, out.stderr.lines().count()), (7, 1), "{name}={value}");
            assert_eq!(out.times_said(&format!("{name}={value} ")), 1, "{}", out.stderr);
        }
    }
}

#[test]
fn an_ordinary_user_gets_dockers_variables_and_one_warning() {
    if Need::Users.is_missing() {
        return;
    }
    let out = container()
        .user(12345, 12345)
        .variable("SECRET", "file")
        .env("FOO", "bar")
        .startup("10", "true")
        .startup("20", "true")
        .script("echo \"$FOO,$SECRET,$HOME\"; id -u")
        .boot()
        .wait();
    assert_eq!((out.code, out.stdout.as_str()), (0, "bar,,/\n12345\n"));
    assert_eq!(out.stderr.lines().count(), 1);
    assert!(out.stderr.contains("/etc/container_environment"));
}

#[test]
fn an_ordinary_user_imports_what_the_image_lets_it_read() {
    if Need::Users.is_missing() {
        return;
    }
    let out = container()
        .chmod("/etc/container_environment", 0o755)
        .variable("OPEN", "yes")
        .variable("CLOSED", "no")
        .chmod("/etc/container_environment/CLOSED", 0o600)
        .user(12345, 12345)
        .startup("10", "true")
        .script("echo \"$OPEN,$CLOSED\"")
        .boot()
        .wait();
    assert_eq!(out.stdout, "yes,\n");
    assert_eq!(out.times_said("CLOSED"), 1);
}
