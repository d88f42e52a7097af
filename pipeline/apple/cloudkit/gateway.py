"""Where CloudKit's schemas come from: the app's files, and the management API on api.icloud.apple.com."""

import hashlib
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, TypeVar
from urllib.parse import quote

from pipeline.apple.cloudkit.actions import ImportSchema
from pipeline.apple.cloudkit.evolution import Effect, compare
from pipeline.apple.cloudkit.facts import ContainerSchema, DevelopmentSchema, LocalSchema, ProductionSchema
from pipeline.apple.cloudkit.schema import SIZE_LIMIT, SchemaText, read_schema
from pipeline.model import AppleFailure, Declaration, Reading, Refused, Source, UsageFault, performer, probe
from pipeline.ports.files import Files, Unreadable
from pipeline.ports.http import Http, Request, Response
from pipeline.ports.live_http import CredentialsMissing

HOST = "https://api.icloud.apple.com"
TOKEN = "CLOUDKIT_MANAGEMENT_TOKEN"  # noqa: S105 - the name of a variable, not its value
OK, ACCEPTED, NOT_FOUND, TOO_MANY, SERVER_FAULT = 200, 202, 404, 429, 500
UNAUTHORISED = (401, 403, 421)

C = TypeVar("C", bound=ContainerSchema)


@probe(lasting=True, scope="APP")
def local_schema(files: Files, declared: Declaration) -> LocalSchema:
    """The declared schema file, else the only .ckdb file of the app."""
    if declared.schema:
        return _read(files, _relative(files, declared.schema))
    found = tuple(path for path in files.tree() if path.endswith(".ckdb"))
    if len(found) == 1:
        return _read(files, found[0])
    return LocalSchema(others=found)


def _relative(files: Files, path: str) -> str:
    """The path as findings show it: relative to the app's root where it lies below it."""
    named = PurePath(path)
    return named.relative_to(files.root).as_posix() if named.is_relative_to(files.root) else path


def _read(files: Files, path: str) -> LocalSchema:
    try:
        data = files.read(path, SIZE_LIMIT)
    except FileNotFoundError:
        return LocalSchema(path, fault="there is no such file")
    except Unreadable as fault:
        return LocalSchema(path, fault=str(fault))
    try:
        return LocalSchema(path, data.decode("utf-8"))
    except UnicodeDecodeError:
        return LocalSchema(path, fault=str(read_schema(data).problems[0]))


@probe(scope="APP")
def development_schema(http: Http, local: LocalSchema, declared: Declaration) -> Reading[DevelopmentSchema]:
    """What the development environment has."""
    return _container_schema(DevelopmentSchema, http, local, declared)


@probe(scope="APP")
def production_schema(http: Http, local: LocalSchema, declared: Declaration) -> Reading[ProductionSchema]:
    """What the production environment has."""
    return _container_schema(ProductionSchema, http, local, declared)


def _container_schema(fact: type[C], http: Http, local: LocalSchema, declared: Declaration) -> Reading[C]:
    """The first declared container's schema. Without a schema file nothing depends on it, so it may stay unasked."""
    if not declared.containers:
        return Reading.of(fact())
    container = declared.containers[0]
    if not declared.team_id:
        why = f"no team is declared, and CloudKit keeps the container {container} by team"
        remedy = "declare team_id in config"
    else:
        try:
            text = exported(http, declared.team_id, container, fact.environment)
        except CredentialsMissing:
            why = f"the schema of {container} cannot be asked for without {TOKEN}"
            remedy = "create a management token in CloudKit Console under Tokens & Keys"
        else:
            return Reading.of(fact(container, text), http.source)
    if local.path or local.others:
        return Reading.unknown(fact, why, remedy=remedy)
    return Reading.of(fact(container, unasked=why), Source.LIVE)


def _url(team_id: str, container: str, environment: str, tail: str) -> str:
    team, name = quote(team_id, safe=""), quote(container, safe="")
    return f"{HOST}/v1/database/teams/{team}/containers/{name}/environments/{environment}/schema{tail}"


def exported(http: Http, team_id: str, container: str, environment: str) -> str:
    """GET …/schema/export. Raises AppleFailure when CloudKit refuses, CredentialsMissing without a token."""
    answer = http.send(Request("GET", _url(team_id, container, environment, "/export")))
    if answer.status != OK:
        raise _refusal(f"CloudKit did not export the {environment.lower()} schema of {container}", answer)
    try:
        return answer.body.decode("utf-8")
    except UnicodeDecodeError:
        raise AppleFailure(
            f"CloudKit's {environment.lower()} schema of {container} is not text",
            why="the answer is not UTF-8",
            remedy="try again; if it stays so, compare with `xcrun cktool export-schema`",
            code="NOT_A_SCHEMA",
        ) from None


def _refusal(what: str, answer: Response) -> AppleFailure:
    """CloudKit's error document {code, message, reason, detailedMessage?, retryAfterSeconds?} as an error."""
    try:
        told = answer.json()
    except ValueError:
        told = None
    document: Mapping[str, Any] = told if isinstance(told, dict) else {}
    code = _short(document.get("message")) or str(answer.status)
    reason = _short(document.get("reason")) or f"status {answer.status}"
    detail = _short(document.get("detailedMessage"))
    why = f"{code}: {reason}" + (f"; {detail}" if detail and detail != reason else "")
    return AppleFailure(what, why=why, remedy=_remedy(answer.status, code), code=code)


def _short(value: object) -> str:
    """A text from outside, on one line and no longer than a person wants to read."""
    return " ".join(value.split())[:300] if isinstance(value, str) else ""


def _remedy(status: int, code: str) -> str:
    if status in UNAUTHORISED or "authoriz" in code.lower():
        return (
            "check that the team owns the container and that the management token is still valid: CloudKit Console > "
            f"Settings > Tokens & Keys, then set {TOKEN}"
        )
    if status == NOT_FOUND:
        return "check the spelling of the container and that it belongs to this team"
    if status == TOO_MANY or status >= SERVER_FAULT:
        return "wait a little and run again"
    return "read Apple's reason and correct the schema or the declaration"


@performer
def import_schema(action: ImportSchema, http: Http, files: Files) -> Mapping[str, Any]:
    """PUT …/schema. Nothing is sent when development says the same already, or when an import would delete from it."""
    data = _unchanged(files, action)
    there = read_schema(exported(http, action.team_id, action.container, "DEVELOPMENT"))
    if _says_the_same(read_schema(data), there, action.container):
        return {"already": True, "sha256": action.sha256}
    boundary = f"schema-{action.sha256[:32]}"
    answer = http.send(
        Request(
            "PUT",
            _url(action.team_id, action.container, "DEVELOPMENT", ""),
            {"Content-Type": f"multipart/form-data; boundary={boundary}"},
            _multipart(boundary, data),
            repeatable=True,
        )
    )
    if answer.status not in (OK, ACCEPTED):
        raise _refusal(
            f"CloudKit did not import the schema into the development environment of {action.container}", answer
        )
    return {"sha256": action.sha256, "container": action.container, "environment": "DEVELOPMENT"}


def _unchanged(files: Files, action: ImportSchema) -> bytes:
    try:
        data = files.read(action.path, SIZE_LIMIT)
    except FileNotFoundError:
        raise UsageFault(f"{action.path} is no longer there", remedy="restore the schema file and run again") from None
    if hashlib.sha256(data).hexdigest() != action.sha256:
        raise UsageFault(
            f"{action.path} is not the schema that was judged",
            why="the file changed after its digest was taken",
            remedy="run again, so that the file is judged as it is now",
        )
    return data


def _says_the_same(ours: SchemaText, theirs: SchemaText, container: str) -> bool:
    """Whether an import would change nothing. Raises Refused when it would delete, UsageFault for a broken file."""
    if ours.schema is None:
        raise UsageFault(
            "the schema file cannot be read",
            why=str(ours.problems[0]) if ours.problems else "",
            remedy="correct the schema file",
        )
    if theirs.schema is None:
        raise Refused(
            f"the development schema of {container} could not be read, so what an import would delete is not known",
            why=str(theirs.problems[0]) if theirs.problems else "",
            remedy="look at the schema in the CloudKit Console",
        )
    changes = compare(ours.schema, theirs.schema)
    lost = [change for change in changes if change.effect is Effect.DESTRUCTIVE]
    if lost:
        raise Refused(
            f"the import would delete or retype {len(lost)} things in the development environment of {container}",
            why="; ".join(str(change) for change in lost[:5]),
            remedy="merge an export of the development schema into the schema file, or reset the environment by hand",
        )
    return not changes


def _multipart(boundary: str, data: bytes) -> bytes:
    """One part named "file". A boundary made from the file's own digest cannot occur in the file by accident."""
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="schema.ckdb"\r\n'
        "Content-Type: text/plain; charset=utf-8\r\n\r\n"
    )
    return head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
