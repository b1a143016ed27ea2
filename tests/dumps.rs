//! The three dumps of the environment, and names and values that try to get out of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::collections::BTreeMap;
use std::ffi::OsString;
use world::{Container, Live, Need, Output, bytes, variables};

const DIRECTORY: &str = "/etc/container_environment";
const SHELL: &str = "/etc/container_environment.sh";
const JSON: &str = "/etc/container_environment.json";

/// Names that are fine for a file of the directory, though no shell can hold most of them.
const ODD_NAMES: [&[u8]; 22] = [
    b"A.B",
    b"A-B",
    b"A_B",
    b"1X",
    b"a b",
    b"new\nline",
    b"$(touch pwned)",
    b"`touch pwned`",
    b"-n",
    b"--",
    b"*",
    b"'",
    b"\"",
    b"\\",
    b"x;touch pwned",
    b"\xff\xfe",
    "\u{e9}".as_bytes(),
    b"PPID",
    b"EUID",
    b"BASHOPTS",
    b"SHELLOPTS",
    b"BASH_VERSINFO",
];

/// Names that no file of the directory can bear.
const OUTSIDE_NAMES: [&[u8]; 8] = [
    b"../zzz",
    b"A/B",
    b"/etc/evil",
    b".",
    b"..",
    b".hidden",
    b"..data",
    b"../container_environment.sh",
];

fn values() -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = [
        &b""[..],
        b"plain",
        b"two words",
        b"it's",
        b"'",
        b"''",
        b"\"",
        b"'\"'\"'",
        b"\\",
        b"\\n",
        b"$(touch /pwned)",
        b"`touch /pwned`",
        b"$HOME",
        b"${x:?}",
        b"!!",
        b"~",
        b"*",
        b"# no comment",
        b"; touch /pwned",
        b"& touch /pwned",
        b"'; touch /pwned; '",
        b"line\nline",
        b"line\n",
        b"\n\n",
        b"\n",
        b"cr\r",
        b"crlf\r\n",
        b"\r",
        b" blank ",
        b"\t",
        b"\xff\xfe",
        b"a\xc3",
        b"\x01\x1b[2J\x7f",
        "\u{e9}\u{1f600}".as_bytes(),
        b"export X=1",
        b"-n",
        b"A=B=C",
    ]
    .iter()
    .map(|value| value.to_vec())
    .collect();
    values.push((1..=255).collect());
    values.push(b"long 'value'\n".repeat(8000));
    values
}

/// Each odd value under a plain name, each odd name with an odd value.
fn hostile() -> Vec<(OsString, OsString)> {
    let values = values();
    let plain = values.iter().enumerate().map(|(n, value)| (format!("V{n}").into(), bytes(value)));
    let odd = ODD_NAMES.iter().chain(&OUTSIDE_NAMES).zip(values.iter().cycle());
    plain.chain(odd.map(|(name, value)| (bytes(name), bytes(value)))).collect()
}

fn with_hostile_variables() -> Container {
    let mut container = Container::new().env("LANG", "C");
    for (name, value) in hostile() {
        container = container.env(name, value);
    }
    container
}

/// What the variables should be, in the form of [`variables`].
fn expected() -> BTreeMap<String, String> {
    let mut block = Vec::new();
    for (name, value) in hostile() {
        block.extend_from_slice(name.as_encoded_bytes());
        block.push(b'=');
        block.extend_from_slice(value.as_encoded_bytes());
        block.push(0);
    }
    variables(&block)
}

/// What the main command sees of them, `env -0` being the command.
#[track_caller]
fn assert_all_are_there(it: &Live) {
    let seen = variables(&it.stdout_bytes());
    for (name, value) in expected() {
        assert_eq!(seen.get(&name), Some(&value), "{name}");
    }
}

#[test]
fn hostile_variables_reach_the_command_byte_for_byte_over_every_reload() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let it = with_hostile_variables()
        .startup("10", "true")
        .executable("/etc/rc.local", "#!/bin/sh\ntrue\n")
        .command(&["env", "-0"])
        .boot();
    assert_eq!(it.wait().code, 0);
    assert_all_are_there(&it);
}

#[test]
fn hostile_files_of_the_directory_are_imported_byte_for_byte() {
    let mut container = Container::new();
    let mut expected = Vec::new();
    for (name, value) in hostile() {
        if OUTSIDE_NAMES.contains(&name.as_encoded_bytes()) {
            continue;
        }
        container = container.variable(&name, [value.as_encoded_bytes(), b"\n"].concat());
        expected.extend_from_slice(name.as_encoded_bytes());
        expected.push(b'=');
        expected.extend_from_slice(value.as_encoded_bytes());
        expected.push(0);
    }
    let it = container.startup("10", "true").command(&["env", "-0"]).boot();
    assert_eq!(it.wait().code, 0);
    let seen = variables(&it.stdout_bytes());
    for (name, value) in variables(&expected) {
        assert_eq!(seen.get(&name), Some(&value), "{name}");
    }
}

#[test]
fn nothing_is_written_outside_of_the_three_places() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let it = with_hostile_variables().startup("10", "true").command(&["env", "-0"]).boot();
    assert_eq!(it.wait().code, 0);
    for path in it.written() {
        let path = path.to_str().unwrap_or("one in the directory");
        let is_dump = [SHELL, JSON, DIRECTORY, "/etc"].contains(&path);
        let is_variable = path.starts_with(&format!("{DIRECTORY}/"));
        assert!(is_dump || is_variable || path == "one in the directory", "{path}");
        assert!(!path.contains("/.."), "left behind: {path}");
    }
}

#[test]
fn names_that_no_file_can_bear_are_named_in_one_warning() {
    let out = with_hostile_variables()
        .options(&["--quiet"])
        .startup("10", "true")
        .startup("20", "true")
        .script("true")
        .boot()
        .wait();
    assert_eq!(out.stderr.lines().count(), 1, "{}", out.stderr);
    assert!(out.stderr.contains("../zzz"));
}

/// Source the shell dump in a shell that knows nothing else.
fn sourced(it: &Live, shell: &[&str], before: &str, after: &str) -> Output {
    let script = format!("{before}; . {SHELL}; {after}");
    it.run(&[&["env", "-i", "PATH=/usr/bin:/bin"], shell, &["-c", &script]].concat())
}

const SHELLS: [&[&str]; 3] = [&["dash"], &["bash"], &["bash", "--posix"]];

#[test]
fn the_shell_dump_gives_back_the_same_variables_in_dash_and_bash() {
    if Need::Namespaces.is_missing() {
        return;
    }
    let it = with_hostile_variables().startup("10", "true").boot();
    it.until_said("*** Runit started");
    let is_shell_name = |name: &str| {
        name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.starts_with('1')
    };
    let reserved = ["PPID", "EUID", "BASHOPTS", "SHELLOPTS", "BASH_VERSINFO"];
    for shell in SHELLS {
        let out = sourced(&it, shell, "set -eu", "exec env -0 >/seen");
        assert_eq!((out.code, out.stderr.as_str()), (0, ""), "{shell:?}");
        let seen = variables(&it.read_bytes("/seen"));
        for (name, value) in expected() {
            let is_there = is_shell_name(&name) && !reserved.contains(&name.as_str());
            assert_eq!(seen.get(&name), is_there.then_some(&value), "{shell:?}: {name}");
        }
        assert!(!it.exists("/pwned"));
    }
}

#[test]
fn sourcing_the_shell_dump_runs_nothing_and_says_nothing() {
    // Names whose assignment is more than an assignment in some shell.
    let mut container = Container::new();
    for name in [
        "OPTIND",
        "RANDOM",
        "SRANDOM",
        "HISTCMD",
        "SECONDS",
        "LINENO",
        "BASHPID",
        "GROUPS",
        "FUNCNAME",
        "DIRSTACK",
        "PS1",
        "PS4",
        "PROMPT_COMMAND",
        "IFS",
        "ENV",
        "BASH_ENV",
        "PWD",
        "OLDPWD",
        "MAILPATH",
        "BASH_ARGV0",
        "BASH_ALIASES",
        "BASH_CMDS",
        "SHLVL",
        "TMOUT",
    ] {
        container = container.env(name, "a[$(touch /pwned)]");
    }
    let it = container.env("ZZZ", "last").boot();
    it.until_said("*** Runit started");
    for shell in SHELLS {
        let out = sourced(&it, shell, "true", "echo \"$ZZZ\"");
        assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("last\n", ""), "{shell:?}");
        assert!(!it.exists("/pwned"), "{shell:?}");
    }
}

#[test]
fn names_no_shell_can_hold_stay_apart_and_are_comments() {
    let it = Container::new()
        .env("A.B", "1")
        .env("A-B", "2")
        .env("A_B", "3")
        .env("1X", "4")
        .env("evil\nexport X=5", "5")
        .script("true")
        .boot();
    it.wait();
    let dump = it.read(SHELL);
    assert_eq!(dump.lines().filter(|line| line.starts_with("export A_B=")).count(), 1);
    assert!(dump.contains("export A_B=3\n"));
    for name in ["A.B", "A-B", "1X"] {
        let is_named = |line: &str| line.starts_with("# ") && line.contains(name);
        assert_eq!(dump.lines().filter(|line| is_named(line)).count(), 1, "{name}");
    }
    assert!(dump.lines().all(|line| line.starts_with("# ") || line.starts_with("export ")));
    assert!(!dump.contains("export X="));
}

#[test]
fn the_shell_dump_is_the_predecessors() {
    let it = Container::new()
        .env("FOO", "bar")
        .env("HELLO", "my beautiful world")
        .env("QUOTE", "it's")
        .env("EMPTY", "")
        .env("URL", "http://a:1/b?c=%20,d@e_f-g.h+i")
        .script("true")
        .boot();
    it.wait();
    let dump = it.read(SHELL);
    for line in [
        "export FOO=bar",
        "export HELLO='my beautiful world'",
        "export QUOTE='it'\"'\"'s'",
        "export EMPTY=''",
        "export URL='http://a:1/b?c=%20,d@e_f-g.h+i'",
    ] {
        assert!(dump.lines().any(|one| one == line), "{line}");
    }
}

#[test]
fn the_json_dump_is_valid_and_complete() {
    let it = with_hostile_variables().startup("10", "true").script("true").boot();
    it.wait();
    let dump = it.read_bytes(JSON);
    assert!(dump.is_ascii() && !dump.ends_with(b"\n"));
    let read: BTreeMap<String, String> = serde_json::from_slice(&dump).unwrap();
    for (name, value) in hostile() {
        let value = value.to_string_lossy().into_owned();
        assert_eq!(read.get(&*name.to_string_lossy()), Some(&value), "{name:?}");
    }
    assert_eq!(read.get("HOME").unwrap(), "/root");
    assert_eq!(
        read.len(),
        hostile().len() + "HOME USER LOGNAME SHELL PATH HOSTNAME LANG".split(' ').count()
    );
}

#[test]
fn a_dump_is_never_seen_half_written() {
    let mut container = Container::new().startup(
        "00_reader",
        "perl -e 'open(R, \">\", \"/reading\"); undef $/; while (1) {
            open(F, \"<\", \"/etc/container_environment.json\"); $d = <F>;
            open(O, \">>\", \"/bad\"), print O length($d) unless $d =~ /^\\{[^{}]*\\}$/ }' &
        while [ ! -e /reading ]; do :; done",
    );
    for n in 10..90 {
        let size = n % 2 * 100_000;
        let grow = format!("head -c {size} /dev/zero | tr '\\0' x >{DIRECTORY}/LONG");
        container = container.startup(&n.to_string(), &grow);
    }
    let it = container.options(&["--quiet"]).script("true").boot();
    assert_eq!(it.wait().code, 0);
    assert!(!it.exists("/bad"), "half a dump was seen: {}", it.read("/bad"));
}

#[test]
fn a_link_in_the_directory_is_never_written_through() {
    let it = Container::new()
        .file("/victim", "untouched")
        .symlink("/victim", "/etc/container_environment/X")
        .env("X", "evil")
        .startup("10", "true")
        .script("echo $X")
        .boot();
    assert_eq!(it.wait().stdout, "evil\n");
    assert_eq!(it.read("/victim"), "untouched");
}
