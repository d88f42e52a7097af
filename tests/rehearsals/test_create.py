"""Certificates and profiles made from nothing, again, anew, by two at once, and through every fault: once each at Apple."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.apple.portal import gateway
from pipeline.apple.signing.keys import new_key, public_key_sha256, request_for
from pipeline.engine.wiring import registry_of, verify_wiring
from pipeline.model import Declaration
from pipeline.model.run import Run
from pipeline.ports.vault import VaultChange, VaultFile
from pipeline.subject import SAMPLE
from pipeline.world import PORTS
from tests.rehearsals.test_server import simulator
from tests.rehearsals.theatre import ROOT
from tests.rooms.portal.desk import BUNDLE_ID, CREATE, TEAM, Desk, done, findings

KEPT = [
    "identities/*.cer APPLE_DISTRIBUTION",
    "identities/*.cer MAC_INSTALLER_DISTRIBUTION",
    "identities/*.p8 APPLE_DISTRIBUTION",
    "identities/*.p8 MAC_INSTALLER_DISTRIBUTION",
    "profiles/*.mobileprovision APP_STORE",
    "profiles/*.provisionprofile MAC_APP_STORE",
]
ONCE = ["POST /v1/certificates", "POST /v1/certificates", "POST /v1/profiles", "POST /v1/profiles"]
LATER = timedelta(days=350)
NAMED = "match AppStore com.mshaler.isometry"


@pytest.fixture(scope="module")
def keys() -> list[bytes]:
    """Making a key takes longer than all the rest of a walk."""
    return [new_key() for _ in range(8)]


@pytest.fixture(autouse=True)
def _no_key_twice(keys: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "new_key", iter(keys).__next__)


def told(run: Run) -> str:
    return f"{run.verdict}\n" + "\n".join(str(each) for each in (*done(run), *run.findings))


def test_everything_asked_for_is_answered() -> None:
    from pipeline.apple.portal.facts import AppLanes
    from pipeline.apple.signing.facts import SigningPolicy
    from pipeline.apple.signing.trust import Anchors

    givens = (Declaration, Anchors, SigningPolicy, AppLanes)
    assert verify_wiring(CREATE, registry_of([gateway]), PORTS, givens) == []


def test_from_nothing_everything_is_made_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    run = desk.walk()
    assert run.exit_code == 0, told(run)
    assert findings(run) == []
    assert desk.effects() == ONCE
    assert desk.paths() == KEPT
    assert {each.split(" ", 1)[0] for each in done(run)} == {"DONE"}
    assert len(run.plan.promises) == 10
    again = desk.walk("r2")
    assert (again.exit_code, done(again), findings(again)) == (0, [], [])


def test_the_plan_promises_the_same_wherever_it_is_made(tmp_path: Path) -> None:
    """An approval compares promises: those of a rehearsal must be those of the live run."""
    one, other = Desk(tmp_path / "one").walk(), Desk(tmp_path / "other").walk()
    assert one.plan.digest == other.plan.digest


def test_what_is_kept_belongs_together(tmp_path: Path) -> None:
    from pipeline.apple.signing.certificates import read_certificate
    from pipeline.apple.signing.profiles import Seal, read_profile
    from pipeline.apple.signing.trust import APPLE_ROOTS

    desk = Desk(tmp_path)
    desk.walk()
    anchors = APPLE_ROOTS.including("the test authority", desk.authority.root)
    held = {entry.path: desk.vault.read(entry.path) for entry in desk.vault.look().entries}
    certificates = {path: read_certificate(data) for path, data in held.items() if path.endswith(".cer")}
    for path, certificate in certificates.items():
        assert path == f"identities/{certificate.sha1}.cer"
        assert certificate.team_id == TEAM
        assert public_key_sha256(held[path.replace(".cer", ".p8")]) == certificate.public_key_sha256
    profiles = [read_profile(data, anchors) for path, data in held.items() if "provision" in path]
    for profile in profiles:
        assert profile.seal is Seal.APPLE, profile.seal_reason
        assert profile.covers(BUNDLE_ID)
        assert {each.sha1 for each in profile.developer_certificates} < {each.sha1 for each in certificates.values()}
    assert len(profiles) == 2


@pytest.mark.parametrize(("lane", "posts"), [("ios", [1, 1]), ("macos", [2, 1])])
def test_one_lane_alone(tmp_path: Path, lane: str, posts: list[int]) -> None:
    desk = Desk(tmp_path, lanes=(lane,))
    run = desk.walk()
    assert run.exit_code == 0, told(run)
    assert [desk.effects().count(f"POST /v1/{kind}") for kind in ("certificates", "profiles")] == posts
    both = Desk(tmp_path).walk("both")
    assert both.exit_code == 0, told(both)
    assert Desk(tmp_path).effects().count("POST /v1/certificates") == 2


def test_kinds_that_were_asked_for_and_nothing_else(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    run = desk.walk(kinds=("mac-installer-distribution", "DEVELOPMENT"))
    assert run.exit_code == 0, told(run)
    assert desk.effects() == ["POST /v1/certificates"] * 2
    kinds = {each["attributes"]["certificateType"] for each in desk.get("/v1/certificates")}
    assert kinds == {"MAC_INSTALLER_DISTRIBUTION", "DEVELOPMENT"}


# Renewing -----------------------------------------------------------------------------------------------------------


def test_what_expires_soon_is_replaced_only_when_told(tmp_path: Path) -> None:
    Desk(tmp_path).walk()
    later = Desk(tmp_path, ahead=LATER)
    warned = later.walk("r2")
    assert (warned.exit_code, done(warned)) == (0, [])
    assert findings(warned) == [("PORT009", "WARNING")] * 2
    renewed = later.walk("r3", renew=True)
    assert renewed.exit_code == 0, told(renewed)
    assert later.effects() == ONCE * 2
    assert len(later.get("/v1/certificates")) == 4
    names = sorted(each["attributes"]["name"] for each in later.get("/v1/profiles"))
    assert len(set(names)) == 4
    assert findings(renewed) == []
    again = later.walk("r4", renew=True)
    assert (again.exit_code, done(again), findings(again)) == (0, [], [])


def test_what_was_replaced_is_revoked_only_when_told(tmp_path: Path) -> None:
    Desk(tmp_path).walk()
    later = Desk(tmp_path, ahead=LATER)
    old = {each["id"] for each in later.get("/v1/certificates")}
    run = later.walk("r2", renew=True, revoke=True)
    assert run.exit_code == 0, told(run)
    assert sorted(later.effects()[4:]) == sorted(
        [*ONCE, *["DELETE /v1/certificates/{id}"] * 2, *["DELETE /v1/profiles/{id}"] * 2]
    )
    assert old.isdisjoint(each["id"] for each in later.get("/v1/certificates"))
    assert [each["attributes"]["profileState"] for each in later.get("/v1/profiles")] == ["ACTIVE", "ACTIVE"]
    assert later.paths() == KEPT, "what is revoked is in the vault no more"
    assert "revoke the certificate" in "\n".join(done(run))


def test_nothing_is_revoked_that_a_profile_still_needs(tmp_path: Path) -> None:
    """`create --revoke` beside an old certificate: no new one is needed yet, so the old one stays."""
    Desk(tmp_path).walk()
    later = Desk(tmp_path, ahead=LATER)
    run = later.walk("r2", revoke=True)
    assert (run.exit_code, done(run)) == (0, [])


def test_a_certificate_whose_key_nobody_here_has_is_left_alone(tmp_path: Path) -> None:
    stranger = Desk(tmp_path / "stranger")
    stranger.walk()
    desk = Desk(tmp_path / "ours", ahead=LATER)
    desk.__dict__["authority"], desk.__dict__["apple"] = stranger.authority, stranger.apple
    run = desk.walk(renew=True, revoke=True)
    assert run.exit_code == 0, told(run)
    assert "DELETE /v1/certificates/{id}" not in desk.effects()
    assert len(desk.get("/v1/certificates")) == 4


@pytest.fixture
def manual(tmp_path: Path) -> Path:
    """The sample app, signed manually with a profile that somebody else's tool once named."""
    project = tmp_path / "project"
    shutil.copytree(SAMPLE, project)
    settings = project / "Configurations" / "Base.xcconfig"
    manual = f"CODE_SIGN_STYLE = Manual\nPROVISIONING_PROFILE_SPECIFIER = {NAMED}"
    settings.write_text(settings.read_text().replace("CODE_SIGN_STYLE = Automatic", manual))
    return project


def names(desk: Desk) -> list[str]:
    return sorted(each["attributes"]["name"] for each in desk.get("/v1/profiles"))


def test_what_the_project_names_is_renewed_under_its_name(tmp_path: Path, manual: Path) -> None:
    Desk(tmp_path, project=manual, lanes=("ios",)).walk()
    later = Desk(tmp_path, project=manual, lanes=("ios",), ahead=LATER)
    assert names(later) == [NAMED]
    (old,) = later.get("/v1/profiles")
    run = later.walk("r2", renew=True, revoke=True)
    assert (run.exit_code, findings(run)) == (0, []), told(run)
    assert names(later) == [NAMED]
    assert later.get("/v1/profiles")[0]["id"] != old["id"]
    assert later.get("/v1/profiles")[0]["attributes"]["profileState"] == "ACTIVE"
    assert [path for path in later.paths() if path.startswith("profiles/")] == KEPT[4:5]
    again = later.walk("r3", renew=True, revoke=True)
    assert (again.exit_code, done(again), findings(again)) == (0, [], [])


def test_a_run_that_was_stopped_between_the_two_goes_on(tmp_path: Path, manual: Path) -> None:
    """The old one is deleted, and making the new one fails for sure: the next run makes it, under the name."""
    Desk(tmp_path, project=manual, lanes=("ios",)).walk()
    faults = [{"on": "POST /v1/profiles", "do": "403"}]
    failed = Desk(tmp_path, project=manual, lanes=("ios",), ahead=LATER, faults=faults)
    assert failed.walk("r2", renew=True, revoke=True).exit_code == 4
    assert names(failed) == []
    later = Desk(tmp_path, project=manual, lanes=("ios",), ahead=LATER)
    run = later.walk("r3", renew=True, revoke=True)
    assert run.exit_code == 0, told(run)
    assert names(later) == [NAMED]


def test_without_revoke_it_is_told_that_the_project_names_the_old_one(tmp_path: Path, manual: Path) -> None:
    Desk(tmp_path, project=manual, lanes=("ios",)).walk()
    later = Desk(tmp_path, project=manual, lanes=("ios",), ahead=LATER)
    run = later.walk("r2", renew=True)
    assert run.exit_code == 0, told(run)
    new = f"{BUNDLE_ID} iOS App Store"
    assert names(later) == sorted([NAMED, new])
    (finding,) = run.findings
    assert (finding.rule, str(finding.severity)) == ("PORT012", "WARNING")
    assert f"set PROVISIONING_PROFILE_SPECIFIER to “{new}”" in finding.remedy


def test_a_threshold_longer_than_a_life_makes_everything_once(tmp_path: Path) -> None:
    """What is made never lasts as long as that: it must not be made again and again."""
    desk = Desk(tmp_path)
    for run in ("r1", "r2"):
        made = desk.walk(run, renew=True, expires_within=timedelta(days=500))
        assert made.exit_code == 0, told(made)
        assert desk.effects() == ONCE


# Faults at Apple ----------------------------------------------------------------------------------------------------

ROUTES = (
    "GET /v1/certificates",
    "GET /v1/profiles",
    "GET /v1/bundleIds",
    "POST /v1/certificates",
    "GET /v1/certificates/{id}",
    "POST /v1/profiles",
    "GET /v1/profiles/{id}",
)


@pytest.mark.parametrize("deed", ["429", "500", "500-after", "502", "503", "reset", "reset-after", "hang"])
@pytest.mark.parametrize("route", ROUTES)
def test_a_fault_is_borne_and_nothing_is_made_twice(tmp_path: Path, route: str, deed: str) -> None:
    desk = Desk(tmp_path, faults=[{"on": route, "do": deed}])
    run = desk.walk()
    if run.exit_code:
        # Nothing is done blindly: what failed for sure is told, and the next run goes on.
        run = desk.walk(resume=True)
    assert run.exit_code == 0, told(run)
    assert desk.effects() == ONCE
    assert desk.paths() == KEPT


@pytest.mark.parametrize("kind", ["certificates", "profiles"])
@pytest.mark.parametrize("deed", ["", "500-after", "reset-after"])
def test_what_apple_is_slow_to_show_is_waited_for(tmp_path: Path, kind: str, deed: str) -> None:
    faults = [{"on": f"POST /v1/{kind}", "do": deed}] if deed else []
    desk = Desk(tmp_path, portal={f"{kind}_invisible": 12}, faults=faults)
    run = desk.walk()
    assert run.exit_code == 0, told(run)
    assert desk.effects() == ONCE


def test_a_full_drawer_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    stranger = Desk(tmp_path / "stranger")
    for number in range(3):
        fresh = Desk(tmp_path / f"stranger{number}", lanes=("ios",))
        fresh.__dict__["authority"], fresh.__dict__["apple"] = stranger.authority, stranger.apple
        assert fresh.walk().exit_code == 0
    desk = Desk(tmp_path / "ours")
    desk.__dict__["authority"], desk.__dict__["apple"] = stranger.authority, stranger.apple
    before = desk.effects()
    run = desk.walk()
    assert run.exit_code == 1
    assert findings(run) == [("PORT008", "ERROR")]
    assert desk.effects() == before
    assert desk.vault.look().head == "", "no key is made that no certificate can follow"


def test_a_smaller_drawer_than_is_known_is_told_when_apple_says_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path, portal={"distribution": 0})
    run = desk.walk()
    assert run.exit_code == 4, told(run)
    assert "no room for another certificate" in run.verdict
    assert desk.effects() == []


@pytest.mark.parametrize("kind", ["certificates", "profiles", "bundleIds"])
def test_a_key_that_may_not_look_is_one_finding(tmp_path: Path, kind: str) -> None:
    desk = Desk(tmp_path, portal={"forbids": [kind]})
    run = desk.walk()
    assert run.exit_code == 1
    assert findings(run) == [("PORT002", "ERROR")], told(run)
    assert "Admin" in run.findings[0].remedy
    assert desk.effects() == []


def test_a_role_that_may_look_and_not_make_is_told_with_the_one_that_may(tmp_path: Path) -> None:
    desk = Desk(tmp_path, roles=["DEVELOPER"])
    run = desk.walk()
    assert run.exit_code == 4
    assert "Admin" in "".join(action.error for step in run.steps for action in step.actions)
    assert desk.effects() == []


def test_an_individual_key_is_refused_before_apple_does(tmp_path: Path) -> None:
    run = Desk(tmp_path, secrets={"ASC_KEY_ID": "ABC", "ASC_PRIVATE_KEY": "…"}).walk()
    assert findings(run) == [("PORT001", "ERROR")]


def test_an_app_that_is_not_registered(tmp_path: Path) -> None:
    apps = [{"bundle_id": BUNDLE_ID, "name": "I", "platforms": ["IOS", "MAC_OS"], "registered": False}]
    run = Desk(tmp_path, apps=apps).walk()
    assert findings(run) == [("PORT006", "ERROR")], told(run)


def test_a_capability_that_is_not_enabled(tmp_path: Path) -> None:
    apps = [{"bundle_id": BUNDLE_ID, "name": "I", "platforms": ["IOS", "MAC_OS"], "capabilities": ["ICLOUD"]}]
    run = Desk(tmp_path, apps=apps).walk()
    assert findings(run) == [("PORT007", "ERROR")], told(run)


# The vault ----------------------------------------------------------------------------------------------------------


def test_nothing_is_made_for_a_vault_that_somebody_damaged(tmp_path: Path) -> None:
    Desk(tmp_path).walk()
    next((tmp_path / "vault" / "identities").glob("*.cer")).write_bytes(b"damage")
    later = Desk(tmp_path, ahead=LATER)
    before = later.vault.look().head
    run = later.walk("r2", renew=True)
    assert run.exit_code == 1
    assert ("PORT004", "ERROR") in findings(run), told(run)
    assert later.effects() == ONCE
    assert later.vault.look().head == before


def test_the_simulator_by_itself_issues_too() -> None:
    request = request_for(new_key(), "Ann").replace("\n", "\\n")
    attributes = f'{{"certificateType":"DISTRIBUTION","csrContent":"{request}"}}'
    with simulator() as served:
        sent = f'curl -s -H "Authorization: Bearer {served.token()}" -H "Content-Type: application/json"'
        body = f'{{"data":{{"type":"certificates","attributes":{attributes}}}}}'
        told = served.shell(f"{sent} -d '{body}' {served.url}/v1/certificates")
        assert told["data"]["attributes"]["certificateType"] == "DISTRIBUTION", told
        assert told["data"]["attributes"]["certificateContent"]


def test_nobody_is_locked_out_of_a_new_vault(tmp_path: Path) -> None:
    run = Desk(tmp_path).walk(recipients=())
    assert findings(run) == [("PORT004", "ERROR")]


def test_a_vault_that_does_not_open(tmp_path: Path) -> None:
    Desk(tmp_path).walk()
    (tmp_path / "key.json").unlink()
    run = Desk(tmp_path).walk("r2")
    assert findings(run)[0] == ("PORT004", "ERROR"), told(run)
    assert done(run) == [] or all(each.startswith("None ") for each in done(run))


class Busy:
    """The vault, with somebody else who writes to it right before each of our changes, a few times."""

    def __init__(self, vault: Any, times: int) -> None:
        self.source, self.changed_by = vault.source, vault.changed_by
        self.look, self.read = vault.look, vault.read
        self._vault, self._left = vault, times

    def publish(self, change: VaultChange) -> str:
        if self._left:
            self._left -= 1
            state = self._vault.look()
            recipients = None if state.head else change.recipients
            file = VaultFile(b"x", sealed=False)
            self._vault.publish(
                VaultChange(state.head, "another", "Bob", {f"profiles/{self._left}.txt": file}, (), recipients)
            )
        return str(self._vault.publish(change))


@pytest.mark.parametrize(("times", "code"), [(4, 0), (40, 2)])
def test_another_writer_is_borne_for_a_while(tmp_path: Path, times: int, code: int) -> None:
    desk = Desk(tmp_path)
    run = desk.walk(vault=Busy(desk.vault, times))
    assert run.exit_code == code, told(run)
    if code == 0:
        assert desk.effects() == ONCE
    else:
        assert desk.effects() == []


def test_two_runners_at_once_make_everything_once(tmp_path: Path) -> None:
    """Each has its own leases, as on two machines; they share the vault and Apple."""
    # Waits take a twentieth of their time here; with none at all, neither would ever see what the other does.
    one, other = Desk(tmp_path, pace=0.05), Desk(tmp_path, pace=0.05)
    assert one.authority.root, "made before both ask for it at once"
    other.__dict__["authority"], other.__dict__["apple"] = one.authority, one.apple
    other.__dict__["keys"] = one.keys
    runs: dict[str, Run] = {}
    start = threading.Barrier(2)

    def play(desk: Desk, name: str) -> None:
        cast = desk.cast(name)
        cast.rights.leases._folder = tmp_path / f"leases-{name}"
        from pipeline.engine.walk import walk

        start.wait()
        runs[name] = walk(cast)

    threads = [threading.Thread(target=play, args=each) for each in ((one, "a"), (other, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [run.exit_code for run in runs.values()] == [0, 0], "\n".join(map(told, runs.values()))
    assert sorted(one.effects()) == ONCE
    assert one.paths() == KEPT


def test_a_key_that_waits_is_used_before_another_is_made(tmp_path: Path) -> None:
    desk = Desk(tmp_path, lanes=("ios",))
    key = new_key()
    path = f"pending/{public_key_sha256(key)}.p8"
    file = VaultFile(key, told={"kind": "APPLE_DISTRIBUTION", "team": TEAM})
    recipients = desk.cast("r0").givens(None)[type(desk.policy())].recipients
    from pipeline.ports.vault import Recipient

    desk.vault.publish(VaultChange("", "a key", "Bob", {path: file}, (), tuple(Recipient(*r) for r in recipients)))
    run = desk.walk()
    assert run.exit_code == 0, told(run)
    assert not any("make a key" in each for each in done(run))
    assert desk.vault.read(next(e.path for e in desk.vault.look().entries if e.path.endswith(".p8"))) == key


# Crashes ------------------------------------------------------------------------------------------------------------

SLICES = 3


@pytest.mark.parametrize("first", range(1, SLICES + 1))
@pytest.mark.parametrize("where", ["journal", "apple", "vault"])
def test_killed_at_every_boundary(tmp_path: Path, where: str, first: int) -> None:
    argv = [sys.executable, "-m", "tests.rooms.portal.killing", str(tmp_path), where, str(first), str(SLICES)]
    ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert ended.returncode == 0, ended.stderr[-4000:]
    counted = json.loads(ended.stdout.splitlines()[-1])
    assert counted["boundaries"] >= {"journal": 60, "apple": 8, "vault": 16}[where]
    assert counted["killed"] >= counted["boundaries"] // SLICES - 1


def test_no_key_is_anywhere_but_in_the_vault(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.walk()
    keys = [desk.vault.read(e.path) for e in desk.vault.look().entries if e.path.endswith(".p8")]
    assert len(keys) == 2
    import base64

    # The numbers at a key's end are private; the first one is in the certificate.
    for path in tmp_path.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        for key in keys:
            for shape in (key, base64.b64encode(key), key.hex().encode()):
                assert shape[-300:-200] not in data, path
