//! A mention's surface as words that compare: folded, but with what the fold loses (capitals, hyphens, quotes) kept
//! beside them.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// How a word is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Begins with a small letter or a digit.
    Plain,
    /// Begins with a capital, or with a letter of a script that has none.
    Capital,
    /// Two or more capitals and no small letter but a plural's last `s`: `RSF`, `U.S.`, `IEDs`.
    Capitals,
}

/// One word of a surface.
#[derive(Clone, Debug)]
pub(super) struct Word {
    /// Its letters and digits: compatibility forms resolved, no case, no marks, no apostrophes.
    pub(super) text: String,
    /// Whether a hyphen and not white space stands before it.
    pub(super) joined: bool,
    /// Whether a quotation mark stands before it: a nickname.
    pub(super) quoted: bool,
    /// How it is written.
    pub(super) shape: Shape,
    /// Whether it ends with a small `s`, which after capitals is a plural's: `IEDs`, not `HIMARS`.
    pub(super) plural: bool,
    /// Whether it ended with `.`: `V.`, `Gen.`, `U.S.`
    pub(super) dotted: bool,
}

/// The words of `surface`, in order.
pub(super) fn words(surface: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word = Draft::default();
    let mut chars = surface.chars().peekable();
    let mut before = None;
    while let Some(c) = chars.next() {
        if is_invisible(c) {
            continue;
        }
        let next = chars.peek().copied();
        if !is_apostrophe(c) && (c.is_alphanumeric() || is_combining_mark(c)) {
            word.letters.push(c);
        } else if is_apostrophe(c) && before.is_some_and(char::is_alphanumeric) {
            // Inside or after a word: a letter of a romanisation, a soft sign, or a possessive.
            word.apostrophe = Some(word.letters.chars().count());
        } else if is_apostrophe(c) && next.is_some_and(char::is_alphanumeric) && c != '‘' && c != '\'' {
            // Before a word: an ayn. (The two that also open quotations are read as that.)
        } else if c == '.' && word.initials(next) {
            word.dotted = true;
        } else {
            let decimal =
                c == '.' && before.is_some_and(|c| c.is_ascii_digit()) && next.is_some_and(|c| c.is_ascii_digit());
            if decimal {
                word.letters.push('.');
            } else {
                word.dotted |= c == '.';
                let quoted = is_quote(c);
                words.extend(word.finish());
                word.joined = is_dash(c) && before.is_some_and(char::is_alphanumeric);
                word.quoted = quoted;
            }
        }
        before = Some(c);
    }
    words.extend(word.finish());
    words
}

/// A word as it is read.
#[derive(Default)]
struct Draft {
    letters: String,
    /// How many characters stood before the last apostrophe.
    apostrophe: Option<usize>,
    joined: bool,
    quoted: bool,
    dotted: bool,
}

impl Draft {
    /// Whether a full stop here belongs to initials such as `U.S.`: single letters with stops between them.
    fn initials(&self, next: Option<char>) -> bool {
        let letters = self.letters.chars().count();
        let single = letters == 1 || self.dotted && letters <= 5;
        single && next.is_some_and(char::is_alphabetic) && self.letters.chars().all(char::is_uppercase)
    }

    /// The word, if there is one; the draft is empty afterwards.
    fn finish(&mut self) -> Option<Word> {
        let mut draft = std::mem::take(self);
        if draft.letters.is_empty() {
            return None;
        }
        let count = draft.letters.chars().count();
        if draft.apostrophe.is_some_and(|at| at + 1 == count) && draft.letters.ends_with(['s', 'S']) && count > 2 {
            draft.letters.pop();
        }
        let shape = shape(&draft.letters);
        let plural = draft.letters.ends_with('s');
        let text = fold(&draft.letters);
        (!text.is_empty()).then_some(Word {
            text,
            joined: draft.joined,
            quoted: draft.quoted,
            shape,
            plural,
            dotted: draft.dotted,
        })
    }
}

/// Letters and digits without case, marks and compatibility forms. Letters that no decomposition takes apart are
/// written as newspapers write them.
fn fold(letters: &str) -> String {
    let mut folded = String::with_capacity(letters.len());
    for c in letters.nfkd().filter(|&c| !is_combining_mark(c)).flat_map(char::to_lowercase) {
        match c {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'þ' => folded.push_str("th"),
            'ł' => folded.push('l'),
            'ø' => folded.push('o'),
            'đ' | 'ð' => folded.push('d'),
            'ħ' => folded.push('h'),
            'ı' => folded.push('i'),
            'ə' => folded.push('a'),
            'ς' => folded.push('σ'),
            // A capital's lower-case form may bring a mark: `İ`.
            c if is_combining_mark(c) => {}
            c => folded.push(c),
        }
    }
    folded
}

fn shape(letters: &str) -> Shape {
    let capitals = letters.chars().filter(|c| c.is_uppercase()).count();
    let singular = letters.strip_suffix('s').unwrap_or(letters);
    if capitals >= 2 && !singular.chars().any(char::is_lowercase) {
        Shape::Capitals
    } else if letters.starts_with(|c: char| c.is_alphabetic() && !c.is_lowercase()) {
        Shape::Capital
    } else {
        Shape::Plain
    }
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’' | '‘' | '‛' | '`' | '´' | '′' | '＇' | 'ʹ' | 'ʻ' | 'ʼ' | 'ʽ' | 'ʾ' | 'ʿ' | 'ˈ' | '՚' | '׳')
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„' | '‟' | '«' | '»' | '‹' | '›' | '‘' | '\'' | '＂')
}

/// Dashes of every length, minus signs and the Hebrew maqaf.
fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' | '\u{5be}')
}

/// Characters that show nothing or only space letters out: joiners, soft hyphens, marks of direction, the tatweel.
fn is_invisible(c: char) -> bool {
    let direction =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    direction || matches!(c, '\u{ad}' | '\u{640}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(surface: &str) -> String {
        words(surface).into_iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn folds_what_writers_vary() {
        for (surface, folded) in [
            ("Goïta", "goita"),
            ("ŁÓDŹ", "lodz"),
            ("Kostiantynivk’a", "kostiantynivka"),
            ("Sanaʼa", "sanaa"),
            ("Ukraine’s", "ukraine"),
            ("People's Army", "people army"),
            ("ʿAyn", "ayn"),
            ("U.S.", "us"),
            ("U.S.A.", "usa"),
            ("J.D. Vance", "jd vance"),
            ("V. Zelensky", "v zelensky"),
            ("al‑Assad", "al assad"),
            ("Shahed–136", "shahed 136"),
            ("ＲＳＦ", "rsf"),
            ("İzmir", "izmir"),
            ("Straße", "strasse"),
            ("Київ", "киів"),
            ("الفَاشِر", "الفاشر"),
            ("7.62mm", "7.62mm"),
            ("Zelen\u{200b}sky", "zelensky"),
            ("Zelen\u{ad}sky", "zelensky"),
            ("دمـشق", "دمشق"),
            ("\u{202b}دمشق\u{202c}", "دمشق"),
            ("🚀", ""),
        ] {
            assert_eq!(texts(surface), folded, "{surface}");
        }
    }

    #[test]
    fn keeps_what_the_fold_loses() {
        let fox = words("Andriy “Fox” Hnatiuk-Koval");
        assert_eq!(
            fox.iter().map(|word| (word.quoted, word.joined)).collect::<Vec<_>>(),
            [(false, false), (true, false), (false, false), (false, true)]
        );
        let shapes = |surface| words(surface).iter().map(|word| word.shape).collect::<Vec<_>>();
        assert_eq!(
            shapes("IEDs FAMa Azov drones U.S."),
            [Shape::Capitals, Shape::Capital, Shape::Capital, Shape::Plain, Shape::Capitals]
        );
        assert!(words("V. Zelensky")[0].dotted);
    }
}
