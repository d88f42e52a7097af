"""Judges who the app says it is: identifiers, versions, and the settings that lose against others."""

import re
from collections.abc import Iterator

from pipeline.apple.xcode.checks.doubts import Doubts, doubted
from pipeline.apple.xcode.checks.embedded import label
from pipeline.apple.xcode.facts import (
    Companion,
    Companions,
    Kind,
    Shadowed,
    TargetInfo,
    TargetSettings,
)
from pipeline.apple.xcode.settings import TEAM
from pipeline.model import Declaration, Finding, Lane, Location, check, error, note, warning

_IDENTIFIER = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_CHARACTERS = re.compile(r"[A-Za-z0-9.-]+")
_VERSIONS = (
    ("CFBundleShortVersionString", "MARKETING_VERSION"),
    ("CFBundleVersion", "CURRENT_PROJECT_VERSION"),
)


@check("PROJ001", "bundle identifiers agree")
def bundle_identifiers_agree(settings: TargetSettings, info: TargetInfo, declared: Declaration) -> Iterator[Finding]:
    setting = settings.bundle_id
    literal = info.value("CFBundleIdentifier")
    if literal and setting and literal.text != setting.text:
        differs = error(
            f"the Info.plist says {literal}, PRODUCT_BUNDLE_IDENTIFIER says {setting}{_at(setting.location)}",
            subject=literal.text,
            at=literal.location,
            remedy="write $(PRODUCT_BUNDLE_IDENTIFIER) in the Info.plist, and one identifier in the settings",
            apple="90055",
        )
        yield doubted(differs, literal.hidden, setting.hidden)
    told: set[str] = set()
    for value in (literal, setting):
        if declared.bundle_id and value and value.text not in (declared.bundle_id, *told):
            told.add(value.text)
            another = error(
                f"config declares {declared.bundle_id}, the project says {value}",
                subject=value.text,
                at=value.location,
                remedy="make config and project name the same identifier; App Store Connect never changes an app's",
                apple="90055",
            )
            yield doubted(another, value.hidden)


@check("PROJ002", "bundle identifiers belong together across configurations")
def bundle_identifiers_agree_across_configurations(settings: TargetSettings, lane: Lane) -> Iterator[Finding]:
    mine = settings.bundle_id
    known = [
        (name, value)
        for name, value in settings.bundle_ids
        if _IDENTIFIER.fullmatch(value.text) and not value.undefined
    ]
    strangers = [(name, value) for name, value in known if not _related(mine.text, value.text)]
    if mine and strangers:
        others = "; ".join(f"{name}: {value}{_at(value.location)}" for name, value in strangers)
        differ = warning(
            f"{lane.configuration} builds {mine}, other configurations another app ({others})",
            subject=mine.text,
            at=mine.location,
            remedy="let every configuration build the same identifier, with a suffix where it differs on purpose",
        )
        yield doubted(differ, mine.hidden, *(value.hidden for _, value in strangers))


def _related(one: str, other: str) -> bool:
    """Whether one is the other, perhaps with a suffix such as .debug, or both belong to one maker."""
    if one == other or one.startswith(f"{other}.") or other.startswith(f"{one}."):
        return True
    head, _, tail = one.rpartition(".")
    its_head, _, its_tail = other.rpartition(".")
    if head == its_head and "." in head and (tail.startswith(its_tail) or its_tail.startswith(tail)):
        return True
    maker, its_maker = (identifier.lower().split(".")[:2] for identifier in (one, other))
    return maker == its_maker and one.count(".") > 1


@check("PROJ003", "the bundle identifier is set and well formed")
def bundle_identifier_is_set(settings: TargetSettings, info: TargetInfo) -> Iterator[Finding]:
    value = settings.bundle_id
    text = info.text("CFBundleIdentifier") or value.text
    place = info.place("CFBundleIdentifier") if info.text("CFBundleIdentifier") else value.location
    well_formed = bool(_IDENTIFIER.fullmatch(text))
    if well_formed and not (value.hidden and value.undefined):
        # A setting that nothing defines is empty, and a suffix that is empty in a release is often meant to be.
        return
    if TEAM in value.undefined:
        # Without a team nothing is known of the identifier, and that there is none is PROJ020's to say.
        return
    if value.undefined or not text:
        named = f" refers to {', '.join(value.undefined)}, which nothing defines" if value.undefined else " is not set"
        found = error(
            f"PRODUCT_BUNDLE_IDENTIFIER{named}",
            subject="PRODUCT_BUNDLE_IDENTIFIER",
            at=value.location or place,
            remedy="set PRODUCT_BUNDLE_IDENTIFIER in the target's settings",
            apple="CFBundleIdentifier",
        )
    else:
        has_hole = not all(text.split(".")) and bool(_CHARACTERS.fullmatch(text))
        found = error(
            f"{text!r} is no bundle identifier: "
            + (_hole(text) if has_hole else "letters, digits, hyphens and periods are allowed"),
            subject=text,
            at=place,
            remedy="write the part that is missing, or remove the period"
            if has_hole
            else "register an identifier without other characters",
            apple="CFBundleIdentifier",
        )
    yield doubted(found, value.hidden, info.hiding("CFBundleIdentifier"))


def _hole(text: str) -> str:
    if text.startswith("."):
        return "it begins with a period"
    return "a part between two periods is empty" if ".." in text else "it ends with a period"


@check("PROJ004", "versions in the Info.plist do not beat the settings")
def version_literals_do_not_beat_settings(
    settings: TargetSettings, info: TargetInfo, declared: Declaration
) -> Iterator[Finding]:
    if settings.generates_infoplist:
        return
    held = (settings.marketing_version, settings.build_number)
    meant = (declared.version, declared.build)
    for (key, setting), value, wanted in zip(_VERSIONS, held, meant, strict=True):
        literal = info.literals.get(key, "")
        if key in info.stamped:
            yield note(
                f"a script of the target writes {key} while it is built: {literal or 'what stands here'} does not ship",
                subject=key,
                at=info.place(key),
                remedy=f"let the script set {setting} instead, so that the version is known before the build",
            )
            continue
        if not literal or "$" in literal or value.location is None or literal == value.text or not _numbers(value.text):
            continue
        # Apple takes any number that is higher than the last: only who declares what the setting says wanted that one.
        say = error if wanted and wanted == value.text else warning
        beaten = say(
            f"the build will say {literal}, not {value}{_at(value.location)}: {key} is written out, {setting} ignored",
            subject=key,
            at=info.place(key),
            remedy=f"write $({setting}) in the Info.plist, or set GENERATE_INFOPLIST_FILE = YES",
        )
        yield doubted(beaten, value.hidden, info.hiding(key))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isascii() and part.isdigit() and len(part) < 19)


@check("PROJ005", "versions and build numbers are set")
def version_and_build_are_set(settings: TargetSettings, info: TargetInfo, companions: Companions) -> Iterator[Finding]:
    told: set[tuple[str, tuple[str, ...]]] = set()
    doubts = Doubts()
    yield from _versions("", settings, info, doubts, told)
    for each in companions.targets:
        if each.kind not in _UNVERSIONED and "Info.plist" not in each.unread:
            yield from _versions(f" of {label(each)}", each.settings, each.info, doubts, told)
    yield from doubts.told()


_UNVERSIONED = (Kind.TOOL, Kind.SYSTEM_EXTENSION)
_CODES = {"CFBundleShortVersionString": "90057", "CFBundleVersion": "90056"}


def _versions(
    whose: str,
    settings: TargetSettings,
    info: TargetInfo,
    doubts: Doubts,
    told: set[tuple[str, tuple[str, ...]]],
) -> Iterator[Finding]:
    """`told` holds the settings that were spoken of: what one lacks, the others lack for the same reason."""
    for key, setting in _VERSIONS:
        if info.text(key).strip() or key in info.stamped:
            continue
        place = info.place(key) or settings.infoplist_file.location or (settings.place if whose else None)
        if key in info.values and not isinstance(info.values[key], str):
            summary = f"{key}{whose} is no string"
        elif undefined := [each for each in info.undefined if each.key == key]:
            if (key, undefined[0].names) in told:
                continue
            told.add((key, undefined[0].names))
            summary = f"{key}{whose} refers to {', '.join(undefined[0].names)}, which nothing defines"
        else:
            summary = f"{key}{whose} is missing or empty"
        lacking = error(
            summary,
            subject=key,
            at=place,
            remedy=f"set {setting} and let {key} be $({setting})",
            apple=_CODES[key],
        )
        yield from doubts.of(lacking, info.hiding(key), name=f"{key}{whose}")


@check("PROJ007", "release settings are not overridden by the project file")
def release_settings_are_not_shadowed(settings: TargetSettings) -> Iterator[Finding]:
    for shadowed in settings.shadowed:
        yield warning(
            f"{shadowed.key} = {shadowed.text} has no effect: {_winner(shadowed)} wins",
            subject=shadowed.key,
            at=shadowed.location,
            remedy=f"remove {shadowed.key} from the project file, or from the xcconfig",
        )


def _winner(shadowed: Shadowed) -> str:
    text = f"{shadowed.winner}" or "an empty value"
    return f"{text}{_at(shadowed.winner.location)}"


@check("PROJ008", "embedded bundles go with the app")
def extensions_go_with_the_app(
    settings: TargetSettings, info: TargetInfo, companions: Companions, lane: Lane
) -> Iterator[Finding]:
    own = info.value("CFBundleIdentifier") or settings.bundle_id
    doubts = Doubts()
    holders = {lane.target: own, **{each.target: each.bundle_id for each in companions.targets}}
    for each in companions.targets:
        if not each.kind.is_signed_for_itself:
            continue
        parent, identifier = holders.get(each.within, own), each.bundle_id
        known = parent and identifier and not identifier.undefined and not parent.undefined
        if known and not identifier.text.startswith(f"{parent}."):
            holder = "the app" if each.within in ("", lane.target) else each.within
            stray = error(
                f"{each.target} is {identifier}, which does not begin with {holder}'s {parent}",
                subject=each.target,
                at=identifier.location,
                remedy=f"name it {parent}.{each.target}",
            )
            yield from doubts.of(stray, parent.hidden, identifier.hidden)
        yield from _other_versions(each, info, doubts)
    yield from doubts.told()


def _other_versions(each: Companion, info: TargetInfo, doubts: Doubts) -> Iterator[Finding]:
    for key, _ in _VERSIONS:
        mine, its = info.text(key), each.info.text(key)
        if mine and its and its != mine and key not in (*info.stamped, *each.info.stamped):
            say = note if _is_placeholder(key, mine) or _is_placeholder(key, its) else warning
            apart = say(
                f"{key} of {each.target} is {its}, that of the app is {mine}",
                subject=each.target,
                at=each.info.place(key),
                remedy="let app and extensions take both numbers from the same settings",
                apple="90473",
            )
            yield from doubts.of(apart, info.hiding(key), each.info.hiding(key), name=f"{key} of {each.target}")


def _is_placeholder(key: str, text: str) -> bool:
    """Whether a version is one that nobody releases (9000, 9999.0.0), which the build machine replaces."""
    major = text.partition(".")[0]
    return key == "CFBundleShortVersionString" and major.isdecimal() and major[:1] == "9" and len(major) > 3


def _at(location: Location | None) -> str:
    return f" ({location})" if location else ""
