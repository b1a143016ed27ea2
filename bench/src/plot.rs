//! A plot against the number of services, as SVG: both axes logarithmic, because all figures are.
//!
//! Colours are those of Okabe and Ito, which the colour-blind can tell apart; each line has a mark
//! of its own shape as well, and its name at its end.

/// One system's line.
pub struct Line {
    /// What stands at its end.
    pub name: String,
    /// Number of services, and the figure.
    pub points: Vec<(usize, f64)>,
    /// How it is drawn.
    pub kind: Kind,
}

/// Whose line it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Black and thick.
    Ours,
    /// Black and broken: ours with more to do.
    Variant,
    /// Grey and broken, because nobody could use it.
    Floor,
    /// In a colour of its own, the same in all plots.
    Peer(usize),
}

/// What is less is shown as this.
const LEAST: f64 = 1e-3;
/// In an order in which neighbours differ most.
const COLOURS: [&str; 7] =
    ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f6000"];
const BLACK: &str = "#000000";
const GREY: &str = "#767676";
const WIDTH: f64 = 920.0;
const HEIGHT: f64 = 520.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 250.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 56.0;
/// Where no service at all stands: a zero has no logarithm.
const NONE: f64 = -0.6;

/// Draw the lines, whose figures are in the `unit`; `show` makes text of one.
pub fn draw(title: &str, unit: &str, lines: &[Line], show: &dyn Fn(f64) -> String) -> String {
    let scale = Scale::of(lines);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<title>{title}</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"26\" font-size=\"17\" font-weight=\"bold\">{title}</text>\n"
    );
    svg.push_str(&scale.grid(unit));
    let mut ends = Vec::new();
    for (shape, line) in lines.iter().enumerate() {
        let colour = match line.kind {
            Kind::Ours | Kind::Variant => BLACK,
            Kind::Floor => GREY,
            Kind::Peer(number) => COLOURS.get(number % COLOURS.len()).unwrap_or(&GREY),
        };
        let points: Vec<(f64, f64)> =
            line.points.iter().map(|&(services, value)| scale.place(services, value)).collect();
        svg.push_str(&path(line.kind, &points, colour));
        for &(x, y) in &points {
            svg.push_str(&mark(shape, x, y, colour));
        }
        if let (Some(&(x, y)), Some(&(_, value))) = (points.last(), line.points.last()) {
            ends.push(End { x, y, text: format!("{} {}", line.name, show(value)), colour });
        }
    }
    svg.push_str(&names(ends));
    svg + "</svg>\n"
}

struct End<'a> {
    x: f64,
    y: f64,
    text: String,
    colour: &'a str,
}

struct Scale {
    first: f64,
    last: f64,
    low: f64,
    high: f64,
}

/// Where a number of services lies.
fn along(services: usize) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    if services == 0 { NONE } else { (services as f64).log10() }
}

impl Scale {
    /// Whole powers of ten around all figures.
    fn of(lines: &[Line]) -> Scale {
        let all = || lines.iter().flat_map(|line| &line.points);
        let first = all().map(|&(services, _)| along(services)).fold(0.0, f64::min);
        let last = all().map(|&(services, _)| along(services)).fold(0.5, f64::max);
        let logarithms = || all().map(|&(_, value)| value.max(LEAST).log10());
        let low = logarithms().fold(f64::INFINITY, f64::min).floor();
        let high = logarithms().fold(f64::NEG_INFINITY, f64::max).ceil();
        if low.is_finite() {
            Scale { first, last, low, high: high.max(low + 1.0) }
        } else {
            Scale { first, last, low: 0.0, high: 1.0 }
        }
    }

    fn place(&self, services: usize, value: f64) -> (f64, f64) {
        let across = (along(services) - self.first) / (self.last - self.first);
        let up = (value.max(LEAST).log10() - self.low) / (self.high - self.low);
        (LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM))
    }

    fn ticks(&self) -> impl Iterator<Item = usize> {
        let shown = self.first..=self.last;
        [0, 1, 10, 100, 500].into_iter().filter(move |&services| shown.contains(&along(services)))
    }

    fn grid(&self, unit: &str) -> String {
        let mut svg = String::new();
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let mut power = self.low;
        while power <= self.high {
            let (_, y) = self.place(1, 10_f64.powf(power));
            let (label, text) = (y + 4.0, 10_f64.powf(power));
            svg.push_str(&format!(
                "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#d0d0d0\"/>\
                 <text x=\"{:.1}\" y=\"{label:.1}\" text-anchor=\"end\">{text}</text>\n",
                LEFT - 8.0
            ));
            power += 1.0;
        }
        for services in self.ticks() {
            let (x, _) = self.place(services, 1.0);
            svg.push_str(&format!(
                "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#e4e4e4\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{services}</text>\n",
                bottom + 18.0
            ));
        }
        let middle = LEFT + (right - LEFT) / 2.0;
        let below = HEIGHT - 14.0;
        let beside = TOP + (bottom - TOP) / 2.0;
        svg + &format!(
            "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">services (logarithmic)</text>\n\
             <text x=\"18\" y=\"{beside}\" text-anchor=\"middle\" \
             transform=\"rotate(-90 18 {beside})\">{unit} (logarithmic)</text>\n"
        )
    }
}

fn path(kind: Kind, points: &[(f64, f64)], colour: &str) -> String {
    let steps: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    let is_broken = matches!(kind, Kind::Floor | Kind::Variant);
    let dashes = if is_broken { " stroke-dasharray=\"6 4\"" } else { "" };
    let width = if kind == Kind::Ours { 3.0 } else { 1.6 };
    let steps = steps.join("L");
    format!(
        "<path d=\"M{steps}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"{dashes}/>\n"
    )
}

/// A circle, a square, a triangle, a diamond, and the same hollow.
fn mark(shape: usize, x: f64, y: f64, colour: &str) -> String {
    let outline = match shape % 4 {
        0 => format!("M{:.1} {y:.1}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z", x - 4.0),
        1 => format!("M{:.1} {:.1}h7v7h-7Z", x - 3.5, y - 3.5),
        2 => format!("M{x:.1} {:.1}l5 9h-10Z", y - 5.0),
        _ => format!("M{x:.1} {:.1}l5 5l-5 5l-5 -5Z", y - 5.0),
    };
    let inside = if shape % 8 < 4 { colour } else { "#ffffff" };
    format!("<path d=\"{outline}\" fill=\"{inside}\" stroke=\"{colour}\" stroke-width=\"1.4\"/>\n")
}

/// At the ends of their lines, moved apart where they would lie on each other.
fn names(mut ends: Vec<End>) -> String {
    const APART: f64 = 16.0;
    ends.sort_by(|one, other| one.y.total_cmp(&other.y));
    let mut svg = String::new();
    // Lines that end early have their names beside them, the others in a column.
    let column = WIDTH - RIGHT;
    let (lined, early): (Vec<End>, Vec<End>) =
        ends.into_iter().partition(|end| end.x > column - 1.0);
    for group in [lined, early] {
        let total = |from: usize| APART * (group.len() - from) as f64;
        let mut least = TOP;
        for (index, end) in group.iter().enumerate() {
            let y = end.y.min(HEIGHT - BOTTOM + APART - total(index)).max(least);
            least = y + APART;
            let (x, colour) = (end.x + 12.0, end.colour);
            svg.push_str(&format!(
                "<path d=\"M{:.1} {:.1}L{:.1} {y:.1}\" stroke=\"{colour}\" stroke-width=\"0.7\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>\n",
                end.x + 5.0,
                end.y,
                end.x + 10.0,
                y + 4.0,
                end.text
            ));
        }
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_end_at_one_point_have_names_that_can_be_read() {
        let line = |name: &str| Line {
            name: name.to_string(),
            points: vec![(0, 1.0), (500, 50.0)],
            kind: Kind::Peer(0),
        };
        let show = |value: f64| format!("{value}");
        let svg = draw("boot", "ms", &[line("one"), line("two"), line("three")], &show);
        let heights: Vec<f64> = svg
            .lines()
            .filter(|text| text.contains(" 50<"))
            .filter_map(|text| text.split("y=\"").nth(1)?.split('"').next()?.parse().ok())
            .collect();
        let apart = heights.windows(2).all(|pair| pair[1] - pair[0] > 13.0);
        assert!(heights.len() == 3 && apart, "{heights:?}");
    }
}
