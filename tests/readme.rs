//! The guides do not lie: every command in them is run, and says what it is said to say; every
//! Dockerfile in them is built.

mod world;

use std::process::Command;
use world::Need;

const GUIDES: [(&str, &str); 3] = [
    ("README.md", include_str!("../README.md")),
    ("docs/coming-from-phusion.md", include_str!("../docs/coming-from-phusion.md")),
    ("docs/setuid.md", include_str!("../docs/setuid.md")),
];

/// The blocks of a kind, each with the place that it begins at.
fn blocks(kind: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    for (file, guide) in GUIDES {
        let mut lines = guide.lines().enumerate();
        while let Some((n, line)) = lines.next() {
            if line == format!("```{kind}") {
                let text = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
                let text = text.map(|line| format!("{line}\n")).collect();
                blocks.push((format!("{file}:{}", n + 1), text));
            }
        }
    }
    assert!(!blocks.is_empty(), "the guides have {kind} blocks");
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

/// Whether the lines are as promised; `...` alone stands for any number of lines.
fn is_as_promised(promised: &[String], lines: &[&str]) -> bool {
    match promised.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=lines.len()).any(|skipped| is_as_promised(rest, &lines[skipped..]))
        }
        Some((first, rest)) => {
            lines.first().is_some_and(|line| is_like(first, line))
                && is_as_promised(rest, &lines[1..])
        }
    }
}

/// The same for one line, in which `...` stands for any text.
fn is_like(promised: &str, line: &str) -> bool {
    match promised.split_once("...") {
        None => promised == line,
        Some((before, after)) => line.strip_prefix(before).is_some_and(|line| {
            let ends = line.char_indices().map(|(end, _)| end).chain([line.len()]);
            ends.into_iter().any(|end| is_like(after, &line[end..]))
        }),
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
fn every_command_in_the_guides_says_what_it_is_said_to_say() {
    if Need::Docker.is_missing() {
        return;
    }
    make_image();
    // What a run that failed has left.
    run("docker rm --force $(docker ps --all --quiet --filter name=^readme-)");
    for (place, block) in blocks("console") {
        for (command, promised) in commands(&block) {
            let output = run(&command);
            let lines: Vec<&str> = output.lines().collect();
            assert!(
                is_as_promised(&promised, &lines),
                "{place}: $ {command}\npromised: {promised:#?}\nsays: {lines:#?}"
            );
        }
    }
}

#[test]
fn every_dockerfile_in_the_guides_is_built() {
    if Need::Docker.is_missing() {
        return;
    }
    make_image();
    for (place, dockerfile) in blocks("dockerfile") {
        let build = "docker build --tag readme-test - <<'EOF' && echo built";
        let says = run(&format!("{build}\n{dockerfile}EOF"));
        assert!(says.ends_with("built\n"), "{place}: {says}");
        run("docker image rm readme-test");
    }
}

#[test]
fn the_service_shown_in_the_readme_is_the_one_of_the_example() {
    let run = include_str!("../examples/memcached/rootfs/etc/service/memcached/run");
    let shown: Vec<_> = blocks("sh").into_iter().map(|(_, block)| block).collect();
    assert_eq!(shown, [run]);
}
