//! A chunk of documents to their outcomes, through the engine's bulk lane.
//!
//! A document on which the model panics fails all that shared its batch. Those are tried again, each alone and with
//! nothing else on any device, so that the one that is at fault has no company to spoil; it keeps its error. Then a text
//! of ours is tried: if that fails too, the device is broken, and no document is blamed for it.

use std::cmp::Reverse;
use std::sync::Arc;

use dateline_engine::{Engine, Failure, Lane, Outcome, Pending, Request};
use dateline_text::{Mention, MentionFilter};
use tokio::sync::RwLock;

use crate::{BatchError, Chunk};

/// What came of each row: its mentions, or what is wrong with it.
pub type Outcomes = Vec<Result<Vec<Mention>, String>>;

/// What a device that works can do.
const OUR_TEXT: &str = "The envoy left Lisbon on Tuesday.";

/// Annotates chunks. Several may be on their way at a time.
pub(crate) struct Annotating {
    engine: Engine,
    filter: MentionFilter,
    /// Held together by chunks on their way, and alone by a text that is tried again.
    devices: RwLock<()>,
}

impl Annotating {
    pub(crate) fn new(engine: Engine, filter: MentionFilter) -> Self {
        Self { engine, filter, devices: RwLock::new(()) }
    }

    /// The outcomes of a chunk's rows, in their order.
    ///
    /// # Errors
    /// [`BatchError::Device`] if the fault is not with the documents.
    pub(crate) async fn outcomes(&self, chunk: &Chunk) -> Result<Outcomes, BatchError> {
        let mut rows: Vec<(usize, &Arc<str>)> =
            chunk.texts.iter().enumerate().filter_map(|(row, text)| Some((row, text.as_ref().ok()?))).collect();
        // Like beside like: a batch of windows of one length is the quickest there is.
        rows.sort_by_key(|(row, text)| (Reverse(text.len()), *row));
        let mut outcomes: Vec<Option<Outcome>> = vec![None; chunk.texts.len()];
        {
            let _together = self.devices.read().await;
            let mut pending: Vec<(usize, Pending)> = Vec::with_capacity(rows.len());
            for (row, text) in rows {
                pending.push((row, self.engine.submit(request(text)).await));
            }
            for (row, pending) in pending {
                outcomes[row] = Some(pending.outcome().await);
            }
        }
        let mut results = Vec::with_capacity(outcomes.len());
        for (text, outcome) in chunk.texts.iter().zip(outcomes) {
            results.push(match (text, outcome) {
                (Ok(_), Some(Ok(mentions))) => Ok(self.filter.apply(mentions)),
                (Ok(text), Some(Err(Failure::Model))) => self.alone(text).await?,
                (Ok(_), _) => return Err(BatchError::Internal(Failure::Stopped.to_string())),
                (Err(wrong), _) => Err(wrong.clone()),
            });
        }
        Ok(results)
    }

    /// Tries a text again with nothing beside it.
    async fn alone(&self, text: &Arc<str>) -> Result<Result<Vec<Mention>, String>, BatchError> {
        let _alone = self.devices.write().await;
        match self.engine.submit(request(text)).await.outcome().await {
            Ok(mentions) => Ok(Ok(self.filter.apply(mentions))),
            Err(failure) => match self.engine.submit(request(&Arc::from(OUR_TEXT))).await.outcome().await {
                Ok(_) => Ok(Err(failure.to_string())),
                Err(_) => Err(BatchError::Device),
            },
        }
    }
}

fn request(text: &Arc<str>) -> Request {
    Request { text: Arc::clone(text), model: 0, lane: Lane::Bulk, deadline: None }
}
