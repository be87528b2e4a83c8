//! The authentications that a chunk completes, side by side, and the first look of a detector's host at them.

use std::collections::HashMap;
use std::ops::Range;

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::batch::item;
use crate::exchanges::{Parts, as_utf_8, stamp_text};
use crate::stamp::Stamp;

/// Characters of a user's key that is remembered as it is; a longer one has all its rows looked at in Python.
const LONGEST_KEY: usize = 128;
/// Codes whose durations are remembered.
const CODES: usize = 4096;
/// Authentications of a user that wait, and are surely few (see `is_small`).
const CHAIN: usize = 8;

/// A completed authentication.
#[derive(Debug)]
pub enum Completion {
    /// One that was completed here.
    Here(Completed),
    /// As the general path made it, with the position that it has among the events of the chunk.
    Python(Py<PyTuple>),
}

/// See `Completion`.
#[derive(Debug)]
pub struct Completed {
    pub position: usize,
    /// Those of the exchange but the last, in texts that all of a chunk share.
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
    fn fields<'py>(&self, py: Python<'py>, texts: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
        let done = match self {
            Completion::Python(fields) => return Ok(fields.bind(py).clone()),
            Completion::Here(done) => done,
        };
        let (parts, texts) = (done.parts, &texts[done.texts.clone()]);
        let text = |text: &[u8]| as_utf_8(py, text).into_any();
        let fields = [
            done.position.into_pyobject(py)?.into_any(),
            parts.user_fields(py, texts)?,
            text(parts.id(texts)),
            done.component.bind(py).clone().into_any(),
            done.start.into_pyobject(py)?.into_any(),
            text(parts.stamp(texts)),
            done.end.into_pyobject(py)?.into_any(),
            stamp_text(py, &done.stamp).into_any(),
            done.code.bind(py).clone(),
            done.success.into_pyobject(py)?.to_owned().into_any(),
            done.newest.into_pyobject(py)?.into_any(),
        ];
        PyTuple::new(py, fields)
    }
}

/// What says whether an authentication waits.
#[derive(Debug)]
struct Row {
    start: i64,
    end: i64,
    code: Py<PyAny>,
    /// None where Python must look at it: it has no user or one with a long key, it did not end at the newest time, or its times
    /// do not fit.
    key: Option<Py<PyString>>,
}

/// Completed authentications. To Python a sequence of the tuples that `CompletionFields` describes, which are made when asked for.
#[pyclass(module = "shipper.decode._kernel", frozen, sequence)]
pub struct Completions {
    completions: Vec<Completion>,
    texts: Vec<u8>,
    rows: Vec<Row>,
    component: Option<Py<PyString>>,
}

impl Completions {
    /// Those of a chunk; `texts` are theirs.
    pub fn new(py: Python<'_>, completions: Vec<Completion>, texts: Vec<u8>) -> PyResult<Self> {
        let rows = completions.iter().map(|completion| row(py, completion, &texts)).collect::<PyResult<_>>()?;
        let component = only_component(py, &completions)?;
        Ok(Self { completions, texts, rows, component })
    }

    /// One of them without the others.
    fn alone(&self, py: Python<'_>, at: usize) -> PyResult<Self> {
        let fields = self.completions[at].fields(py, &self.texts)?;
        Self::new(py, vec![Completion::Python(fields.unbind())], vec![])
    }

    fn check(&self, at: usize) -> PyResult<usize> {
        if at < self.rows.len() { Ok(at) } else { Err(PyIndexError::new_err("no such authentication")) }
    }
}

fn row(py: Python<'_>, completion: &Completion, texts: &[u8]) -> PyResult<Row> {
    match completion {
        Completion::Here(done) => {
            let key = done.parts.key(&texts[done.texts.clone()]);
            let is_plain = done.end == done.newest && (1..=LONGEST_KEY).contains(&key.len());
            let key = is_plain.then(|| as_utf_8(py, key).unbind());
            Ok(Row { start: done.start, end: done.end, code: done.code.clone_ref(py), key })
        }
        Completion::Python(fields) => {
            let fields = fields.bind(py);
            let code = fields.get_item(8)?.unbind();
            let time = |at: usize| fields.get_item(at)?.extract::<i64>();
            let times = (time(4), time(6), time(10));
            let (Ok(start), Ok(end), Ok(newest)) = times else { return Ok(Row { start: 0, end: 0, code, key: None }) };
            let key = key_of(&fields.get_item(1)?)?.filter(|_| end == newest);
            Ok(Row { start, end, code, key })
        }
    }
}

/// The key of a user that the general path made, if it is remembered as it is.
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
    known: HashMap<usize, (Py<PyAny>, Option<i64>)>, // by identity of the code, which must stay
    classes: HashMap<usize, (Py<PyAny>, bool)>,      // the same: if its class is one that matters
}

#[pymethods]
impl Durations {
    /// `of_code` returns nanoseconds, or None.
    #[new]
    fn new(of_code: Py<PyAny>) -> Self {
        Self { of_code, known: HashMap::new(), classes: HashMap::new() }
    }
}

impl Durations {
    fn of(&mut self, code: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
        let key = code.as_ptr() as usize;
        if let Some((_, duration)) = self.known.get(&key) {
            return Ok(*duration);
        }
        if self.known.len() >= CODES {
            self.known.clear();
        }
        let duration = self.of_code.bind(code.py()).call1((code,))?;
        let duration = if duration.is_none() { None } else { Some(duration.extract().unwrap_or(i64::MAX)) };
        self.known.insert(key, (code.clone().unbind(), duration));
        Ok(duration)
    }

    /// If the class of a code is one of these, which are always the same.
    fn matters(&mut self, code: &Bound<'_, PyAny>, classes: &Bound<'_, PyAny>) -> PyResult<bool> {
        let key = code.as_ptr() as usize;
        if let Some((_, matters)) = self.classes.get(&key) {
            return Ok(*matters);
        }
        if self.classes.len() >= CODES {
            self.classes.clear();
        }
        let matters = classes.contains(code.getattr("status_class")?)?;
        self.classes.insert(key, (code.clone().unbind(), matters));
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

    /// True if Python need look at none of them for what it is itself.
    #[getter]
    fn tidy(&self) -> bool {
        self.rows.iter().all(|row| row.key.is_some())
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

    /// Takes authentications from `at` on that have nothing to do with any before them into `young`, as `LocalDetector` does.
    /// `classes`: those of another class are left out, and those that wait are kept without those of their chunk.
    ///
    /// Returns the first one that Python must look at, or their number, and how many were taken.
    #[allow(clippy::too_many_arguments)]
    fn pass_over(
        this: &Bound<'_, Self>,
        at: usize,
        young: &Bound<'_, PyDict>,
        old: &Bound<'_, PyDict>,
        turn: &Bound<'_, PyAny>,
        horizon: &Bound<'_, PyAny>,
        room: usize,
        durations: &mut Durations,
        classes: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(usize, usize)> {
        let (py, completions) = (this.py(), this.get());
        let turn = clamped(turn)?;
        let horizon: Option<i64> = horizon.extract().ok(); // None for one that no time is behind
        let mut taken = 0;
        for (number, row) in completions.rows.iter().enumerate().skip(at) {
            let Some(key) = row.key.as_ref().map(|key| key.bind(py)) else { return Ok((number, taken)) };
            let matters = match classes {
                Some(classes) => durations.matters(row.code.bind(py), classes)?,
                None => true,
            };
            if !matters {
                continue;
            }
            if row.end > turn || taken >= room {
                return Ok((number, taken));
            }
            let memory = match young.get_item(key)? {
                Some(memory) => Some(memory),
                None => match old.get_item(key)? {
                    Some(memory) => {
                        match carried(&memory, horizon.map_or(i64::MIN, |horizon| row.end.saturating_sub(horizon)))? {
                            Carried::Gone => None,
                            Carried::Left(left) => {
                                young.set_item(key, &left)?;
                                Some(left)
                            }
                            Carried::Unknown => return Ok((number, taken)),
                        }
                    }
                    None => None,
                },
            };
            if let Some(memory) = &memory {
                if after(memory, durations)?.is_none_or(|after| row.start <= after) {
                    return Ok((number, taken));
                }
            }
            if memory.is_none() || durations.of(row.code.bind(py))?.is_some() {
                match classes {
                    Some(_) => young.set_item(key, (completions.alone(py, number)?, 0, memory))?,
                    None => young.set_item(key, (this, number, memory))?,
                }
            }
            taken += 1;
        }
        Ok((completions.rows.len(), taken))
    }
}

/// A whole number of Python, or the nearest one that fits.
pub fn clamped(number: &Bound<'_, PyAny>) -> PyResult<i64> {
    match number.extract() {
        Ok(number) => Ok(number),
        Err(_) => Ok(if number.lt(0)? { i64::MIN } else { i64::MAX }),
    }
}

/// What is left of a memory in the old generation.
enum Carried<'py> {
    Gone,
    Left(Bound<'py, PyAny>),
    Unknown,
}

/// A memory without what ended before `oldest`, if it is a few that wait; of a state Python knows how large it is.
fn carried<'py>(memory: &Bound<'py, PyAny>, oldest: i64) -> PyResult<Carried<'py>> {
    let mut kept = vec![];
    let mut left = memory.clone();
    while !left.is_none() {
        let Ok(waits) = left.cast::<PyTuple>().cloned() else {
            match clamped(&left.getattr("after")?)? < oldest {
                true => break,
                false => return Ok(Carried::Unknown),
            }
        };
        match end_and_code(&waits)? {
            Some((end, _)) if end >= oldest => {
                left = waits.get_item(2)?;
                kept.push(waits);
            }
            Some(_) => break,
            None => return Ok(Carried::Unknown),
        }
        if kept.len() > CHAIN {
            return Ok(Carried::Unknown);
        }
        if left.is_none() {
            return Ok(Carried::Left(memory.clone()));
        }
    }
    let mut left: Option<Bound<'py, PyAny>> = None;
    for waits in kept.iter().rev() {
        left = Some((waits.get_item(0)?, waits.get_item(1)?, left).into_pyobject(memory.py())?.into_any());
    }
    Ok(left.map_or(Carried::Gone, Carried::Left))
}

/// End and code of the newest one in a memory that waits, if its times fit.
fn end_and_code<'py>(waits: &Bound<'py, PyTuple>) -> PyResult<Option<(i64, Bound<'py, PyAny>)>> {
    let waiting = waits.get_item(0)?;
    let Ok(waiting) = waiting.cast::<Completions>() else { return Ok(None) };
    let at: usize = waits.get_item(1)?.extract()?;
    let Some(row) = waiting.get().rows.get(at).filter(|row| row.key.is_some()) else { return Ok(None) };
    Ok(Some((row.end, row.code.bind(waits.py()).clone())))
}

/// The time after which an authentication that starts matters to nothing in memory; None if Python must say.
fn after(memory: &Bound<'_, PyAny>, durations: &mut Durations) -> PyResult<Option<i64>> {
    if let Ok(waits) = memory.cast::<PyTuple>() {
        let Some((end, code)) = end_and_code(waits)? else { return Ok(None) };
        return Ok(Some(durations.of(&code)?.map_or(i64::MIN, |duration| end.saturating_add(duration))));
    }
    clamped(&memory.getattr("after")?).map(Some)
}
