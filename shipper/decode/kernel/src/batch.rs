//! The events of a chunk, their labels, and the authentications that they complete. Python objects are made only on access.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PySlice, PyString, PyTuple};

use crate::completions::{Completion, Completions};
use crate::exchanges::{as_latin_1, as_utf_8, stamp_text};
use crate::stamp::{Stamp, put_number};

/// What later stages know of an event.
#[derive(Debug)]
pub enum Label {
    /// The label of an event made here.
    Here { stamp: Stamp, offset: u64, origin: Py<PyAny>, key: Option<Range<usize>> },
    /// A label made by the general path.
    Python(Py<PyAny>),
}

/// Most origins whose route is cached while records are made.
const ROUTES: usize = 64;

/// Largest buffer, in bytes, kept for the next chunk: one long line must not hold memory for good.
const SPARE: usize = 1 << 20;

/// The buffers of a dropped chunk, kept for the next one: memory that is freed and allocated again costs a page fault per page.
#[derive(Debug, Default)]
pub struct Spare(Mutex<(Vec<u8>, Vec<usize>)>);

impl Spare {
    fn take(&self) -> (Vec<u8>, Vec<usize>) {
        self.0.lock().map(|mut buffers| std::mem::take(&mut *buffers)).unwrap_or_default()
    }

    fn keep(&self, mut out: Vec<u8>, mut ends: Vec<usize>) {
        if out.capacity() <= SPARE && ends.capacity() <= SPARE / size_of::<usize>() {
            out.clear();
            ends.clear();
            if let Ok(mut buffers) = self.0.lock() {
                *buffers = (out, ends);
            }
        }
    }
}

/// The output of a chunk so far.
#[derive(Debug, Default)]
pub struct Batch {
    pub out: Vec<u8>,
    pub ends: Vec<usize>,
    pub labels: Vec<Label>,
    pub completions: Vec<Completion>,
    /// The texts of `completions`.
    pub texts: Vec<u8>,
    /// The keys of `labels`.
    pub keys: Vec<u8>,
}

/// Appends a text to others and returns its range.
pub fn keep(texts: &mut Vec<u8>, text: &[u8]) -> Range<usize> {
    let begin = texts.len();
    texts.extend_from_slice(text);
    begin..texts.len()
}

impl Batch {
    /// Gives an empty batch the spare buffers.
    pub fn begin(&mut self, spare: &Spare) {
        if self.out.capacity() == 0 {
            (self.out, self.ends) = spare.take();
        }
    }

    /// Adds the output of a call of the general path.
    pub fn take(
        &mut self,
        texts: &Bound<'_, PyList>,
        labels: &Bound<'_, PyList>,
        completions: &Bound<'_, PyList>,
    ) -> PyResult<()> {
        let before = self.ends.len();
        for text in texts {
            let text = text.cast::<PyString>()?.to_cow()?;
            if text.is_ascii() {
                self.out.extend_from_slice(text.as_bytes());
            } else {
                self.out.extend(text.chars().map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?')));
            }
            self.ends.push(self.out.len());
        }
        self.labels.extend(labels.iter().map(|label| Label::Python(label.unbind())));
        for completion in completions {
            let completion = completion.cast_into::<PyTuple>()?;
            let (py, position) = (completion.py(), completion.get_item(0)?.extract::<usize>()?);
            let first = PyTuple::new(py, [position + before])?;
            let rest = completion.get_slice(1, completion.len());
            let moved = first.as_sequence().concat(rest.as_sequence())?.cast_into::<PyTuple>()?;
            self.completions.push(Completion::Python(moved.unbind()));
        }
        Ok(())
    }

    /// Moves the output into Python objects; the batch is empty afterwards.
    pub fn give(
        &mut self,
        py: Python<'_>,
        prefix: &Arc<[u8]>,
        spare: &Arc<Spare>,
    ) -> PyResult<(Py<Texts>, Py<Labels>, Py<Completions>)> {
        let batch = std::mem::take(self);
        let completions = Completions::new(py, batch.completions, batch.texts)?;
        let own = Own { labels: batch.labels, keys: batch.keys, prefix: prefix.clone() };
        let labels = Labels { own: Arc::new(own), woven: None };
        let texts = Texts { out: batch.out, ends: batch.ends, spare: spare.clone() };
        Ok((Py::new(py, texts)?, Py::new(py, labels)?, Py::new(py, completions)?))
    }
}

/// The texts of the events of a chunk.
#[pyclass(module = "shipper.decode._kernel", frozen, sequence)]
pub struct Texts {
    out: Vec<u8>,
    ends: Vec<usize>,
    spare: Arc<Spare>,
}

impl Drop for Texts {
    fn drop(&mut self) {
        self.spare.keep(std::mem::take(&mut self.out), std::mem::take(&mut self.ends));
    }
}

impl Texts {
    fn text(&self, at: usize) -> &[u8] {
        let begin = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.out[begin..self.ends[at]]
    }
}

#[pymethods]
impl Texts {
    fn __len__(&self) -> usize {
        self.ends.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        item(index, self.ends.len(), |at| Ok(as_latin_1(py, self.text(at)).into_any()))
    }

    /// Returns the bytes of all events and findings, and the end offset of each, as eight bytes in native order.
    ///
    /// `findings`, in order: the index of the event that the finding follows, and the text of the finding.
    fn block<'py>(
        &self,
        py: Python<'py>,
        findings: Vec<(usize, Vec<u8>)>,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        if findings.iter().any(|(at, _)| *at >= self.ends.len()) {
            return Err(PyIndexError::new_err("a finding stands behind an event"));
        }
        let mut ends = Vec::with_capacity((self.ends.len() + findings.len()) * 8);
        let size = self.out.len() + findings.iter().map(|(_, text)| text.len()).sum::<usize>();
        if findings.is_empty() {
            self.ends.iter().for_each(|end| ends.extend_from_slice(&end.to_ne_bytes()));
            return Ok((PyBytes::new(py, &self.out), PyBytes::new(py, &ends)));
        }
        let data = PyBytes::new_with(py, size, |data| {
            let (mut to, mut from) = (0, 0);
            let mut put = |text: &[u8], to: &mut usize| {
                data[*to..*to + text.len()].copy_from_slice(text);
                *to += text.len();
            };
            let mut waiting = findings.iter().peekable();
            let mut shift = 0;
            for (at, &end) in self.ends.iter().enumerate() {
                ends.extend_from_slice(&(end + shift).to_ne_bytes());
                while let Some((_, text)) = waiting.next_if(|(behind, _)| *behind == at) {
                    put(&self.out[from..end], &mut to);
                    put(text, &mut to);
                    from = end;
                    shift += text.len();
                    ends.extend_from_slice(&(end + shift).to_ne_bytes());
                }
            }
            put(&self.out[from..], &mut to);
            Ok(())
        })?;
        Ok((data, PyBytes::new(py, &ends)))
    }
}

/// The labels of the events of a chunk, alone or with those of findings between them.
#[pyclass(module = "shipper.decode._kernel", frozen, sequence)]
pub struct Labels {
    own: Arc<Own>,
    woven: Option<Vec<Woven>>,
}

struct Own {
    labels: Vec<Label>,
    keys: Vec<u8>,
    prefix: Arc<[u8]>,
}

enum Woven {
    Own(usize),
    Finding(Py<PyAny>),
}

impl Own {
    fn get<'py>(&self, py: Python<'py>, at: usize) -> PyResult<Bound<'py, PyAny>> {
        match &self.labels[at] {
            Label::Python(label) => Ok(label.bind(py).clone()),
            Label::Here { stamp, offset, origin, key } => {
                let mut id = self.prefix.to_vec();
                put_number(&mut id, i64::try_from(*offset)?);
                let key = key.as_ref().map(|key| as_utf_8(py, &self.keys[key.clone()]));
                Ok((stamp_text(py, stamp), as_utf_8(py, &id), origin.bind(py).clone(), key).into_pyobject(py)?.into_any())
            }
        }
    }
}

impl Labels {
    /// The origin of an event made here; None for any other event, or if findings are woven in.
    pub fn origin(&self, at: usize) -> Option<&Py<PyAny>> {
        match self.own.labels.get(at)? {
            Label::Here { origin, .. } if self.woven.is_none() => Some(origin),
            _ => None,
        }
    }

    fn length(&self) -> usize {
        self.woven.as_ref().map_or(self.own.labels.len(), Vec::len)
    }
}

type Route<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Caches what `route` returns. Origins are few, and each is always the same object, so they are compared by identity.
struct Routes<'a, 'py> {
    route: &'a Bound<'py, PyAny>,
    known: Vec<(Bound<'py, PyAny>, Route<'py>)>,
}

impl<'py> Routes<'_, 'py> {
    fn of(&mut self, origin: &Bound<'py, PyAny>) -> PyResult<Route<'py>> {
        if let Some((_, route)) = self.known.iter().find(|(other, _)| other.is(origin)) {
            return Ok(route.clone());
        }
        let route: Route<'py> = self.route.call1((origin,))?.extract()?;
        if self.known.len() < ROUTES {
            self.known.push((origin.clone(), route.clone()));
        }
        Ok(route)
    }
}

impl Labels {
    /// Returns the key of an event between the two parts of its route.
    fn facts<'py>(
        &self,
        py: Python<'py>,
        at: usize,
        routes: &mut Routes<'_, 'py>,
        length: usize,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let label = match self.woven.as_ref().map(|woven| &woven[at]) {
            Some(Woven::Finding(label)) => Err(label),
            Some(Woven::Own(at)) => Ok(*at),
            None => Ok(at),
        };
        match label.map(|at| &self.own.labels[at]) {
            Ok(Label::Here { offset, origin, key, .. }) => {
                let key = match key {
                    Some(key) => PyBytes::new(py, &self.own.keys[key.clone()]),
                    None => {
                        let mut id = self.own.prefix.to_vec();
                        put_number(&mut id, i64::try_from(*offset)?);
                        PyBytes::new(py, &id[..length.min(id.len())])
                    }
                };
                let (first, second) = routes.of(origin.bind(py))?;
                Ok((first, key.into_any(), second))
            }
            Ok(Label::Python(label)) | Err(label) => {
                type Fields<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>);
                let (_, id, origin, user): Fields<'_> = label.bind(py).extract()?;
                let beginning = || id.get_item(PySlice::new(py, 0, isize::try_from(length)?, 1));
                let key = if user.is_none() { beginning()? } else { user };
                let (first, second) = routes.of(&origin)?;
                Ok((first, key.call_method1("encode", ("utf-8", "replace"))?, second))
            }
        }
    }
}

#[pymethods]
impl Labels {
    fn __len__(&self) -> usize {
        self.length()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        item(index, self.length(), |at| match self.woven.as_ref().map(|woven| &woven[at]) {
            None => self.own.get(py, at),
            Some(Woven::Own(at)) => self.own.get(py, *at),
            Some(Woven::Finding(label)) => Ok(label.bind(py).clone()),
        })
    }

    /// Returns a tuple for each event: the first part of its origin's `route`, the key, the text without its line end, and the
    /// second part of the route. The key is the user's, or the first `length` characters of the event id if there is no user.
    fn records<'py>(
        &self,
        py: Python<'py>,
        data: &[u8],
        ends: &Bound<'py, PyAny>,
        route: &Bound<'py, PyAny>,
        length: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        // An empty array may have an address that `PyBuffer` rejects as unaligned.
        let ends = if ends.is_empty()? { vec![] } else { PyBuffer::<u64>::get(ends)?.to_vec(py)? };
        if ends.len() != self.length() {
            return Err(PyValueError::new_err("an end for each event"));
        }
        let mut routes = Routes { route, known: vec![] };
        let mut records = Vec::with_capacity(ends.len());
        let mut start = 0;
        for (at, end) in ends.into_iter().enumerate() {
            let end = usize::try_from(end)?;
            let value = data.get(start..end.saturating_sub(1)).ok_or_else(|| PyValueError::new_err("an end behind the data"))?;
            start = end;
            let (first, key, second) = self.facts(py, at, &mut routes, length)?;
            records.push((first, key, PyBytes::new(py, value), second).into_pyobject(py)?);
        }
        PyList::new(py, records)
    }

    /// Returns these labels with those of findings between them; `findings` is as for `Texts.block`, with labels.
    fn with_findings(&self, findings: Vec<(usize, Py<PyAny>)>) -> Self {
        let mut woven = Vec::with_capacity(self.own.labels.len() + findings.len());
        let mut waiting = findings.into_iter().peekable();
        for at in 0..self.own.labels.len() {
            woven.push(Woven::Own(at));
            while let Some((_, label)) = waiting.next_if(|(behind, _)| *behind == at) {
                woven.push(Woven::Finding(label));
            }
        }
        Self { own: self.own.clone(), woven: Some(woven) }
    }
}

/// Returns the member of a sequence at an index, or a list of the members of a slice.
pub fn item<'py>(
    index: &Bound<'py, PyAny>,
    length: usize,
    get: impl Fn(usize) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    if let Ok(slice) = index.cast::<PySlice>() {
        let span = slice.indices(isize::try_from(length)?)?;
        let list = PyList::empty(index.py());
        let mut at = span.start;
        for _ in 0..span.slicelength {
            list.append(get(usize::try_from(at)?)?)?;
            at += span.step;
        }
        return Ok(list.into_any());
    }
    let at: isize = index.extract().map_err(|_| PyTypeError::new_err("an index is a number or a slice"))?;
    let at = if at < 0 { at + isize::try_from(length)? } else { at };
    match usize::try_from(at) {
        Ok(at) if at < length => get(at),
        _ => Err(PyIndexError::new_err("no such event")),
    }
}
