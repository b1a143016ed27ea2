//! Every figure of every run: kept in files, so that one part can be measured again alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::path::Path;

/// What was measured, by figure, number of services, and system.
#[derive(Default)]
pub struct Samples(BTreeMap<(String, usize, String), Vec<u64>>);

/// The middle of some figures, and how far the middle half of them lies apart.
#[derive(Clone, Copy)]
pub struct Quartiles {
    /// A quarter is below.
    pub low: f64,
    /// Half is below.
    pub median: f64,
    /// Three quarters are below.
    pub high: f64,
    /// Of so many.
    pub count: usize,
}

impl Samples {
    /// Note one.
    pub fn add(&mut self, figure: &str, services: usize, system: &str, value: u64) {
        let key = (figure.to_string(), services, system.to_string());
        self.0.entry(key).or_default().push(value);
    }

    /// What has been measured of it, if anything has.
    pub fn quartiles(&self, figure: &str, services: usize, system: &str) -> Option<Quartiles> {
        let mut values = self.0.get(&(figure.to_string(), services, system.to_string()))?.clone();
        values.sort_unstable();
        Some(Quartiles {
            low: quantile(&values, 1),
            median: quantile(&values, 2),
            high: quantile(&values, 3),
            count: values.len(),
        })
    }

    /// The one in the middle.
    pub fn median(&self, figure: &str, services: usize, system: &str) -> Option<f64> {
        self.quartiles(figure, services, system).map(|quartiles| quartiles.median)
    }

    /// With which numbers of services it has been measured.
    pub fn counts(&self, figure: &str) -> Vec<usize> {
        let of_it = self.0.keys().filter(|key| key.0 == figure);
        let mut counts: Vec<usize> = of_it.map(|key| key.1).collect();
        counts.sort_unstable();
        counts.dedup();
        counts
    }

    /// Those of a file added to these.
    pub fn read(&mut self, file: &Path) -> Result<()> {
        for line in fs::read_to_string(file)?.lines().filter(|line| !line.starts_with('#')) {
            let mut fields = line.split('\t');
            let mut next = || fields.next().ok_or(ErrorKind::InvalidData);
            let (figure, services, system, value) = (next()?, next()?, next()?, next()?);
            let services = services.parse().map_err(Error::other)?;
            self.add(figure, services, system, value.parse().map_err(Error::other)?);
        }
        Ok(())
    }

    /// All of them into a file, below a line about them.
    pub fn write(&self, file: &Path, about: &str) -> Result<()> {
        let mut text = format!("# {about}\n");
        for ((figure, services, system), values) in &self.0 {
            for value in values {
                text.push_str(&format!("{figure}\t{services}\t{system}\t{value}\n"));
            }
        }
        fs::write(file, text)
    }
}

/// Between the two that it lies between, as far as it lies.
#[allow(clippy::cast_precision_loss)] // a figure is far below 2^52, where an f64 begins to round
fn quantile(sorted: &[u64], quarter: usize) -> f64 {
    let position = (sorted.len().saturating_sub(1) * quarter) as f64 / 4.0;
    let at = |index: f64| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let index = index as usize;
        sorted.get(index).map_or(0.0, |&value| value as f64)
    };
    let (low, high) = (at(position.floor()), at(position.ceil()));
    low + (high - low) * position.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quartiles_of_five_are_the_second_the_third_and_the_fourth() {
        let mut samples = Samples::default();
        for value in [50, 10, 40, 20, 30] {
            samples.add("boot", 1, "ours", value);
        }
        let found = samples.quartiles("boot", 1, "ours").unwrap();
        assert_eq!((found.low, found.median, found.high, found.count), (20.0, 30.0, 40.0, 5));
    }

    #[test]
    fn what_was_written_is_read_again() {
        let file = std::env::temp_dir().join(format!("samples-{}", std::process::id()));
        let mut samples = Samples::default();
        samples.add("boot", 100, "floor by fork", 7);
        samples.write(&file, "a test").unwrap();
        let mut again = Samples::default();
        again.read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!(again.0, samples.0);
    }
}
