"""Judges what the sources use against what the entitlements ask for."""

from collections.abc import Iterator

from pipeline.apple.sources.facts import EmbeddedSources, TargetSources, Topic
from pipeline.apple.sources.programs import programs
from pipeline.apple.sources.wording import grouped, holder, where
from pipeline.apple.xcode.checks.doubts import Doubts, doubted
from pipeline.apple.xcode.entitlements import SANDBOX
from pipeline.apple.xcode.facts import Companions, TargetEntitlements, TargetSettings
from pipeline.model import Finding, Lane, Platform, check, note, warning

_SANDBOXED = "com.apple.security."
_GROUPS = "com.apple.security.application-groups"
_KEYCHAIN = "keychain-access-groups"
_PUSH = {Platform.MAC_OS: "com.apple.developer.aps-environment"}
_SERVICES = "com.apple.developer.icloud-services"
_EXCEPTIONS = "com.apple.security.temporary-exception.files."


def _unclear(entitlements: TargetEntitlements, key: str) -> bool:
    """Whether a list holds what is not known here: a setting that nothing defines."""
    return any(each.key.split("/")[0] == key for each in entitlements.undefined)


@check("SRCE007", "the capabilities that the code uses are entitled")
def capabilities_are_entitled(
    sources: TargetSources,
    entitlements: TargetEntitlements,
    settings: TargetSettings,
    embedded: EmbeddedSources,
    companions: Companions,
) -> Iterator[Finding]:
    doubts = Doubts()
    for program in programs(sources, entitlements, settings, embedded, companions):
        held = program.entitlements.values
        for key, uses in grouped(program.sources.of(Topic.ENTITLEMENT)).items():
            if key in held or not uses[0].certain:
                continue
            if key.startswith(_SANDBOXED) and held.get(SANDBOX) is not True:
                # Without the sandbox nothing is asked; that it is off is PROJ023's to tell.
                continue
            refused = warning(
                f"{where(uses)}{holder(uses[0])}{program.whose} needs {key}, which the entitlements do not have: "
                "the system refuses it",
                subject=key,
                at=uses[0].location,
                remedy=f"add {key} to {program.file}, or remove the call",
            )
            yield from doubts.of(refused, program.entitlements.hiding(key), name=key)
    yield from doubts.told()


@check("SRCE008", "who is to be told of changes is entitled to push")
def push_registration_is_entitled(
    sources: TargetSources, entitlements: TargetEntitlements, settings: TargetSettings, lane: Lane
) -> Iterator[Finding]:
    key = _PUSH.get(lane.platform, "aps-environment")
    if key in entitlements.values:
        return
    registered = [use for use in sources.of(Topic.PUSH) if use.certain]
    # Without CloudKit nothing is ever announced: SRCE021 tells of it.
    topics = (Topic.SUBSCRIPTION, Topic.SILENT) if entitlements.cloudkit else ()
    told = [[use for use in sources.of(topic) if use.certain] for topic in topics]
    uses = next(filter(None, (registered, *told)), [])
    other = " (aps-environment is the key of iOS)" if "aps-environment" in entitlements.values else ""
    file = entitlements.path or settings.entitlements_file.text or "the target's entitlements"
    if uses:
        result = "registration fails" if registered else "what it subscribes to is never announced"
        unheard = warning(
            f"{where(uses)}{holder(uses[0])} needs {key}, which the entitlements do not have{other}: {result}",
            subject=key,
            at=uses[0].location,
            remedy=f"add Push Notifications ({key} in {file}), or remove the call",
            apple="90078" if registered else "",
        )
        yield doubted(unheard, entitlements.hiding(key))
    elif entitlements.cloudkit:
        yield note(
            f"CloudKit without {key}{other}: changes made on other devices arrive only when the app asks for them",
            subject=key,
            at=entitlements.place("aps-environment" if other else _SERVICES),
            remedy=f"add Push Notifications ({key} in {file}) if the app is to hear of changes",
        )


@check("SRCE009", "the app groups that the code names are entitled")
def app_groups_are_entitled(
    sources: TargetSources,
    entitlements: TargetEntitlements,
    settings: TargetSettings,
    embedded: EmbeddedSources,
    companions: Companions,
) -> Iterator[Finding]:
    doubts = Doubts()
    for program in programs(sources, entitlements, settings, embedded, companions):
        if _unclear(program.entitlements, _GROUPS):
            continue
        held = program.entitlements.texts(_GROUPS)
        for name, uses in grouped(program.sources.of(Topic.GROUP, Topic.GROUP_DEFAULTS)).items():
            if name in held or not uses[0].certain or not name.startswith("group."):
                continue
            stranger = warning(
                f"{where(uses)}{holder(uses[0])}{program.whose} names the app group {name}; the entitlements name "
                f"{', '.join(held) or 'none'}",
                subject=name,
                at=uses[0].location,
                remedy=f"name one group in the code and in {program.file}",
            )
            yield from doubts.of(stranger, program.entitlements.hiding(_GROUPS), name=name)
    yield from doubts.told()


@check("SRCE013", "the keychain groups that the code names are entitled")
def keychain_groups_are_entitled(
    sources: TargetSources,
    entitlements: TargetEntitlements,
    settings: TargetSettings,
    embedded: EmbeddedSources,
    companions: Companions,
) -> Iterator[Finding]:
    doubts = Doubts()
    for program in programs(sources, entitlements, settings, embedded, companions):
        held = (*program.entitlements.texts(_KEYCHAIN), *program.entitlements.texts(_GROUPS))
        for name, uses in grouped(program.sources.of(Topic.KEYCHAIN)).items():
            if not uses[0].certain or _may_be(name, held, program.settings.bundle_id.text):
                continue
            stranger = warning(
                f"{where(uses)}{holder(uses[0])}{program.whose} names the keychain group {name}; the entitlements name "
                f"{', '.join(held) or 'none'}: the keychain refuses it",
                subject=name,
                at=uses[0].location,
                remedy=f"add the group to {_KEYCHAIN} in {program.file}, or name one that is there",
            )
            yield from doubts.of(stranger, program.entitlements.hiding(_KEYCHAIN), name=name)
    yield from doubts.told()


def _may_be(name: str, held: tuple[str, ...], bundle_id: str) -> bool:
    """Whether the text may name one of the groups: prefixes are added while signing and may be left out here."""
    tail = name.partition(".")[2]
    return any(group == name or (tail and group.endswith(tail)) for group in (*held, f".{bundle_id}"))


@check("SRCE016", "a sandboxed Mac app reads no group container of Apple's apps")
def others_containers_are_left_alone(
    sources: TargetSources, entitlements: TargetEntitlements, lane: Lane
) -> Iterator[Finding]:
    if lane.platform is not Platform.MAC_OS or entitlements.values.get(SANDBOX) is not True:
        return
    if any(key.startswith(_EXCEPTIONS) for key in entitlements.values):
        # An exception may name the folder; whether review grants it is not known here.
        return
    for group, uses in grouped(sources.of(Topic.OTHERS_GROUP)).items():
        if uses[0].certain and group not in entitlements.texts(_GROUPS):
            locked = warning(
                f"{where(uses)}{holder(uses[0])} lies in the container of another maker's app: the sandbox lets nobody "
                "read there whom a person has not let in",
                subject=group,
                at=uses[0].location,
                remedy="let the person choose the file or folder in an open panel, or leave this out of the edition "
                "for the App Store",
            )
            yield doubted(locked, entitlements.hiding(_GROUPS))
