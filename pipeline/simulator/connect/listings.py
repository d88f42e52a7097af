"""App records, the versions they have in the App Store and before it, and the people of the account: all read-only."""

from __future__ import annotations

from typing import Any

from pipeline.simulator.connect.documents import many, one, related_one
from pipeline.simulator.connect.relations import linked_records
from pipeline.simulator.connect.routes import Call, route


@route("GET", "/v1/apps")
def list_apps(call: Call) -> Any:
    """Apple: apps_getCollection."""
    return many(call, "apps")


@route("GET", "/v1/apps/{id}")
def read_app(call: Call) -> Any:
    """Apple: apps_getInstance."""
    return one(call, call.one("apps"))


@route("GET", "/v1/apps/{id}/builds")
def list_builds_of_app(call: Call) -> Any:
    """Apple: apps_builds_getToManyRelated; no filter and no sort."""
    return many(call, "builds", linked_records(call, call.one("apps"), "builds"))


@route("GET", "/v1/apps/{id}/buildUploads")
def list_uploads_of_app(call: Call) -> Any:
    """Apple: apps_buildUploads_getToManyRelated."""
    return many(call, "buildUploads", linked_records(call, call.one("apps"), "buildUploads"))


@route("GET", "/v1/apps/{id}/betaGroups")
def list_groups_of_app(call: Call) -> Any:
    """Apple: apps_betaGroups_getToManyRelated."""
    return many(call, "betaGroups", linked_records(call, call.one("apps"), "betaGroups"))


@route("GET", "/v1/apps/{id}/preReleaseVersions")
def list_trains_of_app(call: Call) -> Any:
    """Apple: apps_preReleaseVersions_getToManyRelated."""
    return many(call, "preReleaseVersions", linked_records(call, call.one("apps"), "preReleaseVersions"))


@route("GET", "/v1/apps/{id}/appStoreVersions")
def list_store_versions_of_app(call: Call) -> Any:
    """Apple: apps_appStoreVersions_getToManyRelated; no sort."""
    return many(call, "appStoreVersions", linked_records(call, call.one("apps"), "appStoreVersions"))


@route("GET", "/v1/appStoreVersions/{id}")
def read_store_version(call: Call) -> Any:
    """Apple: appStoreVersions_getInstance."""
    return one(call, call.one("appStoreVersions"))


@route("GET", "/v1/preReleaseVersions")
def list_trains(call: Call) -> Any:
    """Apple: preReleaseVersions_getCollection."""
    return many(call, "preReleaseVersions")


@route("GET", "/v1/preReleaseVersions/{id}")
def read_train(call: Call) -> Any:
    """Apple: preReleaseVersions_getInstance."""
    return one(call, call.one("preReleaseVersions"))


@route("GET", "/v1/preReleaseVersions/{id}/builds")
def list_builds_of_train(call: Call) -> Any:
    """Apple: preReleaseVersions_builds_getToManyRelated."""
    return many(call, "builds", linked_records(call, call.one("preReleaseVersions"), "builds"))


@route("GET", "/v1/preReleaseVersions/{id}/app")
def read_app_of_train(call: Call) -> Any:
    """Apple: preReleaseVersions_app_getToOneRelated."""
    return related_one(call, call.one("preReleaseVersions"), "app")


@route("GET", "/v1/users")
def list_users(call: Call) -> Any:
    """Apple: users_getCollection."""
    return many(call, "users")


@route("GET", "/v1/users/{id}")
def read_user(call: Call) -> Any:
    """Apple: users_getInstance."""
    return one(call, call.one("users"))
