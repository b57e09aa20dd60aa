//! What the families call the weights of the same layers.

use crate::config::Family;

/// What a family calls the parts of a layer.
pub(crate) struct LayerNames {
    pub(crate) stack: &'static str,
    pub(crate) query: &'static str,
    pub(crate) key: &'static str,
    pub(crate) value: &'static str,
    pub(crate) attention_output: &'static str,
    pub(crate) attention_norm: &'static str,
    pub(crate) up: &'static str,
    pub(crate) down: &'static str,
    pub(crate) output_norm: &'static str,
}

const BERT_LAYER: LayerNames = LayerNames {
    stack: "encoder.layer",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    output_norm: "output.LayerNorm",
};

const DISTILBERT_LAYER: LayerNames = LayerNames {
    stack: "transformer.layer",
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    attention_output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    output_norm: "output_layer_norm",
};

impl Family {
    /// What this family calls the parts of its layers.
    pub(crate) const fn layer_names(self) -> &'static LayerNames {
        match self {
            Self::DistilBert => &DISTILBERT_LAYER,
            Self::Bert | Self::Roberta => &BERT_LAYER,
        }
    }

    /// The full name of a part of the layer of that index, without `.weight` or `.bias`.
    pub(crate) fn layer_part(self, index: usize, part: &str) -> String {
        format!("{}.{}.{index}.{part}", self.prefix(), self.layer_names().stack)
    }

    /// The full name of a part of the embeddings.
    pub(crate) fn embeddings_part(self, part: &str) -> String {
        format!("{}.embeddings.{part}", self.prefix())
    }
}
