"""What must have come true in TestFlight after a build was given to a group."""

from collections.abc import Iterator

from pipeline.apple.connect.facts import ReleaseTarget
from pipeline.apple.testflight.facts import READY, BetaGroups, BuildBetaState
from pipeline.model import Declaration, Finding, check, error

FINAL = {
    "MISSING_EXPORT_COMPLIANCE": (
        "Apple asks about encryption before anybody may test it",
        "answer Apple in App Store Connect under TestFlight, and set ITSAppUsesNonExemptEncryption in Info.plist",
    ),
    "IN_EXPORT_COMPLIANCE_REVIEW": (
        "Apple reviews its encryption documents",
        "wait for Apple's answer by mail, then run the release again",
    ),
    "PROCESSING_EXCEPTION": (
        "Apple could not process it for testing",
        "look at the build in App Store Connect under TestFlight, then build again with a higher build number",
    ),
    "EXPIRED": ("it has expired", "build again with a higher build number"),
}


@check("TFLT011", "TestFlight has taken the build over")
def testflight_knows_the_build(target: ReleaseTarget, state: BuildBetaState) -> Iterator[Finding]:
    """A VALID build has no TestFlight record for minutes; until it has one, no group can be given it."""
    if state.internal in ("", "PROCESSING"):
        yield error(
            f"TestFlight has not taken build {target} over yet: it says {state.internal or 'nothing about it'}",
            subject=str(target),
            remedy="run the release again later: it goes on waiting for this very build",
            pending=True,
        )


@check("TFLT010", "The build has reached its testers")
def build_reached_the_group(
    target: ReleaseTarget, state: BuildBetaState, groups: BetaGroups, declared: Declaration
) -> Iterator[Finding]:
    if state.internal in FINAL:
        why, remedy = FINAL[state.internal]
        yield error(
            f"testers cannot install build {target}: {why}", subject=str(target), remedy=remedy, apple=state.internal
        )
        return
    if state.internal not in READY:
        yield error(
            f"testers cannot install build {target} yet: TestFlight says {state.internal or 'nothing about it'}",
            subject=str(target),
            remedy="run the release again later: it goes on waiting for this very build",
            pending=True,
        )
        return
    for group in groups.chosen(declared.groups):
        if not state.reached(group):
            yield error(
                f"build {target} is not in the TestFlight group {group.name} yet",
                subject=group.name,
                remedy="run the release again: it gives the build to the group",
                pending=True,
            )
