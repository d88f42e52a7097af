"""Findings of one place are told once, and nothing is lost by it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.model import Finding, Location, Severity
from pipeline.model.findings import alike, merged

STEPS = (("project", "ios"), ("project", "macos"), ("project", "old/App.xcodeproj:App"), ("alignment", ""))

findings = st.lists(
    st.builds(
        lambda step, rule, severity, subject, line, summary, waived: Finding(
            summary,
            severity,
            subject,
            None if line is None else Location("App.xcodeproj/project.pbxproj", line or None),
            rule=rule,
            stage=step[0],
            lane=step[1],
            waived=waived,
        ),
        st.sampled_from(STEPS),
        st.sampled_from(["PROJ001", "PROJ002"]),
        st.sampled_from(list(Severity)),
        st.sampled_from(["A", "B"]),
        st.sampled_from([None, 0, 7, 8]),
        st.sampled_from(["says this", "says that", "says more"]),
        st.sampled_from(["", "", "", "accepted"]),
    ),
    max_size=30,
)


@given(findings)
def test_every_finding_is_in_one_group(found: list[Finding]) -> None:
    grouped = [finding for group in merged(found) for finding in group]
    assert sorted(map(repr, grouped)) == sorted(map(repr, found))


@given(findings)
def test_a_group_speaks_of_one_rule_place_and_subject_and_begins_with_its_worst(found: list[Finding]) -> None:
    for group in merged(found):
        first = group[0]
        assert {(each.rule, str(each.location), each.subject, bool(each.waived)) for each in group} == {
            (first.rule, str(first.location), first.subject, bool(first.waived))
        }
        assert first.severity.rank == max(each.severity.rank for each in group)


@given(findings)
def test_two_things_that_one_step_says_are_never_one(found: list[Finding]) -> None:
    for group in merged(found):
        said: dict[tuple[str, str], set[Finding]] = {}
        for each in group:
            said.setdefault((each.stage, each.lane), set()).add(alike(each))
        assert all(len(each) == 1 for each in said.values())


@given(findings)
def test_what_is_alike_is_told_once(found: list[Finding]) -> None:
    grouped = merged(found)
    told = [{alike(each) for each in group} for group in grouped]
    assert sum(map(len, told)) == len(set().union(*told)) if told else not found


def finding(lane: str, summary: str, severity: Severity = Severity.ERROR, line: int | None = 7) -> Finding:
    return Finding(summary, severity, "A", Location("p", line), rule="PROJ001", stage="project", lane=lane)


def test_one_line_that_two_lanes_tell_in_other_words_is_told_once_and_at_its_worst() -> None:
    (group,) = merged([finding("ios", "may be missing", Severity.WARNING), finding("macos", "is missing")])
    assert [each.lane for each in group] == ["macos", "ios"]


def test_two_statements_of_a_lane_about_one_line_stay_two() -> None:
    found = [finding("ios", "one"), finding("ios", "two"), finding("macos", "one"), finding("macos", "three")]
    assert [[each.lane for each in group] for group in merged(found)] == [["ios", "macos"], ["ios"], ["macos"]]


def test_a_file_as_a_whole_may_lack_different_things() -> None:
    assert len(merged([finding("ios", "A lacks it", line=None), finding("macos", "B lacks it", line=None)])) == 2
