//! The packed batch: token ids of all windows end to end, and where each begins. There is no padding, so the cost of a
//! batch is its number of real tokens, and the numbers of one window do not depend on its neighbours.

use std::ops::Range;

/// Windows of tokens, end to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedBatch {
    /// Token ids of all windows, special tokens included.
    pub token_ids: Vec<u32>,
    /// Token type ids (for the default model: casing classes), as many as tokens.
    pub type_ids: Vec<u32>,
    /// Positions within each window, counted from 0.
    pub position_ids: Vec<u32>,
    /// Where each window begins, and last the number of tokens: one entry more than windows.
    pub cu_seqlens: Vec<usize>,
}

impl PackedBatch {
    /// A batch of no windows.
    #[must_use]
    pub fn new() -> Self {
        Self { token_ids: Vec::new(), type_ids: Vec::new(), position_ids: Vec::new(), cu_seqlens: vec![0] }
    }

    /// Appends a window.
    ///
    /// # Panics
    /// If there are not as many types as tokens, or no tokens at all.
    pub fn push(&mut self, token_ids: &[u32], type_ids: &[u32]) {
        assert!(!token_ids.is_empty() && token_ids.len() == type_ids.len(), "a window has tokens, each with its type");
        self.token_ids.extend_from_slice(token_ids);
        self.type_ids.extend_from_slice(type_ids);
        self.position_ids.extend((0..).take(token_ids.len()));
        self.cu_seqlens.push(self.token_ids.len());
    }

    /// Number of tokens in all windows.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.token_ids.len()
    }

    /// Whether there is no window.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.token_ids.is_empty()
    }

    /// The token range of each window.
    pub fn windows(&self) -> impl ExactSizeIterator<Item = Range<usize>> + '_ {
        self.cu_seqlens.windows(2).map(|pair| pair[0]..pair[1])
    }
}

impl Default for PackedBatch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_end_to_end() {
        let mut batch = PackedBatch::new();
        batch.push(&[1, 2, 3], &[0, 1, 0]);
        batch.push(&[4], &[0]);
        assert_eq!(batch.windows().collect::<Vec<_>>(), [0..3, 3..4]);
        assert_eq!(batch.position_ids, [0, 1, 2, 0]);
        assert_eq!(batch.tokens(), 4);
    }
}
