//! setuser: another user for good, and then the command.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use world::{Container, Live, Need, Output, variables};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
    app:x:1000:1000:App:/srv/app:/bin/dash\n\
    1234:x:7777:7777:a name of digits:/srv/digits:/bin/sh\n\
    bare:x:1001:1001:::\n";
const GROUP: &str = "root:x:0:\napp:x:1000:\nstaff:x:50:app,other\nadm:x:4:app\n\
    other:x:51:application\ndigits:x:7777:\nwheel:x:60:root\n";

/// A container to try things in: its main command only waits.
fn container() -> Container {
    Container::new()
        .file("/etc/passwd", PASSWD)
        .file("/etc/group", GROUP)
        .env("FOO", "bar")
        .options(&["--quiet"])
        .script("touch /ready; exec sleep 1000")
}

/// `None` where this machine has no other users to become.
fn boot() -> Option<Live> {
    if Need::Users.is_missing() {
        return None;
    }
    let it = container().boot();
    it.until_there("/ready");
    Some(it)
}

#[track_caller]
fn ids(it: &Live, who: &str) -> String {
    let script = "echo $(id -u) $(id -g) $(id -G | tr ' ' '\\n' | sort -n)";
    let out = it.run(&["setuser", who, "sh", "-c", script]);
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
    out.stdout.trim().to_string()
}

#[track_caller]
fn assert_refused(out: &Output, code: i32, reason: &str) {
    assert_eq!((out.code, out.stdout.as_str()), (code, ""), "{}", out.stderr);
    assert_eq!(out.stderr.lines().count(), 1, "{}", out.stderr);
    assert!(out.stderr.contains(reason), "{}", out.stderr);
}

#[test]
fn a_user_has_all_its_groups_and_an_explicit_group_is_the_only_one() {
    let Some(it) = boot() else { return };
    for (who, expected) in [
        ("app", "1000 1000 4 50 1000"),
        ("1000", "1000 1000 4 50 1000"),
        ("app:staff", "1000 50 50"),
        ("app:77", "1000 77 77"),
        ("1000:1000", "1000 1000 1000"),
        ("12345", "12345 12345 12345"),
        ("12345:staff", "12345 50 50"),
        ("12345:0", "12345 0 0"),
        ("1234", "7777 7777 7777"),
        ("root", "0 0 0 60"),
        ("0", "0 0 0 60"),
        ("root:root", "0 0 0"),
        ("bare", "1001 1001 1001"),
    ] {
        assert_eq!(ids(&it, who), expected, "{who}");
    }
}

#[test]
fn the_environment_is_the_users_and_everything_else_stays() {
    let Some(it) = boot() else { return };
    let seen = |who: &str| {
        assert_eq!(it.run(&["setuser", who, "env", "-0"]).code, 0);
        variables(it.run(&["setuser", who, "env", "-0"]).stdout.as_bytes())
    };
    let app = seen("app");
    for (name, value) in [
        ("HOME", "/srv/app"),
        ("USER", "app"),
        ("LOGNAME", "app"),
        ("SHELL", "/bin/dash"),
        ("UID", "1000"),
        ("GID", "1000"),
        ("GROUP", "app"),
        ("FOO", "bar"),
        ("PATH", world::PATH),
        ("HOSTNAME", "container"),
    ] {
        assert_eq!(app.get(name).unwrap(), value, "{name}");
    }
    assert_eq!(app.len(), 10);
    let number = seen("12345");
    for (name, value) in
        [("HOME", "/"), ("USER", "12345"), ("UID", "12345"), ("GID", "12345"), ("GROUP", "12345")]
    {
        assert_eq!(number.get(name).unwrap(), value, "{name}");
    }
    let bare = seen("bare:staff");
    for (name, value) in [("HOME", "/"), ("SHELL", "/bin/sh"), ("GID", "50"), ("GROUP", "staff")] {
        assert_eq!(bare.get(name).unwrap(), value, "{name}");
    }
}

#[test]
fn working_directory_umask_and_arguments_stay() {
    let Some(it) = boot() else { return };
    let out =
        it.sh("cd /tmp; umask 027; setuser app sh -c 'pwd; umask; echo \"$@\"' me -x -- 'a b'");
    assert_eq!(out, "/tmp\n0027\n-x -- a b\n");
}

#[test]
fn it_becomes_the_command_and_ends_as_the_command_does() {
    let Some(it) = boot() else { return };
    for code in [0, 1, 7, 255] {
        assert_eq!(it.run(&["setuser", "app", "sh", "-c", &format!("exit {code}")]).code, code);
    }
    assert_eq!(it.run(&["setuser", "app", "sh", "-c", "kill -9 $$"]).code, 137);
    // The same process: no setuser stays above it.
    assert_eq!(it.sh("echo $$; exec setuser app sh -c 'echo $$'").lines().count(), 2);
    let pids = it.sh("echo $$; exec setuser app sh -c 'echo $$'");
    let mut pids = pids.lines();
    assert_eq!(pids.next(), pids.next());
}

#[test]
fn dashes_may_stand_before_the_command() {
    let Some(it) = boot() else { return };
    assert_eq!(it.run(&["setuser", "app", "--", "echo", "-n", "hi"]).stdout, "hi");
}

#[test]
fn signals_are_at_their_defaults_for_the_command() {
    let Some(it) = boot() else { return };
    let out = it.run(&["setuser", "app", "cat", "/proc/self/status"]).stdout;
    for mask in ["SigBlk", "SigIgn"] {
        let line = out.lines().find_map(|line| line.strip_prefix(&format!("{mask}:\t"))).unwrap();
        // 32 and 33 belong to the C library, which lets nobody set them. What the caller ignores
        // on purpose, as nohup does, stays ignored.
        let mine = 3 << 31 | world::ignored_here();
        assert_eq!(u64::from_str_radix(line, 16).unwrap() & !mine, 0, "{mask}");
    }
    let broken = it.run(&["bash", "-c", "setuser app yes | head -n 1; echo ${PIPESTATUS[0]}"]);
    assert_eq!(broken.stdout, "y\n141\n");
}

#[test]
fn the_drop_is_total() {
    let Some(it) = boot() else { return };
    let out = it.run(&["setuser", "app", "cat", "/proc/self/status"]).stdout;
    let line = |field: &str| {
        let line = out.lines().find_map(|line| line.strip_prefix(&format!("{field}:"))).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("Uid"), "1000 1000 1000 1000");
    assert_eq!(line("Gid"), "1000 1000 1000 1000");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(line(set), "0000000000000000", "{set}");
    }
    let back = "use POSIX; POSIX::setuid(0); $> = 0; $< = 0; print \"$< $>\"";
    assert_eq!(it.run(&["setuser", "app", "perl", "-e", back]).stdout, "1000 1000");
    assert_ne!(it.run(&["setuser", "app", "setuser", "root", "true"]).code, 0);
}

#[test]
fn a_drop_that_is_not_total_runs_nothing() {
    let Some(it) = boot() else { return };
    // With this bit the kernel leaves a process its capabilities when it ceases to be root.
    let keep = ["setpriv", "--securebits", "+no_setuid_fixup"];
    assert_eq!(it.run(&[&keep[..], &["true"]].concat()).code, 0);
    let out = it.run(&[&keep[..], &["setuser", "app", "touch", "/tmp/ran"]].concat());
    assert_refused(&out, 1, "privileges remain");
    assert!(!it.exists("/tmp/ran"));
}

#[test]
fn an_ordinary_user_that_already_is_that_user_needs_no_right() {
    let Some(it) = boot() else { return };
    let app = (1000, 1000);
    for who in ["app", "1000", "app:app", "1000:1000"] {
        let out = it.run_as(app, &["setuser", who, "sh", "-c", "echo $(id -u) $HOME; exit 3"]);
        assert_eq!((out.code, out.stdout.as_str()), (3, "1000 /srv/app\n"), "{who}");
    }
    // A pod with a user of its own and the group root.
    let out = it.run_as((12345, 0), &["setuser", "12345", "id", "-u"]);
    assert_eq!((out.code, out.stdout.as_str()), (0, "12345\n"));
}

#[test]
fn an_ordinary_user_cannot_become_another() {
    let Some(it) = boot() else { return };
    for who in ["root", "0", "12345", "app:0", "app:staff", "bare"] {
        let out = it.run_as((1000, 1000), &["setuser", who, "touch", "/tmp/ran"]);
        assert_refused(&out, 1, "setuser: ");
        assert!(out.stderr.to_lowercase().contains("not permitted"), "{who}: {}", out.stderr);
    }
    assert!(!it.exists("/tmp/ran"));
}

#[test]
fn an_unknown_user_or_group_is_named() {
    let it = container().boot();
    it.until_there("/ready");
    for who in ["nobody-here", "", "-1", "4294967295", "99999999999", " app", "-x"] {
        let out = it.run(&["setuser", who, "touch", "/ran"]);
        assert_refused(&out, 1, &format!("user {who} not found"));
    }
    for (who, group) in [("app:nogroup-here", "nogroup-here"), ("app:", ""), ("app:a:b", "a:b")] {
        let out = it.run(&["setuser", who, "touch", "/ran"]);
        assert_refused(&out, 1, &format!("group {group} not found"));
    }
    assert!(!it.exists("/ran"));
}

#[test]
fn a_command_that_cannot_run_gives_126_or_127_and_the_reason() {
    if Need::Users.is_missing() {
        return;
    }
    let it = container()
        .file("/data", "#!/bin/sh\n")
        .executable("/crlf", "#!/bin/sh\r\necho hi\r\n")
        .executable("/snake", "#!/opt/no/python -u\n")
        .executable("/text", "echo by the shell\n")
        .boot();
    it.until_there("/ready");
    for (command, code, reason) in [
        ("no-such", 127, "no-such: not found"),
        ("/no/such", 127, "/no/such: not found"),
        ("/data", 126, "/data: not executable"),
        ("/etc", 126, "/etc: it is a directory"),
        ("/crlf", 127, "CR LF"),
        ("/snake", 127, "/opt/no/python"),
    ] {
        assert_refused(&it.run(&["setuser", "root", command]), code, reason);
    }
    assert_eq!(it.run(&["setuser", "root", "/text"]).stdout, "by the shell\n");
}

#[test]
fn wrong_usage_shows_the_usage() {
    let it = container().boot();
    it.until_there("/ready");
    for words in [&["setuser"][..], &["setuser", "app"], &["setuser", "app", "--"]] {
        assert_refused(&it.run(words), 1, "Usage: setuser USER");
    }
    let help = it.run(&["setuser", "--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    assert!(help.stdout.starts_with("Usage: setuser USER"));
}

#[test]
fn without_account_files_numbers_still_work() {
    let Some(it) = boot() else { return };
    it.sh("rm /etc/passwd /etc/group");
    assert_eq!(it.run(&["setuser", "12345:50", "sh", "-c", "id -u; id -g"]).stdout, "12345\n50\n");
    assert_refused(&it.run(&["setuser", "app", "true"]), 1, "user app not found");
}

#[test]
fn a_script_and_a_command_may_use_it() {
    if Need::Users.is_missing() {
        return;
    }
    let out = container()
        .startup("10", "/sbin/setuser app sh -c 'echo $(id -un) $HOME $FOO'")
        .command(&["/sbin/setuser", "app", "sh", "-c", "echo $(id -un) $HOME $FOO; exit 4"])
        .boot()
        .wait();
    assert_eq!((out.code, out.stdout), (4, "app /srv/app bar\n".repeat(2)));
}
