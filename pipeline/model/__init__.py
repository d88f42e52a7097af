"""The nouns every room shares: readings, findings, actions, receipts, stages, lanes, and the marks on the verbs."""

from pipeline.model.actions import Action, Outcome, Plan, Promise, Receipt, Risk, digest, late
from pipeline.model.errors import (
    AppleFailure,
    Interrupted,
    PipelineError,
    Refused,
    UsageFault,
)
from pipeline.model.exhibits import Cell, Column, Exhibit, Tone
from pipeline.model.findings import Finding, Location, Severity, Unjudged, error, note, unseen, warning
from pipeline.model.lanes import Beside, BuildPolicy, Declaration, Lane, Left, Platform
from pipeline.model.marks import CheckMark, check, performer, probe
from pipeline.model.readings import Reading, Source, weakest
from pipeline.model.stages import Scope, Stage, nothing

__all__ = [
    "Action",
    "AppleFailure",
    "Beside",
    "BuildPolicy",
    "Cell",
    "CheckMark",
    "Column",
    "Declaration",
    "Exhibit",
    "Finding",
    "Interrupted",
    "Lane",
    "Left",
    "Location",
    "Outcome",
    "PipelineError",
    "Plan",
    "Platform",
    "Promise",
    "Reading",
    "Receipt",
    "Refused",
    "Risk",
    "Scope",
    "Severity",
    "Source",
    "Stage",
    "Tone",
    "Unjudged",
    "UsageFault",
    "check",
    "digest",
    "error",
    "late",
    "note",
    "nothing",
    "performer",
    "probe",
    "unseen",
    "warning",
    "weakest",
]
