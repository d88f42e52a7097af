"""The tables of contents: what happens in a release, in order. Read this first."""

from pipeline.stages.archive import ARCHIVE
from pipeline.stages.bundle import BUNDLE
from pipeline.stages.distribute import DISTRIBUTE
from pipeline.stages.export import EXPORT
from pipeline.stages.preflight import PREFLIGHT
from pipeline.stages.processing import PROCESSING
from pipeline.stages.project import PROJECT
from pipeline.stages.schema import SCHEMA
from pipeline.stages.signing import SIGNING
from pipeline.stages.upload import UPLOAD

RELEASE = (
    PREFLIGHT,
    SIGNING,
    SCHEMA,
    PROJECT,
    ARCHIVE,
    EXPORT,
    BUNDLE,
    UPLOAD,
    PROCESSING,
    DISTRIBUTE,
)
"""A release: from a checkout to the testers of the internal TestFlight group."""

TABLES = {
    "release": RELEASE,
    "doctor": (PREFLIGHT,),
    "certs": (SIGNING,),
    "schema": (SCHEMA,),
    "build": (PROJECT,),
    "bundle": (BUNDLE,),
}
"""Tables by name: whole releases and the single rooms that a person may ask about on their own."""
