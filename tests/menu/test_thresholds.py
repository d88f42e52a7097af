"""`policy.thresholds`: the lines that a team draws for itself, read strictly and given to every check."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.configuration.reading import ConfigurationFault, read_settings
from pipeline.configuration.settings import Settings
from pipeline.model import BuildPolicy, Platform
from pipeline.wishes import Wishes
from pipeline.world import open_world
from tests.menu.shell import sample_at

ROOT = Path(__file__).resolve().parents[2]


def read(tmp_path: Path, told: str) -> BuildPolicy:
    path = tmp_path / "pipeline.yaml"
    path.write_text(f"policy:\n  thresholds: {told}\n", encoding="utf-8")
    return read_settings(path).policy.thresholds


def test_nothing_decided_is_what_apple_announced(tmp_path: Path) -> None:
    assert read(tmp_path, "{}") == read(tmp_path, "") == Settings().policy.thresholds == BuildPolicy()
    assert BuildPolicy().oldest(Platform.IOS) == (15, 0)
    assert not any(BuildPolicy().oldest(each) for each in Platform if each is not Platform.IOS)


def test_each_line_is_read(tmp_path: Path) -> None:
    told = (
        "{oldest_ios: 16.4, oldest_macos: '13', oldest_tvos: 17.0.1, oldest_visionos: 2, newest_macos: 26, "
        "largest_app: 200, most_frameworks: 0}"
    )
    policy = read(tmp_path, told)
    assert policy == BuildPolicy((16, 4), (13,), (17, 0, 1), (2,), (26,), 200, 0)
    assert [policy.oldest(each) for each in Platform] == [(16, 4), (13,), (17, 0, 1), (2,)]


def test_a_line_can_be_taken_away(tmp_path: Path) -> None:
    assert read(tmp_path, "{oldest_ios: , newest_macos: ''}") == BuildPolicy(oldest_ios=(), newest_macos=())


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ("{oldest_ios: iOS 16}", "no version"),
        ("{oldest_ios: -1}", "no version"),
        ("{oldest_ios: 1.2.3.4}", "no version"),
        ("{oldest_ios: ١٥}", "no version"),
        ("{oldest_ios: [16]}", "single value"),
        ("{largest_app: 200 MB}", "no number"),
        ("{largest_app: -5}", "no number"),
        ("{largest_app: 99999999999999999999}", "no number"),
        ("{most_frameworks: }", "no number"),
        ("{oldest_io: 16}", "unknown key"),
        ("16", "a mapping is expected"),
    ],
)
def test_what_cannot_be_meant_is_named_with_its_line(tmp_path: Path, told: str, word: str) -> None:
    with pytest.raises(ConfigurationFault, match=word) as fault:
        read(tmp_path, told)
    assert "pipeline.yaml:2" in str(fault.value)


def test_every_lane_and_the_app_are_given_the_policy(tmp_path: Path) -> None:
    root = sample_at(tmp_path / "app")
    path = tmp_path / "pipeline.yaml"
    path.write_text(f"apps:\n  a: {{path: {root}}}\npolicy:\n  thresholds: {{oldest_ios: 18}}\n", encoding="utf-8")
    world = open_world(Wishes(theatre="rehearsal", table="build", config=str(path)), dry_run=True, runs=tmp_path / "r")
    for lane in (None, *world.subject.lanes):
        assert world.givens(lane)[BuildPolicy].oldest_ios == (18,)


def test_the_file_that_comes_with_the_project_shows_how() -> None:
    text = (ROOT / "config" / "pipeline.yaml").read_text("utf-8")
    start = text.index("  # thresholds:")
    shown = "\n".join(line.replace("# ", "", 1) for line in text[start:].splitlines())
    assert "oldest_ios" in shown
    block = "policy:\n" + shown
    import yaml

    assert set(yaml.safe_load(block)["policy"]["thresholds"]) <= set(BuildPolicy.__dataclass_fields__)
