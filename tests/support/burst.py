"""A detector that no one asked for, to try the recipe of CONTRIBUTING: several authentications of a user in short time.

    python -m tests.support.burst parse FILE --only burst

is the command with this detector in the register, as a package of somebody else would add it.
"""

from bisect import bisect_left, insort
from dataclasses import dataclass

from shipper.detect import DETECTORS
from shipper.detect.protocol import Alert, Detector, Nanoseconds, Step, Total
from shipper.model import CompletionFields
from shipper.times import SECOND

State = list[int]  # when authentications ended, in order
Finding = list[str | int]  # id, start, end, duration, number


@dataclass(frozen=True, slots=True)
class Rule:
    """Many authentications of a user: how many are, and within which time."""

    window: Nanoseconds = 10 * SECOND
    number: int = 3
    exchange_timeout: Nanoseconds = 600 * SECOND

    @property
    def horizon(self) -> int:
        return self.window

    @property
    def warm_up(self) -> int:
        return 2 * self.window + self.exchange_timeout


def step(state: State, completion: CompletionFields, rule: Rule) -> Step[Finding]:
    _, _, event_id, _, start, start_text, end, end_text, _, success, _ = completion
    insort(state, end)
    counted = () if success else ("burst_failures",)
    if len(state) - bisect_left(state, end - rule.window) < rule.number:
        return Step((), counted)
    return Step([[event_id, start_text, end_text, end - start, len(state)]], counted)


def forget(state: State, oldest: int) -> bool:
    del state[: bisect_left(state, oldest)]
    return bool(state)


def alert(finding: Finding, user: str, rule: Rule) -> Alert:
    event_id, start, end, duration, number = finding
    message = f"{user} signed in {number} times"
    fields = {"number": number, "window_ms": rule.window // 1_000_000}
    return Alert(f"{event_id}-b", str(start), str(end), int(duration), 73, message, fields, {"threat": {"framework": "toy"}})


BURST = Detector(
    name="burst",
    version="1",
    rule=Rule,
    found=Total("bursts", "Findings: many authentications in short time.", "bursts {}"),
    totals=(Total("burst_failures", "Authentications that failed.", "{} failed"),),
    empty=list,
    step=step,
    forget=forget,
    alert=alert,
)

if __name__ == "__main__":
    DETECTORS[BURST.name] = BURST
    from shipper.cli import main  # which offers the detectors that are in the register by now

    main()
