"""Signing killed with SIGKILL, anywhere: what was begun is finished or taken away, and nothing is made twice."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.runs import runs_in
from pipeline.simulator.machine.keychains import Keychains
from tests.rehearsals.mac import Mac
from tests.rehearsals.material import PASSWORD, SPARE, Team, the_team
from tests.rehearsals.signer import Signer
from tests.rehearsals.theatre import ROOT, effects
from tests.rooms.vault.vaults import BOB, JANE, Person, at, new_place

MANY = {
    ("install", "journal"): (40, 4),
    ("install", "machine"): (120, 5),
    ("install", "security"): (24, 5),
    ("uninstall", "machine"): (40, 3),
    ("uninstall", "security"): (10, 3),
    ("install --dry-run", "journal"): (40, 4),
    ("install --dry-run", "machine"): (100, 5),
    ("create --dry-run", "journal"): (80, 5),
    ("create --dry-run", "machine"): (150, 6),
    ("renew --dry-run", "machine"): (150, 4),
    ("sync folder", "journal"): (30, 4),
    ("sync folder", "machine"): (80, 8),
    ("sync bare", "machine"): (200, 5),
}
"""How many boundaries each play has at least, and how many of them are tried: others in every run of the tests."""


@pytest.fixture(scope="module")
def team() -> Team:
    return the_team()


@pytest.fixture
def mac(team: Team) -> Iterator[Mac]:
    with Mac(team.root) as made:
        yield made


@pytest.mark.parametrize(("play", "where"), MANY)
def test_killed_at_a_boundary(play: str, where: str, tmp_path: Path) -> None:
    least, tried = MANY[play, where]
    argv = [sys.executable, "-m", "tests.rehearsals.signing_kills", str(tmp_path), play, where, str(tried)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["boundaries"] >= least, "the play has fewer boundaries than it must have"
    assert told["killed"] >= tried - 1


# From outside -------------------------------------------------------------------------------------------------------

MOMENTS = (0.2, 0.3, 0.4, 0.55)
"""Seconds after the start. Which boundary that is, nobody knows."""


def struck(signer: Signer, after: float, *arguments: str) -> None:
    with signer.start(*arguments) as process:
        time.sleep(after)
        process.kill()


def begun(signer: Signer) -> bool:
    return bool(runs_in(signer.runs))


@pytest.mark.parametrize("after", MOMENTS[::2])
def test_making_is_killed_at_some_moment(after: float, tmp_path: Path) -> None:
    signer = Signer(tmp_path / "signer")
    struck(signer, after + 0.1, "certs.create", "--dry-run", "--quiet")
    if not begun(signer):
        return  # killed before there was a run: nothing was begun
    signer("resume", "--quiet")
    made = [each["effect"] for each in effects(runs_in(signer.runs)[0].path)]
    assert sorted(made) == ["POST /v1/certificates"] * 2 + ["POST /v1/profiles"] * 2


@pytest.mark.parametrize("after", MOMENTS)
def test_installing_is_killed_at_some_moment(after: float, tmp_path: Path, team: Team, mac: Mac) -> None:
    signer = Signer(tmp_path / "signer", mac=mac, team=team)
    signer.env = team.secrets()
    before, listed = signer.files(signer.home), Keychains(signer.home).searched()
    struck(signer, after, "certs.install", "--quiet")
    now = Keychains(signer.home).searched()
    assert now[:1] == listed
    assert all(sum(item.keyed for item in Keychains(signer.home).read(path).items) == 2 for path in now[1:])
    signer("certs.install", "--quiet")
    assert len(Keychains(signer.home).searched()) == 2
    struck(signer, after, "certs.uninstall", "--quiet")
    signer("certs.uninstall", "--quiet")
    assert signer.files(signer.home) == before


# Two writers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["folder", "bare"])
def test_two_write_at_once_and_one_of_them_is_killed(kind: str, tmp_path: Path, team: Team) -> None:
    place = new_place(kind, tmp_path)
    people = {"jane": JANE, "bob": BOB}
    desks: dict[str, Signer] = {}
    for (name, person), spare in zip(people.items(), (SPARE[:2], SPARE[2:]), strict=True):
        signer = desks[name] = Signer(tmp_path / name, team=team)
        signer.configure(place, JANE, BOB)
        signer.env = {"SIGNING_VAULT_KEY": person.secret, "SIGNING_CERTIFICATES_PASSWORD": PASSWORD}
        folder = tmp_path / f"given-by-{name}"
        folder.mkdir()
        for each in spare:
            (folder / f"{each}.p12").write_bytes(team.owned[each].p12(PASSWORD))
        for file, data in {"both.p12": team.p12(), **team.profiles}.items():
            (folder / file).write_bytes(data)
    for after in (0.3, 0.38, 0.46):
        mine, others = (desk.start(*syncing(tmp_path, name)) for name, desk in desks.items())
        time.sleep(after)
        mine.kill()
        mine.wait()
        assert others.wait(60) in (0, 4), "what somebody else does at once is borne; at worst it is told"
        looked(place, JANE, tmp_path)
    for name, desk in desks.items():
        desk(*syncing(tmp_path, name))
    state = looked(place, BOB, tmp_path)
    wanted = {f"identities/{each.sha1}.{kind}" for each in team.owned.values() for kind in ("cer", "p8")}
    assert {entry.path for entry in state.entries} == wanted | {f"profiles/{name}" for name in team.profiles}
    put = [path for deed in state.deeds for path in deed.put]
    assert len(put) == len(set(put)), "nothing was put twice"
    for name, desk in desks.items():
        assert desk(*syncing(tmp_path, name), "--json").json()["actions"] == []


def syncing(folder: Path, name: str) -> tuple[str, ...]:
    return ("certs.sync", "--quiet", "--file", str(folder / f"given-by-{name}"))


def looked(place: str, person: Person, folder: Path) -> Any:
    """What somebody sees who looks now: a vault that is whole, whoever was killed."""
    state = at(place, person, folder / f"looking-{person.name}").look()
    assert state.problems == ()
    assert all(deed.proved for deed in state.deeds)
    return state
