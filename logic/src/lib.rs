//! What baseimage decides. Nothing in here reaches a file, a process or a clock: facts come in as
//! arguments, steps go out as values, and `src/` of the binary crate performs them.
#![no_std]
// What cannot happen is unrepresentable; nothing here panics its way out of PID 1.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)]
#![deny(clippy::indexing_slicing, clippy::string_slice, clippy::todo)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod accounts;
mod child;
pub mod contract;
mod ending;
pub mod environment;
pub mod exec;
pub mod init;
mod killing;
pub mod options;
mod service;
mod services;
pub mod status;
pub mod sv;
pub mod verbs;
pub mod words;
