"""Remove what certs.install has put on this Mac: this job's installs, and what cut-off or outlived ones have left."""

from collections.abc import Iterator

from pipeline.apple.keychain import checks
from pipeline.apple.keychain.actions import RemoveKeychain
from pipeline.apple.keychain.facts import OwnKeychains
from pipeline.apple.keychain.proofs import nothing_of_ours_is_left
from pipeline.model import Action, Scope, Stage


def plan(own: OwnKeychains) -> Iterator[Action]:
    cut_off, outlived = {each.id for each in own.abandoned}, {each.id for each in own.outlived}
    for each in own.removable:
        if each.id in cut_off:
            why = "its install or its removal was cut off"
        else:
            why = "its job must be over" if each.id in outlived else "installed by this job"
        yield RemoveKeychain(each.id, why)


UNINSTALLING = Stage(
    "removal",
    scope=Scope.APP,
    title="what was installed on this Mac",
    checks=(checks.other_jobs_are_left_alone, checks.records_can_be_read),
    plan=plan,
    proofs=(nothing_of_ours_is_left,),
)
