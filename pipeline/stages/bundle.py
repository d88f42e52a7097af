"""Judge what will be uploaded: its identity, entitlements, profile and signature against the project's."""

from pipeline.apple.bundle import checks
from pipeline.apple.bundle.checks import budget
from pipeline.apple.bundle.checks.identity import (
    bundle_identifier_is_the_projects,
    version_and_build_are_the_projects,
)
from pipeline.model import Scope, Stage

BUNDLE = Stage("bundle", after=("export", "project"), title="the exported app", checks=(checks, budget))

_OF_NOW = (bundle_identifier_is_the_projects, version_and_build_are_the_projects)
"""What was built from the sources of then need not say what those of now say."""

COMMITTED = Stage(
    "committed",
    scope=Scope.PRODUCT,
    title="build products among the sources",
    checks=tuple(each for each in vars(checks).values() if hasattr(each, "check_mark") and each not in _OF_NOW),
)
"""Each build product that lies among the sources, by itself: no release is made of it."""
