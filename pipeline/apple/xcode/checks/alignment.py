"""Judges what has to agree across all projects of an app. One look serves all lanes: for a stage of scope APP."""

from collections.abc import Iterator

from pipeline.apple.xcode.facts import ProjectSurvey
from pipeline.model import Finding, Location, check, error, note, warning


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
    files: dict[str, set[str]] = {}
    first: dict[str, Location] = {}
    for each in survey.containers:
        files.setdefault(each.location.path, set()).add(each.container)
        first.setdefault(each.container, each.location)
    held = list(files.values())
    if not any(one.isdisjoint(other) for one in held for other in held):
        return
    used = {each.container for each in survey.containers if any(_is_rehearsed(survey, name) for name in each.targets)}
    stray = next((name for name in first if name not in used), list(first)[-1])
    told = "; ".join(f"{name} ({place})" for name, place in first.items())
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
    held: dict[str, tuple[str, Location | None]] = {}
    own = {target.project for target in survey.targets if target.rehearsed}
    for target in survey.targets:
        # Another app of a project that is released has a version of its own.
        if target.version and (target.rehearsed or target.project not in own):
            held.setdefault(target.version.text, (target.target, target.version.location))
    if len(held) > 1 and own:
        told = "; ".join(f"{name} says {text} ({place})" for text, (name, place) in held.items())
        yield note(
            f"the app has {len(held)} versions: {told}",
            subject="MARKETING_VERSION",
            at=list(held.values())[-1][1],
            remedy="let one xcconfig give all targets that are released together their version",
        )


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


@check("PROJ072", "all apps are rehearsed")
def all_apps_are_rehearsed(survey: ProjectSurvey) -> Iterator[Finding]:
    for each in survey.unrehearsed:
        say = warning if each.rival else note
        yield say(
            f"not rehearsed: {each.what}, because {each.reason}",
            subject=each.what,
            at=each.location,
            remedy=each.remedy,
        )


@check("PROJ073", "all project files can be read")
def all_projects_can_be_read(survey: ProjectSurvey) -> Iterator[Finding]:
    for problem in survey.problems:
        yield error(
            problem.text,
            subject=problem.location.path if problem.location else "",
            at=problem.location,
            remedy="mend the file: Xcode cannot open it either",
        )
