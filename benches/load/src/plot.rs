//! A line plot as SVG, written by hand: one curve, axes with round numbers, a title.

use std::fmt::Write;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 45.0;
const BOTTOM: f64 = 55.0;

/// What the plot is called and what its axes are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Titles<'a> {
    /// Above it.
    pub(crate) title: &'a str,
    /// Below it, with the unit.
    pub(crate) across: &'a str,
    /// Beside it, with the unit.
    pub(crate) up: &'a str,
}

/// The plot of `points`, in the order of their first coordinate. Both axes begin at 0.
pub(crate) fn svg(titles: Titles<'_>, points: &[(f64, f64)]) -> String {
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let (across, up) = (
        Axis::to(most(&mut points.iter().map(|point| point.0))),
        Axis::to(most(&mut points.iter().map(|point| point.1))),
    );
    let x = |value: f64| LEFT + value / across.end * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / up.end * (HEIGHT - TOP - BOTTOM);
    let mut lines = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| writeln!(lines, "{line}").expect("a string takes all");
    line(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\" fill=\"#222\">"
    ));
    line(format_args!("<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>"));
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    let text = |x: f64, y: f64, more: &str, text: &str| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        format!("<text x=\"{x:.1}\" y=\"{y:.1}\" {more}>{text}</text>")
    };
    const CENTRED: &str = "text-anchor=\"middle\"";
    line(format_args!("{}", text(middle, 25.0, "text-anchor=\"middle\" font-size=\"16\"", titles.title)));
    line(format_args!("{}", text(middle, HEIGHT - 15.0, CENTRED, titles.across)));
    let (side, half) = (18.0, (TOP + HEIGHT - BOTTOM) / 2.0);
    let turned = format!("{CENTRED} transform=\"rotate(-90 {side} {half})\"");
    line(format_args!("{}", text(side, half, &turned, titles.up)));
    let (floor, right) = (y(0.0), WIDTH - RIGHT);
    for (value, label) in up.ticks() {
        let at = y(value);
        line(format_args!("<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ddd\"/>"));
        line(format_args!("{}", text(LEFT - 8.0, at + 4.0, "text-anchor=\"end\"", &label)));
    }
    for (value, label) in across.ticks() {
        let at = x(value);
        line(format_args!("<path d=\"M{at:.1} {floor:.1}v5\" stroke=\"#222\"/>"));
        line(format_args!("{}", text(at, floor + 20.0, CENTRED, &label)));
    }
    line(format_args!("<path d=\"M{LEFT} {TOP}V{floor:.1}H{right}\" stroke=\"#222\" fill=\"none\"/>"));
    let curve: Vec<String> = points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
    let curve = curve.join(" ");
    line(format_args!("<polyline points=\"{curve}\" fill=\"none\" stroke=\"#1f5fa8\" stroke-width=\"1.5\"/>"));
    line(format_args!("</svg>"));
    lines
}

/// From 0 to a round number.
struct Axis {
    end: f64,
    step: f64,
}

impl Axis {
    /// An axis that has room for `most`, with four to ten steps of 1, 2 or 5 times a power of ten.
    fn to(most: f64) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let power = 10f64.powf((most / 5.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| most / step <= 8.0);
        let step = step.unwrap_or(10.0 * power);
        Self { end: (most / step).ceil() * step, step }
    }

    fn ticks(&self) -> impl Iterator<Item = (f64, String)> {
        let decimals = if self.step < 0.1 { 2 } else { usize::from(self.step < 1.0) };
        std::iter::successors(Some(0.0), |value| Some(value + self.step))
            .take_while(|value| *value < self.end + self.step / 2.0)
            .map(move |value| (value, format!("{value:.decimals$}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_on_round_numbers() {
        let labels = |most| Axis::to(most).ticks().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels(10.0), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(0.9), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(137.0), ["0", "20", "40", "60", "80", "100", "120", "140"]);
        assert!((4..=9).contains(&labels(0.0).len()));
    }

    #[test]
    fn the_curve_stays_within_its_axes() {
        let titles = Titles { title: "Memory <now>", across: "time (s)", up: "memory (MiB)" };
        let svg = svg(titles, &[(0.0, 100.0), (1.0, 120.0), (2.0, 80.0)]);
        assert!(svg.contains("Memory &lt;now>") && svg.contains("memory (MiB)") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("<polyline points=\"70.0,98.3 475.0,45.0 880.0,151.7\""), "{svg}");
    }
}
