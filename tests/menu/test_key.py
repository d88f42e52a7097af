"""`certs.key`: the private key is for its owner's eyes only, and it opens what the public key seals."""

from __future__ import annotations

import stat
from pathlib import Path

import pyrage

from tests.menu.shell import refused
from tests.rehearsals.theatre import menu


def test_the_pair_belongs_together_and_the_private_half_is_not_shown(tmp_path: Path) -> None:
    told = menu("certs.key", "--out", "keys/mine.key", cwd=tmp_path)
    assert (told.code, told.err) == (0, "")
    path = tmp_path / "keys" / "mine.key"
    comment, secret = path.read_text().splitlines()
    public = comment.removeprefix("# public key: ")
    assert f"public key: {public}\n" in told.out
    assert secret not in told.out
    sealed = pyrage.encrypt(b"a secret", [pyrage.x25519.Recipient.from_str(public)])
    assert pyrage.decrypt(sealed, [pyrage.x25519.Identity.from_str(secret)]) == b"a secret"
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent)] == [0o600, 0o700]


def test_a_key_is_not_written_over(tmp_path: Path) -> None:
    assert menu("certs.key", "--out", "mine.key", cwd=tmp_path).code == 0
    before = (tmp_path / "mine.key").read_bytes()
    refused(menu("certs.key", "--out", "mine.key", cwd=tmp_path), 2, "--force")
    assert (tmp_path / "mine.key").read_bytes() == before
    assert menu("certs.key", "--out", "mine.key", "--force", cwd=tmp_path).code == 0
    assert (tmp_path / "mine.key").read_bytes() != before
    assert [each.name for each in tmp_path.iterdir()] == ["mine.key"]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(menu("certs.key", "--out", "file/mine.key", cwd=tmp_path), 2, "--out")
