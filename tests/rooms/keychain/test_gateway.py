"""Whose a keychain is: what is removed, what is left alone, and from where the material comes."""

from __future__ import annotations

import base64
import hashlib
import os
import plistlib
import socket
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from pipeline.apple.keychain.actions import InstallProfile
from pipeline.apple.keychain.facts import BuildJob, Installation
from pipeline.apple.keychain.gateway import install_profile
from pipeline.apple.keychain.records import KEYCHAINS, keychain_name, read_record, record_path, written
from pipeline.apple.signing import material
from pipeline.model import Source, UsageFault
from pipeline.ports.clock import BriskClock
from pipeline.ports.given import GivenFiles
from pipeline.ports.secrets import EnvironmentSecrets, RehearsedSecrets, without_credentials
from pipeline.ports.tools import PlayedTools
from pipeline.ports.vault import NoVault, VaultChange, VaultEntry, VaultState
from pipeline.simulator.machine.keychains import File
from tests.rooms.keychain.runner import INSTALL, REGISTRY, UNINSTALL, Runner, states, summaries
from tests.rooms.signing.forge import PROFILE_SIGNER, STRANGER, forge, profile_content, sign


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(material, "ROUNDS", 1)


def left(runner: Runner, identifier: str = "00000001", *, minutes: int = 1, **change: object) -> str:
    """A keychain of another install, listed and on record; its path."""
    path = f"{runner.machine.home}/{KEYCHAINS}/{keychain_name(identifier)}"
    runner.keychains.write(Path(path), File())
    runner.keychains.search([*runner.keychains.searched(), Path(path)])
    record = Installation(
        id=identifier,
        keychain=path,
        begun=datetime.now(UTC) - timedelta(minutes=minutes),
        host=socket.gethostname(),
        pid=os.getppid(),
        job="another job",
        complete=True,
    )
    runner.home.write(record_path(identifier), written(replace(record, **change)))  # type: ignore[arg-type]
    return path


def dead() -> int:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return child


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        ({}, True),
        ({"complete": False}, True),
        ({"complete": False, "host": "another"}, True),
        ({"complete": False, "pid": "dead"}, False),
        ({"complete": False, "minutes": 120}, False),
        ({"complete": False, "minutes": -120}, False),
        ({"pid": "dead"}, True),
        ({"minutes": 6 * 1440}, True),
    ],
    ids=str,
)
def test_an_install_removes_only_what_nobody_is_at(tmp_path: Path, change: dict[str, object], stays: bool) -> None:
    runner = Runner(tmp_path)
    path = left(runner, **({**change, "pid": dead()} if change.get("pid") == "dead" else change))  # type: ignore[arg-type]
    run = runner.install()
    assert run.exit_code == 0, summaries(run)
    assert (path in runner.searched(), Path(path).exists()) == (stays, stays)
    assert len(runner.searched()) == (3 if stays else 2)


def test_a_removal_takes_what_its_job_or_nobody_has(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    others = left(runner, "00000001")
    desk = left(runner, "00000002", job="", minutes=30 * 1440)
    runner.variables = {"GITHUB_RUN_ID": "7"}
    own = left(runner, "00000003", job="7///")
    over = left(runner, "00000004", minutes=6 * 1440)
    run = runner.uninstall()
    assert run.exit_code == 0, summaries(run)
    assert [path in runner.searched() for path in (others, desk, own, over)] == [True, True, False, False]
    assert [finding.rule for finding in run.findings] == ["KEYC006", "KEYC006"]


def test_a_keychain_without_a_record_and_a_record_without_a_keychain(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    nameless, gone, damaged = (left(runner, f"0000000{number}") for number in (1, 2, 3))
    runner.home.remove(record_path("00000001"))
    Path(gone).unlink()
    runner.home.write(record_path("00000003"), b"{")
    run = runner.uninstall()
    assert run.exit_code == 0, summaries(run)
    assert [finding.rule for finding in run.findings] == ["KEYC007"]
    assert len(runner.searched()) == 1
    assert not runner.files()
    assert not any(Path(path).exists() for path in (nameless, gone, damaged))


def test_a_write_that_was_cut_off_is_swept(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    folder = runner.machine.home / "Library/Application Support/pipeline/signing"
    folder.mkdir(parents=True)
    (folder / f".0a1b2c3d.json.{dead()}.0badcafe").touch()
    busy = folder / f".0a1b2c3e.json.{os.getppid()}.0badcafe"
    busy.touch()
    assert runner.uninstall().exit_code == 0
    assert list(folder.iterdir()) == [busy]


def test_a_profile_that_somebody_changed_stays(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    assert runner.install().exit_code == 0
    path = next(path for path in runner.files() if path.endswith(".mobileprovision"))
    runner.home.write(path, b"changed since")
    assert runner.uninstall().exit_code == 0
    assert list(runner.files()) == [path]


def test_profiles_alone(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    del runner.secrets["SIGNING_CERTIFICATES"]
    run = runner.install()
    assert (run.exit_code, len(runner.searched())) == (0, 1), summaries(run)
    assert sum("rovision" in path for path in runner.files()) == 4
    (record,) = [read_record(data, Path(path).stem) for path, data in runner.files().items() if path.endswith(".json")]
    assert (record.keychain, record.complete, len(record.profiles)) == ("", True, 4)
    assert runner.uninstall().exit_code == 0
    assert not runner.files()


def test_material_that_was_exchanged_after_the_plan_is_not_installed(tmp_path: Path) -> None:
    runner, other = Runner(tmp_path / "one"), Runner(tmp_path / "two")
    whole = runner.tools

    def exchange(argv: object, cwd: object, env: Mapping[str, str], stdin: str) -> tuple[int, str, str]:
        runner.secrets.update(other.secrets)
        return runner.machine.run(argv, cwd, env, stdin)  # type: ignore[arg-type]

    runner.tools = PlayedTools(exchange, whole.find)
    run = runner.install()
    assert run.exit_code != 0
    assert not runner.files()


class Held:
    """A vault that was opened: entries by path."""

    source = Source.SIMULATED

    def __init__(self, entries: Mapping[str, bytes], *, openable: bool = True) -> None:
        self.entries = entries
        self.openable = openable

    def look(self) -> VaultState:
        told = tuple(VaultEntry(path, sealed=not path.endswith(".cer")) for path in self.entries)
        return VaultState("/vault", "head", entries=told, openable=self.openable, why="" if self.openable else "no key")

    def read(self, path: str) -> bytes:
        if not self.openable:
            raise UsageFault("no key")
        return self.entries[path]

    def publish(self, change: VaultChange) -> str:
        raise AssertionError(change)


def vault_of(runner: Runner) -> dict[str, bytes]:
    team = runner.machine.provisioned
    entries: dict[str, bytes] = {}
    for each in team.identities:
        place = f"identities/{each.sha1.lower()}"
        entries[f"{place}.cer"] = each.certificate
        entries[f"{place}.p8"] = each.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    for profile in team.store_profiles:
        entries[f"profiles/{profile.uuid}.mobileprovision"] = profile.data
    return entries


def test_from_the_vault_where_nothing_else_is_given(tmp_path: Path) -> None:
    runner = Runner(tmp_path, environment={})
    entries = vault_of(runner)
    runner.vault = Held(entries)
    # The vault holds no intermediates; Apple's own are at hand, those of a test authority are not.
    intermediate = runner.machine.provisioned.identities[0].chain[0]
    runner.vault.entries = {**entries}
    runner.machine.run(
        ["security", "-i"],
        stdin=f"create-keychain -p x {runner.machine.home}/{KEYCHAINS}/wwdr.keychain-db\n",
    )
    (tmp_path / "wwdr.cer").write_bytes(intermediate)
    wwdr = f"{runner.machine.home}/{KEYCHAINS}/wwdr.keychain-db"
    runner.machine.run(["security", "import", str(tmp_path / "wwdr.cer"), "-k", wwdr])
    runner.keychains.search([*runner.keychains.searched(), Path(wwdr)])
    run = runner.install()
    assert (run.exit_code, states(run)["profiles"]) == (0, "PASSED"), summaries(run)
    assert "3 valid identities" in runner.identities()


def test_a_vault_that_stays_shut_and_one_with_another_key(tmp_path: Path) -> None:
    runner = Runner(tmp_path, environment={})
    runner.vault = Held(vault_of(runner), openable=False)
    run = runner.install()
    assert {finding.rule for finding in run.findings} == {"KEYC002"}
    entries = vault_of(runner)
    one, two = [path for path in entries if path.endswith(".p8")][:2]
    runner.vault = Held({**entries, one: entries[two]})
    run = runner.install()
    assert [finding.rule for finding in run.findings] == ["KEYC002"]
    assert "does not fit" in run.findings[0].summary
    assert not runner.files()


def test_untrusted_identities_are_told_after_the_install(tmp_path: Path) -> None:
    """Without the intermediate, macOS lists the identity with a code behind it."""
    runner = Runner(tmp_path, environment={})
    runner.vault = Held(vault_of(runner))
    run = runner.install()
    assert run.exit_code == 1
    assert {(finding.rule, finding.apple) for finding in run.findings} == {("KEYC010", "CSSMERR_TP_NOT_TRUSTED")}


def test_without_a_keychain_nothing_is_known(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    runner.tools = PlayedTools(lambda argv, cwd, env, stdin: (127, "", ""), lambda name: None)
    for table in (INSTALL, UNINSTALL):
        run = runner.play(table)
        assert run.exit_code == 1
        assert any(finding.rule == "OBS001" and "only on macOS" in finding.summary for finding in run.findings)
    assert not runner.files()


def test_a_search_list_that_cannot_be_read_stops_everything(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    whole = runner.machine

    def odd(argv: list[str], cwd: object, env: object, stdin: str) -> tuple[int, str, str]:
        if "list-keychains" in argv:
            return 0, '    "/a path\n over two lines"\n', ""
        return whole.run(argv, None, None, stdin)

    runner.tools = PlayedTools(odd, whole.find)  # type: ignore[arg-type]
    run = runner.install()
    assert run.exit_code != 0
    assert not runner.files()


# What a stranger has made ------------------------------------------------------------------------------------------

CLIMBING = ("../../../../../Documents/Client", "/Documents/Client", "..", "a/b", "x" * 36, "0" * 32, "*")


def told_in(runner: Runner, profile: bytes) -> Runner:
    runner.secrets["SIGNING_PROFILES"] = base64.b64encode(profile).decode()
    return runner


def sealed(runner: Runner, uuid: str) -> bytes:
    """A profile of that UUID whose seal is right."""
    values = {**runner.machine.provisioned.store_profiles[0].values, "UUID": uuid}
    return runner.machine.authority.sealed(values, datetime.now(UTC))


@pytest.mark.parametrize("uuid", CLIMBING)
def test_a_uuid_that_is_none_becomes_no_file(tmp_path: Path, uuid: str) -> None:
    runner = Runner(tmp_path)
    documents = runner.machine.home / "Documents"
    documents.mkdir(parents=True)
    (documents / "Client.mobileprovision").write_text("somebody's")
    before = set(tmp_path.rglob("*mobileprovision"))
    run = told_in(runner, sealed(runner, uuid)).install()
    assert (run.exit_code, {finding.rule for finding in run.findings}) == (1, {"KEYC005"}), summaries(run)
    assert (documents / "Client.mobileprovision").read_text() == "somebody's"
    assert set(tmp_path.rglob("*mobileprovision")) == before
    assert len(runner.searched()) == 1, "nothing is done before everything was judged"


@pytest.mark.parametrize("uuid", CLIMBING)
def test_a_plan_that_names_another_file_is_not_carried_out(tmp_path: Path, uuid: str) -> None:
    """Whatever judged it: the performer looks again at what it was told."""
    runner = Runner(tmp_path)
    profile = sealed(runner, uuid)
    path = tmp_path / "given.mobileprovision"
    path.write_bytes(profile)
    action = InstallProfile(
        uuid, "X", f"{uuid}.mobileprovision", str(path), 0, hashlib.sha256(profile).hexdigest(), installation=""
    )
    with pytest.raises(UsageFault, match="UUID"):
        install_profile(
            action,
            GivenFiles([str(path)]),
            EnvironmentSecrets({}),
            NoVault(),
            runner.home,
            BriskClock(),
            BuildJob(),
        )
    assert not runner.files()


def doctored(profile: bytes) -> bytes:
    assert profile.count(b"Example App Store") == 1
    return profile.replace(b"Example App Store", b"Example App Stars")


@pytest.mark.parametrize("place", ["environment", "files", "vault"])
@pytest.mark.parametrize(
    ("profile", "severity", "summary"),
    [
        (sign(profile_content(), STRANGER, ()), "ERROR", "is not signed by Apple"),
        (doctored(sign(profile_content())), "ERROR", "was changed after Apple signed it"),
        (sign(profile_content(), PROFILE_SIGNER, ()), "UNKNOWN", "could not be checked"),
    ],
    ids=["foreign", "doctored", "unknown"],
)
def test_only_apples_profiles_are_installed(
    tmp_path: Path, place: str, profile: bytes, severity: str, summary: str
) -> None:
    runner = Runner(tmp_path)
    if place == "environment":
        told_in(runner, profile)
    elif place == "files":
        (tmp_path / "given.mobileprovision").write_bytes(profile)
        runner.named = (str(tmp_path / "given.mobileprovision"),)
    else:
        runner.secrets.clear()
        uuid = plistlib.loads(profile_content())["UUID"]
        runner.vault = Held({**vault_of(runner), f"profiles/{uuid}.mobileprovision": profile})
    run = runner.install()
    (finding,) = [each for each in run.findings if each.rule == "KEYC009"]
    assert (run.exit_code, str(finding.severity)) == (1, severity), summaries(run)
    assert summary in finding.summary
    assert (runner.files(), len(runner.searched())) == ({}, 1), "nothing is done before everything was judged"


@pytest.mark.parametrize("dressed", [False, True], ids=["self-signed", "without its issuer"])
def test_only_apples_identities_are_installed(tmp_path: Path, dressed: bool) -> None:
    runner = Runner(tmp_path)
    issuer = forge("Somebody's", key=9) if dressed else None
    forged = forge("Apple Distribution: X", issuer, markers=("6.1.7", "6.1.4"), key=8)
    pem, pkcs8, bare = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    given = forged.certificate.public_bytes(pem) + forged.key.private_bytes(pem, pkcs8, bare)
    (tmp_path / "dist.pem").write_bytes(given)
    runner.named = (str(tmp_path / "dist.pem"),)
    run = runner.install()
    told = [(each.rule, str(each.severity)) for each in run.findings]
    assert (run.exit_code, told) == (1, [("KEYC009", "UNKNOWN" if dressed else "ERROR")]), summaries(run)
    assert (runner.files(), len(runner.searched())) == ({}, 1), "nothing is done before everything was judged"


def test_a_forged_identity_in_the_vault_is_not_installed(tmp_path: Path) -> None:
    runner = Runner(tmp_path, environment={})
    forged = forge("Apple Distribution: X", markers=("6.1.7", "6.1.4"), key=8)
    place = f"identities/{hashlib.sha1(forged.der).hexdigest()}"
    key = forged.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    runner.vault = Held({f"{place}.cer": forged.der, f"{place}.p8": key})
    assert [each.rule for each in runner.install().findings] == ["KEYC009"]
    assert runner.files() == {}


# Secrets in files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SIGNING_CERTIFICATES", "SIGNING_CERTIFICATES_PASSWORD", "SIGNING_PROFILES"])
@pytest.mark.parametrize("content", [None, b"\xff\xfe canary-canary"], ids=["missing", "no text"])
def test_a_secret_in_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str, content: bytes | None) -> None:
    runner = Runner(tmp_path)
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    del runner.secrets[name]
    runner.secrets[f"{name}_FILE"] = str(path)
    run = runner.install()
    assert run.exit_code == 1, summaries(run)
    assert any(f"{name}_FILE" in each for each in summaries(run)), summaries(run)
    assert not any("canary" in str(finding) for finding in run.findings)
    assert not runner.files()


def test_a_rehearsal_tells_of_a_secret_in_a_file_too(tmp_path: Path) -> None:
    secrets = RehearsedSecrets({"SIGNING_PROFILES_FILE": str(tmp_path / "gone")}, dict)
    with pytest.raises(UsageFault, match="SIGNING_PROFILES_FILE") as caught:
        secrets.get("SIGNING_PROFILES")
    assert caught.value.remedy
    assert secrets.get("SIGNING_CERTIFICATES") is None


def test_an_error_message_is_told_whatever_the_secrets_are(tmp_path: Path) -> None:
    environment = {"ASC_KEY_ID_FILE": str(tmp_path / "gone"), "ASC_PRIVATE_KEY": "canary-canary"}
    assert without_credentials("a canary-canary", environment) == "a [secret]"


def test_everything_asked_for_is_answered() -> None:
    from pipeline.engine.wiring import verify_wiring
    from pipeline.world import PORTS, given_facts

    ours = replace(REGISTRY, probes={f: p for f, p in REGISTRY.probes.items() if p.scope == "APP"})
    wrong = verify_wiring((*INSTALL, *UNINSTALL), ours, PORTS, given_facts())
    assert [each for each in wrong if "keychain" in each] == []
