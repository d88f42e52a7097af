"""What can be known of an app's testers and of a build on its way to them."""

from __future__ import annotations

from pipeline.values import dataclass

READY = frozenset({"READY_FOR_BETA_TESTING", "IN_BETA_TESTING"})
"""Internal states in which testers of an internal group can install the build."""


@dataclass(frozen=True)
class BetaGroup:
    """One group. `all_builds` is Apple's hasAccessToAllBuilds: the group gets every build without being given it."""

    id: str
    name: str
    internal: bool
    all_builds: bool = False


@dataclass(frozen=True)
class BetaGroups:
    """All groups of the app."""

    app_id: str
    items: tuple[BetaGroup, ...] = ()

    def named(self, name: str) -> BetaGroup | None:
        """The group with that name; App Store Connect's names are compared exactly."""
        return next((group for group in self.items if group.name == name), None)

    def chosen(self, names: tuple[str, ...]) -> tuple[BetaGroup, ...]:
        """The declared internal groups; the first internal group when none is declared."""
        if names:
            found = (self.named(name) for name in names)
            return tuple(group for group in found if group is not None and group.internal)
        return tuple(group for group in self.items if group.internal)[:1]


@dataclass(frozen=True)
class BuildBetaState:
    """How far the build being released is. `build_id` and `internal` are empty while Apple does not show them.

    `internal` is Apple's InternalBetaState, `groups` the ids of the groups that were given the build.
    """

    build_id: str = ""
    internal: str = ""
    groups: tuple[str, ...] = ()

    def reached(self, group: BetaGroup) -> bool:
        """Whether the build belongs to the group."""
        return group.all_builds or group.id in self.groups
