//! The current run of prompts of each user of one component (prompts that a cache may tie together): the part of `Service` in
//! `shipper/report/service.py` that handles users with nothing but plain prompts.

use std::collections::HashMap;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySet, PyString, PyTuple};

use crate::batch::Labels;
use crate::caches::{Caches, Id, Prompt};
use crate::completions::{Completions, SignIn, clamped};
use crate::exchanges::as_utf_8;
use crate::shapes::{Shape, Shapes};

/// A user who has a run of prompts, or had one lately.
struct Person {
    entry: Py<PyAny>,
    /// The latest end of a prompt; a prompt that ends more than `apart` later begins a new run.
    latest: i64,
    prompts: Vec<Prompt>,
    /// Counts not in the entry yet: prompts of ended runs, authentications without a prompt, refusals by class.
    counted: i64,
    others: i64,
    refusals: Vec<(Py<PyAny>, u32)>,
}

impl Person {
    fn new(entry: Py<PyAny>, latest: i64, prompts: Vec<Prompt>) -> Self {
        Self { entry, latest, prompts, counted: 0, others: 0, refusals: vec![] }
    }

    /// Ends the run: counts its prompts and clears them.
    fn end(&mut self, py: Python<'_>, caches: Option<&mut Caches>) -> PyResult<()> {
        self.counted += i64::try_from(self.prompts.len())?;
        if let Some(caches) = caches {
            let doubles = self.prompts.iter().any(|prompt| prompt.double);
            let missed = caches.take(&mut self.prompts);
            if doubles {
                // A cache by address spares no prompt without one, so it misses at all steps.
                self.entry.bind(py).call_method1(intern!(py, "miss_both"), (missed, [caches.all(); 2]))?;
            }
        }
        self.prompts.clear();
        Ok(())
    }

    /// Adds the counts to the entry.
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

/// Adds to an integer attribute of a Python object.
fn add(object: &Bound<'_, PyAny>, name: &Bound<'_, PyString>, more: i64) -> PyResult<()> {
    object.setattr(name, object.getattr(name)?.extract::<i64>()? + more)
}

/// Converts a prompt to its Python tuple.
fn told<'py>(py: Python<'py>, prompt: &Prompt) -> PyResult<Bound<'py, PyTuple>> {
    (prompt.start, as_utf_8(py, text_of(&prompt.id)), prompt.end, prompt.success, py.None()).into_pyobject(py)
}

/// Pads the id of a prompt; None if it is too long.
fn id_of(text: &[u8]) -> Option<Id> {
    let mut id = [0; size_of::<Id>()];
    id.get_mut(..text.len())?.copy_from_slice(text);
    Some(id)
}

fn text_of(id: &Id) -> &[u8] {
    &id[..id.iter().position(|&byte| byte == 0).unwrap_or(id.len())]
}

/// A time from Python; None if it is so large that the difference of two might overflow, or negative.
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
    /// Takes a sign-in. Returns false, and changes nothing, if Python must take it.
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

    /// Takes a sign-in without a prompt.
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

    /// The user of a prompt; None if Python has the user's run, or must take over because it gets long.
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

    /// The entry of a user who is not in `by_key`, made if there is room; None if there is no room.
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
    /// `people`: the entries of users by key; makes new ones. `nothing`: `latest` of an entry without prompts. `apart`:
    /// nanoseconds after the latest end until a run is over. `most`: prompts at which a run is left to Python, which counts it
    /// piece by piece. `idle`: number of users above which those long without a prompt are dropped. `steps`: how many
    /// nanoseconds each cache holds; None if there is no cache.
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

    /// Takes sign-ins of a chunk from `at` up to `stop`, or up to the first that Python must take: its kind is not in `kinds` or
    /// is a first step, it ended after `turn`, Python has the user's run, or the run gets long.
    ///
    /// Returns the place of the sign-in that it stopped at, and the taken ones to be listed: kind and place of each.
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

    /// Returns the number of sign-ins taken of each kind in each hour since 1970, and resets it.
    fn counted<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.shapes.counted(py)
    }

    /// Marks the prompt `id` of the user `key` as the second of a double prompt, and returns it; None if it is not here.
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

    /// Takes over a user's run: entry, prompts, latest end, ids of second prompts. Returns false if a value does not fit.
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

    /// Gives a user's run back to Python: the arguments of `put` without the key; None if there are no prompts.
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

    /// Returns the keys of the users kept here.
    fn users<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.persons.by_key.keys().map(|key| as_utf_8(py, key)))
    }

    /// Counts the runs that are over at the time `newest`, or all of them. If there are more than `idle` users, drops those long
    /// without a prompt.
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
                person.prompts = vec![]; // frees the memory until the user comes again
            }
            true
        });
        done
    }

    /// Adds the durations of answers to the kinds. Returns and resets the cache sums: the number of prompts; then three lists
    /// (where the readings agree, and of each where they differ) of first step, step after the last, number of spared prompts,
    /// number of second ones, and longest time since an answer.
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
