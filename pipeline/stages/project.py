"""Judge the Xcode project: identifiers, versions, team, entitlements and containers must say one thing."""

from pipeline.apple.sources import checks as sources
from pipeline.apple.xcode import checks
from pipeline.model import Stage

PROJECT = Stage("project", after=("preflight",), title="Xcode project", checks=(checks, sources))
