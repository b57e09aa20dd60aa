//! What came out, for people: a plain table.

use std::fmt;

use indicatif::{BinaryBytes, HumanCount};

use super::report::Report;
use super::rounds::Spread;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_subject(f)?;
        writeln!(f)?;
        self.write_rates(f)?;
        writeln!(f)?;
        self.write_rest(f)
    }
}

impl Report {
    /// What was measured, where and on what.
    fn write_subject(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (model, texts, machine) = (&self.model, &self.texts, &self.machine);
        writeln!(
            f,
            "model    {}, {} ({} parameters), in {} on {} with {}",
            model.name,
            model.architecture,
            count(model.parameters),
            model.precision,
            model.device,
            some(model.threads, "thread")
        )?;
        let cpu = machine.cpu.as_deref().unwrap_or(machine.architecture);
        writeln!(f, "machine  {cpu}, {}, {}; dateline {}", some(machine.cores, "core"), machine.os, self.version)?;
        let (texts_are, words, tokens) = (some(texts.count, "text"), count(texts.words), count(texts.tokens));
        let made_up = if texts.made_up { ", made up" } else { "" };
        writeln!(f, "texts    {texts_are}{made_up}: {words} words, {tokens} tokens")
    }

    fn write_rates(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:33} {:>10} {:>23}", "tokens a second", "median", "lowest to highest")?;
        write_rate(f, "tokenising, on one thread", self.tokenise, "")?;
        for (index, encoder) in self.encoder.iter().enumerate() {
            let name = if index == 0 { "encoder, batches of" } else { "" };
            let name = format!("{name:20}{:>6} tokens", encoder.batch_tokens);
            let note = match (encoder.in_use, encoder.best) {
                (true, true) => "in use, best",
                (true, false) => "in use",
                (false, true) => "best",
                (false, false) => "",
            };
            write_rate(f, &name, encoder.tokens_per_second, note)?;
        }
        write_rate(f, "one text at a time", self.one_text_at_a_time, "")?;
        let note = format!("{} of the encoder in use", percent(self.whole_path.share_of_encoder.median));
        write_rate(f, "whole path, JSONL to JSONL", self.whole_path.tokens_per_second, &note)
    }

    fn write_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, latency, start) = (&self.whole_path, &self.latency, &self.start);
        write!(f, "throughput   {} words a second", rounded(path.words_per_second.median))?;
        match path.cost_of_a_million_words {
            Some(cost) => writeln!(f, "; a million words cost {}", significant(cost))?,
            None => writeln!(f)?,
        }
        let (p50, p99) = (milliseconds(latency.p50), milliseconds(latency.p99));
        let size = format!("{} words, {} tokens", latency.words, latency.tokens);
        writeln!(f, "latency      p50 {p50}, p99 {p99}: one text of {size}, {}", some(latency.calls, "call"))?;
        let (load, answer) = (milliseconds(start.load), milliseconds(start.first_answer));
        writeln!(f, "start        {load} to load the model, {answer} from the start to the first answer")?;
        if let Some(memory) = self.memory {
            let [load, end, most] = [memory.after_load, memory.at_end, memory.most].map(BinaryBytes);
            writeln!(f, "memory       {load} with the model loaded, {end} at the end, {most} at most")?;
        }
        if let Some(peak) = &self.peak {
            let rate = rounded(peak.multiply_adds_per_second_per_core.median / 1e9);
            let (share, name) = (percent(peak.share.median), peak.instruction_set);
            writeln!(f, "peak         {share} of it reached: {rate} billion multiply-adds a second a core, {name}")?;
        }
        Ok(())
    }
}

fn write_rate(f: &mut fmt::Formatter<'_>, name: &str, rate: Spread, note: &str) -> fmt::Result {
    let [median, min, max] = [rate.median, rate.min, rate.max].map(rounded);
    let line = format!("{name:33} {median:>10} {:>23}  {note}", format!("{min} to {max}"));
    writeln!(f, "{}", line.trim_end())
}

fn count(number: usize) -> String {
    HumanCount(number as u64).to_string()
}

/// A rate without decimals, in groups of three digits.
fn rounded(rate: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate, from 0")]
    HumanCount(rate.round() as u64).to_string()
}

fn some(number: usize, of: &str) -> String {
    format!("{} {of}{}", count(number), if number == 1 { "" } else { "s" })
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.1} ms", 1000.0 * seconds)
}

/// Two digits that say something, however small the number.
fn significant(number: f64) -> String {
    let decimals = if number > 0.0 { 1.0 - number.log10().floor() } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few decimals, from 0")]
    let decimals = decimals.clamp(0.0, 15.0) as usize;
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::super::machine::Machine;
    use super::super::report::{Encoder, Latency, Memory, Model, Peak, Start, Texts, WholePath};
    use super::*;

    fn spread(median: f64) -> Spread {
        Spread { median, min: median * 0.9, max: median * 1.1 }
    }

    fn report() -> Report {
        let encoder =
            |batch_tokens, rate, in_use, best| Encoder { batch_tokens, tokens_per_second: spread(rate), in_use, best };
        Report {
            version: "1.2.3",
            machine: Machine { cpu: Some("A CPU".into()), cores: 2, os: "linux", architecture: "x86_64" },
            model: Model {
                name: "m".into(),
                architecture: "BertForTokenClassification".into(),
                parameters: 22_600_000,
                device: "cpu".into(),
                precision: "int8".to_owned(),
                threads: 1,
                multiply_adds_per_token: 10_000_000,
            },
            texts: Texts { made_up: true, count: 64, words: 14_000, tokens: 21_000 },
            start: Start { load: 0.25, first_answer: 0.3 },
            memory: Some(Memory { after_load: 100 << 20, at_end: 120 << 20, most: 130 << 20 }),
            rounds: 5,
            tokenise: spread(1e6),
            encoder: vec![encoder(64, 8000.0, false, false), encoder(4096, 10_000.0, true, true)],
            one_text_at_a_time: spread(7000.0),
            whole_path: WholePath {
                tokens_per_second: spread(9000.0),
                words_per_second: spread(6000.0),
                share_of_encoder: spread(0.9),
                cost_of_a_million_words: Some(0.00416),
            },
            latency: Latency { words: 60, tokens: 91, calls: 120, p50: 0.0102, p99: 0.0205 },
            peak: Some(Peak {
                instruction_set: "dot",
                multiply_adds_per_second_per_core: spread(2e11),
                share: spread(0.5),
            }),
        }
    }

    #[test]
    fn a_report_is_a_table() {
        let table = report().to_string();
        let expected = "\
model    m, BertForTokenClassification (22,600,000 parameters), in int8 on cpu with 1 thread
machine  A CPU, 2 cores, linux; dateline 1.2.3
texts    64 texts, made up: 14,000 words, 21,000 tokens

tokens a second                       median       lowest to highest
tokenising, on one thread          1,000,000    900,000 to 1,100,000
encoder, batches of     64 tokens      8,000          7,200 to 8,800
                      4096 tokens     10,000         9,000 to 11,000  in use, best
one text at a time                     7,000          6,300 to 7,700
whole path, JSONL to JSONL             9,000          8,100 to 9,900  90.0 % of the encoder in use

throughput   6,000 words a second; a million words cost 0.0042
latency      p50 10.2 ms, p99 20.5 ms: one text of 60 words, 91 tokens, 120 calls
start        250.0 ms to load the model, 300.0 ms from the start to the first answer
memory       100.00 MiB with the model loaded, 120.00 MiB at the end, 130.00 MiB at most
peak         50.0 % of it reached: 200 billion multiply-adds a second a core, dot
";
        assert_eq!(table, expected);
    }

    /// What is not known is not there: no zero that would pass for a figure.
    #[test]
    fn unknown_figures_are_left_out() {
        let mut report = report();
        (report.memory, report.peak, report.whole_path.cost_of_a_million_words) = (None, None, None);
        let table = report.to_string();
        assert!(table.contains("6,000 words a second\n"), "{table}");
        assert!(!table.contains("memory") && !table.contains("peak"), "{table}");
        let json = serde_json::to_value(&report).unwrap();
        assert!(json.get("memory").is_none() && json.get("peak").is_none(), "{json}");
    }

    #[test]
    fn small_costs_keep_two_digits() {
        assert_eq!([0.0, 0.000123, 0.0123, 1.26, 123.4].map(significant), ["0", "0.00012", "0.012", "1.3", "123"]);
    }
}
