"""Every form of every story, as files a reviewer can read."""

from __future__ import annotations

from pathlib import Path

import pytest
from stories import STORIES

from pipeline.reports import FORMATS, render

GOLDEN = Path(__file__).parent / "golden"
SUFFIX = {"terminal": "txt", "markdown": "md", "annotations": "annotations.txt", "junit": "xml", "sarif": "sarif"}


def _path(story: str, form: str) -> Path:
    return GOLDEN / f"{story}.{SUFFIX.get(form, form)}"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("story", STORIES)
def test_report_is_the_golden_one(story: str, form: str, update: bool) -> None:
    told = render(form, STORIES[story]())
    path = _path(story, form)
    if update:
        path.write_text(told, "utf-8")
    assert told == path.read_text("utf-8")


def test_no_golden_file_is_left_behind() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {_path(story, one).name for story in STORIES for one in FORMATS}
