"""What must hold in TestFlight before a build is made for its testers."""

from collections.abc import Iterator

from pipeline.apple.connect.facts import ReleaseTarget
from pipeline.apple.testflight.facts import BetaGroups, BuildBetaState
from pipeline.model import Declaration, Finding, Location, check, error


@check("TFLT001", "The declared internal group exists")
def declared_internal_group_exists(groups: BetaGroups, declared: Declaration) -> Iterator[Finding]:
    at = Location(declared.path) if declared.path else None
    internal = [group.name for group in groups.items if group.internal]
    if not declared.groups and not internal:
        yield error(
            "the app has no internal TestFlight group",
            remedy="create an internal group in App Store Connect under TestFlight, with at least one tester",
        )
    for name in declared.groups:
        group = groups.named(name)
        if group is None:
            known = f"there are {', '.join(internal)}" if internal else "there is no internal group"
            yield error(
                f"there is no TestFlight group {name!r}: {known}",
                subject=name,
                at=at,
                remedy="create the group in App Store Connect under TestFlight, or declare one that exists",
            )
        elif not group.internal:
            yield error(
                f"the TestFlight group {name!r} is external: its builds need Beta App Review first",
                subject=name,
                at=at,
                remedy="declare an internal group; external testers are given a build by promoting it",
            )


@check("TFLT002", "Apple's question about encryption is answered")
def encryption_question_is_answered(target: ReleaseTarget, state: BuildBetaState) -> Iterator[Finding]:
    if state.internal == "MISSING_EXPORT_COMPLIANCE":
        yield error(
            f"build {target} can be given to nobody: Apple asks whether it uses encryption",
            subject=str(target),
            remedy="answer the question in App Store Connect under TestFlight, and set ITSAppUsesNonExemptEncryption "
            "in Info.plist (NO when the app uses none but exempt encryption) for the builds to come",
            apple=state.internal,
        )
