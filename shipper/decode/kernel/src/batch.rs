//! The events of a chunk, their labels, and the authentications that they complete. Nothing of Python is made of them before it is
//! asked for.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use pyo3::exceptions::{PyIndexError, PyTypeError};
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
    fn length(&self) -> usize {
        self.woven.as_ref().map_or(self.own.labels.len(), Vec::len)
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
