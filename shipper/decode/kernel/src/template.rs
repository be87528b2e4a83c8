//! Event templates: text with gaps, and the values that fill the gaps.

use crate::stamp::{Stamp, put_epoch, put_number};
use crate::who::Who;

const MILLISECOND: i64 = 1_000_000; // nanoseconds

/// What fills a gap. Python names each by a letter (see `_kernel.pyi`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    Stamp,
    Epoch,
    Milliseconds,
    StartMilliseconds,
    DurationMilliseconds,
    Id,
    Original,
    RequestLine,
    VerdictLine,
    Head,
    Message,
    Shared,
    User,
    Name,
    Rest,
    Offset,
    Request,
    Start,
    Duration,
    Nothing,
}

impl Gap {
    fn of(letter: char) -> Option<Self> {
        Some(match letter {
            't' => Self::Stamp,
            'e' => Self::Epoch,
            'k' => Self::Milliseconds,
            'K' => Self::StartMilliseconds,
            'D' => Self::DurationMilliseconds,
            'i' => Self::Id,
            'l' => Self::Original,
            'q' => Self::RequestLine,
            'v' => Self::VerdictLine,
            'h' => Self::Head,
            'm' => Self::Message,
            'u' => Self::Shared,
            'U' => Self::User,
            'n' => Self::Name,
            'x' => Self::Rest,
            'o' => Self::Offset,
            'r' => Self::Request,
            's' => Self::Start,
            'd' => Self::Duration,
            '-' => Self::Nothing,
            _ => return None,
        })
    }
}

/// The original lines of a merged event, except that of the status.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lines<'a> {
    pub request: &'a [u8],
    /// Position in the request line of the backslash that JSON doubles, if there is one.
    pub backslash: Option<usize>,
    pub verdict: &'a [u8],
}

/// The values for the gaps of one event.
pub struct Values<'a> {
    pub stamp: &'a Stamp,
    pub time: i64,
    /// `event.id` up to the offset.
    pub prefix: &'a [u8],
    pub offset: &'a [u8],
    pub line: &'a [u8],
    /// Position of the message in the line.
    pub message: usize,
    /// Position in the line of the backslash that JSON doubles, if there is one.
    pub backslash: Option<usize>,
    /// User and process as JSON.
    pub shared: &'a [u8],
    /// `event.id` of the request.
    pub request: &'a [u8],
    pub start: &'a [u8],
    /// The time of the request.
    pub began: i64,
    pub lines: Lines<'a>,
}

/// An event with gaps.
#[derive(Debug)]
pub struct Template {
    text: Vec<u8>,
    gaps: Vec<(usize, Gap)>,
    splits: bool, // has a gap for a part of `shared`
    has_user: bool,
}

impl Template {
    /// Makes a template; None unless `letters` has a valid letter for each gap between two pieces.
    pub fn new(pieces: &[Vec<u8>], letters: &str) -> Option<Self> {
        let gaps: Vec<Gap> = letters.chars().map(Gap::of).collect::<Option<_>>()?;
        if gaps.len() + 1 != pieces.len() {
            return None;
        }
        let has_user = gaps.iter().any(|gap| matches!(gap, Gap::User | Gap::Name));
        let splits = has_user || gaps.contains(&Gap::Rest);
        let mut end = 0;
        let ends = pieces.iter().map(|piece| {
            end += piece.len();
            end
        });
        let gaps = ends.zip(gaps).collect();
        Some(Self { text: pieces.concat(), gaps, splits, has_user })
    }

    /// False if the template needs a user and `shared` has none that `Who` can read.
    pub fn suits(&self, shared: &[u8]) -> bool {
        !self.has_user || Who::read(shared).is_some()
    }

    /// Appends the event with these values to `out`.
    pub fn put(&self, out: &mut Vec<u8>, values: &Values<'_>) {
        let who = if self.splits { Who::read(values.shared) } else { None };
        let mut at = 0;
        for &(end, gap) in &self.gaps {
            out.extend_from_slice(&self.text[at..end]);
            at = end;
            match gap {
                Gap::Stamp => out.extend_from_slice(values.stamp),
                Gap::Epoch => put_epoch(out, values.time),
                Gap::Milliseconds => put_number(out, values.time.div_euclid(MILLISECOND)),
                Gap::StartMilliseconds => put_number(out, values.began.div_euclid(MILLISECOND)),
                Gap::DurationMilliseconds => put_number(out, (values.time - values.began).div_euclid(MILLISECOND)),
                Gap::Id => {
                    out.extend_from_slice(values.prefix);
                    out.extend_from_slice(values.offset);
                }
                Gap::Original => put_escaped(out, values.line, values.backslash, 0),
                Gap::RequestLine => put_escaped(out, values.lines.request, values.lines.backslash, 0),
                Gap::VerdictLine => out.extend_from_slice(values.lines.verdict),
                Gap::Head => out.extend_from_slice(&values.line[..values.message - 1]),
                Gap::Message => put_escaped(out, values.line, values.backslash, values.message),
                Gap::Shared => out.extend_from_slice(values.shared),
                Gap::User => who.iter().for_each(|who| who.put_user(out)),
                Gap::Name => out.extend_from_slice(who.map_or(b"", |who| who.name())),
                Gap::Rest => match &who {
                    Some(who) => who.put_rest(out),
                    None => out.extend_from_slice(values.shared),
                },
                Gap::Offset => out.extend_from_slice(values.offset),
                Gap::Request => out.extend_from_slice(values.request),
                Gap::Start => out.extend_from_slice(values.start),
                Gap::Duration => put_number(out, values.time - values.began),
                Gap::Nothing => {}
            }
        }
        out.extend_from_slice(&self.text[at..]);
    }
}

fn put_escaped(out: &mut Vec<u8>, line: &[u8], backslash: Option<usize>, from: usize) {
    match backslash {
        Some(at) => {
            out.extend_from_slice(&line[from..=at]);
            out.extend_from_slice(&line[at..]);
        }
        None => out.extend_from_slice(&line[from..]),
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, Template, Values};

    const LETTERS: &str = "teilhmuorsdqv-kKDUnx";

    fn values() -> Values<'static> {
        Values {
            stamp: b"2017-02-14T02:57:19.234778Z",
            time: 1_487_041_039_234_778_000,
            prefix: b"f-",
            offset: b"7",
            line: br"head|D\n",
            message: 5,
            backslash: Some(6),
            shared: br#""user":{"name":"N"},"related":{"user":["N"]},P"#,
            request: b"f-3",
            start: b"S",
            began: 1_487_041_038_000_999_999,
            lines: Lines { request: br"q\q", backslash: Some(1), verdict: b"V" },
        }
    }

    #[test]
    fn every_gap() {
        let pieces: Vec<Vec<u8>> = (0..=LETTERS.len()).map(|number| format!("{number}<").into_bytes()).collect();
        let template = Template::new(&pieces, LETTERS).expect("as many letters as gaps");
        let mut out = vec![];
        template.put(&mut out, &values());
        assert_eq!(
            String::from_utf8_lossy(&out),
            concat!(
                r#"0<2017-02-14T02:57:19.234778Z1<1487041039.2347782<f-73<head|D\\n4<head5<D\\n6<"user":{"name":"N"},"related":{"user":["N"]},P7<7"#,
                r#"8<f-39<S10<123377800111<q\\q12<V13<14<148704103923415<148704103800016<123317<"name":"N"18<N19<P20<"#
            )
        );
    }

    #[test]
    fn users() {
        let suits = |letter: &str, shared: &str| {
            Template::new(&[vec![], vec![]], letter).expect("as many letters as gaps").suits(shared.as_bytes())
        };
        let user = r#""user":{"name":"N"},"related":{"user":["N"]},"#;
        for (letter, without) in [("U", false), ("n", false), ("x", true), ("u", true)] {
            assert!(suits(letter, user));
            assert_eq!(suits(letter, "P"), without, "{letter}");
        }
        let mut out = vec![];
        Template::new(&[vec![], vec![]], "x").expect("as many letters as gaps").put(&mut out, &values());
        assert_eq!(out, b"P");
    }

    #[test]
    fn no_template() {
        assert!(Template::new(&[vec![], vec![]], "y").is_none());
        assert!(Template::new(&[vec![]], "t").is_none());
        assert!(Template::new(&[], "").is_none());
    }
}
