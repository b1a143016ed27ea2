//! The command line of `sv`, read as runit reads it: of most commands only the first letter counts.

use super::{Follow, Order, Verb, patience};
use crate::words::Shown;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// How it was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As `sv`, with services behind the command.
    Sv,
    /// As /etc/init.d/NAME, a script in the manner of the Linux Standard Base: the name is the
    /// service, and the exit codes are its own.
    InitScript,
}

impl Manner {
    /// Wrong usage.
    #[must_use]
    pub fn usage_code(self) -> u8 {
        match self {
            Manner::Sv => 100,
            Manner::InitScript => 2,
        }
    }

    /// That many services failed.
    #[must_use]
    pub fn code(self, failed: usize) -> u8 {
        u8::try_from(failed.min(99)).unwrap_or(99)
    }

    fn usage(self) -> &'static str {
        match self {
            Manner::Sv => "[-v] [-w sec] command service ...",
            Manner::InitScript => "[-w sec] command",
        }
    }
}

/// What is done with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Say how it is.
    Status,
    /// Tell it something, wait for it, or both.
    Order(Order),
}

/// A command and its services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is done.
    pub command: Command,
    /// With which services. None means all of them, and only `status` may mean that.
    pub services: Vec<Vec<u8>>,
    /// The answer is for a machine.
    pub json: bool,
    /// How long an effect is waited for.
    pub patience: Duration,
}

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `--help`.
    Help,
    /// `--version`.
    Version,
    /// Anything else.
    Request(Request),
}

/// Runit waits that many seconds.
const PATIENCE_SECONDS: u64 = 7;

/// Read the words behind the program's name.
///
/// # Errors
/// What to print: the word that is wrong, if it is an option, and the usage, as runit prints them.
pub fn parse(
    manner: Manner,
    name: &[u8],
    words: &[Vec<u8>],
    svwait: Option<&[u8]>,
) -> Result<Asked, String> {
    let usage = || format!("usage: {} {}\n", Shown(name), manner.usage());
    let mut rest = words.iter();
    let options =
        options(&mut rest).map_err(|wrong| format!("{}: {wrong}\n{}", Shown(name), usage()))?;
    let options = match options {
        Options::Help => return Ok(Asked::Help),
        Options::Version => return Ok(Asked::Version),
        Options::Given(given) => given,
    };
    let word = rest.next().ok_or_else(usage)?;
    let command = command(manner, word, options.follow).ok_or_else(usage)?;
    let services = match manner {
        Manner::Sv => rest.cloned().collect(),
        Manner::InitScript => Vec::from([name.to_vec()]),
    };
    let is_status = command == Command::Status;
    if (services.is_empty() || options.json) && !is_status {
        return Err(usage());
    }
    let seconds = options.seconds.or(svwait.map(leading_number)).unwrap_or(PATIENCE_SECONDS);
    Ok(Asked::Request(Request {
        command,
        services,
        json: options.json,
        patience: patience(seconds),
    }))
}

/// The words in front of the command.
enum Options {
    Help,
    Version,
    Given(Given),
}

struct Given {
    /// What follows a command of one letter.
    follow: Follow,
    json: bool,
    seconds: Option<u64>,
}

fn options(rest: &mut core::slice::Iter<'_, Vec<u8>>) -> Result<Options, String> {
    let mut given = Given { follow: Follow::Leave, json: false, seconds: None };
    while let Some(word) = rest.as_slice().first() {
        let letters = match word.as_slice() {
            [b'-', b'-'] => {
                rest.next();
                break;
            }
            b"--help" => return Ok(Options::Help),
            b"--version" => return Ok(Options::Version),
            b"--json" => {
                given.json = true;
                &b""[..]
            }
            [b'-', b'-', long @ ..] => return Err(format!("illegal option -- {}", Shown(long))),
            [b'-', letters @ ..] if !letters.is_empty() => letters,
            _ => break,
        };
        rest.next();
        let mut letters = letters.iter();
        while let Some(letter) = letters.next() {
            match letter {
                b'v' => given.follow = Follow::Wait,
                b'V' => return Ok(Options::Version),
                b'w' => {
                    // What is left of the word, or the next one.
                    let left = core::mem::take(&mut letters).as_slice();
                    let mut next = || rest.next().map(Vec::as_slice);
                    let value = if left.is_empty() { next() } else { Some(left) };
                    let missing = || String::from("option requires an argument -- w");
                    given.seconds = Some(leading_number(value.ok_or_else(missing)?));
                    given.follow = Follow::Wait;
                }
                other => return Err(format!("illegal option -- {}", Shown(&[*other]))),
            }
        }
    }
    Ok(Options::Given(given))
}

/// The digits at the beginning, as runit's scan_ulong reads them: no digits are 0.
fn leading_number(word: &[u8]) -> u64 {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number: u64, digit| {
        number.saturating_mul(10).saturating_add(u64::from(digit.saturating_sub(b'0')))
    })
}

fn command(manner: Manner, word: &[u8], leave: Follow) -> Option<Command> {
    use Verb::{Continue, Down, Exit, Hangup, Term, Up};
    let (verbs, follow): (&'static [Verb], Follow) = match word {
        b"start" => (&[Up], Follow::Wait),
        b"stop" => (&[Down], Follow::Wait),
        b"restart" => (&[Term, Continue, Up], Follow::Wait),
        b"reload" => (&[Hangup], Follow::Wait),
        b"shutdown" => (&[Exit], Follow::Wait),
        b"try-restart" => (&[Term, Continue], Follow::Wait),
        b"check" => (&[], Follow::Wait),
        b"force-stop" => (&[Down], Follow::Insist),
        b"force-restart" => (&[Term, Continue, Up], Follow::Insist),
        b"force-reload" => (&[Term, Continue], Follow::Insist),
        b"force-shutdown" => (&[Exit], Follow::Insist),
        b"status" => return Some(Command::Status),
        [b's', ..] if manner == Manner::Sv => return Some(Command::Status),
        [b'X' | b'E', ..] => (&[Exit], Follow::Insist),
        [b'D', ..] => (&[Down], Follow::Insist),
        [b'T', ..] => (&[Term, Continue], Follow::Insist),
        [letter, ..] => (one_verb(*letter)?, leave),
        [] => return None,
    };
    Some(Command::Order(Order { verbs, follow }))
}

fn one_verb(letter: u8) -> Option<&'static [Verb]> {
    Some(match letter {
        b'u' => &[Verb::Up],
        b'd' => &[Verb::Down],
        b'o' => &[Verb::Once],
        b'x' | b'e' => &[Verb::Exit],
        b't' => &[Verb::Term],
        b'k' => &[Verb::Kill],
        b'p' => &[Verb::Pause],
        b'c' => &[Verb::Continue],
        b'h' => &[Verb::Hangup],
        b'a' => &[Verb::Alarm],
        b'i' => &[Verb::Interrupt],
        b'q' => &[Verb::Quit],
        b'1' => &[Verb::User1],
        b'2' => &[Verb::User2],
        _ => return None,
    })
}

/// The text of `--help`.
#[must_use]
pub fn help() -> &'static str {
    "\
Usage: sv [-v] [-w SECONDS] COMMAND SERVICE...
       sv [--json] status [SERVICE...]
       /etc/init.d/SERVICE [-w SECONDS] COMMAND

Ask and tell the supervisor of services. A SERVICE is a name in /etc/service, or
a path where it begins with / or . or ends with /.

Send it, and go (only the first letter counts):
  up, down, once    start; stop; start, but not again
  exit              stop, and forget the service
  pause, cont, hup, alarm, interrupt, quit, 1, 2, term, kill
                    the signal STOP, CONT, HUP, ALRM, INT, QUIT, USR1, USR2, ...

Send it, and wait for its effect:
  start, stop, restart, reload, shutdown (as exit)
  try-restart       restart, but only what is wanted up
  force-stop, force-restart, force-reload, force-shutdown
                    the same; KILL where it takes too long
  check             send nothing: wait until the service is as it was asked to be

  status            without a SERVICE: all of them

Where the service has an executable `check`, it is up once that exits with 0.

Options:
  -v                wait for the effect of up, down, once, ... too
  -w SECONDS        wait that long instead of 7 seconds; implies -v
  --json            print the status as JSON
  --help, --version

Variables:
  SVDIR             where the services are, instead of /etc/service
  SVWAIT            how many seconds to wait, where -w does not say

Exit codes: the number of services that failed, at most 99; 100 for wrong usage.
As an init script: 1 failed, 2 wrong usage, and for status 3 down, 4 unknown.
"
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split_whitespace().map(|word| word.as_bytes().to_vec()).collect()
    }

    fn sv(line: &str) -> Result<Asked, String> {
        parse(Manner::Sv, b"sv", &words(line), None)
    }

    fn request(line: &str) -> Request {
        match sv(line).unwrap() {
            Asked::Request(request) => request,
            other => panic!("{line}: {other:?}"),
        }
    }

    /// The verbs as they are sent, and what follows.
    fn order(line: &str) -> (String, Follow) {
        match request(line).command {
            Command::Order(Order { verbs, follow }) => {
                (verbs.iter().map(|verb| char::from(verb.byte())).collect(), follow)
            }
            Command::Status => ("status".into(), Follow::Leave),
        }
    }

    const USAGE: &str = "usage: sv [-v] [-w sec] command service ...\n";

    #[test]
    fn each_command_sends_what_runits_sends() {
        use Follow::{Insist, Leave, Wait};
        for (word, verbs, follow) in [
            ("up", "u", Leave),
            ("down", "d", Leave),
            ("once", "o", Leave),
            ("pause", "p", Leave),
            ("cont", "c", Leave),
            ("hup", "h", Leave),
            ("alarm", "a", Leave),
            ("interrupt", "i", Leave),
            ("quit", "q", Leave),
            ("1", "1", Leave),
            ("2", "2", Leave),
            ("term", "t", Leave),
            ("kill", "k", Leave),
            ("exit", "x", Leave),
            ("x", "x", Leave),
            ("checkup", "c", Leave),
            ("try", "t", Leave),
            ("start", "u", Wait),
            ("stop", "d", Wait),
            ("restart", "tcu", Wait),
            ("reload", "h", Wait),
            ("shutdown", "x", Wait),
            ("try-restart", "tc", Wait),
            ("check", "", Wait),
            ("force-stop", "d", Insist),
            ("force-restart", "tcu", Insist),
            ("force-reload", "tc", Insist),
            ("force-shutdown", "x", Insist),
            ("D", "d", Insist),
            ("T", "tc", Insist),
            ("X", "x", Insist),
            ("E", "x", Insist),
            ("status", "status", Leave),
            ("s", "status", Leave),
            ("stopp", "status", Leave),
        ] {
            assert_eq!(order(&format!("{word} web")), (verbs.into(), follow), "{word}");
        }
    }

    #[test]
    fn v_and_w_make_every_order_wait() {
        for line in ["-v up web", "-w 3 up web", "-vw3 up web", "-w3 -v -- up web"] {
            assert_eq!(order(line), ("u".into(), Follow::Wait), "{line}");
        }
        assert_eq!(request("-vw3 up web").patience, patience(3));
        assert_eq!(request("-w 5x up web").patience, patience(5));
        assert_eq!(request("-w none up web").patience, patience(0));
        assert_eq!(order("-v force-stop web").1, Follow::Insist);
    }

    #[test]
    fn svwait_is_the_patience_that_w_overrides() {
        let with = |line: &str| match parse(Manner::Sv, b"sv", &words(line), Some(b"21")) {
            Ok(Asked::Request(request)) => request.patience,
            other => panic!("{other:?}"),
        };
        assert_eq!((with("start web"), with("-w 1 start web")), (patience(21), patience(1)));
        assert_eq!(request("start web").patience, patience(7));
    }

    #[test]
    fn wrong_usage_is_said_in_runits_words() {
        for line in ["", "foo web", "rest web", "force web", "up", "--json up web", "-", "- up web"]
        {
            assert_eq!(sv(line).unwrap_err(), USAGE, "{line}");
        }
        assert_eq!(parse(Manner::Sv, b"sv", &[vec![]], None).unwrap_err(), USAGE);
        assert_eq!(sv("-x up web").unwrap_err(), format!("sv: illegal option -- x\n{USAGE}"));
        assert_eq!(sv("-w").unwrap_err(), format!("sv: option requires an argument -- w\n{USAGE}"));
        assert!(sv("--jsn status").unwrap_err().starts_with("sv: illegal option -- jsn\n"));
    }

    #[test]
    fn status_alone_means_all_services() {
        assert_eq!(request("status").services, words(""));
        assert!(request("--json status").json);
        assert_eq!(request("status web db").services, words("web db"));
    }

    #[test]
    fn an_init_script_is_its_own_service() {
        let lsb = |line: &str| parse(Manner::InitScript, b"web", &words(line), None);
        match lsb("restart and more").unwrap() {
            Asked::Request(request) => assert_eq!(request.services, words("web")),
            other => panic!("{other:?}"),
        }
        assert_eq!(lsb("").unwrap_err(), "usage: web [-w sec] command\n");
        assert!(lsb("stat").is_err() && lsb("status").is_ok());
    }

    #[test]
    fn help_fits_a_terminal() {
        assert!(help().lines().all(|line| line.len() <= 84));
    }

    proptest! {
        #[test]
        fn any_words_are_read_without_harm(
            words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 0..6),
            svwait in prop::option::of(prop::collection::vec(any::<u8>(), 0..30)),
        ) {
            for manner in [Manner::Sv, Manner::InitScript] {
                let _ = parse(manner, b"web", &words, svwait.as_deref());
            }
        }

        #[test]
        fn likely_words_are_read_without_harm_and_never_lose_a_service(
            options in prop::collection::vec("-v|-w|-w3|-vw|--|--json|7", 0..4),
            command in "start|stop|restart|status|up|x|E|check|force-stop|",
            services in prop::collection::vec("[a-z/.]{0,5}", 0..4),
        ) {
            let mut words: Vec<Vec<u8>> = options.iter().map(|o| o.clone().into_bytes()).collect();
            words.push(command.into_bytes());
            words.extend(services.iter().map(|service| service.clone().into_bytes()));
            if let Ok(Asked::Request(request)) = parse(Manner::Sv, b"sv", &words, None) {
                prop_assert!(words.ends_with(&request.services));
                prop_assert!(!request.services.is_empty() || request.command == Command::Status);
            }
        }
    }

    #[test]
    fn the_code_is_how_many_failed_and_100_is_wrong_usage() {
        assert_eq!([0, 1, 3, 99, 500].map(|failed| Manner::Sv.code(failed)), [0, 1, 3, 99, 99]);
        assert_eq!((Manner::Sv.usage_code(), Manner::InitScript.usage_code()), (100, 2));
    }

    #[test]
    fn whoever_asks_for_help_or_the_version_gets_it() {
        assert!(matches!(sv("--help"), Ok(Asked::Help)));
        assert!(matches!(sv("--version"), Ok(Asked::Version)));
        assert!(help().starts_with("Usage: sv "));
    }
}
