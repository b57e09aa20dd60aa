//! The temperature that makes scores probabilities (Guo et al. 2017), fitted on held-out texts.

use dateline_text::Mention;

use crate::Example;

/// Temperatures that are tried: a model's logits are never further off.
const RANGE: (f64, f64) = (0.25, 8.0);

/// Steps of the search; each narrows the range by the golden ratio, to 0.1 % in the end.
const STEPS: usize = 18;

/// The temperature under which the scores of the found mentions best say whether they are right: the least mean
/// negative log-likelihood. `found` gives the mentions of each of `examples` at a temperature; which they are does not
/// depend on it, only how they score.
pub(crate) fn fit_temperature(examples: &[Example], found: impl Fn(f64) -> Vec<Vec<Mention>>) -> f64 {
    let cost = |log_temperature: f64| negative_log_likelihood(examples, &found(log_temperature.exp()));
    let temperature = golden_section(RANGE.0.ln(), RANGE.1.ln(), cost).exp();
    (temperature * 1e4).round() / 1e4
}

fn negative_log_likelihood(examples: &[Example], found: &[Vec<Mention>]) -> f64 {
    let mut sum = 0.0;
    for (example, found) in examples.iter().zip(found) {
        for mention in found {
            let right = example.spans.iter().any(|(span, label)| *span == mention.span && *label == mention.label);
            let score = f64::from(mention.score).clamp(1e-6, 1.0 - 1e-6);
            sum -= if right { score.ln() } else { (1.0 - score).ln() };
        }
    }
    sum
}

/// The lowest point of a function with one valley.
fn golden_section(mut low: f64, mut high: f64, cost: impl Fn(f64) -> f64) -> f64 {
    const RATIO: f64 = 0.618_033_988_749_895;
    let (mut left, mut right) = (high - RATIO * (high - low), low + RATIO * (high - low));
    let (mut at_left, mut at_right) = (cost(left), cost(right));
    for _ in 0..STEPS {
        if at_left < at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - RATIO * (high - low);
            at_left = cost(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + RATIO * (high - low);
            at_right = cost(right);
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use dateline_text::{Label, Span};

    use super::*;

    #[test]
    fn the_search_finds_the_valley() {
        let found = golden_section(-2.0, 3.0, |x| (x - 0.7).powi(2));
        assert!((found - 0.7).abs() < 2e-3, "{found}");
    }

    #[test]
    fn right_scores_cost_least() {
        let example =
            Example { text: "Oslo".into(), spans: vec![(Span::new(0, 4), Label::new("PLACE"))], ..Example::default() };
        let cost = |score: f32| {
            let found = [vec![Mention::new(Span::new(0, 4), Label::new("PLACE"), score)]];
            negative_log_likelihood(std::slice::from_ref(&example), &found)
        };
        assert!(cost(0.9) < cost(0.5) && cost(1.0).is_finite() && cost(0.0).is_finite());
    }
}
