//! What is asked of ours, beside what was measured.

use crate::figures::{Unit, times};
use crate::programs;
use crate::report::least;
use crate::samples::Samples;
use crate::systems::{self, System};

/// The system whose binary is another.
const WITH_MUSL: &str = "ours with musl";
/// Most zombies at a time, of 20,000: README.md says why, and of the next one.
const ZOMBIES: f64 = 1000.0;
/// A crash loop: a thousandth of the time.
const LOOP: f64 = 60e6;
/// What a service may cost more for there being five times as many: that is noise.
const GROWTH: f64 = 1.1;

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
    let mut bars = Bars(Vec::new());
    boot(samples, &mut bars);
    stop(samples, &mut bars);
    memory(samples, &mut bars);
    quiet(samples, &mut bars);
    orphans(samples, &mut bars);
    commands(samples, &mut bars);
    let mut text = String::from("\n## The bars\n\n| | at most | measured | |\n|---|---|---|---|\n");
    for Bar { what, most, measured, show, of } in &bars.0 {
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
    let is_measured = |&n: &usize| samples.median("memory", n, WITH_MUSL).is_some();
    let is_musl = !programs::is_glibc(&programs::ours());
    if !is_musl && !samples.counts("memory").iter().any(is_measured) {
        text.push_str("\nLinked with musl: not measured (MY_INIT_MUSL was not set).\n");
    }
    text
}

/// Those of what has been measured.
struct Bars(Vec<Bar>);

impl Bars {
    fn at_most(&mut self, what: &str, most: f64, measured: Option<f64>, show: fn(f64) -> String) {
        if let Some(measured) = measured {
            let (what, of) = (what.to_string(), String::new());
            self.0.push(Bar { what, most, measured, show, of });
        }
    }

    fn times(&mut self, what: &str, most: f64, ratio: Option<(f64, String)>) {
        if let Some((measured, of)) = ratio {
            self.0.push(Bar { what: what.to_string(), most, measured, show: times, of });
        }
    }
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
    counts: fn(&System) -> bool,
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

fn boot(samples: &Samples, bars: &mut Bars) {
    let ours = |figure: &str, services| samples.median(figure, services, "ours");
    for (figure, most, how) in [("boot", 1.5, "idle"), ("boot-busy", 2.0, "one core busy")] {
        for services in [100, 500] {
            let what = format!("boot, {}, {how}: to the faster floor", many(services));
            bars.times(
                &what,
                most,
                ratio(ours(figure, services), least(samples, figure, services)),
            );
        }
        for services in [1, 10, 100, 500] {
            let peer = best_peer(samples, figure, services, System::is_supervisor);
            let what = format!("boot, {}, {how}: to the fastest supervisor", many(services));
            bars.times(&what, 1.0, ratio_to_peer(ours(figure, services), peer));
        }
    }
    for system in ["ours", "ours with logs"] {
        let each = |services| {
            let all = samples.median("boot", services, system)?;
            u32::try_from(services).ok().map(|services| all / f64::from(services))
        };
        let what = format!("boot, {system}: each of 500 services, to each of 100");
        bars.times(&what, GROWTH, ratio(each(500), each(100)));
    }
    // Which of the floors is meant is not said: both are shown.
    let floors =
        [("boot", "the faster floor, which makes none"), ("published", "the floor with files")];
    for (figure, floor) in floors {
        for services in [100, 500] {
            let published = ours("published", services);
            let what = format!("all of supervise/, {}: to {floor}", many(services));
            bars.times(&what, 2.5, ratio(published, least(samples, figure, services)));
        }
    }
}

fn stop(samples: &Samples, bars: &mut Bars) {
    let ours = |figure: &str, services| samples.median(figure, services, "ours");
    for services in [0, 1, 10, 100, 500] {
        let floor = least(samples, "stop", services);
        let what = format!("stop, {}: to the faster floor", many(services));
        bars.times(&what, 1.5, ratio(ours("stop", services), floor));
        let peer = best_peer(samples, "stop", services, |peer| peer.waits);
        let what = format!("stop, {}: to the fastest peer that waits", many(services));
        bars.times(&what, 1.0, ratio_to_peer(ours("stop", services), peer));
    }
    bars.at_most("stop, 500 services: after the last one's end", 8e6, ours("after", 500), time);
}

/// What private memory may be with so many services, in bytes.
pub fn memory_at_most(is_glibc: bool) -> [(usize, f64); 2] {
    let kilobytes = if is_glibc { [(0, 96.0), (500, 192.0)] } else { [(0, 48.0), (500, 128.0)] };
    kilobytes.map(|(services, most)| (services, most * 1024.0))
}

fn memory(samples: &Samples, bars: &mut Bars) {
    for (services, most) in memory_at_most(programs::is_glibc(&programs::ours())) {
        let ours = samples.median("memory", services, "ours");
        let what = format!("private memory, {}", many(services));
        bars.at_most(&what, most, ours, bytes);
        if let Some((most, name)) = best_peer(samples, "memory", services, System::is_supervisor) {
            bars.at_most(&format!("{what}: the leanest supervisor, {name}"), most, ours, bytes);
        }
    }
    for (services, most) in memory_at_most(false) {
        let ours = samples.median("memory", services, WITH_MUSL);
        bars.at_most(&format!("private memory, {}, with musl", many(services)), most, ours, bytes);
    }
}

fn quiet(samples: &Samples, bars: &mut Bars) {
    let ours = |figure: &str, services| samples.median(figure, services, "ours");
    bars.at_most("idle, 100 services: wake-ups a minute", 0.0, ours("wakeups", 100), number);
    bars.at_most("idle, 100 services: processor time a minute", 0.0, ours("idle", 100), time);
    for services in [1, 500] {
        let what = format!("kill -9, {}: to the new start", many(services));
        bars.at_most(&what, 10e6, ours("crash", services), time);
    }
    bars.at_most("a crash loop: processor time a minute", LOOP, ours("loop", 1), time);
    // supervisor gives up.
    let starts = |peer: &System| peer.is_supervisor() && peer.name != "supervisor";
    let peer = best_peer(samples, "loop", 1, starts);
    let what = "a crash loop: processor time, to the least of those that go on";
    bars.times(what, 1.0, ratio_to_peer(ours("loop", 1), peer));
}

fn orphans(samples: &Samples, bars: &mut Bars) {
    let ours = |figure: &str| samples.median(figure, 1, "ours");
    for (figure, what) in [("lag", "lag"), ("reaping", "processor time")] {
        let peer = best_peer(samples, figure, 1, |peer| ["tini", "dumb-init"].contains(&peer.name));
        let what = format!("20,000 orphans: {what}, to the faster of tini and dumb-init");
        bars.times(&what, 1.0, ratio_to_peer(ours(figure), peer));
    }
    bars.at_most("20,000 orphans: most at a time", ZOMBIES, ours("zombies"), number);
    bars.at_most("20,000 orphans: left", 0.0, ours("left"), number);
}

fn commands(samples: &Samples, bars: &mut Bars) {
    let more = |figure: &str, ours: &str| {
        Some(samples.median(figure, 1, ours)? - least(samples, figure, 1)?)
    };
    bars.at_most("my_init -- true: more than plain true", 5e6, more("once", "ours"), time);
    let setuser = more("setuser", "setuser");
    bars.at_most("setuser nobody true: more than plain true", 1e6, setuser, time);
    let sv = "ours, our sv";
    for services in [1, 500] {
        for (figure, verb) in [("restart-late", "restart"), ("down-late", "stop")] {
            let what = format!("sv {verb}, {}: returns after the state", many(services));
            bars.at_most(&what, 5e6, samples.median(figure, services, sv), time);
        }
    }
    let work = |services| samples.median("work", services, sv);
    let what = "sv restart: PID 1's work at 500 services, to that at 1";
    bars.times(what, 2.0, ratio(work(500), work(1)));
}
