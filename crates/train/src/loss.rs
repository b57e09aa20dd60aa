//! The loss of a batch and its gradient. Logits are a few numbers a token, so both are computed on the host in plain
//! loops, whatever the device.
//!
//! Each word allows a set of tags, and costs `-ln` of the probability of that set. Of one tag, this is cross-entropy;
//! of several, it is the marginal loss: a word that may be any of them teaches only that it is none of the others.

/// A set of tags, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TagMask(u64);

impl TagMask {
    /// The most tags that a set can tell apart.
    pub(crate) const MOST: usize = 64;

    /// The set of `tags`.
    pub(crate) fn of(tags: impl IntoIterator<Item = usize>) -> Self {
        Self(tags.into_iter().fold(0, |bits, tag| bits | 1 << tag))
    }

    /// Whether `tag` is in the set.
    pub(crate) const fn has(self, tag: usize) -> bool {
        self.0 >> tag & 1 == 1
    }
}

/// A row of the logits, and what it should say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Target {
    /// The row: the first token of a word.
    pub(crate) row: usize,
    /// The tags that the word may have.
    pub(crate) allowed: TagMask,
    /// How much the word counts.
    pub(crate) weight: f32,
}

/// The mean loss per target word of `logits` (rows of `tags`), and its gradient.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "gradients are f32; words are few")]
pub(crate) fn loss(logits: &[f32], tags: usize, targets: &[Target]) -> (f64, Vec<f32>) {
    let mut gradient = vec![0.0; logits.len()];
    let mut total = 0.0;
    let words = targets.len().max(1) as f64;
    for target in targets {
        let range = target.row * tags..(target.row + 1) * tags;
        let row = &logits[range.clone()];
        let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f64> = row.iter().map(|logit| f64::from(logit - highest).exp()).collect();
        let all: f64 = powers.iter().sum();
        let allowed: f64 = (0..tags).filter(|&tag| target.allowed.has(tag)).map(|tag| powers[tag]).sum();
        // The floor keeps the loss finite where the allowed tags are out of f64's reach.
        let allowed = allowed.max(all * 1e-30);
        let share = f64::from(target.weight) / words;
        total += share * (all / allowed).ln();
        for (tag, (slot, power)) in gradient[range].iter_mut().zip(&powers).enumerate() {
            let wanted = if target.allowed.has(tag) { power / allowed } else { 0.0 };
            *slot += (share * (power / all - wanted)) as f32;
        }
    }
    (total, gradient)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 6] = [0.5, -1.0, 2.0, 0.1, 0.2, 0.3];

    fn targets() -> [Target; 2] {
        [
            Target { row: 0, allowed: TagMask::of([1]), weight: 1.0 },
            Target { row: 1, allowed: TagMask::of([0, 2]), weight: 0.25 },
        ]
    }

    #[test]
    fn one_allowed_tag_is_cross_entropy() {
        let (got, _) = loss(&LOGITS, 3, &targets()[..1]);
        let want = (0.5_f64.exp() + (-1.0_f64).exp() + 2.0_f64.exp()).ln() + 1.0;
        assert!((got - want).abs() < 1e-6);
    }

    #[test]
    fn all_tags_allowed_teach_nothing() {
        let (got, gradient) = loss(&LOGITS, 3, &[Target { row: 0, allowed: TagMask::of(0..3), weight: 1.0 }]);
        assert!(got.abs() < 1e-12 && gradient.iter().all(|slope| slope.abs() < 1e-9));
    }

    #[test]
    fn the_gradient_equals_finite_differences() {
        let (_, gradient) = loss(&LOGITS, 3, &targets());
        for (i, slope) in gradient.iter().enumerate() {
            let at = |by: f32| {
                let mut logits = LOGITS;
                logits[i] += by;
                loss(&logits, 3, &targets()).0
            };
            let want = (at(1e-3) - at(-1e-3)) / 2e-3;
            assert!((f64::from(*slope) - want).abs() < 1e-4, "{i}: {slope} and {want}");
        }
    }

    #[test]
    fn hopeless_logits_stay_finite() {
        let (got, gradient) = loss(&[1e4, -1e4], 2, &[Target { row: 0, allowed: TagMask::of([1]), weight: 1.0 }]);
        assert!(got.is_finite() && gradient.iter().all(|slope| slope.is_finite()));
    }
}
