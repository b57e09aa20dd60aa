//! The service with a model that needs no weights: every word of a fixed list is a mention. To work on the page and
//! the routes without waiting for a model: `cargo run -p dateline-server --example rules -- 127.0.0.1:8080`.

use std::io::Write;

use dateline_engine::{Description, Engine, EngineModel, EngineOptions, Model, ModelFailure, Piece};
use dateline_model::{PackedBatch, Precision};
use dateline_server::{ServerConfig, Service};
use dateline_text::{Label, Mention, Span};
use tokio::sync::mpsc;

/// Words and what they are, longer ones before their parts.
const WORDS: &[(&str, &str, f32)] = &[
    ("Ilse Brandt", "PERSON", 0.994),
    ("Brandt", "PERSON", 0.971),
    ("Mateus Correia", "PERSON", 0.988),
    ("Port Almeda", "PLACE", 0.982),
    ("Varosh River", "PLACE", 0.957),
    ("Lisbon", "PLACE", 0.996),
    ("Hill 402", "PLACE", 0.583),
    ("14th Coastal Brigade", "UNIT", 0.979),
    ("Coastal Guard", "UNIT", 0.641),
    ("patrol boats", "WEAPON", 0.874),
    ("anti-ship missiles", "WEAPON", 0.948),
    ("howitzers", "WEAPON", 0.963),
    ("drones", "WEAPON", 0.912),
    ("drone", "WEAPON", 0.894),
];

struct Rules {
    labels: Vec<Label>,
}

impl Model for Rules {
    type Reading = ();

    fn labels(&self) -> &[Label] {
        &self.labels
    }

    fn describe(&self) -> Description<'_> {
        Description { architecture: "WordList", window_tokens: 1, precision: Precision::F32 }
    }

    fn read(&self, _: &str) -> Result<(), ModelFailure> {
        Ok(())
    }

    fn windows(&self, (): &()) -> Vec<usize> {
        vec![1]
    }

    fn pack(&self, (): &(), _: usize, batch: &mut PackedBatch) {
        batch.push(&[0], &[0]);
    }

    fn encode(&self, batch: &PackedBatch, _: &(dyn Fn() + Sync)) -> Result<Vec<f32>, ModelFailure> {
        Ok(vec![0.0; batch.tokens()])
    }

    fn place(&self, (): &mut (), _: usize, _: &[f32], _: usize) {}

    fn mentions(&self, (): &(), text: &str) -> Vec<Mention> {
        let mut mentions: Vec<Mention> = Vec::new();
        for &(word, label, score) in WORDS {
            for (start, _) in text.match_indices(word) {
                let span = Span::new(start, start + word.len());
                if !mentions.iter().any(|mention| mention.span.overlaps(span)) {
                    mentions.push(Mention::new(span, Label::new(label), score));
                }
            }
        }
        mentions.sort_by_key(|mention| mention.span);
        mentions
    }

    fn pieces(&self, _: &str) -> Result<Vec<Piece>, ModelFailure> {
        Ok(Vec::new())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = ServerConfig::default();
    if let Some(address) = std::env::args().nth(1) {
        config.listen = address.parse()?;
    }
    let labels = ["PERSON", "PLACE", "UNIT", "WEAPON"].map(Label::new).to_vec();
    let models = vec![EngineModel { name: "rules".to_owned(), replicas: vec![Rules { labels }] }];
    let service = Service::bind(Engine::start(models, EngineOptions::default())?, config)?;
    // Nobody reads it if standard error is closed.
    let _ = writeln!(std::io::stderr(), "listening on http://{}", service.address());
    let interrupted = async {
        // Without a signal to wait for there is nothing to wait for.
        let _ = tokio::signal::ctrl_c().await;
    };
    service.run(interrupted, mpsc::channel(1).1).await?;
    Ok(())
}
