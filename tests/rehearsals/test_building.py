"""The tables about builds: settings, two products compared, archives and exports without anybody's approval."""

from __future__ import annotations

from pathlib import Path

from pipeline.model.run import State
from tests.rehearsals.theatre import menu, play


def test_an_archive_is_made_and_nothing_else(tmp_path: Path) -> None:
    run, world = play(tmp_path, table="archive")
    assert run.exit_code == 0
    assert {action.describe.split()[0] for step in run.steps for action in step.actions} == {"archive"}
    assert not run.approval, "nothing changes at Apple"
    assert not any(step.stage == "schema" for step in run.steps)
    assert list(world.folder.path.glob("lanes/*/*.xcarchive"))


def test_an_export_is_judged(tmp_path: Path) -> None:
    run, world = play(tmp_path, table="export")
    assert run.exit_code == 0
    assert {step.stage for step in run.steps} >= {"archive", "export", "bundle"}
    assert all(step.state is State.PASSED for step in run.steps)
    (ipa,) = world.folder.path.glob("lanes/ios/export/*.ipa")
    told = menu("build.diff", str(ipa), str(ipa), "--json", cwd=tmp_path)
    assert told.code == 0, told.err
    assert "BUND093" in told.out


def test_settings_are_those_that_were_asked_for(tmp_path: Path) -> None:
    run, _ = play(tmp_path, table="settings", key=("PRODUCT_BUNDLE_*",), lanes=("ios",))
    ((record,),) = [step.exhibits for step in run.steps]
    assert [row[0].text for row in record.exhibit.rows] == ["PRODUCT_BUNDLE_IDENTIFIER", "PRODUCT_BUNDLE_PACKAGE_TYPE"]


def test_two_artifacts_are_needed(tmp_path: Path) -> None:
    told = menu("build.diff", "a.ipa", cwd=tmp_path)
    assert (told.code, told.out) == (2, "")
    assert not (tmp_path / ".runs").exists()
