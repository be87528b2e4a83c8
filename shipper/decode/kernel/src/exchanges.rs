//! The open exchanges of one component: to Python a dictionary, in order, of the tuples that `ExchangeFields` describes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

use crate::line::UserForm;
use crate::stamp::{STAMP, Stamp};

/// Slots of closed exchanges that are kept, because their threads open others soon.
const SPARE: usize = 4096;

/// The user of an exchange.
#[derive(Debug, Default)]
pub enum Who {
    #[default]
    Nobody,
    /// Written in a form that is plain.
    Plain(UserForm),
    /// As the general path made it: a tuple.
    Made(Py<PyAny>),
}

/// An exchange. Its buffers are used again by the next one of the thread.
#[derive(Debug, Default)]
pub struct Exchange {
    pub start: i64,
    /// The time of the request as written.
    pub stamp: Vec<u8>,
    /// `event.id` of the request.
    pub id: Vec<u8>,
    pub who: Who,
    /// The user as written, if it is plain.
    pub user: Vec<u8>,
    /// The user's key; empty if it has none.
    pub key: Vec<u8>,
    /// User and process as JSON.
    pub shared: Vec<u8>,
    /// The outcome of its verdict.
    pub verdict: Option<Outcome>,
}

/// An outcome, by its place in `OUTCOMES`.
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
    /// As Python put it, not looked at yet.
    Python(Py<PyTuple>),
}

#[derive(Debug)]
struct Slot {
    thread: Arc<str>,
    number: u64, // of its place in the order
    value: Value,
    exchange: Exchange,
}

/// See the module.
#[pyclass(module = "shipper.decode._kernel")]
#[derive(Default)]
pub struct OpenExchanges {
    slots: Vec<Slot>,
    by_thread: HashMap<Arc<str>, usize>,
    order: VecDeque<(u64, usize)>, // with the numbers of closed ones in between
    next: u64,
    open: usize,
}

impl OpenExchanges {
    /// The slot of a thread, which may have been `at`.
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

    /// Opens an exchange in a slot where none is open; fill in all of it.
    pub fn open(&mut self, at: usize) -> &mut Exchange {
        self.place(at);
        let slot = &mut self.slots[at];
        slot.value = Value::Here;
        &mut slot.exchange
    }

    /// The exchange that is open in a slot; None if there is none, or one that cannot be told here.
    pub fn opened(&mut self, py: Python<'_>, at: usize) -> Option<&mut Exchange> {
        let slot = &mut self.slots[at];
        if let Value::Python(fields) = &slot.value {
            let exchange = taken(fields.bind(py))?;
            slot.exchange = exchange;
            slot.value = Value::Here;
        }
        matches!(slot.value, Value::Here).then_some(&mut slot.exchange)
    }

    /// Closes the exchange of a slot.
    pub fn close(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        if !matches!(slot.value, Value::Closed) {
            slot.value = Value::Closed;
            self.open -= 1;
        }
        if self.slots.len() > SPARE + self.open + self.open / 8 {
            self.sweep();
        }
    }

    fn find(&self, thread: &str) -> Option<usize> {
        self.by_thread.get(thread).copied()
    }

    fn add(&mut self, thread: Arc<str>) -> usize {
        self.slots.push(Slot { thread: thread.clone(), number: 0, value: Value::Closed, exchange: Exchange::default() });
        self.by_thread.insert(thread, self.slots.len() - 1);
        self.slots.len() - 1
    }

    /// Gives a closed slot the last place in the order.
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

    /// Forgets the slots of closed exchanges.
    fn sweep(&mut self) {
        let mut slots: Vec<Slot> = self.slots.drain(..).filter(|slot| !matches!(slot.value, Value::Closed)).collect();
        slots.sort_by_key(|slot| slot.number);
        self.by_thread = slots.iter().enumerate().map(|(at, slot)| (slot.thread.clone(), at)).collect();
        self.order = slots.iter().enumerate().map(|(at, slot)| (slot.number, at)).collect();
        self.slots = slots;
    }

    /// The first open slot with a number beyond `number`.
    fn first_beyond(&self, number: u64) -> Option<&Slot> {
        let from = self.order.partition_point(|&(other, _)| other <= number);
        self.order.range(from..).find(|&&(number, at)| is_in_place(&self.slots[at], number)).map(|&(_, at)| &self.slots[at])
    }

    fn in_order(&self) -> impl Iterator<Item = &Slot> {
        self.order.iter().filter(|&&(number, at)| is_in_place(&self.slots[at], number)).map(|&(_, at)| &self.slots[at])
    }

    fn set(&mut self, thread: &str, fields: Py<PyTuple>) {
        let at = self.find(thread).unwrap_or_else(|| self.add(thread.into()));
        if self.is_closed(at) {
            self.place(at);
        }
        self.slots[at].value = Value::Python(fields);
    }
}

fn is_in_place(slot: &Slot, number: u64) -> bool {
    slot.number == number && !matches!(slot.value, Value::Closed)
}

/// An exchange that Python made; None if it does not fit here.
fn taken(fields: &Bound<'_, PyTuple>) -> Option<Exchange> {
    let (start, stamp, id, who, shared, verdict): (i64, String, String, Bound<'_, PyAny>, String, Option<String>) =
        fields.extract().ok()?;
    let (who, key) = if who.is_none() {
        (Who::Nobody, String::new())
    } else {
        let key = who.get_item(3).ok()?.extract().ok()?;
        (Who::Made(who.unbind()), key)
    };
    Some(Exchange {
        start,
        stamp: stamp.into_bytes(),
        id: id.into_bytes(),
        who,
        user: vec![],
        key: key.into_bytes(),
        shared: latin_1(&shared)?,
        verdict: verdict.map(|name| outcome_of(&name).ok_or(())).transpose().ok()?,
    })
}

/// The bytes of a text that is bytes read as latin-1.
pub fn latin_1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

/// Bytes as a text, one character for each.
pub fn as_latin_1<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => PyString::new(py, text),
        _ => PyString::new(py, &bytes.iter().map(|&byte| char::from(byte)).collect::<String>()),
    }
}

/// A user as Python knows it.
pub fn user_fields<'py>(py: Python<'py>, who: &Who, user: &[u8], key: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let form = match who {
        Who::Nobody => return Ok(py.None().into_bound(py)),
        Who::Made(fields) => return Ok(fields.bind(py).clone()),
        Who::Plain(form) => *form,
    };
    let (name, domain, email) = match form {
        UserForm::Bare => (user, None, None),
        UserForm::Domain(at) => (&user[at..], Some(&user[..at - 1]), None),
        UserForm::Mail(at) => (&user[..at - 1], Some(&user[at..]), Some(user)),
    };
    let text = |part: &[u8]| as_latin_1(py, part);
    Ok((text(name), domain.map(text), email.map(text), as_utf_8(py, key)).into_pyobject(py)?.into_any())
}

/// A text that Python gave, or that is plain.
pub fn as_utf_8<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    PyString::new(py, &String::from_utf8_lossy(bytes))
}

fn fields<'py>(py: Python<'py>, slot: &Slot) -> PyResult<Bound<'py, PyTuple>> {
    match &slot.value {
        Value::Python(fields) => Ok(fields.bind(py).clone()),
        _ => {
            let exchange = &slot.exchange;
            let who = user_fields(py, &exchange.who, &exchange.user, &exchange.key)?;
            let verdict = exchange.verdict.map(outcome_name);
            let (stamp, id, shared) =
                (as_utf_8(py, &exchange.stamp), as_utf_8(py, &exchange.id), as_latin_1(py, &exchange.shared));
            (exchange.start, stamp, id, who, shared, verdict).into_pyobject(py)
        }
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

    fn __setitem__(&mut self, thread: &str, fields: Py<PyTuple>) {
        self.set(thread, fields);
    }

    fn __delitem__(&mut self, thread: &str) -> PyResult<()> {
        let at = self.find(thread).filter(|&at| !self.is_closed(at));
        let at = at.ok_or_else(|| PyKeyError::new_err(thread.to_owned()))?;
        self.slots[at].exchange = Exchange::default(); // given up: its thread may never come back for the buffers
        self.close(at);
        Ok(())
    }

    fn __iter__(this: Py<Self>) -> Threads {
        Threads { exchanges: this, number: 0 }
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
                self.set(thread, exchange.clone().unbind());
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

    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for slot in self.in_order() {
            list.append((PyString::new(py, &slot.thread), fields(py, slot)?))?;
        }
        Ok(list)
    }

    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for slot in self.in_order() {
            list.append(fields(py, slot)?)?;
        }
        Ok(list)
    }

    fn clear(&mut self) {
        self.slots.clear();
        self.by_thread.clear();
        self.order.clear();
        self.open = 0;
    }
}

/// The threads of open exchanges, in order.
#[pyclass(module = "shipper.decode._kernel")]
pub struct Threads {
    exchanges: Py<OpenExchanges>,
    number: u64,
}

#[pymethods]
impl Threads {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyString>>> {
        let exchanges = self.exchanges.try_borrow(py)?;
        let Some(slot) = exchanges.first_beyond(self.number) else { return Ok(None) };
        self.number = slot.number;
        Ok(Some(PyString::new(py, &slot.thread).unbind()))
    }
}

/// A time stamp as Python text.
pub fn stamp_text<'py>(py: Python<'py>, stamp: &Stamp) -> Bound<'py, PyString> {
    let text: &[u8; STAMP] = stamp;
    as_latin_1(py, text)
}
