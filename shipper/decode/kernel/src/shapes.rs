//! The kinds of sign-ins that a report counts: `Kind` and `Kinds` of `shipper/report/kinds.py`.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

const TENTH: i64 = 100_000_000; // nanoseconds
const HOUR: i64 = 36_000 * TENTH;
/// Tenths of a second below which answers are counted here; nearly all take less.
const TENTHS: usize = 1024;
/// Most kinds to remember from chunk to chunk; a log has a few dozen.
const MOST: usize = 256;

/// A copy of a Python `Kind`.
pub struct Shape {
    origin: Py<PyAny>,
    kind: Py<PyAny>,
    answers: Py<PyDict>,
    /// Number of answers by tenths of a second, not yet added to `answers`.
    tenths: Vec<i64>,
    /// The status class, if the prompts were refused.
    pub refusal: Option<Py<PyAny>>,
    pub pending: bool,
    pub listed: bool,
    pub prompted: bool,
    pub answered: bool,
}

impl Shape {
    fn new(origin: &Bound<'_, PyAny>, kind: &Bound<'_, PyAny>) -> PyResult<Self> {
        let says = |name: &str| kind.getattr(name)?.is_truthy();
        Ok(Self {
            origin: origin.clone().unbind(),
            kind: kind.clone().unbind(),
            answers: kind.getattr("answers")?.cast_into()?.unbind(),
            tenths: vec![0; TENTHS],
            refusal: Some(kind.getattr("refusal")?).filter(|refusal| !refusal.is_none()).map(Bound::unbind),
            pending: says("pending")?,
            listed: says("listed")?,
            prompted: says("prompted")?,
            answered: says("answered")?,
        })
    }

    /// The kind itself.
    pub fn kind<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.kind.bind(py)
    }

    /// Counts an answer by its duration.
    pub fn answer(&mut self, py: Python<'_>, nanoseconds: i64) -> PyResult<()> {
        let tenths = (nanoseconds + TENTH - 1).div_euclid(TENTH);
        match usize::try_from(tenths).ok().and_then(|at| self.tenths.get_mut(at)) {
            Some(number) => *number += 1,
            None => self.add(py, tenths, 1)?,
        }
        Ok(())
    }

    fn add(&self, py: Python<'_>, tenths: i64, more: i64) -> PyResult<()> {
        let answers = self.answers.bind(py);
        let number = answers.get_item(tenths)?.map_or(Ok(0), |number| number.extract::<i64>())?;
        answers.set_item(tenths, number + more)
    }

    /// Adds the counted answers to Python's.
    fn settle(&mut self, py: Python<'_>) -> PyResult<()> {
        for (tenths, number) in (0..).zip(std::mem::replace(&mut self.tenths, vec![0; TENTHS])) {
            if number != 0 {
                self.add(py, tenths, number)?;
            }
        }
        Ok(())
    }
}

/// The kinds met so far, and the number of sign-ins of each in each hour, in order of appearance.
#[derive(Default)]
pub struct Shapes {
    known: Vec<Shape>,
    valid: Vec<usize>, // places in `known` that Python's `kinds` surely still has
    counted: Vec<(usize, i64, u64)>,
}

impl Shapes {
    /// Python may have changed its kinds: look each up again.
    pub fn begin(&mut self) {
        self.valid.clear();
    }

    /// Returns the place of an origin's kind; None if `kinds` lacks it. After `kinds` changes, `begin` must be called first.
    pub fn find(&mut self, origin: &Bound<'_, PyAny>, kinds: &Bound<'_, PyDict>) -> PyResult<Option<usize>> {
        if let Some(&at) = self.valid.iter().find(|at| self.known[**at].origin.is(origin)) {
            return Ok(Some(at));
        }
        let Some(kind) = kinds.get_item(origin)? else { return Ok(None) };
        let known = self.known.iter().position(|shape| shape.kind.is(&kind));
        if known.is_none() {
            self.known.push(Shape::new(origin, &kind)?);
        }
        let at = known.unwrap_or(self.known.len() - 1);
        self.valid.push(at);
        Ok(Some(at))
    }

    /// The kind at a place that `find` returned.
    pub fn get(&mut self, at: usize) -> &mut Shape {
        &mut self.known[at]
    }

    /// Adds the counted answers to Python's kinds.
    pub fn settle(&mut self, py: Python<'_>) -> PyResult<()> {
        self.known.iter_mut().try_for_each(|shape| shape.settle(py))
    }

    /// Counts a sign-in that ended at a time.
    pub fn count(&mut self, at: usize, end: i64) {
        let hour = end.div_euclid(HOUR);
        match self.counted.iter_mut().rev().find(|(other, of, _)| (*other, *of) == (at, hour)) {
            Some((_, _, number)) => *number += 1,
            None => self.counted.push((at, hour, 1)),
        }
    }

    /// Returns and resets the counts: kind, hour since 1970, number.
    pub fn counted<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let counted = PyList::empty(py);
        for (at, hour, number) in self.counted.drain(..) {
            counted.append((self.known[at].kind(py), hour, number))?;
        }
        if self.known.len() > MOST {
            self.settle(py)?;
            self.known.clear();
            self.valid.clear();
        }
        Ok(counted)
    }
}
