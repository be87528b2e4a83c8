"""The cache advisor against a cache that is asked about each prompt, one after the other."""

from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from shipper.report.cache import LADDER, READINGS, Prompt
from shipper.report.people import People, Person
from shipper.report.service import PIECE, Advice, Service
from shipper.times import SECOND

TIMEOUT = 600 * SECOND
BASE = 1_487_000_000 * SECOND
# Times that matter: the steps of the ladder, a nanosecond beside them, what lies between, and what is out of reach.
STEPS = [seconds * SECOND + beside for seconds in (0, *LADDER) for beside in (-1, 0, 1)]
AFTER = st.one_of(
    st.sampled_from([time for time in STEPS if time >= 0]),
    st.integers(0, 300).map(lambda n: n * SECOND),
    st.integers(0, 4 * 3600 * SECOND),
)
LASTS = st.one_of(st.sampled_from([0, 1, 5 * SECOND, 9 * SECOND, 60 * SECOND, TIMEOUT]), st.integers(0, TIMEOUT))
ASKED = st.lists(
    st.tuples(AFTER, LASTS, st.booleans(), st.sampled_from([None, "10.0.0.1", "10.0.0.2"]), st.booleans()), max_size=12
)


def prompts_of(asked: Sequence[tuple[int, int, bool, str | None, bool]]) -> tuple[list[Prompt], set[str]]:
    """The prompts, each some time after the start of the one before, and the ids of second ones."""
    at, prompts, seconds = BASE, [], set()
    for number, (after, lasts, success, address, second) in enumerate(asked):
        at += after
        prompts.append((at, f"f-{number:04}", at + lasts, success, address))
        if second:
            seconds.add(prompts[-1][1])
    return prompts, seconds


def simulated(prompts: Sequence[Prompt], seconds: set[str], *, in_kernel: bool) -> tuple[Advice, Person]:
    """What the report makes of them, given in the order in which they end; `in_kernel`: the kernel has them between these times."""
    advice = Advice()
    service = Service(TIMEOUT, 60 * SECOND, advice)
    person = service.people.new(("ann", None, None, "ann"))
    newest = BASE
    for prompt in sorted(prompts, key=lambda prompt: (prompt[2], prompt[1])):
        newest = max(newest, prompt[2])
        if newest > service.turn:
            service.sweep(newest)
        service.recall("ann")
        if newest > person.latest + service.apart:
            service.begin(person)
        person.latest = max(person.latest, prompt[2])
        person.run.append(prompt)
        if in_kernel:
            service.hand_over("ann")
        if prompt[1] in seconds:
            assert service.second("ann", prompt[1]) == prompt
        if len(person.run) and not len(person.run) % PIECE:
            service.shorten(person, newest)
    service.close()
    return advice, person


def asked_about_each(
    prompts: Sequence[Prompt], seconds: set[str], lasts: int, *, by_address: bool, renewed: bool
) -> tuple[int, int, int, bool]:
    """Spared, spared second prompts, the longest time since an answer, and whether a second prompt is left."""
    entries: list[list[int | str | None]] = []  # until, answered, address
    spared = doubles = longest = 0
    left = False
    for start, name, end, success, address in sorted(prompts):
        same = [entry for entry in entries if not by_address or (address is not None and entry[2] == address)]
        if not any(start <= int(entry[0] or 0) for entry in same):
            left = left or name in seconds
            if success:
                entries.append([end + lasts, end, address])
            continue
        spared, doubles = spared + 1, doubles + (name in seconds)
        answered = max(int(entry[1] or 0) for entry in same)
        longest = max(longest, start - answered)
        if renewed:
            for entry in same:
                entry[0] = max(int(entry[0] or 0), max(start, answered) + lasts)
    return spared, doubles, longest, left


def compare(prompts: list[Prompt], seconds: set[str], *, in_kernel: bool = False) -> None:
    advice, person = simulated(prompts, seconds, in_kernel=in_kernel)

    assert advice.prompts == person.prompts == len(prompts)
    assert advice.with_address == sum(prompt[4] is not None for prompt in prompts)
    for kind, by_address in enumerate((False, True)):
        for reading in range(len(READINGS)):
            sums = advice.types[kind].sums(reading)
            for step, lasts in enumerate(LADDER):
                told = sums.prompts[step], sums.doubles[step], sums.longest[step], bool(person.misses(kind, reading) >> step & 1)
                expected = asked_about_each(prompts, seconds, lasts * SECOND, by_address=by_address, renewed=reading == 1)
                assert told == expected, (kind, reading, lasts)


@settings(deadline=None)
@given(ASKED)
@example([(0, 20 * SECOND, True, None, False), (10 * SECOND, 5 * SECOND, True, None, True), (1, 0, True, "10.0.0.1", True)])
def test_few_prompts(asked: list[tuple[int, int, bool, str | None, bool]]) -> None:
    compare(*prompts_of(asked))


@settings(deadline=None)
@given(ASKED, st.booleans())
def test_few_prompts_in_the_kernel(asked: list[tuple[int, int, bool, str | None, bool]], nowhere: bool) -> None:
    compare(*prompts_of([(*one[:3], None if nowhere else one[3], one[4]) for one in asked]), in_kernel=True)


@settings(deadline=None, max_examples=40)
@given(ASKED.filter(bool), st.integers(6, 40))
def test_a_sequence_that_is_counted_piece_by_piece(asked: list[tuple[int, int, bool, str | None, bool]], times: int) -> None:
    compare(*prompts_of(asked * times))


def test_that_long_sequences_are_counted_before_they_end() -> None:
    service = Service(TIMEOUT, 60 * SECOND, Advice())
    person = service.people.new(("ann", None, None, "ann"))
    for number in range(1000):
        start = BASE + number * 120 * SECOND
        person.run.append((start, f"f-{number:04}", start + SECOND, True, None))
        if not len(person.run) % PIECE:
            service.shorten(person, start)
    assert len(person.run) < 2 * PIECE


def test_people_are_those_of_the_service() -> None:
    assert isinstance(Service(TIMEOUT, 0, None).people, People)
