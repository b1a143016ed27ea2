//! The command line of my_init: one table of flags, from which it is parsed and its help is made.

use crate::words::Shown;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A flag of my_init. All are words of their own; none takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// Do not run the startup scripts.
    SkipStartupFiles,
    /// Do not start the services.
    SkipServices,
    /// Leave what is left running when we exit.
    NoKillAll,
    /// Install the insecure key before the startup scripts.
    InsecureKey,
    /// Say warnings and errors only.
    Quiet,
    /// Print the help and exit.
    Help,
    /// Print the version and exit.
    Version,
}

/// The table: the flag, its spelling, what `--help` and the man page say of it.
pub const FLAGS: [(Flag, &str, &str); 7] = [
    (
        Flag::SkipStartupFiles,
        "--skip-startup-files",
        "run neither /etc/my_init.d/* nor /etc/rc.local",
    ),
    (Flag::SkipServices, "--skip-runit", "start no service; needs a COMMAND"),
    (
        Flag::NoKillAll,
        "--no-kill-all-on-exit",
        "at the end, do not kill the processes that are left",
    ),
    (Flag::InsecureKey, "--enable-insecure-key", "install the well-known, insecure SSH key"),
    (Flag::Quiet, "--quiet", "print warnings and errors only"),
    (Flag::Help, "--help", "print this help and exit"),
    (Flag::Version, "--version", "print the version and exit"),
];

/// What a command line asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    flags: Vec<Flag>,
    /// The main command and its arguments; empty where there is none.
    pub command: Vec<Vec<u8>>,
}

impl Options {
    /// Whether the flag was given.
    #[must_use]
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }
}

/// Read the arguments (without the program's own name). The first word that is no option begins
/// the command, and what follows belongs to it.
///
/// # Errors
/// One line that names the wrong word.
pub fn parse(arguments: &[Vec<u8>]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(word) = rest.as_slice().first() {
        if !word.starts_with(b"-") {
            break;
        }
        rest.next();
        if word == b"--" {
            break;
        }
        let spelled = |spelling: &str| spelling.as_bytes() == word.as_slice();
        match FLAGS.iter().find(|(_, spelling, _)| spelled(spelling)) {
            Some((flag, _, _)) => options.flags.push(*flag),
            // As the predecessor's argument parser takes it.
            None if word == b"-h" => options.flags.push(Flag::Help),
            None => {
                return Err(format!(
                    "unknown option {} (see my_init --help; a command that begins with a dash \
                     goes behind --)",
                    Shown(word)
                ));
            }
        }
    }
    options.command = rest.cloned().collect();
    let asks = options.has(Flag::Help) || options.has(Flag::Version);
    if options.command.first().is_some_and(Vec::is_empty) && !asks {
        return Err("the command is an empty word".into());
    }
    Ok(options)
}

const BEFORE: &str = "\
Usage: my_init [OPTION]... [--] [COMMAND [ARGUMENT]...]

Boot the container: import the environment, run the startup scripts, start the
services, then run COMMAND and end with its exit code, or serve until told to stop.

Options:
";

const AFTER: &str = "
Signals:
  TERM, INT, SIGRTMIN+3    stop in order; a second one: at once
  QUIT                     the same, without a COMMAND
  HUP, USR1, USR2, QUIT, WINCH, ALRM, CONT
                           passed on to the COMMAND; without one only QUIT and HUP
                           do something: HUP looks at the services again

Variables, from Docker or /etc/container_environment:
  KILL_PROCESS_TIMEOUT     seconds until the COMMAND, a script, the services are
                           killed (default 30; 0: never)
  KILL_ALL_PROCESSES_TIMEOUT
                           the same for all that is left at the end
  STOP_DEADLINE            seconds for the whole stop (default: no limit)
  ENV_INIT_DIRECTORY       the startup scripts, instead of /etc/my_init.d
";

/// The text of `--help`.
#[must_use]
pub fn help() -> String {
    let mut text = String::from(BEFORE);
    for (_, spelling, meaning) in FLAGS {
        text.push_str(&format!("  {spelling:<24} {meaning}\n"));
    }
    text.push_str(AFTER);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split_whitespace().map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn the_first_word_that_is_no_option_begins_the_command() {
        let options = parse(&words("--quiet ls -la --quiet")).unwrap();
        assert!(options.has(Flag::Quiet));
        assert_eq!(options.command, words("ls -la --quiet"));
    }

    #[test]
    fn two_dashes_end_the_options() {
        assert_eq!(parse(&words("-- --odd")).unwrap().command, words("--odd"));
        assert_eq!(parse(&words("-- -- x")).unwrap().command, words("-- x"));
        assert_eq!(parse(&words("--skip-runit --")).unwrap().command, words(""));
    }

    #[test]
    fn a_wrong_word_is_named() {
        for wrong in ["--quite", "--quiet=1", "-x", "-", "--skip-s"] {
            assert!(parse(&words(wrong)).unwrap_err().contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn help_knows_each_flag_of_the_table_and_fits_a_terminal() {
        let text = help();
        for (_, spelling, meaning) in FLAGS {
            assert!(text.contains(spelling) && text.contains(meaning));
        }
        assert!(text.lines().all(|line| line.len() <= 84));
    }

    #[test]
    fn only_what_was_given_was_given() {
        let options = parse(&words("--quiet")).unwrap();
        assert!(!options.has(Flag::Help) && !options.has(Flag::Version));
    }

    #[test]
    fn h_is_help_as_it_was_for_the_predecessor() {
        assert!(parse(&words("-h")).unwrap().has(Flag::Help));
    }

    #[test]
    fn an_empty_word_is_no_command_unless_only_help_is_wanted() {
        let with = |option: &str| parse(&[option.into(), b"--".to_vec(), Vec::new()]);
        assert!(with("--quiet").unwrap_err().contains("empty word"));
        assert!(with("--help").is_ok() && with("--version").is_ok());
        assert!(parse(&[b"--quiet".to_vec(), b"ls".to_vec(), Vec::new()]).is_ok());
    }
}
