"""The only file of this room that touches ports: looks at workflows, scripts, export options and package pins."""

# mypy: disable-error-code="untyped-decorator"

from dataclasses import replace

from pipeline.apple.automation.facts import Automation, CommittedProducts, ExportPlans, PackagePins
from pipeline.apple.xcode.discovery import WORKSPACES, Discovery
from pipeline.apple.xcode.workspace import Workspace
from pipeline.model import Reading, probe
from pipeline.ports.clock import Clock
from pipeline.ports.files import Files


@probe(lasting=True, scope="APP")
def automation_of_repository(files: Files, clock: Clock) -> Reading[Automation]:
    """What workflows, scripts and lanes name and call. The hour only tells what was withdrawn by now."""
    workspace = WORKSPACES.of(files)
    kept = workspace.kept(("automation",), lambda: _automation(workspace))
    return Reading.of(replace(kept, seen=clock.now()), files.source)


@probe(lasting=True, scope="APP")
def export_options_of_repository(files: Files) -> ExportPlans:
    """Export options, and the apps they have to fit."""
    return WORKSPACES.kept(files, _export_plans)


@probe(lasting=True, scope="APP")
def package_pins_of_projects(files: Files) -> PackagePins:
    """What pins the packages of each project."""
    return WORKSPACES.kept(files, _package_pins)


@probe(lasting=True, scope="APP")
def products_in_repository(files: Files) -> CommittedProducts:
    """Build products among the sources."""
    workspace = WORKSPACES.of(files)
    return workspace.kept(("committed products",), lambda: _committed_products(workspace))


# The readers are imported where there is something to read: a second look at unchanged files needs none of them.


def _automation(workspace: Workspace) -> Automation:
    from pipeline.apple.automation.observation import automation

    return automation(workspace)


def _export_plans(workspace: Workspace, discovery: Discovery) -> ExportPlans:
    from pipeline.apple.automation.exports import export_plans

    return export_plans(workspace, discovery)


def _package_pins(workspace: Workspace, discovery: Discovery) -> PackagePins:
    from pipeline.apple.automation.pinning import package_pins

    return package_pins(workspace, discovery)


def _committed_products(workspace: Workspace) -> CommittedProducts:
    from pipeline.apple.automation.products import committed_products

    return committed_products(workspace)
