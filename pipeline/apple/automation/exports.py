"""Gathers all export options of the repository, and the apps they have to fit."""

from __future__ import annotations

from pipeline.apple.automation.facts import App, ExportOptions, ExportPlans
from pipeline.apple.automation.observation import repository, scanned
from pipeline.apple.xcode import entitlements
from pipeline.apple.xcode.discovery import Discovery
from pipeline.apple.xcode.workspace import Workspace
from pipeline.model import Location

PLANS = 100
APPS = 40


def export_plans(workspace: Workspace, discovery: Discovery) -> ExportPlans:
    """Export options in files and in scripts."""
    found: list[ExportOptions] = []
    for path in workspace.tree:
        if path.endswith(".plist") and "export" in path.lower() and len(found) < PLANS:
            from pipeline.apple.automation import exportoptions

            if not exportoptions.is_named_so(path):
                continue
            data = workspace.read(path, exportoptions.LIMIT)
            if data is None:
                found.append(ExportOptions(Location(path), flaw="it cannot be read"))
            elif plan := exportoptions.read(data, path):
                found.append(plan)
    found += scanned(workspace).plans[:PLANS]
    if not found:
        return ExportPlans()
    return ExportPlans(tuple(found), tuple(_apps(workspace, discovery)), repository(workspace).identities)


def _apps(workspace: Workspace, discovery: Discovery) -> list[App]:
    found, held = [], repository(workspace)
    for candidate in discovery.candidates[:APPS]:
        project = workspace.project(candidate.project)
        target = project.target(candidate.target)
        if target is None or candidate.carried:
            continue
        sdk = candidate.platform.sdk
        settings = workspace.settings(project, target, candidate.configuration, sdk)
        ids = [settings.get("PRODUCT_BUNDLE_IDENTIFIER")]
        for inner in held.embedded(project, target):
            if inner.configuration(candidate.configuration) is not None:
                inner_settings = workspace.settings(project, inner, candidate.configuration, sdk)
                ids.append(inner_settings.get("PRODUCT_BUNDLE_IDENTIFIER"))
        name = settings.text("CODE_SIGN_ENTITLEMENTS")
        path = workspace.relative(name, project.folder) if name else ""
        asked = entitlements.effective(workspace.plist(path).plist if path else None, path, settings)
        environment = asked.values.get("com.apple.developer.icloud-container-environment")
        found.append(
            App(
                candidate.target,
                (candidate.platform.label.lower(),),
                tuple("" if one.undefined or "$" in one.text else one.text for one in ids),
                asked.cloudkit or bool(asked.texts("com.apple.developer.icloud-services")),
                environment if isinstance(environment, str) else "",
            )
        )
    return found
