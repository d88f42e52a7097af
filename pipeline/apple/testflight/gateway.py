"""TestFlight, observed and acted upon."""

from collections.abc import Mapping
from typing import Any

from pipeline.apple.connect.client import Connect, ConnectFault
from pipeline.apple.connect.documents import resource
from pipeline.apple.connect.facts import AppRecord, Builds, ReleaseTarget
from pipeline.apple.connect.freshness import once_known
from pipeline.apple.testflight.actions import AddBuildToGroup
from pipeline.apple.testflight.facts import BetaGroup, BetaGroups, BuildBetaState
from pipeline.model import Reading, performer, probe
from pipeline.ports.clock import Clock
from pipeline.ports.http import Http

FRESH_WAITS = (2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 60.0)
"""Seconds to wait while TestFlight does not know a build that App Store Connect has just shown."""


@probe
def beta_groups(http: Http, record: AppRecord) -> Reading[BetaGroups] | BetaGroups:
    """The app's groups."""
    if not record.exists:
        return Reading.unknown(BetaGroups, f"App Store Connect has no app with the bundle id {record.bundle_id}")
    found, _ = Connect(http).list("/v1/betaGroups", **{"filter[app]": record.id, "sort": "createdDate"})
    groups = tuple(
        BetaGroup(
            group.id,
            group.text("name"),
            group.flag("isInternalGroup") or False,
            group.flag("hasAccessToAllBuilds") or False,
        )
        for group in found
        if group.type == "betaGroups"
    )
    return BetaGroups(record.id, groups)


@probe
def build_beta_state(http: Http, target: ReleaseTarget, builds: Builds) -> BuildBetaState:
    """How far the build is; empty while App Store Connect does not list it or TestFlight does not know it."""
    build = builds.of(target.version, target.build)
    if build is None:
        return BuildBetaState()
    api = Connect(http)
    try:
        detail = resource(api.get(f"/v1/builds/{build.id}/buildBetaDetail"))
        groups = _groups_of(api, build.id)
    except ConnectFault as fault:
        if fault.status != 404:
            raise
        return BuildBetaState(build.id)
    return BuildBetaState(build.id, detail.text("internalBuildState"), groups)


def _groups_of(api: Connect, build_id: str) -> tuple[str, ...]:
    found, _ = api.list("/v1/betaGroups", **{"filter[builds]": build_id})
    return tuple(group.id for group in found)


@performer
def add_build_to_group(action: AddBuildToGroup, http: Http, clock: Clock) -> Mapping[str, Any]:
    """Give the build to the group. Giving it twice changes nothing, so a lost answer is asked for again.

    Raises:
        ConnectFault: Apple refused, and the group has not got the build.

    """
    api = Connect(http)
    result = {"build": action.build_id, "group": action.group_id}
    body = {"data": [{"type": "builds", "id": action.build_id}]}
    path = f"/v1/betaGroups/{action.group_id}/relationships/builds"
    try:
        once_known(lambda: api.post(path, body, repeatable=True), clock, FRESH_WAITS)
    except ConnectFault as fault:
        if fault.status not in (409, 422) or action.group_id not in _groups_of(api, action.build_id):
            raise
        return {"already": True, **result}
    return result
