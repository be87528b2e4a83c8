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
use crate::held::{Held, HeldEvents, Part, RequestTexts};
use crate::line::{Line, Message, UserForm, read};
use crate::stamp::{Clock, Stamp, put_number};
use crate::template::{Lines, Template, Values};

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
    /// If events are merged: those that wait.
    held: Option<Py<HeldEvents>>,
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
    merged: HashMap<Vec<u8>, usize>,             // see `merged_key`
    key: Vec<u8>,                                // the one that was asked for last
    results: HashMap<(Vec<u8>, Vec<u8>), usize>, // by the word, and the text behind `Call status: `
    last_result: ((Vec<u8>, Vec<u8>), usize),    // the one that was used last
    messages: HashMap<Vec<u8>, usize>,
    orphans: HashMap<Vec<u8>, usize>,  // verdicts and statuses of no exchange
    last: ((Vec<u8>, Vec<u8>), usize), // of the requests, the one that was used last
}

/// A template, and what its use leads to.
struct Made {
    template: Option<Arc<Template>>, // None: no event
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
    Merged(usize, Vec<u8>, Vec<u8>, Option<i64>, i64),
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
    /// If its events are merged.
    lines: Lines<'a>,
}

impl<'a> Tied<'a> {
    /// What it says where there is none.
    fn nobody(process: &'a [u8], time: i64) -> Self {
        Self { shared: process, request: b"", start: b"", began: time, key: b"", lines: Lines::default() }
    }
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

    fn merged(&mut self, held: &Held, number: i64) -> Option<usize> {
        merged_key(&mut self.key, held.opening(), held.tail(), held.verdict(), number);
        self.merged.get(&self.key).copied()
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
        Tied { shared, request, start, began: self.start, key, lines: Lines::default() }
    }
}

impl Writer {
    fn count(&mut self, entry: usize) {
        for &counter in &self.entries[entry].adds {
            self.counters[counter] += 1;
        }
    }

    /// The event of a line, to be made later if at all; None if its template makes none.
    fn part(&self, py: Python<'_>, place: &Place<'_>, backslash: Option<usize>, entry: usize) -> Option<Part> {
        let Made { template, origin, .. } = &self.entries[entry];
        let (template, origin, prefix) = (template.clone()?, origin.clone_ref(py), self.prefix.clone());
        Some(Part { template, origin, time: place.time, prefix, offset: place.offset, message: place.line.at, backslash })
    }

    /// Puts the event of a line into the batch.
    fn put(&mut self, py: Python<'_>, place: &Place<'_>, tied: &Tied<'_>, backslash: Option<usize>, entry: usize) {
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
            duration: place.time - tied.began,
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

    /// Notes that the event that was put last, with this template, completes `exchange`, if that is what it does.
    fn complete(&mut self, py: Python<'_>, place: &Place<'_>, exchange: &Exchange, entry: usize, component: &Component) {
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

/// A line's turn: what it meets.
struct Turn<'a, 'py> {
    py: Python<'py>,
    users: &'a UserPieces,
    head: &'a Head,
    context: &'a mut Context,
    component: &'a mut Component,
    exchanges: PyRefMut<'py, OpenExchanges>,
    /// If events are merged: those that wait; none of them is overdue.
    held: Option<PyRefMut<'py, HeldEvents>>,
    writer: &'a mut Writer,
    timeout: i64,
    patience: i64,
}

impl Turn<'_, '_> {
    fn request(&mut self, place: &Place<'_>, opening: &[u8], user: &[u8], form: UserForm, tail: &[u8]) -> Taken {
        let (slot, writer) = (self.head.slot, &mut *self.writer);
        if !self.exchanges.is_closed(slot) {
            return Taken::Refused;
        }
        let Some(entry) = self.context.request(opening, tail) else {
            return Taken::Asks(Question::Request(self.head.context, tail.to_vec(), opening.to_vec()));
        };
        let exchange = self.exchanges.open(slot);
        let id = [&*writer.prefix, &writer.digits];
        exchange.begin(&Request { time: place.time, stamp: place.line.stamp, id, user, form }, || {
            self.users.json(user, form).chain([&*self.head.process])
        });
        let begin = place.line.at + CALL + opening.len();
        let backslash = match form {
            UserForm::Domain(at) => Some(begin + at - 1),
            _ => None,
        };
        if let Some(held) = &mut self.held {
            let [_, id, key, shared] = exchange.texts();
            let (opening, tail) = (begin - opening.len()..begin, begin + user.len()..place.bytes.len());
            let texts = RequestTexts { line: place.bytes, opening, tail, key, shared };
            let part = writer.part(self.py, place, backslash, entry);
            match part.and_then(|part| held.hold(id, part, &texts)) {
                Some(number) => exchange.held = number,
                None => {
                    self.exchanges.close(slot);
                    return Taken::Refused;
                }
            }
            writer.count(entry);
        } else {
            writer.put(self.py, place, &exchange.tied(), backslash, entry);
        }
        self.component.take(place.time);
        Taken::Done
    }

    fn verdict(&mut self, place: &Place<'_>, number: i64) -> Taken {
        let (context, writer) = (&*self.context, &mut *self.writer);
        let newest = self.component.newest;
        let lives = alive(&mut self.exchanges, self.py, self.head.slot, place.time, newest, self.timeout, self.patience);
        let Some(exchange) = lives else { return Taken::Refused };
        let waits = self.held.as_mut().map(|held| held.waiting(exchange.held).filter(|waits| waits.verdict().is_none()));
        let Some(&entry) = context.verdicts.get(&number) else {
            return Taken::Asks(Question::Verdict(self.head.context, number));
        };
        match waits {
            None => writer.put(self.py, place, &exchange.tied(), None, entry),
            Some(waits) => {
                let part = writer.part(self.py, place, None, entry);
                let (Some(waits), Some(part)) = (waits, part) else { return Taken::Refused };
                waits.add(part, number, place.bytes);
                writer.count(entry);
            }
        }
        exchange.verdict = writer.entries[entry].outcome;
        self.component.take(place.time);
        Taken::Done
    }

    fn status(&mut self, place: &Place<'_>, number: i64) -> Taken {
        let (context, writer, slot) = (&mut *self.context, &mut *self.writer, self.head.slot);
        let newest = self.component.newest;
        let lives = alive(&mut self.exchanges, self.py, slot, place.time, newest, self.timeout, self.patience);
        let Some(exchange) = lives else { return Taken::Refused };
        let mut tied = exchange.tied();
        let entry = if let Some(held) = &mut self.held {
            let Some(waits) = held.waiting(exchange.held) else { return Taken::Refused };
            tied.lines = waits.lines();
            context.merged(waits, number).ok_or_else(|| {
                Question::Merged(self.head.context, waits.tail().to_vec(), waits.opening().to_vec(), waits.verdict(), number)
            })
        } else {
            let entry = context.statuses.get(&(exchange.verdict, number)).copied();
            entry.ok_or(Question::Status(self.head.context, exchange.verdict, number))
        };
        let entry = match entry {
            Ok(entry) => entry,
            Err(question) => return Taken::Asks(question),
        };
        writer.put(self.py, place, &tied, None, entry);
        self.component.take(place.time);
        writer.complete(self.py, place, exchange, entry, self.component);
        if let Some(held) = &mut self.held {
            held.remove(exchange.held);
        }
        self.exchanges.close(slot);
        Taken::Done
    }

    #[allow(clippy::too_many_arguments)]
    fn result(
        &mut self,
        place: &Place<'_>,
        exchange: &mut Exchange,
        guid: &[u8],
        word: &[u8],
        user: &[u8],
        form: UserForm,
        tail: &[u8],
    ) -> Taken {
        let Some(entry) = self.context.result(word, tail) else {
            return Taken::Asks(Question::Result(self.head.context, word.to_vec(), tail.to_vec()));
        };
        let (bytes, writer) = (place.bytes, &mut *self.writer);
        let Line { stamp, at, .. } = place.line;
        let backslash = match form {
            UserForm::Domain(behind) => Some(at + RESULT + word.len() + behind - 1),
            _ => None,
        };
        let id = [&*writer.prefix, &writer.digits];
        exchange.begin(&Request { time: place.time, stamp, id, user, form }, || {
            self.users.json(user, form).chain([&*self.head.process])
        });
        let place = Place { bytes: &bytes[..bytes.len() - tail.len()], ..*place };
        writer.put(self.py, &place, &Tied { request: guid, ..exchange.tied() }, backslash, entry);
        self.component.take(place.time);
        writer.complete(self.py, &place, exchange, entry, self.component);
        Taken::Done
    }

    /// A line that may have come before: a message, or an `orphan`, which belongs to no exchange.
    fn again(&mut self, place: &Place<'_>, once: &mut Once, repeats: bool, orphan: bool) -> Taken {
        let (context, message) = (self.head.context, &place.bytes[place.line.at..]);
        let too_old = self.component.newest.max(place.time).saturating_sub(place.time) > self.patience;
        if !repeats || message.len() > LONGEST_REPEATED || (orphan && too_old) {
            return Taken::Refused;
        }
        let known = if orphan { &self.context.orphans } else { &self.context.messages };
        let Some(&entry) = known.get(message) else {
            let question = if orphan { Question::Orphan } else { Question::Message };
            let asks = once.asks((context, orphan, message));
            return if asks { Taken::Asks(question(context, message.to_vec())) } else { Taken::Refused };
        };
        self.writer.put(self.py, place, &Tied::nobody(&self.head.process, place.time), None, entry);
        self.component.take(place.time);
        Taken::Done
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
        let tied = Tied::nobody(b"", time);
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
            _ => Some(Arc::new(Template::new(pieces, gaps).ok_or_else(|| PyValueError::new_err("a letter for each gap"))?)),
        };
        self.writer.entries.push(Made { template, origin, key: vec![], outcome: None, completes: None, adds });
        Ok(self.writer.entries.len() - 1)
    }

    /// Like `add`, of an event that completes an authentication with this code and success.
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

/// What a merged event depends on: the texts around the user of the request, the number of the verdict if there was one, and that of the
/// status.
fn merged_key(key: &mut Vec<u8>, opening: &[u8], tail: &[u8], verdict: Option<i64>, number: i64) {
    key.clear();
    key.extend_from_slice(&number.to_ne_bytes());
    key.extend_from_slice(&verdict.unwrap_or(i64::MIN).to_ne_bytes());
    key.extend_from_slice(&opening.len().to_ne_bytes());
    key.extend_from_slice(opening);
    key.extend_from_slice(tail);
}

/// The bytes of texts that are bytes read as latin-1.
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

    /// Returns the number of a component, whose name its completions have, for `add_head`. With `held` events are merged.
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
        let [tail, opening] = bytes_of([tail, opening])?;
        self.context(context)?.requests.insert((tail, opening), entry);
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
        let entry = self.add_completing(&pieces, gaps, origin, adds, (code, success))?;
        self.context(context)?.statuses.insert((outcome.and_then(outcome_of), number), entry);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    /// Answers the question for the template of a status with this number, merged with a request and, if there was one, a verdict.
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
