"""Profiles that the rehearsal invents: an App ID with a prefix of its own gets what a project writes out."""

from __future__ import annotations

import pytest

from pipeline.simulator.machine.entitlements import granted
from pipeline.simulator.machine.project import SDKS

STORE = "com.apple.developer.ubiquity-kvstore-identifier"
CONTAINERS = "com.apple.developer.icloud-container-identifiers"


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("B5C26XE59E.com.example.app", "B5C26XE59E.*"),
        ("ABCDE12345.com.example.app", "ABCDE12345.*"),
        ("com.example.app", "ABCDE12345.*"),
        (None, "ABCDE12345.*"),
    ],
)
def test_the_prefix_that_is_written_is_granted(asked: str | None, wanted: str) -> None:
    claims = {CONTAINERS: [], **({STORE: asked} if asked else {})}
    found = granted(claims, SDKS["iphoneos"], "ABCDE12345", "com.example.app", store=True)
    assert found[STORE] == wanted


def test_keychain_groups_of_another_prefix_are_granted_beside_the_teams() -> None:
    claims = {"keychain-access-groups": ["B5C26XE59E.shared", "ABCDE12345.own"]}
    found = granted(claims, SDKS["iphoneos"], "ABCDE12345", "com.example.app", store=True)
    assert found["keychain-access-groups"] == ["ABCDE12345.*", "B5C26XE59E.*"]
