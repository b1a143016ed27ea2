//! The README does not lie: every command in it is run, and says what it is said to say; every
//! Dockerfile in it is built.

mod world;

use std::process::Command;
use world::Need;

/// The blocks of a kind, each with the line of the README that it begins on.
fn blocks(kind: &str) -> Vec<(usize, String)> {
    let readme = include_str!("../README.md");
    let mut blocks = Vec::new();
    let mut lines = readme.lines().enumerate();
    while let Some((n, line)) = lines.next() {
        if line == format!("```{kind}") {
            let text = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            blocks.push((n + 1, text.map(|line| format!("{line}\n")).collect()));
        }
    }
    assert!(!blocks.is_empty(), "the README has {kind} blocks");
    blocks
}

/// Commands, each with the output that is promised: what stands between it and the next.
fn commands(block: &str) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_string(), Vec::new())),
            (None, Some((_, output))) => output.push(line.to_string()),
            (None, None) => panic!("a block begins with output: {line}"),
        }
    }
    commands
}

/// Whether the lines are as promised; `...` stands for any number of lines.
fn is_as_promised(promised: &[String], lines: &[&str]) -> bool {
    match promised.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=lines.len()).any(|skipped| is_as_promised(rest, &lines[skipped..]))
        }
        Some((first, rest)) => {
            lines.first() == Some(&first.as_str()) && is_as_promised(rest, &lines[1..])
        }
    }
}

/// The image that the README speaks of; `tools/test` has built it.
fn make_image() {
    if std::env::var_os("BASEIMAGE_IMAGE").is_none() {
        let made = Command::new("tools/image").output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}

/// The engine by the name it has in the README.
const PRELUDE: &str = "docker() { command ${BASEIMAGE_ENGINE:-docker} \"$@\"; }; exec 2>&1\n";

/// Run it as a reader would who has the image; its two outputs together, as a terminal shows them.
fn run(command: &str) -> String {
    let script = format!("{PRELUDE}{command}\n");
    let out = Command::new("bash").args(["-c", &script]).output().unwrap();
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn every_command_in_the_readme_says_what_it_is_said_to_say() {
    if Need::Docker.is_missing() {
        return;
    }
    make_image();
    for (line, block) in blocks("console") {
        for (command, promised) in commands(&block) {
            let output = run(&command);
            let lines: Vec<&str> = output.lines().collect();
            assert!(
                is_as_promised(&promised, &lines),
                "README.md:{line}: $ {command}\npromised: {promised:#?}\nsays: {lines:#?}"
            );
        }
    }
}

#[test]
fn every_dockerfile_in_the_readme_is_built() {
    if Need::Docker.is_missing() {
        return;
    }
    make_image();
    for (line, dockerfile) in blocks("dockerfile") {
        let build = "docker build --tag readme-test - <<'EOF' && echo built";
        let says = run(&format!("{build}\n{dockerfile}EOF"));
        assert!(says.ends_with("built\n"), "README.md:{line}: {says}");
        run("docker image rm readme-test");
    }
}
