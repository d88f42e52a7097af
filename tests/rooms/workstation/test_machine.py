"""What the machine offers, the words of versions and tags, and that every verb is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine.wiring import needs_of, registry_of
from pipeline.model import Source
from pipeline.ports.git import Git
from pipeline.ports.products import Products
from pipeline.ports.tools import Completed, Tools
from pipeline.workstation import checks, gateway
from pipeline.workstation.facts import InstalledXcode, Tool, Toolchain
from pipeline.workstation.status import read_status
from pipeline.workstation.version import parts, same, version_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NO_XCODE = (
    "xcode-select: error: tool 'xcodebuild' requires Xcode, but active developer directory "
    "'/Library/Developer/CommandLineTools' is a command line tools instance"
)


class Mac:
    """Tools as they answer on a Mac; this machine may be none."""

    source = Source.SIMULATED

    def __init__(
        self, returncode: int = 0, stdout: str = "", stderr: str = "", path: str | None = "/usr/bin/x"
    ) -> None:
        self.answer = (returncode, stdout, stderr)
        self.path = path

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout: float = 3600.0,
    ) -> Completed:
        assert (cwd, env, stdin, timeout) == (None, None, "", gateway.XCODE_SECONDS)
        assert list(argv) == ["xcodebuild", "-version"]
        return Completed(tuple(argv), *self.answer)

    def find(self, name: str) -> str | None:
        assert name == "xcodebuild"
        return self.path


@pytest.mark.parametrize(
    ("mac", "wanted"),
    [
        (Mac(0, "Xcode 26.1\nBuild version 17B55\n"), InstalledXcode("/usr/bin/x", "26.1", "17B55")),
        (
            Mac(0, "warning: x\nXcode 16.2.1\nBuild version 16C5032a\n"),
            InstalledXcode("/usr/bin/x", "16.2.1", "16C5032a"),
        ),
        (Mac(0, "Xcode 26\n"), InstalledXcode("/usr/bin/x", "26")),
        (Mac(1, "", NO_XCODE + "\n"), InstalledXcode("/usr/bin/x", fault=NO_XCODE)),
        (Mac(69), InstalledXcode("/usr/bin/x", fault="it ended with status 69 and said nothing")),
        (Mac(0, "surprise."), InstalledXcode("/usr/bin/x", fault="surprise")),
        (Mac(path=None), InstalledXcode()),
    ],
)
def test_what_xcodebuild_says(mac: Mac, wanted: InstalledXcode) -> None:
    assert gateway.installed_xcode(mac) == wanted


def test_a_lane_needs_xcode_unless_its_artifact_is_given(tmp_path: Path) -> None:
    def needed(**given: Path) -> Toolchain:
        found = gateway.toolchain(Products(tmp_path, Source.LIVE, given), InstalledXcode("/usr/bin/x", "26.1"))
        assert isinstance(found, Toolchain)
        return found

    assert needed().tools == (Tool("xcodebuild", "archive and export the app", "/usr/bin/x"),)
    assert needed(archive=tmp_path / "A.xcarchive").tools[0].purpose == "export the archive"
    assert needed(export=tmp_path / "A.ipa") == Toolchain(given=str(tmp_path / "A.ipa"))


def test_every_need_is_answered() -> None:
    known = {Git, Products, Tools}
    registry = registry_of([gateway])
    for probe in registry.probes.values():
        assert all(need.wanted in known | set(registry.probes) for need in probe.needs)
    marks = [function.check_mark.rule for function in vars(checks).values() if hasattr(function, "check_mark")]
    assert marks == [f"PREF00{number}" for number in range(1, 7)]
    assert needs_of(checks.checkout_is_clean)


@pytest.mark.parametrize(
    ("tag", "pattern", "wanted"),
    [
        ("v2.5.0", "v{version}", "2.5.0"),
        ("2.5", "{version}", "2.5"),
        ("ios/2.5-final", "ios/{version}-final", "2.5"),
        ("v2.5.0-rc1", "v{version}", ""),
        ("v", "v{version}", ""),
        ("version", "v{version}", ""),
        ("v2.5.0", "release", ""),
        ("vx", "vx{version}x", ""),
        ("v٢", "v{version}", ""),
    ],
)
def test_the_version_in_a_tag(tag: str, pattern: str, wanted: str) -> None:
    assert version_in(tag, pattern) == wanted


def test_versions_that_mean_the_same() -> None:
    assert same("2.5", "2.5.0")
    assert same("2.05", "2.5")
    assert not same("2.5", "2.50")
    assert not same("x", "y")
    assert parts("9" * 5000) == ()


@given(st.text(alphabet="# ?12u!.MSU\0abranch.oidhead()-", max_size=120))
@settings(max_examples=200, deadline=None)
def test_any_status_is_read(text: str) -> None:
    found = read_status(text)
    assert all(path in text for path in (*found.changed, *found.untracked))
