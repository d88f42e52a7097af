"""Weighs the app targets of all projects: how much speaks for releasing each, and in which configuration."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from pipeline.apple.xcode.facts import Problem, Unrehearsed
from pipeline.apple.xcode.pbxproj import BrokenList
from pipeline.apple.xcode.project import APPLICATION, MESSAGES_CONTAINER, WATCH_CONTAINER, Project, Target
from pipeline.apple.xcode.schemes import Scheme
from pipeline.apple.xcode.settings import Settings
from pipeline.apple.xcode.workspace import Workspace
from pipeline.model import Location, Platform
from pipeline.values import dataclass

_BY_SDK = {platform.sdk: platform for platform in Platform}
EXAMPLE = re.compile(
    r"^(?:.*[-_ ])?(?:examples?|demos?|samples?|fixtures?|templates?|playgrounds?|tests?)(?:[-_ ]?apps?)?$",
    re.IGNORECASE,
)
_TEST = re.compile(r"(?:^|[-_ ])tests?$|test[-_ ]?host", re.IGNORECASE)
_TRIAL = re.compile(
    r"(?:^|[-_ (])(?:debug|dev|development|alpha|beta|staging|nightly|enterprise|prototype|screenshots?|profil\w+"
    r"|(?:ui|unit)?[-_ ]?tests?)(?:$|[-_ )])",
    re.IGNORECASE,
)
"""Names of schemes that archive something else than what is released."""
_RELEASES = ("production", "release", "appstore", "distribution")


@dataclass(frozen=True)
class Candidate:
    """An app target on one platform, and how well it fits a release. `reasons` says what the score is made of.

    `carried` says that another app holds this one, `catalyst` that the iOS app is built for Macs too.
    """

    project: str
    target: str
    platform: Platform
    configuration: str
    scheme: str
    score: int
    reasons: tuple[str, ...]
    line: int | None = None
    bundle_id: str = ""
    carried: bool = False
    catalyst: bool = False


def candidates(
    workspace: Workspace, paths: Iterable[str], configuration: str, scheme: str, problems: list[Problem]
) -> Iterator[Candidate]:
    for path in paths:
        try:
            project = workspace.project(path)
        except BrokenList as fault:
            place = Location(file_of(path), fault.line)
            problems.append(Problem("unreadable", f"the project cannot be read: {fault.reason}", place))
            continue
        problems += [
            Problem("damaged", f"the project is damaged: {text}", Location(file_of(path), line))
            for text, line in project.flaws
        ]
        schemes, flawed = workspace.schemes(path)
        problems.extend(flawed)
        for target in project.applications:
            shared = [one for one in schemes if one.archives(path, target.name) and scheme in ("", one.name)]
            best = min(shared, key=lambda one: _scheme_rank(one, target, project), default=None)
            yield from _on_platforms(workspace, project, target, best, configuration)


def _on_platforms(
    workspace: Workspace, project: Project, target: Target, scheme: Scheme | None, asked: str
) -> Iterator[Candidate]:
    configuration = asked or _configuration(target, scheme)
    if target.configuration(configuration) is None:
        return
    general = workspace.settings(project, target, configuration, "")
    supported = general.text("SUPPORTED_PLATFORMS").split() if general.get("SUPPORTED_PLATFORMS").given else []
    sdk = general.text("SDKROOT")
    names = supported or [re.sub(r"[0-9.]+$", "", sdk)]
    for name in dict.fromkeys(names):
        platform = _BY_SDK.get(name)
        if platform is None:
            continue
        settings = workspace.settings(project, target, configuration, platform.sdk)
        against = _against(project, target, settings, re.sub(r"[0-9.]+$", "", sdk))
        score, reasons = _score(project, target, settings, scheme)
        identifier = settings.get("PRODUCT_BUNDLE_IDENTIFIER")
        yield Candidate(
            project.path,
            target.name,
            platform,
            configuration,
            scheme.name if scheme else target.name,
            score - _WEIGHT * len(against),
            (*reasons, *against),
            target.line,
            identifier.text,
            target.identifier in project.carried,
            platform is Platform.IOS and settings.flag("SUPPORTS_MACCATALYST"),
        )


_WEIGHT = 20
"""More than all that can speak for a target."""


def _against(project: Project, target: Target, settings: Settings, root: str) -> tuple[str, ...]:
    """What makes a target no candidate where there is another one."""
    sdk = settings.context.sdk
    signals = (
        (any(EXAMPLE.match(part) for part in project.path.split("/")[:-1]), "it lies in a folder of examples"),
        (bool(_TEST.search(target.name)), "its name is that of a test"),
        (root in _BY_SDK and root != sdk, f"its SDKROOT is {root}"),
        (target.identifier in project.carried, "another app carries it"),
    )
    return tuple(reason for holds, reason in signals if holds)


def _scheme_rank(scheme: Scheme, target: Target, project: Project) -> tuple[object, ...]:
    """Sorts the schemes that archive a target: first the one a release would take."""
    names = {plain(target.name), plain(project.name)}
    return (
        scheme.for_extension,
        scheme.targets[0][1] != target.name,
        bool(_TRIAL.search(scheme.name)),
        _rank(scheme.configuration),
        scheme.name != target.name,
        plain(scheme.name) not in names,
        "release" not in scheme.name.lower(),
        scheme.name,
    )


def plain(name: str) -> str:
    """A name without what people write in different ways."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _rank(configuration: str) -> int:
    plain = re.sub(r"[^a-z]", "", configuration.lower())
    return next((rank for rank, name in enumerate(_RELEASES) if plain == name), len(_RELEASES) + ("debug" in plain))


def _configuration(target: Target, scheme: Scheme | None) -> str:
    """The configuration to archive: the shared scheme's own, else Production, Release, AppStore, or the default."""
    names = [found.name for found in target.configurations]
    if scheme and scheme.configuration in names:
        return scheme.configuration
    best = min(names, key=_rank, default="")
    return best if best and _rank(best) < len(_RELEASES) else (target.default_configuration or best)


def _score(project: Project, target: Target, settings: Settings, scheme: Scheme | None) -> tuple[int, tuple[str, ...]]:
    """How much speaks for releasing this target, and what."""
    configuration = settings.context.configuration
    identity = settings.get("CODE_SIGN_IDENTITY")
    signals = (
        (4, scheme is not None, "a shared scheme archives it"),
        (3, _rank(configuration) in (0, 2, 3), f"it has a {configuration} configuration"),
        (3, settings.get("PROVISIONING_PROFILE_SPECIFIER").given, "its settings name a provisioning profile"),
        (2, identity.given and "Distribution" in identity.text, "its settings name a distribution identity"),
        (2, "appstore" in plain(target.name), "its name speaks of the App Store"),
        (1, settings.get("CODE_SIGN_ENTITLEMENTS").given, "it has entitlements"),
        (1, settings.get("DEVELOPMENT_TEAM").given, "it names a team"),
        (1, plain(target.name) == plain(project.name), "it bears the project's name"),
        (-4, identity.text.startswith("Developer ID"), "it is signed for distribution outside the App Store"),
    )
    held = [(points, reason) for points, holds, reason in signals if holds]
    return sum(points for points, _ in held), tuple(reason for _, reason in held)


def file_of(project: str) -> str:
    """The project file of a project."""
    return f"{project}/project.pbxproj"


def title_of(project: str) -> str:
    """The name of a project or workspace."""
    return posixpath.splitext(posixpath.basename(project))[0]


_CONTAINERS = {WATCH_CONTAINER: "watch-only app", MESSAGES_CONTAINER: "iMessage app"}


def unjudged(workspace: Workspace, paths: Iterable[str]) -> Iterator[Unrehearsed]:
    """The apps of kinds that are not judged here: those for the watch alone, and for Messages alone."""
    for path in paths:
        try:
            project = workspace.project(path)
        except BrokenList:
            continue
        for target in project.targets:
            kind = _CONTAINERS.get(target.product_type, "")
            if not kind and target.product_type == APPLICATION and target.identifier not in project.carried:
                configuration = _configuration(target, None)
                settings = workspace.settings(project, target, configuration, "")
                kind = "watch-only app" if settings.text("SDKROOT").startswith("watch") else ""
            if kind:
                yield Unrehearsed(
                    f"{kind} {target.name} in {path}",
                    "the rules for such apps are not known here",
                    "judge its exported package with build.validate --ipa",
                    location=Location(file_of(path), target.line),
                )
