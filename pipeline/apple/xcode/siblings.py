"""Chooses the apps that are judged beside those of a release, and says why the others are not."""

from __future__ import annotations

import re
from collections.abc import Collection

from pipeline.apple.xcode.candidates import EXAMPLE, Candidate, is_for_store, title_of
from pipeline.apple.xcode.discovery import Discovery, in_workspace
from pipeline.apple.xcode.rivals import core
from pipeline.apple.xcode.workspace import Workspace
from pipeline.model import Beside, Lane, Left, Platform

MOST = 8
"""How many apps are judged beside the lanes: more reports than that nobody reads, and each takes its time."""

_LIKELY = 4
"""Points from which an app of its own counts as one for the store: a scheme, or a profile and more, speaks for it."""

_SHORT = 3
"""Letters with which the names of others begin by chance."""

_EXAMPLES = "its name is that of an example or a test"

ELSEWHERE = frozenset(
    {
        "Pods",
        "Carthage",
        "SourcePackages",
        "External",
        "Externals",
        "Submodules",
        "ThirdParty",
        "Thirdparty",
        "Vendor",
        "Vendors",
        "external",
        "externals",
        "submodules",
        "third-party",
        "third_party",
        "thirdparty",
        "vendor",
        "vendors",
    }
)
"""Folders in which people keep the sources of others."""

_TRIAL = re.compile(
    r"(?:^|[-_ (.])(?:debug|dev|develop|(?:under[-_ ]?)?development|alpha|staging|stage|nightly|enterprise|adhoc"
    r"|internal|qa|uat|prototype|screenshots?|ui[-_ ]?tests?|unit[-_ ]?tests?|tests?|mock|local)(?:$|[-_ ).])",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(
    r"(?:^|[a-z0-9]|[-_ ])(?:Examples?|Demos?|Samples?|Playground|TestHost|HostApp|TestApp|Tests?|Fixtures?"
    r"|Benchmarks?|Harness|Storybook|Previews?)(?:App|Host)?(?:$|[-_ ]|(?=iOS|Mac|macOS|TV|tvOS|OSX))"
)
"""As a part of a name in camel case or behind a separator."""
_PLACEHOLDER = re.compile(r"(?:com\.)?(?:example|yourcompany|mycompany|your-company|apple-samplecode)\.", re.IGNORECASE)
_MODULES = re.compile(r"^\s*path\s*=\s*(.+?)\s*$", re.MULTILINE)
_MODULES_LIMIT = 1 << 20


def beside(
    workspace: Workspace,
    discovery: Discovery,
    lanes: tuple[Lane, ...],
    elsewhere: Collection[str] = (),
    most: int = MOST,
) -> Beside:
    """The app targets of the repository's own projects that no lane releases, in the configuration of their archive.

    Args:
        workspace: the app's files.
        discovery: what could have been a lane.
        lanes: those that are released.
        elsewhere: projects that another app of the configuration releases.
        most: how many are judged.
    """
    return _Choice(workspace, discovery, lanes).made(elsewhere, most)


class _Choice:
    def __init__(self, workspace: Workspace, discovery: Discovery, lanes: tuple[Lane, ...]) -> None:
        self.workspace = workspace
        self.discovery = discovery
        self.lanes = lanes
        self.submodules = _submodules(workspace, lanes)

    def made(self, elsewhere: Collection[str], most: int) -> Beside:
        judged: list[Candidate] = []
        left: dict[tuple[str, str], str] = {}
        for one in self._others(elsewhere):
            why = self._against(one)
            if not why and len(judged) >= most:
                why = f"no more than {most} are judged in one run"
            if why:
                left.setdefault((one.project, one.target), why)
            else:
                judged.append(one)
        seen = {(one.project, one.target) for one in judged}
        names = {one: _name(one, judged) for one in judged}
        return Beside(
            tuple(self._lane(one, name) for one, name in names.items()),
            frozenset(name for one, name in names.items() if self._is_edition(one)),
            tuple(
                Left(target, project, why) for (project, target), why in left.items() if (project, target) not in seen
            ),
        )

    def _others(self, elsewhere: Collection[str]) -> list[Candidate]:
        """The apps of this maker that no lane releases and no other app holds, the likeliest first."""
        released = {(lane.project, lane.target) for lane in self.lanes}
        found = (
            one
            for one in self.discovery.candidates
            if (one.project, one.target) not in released
            and one.project in self.discovery.concerned
            and one.project not in elsewhere
            and not one.carried
        )
        return sorted(found, key=lambda one: (-one.score, one.project.count("/"), one.project, one.target))

    def _lane(self, one: Candidate, name: str) -> Lane:
        lane = Lane(name, one.platform, one.project, one.target, one.configuration, one.scheme)
        return in_workspace(self.workspace, lane)

    def _is_edition(self, one: Candidate) -> bool:
        """Whether it is another edition of what a lane releases: then what is declared of that holds for it."""
        for lane in self.lanes:
            known = [each for each in self.discovery.candidates if each.project == lane.project]
            if any(one.bundle_id == each.bundle_id != "" for each in known if each.target == lane.target):
                return True
            if one.platform is lane.platform and core(one.target) == core(lane.target) != "":
                return True
        return False

    def _against(self, one: Candidate) -> str:
        """Why it is no app for the store that is made from these sources; "" when nothing says so."""
        return (
            self._by_place(one)
            or self._by_weight(one)
            or self._by_name(one)
            or _by_settings(self.workspace, one)
            or self._unless_likely(one)
        )

    def _by_place(self, one: Candidate) -> str:
        folders = one.project.split("/")[:-1]
        if ELSEWHERE.intersection(folders):
            return "its folder holds the sources of others"
        module = next((path for path in self.submodules if one.project.startswith(f"{path}/")), "")
        if module:
            return f"the submodule {module} is another repository"
        return _EXAMPLES if any(map(is_example, folders)) else ""

    def _by_weight(self, one: Candidate) -> str:
        spans = any(
            (other.project, other.target) == (one.project, one.target) and other.platform is not one.platform
            for other in self.discovery.candidates
        )
        if spans and (one.score < 0 or one.platform is Platform.VISION_OS):
            return "it is one platform of a target for several"
        if one.score < 0:
            return one.reasons[-1]
        return ""

    def _unless_likely(self, one: Candidate) -> str:
        likely = one.score >= _LIKELY or self._is_edition(one) or self._is_named_after(one)
        return "" if likely else "nothing says that it goes to the App Store"

    def _is_named_after(self, one: Candidate) -> bool:
        """Whether its name is that of a released app and more: Acme Pro beside Acme."""
        names = (core(lane.target) for lane in self.lanes if lane.project == one.project)
        return any(len(name) > _SHORT and core(one.target).startswith(name) for name in names)

    def _by_name(self, one: Candidate) -> str:
        if is_example(one.target) or is_example(title_of(one.project)):
            return _EXAMPLES
        if _TRIAL.search(one.target):
            return "its name is that of an edition for trials"
        if _PLACEHOLDER.match(one.bundle_id):
            return f"{one.bundle_id} is the identifier of an example"
        beside = (each.target for each in self.discovery.candidates if each.project == one.project)
        if not is_for_store(one.target) and any(map(is_for_store, beside)):
            return "the apps of its project that go to the App Store say so in their names"
        return ""


def _name(one: Candidate, judged: list[Candidate]) -> str:
    """The project and the target; the platform where the target is judged for several."""
    twins = [each for each in judged if (each.project, each.target) == (one.project, one.target)]
    return f"{one.project}:{one.target}{f' ({one.platform.label})' if len(twins) > 1 else ''}"


def maker(bundle_id: str) -> str:
    """The first two labels of a bundle identifier, which are the maker's domain; "" where there are no more."""
    return ".".join(bundle_id.lower().split(".")[:2]) if bundle_id.count(".") > 1 else ""


def is_example(name: str) -> bool:
    """Whether a folder or target is called like an example or a test."""
    return bool(EXAMPLE.match(name) or _EXAMPLE.search(name))


def _by_settings(workspace: Workspace, one: Candidate) -> str:
    """What says that the target is made for another purpose than the App Store."""
    project = workspace.project(one.project)
    target = project.target(one.target)
    if target is None:
        return "its project does not hold it"
    settings = workspace.settings(project, target, one.configuration, one.platform.sdk)
    if settings.flag("SKIP_INSTALL"):
        return "SKIP_INSTALL keeps it out of archives"
    if workspace.relative(settings.text("INFOPLIST_FILE"), project.folder).startswith("../"):
        return "its Info.plist lies outside of the checkout, or is made while it is built"
    return one.outside or one.unlikely


def _submodules(workspace: Workspace, lanes: tuple[Lane, ...]) -> tuple[str, ...]:
    """The folders that are repositories of their own, but for those that hold a lane's project."""
    text = (workspace.read(".gitmodules", _MODULES_LIMIT) or b"").decode("utf-8", "replace")
    paths = (found.strip('"').strip("/") for found in _MODULES.findall(text))
    return tuple(path for path in paths if path and not any(lane.project.startswith(f"{path}/") for lane in lanes))
