"""The journal: nothing written is lost, nothing changed goes unseen, and no secret stays in it."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine import journal as journal_module
from pipeline.engine.journal import Journal, JournalBroken, read
from pipeline.model import UsageFault
from pipeline.ports.secrets import EnvironmentSecrets

TEXTS = st.text(max_size=40)


def filled(folder: Path, count: int = 5) -> Path:
    journal = Journal(folder / "journal.jsonl")
    for number in range(count):
        journal.append("intent", step=f"s{number}", action="ü\u2028\n\"')")
    journal.close()
    return journal.path


def test_entries_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = filled(tmp_path)
    assert [entry["step"] for entry in read(path)] == ["s0", "s1", "s2", "s3", "s4"]
    assert {entry["action"] for entry in read(path)} == {"ü\u2028\n\"')"}


def test_a_torn_last_line_is_dropped_and_written_over(tmp_path: Path) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    for cut in range(1, len(whole.splitlines(keepends=True)[-1])):
        path.write_bytes(whole[:-cut])
        journal = Journal(path)
        journal.append("intent", step="next", action="")
        journal.close()
        assert [entry["step"] for entry in read(path)] == ["s0", "s1", "s2", "s3", "next"]


@pytest.mark.parametrize("line", [0, 2, 4])
def test_a_changed_journal_is_refused(tmp_path: Path, line: int) -> None:
    path = filled(tmp_path)
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[line] = lines[line].replace(f'"s{line}"', '"sX"')
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(JournalBroken):
        list(read(path))
    with pytest.raises(JournalBroken):
        Journal(path)


def test_a_removed_line_is_noticed(tmp_path: Path) -> None:
    path = filled(tmp_path)
    lines = path.read_text(encoding="utf-8").split("\n")
    del lines[1]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(JournalBroken):
        list(read(path))


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, 2000), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed_or_cuts_the_end(
    tmp_path_factory: pytest.TempPathFactory, position: int, bit: int
) -> None:
    path = filled(tmp_path_factory.mktemp("flip"))
    data = bytearray(path.read_bytes())
    position %= len(data)
    data[position] ^= 1 << bit
    path.write_bytes(bytes(data))
    try:
        entries = list(read(path))
    except JournalBroken:
        return
    assert len(entries) == 4, "only a lost last line end may pass, as a torn line"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(st.text("abcdef", min_size=1, max_size=5), TEXTS, max_size=4), max_size=6))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, told: list[dict[str, str]]) -> None:
    journal = Journal(tmp_path_factory.mktemp("any") / "journal.jsonl")
    for each in told:
        journal.append("reading", result=each)
    assert [entry["result"] for entry in journal.entries()] == told


def test_many_threads_write_one_chain(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    threads = [
        threading.Thread(target=lambda name=name: [journal.append("reading", step=name) for _ in range(50)])  # type: ignore[misc]
        for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(read(journal.path))) == 200


def test_it_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    for count in range(1, 6):
        journal.append("reading", step="x")
        assert len(list(read(journal.path))) == count


def test_secrets_do_not_stay(tmp_path: Path) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----"
    secrets = EnvironmentSecrets({"ASC_PRIVATE_KEY": key, "TOKEN": "s3cr3t-canary"})
    assert secrets.get("ASC_PRIVATE_KEY") == key
    assert secrets.get("TOKEN")
    journal = Journal(tmp_path / "journal.jsonl", redact=secrets.redact)
    journal.append("receipt", error=f"bad {key} and s3cr3t-canary", result={"list": ["x s3cr3t-canary"]}, step=key[:60])
    text = journal.path.read_text(encoding="utf-8")
    assert "canary" not in text
    assert "MIGH" not in text
    assert json.loads(text)["error"] == "bad [secret] and [secret]"


def test_a_link_is_neither_written_to_nor_read(tmp_path: Path) -> None:
    elsewhere = filled(tmp_path)
    before = elsewhere.read_bytes()
    link = tmp_path / "run" / "journal.jsonl"
    link.parent.mkdir()
    link.symlink_to(elsewhere)
    with pytest.raises(UsageFault):
        Journal(link)
    with pytest.raises(UsageFault, match="cannot be read"):
        list(read(link))
    assert elsewhere.read_bytes() == before


def test_a_pipe_is_no_journal(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "journal.jsonl")
    with pytest.raises(UsageFault, match="cannot be read"):
        list(read(tmp_path / "journal.jsonl"))


def test_the_journal_is_private(tmp_path: Path) -> None:
    assert filled(tmp_path).stat().st_mode & 0o077 == 0


def test_an_unwritable_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageFault) as told:
        Journal(tmp_path / "file" / "journal.jsonl")
    assert "--runs" in told.value.remedy


def test_intents_and_receipts_are_on_disk_before_the_walk_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = journal_module.os.fsync
    monkeypatch.setattr(journal_module.os, "fsync", lambda file: (synced.append(file), real(file)))
    journal = Journal(tmp_path / "journal.jsonl")
    for count, kind in enumerate(("run", "resume", "intent", "receipt", "done"), 1):
        journal.append(kind)
        assert len(synced) == count, f"{kind} was not synced"
    journal.append("reading")
    assert len(synced) == 5, "what can be seen again need not be synced"
