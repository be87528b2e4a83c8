//! Test support: drawing values with proptest.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;

/// Number of cases of a test.
pub const CASES: u32 = if cfg!(miri) { 200 } else { 50_000 };
const SIGNS: &[u8] = b"0:9-.|'\\@Tz \xc3\xe2";

/// Draws `CASES` values and checks each; panics with the smallest value that fails.
pub fn each<Drawn: Strategy>(drawn: &Drawn, check: impl Fn(Drawn::Value)) {
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let ran = TestRunner::new(config).run(drawn, |value| {
        check(value);
        Ok(())
    });
    if let Err(found) = ran {
        panic!("{found}");
    }
}

/// Texts with some bytes changed, removed or doubled.
pub fn damaged(texts: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let damage = (any::<Index>(), 0..4, select(SIGNS), any::<u8>());
    (texts, prop_oneof![2 => Just(vec![]), 1 => vec(damage, 1..4)]).prop_map(|(text, damages)| {
        let mut text = text.into_bytes();
        for (place, kind, sign, byte) in damages {
            if text.is_empty() {
                break;
            }
            let at = place.index(text.len());
            match kind {
                0 => drop(text.remove(at)),
                1 => text.insert(at, text[at]),
                2 => text[at] = sign,
                _ => text[at] = byte,
            }
        }
        text
    })
}
