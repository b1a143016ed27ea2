//! The name of a service directory. There are hundreds, and most are short.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// As long as a name can be without room of its own: with that a name takes sixteen bytes.
const SHORT: usize = 14;

/// The name of a file.
pub enum Name {
    /// So many of these bytes.
    Short(u8, [u8; SHORT]),
    /// A longer one.
    Long(Box<Box<OsStr>>),
}

impl Default for Name {
    fn default() -> Name {
        Name::Short(0, [0; SHORT])
    }
}

impl From<&OsStr> for Name {
    fn from(name: &OsStr) -> Name {
        let mut bytes = [0; SHORT];
        let room = bytes.get_mut(..name.len());
        match (room, u8::try_from(name.len())) {
            (Some(room), Ok(length)) => {
                room.copy_from_slice(name.as_bytes());
                Name::Short(length, bytes)
            }
            _ => Name::Long(Box::new(name.into())),
        }
    }
}

impl Name {
    /// The name.
    pub fn as_os_str(&self) -> &OsStr {
        match self {
            Name::Short(length, bytes) => {
                OsStr::from_bytes(bytes.get(..usize::from(*length)).unwrap_or_default())
            }
            Name::Long(name) => name,
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.as_os_str() == other.as_os_str()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By their bytes.
impl Ord for Name {
    fn cmp(&self, other: &Name) -> Ordering {
        self.as_os_str().cmp(other.as_os_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_any_length_is_kept_and_compared() {
        let all = ["", "a", "syslog-ng", "fourteen bytes", "fifteen bytes !", "ä", "zz_sshd"];
        let names: Vec<Name> = all.iter().map(|name| OsStr::new(name).into()).collect();
        for (a, name) in all.iter().zip(&names) {
            assert_eq!(name.as_os_str(), *a);
            for (b, other) in all.iter().zip(&names) {
                assert_eq!(name.cmp(other), a.cmp(b));
                assert_eq!(name == other, a == b);
            }
        }
        assert_eq!(size_of::<Name>(), 16);
    }
}
