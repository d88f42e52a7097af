"""Run folders: what belongs to a run lies in its own folder, and is read and written there only."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.engine.journal import Journal
from pipeline.engine.runs import RunFolder, begin
from pipeline.model import UsageFault

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = begin(tmp_path / "runs", "toy", NOW, {"table": "release"})
    journal = Journal(run.journal)
    journal.append("run", run=run.id, theatre="rehearsal", steps=[])
    journal.close()
    (run.path / "lanes/ios/export").mkdir(parents=True)
    (run.path / "lanes/ios/export/App.ipa").write_bytes(b"made here")
    archived = run.path / "lanes/ios/App.xcarchive/Products"
    archived.mkdir(parents=True)
    (archived / "Current").symlink_to("A")  # as frameworks have them
    return run


def test_a_run_of_its_own_is_read(folder: RunFolder) -> None:
    assert folder.run().id == folder.id
    assert folder.wishes() == {"table": "release"}


@pytest.mark.parametrize(
    "place",
    ["journal.jsonl", "wishes.json", "log.jsonl", "lanes", "lanes/ios", "lanes/ios/export", "lanes/ios/export/App.ipa"],
)
def test_links_are_refused_wherever_the_run_keeps_its_own(folder: RunFolder, tmp_path: Path, place: str) -> None:
    path, elsewhere = folder.path / place, tmp_path / "elsewhere"
    if path.exists():
        path.rename(elsewhere)
    path.symlink_to(elsewhere)
    for ask in (folder.run, folder.wishes):
        with pytest.raises(UsageFault, match="is a link"):
            ask()


def test_what_is_kept_goes_through_no_link(folder: RunFolder, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not ours")
    for name in ("plan.json", "plan.json.new"):
        (folder.path / name).symlink_to(elsewhere)
    folder.keep("plan.json", {"plan": 1})
    assert elsewhere.read_text() == "not ours"
    assert json.loads((folder.path / "plan.json").read_text()) == {"plan": 1}
    assert folder.kept("plan.json") == {"plan": 1}
