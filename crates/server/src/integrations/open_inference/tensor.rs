//! What goes back: the mentions of each text as a string of JSON, and all mentions as columns of numbers and labels.

use std::sync::Arc;

use dateline_text::record::{self, MentionRecord};
use dateline_text::{Mention, OffsetUnit};
use serde::Serialize;
use serde_json::Value;

/// A tensor that the model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// For each text its mentions, as JSON.
    Mentions,
    /// For each mention the number of its text, from 0.
    Document,
    /// For each mention where it begins.
    Start,
    /// For each mention one past its end.
    End,
    /// For each mention its label.
    Label,
    /// For each mention how sure the model is.
    Score,
}

impl Output {
    /// All of them, in the order in which they go back.
    pub(crate) const ALL: [Self; 6] =
        [Self::Mentions, Self::Document, Self::Start, Self::End, Self::Label, Self::Score];

    /// The tensor's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Mentions => "mentions",
            Self::Document => "document",
            Self::Start => "start",
            Self::End => "end",
            Self::Label => "label",
            Self::Score => "score",
        }
    }

    /// The protocol's name of its type.
    pub(crate) const fn datatype(self) -> &'static str {
        match self {
            Self::Mentions | Self::Label => "BYTES",
            Self::Document | Self::Start | Self::End => "INT64",
            Self::Score => "FP32",
        }
    }
}

/// The values of a tensor.
#[derive(Clone, Debug, PartialEq)]
enum Values {
    Strings(Vec<String>),
    Numbers(Vec<i64>),
    Scores(Vec<f32>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Strings(strings) => strings.len(),
            Self::Numbers(numbers) => numbers.len(),
            Self::Scores(scores) => scores.len(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Strings(strings) => strings.as_slice().into(),
            Self::Numbers(numbers) => numbers.as_slice().into(),
            Self::Scores(scores) => scores.iter().map(|&score| short(score)).collect(),
        }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Strings(strings) => {
                for string in strings {
                    let length = u32::try_from(string.len()).expect("an answer is far shorter than its body's limit");
                    bytes.extend_from_slice(&length.to_le_bytes());
                    bytes.extend_from_slice(string.as_bytes());
                }
            }
            Self::Numbers(numbers) => bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes())),
            Self::Scores(scores) => bytes.extend(scores.iter().flat_map(|score| score.to_le_bytes())),
        }
    }
}

/// A score as `mentions` has it, not with the digits that half of its bits have in double precision.
fn short(score: f32) -> Value {
    score.to_string().parse::<f64>().expect("a number's own digits").into()
}

/// The mentions of all texts.
#[derive(Debug, Default)]
pub(super) struct Found {
    texts: Vec<Vec<MentionRecord>>,
}

/// A tensor in the header of an answer.
#[derive(Debug, Serialize)]
pub(super) struct Tensor {
    name: &'static str,
    datatype: &'static str,
    shape: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
}

#[derive(Debug, Serialize)]
struct Size {
    binary_data_size: usize,
}

impl Found {
    /// The mentions of each text, their offsets in `unit`.
    pub(super) fn new(texts: &[Arc<str>], found: &[Vec<Mention>], unit: OffsetUnit) -> Self {
        let records = texts.iter().zip(found).map(|(text, found)| record::mentions(text, found, unit));
        Self { texts: records.collect() }
    }

    /// The tensors that are wanted, and the bytes of those that are wanted in binary, one behind the other.
    pub(super) fn tensors(&self, outputs: &[(Output, bool)], column: bool) -> (Vec<Tensor>, Vec<u8>) {
        let mut bytes = Vec::new();
        let tensor = |&(output, binary): &(Output, bool)| {
            let values = self.values(output);
            let mut shape = vec![values.len()];
            shape.extend((column && output == Output::Mentions).then_some(1));
            let before = bytes.len();
            if binary {
                values.write(&mut bytes);
            }
            Tensor {
                name: output.name(),
                datatype: output.datatype(),
                shape,
                parameters: binary.then(|| Size { binary_data_size: bytes.len() - before }),
                data: (!binary).then(|| values.json()),
            }
        };
        (outputs.iter().map(tensor).collect(), bytes)
    }

    fn values(&self, output: Output) -> Values {
        let all = || self.texts.iter().flatten();
        let number =
            |of: fn(&MentionRecord) -> usize| Values::Numbers(all().map(|mention| whole(of(mention))).collect());
        match output {
            Output::Mentions => {
                let json =
                    |mentions: &Vec<MentionRecord>| serde_json::to_string(mentions).expect("mentions are plain JSON");
                Values::Strings(self.texts.iter().map(json).collect())
            }
            Output::Document => {
                let numbers =
                    self.texts.iter().enumerate().flat_map(|(n, mentions)| mentions.iter().map(move |_| whole(n)));
                Values::Numbers(numbers.collect())
            }
            Output::Start => number(|mention| mention.start),
            Output::End => number(|mention| mention.end),
            Output::Label => Values::Strings(all().map(|mention| mention.label.to_string()).collect()),
            #[expect(clippy::cast_possible_truncation, reason = "four decimals")]
            Output::Score => Values::Scores(all().map(|mention| mention.score as f32).collect()),
        }
    }
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).expect("a body has no more bytes than that")
}

#[cfg(test)]
mod tests {
    use dateline_text::{Label, Span};
    use serde_json::json;

    use super::*;

    fn found() -> Found {
        let texts = ["🚀 Kyiv, Lviv", "", "Kyiv"].map(Arc::from);
        let mention =
            |start: usize, label: &str| Mention::new(Span::new(start, start + 4), Label::new(label), 0.987_654);
        Found::new(
            &texts,
            &[vec![mention(5, "PLACE"), mention(11, "UNIT")], vec![], vec![mention(0, "PLACE")]],
            OffsetUnit::Utf16,
        )
    }

    #[test]
    fn columns_and_json_say_the_same() {
        let (tensors, bytes) = found().tensors(&Output::ALL.map(|output| (output, false)), false);
        assert!(bytes.is_empty());
        let first = r#"[{"start":3,"end":7,"label":"PLACE","text":"Kyiv","score":0.9877},{"start":9,"end":13,"label":"UNIT","text":"Lviv","score":0.9877}]"#;
        let last = r#"[{"start":0,"end":4,"label":"PLACE","text":"Kyiv","score":0.9877}]"#;
        assert_eq!(
            serde_json::to_value(tensors).unwrap(),
            json!([
                {"name": "mentions", "datatype": "BYTES", "shape": [3], "data": [first, "[]", last]},
                {"name": "document", "datatype": "INT64", "shape": [3], "data": [0, 0, 2]},
                {"name": "start", "datatype": "INT64", "shape": [3], "data": [3, 9, 0]},
                {"name": "end", "datatype": "INT64", "shape": [3], "data": [7, 13, 4]},
                {"name": "label", "datatype": "BYTES", "shape": [3], "data": ["PLACE", "UNIT", "PLACE"]},
                {"name": "score", "datatype": "FP32", "shape": [3], "data": [0.9877, 0.9877, 0.9877]},
            ])
        );
    }

    #[test]
    fn binary_tensors_stand_behind_each_other() {
        let outputs = [(Output::Label, true), (Output::End, false), (Output::Start, true), (Output::Score, true)];
        let (tensors, bytes) = found().tensors(&outputs, true);
        let sizes: Vec<Option<usize>> =
            tensors.iter().map(|tensor| tensor.parameters.as_ref().map(|size| size.binary_data_size)).collect();
        assert_eq!(sizes, [Some(3 * 4 + 14), None, Some(24), Some(12)]);
        let (labels, rest) = bytes.split_at(26);
        assert_eq!(labels, b"\x05\0\0\0PLACE\x04\0\0\0UNIT\x05\0\0\0PLACE");
        let (starts, scores) = rest.split_at(24);
        assert_eq!(starts, [3_i64, 9, 0].map(i64::to_le_bytes).concat());
        assert_eq!(scores, [0.9877_f32; 3].map(f32::to_le_bytes).concat());
    }

    #[test]
    fn a_column_goes_back_as_one() {
        let (tensors, _) = found().tensors(&[(Output::Mentions, true), (Output::Start, true)], true);
        assert_eq!((&tensors[0].shape, &tensors[1].shape), (&vec![3, 1], &vec![3]));
        let (tensors, bytes) = Found::default().tensors(&Output::ALL.map(|output| (output, true)), false);
        assert!(bytes.is_empty() && tensors.iter().all(|tensor| tensor.shape == [0] && tensor.data.is_none()));
    }
}
