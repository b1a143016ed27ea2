//! `make bench` still works: one round with one service, ours and the floor, in a few seconds.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// Said past the test harness, which hides what passing tests print, and counted by tools/test.
fn skipped(what: &str) {
    let _ = writeln!(io::stderr(), "skipped: the smoke test of the bench: needs {what}");
    if let Some(list) = env::var_os("BASEIMAGE_SKIPPED") {
        let list = fs::File::options().append(true).create(true).open(list);
        let _ = list.and_then(|mut list| writeln!(list, "smoke: {what}"));
    }
}

#[test]
fn a_round_with_one_service_becomes_a_report_with_a_plot() {
    let binary = env::var_os("MY_INIT").map(PathBuf::from);
    let binary =
        binary.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/baseimage"));
    if !binary.exists() {
        return skipped("the binary as it ships, of `make dist`");
    }
    let has = |program: &str, word: &str| {
        Command::new(program).arg(word).output().is_ok_and(|output| output.status.success())
    };
    if !has("cc", "--version") {
        return skipped("a C compiler");
    }
    let own = ["--user", "--map-root-user", "--mount", "--pid", "--fork", "true"];
    if !Command::new("unshare").args(own).output().is_ok_and(|output| output.status.success()) {
        return skipped("namespaces of its own");
    }

    let results = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    let _ = fs::remove_dir_all(&results);
    let bench = Command::new(env!("CARGO_BIN_EXE_bench"))
        .arg("all")
        .env("MY_INIT", &binary)
        .env("RESULTS", &results)
        .envs([("ROUNDS", "1"), ("COUNTS", "0,1"), ("IDLE_SECONDS", "1"), ("LOOP_SECONDS", "1")])
        .env("WAIT_SECONDS", "0")
        .env("SYSTEMS", "ours,floor by fork,floor by vfork,floor with files,bare")
        .env_remove("PARTS")
        .output()
        .unwrap();
    assert!(bench.status.success(), "{}", String::from_utf8_lossy(&bench.stderr));

    let report = fs::read_to_string(results.join("RESULTS.md")).unwrap();
    for heading in ["## The bars", "## Boot\n", "## Stop\n", "## Private memory", "## A command"] {
        assert!(report.contains(heading), "no {heading} in\n{report}");
    }
    for row in ["| ours | **", "| floor by fork | **", "| floor by vfork | **", "| bare | **"] {
        assert!(report.contains(row), "no {row} in\n{report}");
    }
    for plot in ["memory.svg", "memory-per-service.svg"] {
        assert!(report.contains(plot), "no {plot} in\n{report}");
    }
    assert!(fs::read_to_string(results.join("memory.svg")).unwrap().contains(">ours "));
}
