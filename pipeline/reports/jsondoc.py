"""The run as one JSON document, for programs: stable keys, told apart by `schema_version`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.model.exhibits import BETWEEN
from pipeline.model.readings import Source
from pipeline.reports import words
from pipeline.reports.text import encodable

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.model.exhibits import Cell, Exhibit
    from pipeline.model.findings import Finding
    from pipeline.model.run import ActionRecord, ExhibitRecord, Judgement, ReadingRecord, Run, Step

SCHEMA_VERSION = 1
"""Raised when a key changes its meaning or goes; new keys come without a raise."""

_DEEPEST = 40


def render(run: Run) -> str:
    """The document, indented, in UTF-8. Moments are ISO 8601, lengths are seconds, what is not known is null.

    `run.beside` holds, as lanes, what is judged and not released; findings and steps name them as they name lanes.
    `findings` holds every finding of every lane, worst first, each with the same fourteen keys; `path` is relative to
    the app's root. `basis` comes last and says how much was judged, and on what.

    `exhibits` holds the tables that the steps show. Each has `columns`, a list of {key, title} in the order in which
    they are shown, and `rows`, a list of objects by those keys. A key is the title in lower case with underscores; the
    later one of two that are the same ends with its number, and a column without a title is "column_1", counted from 1.
    A value is what a program reads (a moment in ISO 8601, a number, true or false, a list of texts) where the table
    names one, else the text. A table that could not be made has `source` UNKNOWN, no rows, and the reason in `empty`.
    `past` says that something was begun in its step after it was made, so that it tells of the time before.
    """
    return json.dumps(_plain(_document(run)), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _document(run: Run) -> dict[str, Any]:
    plan = run.plan
    return {
        "schema_version": SCHEMA_VERSION,
        "run": {
            "id": run.id,
            "app": run.app,
            "version": run.version,
            "pipeline": run.tool,
            "root": run.root,
            "theatre": run.theatre,
            "theatre_in_words": words.theatre(run),
            "scenario": run.scenario,
            "note": run.note,
            "lanes": [dict(lane) for lane in run.lanes],
            "beside": [dict(lane) for lane in run.beside],
            "began": _moment(run.began),
            "ended": _moment(run.ended),
            "resumed": run.resumed,
        },
        "exit_code": run.exit_code,
        "passed": words.tone(run) is words.Tone.CLEAN,
        "verdict": words.verdict(run),
        "findings": [_finding(finding) for finding in run.findings],
        "steps": [_step(step) for step in run.steps],
        "actions": [_action(step, action) for step in run.steps for action in step.actions],
        "exhibits": [_exhibit(step, record) for step in run.steps for record in step.exhibits],
        "plan": {
            "digest": words.digest(run),
            "complete": run.complete,
            "promises": [
                {
                    "stage": promise.stage,
                    "lane": promise.lane,
                    "describe": promise.describe,
                    "risk": promise.risk,
                    "promise": promise.promise,
                }
                for promise in plan.promises
            ],
        },
        "facts": {
            str(source): [_reading(step, told) for step in run.steps for told in step.readings if told.source is source]
            for source in Source
        },
        "basis": {
            "live": run.checks_on(Source.LIVE),
            "simulated": run.checks_on(Source.SIMULATED),
            "not_judged": run.checks_on(Source.UNKNOWN),
            "text": run.last_line,
        },
    }


def _finding(finding: Finding) -> dict[str, Any]:
    place = finding.location
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "subject": finding.subject,
        "path": place.path if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "summary": finding.summary,
        "remedy": finding.remedy,
        "apple": finding.apple,
        "source": finding.source,
        "stage": finding.stage,
        "lane": finding.lane,
        "waived": finding.waived,
        "excerpt": place.excerpt if place else "",
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "stage": step.stage,
        "lane": step.lane,
        "title": step.title,
        "after": step.after,
        "state": step.state,
        "because": step.because,
        "began": _moment(step.began),
        "ended": _moment(step.ended),
        "waited": step.waited,
        "attempts": step.attempts,
        "judgements": [_judgement(judgement) for judgement in step.judgements],
    }


def _judgement(judgement: Judgement) -> dict[str, Any]:
    return {
        "rule": judgement.rule,
        "title": judgement.title,
        "source": judgement.source,
        "findings": judgement.findings,
        "why": judgement.why,
        "proof": judgement.proof,
    }


def _action(step: Step, action: ActionRecord) -> dict[str, Any]:
    return {
        "step": step.name,
        "key": action.key,
        "promise": action.promise,
        "describe": action.describe,
        "risk": action.risk,
        "intended": action.intended,
        "outcome": action.outcome,
        "source": action.source,
        "result": action.result,
        "error": action.error,
        "began": _moment(action.began),
        "ended": _moment(action.ended),
    }


def _exhibit(step: Step, record: ExhibitRecord) -> dict[str, Any]:
    exhibit = record.exhibit
    keys = _keys(exhibit)
    return {
        "step": step.name,
        "stage": step.stage,
        "lane": step.lane,
        "name": record.name,
        "title": exhibit.title,
        "source": record.source,
        "at": _moment(record.at),
        "past": record.past,
        "columns": [{"key": key, "title": column.title} for key, column in zip(keys, exhibit.columns, strict=True)],
        "rows": [dict(zip(keys, map(_value, row), strict=True)) for row in exhibit.rows],
        "empty": exhibit.empty,
        "note": exhibit.note,
        "legend": exhibit.legend,
    }


def _keys(exhibit: Exhibit) -> list[str]:
    keys: list[str] = []
    for number, column in enumerate(exhibit.columns, start=1):
        key = column.key or f"column_{number}"
        while key in keys:
            key += f"_{number}"
        keys.append(key)
    return keys


def _value(cell: Cell) -> str | float | bool | list[str]:
    if cell.several and isinstance(cell.value, str):
        return cell.value.split(BETWEEN) if cell.value else []
    return cell.text if cell.value is None else cell.value


def _reading(step: Step, told: ReadingRecord) -> dict[str, Any]:
    return {"step": step.name, "fact": told.fact, "why": told.why, "shown": told.shown, "at": _moment(told.at)}


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _plain(value: Any, depth: int = 0) -> Any:
    """Receipts come from outside: what JSON cannot hold becomes a text, what is too deep is cut off."""
    if isinstance(value, str):
        return encodable(str(value))
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {encodable(str(key)): _plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner, depth + 1) for inner in value]
    return encodable(str(value))
