"""Judges the project's files themselves: whether they are there, can be read, and are up to date."""

from collections.abc import Iterator

from pipeline.apple.xcode.checks.doubts import Doubts, doubted
from pipeline.apple.xcode.checks.embedded import label
from pipeline.apple.xcode.facts import Companions, Problem, ProjectProblems, TargetSettings
from pipeline.model import BuildPolicy, Finding, Lane, Location, Platform, check, error, note, warning

INSTALL = "run `pod install` before archiving: it writes the pods, and the workspace that is archived"


@check("PROJ060", "files that settings name are there")
def named_files_exist(settings: TargetSettings, companions: Companions) -> Iterator[Finding]:
    told: set[tuple[str, str]] = set()
    doubts = Doubts()
    for whose, of in (("", settings), *((f" of {label(each)}", each.settings) for each in companions.targets)):
        for key, value, exists in (
            ("INFOPLIST_FILE", of.infoplist_file, of.infoplist_exists),
            ("CODE_SIGN_ENTITLEMENTS", of.entitlements_file, of.entitlements_exists),
        ):
            if exists or (key, str(value.location)) in told:
                continue
            told.add((key, str(value.location)))
            if value.undefined:
                yield note(
                    f"{key}{whose} refers to {', '.join(value.undefined)}, which only Xcode knows: "
                    "the file was not looked at",
                    subject=key,
                    at=value.location,
                )
            else:
                absent = error(
                    f"{key}{whose} names {value}, which is not there",
                    subject=key,
                    at=value.location,
                    remedy="add the file to the checkout, or mend the path",
                )
                yield from doubts.of(absent, value.hidden, name=f"{key}{whose}")
    yield from doubts.told()


@check("PROJ061", "bitcode is not asked for")
def bitcode_is_not_enabled(settings: TargetSettings, companions: Companions) -> Iterator[Finding]:
    told: set[str] = set()
    for of in (settings, *(each.settings for each in companions.targets)):
        if of.sdk and of.sdk not in _WITH_BITCODE:
            continue
        if of.bitcode.text.upper() == "YES" and of.bitcode.location and str(of.bitcode.location) not in told:
            told.add(str(of.bitcode.location))
            asked = warning(
                "ENABLE_BITCODE is YES; Xcode has not made bitcode since version 14, and the store refuses it",
                subject="ENABLE_BITCODE",
                at=of.bitcode.location,
                remedy="remove ENABLE_BITCODE, and BITCODE_GENERATION_MODE where it stands beside it",
                apple="90482",
            )
            yield doubted(asked, of.bitcode.hidden)


_WITH_BITCODE = ("iphoneos", "appletvos", "watchos")
"""Mac and Vision Pro never had it."""


@check("PROJ062", "the deployment target is one that stays")
def deployment_target_is_recent(settings: TargetSettings, lane: Lane, policy: BuildPolicy) -> Iterator[Finding]:
    parts = settings.deployment_target.text.split(".")
    oldest = policy.oldest(lane.platform)
    if not all(part.isdecimal() and len(part) < 4 for part in parts) or not oldest:
        return
    version = tuple(map(int, parts))
    if version >= oldest:
        return
    wanted = ".".join(map(str, oldest if len(oldest) > 1 else (*oldest, 0)))
    runs = f"the app runs from {_SYSTEMS[lane.platform]} {settings.deployment_target} on"
    announced = lane.platform is Platform.IOS and version < _ANNOUNCED
    key = _TARGETS[lane.platform]
    early = warning(
        f"{runs}; from spring 2027 Apple wants 15.0 at least" if announced else f"{runs}, and your line is {wanted}",
        subject=key,
        at=settings.deployment_target.location,
        remedy=f"raise {key} to {wanted}",
        apple="90068" if announced else "",
    )
    yield doubted(early, settings.deployment_target.hidden)


_ANNOUNCED = (15,)
"""Apple, Upcoming requirements: apps for iOS have to run from 15.0 or later."""
_SYSTEMS = {
    Platform.IOS: "iOS",
    Platform.MAC_OS: "macOS",
    Platform.TV_OS: "tvOS",
    Platform.VISION_OS: "visionOS",
}
_TARGETS = {
    Platform.IOS: "IPHONEOS_DEPLOYMENT_TARGET",
    Platform.MAC_OS: "MACOSX_DEPLOYMENT_TARGET",
    Platform.TV_OS: "TVOS_DEPLOYMENT_TARGET",
    Platform.VISION_OS: "XROS_DEPLOYMENT_TARGET",
}


@check("PROJ063", "configuration files are there")
def base_configurations_are_there(problems: ProjectProblems) -> Iterator[Finding]:
    by_file: dict[str, list[Problem]] = {}
    for problem in problems.problems:
        if problem.kind == "missing-base":
            by_file.setdefault("Pods" if _is_of_pods(problem) else problem.missing, []).append(problem)
    for held in by_file.values():
        first, others = held[0], dict.fromkeys(problem.target for problem in held if problem.target != held[0].target)
        made = "make the file (a template, the build machine's secrets), or remove the reference"
        yield warning(
            f"{first.text}: its settings were not looked at{_also(tuple(others))}",
            subject="xcconfig",
            at=first.location,
            remedy=INSTALL if _is_of_pods(first) else made,
        )


def _also(targets: tuple[str, ...]) -> str:
    more = f" and {len(targets) - _LISTED} more" if len(targets) > _LISTED else ""
    return f" (nor for {', '.join(targets[:_LISTED])}{more})" if targets else ""


_LISTED = 4


@check("PROJ066", "the pods are installed")
def pods_are_installed(problems: ProjectProblems) -> Iterator[Finding]:
    """A configuration file of the pods that is missing has the same cause, and PROJ063 tells it."""
    if any(_is_of_pods(problem) for problem in problems.problems if problem.kind == "missing-base"):
        return
    for problem in problems.problems:
        if problem.kind == "missing-pods":
            yield warning(
                f"{problem.text}: the archive will fail without it",
                subject="CocoaPods",
                at=problem.location,
                remedy=INSTALL,
            )


def _is_of_pods(problem: Problem) -> bool:
    return "Pods" in problem.missing.split("/")


@check("PROJ064", "the project's files can be read")
def project_files_can_be_read(problems: ProjectProblems) -> Iterator[Finding]:
    outside: set[str] = set()
    for problem in problems.problems:
        if problem.kind in ("missing-base", "missing-pods", "optional-base"):
            continue
        if problem.kind == "outside":
            file = problem.missing or problem.optional or str(problem.location)
            if file not in outside:
                yield _outside(problem)
            outside.add(file)
            continue
        broken = problem.kind == "unreadable" or "merge conflict" in problem.text
        say = error if broken else note if problem.kind == "case" else warning
        yield say(
            problem.text,
            subject=problem.location.path if problem.location else "",
            at=problem.location,
            remedy="resolve the conflict and commit the result" if "conflict" in problem.text else "mend the file",
        )


def _outside(problem: Problem) -> Finding:
    """Of what it says nothing is known; that is said where it counts."""
    return note(
        problem.text,
        subject=problem.location.path if problem.location else "",
        at=problem.location,
        remedy="keep it in the checkout, or name the folder that holds both with --app",
    )


@check("PROJ065", "the scheme is shared")
def scheme_is_shared(settings: TargetSettings, lane: Lane) -> Iterator[Finding]:
    if not settings.scheme_shared:
        yield note(
            f"there is no shared scheme that archives {lane.target}: xcodebuild has to make one up on every machine",
            subject=lane.scheme or lane.target,
            at=Location(f"{lane.project}/project.pbxproj"),
            remedy="share the scheme in Xcode (Manage Schemes, Shared) and commit it",
        )
