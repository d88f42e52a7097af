"""Copies what GET requests show at Apple into the simulator, so that a rehearsal starts from the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.model import PipelineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.apple.connect.client import Connect
    from pipeline.ports.http import Http
    from pipeline.simulator.apple import SimulatedApple
    from pipeline.subject import Subject

MOST = 200
"""The largest page that App Store Connect gives; further pages are followed."""


def copy_account(apple: SimulatedApple, http: Http, subject: Subject) -> None:
    """Copy the app records, groups, builds, uploads and schemas that a release looks at.

    Args:
        apple: the simulator; what it was furnished with gives way to what is copied.
        http: the live services, for reading only.
        subject: the app whose records are copied.

    Raises:
        PipelineError: Apple could not be read, or there are no credentials.
    """
    from pipeline.apple.connect.client import Connect

    connect = Connect(http)
    for bundle_id in dict.fromkeys(subject.bundle_ids.values()):
        apple.forget_app(bundle_id)
        apple.plant(list(_app(connect, bundle_id)))
    for container in subject.containers:
        development, production = (
            _schema(http, subject.team_id, container, name) for name in ("DEVELOPMENT", "PRODUCTION")
        )
        if development is not None and production is not None:
            apple.plant_container(container, development, production)


def _app(connect: Connect, bundle_id: str) -> Iterator[Mapping[str, Any]]:
    for app in _resources(connect, "/v1/apps", {"filter[bundleId]": bundle_id}):
        if app["attributes"].get("bundleId") != bundle_id:  # Apple's filter also matches longer identifiers
            continue
        yield app
        owner = {"app": {"data": {"type": "apps", "id": app["id"]}}}
        for kind in ("betaGroups", "preReleaseVersions", "appStoreVersions", "buildUploads"):
            for each in _resources(connect, f"/v1/apps/{app['id']}/{kind}", {"limit": str(MOST)}):
                yield {**each, "relationships": {**(each.get("relationships") or {}), **owner}}
        query = {"filter[app]": app["id"], "include": "app,preReleaseVersion,betaGroups", "limit": str(MOST)}
        yield from _resources(connect, "/v1/builds", query)


def _resources(connect: Connect, path: str, query: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    for page in connect.pages(path, **query):
        yield from page.get("data", ())


def _schema(http: Http, team: str, container: str, environment: str) -> str | None:
    from pipeline.apple.cloudkit.gateway import exported

    try:
        return exported(http, team, container, environment)
    except PipelineError:
        return None
