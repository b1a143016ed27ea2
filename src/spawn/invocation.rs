//! A program as execve(2) takes it, put together before the fork and kept for the next one.

use super::Program;
use logic::environment::Environment;
use nix::libc::c_char;
use std::ffi::{CStr, CString};
use std::iter::once;
use std::os::unix::ffi::OsStrExt;
use std::ptr::null;

/// Strings, and the list of their addresses that ends with null.
struct Strings {
    strings: Box<[CString]>,
    addresses: Box<[*const c_char]>,
}

impl Strings {
    /// None where one of them holds a NUL.
    fn new(strings: impl Iterator<Item = Vec<u8>>) -> Option<Strings> {
        let strings: Box<[CString]> = strings.map(CString::new).collect::<Result<_, _>>().ok()?;
        let addresses = strings.iter().map(|string| string.as_ptr()).chain(once(null())).collect();
        Some(Strings { strings, addresses })
    }
}

/// The words of a program, and the files that it may be.
pub(super) struct Words {
    words: Vec<Vec<u8>>,
    /// Where it was looked for.
    path: Vec<u8>,
    candidates: Box<[CString]>,
    strings: Strings,
}

/// An environment.
pub(super) struct Variables {
    environment: Environment,
    strings: Strings,
}

impl Words {
    /// None where a word holds a NUL.
    pub(super) fn of(program: &Program<'_>) -> Option<Words> {
        let candidates = program.candidates().into_iter();
        let candidates = candidates.map(|file| CString::new(file.as_os_str().as_bytes()));
        Some(Words {
            words: program.words.to_vec(),
            path: program.path().to_vec(),
            candidates: candidates.collect::<Result<_, _>>().ok()?,
            strings: Strings::new(program.words.iter().cloned())?,
        })
    }

    /// Whether they are those of this program too.
    pub(super) fn are_of(&self, program: &Program<'_>) -> bool {
        self.words == program.words && self.path == program.path()
    }

    /// The files it may be, in the order they are tried.
    pub(super) fn candidates(&self) -> impl Iterator<Item = &CStr> {
        self.candidates.iter().map(CString::as_c_str)
    }

    /// As execve(2) has them.
    pub(super) fn addresses(&self) -> *const *const c_char {
        self.strings.addresses.as_ptr()
    }

    /// Those behind the program's name.
    pub(super) fn arguments(&self) -> impl Iterator<Item = &CStr> {
        self.strings.strings.iter().skip(1).map(CString::as_c_str)
    }
}

impl Variables {
    /// None where a variable holds a NUL.
    pub(super) fn of(environment: &Environment) -> Option<Variables> {
        let pairs = environment.iter();
        let strings = Strings::new(pairs.map(|(name, value)| [name, b"=", value].concat()))?;
        Some(Variables { environment: environment.clone(), strings })
    }

    /// Whether they are this environment.
    pub(super) fn are_of(&self, environment: &Environment) -> bool {
        self.environment == *environment
    }

    /// As execve(2) has them.
    pub(super) fn addresses(&self) -> *const *const c_char {
        self.strings.addresses.as_ptr()
    }

    /// Each of them.
    pub(super) fn strings(&self) -> &[CString] {
        &self.strings.strings
    }
}
