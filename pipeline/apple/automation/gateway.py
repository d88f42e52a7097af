"""The only file of this room that touches ports: looks at workflows, scripts, export options and package pins."""

# mypy: disable-error-code="untyped-decorator"

from pipeline.apple.automation.facts import Automation, CommittedProducts, ExportPlans, PackagePins
from pipeline.apple.xcode.discovery import WORKSPACES
from pipeline.model import Reading, probe
from pipeline.ports.clock import Clock
from pipeline.ports.files import Files


@probe(lasting=True, scope="APP")
def automation_of_repository(files: Files, clock: Clock) -> Reading[Automation]:
    """What workflows, scripts and lanes name and call. The hour only tells what was withdrawn by now."""
    from pipeline.apple.automation import observation

    return Reading.of(observation.automation(WORKSPACES.of(files), clock.now()), files.source)


@probe(lasting=True, scope="APP")
def export_options_of_repository(files: Files) -> ExportPlans:
    """Export options, and the apps they have to fit."""
    from pipeline.apple.automation import exports

    return exports.export_plans(WORKSPACES.of(files), WORKSPACES.discovery(files))


@probe(lasting=True, scope="APP")
def package_pins_of_projects(files: Files) -> PackagePins:
    """What pins the packages of each project."""
    from pipeline.apple.automation import pinning

    return pinning.package_pins(WORKSPACES.of(files), WORKSPACES.discovery(files))


@probe(lasting=True, scope="APP")
def products_in_repository(files: Files) -> CommittedProducts:
    """Build products among the sources."""
    from pipeline.apple.automation import products

    return products.committed_products(WORKSPACES.of(files))
