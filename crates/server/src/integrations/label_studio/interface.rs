//! A labelling interface of Label Studio: its XML says which text of a task is labelled (`<Text name="text"
//! value="$text">`), by which control (`<Labels name="label" toName="text">`) and with what (`<Label value="Person">`).
//!
//! Only the pairs of `Labels` and `Text` are read, in any number; other tags stand for work that is not ours. Names of
//! tags and attributes are compared without regard to case, as the editor does.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use serde_json::{Map, Value};

/// The most bytes of an interface: those that people draw have a few thousand.
pub(super) const LONGEST: usize = 256 << 10;

/// The pairs of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Interface {
    texts: Vec<TextTag>,
    controls: Vec<Control>,
}

/// A text of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextTag {
    pub(super) name: String,
    /// What is behind the `$`: the key of the text in the task's data, or the way to it, with dots.
    key: String,
}

/// A control that labels texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) name: String,
    /// The texts that it labels.
    to: Vec<String>,
    labels: Vec<Offered>,
}

/// A label that a control offers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Offered {
    value: String,
    /// What stands in results instead.
    alias: Option<String>,
}

impl Control {
    /// The first of `names` that the control offers, without regard to case, as it is written in results.
    pub(super) fn offered<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Option<&str> {
        let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
        names.into_iter().find_map(|name| {
            let fits = |label: &&Offered| {
                same(&label.value, name) || label.alias.as_ref().is_some_and(|alias| same(alias, name))
            };
            self.labels.iter().find(fits).map(|label| label.alias.as_ref().unwrap_or(&label.value).as_str())
        })
    }
}

impl TextTag {
    /// The text in a task's data; `None` if it has none.
    pub(super) fn of(&self, data: &Map<String, Value>) -> Option<String> {
        let value = data.get(&self.key).or_else(|| {
            let mut steps = self.key.split('.');
            let first = data.get(steps.next()?)?;
            steps.try_fold(first, |value, step| value.get(step))
        });
        // The editor shows numbers and the like as they are written.
        match value? {
            Value::String(text) => Some(text.clone()),
            value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl Interface {
    /// Reads the XML of an interface.
    ///
    /// # Errors
    /// Why it is not one.
    pub(super) fn parse(xml: &str) -> Result<Self, String> {
        if xml.len() > LONGEST {
            return Err(format!("it has {} bytes, more than the {LONGEST} that this service reads", xml.len()));
        }
        let mut reader = Reader::from_str(xml);
        let mut interface = Self::default();
        // For each tag that is open, the control that it is.
        let mut open: Vec<Option<usize>> = Vec::new();
        loop {
            let event = reader
                .read_event()
                .map_err(|error| format!("it is not XML at byte {} (from 0): {error}", reader.error_position()))?;
            match event {
                Event::Start(tag) => {
                    let control = interface.tag(&tag, &open)?;
                    open.push(control);
                }
                Event::Empty(tag) => {
                    interface.tag(&tag, &open)?;
                }
                Event::End(_) => {
                    open.pop();
                }
                Event::Eof if open.is_empty() => return Ok(interface),
                Event::Eof => return Err("it ends before its last tag is closed".to_owned()),
                _ => {}
            }
        }
    }

    /// Takes in a tag; the answer is its number if it is a control.
    fn tag(&mut self, tag: &BytesStart<'_>, open: &[Option<usize>]) -> Result<Option<usize>, String> {
        let attribute = |name: &str| attribute(tag, name);
        match tag.local_name().as_ref().to_ascii_lowercase().as_str() {
            "text" => {
                let plain = |name, usual: &[&str]| {
                    Ok::<_, String>(attribute(name)?.is_none_or(|value| usual.contains(&value.to_lowercase().as_str())))
                };
                // Texts behind an address are not fetched, encoded ones not decoded: offsets count in what they hold.
                if !plain("valueType", &["text"])? || !plain("encoding", &["none"])? {
                    return Ok(None);
                }
                let (name, value) = (attribute("name")?, attribute("value")?);
                if let (Some(name), Some(key)) = (name, value.as_deref().and_then(variable)) {
                    self.texts.push(TextTag { name, key: key.to_owned() });
                }
                Ok(None)
            }
            "labels" => {
                let (Some(name), Some(to)) = (attribute("name")?, attribute("toName")?) else { return Ok(None) };
                let to = to.split(',').map(|name| name.trim().to_owned()).collect();
                self.controls.push(Control { name, to, labels: Vec::new() });
                Ok(Some(self.controls.len() - 1))
            }
            "label" => {
                let control = open.iter().rev().find_map(|control| *control);
                if let (Some(control), Some(value)) = (control, attribute("value")?) {
                    self.controls[control].labels.push(Offered { value, alias: attribute("alias")? });
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// The texts that a control labels, each with its controls.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&TextTag, Vec<&Control>)> {
        self.texts.iter().filter_map(|text| {
            let controls: Vec<_> = self.controls.iter().filter(|control| control.to.contains(&text.name)).collect();
            (!controls.is_empty()).then_some((text, controls))
        })
    }
}

/// The key that a value names: `$text` names `text`. Anything more than one variable names none.
fn variable(value: &str) -> Option<&str> {
    let key = value.trim().strip_prefix('$')?;
    (!key.is_empty() && !key.contains(|c: char| c == '$' || c.is_whitespace())).then_some(key)
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| format!("an attribute of a tag cannot be read: {error}"))?;
        if attribute.key.local_name().as_ref().eq_ignore_ascii_case(name) {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            return value
                .map(|value| Some(value.into_owned()))
                .map_err(|error| format!("the attribute {name} of a tag cannot be read: {error}"));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TWO: &str = r##"<?xml version="1.0"?><View>
        <!-- the story and its headline -->
        <Labels name="who" toName="story,head"><View><Label value="Person" background="#f00"/></View>
          <Label value="Place &amp; Co" alias="place"/></Labels>
        <HyperTextLabels name="h" toName="page"><Label value="Weapon"/></HyperTextLabels>
        <labels name="what" toname="story"><Label value="UNIT"></Label></labels>
        <Text name="story" value="$text" granularity="word"/><Text name="head" value="$meta.title"/>
        <Text name="far" value="$url" valueType="url"/><HyperText name="page" value="$html"/>
        <Choices name="c" toName="story"><Choice value="Person"/></Choices></View>"##;

    #[test]
    fn reads_several_pairs_and_nothing_else() {
        let interface = Interface::parse(TWO).unwrap();
        let pairs: Vec<_> = interface
            .pairs()
            .map(|(text, controls)| {
                (text.name.as_str(), controls.iter().map(|control| control.name.as_str()).collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(pairs, [("story", vec!["who", "what"]), ("head", vec!["who"])]);
    }

    #[test]
    fn a_label_is_found_by_its_value_or_alias_whatever_its_case() {
        let interface = Interface::parse(TWO).unwrap();
        let who = &interface.controls[0];
        assert_eq!(who.offered(["PERSON"]), Some("Person"));
        assert_eq!(who.offered(["LOC", "PLACE"]), Some("place"));
        assert_eq!(who.offered(["place & co"]), Some("place"));
        assert_eq!(who.offered(["UNIT"]), None);
        assert_eq!(interface.controls[1].offered(["unit"]), Some("UNIT"));
    }

    #[test]
    fn a_text_is_found_by_its_key_or_the_way_to_it() {
        let interface = Interface::parse(TWO).unwrap();
        let data = json!({"text": "Kyiv", "meta": {"title": 7}, "a.b": "x"});
        let found: Vec<_> = interface.pairs().map(|(text, _)| text.of(data.as_object().unwrap())).collect();
        assert_eq!(found, [Some("Kyiv".to_owned()), Some("7".to_owned())]);
        let dotted = TextTag { name: String::new(), key: "a.b".to_owned() };
        assert_eq!(dotted.of(data.as_object().unwrap()).as_deref(), Some("x"));
        for none in [json!({}), json!({"text": null}), json!({"text": ["a"]})] {
            assert_eq!(interface.texts[0].of(none.as_object().unwrap()), None);
        }
    }

    #[test]
    fn what_is_no_interface_is_refused() {
        for (xml, says) in [
            ("<View><Text></View>", "not XML"),
            ("<View>", "ends before"),
            ("<Labels name=\"a\" toName=\"&wrong;\"/>", "toName"),
            ("<Labels name=\"a\" name=\"b\"/>", "attribute"),
        ] {
            let error = Interface::parse(xml).unwrap_err();
            assert!(error.contains(says), "{xml}: {error}");
        }
        assert!(Interface::parse(&" ".repeat(LONGEST + 1)).unwrap_err().contains("bytes"));
        assert_eq!(Interface::parse("").unwrap(), Interface::default());
        assert_eq!(Interface::parse("<View></View>").unwrap(), Interface::default());
    }
}
