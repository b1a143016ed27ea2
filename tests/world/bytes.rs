//! Variables, byte for byte.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Names and values as the kernel has them, a NUL behind each. What is no UTF-8 is shown escaped,
/// so that no two differ without being seen to.
pub fn variables(block: &[u8]) -> BTreeMap<String, String> {
    let shown = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => text.to_string(),
        Err(_) => bytes.escape_ascii().to_string(),
    };
    let lines = block.split(|&byte| byte == 0).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let equals = line.iter().position(|&byte| byte == b'=').expect("a name and a value");
            (shown(&line[..equals]), shown(&line[equals + 1..]))
        })
        .collect()
}

/// The signals that this test run itself was born ignoring, a bit each, as proc(5) has them. Not
/// PIPE: Rust ignores that one for itself, and not for its children.
pub fn ignored_here() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & !(1 << 12)
}

/// Bytes as a name or a value.
pub fn bytes(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

/// `NAME=value`.
pub(super) fn assignment(name: &OsStr, value: &OsStr) -> OsString {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(b'=');
    bytes.extend_from_slice(value.as_bytes());
    OsString::from_vec(bytes)
}
