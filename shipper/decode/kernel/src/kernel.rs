//! Turns the lines of a chunk into events.

use std::collections::HashMap;
use std::sync::Arc;

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::batch::{Batch, Labels, Texts};
use crate::completions::Completions;
use crate::exchanges::{Exchange, OpenExchanges, as_latin_1, latin_1, outcome_name, outcome_of, stamp_text};
use crate::held::HeldEvents;
use crate::known::{Component, Context, Head, Once, UserPieces, merged_key};
use crate::line::{Line, Message, read};
use crate::stamp::{Clock, Stamp, put_number};
use crate::template::Template;
use crate::turn::{LONGEST_REPEATED, Question, Taken, Turn};
use crate::writing::{Made, Place, Tied, Writer};

/// Most heads to remember; once full, all are forgotten and asked for again.
const HEADS: usize = 4096;

/// Makes the events of one file. The kernel calls nothing: `go` returns when Python must act, and resumes when called again.
#[pyclass(module = "shipper.decode._kernel")]
pub struct Kernel {
    timeout: i64,
    patience: i64,
    users: UserPieces,
    clock: Clock,
    heads: HashMap<Vec<u8>, Head>,
    contexts: Vec<Context>,
    components: Vec<Component>,
    writer: Writer,
    lines: HashMap<Vec<u8>, usize>, // templates of lines that are not understood
    once: Once,
    result: Exchange, // buffers for one-line results
    repeats: bool,    // lines outside exchanges may have templates
    data: Option<Py<PyBytes>>,
    base: u64,           // offset of `data` in the file
    at: usize,           // start of the current line in `data`
    next: usize,         // start of the next line in `data`
    last: Option<Stamp>, // of the last line taken, until Python is told
}

impl Kernel {
    /// Takes a line; `bytes` excludes the line end.
    fn line(&mut self, py: Python<'_>, bytes: &[u8], offset: u64, repeats: bool) -> PyResult<Taken> {
        let Some(line) = read(bytes) else { return Ok(if repeats { Taken::Unread } else { Taken::Refused }) };
        let Some(time) = self.clock.read(line.stamp) else { return Ok(Taken::Refused) };
        let Some(head) = self.heads.get_mut(line.head) else { return Ok(Taken::Asks(Question::Head)) };
        let component = &mut self.components[head.component];
        component.refresh(py)?;
        let held = component.held.as_ref().map(|held| held.bind(py).try_borrow_mut()).transpose()?;
        if time > component.limit || held.as_ref().is_some_and(|held| held.is_overdue(time, self.timeout)) {
            return Ok(Taken::Refused);
        }
        let mut exchanges = component.exchanges.bind(py).try_borrow_mut()?;
        if !matches!(line.message, Message::Result { .. } | Message::Other) {
            head.slot = exchanges.slot(&head.thread, head.slot);
        }
        self.writer.digits.clear();
        put_number(&mut self.writer.digits, i64::try_from(offset)?);
        let mut turn = Turn {
            py,
            users: &self.users,
            context: &mut self.contexts[head.context],
            head,
            component,
            exchanges,
            held,
            writer: &mut self.writer,
            timeout: self.timeout,
            patience: self.patience,
        };
        let place = Place { bytes, line, offset, time };
        let taken = match place.line.message {
            Message::Request { opening, user, form, tail } => turn.request(&place, opening, user, form, tail),
            Message::Result { guid, word, user, form, tail } => {
                turn.result(&place, &mut self.result, guid, word, user, form, tail)
            }
            Message::Other => turn.again(&place, &mut self.once, repeats, false),
            _ if turn.exchanges.is_closed(turn.head.slot) => turn.again(&place, &mut self.once, repeats, true),
            Message::Verdict(number) => turn.verdict(&place, number),
            Message::Status(number) => turn.status(&place, number),
        };
        if matches!(taken, Taken::Done) {
            self.last = Some(*place.line.stamp);
        }
        Ok(taken)
    }

    /// Takes a line that is not understood, if it has a template.
    fn unread(&mut self, py: Python<'_>, bytes: &[u8], offset: u64, general: &Bound<'_, PyAny>) -> PyResult<Taken> {
        if bytes.len() > LONGEST_REPEATED {
            return Ok(Taken::Refused);
        }
        let Some(&entry) = self.lines.get(bytes) else {
            return Ok(if self.once.asks(bytes) { Taken::Asks(Question::Line(bytes.to_vec())) } else { Taken::Refused });
        };
        let last = match self.last {
            Some(stamp) => stamp,
            None => match general.getattr("last_time")?.extract::<String>()?.as_bytes().try_into() {
                Ok(stamp) => stamp,
                Err(_) => return Ok(Taken::Refused),
            },
        };
        let Some(time) = self.clock.read(&last) else { return Ok(Taken::Refused) };
        self.writer.digits.clear();
        put_number(&mut self.writer.digits, i64::try_from(offset)?);
        let line = Line { stamp: &last, head: b"", message: Message::Other, at: 0 };
        let tied = Tied::nobody(b"", time);
        self.writer.put(py, &Place { bytes, line, offset, time }, &tied, None, entry);
        Ok(Taken::Done)
    }

    /// Writes the clocks of the components and the last time stamp back to Python.
    fn tell(&mut self, py: Python<'_>, general: &Bound<'_, PyAny>) -> PyResult<()> {
        for component in self.components.iter_mut().filter(|component| component.is_current) {
            component.tell(py)?;
        }
        match self.last.take() {
            Some(stamp) => general.setattr("last_time", stamp_text(py, &stamp)),
            None => Ok(()),
        }
    }

    fn add(&mut self, pieces: &[Vec<u8>], gaps: &str, origin: Py<PyAny>, adds: Vec<usize>) -> PyResult<usize> {
        let counters = &mut self.writer.counters;
        counters.resize(adds.iter().map(|counter| counter + 1).fold(counters.len(), usize::max), 0);
        let template = match pieces {
            [] => None,
            _ => Some(Arc::new(Template::new(pieces, gaps).ok_or_else(|| PyValueError::new_err("a letter for each gap"))?)),
        };
        self.writer.entries.push(Made { template, origin, key: vec![], outcome: None, completes: None, adds });
        Ok(self.writer.entries.len() - 1)
    }

    /// Like `add`, for an event that completes an authentication with this code and success.
    fn add_completing(
        &mut self,
        pieces: &[Vec<u8>],
        gaps: &str,
        origin: Py<PyAny>,
        adds: Vec<usize>,
        completes: (Py<PyAny>, bool),
    ) -> PyResult<usize> {
        if pieces.is_empty() {
            return Err(PyValueError::new_err("an event completes an authentication"));
        }
        let entry = self.add(pieces, gaps, origin, adds)?;
        self.writer.entries[entry].completes = Some(completes);
        Ok(entry)
    }

    fn context(&mut self, at: usize) -> PyResult<&mut Context> {
        self.contexts.get_mut(at).ok_or_else(|| PyIndexError::new_err("no such context"))
    }
}

/// Recovers the bytes of texts that were decoded as latin-1.
fn bytes_of<const N: usize>(texts: [&str; N]) -> PyResult<[Vec<u8>; N]> {
    let bytes: Option<Vec<_>> = texts.into_iter().map(latin_1).collect();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| PyValueError::new_err("bytes"))
}

fn question<'py>(py: Python<'py>, question: Question, line: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
    match question {
        Question::Head => ("head", as_latin_1(py, read(line).map_or(b"", |line| line.head))).into_pyobject(py),
        Question::Request(context, tail, opening) => {
            ("request", context, as_latin_1(py, &tail), as_latin_1(py, &opening)).into_pyobject(py)
        }
        Question::Verdict(context, number) => ("verdict", context, number).into_pyobject(py),
        Question::Result(context, word, tail) => {
            ("result", context, as_latin_1(py, &word), as_latin_1(py, &tail)).into_pyobject(py)
        }
        Question::Message(context, text) => ("message", context, PyBytes::new(py, &text)).into_pyobject(py),
        Question::Orphan(context, text) => ("orphan", context, PyBytes::new(py, &text)).into_pyobject(py),
        Question::Line(text) => ("other", PyBytes::new(py, &text)).into_pyobject(py),
        Question::Merged(context, tail, opening, verdict, number) => {
            ("merged", context, as_latin_1(py, &tail), as_latin_1(py, &opening), verdict, number).into_pyobject(py)
        }
        Question::Status(context, outcome, number) => ("status", context, outcome.map(outcome_name), number).into_pyobject(py),
    }
}

#[pymethods]
impl Kernel {
    /// `users`: the JSON pieces of a bare user, of a user with a domain, and of a user with an e-mail address.
    #[new]
    fn new(timeout: i64, prefix: &str, users: [Vec<Vec<u8>>; 3]) -> Self {
        let [bare, domain, mail] = users;
        let prefix = prefix.as_bytes().into();
        Self {
            timeout,
            patience: timeout.saturating_mul(2),
            users: UserPieces { bare, domain, mail },
            clock: Clock::new(),
            heads: HashMap::new(),
            contexts: vec![],
            components: vec![],
            writer: Writer {
                prefix,
                digits: vec![],
                entries: vec![],
                counters: vec![],
                batch: Batch::default(),
                spare: Arc::default(),
            },
            lines: HashMap::new(),
            once: Once::default(),
            result: Exchange::default(),
            repeats: false,
            data: None,
            base: 0,
            at: 0,
            next: 0,
            last: None,
        }
    }

    /// Registers a component and returns its number for `add_head`. Its completions carry `name`; with `held`, events are merged.
    fn add_component(
        &mut self,
        name: Py<PyString>,
        state: Py<PyAny>,
        exchanges: Py<OpenExchanges>,
        held: Option<Py<HeldEvents>>,
    ) -> usize {
        let (newest, limit) = (i64::MIN, i64::MIN);
        let (is_current, has_spoken, has_moved) = (false, false, false);
        self.components.push(Component { name, state, exchanges, held, newest, limit, is_current, has_spoken, has_moved });
        self.components.len() - 1
    }

    /// Registers a level and component, whose lines share templates, and returns its number.
    fn add_context(&mut self) -> usize {
        self.contexts.push(Context::default());
        self.contexts.len() - 1
    }

    /// Answers the question for a head; `process` is JSON.
    fn add_head(&mut self, head: &str, context: usize, component: usize, thread: &str, process: &[u8]) -> PyResult<()> {
        if context >= self.contexts.len() || component >= self.components.len() {
            return Err(PyIndexError::new_err("no such context or component"));
        }
        if self.heads.len() >= HEADS {
            self.heads.clear();
        }
        let shared = Head { context, component, thread: thread.into(), slot: usize::MAX, process: process.to_vec() };
        self.heads.insert(head.as_bytes().to_vec(), shared);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    /// Answers the question for the template of requests with this tail and opening quote. Each request increments the counters
    /// `adds`. Without `pieces`, no event is made.
    fn add_request(
        &mut self,
        context: usize,
        tail: &str,
        opening: &str,
        pieces: Vec<Vec<u8>>,
        gaps: &str,
        origin: Py<PyAny>,
        adds: Vec<usize>,
    ) -> PyResult<()> {
        let entry = self.add(&pieces, gaps, origin, adds)?;
        let [tail, opening] = bytes_of([tail, opening])?;
        self.context(context)?.requests.insert(tail, opening, entry);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    /// Answers the question for the template of verdicts with this number, which set the outcome of their exchange.
    fn add_verdict(
        &mut self,
        context: usize,
        number: i64,
        outcome: &str,
        pieces: Vec<Vec<u8>>,
        gaps: &str,
        origin: Py<PyAny>,
        adds: Vec<usize>,
    ) -> PyResult<()> {
        let outcome = outcome_of(outcome).ok_or_else(|| PyValueError::new_err("no such outcome"))?;
        let entry = self.add(&pieces, gaps, origin, adds)?;
        self.writer.entries[entry].outcome = Some(outcome);
        self.context(context)?.verdicts.insert(number, entry);
        Ok(())
    }

    /// Answers the question for the template of statuses with this number after a verdict with this outcome, or none.
    #[allow(clippy::too_many_arguments)]
    fn add_status(
        &mut self,
        context: usize,
        outcome: Option<&str>,
        number: i64,
        code: Py<PyAny>,
        success: bool,
        pieces: Vec<Vec<u8>>,
        gaps: &str,
        origin: Py<PyAny>,
        adds: Vec<usize>,
    ) -> PyResult<()> {
        let entry = self.add_completing(&pieces, gaps, origin, adds, (code, success))?;
        self.context(context)?.statuses.insert((outcome.and_then(outcome_of), number), entry);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    /// Answers the question for the template of statuses with this number, merged with their request and their verdict, if any.
    fn add_merged(
        &mut self,
        context: usize,
        tail: &str,
        opening: &str,
        verdict: Option<i64>,
        number: i64,
        code: Py<PyAny>,
        success: bool,
        pieces: Vec<Vec<u8>>,
        gaps: &str,
        origin: Py<PyAny>,
        adds: Vec<usize>,
    ) -> PyResult<()> {
        let [opening, tail] = bytes_of([opening, tail])?;
        let mut key = vec![];
        merged_key(&mut key, &opening, &tail, verdict, number);
        let entry = self.add_completing(&pieces, gaps, origin, adds, (code, success))?;
        self.context(context)?.merged.insert(key, entry);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    /// Answers the question for the template of one-line results with this word and this text after `Call status: `.
    fn add_result(
        &mut self,
        context: usize,
        word: &str,
        tail: &str,
        code: Py<PyAny>,
        success: bool,
        pieces: Vec<Vec<u8>>,
        gaps: &str,
        origin: Py<PyAny>,
        adds: Vec<usize>,
    ) -> PyResult<()> {
        let entry = self.add(&pieces, gaps, origin, adds)?;
        self.writer.entries[entry].completes = Some((code, success));
        self.context(context)?.results.insert(word.as_bytes().to_vec(), tail.as_bytes().to_vec(), entry);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    /// Answers the question for the template of a message, or of an `orphan`: a verdict or status without a request. `key` is the
    /// key of the user named in the message, or empty.
    fn add_message(
        &mut self,
        context: usize,
        message: &[u8],
        orphan: bool,
        key: &str,
        pieces: Vec<Vec<u8>>,
        gaps: &str,
        origin: Py<PyAny>,
        adds: Vec<usize>,
    ) -> PyResult<()> {
        let entry = self.add(&pieces, gaps, origin, adds)?;
        self.writer.entries[entry].key = key.as_bytes().to_vec();
        let context = self.context(context)?;
        if orphan { &mut context.orphans } else { &mut context.messages }.insert(message.to_vec(), entry);
        Ok(())
    }

    /// Answers the question for the template of a line that is not understood.
    fn add_line(&mut self, line: &[u8], pieces: Vec<Vec<u8>>, gaps: &str, origin: Py<PyAny>, adds: Vec<usize>) -> PyResult<()> {
        let entry = self.add(&pieces, gaps, origin, adds)?;
        self.lines.insert(line.to_vec(), entry);
        Ok(())
    }

    /// Begins a chunk, with `data` at `offset` in the file. `repeats`: lines outside exchanges may have templates.
    fn begin(&mut self, data: Py<PyBytes>, offset: u64, repeats: bool) {
        self.repeats = repeats;
        (self.data, self.base, self.at, self.next) = (Some(data), offset, 0, 0);
        self.writer.batch.begin(&self.writer.spare);
    }

    /// Takes lines until Python must act. Returns None at the end of the chunk.
    ///
    /// Otherwise returns `("line",)` for a line that the general path must take, or a question that an `add` method answers. An
    /// unanswered line also goes to the general path: see `skip`.
    fn go<'py>(&mut self, py: Python<'py>, general: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let Some(data) = self.data.as_ref().map(|data| data.clone_ref(py)) else { return Ok(None) };
        let data = data.as_bytes(py);
        while self.at < data.len() {
            let rest = &data[self.at..];
            let end = memchr::memchr(b'\n', rest);
            self.next = self.at + end.map_or(rest.len(), |end| end + 1);
            let line = match end {
                Some(end) => rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]),
                None => rest, // the last line of its file
            };
            let (offset, repeats) = (self.base + u64::try_from(self.at)?, self.repeats && end.is_some());
            let taken = match self.line(py, line, offset, repeats)? {
                Taken::Unread => self.unread(py, line, offset, general)?,
                taken => taken,
            };
            if matches!(taken, Taken::Done) {
                self.at = self.next;
                continue;
            }
            self.tell(py, general)?;
            return match taken {
                Taken::Asks(asked) => question(py, asked, line).map(Some),
                _ => ("line",).into_pyobject(py).map(Some),
            };
        }
        self.tell(py, general)?;
        self.data = None;
        Ok(None)
    }

    /// Skips the line that stopped `go`. Returns the line without its LF, its offset, and whether it had an LF.
    fn skip<'py>(&mut self, py: Python<'py>) -> PyResult<(Bound<'py, PyBytes>, u64, bool)> {
        let data = self.data.as_ref().ok_or_else(|| PyIndexError::new_err("no line"))?;
        let (at, line) = (self.at, &data.as_bytes(py)[self.at..self.next]);
        self.at = self.next;
        let bare = line.strip_suffix(b"\n");
        Ok((PyBytes::new(py, bare.unwrap_or(line)), self.base + u64::try_from(at)?, bare.is_some()))
    }

    /// Adds what the general path made of a line.
    fn take(&mut self, texts: &Bound<'_, PyList>, labels: &Bound<'_, PyList>, completions: &Bound<'_, PyList>) -> PyResult<()> {
        self.writer.batch.take(texts, labels, completions)
    }

    /// Returns the chunk's events, labels and completed authentications, and the increment of each counter that changed.
    #[allow(clippy::type_complexity)]
    fn finish(&mut self, py: Python<'_>) -> PyResult<(Py<Texts>, Py<Labels>, Py<Completions>, Vec<(usize, u64)>)> {
        let Writer { prefix, counters, batch, spare, .. } = &mut self.writer;
        let counted = counters.iter_mut().enumerate().filter(|(_, number)| **number > 0);
        let counted = counted.map(|(counter, number)| (counter, std::mem::take(number))).collect();
        let (texts, labels, completions) = batch.give(py, prefix, spare)?;
        Ok((texts, labels, completions, counted))
    }
}
