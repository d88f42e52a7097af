"""The part of the SARIF 2.1.0 schema (OASIS, errata 01) that our documents use, closed against anything else."""

from __future__ import annotations

from typing import Any


def _object(required: str = "", **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required.split(), "properties": properties}


def _list(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


TEXT = {"type": "string"}
BAG = {"type": "object"}
MESSAGE = _object("text", text={"type": "string", "minLength": 1})
COUNT = {"type": "integer", "minimum": 1}
UTC = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
URI = {"type": "string", "pattern": r"^[A-Za-z0-9._~!$&'()*+,;=:@%/?#-]*$"}
ARTIFACT = _object(uri=URI, uriBaseId=TEXT, description=MESSAGE)
PHYSICAL = _object(
    artifactLocation=ARTIFACT,
    region=_object(startLine=COUNT, startColumn=COUNT, snippet=_object(text=TEXT)),
)
LOCATION = _object(physicalLocation=PHYSICAL, logicalLocations=_list(_object(name=TEXT), uniqueItems=True))
NOTICE = _object("message", level={"enum": ["none", "note", "warning", "error"]}, message=MESSAGE)
RESULT = _object(
    "message",
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": -1},
    level={"enum": ["none", "note", "warning", "error"]},
    message=MESSAGE,
    locations=_list(LOCATION, minItems=1),
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
    suppressions=_list(
        _object("kind", kind={"enum": ["inSource", "external"]}, state={"const": "accepted"}, justification=TEXT)
    ),
    properties=BAG,
)
RULE = _object("id", id=TEXT, shortDescription=MESSAGE, helpUri={"type": "string", "format": "uri"}, help=MESSAGE)
RUN = _object(
    "tool",
    tool=_object("driver", driver=_object("name", name=TEXT, rules=_list(RULE, uniqueItems=True))),
    automationDetails=_object(id=TEXT),
    invocations=_list(
        _object(
            "executionSuccessful",
            executionSuccessful={"type": "boolean"},
            exitCode={"type": "integer"},
            exitCodeDescription=TEXT,
            startTimeUtc=UTC,
            endTimeUtc=UTC,
            toolExecutionNotifications=_list(NOTICE),
            toolConfigurationNotifications=_list(NOTICE),
        )
    ),
    originalUriBaseIds={"type": "object", "additionalProperties": ARTIFACT},
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=_list(RESULT),
    properties=BAG,
)
SARIF = _object("version runs", **{"$schema": TEXT, "version": {"const": "2.1.0"}, "runs": _list(RUN)})
