"""`build.validate` without an app judges one product, wherever it lies, and nothing of what lies around it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.model.run import State
from pipeline.ports import files
from pipeline.subject import Subject
from pipeline.wishes import Wishes
from tests.rehearsals.theatre import play
from tests.rooms.bundle.foundry import App, ipa
from tests.rooms.xcode.make import project


@pytest.fixture
def crowd(tmp_path: Path) -> Path:
    """A folder of downloads: a product, somebody's project and schema, and more files than a checkout has."""
    downloads = tmp_path / "downloads"
    settings = {"SDKROOT": "iphoneos", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.other"}
    project(downloads / "other", "Other", {"Other": {"Release": settings}})
    (downloads / "other" / "schema.ckdb").write_text("DEFINE SCHEMA\n")
    for number in range(20):
        (downloads / f"{number}.txt").write_text("")
    (downloads / "My.ipa").write_bytes(ipa(App().files()))
    return downloads


def test_a_product_is_judged_without_a_walk_around_it(
    crowd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, scandir = [], os.scandir

    def watched(place: str) -> object:
        looked.append(str(place))
        return scandir(place)

    monkeypatch.setattr(files, "TREE_LIMIT", 10)
    monkeypatch.setattr(os, "scandir", watched)
    run, _ = play(tmp_path / "out", table="bundle", artifact=(str(crowd / "My.ipa"),))
    monkeypatch.undo()
    assert run.steps[0].state in (State.PASSED, State.BLOCKED)
    assert not [place for place in looked if place.startswith(str(crowd))]


def test_what_lies_beside_a_product_is_not_its_own(crowd: Path) -> None:
    subject = Subject.of(Wishes(table="bundle", artifact=(str(crowd / "My.ipa"),)))
    assert subject.files.tree() == ()
    assert subject.schema is None
    assert subject.containers == ()
    assert subject.bundle_ids == {}
