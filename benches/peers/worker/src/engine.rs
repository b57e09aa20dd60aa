//! What an engine has to offer: it is made ready with a number of threads, batches are put into its own form before the
//! clock starts, and then it turns them into tags.

use crate::RunArgs;
use crate::failure::Failure;
use crate::tokens::Window;

/// An encoder with its weights, ready to run.
pub(crate) trait Engine: Send + Sync + Sized {
    /// A batch in the engine's own form.
    type Batch: Sync;
    /// Logits in the engine's own form.
    type Logits: Send;

    /// Loads it for so many threads.
    fn load(args: &RunArgs, threads: usize) -> Result<Self, Failure>;

    /// What it is, with its version.
    fn version() -> String;

    /// Whether it should be run as several encoders side by side to use several cores, if that is faster. An engine that
    /// is used as one says no.
    fn has_streams() -> bool;

    /// Puts windows into the engine's form.
    fn prepare(&self, windows: &[&Window]) -> Result<Self::Batch, Failure>;

    /// The logits of a batch. This is what is timed.
    fn encode(&self, batch: &Self::Batch) -> Result<Self::Logits, Failure>;

    /// The logits, `[tags]` for each token of each window, without padding.
    fn rows(&self, windows: &[&Window], logits: Self::Logits) -> Result<Vec<Vec<f32>>, Failure>;
}

/// Windows side by side in a rectangle, for engines that need it: what is behind a window's end is masked.
#[cfg(feature = "peers")]
#[derive(Debug)]
pub(crate) struct Padded {
    /// Number of windows.
    pub(crate) windows: usize,
    /// Tokens of the longest.
    pub(crate) longest: usize,
    /// Token ids, `[windows, longest]`.
    pub(crate) ids: Vec<u32>,
    /// Token type ids, the same.
    pub(crate) type_ids: Vec<u32>,
    /// 1 for a token, 0 behind the end.
    pub(crate) mask: Vec<u32>,
}

#[cfg(feature = "peers")]
impl Padded {
    /// The rectangle of these windows.
    pub(crate) fn new(windows: &[&Window]) -> Self {
        let longest = windows.iter().map(|window| window.ids.len()).max().unwrap_or(0);
        let fill = |values: &dyn Fn(&Window) -> Vec<u32>| {
            let row = |window: &&Window| {
                let mut row = values(window);
                row.resize(longest, 0);
                row
            };
            windows.iter().flat_map(row).collect()
        };
        Self {
            windows: windows.len(),
            longest,
            ids: fill(&|window| window.ids.clone()),
            type_ids: fill(&|window| window.type_ids.clone()),
            mask: fill(&|window| vec![1; window.ids.len()]),
        }
    }
}

/// The rows of a padded result, `[windows, longest, tags]`, that belong to tokens.
#[cfg(feature = "peers")]
pub(crate) fn unpad(windows: &[&Window], values: &[f32]) -> Vec<Vec<f32>> {
    let longest = windows.iter().map(|window| window.ids.len()).max().unwrap_or(0);
    let tags = values.len() / (windows.len() * longest).max(1);
    let tokens = |(index, window): (usize, &&Window)| {
        let start = index * longest * tags;
        values[start..start + window.ids.len() * tags].chunks_exact(tags).map(<[f32]>::to_vec).collect::<Vec<_>>()
    };
    windows.iter().enumerate().flat_map(tokens).collect()
}

#[cfg(all(test, feature = "peers"))]
mod tests {
    use super::*;

    #[test]
    fn padding_is_put_in_and_taken_out() {
        let window = |ids: &[u32]| Window { ids: ids.to_vec(), type_ids: vec![1; ids.len()], words: 0 };
        let (long, short) = (window(&[5, 6, 7]), window(&[8]));
        let windows = [&long, &short];
        let padded = Padded::new(&windows);
        assert_eq!((padded.windows, padded.longest), (2, 3));
        assert_eq!(padded.ids, [5, 6, 7, 8, 0, 0]);
        assert_eq!(padded.type_ids, [1, 1, 1, 1, 0, 0]);
        assert_eq!(padded.mask, [1, 1, 1, 1, 0, 0]);
        let logits: Vec<f32> = [5.0, 6.0, 7.0, 8.0, 0.0, 0.0].into_iter().flat_map(|id| [id, 0.0]).collect();
        assert_eq!(unpad(&windows, &logits), [[5.0, 0.0], [6.0, 0.0], [7.0, 0.0], [8.0, 0.0]]);
    }
}
