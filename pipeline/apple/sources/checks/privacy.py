"""Judges what the sources take from people against what the app tells them and Apple."""

from collections.abc import Iterator
from dataclasses import replace

from pipeline.apple.sources.facts import DeclaredReasons, EmbeddedSources, TargetSources, Topic
from pipeline.apple.sources.purposes import ALTERNATIVES, MAC_ONLY
from pipeline.apple.sources.wording import grouped, holder, where
from pipeline.apple.xcode.checks.doubts import Doubts
from pipeline.apple.xcode.facts import ProjectProblems, TargetInfo
from pipeline.model import Finding, Lane, Location, Platform, check, error, note, warning

_SHORT = "NSPrivacyAccessedAPICategory"
_DEFAULTS = f"{_SHORT}UserDefaults"
_OF_GROUP, _OF_APP = "1C8F.1", "CA92.1"
_USUAL = {
    f"{_SHORT}FileTimestamp": "C617.1 (files of the app), 3B52.1 (files that a person chose) or DDA9.1 (shown to them)",
    f"{_SHORT}SystemBootTime": "35F9.1 (time between events in the app)",
    f"{_SHORT}DiskSpace": "E174.1 (room before writing) or 85F4.1 (shown to the person)",
    f"{_SHORT}ActiveKeyboards": "54BD.1 (suits the interface), or 3EC4.1 in a keyboard",
    _DEFAULTS: "CA92.1 (the app's own), or 1C8F.1 (shared in its app group)",
}
"""Which reasons are usual, by category; Apple's page says when each may be given."""


def _answered(key: str, info: TargetInfo, lane: Lane) -> bool:
    """Whether the Info.plist has the key, or one that may stand for it."""
    mac = lane.platform is Platform.MAC_OS
    others = (other for other in ALTERNATIVES.get(key, ()) if mac or other not in MAC_ONLY)
    return any(name in info.values for name in (key, *others))


@check("SRCE001", "what the code asks people for has a purpose string")
def purpose_strings_are_there(sources: TargetSources, info: TargetInfo, lane: Lane) -> Iterator[Finding]:
    doubtful: list[str] = []
    doubts = Doubts()
    # Of a Mac app only the effect is known: macOS asks nobody, and refuses or ends the app.
    code = "" if lane.platform is Platform.MAC_OS else "90683"
    for key, uses in grouped(sources.of(Topic.PURPOSE)).items():
        if _answered(key, info, lane) or key in sources.scripted:
            continue
        if not uses[0].certain:
            doubtful.append(f"{key} ({uses[0].location})")
            continue
        if key in sources.localized:
            # People see the translation; whether App Store Connect is content with it cannot be known here.
            yield note(
                f"{where(uses)}{holder(uses[0])} needs {key}, which only the translations of the Info.plist have",
                subject=key,
                at=uses[0].location,
                remedy=f"add {key} to the Info.plist as well",
                apple=code,
            )
            continue
        say = error if uses[0].imported else warning
        silent = say(
            f"{where(uses)}{holder(uses[0])} needs {key}, which the Info.plist does not have",
            subject=key,
            at=uses[0].location,
            remedy=f"add {key} with a sentence that says what for, or remove the call",
            apple=code,
        )
        yield from doubts.of(silent, info.hiding(key), name=key)
    yield from doubts.told()
    if doubtful:
        yield note(
            "code that may not be compiled needs purpose strings that the Info.plist does not have: "
            + ", ".join(doubtful),
            subject="Info.plist",
            at=info.place("CFBundleIdentifier"),
            apple=code,
        )


@check("SRCE002", "purpose strings say something")
def purpose_strings_say_something(info: TargetInfo, problems: ProjectProblems, lane: Lane) -> Iterator[Finding]:
    if any(problem.missing for problem in problems.problems):
        # PROJ063 tells of the files in which the texts may be defined.
        return
    undefined = {each.key for each in info.undefined}
    for key, value in info.values.items():
        if not key.startswith("NS") or not key.endswith("UsageDescription") or key in undefined:
            # What refers to nothing is PROJ039's to tell.
            continue
        text = value.strip() if isinstance(value, str) else ""
        if not text or text.startswith(("$(", "${")):
            yield error(
                f"{key} is {'empty' if not text else repr(text)}: people are asked and not told what for",
                subject=key,
                at=info.place(key),
                remedy="write a sentence that says what the app does with it",
                apple="" if lane.platform is Platform.MAC_OS else "90683",
            )


@check("SRCE003", "required-reason API is declared in the privacy manifest")
def required_reasons_are_declared(
    sources: TargetSources, declared: DeclaredReasons, embedded: EmbeddedSources, lane: Lane
) -> Iterator[Finding]:
    if lane.platform is Platform.MAC_OS or declared.unread:
        # What a manifest that cannot be read declares is not known; PROJ054 tells of it.
        return
    yield from _undeclared(sources, declared)
    told = {reason.category for reason in declared.reasons if not reason.package}
    told |= {use.name for use in sources.of(Topic.REASON) if use.linked and use.certain}
    for each in embedded.targets:
        if not each.declared.unread:
            # Whether the app's own manifest speaks for what it carries, Apple does not say; nor is it told twice.
            uses = tuple(use for use in each.sources.of(Topic.REASON) if use.certain and use.name not in told)
            yield from _undeclared(replace(each.sources, uses=uses), each.declared, f" in {each.target}")


def _undeclared(sources: TargetSources, declared: DeclaredReasons, whose: str = "") -> Iterator[Finding]:
    doubtful: list[str] = []
    own = {reason.category for reason in declared.reasons if not reason.package}
    of_package = {(reason.package, reason.category) for reason in declared.reasons}
    for category, uses in grouped(use for use in sources.of(Topic.REASON) if use.linked).items():
        told = [use for use in uses if (use.package, category) not in of_package]
        if category in own or not told:
            continue
        if not told[0].certain:
            doubtful.append(f"{told[0].symbol} ({told[0].location})")
            continue
        missing = f"{declared.manifest} does not declare" if declared.manifest else "no privacy manifest declares"
        # Apple refuses this in newly added SDKs of its list, and has only announced it for an app's own executable.
        yield warning(
            f"{where(told)}{holder(told[0])}{whose} is required-reason API, and {missing} "
            f"{category.removeprefix(_SHORT)}",
            subject=category,
            at=told[0].location,
            remedy=f"declare {category} in the target's PrivacyInfo.xcprivacy with the reason that is true: "
            f"{_USUAL.get(category, 'see the page of the rule')}",
            apple="91053",
        )
    if doubtful:
        yield note(
            f"may be required-reason API that is not declared: {', '.join(doubtful)}",
            subject="PrivacyInfo.xcprivacy",
            at=Location(declared.manifest) if declared.manifest else None,
            apple="91053",
        )


@check("SRCE004", "defaults of an app group are declared as such")
def group_defaults_have_their_reason(
    sources: TargetSources, declared: DeclaredReasons, lane: Lane
) -> Iterator[Finding]:
    if lane.platform is Platform.MAC_OS:
        return
    uses = [use for use in sources.of(Topic.GROUP_DEFAULTS) if use.certain and use.linked and not use.package]
    reason = next((each for each in declared.reasons if each.category == _DEFAULTS and not each.package), None)
    if uses and reason and reason.reasons and set(reason.reasons) <= {_OF_APP}:
        yield warning(
            f"{where(uses)} shares defaults in the app group {uses[0].name}, and only {_OF_APP} is declared, which "
            "speaks of the app's own",
            subject=_DEFAULTS,
            at=reason.location,
            remedy=f"add the reason {_OF_GROUP}",
            apple="91053",
        )


@check("SRCE010", "no UIWebView is used")
def web_views_are_modern(sources: TargetSources) -> Iterator[Finding]:
    uses = [use for use in sources.of(Topic.WEB_VIEW) if use.certain]
    if uses:
        yield error(
            f"{where(uses)} is used{holder(uses[0])}; Apple takes no app with it",
            subject="UIWebView",
            at=uses[0].location,
            remedy="use WKWebView",
            apple="90809",
        )
