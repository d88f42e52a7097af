"""The portal's side of an account is copied by reading alone, and the copy behaves as the account does."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.ports.http import Request, Response
from pipeline.shadowing import Account, furnish, read_account
from tests.rooms.portal.desk import Desk, done, findings

SUBJECT: Any = SimpleNamespace(wishes=SimpleNamespace(table="create"), bundle_ids={}, containers=(), team_id="")


class Reading:
    """Lets nothing through but GET, and keeps what was asked."""

    def __init__(self, desk: Desk) -> None:
        self._http = desk.http(desk.clock())
        self.source = self._http.source
        self.asked: list[str] = []

    def send(self, request: Request) -> Response:
        assert request.method == "GET"
        self.asked.append(request.url.partition("?")[0].rpartition("/")[2])
        return self._http.send(request)


def copied(original: Desk, folder: Path) -> Desk:
    account = read_account(Reading(original), SUBJECT)
    kept = Account.of(json.loads(json.dumps(account.told())))
    assert kept.told() == account.told()
    copy = Desk(folder)
    # The vault and the authority are the team's own.
    copy.__dict__.update(vault=original.vault, authority=original.authority, keys=original.keys)
    furnish(copy.apple, kept, SUBJECT)
    furnish(copy.apple, kept, SUBJECT)
    return copy


def test_where_everything_is_made_the_copy_has_nothing_to_do(tmp_path: Path) -> None:
    original = Desk(tmp_path / "original")
    original.walk()
    device = {"name": "Ann's iPhone", "udid": "00008130-001A2B3C4D5E6F70", "platform": "IOS", "status": "ENABLED"}
    original.apple.plant([{"type": "devices", "id": "D1", "attributes": device}])
    before = original.effects()
    copy = copied(original, tmp_path / "copy")
    for kind in ("bundleIds", "certificates", "profiles", "devices"):
        held = {each["id"] for each in original.get(f"/v1/{kind}?limit=200")}
        assert {each["id"] for each in copy.get(f"/v1/{kind}?limit=200")} == held
        assert held
    assert "00008130" not in json.dumps(copy.get("/v1/devices"))
    run = copy.walk()
    assert (run.exit_code, done(run), findings(run)) == (0, [], [])
    assert original.effects() == before


def test_what_is_made_on_the_copy_is_made_nowhere_else(tmp_path: Path) -> None:
    original = Desk(tmp_path / "original")
    copy = copied(original, tmp_path / "copy")
    run = copy.walk()
    assert run.exit_code == 0
    assert len(copy.effects()) == 4
    assert original.effects() == []


@pytest.mark.parametrize("kind", ["certificates", "profiles", "bundleIds", "devices"])
def test_what_the_key_may_not_see_is_refused_by_the_copy_too(tmp_path: Path, kind: str) -> None:
    original = Desk(tmp_path / "original", portal={"forbids": [kind]})
    run = copied(original, tmp_path / "copy").walk()
    wanted = [] if kind == "devices" else [("PORT002", "ERROR")]
    assert findings(run) == wanted


def test_a_copy_of_many_pages_is_whole(tmp_path: Path) -> None:
    original = Desk(tmp_path / "original")
    many = [{"type": "certificates", "id": f"C{n}", "attributes": {"serialNumber": f"{n:X}"}} for n in range(450)]
    original.apple.plant(many)
    http = Reading(original)
    account = read_account(http, SUBJECT)
    assert sum(each["type"] == "certificates" for each in account.resources) == 450
    assert http.asked.count("certificates") == 3
