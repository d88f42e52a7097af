"""The simulated Mac: runs the command-line tools that a release calls, and no others."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.simulator.authority import Authority
from pipeline.simulator.machine.infoplist import SYSTEM_BUILD
from pipeline.simulator.machine.keychain import Keychain
from pipeline.simulator.machine.project import SDKS, BuildError, Project
from pipeline.simulator.machine.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.simulator.machine.xcodebuild import Answer

_STORE = "Library/Keychains/rehearsal-authority.json"
_TOOLS = {
    "base64": "/usr/bin/base64",
    "codesign": "/usr/bin/codesign",
    "find": "/usr/bin/find",
    "printenv": "/usr/bin/printenv",
    "security": "/usr/bin/security",
    "sw_vers": "/usr/bin/sw_vers",
    "xcode-select": "/usr/bin/xcode-select",
    "xcodebuild": "/usr/bin/xcodebuild",
    "xcrun": "/usr/bin/xcrun",
}
_IN_XCODE = ("altool", "xcodebuild", "notarytool", "stapler")


class Machine:
    """A developer's Mac with Xcode 26.2 and a keychain from a test authority.

    Everything it writes lies below `home`, an archive path or an export path that it is given.

    Args:
        home: the simulated home folder; the keychain's keys stay there (mode 0600), so that the next machine with the
            same home signs with the same identities.
        team_id: the app's team; "" takes it from the first project that names one.
        projects: .xcodeproj folders of the app. Profiles are installed for every application target in them.
        scenario: what is wrong with the machine.
        organization: the team's name, as certificates spell it.
        now: the clock.
        root: the app's folder; what lies outside of its checkout is not read. "" for each project's own folder.
    """

    def __init__(
        self,
        home: Path,
        *,
        team_id: str = "",
        projects: Sequence[Path] = (),
        scenario: Scenario | None = None,
        organization: str = "Rehearsal Team",
        now: Callable[[], datetime] | None = None,
        root: str = "",
    ) -> None:
        self.home = home
        self.scenario = scenario or Scenario()
        self._now = now or _utc_now
        self._team_id = team_id
        self._paths = tuple(projects)
        self._root = root
        self._organization = organization
        self._projects: dict[str, tuple[int, Project]] = {}
        self._keychain: Keychain | None = None
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The hour, to the second."""
        return self._now().replace(microsecond=0)

    @property
    def developer(self) -> str:
        """Where the developer tools are."""
        if self.scenario.xcode:
            return "/Applications/Xcode.app/Contents/Developer"
        return "/Library/Developer/CommandLineTools"

    @cached_property
    def authority(self) -> Authority:
        """The test authority; its `root` is what a reader must trust."""
        return Authority(self.home / _STORE, self.now())

    @property
    def keychain(self) -> Keychain:
        """Identities and profiles; made when first asked for."""
        with self._lock:
            if self._keychain is None:
                self._keychain = self._furnished(self.home, self.scenario)
            return self._keychain

    @cached_property
    def provisioned(self) -> Keychain:
        """What the team has at Apple when nothing is wrong, whatever of it is installed on this Mac."""
        return self._furnished(None, Scenario())

    def _furnished(self, home: Path | None, scenario: Scenario) -> Keychain:
        projects = []
        for path in self._paths:
            try:
                projects.append(self.project(path))
            except BuildError:
                continue
        return Keychain(
            home,
            self.authority,
            scenario,
            team_id=self._team_id,
            organization=self._organization,
            projects=projects,
        )

    def project(self, path: Path) -> Project:
        """An Xcode project, read once for each state of its file.

        Raises:
            BuildError: it is missing or damaged.
        """
        try:
            stamp = (path / "project.pbxproj").stat().st_mtime_ns
        except OSError:
            stamp = 0
        known = self._projects.get(str(path))
        if known is None or known[0] != stamp:
            known = (stamp, Project(path, self._root))
            self._projects[str(path)] = known
        return known[1]

    def find(self, name: str) -> str | None:
        """Where a tool is, or None when this machine has none of that name."""
        return _TOOLS.get(name)

    def run(
        self,
        argv: Sequence[str],
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> Answer:
        """(exit status, standard output, standard error). A tool that this machine does not have gives 127."""
        if not argv:
            return 127, "", "no command\n"
        name, arguments = argv[0].rpartition("/")[2], list(argv[1:])
        if name not in _TOOLS:
            return 127, "", f"{name}: command not found\n"
        place = cwd or Path.cwd()
        if name == "xcodebuild":
            return self._xcodebuild(arguments, place)
        if name == "xcrun":
            return self._xcrun(arguments, place, env)
        from pipeline.simulator.machine import tools

        return tools.run(self, name, arguments, place, env=env or {}, stdin=stdin)

    def _xcodebuild(self, arguments: Sequence[str], cwd: Path) -> Answer:
        if not self.scenario.xcode:
            chosen = f"active developer directory '{self.developer}' is a command line tools instance"
            return 1, "", f"xcode-select: error: tool 'xcodebuild' requires Xcode, but {chosen}\n"
        from pipeline.simulator.machine import xcodebuild

        return xcodebuild.run(self, arguments, cwd)

    def _xcrun(self, arguments: list[str], cwd: Path, env: Mapping[str, str] | None) -> Answer:
        sdk = "macosx"
        while arguments[:1] == ["--sdk"] and len(arguments) > 1:
            sdk, arguments = arguments[1], arguments[2:]
        if not arguments:
            return 64, "", "Usage: xcrun [options] <tool name> ... arguments ...\n"
        word = arguments[0]
        if word in ("--find", "-f"):
            return self._located(arguments[1:])
        if word == "--show-sdk-version" and sdk in SDKS:
            return 0, f"{SDKS[sdk].version}\n", ""
        if word == "--show-sdk-path" and sdk in SDKS:
            known = SDKS[sdk]
            return 0, f"{self.developer}/Platforms/{known.platform}.platform/Developer/SDKs/{known.platform}.sdk\n", ""
        if word.startswith("-"):
            return 64, "", f"xcrun: error: unrecognized option '{word}'\n"
        if word in _TOOLS:
            return self.run(arguments, cwd, env)
        if word in _IN_XCODE:
            return 127, "", f"xcrun: error: this machine is simulated and has no {word}\n"
        return 72, "", _not_found(word)

    def _located(self, names: Sequence[str]) -> Answer:
        name = names[0] if names else ""
        if name in _IN_XCODE and self.scenario.xcode:
            return 0, f"{self.developer}/usr/bin/{name}\n", ""
        if name in _TOOLS and name not in _IN_XCODE:
            return 0, f"{_TOOLS[name]}\n", ""
        return 72, "", _not_found(name)


def _not_found(name: str) -> str:
    return f'xcrun: error: unable to find utility "{name}", not a developer tool or in PATH\n'


def _utc_now() -> datetime:
    return datetime.now(UTC)


SYSTEM = {"ProductName": "macOS", "ProductVersion": "26.2", "BuildVersion": SYSTEM_BUILD}
"""What `sw_vers` tells."""
