//! The events of a chunk, their labels, and the authentications that they complete. Nothing of Python is made of them before it is
//! asked for.

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
    /// Of an event that was made here.
    Here { stamp: Stamp, offset: u64, origin: Py<PyAny>, key: Option<Range<usize>> },
    /// As the general path made it.
    Python(Py<PyAny>),
}

/// Origins whose route is remembered while records are made.
const ROUTES: usize = 64;

/// Bytes of a buffer that is kept for the next chunk at most: one long line must not hold memory for good.
const SPARE: usize = 1 << 20;

/// The buffers of a chunk whose texts are gone, for the next one: memory that is given back and taken anew costs a page fault for
/// every page of it.
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

/// What a chunk has come to so far.
#[derive(Debug, Default)]
pub struct Batch {
    pub out: Vec<u8>,
    pub ends: Vec<usize>,
    pub labels: Vec<Label>,
    pub completions: Vec<Completion>,
    /// Those of completions, and the keys of labels.
    pub texts: Vec<u8>,
    pub keys: Vec<u8>,
}

/// Puts a text behind others; returns where it stands.
pub fn keep(texts: &mut Vec<u8>, text: &[u8]) -> Range<usize> {
    let begin = texts.len();
    texts.extend_from_slice(text);
    begin..texts.len()
}

impl Batch {
    /// Makes an empty batch ready.
    pub fn begin(&mut self, spare: &Spare) {
        if self.out.capacity() == 0 {
            (self.out, self.ends) = spare.take();
        }
    }

    /// Takes what a call of the general path has led to.
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

    /// All of it in the forms of Python; the batch is empty afterwards.
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

    /// The bytes of all events with findings behind them, and the ends of each as bytes, eight for each in native order.
    ///
    /// `findings`: the index of the event that each stands behind, in order, and its text as bytes.
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

/// The labels of the events of a chunk, or of these and of findings between them.
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
    /// The origin of an event that was made here; None for another one.
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

/// What a function gives for origins. Few origins are told apart, and each is always the same object.
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
    /// The route of an event on both sides of its key.
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

    /// A tuple for each event: what `route` gives for its origin first, the key, the text without its line end, and what it gives
    /// second. The key is that of the user, or the first `length` characters of the id where there is none.
    fn records<'py>(
        &self,
        py: Python<'py>,
        data: &[u8],
        ends: &Bound<'py, PyAny>,
        route: &Bound<'py, PyAny>,
        length: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        // An empty array stands at any address.
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

    /// These labels with those of findings between them; `findings` as for `Texts.block`, with labels.
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

/// One member of a sequence, or those of a slice as a list.
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
