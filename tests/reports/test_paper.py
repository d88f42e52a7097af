"""Reports on disk: whole or not at all, and never more than a job summary may hold."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import pytest
from stories import green

from pipeline.model.errors import UsageFault
from pipeline.reports import append_summary, render, write
from pipeline.reports.paper import SUMMARY_LIMIT, put

if TYPE_CHECKING:
    from pathlib import Path


def test_write_makes_the_folders_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out" / "deep" / "run.json"
    write("json", path, green())
    assert path.read_text("utf-8") == render("json", green())
    assert [one.name for one in path.parent.iterdir()] == ["run.json"]


def test_write_replaces_and_keeps_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    path.write_text("old")
    path.chmod(0o640)
    write("html", path, green())
    assert path.read_text("utf-8").startswith("<!doctype html>")
    assert path.stat().st_mode & 0o777 == 0o640


def test_write_follows_a_link_and_keeps_it(tmp_path: Path) -> None:
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    target.write_text("old")
    link.symlink_to(target)
    put(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_write_to_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        put(path, "told")
        assert os.read(reader, 10) == b"told"
    finally:
        os.close(reader)


@pytest.mark.parametrize("name", ["", "folder", "file/below", "x\0y", "n" * 300])
def test_paths_that_cannot_be_written_are_faults_of_use(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept")
    for attempt in (put, append_summary):
        with pytest.raises(UsageFault) as caught:
            attempt(tmp_path / name, "text")
        assert caught.value.remedy
    assert (tmp_path / "file").read_text() == "kept"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder"]


def test_a_full_disk_leaves_the_old_report(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    path.write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(UsageFault):
            put(path, "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [one.name for one in tmp_path.iterdir()] == ["report.txt"]
    assert path.read_text() == "old"


def test_a_lone_surrogate_does_not_stop_a_report(tmp_path: Path) -> None:
    put(tmp_path / "x", "a\udc80b")
    assert (tmp_path / "x").read_bytes() == b"a?b"


def test_summaries_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    append_summary(path, "## one\nlast\n")
    append_summary(path, "## two\nlast\n")
    assert path.read_text() == "## one\nlast\n\n## two\nlast\n"


def test_a_full_summary_gets_the_last_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * (SUMMARY_LIMIT - 200))
    append_summary(path, "y" * 500 + "\n\n8 checks on live facts, 0 simulated\n")
    told = path.read_text()
    assert told.endswith("The report did not fit into this summary.\n\n8 checks on live facts, 0 simulated\n")
    assert len(told) <= SUMMARY_LIMIT


def test_a_summary_without_any_room_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * SUMMARY_LIMIT)
    append_summary(path, "more")
    assert path.stat().st_size == SUMMARY_LIMIT
