//! The prompts of a user that caches would have spared: `CacheSums` of `shipper/report/cache.py`, for whole runs only.

use std::collections::HashMap;
use std::mem;

/// The id of a prompt: 16 digits, a hyphen and an offset, then zeros.
pub type Id = [u8; 40];

/// A prompt. Prompts sort by start, then by id as text.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prompt {
    pub start: i64,
    pub id: Id,
    pub end: i64,
    pub success: bool,
    /// True for the second prompt of a double prompt.
    pub double: bool,
}

/// What the caches of the steps `first..stop` hold: the end of the last prompt that was answered despite the cache, `proof`, and
/// the time from which the cache counts its seconds, `since`.
#[derive(Debug)]
struct Held {
    first: usize,
    stop: usize,
    proof: i64,
    since: i64,
}

/// A spared prompt: first step and step after the last of its caches; whether it is a second one; nanoseconds since the answer.
type Hit = (usize, usize, bool, i64);

/// Spared prompts by first step and step after the last of their caches: the number of prompts, how many of them are second ones,
/// and the longest time since an answer.
pub type Spans = HashMap<(usize, usize), (u64, u64, i64)>;

/// For each reading, a bit for each step that would have left a second prompt.
pub type Missed = [u64; 2];

/// The sums of one component.
#[derive(Debug)]
pub struct Caches {
    steps: Vec<i64>, // how long each cache holds, in nanoseconds
    /// All prompts, spared or not.
    pub prompts: u64,
    /// The sums where the readings agree, then those of each reading where they differ.
    pub spans: [Spans; 3],
    hits: Vec<Hit>,
    held: Vec<Held>,
    then: Vec<Held>,
}

impl Caches {
    /// Empty sums of caches that hold for `steps` nanoseconds, in ascending order.
    pub fn new(steps: Vec<i64>) -> Self {
        Self { steps, prompts: 0, spans: Default::default(), hits: vec![], held: vec![], then: vec![] }
    }

    /// The bits of all steps.
    pub fn all(&self) -> u64 {
        bits(0, self.steps.len())
    }

    /// Counts a whole run of prompts of a user, with no other prompt near.
    pub fn take(&mut self, prompts: &mut [Prompt]) -> Missed {
        self.prompts += u64::try_from(prompts.len()).unwrap_or(u64::MAX);
        prompts.sort_unstable();
        let (missed, agree) = self.passed(prompts, false);
        if agree {
            self.count(0);
            return [missed, missed];
        }
        self.count(1);
        let (missed_renewed, _) = self.passed(prompts, true);
        self.count(2);
        [missed, missed_renewed]
    }

    fn count(&mut self, reading: usize) {
        for (step, stop, double, longest) in self.hits.drain(..) {
            let sum = self.spans[reading].entry((step, stop)).or_default();
            *sum = (sum.0 + 1, sum.1 + u64::from(double), sum.2.max(longest));
        }
    }

    /// Finds the spared prompts, as `_passed` in `cache.py` does. Returns the steps that leave a second prompt, and whether the
    /// readings agree. `renewed`: a hit makes an entry last longer.
    fn passed(&mut self, prompts: &[Prompt], renewed: bool) -> (u64, bool) {
        let (mut missed, mut agree, mut lowest) = (0, true, self.steps.len());
        self.held.clear();
        for prompt in prompts {
            let answered = prompt.success.then_some(prompt.end);
            if self.held.is_empty() {
                missed |= if prompt.double { self.all() } else { 0 };
                self.held.extend(answered.map(|end| Held { first: 0, stop: self.steps.len(), proof: end, since: end }));
                continue;
            }
            for Held { first, stop, proof, since } in self.held.drain(..) {
                let step = first + self.steps[first..stop].partition_point(|&step| step < prompt.start - since);
                if first < step {
                    missed |= if prompt.double { bits(first, step) } else { 0 };
                    agree &= step <= lowest;
                    let (proof, since) = match answered {
                        Some(end) if end > proof => (end, since.max(end)),
                        _ => (proof, since),
                    };
                    match self.then.last_mut() {
                        Some(last) if (last.proof, last.since) == (proof, since) => last.stop = step,
                        _ => self.then.push(Held { first, stop: step, proof, since }),
                    }
                }
                if step < stop {
                    lowest = lowest.min(step);
                    self.hits.push((step, stop, prompt.double, prompt.start - proof));
                    let since = if renewed { since.max(prompt.start).max(proof) } else { since };
                    self.then.push(Held { first: step, stop, proof, since });
                }
            }
            mem::swap(&mut self.held, &mut self.then);
        }
        (missed, agree)
    }
}

/// The bits of the steps `first..stop`.
fn bits(first: usize, stop: usize) -> u64 {
    (1 << stop) - (1 << first)
}
