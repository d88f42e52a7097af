"""Judge what will be uploaded: its identity, entitlements, profile and signature against the project's."""

from pipeline.apple.bundle import checks
from pipeline.model import Stage

BUNDLE = Stage("bundle", after=("export", "project"), title="the exported app", checks=(checks,))
