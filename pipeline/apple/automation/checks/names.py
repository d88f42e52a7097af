"""Judges whether what automation names is there, and whether it says the same as the projects and config."""

from collections.abc import Iterator

from pipeline.apple.automation.facts import Automation, Named
from pipeline.apple.xcode.facts import ProjectSurvey
from pipeline.model import Declaration, Finding, check, note, warning

_CONTAINERS = ("project", "workspace", "scheme", "target", "configuration")
_SETTLED = {
    "scheme": "xcodebuild stops: the project does not contain a scheme of that name",
    "target": "xcodebuild stops: the project does not contain a target of that name",
    "project": "xcodebuild stops: there is no such project",
    "workspace": "xcodebuild stops: there is no such workspace",
    "configuration": "what is built is not what was meant",
}


@check("AUTO001", "workflows can be read")
def workflows_can_be_read(automation: Automation) -> Iterator[Finding]:
    for problem in automation.problems:
        yield warning(
            f"the build service cannot read this file: {problem.text}",
            subject=problem.location.path if problem.location else "",
            at=problem.location,
            remedy="mend the file; until then nothing in it runs",
        )


@check("AUTO002", "projects, schemes and configurations that automation names are there")
def named_parts_are_there(automation: Automation) -> Iterator[Finding]:
    for call in automation.calls:
        if call.key == "package scheme":
            yield warning(
                call.says,
                subject=call.says.split(" ")[2],
                at=call.location,
                remedy="name the scheme of the app's target",
            )
    for named in _once(automation, _CONTAINERS):
        if named.there is not False or named.tolerated:
            continue
        within = f" in {named.within}" if named.within else ""
        choices = f"; there is {', '.join(named.choices)}" if named.choices else ""
        yield warning(
            f"there is no {named.kind} {named.text}{within}: {_SETTLED[named.kind]}{choices}",
            subject=named.text,
            at=named.location,
            remedy=f"name a {named.kind} that is there, or remove the command",
        )


@check("AUTO003", "files that automation names are there")
def named_files_are_there(automation: Automation) -> Iterator[Finding]:
    for named in _once(automation, ("file",)):
        if named.there is False and not named.tolerated:
            yield warning(
                f"there is no file {named.text}, and nothing before makes one",
                subject=named.text,
                at=named.location,
                remedy="name a file that is there, or commit it",
            )


_KINDS = {
    "bundle id": ("bundle identifier", "PRODUCT_BUNDLE_IDENTIFIER"),
    "team": ("team", "DEVELOPMENT_TEAM"),
    "profile": ("provisioning profile", "PROVISIONING_PROFILE_SPECIFIER"),
    "container": ("CloudKit container", "the entitlements"),
}


@check("AUTO004", "automation names the identifiers that the projects have")
def identifiers_agree(automation: Automation, declared: Declaration) -> Iterator[Finding]:
    configured = {
        "bundle id": (declared.bundle_id,),
        "team": (declared.team_id,),
        "profile": (),
        "container": declared.containers,
    }
    for call in automation.calls:
        if call.key == "other project":
            yield warning(
                call.says,
                subject=call.says.partition(" ")[0],
                at=call.location,
                remedy="name the identifier of what is archived",
            )
    for named in _once(automation, tuple(_KINDS)):
        known = automation.identities.known(named.kind)
        own = tuple(one for one in configured[named.kind] if one)
        if not known or named.text in known or named.text in own:
            continue
        if named.kind == "bundle id" and automation.identities.replaces(named.text):
            # Who releases has put a prefix of their own where the projects have com.example.
            continue
        word, where = _KINDS[named.kind]
        yield warning(
            f"{named.text}{_again(automation, named)} is no {word} of any target here: "
            f"{where} {'hold' if where.startswith('the') else 'says'} "
            f"{', '.join(known[:4])}{' and others' if len(known) > 4 else ''}",
            subject=named.text,
            at=named.location,
            remedy=f"name the {word} of what is released, in one place",
        )


@check("AUTO005", "names that only the shell knows")
def names_come_from_variables(automation: Automation) -> Iterator[Finding]:
    if automation.unfollowed:
        count = automation.unfollowed
        yield note(
            f"{count} {'name' if count == 1 else 'names'} of projects, schemes or configurations "
            f"{'comes' if count == 1 else 'come'} from variables: whether they are there was not looked at",
            subject="workflows",
        )


@check("AUTO006", "no secret stands in clear")
def secrets_are_not_in_clear(automation: Automation) -> Iterator[Finding]:
    for exposed in automation.exposed:
        yield warning(
            f"{exposed.what} stands here in clear: everybody who can read the repository has it",
            subject=exposed.what,
            at=exposed.location,
            remedy="revoke it, make a new one, and give that to the build as a secret; deleting the line is not "
            "enough, because the history keeps it",
        )


def _again(automation: Automation, named: Named) -> str:
    """The other places of a file that name the same."""
    places = {
        each.location.line
        for each in automation.named
        if (each.kind, each.text, each.location.path) == (named.kind, named.text, named.location.path)
    } - {named.location.line, None}
    return f" (also in line {', '.join(str(line) for line in sorted(filter(None, places))[:4])})" if places else ""


def _once(automation: Automation, kinds: tuple[str, ...]) -> Iterator[Named]:
    """What is named, each name once in a file: the first place tells it."""
    seen: set[tuple[str, str, str, str]] = set()
    for named in automation.named:
        key = (named.kind, named.text, named.within, named.location.path)
        if named.kind in kinds and key not in seen:
            seen.add(key)
            yield named


@check("AUTO007", "paths are written as the files are")
def paths_are_written_as_the_files_are(automation: Automation) -> Iterator[Finding]:
    for call in automation.calls:
        if call.key == "case":
            yield warning(
                f"{call.says}: a disk that tells upper from lower case has no such file",
                subject="path",
                at=call.location,
                remedy="write the path as the file is called",
            )


@check("AUTO008", "one CloudKit container serves development and production")
def containers_are_one(automation: Automation) -> Iterator[Finding]:
    for call in automation.calls:
        if call.key == "containers":
            yield warning(
                f"{call.says}: CloudKit brings a schema from development to production inside one container only",
                subject="CloudKit container",
                at=call.location,
                remedy="name one container; its two environments are what differs",
            )


@check("AUTO009", "a release job can succeed")
def release_jobs_can_succeed(automation: Automation) -> Iterator[Finding]:
    for call in automation.calls:
        if call.key == "off":
            yield note(
                f"the job {call.job} is switched off (`if: false`): it releases nothing",
                subject=call.job,
                at=call.location,
                remedy="let it run, or remove it",
            )
        elif call.key == "fails":
            yield note(
                f"the job {call.job} ends with `exit 1` whatever happens: it releases nothing",
                subject=call.job,
                at=call.location,
                remedy="let it release, or remove it",
            )


@check("AUTO027", "an exported file is looked for under the name that it has")
def exported_files_bear_the_products_name(automation: Automation) -> Iterator[Finding]:
    for call in automation.calls:
        if call.key == "file name":
            yield warning(
                f"{call.says} is looked for, but no product, target or scheme here is called so",
                subject=call.says,
                at=call.location,
                remedy="take the name from the archive, or look for whatever the export has written",
            )


@check("AUTO017", "profiles are looked for where Xcode keeps them")
def profiles_are_looked_for_where_they_are(automation: Automation) -> Iterator[Finding]:
    for call in automation.calls:
        if call.key == "old profiles":
            yield note(
                "since Xcode 16 the profiles that Xcode downloads lie in ~/Library/Developer/Xcode/UserData/"
                "Provisioning Profiles; here only the folder of before is looked into",
                subject="Provisioning Profiles",
                at=call.location,
                remedy="look into both folders",
            )


@check("AUTO018", "what scripts look at is what targets use")
def files_that_are_looked_at_are_used(automation: Automation, survey: ProjectSurvey) -> Iterator[Finding]:
    for named in _once(automation, ("used file",)):
        if named.text in survey.unused:
            yield note(
                f"no target uses {named.text}{_again(automation, named)}: what it holds says nothing of the app",
                subject=named.text,
                at=named.location,
                remedy="look at the file that the target names, or at the built app",
            )
