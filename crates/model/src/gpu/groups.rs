//! Which windows of a packed batch are padded to one length, so that attention over a batch is a few large products and
//! not as many small ones as there are windows.
//!
//! Only attention sees the padding: everything else works on the packed tokens.

use candle_core::Result;

/// What is added to the scores of padding. It is finite in every number format, f16 with a score on top of it included,
/// so no row turns into NaN; and so far below any score that its exponential is zero, not merely small.
pub(super) const MASKED: f32 = -30_000.0;

/// Windows up to this length share a group: below it there is little to save.
const SHORTEST: usize = 16;

/// Lengths are multiples of this: the matrix units of GPUs work on such tiles.
const STEP: usize = 8;

/// The most scores that are computed at once. It bounds their memory (a quarter of a GiB in half precision, and the
/// same for the probabilities), and keeps far from 2³², where candle's kernels would count round.
const MOST_SCORES: usize = 1 << 27;

/// Windows that are padded to one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// How many.
    pub(super) windows: usize,
    /// Tokens of each, padding included.
    pub(super) length: usize,
    /// The first of their rows among all padded rows.
    pub(super) first_row: usize,
    /// Whether there is any padding in it.
    pub(super) padded: bool,
}

impl Group {
    /// Its padded rows.
    pub(super) const fn rows(&self) -> usize {
        self.windows * self.length
    }
}

/// How the windows of a batch are padded, and which row comes from and goes where.
#[derive(Debug, PartialEq)]
pub(super) struct Grouping {
    /// The groups; their rows lie end to end.
    pub(super) groups: Vec<Group>,
    /// For each padded row, the token that stands there; where it is padding, some token of the same window.
    pub(super) gather: Vec<u32>,
    /// For each token, its padded row.
    pub(super) scatter: Vec<u32>,
    /// For each padded row, 0 for a token and [`MASKED`] for padding.
    pub(super) mask: Vec<f32>,
}

impl Grouping {
    /// Groups the windows that begin at `cu_seqlens` (its last entry is the number of tokens) for that many heads.
    ///
    /// # Errors
    /// If there are more rows than a `u32` counts.
    pub(super) fn new(cu_seqlens: &[usize], heads: usize) -> Result<Self> {
        let mut windows: Vec<_> = cu_seqlens.windows(2).map(|pair| pair[0]..pair[1]).collect();
        // The longest first. The sort is stable, so equal batches are grouped equally.
        windows.sort_by_key(|window| std::cmp::Reverse(window.len()));
        let mut all = Self {
            groups: Vec::new(),
            gather: Vec::new(),
            scatter: vec![0; cu_seqlens.last().copied().unwrap_or(0)],
            mask: Vec::new(),
        };
        let mut rest = &windows[..];
        while let Some(longest) = rest.first() {
            let length = longest.len().next_multiple_of(STEP);
            let most = (MOST_SCORES / (heads * length * length)).max(1);
            let count = rest.iter().take(most).take_while(|window| class(window.len()) == class(longest.len())).count();
            let (group, later) = rest.split_at(count);
            let first_row = all.gather.len();
            for window in group {
                for place in 0..length {
                    let real = place < window.len();
                    if real {
                        all.scatter[window.start + place] = index(all.gather.len())?;
                    }
                    all.gather.push(index(if real { window.start + place } else { window.start })?);
                    all.mask.push(if real { 0.0 } else { MASKED });
                }
            }
            let padded = group.iter().any(|window| window.len() < length);
            all.groups.push(Group { windows: count, length, first_row, padded });
            rest = later;
        }
        Ok(all)
    }
}

/// Windows of one class may share a group: the longest is at most twice as long as the shortest.
fn class(tokens: usize) -> usize {
    tokens.next_power_of_two().max(SHORTEST)
}

fn index(row: usize) -> Result<u32> {
    u32::try_from(row).map_err(candle_core::Error::wrap)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gpu::tests::cu_seqlens;

    fn shapes(lengths: &[usize], heads: usize) -> Vec<(usize, usize, bool)> {
        let grouping = Grouping::new(&cu_seqlens(lengths), heads).unwrap();
        grouping.groups.iter().map(|group| (group.windows, group.length, group.padded)).collect()
    }

    #[test]
    fn windows_of_like_length_share_a_group() {
        assert_eq!(shapes(&[], 4), []);
        assert_eq!(shapes(&[1], 4), [(1, 8, true)]);
        assert_eq!(shapes(&[256, 256, 256], 4), [(3, 256, false)]);
        assert_eq!(shapes(&[3, 200, 32, 130, 33], 4), [(2, 200, true), (1, 40, true), (1, 32, false), (1, 8, true)]);
    }

    #[test]
    fn the_number_of_groups_does_not_grow_with_that_of_windows() {
        let lengths: Vec<_> = (1..=200).collect();
        assert_eq!(shapes(&lengths, 4).len(), 5);
        assert_eq!(shapes(&lengths.repeat(8), 4).len(), 5);
    }

    #[test]
    fn a_group_has_a_largest_size() {
        for (windows, length, _) in shapes(&vec![512; 1000], 16) {
            assert!(windows * 16 * length * length <= MOST_SCORES);
        }
        // One window is never too much.
        assert_eq!(shapes(&[8192, 8192], 16), [(1, 8192, false), (1, 8192, false)]);
    }

    proptest! {
        #[test]
        fn every_token_has_its_own_row_and_padding_is_masked(
            lengths in prop::collection::vec(1_usize..70, 0..20), heads in 1_usize..16,
        ) {
            let cu_seqlens = cu_seqlens(&lengths);
            let grouping = Grouping::new(&cu_seqlens, heads).unwrap();
            prop_assert_eq!(grouping.scatter.len(), *cu_seqlens.last().unwrap());
            prop_assert_eq!(grouping.gather.len(), grouping.mask.len());
            for (token, &row) in grouping.scatter.iter().enumerate() {
                prop_assert_eq!(grouping.gather[row as usize] as usize, token);
                prop_assert_eq!(grouping.mask[row as usize], 0.0);
            }
            let real = grouping.mask.iter().filter(|mask| **mask == 0.0).count();
            prop_assert_eq!(real, grouping.scatter.len());
            let mut next = 0;
            for group in &grouping.groups {
                prop_assert_eq!(group.first_row, next);
                next += group.rows();
                let rows = group.first_row..next;
                let masked = grouping.mask[rows.clone()].iter().any(|mask| *mask != 0.0);
                prop_assert_eq!(group.padded, masked);
                // The rows of a window are all of that window.
                for window in grouping.gather[rows].chunks(group.length) {
                    let of = |token: u32| cu_seqlens.partition_point(|start| *start <= token as usize);
                    prop_assert!(window.iter().all(|token| of(*token) == of(window[0])));
                }
            }
            prop_assert_eq!(next, grouping.gather.len());
        }
    }
}
