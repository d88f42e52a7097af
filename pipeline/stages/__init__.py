"""The tables of contents: what happens in a release, in order. Read this first."""

from dataclasses import replace

from pipeline.model import Stage, UsageFault, nothing
from pipeline.stages.alignment import ALIGNMENT
from pipeline.stages.archive import ARCHIVE
from pipeline.stages.bundle import BUNDLE, COMMITTED
from pipeline.stages.distribute import DISTRIBUTE
from pipeline.stages.export import EXPORT
from pipeline.stages.preflight import PREFLIGHT
from pipeline.stages.processing import PROCESSING
from pipeline.stages.project import PROJECT
from pipeline.stages.schema import SCHEMA
from pipeline.stages.signing import ASKED, SIGNING
from pipeline.stages.upload import UPLOAD
from pipeline.workstation.checks import version_and_build_agree

RELEASE = (
    PREFLIGHT,
    SIGNING,
    SCHEMA,
    PROJECT,
    ALIGNMENT,
    ARCHIVE,
    EXPORT,
    BUNDLE,
    UPLOAD,
    PROCESSING,
    DISTRIBUTE,
)
"""A release: from a checkout to the testers of the internal TestFlight group."""

_ONLY_ASKED = {stage.name: replace(stage, plan=nothing, proofs=()) for stage in (UPLOAD, DISTRIBUTE)}

_JUDGED = replace(PROJECT, checks=(*PROJECT.checks, version_and_build_agree))
"""Without a preflight before it, the project itself says whether its numbers are those of the declaration."""

TABLES = {
    "release": RELEASE,
    "doctor": (PREFLIGHT, replace(ASKED, exhibits=()), SCHEMA, _ONLY_ASKED[UPLOAD.name], _ONLY_ASKED[DISTRIBUTE.name]),
    "certs": (ASKED,),
    "schema": (SCHEMA,),
    "build": (_JUDGED, ALIGNMENT, COMMITTED),
    "bundle": (BUNDLE,),
    "upload": (_ONLY_ASKED[UPLOAD.name],),
    "beta": (_ONLY_ASKED[DISTRIBUTE.name],),
}
"""Tables by name: whole releases and the single rooms that a person may ask about on their own."""

MATERIAL = ("holdings", "install", "uninstall", "create", "renew", "sync")
"""Tables about signing material itself. A release needs none of their rooms, and should not wait for their import."""

BUILDING = ("settings", "diff", "archive", "export")
"""Tables about builds on their own; imported when somebody asks for one."""

AT_PORTAL = frozenset({"create", "renew", "holdings"})
"""The tables that look at the developer portal, and at nothing else of Apple's."""

NAMES = frozenset({*TABLES, *MATERIAL, *BUILDING})


def table(name: str, until: str = "") -> tuple[Stage, ...]:
    """A table, or its beginning up to and including the stage `until`.

    Raises:
        UsageFault: the table has no such stage.
    """
    stages = TABLES[name] if name in TABLES else (_building() if name in BUILDING else _material())[name]
    if not until:
        return stages
    names = [stage.name for stage in stages]
    if until not in names:
        raise UsageFault(f"there is no stage {until!r}", remedy=f"name one of {', '.join(names)}")
    return stages[: names.index(until) + 1]


def every_table() -> dict[str, tuple[Stage, ...]]:
    """All tables by name."""
    return {**TABLES, **_material(), **_building()}


def _building() -> dict[str, tuple[Stage, ...]]:
    from pipeline.stages.building import TABLES as BUILDING_TABLES

    return BUILDING_TABLES


def _material() -> dict[str, tuple[Stage, ...]]:
    from pipeline.stages.material import TABLES as MATERIAL_TABLES

    return MATERIAL_TABLES
