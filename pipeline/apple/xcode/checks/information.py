"""Judges the Info.plist that the build will hold against what App Store Connect refuses or complains of."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.apple.xcode.checks.doubts import Doubts, doubted
from pipeline.apple.xcode.checks.wording import is_spoilt, names_of
from pipeline.apple.xcode.facts import ALL, Companions, TargetInfo, TargetSettings
from pipeline.apple.xcode.infoplist import DESCRIPTIONS, KNOWN, PREFIX
from pipeline.model import BuildPolicy, Finding, Lane, Platform, check, error, note, warning

MODES = (
    "audio",
    "location",
    "voip",
    "fetch",
    "remote-notification",
    "newsstand-content",
    "external-accessory",
    "bluetooth-central",
    "bluetooth-peripheral",
    "network-authentication",
    "processing",
    "push-to-talk",
    "nearby-interaction",
    "screen-capture",
)
"""swift-build, InfoPlistProcessorTaskAction.swift 1161-1177."""

_MEANT = {
    "background-app-refresh": "fetch",
    "background-fetch": "fetch",
    "background-processing": "processing",
    "bluetooth": "bluetooth-central",
    "picture-in-picture": "audio",
}
_ORIENTATIONS = (
    "UIInterfaceOrientationPortrait",
    "UIInterfaceOrientationPortraitUpsideDown",
    "UIInterfaceOrientationLandscapeLeft",
    "UIInterfaceOrientationLandscapeRight",
)
_CATEGORY = "LSApplicationCategoryType"
_TASKS = "BGTaskSchedulerPermittedIdentifiers"
_COMPLIANCE, _COMPLIANCE_CODE = "ITSAppUsesNonExemptEncryption", "ITSEncryptionExportComplianceCode"


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(item) for item in value) if isinstance(value, (list, tuple)) else ()


@check("PROJ030", "background modes are known")
def background_modes_are_known(info: TargetInfo, lane: Lane) -> Iterator[Finding]:
    if lane.platform is Platform.MAC_OS:
        return
    for position, mode in enumerate(_texts(info.values.get("UIBackgroundModes"))):
        if mode in MODES:
            continue
        meant = _MEANT.get(mode) or _nearest_of(mode, MODES)
        remedy = f"write {meant} instead" if meant else f"use one of {', '.join(MODES)}"
        if meant == "processing":
            remedy += f", and list the tasks in {_TASKS}"
        unknown = error(
            f"UIBackgroundModes holds {mode!r}, which is no background mode",
            subject=mode,
            at=info.place(f"UIBackgroundModes/{position}"),
            remedy=remedy,
            apple="90112",
        )
        yield doubted(unknown, info.hiding("UIBackgroundModes"))


def _nearest_of(name: str, known: Iterable[str], likeness: float = 0.75) -> str:
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, sorted(known), 1, likeness)), "")


@check("PROJ031", "background processing names its tasks")
def background_tasks_are_listed(info: TargetInfo, lane: Lane) -> Iterator[Finding]:
    modes = _texts(info.values.get("UIBackgroundModes"))
    if lane.platform is not Platform.MAC_OS and "processing" in modes and not _texts(info.values.get(_TASKS)):
        nameless = error(
            f"UIBackgroundModes holds processing, and {_TASKS} is missing",
            subject=_TASKS,
            at=info.place(f"UIBackgroundModes/{modes.index('processing')}"),
            remedy=f"list the identifiers of the app's background tasks in {_TASKS}",
            apple="90771",
        )
        yield doubted(nameless, info.hiding("UIBackgroundModes"), info.hidden.get(ALL, ()))


_MULTITASKING = ("UIDeviceFamily", "UIRequiresFullScreen")


def _multitasks(info: TargetInfo, lane: Lane) -> bool:
    """Whether the app runs on iPad beside others."""
    families = info.values.get("UIDeviceFamily")
    full_screen = info.values.get("UIRequiresFullScreen", info.values.get("UIRequiresFullScreen~ipad"))
    on_ipad = isinstance(families, (list, tuple)) and any(str(family) == "2" for family in families)
    return lane.platform is Platform.IOS and on_ipad and full_screen is not True


@check("PROJ032", "the iPad app turns in all directions")
def ipad_orientations_are_complete(info: TargetInfo, lane: Lane) -> Iterator[Finding]:
    if not _multitasks(info, lane):
        return
    key = "UISupportedInterfaceOrientations~ipad"
    if key not in info.values:
        key = "UISupportedInterfaceOrientations"
    missing = [each for each in _ORIENTATIONS if each not in _texts(info.values.get(key))]
    if missing:
        lacking = error(
            f"{key} lacks {', '.join(each.removeprefix('UIInterfaceOrientation') for each in missing)}",
            subject=key,
            at=info.place(key),
            remedy="list all four orientations for iPad, or set UIRequiresFullScreen to true",
            apple="90474",
        )
        yield doubted(lacking, info.hiding(key), *map(info.hiding, _MULTITASKING))


@check("PROJ033", "the iPad app has a launch screen")
def launch_screen_is_there(settings: TargetSettings, info: TargetInfo, lane: Lane) -> Iterator[Finding]:
    keys = ("UILaunchScreen", "UILaunchScreens", "UILaunchStoryboards")
    names = ("UILaunchStoryboardName", "UILaunchStoryboardName~ipad")
    if any(key in info.values for key in keys):
        return
    if any(map(info.text, names)):
        yield from _lost_storyboard(info, lane)
        return
    if not _multitasks(info, lane):
        return
    meant = next((value for key, value in settings.infoplist_keys if key.startswith(f"{PREFIX}UILaunchScreen")), None)
    why = ""
    if meant and meant.location and not settings.generates_infoplist:
        why = f": {PREFIX}UILaunchScreen_Generation ({meant.location}) acts only with GENERATE_INFOPLIST_FILE = YES"
    lacking = error(
        f"the Info.plist has no launch screen{why}",
        subject="UILaunchScreen",
        at=info.place("UILaunchScreen"),
        remedy="add an empty UILaunchScreen dictionary, or UILaunchStoryboardName",
        apple="90475",
    )
    yield doubted(lacking, *map(info.hiding, ("UILaunchScreen", "UILaunchStoryboardName", *_MULTITASKING)))


def _lost_storyboard(info: TargetInfo, lane: Lane) -> Iterator[Finding]:
    for key in info.lost[:1] if lane.platform is Platform.IOS else ():
        say = error if _multitasks(info, lane) else warning
        lost = say(
            f"{key} is {info.text(key)!r}, and there is no storyboard and no xib of that name",
            subject=key,
            at=info.place(key),
            remedy=f"add {info.text(key)}.storyboard to the target, or name the one that is there",
            apple="90475",
        )
        yield doubted(lost, info.hiding(key), *map(info.hiding, _MULTITASKING))


def _document_types(info: TargetInfo, lane: Lane) -> list[Any]:
    types = info.values.get("CFBundleDocumentTypes")
    return list(types) if lane.platform is Platform.IOS and isinstance(types, (list, tuple)) else []


@check("PROJ034", "document types have a rank")
def document_types_have_a_rank(info: TargetInfo, lane: Lane) -> Iterator[Finding]:
    for position, kind in enumerate(_document_types(info, lane)):
        if isinstance(kind, dict) and not kind.get("LSHandlerRank"):
            name = kind.get("CFBundleTypeName", f"number {position + 1}")
            rankless = warning(
                f"the document type {name} has no LSHandlerRank",
                subject=str(name),
                at=info.place(f"CFBundleDocumentTypes/{position}"),
                remedy="set LSHandlerRank to Owner, Default, Alternate or None",
                apple="90788",
            )
            yield doubted(rankless, info.hiding("CFBundleDocumentTypes"))


@check("PROJ035", "an app with document types says how it opens them")
def document_opening_is_decided(info: TargetInfo, lane: Lane) -> Iterator[Finding]:
    keys = ("LSSupportsOpeningDocumentsInPlace", "UISupportsDocumentBrowser")
    if _document_types(info, lane) and not any(key in info.values for key in keys):
        undecided = warning(
            "there are document types, and neither LSSupportsOpeningDocumentsInPlace nor UISupportsDocumentBrowser",
            subject="CFBundleDocumentTypes",
            at=info.place("CFBundleDocumentTypes"),
            remedy="set LSSupportsOpeningDocumentsInPlace to true or false",
            apple="90737",
        )
        yield doubted(undecided, *map(info.hiding, keys))


MACS = {"14": 11, "15": 12, "16": 13, "17": 14, "18": 15, "26": 26}
"""The macOS that runs what is made for an iOS, by their major versions (90899 names the pair 16 and 13)."""
_NO_MINIMUM = "remove the key: IPHONEOS_DEPLOYMENT_TARGET says from which iOS on the app runs"


@check("PROJ036", "LSMinimumSystemVersion names a macOS that runs the app")
def minimum_mac_version_exists(settings: TargetSettings, info: TargetInfo, lane: Lane) -> Iterator[Finding]:
    value = info.text("LSMinimumSystemVersion")
    major = value.partition(".")[0]
    # macOS went from 15 to 26: numbers between are those of iOS.
    if lane.platform is not Platform.MAC_OS and major.isdecimal() and len(major) < 4 and 16 <= int(major) <= 25:
        wrong = warning(
            f"LSMinimumSystemVersion is {value}, and no macOS has that number; on iOS the key speaks of Macs",
            subject="LSMinimumSystemVersion",
            at=info.place("LSMinimumSystemVersion"),
            remedy=_NO_MINIMUM,
        )
        yield doubted(wrong, info.hiding("LSMinimumSystemVersion"))
    elif lane.platform is Platform.IOS:
        needed = MACS.get(settings.deployment_target.text.partition(".")[0], 0)
        if major.isascii() and major.isdecimal() and len(major) < 4 and 0 < int(major) < needed:
            early = warning(
                f"LSMinimumSystemVersion is {value}, and an app for iOS {settings.deployment_target} runs on Macs from "
                f"macOS {needed} on",
                subject="LSMinimumSystemVersion",
                at=info.place("LSMinimumSystemVersion"),
                remedy=_NO_MINIMUM,
                apple="90899",
            )
            yield doubted(early, info.hiding("LSMinimumSystemVersion"), settings.deployment_target.hidden)


@check("PROJ037", "the Mac app has a category")
def mac_category_is_set(settings: TargetSettings, info: TargetInfo, lane: Lane) -> Iterator[Finding]:
    if lane.platform is not Platform.MAC_OS:
        return
    key = _CATEGORY
    category = info.text(key)
    if not category.startswith("public.app-category."):
        lacking = error(
            f"{key} is {category!r}, which is no category" if category else f"{key} is missing",
            subject=key,
            at=info.place(key) or settings.bundle_id.location,
            remedy=f"set {'INFOPLIST_KEY_' if settings.generates_infoplist else ''}{key} to public.app-category.…",
            apple="90242",
        )
        yield doubted(lacking, info.hiding(key))


@check("PROJ038", "export compliance is answered")
def export_compliance_is_answered(info: TargetInfo) -> Iterator[Finding]:
    answer, code = info.values.get(_COMPLIANCE), info.values.get(_COMPLIANCE_CODE)
    if answer is None:
        unanswered = warning(
            f"{_COMPLIANCE} is missing: every build waits for somebody to answer in App Store Connect",
            subject=_COMPLIANCE,
            at=info.place(_COMPLIANCE) or info.place("CFBundleIdentifier"),
            remedy=f"set {_COMPLIANCE} to false, or to true with {_COMPLIANCE_CODE}",
            apple="Missing Compliance",
        )
        yield doubted(unanswered, info.hiding(_COMPLIANCE))
    elif isinstance(answer, str):
        # What App Store Connect makes of a text is nowhere written; a Boolean is what Apple documents.
        worded = warning(
            f"{_COMPLIANCE} is the text {answer!r}, where Apple wants a Boolean: it may not count as an answer",
            subject=_COMPLIANCE,
            at=info.place(_COMPLIANCE),
            remedy="write <false/> or <true/>",
            apple="Missing Compliance",
        )
        yield doubted(worded, info.hiding(_COMPLIANCE))
    elif answer is True and not code:
        empty = _COMPLIANCE_CODE in info.values
        say = error if empty else warning
        codeless = say(
            f"{_COMPLIANCE} is true, and {_COMPLIANCE_CODE} is {'empty' if empty else 'missing'}",
            subject=_COMPLIANCE_CODE,
            at=info.place(_COMPLIANCE_CODE if empty else _COMPLIANCE),
            remedy=f"set {_COMPLIANCE_CODE} to the code that App Store Connect gave for the documents",
            apple="90592",
        )
        yield doubted(codeless, info.hiding(_COMPLIANCE), info.hiding(_COMPLIANCE_CODE))


_OWN_RULES = ("CFBundleIdentifier", "CFBundleShortVersionString", "CFBundleVersion")


@check("PROJ039", "the Info.plist refers to nothing undefined")
def info_values_are_expanded(info: TargetInfo, companions: Companions) -> Iterator[Finding]:
    doubts = Doubts()
    told: set[str] = set()
    for of in (info, *(each.info for each in companions.targets)):
        for each in () if of.path in told else of.undefined:
            names = names_of(each)
            if names and each.key not in _OWN_RULES:
                say = warning if is_spoilt(each) else note
                empty = say(
                    f"{each.key} refers to {names}, which nothing in the project defines",
                    subject=each.key,
                    at=each.location or of.place(each.key),
                    remedy="define the setting, or write the value out",
                )
                yield from doubts.of(empty, each.hidden)
        told.add(of.path)
    yield from doubts.told()


@check("PROJ040", "INFOPLIST_KEY settings have an effect")
def infoplist_keys_have_an_effect(settings: TargetSettings, info: TargetInfo, lane: Lane) -> Iterator[Finding]:
    idle = []
    doubts = Doubts()
    for key, value in settings.infoplist_keys:
        name = key.removeprefix(PREFIX)
        if name == _CATEGORY and lane.platform is not Platform.MAC_OS:
            # Xcode's editor writes it for every app; the App Store asks for it on the Mac alone.
            continue
        plain = re.sub(r"_(?:Generation|iPhone|iPad)$", "", name)
        if settings.generates_infoplist and name not in KNOWN:
            yield warning(
                f"{key} is not a setting that Xcode knows: it adds nothing to the Info.plist",
                subject=key,
                at=value.location,
                remedy=f"put {name} in the file that INFOPLIST_FILE names",
            )
        elif settings.generates_infoplist or name not in KNOWN or not value:
            continue
        elif plain in info.values:
            idle.append((key, value))
        else:
            lost = warning(
                f"{key} has no effect, because GENERATE_INFOPLIST_FILE is NO, and the Info.plist has no {plain}",
                subject=key,
                at=value.location,
                remedy=f"put {plain} in the Info.plist, or set GENERATE_INFOPLIST_FILE = YES",
            )
            yield from doubts.of(lost, info.hiding(plain))
    yield from doubts.told()
    if idle:
        yield note(
            f"{', '.join(key for key, _ in idle)} {'has' if len(idle) == 1 else 'have'} no effect, because "
            "GENERATE_INFOPLIST_FILE is NO: what the Info.plist says counts",
            subject=idle[0][0],
            at=idle[0][1].location,
            remedy="remove the settings, so that nobody changes them in vain",
        )


@check("PROJ041", "LSMinimumSystemVersion of the Mac app is a version of macOS")
def minimum_system_version_is_one(info: TargetInfo, lane: Lane, policy: BuildPolicy) -> Iterator[Finding]:
    key = "LSMinimumSystemVersion"
    value = info.values.get(key)
    if lane.platform is not Platform.MAC_OS or value is None or any(each.key == key for each in info.undefined):
        return
    if not value and not info.hiding(key) and "_DEPLOYMENT_TARGET" in info.literals.get(key, ""):
        # Where nobody says one, Xcode takes its own: the newest.
        return
    parts = value.split(".") if isinstance(value, str) else []
    shaped = 1 <= len(parts) <= 3 and all(part.isascii() and part.isdecimal() and len(part) < 4 for part in parts)
    version = tuple(map(int, parts)) if shaped else ()
    if not shaped:
        why = "which is no version"
    elif (policy.newest_macos and version[:1] > policy.newest_macos[:1]) or 16 <= version[0] <= 25 or version < (10, 4):
        why = "and there is no such macOS"
    else:
        return
    wrong = error(
        f"{key} is {value!r}, {why}",
        subject=key,
        at=info.place(key),
        remedy="write $(MACOSX_DEPLOYMENT_TARGET)",
        apple="90265",
    )
    yield doubted(wrong, info.hiding(key))


@check("PROJ042", "the app declares the document types of its own")
def own_document_types_are_declared(
    settings: TargetSettings, info: TargetInfo, companions: Companions
) -> Iterator[Finding]:
    if any("Info.plist" in each.unread for each in companions.targets):
        # An extension may declare what the app opens.
        return
    values = (settings.bundle_id, *(value for _, value in settings.bundle_ids))
    identifiers = (info.text("CFBundleIdentifier"), *(value.text for value in values))
    makers = {f"{'.'.join(each.split('.')[:2])}.".lower() for each in identifiers if each.count(".") > 1}
    own = tuple(makers - {_OF_THE_SYSTEM})
    declared = {
        str(one.get("UTTypeIdentifier", "")).lower()
        for of in (info, *(each.info for each in companions.targets))
        for key in ("UTExportedTypeDeclarations", "UTImportedTypeDeclarations")
        for one in _dictionaries(of.values.get(key))
    }
    for position, kind in enumerate(_dictionaries(info.values.get("CFBundleDocumentTypes"))):
        for number, name in enumerate(_texts(kind.get("LSItemContentTypes"))):
            if own and name.lower().startswith(own) and name.lower() not in declared:
                undeclared = warning(
                    f"documents of the type {name} are opened, and the app neither exports nor imports that type: "
                    "no file has it",
                    subject=name,
                    at=info.place(f"CFBundleDocumentTypes/{position}/LSItemContentTypes/{number}"),
                    remedy=f"declare {name} in UTExportedTypeDeclarations, with the ending of its files",
                )
                # No setting writes declarations, but one says which file does.
                yield doubted(undeclared, info.hiding("CFBundleDocumentTypes"), info.hidden.get(ALL, ()))


_OF_THE_SYSTEM = "com.apple."
"""What the types of the system begin with, and the identifiers of Apple's own samples too."""


def _dictionaries(value: Any) -> list[Any]:
    return [each for each in value if hasattr(each, "get")] if isinstance(value, (list, tuple)) else []


INVENTED = frozenset(
    (
        "UIAccessibilityEnabled",
        "NSUserNotificationUsageDescription",
        "NSUserNotificationsUsageDescription",
        "NSPushNotificationUsageDescription",
        "NSPushNotificationsUsageDescription",
    )
)
"""Keys that were met in projects, and that Apple's reference of Information Property List keys has never had."""


@check("PROJ043", "keys of the Info.plist are those that a system reads")
def descriptions_are_known(info: TargetInfo) -> Iterator[Finding]:
    for key in info.values:
        if key not in INVENTED and (not re.fullmatch(r"NS\w+Description", key) or key in DESCRIPTIONS):
            continue
        meant = "" if key in INVENTED else _nearest_of(key, DESCRIPTIONS, 0.93)
        if meant or key in INVENTED or not key.endswith("UsageDescription"):
            # A purpose string that is not known here may be newer than this list, unless it is nearly an old one.
            # Where the one that is meant is missing, the app has no text to ask with.
            say = warning if meant and meant not in info.values else note
            yield say(
                f"{key} is not a key that Apple documents, so no system reads it",
                subject=key,
                at=info.place(key),
                remedy=f"write {meant} if that is meant, or remove the key" if meant else "remove the key",
            )
