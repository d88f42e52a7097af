"""Builds after their upload: their processing, export compliance, expiry and what TestFlight says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.simulator.connect.documents import many, one, related_one
from pipeline.simulator.connect.relations import linked_records, visible
from pipeline.simulator.connect.routes import Call, Refusal, not_found, route
from pipeline.simulator.contract import DUPLICATE, attribute_invalid, relationship_invalid
from pipeline.simulator.state import Record

if TYPE_CHECKING:
    from collections.abc import Mapping


def seen_build(call: Call) -> Record:
    """The build that the path names, once it can be seen. Refuses with 404 NOT_FOUND."""
    build = call.one("builds")
    if not visible(call, build):
        not_found("builds", build.id)
    return build


@route("GET", "/v1/builds")
def list_builds(call: Call) -> Any:
    """Apple: builds_getCollection; a new build is in no list for minutes (fastlane issue 14997)."""
    return many(call, "builds")


@route("GET", "/v1/builds/{id}")
def read_build(call: Call) -> Any:
    """Apple: builds_getInstance; an id named by an upload 404s at first (rorkai/App-Store-Connect-CLI build_wait)."""
    return one(call, call.one("builds"))


@route("PATCH", "/v1/builds/{id}")
def change_build(call: Call) -> Any:
    """Apple: builds_updateInstance; usesNonExemptEncryption once, expired never back to false."""
    build = seen_build(call)
    given: Mapping[str, Any] = {name: value for name, value in call.attributes.items() if value is not None}
    known = build.attributes.get("usesNonExemptEncryption")
    wanted = given.get("usesNonExemptEncryption")
    if known is not None and wanted is not None and wanted != known:
        detail = "You cannot update when the value is already set."
        raise Refusal([attribute_invalid("usesNonExemptEncryption", detail)])
    if build.attributes.get("expired") and given.get("expired") is False:
        raise Refusal([attribute_invalid("expired", "An expired build cannot be made available again.")])
    changed = build.altered(attributes=given)
    call.accept([changed], detail=given)
    return one(call, changed)


@route("GET", "/v1/builds/{id}/app")
def read_app_of_build(call: Call) -> Any:
    """Apple: builds_app_getToOneRelated."""
    return related_one(call, seen_build(call), "app")


@route("GET", "/v1/builds/{id}/preReleaseVersion")
def read_train_of_build(call: Call) -> Any:
    """Apple: builds_preReleaseVersion_getToOneRelated."""
    return related_one(call, seen_build(call), "preReleaseVersion")


@route("GET", "/v1/builds/{id}/buildBetaDetail")
def read_beta_detail_of_build(call: Call) -> Any:
    """Apple: builds_buildBetaDetail_getToOneRelated."""
    return related_one(call, seen_build(call), "buildBetaDetail")


@route("GET", "/v1/builds/{id}/betaBuildLocalizations")
def list_notes_of_build(call: Call) -> Any:
    """Apple: builds_betaBuildLocalizations_getToManyRelated."""
    return many(call, "betaBuildLocalizations", linked_records(call, seen_build(call), "betaBuildLocalizations"))


@route("GET", "/v1/buildBetaDetails")
def list_beta_details(call: Call) -> Any:
    """Apple: buildBetaDetails_getCollection."""
    return many(call, "buildBetaDetails")


@route("GET", "/v1/buildBetaDetails/{id}")
def read_beta_detail(call: Call) -> Any:
    """Apple: buildBetaDetails_getInstance."""
    return one(call, call.one("buildBetaDetails"))


@route("PATCH", "/v1/buildBetaDetails/{id}")
def change_beta_detail(call: Call) -> Any:
    """Apple: buildBetaDetails_updateInstance."""
    detail = call.one("buildBetaDetails")
    given = {name: value for name, value in call.attributes.items() if value is not None}
    changed = detail.altered(attributes=given)
    call.accept([changed], detail=given)
    return one(call, changed)


@route("GET", "/v1/betaBuildLocalizations")
def list_notes(call: Call) -> Any:
    """Apple: betaBuildLocalizations_getCollection."""
    return many(call, "betaBuildLocalizations")


@route("POST", "/v1/betaBuildLocalizations")
def create_notes(call: Call) -> Any:
    """Apple: betaBuildLocalizations_createInstance; one per build and locale."""
    build = call.state.find("builds", call.linked("build"))
    if build is None or not visible(call, build):
        raise Refusal([relationship_invalid("build", f"There is no build with id '{call.linked('build')}'")])
    locale = call.attributes["locale"]
    for other in linked_records(call, build, "betaBuildLocalizations"):
        if other.attributes["locale"] == locale:
            detail = f"A localization for '{locale}' already exists"
            raise Refusal([attribute_invalid("locale", detail, DUPLICATE)])
    identifier = call.state.fresh("betaBuildLocalizations", build.id, locale)
    made = Record("betaBuildLocalizations", identifier, call.attributes, {"build": build.id})
    call.accept([made], detail=call.attributes)
    return one(call, made)


@route("GET", "/v1/betaBuildLocalizations/{id}")
def read_notes(call: Call) -> Any:
    """Apple: betaBuildLocalizations_getInstance."""
    return one(call, call.one("betaBuildLocalizations"))


@route("PATCH", "/v1/betaBuildLocalizations/{id}")
def change_notes(call: Call) -> Any:
    """Apple: betaBuildLocalizations_updateInstance."""
    changed = call.one("betaBuildLocalizations").altered(attributes=call.attributes)
    call.accept([changed], detail=call.attributes)
    return one(call, changed)
