//! A document in UIMA's XMI, read just far enough to add to it: its text, which ids are taken, where annotations and the
//! index of them stand. All that was there goes back to the letter, because nothing is written that was not added.

use std::fmt::Write as _;

use dateline_text::{Mention, OffsetMap, OffsetUnit, Span};
use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, PrefixDeclaration, ResolveResult};
use quick_xml::{NsReader, XmlVersion};

use super::MOST_LEVELS;
use super::types::{Layer, PREDICTED};

const XMI: Namespace<'_> = Namespace("http://www.omg.org/XMI");
const CAS: Namespace<'_> = Namespace("http:///uima/cas.ecore");
/// The view that UIMA makes by itself; an annotation editor knows no other.
const FIRST_VIEW: &str = "_InitialView";

/// A suggestion: where, what and how sure.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Suggestion {
    pub(super) span: Span,
    pub(super) label: String,
    pub(super) score: f32,
}

/// A document and where it can be added to.
#[derive(Debug)]
pub(super) struct Cas {
    xml: String,
    /// The text of its view.
    pub(super) text: String,
    /// The id of the view's text, as written.
    sofa: String,
    /// The prefix of UIMA's own elements.
    cas_prefix: String,
    /// The prefix of XMI's own attributes.
    xmi_prefix: String,
    /// The prefixes that its root gives to namespaces.
    prefixes: Vec<(String, String)>,
    /// The largest id.
    last_id: u32,
    /// Before the `>` of the root's tag.
    root: usize,
    /// Where elements can be added: before the first index.
    elements: usize,
    index: Index,
}

/// Where the ids of annotations are added to the view's index.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Index {
    /// At the end of the list, which is not empty.
    List(usize),
    /// In a list that is empty.
    Empty(usize),
    /// Behind the name of an index that has no list.
    NoList(usize),
    /// The view has none.
    None,
}

/// What is known of a text or of an index while the document is read.
#[derive(Debug, Default)]
struct Sofa {
    id: String,
    name: String,
    text: Option<String>,
    prefix: String,
}

#[derive(Debug, Default)]
struct Found {
    prefixes: Vec<(String, String)>,
    last_id: u32,
    root: Option<usize>,
    first_index: Option<usize>,
    end: usize,
    sofas: Vec<Sofa>,
    indexes: Vec<(String, Index)>,
}

impl Cas {
    /// Reads a document; the error says what is wrong with it.
    pub(super) fn read(xml: String) -> Result<Self, String> {
        let mut found = Found::read(&xml)?;
        let names = || found.sofas.iter().map(|sofa| format!("{:?}", sofa.name)).collect::<Vec<_>>().join(", ");
        let sofa = match found.sofas.iter().position(|sofa| sofa.name == FIRST_VIEW) {
            Some(first) => first,
            None if found.sofas.len() == 1 => 0,
            None if found.sofas.is_empty() => return Err("it has no text: no cas:Sofa".to_owned()),
            None => return Err(format!("it has the views {}, and none of them is {FIRST_VIEW}", names())),
        };
        let sofa = found.sofas.swap_remove(sofa);
        let text =
            sofa.text.ok_or_else(|| format!("its view {:?} has no sofaString: send the text itself", sofa.name))?;
        let xmi = found.prefixes.iter().find(|(_, namespace)| namespace == XMI.as_ref());
        let index = found.indexes.iter().find(|(of, _)| *of == sofa.id).map_or(Index::None, |&(_, index)| index);
        Ok(Self {
            text,
            cas_prefix: sofa.prefix,
            xmi_prefix: xmi.map(|(prefix, _)| prefix.clone()).ok_or("its root has no prefix for XMI")?,
            sofa: sofa.id,
            prefixes: found.prefixes,
            last_id: found.last_id,
            root: found.root.ok_or("it has no root")?,
            elements: found.first_index.unwrap_or(found.end),
            index,
            xml,
        })
    }

    /// The mentions that reach into `range`, which counts as UIMA does.
    pub(super) fn within(&self, mentions: &[Mention], range: (usize, usize)) -> Vec<Mention> {
        let mut map = OffsetMap::new(&self.text, OffsetUnit::Utf16);
        let reaches = |mention: &&Mention| {
            let (start, end) = map.span_from_bytes(mention.span);
            start < range.1 && end > range.0
        };
        mentions.iter().filter(reaches).cloned().collect()
    }

    /// The document with suggestions on a layer, which must be slices of its text in ascending order.
    pub(super) fn with(&self, suggestions: &[Suggestion], layer: &Layer) -> String {
        if suggestions.is_empty() {
            return self.xml.clone();
        }
        let (prefix, declaration) = self.prefix_of(layer);
        let mut map = OffsetMap::new(&self.text, OffsetUnit::Utf16);
        let (mut elements, mut ids) = (String::new(), String::new());
        let (sofa, xmi) = (escape(self.sofa.as_str()), &self.xmi_prefix);
        for (suggestion, id) in suggestions.iter().zip(u64::from(self.last_id) + 1..) {
            let (begin, end) = map.span_from_bytes(suggestion.span);
            let label = escape(suggestion.label.as_str());
            let Layer { element, feature, .. } = layer;
            let score = layer.score.as_ref().map_or_else(String::new, |name| {
                // Four decimals, as everywhere: more would claim a precision that no calibration has.
                format!(" {name}=\"{}\"", (f64::from(suggestion.score) * 1e4).round() / 1e4)
            });
            write!(
                elements,
                "<{prefix}:{element} {xmi}:id=\"{id}\" sofa=\"{sofa}\" begin=\"{begin}\" end=\"{end}\" \
                 {feature}=\"{label}\"{score} {PREDICTED}=\"true\"/>"
            )
            .expect("a string takes all that is written to it");
            ids.push_str(if ids.is_empty() { "" } else { " " });
            ids.push_str(&id.to_string());
        }
        let (at, index) = match self.index {
            Index::List(at) => (at, format!(" {ids}")),
            Index::Empty(at) => (at, ids),
            Index::NoList(at) => (at, format!(" members=\"{ids}\"")),
            Index::None => (self.elements, format!("<{}:View sofa=\"{sofa}\" members=\"{ids}\"/>", self.cas_prefix)),
        };
        let xml = &self.xml;
        let parts = [&xml[..self.root], &declaration, &xml[self.root..self.elements], &elements];
        [&parts[..], &[&xml[self.elements..at], &index, &xml[at..]]].concat().concat()
    }

    /// The prefix of a layer's elements, and its declaration if the document has none.
    fn prefix_of(&self, layer: &Layer) -> (String, String) {
        if let Some((prefix, _)) = self.prefixes.iter().find(|(_, namespace)| *namespace == layer.namespace) {
            return (prefix.clone(), String::new());
        }
        let taken = |name: &String| {
            name.to_ascii_lowercase().starts_with("xml") || self.prefixes.iter().any(|(prefix, _)| prefix == name)
        };
        let mut names = std::iter::once(layer.prefix.clone()).chain((2..).map(|n: u64| format!("layer{n}")));
        let prefix = names.find(|name| !taken(name)).expect("there is no end of names");
        let declaration = format!(" xmlns:{prefix}=\"{}\"", layer.namespace);
        (prefix, declaration)
    }
}

impl Found {
    fn read(xml: &str) -> Result<Self, String> {
        let (mut reader, mut found) = (NsReader::from_str(xml), Self::default());
        let (mut version, mut levels) = (XmlVersion::Implicit1_0, 0);
        loop {
            let before = position(reader.buffer_position());
            let event = reader
                .read_event()
                .map_err(|error| format!("not well-formed at byte {}: {error}", reader.error_position()))?;
            match &event {
                Event::Decl(declaration) if declaration.version().is_ok_and(|version| version == "1.1") => {
                    version = XmlVersion::Explicit1_1;
                }
                Event::Start(tag) | Event::Empty(tag) => {
                    let after = position(reader.buffer_position());
                    found
                        .element(&Element { xml, reader: &reader, tag, version, before, after }, levels)
                        .map_err(|error| format!("the element at byte {before}: {error}"))?;
                    levels += usize::from(matches!(event, Event::Start(_)));
                    if levels > MOST_LEVELS {
                        return Err(format!("elements in more than {MOST_LEVELS} levels"));
                    }
                }
                Event::End(_) => {
                    levels -= 1;
                    found.end = before;
                }
                Event::Eof if levels > 0 => return Err("it ends before its root does".to_owned()),
                Event::Eof => return Ok(found),
                _ => {}
            }
        }
    }

    fn element(&mut self, element: &Element<'_, '_>, levels: usize) -> Result<(), String> {
        let (namespace, local) = element.reader.resolver().resolve_element(element.tag.name());
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => Some(namespace),
            ResolveResult::Unbound | ResolveResult::Unknown(_) => None,
        };
        let is_root = levels == 0;
        if is_root && (namespace != Some(XMI) || local.as_ref() != "XMI" || self.root.is_some()) {
            return Err("the root is not xmi:XMI: send UIMA's XMI".to_owned());
        }
        if is_root {
            self.root = Some(element.after - 1);
        }
        let is = |name: &str| levels == 1 && namespace == Some(CAS) && local.as_ref() == name;
        let (is_sofa, is_index) = (is("Sofa"), is("View"));
        let (mut sofa, mut of, mut index) = (Sofa::default(), String::new(), Index::NoList(element.behind_name()));
        for attribute in element.tag.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = || attribute.normalized_value(element.version).map_err(|error| error.to_string());
            if let Some(PrefixDeclaration::Named(prefix)) = attribute.key.as_namespace_binding().filter(|_| is_root) {
                self.prefixes.push((prefix.to_owned(), value()?.into_owned()));
            }
            let (of_name, name) = element.reader.resolver().resolve_attribute(attribute.key);
            if of_name == ResolveResult::Bound(XMI) && name.as_ref() == "id" {
                let id = value()?;
                // Ids that are no numbers, or larger ones than UIMA has, are in nobody's way.
                self.last_id = self.last_id.max(id.parse().unwrap_or(0));
                sofa.id = id.into_owned();
                continue;
            }
            match attribute.key.as_ref() {
                "sofaID" if is_sofa => sofa.name = value()?.into_owned(),
                "sofaString" if is_sofa => sofa.text = Some(value()?.into_owned()),
                "sofa" if is_index => of = value()?.into_owned(),
                "members" if is_index => {
                    let end = element.offset(&attribute.value) + attribute.value.len();
                    index = if attribute.value.trim().is_empty() { Index::Empty(end) } else { Index::List(end) };
                }
                _ => {}
            }
        }
        if is_sofa {
            sofa.prefix =
                element.tag.name().prefix().map(|prefix| prefix.as_ref().to_owned()).ok_or("it has no prefix")?;
            self.sofas.push(sofa);
        }
        if is_index {
            self.first_index.get_or_insert(element.before);
            self.indexes.push((of, index));
        }
        Ok(())
    }
}

/// An element's tag and where it is.
struct Element<'r, 'x> {
    xml: &'x str,
    reader: &'r NsReader<&'x [u8]>,
    tag: &'r BytesStart<'x>,
    version: XmlVersion,
    before: usize,
    after: usize,
}

impl Element<'_, '_> {
    fn behind_name(&self) -> usize {
        self.before + 1 + self.tag.name().as_ref().len()
    }

    /// Where `part`, a slice of the document, begins in it.
    fn offset(&self, part: &str) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.xml.as_ptr() as usize)
    }
}

fn position(of: u64) -> usize {
    usize::try_from(of).expect("a document in memory has no more bytes than that")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layer() -> Layer {
        Layer {
            namespace: "http:///my/layers.ecore".to_owned(),
            prefix: "layers".to_owned(),
            element: "Name".to_owned(),
            feature: "value".to_owned(),
            score: Some("value_score".to_owned()),
        }
    }

    /// A document of that text, as UIMA writes it: white space that is no space as references.
    fn xmi(text: &str, members: &str) -> String {
        let text = escape(text).replace('\n', "&#10;").replace('\r', "&#13;").replace('\t', "&#9;");
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xmi:XMI xmlns:xmi=\"http://www.omg.org/XMI\" \
             xmlns:cas=\"http:///uima/cas.ecore\" xmlns:layers='http:///others.ecore' xmi:version=\"2.0\">\n  \
             <cas:NULL xmi:id=\"0\"/>\n  <layers:Thing xmi:id=\"41\" sofa='1' note=\"&lt;cas:View>\">\n    \
             <list>a &amp; b</list><list/>\n  </layers:Thing>\n  <!-- kept -->\n  <cas:Sofa xmi:id=\"1\" sofaNum=\"1\" \
             sofaID=\"_InitialView\" mimeType=\"text\" sofaString=\"{text}\"/>\n  <cas:View sofa=\"1\"{members}/>\n\
             </xmi:XMI>\n"
        )
    }

    /// The elements of the layer: begin, end, value and id.
    fn written(xml: &str) -> Vec<(usize, usize, String, String)> {
        let (mut reader, mut found) = (NsReader::from_str(xml), Vec::new());
        loop {
            match reader.read_resolved_event().unwrap() {
                (ResolveResult::Bound(Namespace("http:///my/layers.ecore")), Event::Empty(tag)) => {
                    assert_eq!(tag.local_name().as_ref(), "Name");
                    let of = |name: &str| {
                        let attribute = tag.try_get_attribute(name).unwrap().unwrap();
                        attribute.normalized_value(XmlVersion::Implicit1_0).unwrap().into_owned()
                    };
                    assert_eq!((of("sofa").as_str(), of(PREDICTED).as_str()), ("1", "true"));
                    assert_eq!(of("value_score"), "0.9877");
                    found.push((of("begin").parse().unwrap(), of("end").parse().unwrap(), of("value"), of("xmi:id")));
                }
                (_, Event::Eof) => return found,
                _ => {}
            }
        }
    }

    fn suggestion(span: (usize, usize), label: &str) -> Suggestion {
        Suggestion { span: Span::new(span.0, span.1), label: label.to_owned(), score: 0.987_654 }
    }

    #[test]
    fn adds_to_every_kind_of_index() {
        for (members, expected) in [
            (" members=\"41\"", "<cas:View sofa=\"1\" members=\"41 42 43\"/>"),
            (" members=''", "<cas:View sofa=\"1\" members='42 43'/>"),
            ("", "<cas:View members=\"42 43\" sofa=\"1\"/>"),
        ] {
            let before = xmi("🚀 Kyiv & Lviv", members);
            let cas = Cas::read(before.clone()).unwrap();
            assert_eq!(cas.text, "🚀 Kyiv & Lviv");
            let after = cas.with(&[suggestion((5, 9), "A&\"B<"), suggestion((12, 16), "PLACE")], &layer());
            let found = [(3, 7, "A&\"B<".to_owned(), "42".to_owned()), (10, 14, "PLACE".to_owned(), "43".to_owned())];
            assert_eq!(written(&after), found);
            // The layer's own prefix is another namespace's here.
            assert!(after.contains(" xmlns:layer2=\"http:///my/layers.ecore\">\n"), "{after}");
            assert!(after.contains(expected), "{after}");
            assert_eq!(Cas::read(after).unwrap().last_id, 43);
            assert_eq!(cas.with(&[], &layer()), before);
        }
    }

    #[test]
    fn a_document_without_an_index_gets_one() {
        let before = xmi("Kyiv", "").replace("  <cas:View sofa=\"1\"/>\n", "");
        let layer = Layer { namespace: "http:///others.ecore".to_owned(), score: None, ..layer() };
        let after = Cas::read(before.clone()).unwrap().with(&[suggestion((0, 4), "PLACE")], &layer);
        let new = "<layers:Name xmi:id=\"42\" sofa=\"1\" begin=\"0\" end=\"4\" value=\"PLACE\" \
                   inception_internal_predicted=\"true\"/><cas:View sofa=\"1\" members=\"42\"/>";
        assert_eq!(after, before.replace("</xmi:XMI>", &format!("{new}</xmi:XMI>")));
    }

    #[test]
    fn takes_the_first_view_or_the_only_one() {
        let other = "<cas:Sofa xmi:id=\"7\" sofaNum=\"2\" sofaID=\"other\" sofaString=\"other\"/>";
        let two = xmi("first", "").replace("<cas:NULL", &format!("{other}<cas:View sofa='7' members='9'/><cas:NULL"));
        let cas = Cas::read(two.clone()).unwrap();
        assert_eq!((cas.text.as_str(), cas.last_id), ("first", 41));
        let after = cas.with(&[suggestion((0, 5), "UNIT")], &layer());
        assert!(after.contains("members='9'") && after.contains("<cas:View members=\"42\" sofa=\"1\""), "{after}");
        let error = Cas::read(two.replace("_InitialView", "one")).unwrap_err();
        assert!(error.contains("\"one\"") && error.contains("\"other\""), "{error}");
        assert_eq!(Cas::read(xmi("only", "").replace("_InitialView", "mySofa")).unwrap().text, "only");
    }

    #[test]
    fn says_what_is_wrong_with_a_document() {
        let right = xmi("Kyiv", "");
        for (xml, says) in [
            (String::new(), "no text"),
            ("<a/>".to_owned(), "xmi:XMI"),
            (right.replace("sofaString", "sofaURI"), "no sofaString"),
            (right.replace("Kyiv", "&kyiv;"), "kyiv"),
            (right.replace("xmi:id=\"1\"", "xmi:id=\"1\" sofaNum=\"1\""), "duplicated"),
            (right.replace("</layers:Thing>", ""), "not well-formed"),
            (right.replace("<list/>", &"<list>".repeat(MOST_LEVELS)), "levels"),
        ] {
            let error = Cas::read(xml).unwrap_err();
            assert!(error.contains(says), "{says}: {error}");
        }
        for cut in (0..right.trim_end().len()).filter(|&cut| right.is_char_boundary(cut)) {
            assert!(Cas::read(right[..cut].to_owned()).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn white_space_is_read_as_xml_says() {
        let xml = xmi("a|b", "").replace('|', "\r\n&#10;\t&#9;&#xD;\n");
        assert_eq!(Cas::read(xml).unwrap().text, "a \n \t\r b");
    }

    #[test]
    fn a_range_counts_as_uima_does() {
        let cas = Cas::read(xmi("🚀 Kyiv, Lviv", "")).unwrap();
        let mention = |start: usize| Mention::new(Span::new(start, start + 4), dateline_text::Label::new("PLACE"), 1.0);
        let found = [mention(5), mention(11)];
        for (range, kept) in
            [((0, 13), 2), ((0, 3), 0), ((0, 4), 1), ((6, 10), 2), ((7, 9), 0), ((9, 9), 0), ((12, 99), 1)]
        {
            let within = cas.within(&found, range);
            assert_eq!(within.len(), kept, "{range:?}");
        }
    }

    proptest! {
        #[test]
        fn every_suggestion_is_its_slice(
            pieces in prop::collection::vec(prop_oneof![
                Just("🚀"), Just("👩‍🚒"), Just("e\u{301}"), Just("שלום"), Just("\r\n"), Just("\t"), Just("&"), Just("<\"'>"),
                Just("Kyiv"), Just(" "),
            ], 0..24),
        ) {
            let text: String = pieces.concat();
            let before = xmi(&text, " members=\"41\"");
            let cas = Cas::read(before.clone()).unwrap();
            prop_assert_eq!(&cas.text, &text);
            let mut end = 0;
            let suggestions: Vec<Suggestion> = pieces.iter().map(|piece| {
                let start = end;
                end += piece.len();
                suggestion((start, end), piece)
            }).collect();
            let after = cas.with(&suggestions, &layer());
            let units: Vec<u16> = text.encode_utf16().collect();
            let found = written(&after);
            prop_assert_eq!(found.len(), pieces.len());
            for ((begin, end, _, _), piece) in found.iter().zip(&pieces) {
                prop_assert_eq!(&String::from_utf16(&units[*begin..*end]).unwrap(), piece);
            }
            let ids: Vec<String> = found.into_iter().map(|(_, _, _, id)| id).collect();
            let expected: Vec<String> = (42..).take(pieces.len()).map(|id| id.to_string()).collect();
            prop_assert_eq!(&ids, &expected);
            let again = Cas::read(after.clone()).unwrap();
            prop_assert_eq!(&again.text, &text);
            // Without what was added it is the document that came.
            let kept = |part: &str| part.split("<layer2:Name").next().unwrap_or_default().to_owned();
            let without: String = after.split_inclusive("/>").map(kept).collect();
            let list = ids.iter().fold("41".to_owned(), |list, id| format!("{list} {id}"));
            let declared = if pieces.is_empty() { "" } else { " xmlns:layer2=\"http:///my/layers.ecore\"" };
            prop_assert_eq!(without.replace(declared, "").replace(&format!("members=\"{list}\""), "members=\"41\""), before);
        }
    }
}
