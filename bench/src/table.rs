//! A table on a terminal, read from the left: what, how many, how much worse.

use crate::figures::{Unit, times};
use std::env;
use std::io::{IsTerminal, stdout};

/// What is measured, in the order of the columns.
pub const SYSTEMS: [&str; 3] = ["ours", "floor by fork", "floor with files"];

/// One line of the table.
pub struct Row<'a> {
    /// What the reader calls it; empty where the line above said it.
    pub name: &'a str,
    /// With how many services.
    pub services: usize,
    /// How to show it.
    pub unit: Unit,
    /// The medians, in the order of `SYSTEMS`.
    pub values: [Option<f64>; 3],
    /// What may not be passed, where it is no multiple of the floor.
    pub bar: Option<f64>,
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
            Some(_) => format!("{:20}", ""),
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
    fn ratio(&self, ours: Option<f64>, other: Option<f64>) -> String {
        let (Some(ours), Some(other)) = (ours, other.filter(|&other| other > 0.0)) else {
            return format!("{:10}", "");
        };
        let ratio = ours / other;
        let code = match ratio {
            ..1.5 => "1;32",
            1.5..=2.0 => "1;33",
            _ => "1;31",
        };
        self.colour(code, &format!("{:>10}", format!("{}x", times(ratio))))
    }
}
