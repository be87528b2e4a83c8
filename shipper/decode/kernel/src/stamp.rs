//! Time stamps as MFA Server writes them: `2017-02-14T02:57:19.234778Z`.

/// Bytes of a time stamp.
pub const STAMP: usize = 27;
const SECOND: usize = 19; // bytes up to the fraction
const NANOS: i64 = 1_000_000_000;
/// The years that `Clock` reads: the difference of any two times in them fits 64 bits.
const YEARS: std::ops::RangeInclusive<i64> = 1970..=2199;

/// A time stamp as text.
pub type Stamp = [u8; STAMP];

/// Reads time stamps; remembers the last second, because neighbouring lines share it.
pub struct Clock {
    text: [u8; SECOND],
    time: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// A clock that has read nothing yet.
    pub const fn new() -> Self {
        Self { text: [0; SECOND], time: 0 }
    }

    /// Nanoseconds since 1970; None for a text of another form, an instant that does not exist, or a year out of range.
    pub fn read(&mut self, stamp: &Stamp) -> Option<i64> {
        if stamp[SECOND] != b'.' || stamp[STAMP - 1] != b'Z' {
            return None;
        }
        let micros = number(&stamp[SECOND + 1..STAMP - 1])?;
        let (text, _) = stamp.split_first_chunk::<SECOND>()?;
        if *text != self.text {
            self.time = second(text)?;
            self.text = *text;
        }
        Some(self.time + micros * 1000)
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |value, &digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
}

fn second(text: &[u8; SECOND]) -> Option<i64> {
    let separated = text[4] == b'-' && text[7] == b'-' && text[10] == b'T' && text[13] == b':' && text[16] == b':';
    if !separated {
        return None;
    }
    let (year, month, day) = (number(&text[..4])?, number(&text[5..7])?, number(&text[8..10])?);
    let (hour, minute, second) = (number(&text[11..13])?, number(&text[14..16])?, number(&text[17..])?);
    let exists = YEARS.contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    exists.then(|| (((days_before(year, month) + day - 1) * 24 + hour) * 60 + minute) * 60 + second).map(|at| at * NANOS)
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to the first of a month.
fn days_before(year: i64, month: i64) -> i64 {
    let past = year - 1;
    let leaps = past / 4 - past / 100 + past / 400 - 477; // 477 leap years before 1970
    (year - 1970) * 365 + leaps + (1..month).map(|before| days_of(year, before)).sum::<i64>()
}

/// Appends seconds since 1970 to `out`, as in `1487041039.234778`; `time` must not be before 1970.
pub fn put_epoch(out: &mut Vec<u8>, time: i64) {
    let micros = time / 1000;
    put_number(out, micros / 1_000_000);
    out.push(b'.');
    let mut digits = [0; 6];
    let mut rest = micros % 1_000_000;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    out.extend_from_slice(&digits);
}

/// Appends a number in decimal to `out`.
pub fn put_number(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use proptest::prelude::*;

    use super::{Clock, STAMP, put_epoch, put_number};
    use crate::drawn::{CASES, damaged, each};

    const YEARS: std::ops::Range<i64> = if cfg!(miri) { 1999..2001 } else { 1970..2200 };

    fn read(text: &str) -> Option<i64> {
        Clock::new().read(text.as_bytes().try_into().ok()?)
    }

    #[test]
    fn known_instants() {
        assert_eq!(read("1970-01-01T00:00:00.000000Z"), Some(0));
        assert_eq!(read("2000-02-29T23:59:59.999999Z"), Some(951_868_799_999_999_000));
        assert_eq!(read("2017-02-14T02:57:19.234778Z"), Some(1_487_041_039_234_778_000));
        assert_eq!(read("2100-03-01T00:00:00.000000Z"), Some(4_107_542_400_000_000_000));
        assert_eq!(read("2199-12-31T23:59:59.000001Z"), Some(7_258_118_399_000_001_000));
    }

    #[test]
    fn no_instant() {
        for text in [
            "2017-02-29T00:00:00.000000Z",
            "2100-02-29T00:00:00.000000Z",
            "2017-00-14T00:00:00.000000Z",
            "2017-13-14T00:00:00.000000Z",
            "2017-04-31T00:00:00.000000Z",
            "2017-02-00T00:00:00.000000Z",
            "2017-02-14T24:00:00.000000Z",
            "2017-02-14T02:60:00.000000Z",
            "2017-02-14T02:57:60.000000Z",
            "1969-12-31T23:59:59.000000Z",
            "2200-01-01T00:00:00.000000Z",
            "0000-01-01T00:00:00.000000Z",
            "9999-12-31T23:59:59.000000Z",
            "2017-02-14T02:57:19.23477:Z",
            "2017-02-14T02:57:19,234778Z",
            "2017-02-14T02:57:19.234778z",
            "2017-02-14 02:57:19.234778Z",
            "2017/02/14T02:57:19.234778Z",
            "2017-02-14T02.57:19.234778Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_second_that_is_remembered_is_the_last_good_one() {
        let mut clock = Clock::new();
        let mut read = |text: &[u8; 27]| clock.read(text);
        let first = read(b"2017-02-14T02:57:19.000001Z");
        assert_eq!(read(b"2017-02-14T02:57:60.000001Z"), None);
        assert_eq!(read(b"2017-02-14T02:57:60.000001Z"), None);
        assert_eq!(read(b"2017-02-14T02:57:19.000001Z"), first);
        assert_eq!(read(b"2017-02-14T02:57:20.000001Z"), first.map(|time| time + 1_000_000_000));
    }

    #[test]
    fn numbers() {
        for number in [0, 1, 9, 10, 1_234_567_890, i64::MAX, i64::MIN, -7] {
            let mut out = vec![];
            put_number(&mut out, number);
            assert_eq!(String::from_utf8(out).ok(), Some(number.to_string()));
        }
    }

    #[test]
    fn epochs() {
        let mut out = vec![];
        put_epoch(&mut out, 1_487_041_039_004_070_000);
        assert_eq!(out, b"1487041039.004070");
    }

    /// Each valid day begins when the previous one ends.
    #[test]
    fn days() {
        let (mut days, mut next) = (0, None);
        for year in YEARS {
            for (month, day) in (0..=13).flat_map(|month| (0..=32).map(move |day| (month, day))) {
                let Some(time) = read(&format!("{year}-{month:02}-{day:02}T00:00:00.000000Z")) else { continue };
                assert_eq!(next.unwrap_or(time), time, "{year}-{month}-{day}");
                next = Some(time + 86_400_000_000_000);
                days += 1;
            }
        }
        assert_eq!(days, if cfg!(miri) { 365 + 366 } else { 84_006 });
    }

    /// Earlier reads of a clock change no result; a time is read as it is written, or not at all.
    #[test]
    fn clocks_agree() {
        let (clock, readable) = (RefCell::new(Clock::new()), Cell::new(0));
        let texts =
            (58..61, 57..61, 0..1_000_000) // few values, so that some repeat at once
                .prop_map(|(minute, second, micros)| format!("2016-02-29T23:{minute:02}:{second:02}.{micros:06}Z"));
        each(&damaged(texts), |text| {
            let Ok(stamp) = <&[u8; STAMP]>::try_from(&*text) else { return };
            let time = clock.borrow_mut().read(stamp);
            assert_eq!(time, Clock::new().read(stamp), "{}", String::from_utf8_lossy(stamp));
            let Some(time) = time else { return };
            readable.set(readable.get() + 1);
            let mut epoch = vec![];
            put_epoch(&mut epoch, time);
            let fraction = String::from_utf8_lossy(&stamp[19..26]);
            assert_eq!(String::from_utf8_lossy(&epoch), format!("{}{fraction}", time / 1_000_000_000));
        });
        assert!(readable.get() > CASES / 5, "{}", readable.get());
    }
}
