//! The authentications that a chunk completes, and the first pass of a detector's host over them.

use std::borrow::Cow;
use std::ops::Range;

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::batch::{item, keep};
use crate::exchanges::{Parts, as_utf_8};
use crate::generation::{Generation, Older, Record, Slot, Waits, hash_of};
use crate::stamp::Stamp;

/// Longest key, in bytes (from Python: in characters), that memory keeps as it is. Python looks at every row with a longer one.
const LONGEST_KEY: usize = 128;
/// Most codes to remember. A log has a few, so the search is linear.
const CODES: usize = 64;
/// Most values in a state that is surely small, even once the waiting authentications are added (see `remembered.py`).
const FEW: usize = 128;
/// Most waiting authentications of a user that are surely few (see `is_small` in `remembered.py`).
const CHAIN: usize = 8;

/// A completed authentication.
#[derive(Debug)]
pub enum Completion {
    /// An authentication completed here.
    Here(Completed),
    /// The tuple that the general path made, with the position of its event in the chunk.
    Python(Py<PyTuple>),
}

/// See `Completion`.
#[derive(Debug)]
pub struct Completed {
    pub position: usize,
    /// The texts of the exchange, except the last, in the texts that the completions of a chunk share.
    pub texts: Range<usize>,
    pub parts: Parts,
    pub component: Py<PyString>,
    pub start: i64,
    pub end: i64,
    pub stamp: Stamp,
    pub code: Py<PyAny>,
    pub success: bool,
    pub newest: i64,
}

impl Completion {
    fn position(&self, py: Python<'_>) -> PyResult<usize> {
        match self {
            Completion::Here(done) => Ok(done.position),
            Completion::Python(fields) => fields.bind(py).get_item(0)?.extract(),
        }
    }

    fn fields<'py>(&self, py: Python<'py>, texts: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
        let done = match self {
            Completion::Python(fields) => return Ok(fields.bind(py).clone()),
            Completion::Here(done) => done,
        };
        let (parts, texts) = (done.parts, &texts[done.texts.clone()]);
        let [id, start_text, end_text] = texts_of(py, parts.id(texts), parts.stamp(texts), &done.stamp);
        let [start, end, newest] = times_of(py, done.start, done.end, done.newest)?;
        let fields = [
            done.position.into_pyobject(py)?.into_any(),
            parts.user_fields(py, texts)?,
            id,
            done.component.bind(py).clone().into_any(),
            start,
            start_text,
            end,
            end_text,
            done.code.bind(py).clone(),
            done.success.into_pyobject(py)?.to_owned().into_any(),
            newest,
        ];
        PyTuple::new(py, fields)
    }
}

/// Id, start and end of an authentication as Python strings. If start and end are equal, as for a one-line result, they share one
/// string: memory may be full of them.
pub fn texts_of<'py>(py: Python<'py>, id: &[u8], start: &[u8], end: &[u8]) -> [Bound<'py, PyAny>; 3] {
    let start_text = as_utf_8(py, start).into_any();
    let end_text = if start == end { start_text.clone() } else { as_utf_8(py, end).into_any() };
    [as_utf_8(py, id).into_any(), start_text, end_text]
}

/// Start, end and newest time as Python integers; equal times share one object, for the same reason.
pub fn times_of<'py>(py: Python<'py>, start: i64, end: i64, newest: i64) -> PyResult<[Bound<'py, PyAny>; 3]> {
    let number = |time: i64| -> PyResult<_> { Ok(time.into_pyobject(py)?.into_any()) };
    let last = number(end)?;
    let [first, newest] = [start, newest].map(|time| if time == end { Ok(last.clone()) } else { number(time) });
    Ok([first?, last, newest?])
}

/// The fields that decide whether an authentication waits.
#[derive(Debug)]
struct Row {
    start: i64,
    end: i64,
    code: Py<PyAny>,
    /// Range of the user's key in the texts. None if Python must look at the authentication: it has no user, a long key, an end
    /// other than the newest time, or times that do not fit 64 bits.
    key: Option<Range<usize>>,
}

/// An authentication that the kernel completed and Python need not look at: it has a user, and ended at the newest time.
pub struct SignIn<'a> {
    pub position: usize,
    pub start: i64,
    pub end: i64,
    pub success: bool,
    pub id: &'a [u8],
    pub key: &'a [u8],
    parts: Parts,
    texts: &'a [u8],
}

impl SignIn<'_> {
    /// The user as a Python tuple.
    pub fn user<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.parts.user_fields(py, self.texts)
    }
}

/// Completed authentications. To Python a sequence of the tuples that `CompletionFields` describes, each made on access.
#[pyclass(module = "shipper.decode._kernel", frozen, sequence)]
pub struct Completions {
    completions: Vec<Completion>,
    texts: Vec<u8>,
    rows: Vec<Row>,
    component: Option<Py<PyString>>,
}

impl Completions {
    /// The completions of a chunk, with the texts that they share.
    pub fn new(py: Python<'_>, completions: Vec<Completion>, mut texts: Vec<u8>) -> PyResult<Self> {
        let rows = completions.iter().map(|completion| row(py, completion, &mut texts)).collect::<PyResult<_>>()?;
        let component = only_component(py, &completions)?;
        Ok(Self { completions, texts, rows, component })
    }

    /// Returns an authentication in its waiting form, and its texts; None if it does not fit that form.
    pub fn waits(&self, py: Python<'_>, at: usize) -> Option<(Waits, [Cow<'_, [u8]>; 3])> {
        match self.completions.get(at)? {
            Completion::Here(done) => {
                let (code, component) = (done.code.clone_ref(py), done.component.clone_ref(py));
                let (parts, texts) = (done.parts, &self.texts[done.texts.clone()]);
                let texts = [parts.id(texts), parts.stamp(texts), &done.stamp].map(Cow::Borrowed);
                Some((Waits::new(done.start, done.end, code, component, done.success), texts))
            }
            Completion::Python(fields) => {
                type Fields = (String, Py<PyString>, i64, String, i64, String, Py<PyAny>, bool);
                let (id, component, start, start_text, end, end_text, code, success): Fields =
                    fields.bind(py).get_slice(2, 10).extract().ok()?;
                let texts = [id, start_text, end_text].map(|text| Cow::Owned(text.into_bytes()));
                Some((Waits::new(start, end, code, component, success), texts))
            }
        }
    }

    /// Returns an authentication as a `SignIn`; None if it is not one.
    pub fn sign_in(&self, at: usize) -> Option<SignIn<'_>> {
        let key = &self.texts[self.rows.get(at)?.key.clone()?];
        let Completion::Here(done) = &self.completions[at] else { return None };
        let (Completed { position, start, end, success, parts, .. }, texts) = (done, &self.texts[done.texts.clone()]);
        let id = parts.id(texts);
        Some(SignIn { position: *position, start: *start, end: *end, success: *success, id, key, parts: *parts, texts })
    }

    /// Copies an authentication that does not fit, without the rest of its chunk and without its user, whose name may be long.
    pub fn alone<'py>(&self, py: Python<'py>, at: usize) -> PyResult<Bound<'py, PyAny>> {
        let fields = self.completions[self.check(at)?].fields(py, &self.texts)?;
        let mut values = vec![0_u8.into_pyobject(py)?.into_any(), py.None().into_bound(py)];
        values.extend(fields.get_slice(2, fields.len()));
        let alone = Self::new(py, vec![Completion::Python(PyTuple::new(py, values)?.unbind())], vec![])?;
        Ok(Bound::new(py, alone)?.into_any())
    }

    fn check(&self, at: usize) -> PyResult<usize> {
        if at < self.rows.len() { Ok(at) } else { Err(PyIndexError::new_err("no such authentication")) }
    }
}

fn row(py: Python<'_>, completion: &Completion, texts: &mut Vec<u8>) -> PyResult<Row> {
    match completion {
        Completion::Here(done) => {
            let key = done.parts.key_in(&done.texts);
            let is_plain = done.end == done.newest && (1..=LONGEST_KEY).contains(&key.len());
            let key = is_plain.then_some(key);
            Ok(Row { start: done.start, end: done.end, code: done.code.clone_ref(py), key })
        }
        Completion::Python(fields) => {
            let fields = fields.bind(py);
            let code = fields.get_item(8)?.unbind();
            let time = |at: usize| fields.get_item(at)?.extract::<i64>();
            let times = (time(4), time(6), time(10));
            let (Ok(start), Ok(end), Ok(newest)) = times else {
                return Ok(Row { start: i64::MIN, end: i64::MAX, code, key: None });
            };
            let key = key_of(&fields.get_item(1)?)?.filter(|_| end == newest);
            let key = key.as_ref().and_then(|key| key.to_str(py).ok()).map(|key| keep(texts, key.as_bytes()));
            Ok(Row { start, end, code, key })
        }
    }
}

/// The key of a user from the general path; None if there is no user, or the key is too long to keep.
fn key_of(user: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyString>>> {
    if user.is_none() {
        return Ok(None);
    }
    let key = user.get_item(3)?.cast_into::<PyString>()?;
    Ok((key.len()? <= LONGEST_KEY).then(|| key.unbind()))
}

fn only_component(py: Python<'_>, completions: &[Completion]) -> PyResult<Option<Py<PyString>>> {
    let mut only: Option<Bound<'_, PyString>> = None;
    for completion in completions {
        let component = match completion {
            Completion::Here(done) => done.component.bind(py).clone(),
            Completion::Python(fields) => fields.bind(py).get_item(3)?.cast_into()?,
        };
        match &only {
            Some(other) if !other.is(&component) && other.to_cow()? != component.to_cow()? => return Ok(None),
            Some(_) => {}
            None => only = Some(component),
        }
    }
    Ok(only.map(Bound::unbind))
}

/// For how long after its end an authentication matters to those that start, by its code (see `Lull.of_code`).
#[pyclass(module = "shipper.decode._kernel")]
pub struct Durations {
    of_code: Py<PyAny>,
    known: Vec<(Py<PyAny>, Option<i64>)>, // by identity of the code
    classes: Vec<(Py<PyAny>, bool)>,      // likewise: whether the class of the code matters
}

#[pymethods]
impl Durations {
    /// `of_code` returns nanoseconds, or None.
    #[new]
    fn new(of_code: Py<PyAny>) -> Self {
        Self { of_code, known: vec![], classes: vec![] }
    }
}

impl Durations {
    fn of(&mut self, code: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
        if let Some((_, duration)) = self.known.iter().find(|(known, _)| known.is(code)) {
            return Ok(*duration);
        }
        if self.known.len() >= CODES {
            self.known.clear();
        }
        let duration = self.of_code.bind(code.py()).call1((code,))?;
        let duration = if duration.is_none() { None } else { Some(duration.extract().unwrap_or(i64::MAX)) };
        self.known.push((code.clone().unbind(), duration));
        Ok(duration)
    }

    /// True if the class of a code is in `classes`, which must be the same in all calls.
    fn matters(&mut self, code: &Bound<'_, PyAny>, classes: &Bound<'_, PyAny>) -> PyResult<bool> {
        if let Some((_, matters)) = self.classes.iter().find(|(known, _)| known.is(code)) {
            return Ok(*matters);
        }
        if self.classes.len() >= CODES {
            self.classes.clear();
        }
        let matters = classes.contains(code.getattr("status_class")?)?;
        self.classes.push((code.clone().unbind(), matters));
        Ok(matters)
    }
}

#[pymethods]
impl Completions {
    fn __len__(&self) -> usize {
        self.completions.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        item(index, self.completions.len(), |at| Ok(self.completions[at].fields(py, &self.texts)?.into_any()))
    }

    fn __deepcopy__(this: Py<Self>, _memo: Py<PyAny>) -> Py<Self> {
        this
    }

    /// The component of all of them; None if they have several.
    #[getter]
    fn component(&self, py: Python<'_>) -> Option<Py<PyString>> {
        self.component.as_ref().map(|component| component.clone_ref(py))
    }

    /// True if every row has a key, so that no authentication by itself needs Python.
    #[getter]
    fn tidy(&self) -> bool {
        self.rows.iter().all(|row| row.key.is_some())
    }

    /// Returns the place of the first completion whose event is after a position; their number if there is none.
    fn behind(&self, py: Python<'_>, position: usize) -> PyResult<usize> {
        let (mut first, mut end) = (0, self.completions.len());
        while first < end {
            let middle = first.midpoint(end);
            if self.completions[middle].position(py)? <= position {
                first = middle + 1;
            } else {
                end = middle;
            }
        }
        Ok(first)
    }

    /// Returns the places of the earliest start and the latest end, the first of equals; None if empty or a time does not fit.
    fn extremes(&self) -> Option<(usize, usize)> {
        let places = || self.rows.iter().enumerate();
        let (first, row) = places().min_by_key(|(_, row)| row.start)?;
        let (last, _) = places().rev().max_by_key(|(_, row)| row.end)?;
        (row.start != i64::MIN).then_some((first, last))
    }

    /// See `Waiting.completion`.
    fn completion<'py>(&self, py: Python<'py>, at: usize) -> PyResult<Bound<'py, PyTuple>> {
        let fields = self.completions[self.check(at)?].fields(py, &self.texts)?;
        let mut values = vec![0_u8.into_pyobject(py)?.into_any(), py.None().into_bound(py)];
        values.extend(fields.get_slice(2, 10));
        values.push(fields.get_item(6)?);
        PyTuple::new(py, values)
    }

    /// See `Waiting.end`.
    fn end<'py>(&self, py: Python<'py>, at: usize) -> PyResult<Bound<'py, PyAny>> {
        match &self.completions[self.check(at)?] {
            Completion::Here(done) => Ok(done.end.into_pyobject(py)?.into_any()),
            Completion::Python(fields) => fields.bind(py).get_item(6),
        }
    }

    /// See `Waiting.code`.
    fn code<'py>(&self, py: Python<'py>, at: usize) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.rows[self.check(at)?].code.bind(py).clone())
    }

    /// Takes authentications from `at` on that have nothing to do with earlier ones into `kept`, the younger generation, as
    /// `LocalDetector` does. Skips those whose status class is not in `classes`.
    ///
    /// Returns the place of the first authentication that Python must look at, or their number; how many were taken; and the
    /// memory of its user, if the authentication started while that memory still mattered.
    #[allow(clippy::too_many_arguments)]
    fn pass_over<'py>(
        this: &Bound<'py, Self>,
        at: usize,
        kept: &Bound<'py, Generation>,
        old: &Bound<'py, Generation>,
        turn: &Bound<'_, PyAny>,
        horizon: &Bound<'_, PyAny>,
        room: usize,
        durations: &mut Durations,
        classes: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(usize, usize, Option<Bound<'py, PyAny>>)> {
        let (py, completions) = (this.py(), this.get());
        let turn = clamped(turn)?;
        let horizon: Option<i64> = horizon.extract().ok(); // None if too large for any time to be beyond it
        let (mut young, old) = (kept.try_borrow_mut()?, old.try_borrow()?);
        let mut taken = 0;
        for (number, row) in completions.rows.iter().enumerate().skip(at) {
            let Some(key) = row.key.clone() else { return Ok((number, taken, None)) };
            let matters = match classes {
                Some(classes) => durations.matters(row.code.bind(py), classes)?,
                None => true,
            };
            if !matters {
                continue;
            }
            if row.end > turn || taken >= room {
                return Ok((number, taken, None));
            }
            let key = &completions.texts[key];
            let hash = hash_of(key);
            let mut memory = Memory::of(young.find(hash, key), py);
            if matches!(memory, Memory::Nothing) {
                let oldest = horizon.map_or(i64::MIN, |horizon| row.end.saturating_sub(horizon));
                match carried(py, &old, old.find(hash, key), oldest, &mut young)? {
                    Carried::Gone => (),
                    Carried::Left(left) => {
                        memory = Memory::of(&left, py);
                        young.put(hash, key, left);
                    }
                    Carried::Unknown => return Ok((number, taken, None)),
                }
            }
            let after = match &memory {
                Memory::Nothing => i64::MIN,
                Memory::State(state) => clamped(&state.bind(py).getattr("after")?)?,
                Memory::Waits(place) => match young.record(*place) {
                    Some(Record::Own(waits, _)) => {
                        durations.of(waits.code.bind(py))?.map_or(i64::MIN, |duration| waits.end.saturating_add(duration))
                    }
                    _ => return Ok((number, taken, None)),
                },
            };
            if row.start <= after {
                drop(young);
                return Ok((number, taken, memory.for_python(kept)?));
            }
            if matches!(memory, Memory::Nothing) || durations.of(row.code.bind(py))?.is_some() {
                let Some((waits, texts)) = completions.waits(py, number) else { return Ok((number, taken, None)) };
                let older = match memory {
                    Memory::Nothing => Older::Nothing,
                    Memory::Waits(place) => Older::Waits(place),
                    Memory::State(state) => Older::State(state),
                };
                let place = young.keep(waits, texts.each_ref().map(|text| &**text), older);
                young.put(hash, key, Slot::Waits(place));
            }
            taken += 1;
        }
        Ok((completions.rows.len(), taken, None))
    }
}

/// The memory of a user.
enum Memory {
    Nothing,
    Waits(usize),
    State(Py<PyAny>),
}

impl Memory {
    fn of(slot: &Slot, py: Python<'_>) -> Self {
        match slot {
            Slot::Gone => Self::Nothing,
            Slot::Waits(place) => Self::Waits(*place),
            Slot::Python(state) => Self::State(state.clone_ref(py)),
        }
    }

    /// Converts the memory of a user of this generation to its Python form.
    fn for_python<'py>(self, generation: &Bound<'py, Generation>) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(match self {
            Self::Nothing => None,
            Self::State(state) => Some(state.into_bound(generation.py())),
            Self::Waits(place) => Some(Generation::waits(generation, place)?),
        })
    }
}

/// A Python integer as 64 bits, or the nearest value that fits.
pub fn clamped(number: &Bound<'_, PyAny>) -> PyResult<i64> {
    match number.extract() {
        Ok(number) => Ok(number),
        Err(_) => Ok(if number.lt(0)? { i64::MIN } else { i64::MAX }),
    }
}

/// What is left of a memory in the old generation.
enum Carried {
    Gone,
    Left(Slot),
    Unknown,
}

/// Carries a memory over to `young`, without what ended before `oldest`, if it is surely small (`remembered` and `is_small`).
fn carried(py: Python<'_>, old: &Generation, slot: &Slot, oldest: i64, young: &mut Generation) -> PyResult<Carried> {
    let is_over = |state: &Py<PyAny>| PyResult::Ok(clamped(&state.bind(py).getattr("after")?)? < oldest);
    let mut next = match slot {
        Slot::Gone => return Ok(Carried::Gone),
        Slot::Python(state) if is_over(state)? => return Ok(Carried::Gone),
        Slot::Python(state) if is_small(state.bind(py))? => return Ok(Carried::Left(Slot::Python(state.clone_ref(py)))),
        Slot::Python(_) => return Ok(Carried::Unknown),
        Slot::Waits(place) => Some(*place),
    };
    let (mut kept, mut older) = (vec![], Older::Nothing);
    while let Some(place) = next {
        match old.record(place) {
            Some(Record::Own(waits, before)) if waits.end >= oldest => {
                kept.push(place);
                next = match before {
                    Older::Nothing => None,
                    Older::Waits(before) => Some(*before),
                    Older::State(state) if is_over(state)? => None,
                    Older::State(state) if is_small(state.bind(py))? => {
                        older = Older::State(state.clone_ref(py));
                        None
                    }
                    Older::State(_) => return Ok(Carried::Unknown),
                };
            }
            Some(Record::Own(..)) => break,
            _ => return Ok(Carried::Unknown),
        }
        if kept.len() > CHAIN {
            return Ok(Carried::Unknown);
        }
    }
    let mut left = None;
    for place in kept.into_iter().rev() {
        let Some(place) = young.keep_of(py, old, place, older) else { return Ok(Carried::Unknown) };
        older = Older::Waits(place);
        left = Some(place);
    }
    Ok(left.map_or(Carried::Gone, |place| Carried::Left(Slot::Waits(place))))
}

/// True if a state holds at most `FEW` values.
fn is_small(known: &Bound<'_, PyAny>) -> PyResult<bool> {
    let mut left = FEW;
    let mut open = vec![known.getattr("state")?];
    while let Some(value) = open.pop() {
        if let Ok(members) = value.cast::<PyDict>() {
            open.extend(members.values());
        } else if let Ok(members) = value.cast::<PyList>() {
            open.extend(members);
        } else if left == 0 {
            return Ok(false);
        } else {
            left -= 1;
        }
        if open.len() > left {
            return Ok(false);
        }
    }
    Ok(true)
}
