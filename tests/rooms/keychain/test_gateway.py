"""Whose a keychain is: what is removed, what is left alone, and from where the material comes."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from pipeline.apple.keychain.facts import Installation
from pipeline.apple.keychain.records import KEYCHAINS, keychain_name, read_record, record_path, written
from pipeline.apple.signing import material
from pipeline.model import Source, UsageFault
from pipeline.ports.tools import PlayedTools
from pipeline.ports.vault import VaultChange, VaultEntry, VaultState
from pipeline.simulator.machine.keychains import File
from tests.rooms.keychain.runner import INSTALL, REGISTRY, UNINSTALL, Runner, states, summaries


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


def test_everything_asked_for_is_answered() -> None:
    from pipeline.engine.wiring import verify_wiring
    from pipeline.world import PORTS, given_facts

    ours = replace(REGISTRY, probes={f: p for f, p in REGISTRY.probes.items() if p.scope == "APP"})
    wrong = verify_wiring((*INSTALL, *UNINSTALL), ours, PORTS, given_facts())
    assert [each for each in wrong if "keychain" in each] == []
