//! Writes the event of a line, made from its template, into the batch of a chunk.

use std::sync::Arc;

use pyo3::prelude::*;

use crate::batch::{Batch, Label, Spare, keep};
use crate::completions::{Completed, Completion};
use crate::exchanges::{Exchange, Outcome};
use crate::held::Part;
use crate::known::Component;
use crate::line::Line;
use crate::template::{Lines, Template, Values};

/// A template, and the effects of a line that uses it.
pub struct Made {
    pub template: Option<Arc<Template>>, // None: no event
    pub origin: Py<PyAny>,
    pub key: Vec<u8>, // of the user named in the line itself
    pub outcome: Option<Outcome>,
    pub completes: Option<(Py<PyAny>, bool)>, // code and success
    pub adds: Vec<usize>,                     // counters that go up by one
}

/// A line, with its offset and time.
pub struct Place<'a> {
    pub bytes: &'a [u8],
    pub line: Line<'a>,
    pub offset: u64,
    pub time: i64,
}

/// What an event takes from the exchange of its line.
pub struct Tied<'a> {
    /// User and process as JSON.
    pub shared: &'a [u8],
    /// `event.id` of the request.
    pub request: &'a [u8],
    pub start: &'a [u8],
    pub began: i64,
    pub key: &'a [u8],
    /// The earlier lines of the exchange, if events are merged.
    pub lines: Lines<'a>,
}

impl<'a> Tied<'a> {
    /// The values for a line without an exchange.
    pub fn nobody(process: &'a [u8], time: i64) -> Self {
        Self { shared: process, request: b"", start: b"", began: time, key: b"", lines: Lines::default() }
    }
}

/// Writes events.
pub struct Writer {
    pub prefix: Arc<[u8]>,
    pub digits: Vec<u8>, // the offset of the line, in decimal
    pub entries: Vec<Made>,
    pub counters: Vec<u64>,
    pub batch: Batch,
    pub spare: Arc<Spare>,
}

impl Exchange {
    pub fn tied(&self) -> Tied<'_> {
        let [start, request, key, shared] = self.texts();
        Tied { shared, request, start, began: self.start, key, lines: Lines::default() }
    }
}

impl Made {
    /// False if the event needs a user and `shared` has none that `Who` can read.
    pub fn suits(&self, shared: &[u8]) -> bool {
        self.template.as_ref().is_none_or(|template| template.suits(shared))
    }
}

impl Writer {
    pub fn count(&mut self, entry: usize) {
        for &counter in &self.entries[entry].adds {
            self.counters[counter] += 1;
        }
    }

    /// Returns the event of a line, to be made later if at all; None if there is no template.
    pub fn part(&self, py: Python<'_>, place: &Place<'_>, backslash: Option<usize>, entry: usize) -> Option<Part> {
        let Made { template, origin, .. } = &self.entries[entry];
        let (template, origin, prefix) = (template.clone()?, origin.clone_ref(py), self.prefix.clone());
        Some(Part { template, origin, time: place.time, prefix, offset: place.offset, message: place.line.at, backslash })
    }

    /// Counts a line and appends its event, if its template makes one, to the batch.
    pub fn put(&mut self, py: Python<'_>, place: &Place<'_>, tied: &Tied<'_>, backslash: Option<usize>, entry: usize) {
        self.count(entry);
        let used = &self.entries[entry];
        let Some(template) = &used.template else { return };
        let values = Values {
            stamp: place.line.stamp,
            time: place.time,
            prefix: &self.prefix,
            offset: &self.digits,
            line: place.bytes,
            message: place.line.at,
            backslash,
            shared: tied.shared,
            request: tied.request,
            start: tied.start,
            began: tied.began,
            lines: tied.lines,
        };
        let batch = &mut self.batch;
        template.put(&mut batch.out, &values);
        batch.ends.push(batch.out.len());
        let key = if tied.key.is_empty() { &used.key } else { tied.key };
        let key = (!key.is_empty()).then(|| keep(&mut batch.keys, key));
        let origin = used.origin.clone_ref(py);
        batch.labels.push(Label::Here { stamp: *place.line.stamp, offset: place.offset, origin, key });
    }

    /// Records that the last event of the batch completes `exchange`, if events of this entry complete one.
    pub fn complete(&mut self, py: Python<'_>, place: &Place<'_>, exchange: &Exchange, entry: usize, component: &Component) {
        let Some((code, success)) = &self.entries[entry].completes else { return };
        let batch = &mut self.batch;
        let (texts, parts) = exchange.told();
        let completed = Completed {
            position: batch.ends.len() - 1,
            texts: keep(&mut batch.texts, texts),
            parts,
            component: component.name.clone_ref(py),
            start: exchange.start,
            end: place.time,
            stamp: *place.line.stamp,
            code: code.clone_ref(py),
            success: *success,
            newest: component.newest,
        };
        batch.completions.push(Completion::Here(completed));
    }
}
