"""Judges what the sources call in CloudKit against entitlements and schema."""

from collections.abc import Iterator

from pipeline.apple.cloudkit.facts import LocalSchema
from pipeline.apple.cloudkit.schema import IMPLICIT_FIELDS
from pipeline.apple.sources.facts import CONTAINER, MIRROR, EmbeddedSources, TargetSources, Topic, Use
from pipeline.apple.sources.programs import programs
from pipeline.apple.sources.wording import grouped, holder, where
from pipeline.apple.xcode.checks.doubts import Doubts, doubted
from pipeline.apple.xcode.facts import Companions, TargetEntitlements, TargetInfo, TargetSettings
from pipeline.model import Finding, Lane, Platform, check, error, note, warning

_CONTAINERS = "com.apple.developer.icloud-container-identifiers"
_SYSTEM = ("cloudkit.", "_")
_SERVICES = "com.apple.developer.icloud-services"
_PUSH = "aps-environment"
_MODES, _WAKE, _SHARING = "UIBackgroundModes", "remote-notification", "CKSharingSupported"


@check("SRCE005", "the CloudKit containers that the code opens are entitled")
def containers_are_entitled(
    sources: TargetSources,
    entitlements: TargetEntitlements,
    settings: TargetSettings,
    embedded: EmbeddedSources,
    companions: Companions,
) -> Iterator[Finding]:
    doubts = Doubts()
    for program in programs(sources, entitlements, settings, embedded, companions):
        asked = program.entitlements
        if not asked.cloudkit and any(use.certain for use in program.sources.of(Topic.OPENED)):
            # SRCE021 tells of it: without CloudKit, no container is opened at all.
            continue
        if any(each.key.split("/")[0] == _CONTAINERS for each in asked.undefined) or any(
            "*" in container for container in asked.containers
        ):
            continue
        held = asked.containers
        opened = grouped(program.sources.of(Topic.CONTAINER, Topic.CONTAINER_TEXT))
        # Apple refuses nothing here: what opens one container that it may open does work, at least in part.
        none_works = not program.label and not any(container in held for container in opened)
        for container, uses in opened.items():
            if container in held or not uses[0].certain:
                continue
            direct = [use for use in uses if use.topic is Topic.CONTAINER and use.certain]
            say = error if none_works and direct and direct[0].imported else warning
            named = where(direct) if direct else "the code"
            closed = say(
                f"{named}{holder((direct or uses)[0])}{program.whose} {'opens' if direct else 'names'} {container}; "
                f"the entitlements name {', '.join(held) or 'no container'}, and CloudKit opens no other",
                subject=container,
                at=(direct or uses)[0].location,
                remedy="name one container in the code, in the entitlements and in config",
                apple="CKError.badContainer",
            )
            yield from doubts.of(closed, asked.hiding(_CONTAINERS), name=container)
    yield from doubts.told()


@check("SRCE021", "who opens a CloudKit container is entitled to CloudKit")
def cloudkit_is_entitled(
    sources: TargetSources,
    entitlements: TargetEntitlements,
    settings: TargetSettings,
    embedded: EmbeddedSources,
    companions: Companions,
) -> Iterator[Finding]:
    for program in programs(sources, entitlements, settings, embedded, companions):
        asked = program.entitlements
        if asked.cloudkit or any(each.key.split("/")[0] in (_SERVICES, _CONTAINERS) for each in asked.undefined):
            continue
        uses = [use for use in program.sources.of(Topic.OPENED) if use.certain]
        # What looks for a container in the entitlements, and finds none, asks CloudKit for nothing.
        opened = sorted((use for use in uses if use.name != MIRROR or asked.containers), key=_doubt)
        services = ", ".join(asked.texts(_SERVICES))
        held = f"{_SERVICES} holds {services} alone" if services else f"the entitlements have no {_SERVICES}"
        if opened:
            first = opened[0]
            sure = not program.label and not any(_doubt(first))
            say = note if first.guarded else error if sure else warning
            ended = say(
                f"{where(opened)}{holder(first)}{program.whose} opens a CloudKit container, and {held}"
                f"{' with CloudKit' if not services else ''}: the system ends the program as soon as this runs",
                subject=_SERVICES,
                at=first.location,
                remedy=f"add iCloud with CloudKit and its container to {program.file} (Signing & Capabilities), or let "
                "a build without them open no container",
            )
            yield doubted(ended, asked.hiding(_SERVICES))
        elif uses:
            yield note(
                f"{where(uses)}{holder(uses[0])}{program.whose} mirrors nothing: {held}, so that its store stays on "
                "the device",
                subject=_SERVICES,
                at=uses[0].location,
                remedy=f"add iCloud with CloudKit and its container to {program.file} if the store is to be mirrored, "
                "else use NSPersistentContainer",
            )


def _doubt(use: Use) -> tuple[bool, ...]:
    """What speaks against it that the app comes to a use and is ended there: a store may only fail to open."""
    return (use.guarded, not use.imported, use.name != CONTAINER, not use.reached)


@check("SRCE014", "silent pushes may wake the app")
def silent_pushes_wake_the_app(
    sources: TargetSources, info: TargetInfo, entitlements: TargetEntitlements, lane: Lane
) -> Iterator[Finding]:
    modes = info.values.get(_MODES)
    held = modes if isinstance(modes, (list, tuple)) else ()
    if lane.platform is Platform.MAC_OS or _WAKE in held or any(each.key.startswith(_MODES) for each in info.undefined):
        return
    # Without CloudKit nothing of this is ever sent: SRCE021 tells of it.
    uses = [use for use in sources.of(Topic.SILENT) if use.certain and entitlements.cloudkit]
    if uses:
        asleep = warning(
            f"{where(uses)}{holder(uses[0])} lives by silent pushes, and {_MODES} has no {_WAKE}: they do not wake the "
            "app",
            subject=_MODES,
            at=uses[0].location,
            remedy=f"add {_WAKE} to {_MODES} in the Info.plist (Background Modes, Remote notifications)",
        )
        yield doubted(asleep, info.hiding(_MODES))
    elif entitlements.cloudkit and _PUSH in entitlements.values:
        yield note(
            f"CloudKit and push without {_WAKE} in {_MODES}: silent pushes do not wake the app, if it asks for any",
            subject=_MODES,
            at=info.place(_MODES) or entitlements.place(_PUSH),
            remedy=f"add {_WAKE} to {_MODES} in the Info.plist if the app is to hear of changes in the background",
        )


@check("SRCE015", "an app that is told to take shared records takes them")
def shares_are_taken(sources: TargetSources, info: TargetInfo) -> Iterator[Finding]:
    if info.values.get(_SHARING) is True and sources.files and not sources.of(Topic.SHARE):
        yield warning(
            f"{_SHARING} sends people here who open an invitation, and no source takes one "
            "(userDidAcceptCloudKitShareWith): nothing happens",
            subject=_SHARING,
            at=info.place(_SHARING),
            remedy=f"implement userDidAcceptCloudKitShareWith in the delegate of scene or app, or remove {_SHARING}",
        )


@check("SRCE006", "the record types and fields that the code names are in the schema file")
def record_types_are_in_the_schema(sources: TargetSources, local: LocalSchema) -> Iterator[Finding]:
    schema = local.reading.schema
    if schema is None or any(problem.certain for problem in local.reading.problems):
        # SCHM001 tells of a file that cannot be understood, SCHM010 of one that is missing.
        return
    for name, uses in grouped(sources.of(Topic.RECORD_TYPE)).items():
        if name in schema.by_name or name == "Users" or name.startswith(_SYSTEM) or not uses[0].certain:
            continue
        yield warning(
            f"{where(uses)}{holder(uses[0])} names the record type {name}, which {local.path} does not have: "
            "production makes none by itself",
            subject=name,
            at=uses[0].location,
            remedy=f"add {name} to {local.path} and deploy it, or correct the name",
        )
    for name, uses in grouped(sources.of(Topic.FIELD)).items():
        kind, _, field = name.partition(".")
        record_type = schema.by_name.get(kind)
        if record_type is None or field in IMPLICIT_FIELDS or not uses[0].certain:
            continue
        if not any(held.name == field for held in record_type.fields):
            yield warning(
                f"the code uses the field {field} of {kind}, which {local.path} does not have: production makes none "
                "by itself",
                subject=name,
                at=uses[0].location,
                remedy=f"add {field} to {kind} in {local.path} and deploy it, or correct the name",
            )
