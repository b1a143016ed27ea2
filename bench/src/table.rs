//! Figures, their medians, and a table that is read from the left: what, how many, how much worse.

use std::collections::BTreeMap;
use std::env;
use std::io::{IsTerminal, stdout};

/// What is measured, in the order of the columns.
pub const SYSTEMS: [&str; 3] = ["ours", "floor", "files"];

/// Every figure of every run: by name, number of services, and system.
#[derive(Default)]
pub struct Figures(BTreeMap<(String, usize, &'static str), Vec<u64>>);

impl Figures {
    /// Note one.
    pub fn add(&mut self, figure: &str, services: usize, system: &'static str, value: u64) {
        self.0.entry((figure.to_string(), services, system)).or_default().push(value);
    }

    /// The one in the middle.
    pub fn median(&self, figure: &str, services: usize, system: &'static str) -> Option<u64> {
        let mut values = self.0.get(&(figure.to_string(), services, system))?.clone();
        values.sort_unstable();
        values.get(values.len() / 2).copied()
    }
}

/// What a figure counts.
#[derive(Clone, Copy)]
pub enum Unit {
    /// Nanoseconds, shown as milliseconds.
    Time,
    /// Bytes, shown as kilobytes.
    Memory,
}

impl Unit {
    fn show(self, value: u64) -> String {
        // A figure is far below 2^52, where an f64 begins to round.
        #[allow(clippy::cast_precision_loss)]
        let value = value as f64;
        match self {
            Unit::Time if value < 9.95e6 => format!("{:.2} ms", value / 1e6),
            Unit::Time if value < 99.5e6 => format!("{:.1} ms", value / 1e6),
            Unit::Time => format!("{:.0} ms", value / 1e6),
            Unit::Memory => format!("{:.0} kB", value / 1024.0),
        }
    }
}

/// One line of the table.
pub struct Row<'a> {
    /// What the reader calls it; empty where the line above said it.
    pub name: &'a str,
    /// With how many services.
    pub services: usize,
    /// How to show it.
    pub unit: Unit,
    /// The medians, in the order of `SYSTEMS`.
    pub values: [Option<u64>; 3],
    /// What may not be passed, where it is no multiple of the floor.
    pub bar: Option<u64>,
}

/// Colours, on a terminal that wants them.
pub struct Table {
    coloured: bool,
}

impl Table {
    /// For standard output.
    pub fn new() -> Table {
        let wanted = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Table { coloured: wanted && stdout().is_terminal() }
    }

    fn colour(&self, code: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// What the columns are.
    pub fn head(&self) {
        let ratios = format!("{:24}{:>8}{:>10}{:>10}", "", "services", "to floor", "to files");
        let absolute = format!("{:>12}{:>10}{:>10}", "ours", "floor", "files");
        println!("{ratios}{}", self.colour("90", &absolute));
    }

    /// One line: ratios first.
    pub fn row(&self, row: &Row) {
        let [ours, floors @ ..] = row.values;
        let ratios = match row.bar {
            Some(bar) => self.ratio(ours, Some(bar)) + &format!("{:10}", ""),
            None => floors.map(|floor| self.ratio(ours, floor)).concat(),
        };
        let mut absolute = String::new();
        for (value, width) in row.values.into_iter().zip([12, 10, 10]) {
            let shown = value.map(|value| row.unit.show(value)).unwrap_or_default();
            absolute.push_str(&format!("{shown:>width$}"));
        }
        let bar = row.bar.map(|bar| format!("  bar {}", row.unit.show(bar))).unwrap_or_default();
        let end = self.colour("90", &(absolute.trim_end().to_string() + &bar));
        println!("{:24}{:>8}{ratios}{end}", row.name, row.services);
    }

    /// Green up to one and a half, yellow up to twice, red beyond.
    fn ratio(&self, ours: Option<u64>, other: Option<u64>) -> String {
        let (Some(ours), Some(other)) = (ours, other.filter(|&other| other > 0)) else {
            return format!("{:10}", "");
        };
        #[allow(clippy::cast_precision_loss)]
        let ratio = ours as f64 / other as f64;
        let code = match ratio {
            ..1.5 => "1;32",
            1.5..=2.0 => "1;33",
            _ => "1;31",
        };
        let digits = if ratio < 9.95 { 2 } else { 0 };
        self.colour(code, &format!("{:>10}", format!("{ratio:.digits$}x")))
    }
}
