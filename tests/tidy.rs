//! The house rules, read from the source (ARCHITECTURE.md, "Invariants"; CONTRIBUTING.md).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn files_below(directory: &str) -> Vec<PathBuf> {
    let is_rust = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "rs");
    all_below(directory).into_iter().filter(is_rust).collect()
}

fn all_below(directory: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty(), "there is something to read in {directory}");
    files
}

/// The lines of a file, without its tests.
fn code(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    if file.ends_with("init/tests.rs") || file.ends_with("service/tests.rs") {
        return Vec::new();
    }
    text[..end].lines().map(str::to_string).collect()
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// Every place in the code below a directory that holds one of the words.
fn places(directory: &str, words: &[&str]) -> Vec<String> {
    let mut places = Vec::new();
    for file in files_below(directory) {
        for (n, line) in code(&file).iter().enumerate() {
            if !is_comment(line) && words.iter().any(|word| line.contains(word)) {
                places.push(format!("{}:{}: {}", file.display(), n + 1, line.trim()));
            }
        }
    }
    places
}

fn elsewhere(places: Vec<String>, home: &str) -> Vec<String> {
    places.into_iter().filter(|place| !place.contains(home)).collect()
}

#[test]
fn there_is_one_unsafe_block_and_it_is_the_fork() {
    let blocks = places("src", &["unsafe {", "unsafe fn", "unsafe impl"]);
    assert_eq!(blocks.len(), 1, "{blocks:#?}");
    assert!(blocks[0].contains("/src/spawn.rs:"), "{blocks:#?}");
    assert_eq!(places("logic/src", &["unsafe"]), [""; 0]);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("logic/Cargo.toml");
    assert!(fs::read_to_string(manifest).unwrap().contains("unsafe_code = \"forbid\""));
}

#[test]
fn logic_reaches_no_system() {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("logic/src/lib.rs");
    assert!(fs::read_to_string(lib).unwrap().contains("#![no_std]"));
    assert_eq!(places("logic/src", &["std::", "nix::", "libc"]), [""; 0]);
}

#[test]
fn only_spawn_starts_processes() {
    let words = ["fork()", "libc::syscall", "Command::new", "posix_spawn", "execve("];
    let births = places("src", &words);
    assert!(!births.is_empty());
    assert_eq!(elsewhere(births, "/src/spawn"), [""; 0]);
    let forks = places("src", &["SYS_clone", "fork()"]);
    assert_eq!(forks.len(), 1, "{forks:#?}");
}

#[test]
fn only_say_prints() {
    let prints = places("src", &["println!", "print!(", "stdout()", "stderr()", "dbg!"]);
    assert!(!prints.is_empty());
    assert_eq!(elsewhere(prints, "/src/say.rs:"), [""; 0]);
}

#[test]
fn only_main_exits() {
    assert_eq!(places("src", &["process::exit", "abort()"]), [""; 0]);
}

#[test]
fn nothing_sleeps_and_nothing_has_a_thread() {
    assert_eq!(
        places("src", &["thread::", "sleep("])
            .into_iter()
            .filter(|place| !place.contains("self.sleep()") && !place.contains("fn sleep(&"))
            .collect::<Vec<_>>(),
        [""; 0]
    );
}

#[test]
fn programs_do_not_know_each_other() {
    for (program, others) in
        [("init", ["setuser", "sv"]), ("setuser", ["init", "sv"]), ("sv", ["init", "setuser"])]
    {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/{program}.rs"));
        if !file.exists() {
            continue;
        }
        for line in code(&file).iter().filter(|line| line.starts_with("use crate::")) {
            let imports: Vec<&str> =
                line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            assert!(!others.iter().any(|other| imports.contains(other)), "{program}: {line}");
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_fits_the_eye() {
    for file in ["src", "logic/src", "tests", "logic/tests"].into_iter().flat_map(files_below) {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.display();
        assert!(text.starts_with("//! "), "{name} does not begin with what it is");
        assert!(code(&file).len() <= 400, "{name} has more than 400 lines");
        for (n, line) in text.lines().enumerate() {
            assert!(line.chars().count() <= 100, "{name}:{} has more than 100 columns", n + 1);
            let is_reminder = line.contains(concat!("TO", "DO")) && !line.contains('#');
            assert!(!is_reminder, "{name}:{} reminds of no issue", n + 1);
        }
    }
}

#[test]
fn every_run_script_of_the_examples_becomes_its_service() {
    let scripts = all_below("examples").into_iter().filter(|file| file.ends_with("run"));
    let scripts: Vec<PathBuf> = scripts.collect();
    assert!(!scripts.is_empty());
    for script in scripts {
        let (text, name) = (fs::read_to_string(&script).unwrap(), script.display());
        assert!(text.starts_with("#!/bin/sh\n# "), "{name} does not say what it is");
        assert!(text.contains("\nset -eu\n"), "{name} goes on after an error");
        let last = text.lines().last().unwrap_or_default();
        assert!(last.starts_with("exec "), "{name} leaves a shell above the service");
        let mode = fs::metadata(&script).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{name} is not executable");
    }
}

#[test]
fn every_function_fits_a_screen() {
    for file in ["src", "logic/src", "tests", "logic/tests"].into_iter().flat_map(files_below) {
        let text = fs::read_to_string(&file).unwrap();
        let mut open: Option<(usize, usize)> = None;
        for (n, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let words = ["fn ", "pub fn ", "pub(crate) fn "];
            if words.iter().any(|word| line.trim_start().starts_with(word)) && line.ends_with('{') {
                open = Some((n, indent));
            }
            if let Some((start, outer)) = open
                && line.trim_end() == format!("{}}}", " ".repeat(outer))
            {
                let length = n - start + 1;
                assert!(length <= 60, "{}:{} has {length} lines", file.display(), start + 1);
                open = None;
            }
        }
    }
}
