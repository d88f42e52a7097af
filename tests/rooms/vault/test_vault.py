"""A vault in a folder and in a repository: what goes in comes out, for those who may, and nothing else is believed."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.model import PipelineError, Source, UsageFault
from pipeline.ports.vault import Moved, NoVault, Recipient, VaultChange, VaultState
from pipeline.vault import ledger
from pipeline.vault.ledger import Stored, line_name, read_line, written
from pipeline.vault.opening import copied, opened
from pipeline.vault.sealing import new_identity, seal
from tests.rooms.vault.vaults import (
    BOB,
    CANARY,
    EVE,
    JANE,
    at,
    clear,
    decrypted,
    files_below,
    git,
    made,
    new_place,
    publish,
    sealed,
    tampering,
)

KINDS = ("folder", "bare", "address")


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_place(request.param, tmp_path)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def paths(state: VaultState) -> list[str]:
    return [each.path for each in state.entries]


def test_what_is_put_is_read_by_all_recipients(place: str, cache: Path, tmp_path: Path) -> None:
    vault = made(place, cache, JANE, BOB)
    for person, own_cache in ((JANE, cache), (BOB, tmp_path / "of-bob")):
        again = at(place, person, own_cache)
        state = again.look()
        assert paths(state) == ["identities/aa.cer", "identities/aa.p8"]
        assert (state.openable, state.why, state.problems) == (True, "", ())
        assert state.own == person.public
        assert again.read("identities/aa.p8") == CANARY
        assert again.read("identities/aa.cer") == b"a certificate"
    assert vault.source is Source.LIVE


def test_the_contents_are_listed_without_a_key_and_not_opened(place: str, cache: Path) -> None:
    made(place, cache, JANE)
    for person, why in ((None, "SIGNING_VAULT_KEY is not set"), (EVE, EVE.public)):
        state = at(place, person, cache).look()
        assert state.entries[0].told == {"kind": "X"}
        assert [each.proved for each in state.deeds] == [None]
        assert not state.openable
        assert why in state.why
        assert at(place, person, cache).read("identities/aa.cer") == b"a certificate"
        with pytest.raises(UsageFault, match="cannot be opened"):
            at(place, person, cache).read("identities/aa.p8")
        with pytest.raises(UsageFault, match="cannot be written"):
            at(place, person, cache).publish(VaultChange(state.head, "x", "y", {"identities/b.p8": sealed()}))


def test_the_ledger_tells_who_did_what(place: str, cache: Path) -> None:
    vault = made(place, cache, JANE)
    publish(vault, "more", put={"pending/bb.p8": sealed(b"b", kind="K")})
    publish(vault, "less", drop=("identities/aa.p8", "identities/never.p8"))
    state = vault.look()
    assert [(d.number, d.by, d.what, d.proved) for d in state.deeds] == [
        (1, "jane", "begin", True),
        (2, "jane", "more", True),
        (3, "jane", "less", True),
    ]
    assert state.deeds[0].recipients == ("jane",)
    assert state.deeds[1].put == ("pending/bb.p8",)
    assert state.deeds[2].dropped == ("identities/aa.p8",)
    assert paths(state) == ["identities/aa.cer", "pending/bb.p8"]
    assert state.entries[1].by == "jane"


def test_a_change_of_nothing_leaves_no_line(place: str, cache: Path) -> None:
    vault = made(place, cache, JANE)
    head = vault.look().head
    assert publish(vault) == head
    assert publish(vault, drop=("identities/none.p8",)) == head
    assert publish(vault, recipients=(JANE.recipient,)) == head
    assert len(vault.look().deeds) == 1


def test_a_change_of_an_older_vault_is_refused(place: str, cache: Path) -> None:
    vault, other = made(place, cache, JANE), at(place, JANE, cache)
    old = other.look().head
    publish(vault, put={"identities/bb.p8": sealed()})
    with pytest.raises(Moved):
        other.publish(VaultChange(old, "late", "jane", {"identities/cc.p8": sealed()}))
    with pytest.raises(Moved):
        other.publish(VaultChange("", "make it", "jane", recipients=(JANE.recipient,)))
    assert paths(other.look()) == ["identities/aa.cer", "identities/aa.p8", "identities/bb.p8"]


def test_whoever_leaves_opens_nothing_new(place: str, cache: Path, tmp_path: Path) -> None:
    vault = made(place, cache, JANE, BOB)
    before = _stored(place, tmp_path / "before")
    assert sum(name.endswith(".age") for name in before) == 2
    publish(vault, "bob leaves", recipients=(JANE.recipient, EVE.recipient))
    publish(vault, "new", put={"identities/bb.p8": sealed(b"new")})
    state = at(place, BOB, tmp_path / "bob").look()
    assert not state.openable
    assert BOB.public in state.why
    after = _stored(place, tmp_path / "after")
    assert not set(before) & {name for name in after if name.endswith(".age")}, "old ciphertext is still there"
    for name, data in after.items():
        if name.endswith(".age"):
            decrypted(data, EVE.secret)
            with pytest.raises(AssertionError, match="not for us"):
                decrypted(data, BOB.secret)
    eve = at(place, EVE, tmp_path / "eve").look()
    assert [each.proved for each in eve.deeds] == [True, True, True], "who comes later can prove what was before"
    assert {each.path: each.leavers for each in eve.entries} == {
        "identities/aa.cer": (),
        "identities/aa.p8": ("bob",),
        "identities/bb.p8": (),
    }
    assert eve.deeds[1].resealed == ("identities/aa.p8",)


def _stored(place: str, scratch: Path) -> dict[str, bytes]:
    if not place.endswith(".git"):
        return {str(path.relative_to(place)): data for path, data in files_below(Path(place)).items()}
    git("clone", "--quiet", place, str(scratch))
    return {str(p.relative_to(scratch)): d for p, d in files_below(scratch).items() if ".git" not in p.parts}


def test_nobody_locks_himself_out(place: str, cache: Path) -> None:
    vault = made(place, cache, JANE, BOB)
    with pytest.raises(UsageFault, match="lock yourself out"):
        publish(vault, recipients=(BOB.recipient,))
    with pytest.raises(UsageFault, match="lock yourself out"):
        at(new_place("folder", cache), JANE, cache).publish(VaultChange("", "x", "y", recipients=(BOB.recipient,)))
    assert vault.look().openable


@pytest.mark.parametrize(
    ("recipients", "why"),
    [
        ((), "no recipients"),
        ((JANE.recipient, Recipient("x", "age1nonsense")), "not an age key"),
        ((JANE.recipient, Recipient("again", JANE.public)), "the same key"),
        ((JANE.recipient, Recipient("a\nb", BOB.public)), "control characters"),
        ((JANE.recipient, Recipient("x", EVE.secret)), "private key"),
    ],
)
def test_recipients_that_are_none(recipients: tuple[Recipient, ...], why: str, tmp_path: Path) -> None:
    vault = made(new_place("folder", tmp_path), tmp_path / "cache", JANE)
    with pytest.raises(UsageFault, match=why) as told:
        publish(vault, recipients=recipients)
    assert EVE.secret not in f"{told.value} {told.value.remedy}"


def test_what_cannot_be_kept_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    place = new_place("folder", tmp_path)
    vault = made(place, tmp_path / "cache", JANE)
    before = files_below(Path(place))
    for put in (
        {"../out.p8": sealed()},
        {"ledger/000002.json": sealed()},
        {"identities/AA.p8": sealed()},
        {"identities/b.p8": sealed(told="x\x1b[2J")},
        {"identities/b.p8": sealed(b"x" * ledger.FILE_LIMIT)},
        {f"identities/{number}.p8": clear() for number in range(ledger.MOST_ENTRIES)},
    ):
        with pytest.raises(UsageFault):
            publish(vault, put=put)
    assert files_below(Path(place)) == before
    assert not (tmp_path / "out.p8").exists()


# Nothing leaks -----------------------------------------------------------------------------------------------------------


def test_no_secret_is_anywhere_in_clear(
    place: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    argv: list[str] = []
    monkeypatch.setattr("subprocess.Popen.__init__", _listening(argv))
    vault = made(place, cache, JANE)
    publish(vault, put={"identities/bb.p8": sealed(CANARY * 3)})
    publish(vault, recipients=(JANE.recipient, BOB.recipient))
    assert vault.read("identities/bb.p8") == CANARY * 3
    keys = _vault_keys(place, tmp_path / "clone")
    assert len(keys) == 2
    secrets = [CANARY, JANE.secret.encode(), *keys, *(bytes.fromhex(key.decode()) for key in keys)]
    found = files_below(tmp_path)
    if place.endswith(".git"):
        found[tmp_path / "objects"] = git(
            "-C", place.removeprefix("file://"), "cat-file", "--batch-all-objects", "--batch", "--buffer"
        ).encode("latin-1")
    for path, data in found.items():
        assert not [secret for secret in secrets if secret in data], path
    assert not [each for each in argv if JANE.secret in each or CANARY.decode() in each]
    assert JANE.secret not in repr(vars(vault))


def _vault_keys(place: str, scratch: Path) -> list[bytes]:
    name, data = next((n, d) for n, d in _stored(place, scratch).items() if n.startswith("keys/"))
    assert name.startswith("keys/000003.")
    return [line.split()[1] for line in decrypted(data, JANE.secret).splitlines()]


def _listening(argv: list[str]) -> Callable[..., None]:
    import subprocess

    real = subprocess.Popen.__init__

    def listen(self: object, args: list[str], **named: object) -> None:
        argv.extend(args)
        argv.extend(f"{name}={value}" for name, value in dict(named.get("env") or {}).items())  # type: ignore[call-overload]
        real(self, args, **named)  # type: ignore[arg-type]

    return listen


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    place = tmp_path / "new" / "vault"
    old = os.umask(0)
    try:
        made(str(place), tmp_path / "cache", JANE)
    finally:
        os.umask(old)
    for path in (place.parent, *place.parent.rglob("*"), tmp_path / "cache", *(tmp_path / "cache").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_folder_shared_by_its_group_stays_shared_by_it(tmp_path: Path) -> None:
    place = tmp_path / "vault"
    place.mkdir()
    place.chmod(0o2777)
    made(str(place), tmp_path / "cache", JANE)
    for path in place.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o2770 if path.is_dir() else 0o660), path


# What is not believed ------------------------------------------------------------------------------------------------------


def _stored_file(folder: Path, pattern: str) -> Path:
    return next(folder.glob(pattern))


def test_a_changed_file_is_told_and_not_read(place: str, cache: Path, tmp_path: Path) -> None:
    made(place, cache, JANE)

    def change(folder: Path) -> None:
        path = _stored_file(folder, "identities/*.p8.age")
        path.write_bytes(seal(b"another key", [JANE.public]))

    tampering(place, change, tmp_path)
    vault = at(place, JANE, cache)
    assert ["was changed" in each for each in vault.look().problems] == [True]
    with pytest.raises(UsageFault, match=r"missing|changed"):
        vault.read("identities/aa.p8")
    publish(vault, "put it anew", put={"identities/aa.p8": sealed(b"good")})
    assert vault.look().problems == ()
    assert vault.read("identities/aa.p8") == b"good"


def test_a_missing_file_is_told(place: str, cache: Path, tmp_path: Path) -> None:
    made(place, cache, JANE)
    tampering(place, lambda folder: _stored_file(folder, "identities/*.cer").unlink(), tmp_path)
    vault = at(place, JANE, cache)
    assert ["is missing" in each for each in vault.look().problems] == [True]
    with pytest.raises(UsageFault, match="missing"):
        vault.read("identities/aa.cer")


def test_links_are_never_followed(place: str, cache: Path, tmp_path: Path) -> None:
    made(place, cache, JANE)
    outside = tmp_path / "outside"
    outside.mkdir()

    def change(folder: Path) -> None:
        path = _stored_file(folder, "identities/*.p8.age")
        (outside / path.name).write_bytes(path.read_bytes())
        path.unlink()
        path.symlink_to(outside / path.name)

    tampering(place, change, tmp_path)
    vault = at(place, JANE, cache)
    assert ["is a link" in each for each in vault.look().problems] == [True]
    with pytest.raises(UsageFault):
        vault.read("identities/aa.p8")


def test_a_folder_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    place, outside = tmp_path / "vault", tmp_path / "outside"
    vault = made(str(place), tmp_path / "cache", JANE)
    (place / "identities").rename(outside)
    (place / "identities").symlink_to(outside)
    assert vault.look().problems
    before = files_below(outside)
    with pytest.raises(UsageFault):
        publish(vault, put={"identities/bb.p8": sealed()})
    assert files_below(outside) == before


def test_what_no_line_put_there_is_told_once_it_cannot_be_an_accident(place: str, cache: Path, tmp_path: Path) -> None:
    made(place, cache, JANE)

    def change(folder: Path) -> None:
        for name in ("identities/stray.p8", "ledger/notes.txt", ".DS_Store", "identities/.DS_Store", "README.md"):
            (folder / name).write_text("x")
        (folder / "other").mkdir()
        (folder / "other/file").write_text("x")

    tampering(place, change, tmp_path)
    problems = at(place, JANE, cache).look().problems
    assert sorted(each.split("'")[1] for each in problems) == ["identities/stray.p8", "ledger/notes.txt"]


def _rewritten(folder: Path, number: int, **changes: object) -> None:
    path = folder / line_name(number)
    told = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: _rewritten(folder, 2, by="eve"),
        lambda folder: _rewritten(folder, 1, what="something else"),
        lambda folder: (folder / line_name(2)).write_bytes(b"{}"),
        lambda folder: (folder / line_name(2)).unlink(),
        lambda folder: (folder / line_name(1)).unlink(),
        lambda folder: (folder / line_name(3)).rename(folder / line_name(4)),
        lambda folder: (folder / line_name(900_000)).write_bytes(b"{}"),
    ],
)
def test_a_changed_ledger_is_told_and_the_vault_not_used(
    change: Callable[[Path], None], cache: Path, tmp_path: Path
) -> None:
    for place in (new_place("folder", tmp_path), new_place("bare", tmp_path)):
        vault = made(place, cache, JANE)
        publish(vault, put={"identities/bb.p8": sealed()})
        publish(vault, put={"identities/cc.p8": sealed()})
        tampering(place, change, tmp_path)
        again = at(place, JANE, tmp_path / "elsewhere")
        state = again.look()
        assert state.problems
        with pytest.raises(UsageFault, match="is not used"):
            again.read("identities/aa.p8")
        with pytest.raises(UsageFault, match="is not used"):
            again.publish(VaultChange(state.head, "x", "y", {"identities/dd.p8": sealed()}))


def _forged(folder: Path, key: bytes, *people: Recipient) -> None:
    """A line by somebody who can write to the place, and knows neither the vault key nor a private key."""
    last = max((folder / "ledger").glob("*.json"))
    line = read_line(last.read_bytes())
    batch = "e" * 16
    sealed_key = seal(b"000001 " + b"00" * 32 + b"\n", [each.key for each in people])
    forged = ledger.Line(
        line.number + 1,
        line.digest,
        batch,
        line.at,
        "jane",
        "nothing to see",
        recipients=people,
        key=Stored.of(sealed_key, sealed=True),
        resealed={"identities/aa.p8": Stored.of(b"evil", sealed=True)},
    )
    (folder / ledger.key_name(line.number + 1, batch)).write_bytes(sealed_key)
    (folder / ledger.stored_name("identities/aa.p8", batch, sealed=True)).write_bytes(b"evil")
    (folder / line_name(line.number + 1)).write_bytes(written(forged, key))


def test_who_has_no_key_cannot_add_a_recipient(place: str, cache: Path, tmp_path: Path) -> None:
    made(place, cache, JANE)
    tampering(place, lambda f: _forged(f, b"\0" * 32, JANE.recipient, EVE.recipient), tmp_path)
    for own_cache in (cache, tmp_path / "elsewhere"):
        vault = at(place, JANE, own_cache)
        state = vault.look()
        assert [each.proved for each in state.deeds] == [True, False]
        with pytest.raises(UsageFault, match="is not used"):
            vault.publish(VaultChange(state.head, "x", "y", {"identities/bb.p8": sealed()}))
        with pytest.raises(UsageFault, match="is not used"):
            vault.read("identities/aa.cer")


def test_nothing_is_put_beside_a_damaged_file_but_what_mends_it(place: str, cache: Path, tmp_path: Path) -> None:
    made(place, cache, JANE)

    def damage(folder: Path) -> None:
        next((folder / "identities").glob("*.cer")).write_bytes(b"damage")

    tampering(place, damage, tmp_path)
    vault = at(place, JANE, cache)
    head = vault.look().head
    with pytest.raises(UsageFault, match="not written to") as told:
        publish(vault, put={"identities/bb.p8": sealed()})
    assert "was changed" in told.value.why
    assert vault.look().head == head
    assert vault.read("identities/aa.p8"), "the others are read"
    publish(vault, put={"identities/aa.cer": clear(b"anew"), "identities/bb.p8": sealed()})
    assert vault.look().problems == ()


def test_whoever_left_cannot_add_himself_again(place: str, cache: Path, tmp_path: Path) -> None:
    made(place, cache, JANE, BOB)
    _, data = next((n, d) for n, d in _stored(place, tmp_path / "c1").items() if n.startswith("keys/"))
    old_key = bytes.fromhex(decrypted(data, BOB.secret).split()[1].decode())
    publish(at(place, JANE, cache), recipients=(JANE.recipient,))
    tampering(place, lambda f: _forged(f, old_key, JANE.recipient, BOB.recipient), tmp_path)
    state = at(place, JANE, tmp_path / "elsewhere").look()
    assert state.deeds[-1].proved is False


def test_a_vault_that_went_back_is_noticed(place: str, cache: Path, tmp_path: Path) -> None:
    vault = made(place, cache, JANE)
    publish(vault, put={"identities/bb.p8": sealed()})
    tampering(place, lambda folder: (folder / line_name(2)).unlink(), tmp_path)
    (problem, *_) = at(place, JANE, cache).look().problems
    assert "older than what was seen here" in problem
    with pytest.raises(UsageFault, match="is not used"):
        at(place, JANE, cache).read("identities/aa.p8")
    assert at(place, JANE, tmp_path / "elsewhere").look().problems == (), "another machine cannot know"


def test_what_another_process_adds_while_it_is_read_is_no_going_back(
    place: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both keep what they have seen in one folder."""
    other, one = made(place, cache, JANE), at(place, JANE, cache)
    storage = one._storage  # type: ignore[attr-defined]
    look = storage.look
    added = iter(("identities/bb.p8",))

    def look_slowly() -> object:
        snapshot = look()
        for path in added:
            publish(other, put={path: sealed()})
        return snapshot

    monkeypatch.setattr(storage, "look", look_slowly)
    assert one.look().problems == ()
    assert paths(one.look()) == paths(other.look())


def test_another_vault_in_its_place_is_noticed(tmp_path: Path) -> None:
    place, cache = tmp_path / "vault", tmp_path / "cache"
    made(str(place), cache, JANE)
    place.rename(tmp_path / "old")
    made(str(place), tmp_path / "elsewhere", EVE, JANE)
    assert "another than what was seen here" in at(str(place), JANE, cache).look().problems[0]


def test_what_nobody_proved_is_not_remembered(place: str, cache: Path, tmp_path: Path) -> None:
    made(place, cache, JANE)
    tampering(place, lambda f: _forged(f, b"\0" * 32, JANE.recipient), tmp_path)
    at(place, JANE, cache).look()
    tampering(place, lambda folder: (folder / line_name(2)).unlink(), tmp_path)
    assert not [each for each in at(place, JANE, cache).look().problems if "older" in each]


def test_a_damaged_memory_is_no_memory(tmp_path: Path) -> None:
    place, cache = new_place("folder", tmp_path), tmp_path / "cache"
    vault = made(place, cache, JANE)
    (kept,) = cache.glob("*.json")
    for junk in (b"", b"[]", b'{"number": "x"}', b"\xff", b"[" * 9000, b'{"number": 5, "head": [], "at": 1}'):
        kept.write_bytes(junk)
        assert vault.look().problems == ()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_vault_with_any_damage_is_told_and_never_read_wrongly(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / os.urandom(8).hex()
    vault = made(str(folder / "vault"), folder / "cache", JANE)
    publish(vault, put={"identities/bb.p8": sealed(b"bb")})
    names = sorted(files_below(folder / "vault") if data.draw(st.booleans()) else (folder / "vault/ledger").glob("*"))
    path = names[int(data.draw(st.floats(0, 1, exclude_max=True)) * len(names))]
    whole = path.read_bytes()
    at_byte = int(data.draw(st.floats(0, 1, exclude_max=True)) * len(whole))
    kind = data.draw(st.sampled_from(["flip", "cut", "junk", "empty"]))
    flipped = whole[:at_byte] + bytes([whole[at_byte] ^ data.draw(st.integers(1, 255))]) + whole[at_byte + 1 :]
    path.write_bytes({"flip": flipped, "cut": whole[:at_byte], "junk": data.draw(st.binary()), "empty": b""}[kind])
    again = at(str(folder / "vault"), JANE, folder / ("cache" if data.draw(st.booleans()) else "elsewhere"))
    state = again.look()
    told = state.problems or not state.openable or not all(deed.proved for deed in state.deeds)
    assert told or path.name == ".gitattributes"
    for name, content in (
        ("identities/aa.p8", CANARY),
        ("identities/bb.p8", b"bb"),
        ("identities/aa.cer", b"a certificate"),
    ):
        with contextlib.suppress(UsageFault):
            assert again.read(name) == content


# Places ----------------------------------------------------------------------------------------------------------------


def test_a_folder_of_other_things_is_no_vault(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("x")
    (tmp_path / ".gitignore").write_text("x")
    assert at(str(tmp_path), JANE, tmp_path / ".cache").look().head == ""
    (tmp_path / "Documents").mkdir()
    with pytest.raises(UsageFault, match="is no vault"):
        at(str(tmp_path), JANE, tmp_path / ".cache").look()
    with pytest.raises(UsageFault, match="is no vault"):
        made(str(tmp_path), tmp_path / ".cache", JANE)


def test_a_file_is_no_vault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (str(tmp_path / "file"), str(tmp_path / "file" / "inside"), "\0"):
        with pytest.raises(UsageFault, match="cannot be read"):
            at(place, JANE, tmp_path / "cache").look()


def test_a_folder_inside_a_work_tree_is_a_folder(tmp_path: Path) -> None:
    git("init", "--quiet", str(tmp_path))
    made(str(tmp_path / "certs"), tmp_path / "cache", JANE)
    assert "?? certs/" in git("status", "--porcelain", cwd=tmp_path)


def test_no_place_is_no_vault(tmp_path: Path) -> None:
    assert isinstance(opened("", lambda: None, cache=tmp_path), NoVault)
    assert list(tmp_path.iterdir()) == []


# Rehearsals --------------------------------------------------------------------------------------------------------------


def test_a_copy_is_changed_and_the_vault_is_not(place: str, cache: Path, tmp_path: Path) -> None:
    vault, scratch = made(place, cache, JANE), tmp_path / "scratch"
    head, before = vault.look().head, files_below(tmp_path)
    copy = copied(place, lambda: JANE.secret, scratch)
    assert copy.source is Source.SIMULATED
    assert copy.look().place == place
    assert copy.read("identities/aa.p8") == CANARY
    publish(copy, put={"identities/bb.p8": sealed()})
    again = copied(place, lambda: JANE.secret, scratch)
    assert "identities/bb.p8" in paths(again.look()), "the same rehearsal goes on from there"
    assert {p: d for p, d in files_below(tmp_path).items() if scratch not in p.parents} == before
    assert vault.look().head == head
    assert not [path for path, data in files_below(scratch).items() if CANARY in data or JANE.secret.encode() in data]


def test_a_vault_on_another_machine_is_not_asked(tmp_path: Path) -> None:
    for place in ("https://example.com/certs.git", "git@example.com:team/certs.git", "ssh://example.com/certs.git"):
        vault = copied(place, lambda: JANE.secret, tmp_path / "scratch")
        state = vault.look()
        assert (state.place, state.looked, state.head) == (place, False, "")
        assert "another machine" in state.why
        with pytest.raises(UsageFault):
            vault.read("identities/aa.p8")
        with pytest.raises(UsageFault):
            publish(vault, put={"identities/aa.p8": sealed()})
    assert not (tmp_path / "scratch").exists()


def test_without_a_place_there_is_one_that_goes_with_the_run(tmp_path: Path) -> None:
    vault = copied("", lambda: None, tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists(), "it is made when somebody looks"
    state = vault.look()
    assert (state.place, bool(state.head), state.openable, vault.source) == ("", True, True, Source.SIMULATED)
    assert [each.name for each in state.recipients] == ["this run"]
    publish(vault, put={"identities/aa.p8": sealed(b"simulated")})
    again = copied("", lambda: None, tmp_path / "scratch")
    assert again.read("identities/aa.p8") == b"simulated"
    assert again.look().recipients == state.recipients
    assert [stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / "scratch").glob("*.key")] == [0o600]


def test_a_vault_that_goes_with_the_run_does_not_forget_its_own_recipient(tmp_path: Path) -> None:
    vault = copied("", lambda: None, tmp_path / "scratch")
    with pytest.raises(UsageFault):
        publish(vault, recipients=(JANE.recipient,))
    assert vault.look().openable


def test_the_comment_of_a_public_key_is_nobodys_business(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    vault = made(new_place("folder", tmp_path), tmp_path / "cache", JANE)
    publish(vault, recipients=(JANE.recipient, Recipient("bob", f"{key} bob@home")))
    assert [each.key for each in vault.look().recipients] == [JANE.public, key]


def test_a_new_vault_is_rehearsed(tmp_path: Path) -> None:
    place = str(tmp_path / "not-yet")
    vault = copied(place, lambda: JANE.secret, tmp_path / "scratch")
    assert vault.look().head == ""
    publish(vault, recipients=(JANE.recipient,))
    assert vault.look().openable
    assert not Path(place).exists()


def test_a_copy_of_what_is_out_of_reach_says_so(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="out of reach"):
        copied(str(tmp_path / "none.git"), lambda: None, tmp_path / "scratch")


def test_a_new_identity_is_a_key_and_its_public_key() -> None:
    secret, public = new_identity()
    assert secret.startswith("AGE-SECRET-KEY-1")
    assert public.startswith("age1")
