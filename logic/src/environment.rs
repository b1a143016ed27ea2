//! The container's environment: what is imported, what is kept, and its two dumps, to the byte.
//!
//! ```text
//! Docker's variables ─┐
//!                     ├─ import ─> environment ─ dump ─> directory, .sh, .json
//! the directory ──────┘                ^                     │ a startup script changes a file
//!                                      └───── import ────────┘
//! ```
//! Names and values are bytes; nothing in here assumes text.

use crate::accounts::Account;
use crate::words::Shown;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// Whose environment it is. These are kept over a reload, and go neither into the directory nor
/// into the shell dump: they belong to a process, and root's would be wrong for anybody else.
pub const IDENTITY: [&[u8]; 7] = [b"HOME", b"USER", b"LOGNAME", b"GROUP", b"UID", b"GID", b"SHELL"];

/// The longest `NAME=value` the kernel passes to a program, its final NUL included
/// (MAX_ARG_STRLEN, execve(2): 32 pages of 4096 bytes).
pub const LONGEST_BYTES: usize = 131_072;

/// Names that mean something else to a shell. The first five are read-only to bash, so that a dump
/// with them could not be sourced. Of the others it takes a value for arithmetic, which can run
/// commands (RANDOM='a[$(reboot)]'), or drops it; dash gives up at an OPTIND that is no number.
/// IFS would change how whoever sources the dump reads the rest of its script.
const SPECIAL_TO_SHELLS: [&[u8]; 29] = [
    b"BASHOPTS",
    b"BASH_VERSINFO",
    b"EUID",
    b"PPID",
    b"SHELLOPTS",
    b"BASHPID",
    b"BASH_ALIASES",
    b"BASH_ARGC",
    b"BASH_ARGV",
    b"BASH_CMDS",
    b"BASH_COMMAND",
    b"BASH_COMPAT",
    b"BASH_LINENO",
    b"BASH_SOURCE",
    b"BASH_SUBSHELL",
    b"BASH_XTRACEFD",
    b"DIRSTACK",
    b"EPOCHREALTIME",
    b"EPOCHSECONDS",
    b"FUNCNAME",
    b"GROUPS",
    b"HISTCMD",
    b"IFS",
    b"LINENO",
    b"OPTIND",
    b"RANDOM",
    b"SECONDS",
    b"SHLVL",
    b"SRANDOM",
];

/// Whether this name says whose environment it is.
#[must_use]
pub fn is_identity(name: &[u8]) -> bool {
    IDENTITY.contains(&name)
}

/// Names and values, each name once, in byte order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    variables: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Environment {
    fn find(&self, name: &[u8]) -> Result<usize, usize> {
        self.variables.binary_search_by(|(other, _)| other.as_slice().cmp(name))
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let at = self.find(name).ok()?;
        self.variables.get(at).map(|(_, value)| value.as_slice())
    }

    /// Set a variable, over an older value.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        match self.find(name) {
            Ok(at) => {
                if let Some((_, old)) = self.variables.get_mut(at) {
                    *old = value.to_vec();
                }
            }
            Err(at) => self.variables.insert(at, (name.to_vec(), value.to_vec())),
        }
    }

    /// All variables, in byte order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.variables.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// HOME, USER, LOGNAME and SHELL of the account, each where nothing else has set it. Nobody's
    /// home is `/`.
    pub fn identify(&mut self, account: Option<&Account<'_>>) {
        let mut fill = |name: &[u8], value: &[u8]| {
            if self.get(name).is_none() {
                self.set(name, value);
            }
        };
        if let Some(account) = account {
            fill(b"HOME", account.home);
            fill(b"USER", account.name);
            fill(b"LOGNAME", account.name);
            fill(b"SHELL", account.shell);
        }
        fill(b"HOME", b"/");
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Environment {
    /// A name that comes twice keeps its last value.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Environment {
        let mut all = Environment::default();
        for (name, value) in variables {
            all.set(name.as_ref(), value.as_ref());
        }
        all
    }
}

/// Why an entry of the directory is no variable. (What only a look at the disk can tell, such as
/// a subdirectory, is said in the same words by whoever looks.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// Its name begins with a dot: an editor's leftover, or Kubernetes' `..data`.
    Hidden,
    /// Its name has a `=`, which no variable's may.
    Equals,
    /// Its contents have a NUL, which no variable's may.
    Nul,
    /// With its name it is longer than [`LONGEST_BYTES`].
    TooLong,
}

impl core::fmt::Display for Odd {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Odd::Hidden => "a hidden file",
            Odd::Equals => "a name with =",
            Odd::Nul => "holds a NUL",
            Odd::TooLong => "larger than the 128 KiB the kernel allows",
        })
    }
}

/// Whether an entry of this name in the directory is a variable.
///
/// # Errors
/// Why it is not.
pub fn name_of_file(name: &[u8]) -> Result<(), Odd> {
    if name.starts_with(b".") {
        return Err(Odd::Hidden);
    }
    if name.contains(&b'=') {
        return Err(Odd::Equals);
    }
    Ok(())
}

/// The value that a file's contents give: all of it, less exactly one final newline.
///
/// # Errors
/// Why no program could be given it.
pub fn value_of_file<'a>(name: &[u8], contents: &'a [u8]) -> Result<&'a [u8], Odd> {
    let value = contents.strip_suffix(b"\n").unwrap_or(contents);
    if value.contains(&0) {
        return Err(Odd::Nul);
    }
    // The `=` between the two, and the NUL behind them.
    if name.len().saturating_add(value.len()).saturating_add(2) > LONGEST_BYTES {
        return Err(Odd::TooLong);
    }
    Ok(value)
}

/// What a variable takes of the room for a program's arguments and environment: its text, the `=`,
/// the NUL, and the eight bytes of a pointer to it.
#[must_use]
pub fn cost_bytes(name: &[u8], value: &[u8]) -> usize {
    name.len().saturating_add(value.len()).saturating_add(2 + 8)
}

/// The contents of the file that gives this value. A value that ends in a newline needs a second.
#[must_use]
pub fn contents_of_file(value: &[u8]) -> Vec<u8> {
    let mut contents = value.to_vec();
    if value.ends_with(b"\n") {
        contents.push(b'\n');
    }
    contents
}

/// Whether a file in the directory can bear this name and be read again: a name with a slash
/// would leave the directory, a hidden one would not be imported.
#[must_use]
pub fn is_name_for_file(name: &[u8]) -> bool {
    // NAME_MAX of Linux (pathconf(3)).
    !name.is_empty() && name.len() <= 255 && !name.contains(&b'/') && name_of_file(name).is_ok()
}

/// The environment made of the directory's `files` and of what comes from elsewhere: at the start
/// Docker's variables, after a startup script the part that could never stand in the directory.
///
/// What comes from elsewhere wins over a file of the same name, except where the file says whose
/// environment it is.
#[must_use]
pub fn import(elsewhere: &Environment, files: &Environment) -> Environment {
    let mut all = files.clone();
    for (name, value) in elsewhere.iter() {
        if !is_identity(name) || files.get(name).is_none() {
            all.set(name, value);
        }
    }
    all
}

/// The environment of a command that is run beside a container at work, by `docker exec`: what the
/// directory says by now, and what this command alone was given. `first` is what Docker gave the
/// container; whatever is the same in `own` is not this command's alone.
#[must_use]
pub fn beside(own: &Environment, first: &Environment, files: &Environment) -> Environment {
    let stands_there = |name: &[u8]| is_name_for_file(name) && !is_identity(name);
    let is_own =
        |(name, value): &(&[u8], &[u8])| !stands_there(name) || first.get(name) != Some(*value);
    import(&own.iter().filter(is_own).collect(), files)
}

/// Whether every shell can hold a variable of this name (POSIX: Name), and any value in it.
#[must_use]
pub fn is_shell_name(name: &[u8]) -> bool {
    let begins_well = name.first().is_some_and(|&b| b.is_ascii_alphabetic() || b == b'_');
    begins_well
        && name.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_')
        && !SPECIAL_TO_SHELLS.contains(&name)
}

/// The dump for shells: `export NAME=value`, a line each, quoted where a shell could read more
/// into the value than it says. A name that no shell can hold becomes a comment.
#[must_use]
pub fn shell_dump(environment: &Environment) -> Vec<u8> {
    let mut dump = Vec::new();
    for (name, value) in environment.iter() {
        if is_identity(name) {
            continue;
        }
        if !is_shell_name(name) {
            let line = format!("# {} is left out: no shell can set this name\n", Shown(name));
            dump.extend_from_slice(line.as_bytes());
            continue;
        }
        dump.extend_from_slice(b"export ");
        dump.extend_from_slice(name);
        dump.push(b'=');
        quote(&mut dump, value);
        dump.push(b'\n');
    }
    dump
}

/// Quote for a shell as Python's shlex.quote does, which the predecessor used.
fn quote(dump: &mut Vec<u8>, value: &[u8]) {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(b);
    if !value.is_empty() && value.iter().all(is_plain) {
        dump.extend_from_slice(value);
        return;
    }
    dump.push(b'\'');
    for &byte in value {
        if byte == b'\'' {
            dump.extend_from_slice(b"'\"'\"'");
        } else {
            dump.push(byte);
        }
    }
    dump.push(b'\'');
}

/// The dump as JSON (RFC 8259): one flat object, ASCII only, no newline at its end. Bytes that
/// are no UTF-8 become U+FFFD, because JSON cannot hold them.
#[must_use]
pub fn json_dump(environment: &Environment) -> Vec<u8> {
    let mut dump = String::from("{");
    for (n, (name, value)) in environment.iter().enumerate() {
        if n > 0 {
            dump.push_str(", ");
        }
        json_string(&mut dump, name);
        dump.push_str(": ");
        json_string(&mut dump, value);
    }
    dump.push('}');
    dump.into_bytes()
}

fn json_string(dump: &mut String, bytes: &[u8]) {
    dump.push('"');
    for letter in String::from_utf8_lossy(bytes).chars() {
        match letter {
            '"' => dump.push_str("\\\""),
            '\\' => dump.push_str("\\\\"),
            '\n' => dump.push_str("\\n"),
            '\r' => dump.push_str("\\r"),
            '\t' => dump.push_str("\\t"),
            ' '..='~' => dump.push(letter),
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    dump.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    dump.push('"');
}

/// How long until the next, harder signal. `None` waits for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Patience {
    /// KILL_PROCESS_TIMEOUT: with the main command, each script, and all services together.
    pub process: Option<Duration>,
    /// KILL_ALL_PROCESSES_TIMEOUT: with everything that is left at the end.
    pub all: Option<Duration>,
    /// STOP_DEADLINE: with the whole stop.
    pub stop: Option<Duration>,
}

impl Default for Patience {
    /// The predecessor's: 30 seconds each, and no limit on their sum.
    fn default() -> Patience {
        let usual = Some(Duration::from_secs(30));
        Patience { process: usual, all: usual, stop: None }
    }
}

/// What my_init itself takes from the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long the stop waits for whom.
    pub patience: Patience,
    /// ENV_INIT_DIRECTORY: where the startup scripts are.
    pub startup_directory: Vec<u8>,
}

impl Default for Settings {
    fn default() -> Settings {
        let startup_directory = b"/etc/my_init.d".to_vec();
        Settings { patience: Patience::default(), startup_directory }
    }
}

/// Read the settings; beside them, one line for each value that is no number of seconds.
#[must_use]
pub fn settings(environment: &Environment) -> (Settings, Vec<String>) {
    let mut settings = Settings::default();
    let mut complaints = Vec::new();
    let mut seconds = |name: &str, default: Option<Duration>| {
        let Some(value) = environment.get(name.as_bytes()) else {
            return default;
        };
        let digits = value.trim_ascii();
        let number = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        match number {
            Some(0_u64) => None,
            Some(number) => Some(Duration::from_secs(number)),
            None => {
                let instead = match default {
                    Some(default) => format!("{} seconds hold", default.as_secs()),
                    None => "no limit holds".into(),
                };
                complaints.push(format!(
                    "{name}={} is no whole number of seconds; {instead} instead",
                    Shown(value)
                ));
                default
            }
        }
    };
    let usual = settings.patience;
    settings.patience = Patience {
        process: seconds("KILL_PROCESS_TIMEOUT", usual.process),
        all: seconds("KILL_ALL_PROCESSES_TIMEOUT", usual.all),
        stop: seconds("STOP_DEADLINE", usual.stop),
    };
    if let Some(directory) = environment.get(b"ENV_INIT_DIRECTORY").filter(|d| !d.is_empty()) {
        settings.startup_directory = directory.to_vec();
    }
    (settings, complaints)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().copied().collect()
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn docker_wins_over_a_file_at_the_start_even_with_nothing() {
        let docker = environment(&[("A", "docker"), ("B", "")]);
        let files = environment(&[("A", "file"), ("B", "file"), ("C", "file")]);
        let all = import(&docker, &files);
        assert_eq!(all, environment(&[("A", "docker"), ("B", ""), ("C", "file")]));
    }

    #[test]
    fn a_home_file_wins_over_dockers_home() {
        let all = import(&environment(&[("HOME", "/root")]), &environment(&[("HOME", "/app")]));
        assert_eq!(all.get(b"HOME"), Some(&b"/app"[..]));
    }

    #[test]
    fn after_a_script_the_directory_is_the_truth_but_home_stays() {
        let carried = environment(&[("HOME", "/root"), ("A/B", "slash")]);
        let all = import(&carried, &environment(&[("NEW", "1")]));
        assert_eq!(all, environment(&[("HOME", "/root"), ("A/B", "slash"), ("NEW", "1")]));
    }

    #[test]
    fn beside_a_container_at_work_its_changes_count_and_so_does_what_is_given_anew() {
        let first = environment(&[("A", "docker"), ("GONE", "docker"), ("X/Y", "docker")]);
        let mut own = first.clone();
        own.set(b"DEBUG", b"1");
        let files = environment(&[("A", "script"), ("NEW", "script")]);
        let expected = [("A", "script"), ("NEW", "script"), ("DEBUG", "1"), ("X/Y", "docker")];
        assert_eq!(beside(&own, &first, &files), environment(&expected));
        own.set(b"A", b"given to exec");
        assert_eq!(beside(&own, &first, &files).get(b"A"), Some(&b"given to exec"[..]));
    }

    #[test]
    fn home_is_right_for_whoever_runs() {
        let account = Account { name: b"app", uid: 7, gid: 7, home: b"/srv", shell: b"/bin/sh" };
        let mut all = environment(&[("USER", "given")]);
        all.identify(Some(&account));
        let expected =
            [("HOME", "/srv"), ("USER", "given"), ("LOGNAME", "app"), ("SHELL", "/bin/sh")];
        assert_eq!(all, environment(&expected));
        let mut nobody = Environment::default();
        nobody.identify(None);
        assert_eq!(nobody, environment(&[("HOME", "/")]));
    }

    #[test]
    fn exactly_one_newline_is_dropped() {
        assert_eq!(value_of_file(b"A", b"x\n\n"), Ok(&b"x\n"[..]));
        assert_eq!(value_of_file(b"A", b"x\r\n"), Ok(&b"x\r"[..]));
        assert_eq!(value_of_file(b"A", b"a\0b"), Err(Odd::Nul));
    }

    #[test]
    fn a_value_too_long_for_the_kernel_is_refused_at_the_byte() {
        let longest = std::vec![b'x'; LONGEST_BYTES - 3];
        assert!(value_of_file(b"A", &longest).is_ok());
        assert_eq!(value_of_file(b"AB", &longest), Err(Odd::TooLong));
    }

    #[test]
    fn no_name_leaves_the_directory() {
        for name in ["", ".", "..", "../x", "A/B", "/etc/passwd", ".hidden", "A=B"] {
            assert!(!is_name_for_file(name.as_bytes()), "{name}");
        }
        for name in ["A", "A.B", "1X", "a b", "é", "new\nline", "$(x)"] {
            assert!(is_name_for_file(name.as_bytes()), "{name}");
        }
        assert!(!is_name_for_file(&[b'A'; 256]));
    }

    #[test]
    fn the_shell_dump_is_the_predecessors_to_the_byte() {
        let all = environment(&[
            ("EMPTY", ""),
            ("FOO", "bar"),
            ("HELLO", "my beautiful world"),
            ("HOME", "/root"),
            ("PATH", "/usr/bin:/bin"),
            ("QUOTE", "it's"),
        ]);
        assert_eq!(
            text(shell_dump(&all)),
            "export EMPTY=''\nexport FOO=bar\nexport HELLO='my beautiful world'\n\
             export PATH=/usr/bin:/bin\nexport QUOTE='it'\"'\"'s'\n"
        );
    }

    #[test]
    fn names_no_shell_can_hold_become_comments_and_never_collapse() {
        let all = environment(&[
            ("A.B", "1"),
            ("A-B", "2"),
            ("1X", "3"),
            ("x\nrm", "4"),
            ("PPID", "5"),
            ("RANDOM", "a[$(reboot)]"),
        ]);
        let dump = text(shell_dump(&all));
        assert_eq!(dump.lines().count(), 6);
        assert!(dump.lines().all(|line| line.starts_with("# ")), "{dump}");
    }

    #[test]
    fn the_json_dump_is_flat_and_ascii() {
        let all = environment(&[("A", "q\"b\\n\n\u{1f600}\u{7f}"), ("HOME", "/root")]);
        assert_eq!(
            text(json_dump(&all)),
            r#"{"A": "q\"b\\n\n\ud83d\ude00\u007f", "HOME": "/root"}"#
        );
        assert_eq!(text(json_dump(&Environment::default())), "{}");
    }

    #[test]
    fn a_bad_number_is_named_and_the_default_holds() {
        for bad in ["abc", "1.5", "-3", "", "99999999999999999999"] {
            let (settings, complaints) = settings(&environment(&[("KILL_PROCESS_TIMEOUT", bad)]));
            assert_eq!(settings, Settings::default());
            assert!(complaints[0].contains(&format!("KILL_PROCESS_TIMEOUT={bad} is")), "{bad}");
        }
        let given = environment(&[
            ("KILL_PROCESS_TIMEOUT", " 5\n"),
            ("KILL_ALL_PROCESSES_TIMEOUT", "0"),
            ("STOP_DEADLINE", "8"),
            ("ENV_INIT_DIRECTORY", "/srv/init"),
        ]);
        let (settings, complaints) = settings(&given);
        assert!(complaints.is_empty());
        let seconds = |number| Some(Duration::from_secs(number));
        let patience = Patience { process: seconds(5), all: None, stop: seconds(8) };
        assert_eq!(settings.patience, patience);
        assert_eq!(settings.startup_directory, b"/srv/init");
    }

    #[test]
    fn odd_entries_are_described() {
        assert_eq!(name_of_file(b"..data"), Err(Odd::Hidden));
        assert_eq!(name_of_file(b"A=B").unwrap_err().to_string(), "a name with =");
    }

    proptest! {
        #[test]
        fn any_value_survives_its_file(value in prop::collection::vec(1..=255_u8, 0..200)) {
            let contents = contents_of_file(&value);
            prop_assert_eq!(value_of_file(b"A", &contents), Ok(value.as_slice()));
        }

        #[test]
        fn the_json_dump_is_always_valid_and_says_the_same(
            variables in prop::collection::btree_map("[^=\0]{1,9}", "[^\0]{0,30}", 0..9)
        ) {
            let all: Environment = variables.iter().collect();
            let read: std::collections::BTreeMap<String, String> =
                serde_json::from_slice(&json_dump(&all)).unwrap();
            prop_assert_eq!(read, variables);
        }

        #[test]
        fn the_json_dump_is_valid_for_any_bytes(
            name in prop::collection::vec(any::<u8>(), 0..20),
            value in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let all: Environment = [(name, value)].into_iter().collect();
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&json_dump(&all)).is_ok());
        }

        #[test]
        fn a_comment_in_the_shell_dump_is_one_line(
            name in prop::collection::vec(any::<u8>(), 1..20)
        ) {
            prop_assume!(!is_shell_name(&name) && !is_identity(&name));
            let dump = shell_dump(&[(name, b"v".to_vec())].into_iter().collect());
            let newlines = dump.iter().filter(|&&b| b == b'\n').count();
            prop_assert!(dump.starts_with(b"# ") && newlines == 1);
        }
    }

    #[test]
    fn a_variable_costs_its_text_and_ten_bytes() {
        assert_eq!(cost_bytes(b"A", b"bc"), 13);
    }

    #[test]
    fn json_has_short_names_for_a_tab_and_a_return() {
        let mut dump = String::new();
        json_string(&mut dump, b"\t\r\n\x01");
        assert_eq!(dump, "\"\\t\\r\\n\\u0001\"");
    }
}
