"""Judges export options against what xcodebuild takes and what the apps are."""

from collections.abc import Iterator

from pipeline.apple.automation.facts import App, ExportOptions, ExportPlans
from pipeline.apple.automation.withdrawn import DEPRECATED_METHODS, METHODS, STORE_METHODS, WITHOUT_EFFECT
from pipeline.model import Declaration, Finding, check, note, warning


@check("AUTO020", "export options can be read")
def export_options_can_be_read(plans: ExportPlans) -> Iterator[Finding]:
    for plan in plans.plans:
        if plan.flaw:
            yield warning(
                f"these export options cannot be read: {plan.flaw}",
                subject=plan.location.path,
                at=plan.location,
                remedy="mend the property list; `plutil -lint` says where it breaks",
            )


@check("AUTO021", "the export method is one that Xcode has")
def export_method_is_current(plans: ExportPlans) -> Iterator[Finding]:
    for plan in plans.plans:
        method = plan.get("method")
        if method is None or not method.known:
            continue
        if method.text in DEPRECATED_METHODS:
            instead = DEPRECATED_METHODS[method.text]
            yield note(
                f"the method {method.text} is called {instead} since Xcode 15.3; the old name still works",
                subject="method",
                at=method.location,
                remedy=f"write {instead}, unless an older Xcode has to read it",
            )
        elif method.text not in METHODS:
            yield warning(
                f"{method.text!r} is no export method: xcodebuild takes {', '.join(sorted(METHODS))}",
                subject="method",
                at=method.location,
                remedy="write app-store-connect for the App Store",
            )


@check("AUTO022", "export options say which CloudKit environment an app gets")
def container_environment_is_told(plans: ExportPlans) -> Iterator[Finding]:
    for plan in plans.plans:
        apps = _fitting(plan, plans.apps)
        method, told = plan.get("method"), plan.get("iCloudContainerEnvironment")
        if plan.flaw or not apps or not all(app.cloudkit for app in apps) or (told and not told.known):
            continue
        store = plan.text("method") in STORE_METHODS
        if told is not None:
            if store and told.text != "Production":
                yield warning(
                    f"iCloudContainerEnvironment is {told.text!r}: what goes to the store works on Production alone",
                    subject="iCloudContainerEnvironment",
                    at=told.location,
                    remedy="write Production",
                )
            continue
        if store or method is None or not method.known or any(app.environment for app in apps):
            # For the store, Production is implied.
            continue
        yield warning(
            f"iCloudContainerEnvironment is missing, and {apps[0].target} uses CloudKit: xcodebuild refuses the export "
            "with `expected one of {Development, Production}, but no value was provided`",
            subject="iCloudContainerEnvironment",
            at=method.location or plan.location,
            remedy="add the key iCloudContainerEnvironment with the value Production, or Development for debugging",
        )


def _fitting(plan: ExportOptions, apps: tuple[App, ...]) -> tuple[App, ...]:
    """The apps that export options may be meant for: those they name, else those of the job's platform, else all."""
    named = {each.key for each in plan.profiles if each.known}
    by_name = tuple(app for app in apps if named & set(app.bundle_ids))
    if by_name:
        return by_name
    return tuple(app for app in apps if plan.platform in app.platforms) if plan.platform else apps


@check("AUTO023", "export options have an effect")
def options_have_an_effect(plans: ExportPlans) -> Iterator[Finding]:
    for plan in plans.plans:
        for each in plan.options:
            if each.key in WITHOUT_EFFECT:
                yield note(
                    f"{each.key} has no effect: {WITHOUT_EFFECT[each.key]}",
                    subject=each.key,
                    at=each.location,
                    remedy="remove it",
                )


@check("AUTO024", "export options name a profile for every bundle")
def profiles_cover_all_bundles(plans: ExportPlans) -> Iterator[Finding]:
    for plan in plans.plans:
        if plan.text("signingStyle") != "manual" or any(not each.known for each in plan.profiles):
            continue
        named = {each.key for each in plan.profiles}
        apps = [app for app in plans.apps if app.bundle_ids[:1] and app.bundle_ids[0] in named]
        lacking = [[one for one in app.bundle_ids if one and one not in named] for app in apps]
        # Apps of two platforms may share an identifier: where one of them is covered, it may be the one meant.
        if not apps or any(not each or _covered(each, named) for each in lacking):
            continue
        for each in lacking[:1]:
            yield warning(
                f"manual signing needs a profile for every bundle, and provisioningProfiles has none for "
                f"{', '.join(each)}: the export stops",
                subject=each[0],
                at=plan.profiles[0].location or plan.location,
                remedy="add each bundle identifier with the name of its profile",
            )


def _covered(lacking: list[str], named: set[str]) -> bool:
    return all(any(one.endswith("*") and each.startswith(one[:-1]) for one in named) for each in lacking)


@check("AUTO025", "export options name the identifiers that the projects have")
def export_identifiers_agree(plans: ExportPlans, declared: Declaration) -> Iterator[Finding]:
    ids, teams = plans.identities.known("bundle id"), plans.identities.known("team")
    for plan in plans.plans:
        for each in plan.profiles:
            if not ids or not each.known or plans.identities.replaces(each.key):
                continue
            if each.key not in (*ids, declared.bundle_id) and "*" not in each.key:
                yield warning(
                    f"provisioningProfiles names {each.key}, which is no bundle identifier of any target here: "
                    f"{', '.join(ids[:4])}{' and others' if len(ids) > 4 else ''}",
                    subject=each.key,
                    at=each.location,
                    remedy="name the bundle identifiers of what is exported",
                )
        team = plan.get("teamID")
        if team and team.known and team.text and teams and team.text not in (*teams, declared.team_id):
            yield warning(
                f"teamID is {team.text}, the projects say {', '.join(teams[:4])}",
                subject="teamID",
                at=team.location,
                remedy="let export options and projects name one team",
            )


@check("AUTO026", "what an export leaves behind is what is used")
def exported_files_are_left_behind(plans: ExportPlans) -> Iterator[Finding]:
    for plan in plans.plans:
        if plan.exported is not None:
            destination = plan.get("destination")
            yield warning(
                "the destination upload sends the app to App Store Connect and leaves no .ipa or .pkg behind, "
                f"but {plan.exported} goes on with one",
                subject="destination",
                at=destination.location if destination else plan.location,
                remedy="write export as the destination, or remove what comes after the export",
            )
