"""Giving a build to its testers, against the simulated Apple."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pipeline.apple.connect.client import ConnectFault
from pipeline.apple.testflight import proofs
from pipeline.apple.testflight.actions import AddBuildToGroup
from pipeline.apple.testflight.facts import BetaGroup, BetaGroups
from pipeline.apple.testflight.gateway import add_build_to_group
from pipeline.model import Declaration, Platform
from tests.rooms.connect.simulated import BUNDLE, TARGET, Rehearsal

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model import Finding

LINK = "POST /v1/betaGroups/{id}/relationships/builds"
GROUPS = [
    {"name": "Everybody", "all_builds": True},
    {"name": "Staff", "all_builds": False},
    {"name": "Public", "internal": False, "all_builds": False},
]


def processed(folder: Path, **scenario: Any) -> Rehearsal:
    rehearsal = Rehearsal.of(folder, apps=[{"bundle_id": BUNDLE, "groups": GROUPS}], **scenario)
    rehearsal.upload()
    rehearsal.clock.sleep(400)
    return rehearsal


def give(rehearsal: Rehearsal, name: str) -> Any:
    group = rehearsal.groups.named(name)
    assert group is not None
    action = AddBuildToGroup(BUNDLE, name, "2.5.0", "250", Platform.IOS, rehearsal.state.build_id, group.id)
    return add_build_to_group(action, rehearsal.http, rehearsal.clock)


def proof(rehearsal: Rehearsal, *names: str) -> list[Finding]:
    declared = Declaration(groups=names)
    return list(proofs.build_reached_the_group(TARGET, rehearsal.state, rehearsal.groups, declared))


def test_a_group_is_given_the_build(tmp_path: Path) -> None:
    rehearsal = processed(tmp_path)
    assert [finding.pending for finding in proof(rehearsal, "Staff")] == [True]
    give(rehearsal, "Staff")
    assert proof(rehearsal, "Staff") == []
    give(rehearsal, "Staff")
    assert proof(rehearsal, "Staff") == []


def test_a_group_with_all_builds_needs_nothing(tmp_path: Path) -> None:
    rehearsal = processed(tmp_path)
    assert proof(rehearsal, "Everybody") == []
    assert give(rehearsal, "Everybody")["already"] is True
    assert rehearsal.effects(LINK) == 0


def test_what_apple_refuses_is_told(tmp_path: Path) -> None:
    rehearsal = processed(tmp_path, processing="invalid")
    with pytest.raises(ConnectFault, match="not in a valid processing state"):
        give(rehearsal, "Staff")


@pytest.mark.parametrize("do", ["reset", "reset-after", "500", "503", "429", "404"])
def test_one_fault_is_survived(tmp_path: Path, do: str) -> None:
    rehearsal = processed(tmp_path, faults=[{"on": LINK, "do": do}])
    give(rehearsal, "Staff")
    assert proof(rehearsal, "Staff") == []


def test_a_build_testflight_does_not_know_yet_is_waited_for(tmp_path: Path) -> None:
    rehearsal = processed(tmp_path, processing={"beta_delay": 250})
    give(rehearsal, "Staff")
    assert proof(rehearsal, "Staff") == []


def test_a_build_that_is_not_there_has_no_state(tmp_path: Path) -> None:
    rehearsal = Rehearsal.of(tmp_path)
    assert rehearsal.state.build_id == ""
    assert [finding.pending for finding in proof(rehearsal)] == [True]


def test_the_declared_groups_are_chosen_and_else_the_first_internal_one() -> None:
    groups = BetaGroups(
        "a", (BetaGroup("1", "Public", False), BetaGroup("2", "Staff", True), BetaGroup("3", "X", True))
    )
    assert [group.id for group in groups.chosen(())] == ["2"]
    assert [group.id for group in groups.chosen(("X", "Public", "Nobody"))] == ["3"]
