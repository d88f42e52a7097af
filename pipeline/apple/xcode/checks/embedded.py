"""Judges what travels inside the app against the app: extensions, app clips, watch apps, helpers, frameworks."""

import re
from collections.abc import Iterator
from typing import Any

from pipeline.apple.xcode.checks.doubts import Doubts, doubted
from pipeline.apple.xcode.facts import (
    ALL,
    Companion,
    Companions,
    Kind,
    TargetEntitlements,
    TargetInfo,
    TargetSettings,
)
from pipeline.model import Declaration, Finding, Lane, Location, Platform, check, error, warning

_SHORT = re.compile(r"\d{1,18}(?:\.\d{1,18}){0,2}")
_BUILD = re.compile(r"\d{1,18}(?:\.\d{1,18})*")
_VERSION_RULES = (
    ("CFBundleShortVersionString", _SHORT, "90060", "one to three numbers with periods between them"),
    ("CFBundleVersion", _BUILD, "90058", "numbers with periods between them"),
)
_PACKAGES = {
    Kind.EXTENSION: "XPC!",
    Kind.WATCH_EXTENSION: "XPC!",
    Kind.SERVICE: "XPC!",
    Kind.WATCH_APP: "APPL",
    Kind.APP_CLIP: "APPL",
    Kind.HELPER: "APPL",
    Kind.FRAMEWORK: "FMWK",
}
_ENVIRONMENT = "com.apple.developer.icloud-container-environment"
_PARENTS = "com.apple.developer.parent-application-identifiers"
_COMPANION = "WKCompanionAppBundleIdentifier"


def label(each: Companion) -> str:
    """What a finding calls it: "the app extension Share"."""
    return f"the {each.kind} {each.target}"


@check("PROJ006", "versions of embedded bundles are well formed")
def embedded_versions_are_well_formed(companions: Companions) -> Iterator[Finding]:
    doubts = Doubts()
    for each in companions.targets:
        info = each.info
        for key, shape, code, wanted in _VERSION_RULES:
            text = info.text(key).strip()
            undefined = any(one.key == key for one in info.undefined)
            if text and key not in info.stamped and not undefined and not shape.fullmatch(text):
                # A text without any number stands for one that something else has to write.
                say = error if re.search(r"\d", text) else warning
                shapeless = say(
                    f"{key} of {label(each)} is {text!r}; App Store Connect takes {wanted}",
                    subject=each.target,
                    at=info.place(key),
                    remedy=f"write {wanted}",
                    apple=code,
                )
                yield from doubts.of(shapeless, info.hiding(key), name=f"{key} of {label(each)}")
    yield from doubts.told()


@check("PROJ009", "bundle identifiers are unique")
def bundle_identifiers_are_unique(
    settings: TargetSettings, info: TargetInfo, companions: Companions, lane: Lane
) -> Iterator[Finding]:
    mine = info.value("CFBundleIdentifier") or settings.bundle_id
    app = (f"the app {lane.target}", mine)
    owners = {(mine.text, ""): app, (mine.text, lane.platform.sdk): app}
    doubts = Doubts()
    for each in companions.targets:
        identifier = each.bundle_id
        if each.kind is Kind.TOOL or not identifier or identifier.undefined:
            continue
        # A framework may be there twice: for the phone, and for the watch app with a copy of its own.
        key = (identifier.text, each.sdk if each.kind is Kind.FRAMEWORK else "")
        if key in owners:
            owner, its = owners[key]
            double = error(
                f"{label(each)} is {identifier}, and so is {owner}",
                subject=each.target,
                at=identifier.location,
                remedy="give each bundle an identifier of its own",
                apple="90685",
            )
            yield from doubts.of(double, identifier.hidden, its.hidden, name=label(each))
        owners.setdefault(key, (label(each), identifier))
    yield from doubts.told()


@check("PROJ010", "package types are those of the products")
def package_types_fit(info: TargetInfo, companions: Companions) -> Iterator[Finding]:
    key = "CFBundlePackageType"
    asked = [("the app", info, "APPL")]
    asked += [(label(each), each.info, _PACKAGES[each.kind]) for each in companions.targets if each.kind in _PACKAGES]
    doubts = Doubts()
    for name, of, wanted in asked:
        held = of.text(key)
        if held and held != wanted and not any(each.key == key for each in of.undefined):
            another = error(
                f"{key} of {name} is {held!r}, where {wanted} belongs",
                subject=key if of is info else name,
                at=of.place(key),
                remedy=f"write $(PRODUCT_BUNDLE_PACKAGE_TYPE), which is {wanted} for this product",
                apple="90183",
            )
            yield from doubts.of(another, of.hiding(key), name=f"{key} of {name}")
    yield from doubts.told()


@check("PROJ011", "the watch app names the app it belongs to")
def watch_app_names_its_companion(
    settings: TargetSettings, info: TargetInfo, companions: Companions, lane: Lane
) -> Iterator[Finding]:
    app = info.value("CFBundleIdentifier") or settings.bundle_id
    doubts = Doubts()
    owners = {each.target: each.bundle_id for each in companions.targets}
    for each in companions.targets:
        if "Info.plist" in each.unread:
            continue
        if each.kind is Kind.WATCH_APP and lane.platform is Platform.IOS:
            named, wanted, key = each.info.values.get(_COMPANION), app, _COMPANION
            hidden = each.info.hiding(key)
            if named is None and each.info.values.get("WKWatchOnly") is True:
                continue
        elif each.kind is Kind.WATCH_EXTENSION and each.within in owners:
            extension = _inner(_inner(each.info.values, "NSExtension"), "NSExtensionAttributes")
            named, wanted, key = extension.get("WKAppBundleIdentifier"), owners[each.within], "WKAppBundleIdentifier"
            hidden = each.info.hiding("NSExtension")
        else:
            continue
        undefined = any(one.key.endswith(key) for one in each.info.undefined)
        if not wanted or wanted.undefined or undefined or named == wanted.text:
            continue
        another = error(
            f"{key} of {label(each)} is {named!r}, and has to be {wanted}"
            if named is not None
            else f"{key} of {label(each)} is missing, and has to be {wanted}",
            subject=each.target,
            at=_place(each.info, key) or each.settings.place,
            remedy=f"set {key} to {wanted}",
        )
        yield from doubts.of(another, hidden, wanted.hidden, name=f"{key} of {label(each)}")
    yield from doubts.told()


def _inner(values: Any, key: str) -> Any:
    held = values.get(key) if hasattr(values, "get") else None
    return held if hasattr(held, "get") else {}


def _place(info: TargetInfo, key: str) -> Location | None:
    found = next((place for path, place in info.places.items() if path.rpartition("/")[2] == key), None)
    return found or info.place(key)


@check("PROJ012", "extensions name their extension point")
def extensions_name_their_point(companions: Companions) -> Iterator[Finding]:
    doubts = Doubts()
    for each in companions.targets:
        if each.kind not in (Kind.EXTENSION, Kind.WATCH_EXTENSION) or "Info.plist" in each.unread:
            continue
        old = _inner(each.info.values, "NSExtension").get("NSExtensionPointIdentifier")
        new = _inner(each.info.values, "EXAppExtensionAttributes").get("EXExtensionPointIdentifier")
        if not old and not new:
            pointless = error(
                f"the Info.plist of {label(each)} names no extension point, so that no system loads or installs it",
                subject=each.target,
                at=each.info.place("NSExtension") or each.settings.infoplist_file.location or each.settings.place,
                remedy="add NSExtension with NSExtensionPointIdentifier, or EXAppExtensionAttributes, to the file that "
                "INFOPLIST_FILE names",
            )
            # No setting writes these keys: they are in the file that INFOPLIST_FILE names, or nowhere.
            file = each.settings.infoplist_file
            hidden = each.info.hidden.get(ALL, ()) if file else file.hidden
            yield from doubts.of(pointless, hidden, name=label(each))
    yield from doubts.told()


@check("PROJ013", "resource bundles name no program")
def resource_bundles_name_no_program(companions: Companions, lane: Lane) -> Iterator[Finding]:
    if lane.platform is Platform.MAC_OS:
        return
    for each in companions.bundles:
        if each.info.literals.get("CFBundleExecutable"):
            yield error(
                f"the resource bundle {each.target} has CFBundleExecutable, and no sources to make a program of",
                subject=each.target,
                at=each.info.place("CFBundleExecutable"),
                remedy="remove CFBundleExecutable from its Info.plist",
                apple="90535",
            )


@check("PROJ014", "embedded bundles are signed by the app's team")
def embedded_bundles_have_the_apps_team(
    settings: TargetSettings, companions: Companions, declared: Declaration
) -> Iterator[Finding]:
    team = settings.team_id
    if declared.team_id or not team or team.undefined:
        # A team on xcodebuild's command line is everybody's; of a missing one PROJ020 speaks.
        return
    doubts = Doubts()
    for each in companions.targets:
        its = each.settings.team_id
        if each.kind.is_signed_for_itself and its and not its.undefined and its.text != team.text:
            foreign = error(
                f"{label(each)} is of the team {its}, the app of {team}: Xcode embeds only what the same team signed",
                subject=each.target,
                at=its.location,
                remedy=f"set DEVELOPMENT_TEAM = {team} for all targets of the app",
            )
            yield from doubts.of(foreign, its.hidden, team.hidden, name=label(each))
    yield from doubts.told()


@check("PROJ015", "an app clip names its app")
def app_clips_name_their_app(settings: TargetSettings, info: TargetInfo, companions: Companions) -> Iterator[Finding]:
    own = info.value("CFBundleIdentifier") or settings.bundle_id
    app = "" if own.undefined else own.text
    doubts = Doubts()
    for each in companions.targets:
        if each.kind is not Kind.APP_CLIP or "entitlements" in each.unread or not app:
            continue
        named = each.entitlements.texts(_PARENTS)
        if any(one.endswith(f".{app}") or one == app for one in named):
            continue
        stranger = error(
            f"{label(each)} names {', '.join(named)} as its app, and not {app}"
            if named
            else f"{label(each)} has no {_PARENTS}, which has to name {app}",
            subject=each.target,
            at=each.entitlements.place(_PARENTS) or each.settings.place,
            remedy=f"set {_PARENTS} to $(AppIdentifierPrefix){app}",
        )
        yield from doubts.of(stranger, each.entitlements.hiding(_PARENTS), own.hidden, name=label(each))
    yield from doubts.told()


@check("PROJ029", "all programs of the app use one CloudKit environment")
def container_environments_agree(
    entitlements: TargetEntitlements, companions: Companions, lane: Lane
) -> Iterator[Finding]:
    """Row 74 of the catalogue: where one target names an environment and another does not, their data are two."""
    users = [(f"the app {lane.target}", entitlements)] if entitlements.cloudkit else []
    users += [(label(each), each.entitlements) for each in companions.targets if each.entitlements.cloudkit]
    held = {name: entries.texts(_ENVIRONMENT) for name, entries in users}
    if len(set(held.values())) < 2:
        return
    entries = next(entries for _, entries in users if entries.texts(_ENVIRONMENT))
    told = "; ".join(f"{name}: {', '.join(texts) or 'not named'}" for name, texts in held.items())
    differ = warning(
        f"the programs of the app name different CloudKit environments ({told})",
        subject=_ENVIRONMENT,
        at=entries.place(_ENVIRONMENT),
        remedy=f"remove {_ENVIRONMENT} everywhere, or name one environment for all",
    )
    yield doubted(differ, *(entries.hiding(_ENVIRONMENT) for _, entries in users))
