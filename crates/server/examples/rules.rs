//! The service with a model that needs no weights: every word of a fixed list is a mention. To work on the page and
//! the routes without waiting for a model: `cargo run -p dateline-server --example rules -- 127.0.0.1:8080`.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use dateline_server::{Annotate, AnnotateError, Observer, ServerConfig, serve};
use dateline_text::{Label, Mention, Span};

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

impl Rules {
    fn mentions(text: &str) -> Vec<Mention> {
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
}

impl Annotate for Rules {
    fn model(&self) -> &str {
        "rules"
    }

    fn labels(&self) -> &[Label] {
        &self.labels
    }

    fn annotate_all(&self, texts: &[&str]) -> Result<Vec<Vec<Mention>>, AnnotateError> {
        Ok(texts.iter().map(|text| Self::mentions(text)).collect())
    }
}

struct Announce;

impl Observer for Announce {
    fn listening(&self, address: SocketAddr) {
        // Nobody reads it if standard error is closed.
        let _ = writeln!(std::io::stderr(), "listening on http://{address}");
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = ServerConfig { observer: Arc::new(Announce), ..ServerConfig::default() };
    if let Some(address) = std::env::args().nth(1) {
        config.listen = address.parse()?;
    }
    let labels = ["PERSON", "PLACE", "UNIT", "WEAPON"].map(Label::new).to_vec();
    let interrupted = async {
        // Without a signal to wait for there is nothing to wait for.
        let _ = tokio::signal::ctrl_c().await;
    };
    serve(Rules { labels }, config, interrupted).await?;
    Ok(())
}
