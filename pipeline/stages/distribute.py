"""Give the build to the internal TestFlight group, and wait until its testers can install it."""

from collections.abc import Iterator
from datetime import timedelta

from pipeline.apple.connect.facts import ReleaseTarget
from pipeline.apple.testflight import checks
from pipeline.apple.testflight.actions import AddBuildToGroup
from pipeline.apple.testflight.facts import BetaGroups, BuildBetaState
from pipeline.apple.testflight.proofs import build_reached_the_group
from pipeline.model import Action, Declaration, Lane, Stage


def plan(
    lane: Lane, target: ReleaseTarget, groups: BetaGroups, state: BuildBetaState, declared: Declaration
) -> Iterator[Action]:
    for group in groups.chosen(declared.groups):
        if not state.reached(group):
            yield AddBuildToGroup(
                target.bundle_id, group.name, target.version, target.build, lane.platform, state.build_id, group.id
            )


DISTRIBUTE = Stage(
    "distribute",
    after=("processing",),
    title="TestFlight, internal",
    checks=(checks,),
    plan=plan,
    proofs=(build_reached_the_group,),
    patience=timedelta(minutes=45),
)
