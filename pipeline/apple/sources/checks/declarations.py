"""Judges what the sources register and compare against what the Info.plist declares."""

from collections.abc import Iterator
from typing import Any

from pipeline.apple.sources.facts import TargetSources, Topic, Use
from pipeline.apple.sources.wording import grouped, holder, where
from pipeline.apple.xcode.checks.doubts import Doubts, doubted
from pipeline.apple.xcode.facts import Companions, ProjectSurvey, TargetInfo, TargetSettings
from pipeline.model import Declaration, Finding, check, note, warning

_TASKS = "BGTaskSchedulerPermittedIdentifiers"
_TYPES = ("UTExportedTypeDeclarations", "UTImportedTypeDeclarations")


def _unclear(info: TargetInfo, key: str) -> bool:
    return any(each.key.split("/")[0] == key for each in info.undefined)


def _items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


@check("SRCE011", "the background tasks that the code registers are permitted")
def background_tasks_are_permitted(sources: TargetSources, info: TargetInfo) -> Iterator[Finding]:
    if _unclear(info, _TASKS):
        return
    held = [item for item in _items(info.values.get(_TASKS)) if isinstance(item, str)]
    doubts = Doubts()
    for name, uses in grouped(sources.of(Topic.TASK)).items():
        if name in held or not uses[0].certain or any(_covers(item, name) for item in held):
            continue
        never = warning(
            f"{where(uses)}{holder(uses[0])} registers {name}, which {_TASKS} does not list: it is never run",
            subject=name,
            at=uses[0].location,
            remedy=f"list {name} in {_TASKS}",
        )
        yield from doubts.of(never, info.hiding(_TASKS), name=name)
    yield from doubts.told()


def _covers(pattern: str, name: str) -> bool:
    """Whether a wildcard covers an identifier; those of continued processing tasks (iOS 26) may end in one."""
    return pattern.endswith("*") and name.startswith(pattern[:-1])


@check("SRCE012", "the types that the code exports are declared")
def exported_types_are_declared(sources: TargetSources, info: TargetInfo) -> Iterator[Finding]:
    if any(_unclear(info, key) for key in _TYPES):
        return
    held = {
        entry.get("UTTypeIdentifier")
        for key in _TYPES
        for entry in _items(info.values.get(key))
        if isinstance(entry, dict)
    }
    doubts = Doubts()
    for name, uses in grouped(sources.of(Topic.TYPE)).items():
        if name not in held and uses[0].certain:
            undeclared = warning(
                f"{where(uses)}{holder(uses[0])} takes {name} for a type of the app, and {_TYPES[0]} does not "
                "declare it",
                subject=name,
                at=uses[0].location,
                remedy=f"declare {name} in {_TYPES[0]}",
            )
            yield from doubts.of(undeclared, info.hiding(_TYPES[0]), name=name)
    yield from doubts.told()


_TESTS = {"contains": str.__contains__, "hasPrefix": str.startswith, "hasSuffix": str.endswith, "==": str.__eq__}


@check("SRCE017", "the app compares its identifier with one that it may have")
def compared_identifiers_are_the_apps(
    sources: TargetSources,
    info: TargetInfo,
    settings: TargetSettings,
    companions: Companions,
    *,
    survey: ProjectSurvey,
    declared: Declaration,
) -> Iterator[Finding]:
    own = {
        declared.bundle_id,
        info.text("CFBundleIdentifier"),
        settings.bundle_id.text,
        *(value.text for _, value in settings.bundle_ids),
        *(each.bundle_id.text for each in companions.targets),
        *(each.bundle_id.text for each in survey.targets if each.rehearsed),
    } - {""}
    for use in sources.of(Topic.COMPARED):
        if not use.certain or not sources.identifiers or any(_holds(use, one) for one in own):
            continue
        others = [one for one in sources.identifiers if _holds(use, one)]
        # What is true of another app of this repository may well be meant for that one.
        say = note if others else warning
        whose = f"; {others[0]} is no app that is released" if others else ""
        untrue = say(
            f"{use.symbol} {use.name}{holder(use)} is true of none of the app's identifiers "
            f"({', '.join(sorted(own)) or 'none'}){whose}",
            subject=use.name,
            at=use.location,
            remedy="compare with the identifier that is released, or decide by a build setting",
        )
        yield doubted(untrue, settings.bundle_id.hidden)


def _holds(use: Use, identifier: str) -> bool:
    return bool(_TESTS[use.symbol.rpartition(" ")[2]](identifier, use.name))
