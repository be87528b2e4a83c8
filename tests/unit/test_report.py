"""The report: from a few lines to the summary."""

from collections import Counter
from typing import Any

import msgspec
import pytest

from shipper.detect.finding import Found
from shipper.emit.pseudonyms import Pseudonymizer, Pseudonyms
from shipper.model import Chunk, Counts, User
from shipper.pipeline import Pipeline, Settings
from shipper.report import advice, figures, fold, kinds, people, service, tables
from shipper.report.cache import ALL_MISSED
from shipper.report.durations import durations
from shipper.report.hiding import hide
from shipper.report.summarize import summarize
from shipper.report.summary import Summary, schema
from tests.support import logs
from tests.support.burst import BURST
from tests.support.burst import Rule as BurstRule
from tests.support.reports import READ_WITH, TIMEOUT, figures_of, log_of, result, sign_in, stamp, summary_of
from tests.support.tools import ROOT

TWICE = (sign_in(0, 8), sign_in(14, 6))
DURING = (sign_in(100, 20, user="bob", thread=2), sign_in(110, 20, user="bob", thread=3))


def plain(summary: Summary) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(summary)
    return built


# Counting


def test_nothing_is_a_report_too() -> None:
    summary = summary_of(b"")

    assert (summary.first, summary.last, summary.answer) == (None, None, ["No authentication was found."])
    assert (summary.cache, summary.timeout, summary.no_cache) == (None, None, None)
    assert summary.answer_times[0].median is None


def test_a_double_prompt_is_counted_where_its_second_prompt_is() -> None:
    summary = summary_of(log_of(*TWICE))

    assert (summary.first, summary.last) == (stamp(0), stamp(20))
    total = summary.authentications.total
    assert (total.authentications, total.success, total.prompts, total.double_prompts) == (2, 2, 2, 1)
    [user] = summary.double_prompts.top
    assert (user.user, user.total, user.sequential, user.spared_from_seconds) == ("CONTOSO\\ann", 1, 1, 7)
    [pair] = user.pairs
    assert (pair.pattern, pair.gap_seconds, pair.first.end, pair.second.start) == ("sequential", 6.0, stamp(8), stamp(14))
    [gap] = [gap for gap in summary.double_prompts.gaps if gap.sequential]
    assert (gap.from_seconds, gap.to_seconds) == (5, 10)


def test_two_steps_are_one_prompt_from_its_first_line_to_its_code() -> None:
    summary = summary_of(log_of(sign_in(0, 1, 20), sign_in(30, 1, 19)))

    total = summary.authentications.total
    assert (total.authentications, total.success, total.first_steps, total.prompts) == (1, 1, 1, 1)
    assert summary.answer_times[1].method == "text_message"
    assert summary.answer_times[1].median == 31.0
    hour = summary.authentications.week[24 + 9]
    assert (hour.weekday, hour.hour, hour.prompts, hour.authentications) == (2, 9, 1, 1)


@pytest.mark.parametrize("second", [sign_in(700, 1, 19), sign_in(0.5, 60, 19, thread=2), sign_in(30, 1, 23)])
def test_what_answers_no_first_step_is_a_prompt_of_its_own(second: list[tuple[float, str]]) -> None:
    summary = summary_of(log_of(sign_in(0, 1, 20), second))

    assert summary.authentications.total.prompts == 2


def test_a_first_step_that_is_asked_again_waits_anew() -> None:
    summary = summary_of(log_of(sign_in(0, 1, 20), sign_in(30, 1, 20), sign_in(60, 2, 19)))

    assert summary.authentications.total.prompts == 2
    assert summary.answer_times[1].median == 32.0


def test_users_without_a_name_are_counted_but_not_as_somebody() -> None:
    summary = summary_of(log_of(sign_in(0, 5, user="")))

    assert summary.authentications.total.prompts == 1
    assert summary.authentications.users == 0


def test_only_what_completed_within_the_span_counts() -> None:
    data = log_of(*TWICE, *DURING)

    assert summary_of(data, since="2017-02-14T09:01").authentications.total.authentications == 2
    assert summary_of(data, until="2017-02-14T09:01").findings["double_prompt"] == 1
    assert summary_of(data, since="2018").answer == ["No authentication was found."]


def test_refusals_and_what_opens_a_door_are_listed() -> None:
    summary = summary_of(log_of(*(sign_in(60 * n, 5, code) for n, code in enumerate((129, 133, 112, 14, 7, 129)))))
    security = summary.security

    assert (security.denied, security.no_response, security.users_refusing) == (2, 1, 1)
    [refuser] = security.refusers
    assert (refuser.denied, refuser.no_response, refuser.fraud, refuser.prompts) == (2, 1, 1, 4)
    assert (security.fraud.total, security.lockouts.total, security.bypasses.total) == (1, 1, 1)
    [fraud] = security.fraud.latest
    assert (fraud.time, fraud.user, fraud.code, fraud.method) == (stamp(125), "CONTOSO\\ann", "112", "phone_call")


def test_what_opens_a_door_is_listed_where_no_user_is_named() -> None:
    codes = (132, 14, 7, 129)
    security = summary_of(log_of(*(sign_in(60 * n, 5, code, user="") for n, code in enumerate(codes)))).security

    assert (security.fraud.total, security.lockouts.total, security.bypasses.total) == (1, 1, 1)
    assert security.fraud.latest[0].user is None
    assert (security.denied, security.users_refusing) == (1, 0)


def test_fatigue_is_a_finding_like_others() -> None:
    summary = summary_of(log_of(*(sign_in(20 * n, 5, 129) for n in range(5)), sign_in(120, 5, 21)))

    assert summary.findings["mfa_fatigue"] == 2
    assert [(found.user, found.count, found.gave_in) for found in summary.security.fatigue.latest] == [
        ("CONTOSO\\ann", 5, True),
        ("CONTOSO\\ann", 5, False),
    ]


def test_the_advice_is_that_of_the_code() -> None:
    [code] = summary_of(log_of(sign_in(0, 5, 129))).authentications.codes

    assert (code.code, code.failure, code.advice) == ("129", 1, "denied 129")


def test_a_result_name_has_the_advice_of_its_class() -> None:
    text = "{} NPS Extension for Azure MFA:  CID: 82a3db8d-3317-43f7-b203-6ba81cba93c9 : Access Accepted for user ann with Azure MFA response: Success and message: session x\n"
    [code] = summary_of(text.format(stamp(0)).encode()).authentications.codes

    assert (code.code, code.success, code.advice) == ("Authentication Succeeded", 1, "authenticated None")


# Caches


def test_a_client_address_tells_caches_apart() -> None:
    data = log_of(result(0, address="10.0.0.1"), result(5, address="10.0.0.2"), result(9, address="10.0.0.1"), result(13))
    summary = summary_of(data)

    assert summary.cache is not None
    by_user, by_address = summary.cache.types
    assert (by_user.prompts, by_address.prompts) == (4, 3)
    spared = {step.seconds: step.spared_prompts for step in by_user.not_renewed}
    assert (spared[3], spared[5], spared[10], spared[15]) == (0, 2, 2, 3)
    assert {step.seconds: step.spared_prompts for step in by_address.not_renewed}[10] == 1
    assert sorted((client.address or "", client.total) for client in summary.double_prompts.clients) == [
        ("", 1),
        ("10.0.0.1", 1),
        ("10.0.0.2", 1),
    ]


def test_a_single_prompt_with_an_address_counts_for_both_types() -> None:
    cache = summary_of(log_of(result(0, address="10.0.0.1"))).cache

    assert cache is not None
    assert [kind.prompts for kind in cache.types] == [1, 1]


def test_prompts_that_no_cache_ties_together_are_parted() -> None:
    cache = summary_of(log_of(sign_in(0, 5), sign_in(1000, 5), sign_in(5000, 5))).cache

    assert cache is not None
    assert [step.spared_prompts for step in cache.types[0].renewed if step.seconds in (900, 1200, 3600)] == [0, 1, 1]


def test_a_prompt_that_ends_while_an_earlier_one_rings_is_spared_by_any_cache() -> None:
    cache = summary_of(log_of(sign_in(0, 50), sign_in(5, 5, thread=2), sign_in(60, 5))).cache

    assert cache is not None
    assert [step.spared_prompts for step in cache.types[0].not_renewed if step.seconds in (1, 7, 10)] == [1, 1, 2]


def test_a_cache_hit_is_no_prompt() -> None:
    authentications = summary_of(log_of(sign_in(0, 5), sign_in(10, 0.1, 6))).authentications

    assert (authentications.total.authentications, authentications.total.prompts, authentications.cache_hits) == (2, 1, 1)


def test_the_narrower_cache_is_recommended_where_it_spares_as_much() -> None:
    summary = summary_of(log_of(result(0, address="10.0.0.1"), result(9, address="10.0.0.1")))

    assert summary.cache is not None
    assert summary.cache.recommendation.type == "user_and_address"
    assert summary.cache.recommendation.sentence.startswith("Set a cache of 10 s by user, application and IP address: ")


def test_no_cache_is_recommended_where_none_would_help() -> None:
    late = summary_of(log_of(sign_in(0, 30, 129), sign_in(10, 5, thread=2)))
    single = summary_of(log_of(sign_in(0, 5)))

    assert late.cache is not None
    assert late.cache.recommendation.seconds is None
    assert late.cache.recommendation.sentence.startswith("No cache of up to 10 min would have spared any of the 1 double prompt")
    assert single.cache is not None
    assert single.cache.recommendation.sentence == "No double prompt of MFA Server: no cache rule is needed."
    assert single.answer == ["2017-02-14: 1 prompt, and nobody was asked twice."]


def test_the_nps_extension_has_no_cache() -> None:
    line = "{} NPS Extension for Azure MFA:  CID: 82a3db8d-3317-43f7-b203-6ba81cba93c{} : Access Accepted for user ann with Azure MFA response: Success and message: session x\n"
    twice = summary_of("".join(line.format(stamp(9 * n), n) for n in range(2)).encode())
    once = summary_of(line.format(stamp(0), 1).encode())

    assert twice.cache is None
    assert twice.no_cache is not None
    assert (twice.no_cache.prompts, twice.no_cache.double_prompts) == (2, 1)
    assert twice.no_cache.sentence in twice.answer
    assert twice.double_prompts.top[0].spared_from_seconds is None
    assert once.no_cache is not None
    assert once.no_cache.sentence == "The NPS extension asked once, never twice for one sign-in."


def test_a_double_prompt_of_two_logs_needs_the_longer_cache() -> None:
    summary = summary_of(log_of(*TWICE), log_of(sign_in(0, 8), sign_in(40, 6)))

    [user] = summary.double_prompts.top
    assert (user.total, user.spared_from_seconds, len(user.pairs)) == (2, 45, 2)


# Timeouts


def test_concurrent_prompts_want_a_longer_timeout() -> None:
    summary = summary_of(log_of(*DURING))

    assert summary.timeout is not None
    assert (summary.timeout.concurrent, summary.timeout.seconds, summary.timeout.addresses) == (1, 60, [])
    assert "half of them within 10 s of it: set the RADIUS timeout on the RADIUS clients to 60 s" in summary.timeout.sentence


def test_the_timeout_is_as_long_as_people_take() -> None:
    addresses = [f"10.0.0.{n}" for n in range(7)]
    found = advice.timeout(7, addresses, 83.2, None)

    assert found is not None
    assert found.sentence == (
        "7 second prompts came while the first was still open: set the RADIUS timeout on 10.0.0.0, 10.0.0.1, 10.0.0.2, 10.0.0.3, "
        "10.0.0.4 and 2 more to 90 s or more, and switch retries off."
    )
    assert advice.timeout(0, [], 1.0, None) is None


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.5, "0.5 s"), (59.94, "59.9 s"), (119, "119 s"), (120, "2 min"), (5400, "1.5 h")]
)
def test_durations_are_spoken(seconds: float, said: str) -> None:
    assert advice.spoken(seconds) == said


@pytest.mark.parametrize(("number", "said"), [(33.4, "33.4"), (1.0, "1"), (9132.0, "9,132"), (0.96, "1")])
def test_rates_have_a_digit_behind_the_point_where_it_says_something(number: float, said: str) -> None:
    assert advice.rounded(number) == said


def test_what_happened_a_single_time_is_said_so() -> None:
    found = summary_of(log_of(*TWICE))

    assert "1 user was asked twice, once in 2 prompts" in found.answer[0]
    assert "The price: 1 sign-in a day would have passed" in found.answer[1]
    assert advice.times(1200) == "1,200 times"


# Bounded tables


def test_how_it_is_read_changes_nothing() -> None:
    data = log_of(*TWICE, *DURING, sign_in(300, 5, 20), sign_in(320, 5, 19))

    assert plain(summary_of(data, size=64)) == plain(summary_of(data))


def test_rows_past_the_bound_are_others() -> None:
    rows, more = tables.Rows(most=2), tables.Rows(most=2)
    for name in "abcd":
        rows.row(name)[0] += 1
    more.row("e")[0] += 1
    rows.add(more)

    assert [(row["name"], row["authentications"]) for row in rows.listed()] == [("a", 1), ("b", 1), ("(others)", 3)]


def test_only_the_latest_events_are_kept() -> None:
    latest, earlier = tables.Latest(), tables.Latest()
    for n in range(500):
        latest.add(f"{n:03}", {"n": n})
    earlier.add("000", {"n": -1})
    latest.merge(earlier)

    assert latest.total == 501
    assert [entry["n"] for entry in latest.listed()] == list(range(499, 299, -1))


def test_more_users_than_the_table_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "MOST_PEOPLE", 4)
    summary = summary_of(log_of(*TWICE, *(sign_in(100 + 9 * n, 5, user=f"u{n}") for n in range(9))))

    assert summary.authentications.total.authentications == 11
    assert not summary.authentications.users_exact
    assert summary.authentications.users == 10
    assert [user.user for user in summary.double_prompts.top] == ["CONTOSO\\ann"]


def test_pairs_of_those_who_are_asked_twice_most_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "MOST_PAIRS", 3)
    thrice = log_of(
        *TWICE,
        sign_in(25, 5),
        *(
            part
            for n in range(4)
            for part in (sign_in(90 * n, 5, user=f"u{n}", thread=9), sign_in(90 * n + 9, 5, user=f"u{n}", thread=9))
        ),
    )
    top = summary_of(thrice, thrice).double_prompts.top

    assert [user.total for user in top] == [4, 2, 2, 2, 2]
    assert len(top[0].pairs) == 3
    assert sum(len(user.pairs) for user in top) < 7


def test_more_kinds_and_hours_than_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = log_of(*(sign_in(3700 * n, 5, (21, 129, 4)[n % 3]) for n in range(30)), *TWICE)
    expected = plain(summary_of(data))
    monkeypatch.setattr(kinds, "MOST_KINDS", 1)

    assert plain(summary_of(data, size=64)) == expected
    monkeypatch.setattr(kinds, "MOST_KINDS", 100)
    monkeypatch.setattr(kinds, "MOST_HOURS", 2)
    assert plain(summary_of(data, size=64)) == expected


def test_more_codes_addresses_and_components_than_the_tables_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MOST_CODES", 2)
    monkeypatch.setattr(figures, "MOST_ADDRESSES", 1)
    monkeypatch.setattr(fold, "MOST_SERVICES", 1)
    data = log_of(
        *(sign_in(90 * n, 5, code) for n, code in enumerate((21, 129, 4, 12))),
        *(result(500 + 9 * n, address=f"10.0.0.{n}") for n in range(4)),
        [(900, result(0)[0][1].replace("pfsvc", "other"))],
    )
    summary = summary_of(data)

    assert sum(code.total for code in summary.authentications.codes) == 9
    assert [code.code for code in summary.authentications.codes if code.code == "(others)"] == ["(others)"]
    assert {client.address for client in summary.double_prompts.clients} == {"10.0.0.1", "(others)"}
    assert summary.double_prompts.total.sequential == 3


def test_a_sequence_too_long_for_memory_is_counted_piece_by_piece() -> None:
    data = log_of(*(sign_in(40 * n, 5) for n in range(300)))
    nps = "".join(
        f"{stamp(70 * n)} NPS Extension for Azure MFA:  CID: 82a3db8d-3317-43f7-b203-{n:012x} : Access Accepted for user ann with Azure MFA response: Success and message: session x\n"
        for n in range(200)
    )
    summary = summary_of(data, nps.encode())

    assert summary.cache is not None
    assert summary.cache.prompts == 300
    assert [step.spared_double_prompts for step in summary.cache.types[0].not_renewed if step.seconds in (30, 45, 3600)] == [
        0,
        150,
        296,
    ]
    assert [step.spared_double_prompts for step in summary.cache.types[0].renewed if step.seconds in (30, 45)] == [0, 299]
    assert summary.no_cache is not None
    assert summary.no_cache.prompts == 200


def test_a_prompt_that_came_too_late_to_be_compared_is_not_said_to_be_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.Service, "second", lambda *_: None)
    of_a_log = figures_of(log_of(*TWICE))

    assert [person.misses(0, 0) for person in of_a_log.people.values()] == [ALL_MISSED]


def test_a_long_sequence_of_refusals_is_no_different() -> None:
    summary = summary_of(log_of(*(sign_in(90 * n, 5, 129) for n in range(70))))

    assert summary.cache is not None
    assert (summary.cache.prompts, summary.security.denied) == (70, 70)


def test_a_run_ends_when_no_cache_can_reach_the_next_prompt() -> None:
    data = log_of(sign_in(0, 5), sign_in(3000, 5), sign_in(6010, 5, user="bob"), sign_in(9100, 5), sign_in(9105, 5))
    summary = summary_of(data)

    assert summary.cache is not None
    assert [step.spared_prompts for step in summary.cache.types[0].not_renewed][-2:] == [1, 2]


def test_what_comes_hours_too_late_answers_no_first_step() -> None:
    sent, good = ("SUCCESS_SMS_SENT", "Text Message Sent"), ("SUCCESS_SMS_AUTHENTICATED", "Text Message Authenticated")
    lines = [result(0, "ann", None, *sent), result(20_000, "bob"), result(30, "ann", None, *good), result(10, "bob")]
    total = summary_of(b"".join(map(log_of, lines))).authentications.total

    assert (total.first_steps, total.authentications, total.prompts) == (1, 3, 4)


def test_a_first_step_that_rings_no_phone_is_no_prompt() -> None:
    total = summary_of(log_of(sign_in(0, 5, 15))).authentications.total

    assert (total.first_steps, total.authentications, total.prompts) == (1, 0, 0)


def test_findings_of_any_detector_are_counted() -> None:
    library = Settings(logs.library())
    data = log_of(sign_in(0, 5))
    pipeline = Pipeline(library, Counts())
    pipeline.open(logs.log_file(data))
    (texts, labels, completions), _ = pipeline.decode(Chunk(data, 0))
    position, user, event_id, component, *_ = completions[0]
    assert user is not None
    found = Found(position, [event_id, stamp(0), stamp(5), 0, 1], BURST, BurstRule(), User(*user), component)
    folding = fold.Fold(TIMEOUT, 0)
    folding(texts, labels, completions, [found])

    assert folding.close().findings == {"burst": 1}


def test_a_prompt_that_is_not_known_is_no_second_one() -> None:
    of_radius = service.Service(TIMEOUT, 0, None)
    of_radius.people.new(("ann", None, None, "ann"))

    assert of_radius.second("ann", "f-0") is None


def test_a_user_with_very_many_double_prompts_keeps_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "MOST_PAIRS", 8)
    [user] = summary_of(log_of(*(sign_in(20 * n, 5) for n in range(20)))).double_prompts.top

    assert (user.total, len(user.pairs), user.pairs[0].second.end) == (19, 3, stamp(385))


def test_the_schema_is_that_of_the_file() -> None:
    assert schema() == msgspec.json.decode((ROOT / "schemas" / "report.schema.json").read_bytes())


def test_rows_and_users_can_be_counted_apart() -> None:
    data = log_of(*TWICE, *DURING, sign_in(300, 5, 20), sign_in(320, 5, 19), sign_in(400, 5, 132))
    halves = figures.Figures()
    halves.add(figures_of(data, half="rows"))
    halves.add(figures_of(data, half="users"))
    summaries = [summarize(found, Counts(), READ_WITH, [], [], lambda *_: None) for found in (halves, figures_of(data))]

    assert plain(summaries[0]) == plain(summaries[1])


def test_names_and_addresses_can_be_hidden() -> None:
    data = log_of(*TWICE, sign_in(30, 5, 132), result(60, "bob", "10.0.0.1"), result(65, "bob", "10.0.0.1"))
    found = figures_of(data)
    hider = Pseudonymizer(Pseudonyms(b"sixteen bytes and more"))
    hide(found, hider.name, hider.address)
    text = msgspec.json.encode(summarize(found, Counts(), READ_WITH, [], [], lambda *_: None)).decode()
    [ann] = found.people["contoso\\ann"].name.split()

    assert "ann" not in text
    assert "bob" not in text
    assert "10.0.0" not in text
    assert (len(ann), text.count(ann)) == (64, 3)  # asked twice, refused, reported fraud
    assert text.count('"2001:db8:') == 2  # the client, and the one of the pair


@pytest.mark.parametrize("size", [64, 1 << 18])
def test_a_misdated_line_does_not_count_as_an_authentication(size: int) -> None:
    far = 400 * 86_400
    data = b"".join(log_of(result(at, user=f"u{at:.0f}")) for at in (0, 100, far, 200, 300))
    summary = summary_of(data, size=size)

    assert summary.authentications.total.authentications == 4
    assert (summary.last, summary.quality.misdated) == (stamp(300), 1)
    assert [day.name for day in summary.authentications.days] == ["2017-02-14"]


@pytest.mark.parametrize("size", [64, 1 << 18])
def test_a_time_far_ahead_counts_when_the_next_one_confirms_it(size: int) -> None:
    later = 400 * 86_400
    summary = summary_of(log_of(*(result(at) for at in (0, 100, later, later + 9))), size=size)

    assert summary.authentications.total.authentications == 4
    assert [day.name for day in summary.authentications.days] == ["2017-02-14", "2018-03-21"]


def test_the_only_line_of_a_log_counts() -> None:
    assert summary_of(log_of(result(0))).authentications.total.authentications == 1


def test_quantiles_are_by_nearest_rank() -> None:
    assert durations(Counter({10: 1, 20: 1})) == {"count": 2, "median": 1.0, "p95": 2.0, "p99": 2.0}
    assert durations(Counter()) == {"count": 0, "median": None, "p95": None, "p99": None}
