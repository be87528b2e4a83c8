//! What a detector's host remembers of its users in one generation: to Python a dictionary of memories by key (`remembered.py`).
//!
//! Nearly all memories are authentications that wait for `step` and are dropped unseen. Flat arrays hold them, without objects.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use pyo3::exceptions::{PyIndexError, PyKeyError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyList, PyString, PyTuple};

use crate::completions::{Completions, texts_of, times_of};

/// The tag of an empty bucket of the table.
const EMPTY: u32 = 0;
/// In place of the length of an end text: it equals the start text, as in one-line results.
const SAME: u32 = u32::MAX;

/// The older memory of the same user, behind a waiting authentication.
#[derive(Debug)]
pub enum Older {
    /// Nothing.
    Nothing,
    /// Another waiting authentication, by its place in `records`.
    Waits(usize),
    /// A state, as Python has it.
    State(Py<PyAny>),
}

/// The fields of a waiting authentication that a detector's `step` reads.
#[derive(Debug)]
pub struct Waits {
    pub start: i64,
    pub end: i64,
    pub code: Py<PyAny>,
    pub component: Py<PyString>,
    pub success: bool,
    /// The texts of id, start and end: where they begin in `texts`, and the length of each.
    text: usize,
    lengths: [u32; 3],
}

/// A waiting authentication, and the older memory behind it.
#[derive(Debug)]
pub enum Record {
    /// Stored in this generation.
    Own(Waits, Older),
    /// Stored in a Python object (see `Waiting`), at this place.
    Other(Py<PyAny>, usize, Older),
}

/// The memory of a user.
#[derive(Debug)]
pub enum Slot {
    /// No memory.
    Gone,
    /// A waiting authentication, by its place in `records`.
    Waits(usize),
    /// A state, as Python has it.
    Python(Py<PyAny>),
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    key: usize, // where it begins in `keys`
    length: usize,
    slot: Slot,
}

/// See the module.
#[pyclass(module = "shipper.decode._kernel")]
#[derive(Default)]
pub struct Generation {
    table: Vec<u32>, // places in `entries`, by the hash of the key; at most half full
    tags: Vec<u32>,  // of the hash in each bucket: most look-ups miss, and then read no entry
    entries: Vec<Entry>,
    present: usize,
    keys: Vec<u8>,
    records: Vec<Record>,
    texts: Vec<u8>,
}

/// The hash of a key, the same in all generations of this process.
pub fn hash_of(key: &[u8]) -> u64 {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    SEED.get_or_init(RandomState::new).hash_one(key)
}

impl Generation {
    /// Returns the memory of a user.
    pub fn find(&self, hash: u64, key: &[u8]) -> &Slot {
        match self.place(hash, key) {
            Some(at) => &self.entries[at].slot,
            None => &Slot::Gone,
        }
    }

    /// Sets the memory of a user.
    pub fn put(&mut self, hash: u64, key: &[u8], slot: Slot) {
        let at = self.place(hash, key).unwrap_or_else(|| self.add(hash, key));
        self.present += usize::from(matches!(self.entries[at].slot, Slot::Gone));
        self.entries[at].slot = slot;
    }

    /// Returns the waiting authentication at a place.
    pub fn record(&self, at: usize) -> Option<&Record> {
        self.records.get(at)
    }

    /// Stores a waiting authentication and returns its place; `texts` are its id, start and end.
    pub fn keep(&mut self, mut waits: Waits, texts: [&[u8]; 3], older: Older) -> usize {
        waits.text = self.texts.len();
        waits.lengths = texts.map(|text| number(text.len()));
        let [id, start, end] = texts;
        self.texts.extend_from_slice(id);
        self.texts.extend_from_slice(start);
        if start == end {
            waits.lengths[2] = SAME;
        } else {
            self.texts.extend_from_slice(end);
        }
        self.push(Record::Own(waits, older))
    }

    /// Copies a record of another generation, with `older` behind it; returns its place, or None if `other` has no such record.
    pub fn keep_of(&mut self, py: Python<'_>, other: &Self, at: usize, older: Older) -> Option<usize> {
        Some(match other.records.get(at)? {
            Record::Own(waits, _) => self.keep(waits.again(py), other.texts_of(waits), older),
            Record::Other(waiting, at, _) => self.push(Record::Other(waiting.clone_ref(py), *at, older)),
        })
    }

    /// Copies a record of this generation, as `keep_of` does; the copies share their texts.
    fn repeat(&mut self, py: Python<'_>, at: usize, older: Older) -> Option<usize> {
        let record = match self.records.get(at)? {
            Record::Own(waits, _) => Record::Own(Waits { text: waits.text, lengths: waits.lengths, ..waits.again(py) }, older),
            Record::Other(waiting, at, _) => Record::Other(waiting.clone_ref(py), *at, older),
        };
        Some(self.push(record))
    }

    fn push(&mut self, record: Record) -> usize {
        self.records.push(record);
        self.records.len() - 1
    }

    fn texts_of(&self, waits: &Waits) -> [&[u8]; 3] {
        let [id, start, end] = waits.lengths;
        let (id, rest) = self.texts[waits.text..].split_at(id as usize);
        let (start, rest) = rest.split_at(start as usize);
        [id, start, if end == SAME { start } else { &rest[..end as usize] }]
    }

    fn place(&self, hash: u64, key: &[u8]) -> Option<usize> {
        if self.table.is_empty() {
            return None;
        }
        let (mask, tag) = (self.table.len() - 1, tag_of(hash));
        let mut bucket = first(hash, mask);
        while self.tags[bucket] != EMPTY {
            if self.tags[bucket] == tag {
                let at = self.table[bucket] as usize;
                let entry = &self.entries[at];
                if entry.hash == hash && self.key(entry) == key {
                    return Some(at);
                }
            }
            bucket = (bucket + 1) & mask;
        }
        None
    }

    fn add(&mut self, hash: u64, key: &[u8]) -> usize {
        if (self.entries.len() + 1) * 2 > self.table.len() {
            self.grow();
        }
        let at = self.entries.len();
        self.entries.push(Entry { hash, key: self.keys.len(), length: key.len(), slot: Slot::Gone });
        self.keys.extend_from_slice(key);
        self.seat(hash, at);
        at
    }

    fn grow(&mut self) {
        let size = (self.table.len() * 2).max(64);
        (self.table, self.tags) = (vec![0; size], vec![EMPTY; size]);
        for at in 0..self.entries.len() {
            self.seat(self.entries[at].hash, at);
        }
    }

    fn seat(&mut self, hash: u64, at: usize) {
        let mask = self.table.len() - 1;
        let mut bucket = first(hash, mask);
        while self.tags[bucket] != EMPTY {
            bucket = (bucket + 1) & mask;
        }
        (self.table[bucket], self.tags[bucket]) = (number(at), tag_of(hash));
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        &self.keys[entry.key..entry.key + entry.length]
    }

    /// Converts a memory to its Python form.
    fn memory<'py>(this: &Bound<'py, Self>, slot: &Slot) -> PyResult<Bound<'py, PyAny>> {
        match slot {
            Slot::Gone => Ok(this.py().None().into_bound(this.py())),
            Slot::Python(memory) => Ok(memory.bind(this.py()).clone()),
            Slot::Waits(at) => Self::waits(this, *at),
        }
    }

    /// Converts a waiting authentication, and the older memory behind it, to the Python form.
    pub fn waits<'py>(this: &Bound<'py, Self>, at: usize) -> PyResult<Bound<'py, PyAny>> {
        let (py, mut places, mut next) = (this.py(), vec![], Some(at));
        let generation = this.borrow();
        let mut memory = py.None().into_bound(py);
        while let Some(place) = next {
            places.push(place);
            let (Record::Own(_, older) | Record::Other(_, _, older)) = &generation.records[place];
            next = match older {
                Older::Nothing => None,
                Older::Waits(older) => Some(*older),
                Older::State(state) => {
                    memory = state.bind(py).clone();
                    None
                }
            };
        }
        for place in places.into_iter().rev() {
            memory = match &generation.records[place] {
                Record::Own(..) => (this.clone(), place, memory).into_pyobject(py)?.into_any(),
                Record::Other(waiting, at, _) => (waiting.bind(py).clone(), at, memory).into_pyobject(py)?.into_any(),
            };
        }
        Ok(memory)
    }

    /// Converts a memory from its Python form. The slot must not refer to a generation: nothing would break the reference cycle.
    fn taken(this: &Bound<'_, Self>, memory: &Bound<'_, PyAny>) -> PyResult<Slot> {
        let (mut waits, mut left) = (vec![], memory.clone());
        while let Ok(some) = left.clone().cast_into::<PyTuple>() {
            left = some.get_item(2)?;
            waits.push((some.get_item(0)?, some.get_item(1)?.extract::<usize>()?));
        }
        if waits.is_empty() {
            return Ok(Slot::Python(left.unbind()));
        }
        let mut older = if left.is_none() { Older::Nothing } else { Older::State(left.unbind()) };
        let mut place = 0;
        for (waiting, at) in waits.into_iter().rev() {
            place = Self::kept(this, waiting, at, older)?;
            older = Older::Waits(place);
        }
        Ok(Slot::Waits(place))
    }

    /// Stores a waiting authentication of any `waiting` and returns its place.
    fn kept(this: &Bound<'_, Self>, waiting: Bound<'_, PyAny>, at: usize, older: Older) -> PyResult<usize> {
        let py = this.py();
        let mut generation = this.borrow_mut();
        let kept = match waiting.cast::<Self>() {
            Ok(other) if other.is(this) => generation.repeat(py, at, older),
            Ok(other) => generation.keep_of(py, &other.borrow(), at, older),
            Err(_) => {
                let Ok(some) = waiting.cast::<Completions>() else {
                    return Ok(generation.push(Record::Other(waiting.clone().unbind(), at, older)));
                };
                Some(match some.get().waits(py, at) {
                    Some((waits, texts)) => generation.keep(waits, texts.each_ref().map(|text| &**text), older),
                    None => generation.push(Record::Other(some.get().alone(py, at)?.unbind(), 0, older)),
                })
            }
        };
        kept.ok_or_else(|| PyIndexError::new_err("no such authentication"))
    }

    fn checked(&self, at: usize) -> PyResult<&Waits> {
        match self.records.get(at) {
            Some(Record::Own(waits, _)) => Ok(waits),
            _ => Err(PyIndexError::new_err("no such authentication")),
        }
    }

    fn present(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !matches!(entry.slot, Slot::Gone))
    }
}

impl Waits {
    /// A waiting authentication whose texts are not stored yet.
    pub fn new(start: i64, end: i64, code: Py<PyAny>, component: Py<PyString>, success: bool) -> Self {
        Self { start, end, code, component, success, text: 0, lengths: [0; 3] }
    }

    fn again(&self, py: Python<'_>) -> Self {
        Self::new(self.start, self.end, self.code.clone_ref(py), self.component.clone_ref(py), self.success)
    }
}

/// Narrows a length or place; the memory limit of a log keeps both far below the maximum.
fn number(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(SAME - 1)
}

fn first(hash: u64, mask: usize) -> usize {
    usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0) & mask
}

/// The half of a hash that does not choose the bucket; never `EMPTY`.
fn tag_of(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or(0) | 1
}

/// The UTF-8 bytes of a key; a lone surrogate is encoded as if UTF-8 allowed it.
fn bytes_of(key: &Bound<'_, PyString>) -> PyResult<Vec<u8>> {
    match key.to_str() {
        Ok(text) => Ok(text.as_bytes().to_vec()),
        Err(_) => Ok(key.call_method1("encode", ("utf-8", "surrogatepass"))?.cast::<PyBytes>()?.as_bytes().to_vec()),
    }
}

fn key_of<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(PyString::new(py, text).into_any()),
        Err(_) => PyBytes::new(py, bytes).call_method1("decode", ("utf-8", "surrogatepass")),
    }
}

#[pymethods]
impl Generation {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn __len__(&self) -> usize {
        self.present
    }

    fn __contains__(&self, key: &Bound<'_, PyString>) -> PyResult<bool> {
        let key = bytes_of(key)?;
        Ok(!matches!(self.find(hash_of(&key), &key), Slot::Gone))
    }

    #[pyo3(signature = (key, default = None))]
    fn get<'py>(
        this: &Bound<'py, Self>,
        key: &Bound<'py, PyString>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let key = bytes_of(key)?;
        let generation = this.borrow();
        match generation.find(hash_of(&key), &key) {
            Slot::Gone => Ok(default.unwrap_or_else(|| this.py().None().into_bound(this.py()))),
            slot => Self::memory(this, slot),
        }
    }

    fn __getitem__<'py>(this: &Bound<'py, Self>, key: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        let found = Self::get(this, key, None)?;
        if found.is_none() { Err(PyKeyError::new_err(key.clone().unbind())) } else { Ok(found) }
    }

    fn __setitem__(this: &Bound<'_, Self>, key: &Bound<'_, PyString>, memory: &Bound<'_, PyAny>) -> PyResult<()> {
        let (key, slot) = (bytes_of(key)?, Self::taken(this, memory)?);
        this.borrow_mut().put(hash_of(&key), &key, slot);
        Ok(())
    }

    fn __delitem__(&mut self, key: &Bound<'_, PyString>) -> PyResult<()> {
        let bytes = bytes_of(key)?;
        let at = self.place(hash_of(&bytes), &bytes).filter(|&at| !matches!(self.entries[at].slot, Slot::Gone));
        let at = at.ok_or_else(|| PyKeyError::new_err(key.clone().unbind()))?;
        self.entries[at].slot = Slot::Gone;
        self.present -= 1;
        Ok(())
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.keys(py)?.try_iter()
    }

    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let keys = PyList::empty(py);
        self.present().try_for_each(|entry| keys.append(key_of(py, self.key(entry))?))?;
        Ok(keys)
    }

    fn items<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        let (py, items, generation) = (this.py(), PyList::empty(this.py()), this.borrow());
        for entry in generation.present() {
            items.append((key_of(py, generation.key(entry))?, Self::memory(this, &entry.slot)?))?;
        }
        Ok(items)
    }

    #[pyo3(signature = (key, default = None))]
    fn pop<'py>(
        this: &Bound<'py, Self>,
        key: &Bound<'py, PyString>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let found = Self::get(this, key, None)?;
        if found.is_none() {
            return Ok(default.unwrap_or(found));
        }
        this.borrow_mut().__delitem__(key)?;
        Ok(found)
    }

    fn __deepcopy__<'py>(this: &Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        this.clone()
    }

    /// See `Waiting.completion`.
    fn completion<'py>(&self, py: Python<'py>, at: usize) -> PyResult<Bound<'py, PyTuple>> {
        let record = self.checked(at)?;
        let [id, start_text, end_text] = self.texts_of(record);
        let [id, start_text, end_text] = texts_of(py, id, start_text, end_text);
        let [start, end, newest] = times_of(py, record.start, record.end, record.end)?;
        PyTuple::new(
            py,
            [
                0_u8.into_pyobject(py)?.into_any(),
                py.None().into_bound(py),
                id,
                record.component.bind(py).clone().into_any(),
                start,
                start_text,
                end,
                end_text,
                record.code.bind(py).clone(),
                record.success.into_pyobject(py)?.to_owned().into_any(),
                newest,
            ],
        )
    }

    /// See `Waiting.end`.
    fn end(&self, at: usize) -> PyResult<i64> {
        Ok(self.checked(at)?.end)
    }

    /// See `Waiting.code`.
    fn code<'py>(&self, py: Python<'py>, at: usize) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.checked(at)?.code.bind(py).clone())
    }

    /// Makes a generation of the memories of a dictionary.
    #[staticmethod]
    fn of<'py>(py: Python<'py>, memories: &Bound<'py, PyDict>) -> PyResult<Bound<'py, Self>> {
        let this = Bound::new(py, Self::default())?;
        for (key, memory) in memories {
            Self::__setitem__(&this, key.cast()?, &memory)?;
        }
        Ok(this)
    }
}
