"""Weighs the app targets of all projects: how much speaks for releasing each, and in which configuration."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from pipeline.apple.xcode.facts import Problem, Unrehearsed
from pipeline.apple.xcode.pbxproj import BrokenList, UnreadList
from pipeline.apple.xcode.project import APPLICATION, MESSAGES_CONTAINER, PROGRAMS, WATCH_CONTAINER, Project, Target
from pipeline.apple.xcode.schemes import Scheme
from pipeline.apple.xcode.settings import Settings
from pipeline.apple.xcode.workspace import Workspace
from pipeline.model import Lane, Location, Platform
from pipeline.values import dataclass

_BY_SDK = {platform.sdk: platform for platform in Platform}
EXAMPLE = re.compile(
    r"^(?:.*[-_ ])?(?:examples?|demos?|samples?|fixtures?|templates?|playgrounds?|tests?)(?:[-_ ]?apps?)?$",
    re.IGNORECASE,
)
_TEST = re.compile(r"(?:^|[-_ ])tests?$|tests?[-_ ]?host|(?-i:[a-z0-9](?:Tests?|Demo)$)", re.IGNORECASE)
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

    `carried` says that another app holds this one, `catalyst` that the iOS app is built for Macs too. `outside` says
    why it is a Mac app for another place than the store; where it is `sandboxed`, it may go to the store all the same.
    `unlikely` says why nothing shows that there is a Mac app, `unprepared` why an app that is for Macs alone cannot be
    meant for the store.
    `against` are those of the reasons that speak against it.
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
    outside: str = ""
    sandboxed: bool = False
    unlikely: str = ""
    unprepared: str = ""
    against: tuple[str, ...] = ()


def candidates(
    workspace: Workspace, paths: Iterable[str], configuration: str, scheme: str, problems: list[Problem]
) -> Iterator[Candidate]:
    """The app targets of some projects, one for each of their platforms; what cannot be read goes into `problems`."""
    for path in paths:
        try:
            project = workspace.project(path)
        except BrokenList as fault:
            place = Location(file_of(path), fault.line)
            kind = "unread" if isinstance(fault, UnreadList) else "unreadable"
            problems.append(Problem(kind, f"the project cannot be read: {fault.reason}", place))
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
    if not sdk and not unknown_sdk(workspace, project, target, general):
        sdk = _DEFAULT_SDK
    names = supported or [re.sub(r"[0-9.]+$", "", sdk)]
    for name in dict.fromkeys(names):
        platform = _BY_SDK.get(name)
        if platform is None:
            continue
        settings = workspace.settings(project, target, configuration, platform.sdk)
        against = _against(project, target, settings, re.sub(r"[0-9.]+$", "", sdk))
        score, reasons, doubts = _score(project, target, settings, scheme)
        identifier = settings.get("PRODUCT_BUNDLE_IDENTIFIER")
        mac = platform is Platform.MAC_OS
        placed = _placed_elsewhere(settings) if mac else ""
        outside = placed or (_against_store(workspace, project, target, settings) if mac else "")
        sandboxed = mac and not placed and _is_sandboxed(workspace, project, settings)
        spans = len(_BY_SDK.keys() & set(names)) > 1 and not sdk.startswith("macosx")
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
            outside,
            sandboxed and not (outside and _carries_unsandboxed(workspace, project, target, settings)),
            _unlikely_on_macs(workspace, project, target, settings, spans=spans) if mac else "",
            _unprepared(workspace, project, settings) if mac and not spans and not sandboxed else "",
            (*doubts, *against),
        )


_DEFAULT_SDK = "macosx"
"""What Xcode builds with where no SDKROOT is given."""


def unknown_sdk(workspace: Workspace, project: Project, target: Target, settings: Settings) -> tuple[str, ...]:
    """The files that were not read and may hold the SDK; or what is written for it, if that makes nothing.

    Where nothing includes them for certain, the checkout is built without them.
    """
    found = settings.get("SDKROOT")
    if found.text or found.given:
        return () if found.text else (found.hidden or (found.written,))
    configuration = settings.context.configuration
    bases = (each.base for each in (project.configuration(configuration), target.configuration(configuration)) if each)
    flaws = [flaw for base in bases if base for flaw in workspace.xcconfig(base)[1]]
    spared = {flaw.optional for flaw in flaws}
    return tuple(path for path in found.hidden if path not in spared)


_UPDATERS = ("SUFeedURL", "SUPublicEDKey", "SUPublicDSAKeyFile")
"""Info.plist keys of Sparkle, which updates apps from outside the App Store."""
_HERE = ("-", "Sign to Run Locally")


def _against_store(workspace: Workspace, project: Project, target: Target, settings: Settings) -> str:
    """What says that a Mac app is made for another place than the App Store; "" when nothing does."""
    identity = settings.text("CODE_SIGN_IDENTITY")
    if identity.startswith("Developer ID") and not is_for_store(settings.text("PROVISIONING_PROFILE_SPECIFIER")):
        return "it is signed for distribution outside the App Store"
    team = settings.get("DEVELOPMENT_TEAM")
    signed = settings.get("CODE_SIGN_IDENTITY")
    if identity in _HERE and signed.given and not (team.text or team.hidden or signed.hidden):
        return "it is signed to run on the machine that builds it"
    if _exports(workspace) == {"developer-id"}:
        return "the options of its exports are for distribution outside the App Store"
    linked = (path for path, _ in project.members(target, "PBXFrameworksBuildPhase", settings.context.sdk))
    if (
        "Sparkle" in project.products(target)
        or "Sparkle.framework" in map(posixpath.basename, linked)
        or _says(workspace, project, settings, _UPDATERS)
    ):
        return "it brings its own updater, which is for apps outside the App Store"
    return ""


def _placed_elsewhere(settings: Settings) -> str:
    """What says that an app is installed where the App Store never puts one: input methods, for instance."""
    place = settings.get("INSTALL_PATH")
    if not place.given or place.hidden or not (place.text.startswith("/") or "LIBRARY_DIR" in place.written):
        return ""
    if re.search(r"applications|apps_dir", f"{place.text} {place.written}", re.IGNORECASE) or place.text == "/":
        return ""
    return f"its INSTALL_PATH is {place.written}, and the App Store installs into Applications alone"


def _exports(workspace: Workspace) -> frozenset[str]:
    """The methods of all options for exports in the checkout; "" for those that could not be read."""

    def gather() -> frozenset[str]:
        found = set()
        for path in workspace.tree:
            if path.endswith(".plist") and _EXPORT.search(path):
                plist = workspace.plist(path).plist
                held = plist.value if plist else None
                found.add(str(held.get("method", "")) if isinstance(held, dict) else "")
        return frozenset(found)

    return workspace.once(("exports",), gather)


_EXPORT = re.compile(r"export[-_ ]?options[^/]*$", re.IGNORECASE)


def _carries_unsandboxed(workspace: Workspace, project: Project, target: Target, settings: Settings) -> bool:
    """Whether a program that the app carries is certainly outside of the sandbox."""
    sdk, configuration = settings.context.sdk, settings.context.configuration
    makers = (project.target_of(each.made_by) for each in project.copied(target, sdk) if each.made_by)
    for one in (*makers, *project.bundled(target, sdk), *project.dependencies(target, sdk)):
        if one is None or one.product_type not in PROGRAMS:
            continue
        its = workspace.settings(project, one, configuration, sdk)
        given = its.get("ENABLE_APP_SANDBOX")
        if given.text == "NO" and given.given and not _is_sandboxed(workspace, project, its):
            return True
    return False


def _is_sandboxed(workspace: Workspace, project: Project, settings: Settings) -> bool:
    """Whether it has what the Mac App Store asks of every app, and others seldom bear; or nobody knows.

    Some take their updater out of the same target when they build it for the store.
    """
    if settings.text("CODE_SIGN_IDENTITY").startswith("Developer ID"):
        return False
    flag, named = settings.get("ENABLE_APP_SANDBOX"), settings.get("CODE_SIGN_ENTITLEMENTS")
    if settings.flag("ENABLE_APP_SANDBOX") or flag.hidden or named.hidden:
        return True
    if not named.text:
        return False
    plist = workspace.plist(workspace.spelled(workspace.relative(named.text, project.folder))).plist
    return plist is None or (
        isinstance(plist.value, dict) and plist.value.get(_SANDBOX) is not False and _SANDBOX in plist.value
    )


_SANDBOX = "com.apple.security.app-sandbox"
_HARDENED = ("com.apple.security.cs.", "com.apple.security.automation.apple-events")
"""Entitlements that loosen the hardened runtime, which notarized apps need."""


def _unprepared(workspace: Workspace, project: Project, settings: Settings) -> str:
    """Why an unsandboxed Mac app is not meant for the store: its entitlements leave the sandbox out, and it has no
    category, or what those loosen is the runtime of apps that are notarized. "" where that is not known.
    """
    named, category = settings.get("CODE_SIGN_ENTITLEMENTS"), settings.get(f"INFOPLIST_KEY_{_CATEGORY}")
    profile, identity = settings.get("PROVISIONING_PROFILE_SPECIFIER"), settings.get("CODE_SIGN_IDENTITY")
    if not named.text or profile.text or profile.hidden or identity.hidden or "Distribution" in identity.text:
        return ""
    plist = workspace.plist(workspace.spelled(workspace.relative(named.text, project.folder))).plist
    held = plist.value if plist else None
    if not isinstance(held, dict) or _SANDBOX in held:
        return ""
    if not settings.flag("ENABLE_HARDENED_RUNTIME"):
        return ""
    if any(str(key).startswith(_HARDENED) for key in held):
        return "it is outside of the sandbox, and its entitlements are those of a notarized app"
    if category.text or category.hidden or _says(workspace, project, settings, (_CATEGORY,)):
        return ""
    return "it has neither the sandbox nor a category nor a profile, which the store wants"


def is_for_store(name: str) -> bool:
    """Whether a target's or a profile's name speaks of the App Store."""
    return "appstore" in plain(name)


def _says(workspace: Workspace, project: Project, settings: Settings, keys: Iterable[str]) -> bool:
    """Whether the Info.plist has one of some keys."""
    path = settings.text("INFOPLIST_FILE")
    loaded = workspace.info(workspace.spelled(workspace.relative(path, project.folder)), settings) if path else None
    held = loaded.plist.value if loaded and loaded.plist else None
    return isinstance(held, dict) and any(key in held for key in keys)


_CATEGORY = "LSApplicationCategoryType"


def _unlikely_on_macs(
    workspace: Workspace, project: Project, target: Target, settings: Settings, *, spans: bool
) -> str:
    """Why an app of several platforms has no Mac edition in the store, as far as its settings show.

    Xcode's templates for several platforms make a Mac app of their own accord. The store takes none without a category
    (90242) nor without an icon for Macs (90236), so that where there is neither, none was ever delivered.
    """
    identity, category = settings.get("CODE_SIGN_IDENTITY"), settings.get(f"INFOPLIST_KEY_{_CATEGORY}")
    if (
        not (spans or identity.text in _HERE)
        or "Distribution" in identity.text
        or category.text
        or identity.hidden
        or category.hidden
        or is_for_store(target.name)
        or settings.text("PROVISIONING_PROFILE_SPECIFIER")
        or _says(workspace, project, settings, (_CATEGORY,))
        or _has_mac_icon(workspace, project, target, settings)
    ):
        return ""
    return "nothing shows a Mac edition: it has neither a category nor an icon for Macs, which the store wants"


def _has_mac_icon(workspace: Workspace, project: Project, target: Target, settings: Settings) -> bool:
    """Whether it has an icon for Macs, or one that could not be looked at."""
    from pipeline.apple.xcode.icons import app_icon
    from pipeline.apple.xcode.sight import UNREADABLE, Sight

    lane = Lane("", Platform.MAC_OS, project.path, target.name, settings.context.configuration)
    try:
        icon = app_icon(Sight(workspace, lane))
    except UNREADABLE:
        return True
    if icon.absent or icon.flaw or icon.kind not in ("", "appiconset"):
        return True
    return any(image.filename and "mac" in (image.idiom, image.platform) for image in icon.images)


_WEIGHT = 20
"""More than all that can speak for a target."""


def _against(project: Project, target: Target, settings: Settings, root: str) -> tuple[str, ...]:
    """What makes a target no candidate where there is another one."""
    sdk = settings.context.sdk
    signals = (
        (any(EXAMPLE.match(part) for part in project.path.split("/")[:-1]), "it lies in a folder of examples"),
        (bool(_TEST.search(target.name)), "its name is that of an example or a test"),
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
    letters = re.sub(r"[^a-z]", "", configuration.lower())
    return next((rank for rank, name in enumerate(_RELEASES) if letters == name), len(_RELEASES) + ("debug" in letters))


def _configuration(target: Target, scheme: Scheme | None) -> str:
    """The configuration to archive: the shared scheme's own, else Production, Release, AppStore, or the default."""
    names = [found.name for found in target.configurations]
    if scheme and scheme.configuration in names:
        return scheme.configuration
    best = min(names, key=_rank, default="")
    return best if best and _rank(best) < len(_RELEASES) else (target.default_configuration or best)


def _score(
    project: Project, target: Target, settings: Settings, scheme: Scheme | None
) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    """How much speaks for releasing this target, what does, and what of it speaks against."""
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
    doubts = tuple(reason for points, reason in held if points < 0)
    return sum(points for points, _ in held), tuple(reason for _, reason in held), doubts


def file_of(project: str) -> str:
    """The project file of a project."""
    return f"{project}/project.pbxproj"


def title_of(project: str) -> str:
    """The name of a project or workspace."""
    return posixpath.splitext(posixpath.basename(project))[0]


def unknown_platforms(workspace: Workspace, paths: Iterable[str]) -> Iterator[tuple[Location, str, tuple[str, ...]]]:
    """The apps whose platform nobody knows: the place and name of each, and what would tell it."""
    for path in paths:
        try:
            project = workspace.project(path)
        except BrokenList:
            continue
        for target in project.applications:
            settings = workspace.settings(project, target, _configuration(target, None), "")
            if files := unknown_sdk(workspace, project, target, settings):
                yield Location(file_of(path), target.line), target.name, files


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
