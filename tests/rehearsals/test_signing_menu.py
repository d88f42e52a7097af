"""Signing as people do it, through the menu: from a file to the vault, to a keychain and back; and with every bad input."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.simulator.machine.keychains import Keychains
from tests.rehearsals.mac import Mac
from tests.rehearsals.material import PASSWORD, Team, the_team
from tests.rehearsals.signer import Signer
from tests.rehearsals.theatre import ROOT, Told
from tests.rooms.vault.vaults import JANE, new_place

SAMPLE = ROOT / "pipeline/simulator/sample"
VERBS = ("check", "table", "install", "uninstall", "create", "renew", "sync")


@pytest.fixture(scope="module")
def team() -> Team:
    return the_team()


@pytest.fixture
def mac(team: Team) -> Iterator[Mac]:
    with Mac(team.root) as made:
        yield made


@pytest.fixture
def signer(tmp_path: Path, team: Team) -> Signer:
    """Somebody with a key to the vault, on a machine that is no Mac."""
    return opening(Signer(tmp_path / "signer", team=team))


@pytest.fixture
def at_a_mac(tmp_path: Path, team: Team, mac: Mac) -> Signer:
    return opening(Signer(tmp_path / "at-a-mac", team=team, mac=mac))


def opening(signer: Signer) -> Signer:
    signer.env = {"SIGNING_VAULT_KEY": JANE.secret, "SIGNING_CERTIFICATES_PASSWORD": PASSWORD}
    signer.configure("", JANE)
    return signer


def given(team: Team, folder: Path) -> str:
    """One .p12 and the profiles."""
    folder.mkdir(parents=True)
    for name, data in {"dist.p12": team.p12(), **team.profiles}.items():
        (folder / name).write_bytes(data)
    return str(folder)


def rules(told: Told) -> set[str]:
    return {each["rule"] for each in told.json()["findings"]}


def rows(told: Told, exhibit: str) -> list[dict[str, Any]]:
    return next(list(each["rows"]) for each in told.json()["exhibits"] if each["name"] == exhibit)


# From a file to the keychain and back -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["folder", "bare"])
def test_from_a_file_to_the_keychain_and_back(kind: str, tmp_path: Path, team: Team, at_a_mac: Signer) -> None:
    signer, mac = at_a_mac, at_a_mac.mac
    assert mac
    place = new_place(kind, tmp_path)
    signer.configure(place, JANE)
    app = tmp_path / "app"
    shutil.copytree(SAMPLE, app)
    before, listed = signer.files(signer.home), Keychains(signer.home).searched()

    refused = signer("certs.check", "--app", str(app), "--json", code=1)
    assert {"SIGN001"} <= rules(refused), "nothing to sign with yet"

    signer("certs.sync", "--file", given(team, tmp_path / "given"))
    shutil.rmtree(tmp_path / "given")
    table = signer("certs.table", "--vault", place, "--json")
    certificates, profiles = rows(table, "certificates"), rows(table, "profiles")
    assert {row["sha_1"].lower() for row in certificates if row["key"]} == {each.sha1 for each in team.signing}
    assert {row["days"] for row in certificates} == {299}
    assert {row["uuid"] for row in profiles} == {name.partition(".")[0] for name in team.profiles}

    installed = signer("certs.install", "--json")
    assert installed.json()["verdict"] == "Done"
    (added,) = set(Keychains(signer.home).searched()) - set(listed)
    assert Keychains(signer.home).searched() == [*listed, added], "the search list begins as it did"
    assert signer("certs.install", "--json").json()["actions"] == []

    judged = signer("certs.check", "--app", str(app), "--json")
    assert judged.json()["findings"] == []
    assert judged.json()["basis"]["live"] > 40
    assert any(call.words[0] == "find-certificate" for call in mac.calls)
    again = rows(signer("certs.table", "--json"), "certificates")
    assert [row["where"] for row in again] == [["keychain", "vault"]] * len(again)

    signer("certs.uninstall")
    assert Keychains(signer.home).searched() == listed
    assert signer.files(signer.home) == before
    assert signer("certs.uninstall", "--json").json()["actions"] == []
    assert all(call.words[0] != "-i" or call.stdin.count("\n") == 1 for call in mac.calls)


def test_a_runner_without_anything_of_its_own(tmp_path: Path, team: Team, at_a_mac: Signer) -> None:
    """A job: secrets in the environment, HOME of the machine, and two jobs one after the other."""
    signer = at_a_mac
    signer.env = {**team.secrets(), "GITHUB_RUN_ID": "1", "GITHUB_JOB": "release"}
    before = signer.files(signer.home)
    signer("certs.install")
    signer.env["GITHUB_RUN_ID"] = "2"
    told = signer("certs.uninstall", "--json")
    assert "KEYC006" in rules(told), "what another job installed is told, and left alone"
    signer("certs.install")
    assert len(Keychains(signer.home).searched()) == 3
    signer("certs.uninstall")
    signer.env["GITHUB_RUN_ID"] = "1"
    signer("certs.uninstall")
    assert signer.files(signer.home) == before


def test_a_rehearsal_asks_the_vault_that_the_live_run_will_ask(tmp_path: Path, team: Team, signer: Signer) -> None:
    """Also where config/ decides nothing but signing, and the sample stands in for the app."""
    place = new_place("folder", tmp_path)
    signer.configure(place, JANE)
    signer("certs.sync", "--file", given(team, tmp_path / "given"))
    head = signer.files(tmp_path / "team-vault")
    told = signer("certs.sync", "--dry-run", "--json")
    assert rules(told) == set()
    assert str(place) in str(told.json()["exhibits"])
    signer.configure(place, JANE, more="policy: {}\n")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "spare.p12").write_bytes(team.owned["pem"].p12(PASSWORD))
    told = signer("certs.sync", "--dry-run", "--json", "--file", str(tmp_path / "new"))
    assert len(told.json()["actions"]) == 1
    assert signer.files(tmp_path / "team-vault") == head


# Bad input ----------------------------------------------------------------------------------------------------------


def loop(folder: Path) -> Path:
    (folder / "inner").mkdir()
    (folder / "inner" / "again").symlink_to(folder)
    (folder / "inner" / "itself").symlink_to(folder / "inner" / "itself")
    return folder


def itself(folder: Path) -> Path:
    (folder / "itself").symlink_to(folder / "itself")
    return folder / "itself"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "a.p12")
    return folder / "a.p12"


def huge(folder: Path) -> Path:
    with (folder / "a.p12").open("wb") as file:
        file.truncate(1 << 30)
    return folder / "a.p12"


def unreadable(folder: Path) -> Path:
    path = folder / "a.p12"
    path.write_bytes(b"0")
    path.chmod(0)
    try:
        path.read_bytes()
    except PermissionError:
        return path
    return Path("/proc/self/mem")  # nobody is kept from a file here, but this one gives nothing at its beginning


def lines(folder: Path) -> Path:
    path = folder / "a\n\x1b[31m.p12"
    path.write_bytes(b"0\x82")
    return path


def undecodable(folder: Path) -> Path:
    path = folder / os.fsdecode(b"\xff\xfe.p12")
    path.write_bytes(the_team().p12())
    return path


BAD: dict[str, tuple[Callable[[Path], Path], int, str]] = {
    "missing": (lambda folder: folder / "none.p12", 2, "there is no such file"),
    "a loop of folders": (loop, 0, ""),
    "a loop of links": (itself, 1, "Too many levels of symbolic links"),
    "a pipe": (pipe, 1, "a pipe"),
    "1 GB of nothing": (huge, 1, "larger than"),
    "unreadable": (unreadable, 1, ""),
    "a name that acts on terminals": (lines, 1, ""),
    "a name that is no UTF-8": (undecodable, 0, ""),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("verb", ["table", "sync"])
def test_files_that_are_none(what: str, verb: str, tmp_path: Path, signer: Signer) -> None:
    make, code, said = BAD[what]
    if verb == "table" and not code:
        code = 1  # the vault that is named is not there, so it was not looked into
    (tmp_path / "bad").mkdir()
    path = make(tmp_path / "bad")
    told = signer(f"certs.{verb}", "--file", str(path), "--vault", str(tmp_path / "vault"), "--quiet", code=code)
    assert said in (told.out + told.err).replace("\n", " ")
    assert "\x1b" not in told.out + told.err
    assert not list(signer.temporary.iterdir())


def test_a_vault_that_is_none(tmp_path: Path, signer: Signer) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "photo.jpg").write_bytes(b"x")
    for place, said in ((file, "Not a directory"), (foreign, "is no vault"), (pipe(tmp_path), "Not a directory")):
        verbs = (["sync"], ["table"], ["sync", "--dry-run"], ["create", "--dry-run"])
        for verb in verbs if place is foreign else verbs[::3]:
            told = signer(f"certs.{verb[0]}", *verb[1:], "--vault", str(place), "--quiet", code=None)
            assert told.code in (1, 2), (place, verb, told.out + told.err)
            assert said in (told.out + told.err).replace("\n", " "), (place, verb, told.out + told.err)
    assert file.read_text() == "x"
    assert [each.name for each in foreign.iterdir()] == ["photo.jpg"]


def test_an_address_with_a_password_is_refused_and_not_told(signer: Signer) -> None:
    place = "https://jane:canary-of-a-token@localhost:9/vault.git"
    for verb in (["sync"], ["table"], ["sync", "--dry-run"]):
        told = signer(f"certs.{verb[0]}", *verb[1:], "--vault", place, code=None)
        assert told.code in (1, 2)
        assert "canary-of-a-token" not in told.out + told.err
    kept = [path for path in signer.runs.rglob("*") if path.is_file() and b"canary-of-a-token" in path.read_bytes()]
    assert kept == []


@pytest.mark.parametrize("days", ["0", "-1", "abc", "1.5", "３０", "9" * 5000, "99999"])
def test_days_that_are_none(days: str, signer: Signer) -> None:
    told = signer("certs.table", "--within", days, code=2)
    assert "is no number of days" in told.err
    assert not list(signer.runs.glob("*-signing-*")), "a run that cannot begin leaves no folder"


def test_kinds_that_are_none(signer: Signer) -> None:
    told = signer("certs.create", "--dry-run", "--kind", "NONSENSE", "--quiet", code=1).out
    assert "error[PORT005]" in told
    assert "name one of APPLE_DEVELOPMENT" in told
    told = signer("certs.create", "--dry-run", "--kind", "distributon", "--quiet", code=1).out
    assert "did you mean DISTRIBUTION?" in told


def test_what_is_said_cannot_be_heard(tmp_path: Path, team: Team, signer: Signer) -> None:
    """A closed output, one that somebody stops reading, one that is full: the run itself goes through."""
    command = signer.argv("certs.table", "--file", given(team, tmp_path / "given"))
    ends = {
        '"$@" >&-': 0,
        '"$@" 2>&-': 0,
        '"$@" >&- 2>&- <&-': 0,
        '"$@" | head -1; exit ${PIPESTATUS[0]}': 0,
        '"$@" | true; exit ${PIPESTATUS[0]}': 0,
        '"$@" 2>&1 | true; exit ${PIPESTATUS[0]}': 0,
        '"$@" --within none 2>&1 | true; exit ${PIPESTATUS[0]}': 2,
    }
    if Path("/dev/full").exists():
        ends |= {'"$@" > /dev/full': 2, '"$@" 2> /dev/full': 0}
    for script, code in ends.items():
        argv = ["bash", "-c", script, "bash", *command]
        done = subprocess.run(
            argv, cwd=signer.desk, env=signer.environment, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == code, (script, done.stderr.decode())
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert b"Exception ignored" not in done.stderr, done.stderr.decode()


def test_nobody_listens_to_an_install(tmp_path: Path, team: Team, at_a_mac: Signer) -> None:
    """Its progress goes into a pipe that is shut: that must not stop it between two steps."""
    where = ("--file", given(team, tmp_path / "given"))
    for number, script in enumerate(('"$@" 2>&1 | true; exit ${PIPESTATUS[0]}', '"$@" >&- 2>&- <&-')):
        argv = ["bash", "-c", script, "bash", *at_a_mac.argv("certs.install", *where)]
        env = {**at_a_mac.environment, "GITHUB_RUN_ID": str(number)}
        assert subprocess.run(argv, cwd=at_a_mac.desk, env=env, timeout=60, check=False).returncode == 0
        assert len(Keychains(at_a_mac.home).searched()) == 2 + number


def test_settings_of_invoke_are_about_other_menus(signer: Signer) -> None:
    (signer.home / ".invoke.yaml").write_text("tasks: [")
    signer("certs.table", "--dry-run", code=0)


def test_colours_and_json(tmp_path: Path, team: Team, signer: Signer) -> None:
    where = ("--file", given(team, tmp_path / "given"))
    assert "\x1b[" in signer("certs.table", *where, env={"FORCE_COLOR": "1"}).out
    assert "\x1b" not in signer("certs.table", *where, env={"NO_COLOR": "1"}).out
    for verb in VERBS:
        told = signer(f"certs.{verb}", "--dry-run", "--json", env={"FORCE_COLOR": "1"})
        assert told.json()["exit_code"] == 0
        assert "\x1b" not in told.out


# The machine is in the way ------------------------------------------------------------------------------------------


def limited(size: int) -> Callable[[], None]:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.parametrize("size", [500, 3_000, 9_000, 16_000])
def test_a_disk_that_is_full_in_the_middle(size: int, tmp_path: Path, team: Team, at_a_mac: Signer) -> None:
    """No file may grow beyond some size: an install and a sync stop somewhere, and the next ones go through."""
    signer, place = at_a_mac, str(tmp_path / "vault")
    before = signer.files(signer.home)
    where = ("--file", given(team, tmp_path / "given"))
    for argv in (["certs.install", *where], ["certs.sync", *where, "--vault", place]):
        done = subprocess.run(
            signer.argv(*argv),
            cwd=signer.desk,
            env=signer.environment,
            preexec_fn=limited(size),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in (0, 1, 2, 4), done.stderr.decode()
        assert b"Traceback" not in done.stderr
        assert os.strerror(errno.EFBIG) in (done.stdout + done.stderr).decode() or done.returncode in (0, 1)
    listed = Keychains(signer.home).searched()
    assert all(path.exists() for path in listed), listed
    signer("certs.uninstall")
    assert signer.files(signer.home) == before
    signer("certs.sync", *where, "--vault", place)
    assert len(rows(signer("certs.table", "--vault", place, "--json"), "profiles")) == 2


def test_a_vault_on_a_full_disk_is_not_apples_fault(tmp_path: Path, team: Team, signer: Signer) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(small)]
    if os.geteuid() or subprocess.run(mounted, capture_output=True, check=False).returncode:
        pytest.skip("only root can make a small disk")
    try:
        where = ("--file", given(team, tmp_path / "given"))
        told = signer("certs.sync", *where, "--vault", str(small / "vault"), code=2)
        assert "No space left on device" in told.out + told.err
        assert "Apple's side" not in told.out
        signer("certs.table", *where, env={"TMPDIR": str(small)})
        signer("certs.sync", *where, "--vault", new_place("bare", tmp_path), env={"TMPDIR": str(small)})
        told = signer("certs.table", *where, "--runs", str(small / "runs" / "deep"), code=2)
        assert "No space left on device" in told.err
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_home_that_is_none(tmp_path: Path, team: Team, signer: Signer, at_a_mac: Signer) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    where = ("--file", given(team, tmp_path / "given"))
    for home, cache in (("", file), ("/nonexistent", signer.cache), (file, file)):
        there = {"HOME": str(home), "XDG_CACHE_HOME": str(cache)}
        signer("certs.sync", *where, "--vault", str(tmp_path / f"vault-{len(str(home))}"), env=there)
        signer("certs.table", *where, env=there)
    # The record of an install has no place to lie: nothing else is begun.
    (at_a_mac.home / "Library" / "Application Support").write_text("x")
    before = at_a_mac.files(at_a_mac.home)
    told = at_a_mac("certs.install", *where, code=2)
    assert "Application Support" in told.out + told.err
    assert at_a_mac.files(at_a_mac.home) == before


def test_a_home_whose_name_is_no_utf8(tmp_path: Path, team: Team, mac: Mac) -> None:
    signer = opening(Signer(tmp_path / os.fsdecode(b"\xe4 \"a' b\\"), team=team, mac=mac))
    before = signer.files(signer.home)
    signer("certs.install", "--file", given(team, signer.folder / "given"))
    assert len(Keychains(signer.home).searched()) == 2
    signer("certs.uninstall")
    assert signer.files(signer.home) == before
