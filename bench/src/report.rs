//! RESULTS.md and its plots, from all the figures that are there.

use crate::bars;
use crate::figures::{FIGURES, Figure, Unit, times};
use crate::plot::{self, Kind, Line};
use crate::programs;
use crate::samples::{Quartiles, Samples};
use crate::systems::{self, Variant};
use std::fs;
use std::io::Result;
use std::path::Path;
use std::process::{Command, Stdio};

/// The load of the machine in the last minute.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or("unknown".to_string());
    load.split(' ').next().unwrap_or_default().to_string()
}

/// The commit that is measured, and whether there are changes to it, other than of results.
pub fn commit() -> String {
    let directory = programs::repository().to_string_lossy();
    let git = |words: &[&str]| output("git", &[&["-C", &directory], words].concat());
    let commit = git(&["describe", "--always"]);
    let others = ["--untracked-files=no", "--", ".", ":!bench/RESULTS.md", ":!bench/*.svg"];
    let changes = git(&[&["status", "--porcelain"][..], &others].concat());
    if changes.is_empty() { commit } else { commit + "-dirty" }
}

/// One line about some figures.
pub fn about(rounds: usize, load: &str) -> String {
    let date = output("date", &["--utc", "+%Y-%m-%d %H:%M UTC"]);
    format!("{date}, commit {}, {rounds} rounds, load at the beginning {load}", commit())
}

/// What a program says; nothing, where it cannot be asked.
pub fn output(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).stderr(Stdio::null()).output();
    let said = output.ok().filter(|output| output.status.success());
    said.map_or(String::new(), |said| String::from_utf8_lossy(&said.stdout).trim().to_string())
}

/// All of it.
pub fn write(samples: &Path, results: &Path) -> Result<()> {
    fs::create_dir_all(results)?;
    let (mut all, mut parts) = (Samples::default(), Vec::new());
    for entry in fs::read_dir(samples)? {
        let file = entry?.path();
        all.read(&file)?;
        let text = fs::read_to_string(&file)?;
        let about = text.lines().next().unwrap_or_default().trim_start_matches("# ").to_string();
        let name = file.file_name().unwrap_or_default().to_string_lossy().to_string();
        parts.push(format!("- {name}: {about}"));
    }
    parts.sort();
    let mut text = String::from(
        "# Results\n\nWritten by `make bench`; [README.md](README.md) says how each figure is \
         taken and why that is\nfair. Ratios are the result: the first number of a cell is the \
         ratio to the faster of the floors\nby fork and by vfork, or to plain execution; the floor \
         with files is one only where all make\nthose. Then the median, and the quartiles in \
         parentheses.\n\n",
    );
    text.push_str(&machine());
    text.push_str(&bars::table(&all));
    text.push_str(&explanation(results)?);
    for figure in &FIGURES {
        text.push_str(&section(&all, figure, results)?);
    }
    text.push_str(&sizes());
    text.push_str(&format!("\n## When\n\n{}\n", parts.join("\n")));
    fs::write(results.join("RESULTS.md"), text)
}

const BEGIN: &str = "<!-- explanation: kept by make bench, written by hand -->";
const END: &str = "<!-- end of the explanation -->";

/// What somebody has written between the two marks stays there.
fn explanation(results: &Path) -> Result<String> {
    let old = fs::read_to_string(results.join("RESULTS.md")).unwrap_or_default();
    let kept = old.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let kept = kept.map_or("\nNothing has been written here yet.\n", |(kept, _)| kept);
    Ok(format!("\n### Where the time goes\n\n{BEGIN}{kept}{END}\n"))
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let commit = commit();
    let libc = if programs::is_glibc(&programs::ours()) { "static glibc" } else { "musl" };
    let version = env!("CARGO_PKG_VERSION");
    let peers = systems::all().iter().filter_map(|peer| {
        let version = programs::version(peer.package?).ok()??;
        Some(format!("{} {version}", peer.name))
    });
    let mut lines = vec![
        format!("- {model}, {cores} cores; Linux {}", kernel.trim()),
        format!("- {}", system.unwrap_or_default().trim_matches('"')),
        format!("- ours: {version}, commit {commit}, {libc}"),
    ];
    let peers: Vec<String> = peers.collect();
    if !peers.is_empty() {
        lines.push(format!("- {}", peers.join(", ")));
    }
    lines.join("\n") + "\n"
}

/// The systems that a figure is there of: ours, the floors, the peers, and whatever else.
fn rows(samples: &Samples, figure: &str) -> Vec<String> {
    let counts = samples.counts(figure);
    let known = systems::all().iter().map(|system| system.name);
    let others = ["setuser", "chpst", "setpriv", "gosu", "ours, our sv", "ours, Debian's sv"];
    let names = known.chain(others).chain(["runit, Debian's sv"]);
    let is_there = |name: &&str| counts.iter().any(|&n| samples.median(figure, n, name).is_some());
    names.filter(is_there).map(String::from).collect()
}

/// What the kernel asks: the faster of the floors, or nothing but the command.
pub fn least(samples: &Samples, figure: &str, services: usize) -> Option<f64> {
    let floors = match figure {
        "published" => &["floor with files"][..],
        "once" | "setuser" => &["bare"][..],
        _ => &["floor by fork", "floor by vfork"][..],
    };
    let medians = floors.iter().filter_map(|floor| samples.median(figure, services, floor));
    medians.min_by(f64::total_cmp)
}

fn section(samples: &Samples, figure: &Figure, results: &Path) -> Result<String> {
    let name = figure.figure;
    let (counts, rows) = (samples.counts(name), rows(samples, name));
    if rows.is_empty() {
        return Ok(String::new());
    }
    let mut text = format!("\n## {}\n\n", figure.title);
    if !figure.note.is_empty() {
        text.push_str(&format!("{}\n\n", figure.note));
    }
    for (file, per_service) in [(figure.plot, false), (figure.per_service, true)] {
        if let Some(file) = file {
            text.push_str(&plot(samples, figure, &rows, per_service, &results.join(file))?);
        }
    }
    let heads: Vec<String> = counts
        .iter()
        .map(|n| if *n == 1 { "1 service".to_string() } else { format!("{n} services") })
        .collect();
    let single = ["once", "setuser"].contains(&name);
    let heads = if single { vec![String::from("time")] } else { heads };
    text.push_str(&format!("| | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len())));
    for row in &rows {
        let cells = counts.iter().map(|&services| {
            let least = least(samples, name, services);
            let quartiles = samples.quartiles(name, services, row);
            quartiles.map_or(String::new(), |quartiles| cell(figure.unit, quartiles, least))
        });
        text.push_str(&format!("| {row} | {} |\n", cells.collect::<Vec<_>>().join(" | ")));
    }
    Ok(text)
}

/// Draw it, and what stands in the text for it.
fn plot(
    samples: &Samples,
    figure: &Figure,
    rows: &[String],
    per_service: bool,
    file: &Path,
) -> Result<String> {
    let suffix = if per_service { " per service" } else { "" };
    let title = format!("{}{suffix} (medians)", figure.title);
    let axis = format!("{}{suffix}", figure.axis);
    let lines: Vec<Line> =
        rows.iter().filter_map(|row| line(samples, figure, per_service, row)).collect();
    let show = |value| figure.unit.show(value * figure.unit.scale());
    let file = file.with_extension("svg");
    fs::write(&file, plot::draw(&title, &axis, &lines, &show))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Ok(format!("![{title}]({name})\n\n"))
}

#[allow(clippy::cast_precision_loss)] // there are hundreds of services
fn line(samples: &Samples, figure: &Figure, per_service: bool, name: &str) -> Option<Line> {
    let system = systems::named(name).ok()?;
    let kind = match system.variant {
        // It makes files as well, and stands for itself in a table.
        _ if system.name == "floor with files" => return None,
        _ if system.is_floor() => Kind::Floor,
        // What ours costs with more to do is a question of memory, and of each log service.
        Variant::Logs if per_service || figure.unit == Unit::Memory => Kind::Variant,
        Variant::FullEnvironment | Variant::Musl if !per_service && figure.unit == Unit::Memory => {
            Kind::Variant
        }
        Variant::Logs | Variant::FullEnvironment | Variant::Musl => return None,
        Variant::Plain if system.is_ours() => Kind::Ours,
        Variant::Plain => {
            let mut peers = systems::all().iter().filter(|system| system.package.is_some());
            Kind::Peer(peers.position(|peer| peer.name == name)?)
        }
    };
    let point = |&services: &usize| {
        let value = samples.median(figure.figure, services, name)? / figure.unit.scale();
        match (per_service, services) {
            (false, _) => Some((services, value)),
            (true, 0) => None,
            (true, _) => Some((services, value / services as f64)),
        }
    };
    let points: Vec<_> = samples.counts(figure.figure).iter().filter_map(point).collect();
    // A single point is no line.
    (points.len() > 1).then(|| Line { name: name.to_string(), points, kind })
}

fn cell(unit: Unit, quartiles: Quartiles, least: Option<f64>) -> String {
    let Quartiles { low, median, high, count } = quartiles;
    let ratio = least.filter(|&least| least > 0.0).map(|least| times(median / least));
    let ratio = ratio.map(|ratio| format!("**{ratio}** · ")).unwrap_or_default();
    if count == 1 || low == high {
        return format!("{ratio}{}", unit.show(median));
    }
    let middle = unit.show(median);
    format!("{ratio}{middle} ({}–{})", bare(unit, low), bare(unit, high))
}

fn bare(unit: Unit, value: f64) -> String {
    let shown = unit.show(value);
    shown.split(' ').next().unwrap_or_default().to_string()
}

fn sizes() -> String {
    let mut text = String::from("\n## Sizes\n\n| | bytes |\n|---|---|\n");
    let bytes = |file: &Path| fs::metadata(file).map(|file| file.len());
    if let Ok(bytes) = bytes(&programs::ours()) {
        text.push_str(&format!("| our binary: my_init, sv, setuser | {bytes} |\n"));
    }
    if let Some(Ok(bytes)) = programs::with_musl().map(|binary| bytes(&binary)) {
        text.push_str(&format!("| the same with musl | {bytes} |\n"));
    }
    const PROGRAMS: [(&str, &[&str]); 7] = [
        ("runit: runsvdir, runsv, sv, chpst", &["runsvdir", "runsv", "sv", "chpst"]),
        ("s6: s6-svscan, s6-supervise, s6-svc", &["s6-svscan", "s6-supervise", "s6-svc"]),
        ("daemontools: svscan, supervise, svc", &["svscan", "supervise", "svc"]),
        ("busybox", &["busybox"]),
        ("tini", &["tini"]),
        ("dumb-init", &["dumb-init"]),
        ("catatonit", &["catatonit"]),
    ];
    let directory = programs::repository().join("target/peers/usr/bin");
    for (name, programs) in PROGRAMS {
        let sum: Result<u64> = programs.iter().map(|name| bytes(&directory.join(name))).sum();
        if let Ok(sum) = sum {
            text.push_str(&format!("| {name} | {sum} |\n"));
        }
    }
    let image = std::env::var("BASEIMAGE_IMAGE").unwrap_or("baseimage:latest".to_string());
    let asked = ["30", "docker", "image", "inspect", "--format", "{{.Size}}", &image];
    let size = output("timeout", &asked);
    let size = if size.is_empty() { "not here".to_string() } else { size };
    text + &format!("| the image {image} | {size} |\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_the_same_for_each_service_is_a_level_line() {
        let mut samples = Samples::default();
        for (services, nanoseconds) in [(0, 5), (10, 20_000_000), (500, 1_000_000_000)] {
            samples.add("boot", services, "ours with logs", nanoseconds);
        }
        let boot = FIGURES.iter().find(|figure| figure.figure == "boot").unwrap();
        let line = line(&samples, boot, true, "ours with logs").unwrap();
        assert_eq!(line.points, [(10, 2.0), (500, 2.0)]);
    }
}
