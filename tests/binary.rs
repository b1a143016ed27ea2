//! The binary: one static file that needs nothing beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::fs;
use world::{Container, Need, program};

/// The kinds of entries in a program's header table (elf(5)).
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
/// A library that a dynamic program needs (elf(5)).
const DT_NEEDED: u64 = 1;

fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    bytes[at..at + length].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// The entries of the header table of a 64-bit little-endian program: kind, offset, size.
fn segments(program: &[u8]) -> Vec<(u32, usize, usize)> {
    assert_eq!(&program[..6], b"\x7fELF\x02\x01", "a 64-bit little-endian ELF");
    let (table, size, count) =
        (number(program, 32, 8), number(program, 54, 2), number(program, 56, 2));
    (0..count)
        .map(|n| {
            let at = usize::try_from(table + n * size).unwrap();
            let kind = u32::try_from(number(program, at, 4)).unwrap();
            let offset = usize::try_from(number(program, at + 8, 8)).unwrap();
            (kind, offset, usize::try_from(number(program, at + 32, 8)).unwrap())
        })
        .collect()
}

fn libraries(program: &[u8]) -> usize {
    let dynamic = segments(program).into_iter().filter(|(kind, ..)| *kind == PT_DYNAMIC);
    dynamic
        .flat_map(|(_, offset, size)| program[offset..offset + size].chunks_exact(16))
        .filter(|entry| number(entry, 0, 8) == DT_NEEDED)
        .count()
}

/// The program that ships; `None` where only what cargo builds for a test run is at hand.
fn shipped() -> Option<Vec<u8>> {
    if Need::Shipped.is_missing() {
        return None;
    }
    Some(fs::read(program("MY_INIT")).unwrap())
}

/// A container with the program and nothing else.
fn alone(argv: &[&str]) -> Container {
    Container::alone("/my_init").argv(argv)
}

#[test]
fn it_is_static() {
    let Some(program) = shipped() else { return };
    assert!(!segments(&program).iter().any(|(kind, ..)| *kind == PT_INTERP), "it has a loader");
    assert_eq!(libraries(&program), 0, "it needs libraries");
}

#[test]
fn a_dynamic_program_would_be_found_out() {
    let program = fs::read(env!("CARGO_BIN_EXE_baseimage")).unwrap();
    let is_dynamic = segments(&program).iter().any(|(kind, ..)| *kind == PT_INTERP);
    assert_eq!(is_dynamic, libraries(&program) > 0);
}

#[test]
fn it_is_small() {
    let Some(program) = shipped() else { return };
    assert!(program.len() < 3_000_000, "{} bytes", program.len());
}

#[test]
fn it_runs_where_nothing_else_is() {
    if Need::Namespaces.is_missing() {
        return;
    }
    if shipped().is_none() {
        return;
    }
    let version = alone(&["/my_init", "--version"]).boot().wait();
    assert_eq!((version.code, version.stderr.as_str()), (0, ""));
    let out = alone(&["/my_init", "--", "/my_init", "--version"]).boot().wait();
    assert_eq!((out.code, out.stdout), (0, version.stdout));
    assert!(out.stderr.contains("*** Runit started as PID 1"));
    let serves = alone(&["/my_init"]).boot();
    serves.until_said("*** Runit started as PID 1");
    assert_eq!(serves.stop().code, 0);
}

#[test]
fn it_runs_in_docker_from_scratch() {
    if Need::Docker.is_missing() || shipped().is_none() {
        return;
    }
    let out = alone(&["/my_init", "--", "/my_init", "--version"]).docker(&[]).boot().wait();
    assert_eq!(out.code, 0);
    assert!(out.stdout.starts_with("my_init "), "{}", out.stdout);
    let serves = alone(&["/my_init"]).docker(&[]).boot();
    serves.until_said("*** Runit started as PID 1");
    assert_eq!(serves.stop().code, 0);
}
