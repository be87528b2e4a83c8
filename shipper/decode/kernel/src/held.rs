//! The events of one component that wait for the status of their exchange: to Python an ordered dictionary of `Held`
//! (`merging.py`). A plain request, with at most one verdict, is kept as lines; events are made of them when Python asks.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;

use crate::exchanges::{InOrder, Told, as_latin_1, as_utf_8, stamp_text};
use crate::stamp::{Stamp, put_number};
use crate::template::{Lines, Template, Values};

/// Most gone entries to leave in the order, in addition to one for each entry that waits.
const SPARE: usize = 1024;
/// Most text buffers of gone entries to keep for reuse.
const ROOMS: usize = 64;

/// An event not made yet.
#[derive(Debug)]
pub struct Part {
    pub template: Arc<Template>,
    pub origin: Py<PyAny>,
    pub time: i64,
    /// `event.id` up to the offset; a verdict may be in another file than its request.
    pub prefix: Arc<[u8]>,
    pub offset: u64,
    /// Position of the message in the line.
    pub message: usize,
    /// Position in the line of the backslash that JSON doubles, if there is one.
    pub backslash: Option<usize>,
}

/// The texts of a request: its line, with the ranges of the opening quote and of the tail; the user's key; user and process.
pub struct RequestTexts<'a> {
    pub line: &'a [u8],
    pub opening: Range<usize>,
    pub tail: Range<usize>,
    pub key: &'a [u8],
    pub shared: &'a [u8],
}

/// A held verdict.
#[derive(Debug)]
struct Verdict {
    part: Part,
    number: i64,
    line: Range<usize>,
}

/// The held events of one exchange.
#[derive(Debug)]
pub struct Held {
    request: Part,
    verdict: Option<Verdict>,
    opening: Range<usize>,
    tail: Range<usize>,
    key: Range<usize>,
    shared: Range<usize>,
    texts: Vec<u8>, // in order: line of the request, key, user and process, line of the verdict
}

impl Held {
    /// Holds a request; `room` is a buffer to reuse for the texts.
    fn new(request: Part, texts: &RequestTexts<'_>, mut room: Vec<u8>) -> Self {
        let RequestTexts { line, opening, tail, key, shared } = texts;
        let key_end = line.len() + key.len();
        let end = key_end + shared.len();
        room.clear();
        if room.capacity() < end {
            room.reserve_exact(end);
        }
        for text in [line, key, shared] {
            room.extend_from_slice(text);
        }
        let (opening, tail) = (opening.clone(), tail.clone());
        let (key, shared) = (line.len()..key_end, key_end..end);
        Self { request, verdict: None, opening, tail, key, shared, texts: room }
    }

    /// Adds the verdict.
    pub fn add(&mut self, part: Part, number: i64, line: &[u8]) {
        let begin = self.texts.len();
        if self.texts.capacity() < begin + line.len() {
            self.texts.reserve_exact(line.len());
        }
        self.texts.extend_from_slice(line);
        self.verdict = Some(Verdict { part, number, line: begin..self.texts.len() });
    }

    /// The quote before the user of the request.
    pub fn opening(&self) -> &[u8] {
        &self.texts[self.opening.clone()]
    }

    /// The text after the user of the request.
    pub fn tail(&self) -> &[u8] {
        &self.texts[self.tail.clone()]
    }

    /// The number of the verdict, if there is one.
    pub fn verdict(&self) -> Option<i64> {
        self.verdict.as_ref().map(|verdict| verdict.number)
    }

    /// The lines that the merged event includes.
    pub fn lines(&self) -> Lines<'_> {
        let verdict = self.verdict.as_ref().map_or(&[][..], |verdict| &self.texts[verdict.line.clone()]);
        Lines { request: &self.texts[..self.key.start], backslash: self.request.backslash, verdict }
    }

    fn event<'py>(&self, py: Python<'py>, part: &Part, line: &[u8], request: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let stamp: &Stamp = line.first_chunk().ok_or_else(|| PyKeyError::new_err("no time stamp"))?;
        let mut id = part.prefix.to_vec();
        put_number(&mut id, i64::try_from(part.offset)?);
        let values = Values {
            stamp,
            time: part.time,
            prefix: &part.prefix,
            offset: &id[part.prefix.len()..],
            line,
            message: part.message,
            backslash: part.backslash,
            shared: &self.texts[self.shared.clone()],
            request,
            start: b"",
            began: part.time,
            lines: Lines::default(),
        };
        let mut text = vec![];
        part.template.put(&mut text, &values);
        let key = (!self.key.is_empty()).then(|| as_utf_8(py, &self.texts[self.key.clone()]));
        let label = (stamp_text(py, stamp), as_utf_8(py, &id), part.origin.bind(py), key);
        Ok((as_latin_1(py, &text), label).into_pyobject(py)?.into_any())
    }

    /// Makes the texts and labels of the events; `request` is the event id of the request.
    fn events<'py>(&self, py: Python<'py>, request: &[u8]) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let first = self.event(py, &self.request, self.lines().request, request)?;
        let second = self.verdict.as_ref().map(|verdict| self.event(py, &verdict.part, self.lines().verdict, request));
        [Ok(first)].into_iter().chain(second).collect()
    }
}

#[derive(Debug)]
enum Value {
    Gone,
    Here(Box<Held>),
    /// The `Held` that Python put.
    Python(Py<PyAny>),
}

#[derive(Debug)]
struct Entry {
    number: u64, // its number in the order
    id: Arc<[u8]>,
    start: Option<i64>, // None if it does not fit 64 bits
    value: Value,
}

/// See the module.
#[pyclass(module = "shipper.decode._kernel")]
pub struct HeldEvents {
    make: Py<PyAny>,
    order: VecDeque<Entry>, // the first entry waits; later ones may be gone
    by_id: HashMap<Arc<[u8]>, u64>,
    next: u64,
    rooms: Vec<Vec<u8>>,
}

impl HeldEvents {
    /// True if Python must first release events that are overdue at this time.
    pub fn is_overdue(&self, time: i64, timeout: i64) -> bool {
        self.order.front().is_some_and(|first| first.start.is_none_or(|start| time.saturating_sub(start) > timeout))
    }

    /// Holds a request with this id and returns its number here, or None if the id is not new.
    pub fn hold(&mut self, id: &[u8], request: Part, texts: &RequestTexts<'_>) -> Option<u64> {
        if self.by_id.contains_key(id) {
            return None;
        }
        let (start, room) = (Some(request.time), self.rooms.pop().unwrap_or_default());
        let held = Held::new(request, texts, room);
        Some(self.push(id, start, Value::Here(Box::new(held))))
    }

    /// Returns what waits under a number; None if nothing does, or only a `Held` of Python.
    pub fn waiting(&mut self, number: u64) -> Option<&mut Held> {
        let at = self.at(number)?;
        match &mut self.order[at].value {
            Value::Here(held) => Some(held),
            _ => None,
        }
    }

    /// Removes what waits under a number, if anything does.
    pub fn remove(&mut self, number: u64) {
        let Some(at) = self.at(number) else { return };
        let entry = &mut self.order[at];
        self.by_id.remove(&entry.id);
        match std::mem::replace(&mut entry.value, Value::Gone) {
            Value::Here(held) if self.rooms.len() < ROOMS => self.rooms.push(held.texts),
            _ => {}
        }
        while self.order.front().is_some_and(is_gone) {
            self.order.pop_front();
        }
    }

    fn push(&mut self, id: &[u8], start: Option<i64>, value: Value) -> u64 {
        if self.order.len() > SPARE + 2 * self.by_id.len() {
            self.order.retain(|entry| !is_gone(entry));
        }
        self.next += 1;
        let (number, id) = (self.next, Arc::from(id));
        self.by_id.insert(Arc::clone(&id), number);
        self.order.push_back(Entry { number, id, start, value });
        number
    }

    fn at(&self, number: u64) -> Option<usize> {
        self.order.binary_search_by_key(&number, |entry| entry.number).ok()
    }

    fn find(&self, id: &str) -> Option<&Entry> {
        self.by_id.get(id.as_bytes()).and_then(|&number| self.at(number)).map(|at| &self.order[at])
    }

    fn value<'py>(&self, py: Python<'py>, entry: &Entry) -> PyResult<Bound<'py, PyAny>> {
        match &entry.value {
            Value::Here(held) => self.make.bind(py).call1((entry.start, held.events(py, &entry.id)?)),
            Value::Python(held) => Ok(held.bind(py).clone()),
            Value::Gone => Err(missing(&String::from_utf8_lossy(&entry.id))),
        }
    }

    /// Returns the iterator's item for the first waiting entry with a number above `number`, and the number of that entry.
    fn told<'py>(&self, py: Python<'py>, told: Told, number: u64) -> PyResult<Option<(u64, Bound<'py, PyAny>)>> {
        let from = self.order.partition_point(|entry| entry.number <= number);
        let Some(entry) = self.order.range(from..).find(|entry| !is_gone(entry)) else { return Ok(None) };
        let member = told.of(py, as_utf_8(py, &entry.id), || self.value(py, entry))?;
        Ok(Some((entry.number, member)))
    }

    fn iterate(this: Py<Self>, told: Told) -> InOrder {
        InOrder::new(Box::new(move |py, number| this.try_borrow(py)?.told(py, told, number)))
    }
}

fn is_gone(entry: &Entry) -> bool {
    matches!(entry.value, Value::Gone)
}

fn missing(id: &str) -> PyErr {
    PyKeyError::new_err(id.to_owned())
}

#[pymethods]
impl HeldEvents {
    /// `make` returns a `Held`, given the time of a request in nanoseconds and a list of the texts and labels of events.
    #[new]
    fn new(make: Py<PyAny>) -> Self {
        Self { make, order: VecDeque::new(), by_id: HashMap::new(), next: 0, rooms: vec![] }
    }

    /// Returns the time of the first request; None if nothing waits.
    fn oldest<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.order
            .front()
            .map(|first| match (&first.value, first.start) {
                (Value::Python(held), _) => held.bind(py).getattr("start"),
                (_, start) => Ok(start.into_pyobject(py)?.into_any()),
            })
            .transpose()
    }

    fn __len__(&self) -> usize {
        self.by_id.len()
    }

    fn __contains__(&self, id: &str) -> bool {
        self.by_id.contains_key(id.as_bytes())
    }

    fn __getitem__<'py>(&self, py: Python<'py>, id: &str) -> PyResult<Bound<'py, PyAny>> {
        self.find(id).map_or_else(|| Err(missing(id)), |entry| self.value(py, entry))
    }

    fn __setitem__(&mut self, id: &str, held: &Bound<'_, PyAny>) -> PyResult<()> {
        let start = held.getattr("start")?.extract().ok();
        let value = Value::Python(held.clone().unbind());
        match self.by_id.get(id.as_bytes()).and_then(|&number| self.at(number)) {
            Some(at) => {
                let entry = &mut self.order[at];
                (entry.start, entry.value) = (start, value);
            }
            None => {
                self.push(id.as_bytes(), start, value);
            }
        }
        Ok(())
    }

    fn __delitem__(&mut self, id: &str) -> PyResult<()> {
        let number = *self.by_id.get(id.as_bytes()).ok_or_else(|| missing(id))?;
        self.remove(number);
        Ok(())
    }

    fn __iter__(this: Py<Self>) -> InOrder {
        Self::iterate(this, Told::Keys)
    }

    #[pyo3(signature = (id, default = None))]
    fn get<'py>(&self, py: Python<'py>, id: &str, default: Option<Bound<'py, PyAny>>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.find(id).map_or(Ok(default), |entry| self.value(py, entry).map(Some))
    }

    #[pyo3(signature = (id, default))]
    fn pop<'py>(&mut self, py: Python<'py>, id: &str, default: Option<Bound<'py, PyAny>>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = self.get(py, id, default)?;
        if let Some(&number) = self.by_id.get(id.as_bytes()) {
            self.remove(number);
        }
        Ok(found)
    }

    fn items(this: Py<Self>) -> InOrder {
        Self::iterate(this, Told::Items)
    }

    fn values(this: Py<Self>) -> InOrder {
        Self::iterate(this, Told::Values)
    }

    fn clear(&mut self) {
        self.order.clear();
        self.by_id.clear();
    }
}
