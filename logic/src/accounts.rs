//! Who somebody is: the lines of /etc/passwd and /etc/group, read by ourselves. A static binary has
//! no NSS: glibc would load shared libraries behind our back and die of it.
//!
//! A line that is not well formed is passed over, as the C library does; the first match counts.

use alloc::vec::Vec;

/// One line of /etc/passwd (passwd(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account<'a> {
    /// Login name.
    pub name: &'a [u8],
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Home directory; `/` where the field is empty.
    pub home: &'a [u8],
    /// Login shell; `/bin/sh` where the field is empty.
    pub shell: &'a [u8],
}

/// One line of /etc/group (group(5)).
struct Group<'a> {
    name: &'a [u8],
    gid: u32,
    members: &'a [u8],
}

/// A decimal id: digits only, and not the one that means "leave it" to setresuid(2).
fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u32 = core::str::from_utf8(digits).ok()?.parse().ok()?;
    (number != u32::MAX).then_some(number)
}

fn or<'a>(field: &'a [u8], default: &'a [u8]) -> &'a [u8] {
    if field.is_empty() { default } else { field }
}

fn accounts(passwd: &[u8]) -> impl Iterator<Item = Account<'_>> {
    passwd.split(|&b| b == b'\n').filter_map(|line| {
        let mut fields = line.split(|&b| b == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let _password = fields.next()?;
        let uid = number(fields.next()?)?;
        let gid = number(fields.next()?)?;
        let _gecos = fields.next()?;
        let home = or(fields.next()?, b"/");
        let shell = or(fields.next()?, b"/bin/sh");
        Some(Account { name, uid, gid, home, shell })
    })
}

fn groups(group: &[u8]) -> impl Iterator<Item = Group<'_>> {
    group.split(|&b| b == b'\n').filter_map(|line| {
        let mut fields = line.split(|&b| b == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let _password = fields.next()?;
        let gid = number(fields.next()?)?;
        Some(Group { name, gid, members: fields.next().unwrap_or_default() })
    })
}

/// The account with this user id.
#[must_use]
pub fn by_uid(passwd: &[u8], uid: u32) -> Option<Account<'_>> {
    accounts(passwd).find(|account| account.uid == uid)
}

/// The id of the group with this name.
#[must_use]
pub fn group_id(group: &[u8], name: &[u8]) -> Option<u32> {
    groups(group).find(|one| one.name == name).map(|one| one.gid)
}

/// The name of the group with this id, or the number itself.
#[must_use]
pub fn group_name(group: &[u8], gid: u32) -> Vec<u8> {
    let named = groups(group).find(|one| one.gid == gid).map(|one| one.name.to_vec());
    named.unwrap_or_else(|| alloc::format!("{gid}").into_bytes())
}

/// Whom `setuser USER[:GROUP]` is to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of the user, or its number where it has none.
    pub user: Vec<u8>,
    /// Name of the primary group, or its number.
    pub group: Vec<u8>,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// All groups, the primary one among them, in rising order.
    pub groups: Vec<u32>,
    /// Home directory.
    pub home: Vec<u8>,
    /// Login shell.
    pub shell: Vec<u8>,
}

/// Which half of `USER:GROUP` nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// No such user.
    User,
    /// No such group.
    Group,
}

/// Look up `USER`, `UID`, `USER:GROUP` or `UID:GID`.
///
/// A name comes before a number. A user brings all its groups; an explicit group is the only one.
/// A number without an account is allowed: its group is the same number (never root's by
/// accident), its home `/`.
///
/// # Errors
/// The half that is neither a known name nor a number.
pub fn identity(spec: &[u8], passwd: &[u8], group: &[u8]) -> Result<Identity, Unknown> {
    let mut halves = spec.splitn(2, |&b| b == b':');
    let user = halves.next().unwrap_or_default();
    let wanted_group = halves.next();

    let account = accounts(passwd)
        .find(|account| account.name == user)
        .or_else(|| by_uid(passwd, number(user)?))
        .or_else(|| {
            let uid = number(user)?;
            Some(Account { name: user, uid, gid: uid, home: b"/", shell: b"/bin/sh" })
        })
        .ok_or(Unknown::User)?;

    let gid = match wanted_group {
        None => account.gid,
        Some(name) => group_id(group, name).or_else(|| number(name)).ok_or(Unknown::Group)?,
    };
    let mut all = Vec::from([gid]);
    if wanted_group.is_none() {
        let is_member = |one: &Group<'_>| {
            one.members.split(|&b| b == b',').any(|member| member == account.name)
        };
        all.extend(groups(group).filter(is_member).map(|one| one.gid));
        all.sort_unstable();
        all.dedup();
    }
    Ok(Identity {
        user: account.name.to_vec(),
        group: group_name(group, gid),
        uid: account.uid,
        gid,
        groups: all,
        home: account.home.to_vec(),
        shell: account.shell.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/bash\n\
        broken line\n\
        www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n\
        bare:x:44:44::: \n\
        empty:x:45:45:::\n\
        1000:x:7:7:digits for a name:/seven:/bin/sh";
    const GROUP: &[u8] = b"root:x:0:\nwww-data:x:33:\nadm:x:4:syslog,www-data\n\
        staff:x:50:www-data\nnot-ours:x:51:www-data2\n";

    #[test]
    fn a_user_brings_all_its_groups() {
        let who = identity(b"www-data", PASSWD, GROUP).unwrap();
        assert_eq!((who.uid, who.gid, who.groups.as_slice()), (33, 33, &[4, 33, 50][..]));
        assert_eq!(who.home, b"/var/www");
        assert_eq!(who.group, b"www-data");
        assert_eq!(identity(b"33", PASSWD, GROUP).unwrap(), who);
    }

    #[test]
    fn an_explicit_group_is_the_only_one() {
        let who = identity(b"www-data:adm", PASSWD, GROUP).unwrap();
        assert_eq!((who.gid, who.groups.as_slice()), (4, &[4][..]));
        assert_eq!(identity(b"www-data:77", PASSWD, GROUP).unwrap().groups, [77]);
    }

    #[test]
    fn a_number_nobody_has_is_allowed_and_never_gets_roots_group() {
        let who = identity(b"12345", PASSWD, GROUP).unwrap();
        assert_eq!((who.uid, who.gid, who.home.as_slice()), (12345, 12345, &b"/"[..]));
    }

    #[test]
    fn a_name_made_of_digits_is_a_name_first() {
        assert_eq!(identity(b"1000", PASSWD, GROUP).unwrap().uid, 7);
    }

    #[test]
    fn unknown_names_say_which_half() {
        for nobody in [&b"nobody2"[..], b"", b"-1", b"4294967295", b"99999999999", b" 5"] {
            assert_eq!(identity(nobody, PASSWD, GROUP), Err(Unknown::User));
        }
        assert_eq!(identity(b"root:", PASSWD, GROUP), Err(Unknown::Group));
        assert_eq!(identity(b"root:a:b", PASSWD, GROUP), Err(Unknown::Group));
    }

    #[test]
    fn empty_fields_mean_what_login_takes_them_for() {
        let who = identity(b"empty", PASSWD, GROUP).unwrap();
        assert_eq!((who.home.as_slice(), who.shell.as_slice()), (&b"/"[..], &b"/bin/sh"[..]));
    }

    #[test]
    fn an_id_with_a_sign_is_no_id() {
        assert_eq!((number(b"+5"), number(b""), number(b"5")), (None, None, Some(5)));
        assert_eq!(number(b"4294967295"), None, "that means: leave it as it is");
    }
}
