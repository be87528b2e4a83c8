"""The page of a report: what stands on it, that it asks nobody for anything, and that no name of a log becomes markup."""

import re
from functools import cache
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from shipper.page.charts import charts
from shipper.page.draw import drawn
from shipper.page.render import MOST_EVENTS, MOST_USERS, page
from shipper.page.words import Timeline, clock, moment, plain, shown, to_do, told
from shipper.report.sections import Pair, Side, UserRow
from shipper.report.summarize import COUNTED
from shipper.report.summary import Summary
from tests.support.html import Parsed, assert_shut_off
from tests.support.tools import ROOT

WEEK = msgspec.json.decode((ROOT / "deploy" / "examples" / "report.json").read_bytes(), type=Summary)
HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "CONTOSO\\O'Brien & <b>sons</b>",
    "]]></svg><style>*{display:none}</style>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egro.elpmaxe@nimda",
    "مريم\u200f.حداد",
    "nul\x00 and \x1b[31m",
]


@cache
def made() -> Parsed:
    return Parsed(page(WEEK).decode())


def user(name: str, **changed: Any) -> UserRow:
    return replace(WEEK.double_prompts.top[0], user=name, **changed)


def with_users(users: list[UserRow]) -> Summary:
    return replace(WEEK, double_prompts=replace(WEEK.double_prompts, top=users, users=len(users)))


def nothing() -> Summary:
    """The report of an empty log."""

    def emptied(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: emptied(item) for name, item in value.items()}
        if isinstance(value, list):
            return [emptied(item) for item in value] if len(value) == 168 else []
        return 0 if isinstance(value, int) and not isinstance(value, bool) else value

    plain_data = emptied(msgspec.to_builtins(WEEK)) | {
        "version": 1, "first": None, "last": None, "cache": None, "timeout": None, "no_cache": None,
    }  # fmt: skip
    for place, hour in enumerate(plain_data["authentications"]["week"]):
        hour |= {"weekday": place // 24 + 1, "hour": place % 24}
    plain_data["settings"]["top"] = 1
    return msgspec.convert(plain_data, Summary)


# What it asks for


def test_the_page_runs_its_own_script_alone_and_leads_nowhere_else() -> None:
    assert_shut_off(made())


def test_the_same_summary_makes_the_same_page() -> None:
    assert page(WEEK) == page(WEEK)


def test_a_hint_stands_in_the_answer() -> None:
    hinted = page(replace(WEEK, quality=replace(WEEK.quality, hints=["2 lines have no zone"]))).decode()

    answer = hinted[hinted.index('<section class="answer"') :]
    assert "<strong>Hint:</strong> 2 lines have no zone." in answer[: answer.index("</section>")]
    assert "Hint:" not in page(WEEK).decode()


# Names


def with_name(name: str) -> Parsed:
    """The page of a report in which a name stands wherever a log can put one."""
    refuser = replace(WEEK.security.refusers[0], user=name)
    fraud = replace(WEEK.security.fraud, latest=[replace(WEEK.security.fraud.latest[0], user=name, description=name)])
    log = replace(WEEK.logs[0], name=name, files=[name, name])
    quality = replace(WEEK.quality, notes=[name], hints=[name], shapes=[replace(WEEK.quality.shapes[0], shape=name)])
    security = replace(WEEK.security, refusers=[refuser], fraud=fraud)
    return Parsed(page(replace(with_users([user(name)]), security=security, logs=[log], quality=quality)).decode())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_stays_a_text(name: str) -> None:
    parsed = with_name(name)
    assert [tag for tag, _ in parsed.elements] == harmless_tags()
    assert parsed.text.count(" ".join(shown(name).split())) >= 8


@cache
def harmless_tags() -> list[str]:
    return [tag for tag, _ in with_name("harmless").elements]


def test_what_hides_or_turns_text_is_written_out() -> None:
    assert shown("a\u202eb\x00c\u2066") == "a\\u202eb\\x00c\\u2066"
    assert shown("O'Brien مريم 😀") == "O'Brien مريم 😀"
    assert shown("\ud800") == "\\ud800"
    assert shown(None) == plain(None) == "not known"
    assert plain("mobile_app") == "mobile app"
    assert plain("none") == "no method"


# Numbers


def test_the_tables_behind_the_charts_hold_the_numbers_of_the_summary() -> None:
    found = {chart.name: chart for chart in charts(WEEK)}
    total = WEEK.double_prompts.total
    assert [sum(row[column] for row in found["gaps"].rows) for column in (1, 2, 3)] == [
        total.sequential,
        total.concurrent,
        total.retry,
    ]
    for field in ("prompts", "double_prompts"):
        number = getattr(WEEK.authentications.total, field)
        assert sum(sum(row[1:]) for row in found[f"heat_{field}"].rows) == number
        assert sum(row[1] for row in found[f"days_{field}"].rows) == number
    assert sum(row[1] for row in found["methods"].rows) == WEEK.authentications.total.authentications
    assert sum(row[1] for row in found["histogram"].rows) == WEEK.answer_times[0].count
    assert WEEK.cache is not None
    for kind in WEEK.cache.types:
        assert [row[1] for row in found[f"spared_{kind.type}"].rows] == [step.spared_double_prompts for step in kind.not_renewed]


def test_all_numbers_of_the_quality_are_on_the_page() -> None:
    numbers = {name: 7001 + place for place, name in enumerate(COUNTED)}
    text = Parsed(page(replace(WEEK, quality=replace(WEEK.quality, **numbers))).decode()).text

    assert [name for name, number in numbers.items() if f"{number:,}" not in text] == []


def test_each_mark_says_its_number() -> None:
    for chart in charts(WEEK):
        marks = re.findall(r'data-says="([^"]*)"', drawn(chart.spec, chart.name, chart.says))
        assert sorted(marks) == sorted(value["says"] for value in chart.spec["data"]["values"]), chart.name


def test_the_page_says_who_how_often_and_what_to_change() -> None:
    text = made().text
    for sentence in WEEK.answer:
        assert sentence in text
    for row in WEEK.double_prompts.top:
        assert row.user in text
        for sentence in to_do(row, 60):
            assert sentence in text
    for code in WEEK.authentications.codes:
        if code.failure:
            assert str(code.advice) in text
    assert "The latest 3 of 13." in text
    assert f"The latest {MOST_EVENTS};" in text


def test_a_result_of_the_nps_extension_is_said_once() -> None:
    [row] = [row for row in WEEK.double_prompts.top if any(pair.component == "NPS Extension" for pair in row.pairs)][:1]
    text = Parsed(page(with_users([row])).decode()).text
    assert ": Authentication Succeeded" in text
    assert "(Authentication Succeeded)" not in text
    assert "no method:" not in text


def test_a_report_of_nothing_is_a_page_as_well() -> None:
    text = Parsed(page(nothing()).decode()).text
    assert "No authentication was found" in text
    assert "No double prompt was found" in text
    assert "No authentication failed." in text
    assert charts(nothing()) == []


def test_a_report_without_double_prompts_has_no_slider() -> None:
    assert WEEK.cache is not None
    calm = replace(with_users([]), cache=replace(WEEK.cache, double_prompts=0), timeout=None, no_cache=None)
    text = Parsed(page(calm).decode()).text
    assert "Nobody was asked twice" in text
    assert "If you set a cache" not in text


def test_other_findings_and_settings_are_said() -> None:
    assert WEEK.double_prompts.clients
    client = replace(WEEK.double_prompts.clients[0], address="10.9.8.7")
    retries = replace(WEEK.double_prompts.total, retry=5)
    twice = replace(WEEK.double_prompts, clients=[client], total=retries, users=900)
    fatigue = msgspec.convert(
        {"time": "2017-02-14T03:00:00Z", "user": "worn.down", "start": "2017-02-14T02:50:00Z", "end": "2017-02-14T03:00:00Z",
         "component": "pfrad", "count": 17, "denied": 16, "gave_in": True},
        type(WEEK.security.fatigue).__annotations__["latest"].__args__[0],
    )  # fmt: skip
    security = replace(WEEK.security, fatigue=replace(WEEK.security.fatigue, total=1, latest=[fatigue]))
    settings = replace(
        WEEK.settings,
        across=True,
        pseudonyms=True,
        include_retries=True,
        since="2017-02-13T00:00:00Z",
        until="2017-02-18T00:00:00Z",
    )
    text = Parsed(page(replace(WEEK, double_prompts=twice, security=security, settings=settings)).decode()).text
    for words in (
        "10.9.8.7", "retry: 5", "worn.down", "All logs were taken as those of one server.", "users are pseudonyms",
        "From 2017-02-13T00:00:00Z.", "Until 2017-02-18T00:00:00Z.", "retries after a failure included", "of 900.",
    ):  # fmt: skip
        assert words in text


def test_few_numbers_have_marks_at_whole_numbers_and_narrow_bars() -> None:
    week = WEEK.authentications
    quiet = replace(WEEK, authentications=replace(week, days=[replace(week.days[0], double_prompts=2, prompts=900)]))
    found = {chart.name: chart.spec for chart in charts(quiet)}
    assert found["days_double_prompts"]["encoding"]["y"]["axis"]["values"] == [0, 1, 2]
    assert "values" not in found["days_prompts"]["encoding"]["y"]["axis"]
    assert found["days_double_prompts"]["mark"]["width"] < 100
    assert Parsed(page(replace(quiet, first=WEEK.last)).decode()).text.startswith("Who is asked twice, 2017-02-17 To the report")


def test_gaps_of_hours_and_more_have_a_bar() -> None:
    last = replace(WEEK.double_prompts.gaps[-1], sequential=2)
    late = replace(WEEK, double_prompts=replace(WEEK.double_prompts, gaps=[*WEEK.double_prompts.gaps[:-1], last]))
    [gaps] = [chart for chart in charts(late) if chart.name == "gaps"]
    assert gaps.rows[-1] == ("3600 and more", 2, 0, 0)


def test_a_pair_across_two_servers_names_both() -> None:
    pair = replace(PAIR, first=replace(FIRST, host="mfa01"), second=replace(SECOND, host="mfa02"))
    text = Parsed(page(with_users([user("between", pairs=[pair])])).decode()).text
    assert "two servers" in text
    assert "asked by mfa01" in text
    assert "asked by mfa02" in text
    assert "two servers" not in made().text


def test_a_heat_map_of_one_number_has_one_shade() -> None:
    week = [replace(hour, prompts=int(hour.hour == 9), double_prompts=0) for hour in WEEK.authentications.week]
    quiet = replace(WEEK, authentications=replace(WEEK.authentications, week=week))
    found = {chart.name: chart for chart in charts(quiet)}
    assert found["heat_prompts"].spec["encoding"]["color"]["scale"] == {"domain": ["1"], "range": ["var(--prompts-5)"]}
    assert "heat_double_prompts" not in found


# Size


def test_the_page_stays_small_whatever_the_number_of_users() -> None:
    rows = [user(f"CONTOSO-OF-A-LONG-NAME\\some.body.of.a.long.name.{number:05}") for number in range(3 * MOST_USERS)]
    text = page(with_users(rows))
    assert len(text) < 2_000_000
    assert text.count(b'class="name"') == MOST_USERS


# Sentences

FIRST = Side(start="2017-02-14T02:57:19.25Z", end="2017-02-14T02:57:25Z", code="21", method="mobile_app")
SECOND = Side(start="2017-02-14T02:57:35Z", end="2017-02-14T02:57:45Z", code="21", method="mobile_app")
PAIR = Pair(pattern="sequential", gap_seconds=10.0, component="pfrad", first=FIRST, second=SECOND)


def test_a_pair_in_a_sentence() -> None:
    assert told(PAIR) == "The first prompt was answered after 5.8 s; the second came 10 s later."
    assert told(replace(PAIR, pattern="retry")) == "The first prompt failed after 5.8 s; the second came 10 s later."
    early = replace(PAIR, pattern="concurrent", second=replace(SECOND, start="2017-02-14T02:57:22.25Z"))
    assert told(early) == "The second prompt came 3 s after the first, which was still open: it ended after 5.8 s."
    assert (clock(FIRST.start), moment(FIRST.start)) == ("02:57:19", "2017-02-14 02:57:19")


def test_what_to_do_about_a_user() -> None:
    one = UserRow(
        user="a", total=1, sequential=1, concurrent=0, retry=0, authentications=9, prompts=9, spared_from_seconds=10, pairs=[PAIR]
    )
    assert to_do(one, None) == ["A cache of 10 s by user would have spared this double prompt."]
    both = replace(one, total=3, sequential=1, concurrent=2)
    assert to_do(both, 90) == [
        "A cache of 10 s by user would have spared all 3 double prompts.",
        "2 second prompts came while the first was open: set the RADIUS timeout of the client to 90 s or more, and switch its retries off.",
    ]
    no_cache = replace(one, spared_from_seconds=None, pairs=[replace(PAIR, component="NPS Extension")])
    assert to_do(no_cache, None)[0] == "The NPS extension asked, and it has no cache."
    failed = replace(one, spared_from_seconds=None, sequential=0, retry=1)
    assert [sentence[:30] for sentence in to_do(failed, None)] == [
        "No cache of up to an hour woul",
        "1 second prompt followed one t",
    ]


def test_the_timeline_is_in_percent_of_both() -> None:
    line = Timeline(PAIR)
    assert line.first == (0.0, 22.3)
    assert line.second == (61.2, 38.8)
    assert line.seconds == pytest.approx(25.75)


def test_a_prompt_of_one_time_stamp_is_still_seen() -> None:
    point = Side(start="2017-02-14T02:57:19Z", end="2017-02-14T02:57:19Z", code="21", method="mobile_app")
    line = Timeline(replace(PAIR, first=point, second=point))
    assert line.first == line.second == (0.0, 0.8)
    last = Timeline(replace(PAIR, second=point, first=FIRST, gap_seconds=-6))
    assert last.second[0] + last.second[1] <= 100
