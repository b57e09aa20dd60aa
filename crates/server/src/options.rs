//! What a caller may choose for a request: in the query for every kind of body, and in a JSON body beside its texts.

use dateline_engine::ModelInfo;
use dateline_text::{Label, MentionFilter, OffsetUnit};

use crate::json::{Field, Source};
use crate::problem::{Code, Problem};

/// The choices of a request, as used.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) offsets: OffsetUnit,
    pub(crate) filter: MentionFilter,
    pub(crate) include_text: bool,
    /// Whether mentions are grouped into entities, too.
    pub(crate) entities: bool,
    /// The model's index.
    pub(crate) model: usize,
}

/// The names of all options, for error messages.
pub(crate) const NAMES: &str = "offsets, min_score, labels, model, include_text, entities";

/// Line and column of a field of the body.
type Place = Option<(usize, usize)>;

/// The choices of a request while they are read.
#[derive(Debug)]
pub(crate) struct OptionReader<'m> {
    models: &'m [ModelInfo],
    offsets: Option<OffsetUnit>,
    min_score: Option<f32>,
    /// Checked at the end: which labels there are depends on the model.
    labels: Option<(Vec<String>, Place)>,
    include_text: Option<bool>,
    entities: Option<bool>,
    model: Option<usize>,
}

impl<'m> OptionReader<'m> {
    /// A reader for requests to one of these models, of which the first is the default.
    pub(crate) const fn new(models: &'m [ModelInfo]) -> Self {
        Self { models, offsets: None, min_score: None, labels: None, include_text: None, entities: None, model: None }
    }

    /// Reads the query.
    pub(crate) fn query(mut self, pairs: &[(String, String)]) -> Result<Self, Problem> {
        for (name, value) in pairs {
            match name.as_str() {
                "offsets" => self.set_offsets(value)?,
                "min_score" => {
                    let score = value.parse().map_err(|_| invalid(name, format!("{value:?} is no number")))?;
                    self.set_min_score(score)?;
                }
                "labels" => {
                    let labels = value.split(',').map(|label| label.trim().to_owned()).collect();
                    set_once(&mut self.labels, name, (labels, None))?;
                }
                "model" => self.set_model(value)?,
                "include_text" | "entities" => {
                    let choice = value.parse().map_err(|_| invalid(name, format!("{value:?} is not true or false")))?;
                    let slot = if name == "entities" { &mut self.entities } else { &mut self.include_text };
                    set_once(slot, name, choice)?;
                }
                _ => {
                    let detail = format!("unknown query parameter `{name}`; known are {NAMES}");
                    return Err(Problem::of_field(Code::UnknownField, name, detail));
                }
            }
        }
        Ok(self)
    }

    /// Reads `field` of a JSON body if it is an option, and says whether it was one.
    pub(crate) fn field<'s>(&mut self, source: Source<'s>, field: &Field<'s>) -> Result<bool, Problem> {
        let result = match field.name.as_str() {
            "offsets" => self.set_offsets(&source.value::<String>(field)?),
            "min_score" => self.set_min_score(source.value(field)?),
            "labels" => {
                let place = source.place_of(field.value.get());
                let labels = source.value::<Vec<String>>(field)?;
                set_once(&mut self.labels, &field.name, (labels, Some(place)))
            }
            "model" => self.set_model(&source.value::<String>(field)?),
            "include_text" => set_once(&mut self.include_text, &field.name, source.value(field)?),
            "entities" => set_once(&mut self.entities, &field.name, source.value(field)?),
            _ => return Ok(false),
        };
        result.map_err(|problem| problem.at(source.place_of(field.value.get())))?;
        Ok(true)
    }

    /// The choices, with the defaults where none was made.
    pub(crate) fn finish(self) -> Result<Options, Problem> {
        let model = self.model.unwrap_or_default();
        let labels = match self.labels {
            None => None,
            Some((names, place)) => {
                let labels = names.iter().map(|name| known(&self.models[model], name)).collect::<Result<_, _>>();
                Some(labels.map_err(|problem| Problem { place, ..problem })?)
            }
        };
        Ok(Options {
            offsets: self.offsets.unwrap_or_default(),
            filter: MentionFilter { min_score: self.min_score.unwrap_or_default(), labels },
            include_text: self.include_text.unwrap_or_default(),
            entities: self.entities.unwrap_or(true),
            model,
        })
    }

    fn set_offsets(&mut self, name: &str) -> Result<(), Problem> {
        let unit = name.parse().map_err(|error| invalid("offsets", format!("{error}")))?;
        set_once(&mut self.offsets, "offsets", unit)
    }

    fn set_min_score(&mut self, score: f32) -> Result<(), Problem> {
        if !(0.0..=1.0).contains(&score) {
            return Err(invalid("min_score", format!("{score} is not between 0 and 1")));
        }
        set_once(&mut self.min_score, "min_score", score)
    }

    fn set_model(&mut self, name: &str) -> Result<(), Problem> {
        let index = self.models.iter().position(|model| model.name == name).ok_or_else(|| {
            let served: Vec<&str> = self.models.iter().map(|model| model.name.as_str()).collect();
            invalid("model", format!("there is no model {name:?}; there is {}", served.join(", ")))
        })?;
        set_once(&mut self.model, "model", index)
    }
}

/// A label that the model does not know would silently give no mentions: that is refused.
fn known(model: &ModelInfo, name: &str) -> Result<Label, Problem> {
    model.labels.iter().find(|label| **label == name).cloned().ok_or_else(|| {
        let known: Vec<&str> = model.labels.iter().map(Label::as_str).collect();
        invalid("labels", format!("the model has no label {name:?}; it has {}", known.join(", ")))
    })
}

fn set_once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), Problem> {
    if slot.replace(value).is_some() {
        return Err(invalid(name, "given twice (in the query or in the body)".to_owned()));
    }
    Ok(())
}

fn invalid(field: &str, detail: String) -> Problem {
    Problem::of_field(Code::InvalidField, field, format!("`{field}`: {detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Options, Problem> {
        let model = |name: &str, labels: &[&str]| ModelInfo {
            name: name.to_owned(),
            labels: labels.iter().copied().map(Label::new).collect(),
            architecture: "Fake".to_owned(),
            window_tokens: 8,
            precision: dateline_model::Precision::F32,
        };
        let models = [model("one", &["PLACE", "UNIT"]), model("two", &["CITY"])];
        let pairs: Vec<_> = query.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        OptionReader::new(&models).query(&pairs)?.finish()
    }

    #[test]
    fn reads_a_query() {
        let options =
            read(&[("offsets", "utf16"), ("min_score", "0.5"), ("labels", "UNIT, PLACE"), ("include_text", "true")])
                .unwrap();
        assert_eq!(options.offsets, OffsetUnit::Utf16);
        assert_eq!(options.filter.min_score, 0.5);
        assert_eq!(options.filter.labels.unwrap().len(), 2);
        assert!(options.include_text && options.entities);
        assert!(!read(&[("entities", "false")]).unwrap().entities);
    }

    #[test]
    fn labels_are_those_of_the_model_wherever_it_is_named() {
        for query in [[("labels", "CITY"), ("model", "two")], [("model", "two"), ("labels", "CITY")]] {
            assert_eq!(read(&query).unwrap().model, 1);
        }
    }

    #[test]
    fn refuses_what_it_does_not_know_by_name() {
        for (query, field, says) in [
            (vec![("offset", "byte")], "offset", "offsets"),
            (vec![("offsets", "char")], "offsets", "codepoint"),
            (vec![("min_score", "high")], "min_score", "no number"),
            (vec![("min_score", "NaN")], "min_score", "between 0 and 1"),
            (vec![("min_score", "1.5")], "min_score", "between 0 and 1"),
            (vec![("labels", "CITY")], "labels", "PLACE, UNIT"),
            (vec![("labels", "CITY"), ("model", "one")], "labels", "PLACE, UNIT"),
            (vec![("model", "three")], "model", "one, two"),
            (vec![("include_text", "yes")], "include_text", "true or false"),
            (vec![("offsets", "byte"), ("offsets", "utf16")], "offsets", "twice"),
        ] {
            let problem = read(&query).unwrap_err();
            assert_eq!(problem.field.as_deref(), Some(field), "{query:?}");
            assert!(problem.detail.contains(says), "{query:?}: {}", problem.detail);
        }
    }
}
