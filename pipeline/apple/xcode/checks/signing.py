"""Judges what the settings say about signing, and what the entitlements ask for."""

import re
from collections.abc import Iterator

from pipeline.apple.xcode.checks.doubts import Doubts, doubted
from pipeline.apple.xcode.checks.embedded import label
from pipeline.apple.xcode.checks.wording import is_spoilt, names_of
from pipeline.apple.xcode.entitlements import SANDBOX
from pipeline.apple.xcode.facts import Companions, ProjectSurvey, TargetEntitlements, TargetSettings
from pipeline.model import Declaration, Finding, Lane, Location, Platform, check, error, note, warning

_TEAM = re.compile(r"[A-Z0-9]{10}")
_DEVELOPMENT = ("Apple Development", "iPhone Developer", "Mac Developer", "iOS Developer", "Sign to Run Locally")
_CONTAINERS = "com.apple.developer.icloud-container-identifiers"
_SERVICES = "com.apple.developer.icloud-services"
_ENVIRONMENT = "com.apple.developer.icloud-container-environment"


@check("PROJ020", "the team is set")
def team_is_set(
    settings: TargetSettings, lane: Lane, declared: Declaration, survey: ProjectSurvey
) -> Iterator[Finding]:
    team = settings.team_id
    if team and not team.undefined:
        if not _TEAM.fullmatch(team.text):
            shapeless = error(
                f"{team.text!r} is no team identifier: ten capital letters and digits",
                subject="DEVELOPMENT_TEAM",
                at=team.location,
                remedy="copy the Team ID from the membership page of developer.apple.com/account",
            )
            yield doubted(shapeless, team.hidden)
        elif declared.team_id and declared.team_id != team.text:
            another = error(
                f"config declares the team {declared.team_id}, the project says {team}",
                subject="DEVELOPMENT_TEAM",
                at=team.location,
                remedy="make config and project name the same team",
            )
            yield doubted(another, team.hidden)
        return
    named = f" refers to {', '.join(team.undefined)}, which nothing defines" if team.undefined else " is not set"
    if declared.team_id:
        yield note(
            f"DEVELOPMENT_TEAM{named}; the archive is given {declared.team_id}, which config declares",
            subject="DEVELOPMENT_TEAM",
            at=team.location,
        )
        return
    # A Mac app is built without a team where somebody else signs it for the store.
    unsigned = lane.platform is Platform.MAC_OS and _is_signed_later(settings)
    given = "".join(f"; {action} ({place}) may give one" for action, place in survey.teams[:1])
    say = warning if unsigned or given else error
    teamless = say(
        f"DEVELOPMENT_TEAM{named}, so it is empty unless the environment or the command line gives it{given}",
        subject="DEVELOPMENT_TEAM",
        at=team.location or (settings.place if team.hidden else None),
        remedy="write the Team ID in the settings, or declare team_id in config",
    )
    yield doubted(teamless, team.hidden)


def _is_signed_later(settings: TargetSettings) -> bool:
    """Whether the build itself asks for nobody's certificate: an identity of "-" is what "to run locally" means."""
    identity = settings.code_sign_identity
    manual = settings.code_sign_style.text.lower() == "manual"
    return identity.text == "-" or (not identity and (manual or identity.location is not None))


@check("PROJ021", "the signing identity is one for the App Store")
def identity_is_for_the_app_store(settings: TargetSettings) -> Iterator[Finding]:
    identity = settings.code_sign_identity
    if identity.text.startswith("Developer ID"):
        foreign = error(
            f"{identity} signs for distribution outside the App Store; App Store Connect refuses it",
            subject="CODE_SIGN_IDENTITY",
            at=identity.location,
            remedy="use Apple Distribution here, and keep Developer ID for a configuration of its own",
            apple="90034",
        )
        yield doubted(foreign, identity.hidden)
    elif identity.text in _OLD_NAMES and settings.code_sign_style.text.lower() == "manual":
        yield note(
            f"{identity} names the kind of certificate that Xcode made before version 11; since then it makes "
            "Apple Distribution",
            subject="CODE_SIGN_IDENTITY",
            at=identity.location,
            remedy="write Apple Distribution, if that is what the team's certificate is",
        )


_OLD_NAMES = ("iPhone Distribution", "iOS Distribution")


@check("PROJ022", "the signing style goes with identity and profile")
def signing_style_is_consistent(
    settings: TargetSettings, lane: Lane, companions: Companions, survey: ProjectSurvey
) -> Iterator[Finding]:
    told: set[str] = set()
    doubts = Doubts()
    yield from _conflict("", settings, told, doubts)
    nameless = []
    for each in companions.targets:
        if each.kind.is_program:
            yield from _conflict(f" for {label(each)}", each.settings, told, doubts)
        if each.kind.is_signed_for_itself and each.sdk != "macosx" and _lacks_profile(each.settings):
            nameless.append((label(each), each.settings))
    if lane.platform is not Platform.MAC_OS and _lacks_profile(settings):
        nameless.insert(0, ("the app", settings))
    for known in (True, False):
        # What is certain of some targets stays certain beside others of which it is not.
        yield from _nameless([each for each in nameless if known is not bool(_hidden(each[1]))], doubts, survey)
    yield from doubts.told()


def _nameless(targets: list[tuple[str, TargetSettings]], doubts: Doubts, survey: ProjectSurvey) -> Iterator[Finding]:
    named_later = "".join(f"; {action} ({place}) may name one first" for action, place in survey.provisioning[:1])
    say = warning if named_later else error
    if targets:
        found = say(
            f"signing is manual for {', '.join(name for name, _ in targets)} and no provisioning profile is named"
            f"{named_later}",
            subject="PROVISIONING_PROFILE_SPECIFIER",
            at=targets[0][1].code_sign_style.location,
            remedy="set PROVISIONING_PROFILE_SPECIFIER to the App Store profile's name, or sign automatically",
        )
        yield from doubts.of(found, *(_hidden(of) for _, of in targets))


def _hidden(settings: TargetSettings) -> tuple[str, ...]:
    """The files that were not read and could decide how a target is signed."""
    held = (settings.code_sign_style, settings.code_sign_identity, settings.profile_specifier)
    return tuple(dict.fromkeys(file for value in held for file in value.hidden))


def _lacks_profile(settings: TargetSettings) -> bool:
    profile = settings.profile_specifier
    return settings.code_sign_style.text.lower() == "manual" and not profile and not profile.undefined


def _conflict(whose: str, settings: TargetSettings, told: set[str], doubts: Doubts) -> Iterator[Finding]:
    """`told` holds the places that were spoken of: a setting of the whole project has one cause."""
    style, identity, profile = settings.code_sign_style, settings.code_sign_identity, settings.profile_specifier
    if style.text.lower() == "manual" or (style and not style.location):
        # Xcode's own choice for a target that makes none gives way to what is named.
        return
    named = []
    if identity and identity.location and identity.text != "-" and not identity.text.startswith(_DEVELOPMENT):
        named.append(f"CODE_SIGN_IDENTITY = {identity} ({identity.location})")
    if profile and profile.location:
        named.append(f"PROVISIONING_PROFILE_SPECIFIER = {profile} ({profile.location})")
    place = style.location or identity.location or profile.location
    if named and str(place) not in told:
        told.add(str(place))
        conflict = error(
            f"signing is automatic{whose}, and yet {' and '.join(named)}: "
            "Xcode stops at conflicting provisioning settings",
            subject="CODE_SIGN_STYLE",
            at=place,
            remedy="set CODE_SIGN_STYLE = Manual here, or remove identity and profile from the settings",
        )
        yield from doubts.of(conflict, _hidden(settings))


@check("PROJ023", "the Mac app and all its programs are sandboxed")
def app_sandbox_is_enabled(
    settings: TargetSettings, entitlements: TargetEntitlements, lane: Lane, companions: Companions
) -> Iterator[Finding]:
    if lane.platform is not Platform.MAC_OS or settings.code_sign_identity.text.startswith("Developer ID"):
        # An edition for outside the store needs no sandbox; that it is no store edition is PROJ021's to say.
        return
    open_ = [("", settings, entitlements)] if entitlements.values.get(SANDBOX) is not True else []
    open_ += [
        (label(each), each.settings, each.entitlements)
        for each in companions.targets
        if each.kind.is_program
        and "entitlements" not in each.unread
        and each.entitlements.values.get(SANDBOX) is not True
    ]
    doubts = Doubts()
    for name, of, asked in open_[:1] if open_ and not open_[0][0] else open_:
        # Where the app itself is not sandboxed, the others have the same cause.
        others = f" (nor for {', '.join(each for each, _, _ in open_[1:])})" if not name and open_[1:] else ""
        whose = f" for {name}, and the Mac App Store wants it of every program" if name else ""
        exposed = error(
            f"the App Sandbox is not enabled{whose}{others}"
            + ("" if name else ", and the Mac App Store takes no app without it"),
            subject=SANDBOX,
            at=asked.places.get(SANDBOX)
            or (of.app_sandbox.location if of.app_sandbox else None)
            or asked.place(SANDBOX)
            or of.entitlements_file.location
            or (of.place if name else None),
            remedy="set ENABLE_APP_SANDBOX = YES, or com.apple.security.app-sandbox to true in the entitlements",
            apple="90296",
        )
        # Whether it is an edition for the store at all, the identity says.
        yield from doubts.of(exposed, asked.hiding(SANDBOX), settings.code_sign_identity.hidden, name=name)
    yield from doubts.told()


UNSUPPORTED_ON_MAC = {
    "com.apple.security.in-app-payments": "it is Apple Pay's on iOS by a name that exists nowhere",
    "com.apple.developer.icloud-container-development-container-identifiers": "Xcode writes it for development alone",
}
"""Entitlements that App Store Connect refused on macOS, each seen: krelltunez/dayGLANCE#1082, dotnet/macios#7576."""


@check("PROJ026", "the Mac app asks for no entitlement that macOS does not know")
def mac_entitlements_are_supported(
    entitlements: TargetEntitlements, lane: Lane, companions: Companions
) -> Iterator[Finding]:
    if lane.platform is not Platform.MAC_OS:
        return
    for whose, of in (("the app", entitlements), *((label(each), each.entitlements) for each in companions.targets)):
        for key in of.values:
            if key in UNSUPPORTED_ON_MAC:
                unknown = error(
                    f"{whose} asks for {key}, which macOS does not support: {UNSUPPORTED_ON_MAC[key]}",
                    subject=key,
                    at=of.place(key),
                    remedy="remove the key",
                    apple="90285",
                )
                yield doubted(unknown, of.hiding(key))


@check("PROJ024", "CloudKit containers are those that were declared")
def cloudkit_containers_agree(entitlements: TargetEntitlements, declared: Declaration) -> Iterator[Finding]:
    held, hidden = entitlements.containers, entitlements.hiding(_CONTAINERS)
    doubts = Doubts()
    if entitlements.cloudkit and not held:
        nameless = warning(
            "CloudKit is asked for and no container is named",
            subject=_CONTAINERS,
            at=entitlements.place(_SERVICES),
            remedy="name the container in icloud-container-identifiers",
        )
        yield from doubts.of(nameless, hidden)
    for position, container in enumerate(held):
        if not container.startswith("iCloud."):
            foreign = error(
                f"{container!r} is no CloudKit container, whose names begin with 'iCloud.'",
                subject=container,
                at=_container_place(entitlements, position),
                remedy="copy the container's name from the developer account",
            )
            yield from doubts.of(foreign, hidden)
    if declared.containers and (held or entitlements.cloudkit):
        for finding in _against(declared, entitlements):
            yield from doubts.of(finding, hidden)
    yield from doubts.told()


def _against(declared: Declaration, entitlements: TargetEntitlements) -> Iterator[Finding]:
    held = entitlements.containers
    for container in declared.containers:
        if container not in held:
            yield error(
                f"config declares the container {container}, the entitlements name {', '.join(held) or 'none'}",
                subject=container,
                at=entitlements.place(_CONTAINERS),
                remedy="make config and entitlements name the same container; data does not move between containers",
            )
    for position, container in enumerate(held):
        if container not in declared.containers:
            yield warning(
                f"the entitlements name {container}, which config does not declare",
                subject=container,
                at=_container_place(entitlements, position),
                remedy="declare it in config, so that its schema is looked at, or remove it",
            )


def _container_place(entitlements: TargetEntitlements, position: int) -> Location | None:
    return entitlements.places.get(f"{_CONTAINERS}/{position}") or entitlements.place(_CONTAINERS)


@check("PROJ027", "the entitlements do not ask for CloudKit's development environment")
def container_environment_is_production(entitlements: TargetEntitlements) -> Iterator[Finding]:
    if "Development" in entitlements.texts(_ENVIRONMENT):
        asked = warning(
            "the entitlements ask for CloudKit's Development environment; a build for the store has to use Production",
            subject=_ENVIRONMENT,
            at=entitlements.place(_ENVIRONMENT),
            remedy=f"remove {_ENVIRONMENT}: the export sets Production",
        )
        yield doubted(asked, entitlements.hiding(_ENVIRONMENT))


@check("PROJ028", "entitlements hold no unexpanded settings")
def entitlements_are_expanded(entitlements: TargetEntitlements, companions: Companions) -> Iterator[Finding]:
    told: set[str] = set()
    doubts = Doubts()
    for of in (entitlements, *(each.entitlements for each in companions.targets)):
        # Several targets may share one file.
        if of.path not in told or not of.path:
            yield from _unexpanded(of, doubts)
        told.add(of.path)
    yield from doubts.told()


def _unexpanded(entitlements: TargetEntitlements, doubts: Doubts) -> Iterator[Finding]:
    for each in entitlements.undefined:
        names = names_of(each)
        if not names:
            continue
        say = warning if is_spoilt(each) else note
        empty = say(
            f"{each.key} refers to {names}, which nothing defines: it is taken for empty",
            subject=each.key,
            at=each.location or entitlements.place(each.key),
            remedy="define the setting, or write the value out",
        )
        yield from doubts.of(empty, each.hidden)
    for key in entitlements.values:
        for text in entitlements.texts(key):
            if "$(" in text or "${" in text:
                yield error(
                    f"{key} holds {text!r}, a reference that is not complete and stays as it is",
                    subject=key,
                    at=entitlements.place(key),
                    remedy="close the parenthesis, or write the value out",
                    apple="409",
                )
