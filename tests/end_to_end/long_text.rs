//! No text is too long, and its end is read as well as its beginning.

use dateline_tests::planted_text;

use crate::{mentions, number, real, tiny};

/// A model reads 512 tokens; whoever forgets that loses all names after the first page.
#[test]
fn names_of_a_long_document_are_found_in_its_last_tenth_as_in_its_first() {
    let planted = planted_text(40_000);
    let found = real().run(["annotate", "--input", "text", "--offsets", "byte"], planted.text.clone()).ok().lines();
    let found: Vec<_> =
        mentions(&found[0]).iter().map(|mention| number(mention, "start")..number(mention, "end")).collect();
    let share = |names: &[std::ops::Range<usize>]| {
        let hits = names.iter().filter(|name| {
            found.binary_search_by_key(&name.start, |span| span.start).is_ok_and(|at| found[at] == **name)
        });
        100 * hits.count() / names.len()
    };
    let tenth = planted.names.len() / 10;
    let (first, last) = (share(&planted.names[..tenth]), share(&planted.names[planted.names.len() - tenth..]));
    assert!(first >= 90, "{first} % of the names of the first tenth were found");
    assert!(last + 2 >= first, "{last} % of the names of the last tenth were found, {first} % of those of the first");
}

/// Base64, minified scripts and broken exports hold "words" like this one; each must end in an answer, and soon.
#[test]
fn a_word_of_300_000_characters_is_read() {
    let mut text = "Before, in Kyiv. ".to_owned();
    text.push_str(&"aB3+".repeat(75_000));
    text.push_str(" And after, in Odesa.");
    let finished = tiny().run(["annotate", "--input", "text"], text).ok();
    assert_eq!(finished.lines().len(), 1);
}

/// White space without end holds nothing, and must not cost what text costs.
#[test]
fn a_text_of_nothing_but_white_space_has_no_mentions() {
    let finished = tiny().run(["annotate", "--input", "text"], " \n\t\u{a0}\u{3000}".repeat(500_000)).ok();
    assert_eq!(mentions(&finished.lines()[0]).len(), 0);
}
