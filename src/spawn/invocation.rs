//! A program as execve(2) takes it, put together before the fork and kept for the next one.

use super::Program;
use logic::environment::Environment;
use nix::libc::c_char;
use std::ffi::{CStr, CString};
use std::iter::once;
use std::os::unix::ffi::OsStrExt;
use std::ptr::null;

/// The files it may be, its words, and its environment.
pub(super) struct Invocation {
    program: Vec<Vec<u8>>,
    environment: Environment,
    candidates: Box<[CString]>,
    words: Strings,
    variables: Strings,
}

/// Strings, and the list of their addresses that ends with null.
struct Strings {
    strings: Box<[CString]>,
    addresses: Box<[*const c_char]>,
}

impl Strings {
    fn new(strings: impl Iterator<Item = Vec<u8>>) -> Option<Strings> {
        let strings: Box<[CString]> = strings.map(CString::new).collect::<Result<_, _>>().ok()?;
        let addresses = strings.iter().map(|string| string.as_ptr()).chain(once(null())).collect();
        Some(Strings { strings, addresses })
    }
}

impl Invocation {
    /// Of this program; none where a word or a variable holds a NUL.
    pub(super) fn of(program: &Program<'_>) -> Option<Invocation> {
        let candidates = program.candidates().into_iter();
        let candidates = candidates.map(|file| CString::new(file.as_os_str().as_bytes()));
        let variables = program.environment.iter();
        Some(Invocation {
            program: program.words.to_vec(),
            environment: program.environment.clone(),
            candidates: candidates.collect::<Result<_, _>>().ok()?,
            words: Strings::new(program.words.iter().cloned())?,
            variables: Strings::new(variables.map(|(name, value)| [name, b"=", value].concat()))?,
        })
    }

    /// Whether it is of this program as well.
    pub(super) fn is_of(&self, program: &Program<'_>) -> bool {
        self.program == program.words && self.environment == *program.environment
    }

    /// The files it may be.
    pub(super) fn candidates(&self) -> impl Iterator<Item = &CStr> {
        self.candidates.iter().map(CString::as_c_str)
    }

    /// The words and the variables, as execve(2) has them.
    pub(super) fn vectors(&self) -> (*const *const c_char, *const *const c_char) {
        (self.words.addresses.as_ptr(), self.variables.addresses.as_ptr())
    }

    /// The words behind the program's name, and the variables.
    pub(super) fn strings(&self) -> (&[CString], &[CString]) {
        (self.words.strings.get(1..).unwrap_or_default(), &self.variables.strings)
    }
}
