//! What the kernel says of the init and the supervisors of a run: all its processes but services.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Error, Result};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// PID 1 and all below it, seen from outside, split in two.
pub struct Processes {
    /// PID 1 first.
    pub supervisors: Vec<u32>,
    /// Those that run the file that all services are, or all log services.
    pub services: Vec<u32>,
}

impl Processes {
    /// Look for them.
    pub fn below(init: u32, services: &[PathBuf]) -> Result<Processes> {
        let identity = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
        let files: Vec<_> = services.iter().filter_map(|path| identity(path).ok()).collect();
        let mut found = Processes { supervisors: Vec::new(), services: Vec::new() };
        let mut left = BTreeSet::from([init]);
        while let Some(pid) = left.pop_first() {
            // It may have ended since.
            let Ok(children) = children(pid) else { continue };
            left.extend(children);
            let Ok(program) = identity(format!("/proc/{pid}/exe").as_ref()) else { continue };
            let is_service = pid != init && files.contains(&program);
            if is_service { &mut found.services } else { &mut found.supervisors }.push(pid);
        }
        Ok(found)
    }

    /// Of PID 1, and of those of the others that are still there: some may have been children on
    /// their way to an exec.
    fn sum(&self, of: impl Fn(u32) -> Result<u64>) -> Result<u64> {
        let Some((&init, others)) = self.supervisors.split_first() else { return Ok(0) };
        Ok(of(init)? + others.iter().filter_map(|&pid| of(pid).ok()).sum::<u64>())
    }

    /// Nanoseconds on a processor, of all supervisors.
    pub fn processor(&self) -> Result<u64> {
        self.sum(processor)
    }

    /// How often they have gone to sleep or been put aside: each wake-up ends in one of the two.
    pub fn switches(&self) -> Result<u64> {
        self.sum(switches)
    }

    /// A line of smaps_rollup, in bytes, of all supervisors.
    pub fn memory(&self, line: &str) -> Result<u64> {
        self.sum(|pid| memory(pid, line))
    }

    /// Whether all of them sleep. One that only waits for its turn uses no processor either.
    pub fn sleep(&self) -> bool {
        self.supervisors.iter().all(|&pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.is_empty() || status.contains("State:\tS")
        })
    }
}

/// The children of a process, zombies among them.
pub fn children(pid: u32) -> Result<Vec<u32>> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    list.split_ascii_whitespace().map(|pid| pid.parse().map_err(Error::other)).collect()
}

/// Nanoseconds on a processor.
pub fn processor(pid: u32) -> Result<u64> {
    let times = fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    times.split(' ').next().unwrap_or_default().parse().map_err(Error::other)
}

fn switches(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        let counts = status.lines().filter(|line| line.contains("ctxt_switches"));
        let counts = counts.filter_map(|line| line.split_ascii_whitespace().nth(1));
        sum += counts.filter_map(|count| count.parse::<u64>().ok()).sum::<u64>();
    }
    Ok(sum)
}

/// A line of smaps_rollup, in bytes. `Anonymous`: nobody else's, as no page of its file is.
pub fn memory(pid: u32, line: &str) -> Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let number = rollup.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let kilobytes = number.and_then(|number| number.trim().strip_suffix(" kB"));
    let kilobytes: u64 = kilobytes.unwrap_or_default().parse().map_err(Error::other)?;
    Ok(kilobytes * 1024)
}
