//! Parses a line, from its bytes alone.

use crate::stamp::{STAMP, Stamp};

const CALL: &[u8] = b"Calling pfAuthUser(";
const VERDICT: &[u8] = b"authResult = ";
const STATUS: &[u8] = b"rawCallStatus = ";
const RESULT: &[u8] = b"|Pfauth ";
const WORDS: [&[u8]; 2] = [b"succeeded", b"failed"];
const FOR_USER: &[u8] = b" for user '";
const CALL_STATUS: &[u8] = b"'. Call status: ";
/// Bytes of a GUID.
const GUID: usize = 36;
/// How the messages of exchanges begin, plain or not.
const LIKE_OURS: [&[u8]; 3] = [b"Calling pfAuthUser", b"authResult", b"rawCallStatus"];
const LONGEST_DOMAIN: usize = 64;
/// Bytes of a name. A longer one takes the general path, so that no exchange opened here is heavy.
const LONGEST_NAME: usize = 96;
/// Bytes of a user, domain included, that is not all ASCII and so weighs more.
const LONGEST_WIDE: usize = 40;
const LONGEST_NUMBER: usize = 9;

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The time stamp, not checked yet.
    pub stamp: &'a Stamp,
    /// The text between time stamp and message: `|LEVEL|PID|TID|COMPONENT`.
    pub head: &'a [u8],
    /// The message.
    pub message: Message<'a>,
    /// Position of the message in the line, after the GUID if there is one.
    pub at: usize,
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// `Calling pfAuthUser('USER', '', 1)`.
    Request {
        /// The quote before the user.
        opening: &'a [u8],
        /// The user as written.
        user: &'a [u8],
        /// How the user is written.
        form: UserForm,
        /// The text after the user, from the closing quote on.
        tail: &'a [u8],
    },
    /// `authResult = N`.
    Verdict(i64),
    /// `rawCallStatus = N`.
    Status(i64),
    /// `GUID|Pfauth WORD for user 'USER'. Call status: TAIL`.
    Result {
        /// The id of the request.
        guid: &'a [u8],
        /// `succeeded` or `failed`.
        word: &'a [u8],
        /// The user as written.
        user: &'a [u8],
        /// How the user is written.
        form: UserForm,
        /// The text after `Call status: `.
        tail: &'a [u8],
    },
    /// Any other message, unless it begins like one of the above.
    Other,
}

/// How a user is written; the number is the position of the second part, after the separator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserForm {
    /// `NAME`.
    Bare,
    /// `DOMAIN\NAME`.
    Domain(usize),
    /// `NAME@DOMAIN`.
    Mail(usize),
}

/// Splits a line into its parts. None if it lacks them, or if its message is one of an exchange but not plain.
pub fn read(line: &[u8]) -> Option<Line<'_>> {
    let stamp: &Stamp = line.first_chunk::<STAMP>()?;
    let at = message_at(line)?;
    let message = read_message(line.get(at..)?)?;
    let behind = if matches!(message, Message::Result { .. }) { at + GUID + 1 } else { at };
    Some(Line { stamp, head: &line[STAMP..at - 1], message, at: behind })
}

/// The position of the message: after the fifth bar. The first bar must follow the time stamp directly.
fn message_at(line: &[u8]) -> Option<usize> {
    if *line.get(STAMP)? != b'|' {
        return None;
    }
    let mut at = STAMP + 1;
    for _ in 0..4 {
        at += memchr::memchr(b'|', line.get(at..)?)? + 1;
    }
    Some(at)
}

fn read_message(message: &[u8]) -> Option<Message<'_>> {
    if let Some(text) = message.strip_prefix(CALL) {
        request(text)
    } else if let Some(text) = message.strip_prefix(VERDICT) {
        integer(text).map(Message::Verdict)
    } else if let Some(text) = message.strip_prefix(STATUS) {
        integer(text).map(Message::Status)
    } else if message.get(GUID..).is_some_and(|text| text.starts_with(RESULT)) {
        result(message)
    } else {
        LIKE_OURS.iter().all(|begin| !message.starts_with(begin)).then_some(Message::Other)
    }
}

const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        plain[byte as usize] = byte != b'"' && byte != b'\'' && byte != b'\\';
        byte += 1;
    }
    plain
};

/// Splits off a leading quote: the ASCII single quote, or one of U+2018 to U+201F, which word processors put in its place.
fn quote(text: &[u8]) -> Option<(&[u8], &[u8])> {
    match text {
        [b'\'', ..] => Some(text.split_at(1)),
        [0xE2, 0x80, 0x98..=0x9F, ..] => Some(text.split_at(3)),
        _ => None,
    }
}

/// A request; `text` follows the opening bracket.
fn request(text: &[u8]) -> Option<Message<'_>> {
    let (opening, text) = quote(text)?;
    if matches!(text.first()?, b',' | b')') {
        return None; // no user, or a message of another form
    }
    let (user, form, tail) = split_user(text)?;
    quote(tail)?;
    Some(Message::Request { opening, user, form, tail })
}

/// A one-line result.
fn result(message: &[u8]) -> Option<Message<'_>> {
    let (guid, text) = message.split_at_checked(GUID)?;
    let text = text.strip_prefix(RESULT)?;
    let word = *WORDS.iter().find(|&&word| text.starts_with(word))?;
    let (user, form, tail) = split_user(text[word.len()..].strip_prefix(FOR_USER)?)?;
    let is_guid = guid.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    is_guid.then_some(Message::Result { guid, word, user, form, tail: tail.strip_prefix(CALL_STATUS)? })
}

/// Splits a leading plain user off a text. Returns the user, its form, and the rest.
fn split_user(text: &[u8]) -> Option<(&[u8], UserForm, &[u8])> {
    let mut end = plain_length(text);
    let mut form = UserForm::Bare;
    if text.get(end) == Some(&b'\\') {
        form = UserForm::Domain(end + 1);
        if !(1..=LONGEST_DOMAIN).contains(&end) {
            return None;
        }
        end += 1 + plain_length(&text[end + 1..]);
    }
    let (user, tail) = text.split_at(end);
    let name = match form {
        UserForm::Domain(at) => end - at,
        _ => end,
    };
    if !(1..=LONGEST_NAME).contains(&name) || (end > LONGEST_WIDE && !user.is_ascii()) {
        return None;
    }
    if form == UserForm::Bare {
        if let Some(at) = memchr::memrchr(b'@', user) {
            if at == 0 || at + 1 == end {
                return None;
            }
            form = UserForm::Mail(at + 1);
        }
    }
    Some((user, form, tail))
}

/// The number of leading bytes that are plain: printable ASCII except quotes and backslash, or letters that `letter` knows.
fn plain_length(text: &[u8]) -> usize {
    let mut end = 0;
    loop {
        end += text[end..].iter().position(|&byte| !PLAIN[usize::from(byte)]).unwrap_or(text.len() - end);
        match letter(&text[end..]) {
            Some((_, length)) => end += length,
            None => return end,
        }
    }
}

/// The leading letter of a text as it appears in a key, and its length in bytes; None for any other character. A key is what
/// Python's `casefold` makes of a user: this function knows ranges of letters that it keeps, or shifts by a constant.
fn letter(text: &[u8]) -> Option<(char, usize)> {
    let (code, length) = match *text {
        [a @ 0xC2..=0xDF, b @ 0x80..=0xBF, ..] => ((u32::from(a) & 0x1F) << 6 | (u32::from(b) & 0x3F), 2),
        [a @ 0xE1..=0xEC, b @ 0x80..=0xBF, c @ 0x80..=0xBF, ..] => {
            ((u32::from(a) & 0xF) << 12 | (u32::from(b) & 0x3F) << 6 | (u32::from(c) & 0x3F), 3)
        }
        _ => return None,
    };
    let folded = match code {
        0xC0..=0xD6 | 0xD8..=0xDE | 0x410..=0x42F => code + 32, // Latin-1, Cyrillic
        0x400..=0x40F => code + 80,
        0xE0..=0xF6 | 0xF8..=0xFF | 0x430..=0x45F => code,
        0x5D0..=0x5EA | 0x621..=0x64A => code, // Hebrew, Arabic
        0x3041..=0x3096 | 0x30A1..=0x30FA | 0x30FC..=0x30FE | 0x4E00..=0x9FFF | 0xAC00..=0xD7A3 => code, // Kana, Han, Hangul
        _ => return None,
    };
    char::from_u32(folded).map(|folded| (folded, length))
}

/// Turns the plain user from `begin` on into its key, in place, as Python's `casefold` does.
pub fn fold(text: &mut Vec<u8>, begin: usize) {
    text[begin..].make_ascii_lowercase();
    if text[begin..].is_ascii() {
        return;
    }
    let user = text.split_off(begin);
    let mut rest = &*user;
    while let Some((&first, others)) = rest.split_first() {
        if let Some((folded, length)) = letter(rest) {
            text.extend_from_slice(folded.encode_utf8(&mut [0; 4]).as_bytes());
            rest = &rest[length..];
        } else {
            text.push(first);
            rest = others;
        }
    }
}

/// Parses an integer as JSON writes it, of at most nine digits.
fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, text),
    };
    let first = *digits.first()?;
    if digits.len() > LONGEST_NUMBER || (first == b'0' && (negative || digits.len() > 1)) {
        return None;
    }
    let value =
        digits.iter().try_fold(0, |value, &digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::{CALL, Message, RESULT, UserForm, integer, read};
    use crate::drawn::{CASES, damaged, each};

    const STAMP: &str = "2017-02-14T02:57:19.234778Z";

    fn message(text: &str) -> Option<String> {
        let line = format!("{STAMP}|0|1412|6452|pfrad|{text}");
        read(line.as_bytes()).map(|found| {
            assert_eq!(found.stamp, STAMP.as_bytes());
            assert_eq!(found.head, b"|0|1412|6452|pfrad");
            if !matches!(found.message, Message::Result { .. }) {
                assert_eq!(&line[found.at..], text);
            }
            match found.message {
                Message::Request { opening, user, form, tail } => {
                    let [opening, user, tail] = [opening, user, tail].map(String::from_utf8_lossy);
                    let ascii = if opening == "'" { "" } else { &*opening };
                    format!("{ascii}{user} {form:?} {tail}")
                }
                Message::Result { guid, word, user, form, tail } => {
                    assert_eq!(&line[found.at - 1..found.at + 7], "|Pfauth ");
                    let [guid, word, user, tail] = [guid, word, user, tail].map(String::from_utf8_lossy);
                    format!("{guid} {word} {user} {form:?} {tail}")
                }
                other => format!("{other:?}"),
            }
        })
    }

    #[test]
    fn requests() {
        let calling = |user: &str| message(&format!("Calling pfAuthUser('{user}', '', 1)"));
        let long = "n".repeat(96);
        assert_eq!(calling(r"DOM\anna").as_deref(), Some(r"DOM\anna Domain(4) ', '', 1)"));
        assert_eq!(calling("anna").as_deref(), Some("anna Bare ', '', 1)"));
        assert_eq!(calling("a@b@c.example").as_deref(), Some("a@b@c.example Mail(4) ', '', 1)"));
        assert_eq!(calling(r"DOM\a@b").as_deref(), Some(r"DOM\a@b Domain(4) ', '', 1)"));
        assert!(calling(&long).is_some());
        assert!(calling(&format!(r"{}\{long}", "d".repeat(64))).is_some());
        for user in
            ["", ",", ")", "@b", "a@", r"\anna", r"DOM\", r"DOM\a\b", "a\"b", "a\tb", "Straße", "Ωmega", "a\u{d7}b", "ab\u{2028}"]
        {
            assert_eq!(calling(user), None, "{user}");
        }
        assert_eq!(calling("Köln\\Zoë").as_deref(), Some("Köln\\Zoë Domain(6) ', '', 1)"));
        assert_eq!(calling("山田@例え。jp").as_deref(), None); // a full stop of another script
        assert_eq!(calling("山田@東京").as_deref(), Some("山田@東京 Mail(7) ', '', 1)"));
        assert!(calling(&"é".repeat(20)).is_some());
        assert_eq!(calling(&"é".repeat(21)), None);
        let curly = message("Calling pfAuthUser(‘DOM\\anna’, ”, 1)");
        assert_eq!(curly.as_deref(), Some("‘DOM\\anna Domain(4) ’, ”, 1)"));
        for open in ["‘’, 1)", "‘”anna’, 1)", "\"anna\", 1)", "‘anna\", 1)", "‗anna’", "‘anna†", "''anna'', 1)"]
        {
            assert_eq!(message(&format!("Calling pfAuthUser({open}")), None, "{open}");
        }
        assert_eq!(calling(&format!("{long}n")), None);
        assert_eq!(calling(&format!(r"DOM\{long}n")), None);
        assert_eq!(calling(&format!(r"{}\anna", "d".repeat(65))), None);
        assert_eq!(message("Calling pfAuthUser('anna"), None);
    }

    #[test]
    fn keys() {
        for (user, key) in
            [("DOM\\Anna", "dom\\anna"), ("KÖLN\\ÉVA", "köln\\éva"), ("ЁЖИК", "ёжик"), ("山田A", "山田a"), ("", "")]
        {
            let mut text = format!("f-7{user}").into_bytes();
            super::fold(&mut text, 3);
            assert_eq!(String::from_utf8_lossy(&text), format!("f-7{key}"));
        }
    }

    #[test]
    fn results() {
        let result = |text: &str| message(text).filter(|found| found != "Other");
        let guid = "82a3db8d-3317-43F7-b203-6ba81cba93c9";
        let said = result(&format!(r#"{guid}|Pfauth succeeded for user 'DOM\anna'. Call status: X - "Y"."#));
        assert_eq!(said, Some(format!(r#"{guid} succeeded DOM\anna Domain(4) X - "Y"."#)));
        let said = result(&format!("{guid}|Pfauth failed for user 'a@b'. Call status: "));
        assert_eq!(said, Some(format!("{guid} failed a@b Mail(2) ")));
        for text in [
            format!("{guid}|Pfauth went for user 'anna'. Call status: X"),
            format!("{guid}|Pfauth failed for user ''. Call status: X"),
            format!("{guid}|Pfauth failed for user 'O'Brien'. Call status: X"),
            format!("{guid}|Pfauth failed for user 'anna'. Call state: X"),
            format!("{guid}|Pfauth failed for user anna. Call status: X"),
            format!("{guid} Pfauth failed for user 'anna'. Call status: X"),
            format!("{}|Pfauth failed for user 'anna'. Call status: X", guid.replace('-', "a")),
            format!("{}|Pfauth failed for user 'anna'. Call status: X", guid.replace('a', "g")),
            format!("{guid}|Pfauth failed"),
        ] {
            assert_eq!(result(&text), None, "{text}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(message("authResult = 1").as_deref(), Some("Verdict(1)"));
        assert_eq!(message("rawCallStatus = -21").as_deref(), Some("Status(-21)"));
        assert_eq!(integer(b"999999999"), Some(999_999_999));
        for text in ["", "-", "-0", "00", "01", "1 ", "1a", "+1", "1000000000", "--1"] {
            assert_eq!(integer(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn other_lines() {
        for line in [
            "",
            "x",
            STAMP,
            "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad",
            "2017-02-14T02:57:19.234778Z 0|1|2|3|4|authResult = 1",
        ] {
            assert_eq!(read(line.as_bytes()), None, "{line}");
        }
        for text in ["", "Reloading", "authResul = 1", "Größe|x"] {
            assert_eq!(message(text).as_deref(), Some("Other"), "{text}");
        }
        for text in ["Calling pfAuthUser(anna)", "authResult: 1", "rawCallStatus = x", "authResult"] {
            assert_eq!(message(text), None, "{text}");
        }
    }

    /// Pieces of lines; some of the drawn lines join them in any order.
    const PIECES: [&str; 27] = [
        STAMP,
        "|0|1412|6452|pfrad|",
        "|i|7|9|pfsvc|",
        "|",
        "Calling pfAuthUser(",
        "'",
        "\u{2018}",
        "\u{201d}",
        "anna",
        "DOM\\",
        "@",
        "Zo\u{eb}",
        "\u{416}",
        "', '', 1)",
        "authResult = ",
        "rawCallStatus = ",
        "-",
        "0",
        "21",
        "999999999",
        "82a3db8d-3317-43F7-b203-6ba81cba93c9",
        "|Pfauth ",
        "succeeded",
        "failed",
        " for user '",
        "'. Call status: ",
        "X - \"Y\".",
    ];

    fn any_line() -> impl Strategy<Value = Vec<u8>> {
        let user =
            || (select(&["", "DOM\\", "a@"][..]), select(&PIECES[8..13])).prop_map(|(before, user)| format!("{before}{user}"));
        let guid = PIECES[20];
        let number = (select(&PIECES[14..16]), select(&PIECES[16..20]));
        damaged(prop_oneof![
            1 => vec(select(&PIECES[..]), 0..9).prop_map(|pieces| pieces.concat()),
            2 => user().prop_map(|user| format!("{STAMP}|0|1412|6452|pfrad|Calling pfAuthUser('{user}', '', 1)")),
            1 => number.prop_map(|(what, number)| format!("{STAMP}|0|1412|6452|pfrad|{what}{number}")),
            2 => user().prop_map(move |user| format!("{STAMP}|i|7|9|pfsvc|{guid}|Pfauth failed for user '{user}'. Call status: X")),
        ])
    }

    /// The parts of any line that `read` accepts make up that line, byte for byte.
    #[test]
    fn parts_make_the_line() {
        let kinds = RefCell::new([0; 5]);
        each(&any_line(), |line| {
            let Some(found) = read(&line) else { return };
            let message = &line[line.len().min(found.stamp.len() + found.head.len() + 1)..];
            assert_eq!([found.stamp, found.head, b"|", message].concat(), line);
            let (kind, again) = match found.message {
                Message::Request { opening, user, form, tail } => {
                    check_user(user, form);
                    (0, [CALL, opening, user, tail].concat())
                }
                Message::Verdict(number) => (1, format!("authResult = {number}").into_bytes()),
                Message::Status(number) => (2, format!("rawCallStatus = {number}").into_bytes()),
                Message::Result { guid, word, user, form, tail } => {
                    check_user(user, form);
                    assert_eq!(&line[found.at..], &message[guid.len() + 1..]);
                    (3, [guid, RESULT, word, b" for user '", user, b"'. Call status: ", tail].concat())
                }
                Message::Other => (4, message.to_vec()),
            };
            assert_eq!(again, message, "{}", String::from_utf8_lossy(&line));
            kinds.borrow_mut()[kind] += 1;
        });
        let kinds = kinds.into_inner();
        assert!(kinds.iter().all(|&count| count > CASES / 100), "{kinds:?}");
    }

    /// The form of a user agrees with its separator, and its key is the user in lower case.
    fn check_user(user: &[u8], form: UserForm) {
        let text = std::str::from_utf8(user).expect("a plain user is text");
        match form {
            UserForm::Bare => assert!(!text.contains(['@', '\\'])),
            UserForm::Domain(at) => assert_eq!((text.find('\\'), text.rfind('\\')), (Some(at - 1), Some(at - 1))),
            UserForm::Mail(at) => assert_eq!((text.rfind('@'), text.find('\\')), (Some(at - 1), None)),
        }
        let mut key = b"f-7".to_vec();
        key.extend_from_slice(user);
        super::fold(&mut key, 3);
        assert_eq!(String::from_utf8_lossy(&key), format!("f-7{}", text.to_lowercase()));
    }
}
