"""What is sealed is an age file: other implementations open it, and nothing hostile gets through."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model import UsageFault
from pipeline.vault.sealing import NotOurs, fault_of, own_key, plain_key, seal, unseal
from tests.rooms.vault.vaults import BOB, CANARY, EVE, JANE, decrypted


def ssh_key(folder: Path, kind: str = "ed25519", passphrase: str = "", name: str = "key") -> tuple[str, str]:
    if not shutil.which("ssh-keygen"):
        pytest.skip("ssh-keygen is not here")
    path = folder / name
    bits = ["-b", "2048"] if kind == "rsa" else []
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, *bits, "-N", passphrase, "-C", "jane@desk", "-f", str(path)], check=True
    )
    return path.read_text(), path.with_suffix(".pub").read_text()


@settings(max_examples=25)
@given(st.binary(max_size=200) | st.integers(65_500, 140_000).map(lambda size: b"x" * size))
def test_an_implementation_from_the_specification_opens_it(content: bytes) -> None:
    data = seal(content, [BOB.public, JANE.public])
    assert decrypted(data, JANE.secret) == content
    assert decrypted(data, BOB.secret) == content
    assert unseal(data, own_key(JANE.secret)) == content


@pytest.mark.skipif(not shutil.which(os.environ.get("AGE", "age")), reason="the age tool is not here (AGE names it)")
def test_the_age_tool_opens_it_and_we_open_what_it_made(tmp_path: Path) -> None:
    age = os.environ.get("AGE", "age")
    (tmp_path / "key").write_text(JANE.secret)
    (tmp_path / "file.age").write_bytes(seal(CANARY, [BOB.public, JANE.public]))
    opened = subprocess.run([age, "-d", "-i", "key", "file.age"], cwd=tmp_path, capture_output=True, check=True)
    assert opened.stdout == CANARY
    made = subprocess.run([age, "-r", JANE.public], input=CANARY, capture_output=True, check=True).stdout
    assert unseal(made, own_key(JANE.secret)) == CANARY


def test_only_those_open_it_for_whom_it_was_sealed() -> None:
    data = seal(CANARY, [JANE.public])
    assert CANARY not in data
    with pytest.raises(NotOurs):
        unseal(data, own_key(EVE.secret))


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_ssh_keys(kind: str, tmp_path: Path) -> None:
    secret, public = ssh_key(tmp_path, kind)
    own = own_key(secret)
    assert own.public == (plain_key(public),)
    assert "jane@desk" not in own.shown
    assert unseal(seal(CANARY, [public, BOB.public]), own) == CANARY


def test_the_age_tool_opens_what_was_sealed_for_an_ssh_key(tmp_path: Path) -> None:
    age = shutil.which(os.environ.get("AGE", "age"))
    if not age:
        pytest.skip("the age tool is not here (AGE names it)")
    _, public = ssh_key(tmp_path)
    (tmp_path / "file.age").write_bytes(seal(CANARY, [public]))
    opened = subprocess.run([age, "-d", "-i", "key", "file.age"], cwd=tmp_path, capture_output=True, check=True)
    assert opened.stdout == CANARY


def test_a_file_of_age_keygen_is_a_key() -> None:
    text = f"# created: 2026-11-20T12:00:00Z\n# public key: {JANE.public}\n{JANE.secret}\n"
    assert own_key(text).public == (JANE.public,)
    assert JANE.secret not in repr(own_key(text))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no key"),
        ("# only a comment", "holds no key"),
        ("AGE-SECRET-KEY-1QQQQ", "neither"),
        (JANE.secret[:-1], "neither"),
        (JANE.public, "neither"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "no readable"),
        ("x" * 100_000, "too long"),
        ("\udcff", "neither"),
    ],
    ids=lambda _: "case",
)
def test_what_is_no_key(text: str, why: str) -> None:
    with pytest.raises(UsageFault) as told:
        own_key(text)
    assert why in told.value.why
    assert not text.startswith("AGE") or text not in f"{told.value} {told.value.remedy}"


def test_an_ssh_key_with_a_passphrase_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="passphrase"):
        own_key(ssh_key(tmp_path, passphrase="hello")[0])
    with pytest.raises(UsageFault, match="Ed25519 and RSA"):
        own_key(ssh_key(tmp_path, "ecdsa", name="other")[0])


@pytest.mark.parametrize(
    "key",
    [
        "",
        "age1",
        "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t",
        JANE.public[:-1],
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-dss AAAA",
        "\udcff",
        "age1\n" + JANE.public,
    ],
    ids=lambda _: "case",
)
def test_what_is_no_recipient(key: str) -> None:
    assert "not an age key" in fault_of(key)


def test_a_private_key_among_the_recipients_is_not_repeated() -> None:
    for secret in (JANE.secret, JANE.secret.lower()):
        assert "private key" in fault_of(secret)
        with pytest.raises(UsageFault) as told:
            seal(b"", [secret])
        assert secret not in f"{told.value}{told.value.remedy}"


@given(st.data())
def test_damaged_files_are_refused(data: st.DataObject) -> None:
    whole = seal(CANARY, [JANE.public])
    # Where it breaks is told as a share, because the library pads the header with a stanza of random length.
    at = int(data.draw(st.floats(0, 1, exclude_max=True)) * len(whole))
    cut = data.draw(st.booleans())
    damaged = whole[:at] if cut else whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    try:
        content = unseal(damaged, own_key(JANE.secret))
    except UsageFault:
        return
    assert content == CANARY, "a changed stanza that nobody needs"


@given(st.binary(max_size=300))
def test_what_is_no_age_file_is_refused(junk: bytes) -> None:
    with pytest.raises(UsageFault):
        unseal(junk, own_key(JANE.secret))
