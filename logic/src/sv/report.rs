//! The status of services, three ways: runit's lines for scripts, a table for people, JSON for
//! machines.

use super::{Hints, Sight, Trouble};
use crate::status::{State, UnixTime, Want};
use crate::words::Shown;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// One service and its logger, if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// As it was asked for.
    pub name: Vec<u8>,
    /// What was seen.
    pub service: Result<Sight, Trouble>,
    /// What was seen of `log/`; not looked at where the service itself could not be seen.
    pub log: Option<Result<Sight, Trouble>>,
}

impl Report {
    /// Runit's lines: one, unless the logger is in trouble, which has runit's other form.
    #[must_use]
    pub fn lines(&self, now: UnixTime) -> String {
        let service = match &self.service {
            Ok(sight) => sight.words(&self.name, now),
            Err(trouble) => return trouble.line(&self.name, Hints::Hidden),
        };
        match &self.log {
            None => format!("{service}\n"),
            Some(Ok(sight)) => format!("{service}; {}\n", sight.words(b"log", now)),
            Some(Err(trouble)) => {
                format!("{service}; {}", trouble.line(&self.log_name(), Hints::Hidden))
            }
        }
    }

    fn log_name(&self) -> Vec<u8> {
        [&self.name, &b"/log"[..]].concat()
    }

    fn parts(&self) -> impl Iterator<Item = (Vec<u8>, &Result<Sight, Trouble>)> {
        let log = self.log.iter().map(|log| (self.log_name(), log));
        core::iter::once((self.name.clone(), &self.service)).chain(log)
    }

    /// How many could not be seen.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.parts().filter(|(_, seen)| seen.is_err()).count()
    }

    /// The code of an init script's `status`. Where there is a logger, it is the logger's: runit
    /// has it so.
    #[must_use]
    pub fn init_script_code(&self) -> u8 {
        let last_seen = match (&self.service, &self.log) {
            (Err(Trouble::Directory(_) | Trouble::NotRunning), _) => return 1,
            (Err(_), _) => return 4,
            (Ok(_), Some(Ok(log))) => log,
            (Ok(service), Some(Err(_)) | None) => service,
        };
        if last_seen.status.pid.is_some() { 0 } else { 3 }
    }
}

/// Whether the table may have colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// It may.
    Shown,
    /// The terminal has none, or nobody wants them.
    Hidden,
}

/// Select graphic rendition (ECMA-48): green, yellow, red, nothing special.
const GREEN: &str = "32";
const YELLOW: &str = "33";
const RED: &str = "31";
const PLAIN: &str = "0";

/// For people: one line each, in columns.
#[must_use]
pub fn table(reports: &[Report], now: UnixTime, colour: Colour) -> String {
    let rows: Vec<Row> =
        reports.iter().flat_map(Report::parts).map(|row| Row::new(row, now)).collect();
    let width = |column: fn(&Row) -> &str| {
        rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0)
    };
    let (name, pid) = (width(|row| &row.name), width(|row| &row.pid));
    let age = width(|row| &row.age);
    let mut text = String::new();
    for row in &rows {
        let state = format!("{:<7}", row.state);
        let state = match colour {
            Colour::Shown => format!("\x1b[{}m{state}\x1b[0m", row.colour),
            Colour::Hidden => state,
        };
        let rest =
            format!("{:<name$}  {:<pid$}  {:>age$}  {}", row.name, row.pid, row.age, row.remarks);
        text.push_str(&format!("{state} {}\n", rest.trim_end()));
    }
    text
}

struct Row {
    state: &'static str,
    colour: &'static str,
    name: String,
    pid: String,
    age: String,
    remarks: String,
}

impl Row {
    fn new((name, seen): (Vec<u8>, &Result<Sight, Trouble>), now: UnixTime) -> Row {
        let name = Shown(&name).to_string();
        let sight = match seen {
            Ok(sight) => sight,
            Err(trouble) => {
                return Row {
                    state: "?",
                    colour: RED,
                    name,
                    pid: String::new(),
                    age: String::new(),
                    remarks: trouble.advice(),
                };
            }
        };
        let status = &sight.status;
        Row {
            state: status.state.word(),
            colour: match (status.state, status.want) {
                (State::Run, Want::Up) if !status.paused => GREEN,
                (State::Run | State::Finish, _) => YELLOW,
                (State::Down, Want::Up) => RED,
                (State::Down, Want::Down | Want::Exit) => PLAIN,
            },
            name,
            pid: status.pid.map_or_else(String::new, |pid| format!("pid {pid}")),
            age: age(now.seconds_since(status.since)),
            remarks: sight.remarks().collect::<Vec<_>>().join(", "),
        }
    }
}

/// The two largest units: "3d 4h".
fn age(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// For machines: one array, one object a service, one line each.
#[must_use]
pub fn json(reports: &[Report], now: UnixTime) -> String {
    let objects: Vec<String> = reports.iter().map(|report| object(report, now)).collect();
    if objects.is_empty() {
        return "[]\n".to_string();
    }
    format!("[\n{}\n]\n", objects.join(",\n"))
}

fn object(report: &Report, now: UnixTime) -> String {
    let log = match &report.log {
        None => "null".to_string(),
        Some(seen) => format!("{{{}}}", members(seen, now)),
    };
    format!(
        "{{\"name\": {}, {}, \"log\": {log}}}",
        string(&report.name),
        members(&report.service, now)
    )
}

/// The members that a service and its logger share: always the same ones, so that nobody has to
/// ask whether they are there.
fn members(seen: &Result<Sight, Trouble>, now: UnixTime) -> String {
    let sight = match seen {
        Ok(sight) => sight,
        Err(trouble) => {
            return format!(
                "\"state\": null, \"pid\": null, \"seconds\": null, \"want\": null, \
                 \"paused\": null, \"got_term\": null, \"normally\": null, \"error\": {}",
                string(trouble.words().as_bytes())
            );
        }
    };
    let status = &sight.status;
    let pid = status.pid.map_or_else(|| "null".to_string(), |pid| pid.to_string());
    let direction = |want: Want| match want {
        Want::Up => "up",
        Want::Down | Want::Exit => "down",
    };
    format!(
        "\"state\": \"{}\", \"pid\": {pid}, \"seconds\": {}, \"want\": \"{}\", \"paused\": {}, \
         \"got_term\": {}, \"normally\": \"{}\", \"error\": null",
        status.state.word(),
        now.seconds_since(status.since),
        direction(status.want),
        status.paused,
        status.got_term,
        direction(sight.normally),
    )
}

/// A string of JSON (RFC 8259). What it could not hold is escaped once more, as in a message.
fn string(bytes: &[u8]) -> String {
    let shown = Shown(bytes).to_string();
    format!("\"{}\"", shown.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Errno;
    use crate::status::Status;
    use crate::words::Pid;
    use core::time::Duration;
    use proptest::prelude::*;

    const NOW: UnixTime = UnixTime(Duration::from_secs(100_000));

    fn run(pid: i32, seconds: u64) -> Sight {
        let status = Status {
            state: State::Run,
            pid: Some(Pid(pid)),
            paused: false,
            want: Want::Up,
            got_term: false,
            since: UnixTime(Duration::from_secs(100_000 - seconds)),
        };
        Sight { status, normally: Want::Up }
    }

    fn down(want: Want) -> Sight {
        let sight = run(1, 5);
        let status = Status { state: State::Down, pid: None, want, ..sight.status };
        Sight { status, ..sight }
    }

    fn report(service: Result<Sight, Trouble>, log: Option<Result<Sight, Trouble>>) -> Report {
        Report { name: b"web".to_vec(), service, log }
    }

    const GONE: Trouble = Trouble::NotRunning;
    const DENIED: Trouble = Trouble::Ok(Errno::ACCES);

    #[test]
    fn a_logger_stands_behind_its_service() {
        assert_eq!(report(Ok(run(7, 3)), None).lines(NOW), "run: web: (pid 7) 3s\n");
        assert_eq!(
            report(Ok(run(7, 3)), Some(Ok(run(6, 4)))).lines(NOW),
            "run: web: (pid 7) 3s; run: log: (pid 6) 4s\n"
        );
        assert_eq!(
            report(Ok(run(7, 3)), Some(Err(GONE))).lines(NOW),
            "run: web: (pid 7) 3s; fail: web/log: runsv not running\n"
        );
        assert_eq!(report(Err(GONE), None).lines(NOW), "fail: web: runsv not running\n");
    }

    #[test]
    fn the_codes_of_an_init_script_are_runits() {
        let code = |service, log| report(service, log).init_script_code();
        assert_eq!((code(Ok(run(7, 3)), None), code(Ok(down(Want::Up)), None)), (0, 3));
        assert_eq!((code(Err(GONE), None), code(Err(DENIED), None)), (1, 4));
        assert_eq!(code(Err(Trouble::Directory(Errno::NOENT)), None), 1);
        assert_eq!(code(Ok(down(Want::Down)), Some(Ok(run(7, 3)))), 0);
        assert_eq!(code(Ok(down(Want::Down)), Some(Err(DENIED))), 3);
    }

    #[test]
    fn the_table_has_columns_and_the_state_its_colour() {
        let reports = [
            report(Ok(run(4711, 93_784)), Some(Ok(run(6, 61)))),
            report(Ok(down(Want::Up)), None),
            report(Err(GONE), None),
        ];
        let text = table(&reports, NOW, Colour::Hidden);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "run     web      pid 4711  1d 2h");
        assert_eq!(lines[1], "run     web/log  pid 6     1m 1s");
        assert_eq!(lines[2], "down    web                   5s  normally up, want up");
        assert!(lines[3].starts_with("?       web                       runsv not running ("));
        let coloured = table(&reports, NOW, Colour::Shown);
        assert!(coloured.starts_with("\x1b[32mrun    \x1b[0m web"), "{coloured:?}");
        assert!(coloured.contains("\x1b[31mdown   \x1b[0m"), "{coloured:?}");
    }

    fn parsed(reports: &[Report]) -> serde_json::Value {
        serde_json::from_str(&json(reports, NOW)).unwrap()
    }

    #[test]
    fn json_says_what_the_lines_say() {
        let value = parsed(&[report(Ok(run(7, 3)), Some(Ok(down(Want::Down))))]);
        let web = &value[0];
        assert_eq!((&web["name"], &web["state"]), (&"web".into(), &"run".into()));
        assert_eq!((&web["pid"], &web["seconds"]), (&7.into(), &3.into()));
        assert_eq!((&web["want"], &web["normally"]), (&"up".into(), &"up".into()));
        assert_eq!((&web["paused"], &web["got_term"]), (&false.into(), &false.into()));
        assert_eq!((&web["log"]["state"], &web["log"]["want"]), (&"down".into(), &"down".into()));
        assert_eq!(&web["log"]["pid"], &serde_json::Value::Null);
        assert_eq!(parsed(&[]), serde_json::json!([]));
    }

    #[test]
    fn json_names_what_it_could_not_see() {
        let value = parsed(&[report(Err(DENIED), None), report(Ok(run(7, 3)), None)]);
        assert_eq!(value[0]["error"], "unable to open supervise/ok: access denied");
        assert_eq!(value[0]["state"], serde_json::Value::Null);
        assert_eq!(value[1]["error"], serde_json::Value::Null);
        let members = |value: &serde_json::Value| value.as_object().unwrap().len();
        assert_eq!(members(&value[0]), members(&value[1]));
    }

    proptest! {
        #[test]
        fn json_is_valid_for_any_name(name in prop::collection::vec(any::<u8>(), 0..20)) {
            let report = Report { name, ..report(Ok(run(7, 3)), None) };
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json(&[report], NOW)).is_ok());
        }
    }

    #[test]
    fn each_that_cannot_be_seen_is_a_failure() {
        let no = || Err(Trouble::NotRunning);
        assert_eq!(report(Ok(run(7, 1)), None).failures(), 0);
        assert_eq!(report(Ok(run(7, 1)), Some(no())).failures(), 1);
        assert_eq!(report(no(), Some(no())).failures(), 2);
    }

    #[test]
    fn an_age_has_its_two_largest_units() {
        let seen = [59, 61, 3_661, 90_000].map(age);
        assert_eq!(seen, ["59s", "1m 1s", "1h 1m", "1d 1h"]);
    }
}
