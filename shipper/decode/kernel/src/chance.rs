//! For tests: what is drawn anew for each case, and the same in each run.

/// A generator of numbers (SplitMix64).
pub struct Chance(u64);

impl Chance {
    /// One that begins with a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((bits ^ (bits >> 31)) % u64::try_from(end).unwrap_or(1)).unwrap_or(0)
    }

    /// One of some.
    pub fn of<'a, T: ?Sized>(&mut self, some: &[&'a T]) -> &'a T {
        some[self.below(some.len())]
    }

    /// Now and then, a byte of a text becomes another, goes, or comes twice.
    pub fn damage(&mut self, text: &mut Vec<u8>) {
        while !text.is_empty() && self.below(3) == 0 {
            let at = self.below(text.len());
            match self.below(4) {
                0 => drop(text.remove(at)),
                1 => text.insert(at, text[at]),
                2 => text[at] = b"0:9-.|'\\@Tz \xc3\xe2"[self.below(14)],
                _ => text[at] = u8::try_from(self.below(256)).unwrap_or(0),
            }
        }
    }
}
