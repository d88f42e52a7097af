"""Judges what the sources use against what the entitlements ask for."""

from collections.abc import Iterator

from pipeline.apple.sources.facts import TargetSources, Topic
from pipeline.apple.sources.wording import grouped, holder, where
from pipeline.apple.xcode.entitlements import SANDBOX
from pipeline.apple.xcode.facts import TargetEntitlements, TargetSettings
from pipeline.model import Finding, Lane, Platform, check, warning

_SANDBOXED = "com.apple.security."
_GROUPS = "com.apple.security.application-groups"
_KEYCHAIN = "keychain-access-groups"
_PUSH = {Platform.MAC_OS: "com.apple.developer.aps-environment"}


def _unclear(entitlements: TargetEntitlements, key: str) -> bool:
    """Whether a list holds what is not known here: a setting that nothing defines."""
    return any(each.key.split("/")[0] == key for each in entitlements.undefined)


@check("SRCE007", "the capabilities that the code uses are entitled")
def capabilities_are_entitled(
    sources: TargetSources, entitlements: TargetEntitlements, settings: TargetSettings
) -> Iterator[Finding]:
    sandboxed = entitlements.values.get(SANDBOX) is True
    for key, uses in grouped(sources.of(Topic.ENTITLEMENT)).items():
        if key in entitlements.values or not uses[0].certain:
            continue
        if key.startswith(_SANDBOXED) and not sandboxed:
            # Without the sandbox nothing is asked; that it is off is PROJ023's to tell.
            continue
        yield warning(
            f"{where(uses)}{holder(uses[0])} needs {key}, which the entitlements do not have: the system refuses it",
            subject=key,
            at=uses[0].location,
            remedy=f"add {key} to {_file(entitlements, settings)}, or remove the call",
        )


def _file(entitlements: TargetEntitlements, settings: TargetSettings) -> str:
    return entitlements.path or settings.entitlements_file.text or "the target's entitlements"


@check("SRCE008", "who registers for push is entitled to it")
def push_registration_is_entitled(
    sources: TargetSources, entitlements: TargetEntitlements, settings: TargetSettings, lane: Lane
) -> Iterator[Finding]:
    key = _PUSH.get(lane.platform, "aps-environment")
    if key in entitlements.values:
        return
    registered = [use for use in sources.of(Topic.PUSH) if use.certain]
    subscribed = [use for use in sources.of(Topic.SUBSCRIPTION) if use.certain]
    uses = registered or subscribed
    if uses:
        other = " (aps-environment is the key of iOS)" if "aps-environment" in entitlements.values else ""
        result = "registration fails" if registered else "what it subscribes to is never announced"
        yield warning(
            f"{where(uses)}{holder(uses[0])} needs {key}, which the entitlements do not have{other}: {result}",
            subject=key,
            at=uses[0].location,
            remedy=f"add Push Notifications ({key} in {_file(entitlements, settings)}), or remove the call",
            apple="90078" if registered else "",
        )


@check("SRCE009", "the app groups that the code names are entitled")
def app_groups_are_entitled(
    sources: TargetSources, entitlements: TargetEntitlements, settings: TargetSettings
) -> Iterator[Finding]:
    if _unclear(entitlements, _GROUPS):
        return
    held = entitlements.texts(_GROUPS)
    for name, uses in grouped(sources.of(Topic.GROUP, Topic.GROUP_DEFAULTS)).items():
        if name in held or not uses[0].certain or not name.startswith("group."):
            continue
        yield warning(
            f"{where(uses)}{holder(uses[0])} names the app group {name}; the entitlements name "
            f"{', '.join(held) or 'none'}",
            subject=name,
            at=uses[0].location,
            remedy=f"name one group in the code and in {_file(entitlements, settings)}",
        )


@check("SRCE013", "the keychain groups that the code names are entitled")
def keychain_groups_are_entitled(
    sources: TargetSources, entitlements: TargetEntitlements, settings: TargetSettings
) -> Iterator[Finding]:
    held = (*entitlements.texts(_KEYCHAIN), *entitlements.texts(_GROUPS))
    for name, uses in grouped(sources.of(Topic.KEYCHAIN)).items():
        if not uses[0].certain or _may_be(name, held, settings.bundle_id.text):
            continue
        yield warning(
            f"{where(uses)}{holder(uses[0])} names the keychain group {name}; the entitlements name "
            f"{', '.join(held) or 'none'}: the keychain refuses it",
            subject=name,
            at=uses[0].location,
            remedy=f"add the group to {_KEYCHAIN} in {_file(entitlements, settings)}, or name one that is there",
        )


def _may_be(name: str, held: tuple[str, ...], bundle_id: str) -> bool:
    """Whether the text may name one of the groups: prefixes are added while signing and may be left out here."""
    tail = name.partition(".")[2]
    return any(group == name or (tail and group.endswith(tail)) for group in (*held, f".{bundle_id}"))
