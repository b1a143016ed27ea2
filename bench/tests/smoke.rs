//! `make bench` still works: one round with one service, ours and the floor, in a few seconds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

#[test]
fn a_round_with_one_service_becomes_a_report_with_a_plot() {
    let binary = env::var_os("MY_INIT").map(PathBuf::from);
    let binary =
        binary.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/baseimage"));
    let needs = |what: &str| eprintln!("skipped: the bench: needs {what}");
    if !binary.exists() {
        return needs("the binary as it ships, of `make dist`");
    }
    let has = |program: &str, word: &str| {
        Command::new(program).arg(word).output().is_ok_and(|output| output.status.success())
    };
    if !has("cc", "--version") {
        return needs("a C compiler");
    }
    let own = ["--user", "--map-root-user", "--mount", "--pid", "--fork", "true"];
    if !Command::new("unshare").args(own).output().is_ok_and(|output| output.status.success()) {
        return needs("namespaces of its own");
    }

    let results = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    let _ = fs::remove_dir_all(&results);
    let bench = Command::new(env!("CARGO_BIN_EXE_bench"))
        .arg("all")
        .env("MY_INIT", &binary)
        .env("RESULTS", &results)
        .envs([("ROUNDS", "1"), ("COUNTS", "0,1"), ("IDLE_SECONDS", "1"), ("LOOP_SECONDS", "1")])
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
    assert!(fs::read_to_string(results.join("memory.svg")).unwrap().contains(">ours "));
}
