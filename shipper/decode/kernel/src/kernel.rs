//! From the lines of a chunk to its events.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::batch::{Batch, Label, Labels, Spare, Texts, keep};
use crate::completions::{Completed, Completion, Completions, clamped};
use crate::exchanges::{Exchange, OpenExchanges, Outcome, Request, as_latin_1, latin_1, outcome_name, outcome_of, stamp_text};
use crate::line::{Line, Message, UserForm, read};
use crate::stamp::{Clock, Stamp, put_number};
use crate::template::{Template, Values};

/// Heads that are remembered; then they are forgotten, and asked for again.
const HEADS: usize = 4096;
const CALL: usize = "Calling pfAuthUser(".len();
const RESULT: usize = "Pfauth ".len() + " for user '".len(); // and the word between them
/// Bytes of a message or line that may have a template of its own.
const LONGEST_REPEATED: usize = 256;
/// Messages and lines that are remembered by their hash, because they have come once.
const ONCE: usize = 4096;

/// A component, and what its state in Python says while lines are taken.
struct Component {
    name: Py<PyString>,
    state: Py<PyAny>,
    exchanges: Py<OpenExchanges>,
    newest: i64,
    limit: i64,
    /// The two above are those of Python, but for lines that were taken since.
    is_current: bool,
    has_spoken: bool,
    has_moved: bool,
}

/// What the lines with one head share.
struct Head {
    context: usize,
    component: usize,
    thread: Arc<str>,
    slot: usize,
    process: Vec<u8>,
}

/// The templates for one level and component.
#[derive(Default)]
struct Context {
    requests: HashMap<(Vec<u8>, Vec<u8>), usize>, // by the text behind the user, and the quote before it
    verdicts: HashMap<i64, usize>,
    statuses: HashMap<(Option<Outcome>, i64), usize>,
    results: HashMap<(Vec<u8>, Vec<u8>), usize>, // by the word, and the text behind `Call status: `
    last_result: ((Vec<u8>, Vec<u8>), usize),    // the one that was used last
    messages: HashMap<Vec<u8>, usize>,
    orphans: HashMap<Vec<u8>, usize>,  // verdicts and statuses of no exchange
    last: ((Vec<u8>, Vec<u8>), usize), // of the requests, the one that was used last
}

/// A template, and what its use leads to.
struct Made {
    template: Option<Template>, // None: no event
    origin: Py<PyAny>,
    key: Vec<u8>, // of the user whom the line names itself
    outcome: Option<Outcome>,
    completes: Option<(Py<PyAny>, bool)>, // code and success
    adds: Vec<usize>,                     // counters that go up by one
}

/// What Python is asked for.
enum Question {
    Head,
    Request(usize, Vec<u8>, Vec<u8>),
    Verdict(usize, i64),
    Status(usize, Option<Outcome>, i64),
    Result(usize, Vec<u8>, Vec<u8>),
    Message(usize, Vec<u8>),
    Orphan(usize, Vec<u8>),
    Line(Vec<u8>),
}

/// What became of a line.
enum Taken {
    Done,
    Refused,
    /// It is no line of a log, or not one of the form that is read here.
    Unread,
    Asks(Question),
}

/// A line, and where it stands.
struct Place<'a> {
    bytes: &'a [u8],
    line: Line<'a>,
    offset: u64,
    time: i64,
}

/// What an event says of the exchange that its line belongs to.
struct Tied<'a> {
    /// User and process as JSON.
    shared: &'a [u8],
    /// `event.id` of the request.
    request: &'a [u8],
    start: &'a [u8],
    began: i64,
    key: &'a [u8],
}

/// Which lines have come before, by their hashes: a line that comes once wants no template, and one without a template is not asked
/// for again.
#[derive(Default)]
struct Once(HashMap<u64, bool>); // true: asked for

/// The pieces of a user's JSON: between them stand its parts.
struct UserPieces {
    bare: Vec<Vec<u8>>,
    domain: Vec<Vec<u8>>,
    mail: Vec<Vec<u8>>,
}

/// Writes events.
struct Writer {
    prefix: Arc<[u8]>,
    digits: Vec<u8>, // of the offset of the line
    entries: Vec<Made>,
    counters: Vec<u64>,
    batch: Batch,
    spare: Arc<Spare>,
}

/// Makes the events of one file. It calls nothing: `go` stops where Python must do something, and goes on when it is called again.
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
    lines: HashMap<Vec<u8>, usize>, // that are not understood
    once: Once,
    result: Exchange, // the buffers of one-line results
    repeats: bool,    // lines that are not of exchanges may have templates
    data: Option<Py<PyBytes>>,
    base: u64, // offset of `data`
    at: usize, // of the line in `data`, and of the next one
    next: usize,
    last: Option<Stamp>, // of the lines that were taken since Python was told
}

impl Once {
    /// True if this is the time to ask for a template: when it comes for the second time.
    fn asks(&mut self, of: impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        of.hash(&mut hasher);
        if self.0.len() >= ONCE {
            self.0.clear();
        }
        match self.0.entry(hasher.finish()) {
            Entry::Occupied(mut asked) => !asked.insert(true),
            Entry::Vacant(first) => {
                first.insert(false);
                false
            }
        }
    }
}

impl Component {
    fn refresh(&mut self, py: Python<'_>) -> PyResult<()> {
        if !self.is_current {
            let state = self.state.bind(py);
            self.newest = clamped(&state.getattr("newest")?)?;
            self.limit = clamped(&state.getattr("limit")?)?;
            self.is_current = true;
        }
        Ok(())
    }

    fn tell(&mut self, py: Python<'_>) -> PyResult<()> {
        let state = self.state.bind(py);
        if std::mem::take(&mut self.has_moved) {
            state.setattr("newest", self.newest)?;
        }
        if std::mem::take(&mut self.has_spoken) {
            state.setattr("spoke", true)?;
        }
        self.is_current = false;
        Ok(())
    }

    fn take(&mut self, time: i64) {
        self.has_spoken = true;
        if time > self.newest {
            self.newest = time;
            self.has_moved = true;
        }
    }
}

impl Context {
    fn request(&mut self, opening: &[u8], tail: &[u8]) -> Option<usize> {
        if self.last.0.0 != tail || self.last.0.1 != opening {
            let key = (tail.to_vec(), opening.to_vec());
            let entry = *self.requests.get(&key)?;
            self.last = (key, entry);
        }
        Some(self.last.1)
    }

    fn result(&mut self, word: &[u8], tail: &[u8]) -> Option<usize> {
        if self.last_result.0.0 != word || self.last_result.0.1 != tail {
            let key = (word.to_vec(), tail.to_vec());
            let entry = *self.results.get(&key)?;
            self.last_result = (key, entry);
        }
        Some(self.last_result.1)
    }
}

impl UserPieces {
    /// The JSON of a user, in pieces.
    fn json<'a>(&'a self, user: &'a [u8], form: UserForm) -> impl Iterator<Item = &'a [u8]> {
        const END: &[u8] = b"";
        let (pieces, values) = match form {
            UserForm::Bare => (&self.bare, [user, user, END, END, END, END]),
            UserForm::Domain(at) => (&self.domain, [&user[at..], &user[..at - 1], &user[at..], END, END, END]),
            UserForm::Mail(at) => (&self.mail, [&user[..at - 1], &user[at..], user, &user[..at - 1], user, END]),
        };
        pieces.iter().zip(values).flat_map(|(piece, value)| [piece.as_slice(), value])
    }
}

impl Exchange {
    fn tied(&self) -> Tied<'_> {
        let [start, request, key, shared] = self.texts();
        Tied { shared, request, start, began: self.start, key }
    }
}

impl Writer {
    /// Puts the event of a line into the batch.
    fn put(&mut self, py: Python<'_>, place: &Place<'_>, tied: &Tied<'_>, backslash: Option<usize>, entry: usize) {
        let used = &self.entries[entry];
        for &counter in &used.adds {
            self.counters[counter] += 1;
        }
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
            duration: place.time - tied.began,
        };
        let batch = &mut self.batch;
        template.put(&mut batch.out, &values);
        batch.ends.push(batch.out.len());
        let key = if tied.key.is_empty() { &used.key } else { tied.key };
        let key = (!key.is_empty()).then(|| keep(&mut batch.keys, key));
        let origin = used.origin.clone_ref(py);
        batch.labels.push(Label::Here { stamp: *place.line.stamp, offset: place.offset, origin, key });
    }

    /// Notes that the event that was put last completes `exchange`.
    fn complete(
        &mut self,
        place: &Place<'_>,
        exchange: &Exchange,
        code: Py<PyAny>,
        success: bool,
        component: Py<PyString>,
        newest: i64,
    ) {
        let batch = &mut self.batch;
        let (texts, parts) = exchange.told();
        let completed = Completed {
            position: batch.ends.len() - 1,
            texts: keep(&mut batch.texts, texts),
            parts,
            component,
            start: exchange.start,
            end: place.time,
            stamp: *place.line.stamp,
            code,
            success,
            newest,
        };
        batch.completions.push(Completion::Here(completed));
    }
}

impl Kernel {
    /// Takes a line without its end.
    fn line(&mut self, py: Python<'_>, bytes: &[u8], offset: u64, repeats: bool) -> PyResult<Taken> {
        let Some(line) = read(bytes) else { return Ok(if repeats { Taken::Unread } else { Taken::Refused }) };
        let Some(time) = self.clock.read(line.stamp) else { return Ok(Taken::Refused) };
        let Some(head) = self.heads.get_mut(line.head) else { return Ok(Taken::Asks(Question::Head)) };
        let component = &mut self.components[head.component];
        component.refresh(py)?;
        if time > component.limit {
            return Ok(Taken::Refused);
        }
        if let Message::Result { guid, word, user, form, tail } = line.message {
            let Some(entry) = self.contexts[head.context].result(word, tail) else {
                return Ok(Taken::Asks(Question::Result(head.context, word.to_vec(), tail.to_vec())));
            };
            component.take(time);
            let writer = &mut self.writer;
            writer.digits.clear();
            put_number(&mut writer.digits, i64::try_from(offset)?);
            let backslash = match form {
                UserForm::Domain(at) => Some(line.at + RESULT + word.len() + at - 1),
                _ => None,
            };
            let place = Place { bytes: &bytes[..bytes.len() - tail.len()], line, offset, time };
            let exchange = &mut self.result;
            let id = [&*writer.prefix, &writer.digits];
            exchange.begin(&Request { time, stamp: place.line.stamp, id, user, form }, || {
                self.users.json(user, form).chain([&*head.process])
            });
            writer.put(py, &place, &Tied { request: guid, ..exchange.tied() }, backslash, entry);
            if let Some((code, success)) = &writer.entries[entry].completes {
                let (code, success) = (code.clone_ref(py), *success);
                writer.complete(&place, exchange, code, success, component.name.clone_ref(py), component.newest);
            }
            self.last = Some(*place.line.stamp);
            return Ok(Taken::Done);
        }
        let mut exchanges = component.exchanges.bind(py).try_borrow_mut()?;
        head.slot = exchanges.slot(&head.thread, head.slot);
        let repeated = match line.message {
            Message::Request { .. } => None,
            Message::Other => Some(false),
            _ => exchanges.is_closed(head.slot).then_some(true),
        };
        if let Some(orphan) = repeated {
            let message = &bytes[line.at..];
            let too_old = component.newest.max(time).saturating_sub(time) > self.patience;
            if !repeats || message.len() > LONGEST_REPEATED || (orphan && too_old) {
                return Ok(Taken::Refused);
            }
            let context = &self.contexts[head.context];
            let known = if orphan { &context.orphans } else { &context.messages };
            let Some(&entry) = known.get(message) else {
                let asks = self.once.asks((head.context, orphan, message));
                let question = if orphan { Question::Orphan } else { Question::Message };
                return Ok(if asks { Taken::Asks(question(head.context, message.to_vec())) } else { Taken::Refused });
            };
            component.take(time);
            let place = Place { bytes, line, offset, time };
            self.writer.digits.clear();
            put_number(&mut self.writer.digits, i64::try_from(offset)?);
            let tied = Tied { shared: &head.process, request: b"", start: b"", began: time, key: b"" };
            self.writer.put(py, &place, &tied, None, entry);
            self.last = Some(*place.line.stamp);
            return Ok(Taken::Done);
        }
        let (context, slot, writer) = (&mut self.contexts[head.context], head.slot, &mut self.writer);
        writer.digits.clear();
        put_number(&mut writer.digits, i64::try_from(offset)?);
        let place = Place { bytes, line, offset, time };
        let (entry, exchange) = match place.line.message {
            Message::Request { opening, user, form, tail } => {
                if !exchanges.is_closed(slot) {
                    return Ok(Taken::Refused);
                }
                let Some(entry) = context.request(opening, tail) else {
                    return Ok(Taken::Asks(Question::Request(head.context, tail.to_vec(), opening.to_vec())));
                };
                let exchange = exchanges.open(slot);
                let id = [&*writer.prefix, &writer.digits];
                exchange.begin(&Request { time, stamp: place.line.stamp, id, user, form }, || {
                    self.users.json(user, form).chain([&*head.process])
                });
                let backslash = match form {
                    UserForm::Domain(at) => Some(place.line.at + CALL + opening.len() + at - 1),
                    _ => None,
                };
                writer.put(py, &place, &exchange.tied(), backslash, entry);
                (None, exchange)
            }
            Message::Verdict(number) => {
                let Some(exchange) = alive(&mut exchanges, py, slot, time, component.newest, self.timeout, self.patience) else {
                    return Ok(Taken::Refused);
                };
                let Some(&entry) = context.verdicts.get(&number) else {
                    return Ok(Taken::Asks(Question::Verdict(head.context, number)));
                };
                (Some(entry), exchange)
            }
            Message::Status(number) => {
                let Some(exchange) = alive(&mut exchanges, py, slot, time, component.newest, self.timeout, self.patience) else {
                    return Ok(Taken::Refused);
                };
                let Some(&entry) = context.statuses.get(&(exchange.verdict, number)) else {
                    return Ok(Taken::Asks(Question::Status(head.context, exchange.verdict, number)));
                };
                (Some(entry), exchange)
            }
            Message::Result { .. } | Message::Other => return Ok(Taken::Refused),
        };
        component.take(time);
        if let Some(entry) = entry {
            writer.put(py, &place, &exchange.tied(), None, entry);
            let Made { outcome, completes, .. } = &writer.entries[entry];
            match completes {
                None => exchange.verdict = *outcome,
                Some((code, success)) => {
                    let (code, success) = (code.clone_ref(py), *success);
                    writer.complete(&place, exchange, code, success, component.name.clone_ref(py), component.newest);
                    exchanges.close(slot);
                }
            }
        }
        self.last = Some(*place.line.stamp);
        Ok(Taken::Done)
    }

    /// Takes a line that is not understood, if such a one has a template.
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
        let tied = Tied { shared: b"", request: b"", start: b"", began: time, key: b"" };
        self.writer.put(py, &Place { bytes, line, offset, time }, &tied, None, entry);
        Ok(Taken::Done)
    }

    /// Tells Python the clocks of the components, and the last time stamp.
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
            _ => Some(Template::new(pieces, gaps).ok_or_else(|| PyValueError::new_err("a letter for each gap"))?),
        };
        self.writer.entries.push(Made { template, origin, key: vec![], outcome: None, completes: None, adds });
        Ok(self.writer.entries.len() - 1)
    }

    fn context(&mut self, at: usize) -> PyResult<&mut Context> {
        self.contexts.get_mut(at).ok_or_else(|| PyIndexError::new_err("no such context"))
    }
}

/// The open exchange that a verdict or status of this time belongs to.
fn alive<'a>(
    exchanges: &'a mut OpenExchanges,
    py: Python<'_>,
    slot: usize,
    time: i64,
    newest: i64,
    timeout: i64,
    patience: i64,
) -> Option<&'a mut Exchange> {
    let exchange = exchanges.opened(py, slot)?;
    let lasted = time.checked_sub(exchange.start)?;
    let lives = (0..=timeout).contains(&lasted) && newest.max(time).saturating_sub(exchange.start) <= patience;
    lives.then_some(exchange)
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
        Question::Status(context, outcome, number) => ("status", context, outcome.map(outcome_name), number).into_pyobject(py),
    }
}

#[pymethods]
impl Kernel {
    /// `users`: the pieces of the JSON of a bare user, of one with a domain, and of one with an e-mail address.
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

    /// Returns the number of a component, whose name its completions have, for `add_head`.
    fn add_component(&mut self, name: Py<PyString>, state: Py<PyAny>, exchanges: Py<OpenExchanges>) -> usize {
        let (newest, limit) = (i64::MIN, i64::MIN);
        let (is_current, has_spoken, has_moved) = (false, false, false);
        self.components.push(Component { name, state, exchanges, newest, limit, is_current, has_spoken, has_moved });
        self.components.len() - 1
    }

    /// Returns the number of a level and component that share templates.
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
    /// Answers the question for the template of requests with this tail and opening quote; `adds` are the counters that each of its events
    /// counts up. Without `pieces` no event is made.
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
        let key = [tail, opening].map(|text| latin_1(text).ok_or_else(|| PyValueError::new_err("bytes")));
        let [tail, opening] = key;
        self.context(context)?.requests.insert((tail?, opening?), entry);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    /// Answers the question for the template of verdicts with this number; the exchange has `outcome` from then on.
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

    /// Answers the question for the template of statuses with this number behind a verdict with this outcome, or none.
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
        if pieces.is_empty() {
            return Err(PyValueError::new_err("an event completes an authentication"));
        }
        let entry = self.add(&pieces, gaps, origin, adds)?;
        self.writer.entries[entry].completes = Some((code, success));
        self.context(context)?.statuses.insert((outcome.and_then(outcome_of), number), entry);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    /// Answers the question for the template of one-line results with this word and text behind `Call status: `.
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
        let key = (word.as_bytes().to_vec(), tail.as_bytes().to_vec());
        self.context(context)?.results.insert(key, entry);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    /// Answers the question for the template of a message, or of an `orphan`, a verdict or status without a request; `key` is that of
    /// the user whom the message names.
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

    /// Begins a chunk; `offset` is that of `data` in the file. `repeats`: lines that are not of exchanges may have templates.
    fn begin(&mut self, data: Py<PyBytes>, offset: u64, repeats: bool) {
        self.repeats = repeats;
        (self.data, self.base, self.at, self.next) = (Some(data), offset, 0, 0);
        self.writer.batch.begin(&self.writer.spare);
    }

    /// Takes lines until Python must do something; None at the end of the chunk.
    ///
    /// Else a tuple: `("line",)` for a line that the general path must take, or a question, which one of the `add` methods answers;
    /// without an answer the general path takes the line. See `skip`.
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

    /// Passes over the line that stopped `go`; returns it without its LF, its offset, and whether it has an end.
    fn skip<'py>(&mut self, py: Python<'py>) -> PyResult<(Bound<'py, PyBytes>, u64, bool)> {
        let data = self.data.as_ref().ok_or_else(|| PyIndexError::new_err("no line"))?;
        let (at, line) = (self.at, &data.as_bytes(py)[self.at..self.next]);
        self.at = self.next;
        let bare = line.strip_suffix(b"\n");
        Ok((PyBytes::new(py, bare.unwrap_or(line)), self.base + u64::try_from(at)?, bare.is_some()))
    }

    /// Takes what the general path has made of a line.
    fn take(&mut self, texts: &Bound<'_, PyList>, labels: &Bound<'_, PyList>, completions: &Bound<'_, PyList>) -> PyResult<()> {
        self.writer.batch.take(texts, labels, completions)
    }

    /// The events of the chunk, their labels, the authentications that they complete; and the counters that went up, by how much.
    #[allow(clippy::type_complexity)]
    fn finish(&mut self, py: Python<'_>) -> PyResult<(Py<Texts>, Py<Labels>, Py<Completions>, Vec<(usize, u64)>)> {
        let Writer { prefix, counters, batch, spare, .. } = &mut self.writer;
        let counted = counters.iter_mut().enumerate().filter(|(_, number)| **number > 0);
        let counted = counted.map(|(counter, number)| (counter, std::mem::take(number))).collect();
        let (texts, labels, completions) = batch.give(py, prefix, spare)?;
        Ok((texts, labels, completions, counted))
    }
}
