//! The latest prompts of the users of one component, as far as a cache may tie them together: what `Service` in
//! `shipper/report/service.py` does with authentications of users of whom nothing but plain prompts is known.

use std::collections::HashMap;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySet, PyString, PyTuple};

use crate::batch::Labels;
use crate::caches::{Caches, Id, Prompt};
use crate::completions::{Completions, SignIn, clamped};
use crate::exchanges::as_utf_8;
use crate::shapes::{Shape, Shapes};

/// A user who has prompts, or had some lately.
struct Person {
    entry: Py<PyAny>,
    /// The latest end; what happens long after it has nothing to do with the prompts.
    latest: i64,
    prompts: Vec<Prompt>,
    /// What is not in the entry yet: prompts that were counted, authentications that are none, refusals by class.
    counted: i64,
    others: i64,
    refusals: Vec<(Py<PyAny>, u32)>,
}

impl Person {
    fn new(entry: Py<PyAny>, latest: i64, prompts: Vec<Prompt>) -> Self {
        Self { entry, latest, prompts, counted: 0, others: 0, refusals: vec![] }
    }

    /// Counts the prompts; nothing that comes has to do with them.
    fn end(&mut self, py: Python<'_>, caches: Option<&mut Caches>) -> PyResult<()> {
        self.counted += i64::try_from(self.prompts.len())?;
        if let Some(caches) = caches {
            let doubles = self.prompts.iter().any(|prompt| prompt.double);
            let missed = caches.take(&mut self.prompts);
            if doubles {
                // By address: no cache of that kind spares what has none.
                self.entry.bind(py).call_method1(intern!(py, "miss_both"), (missed, [caches.all(); 2]))?;
            }
        }
        self.prompts.clear();
        Ok(())
    }

    /// Adds to the entry what was counted.
    fn settle(&mut self, py: Python<'_>) -> PyResult<()> {
        for (name, more) in [(intern!(py, "prompts"), &mut self.counted), (intern!(py, "others"), &mut self.others)] {
            if *more != 0 {
                add(self.entry.bind(py), name, std::mem::take(more))?;
            }
        }
        for (class, number) in self.refusals.drain(..) {
            self.entry.bind(py).call_method1(intern!(py, "count"), (class, number))?;
        }
        Ok(())
    }

    fn refused(&mut self, py: Python<'_>, class: &Py<PyAny>) {
        match self.refusals.iter_mut().find(|(other, _)| other.is(class)) {
            Some((_, number)) => *number += 1,
            None => self.refusals.push((class.clone_ref(py), 1)),
        }
    }
}

/// Adds to a number that an object of Python has.
fn add(object: &Bound<'_, PyAny>, name: &Bound<'_, PyString>, more: i64) -> PyResult<()> {
    object.setattr(name, object.getattr(name)?.extract::<i64>()? + more)
}

/// A prompt as Python has it.
fn told<'py>(py: Python<'py>, prompt: &Prompt) -> PyResult<Bound<'py, PyTuple>> {
    (prompt.start, as_utf_8(py, text_of(&prompt.id)), prompt.end, prompt.success, py.None()).into_pyobject(py)
}

/// The id of a prompt; None if it is too long.
fn id_of(text: &[u8]) -> Option<Id> {
    let mut id = [0; size_of::<Id>()];
    id.get_mut(..text.len())?.copy_from_slice(text);
    Some(id)
}

fn text_of(id: &Id) -> &[u8] {
    &id[..id.iter().position(|&byte| byte == 0).unwrap_or(id.len())]
}

/// A time that Python gave, so that no difference of two overflows.
fn time(number: &Bound<'_, PyAny>) -> Option<i64> {
    number.extract().ok().filter(|time| (0..i64::MAX / 2).contains(time))
}

struct Persons {
    people: Py<PyDict>,
    nothing: Py<PyAny>,
    apart: i64,
    most: usize,
    idle: usize,
    by_key: HashMap<Box<[u8]>, Person>,
    caches: Option<Caches>,
}

impl Persons {
    /// Takes a sign-in; false if Python must look at it, and nothing has been done.
    fn take(&mut self, py: Python<'_>, new: &SignIn<'_>, shape: &mut Shape) -> PyResult<bool> {
        let Some(id) = id_of(new.id).filter(|_| !shape.pending) else { return Ok(false) };
        if !shape.prompted {
            return self.other(py, new);
        }
        let Some(person) = self.person(py, new)? else { return Ok(false) };
        person.latest = person.latest.max(new.end);
        person.prompts.push(Prompt { start: new.start, id, end: new.end, success: new.success, double: false });
        if shape.answered {
            shape.answer(py, new.end - new.start)?;
        }
        if let Some(refusal) = &shape.refusal {
            person.refused(py, refusal);
        }
        Ok(true)
    }

    /// Takes one that is no prompt.
    fn other(&mut self, py: Python<'_>, new: &SignIn<'_>) -> PyResult<bool> {
        if let Some(person) = self.by_key.get_mut(new.key) {
            person.others += 1;
            return Ok(true);
        }
        match self.entry(py, new)? {
            Some(entry) if !entry.getattr(intern!(py, "waiting"))?.is_truthy()? => {
                add(&entry, intern!(py, "others"), 1).map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// The user of a prompt; None if Python has the user's prompts, or will take them.
    fn person(&mut self, py: Python<'_>, new: &SignIn<'_>) -> PyResult<Option<&mut Person>> {
        if !self.by_key.contains_key(new.key) {
            let Some(entry) = self.entry(py, new)? else { return Ok(None) };
            if !entry.getattr(intern!(py, "latest"))?.eq(&self.nothing)? {
                return Ok(None);
            }
            self.by_key.insert(new.key.into(), Person::new(entry.unbind(), i64::MIN, Vec::with_capacity(1)));
        }
        let Some(person) = self.by_key.get_mut(new.key) else { return Ok(None) };
        if new.end > person.latest.saturating_add(self.apart) {
            person.end(py, self.caches.as_mut())?;
        }
        Ok((person.prompts.len() + 1 < self.most).then_some(person))
    }

    /// The entry of a user who is not here; a new one if there is room.
    fn entry<'py>(&self, py: Python<'py>, new: &SignIn<'_>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let people = self.people.bind(py);
        let found = people.get_item(as_utf_8(py, new.key))?;
        if found.is_some() {
            return Ok(found);
        }
        let entry = people.call_method1(intern!(py, "newcomer"), (new.user(py)?,))?;
        Ok(Some(entry).filter(|entry| !entry.is_none()))
    }
}

/// See the module.
#[pyclass(module = "shipper.decode._kernel")]
pub struct Runs {
    persons: Persons,
    shapes: Shapes,
}

#[pymethods]
impl Runs {
    /// `people`: the entries of users by their keys, with what makes a new one. `nothing`: the latest end where there are no prompts.
    /// `apart`: nanoseconds after that end until nothing has to do with them. `most`: prompts of a user, which Python counts piece by
    /// piece from then on. `idle`: users, up to which those who had no prompts for long are kept as well. `steps`: how many nanoseconds
    /// the caches hold; None if there is no cache.
    #[new]
    fn new(
        people: Py<PyDict>,
        nothing: Py<PyAny>,
        apart: &Bound<'_, PyAny>,
        most: usize,
        idle: usize,
        steps: Option<Vec<i64>>,
    ) -> PyResult<Self> {
        let (apart, caches) = (clamped(apart)?, steps.map(Caches::new));
        let persons = Persons { people, nothing, apart, most, idle, by_key: HashMap::new(), caches };
        Ok(Self { persons, shapes: Shapes::default() })
    }

    fn __len__(&self) -> usize {
        self.persons.by_key.len()
    }

    /// Takes sign-ins of a chunk from `at` on, up to the one at the place `stop` or the first one that Python must look at: a kind that is not
    /// among `kinds` or is a first step, a time after `turn`, a user of whom Python has prompts, or who has many.
    ///
    /// Returns its place, and the places of those taken that are to be listed, with their kinds.
    #[allow(clippy::too_many_arguments)]
    fn take<'py>(
        &mut self,
        py: Python<'py>,
        completions: &Bound<'py, Completions>,
        labels: &Bound<'py, Labels>,
        kinds: &Bound<'py, PyDict>,
        at: usize,
        stop: usize,
        turn: &Bound<'py, PyAny>,
    ) -> PyResult<(usize, Bound<'py, PyList>)> {
        let (completions, labels, turn) = (completions.get(), labels.get(), clamped(turn)?);
        let (mut next, listed) = (at, PyList::empty(py));
        self.shapes.begin();
        while next < stop {
            let Some(new) = completions.sign_in(next).filter(|new| new.end <= turn) else { break };
            let Some(origin) = labels.origin(new.position) else { break };
            let Some(place) = self.shapes.find(origin.bind(py), kinds)? else { break };
            let shape = self.shapes.get(place);
            if !self.persons.take(py, &new, shape)? {
                break;
            }
            if shape.listed {
                listed.append((shape.kind(py), next))?;
            }
            self.shapes.count(place, new.end);
            next += 1;
        }
        Ok((next, listed))
    }

    /// How many were taken of each kind in each hour since 1970, since this was asked.
    fn counted<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.shapes.counted(py)
    }

    /// A prompt is the second one of two: returns it, or None if there is no such prompt here. `key` and `id`: of its user, and its own.
    fn second<'py>(&mut self, py: Python<'py>, key: &Bound<'py, PyString>, id: &str) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let person = key.to_str().ok().and_then(|key| self.persons.by_key.get_mut(key.as_bytes()));
        let (Some(person), Some(id)) = (person, id_of(id.as_bytes())) else { return Ok(None) };
        match person.prompts.iter_mut().rev().find(|prompt| prompt.id == id) {
            Some(prompt) => {
                prompt.double = true;
                told(py, prompt).map(Some)
            }
            None => Ok(None),
        }
    }

    /// Takes the prompts of a user from Python: the entry, the prompts, the latest end, the ids of second ones. False if they do not fit.
    fn put(
        &mut self,
        key: &Bound<'_, PyString>,
        entry: Py<PyAny>,
        prompts: &Bound<'_, PyList>,
        latest: &Bound<'_, PyAny>,
        seconds: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        type Fields<'py> = (Bound<'py, PyAny>, Bound<'py, PyString>, Bound<'py, PyAny>, bool, Bound<'py, PyAny>);
        let (Ok(key), Some(latest)) = (key.to_str(), time(latest)) else { return Ok(false) };
        let mut taken = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            let (start, id, end, success, address): Fields<'_> = prompt.extract()?;
            let double = !seconds.is_none() && seconds.contains(&id)?;
            let (Some(start), Some(id), Some(end), true) =
                (time(&start), id_of(id.to_str()?.as_bytes()), time(&end), address.is_none())
            else {
                return Ok(false);
            };
            taken.push(Prompt { start, id, end, success, double });
        }
        self.persons.by_key.insert(key.as_bytes().into(), Person::new(entry, latest, taken));
        Ok(true)
    }

    /// Gives the prompts of a user back to Python: the same; None if there are none.
    fn pop<'py>(&mut self, py: Python<'py>, key: &Bound<'py, PyString>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let person = key.to_str().ok().and_then(|key| self.persons.by_key.remove(key.as_bytes()));
        let Some(mut person) = person else { return Ok(None) };
        person.settle(py)?;
        if person.prompts.is_empty() {
            return Ok(None);
        }
        let seconds = PySet::empty(py)?;
        for prompt in person.prompts.iter().filter(|prompt| prompt.double) {
            seconds.add(as_utf_8(py, text_of(&prompt.id)))?;
        }
        let seconds = Some(seconds).filter(|seconds| !seconds.is_empty());
        let prompts = person.prompts.iter().map(|prompt| told(py, prompt)).collect::<PyResult<Vec<_>>>()?;
        Ok(Some((person.entry, PyList::new(py, prompts)?, person.latest, seconds).into_pyobject(py)?))
    }

    /// The keys of the users who are here.
    fn users<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.persons.by_key.keys().map(|key| as_utf_8(py, key)))
    }

    /// Counts the prompts to which nothing can come any more at a time, or all of them. Where users are many, those who had none for long
    /// are forgotten.
    #[pyo3(signature = (newest = None))]
    fn sweep(&mut self, py: Python<'_>, newest: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let newest = newest.map(clamped).transpose()?;
        let (apart, caches, mut done) = (self.persons.apart, &mut self.persons.caches, Ok(()));
        let are_many = self.persons.by_key.len() > self.persons.idle;
        self.persons.by_key.retain(|_, person| {
            if newest.is_some_and(|newest| person.latest.saturating_add(apart) >= newest) || done.is_err() {
                return true;
            }
            if newest.is_none() || (are_many && person.prompts.is_empty()) {
                done = person.end(py, caches.as_mut()).and_then(|()| person.settle(py));
                return false;
            }
            if !person.prompts.is_empty() {
                done = person.end(py, caches.as_mut());
                person.prompts = vec![]; // its memory is for others until the user comes again
            }
            true
        });
        done
    }

    /// Adds to the kinds how long answers took. Returns what caches would have spared of the prompts that were counted here, and forgets
    /// it: the number of prompts; then for both readings and for each, the steps from which and up to which caches did the same, the
    /// number of prompts and of second ones, and the longest time.
    fn settle<'py>(&mut self, py: Python<'py>) -> PyResult<(u64, Bound<'py, PyList>)> {
        self.shapes.settle(py)?;
        let readings = PyList::empty(py);
        let Some(caches) = &mut self.persons.caches else { return Ok((0, readings)) };
        for spans in &mut caches.spans {
            let told = spans.drain().map(|((step, stop), (prompts, doubles, longest))| (step, stop, prompts, doubles, longest));
            readings.append(PyList::new(py, told.collect::<Vec<_>>())?)?;
        }
        Ok((std::mem::take(&mut caches.prompts), readings))
    }
}
