"""A first configuration says what the project says, and never takes the place of one that is there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.configuration.reading import read_settings
from pipeline.model.run import Run
from pipeline.subject import known_rules
from tests.menu.shell import refused, sample_at
from tests.rehearsals.theatre import Told, menu, play


def rehearsed(runs: Path, app: Path) -> Run:
    run, _ = play(runs, app=str(app))
    return run


def said(run: Run) -> set[tuple[str, str, str, str]]:
    """What is found, without the words: they may name config where it has now been written."""
    return {(each.stage, each.lane, each.rule, each.subject) for each in run.findings}


def begun(app: Path, *more: str) -> Told:
    return menu("init", *more, cwd=app)


@pytest.fixture(params=["the sample", "isometry/2026-02", "isometry/2026-04"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    place = tmp_path / "App"
    if request.param == "the sample":
        return sample_at(place)
    shutil.copytree(request.getfixturevalue("shared_data") / request.param, place)
    return place


def test_what_is_written_agrees_with_the_project(app: Path, tmp_path: Path) -> None:
    before = rehearsed(tmp_path / "before", app)
    told = begun(app)
    assert told.code == 0, told.err
    settings = read_settings(app / "config" / "pipeline.yaml", known_rules)
    (one,) = settings.apps.values()
    assert one.path == str(app)
    assert set(one.lanes) == {lane["name"] for lane in before.lanes}
    after = rehearsed(tmp_path / "after", app)
    assert [{**lane} for lane in after.lanes] == [{**lane} for lane in before.lanes]
    assert said(after) <= said(before), "a configuration that was just written finds nothing new"
    text = (app / "config" / "pipeline.yaml").read_text()
    for word in ("team_id", "lanes", "policy", "approval", "waivers"):
        assert word in text, "a newcomer finds the words that there are"


def test_the_next_command_uses_it(tmp_path: Path) -> None:
    app = sample_at(tmp_path / "App")
    told = begun(app)
    assert "next: `invoke release --dry-run`" in told.out
    told = menu("release", "--dry-run", "--quiet", cwd=app)
    assert told.code == 0, told.err
    assert told.out.startswith("App 2.5.0"), "the name that config gives it"
    elsewhere = menu("init", "--app", str(app), "--config", "my/first.yaml", cwd=tmp_path)
    assert "release --dry-run --config my/first.yaml" in elsewhere.out
    told = menu("release", "--dry-run", "--quiet", "--config", "my/first.yaml", cwd=tmp_path)
    assert told.code == 0, told.err


def test_the_comments_that_show_a_policy_are_right(tmp_path: Path) -> None:
    app = sample_at(tmp_path / "App")
    begun(app)
    path = app / "config" / "pipeline.yaml"
    lines = path.read_text().splitlines()
    at = lines.index("policy:")
    offered = [line.replace("# ", "", 1) if "{" in line or "waivers:" in line else line for line in lines[at:]]
    keys = [
        line.replace("# ", "", 1) if line.lstrip().startswith(("# tag", "# groups")) else line for line in lines[:at]
    ]
    path.write_text("\n".join([*keys, *offered]))
    settings = read_settings(path, known_rules)
    assert settings.policy.waivers
    assert settings.policy.severity
    assert settings.apps["App"].groups == ("Internal Testers",)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    app = sample_at(tmp_path / "App")
    path = app / "config" / "pipeline.yaml"
    path.parent.mkdir()
    path.write_text("# mine\n")
    refused(begun(app), 2, "is there already", "--force")
    assert path.read_text() == "# mine\n"
    assert begun(app, "--force").code == 0
    assert path.read_text() != "# mine\n"
    assert [each.name for each in path.parent.iterdir()] == ["pipeline.yaml"], "no draft is left"


@pytest.mark.parametrize(
    "name",
    [
        "a: b",
        "- a",
        "#1",
        "yes",
        "null",
        "2.50",
        "1e3",
        "{x}",
        "[x]",
        "'\"\\",
        "new\nline",
        "tab\tbed",
        "\u2028\u0085",
        "\x1b[31mred",
        "Ümläut 🚀",
        "&a *a !b %c @d `e",
        " blank ",
        "~",
        "?",
        "a" * 200,
    ],
)
def test_a_hostile_name_is_read_back(tmp_path: Path, name: str) -> None:
    app = sample_at(tmp_path / name)
    told = menu("init", f"--app={app}", cwd=tmp_path)
    assert told.code == 0, told.err
    assert "\x1b" not in told.out
    (one,) = read_settings(tmp_path / "config" / "pipeline.yaml", known_rules).apps.values()
    assert one.path == str(app)
    assert one.lanes["ios"].scheme == "Isometry"
    assert one.name.isprintable()


@pytest.mark.parametrize(("made", "word"), [(None, "no folder"), ("folder", "is empty"), ("file", "is not a folder")])
def test_what_is_no_app_gets_no_configuration(tmp_path: Path, made: str | None, word: str) -> None:
    place = tmp_path / "App"
    if made == "folder":
        place.mkdir()
    elif made:
        place.write_text("x")
    refused(menu("init", "--app", "App", cwd=tmp_path), 2, word)
    assert not (tmp_path / "config").exists()
