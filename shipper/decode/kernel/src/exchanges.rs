//! The open exchanges of one component: to Python a dictionary, in order, of the tuples that `ExchangeFields` describes.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::line::{UserForm, fold};
use crate::stamp::{STAMP, Stamp};

/// Slots of closed exchanges to keep, because their threads soon open others.
const SPARE: usize = 4096;
/// Bytes of texts: a closed exchange keeps at most this capacity, and `set` takes in no more from Python. Nearly all have fewer.
const ORDINARY: usize = 1024;

/// Lengths, in bytes, of the texts of an exchange, which are stored one after the other: the time of the request as written, its
/// `event.id`, the user as written, the user's key (empty if there is no user); user and process as JSON are the rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts {
    stamp: u32,
    id: u32,
    user: u32,
    key: u32,
    form: Option<UserForm>, // None if there is no user
}

impl Parts {
    fn cut(self, texts: &[u8]) -> [&[u8]; 5] {
        let (stamp, rest) = texts.split_at(self.stamp as usize);
        let (id, rest) = rest.split_at(self.id as usize);
        let (user, rest) = rest.split_at(self.user as usize);
        let (key, shared) = rest.split_at(self.key as usize);
        [stamp, id, user, key, shared]
    }

    /// The time of the request as written.
    pub fn stamp(self, texts: &[u8]) -> &[u8] {
        self.cut(texts)[0]
    }

    /// `event.id` of the request.
    pub fn id(self, texts: &[u8]) -> &[u8] {
        self.cut(texts)[1]
    }

    /// The range of the user's key, given the range of the texts; empty if there is no user.
    pub fn key_in(self, texts: &Range<usize>) -> Range<usize> {
        let begin = texts.start + (self.stamp + self.id + self.user) as usize;
        begin..begin + self.key as usize
    }

    /// The user as a Python tuple, `UserFields`; None if there is no user.
    pub fn user_fields<'py>(self, py: Python<'py>, texts: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let [_, _, user, key, _] = self.cut(texts);
        let (name, domain, email) = match self.form {
            None => return Ok(py.None().into_bound(py)),
            Some(UserForm::Bare) => (user, None, None),
            Some(UserForm::Domain(at)) => (&user[at..], Some(&user[..at - 1]), None),
            Some(UserForm::Mail(at)) => (&user[..at - 1], Some(&user[at..]), Some(user)),
        };
        let text = |part: &[u8]| as_utf_8(py, part);
        Ok((text(name), domain.map(text), email.map(text), text(key)).into_pyobject(py)?.into_any())
    }
}

/// An exchange. The next exchange of the thread reuses its memory.
#[derive(Debug, Default)]
pub struct Exchange {
    pub start: i64,
    /// The outcome of its verdict.
    pub verdict: Option<Outcome>,
    /// Its number in `HeldEvents`; 0 if no event is held, or Python set the exchange.
    pub held: u64,
    parts: Parts,
    texts: Vec<u8>,
}

/// The parts of a request.
pub struct Request<'a> {
    pub time: i64,
    pub stamp: &'a [u8],
    /// The two parts of its `event.id`.
    pub id: [&'a [u8]; 2],
    pub user: &'a [u8],
    pub form: UserForm,
}

impl Exchange {
    /// Starts over with a request; `shared` returns user and process as JSON, in pieces.
    pub fn begin<'a, Pieces: Iterator<Item = &'a [u8]>>(&mut self, request: &Request<'_>, shared: impl Fn() -> Pieces) {
        let Request { time, stamp, id: [prefix, digits], user, form } = *request;
        let texts = &mut self.texts;
        texts.clear();
        if texts.capacity() == 0 {
            let size = shared().map(<[u8]>::len).sum::<usize>();
            texts.reserve_exact(stamp.len() + prefix.len() + digits.len() + 2 * user.len() + size);
        }
        for text in [stamp, prefix, digits, user] {
            texts.extend_from_slice(text);
        }
        let key = texts.len();
        if let UserForm::Mail(at) = form {
            texts.extend_from_slice(&user[at..]);
            texts.push(b'\\');
            texts.extend_from_slice(&user[..at - 1]);
        } else {
            texts.extend_from_slice(user);
        }
        fold(texts, key);
        let length = |text: usize| u32::try_from(text).unwrap_or(u32::MAX); // of a line's parts
        self.parts = Parts {
            stamp: length(stamp.len()),
            id: length(prefix.len() + digits.len()),
            user: length(user.len()),
            key: length(texts.len() - key),
            form: Some(form),
        };
        shared().for_each(|piece| texts.extend_from_slice(piece));
        self.start = time;
        self.verdict = None;
        self.held = 0;
    }

    /// The texts that the completion needs too (all but the last), and their lengths.
    pub fn told(&self) -> (&[u8], Parts) {
        let [.., shared] = self.parts.cut(&self.texts);
        (&self.texts[..self.texts.len() - shared.len()], self.parts)
    }

    /// Stamp, id, key of the user, and user and process as JSON.
    pub fn texts(&self) -> [&[u8]; 4] {
        let [stamp, id, _, key, shared] = self.parts.cut(&self.texts);
        [stamp, id, key, shared]
    }

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let [stamp, id, _, shared] = self.texts();
        let who = self.parts.user_fields(py, &self.texts)?;
        let verdict = self.verdict.map(outcome_name);
        (self.start, as_utf_8(py, stamp), as_utf_8(py, id), who, as_latin_1(py, shared), verdict).into_pyobject(py)
    }
}

/// An outcome, as its index in `OUTCOMES`.
pub type Outcome = u8;
const OUTCOMES: [&str; 3] = ["success", "failure", "unknown"];

/// An outcome by its name.
pub fn outcome_of(name: &str) -> Option<Outcome> {
    OUTCOMES.iter().position(|&other| other == name).and_then(|at| u8::try_from(at).ok())
}

/// The name of an outcome.
pub fn outcome_name(outcome: Outcome) -> &'static str {
    OUTCOMES[usize::from(outcome)]
}

#[derive(Debug)]
enum Value {
    Closed,
    Here,
    /// The tuple that Python put: its texts are unusually long, or it does not fit an `Exchange`.
    Python(Py<PyTuple>),
}

#[derive(Debug)]
struct Slot {
    thread: Arc<str>,
    number: u64, // its number in the order
    value: Value,
    exchange: Exchange,
}

/// See the module.
#[pyclass(module = "shipper.decode._kernel")]
#[derive(Default)]
pub struct OpenExchanges {
    slots: Vec<Slot>,
    by_thread: HashMap<Arc<str>, usize>,
    order: VecDeque<(u64, usize)>, // numbers and slots, stale ones of closed exchanges included
    next: u64,
    open: usize,
}

impl OpenExchanges {
    /// Returns the slot of a thread, made if needed; `at` is a guess from before.
    pub fn slot(&mut self, thread: &Arc<str>, at: usize) -> usize {
        match self.slots.get(at) {
            Some(slot) if Arc::ptr_eq(&slot.thread, thread) => at,
            _ => self.find(thread).unwrap_or_else(|| self.add(thread.clone())),
        }
    }

    /// True if no exchange is open in a slot.
    pub fn is_closed(&self, at: usize) -> bool {
        matches!(self.slots[at].value, Value::Closed)
    }

    /// Opens an exchange in a closed slot. The caller must fill in all of it.
    pub fn open(&mut self, at: usize) -> &mut Exchange {
        self.place(at);
        let slot = &mut self.slots[at];
        slot.value = Value::Here;
        &mut slot.exchange
    }

    /// Returns the exchange open in a slot; None if there is none, or it does not fit an `Exchange`.
    pub fn opened(&mut self, py: Python<'_>, at: usize) -> Option<&mut Exchange> {
        let slot = &mut self.slots[at];
        if let Value::Python(fields) = &slot.value {
            let exchange = taken(fields.bind(py))?;
            slot.exchange = exchange;
            slot.value = Value::Here;
        }
        matches!(slot.value, Value::Here).then_some(&mut slot.exchange)
    }

    /// Closes the exchange of a slot, if one is open.
    pub fn close(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        if !matches!(slot.value, Value::Closed) {
            slot.value = Value::Closed;
            if slot.exchange.texts.capacity() > ORDINARY {
                slot.exchange.texts = vec![];
            }
            self.open -= 1;
        }
        while self.order.front().is_some_and(|&(number, at)| !is_in_place(&self.slots[at], number)) {
            self.order.pop_front();
        }
        self.sweep_if_many();
    }

    fn find(&self, thread: &str) -> Option<usize> {
        self.by_thread.get(thread).copied()
    }

    fn add(&mut self, thread: Arc<str>) -> usize {
        self.sweep_if_many();
        self.slots.push(Slot { thread: thread.clone(), number: 0, value: Value::Closed, exchange: Exchange::default() });
        self.by_thread.insert(thread, self.slots.len() - 1);
        self.slots.len() - 1
    }

    /// Moves a closed slot to the end of the order and counts it as open.
    fn place(&mut self, at: usize) {
        self.next += 1;
        self.slots[at].number = self.next;
        self.open += 1;
        self.order.push_back((self.next, at));
        if self.order.len() > SPARE + 2 * self.open {
            let slots = &self.slots;
            self.order.retain(|&(number, at)| is_in_place(&slots[at], number));
        }
    }

    /// Drops the slots of closed exchanges if there are many of them; in place, since the open ones may be many, too.
    fn sweep_if_many(&mut self) {
        if self.slots.len() <= SPARE + self.open + self.open / 8 {
            return;
        }
        self.slots.retain(|slot| !matches!(slot.value, Value::Closed));
        self.slots.sort_unstable_by_key(|slot| slot.number);
        self.by_thread.clear();
        self.order.clear();
        for (at, slot) in self.slots.iter().enumerate() {
            self.by_thread.insert(slot.thread.clone(), at);
            self.order.push_back((slot.number, at));
        }
    }

    /// Returns the iterator's item for the first open slot with a number above `number`, and the number of that slot.
    fn told<'py>(&self, py: Python<'py>, told: Told, number: u64) -> PyResult<Option<(u64, Bound<'py, PyAny>)>> {
        let from = self.order.partition_point(|&(other, _)| other <= number);
        let found = self.order.range(from..).find(|&&(number, at)| is_in_place(&self.slots[at], number));
        let Some(slot) = found.map(|&(_, at)| &self.slots[at]) else { return Ok(None) };
        let member = told.of(py, PyString::new(py, &slot.thread), || Ok(fields(py, slot)?.into_any()))?;
        Ok(Some((slot.number, member)))
    }

    fn iterate(this: Py<Self>, told: Told) -> InOrder {
        InOrder::new(Box::new(move |py, number| this.try_borrow(py)?.told(py, told, number)))
    }

    fn set(&mut self, thread: &str, fields: &Bound<'_, PyTuple>) {
        let at = self.find(thread).unwrap_or_else(|| self.add(thread.into()));
        if self.is_closed(at) {
            self.place(at);
        }
        let slot = &mut self.slots[at];
        (slot.value, slot.exchange) = match taken(fields).filter(|exchange| exchange.texts.len() <= ORDINARY) {
            Some(exchange) => (Value::Here, exchange),
            None => (Value::Python(fields.clone().unbind()), Exchange::default()),
        };
    }
}

fn is_in_place(slot: &Slot, number: u64) -> bool {
    slot.number == number && !matches!(slot.value, Value::Closed)
}

/// Converts an exchange from Python; None if it does not fit.
fn taken(fields: &Bound<'_, PyTuple>) -> Option<Exchange> {
    type Fields<'py> = (i64, String, String, Bound<'py, PyAny>, String, Option<String>);
    let (start, stamp, id, who, shared, verdict): Fields<'_> = fields.extract().ok()?;
    let (user, key, form) = if who.is_none() { (String::new(), String::new(), None) } else { written(&who)? };
    let length = |text: &str| u32::try_from(text.len()).ok();
    let parts = Parts { stamp: length(&stamp)?, id: length(&id)?, user: length(&user)?, key: length(&key)?, form };
    let texts = [stamp.as_bytes(), id.as_bytes(), user.as_bytes(), key.as_bytes(), &latin_1(&shared)?].concat();
    let verdict = verdict.map(|name| outcome_of(&name).ok_or(())).transpose().ok()?;
    Some(Exchange { start, verdict, held: 0, parts, texts })
}

/// Joins a user from Python to one text. Returns the text, the key, and the form of the text.
fn written(who: &Bound<'_, PyAny>) -> Option<(String, String, Option<UserForm>)> {
    let (name, domain, email, key): (String, Option<String>, Option<String>, String) = who.extract().ok()?;
    let (user, form) = match (domain, email) {
        (None, None) => (name, UserForm::Bare),
        (Some(domain), None) => (format!("{domain}\\{name}"), UserForm::Domain(domain.len() + 1)),
        (Some(domain), Some(email)) if email == format!("{name}@{domain}") => (email, UserForm::Mail(name.len() + 1)),
        _ => return None,
    };
    Some((user, key, Some(form)))
}

/// Recovers the bytes of a text that was decoded as latin-1; None if it was not.
pub fn latin_1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

/// Decodes bytes as latin-1: one character for each.
pub fn as_latin_1<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => PyString::new(py, text),
        _ => PyString::new(py, &bytes.iter().map(|&byte| char::from(byte)).collect::<String>()),
    }
}

/// Decodes bytes that are UTF-8: a text from Python, or a plain one.
pub fn as_utf_8<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    PyString::new(py, &String::from_utf8_lossy(bytes))
}

fn fields<'py>(py: Python<'py>, slot: &Slot) -> PyResult<Bound<'py, PyTuple>> {
    match &slot.value {
        Value::Python(fields) => Ok(fields.bind(py).clone()),
        _ => slot.exchange.fields(py),
    }
}

#[pymethods]
impl OpenExchanges {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn __len__(&self) -> usize {
        self.open
    }

    fn __contains__(&self, thread: &str) -> bool {
        self.find(thread).is_some_and(|at| !self.is_closed(at))
    }

    fn __getitem__<'py>(&self, py: Python<'py>, thread: &str) -> PyResult<Bound<'py, PyTuple>> {
        let at = self.find(thread).filter(|&at| !self.is_closed(at));
        at.map_or_else(|| Err(PyKeyError::new_err(thread.to_owned())), |at| fields(py, &self.slots[at]))
    }

    fn __setitem__(&mut self, thread: &str, fields: &Bound<'_, PyTuple>) {
        self.set(thread, fields);
    }

    fn __delitem__(&mut self, thread: &str) -> PyResult<()> {
        let at = self.find(thread).filter(|&at| !self.is_closed(at));
        let at = at.ok_or_else(|| PyKeyError::new_err(thread.to_owned()))?;
        self.slots[at].exchange = Exchange::default(); // frees the memory: the exchange was given up, its thread may never return
        self.close(at);
        Ok(())
    }

    fn __iter__(this: Py<Self>) -> InOrder {
        Self::iterate(this, Told::Keys)
    }

    #[pyo3(signature = (thread, default = None))]
    fn get<'py>(&self, py: Python<'py>, thread: &str, default: Option<Bound<'py, PyAny>>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.find(thread).filter(|&at| !self.is_closed(at)) {
            Some(at) => fields(py, &self.slots[at]).map(|fields| Some(fields.into_any())),
            None => Ok(default),
        }
    }

    fn setdefault<'py>(&mut self, py: Python<'py>, thread: &str, exchange: Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTuple>> {
        match self.find(thread).filter(|&at| !self.is_closed(at)) {
            Some(at) => fields(py, &self.slots[at]),
            None => {
                self.set(thread, &exchange);
                Ok(exchange)
            }
        }
    }

    #[pyo3(signature = (thread, default))]
    fn pop<'py>(
        &mut self,
        py: Python<'py>,
        thread: &str,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = self.get(py, thread, default)?;
        if let Some(at) = self.find(thread) {
            self.close(at);
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
        self.slots.clear();
        self.by_thread.clear();
        self.order.clear();
        self.open = 0;
    }
}

/// What an iterator over a dictionary of the kernel yields.
#[derive(Clone, Copy)]
pub enum Told {
    Keys,
    Values,
    Items,
}

impl Told {
    /// Makes the item for a member.
    pub fn of<'py>(
        self,
        py: Python<'py>,
        key: Bound<'py, PyString>,
        value: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Self::Keys => key.into_any(),
            Self::Values => value()?,
            Self::Items => (key, value()?).into_pyobject(py)?.into_any(),
        })
    }
}

/// Returns the first member with a number above the given one, and its number.
type Step = Box<dyn for<'py> Fn(Python<'py>, u64) -> PyResult<Option<(u64, Bound<'py, PyAny>)>> + Send + Sync>;

/// An iterator over a dictionary of the kernel, which may change meanwhile. It makes each Python object on demand.
#[pyclass(module = "shipper.decode._kernel")]
pub struct InOrder {
    step: Step,
    number: u64,
}

impl InOrder {
    /// An iterator from the start; members have numbers from 1 on.
    pub fn new(step: Step) -> Self {
        Self { step, number: 0 }
    }
}

#[pymethods]
impl InOrder {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some((number, member)) = (self.step)(py, self.number)? else { return Ok(None) };
        self.number = number;
        Ok(Some(member))
    }
}

/// A time stamp as Python text.
pub fn stamp_text<'py>(py: Python<'py>, stamp: &Stamp) -> Bound<'py, PyString> {
    let text: &[u8; STAMP] = stamp;
    as_latin_1(py, text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{OpenExchanges, SPARE};

    #[test]
    fn threads_that_open_nothing_are_forgotten() {
        let mut exchanges = OpenExchanges::default();
        for number in 0..3 * SPARE {
            let thread = Arc::from(format!("pfrad|1|{number}"));
            let at = exchanges.slot(&thread, usize::MAX);
            assert_eq!(exchanges.slot(&thread, at), at);
            assert!(exchanges.is_closed(at));
            if number == 7 {
                exchanges.open(at);
            }
            assert!(exchanges.slots.len() <= SPARE + 2);
        }
        let opened = exchanges.slot(&Arc::from("pfrad|1|7"), usize::MAX);
        assert!(!exchanges.is_closed(opened));
    }
}
