//! A layer as UIMA's type system describes it: which of its features a suggestion can be written into.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::MOST_LEVELS;
use crate::problem::{Code, Problem};

/// What every layer of spans descends from.
const ANNOTATION: &str = "uima.tcas.Annotation";
/// What a feature that takes a label descends from.
const STRING: &str = "uima.cas.String";
/// The feature by which INCEpTION tells suggestions from annotations.
pub(super) const PREDICTED: &str = "inception_internal_predicted";

/// The layer that suggestions are written to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layer {
    /// The namespace of its elements in XMI.
    pub(super) namespace: String,
    /// The prefix that UIMA would give the namespace.
    pub(super) prefix: String,
    /// The name of its elements.
    pub(super) element: String,
    /// The feature that takes the label.
    pub(super) feature: String,
    /// The feature that takes the score, if the layer has it.
    pub(super) score: Option<String>,
}

#[derive(Debug, Default)]
struct Type {
    supertype: String,
    /// Ranges by names.
    features: BTreeMap<String, String>,
}

impl Layer {
    /// The layer of that name in the type system `xml`, to be filled by its feature of that name.
    pub(super) fn find(xml: &str, name: &str, feature: &str) -> Result<Self, Problem> {
        for (field, name) in [("metadata.layer", name), ("metadata.feature", feature)] {
            if !is_name(name) {
                return Err(invalid(field, format!("{name:?} is no name of UIMA's")));
            }
        }
        let types =
            read(xml).map_err(|detail| invalid("typeSystem", format!("not a readable type system: {detail}")))?;
        let chain = chain(&types, name);
        let Some(&last) = chain.last().filter(|_| types.contains_key(name)) else {
            return Err(invalid("metadata.layer", format!("the type system has no type {name:?}")));
        };
        if last != ANNOTATION {
            let detail = format!("{name:?} is no layer of spans: it descends from {last:?} and not from {ANNOTATION}");
            return Err(invalid("metadata.layer", detail));
        }
        let range = |feature: &str| chain.iter().find_map(|name| types.get(*name)?.features.get(feature));
        let Some(of_label) = range(feature) else {
            return Err(invalid("metadata.feature", format!("the layer {name:?} has no feature {feature:?}")));
        };
        if self::chain(&types, of_label).last() != Some(&STRING) {
            let detail = format!("{feature:?} takes {of_label}, and a label is a string ({STRING})");
            return Err(invalid("metadata.feature", detail));
        }
        if range(PREDICTED).is_none() {
            let detail = format!(
                "the layer {name:?} has no feature {PREDICTED:?}, without which nobody could tell suggestions from \
                 annotations; INCEpTION adds it"
            );
            return Err(invalid("typeSystem", detail));
        }
        let (package, element) = name.rsplit_once('.').unwrap_or(("uima.noNamespace", name));
        let score = format!("{feature}_score");
        Ok(Self {
            namespace: format!("http:///{}.ecore", package.replace('.', "/")),
            prefix: package.rsplit('.').next().unwrap_or(package).to_owned(),
            element: element.to_owned(),
            feature: feature.to_owned(),
            score: range(&score).is_some().then_some(score),
        })
    }
}

/// A type and those it descends from, up to the first that the type system does not describe.
fn chain<'t>(types: &'t BTreeMap<String, Type>, name: &'t str) -> Vec<&'t str> {
    let mut chain = vec![name];
    while let Some(found) = chain.last().and_then(|last| types.get(*last)).filter(|_| chain.len() <= types.len()) {
        chain.push(&found.supertype);
    }
    chain
}

/// Whether it can stand in XML as a name: what UIMA allows can.
fn is_name(name: &str) -> bool {
    name.split('.').all(|part| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    })
}

/// The types of the type system.
fn read(xml: &str) -> Result<BTreeMap<String, Type>, String> {
    let (mut reader, mut types, mut path) = (Reader::from_str(xml), BTreeMap::new(), Vec::new());
    let (mut name, mut current, mut feature) = (String::new(), Type::default(), (String::new(), String::new()));
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(tag) => {
                if path.len() == MOST_LEVELS {
                    return Err(format!("elements in more than {MOST_LEVELS} levels"));
                }
                path.push(tag.local_name().as_ref().to_owned());
            }
            Event::Text(text) => {
                let place = match path.as_slice() {
                    [.., parent, field] => (parent.as_str(), field.as_str()),
                    _ => continue,
                };
                let value = match place {
                    ("typeDescription", "name") => &mut name,
                    ("typeDescription", "supertypeName") => &mut current.supertype,
                    ("featureDescription", "name") => &mut feature.0,
                    ("featureDescription", "rangeTypeName") => &mut feature.1,
                    _ => continue,
                };
                value.push_str(text.trim());
            }
            Event::End(_) => match path.pop().as_deref() {
                Some("featureDescription") => {
                    let (name, range) = std::mem::take(&mut feature);
                    current.features.insert(name, range);
                }
                Some("typeDescription") => {
                    types.insert(std::mem::take(&mut name), std::mem::take(&mut current));
                }
                _ => {}
            },
            Event::Eof if path.is_empty() => return Ok(types),
            Event::Eof => return Err(format!("it ends within <{}>", path.join("><"))),
            _ => {}
        }
    }
}

fn invalid(field: &str, detail: String) -> Problem {
    Problem::of_field(Code::InvalidField, field, format!("`{field}`: {detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A type system with a layer as INCEpTION sends it, and some that are none.
    fn types() -> String {
        let feature = |name: &str, range: &str| {
            format!(
                "<featureDescription><name>{name}</name><description/><rangeTypeName>{range}</rangeTypeName></featureDescription>"
            )
        };
        let kind = |name: &str, parent: &str, features: &[String]| {
            format!(
                "<typeDescription><name>{name}</name><description>a &amp; b</description>\n\
                 <supertypeName> {parent} </supertypeName><features>{}</features></typeDescription>",
                features.concat()
            )
        };
        let layer = [
            feature("value", "my.Tag"),
            feature("value_score", "uima.cas.Double"),
            feature("number", "uima.cas.Integer"),
            feature("note", "uima.cas.String"),
            feature(PREDICTED, "uima.cas.Boolean"),
        ];
        [
            "<?xml version=\"1.0\"?><typeSystemDescription xmlns=\"http://uima.apache.org/resourceSpecifier\"><types>",
            &kind("my.Tag", "uima.cas.String", &[]),
            &kind("my.layers.Name", "uima.tcas.Annotation", &layer),
            &kind("my.layers.Special", "my.layers.Name", &[]),
            &kind("Bare", "my.layers.Name", &[]),
            &kind("my.Plain", "uima.tcas.Annotation", &[feature("value", "uima.cas.String")]),
            &kind("my.Relation", "uima.cas.TOP", &[]),
            &kind("my.Ring", "my.Ring", &[]),
            "</types></typeSystemDescription>",
        ]
        .concat()
    }

    #[test]
    fn a_layer_has_the_features_of_its_parents() {
        let layer = Layer {
            namespace: "http:///my/layers.ecore".to_owned(),
            prefix: "layers".to_owned(),
            element: "Name".to_owned(),
            feature: "value".to_owned(),
            score: Some("value_score".to_owned()),
        };
        assert_eq!(Layer::find(&types(), "my.layers.Name", "value").unwrap(), layer);
        let special = Layer { element: "Special".to_owned(), ..layer };
        assert_eq!(Layer::find(&types(), "my.layers.Special", "value").unwrap(), special);
        let bare = Layer::find(&types(), "Bare", "note").unwrap();
        assert_eq!((bare.namespace.as_str(), bare.prefix.as_str()), ("http:///uima/noNamespace.ecore", "noNamespace"));
        assert_eq!((bare.element.as_str(), bare.score), ("Bare", None));
    }

    #[test]
    fn says_what_a_layer_lacks() {
        for (layer, feature, field, says) in [
            ("my.Other", "value", "metadata.layer", "no type \"my.Other\""),
            ("uima.tcas.Annotation", "value", "metadata.layer", "no type"),
            ("my.Relation", "value", "metadata.layer", "uima.cas.TOP"),
            ("my.Ring", "value", "metadata.layer", "my.Ring"),
            ("my.layers.Name", "other", "metadata.feature", "no feature \"other\""),
            ("my.layers.Name", "number", "metadata.feature", "uima.cas.Integer"),
            ("my.Plain", "value", "typeSystem", PREDICTED),
            ("my.layers.Name", "a=\"b", "metadata.feature", "no name"),
            ("my..Name", "value", "metadata.layer", "no name"),
        ] {
            let problem = Layer::find(&types(), layer, feature).unwrap_err();
            assert_eq!(problem.field.as_deref(), Some(field), "{layer} {feature}");
            assert!(problem.detail.contains(says), "{layer} {feature}: {}", problem.detail);
        }
        let types = types();
        for cut in (0..types.len()).filter(|&cut| types.is_char_boundary(cut)) {
            assert!(Layer::find(&types[..cut], "my.layers.Name", "value").is_err(), "cut at {cut}");
        }
        let deep = "<a>".repeat(MOST_LEVELS + 1);
        assert!(Layer::find(&deep, "my.layers.Name", "value").unwrap_err().detail.contains("levels"));
    }
}
