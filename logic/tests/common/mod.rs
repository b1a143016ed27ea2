//! Checks that the histories and the search both use.

pub mod course;
pub mod ends;
pub mod owed;
pub mod rank;
