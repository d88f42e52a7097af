"""Compare the CloudKit schema that the app needs with what the production container has."""

from pipeline.apple.cloudkit import checks
from pipeline.model import Scope, Stage

SCHEMA = Stage("schema", after=("preflight",), scope=Scope.APP, title="CloudKit schema", checks=(checks,))
