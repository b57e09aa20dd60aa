//! What weights in training find in held-out texts: the encoder and decoder of the product, without its folder.

use candle_core::Device;
use dateline_model::decode::{Decoding, decode};
use dateline_model::{Boundary, Encoder, ModelConfig, PackedBatch, RunOps, Tokeniser};
use dateline_text::{Mention, Span};

use crate::encode::{Encoded, ExampleEncoder, Marking};
use crate::{Example, TrainError};

/// Tokens per pass of the encoder.
const BATCH_TOKENS: usize = 4096;

/// A text, tokenised once and read many times.
#[derive(Debug)]
struct Prepared {
    words: Vec<Span>,
    breaks: Vec<bool>,
    windows: Vec<Encoded>,
}

/// Held-out texts, ready to be read.
#[derive(Debug)]
pub(crate) struct HeldOut<'m> {
    config: &'m ModelConfig,
    texts: Vec<Prepared>,
}

/// Logits of the words of each text: `[words, tags]`.
pub(crate) type WordLogits = Vec<Vec<f32>>;

impl<'m> HeldOut<'m> {
    /// Tokenises `examples`.
    pub(crate) fn new(
        config: &'m ModelConfig,
        tokeniser: &Tokeniser,
        examples: &[Example],
    ) -> Result<Self, TrainError> {
        let encoder = ExampleEncoder::new(config, tokeniser)?;
        let prepare = |example: &Example| {
            let tokens = tokeniser.tokenise(&example.text)?;
            let inked = || tokens.words.iter().filter(|word| !word.span.is_empty());
            Ok(Prepared {
                words: inked().map(|word| word.span).collect(),
                breaks: inked().map(|word| word.boundary == Boundary::Paragraph).collect(),
                windows: encoder.encode(example, &Marking::Full)?.0,
            })
        };
        Ok(Self { config, texts: examples.iter().map(prepare).collect::<Result<_, TrainError>>()? })
    }

    /// The logits of all words under `encoder`.
    pub(crate) fn logits(&self, encoder: &Encoder, device: &Device) -> Result<WordLogits, TrainError> {
        let tags = self.config.tags.len();
        let mut out: WordLogits = self.texts.iter().map(|text| Vec::with_capacity(text.words.len() * tags)).collect();
        let windows = self.texts.iter().enumerate().flat_map(|(text, one)| one.windows.iter().map(move |w| (text, w)));
        let mut windows = windows.peekable();
        while windows.peek().is_some() {
            let (mut batch, mut targets, mut owners) = (PackedBatch::new(), Vec::new(), Vec::new());
            let room = |batch: &PackedBatch, window: &Encoded| {
                batch.is_empty() || batch.tokens() + window.tokens() <= BATCH_TOKENS
            };
            while let Some((text, window)) = windows.next_if(|(_, window)| room(&batch, window)) {
                window.push_to(&mut batch, &mut targets);
                owners.resize(targets.len(), text);
            }
            let logits: Vec<f32> = encoder.forward(&RunOps, &batch, device)?.flatten_all()?.to_vec1()?;
            for (target, owner) in targets.iter().zip(owners) {
                out[owner].extend_from_slice(&logits[target.row * tags..(target.row + 1) * tags]);
            }
        }
        Ok(out)
    }

    /// The mentions in the texts, scored at `temperature`.
    pub(crate) fn mentions(&self, logits: &WordLogits, temperature: f64) -> Vec<Vec<Mention>> {
        let tags = &self.config.tags;
        let decoding = Decoding { temperature, ..self.config.dateline.decoding() };
        let read = |(text, logits): (&Prepared, &Vec<f32>)| {
            let found = decode(logits, &text.breaks, tags, &decoding);
            let mention = |one: dateline_model::decode::DecodedSpan| {
                #[expect(clippy::cast_possible_truncation, reason = "a score needs no double precision")]
                let score = one.score as f32;
                let span = text.words[one.first_word].cover(text.words[one.last_word]);
                Mention::new(span, tags.labels()[one.label].clone(), score)
            };
            found.into_iter().map(mention).collect()
        };
        self.texts.iter().zip(logits).map(read).collect()
    }
}
