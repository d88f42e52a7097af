"""Judges what has to agree across all projects of an app. One look serves all lanes: for a stage of scope APP."""

from collections.abc import Iterator

from pipeline.apple.xcode.checks.wording import listed
from pipeline.apple.xcode.facts import ProjectSurvey, SurveyedTarget, Unrehearsed
from pipeline.apple.xcode.rivals import core
from pipeline.model import Beside, Finding, Location, check, error, note, unseen, warning


@check("PROJ070", "all apps belong to one team")
def apps_belong_to_one_team(survey: ProjectSurvey) -> Iterator[Finding]:
    teams: dict[str, Location | None] = {}
    for target in survey.targets:
        if target.team_id and not target.team_id.undefined:
            teams.setdefault(target.team_id.text, target.team_id.location)
    if len(teams) > 1:
        told = "; ".join(f"{team} ({place})" if place else team for team, place in teams.items())
        yield warning(
            f"the app's targets name {len(teams)} teams: {told}",
            subject="DEVELOPMENT_TEAM",
            at=list(teams.values())[-1],
            remedy="let all targets that are released together name one team",
        )


@check("PROJ071", "entitlements name the same CloudKit containers")
def containers_agree(survey: ProjectSurvey) -> Iterator[Finding]:
    """Of files that no app is released with (a test build's, an old one's) nothing is told here."""
    files: dict[str, set[str]] = {}
    places: dict[str, list[Location]] = {}
    used: set[str] = set()
    for each in survey.containers:
        if not each.targets:
            continue
        files.setdefault(each.location.path, set()).add(each.container)
        places.setdefault(each.container, []).append(each.location)
        if any(_is_rehearsed(survey, name) for name in each.targets):
            used.add(each.container)
    held = list(files.values())
    if not any(one.isdisjoint(other) for one in held for other in held):
        return
    first = {name: at[0] for name, at in places.items()}
    stray = next((name for name in first if name not in used), list(first)[-1])
    told = "; ".join(f"{name} ({', '.join(map(str, at[:_SHOWN]))})" for name, at in places.items())
    yield warning(
        f"entitlements name different CloudKit containers: {told}",
        subject=stray,
        at=first[stray],
        remedy="name one container everywhere, or remove what is no longer released: data does not move between them",
    )


def _is_rehearsed(survey: ProjectSurvey, label: str) -> bool:
    return any(target.rehearsed and f"{target.target} in {target.project}" == label for target in survey.targets)


@check("PROJ074", "all apps say one version")
def apps_say_one_version(survey: ProjectSurvey) -> Iterator[Finding]:
    """App Store Connect keeps a version for each platform, so that differing ones are told and not refused."""
    own = {target.project for target in survey.targets if target.rehearsed}
    for lead in (target for target in survey.targets if target.rehearsed and target.version):
        held = {lead.version.text: lead}
        for other in survey.targets:
            # Another app of a project that is released has a version of its own.
            if other.version and other.project not in own and _is_same_app(lead, other):
                held.setdefault(other.version.text, other)
        if len(held) > 1:
            told = "; ".join(f"{each.target} says {text} ({each.version.location})" for text, each in held.items())
            yield note(
                f"the {lead.platforms[0]} app has {len(held)} versions: {told}",
                subject="MARKETING_VERSION",
                at=list(held.values())[-1].version.location,
                remedy="let one xcconfig give all targets that are released together their version",
            )


def _is_same_app(one: SurveyedTarget, other: SurveyedTarget) -> bool:
    """Whether two targets make one app for one platform: by its identifier, or by its name and team."""
    if set(one.platforms).isdisjoint(other.platforms):
        return False
    teams = {one.team_id.text, other.team_id.text} - {""}
    alike = core(one.target) == core(other.target) and len(teams) < 2
    return alike or bool(one.bundle_id and one.bundle_id.text == other.bundle_id.text)


@check("PROJ075", "property lists belong to a target")
def property_lists_belong_to_a_target(survey: ProjectSurvey) -> Iterator[Finding]:
    if survey.unused:
        more = f" and {len(survey.unused) - _SHOWN} more" if len(survey.unused) > _SHOWN else ""
        yield note(
            f"no target uses {', '.join(survey.unused[:_SHOWN])}{more}: what stands there has no effect",
            subject=survey.unused[0],
            at=Location(survey.unused[0]),
            remedy="delete what is not used, so that nobody changes it in vain",
        )


_SHOWN = 4


@check("PROJ078", "settings of the project's own have a reader")
def own_settings_have_a_reader(survey: ProjectSurvey) -> Iterator[Finding]:
    for each in survey.idle:
        more = f" and {len(each.names) - _LISTED} more" if len(each.names) > _LISTED else ""
        yield note(
            f"nothing reads {', '.join(each.names[:_LISTED])}{more}: "
            "no such setting is Xcode's, and no file of the app refers to it",
            subject=each.names[0],
            at=each.location,
            remedy="refer to it where it is meant to count ($(NAME) in the Info.plist, say), or remove it",
        )


_LISTED = 20


@check("PROJ072", "all apps are rehearsed")
def all_apps_are_rehearsed(survey: ProjectSurvey, beside: Beside) -> Iterator[Finding]:
    told = sorted(survey.unrehearsed, key=lambda each: not each.rival)
    for each in told[:_PROJECTS]:
        say = warning if each.rival else note
        yield say(
            f"{'judged, not released' if _is_judged(each, beside) else 'not rehearsed'}: {each.what}, "
            f"because {each.reason}{_left_out(each, beside)}",
            subject=each.what,
            at=each.location,
            remedy=each.remedy,
        )
    if rest := told[_PROJECTS:]:
        yield note(
            f"not rehearsed: the apps of {len(rest)} more projects, such as the {rest[0].what}",
            subject=rest[0].what,
            at=rest[0].location,
            remedy="select one with --project",
        )
    products = [each for each in beside.left if not each.project]
    for why in dict.fromkeys(each.why for each in products):
        names = [each.name for each in products if each.why == why]
        yield note(f"not judged: {listed(names, _SHOWN)}: {why}", subject=names[0], at=Location(names[0]))


_PROJECTS = 12
"""How many projects are told of one by one."""


def _is_judged(app: Unrehearsed, beside: Beside) -> bool:
    return any(_names(app, lane.target, lane.project) for lane in beside.judged)


def _left_out(app: Unrehearsed, beside: Beside) -> str:
    """The apps of those that are not judged either, and why."""
    left = [each for each in beside.left if _names(app, each.name, each.project)]
    told = (
        f"{listed([each.name for each in left if each.why == why], _SHOWN)}: {why}"
        for why in dict.fromkeys(each.why for each in left)
    )
    return f"; not judged: {'; '.join(told)}" if left else ""


def _names(app: Unrehearsed, target: str, project: str) -> bool:
    ends = (f" in {project}", ", ", " and ")
    return app.what.endswith(f" in {project}") and any(f" {target}{end}" in app.what for end in ends)


_UNREAD = "nothing says that it is broken: name the app's own project with --project, and it is not needed"


@check("PROJ073", "all project files can be read")
def all_projects_can_be_read(survey: ProjectSurvey) -> Iterator[Finding]:
    for problem in survey.problems:
        subject = problem.location.path if problem.location else ""
        if problem.kind == "unread":
            yield unseen(problem.text, subject=subject, at=problem.location, remedy=_UNREAD)
        else:
            remedy = "mend the file: Xcode cannot open it either"
            yield error(problem.text, subject=subject, at=problem.location, remedy=remedy)
