"""Build settings as a person asks for them: each with its value, where it was decided, and what it overrides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from fnmatch import fnmatchcase

from pipeline.apple.xcode.settings import Level, Settings
from pipeline.apple.xcode.sight import Sight
from pipeline.model import Location, UsageFault
from pipeline.values import dataclass

USUAL = (
    "PRODUCT_NAME",
    "PRODUCT_BUNDLE_IDENTIFIER",
    "MARKETING_VERSION",
    "CURRENT_PROJECT_VERSION",
    "DEVELOPMENT_TEAM",
    "CODE_SIGN_STYLE",
    "CODE_SIGN_IDENTITY",
    "PROVISIONING_PROFILE_SPECIFIER",
    "CODE_SIGN_ENTITLEMENTS",
    "CODE_SIGN_ALLOW_ENTITLEMENTS_MODIFICATION",
    "ENABLE_APP_SANDBOX",
    "ENABLE_HARDENED_RUNTIME",
    "*_DEPLOYMENT_TARGET",
    "SUPPORTED_PLATFORMS",
    "SUPPORTS_MACCATALYST",
    "TARGETED_DEVICE_FAMILY",
    "ARCHS",
    "EXCLUDED_ARCHS",
    "INFOPLIST_FILE",
    "GENERATE_INFOPLIST_FILE",
    "INFOPLIST_PREPROCESS",
    "INFOPLIST_KEY_*",
    "ASSETCATALOG_COMPILER_APPICON_NAME",
    "SKIP_INSTALL",
    "SWIFT_VERSION",
)
"""What decides identity, version, signing, platforms and Info.plist; told where something assigns it."""

MOST_TARGETS = 400
_WILD = frozenset("*?[")


@dataclass(frozen=True)
class SettingsQuery:
    """What was asked for: names of settings and of targets, in which `*` stands for anything.

    Without keys the usual ones are meant; without targets the lane's own.
    """

    keys: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assigned:
    """One assignment of a setting, as it is written. `level` is one of Level's words."""

    level: str
    written: str
    location: Location | None = None

    def __str__(self) -> str:
        return f"{self.written} ({self.level})"


@dataclass(frozen=True)
class ResolvedSetting:
    """One setting of one target.

    Attributes:
        text: the value after expansion.
        decided: the assignment that decided it; None where nothing assigns it.
        weaker: the assignments that it overrides, the strongest first.
        undefined: names that it refers to and that nothing defines; Xcode takes them for empty.
    """

    key: str
    text: str = ""
    decided: Assigned | None = None
    weaker: tuple[Assigned, ...] = ()
    undefined: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResolvedTarget:
    """The settings of one target that were asked for, in the order in which they were."""

    target: str
    project: str
    configuration: str
    sdk: str
    settings: tuple[ResolvedSetting, ...] = ()


@dataclass(frozen=True)
class ResolvedSettings:
    """What was asked for, target by target: the lane's own first, then what travels inside it, then the rest."""

    targets: tuple[ResolvedTarget, ...] = field(default_factory=tuple)

    def __str__(self) -> str:
        count = sum(len(target.settings) for target in self.targets)
        return f"{count} settings of {', '.join(target.target for target in self.targets[:5])}"


def resolved_settings(sight: Sight, query: SettingsQuery) -> ResolvedSettings:
    """The settings that a query asks for.

    Raises:
        UsageFault: no target, or no setting, has a name that was asked for.
    """
    found = tuple(_target(each, query.keys) for each in _targets(sight, query.targets))
    for asked in query.keys:
        if set(asked) & _WILD and not any(_matches(one.key, asked) for each in found for one in each.settings):
            raise UsageFault(f"--key {asked}: no setting has such a name", remedy="`--key '*'` shows them all")
    return ResolvedSettings(found)


def _targets(sight: Sight, asked: tuple[str, ...]) -> Iterator[Sight]:
    if not asked:
        yield sight
        return
    every = {(each.project.path, each.target.identifier): each for each in _every(sight)}
    names = [each.target.name for each in every.values()]
    for pattern in asked:
        if not any(fnmatchcase(name, pattern) for name in names):
            from difflib import get_close_matches

            close = get_close_matches(pattern[:80], names, 3, 0.5) or names[:20]
            raise UsageFault(
                f"--target {pattern}: {sight.project.path} has no such target", remedy=f"name one of {', '.join(close)}"
            )
    yield from (each for each in every.values() if any(fnmatchcase(each.target.name, one) for one in asked))


def _every(sight: Sight) -> Iterator[Sight]:
    yield sight
    yield from sight.carried()
    for target in sight.project.targets[:MOST_TARGETS]:
        if target.identifier != sight.target.identifier:
            yield sight.at(sight.project, target)


def _target(sight: Sight, asked: tuple[str, ...]) -> ResolvedTarget:
    settings = sight.settings
    names = sorted(settings)
    keys: dict[str, None] = {}
    for pattern in asked or USUAL:
        if set(pattern) & _WILD:
            keys.update(dict.fromkeys(name for name in names if _matches(name, pattern)))
        elif asked or pattern in settings:
            keys[next((name for name in names if name.lower() == pattern.lower()), pattern)] = None
    return ResolvedTarget(
        sight.target.name,
        sight.project.path,
        sight.configuration,
        sight.sdk,
        tuple(_setting(settings, key) for key in keys),
    )


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name.lower(), pattern.lower())


def _setting(settings: Settings, key: str) -> ResolvedSetting:
    value = settings.get(key)
    if value.level is None:
        return ResolvedSetting(key)
    decided = Assigned(str(value.level), value.written, Location(value.path, value.line) if value.path else None)
    held = [
        Assigned(str(level), one.value, Location(one.path, one.line) if one.path else None)
        for one, level in settings.assignments(key)
    ]
    # What stands above the one that decided only hands it on, and what Xcode itself assumes is overridden everywhere.
    at = max((number for number, one in enumerate(held) if one == decided), default=len(held))
    weaker = tuple(one for one in reversed(held[:at]) if one.level != Level.PLATFORM)
    return ResolvedSetting(key, value.text, decided, weaker, value.undefined)
