//! The figures of RESULTS.md: what each is called, counts and means.

/// What a figure counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds, shown as milliseconds.
    Time,
    /// Bytes, shown as kilobytes.
    Memory,
    /// Anything else.
    Number,
}

impl Unit {
    /// With as many digits as one reads.
    pub fn show(self, value: f64) -> String {
        match self {
            Unit::Time => format!("{} ms", digits(value / 1e6)),
            Unit::Memory if value >= 10e6 => format!("{} MB", digits(value / 1024.0 / 1024.0)),
            // Less than a page: shared out among services.
            Unit::Memory if value > 0.0 && value < 1024.0 => {
                format!("{} kB", digits(value / 1024.0))
            }
            Unit::Memory => format!("{:.0} kB", value / 1024.0),
            Unit::Number => format!("{value:.0}"),
        }
    }

    /// How many of it the plots' unit is: a millisecond, a kilobyte.
    pub fn scale(self) -> f64 {
        match self {
            Unit::Time => 1e6,
            Unit::Memory => 1024.0,
            Unit::Number => 1.0,
        }
    }
}

fn digits(value: f64) -> String {
    match value {
        ..0.0995 => format!("{value:.3}"),
        0.0995..9.95 => format!("{value:.2}"),
        9.95..99.5 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A ratio.
pub fn times(value: f64) -> String {
    if value < 9.95 { format!("{value:.2}") } else { format!("{value:.0}") }
}

/// A table of one figure, or a plot as well.
pub struct Figure {
    /// What it is called where it is kept.
    pub figure: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What its plot's axis says.
    pub axis: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// The name of its plot.
    pub plot: Option<&'static str>,
    /// The name of a plot of it divided by the number of services: level where none costs more
    /// for there being others.
    pub per_service: Option<&'static str>,
    /// A sentence below the heading.
    pub note: &'static str,
}

const USUAL: Figure = Figure {
    figure: "",
    title: "",
    axis: "milliseconds",
    unit: Unit::Time,
    plot: None,
    per_service: None,
    note: "",
};

/// All of them, in the order of RESULTS.md.
pub const FIGURES: [Figure; 26] = [
    Figure {
        figure: "boot",
        title: "Boot",
        plot: Some("boot"),
        per_service: Some("boot-per-service"),
        note: "From the exec of PID 1 until the last service runs.",
        ..USUAL
    },
    Figure {
        figure: "boot-busy",
        title: "Boot, one core kept busy",
        plot: Some("boot-busy"),
        note: "The same beside one process that always computes.",
        ..USUAL
    },
    Figure {
        figure: "published",
        title: "Boot until all of supervise/ is there",
        note: "The floor is the one that makes the same files; what the kernel asks for a start \
               alone stands under Boot.",
        ..USUAL
    },
    Figure {
        figure: "processor",
        title: "Processor time of a boot",
        note: "Of PID 1 and the supervisors, from the exec of PID 1 until they rest.",
        ..USUAL
    },
    Figure {
        figure: "stop",
        title: "Stop",
        plot: Some("stop"),
        note: "From the signal until PID 1 is gone. runit does not wait for its services: it ends, \
               and the kernel kills them. daemontools has no signal for it.",
        ..USUAL
    },
    Figure {
        figure: "after",
        title: "Stop: after the last service's end",
        note: "From the moment in which the last service notes its end until PID 1 is gone.",
        ..USUAL
    },
    Figure {
        figure: "ended",
        title: "Stop: services that came to note their end",
        unit: Unit::Number,
        note: "Those of a system that does not wait are killed before they can.",
        ..USUAL
    },
    Figure {
        figure: "memory",
        title: "Private memory",
        axis: "kilobytes",
        unit: Unit::Memory,
        plot: Some("memory"),
        per_service: Some("memory-per-service"),
        note: "Of init and supervisors, without the services.",
    },
    Figure {
        figure: "resident",
        title: "Resident memory",
        unit: Unit::Memory,
        note: "Summed over init and supervisors: what they share is counted more than once.",
        ..USUAL
    },
    Figure {
        figure: "wakeups",
        title: "Idle: wake-ups a minute",
        unit: Unit::Number,
        note: "Of init and supervisors.",
        ..USUAL
    },
    Figure {
        figure: "idle",
        title: "Idle: processor time a minute",
        note: "Of init and supervisors.",
        ..USUAL
    },
    Figure {
        figure: "lag",
        title: "20,000 orphans: lag",
        note: "From the last orphan's making until PID 1 has waited for all; none if it never did.",
        ..USUAL
    },
    Figure {
        figure: "zombies",
        title: "20,000 orphans: most at a time",
        unit: Unit::Number,
        ..USUAL
    },
    Figure { figure: "left", title: "20,000 orphans: left after 8 s", unit: Unit::Number, ..USUAL },
    Figure { figure: "reaping", title: "20,000 orphans: processor time of PID 1", ..USUAL },
    Figure {
        figure: "growth",
        title: "20,000 orphans: growth of PID 1",
        unit: Unit::Memory,
        ..USUAL
    },
    Figure {
        figure: "crash",
        title: "From kill -9 to the new start",
        note: "Of a service that has run for more than a second.",
        ..USUAL
    },
    Figure {
        figure: "loop",
        title: "A crash loop: processor time a minute",
        note: "Of init and supervisors, for a service that always ends at once.",
        ..USUAL
    },
    Figure {
        figure: "starts",
        title: "A crash loop: starts a minute",
        unit: Unit::Number,
        note: "supervisor gives up after its fourth.",
        ..USUAL
    },
    Figure {
        figure: "once",
        title: "A command of one moment",
        note: "From the exec of PID 1, which runs /true, until it is gone. bare: /true is PID 1.",
        ..USUAL
    },
    Figure {
        figure: "setuser",
        title: "Another user",
        note: "From the start of the tool, which becomes nobody and then /true, to its end. \
               bare: /true alone.",
        ..USUAL
    },
    Figure {
        figure: "restart-reached",
        title: "sv restart: until the service runs again",
        ..USUAL
    },
    Figure {
        figure: "restart-late",
        title: "sv restart: from there until sv returns",
        note: "0: sv was there first.",
        ..USUAL
    },
    Figure { figure: "down-reached", title: "sv stop: until the service has ended", ..USUAL },
    Figure { figure: "down-late", title: "sv stop: from there until sv returns", ..USUAL },
    Figure {
        figure: "work",
        title: "sv restart: processor time of PID 1",
        note: "runit: 0, because runsvdir has nothing to do with it.",
        ..USUAL
    },
];
