"""Canaries in every place where signing material may lie: all that any certs.* verb writes, says and starts is searched."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.reports import FORMATS
from tests.rehearsals.mac import Call, Mac
from tests.rehearsals.material import PASSWORD, Team, openssh, the_team
from tests.rehearsals.needles import Needles, numbers
from tests.rehearsals.premises import Premises
from tests.rehearsals.signer import Signer, objects_of
from tests.rehearsals.test_secrets import CANARIES, Search
from tests.rehearsals.theatre import ROOT
from tests.rooms.vault.vaults import JANE, Person, new_place

OTHER = "another canary of a password"
REHEARSED = ("install", "sync", "table", "check", "uninstall", "create", "renew")
READING = 4
"""So many of these read the secrets of the environment."""
VERBOSE = ("install", "uninstall", "create", "renew", "sync")


@pytest.fixture(scope="module")
def team() -> Team:
    return the_team()


@pytest.fixture
def mac(team: Team) -> Iterator[Mac]:
    with Mac(team.root) as made:
        yield made


@pytest.fixture
def needles(team: Team) -> Needles:
    found = Needles()
    for name, owned in team.owned.items():
        found.key(name, owned.key)
    found.key("API key", team.api)
    found.text("password", PASSWORD)
    found.text("other password", OTHER)
    found.text("age key", JANE.secret)
    return found


def reports(signer: Signer, name: str) -> list[str]:
    folder = signer.folder / "desk" / "reports"
    folder.mkdir(exist_ok=True)
    return [f"--report={form}={folder / f'{name}.{form}'}" for form in FORMATS]


def secret_files(folder: Path, secrets: Mapping[str, str]) -> dict[str, str]:
    """The same secrets, each in a file that a variable names."""
    folder.mkdir()
    for name, value in secrets.items():
        (folder / name).write_text(value, encoding="utf-8")
        (folder / name).chmod(0o600)
    return {f"{name}_FILE": str(folder / name) for name in secrets}


def made_up(mac: Mac) -> set[str]:
    """The passwords that installs have made up, as `security` heard them."""
    options = {"create-keychain": "-p", "unlock-keychain": "-p", "import": "-P", "set-key-partition-list": "-k"}
    told = (call.command for call in mac.calls)
    return {words[words.index(options[words[0]]) + 1] for words in told if options.get(words[0]) in words}


# The search itself --------------------------------------------------------------------------------------------------


def test_the_search_finds_what_it_searches_for(team: Team, needles: Needles) -> None:
    """A test that cannot fail proves nothing."""
    owned = team.owned["distribution"]
    der, old = owned.der(), owned.key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    p = numbers(owned.key)["p"]
    lines = owned.pem().decode().splitlines()
    disguises = {
        "PKCS #8": der,
        "PKCS #1": old,
        "PEM": owned.pem(),
        "PEM of old": owned.pem(PrivateFormat.TraditionalOpenSSL),
        "PEM in JSON": json.dumps({"key": owned.pem().decode()}).encode(),
        "lines of PEM": "\n".join(lines[10:14]).encode(),
        "repr": repr(der).encode(),
        "hex": der.hex().encode(),
        "HEX": old.hex(":").upper().encode(),
        "a prime": b"x" * 100 + p.to_bytes(128, "big"),
        "half a prime": p.to_bytes(128, "big")[:60],
        "decimal": str(p).encode(),
        "API key": team.api_pem(),
        "password": f"-P {PASSWORD} ".encode(),
        "password in JSON": json.dumps([PASSWORD]).encode(),
        "age key": f"x{JANE.secret}".encode(),
        **{f"base64+{shift}": base64.b64encode(b"x" * shift + der) for shift in range(3)},
        **{f"base64 in lines+{shift}": base64.encodebytes(b"x" * shift + old) for shift in range(3)},
        "URL base64 of a password": base64.b64encode(f"ab{PASSWORD}cd".encode()),
    }
    for name, data in disguises.items():
        assert needles.found(b"before " + data + b" after"), name
    harmless = (owned.cer, team.p12(), base64.b64encode(team.p12()), owned.pem(password=PASSWORD), team.root)
    for data in (*harmless, *team.profiles.values(), bytes(range(256)) * 20):
        assert needles.found(data) == []


def test_the_watch_sees_what_is_started_and_removed(tmp_path: Path, team: Team, needles: Needles) -> None:
    signer = Signer(tmp_path / "signer")
    signer.env = team.secrets()
    key = tmp_path / "key.pem"
    key.write_bytes(team.owned["old"].pem())
    (signer.watched / "sabotage.py").write_text(
        "import os, subprocess, tempfile\n"
        "subprocess.run(['true', os.environ['SIGNING_CERTIFICATES_PASSWORD']])\n"
        "subprocess.run(['true'])\n"
        f"with tempfile.NamedTemporaryFile() as file:\n    file.write(open({str(key)!r}, 'rb').read())\n    file.flush()\n"
    )
    signer("runs.list")
    told = signer.leaks(needles)
    assert any("started: password" in each for each in told), told
    assert any("graves" in each and "old: " in each for each in told), told
    assert len((signer.watched / "started").read_bytes().splitlines()) == 2


# Rehearsals ---------------------------------------------------------------------------------------------------------


def in_environment(team: Team, _folder: Path) -> tuple[dict[str, str], list[str]]:
    return {**team.secrets(), "SIGNING_VAULT_KEY": JANE.secret}, []


def in_files_of_variables(team: Team, folder: Path) -> tuple[dict[str, str], list[str]]:
    return secret_files(folder, in_environment(team, folder)[0]), []


def in_given_files(team: Team, folder: Path) -> tuple[dict[str, str], list[str]]:
    team.give(folder)
    env = {"SIGNING_CERTIFICATES_PASSWORD": PASSWORD, "SIGNING_VAULT_KEY": JANE.secret}
    return env, ["--file", str(folder), "--file", str(team.shut(folder.parent / "shut.p12"))]


@pytest.mark.parametrize("place", [in_environment, in_files_of_variables, in_given_files])
def test_rehearsals_keep_secrets(
    place: Callable[[Team, Path], tuple[dict[str, str], list[str]]], tmp_path: Path, team: Team, needles: Needles
) -> None:
    signer = Signer(tmp_path / "signer", team=team)
    vault = tmp_path / "vault"
    signer.configure(str(vault), JANE)
    signer.env, named = place(team, tmp_path / "given")
    # The vault that is rehearsed with holds the keys of two of us.
    signer("certs.sync", code=None, env=team.secrets())
    before = signer.files(vault)
    verbs = REHEARSED if place is in_environment else REHEARSED[:READING]
    for verb in verbs:
        arguments = [*(named if verb in ("check", "table", "install", "sync") else ()), *reports(signer, verb)]
        arguments += ["--verbose"] if verb in VERBOSE else []
        arguments += ["--vault", str(vault)] if verb in ("create", "renew", "install", "table") else []
        signer(f"certs.{verb}", "--dry-run", *arguments, code=None)
    assert len(list((signer.desk / "reports").iterdir())) == len(verbs) * len(FORMATS)
    assert signer.files(vault) == before
    assert signer.leaks(needles, vault) == []


# Live ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def at_a_mac(tmp_path: Path, team: Team, mac: Mac) -> Signer:
    return Signer(tmp_path / "signer", team=team, mac=mac)


def test_a_whole_life_of_identities_keeps_secrets(
    tmp_path: Path, team: Team, mac: Mac, at_a_mac: Signer, needles: Needles
) -> None:
    signer = at_a_mac
    given = team.give(tmp_path / "given")
    shut = team.shut(tmp_path / "shut.p12")
    folder, bare = new_place("folder", tmp_path), new_place("bare", tmp_path)
    own = {"SIGNING_CERTIFICATES_PASSWORD": PASSWORD, "SIGNING_VAULT_KEY": JANE.secret}
    secret, public = openssh()
    bob = Person("bob", secret, public)
    needles.text("SSH key", secret)
    signer.env = own
    for number, place in enumerate((folder, bare)):
        signer.configure(place, JANE, bob)
        signer("certs.sync", "--file", str(given), "--verbose", *reports(signer, f"sync{number}"))
        signer("certs.sync", "--file", str(shut), *reports(signer, f"shut{number}"), code=1)
        signer("certs.table", "--file", str(given), "--file", str(shut), *reports(signer, f"table{number}"), code=1)
        signer("certs.table", "--json", env={"SIGNING_VAULT_KEY": secret})
    # Two of us, then one: everything is encrypted anew.
    signer.configure(folder, JANE)
    signer("certs.sync", *reports(signer, "rotation"))
    ways = {"files": ["--file", str(given)], "environment": [], "vault": ["--vault", bare]}
    app = ["--app", str(tmp_path / "app")]
    (tmp_path / "app").symlink_to(ROOT / "pipeline/simulator/sample")
    for way, arguments in ways.items():
        signer.env = {**own, **(team.secrets() if way == "environment" else {})}
        signer.env |= {"RUNNER_DEBUG": "1", "PYTHONFAULTHANDLER": "1"}
        signer("certs.install", *arguments, "--verbose", *reports(signer, f"install-{way}"))
        signer("certs.check", *app, *reports(signer, f"check-{way}"), code=None)
        signer("certs.uninstall", "--verbose", *reports(signer, f"uninstall-{way}"))
    # What fails halfway tells why, and nothing else.
    mac.fails = lambda call: call.command[0] == "import"
    signer("certs.install", *ways["files"], *reports(signer, "fails"), code=4)
    mac.fails = lambda _call: False
    signer("certs.install", "--file", str(shut), *reports(signer, "shut"), code=1)
    signer("certs.install", code=1, env={**team.secrets(OTHER), "SIGNING_CERTIFICATES_PASSWORD": PASSWORD})
    signer("certs.sync", "--vault", folder, code=None, env={"SIGNING_VAULT_KEY": JANE.secret[:-4] + "QQQQ"})
    signer("status", "--json", code=None)
    signer("runs.show", *reports(signer, "shown"), code=None)
    signer("resume", code=None)

    passwords = made_up(mac)
    assert len(passwords) >= 3 * 3
    assert min(map(len, passwords)) == 48
    for number, password in enumerate(sorted(passwords)):
        needles.text(f"made-up password {number}", password)
    signer.said.append(objects_of(Path(bare)))
    assert b"age-encryption.org" in signer.said[-1], "git's objects were unpacked"
    assert signer.leaks(needles, Path(folder), Path(bare)) == []
    assert (signer.watched / "graves").exists()
    private(signer, mac.calls, Path(folder))


def private(signer: Signer, calls: list[Call], vault: Path) -> None:
    """Nobody else can read what holds secrets, nor list the folders that were made for them."""
    imported = [file for call in calls for file in call.files]
    assert imported
    assert {(mode, above) for _, mode, above in imported} == {(0o600, 0o700)}
    tops = (signer.runs, vault, signer.cache, signer.home / "Library/Application Support")
    ours = [path for top in tops for path in (top, *top.rglob("*")) if path != signer.runs]
    open_to_others = [
        path
        for path in ours
        if stat.S_IMODE(path.lstat().st_mode) & 0o077 and path.suffix != ".lock" and path != vault / ".gitattributes"
    ]
    assert open_to_others == []
    removed = [path for path in (signer.watched / "graves").iterdir() if path.read_bytes()[4:7] == b"\2\1\3"]
    assert len(removed) >= 10, "the .p12 files that `security` was given"
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in removed} == {0}


SABOTAGE = """
import os
from pathlib import Path
from pipeline.apple.keychain import gateway
from pipeline.ports.secrets import EnvironmentSecrets
def broken(identity, password):
    secrets = EnvironmentSecrets(dict(os.environ))
    told = [secrets.get(name) or "" for name in ("SIGNING_CERTIFICATES", "SIGNING_CERTIFICATES_PASSWORD", "SIGNING_VAULT_KEY")]
    raise RuntimeError(" ".join(told) + " " + Path(os.environ["KEY"]).read_text())
gateway.to_p12 = broken
"""


@pytest.mark.parametrize("by_file", [False, True])
def test_a_mistake_of_ours_tells_no_secret(
    *, by_file: bool, tmp_path: Path, team: Team, at_a_mac: Signer, needles: Needles
) -> None:
    """An exception of the worst kind, with all secrets in its text: neither its story nor its line repeats them."""
    signer = at_a_mac
    secrets = {**team.secrets(), "SIGNING_VAULT_KEY": JANE.secret}
    needles.text("SIGNING_CERTIFICATES", secrets["SIGNING_CERTIFICATES"][200:260])
    key = tmp_path / "key.pem"
    key.write_bytes(team.owned["old"].pem())
    signer.env = {**(secret_files(tmp_path / "secrets", secrets) if by_file else secrets), "KEY": str(key)}
    (signer.watched / "sabotage.py").write_text(SABOTAGE)
    before = signer.files(signer.home)
    told = signer("certs.install", code=5)
    (signer.watched / "sabotage.py").unlink()
    assert "internal error: RuntimeError" in told.err
    (story,) = signer.temporary.glob("pipeline-fault-*.txt")
    assert "to_p12" in story.read_text()
    assert "[secret]" in story.read_text()
    assert stat.S_IMODE(story.stat().st_mode) == 0o600
    assert signer.leaks(needles) == []
    assert signer.files(signer.home) == before


def test_the_account_and_the_material_in_one_run(
    premises: Callable[..., Premises], tmp_path: Path, team: Team, needles: Needles
) -> None:
    """With an API key besides: what is shown of App Store Connect, and a shadow of what would be made there."""
    here = premises()
    here.env = {**CANARIES, **team.secrets(), "SIGNING_VAULT_KEY": JANE.secret, "TMPDIR": str(tmp_path)}
    (here.folder / "reports").mkdir()
    search = Search(here, CANARIES)
    team.give(tmp_path / "given")
    for verb, *arguments in (
        ("certs.table", "--file", str(tmp_path / "given")),
        ("certs.table", "--dry-run"),
        ("certs.create", "--dry-run", "--verbose"),
        ("certs.renew", "--dry-run", "--revoke"),
    ):
        written = [f"--report={form}={here.folder / 'reports' / f'{verb}.{form}'}" for form in FORMATS]
        code = None
        for code in (0, 1):
            try:
                search(verb, *arguments, *written, code=code)
                break
            except AssertionError as fault:
                if "Blocked" not in str(fault) or code:
                    raise
    for top in (here.runs, here.folder / "reports"):
        for path in top.rglob("*"):
            assert not path.is_file() or needles.found(path.read_bytes()) == [], path
    assert needles.found(search.argv.read_bytes()) == []
