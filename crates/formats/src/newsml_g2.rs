//! IPTC's NewsML-G2, version 2.35: a news message with a news item for each document. [`item`] makes one news item alone.
//!
//! The text is XHTML inside `inlineXML`: a `p` for each paragraph, that is, between blank lines, which stay beside the
//! paragraphs; the characters of `body` are the text, all of it and nothing else. A mention is a `span` with an `id`, its
//! label as `title` and the classes `mention` and, say, `score-0.98`, which XHTML 1.0 allows, too. What it means is told in the standard's way: an `inlineRef` for each
//! entity refers to its spans, and a `subject` has the same entity among what the story is about. Both have the kind
//! (`cpnat:person`, `cpnat:geoArea` for places, `cpnat:organisation` for units, `cpnat:object` for weapons, `cpnat:abstract`
//! for other labels), the name as `literal` and as `name`, `confidence` and, where it is known, `relevance` in percent
//! (0 to 100), and that a tool found it in the text (`how="howextr:tool" why="why:direct"`).
//!
//! Of the fields beside the text come along: `headline` (or `title`), `byline` (or `author`), `language`, and the date as
//! `contentCreated`. The standard requires the time of the item's version: that is the date, if it is a time with its zone,
//! else [`Options::created`]; a document with neither is refused. `guid` is the document's id if that is a URI, else made of it;
//! the id itself is then the `altId`.
//!
//! **Refused:** text, labels, names and fields with characters that XML 1.0 cannot hold (NUL and other control characters, U+FFFE,
//! U+FFFF), and labels with line breaks or tabs. Replacing them would move every offset behind them, and nobody could tell.
//!
//! **Lost:** other fields; relevance and the entities' scores beyond whole percents; which of several mentions with the words of
//! the name gave it.
//!
//! Read: the same, and items of others with XHTML; these have mentions where their spans have that class and a title, and
//! paragraphs without anything between them come a blank line apart.

mod read;

use std::io;

use dateline_text::{Mention, Span};
use quick_xml::Writer as Xml;
use quick_xml::escape::minimal_escape;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::newsroom::{self, Kind, Named, Story};
use crate::{Annotated, FormatError, Options};

pub use read::Reader;

/// The format's name.
pub const NAME: &str = "newsml-g2";

const G2: &str = "http://iptc.org/std/nar/2006-10-01/";
/// The class of a mention's span.
const MENTION: &str = "mention";
/// What the class with its score begins with.
const SCORE: &str = "score-";
const XHTML: &str = "http://www.w3.org/1999/xhtml";
/// Says what the prefixes of codes stand for.
const CATALOG: &str = "http://www.iptc.org/std/catalog/catalog.IPTC-G2-Standards_41.xml";

/// Writes one news message.
pub struct Writer<W> {
    sink: W,
    created: Option<String>,
    model: Option<String>,
    items: usize,
}

impl<W: io::Write> Writer<W> {
    /// A message onto `sink`; `options` say when it is made, and which model found the mentions.
    #[must_use]
    pub fn new(sink: W, options: &Options) -> Self {
        Self { sink, created: options.created.clone(), model: options.model.clone(), items: 0 }
    }
}

impl<W: io::Write> crate::Write for Writer<W> {
    fn document(&mut self, annotated: &Annotated) -> Result<(), FormatError> {
        let mut item = Item::new(annotated, self.created.as_deref(), self.model.as_deref(), self.items + 1)?;
        if self.items == 0 {
            // Somebody who sends a message knows when. Without that, its first story's version is as near as we get.
            let sent = self.created.as_deref().and_then(newsroom::time).unwrap_or_else(|| item.version.clone());
            let mut xml = Xml::new(&mut self.sink);
            xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
            write!(
                self.sink,
                "\n<newsMessage xmlns=\"{G2}\">\n<header>\n<sent>{sent}</sent>\n<catalogRef href=\"{CATALOG}\"/>\n</header>\n<itemSet>\n"
            )?;
        }
        self.items += 1;
        let mut bytes = item.xml()?;
        bytes.push(b'\n');
        Ok(self.sink.write_all(&bytes)?)
    }

    /// Ends the message. A message of no items has no time and is none: then nothing is written.
    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        if self.items > 0 {
            self.sink.write_all(b"</itemSet>\n</newsMessage>\n")?;
        }
        Ok(self.sink.flush()?)
    }
}

/// One document as a news item, a whole XML document without declaration.
///
/// # Errors
/// [`FormatError::Unwritable`] as told at the head of the module.
pub fn item(annotated: &Annotated, options: &Options) -> Result<String, FormatError> {
    let xml = Item::new(annotated, options.created.as_deref(), options.model.as_deref(), 1)?.xml()?;
    Ok(String::from_utf8(xml).expect("made of strings"))
}

/// A document on its way to XML.
struct Item<'a> {
    annotated: &'a Annotated,
    story: Story<'a>,
    /// The time of this version of the item.
    version: String,
    model: Option<&'a str>,
    entities: Vec<Named>,
    /// Its number in the message, from 1 on: ids are distinct within a whole XML document.
    number: usize,
}

impl<'a> Item<'a> {
    fn new(
        annotated: &'a Annotated,
        created: Option<&str>,
        model: Option<&'a str>,
        number: usize,
    ) -> Result<Self, FormatError> {
        let story = Story::of(&annotated.extra);
        let document = &annotated.document;
        held("text", &document.text)?;
        for (what, value) in
            [("id", document.id.as_deref()), ("headline", story.headline), ("byline", story.byline), ("model", model)]
        {
            held(what, value.unwrap_or_default())?;
        }
        for mention in &annotated.mentions {
            held("label", mention.label.as_str())?;
            if mention.label.as_str().contains(['\n', '\r', '\t']) {
                return Err(unwritable(format!("a label has a line break or a tab: {:?}", mention.label.as_str())));
            }
        }
        let version = story.time.clone().or_else(|| created.and_then(newsroom::time)).ok_or_else(|| {
            unwritable(
                "it has no date that is a time with its zone (2024-05-02T10:00:00Z), and no time was given for it"
                    .to_owned(),
            )
        })?;
        Ok(Self { entities: newsroom::entities(annotated), annotated, story, version, model, number })
    }

    fn xml(&mut self) -> Result<Vec<u8>, FormatError> {
        let mut xml = Xml::new(Vec::new());
        let guid = newsroom::uri(&self.annotated.document);
        let mut item = vec![
            ("xmlns", G2),
            ("guid", &guid),
            ("version", "1"),
            ("standard", "NewsML-G2"),
            ("standardversion", "2.35"),
            ("conformance", "power"),
        ];
        item.extend(self.story.language.map(|language| ("xml:lang", language)));
        xml.create_element("newsItem").with_attributes(item).write_inner_content(|xml| {
            xml.create_element("catalogRef").with_attribute(("href", CATALOG)).write_empty()?;
            self.item_meta(xml)?;
            self.content_meta(xml, &guid)?;
            for (index, entity) in self.entities.iter().enumerate() {
                self.entity(xml, "inlineRef", index, entity)?;
            }
            let content = xml.create_element("contentSet");
            content.write_inner_content(|xml| {
                let inline = xml.create_element("inlineXML").with_attribute(("contenttype", "application/xhtml+xml"));
                inline.write_inner_content(|xml| self.html(xml))?;
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(xml.into_inner())
    }

    fn item_meta(&self, xml: &mut Xml<Vec<u8>>) -> io::Result<()> {
        xml.create_element("itemMeta").write_inner_content(|xml| {
            xml.create_element("itemClass").with_attribute(("qcode", "ninat:text")).write_empty()?;
            xml.create_element("provider").with_attribute(("literal", "Dateline")).write_empty()?;
            text_element(xml, "versionCreated", &self.version)?;
            if let Some(model) = self.model {
                text_element(xml, "generator", &format!("Dateline, {}", newsroom::one_line(model)))?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn content_meta(&self, xml: &mut Xml<Vec<u8>>, guid: &str) -> io::Result<()> {
        xml.create_element("contentMeta").write_inner_content(|xml| {
            if let Some(date) = self.story.date {
                text_element(xml, "contentCreated", self.story.time.as_deref().unwrap_or(date))?;
            }
            if let Some(id) = self.annotated.document.id.as_deref().filter(|id| *id != guid) {
                text_element(xml, "altId", id)?;
            }
            if let Some(language) = self.story.language {
                xml.create_element("language").with_attribute(("tag", language)).write_empty()?;
            }
            if let Some(headline) = self.story.headline {
                text_element(xml, "headline", headline)?;
            }
            if let Some(byline) = self.story.byline {
                text_element(xml, "by", byline)?;
            }
            for (index, entity) in self.entities.iter().enumerate() {
                self.entity(xml, "subject", index, entity)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// An entity, as a `subject` or as an `inlineRef` to its mentions.
    fn entity(&self, xml: &mut Xml<Vec<u8>>, element: &str, index: usize, entity: &Named) -> io::Result<()> {
        let Named { name, mentions, score, relevance, .. } = entity;
        let ids: Vec<String> = mentions.iter().map(|mention| self.mention_id(*mention)).collect();
        let ids = ids.join(" ");
        let confidence = newsroom::percent(*score).to_string();
        let relevance = relevance.map(|relevance| newsroom::percent(relevance).to_string());
        let kind = match entity.kind() {
            Kind::Person => "cpnat:person",
            Kind::Place => "cpnat:geoArea",
            Kind::Organisation => "cpnat:organisation",
            Kind::Object => "cpnat:object",
            Kind::Other => "cpnat:abstract",
        };
        let id = format!("i{}e{}", self.number, index + 1);
        let mut attributes =
            if element == "subject" { vec![("id", id.as_str())] } else { vec![("idrefs", ids.as_str())] };
        attributes.extend([("type", kind), ("literal", name), ("how", "howextr:tool"), ("why", "why:direct")]);
        attributes.push(("confidence", &confidence));
        attributes.extend(relevance.as_deref().map(|relevance| ("relevance", relevance)));
        let element = xml.create_element(element).with_attributes(attributes);
        element.write_inner_content(|xml| text_element(xml, "name", name))?;
        Ok(())
    }

    fn mention_id(&self, index: usize) -> String {
        format!("i{}m{}", self.number, index + 1)
    }

    fn html(&self, xml: &mut Xml<Vec<u8>>) -> io::Result<()> {
        xml.create_element("html").with_attribute(("xmlns", XHTML)).write_inner_content(|xml| {
            xml.create_element("head")
                .write_inner_content(|xml| text_element(xml, "title", self.story.headline.unwrap_or_default()))?;
            xml.create_element("body").write_inner_content(|xml| self.body(xml))?;
            Ok(())
        })?;
        Ok(())
    }

    fn body(&self, xml: &mut Xml<Vec<u8>>) -> io::Result<()> {
        let Annotated { document, mentions, .. } = self.annotated;
        let text = document.text.as_str();
        let mut next = 0;
        for block in blocks(text, mentions) {
            match block {
                Block::Between(span) => xml.write_event(escaped(&text[span.start()..span.end()]))?,
                Block::Paragraph(span) => {
                    xml.create_element("p").write_inner_content(|xml| {
                        let mut at = span.start();
                        while let Some(mention) = mentions.get(next).filter(|it| it.span.end() <= span.end()) {
                            xml.write_event(escaped(&text[at..mention.span.start()]))?;
                            self.mention(xml, next, mention)?;
                            (at, next) = (mention.span.end(), next + 1);
                        }
                        xml.write_event(escaped(&text[at..span.end()]))
                    })?;
                }
            }
        }
        Ok(())
    }

    fn mention(&self, xml: &mut Xml<Vec<u8>>, index: usize, mention: &Mention) -> io::Result<()> {
        let id = self.mention_id(index);
        let class = format!("{MENTION} {SCORE}{}", mention.score);
        let attributes = [("id", id.as_str()), ("class", &class), ("title", mention.label.as_str())];
        let words = mention.slice(&self.annotated.document.text);
        let span = xml.create_element("span").with_attributes(attributes);
        span.write_inner_content(|xml| xml.write_event(escaped(words)))?;
        Ok(())
    }
}

fn text_element(xml: &mut Xml<Vec<u8>>, name: &str, text: &str) -> io::Result<()> {
    xml.create_element(name).write_inner_content(|xml| xml.write_event(escaped(text)))?;
    Ok(())
}

/// Text with what XML would take for its own. A bare carriage return would come back as a line feed.
fn escaped(text: &str) -> Event<'_> {
    Event::Text(BytesText::from_escaped(minimal_escape(text).replace('>', "&gt;").replace('\r', "&#13;")))
}

enum Block {
    /// Blank lines between paragraphs.
    Between(Span),
    /// A paragraph with all of its mentions.
    Paragraph(Span),
}

/// The text in paragraphs and what is between them, in order and without gaps. A mention is never cut.
fn blocks(text: &str, mentions: &[Mention]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut paragraph = 0;
    let mut at = 0;
    let mut next = 0;
    while at < text.len() {
        let white = text[at..].bytes().take_while(|byte| b" \t\r\n".contains(byte)).count();
        let run = Span::new(at, at + white);
        while mentions.get(next).is_some_and(|mention| mention.span.end() <= run.start()) {
            next += 1;
        }
        let blank = text[at..at + white].bytes().filter(|byte| *byte == b'\n').count() > 1;
        if blank && mentions.get(next).is_none_or(|mention| !mention.span.overlaps(run)) {
            if paragraph < at {
                blocks.push(Block::Paragraph(Span::new(paragraph, at)));
            }
            blocks.push(Block::Between(run));
            paragraph = run.end();
        }
        at += white;
        at += text[at..].bytes().take_while(|byte| !b" \t\r\n".contains(byte)).count();
    }
    if paragraph < text.len() {
        blocks.push(Block::Paragraph(Span::new(paragraph, text.len())));
    }
    blocks
}

/// Refuses what XML 1.0 cannot hold (section 2.2, production 2).
fn held(what: &str, value: &str) -> Result<(), FormatError> {
    let forbidden = |character: &char| match character {
        '\t' | '\n' | '\r' => false,
        character => *character < ' ' || matches!(*character, '\u{fffe}' | '\u{ffff}'),
    };
    match value.char_indices().find(|(_, character)| forbidden(character)) {
        None => Ok(()),
        Some((at, character)) => Err(unwritable(format!(
            "its {what} has the character U+{:04X} at byte {at}, which XML cannot hold; take it out before annotating",
            u32::from(character)
        ))),
    }
}

fn unwritable(why: String) -> FormatError {
    FormatError::Unwritable { format: NAME, why }
}
