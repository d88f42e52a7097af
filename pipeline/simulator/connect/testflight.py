"""TestFlight groups and testers, and which builds a group was given."""

from __future__ import annotations

from typing import Any

from pipeline.simulator.clockface import pacific
from pipeline.simulator.connect.documents import linkages, many, one, related_one
from pipeline.simulator.connect.relations import (
    builds_of,
    expired,
    internal_state,
    linked_records,
    processing_state,
    visible,
)
from pipeline.simulator.connect.routes import Call, Refusal, not_found, refuse, route
from pipeline.simulator.contract import DUPLICATE, attribute_invalid, relationship_invalid
from pipeline.simulator.state import Record


@route("GET", "/v1/betaGroups")
def list_groups(call: Call) -> Any:
    """Apple: betaGroups_getCollection."""
    return many(call, "betaGroups")


@route("POST", "/v1/betaGroups")
def create_group(call: Call) -> Any:
    """Apple: betaGroups_createInstance; an internal group has access to all builds unless told otherwise."""
    app = call.state.find("apps", call.linked("app"))
    if app is None:
        raise Refusal([relationship_invalid("app", f"There is no app with id '{call.linked('app')}'")])
    name = call.attributes["name"]
    for other in linked_records(call, app, "betaGroups"):
        if other.attributes["name"] == name:
            raise Refusal([attribute_invalid("name", f"A group named '{name}' already exists", DUPLICATE)])
    internal = bool(call.attributes.get("isInternalGroup"))
    attributes = {
        "publicLinkEnabled": False,
        "feedbackEnabled": True,
        **{key: value for key, value in call.attributes.items() if value is not None},
        "isInternalGroup": internal,
        "hasAccessToAllBuilds": call.attributes.get("hasAccessToAllBuilds") if internal else None,
        "createdDate": pacific(call.now),
    }
    builds = call.linked("builds") or []
    for identifier in builds:
        if call.state.find("builds", identifier) is None:
            raise Refusal([relationship_invalid("builds", f"There is no build with id '{identifier}'")])
    identifier = call.state.fresh("betaGroups", app.id, name)
    made = Record("betaGroups", identifier, attributes, {"app": app.id, "builds": builds})
    call.accept([made], detail=call.attributes)
    return one(call, made)


@route("GET", "/v1/betaGroups/{id}")
def read_group(call: Call) -> Any:
    """Apple: betaGroups_getInstance."""
    return one(call, call.one("betaGroups"))


@route("PATCH", "/v1/betaGroups/{id}")
def change_group(call: Call) -> Any:
    """Apple: betaGroups_updateInstance."""
    given = {name: value for name, value in call.attributes.items() if value is not None}
    changed = call.one("betaGroups").altered(attributes=given)
    call.accept([changed], detail=given)
    return one(call, changed)


@route("DELETE", "/v1/betaGroups/{id}")
def delete_group(call: Call) -> Any:
    """Apple: betaGroups_deleteInstance."""
    group = call.one("betaGroups")
    call.accept(drops=[(group.kind, group.id)])


@route("GET", "/v1/betaGroups/{id}/app")
def read_app_of_group(call: Call) -> Any:
    """Apple: betaGroups_app_getToOneRelated."""
    return related_one(call, call.one("betaGroups"), "app")


@route("GET", "/v1/betaGroups/{id}/builds")
def list_builds_of_group(call: Call) -> Any:
    """Apple: betaGroups_builds_getToManyRelated."""
    return many(call, "builds", builds_of(call, call.one("betaGroups")))


@route("GET", "/v1/betaGroups/{id}/relationships/builds")
def list_build_linkages_of_group(call: Call) -> Any:
    """Apple: betaGroups_builds_getToManyRelationship."""
    return linkages(call, call.one("betaGroups"), "builds")


@route("GET", "/v1/betaGroups/{id}/betaTesters")
def list_testers_of_group(call: Call) -> Any:
    """Apple: betaGroups_betaTesters_getToManyRelated; meta.paging.total counts them."""
    return many(call, "betaTesters", linked_records(call, call.one("betaGroups"), "betaTesters"))


@route("POST", "/v1/betaGroups/{id}/relationships/builds")
def add_builds_to_group(call: Call) -> Any:
    """Apple: betaGroups_builds_createToManyRelationship.

    Refusals as seen live: 422 for an internal group that has all builds (metasequoiaime/MSIME-Apple pull request 518),
    for a build that is processing, expired or without export compliance (rorkai/App-Store-Connect-CLI issue 2595), and
    404 for a VALID build whose TestFlight record is not assembled yet.
    """
    group = call.one("betaGroups")
    ids = [item["id"] for item in call.document["data"]]
    for identifier in ids:
        build = call.state.find("builds", identifier)
        if build is None or not visible(call, build) or call.now < build.hidden.get("beta_known", 0):
            not_found("builds", identifier)
        _refuse_unready(call, group, build)
    held = list(group.links.get("builds", ()))
    changed = group.altered(links={"builds": list(dict.fromkeys([*held, *ids]))})
    call.accept([changed], detail={"builds": ids})


def _refuse_unready(call: Call, group: Record, build: Record) -> None:
    if group.attributes.get("hasAccessToAllBuilds"):
        title = "Builds cannot be assigned to this internal group."
        refuse(422, "ENTITY_UNPROCESSABLE", title, "Cannot add internal group to a build.")
    if build.links.get("app") != group.links.get("app"):
        refuse(422, "ENTITY_UNPROCESSABLE", "Build is not assignable.", "The build belongs to another app.")
    if processing_state(call, build) != "VALID":
        refuse(422, "ENTITY_UNPROCESSABLE", "Build is not assignable.", "Build is not in a valid processing state.")
    if expired(call, build):
        refuse(422, "ENTITY_UNPROCESSABLE", "Build is not assignable.", "Build has expired.")
    if internal_state(call, build) == "MISSING_EXPORT_COMPLIANCE":
        refuse(422, "ENTITY_UNPROCESSABLE", "Build is not assignable.", "Missing export compliance information.")


@route("DELETE", "/v1/betaGroups/{id}/relationships/builds")
def remove_builds_from_group(call: Call) -> Any:
    """Apple: betaGroups_builds_deleteToManyRelationship."""
    group = call.one("betaGroups")
    ids = [item["id"] for item in call.document["data"]]
    left = [identifier for identifier in group.links.get("builds", ()) if identifier not in ids]
    changed = group.altered(links={"builds": left})
    call.accept([changed], detail={"builds": ids})


@route("GET", "/v1/betaTesters")
def list_testers(call: Call) -> Any:
    """Apple: betaTesters_getCollection."""
    return many(call, "betaTesters")
