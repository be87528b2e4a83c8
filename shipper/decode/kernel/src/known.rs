//! What the kernel remembers of components, heads, templates and users from line to line.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::completions::clamped;
use crate::exchanges::{OpenExchanges, Outcome};
use crate::held::{Held, HeldEvents};
use crate::line::UserForm;

/// Most messages and lines to remember by hash because they have come once.
const ONCE: usize = 4096;

/// A component, with a copy of the clock of its Python state while lines are taken.
pub struct Component {
    pub name: Py<PyString>,
    pub state: Py<PyAny>,
    pub exchanges: Py<OpenExchanges>,
    /// The held events, if events are merged.
    pub held: Option<Py<HeldEvents>>,
    pub newest: i64,
    pub limit: i64,
    /// `newest` and `limit` are those of Python, plus the lines taken since.
    pub is_current: bool,
    pub has_spoken: bool,
    pub has_moved: bool,
}

/// What lines with the same head share.
pub struct Head {
    pub context: usize,
    pub component: usize,
    pub thread: Arc<str>,
    pub slot: usize,
    pub process: Vec<u8>,
}

/// Templates by a pair of texts; the same pairs come again and again.
#[derive(Default)]
pub struct Pairs {
    entries: HashMap<(Vec<u8>, Vec<u8>), usize>,
    last: ((Vec<u8>, Vec<u8>), usize), // the one that was used last
}

/// The templates for one level and component.
#[derive(Default)]
pub struct Context {
    pub requests: Pairs, // by the text after the user, and the quote before it
    pub verdicts: HashMap<i64, usize>,
    pub statuses: HashMap<(Option<Outcome>, i64), usize>,
    pub merged: HashMap<Vec<u8>, usize>, // see `merged_key`
    pub results: Pairs,                  // by the word, and the text after `Call status: `
    pub messages: HashMap<Vec<u8>, usize>,
    pub orphans: HashMap<Vec<u8>, usize>, // verdicts and statuses of no exchange
    key: Vec<u8>,                         // the `merged_key` asked for last
}

/// Hashes of lines that have come before: a line that comes once needs no template, and Python is asked only once for a line's
/// template.
#[derive(Default)]
pub struct Once(HashMap<u64, bool>); // true: asked for

/// The pieces of the JSON of each form of user, between which the parts of the user go.
pub struct UserPieces {
    pub bare: Vec<Vec<u8>>,
    pub domain: Vec<Vec<u8>>,
    pub mail: Vec<Vec<u8>>,
}

impl Component {
    pub fn refresh(&mut self, py: Python<'_>) -> PyResult<()> {
        if !self.is_current {
            let state = self.state.bind(py);
            self.newest = clamped(&state.getattr("newest")?)?;
            self.limit = clamped(&state.getattr("limit")?)?;
            self.is_current = true;
        }
        Ok(())
    }

    pub fn tell(&mut self, py: Python<'_>) -> PyResult<()> {
        let state = self.state.bind(py);
        if std::mem::take(&mut self.has_moved) {
            state.setattr("newest", self.newest)?;
        }
        if std::mem::take(&mut self.has_spoken) {
            state.setattr("spoke", true)?;
        }
        self.is_current = false;
        Ok(())
    }

    pub fn take(&mut self, time: i64) {
        self.has_spoken = true;
        if time > self.newest {
            self.newest = time;
            self.has_moved = true;
        }
    }
}

impl Pairs {
    pub fn get(&mut self, one: &[u8], other: &[u8]) -> Option<usize> {
        if self.last.0.0 != one || self.last.0.1 != other {
            let key = (one.to_vec(), other.to_vec());
            let entry = *self.entries.get(&key)?;
            self.last = (key, entry);
        }
        Some(self.last.1)
    }

    pub fn insert(&mut self, one: Vec<u8>, other: Vec<u8>, entry: usize) {
        self.entries.insert((one, other), entry);
    }
}

impl Context {
    pub fn merged(&mut self, held: &Held, number: i64) -> Option<usize> {
        merged_key(&mut self.key, held.opening(), held.tail(), held.verdict(), number);
        self.merged.get(&self.key).copied()
    }
}

impl Once {
    /// True if this is the time to ask for a template: when `of` comes for the second time.
    pub fn asks(&mut self, of: impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        of.hash(&mut hasher);
        if self.0.len() >= ONCE {
            self.0.clear();
        }
        match self.0.entry(hasher.finish()) {
            Entry::Occupied(mut asked) => !asked.insert(true),
            Entry::Vacant(first) => {
                first.insert(false);
                false
            }
        }
    }
}

impl UserPieces {
    /// The JSON of a user, in pieces.
    pub fn json<'a>(&'a self, user: &'a [u8], form: UserForm) -> impl Iterator<Item = &'a [u8]> {
        const END: &[u8] = b"";
        let (pieces, values) = match form {
            UserForm::Bare => (&self.bare, [user, user, END, END, END, END]),
            UserForm::Domain(at) => (&self.domain, [&user[at..], &user[..at - 1], &user[at..], END, END, END]),
            UserForm::Mail(at) => (&self.mail, [&user[..at - 1], &user[at..], user, &user[..at - 1], user, END]),
        };
        pieces.iter().zip(values).flat_map(|(piece, value)| [piece.as_slice(), value])
    }
}

/// Sets `key` to what the template of a merged event depends on: the texts around the user of the request, the number of the
/// verdict if there is one, and the number of the status.
pub fn merged_key(key: &mut Vec<u8>, opening: &[u8], tail: &[u8], verdict: Option<i64>, number: i64) {
    key.clear();
    key.extend_from_slice(&number.to_ne_bytes());
    key.extend_from_slice(&verdict.unwrap_or(i64::MIN).to_ne_bytes());
    key.extend_from_slice(&opening.len().to_ne_bytes());
    key.extend_from_slice(opening);
    key.extend_from_slice(tail);
}
