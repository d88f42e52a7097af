"""certs.sync, played on real folders and repositories: what is given arrives, once, for those who are named."""

from __future__ import annotations

import base64
import functools
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.apple.signing import gateway as signing
from pipeline.apple.signing.certificates import read_certificate
from pipeline.apple.signing.facts import SigningPolicy
from pipeline.apple.signing.material import public_key_sha256
from pipeline.apple.signing.trust import APPLE_ROOTS, Anchors
from pipeline.engine.journal import Journal
from pipeline.engine.leases import Leases
from pipeline.engine.perform import Rights
from pipeline.engine.walk import Cast, steps_told, walk
from pipeline.engine.wiring import registry_of, verify_wiring
from pipeline.model import UsageFault
from pipeline.model.run import Run
from pipeline.ports.clock import Clock
from pipeline.ports.given import GivenFiles
from pipeline.ports.home import Home
from pipeline.ports.secrets import EnvironmentSecrets, RehearsedSecrets, Secrets
from pipeline.ports.tools import Tools
from pipeline.ports.vault import NoVault, Vault, VaultChange, VaultFile
from pipeline.stages.syncing import SYNCING
from pipeline.vault import gateway
from pipeline.vault.actions import PublishMaterial
from pipeline.vault.offers import OfferedProfile
from pipeline.vault.opening import copied
from tests.noon import NoonClock
from tests.rooms.signing import forge
from tests.rooms.signing.wallet import NOW, PASSWORD, Pair, pair
from tests.rooms.vault.vaults import (
    BOB,
    EVE,
    JANE,
    Person,
    at,
    clear,
    decrypted,
    files_below,
    made,
    new_place,
    publish,
    sealed,
)

REGISTRY = registry_of([signing, gateway])
PROFILE = forge.sign(forge.profile_content())
UUID = "00000000-0000-4000-8000-000000000001"
ROOTS = APPLE_ROOTS.including("the tests' own root", forge.ROOT.der)


class Desk:
    """Somebody at a machine. Each `sync` is another process as far as the pipeline can tell."""

    def __init__(self, folder: Path, place: str, *people: Person, own: Person | None = JANE) -> None:
        self.folder = folder
        self.place = place
        self.recipients = tuple((each.name, each.public) for each in people)
        self.own = own
        self.named: tuple[str, ...] = ()
        self.environment: dict[str, str] = {}
        self.count = 0
        self.secrets: Any = None

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def vault(self, person: Person | None = None) -> Vault:
        return at(self.place, person or self.own, self.cache)

    def give(self, name: str, data: bytes) -> None:
        path = self.folder / "given" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        self.named = (str(path.parent),)
        self.environment["SIGNING_CERTIFICATES_PASSWORD"] = PASSWORD

    def sync(self, vault: Vault | None = None) -> Run:
        self.count += 1
        folder = self.folder / f"run{self.count}"
        vault = vault or (self.vault() if self.place else NoVault())
        secrets = self.secrets or EnvironmentSecrets(self.environment)
        clock = NoonClock()
        journal = Journal(folder / "journal.jsonl")
        journal.append(
            "run", run="r", theatre="live", app="", root="", version="", lanes=[], steps=steps_told((SYNCING,), ())
        )
        ports: Mapping[type, Any] = {
            Vault: vault,
            Clock: clock,
            GivenFiles: GivenFiles(self.named),
            Secrets: secrets,
            Tools: None,
            Home: None,
        }
        policy = SigningPolicy(recipients=self.recipients, by="jane")
        cast = Cast(
            stages=(SYNCING,),
            lanes=(),
            registry=REGISTRY,
            ports=lambda _lane: ports,
            givens=lambda _lane: {SigningPolicy: policy, Anchors: roots()},
            clock=lambda _lane: clock,
            journal=journal,
            rights=Rights(Leases(folder / "leases", "r")),
            policy=lambda finding: finding,
            excerpt=lambda _place: "",
            stop=threading.Event(),
        )
        return walk(cast)


def summaries(run: Run) -> list[str]:
    return [f"{finding.rule} {finding.severity}: {finding.summary}" for finding in run.findings]


def done(run: Run) -> list[str]:
    assert run.exit_code == 0, (run.verdict, summaries(run), [a.error for s in run.steps for a in s.actions])
    return [f"{action.outcome}: {action.describe}" for step in run.steps for action in step.actions]


@pytest.fixture(params=["folder", "bare"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    return Desk(tmp_path, new_place(request.param, tmp_path), JANE, BOB)


@functools.cache
def old() -> Pair:
    private = rsa.generate_private_key(65_537, 2048)
    return Pair("Apple Distribution: Old (ABCDE12345)", private, NOW - timedelta(hours=1))


def one() -> Pair:
    return pair(1, "Apple Distribution: One (ABCDE12345)")


@functools.cache
def roots() -> Anchors:
    """With what is given here, which nobody else has signed."""
    return ROOTS.including("One", one().cer)


def test_the_table_is_wired() -> None:
    ports = (Vault, Clock, GivenFiles, Secrets, Tools, Home)
    wrong = verify_wiring((SYNCING,), registry_of([gateway]), ports, (SigningPolicy, Anchors))
    assert [each for each in wrong if "Material" not in each] == []


@pytest.mark.parametrize("dressed", [False, True], ids=["self-signed", "without its issuer"])
def test_only_apples_identities_are_shared(tmp_path: Path, dressed: bool) -> None:
    """Nothing is done before everything was judged; an issuer that is not there makes it unseen."""
    desk = Desk(tmp_path, new_place("folder", tmp_path), JANE)
    made(desk.place, desk.cache, JANE, put=waiting())
    before = files_below(Path(desk.place))
    stranger = forge.forge("Somebody's", key=9)
    forged = forge.forge("Apple Distribution: X", stranger if dressed else None, markers=("6.1.7", "6.1.4"), key=8)
    key = forged.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    desk.give("dist.pem", forged.certificate.public_bytes(Encoding.PEM) + key)
    run = desk.sync()
    severity = "UNKNOWN" if dressed else "ERROR"
    assert (run.exit_code, [each.partition(":")[0] for each in summaries(run)]) == (1, [f"VALT011 {severity}"])
    assert files_below(Path(desk.place)) == before


def test_what_is_given_arrives_once(desk: Desk) -> None:
    desk.give("dist.p12", one().p12())
    desk.give("app.mobileprovision", PROFILE)
    run = desk.sync()
    assert [each.split(":")[0] for each in done(run)] == ["DONE"] * 3
    assert done(run)[0].startswith("DONE: make a vault for jane, bob (")
    sha1 = read_certificate(one().cer).sha1
    paths = [f"identities/{sha1}.cer", f"identities/{sha1}.p8", f"profiles/{UUID}.mobileprovision"]
    for person in (JANE, BOB):
        vault = at(desk.place, person, desk.folder / person.name)
        state = vault.look()
        assert [each.path for each in state.entries] == paths
        assert state.problems == ()
        assert vault.read(paths[0]) == one().cer
        assert public_key_sha256(vault.read(paths[1])) == read_certificate(one().cer).public_key_sha256
        assert vault.read(paths[2]) == PROFILE
        assert {"kind", "team", "name", "expires", "serial"} == set(state.entries[1].told)
    assert done(desk.sync()) == []


def test_the_tables_show_what_is_there_and_who_put_it_there(desk: Desk) -> None:
    desk.give("dist.p12", one().p12())
    desk.give("app.mobileprovision", PROFILE)
    run = desk.sync()
    vault, ledger = (record.exhibit for record in run.steps[0].exhibits)
    assert [row[0].text for row in vault.rows] == ["Example App Store", "Apple Distribution: One (ABCDE12345)"]
    assert vault.rows[0][5].text == "jane"
    assert "encrypted for jane, bob" in vault.note
    assert [(row[0].text, row[2].text, row[4].text) for row in ledger.rows] == [
        ("3", "jane", "yes"),
        ("2", "jane", "yes"),
        ("1", "jane", "yes"),
    ]
    assert "Apple Distribution: One" in ledger.rows[0][3].text + ledger.rows[1][3].text


def test_a_key_and_its_certificate_from_two_files(desk: Desk) -> None:
    desk.give("dist.cer", one().cer)
    desk.give("dist.pem", one().key_pem)
    assert len(done(desk.sync())) == 2
    sha1 = read_certificate(one().cer).sha1
    assert (
        public_key_sha256(desk.vault().read(f"identities/{sha1}.p8")) == read_certificate(one().cer).public_key_sha256
    )


def test_what_the_environment_holds_arrives(desk: Desk) -> None:
    desk.environment = {
        "SIGNING_CERTIFICATES": base64.b64encode(one().p12()).decode(),
        "SIGNING_CERTIFICATES_PASSWORD": PASSWORD,
        "SIGNING_PROFILES": base64.b64encode(PROFILE).decode(),
    }
    told = done(desk.sync())
    assert ["$SIGNING_CERTIFICATES" in told[1], "$SIGNING_PROFILES" in told[2]] == [True, True]
    assert len(desk.vault().look().entries) == 3


def test_recipients_that_change_encrypt_it_anew(desk: Desk) -> None:
    desk.give("dist.p12", one().p12())
    done(desk.sync())
    desk.named = ()
    desk.recipients = ((JANE.name, JANE.public), (EVE.name, EVE.public))
    (told,) = done(desk.sync())
    assert told.startswith("DONE: encrypt the vault anew for jane, eve, without bob")
    assert at(desk.place, EVE, desk.folder / "eve").look().openable
    assert not at(desk.place, BOB, desk.folder / "bob").look().openable
    run = desk.sync()
    assert done(run) == []
    assert [each for each in summaries(run) if each.startswith("VALT009 WARNING: bob")]


def test_without_recipients_in_the_configuration_those_of_the_vault_stay(desk: Desk) -> None:
    made(desk.place, desk.cache, JANE, BOB, put=waiting())
    desk.recipients = ()
    desk.give("dist.p12", one().p12())
    assert len([each for each in done_or_blocked(desk.sync()) if "put" in each]) == 1
    assert [each.name for each in desk.vault().look().recipients] == ["jane", "bob"]


def done_or_blocked(run: Run) -> list[str]:
    return [action.describe for step in run.steps for action in step.actions]


def test_nobody_is_let_in_and_nothing_written_without_a_key(desk: Desk) -> None:
    desk.give("dist.p12", one().p12())
    desk.own = None
    run = desk.sync()
    assert run.exit_code == 1
    assert "VALT002 ERROR" in summaries(run)[0]
    made(desk.place, desk.cache, JANE, BOB)
    desk.own = EVE
    run = desk.sync()
    finding = next(each for each in run.findings if each.rule == "VALT002")
    assert EVE.public in finding.remedy
    assert len(desk.vault(JANE).look().deeds) == 1


def test_a_damaged_identity_is_mended_by_giving_it_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path, new_place("folder", tmp_path), JANE)
    desk.give("dist.p12", one().p12())
    done(desk.sync())
    next(Path(desk.place).glob("identities/*.p8.age")).write_bytes(b"damage")
    given, desk.named = desk.named, ()
    assert {each.rule for each in desk.sync().findings} == {"VALT006"}
    desk.named = given
    assert len(done(desk.sync())) == 1
    assert desk.vault().look().problems == ()


def test_a_forged_line_blocks(tmp_path: Path) -> None:
    from tests.rooms.vault.test_vault import _forged

    desk = Desk(tmp_path, new_place("folder", tmp_path), JANE)
    desk.give("dist.p12", one().p12())
    made(desk.place, desk.cache, JANE)
    _forged(Path(desk.place), b"\0" * 32, JANE.recipient, EVE.recipient)
    run = desk.sync()
    assert run.exit_code == 1
    assert "VALT007" in {each.rule for each in run.findings}
    assert len(desk.vault().look().deeds) == 2


def doctored() -> bytes:
    changed = PROFILE.replace(b"Example App Store", b"Example App Stole")
    assert changed != PROFILE
    return changed


@pytest.mark.parametrize("how", ["files", "environment"])
@pytest.mark.parametrize("kind", ["doctored", "foreign", "unknown"])
def test_a_profile_that_is_not_apples_does_not_go_in(tmp_path: Path, kind: str, how: str) -> None:
    desk = Desk(tmp_path, new_place("folder", tmp_path), JANE)
    data = {
        "doctored": doctored(),
        "foreign": forge.sign(forge.profile_content(), forge.STRANGER),
        "unknown": forge.sign(forge.profile_content(), attributes=False),
    }
    if how == "files":
        desk.give("app.mobileprovision", data[kind])
    else:
        desk.environment = {"SIGNING_PROFILES": base64.b64encode(data[kind]).decode()}
    run = desk.sync()
    assert run.exit_code == 1
    (finding,) = run.findings
    assert (finding.rule, str(finding.severity)) == ("VALT011", "UNKNOWN" if kind == "unknown" else "ERROR"), finding
    assert finding.subject == UUID
    planned = [each for each in done_or_blocked(run) if "put the profile" in each]
    assert len(planned) == (kind == "unknown"), "what is not Apple's is not even planned, whatever a policy waives"
    assert desk.vault().look().head == "", "nothing was done"


def test_a_profile_that_was_doctored_meanwhile_does_not_go_in(tmp_path: Path) -> None:
    desk = Desk(tmp_path, new_place("folder", tmp_path), JANE)
    desk.give("app.mobileprovision", doctored())
    path = str(desk.folder / "given" / "app.mobileprovision")
    action = PublishMaterial(desk.place, path, (), (OfferedProfile(UUID, "Example", path),))
    secrets, policy = EnvironmentSecrets({}), SigningPolicy(recipients=desk.recipients, by="jane")
    with pytest.raises(UsageFault, match="is not put into the vault"):
        gateway.publish_material(action, GivenFiles(desk.named), secrets, desk.vault(), policy, ROOTS)
    assert desk.vault().look().head == ""


def test_a_doctored_profile_in_the_vault_is_told_and_mended(tmp_path: Path) -> None:
    desk = Desk(tmp_path, new_place("folder", tmp_path), JANE)
    path = f"profiles/{UUID}.mobileprovision"
    made(desk.place, desk.cache, JANE, put={path: sealed(doctored())})
    (told,) = summaries(desk.sync())
    assert told.startswith(f"VALT008 ERROR: {path} in the vault is of no use: it was changed after Apple signed it")
    desk.give("app.mobileprovision", PROFILE)
    assert len(done(desk.sync())) == 1
    assert desk.vault().read(path) == PROFILE


def test_somebody_who_writes_meanwhile_loses_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, new_place("folder", tmp_path), JANE)
    desk.give("dist.p12", one().p12())
    made(desk.place, desk.cache, JANE, put=waiting())
    other, vault = desk.vault(), desk.vault()
    real, left = vault.publish, [3]

    def publish_late(change: VaultChange) -> str:
        if left[0]:
            left[0] -= 1
            publish(other, put={f"identities/other{left[0]}.cer": clear()})
        return real(change)

    vault.publish = publish_late  # type: ignore[method-assign]
    run = desk.sync(vault)
    assert [action.outcome for action in run.steps[0].actions] == ["DONE"]
    assert len(desk.vault().look().entries) == 3 + 1 + 2


def test_what_somebody_else_brought_meanwhile_is_not_brought_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path, new_place("folder", tmp_path), JANE)
    made(desk.place, desk.cache, JANE, put=waiting())
    desk.give("dist.p12", one().p12())
    vault, other = desk.vault(), desk.vault()
    sha1, real = read_certificate(one().cer).sha1, vault.publish

    def publish_late(change: VaultChange) -> str:
        vault.publish = real  # type: ignore[method-assign]
        put = {f"identities/{sha1}.cer": clear(one().cer), f"identities/{sha1}.p8": sealed(one().key)}
        publish(other, put=put)
        return real(change)

    vault.publish = publish_late  # type: ignore[method-assign]
    run = desk.sync(vault)
    assert [action.outcome for action in run.steps[0].actions] == ["ALREADY"]
    assert len(desk.vault().look().deeds) == 2


def test_no_vault_is_configured(tmp_path: Path) -> None:
    run = Desk(tmp_path, "", JANE).sync()
    assert summaries(run) == ["VALT001 ERROR: no vault is configured, so nothing is shared"]


def test_a_new_vault_needs_recipients(desk: Desk) -> None:
    desk.recipients = ()
    run = desk.sync()
    (finding,) = run.findings
    assert finding.rule == "VALT003"
    assert JANE.public in finding.remedy


def test_somebody_who_would_shut_himself_out_is_told_before(desk: Desk) -> None:
    desk.recipients = ((BOB.name, BOB.public),)
    assert [each.rule for each in desk.sync().findings] == ["VALT005"]


@pytest.mark.parametrize(
    ("key", "why"), [("age1x", "not an age key"), (JANE.public, "stay as the other")], ids=["no", "same"]
)
def test_recipients_that_are_none(desk: Desk, key: str, why: str) -> None:
    desk.recipients = ((JANE.name, JANE.public), ("x", key))
    (finding,) = desk.sync().findings
    assert finding.rule == "VALT004"
    assert why in finding.remedy


def test_what_was_given_and_cannot_be_shared_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path, new_place("folder", tmp_path), JANE)
    made(desk.place, desk.cache, JANE, put=waiting())
    desk.give("lone.cer", pair(2, "Apple Distribution: Two (ABCDE12345)").cer)
    desk.give("old.p12", old().p12())
    run = desk.sync()
    keyless, ended = summaries(run)
    assert keyless.startswith(
        "VALT010 WARNING: the certificate “Apple Distribution: Two (ABCDE12345)” was given without"
    )
    assert ended == "VALT010 NOTE: the certificate “Apple Distribution: Old (ABCDE12345)” has expired and is not shared"
    assert done(run) == []
    desk.give("shut.p12", one().p12(password="another"))
    assert desk.sync().exit_code == 1


def waiting() -> dict[str, VaultFile]:
    """Something that lies in a vault, and of which there is nothing to say."""
    return {f"pending/{public_key_sha256(one().key)}.p8": sealed(one().key)}


# Rehearsals ----------------------------------------------------------------------------------------------------------------


def test_a_rehearsal_changes_a_copy(desk: Desk) -> None:
    desk.give("dist.p12", one().p12())
    made(desk.place, desk.cache, JANE, BOB)
    head = desk.vault().look().head
    run = desk.sync(copied(desk.place, lambda: JANE.secret, desk.folder / "scratch"))
    assert len([each for each in done_or_blocked(run) if "put the identity" in each]) == 1
    assert desk.vault().look().head == head


def test_a_vault_that_goes_with_the_run_takes_no_real_key(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "", JANE)
    scratch = tmp_path / "scratch"
    desk.give("dist.p12", one().p12())
    run = desk.sync(copied("", lambda: None, scratch))
    assert run.exit_code == 1
    assert "no vault is configured, so nothing is shared" in summaries(run)[0]
    assert done_or_blocked(run) == [], "nor is it planned: the rule may be waived"
    secret = (scratch / "vault.key").read_text()
    for path, data in files_below(scratch).items():
        if path.suffix == ".age":
            assert one().key not in decrypted(data, secret)


def test_a_vault_that_goes_with_the_run_takes_what_is_simulated(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "", JANE)
    own = {
        "SIGNING_CERTIFICATES": base64.b64encode(one().p12()).decode(),
        "SIGNING_CERTIFICATES_PASSWORD": PASSWORD,
    }
    desk.secrets = RehearsedSecrets({}, lambda: own)
    run = desk.sync(copied("", lambda: None, tmp_path / "scratch"))
    assert [each.split(" ")[0] for each in done(run)] == ["DONE:"], "it is not encrypted for those who are named"
    assert summaries(run) == ["VALT001 WARNING: no vault is configured; what is put into one here goes with this run"]
    assert run.steps[0].exhibits[0].exhibit.note == "Of this run alone, encrypted for this run"


def test_a_vault_on_another_machine_is_unknown_in_a_rehearsal(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "https://example.com/certs.git", JANE)
    run = desk.sync(copied(desk.place, lambda: JANE.secret, tmp_path / "scratch"))
    assert run.exit_code == 1
    assert {str(each.severity) for each in run.findings} == {"UNKNOWN"}


# What is in a vault --------------------------------------------------------------------------------------------------------


def contents(tmp_path: Path, put: dict[str, VaultFile]) -> list[str]:
    desk = Desk(tmp_path, new_place("folder", tmp_path), JANE)
    made(desk.place, desk.cache, JANE, put=put)
    run = desk.sync()
    return [f"{each.rule} {each.summary}" for each in run.findings]


def test_things_that_are_not_what_their_name_says(tmp_path: Path) -> None:
    sha1 = read_certificate(one().cer).sha1
    told = contents(
        tmp_path,
        {
            f"identities/{sha1}.cer": clear(one().cer),
            f"identities/{sha1}.p8": sealed(pair(2, "Apple Distribution: Two (ABCDE12345)").key),
            f"identities/{'0' * 40}.cer": clear(one().cer),
            f"identities/{'1' * 40}.p8": sealed(one().key),
            f"pending/{'2' * 64}.p8": sealed(b"no key"),
            f"profiles/{UUID.replace('1', '2')}.mobileprovision": sealed(PROFILE),
        },
    )
    assert [each.split(" ")[0] for each in told] == ["VALT008"] * 5
    for part in (
        "belongs to another",
        "it is " + sha1,
        "without the certificate",
        f"pending/{'2' * 64}.p8",
        f"it is {UUID}",
    ):
        assert any(part in each for each in told), part


def test_an_expired_certificate_worries_nobody_who_left_behind(tmp_path: Path) -> None:
    sha1 = read_certificate(old().cer).sha1
    desk = Desk(tmp_path, new_place("folder", tmp_path), JANE)
    put = {f"identities/{sha1}.cer": clear(old().cer), f"identities/{sha1}.p8": sealed(old().key)}
    vault = made(desk.place, desk.cache, JANE, BOB, put=put)
    publish(vault, recipients=(JANE.recipient,))
    assert desk.sync().findings == ()


def test_times_are_told_in_days(tmp_path: Path) -> None:
    desk = Desk(tmp_path, new_place("folder", tmp_path), JANE)
    desk.give("dist.p12", one().p12())
    row = desk.sync().steps[0].exhibits[0].exhibit.rows[0]
    assert (row[3].text, row[4].text) == ("2027-12-31", "406")
