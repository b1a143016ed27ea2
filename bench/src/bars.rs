//! What is asked of ours, beside what was measured.

use crate::figures::{Unit, times};
use crate::programs;
use crate::report::least;
use crate::samples::Samples;
use crate::systems::{self, Told};
use std::fs;

/// One demand: so much at most.
struct Bar {
    what: String,
    most: f64,
    measured: f64,
    show: fn(f64) -> String,
    /// Of a ratio: the two times.
    of: String,
}

/// A table of the bars, those that are missed marked with by how much.
pub fn table(samples: &Samples) -> String {
    let mut bars = Vec::new();
    times_of_boot_and_stop(samples, &mut bars);
    memory(samples, &mut bars);
    quiet(samples, &mut bars);
    commands(samples, &mut bars);
    let mut text = String::from("\n## The bars\n\n| | at most | measured | |\n|---|---|---|---|\n");
    for Bar { what, most, measured, show, of } in &bars {
        let verdict = if measured <= most {
            "kept".to_string()
        } else if *most <= 0.0 {
            "**missed**".to_string()
        } else if measured / most < 3.0 {
            format!("**missed by {:.0} %**", 100.0 * (measured / most - 1.0))
        } else {
            format!("**missed: {} times that**", times(measured / most))
        };
        let (most, measured) = (show(*most), show(*measured));
        text.push_str(&format!("| {what} | {most} | {measured}{of} | {verdict} |\n"));
    }
    text
}

fn time(value: f64) -> String {
    Unit::Time.show(value)
}

fn bytes(value: f64) -> String {
    Unit::Memory.show(value)
}

fn number(value: f64) -> String {
    Unit::Number.show(value)
}

/// A ratio of two medians, and the two, if both are there.
fn ratio(one: Option<f64>, other: Option<f64>) -> Option<(f64, String)> {
    ratio_to(one, other, "")
}

/// The same; the other is that of somebody.
fn ratio_to(one: Option<f64>, other: Option<f64>, of: &str) -> Option<(f64, String)> {
    let (one, other) = (one?, other.filter(|&other| other > 0.0)?);
    Some((one / other, format!(" ({} to {}{of})", time(one), time(other))))
}

fn many(services: usize) -> String {
    if services == 1 { "1 service".to_string() } else { format!("{services} services") }
}

/// The least of the peers for which that is asked, and whose it is.
fn best_peer(
    samples: &Samples,
    figure: &str,
    services: usize,
    counts: fn(&systems::System) -> bool,
) -> Option<(f64, &'static str)> {
    let peers = systems::all().iter().filter(|peer| peer.package.is_some() && counts(peer));
    let medians = peers.filter_map(|peer| {
        samples.median(figure, services, peer.name).map(|median| (median, peer.name))
    });
    medians.min_by(|(a, _), (b, _)| a.total_cmp(b))
}

/// A ratio to the least of them.
fn ratio_to_peer(ours: Option<f64>, peer: Option<(f64, &str)>) -> Option<(f64, String)> {
    let (median, name) = peer?;
    ratio_to(ours, Some(median), &format!(" of {name}"))
}

fn times_of_boot_and_stop(samples: &Samples, bars: &mut Vec<Bar>) {
    let mut at_most = |what: String, most: f64, ratio: Option<(f64, String)>| {
        if let Some((measured, of)) = ratio {
            bars.push(Bar { what, most, measured, show: times, of });
        }
    };
    let ours = |figure: &str, services| samples.median(figure, services, "ours");
    for (figure, most, how) in [("boot", 1.5, "idle"), ("boot-busy", 2.0, "one core busy")] {
        for services in [100, 500] {
            let what = format!("boot, {}, {how}: to the faster floor", many(services));
            at_most(what, most, ratio(ours(figure, services), least(samples, figure, services)));
        }
        for services in [1, 10, 100, 500] {
            let is_supervisor = |peer: &systems::System| peer.told != Told::Command;
            let peer = best_peer(samples, figure, services, is_supervisor);
            let what = format!("boot, {}, {how}: to the fastest supervisor", many(services));
            at_most(what, 1.0, ratio_to_peer(ours(figure, services), peer));
        }
    }
    for services in [100, 500] {
        let floor = least(samples, "published", services);
        let what = format!("all of supervise/, {}: to the floor that does that", many(services));
        at_most(what, 2.5, ratio(ours("published", services), floor));
    }
    for services in [0, 1, 10, 100, 500] {
        let floor = least(samples, "stop", services);
        let what = format!("stop, {}: to the faster floor", many(services));
        at_most(what, 1.5, ratio(ours("stop", services), floor));
        let waits = |peer: &systems::System| peer.waits && peer.told != Told::Command;
        let peer = best_peer(samples, "stop", services, waits);
        let what = format!("stop, {}: to the fastest peer that waits", many(services));
        at_most(what, 1.0, ratio_to_peer(ours("stop", services), peer));
    }
    if let Some(measured) = ours("after", 500) {
        let what = "stop, 500 services: after the last one's end".to_string();
        bars.push(Bar { what, most: 8e6, measured, show: time, of: String::new() });
    }
}

/// Whether our binary has glibc in it, which needs more memory than musl.
pub fn is_glibc() -> bool {
    let binary = fs::read(programs::ours()).unwrap_or_default();
    let mark = b"GNU C Library";
    binary.windows(mark.len()).any(|window| window == mark)
}

fn memory(samples: &Samples, bars: &mut Vec<Bar>) {
    let (none, most) = if is_glibc() { (96, 192) } else { (48, 128) };
    for (services, most) in [(0, none), (500, most)] {
        let ours = samples.median("memory", services, "ours");
        let Some(measured) = ours else { continue };
        let most = f64::from(most * 1024);
        let what = format!("private memory, {}", many(services));
        bars.push(Bar { what, most, measured, show: bytes, of: String::new() });
        let is_supervisor = |peer: &systems::System| peer.told != Told::Command;
        if let Some((most, name)) = best_peer(samples, "memory", services, is_supervisor) {
            let what = format!("private memory, {}: the leanest peer, {name}", many(services));
            bars.push(Bar { what, most, measured, show: bytes, of: String::new() });
        }
    }
}

fn quiet(samples: &Samples, bars: &mut Vec<Bar>) {
    let mut at_most = |what: &str, most: Option<f64>, measured: Option<f64>, show| {
        if let (Some(most), Some(measured)) = (most, measured) {
            bars.push(Bar { what: what.to_string(), most, measured, show, of: String::new() });
        }
    };
    let ours = |figure: &str, services| samples.median(figure, services, "ours");
    at_most("idle, 100 services: wake-ups in 60 s", Some(0.0), ours("wakeups", 100), number);
    at_most("idle, 100 services: processor time in 60 s", Some(0.0), ours("idle", 100), time);
    // Whichever of the two is slower: no slower than both is what is asked.
    let reapers = |figure: &str| {
        let of = |name| samples.median(figure, 1, name);
        Some(of("tini")?.max(of("dumb-init")?))
    };
    at_most("20,000 orphans: lag, to tini's and dumb-init's", reapers("lag"), ours("lag", 1), time);
    let processor = reapers("reaping");
    at_most("20,000 orphans: processor time, to theirs", processor, ours("reaping", 1), time);
    at_most("20,000 orphans: left", Some(0.0), ours("left", 1), number);
    for services in [1, 500] {
        let what = format!("kill -9, {}: to the new start", many(services));
        at_most(&what, Some(10e6), ours("crash", services), time);
    }
    // A thousandth of a core.
    at_most("a crash loop: processor time a minute", Some(60e6), ours("loop", 1), time);
}

fn commands(samples: &Samples, bars: &mut Vec<Bar>) {
    let mut at_most = |what: String, most: f64, measured: Option<f64>, show| {
        if let Some(measured) = measured {
            bars.push(Bar { what, most, measured, show, of: String::new() });
        }
    };
    let more = |figure: &str, ours: &str| {
        Some(samples.median(figure, 1, ours)? - least(samples, figure, 1)?)
    };
    let what = "my_init -- true: more than plain true".to_string();
    at_most(what, 5e6, more("once", "ours"), time);
    let what = "setuser nobody true: more than plain true".to_string();
    at_most(what, 1e6, more("setuser", "setuser"), time);
    let sv = "ours, our sv";
    for services in [1, 500] {
        for (figure, verb) in [("restart-late", "restart"), ("down-late", "stop")] {
            let what = format!("sv {verb}, {}: returns after the state", many(services));
            at_most(what, 5e6, samples.median(figure, services, sv), time);
        }
    }
    let work = |services| samples.median("work", services, sv);
    let what = "sv restart: PID 1's work at 500 services, to that at 1".to_string();
    if let Some((measured, of)) = ratio(work(500), work(1)) {
        bars.push(Bar { what, most: 2.0, measured, show: times, of });
    }
}
