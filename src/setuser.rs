//! setuser: become another user, for good, and then the command.

use crate::{say, spawn};
use logic::accounts::{Identity, Unknown, group_name, identity};
use logic::environment::Environment;
use logic::exec::Deed;
use logic::words::Shown;
use nix::errno::Errno;
use nix::unistd::{
    Gid, Uid, getegid, geteuid, getgroups, getresgid, getresuid, setgroups, setresgid, setresuid,
};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

const USAGE: &str = "Usage: setuser USER[:GROUP] COMMAND [ARGUMENT]...";
/// The predecessor's code for all that goes wrong before the command.
const FAILED: u8 = 1;

/// Run the program; returns only with the code to exit with.
pub fn run(words: Vec<Vec<u8>>) -> u8 {
    if words.first().is_some_and(|word| word == b"--help" || word == b"-h") {
        return match say::answer(&format!("{USAGE}\n")) {
            Ok(()) => 0,
            Err(_) => FAILED,
        };
    }
    let (Some(spec), Some(mut command)) = (words.first(), words.get(1..)) else {
        return usage();
    };
    if command.first().is_some_and(|word| word == b"--") {
        command = command.get(1..).unwrap_or_default();
    }
    if command.is_empty() {
        return usage();
    }
    match become_user(spec) {
        Ok(environment) => become_command(command, &environment),
        Err(why) => {
            say::error(&format!("setuser: {why}"));
            FAILED
        }
    }
}

fn usage() -> u8 {
    say::error(USAGE);
    FAILED
}

/// Become the user. The environment that goes with it.
fn become_user(spec: &[u8]) -> Result<Environment, String> {
    // Without these files numbers still work.
    let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
    let group = std::fs::read("/etc/group").unwrap_or_default();
    let mut who = identity(spec, &passwd, &group).map_err(|unknown| {
        let half = |at: usize| Shown(spec.splitn(2, |&b| b == b':').nth(at).unwrap_or_default());
        match unknown {
            Unknown::User => format!("user {} not found", half(0)),
            Unknown::Group => format!("group {} not found", half(1)),
        }
    })?;
    if is_already(&who, spec.contains(&b':')) {
        // There is nothing to drop, and perhaps no right to drop it.
        who.gid = getegid().as_raw();
        who.group = group_name(&group, who.gid);
    } else {
        drop_privileges(&who)?;
        verify(&who)?;
    }

    let variables = std::env::vars_os();
    let mut environment: Environment =
        variables.map(|(name, value)| (name.into_vec(), value.into_vec())).collect();
    environment.set(b"HOME", &who.home);
    environment.set(b"SHELL", &who.shell);
    environment.set(b"USER", &who.user);
    environment.set(b"LOGNAME", &who.user);
    environment.set(b"GROUP", &who.group);
    environment.set(b"UID", who.uid.to_string().as_bytes());
    environment.set(b"GID", who.gid.to_string().as_bytes());
    Ok(environment)
}

/// Whether we are that user, in just its groups; an ordinary user that asks for no group keeps
/// those it was given.
fn is_already(who: &Identity, wants_group: bool) -> bool {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let groups = getgroups().unwrap_or_default();
    let mut held: Vec<u32> = groups.iter().map(|group| group.as_raw()).collect();
    held.push(gid);
    held.sort_unstable();
    held.dedup();
    let same_groups = gid == who.gid && held == who.groups;
    uid == who.uid && (same_groups || (uid != 0 && !wants_group))
}

fn drop_privileges(who: &Identity) -> Result<(), String> {
    let (uid, gid) = (Uid::from_raw(who.uid), Gid::from_raw(who.gid));
    let groups: Vec<Gid> = who.groups.iter().copied().map(Gid::from_raw).collect();
    let dropped = setgroups(&groups)
        .and_then(|()| setresgid(gid, gid, gid))
        .and_then(|()| setresuid(uid, uid, uid));
    dropped.map_err(|errno| {
        let why = match errno {
            Errno::EPERM => "operation not permitted (it takes CAP_SETUID and CAP_SETGID)",
            errno => errno.desc(),
        };
        format!("cannot become {}: {why}", Shown(&who.user))
    })
}

/// Believe the kernel, not the return values: who we are now, and that there is no way back.
fn verify(who: &Identity) -> Result<(), String> {
    let is_user = getresuid().is_ok_and(|now| {
        [now.real, now.effective, now.saved].iter().all(|uid| uid.as_raw() == who.uid)
    });
    let is_group = getresgid().is_ok_and(|now| {
        [now.real, now.effective, now.saved].iter().all(|gid| gid.as_raw() == who.gid)
    });
    let of_root = |group: &Gid| group.as_raw() == 0 && !who.groups.contains(&0);
    let keeps_root = who.uid != 0 && getgroups().is_ok_and(|all| all.iter().any(of_root));
    let way_back = who.uid != 0 && (nix::unistd::seteuid(Uid::from_raw(0)).is_ok() || is_capable());
    if is_user && is_group && !keeps_root && !way_back {
        return Ok(());
    }
    Err(format!("privileges remain after becoming {}; nothing was run", Shown(&who.user)))
}

/// Whether we hold any capability (proc(5): CapPrm, CapEff, CapAmb).
fn is_capable() -> bool {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    let held = ["CapPrm:", "CapEff:", "CapAmb:"];
    let sets = status.lines().filter_map(|line| held.iter().find_map(|set| line.strip_prefix(set)));
    sets.into_iter().any(|set| set.trim().bytes().any(|digit| digit != b'0'))
}

fn become_command(command: &[Vec<u8>], environment: &Environment) -> u8 {
    let program = spawn::Program {
        words: command,
        environment,
        place: spawn::Place::Session,
        by_shell: true,
    };
    let errno = spawn::replace(&program);
    say::error(&format!("setuser: {}", program.cannot_run(Deed::Exec, errno)));
    errno.status()
}
