//! Measures several things in turn, round after round, so that a machine which is busy or warm for a while is so for
//! all of them and not for one.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::failure::Failure;

/// How often each setting is measured: enough for a median that one disturbed round does not move.
pub(super) const ROUNDS: usize = 5;

/// One thing that is measured.
pub(super) struct Setting<'w> {
    /// What it is, for the progress bar.
    pub(super) name: String,
    /// How much of the time it gets beside the others.
    pub(super) weight: f64,
    /// How many calls a round has at least.
    pub(super) least_calls: usize,
    /// What is done.
    pub(super) work: Work<'w>,
    /// The rate of each round so far, a second.
    pub(super) rates: Vec<f64>,
    /// The seconds of each call so far.
    pub(super) times: Vec<f64>,
}

/// What is done in a call.
pub(super) enum Work<'w> {
    /// Work that is timed: says how much it was.
    Timed(Box<dyn FnMut() -> Result<usize, Failure> + 'w>),
    /// Work that measures itself for about the time that it is given, and says its rate a second.
    Told(Box<dyn FnMut(Duration) -> f64 + 'w>),
}

impl<'w> Setting<'w> {
    /// Nothing is measured yet.
    pub(super) fn new(name: impl Into<String>, weight: f64, work: Work<'w>) -> Self {
        Self { name: name.into(), weight, least_calls: 1, work, rates: Vec::new(), times: Vec::new() }
    }

    /// Timed work.
    pub(super) fn timed(
        name: impl Into<String>,
        weight: f64,
        work: impl FnMut() -> Result<usize, Failure> + 'w,
    ) -> Self {
        Self::new(name, weight, Work::Timed(Box::new(work)))
    }

    /// Measures one round of about `time`.
    fn round(&mut self, time: Duration) -> Result<(), Failure> {
        let rate = match &mut self.work {
            Work::Told(rate) => rate(time),
            Work::Timed(work) => {
                let (mut done, mut calls) = (0, 0);
                let start = Instant::now();
                let mut before = Duration::ZERO;
                while calls < self.least_calls || before < time {
                    done += work()?;
                    calls += 1;
                    let now = start.elapsed();
                    self.times.push((now - before).as_secs_f64());
                    before = now;
                }
                per_second(done, before)
            }
        };
        self.rates.push(rate);
        Ok(())
    }

    /// The rates of all rounds.
    pub(super) fn rate(&self) -> Spread {
        Spread::of(&self.rates)
    }

    /// This setting's rate as a share of `other`'s, round by round: what slows both for a round is no part of it.
    pub(super) fn share_of(&self, other: &Self, factor: f64) -> Spread {
        let shares: Vec<f64> = self.rates.iter().zip(&other.rates).map(|(own, other)| own * factor / other).collect();
        Spread::of(&shares)
    }
}

/// `amount` in `time`, a second.
pub(super) fn per_second(amount: usize, time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 tokens")]
    let amount = amount as f64;
    // A clock may stand still for a call that does nothing.
    amount / time.as_secs_f64().max(1e-9)
}

/// Measures all settings for about `time` in all. `progress` is told of each that begins: how many were before it, and
/// its name.
pub(super) fn measure(
    settings: &mut [&mut Setting<'_>],
    time: Duration,
    progress: &mut dyn FnMut(usize, &str),
) -> Result<(), Failure> {
    let weights: f64 = settings.iter().map(|setting| setting.weight).sum();
    for round in 0..ROUNDS {
        let begun = round * settings.len();
        for (index, setting) in settings.iter_mut().enumerate() {
            progress(begun + index, &setting.name);
            setting.round(share(time, setting.weight / weights))?;
        }
    }
    Ok(())
}

/// The time of one round of a setting that gets `part` of all.
pub(super) fn share(time: Duration, part: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "a handful of rounds")]
    let rounds = ROUNDS as f64;
    time.mul_f64(part / rounds)
}

/// The middle of several measurements, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub(super) median: f64,
    /// The lowest.
    pub(super) min: f64,
    /// The highest.
    pub(super) max: f64,
}

impl Spread {
    /// Of `values`, at least one, in any order.
    pub(super) fn of(values: &[f64]) -> Self {
        let sorted = sorted(values);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Self { median, min: sorted[0], max: sorted[sorted.len() - 1] }
    }

    /// Each of the values times `factor`.
    pub(super) fn times(self, factor: f64) -> Self {
        Self { median: self.median * factor, min: self.min * factor, max: self.max * factor }
    }
}

/// The `percent` percentile of `values`, at least one, in any order: by the nearest rank, so one that was measured.
pub(super) fn percentile(values: &[f64], percent: usize) -> f64 {
    let sorted = sorted(values);
    let rank = (percent * sorted.len()).div_ceil(100).max(1);
    sorted[rank - 1]
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of(&[3.0, 1.0, 8.0]), Spread { median: 3.0, min: 1.0, max: 8.0 });
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(Spread::of(&[7.0]).times(2.0), Spread { median: 14.0, min: 14.0, max: 14.0 });
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!([0, 50, 99, 100].map(|percent| percentile(&values, percent)), [1.0, 100.0, 198.0, 200.0]);
        assert_eq!(percentile(&[7.0], 99), 7.0);
    }

    /// Each setting is measured once a round, in turn, with as many calls as it asks for, however little time there is.
    #[test]
    fn settings_take_turns() {
        let calls = RefCell::new(String::new());
        let call = |name: char| {
            let calls = &calls;
            move || {
                calls.borrow_mut().push(name);
                Ok(1)
            }
        };
        let mut once = Setting::timed("once", 1.0, call('a'));
        let mut twice = Setting { least_calls: 2, ..Setting::timed("twice", 1.0, call('b')) };
        let mut told = Setting::new("told", 2.0, Work::Told(Box::new(|_| 5.0)));
        let mut begun = Vec::new();
        measure(&mut [&mut once, &mut twice, &mut told], Duration::ZERO, &mut |step, name| {
            begun.push(format!("{step} {name}"));
        })
        .unwrap();
        assert_eq!((told.rate().median, twice.times.len(), once.rates.len()), (5.0, 2 * ROUNDS, ROUNDS));
        assert_eq!(begun[2..5], ["2 told", "3 once", "4 twice"]);
        assert_eq!(*calls.borrow(), "abb".repeat(ROUNDS));
    }

    #[test]
    fn a_failure_ends_the_measurement() {
        let mut fails = Setting::timed("fails", 1.0, || Err(Failure::Usage("no".to_owned())));
        assert!(measure(&mut [&mut fails], Duration::ZERO, &mut |_, _| {}).is_err());
    }

    /// A slow round slows both sides of a share.
    #[test]
    fn shares_are_of_the_same_round() {
        let with = |rates: &[f64]| Setting { rates: rates.to_vec(), ..Setting::timed("", 1.0, || Ok(0)) };
        let share = with(&[8.0, 4.0, 9.0]).share_of(&with(&[10.0, 5.0, 10.0]), 1.0);
        assert_eq!(share, Spread { median: 0.8, min: 0.8, max: 0.9 });
    }

    #[test]
    fn the_rounds_share_the_time() {
        assert_eq!(share(Duration::from_secs(20), 0.25), Duration::from_secs(1));
    }
}
