"""No report says more than was seen."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest
from stories import STORIES, Story

from pipeline.model.errors import UsageFault
from pipeline.model.run import Run, replay
from pipeline.reports import FORMATS, render, words
from pipeline.reports.groups import grouped, where

EVERY = [pytest.param(story, one, id=f"{story}-{one}") for story in STORIES for one in FORMATS]


def _last(form: str, told: str) -> str:
    """The last thing each format says."""
    if form in ("terminal", "markdown"):
        return told.rstrip("\n").splitlines()[-1]
    if form == "annotations":
        return told.rstrip("\n").splitlines()[-1].rpartition("::")[2]
    if form == "json":
        name, basis = list(json.loads(told).items())[-1]
        assert name == "basis"
        return str(basis["text"])
    if form == "sarif":
        return str(list(list(json.loads(told)["runs"][-1].values())[-1].values())[-1])
    if form == "junit":
        return str(list(ET.fromstring(told).iter())[-1].text)
    body = re.sub(r"<script>.*?</script>", "", told, flags=re.DOTALL)
    return [line for line in re.sub(r"<[^>]+>", "\n", body).splitlines() if line.strip()][-1]


@pytest.mark.parametrize(("story", "form"), EVERY)
def test_the_last_line_says_what_it_rests_on(story: str, form: str) -> None:
    run = STORIES[story]()
    assert _last(form, render(form, run)) == run.last_line


def _looks_green(form: str, run: Run) -> bool:
    told = render(form, run)
    if form == "terminal":
        from pipeline.reports.terminal import Look
        from pipeline.reports.terminal import render as terminal

        return "\x1b[1;32m" in terminal(run, Look(colour=True))
    if form == "annotations":
        return "::error" not in told
    if form == "json":
        return bool(json.loads(told)["passed"])
    if form == "sarif":
        return bool(json.loads(told)["runs"][0]["properties"]["passed"])
    if form == "junit":
        top = ET.fromstring(told)
        return top.get("failures") == "0" and top.get("errors") == "0"
    return ("## ✅" in told) if form == "markdown" else 'class="verdict clean"' in told


@pytest.mark.parametrize(("story", "form"), EVERY)
def test_only_the_green_story_looks_green(story: str, form: str) -> None:
    assert _looks_green(form, STORIES[story]()) == (story == "green")


def _without_judgement(run: Run) -> Run:
    """The same run whose every check could not be run."""
    from pipeline.model.readings import Source

    steps = tuple(
        replace(step, judgements=tuple(replace(one, source=Source.UNKNOWN) for one in step.judgements))
        for step in run.steps
    )
    return replace(run, steps=steps)


@pytest.mark.parametrize("form", FORMATS)
def test_a_run_that_could_judge_nothing_is_not_green(form: str) -> None:
    assert not _looks_green(form, _without_judgement(STORIES["green"]()))


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_journal_has_a_report(form: str) -> None:
    run = replay([])
    assert not _looks_green(form, run)
    assert _last(form, render(form, run)) == "0 checks: nothing was judged"


@pytest.mark.parametrize("form", FORMATS)
def test_a_clean_exit_with_a_blocking_finding_is_not_green(form: str) -> None:
    story = Story(lanes=[])
    story.begin("preflight")
    story.judge("preflight", "PRE001", "seen", findings=[{"severity": "UNKNOWN", "summary": "not seen"}])
    story.end("preflight")
    story.done(0, "everything passed")
    assert words.tone(story.run) is words.Tone.CAUTION
    assert not _looks_green(form, story.run)


def test_a_simulated_action_is_rehearsed_and_never_done() -> None:
    outcomes = {words.outcome(action) for step in STORIES["green"]().steps for action in step.actions}
    assert outcomes == {"rehearsed"}


@pytest.mark.parametrize(
    ("exit_code", "said"),
    [
        (1, "Blocked"),
        (2, "Not started: the input is at fault"),
        (3, "Refused"),
        (4, "Apple's side failed"),
        (5, "The pipeline itself failed"),
        (130, "Interrupted"),
        (77, "The pipeline itself failed"),
        (None, "The run has not come to its end"),
    ],
)
def test_every_end_has_words(exit_code: int | None, said: str) -> None:
    assert words.verdict(replace(STORIES["green"](), exit_code=exit_code, verdict="")) == said


def test_a_plan_that_is_not_complete_cannot_be_approved() -> None:
    run = STORIES["green"]()
    assert words.plan(run).endswith("approve with: invoke approve --run 20261120-120000-5e1f")
    assert words.plan(replace(run, complete=False)).endswith("it cannot be approved")


def test_what_is_the_same_on_two_lanes_is_said_once() -> None:
    run = STORIES["blocked"]()
    told = [(group.finding.rule, where(run, group)) for group in grouped(run)]
    assert told == [
        ("PROJ001", "iOS, macOS project"),
        ("SIGN003", "iOS signing"),
        ("PROJ014", "iOS project"),
        ("PROJ014", "macOS project"),
        ("PROJ020", "iOS, macOS project"),
    ]


def test_lanes_of_one_platform_are_called_by_their_names() -> None:
    lanes: list[dict[str, Any]] = [{"name": name, "platform": "IOS"} for name in ("store", "beta")]
    run = Story(lanes=lanes).run
    assert [words.lane(run, lane["name"]) for lane in lanes] == ["store", "beta"]


def test_platforms_may_be_told_by_apples_names() -> None:
    run = Story(lanes=[{"name": "a", "platform": "macOS"}, {"name": "b", "platform": "IOS"}, {"name": "c"}]).run
    assert [words.lane(run, name) for name in ("a", "b", "c", "d")] == ["macOS", "iOS", "c", "d"]


@pytest.mark.parametrize(
    ("note", "theatre", "rest"),
    [
        ("Rehearsal: all of it.", "Rehearsal: all of it.", ""),
        (
            "with --ipa",
            "Rehearsal: Apple and Xcode were simulated, and waiting took no time; the app's files and git were real.",
            "with --ipa",
        ),
    ],
)
def test_the_theatre_is_told_once(note: str, theatre: str, rest: str) -> None:
    run = Story(note=note).run
    assert (words.theatre(run), words.note(run)) == (theatre, rest)


def test_a_skipped_wait_is_not_told_as_time_that_passed() -> None:
    story = Story()
    story.begin("processing/ios")
    story.end("processing/ios", waited=160.9)
    story.begin("upload/ios")
    story.end("upload/ios", waited=0.004)
    steps = {step.name: step for step in story.run.steps}
    assert words.took(steps["processing/ios"]) == "3 ms, and 2 min 41 s of waiting that the rehearsal skipped"
    assert words.took(steps["upload/ios"]) == "3 ms"
    slow = next(step for step in STORIES["waits"]().steps if step.name == "processing/ios")
    assert words.took(slow) == "45 min, 45 min of it waiting"


def test_json_findings_have_the_promised_keys() -> None:
    told = json.loads(render("json", STORIES["blocked"]()))
    keys = [
        "rule",
        "severity",
        "subject",
        "path",
        "line",
        "column",
        "summary",
        "remedy",
        "apple",
        "source",
        "stage",
        "lane",
        "waived",
        "excerpt",
    ]
    assert [list(finding) for finding in told["findings"]] == [keys] * 7
    assert told["schema_version"] == 1


def test_unknown_format_names_the_nearest() -> None:
    with pytest.raises(UsageFault) as caught:
        render("jnuit", replay([]))
    assert caught.value.remedy == "did you mean --report junit=PATH?"


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (0, "0 ms"),
        (0.9996, "1.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.7, "1 min"),
        (250, "4 min 10 s"),
        (3599.9, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_lengths_of_time(length: float, said: str) -> None:
    assert words.duration(length) == said
