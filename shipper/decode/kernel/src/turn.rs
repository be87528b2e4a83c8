//! Takes one line: matches it with the open exchanges, then writes or holds its event.

use pyo3::prelude::*;

use crate::exchanges::{Exchange, OpenExchanges, Outcome, Request};
use crate::held::{HeldEvents, RequestTexts};
use crate::known::{Component, Context, Head, Once, UserPieces};
use crate::line::{Line, UserForm};
use crate::writing::{Place, Tied, Writer};

const CALL: usize = "Calling pfAuthUser(".len();
const RESULT: usize = "Pfauth ".len() + " for user '".len(); // plus the word between them
/// Longest message or line, in bytes, that may have a template of its own.
pub const LONGEST_REPEATED: usize = 256;

/// What became of a line.
pub enum Taken {
    Done,
    Refused,
    /// `line::read` does not understand the line.
    Unread,
    Asks(Question),
}

/// What Python must supply before the line can be taken.
pub enum Question {
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

/// The turn of one line: everything that taking it may use or change.
pub struct Turn<'a, 'py> {
    pub py: Python<'py>,
    pub users: &'a UserPieces,
    pub head: &'a Head,
    pub context: &'a mut Context,
    pub component: &'a mut Component,
    pub exchanges: PyRefMut<'py, OpenExchanges>,
    /// The held events, if events are merged; none of them is overdue.
    pub held: Option<PyRefMut<'py, HeldEvents>>,
    pub writer: &'a mut Writer,
    pub timeout: i64,
    pub patience: i64,
}

impl Turn<'_, '_> {
    pub fn request(&mut self, place: &Place<'_>, opening: &[u8], user: &[u8], form: UserForm, tail: &[u8]) -> Taken {
        let (slot, writer) = (self.head.slot, &mut *self.writer);
        if !self.exchanges.is_closed(slot) {
            return Taken::Refused;
        }
        let Some(entry) = self.context.requests.get(tail, opening) else {
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

    pub fn verdict(&mut self, place: &Place<'_>, number: i64) -> Taken {
        let (context, writer) = (&*self.context, &mut *self.writer);
        let newest = self.component.newest;
        let lives = alive(&mut self.exchanges, self.py, self.head.slot, place.time, newest, self.timeout, self.patience);
        let Some(exchange) = lives else { return Taken::Refused };
        let waits = self.held.as_mut().map(|held| held.waiting(exchange.held).filter(|waits| waits.verdict().is_none()));
        let Some(&entry) = context.verdicts.get(&number) else {
            return Taken::Asks(Question::Verdict(self.head.context, number));
        };
        if !writer.entries[entry].suits(exchange.tied().shared) {
            return Taken::Refused;
        }
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

    pub fn status(&mut self, place: &Place<'_>, number: i64) -> Taken {
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
        if !writer.entries[entry].suits(tied.shared) {
            return Taken::Refused;
        }
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
    pub fn result(
        &mut self,
        place: &Place<'_>,
        exchange: &mut Exchange,
        guid: &[u8],
        word: &[u8],
        user: &[u8],
        form: UserForm,
        tail: &[u8],
    ) -> Taken {
        let Some(entry) = self.context.results.get(word, tail) else {
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

    /// Takes a line that may be a repeated one: a message, or an `orphan`: a verdict or status that belongs to no exchange.
    pub fn again(&mut self, place: &Place<'_>, once: &mut Once, repeats: bool, orphan: bool) -> Taken {
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

/// The open exchange that a verdict or status of this time belongs to; None if there is none.
pub fn alive<'a>(
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
