"""What the schema must be for the app to work for people who get it from TestFlight or the App Store."""

from collections.abc import Iterable, Iterator

from pipeline.apple.cloudkit.evolution import ENCRYPTED_VALUES, Change, Effect, Kind, Turn, compare
from pipeline.apple.cloudkit.facts import ContainerSchema, DevelopmentSchema, LocalSchema, ProductionSchema
from pipeline.apple.cloudkit.schema import Schema
from pipeline.model import Declaration, Finding, Location, check, error, note, unseen, warning

CONSOLE = "https://icloud.developer.apple.com"
SHOWN = 8
"""How many things one summary names before it counts the rest."""

_NUMBERS = frozenset({"NUMBER", "NUMBER PREFERRED AS INT64", "NUMBER PREFERRED AS DOUBLE", "INT64", "DOUBLE"})
_PROBES = frozenset({"TestRecord", "SyncTest", "TestType", "DebugRecord", "DummyRecord", "IntegrationTest"})


@check("SCHM001", "the schema file can be read")
def schema_file_is_well_formed(local: LocalSchema) -> Iterator[Finding]:
    if local.fault:
        yield error(
            f"{local.path} cannot be read: {local.fault}",
            subject=local.path,
            at=Location(local.path),
            remedy="correct the path under `schema`, or the file",
        )
    for problem in local.reading.problems:
        place = Location(local.path, problem.line, problem.column)
        if problem.certain:
            yield error(problem.summary, subject=local.path, at=place, remedy="correct the schema file")
        else:
            yield warning(
                problem.summary,
                subject=local.path,
                at=place,
                remedy="write it as Apple's page does; `xcrun cktool validate-schema` tells whether CloudKit takes it",
            )


@check("SCHM002", "production has all that the schema file asks for")
def production_has_what_the_app_needs(local: LocalSchema, production: ProductionSchema) -> Iterator[Finding]:
    if production.text is not None and production.reading.schema is None:
        yield _unreadable(production)
    changes = _between(local, production)
    for change in changes:
        place = Location(local.path, change.line or None, change.column or None)
        if change.effect is Effect.DESTRUCTIVE and change.turn is Turn.CHANGED:
            yield _retyped(change, production.container, place)
        elif change.turn is Turn.ADDED and change.kind in (Kind.TYPE, Kind.FIELD, Kind.INDEX):
            yield error(
                f"production lacks the {_named(change)}: {_consequence(change)}",
                subject=change.subject,
                at=place,
                remedy=_deploy(local.path, production.container),
            )
    permissions = [change for change in changes if change.kind in (Kind.GRANT, Kind.ROLE) and change.turn is Turn.ADDED]
    if permissions:
        yield warning(
            f"production lacks {_listed(permissions)}; permissions matter in the public database only",
            subject=production.container,
            at=Location(local.path, permissions[0].line or None, permissions[0].column or None),
            remedy=_deploy(local.path, production.container),
        )


def _retyped(change: Change, container: str, place: Location) -> Finding:
    if {change.before, change.after} <= _NUMBERS:
        return warning(
            f"{change.subject} is {change.before} in production, {change.after} in the schema file; both are numbers",
            subject=change.subject,
            at=place,
            remedy=f"write {change.before} in the schema file, as the export of {container} does",
        )
    return error(
        f"{change.subject} is {change.before} in production and {change.after} in the schema file: saving it fails for "
        "people who have the app from TestFlight or the App Store",
        subject=change.subject,
        at=place,
        remedy=f"a deployed field keeps its type: leave {change.subject} {change.before} and add a new field",
        apple=change.source,
    )


def _consequence(change: Change) -> str:
    if change.kind is Kind.INDEX:
        return "queries that need it fail for people who have the app from TestFlight or the App Store"
    return "saving it fails for people who have the app from TestFlight or the App Store"


def _named(change: Change) -> str:
    if change.kind is Kind.INDEX:
        return f"index {change.after} on {change.subject}"
    return f"{change.kind} {change.subject}" + (f" {change.after}" if change.kind is Kind.FIELD else "")


@check("SCHM003", "the schema file has all that production has")
def schema_file_keeps_what_is_live(local: LocalSchema, production: ProductionSchema) -> Iterator[Finding]:
    lost = [change for change in _between(local, production) if change.turn is Turn.REMOVED]
    types: dict[str, list[Change]] = {}
    for change in lost:
        types.setdefault(change.record_type, []).append(change)
    for record_type, changes in types.items():
        destructive = any(change.effect is Effect.DESTRUCTIVE for change in changes)
        result = "CloudKit refuses to import it" if destructive else "an import takes that from development"
        yield note(
            f"the schema file lacks {_listed(changes)}, live in production: {result}",
            subject=record_type or production.container,
            at=Location(local.path),
            remedy=f"merge an export of the production schema of {production.container} into {local.path}",
            apple=changes[0].source,
        )


@check("SCHM004", "development has all that the schema file asks for")
def development_is_up_to_date(local: LocalSchema, development: DevelopmentSchema) -> Iterator[Finding]:
    if development.text is not None and development.reading.schema is None:
        yield _unreadable(development)
    missing = [change for change in _between(local, development) if change.turn is not Turn.REMOVED]
    if missing:
        yield warning(
            f"development is behind the schema file: {_listed(missing)}",
            subject=development.container,
            at=Location(local.path, missing[0].line or None, missing[0].column or None),
            remedy=f"import {local.path} into the development environment of {development.container}",
        )


@check("SCHM006", "no record type made for tests is about to be deployed for ever")
def test_types_stay_out_of_production(local: LocalSchema, production: ProductionSchema) -> Iterator[Finding]:
    for change in _between(local, production):
        if change.kind is Kind.TYPE and change.turn is Turn.ADDED and change.name in _PROBES:
            yield warning(
                f"{change.name} looks like a record type made for tests, and what is deployed can never be removed",
                subject=change.name,
                at=Location(local.path, change.line, change.column),
                remedy=f"take {change.name} out of {local.path}, or waive this if production needs it",
            )


@check("SCHM007", "no encrypted field has an index")
def encrypted_fields_have_no_index(local: LocalSchema) -> Iterator[Finding]:
    schema = local.reading.schema or Schema()
    for record_type in schema.types:
        for field in record_type.fields:
            if field.type.encrypted and field.indexes:
                yield error(
                    f"{record_type.name}.{field.name} is encrypted and {' '.join(field.indexes)}: CloudKit keeps "
                    "no index of encrypted fields",
                    subject=f"{record_type.name}.{field.name}",
                    at=Location(local.path, field.line, field.column),
                    remedy="drop the index, or keep what must be found in a second field that is not encrypted",
                    apple=ENCRYPTED_VALUES,
                )


@check("SCHM009", "development holds nothing that waits for deployment")
def nothing_waits_for_deployment(
    local: LocalSchema, development: DevelopmentSchema, production: ProductionSchema
) -> Iterator[Finding]:
    """Only where no schema file says what the app needs: then development is the best witness."""
    if local.path or local.others or not production.container:
        return
    if production.unasked:
        yield note(
            f"whether development is ahead of production was not looked at: {production.unasked}",
            subject=production.container,
        )
    for side in (development, production):
        if side.text is not None and side.reading.schema is None:
            yield _unreadable(side)
    here, there = development.reading.schema, production.reading.schema
    if here is None or there is None:
        return
    waiting = [change for change in compare(here, there) if change.turn is not Turn.REMOVED]
    if waiting:
        yield warning(
            f"development has what production lacks: {_listed(waiting)}. If this version uses it, saving or querying "
            "fails for people who have the app from TestFlight or the App Store",
            subject=production.container,
            remedy=_deploy("", production.container),
        )


@check("SCHM010", "there is a schema file and a container to compare")
def schema_can_be_compared(local: LocalSchema, declared: Declaration) -> Iterator[Finding]:
    if local.others:
        yield warning(
            f"{len(local.others)} schema files were found and none was chosen: {', '.join(local.others[:SHOWN])}",
            remedy="declare the right one as `schema`",
        )
    elif declared.containers and not local.path:
        yield note(
            f"no schema file says what the app needs of {declared.containers[0]}, so nothing was compared with it",
            subject=declared.containers[0],
            remedy="export the development schema, keep it with the sources and declare it as `schema`",
        )
    elif local.path and not declared.containers:
        yield note(
            f"{local.path} was compared with nothing: no container is declared",
            subject=local.path,
            at=Location(local.path),
            remedy="declare the container as `containers`",
        )
    if local.path and len(declared.containers) > 1:
        yield note(
            f"of {len(declared.containers)} declared containers, only {declared.containers[0]} was compared",
            subject=declared.containers[0],
            at=Location(local.path),
        )


def _between(local: LocalSchema, container: ContainerSchema) -> tuple[Change, ...]:
    """The differences; none where a side is missing or cannot be read, which other findings say."""
    ours, theirs = local.reading.schema, container.reading.schema
    return compare(ours, theirs) if ours is not None and theirs is not None else ()


def _unreadable(container: ContainerSchema) -> Finding:
    problems = container.reading.problems
    return unseen(
        f"the {container.environment.lower()} schema of {container.container} was exported but cannot be read"
        + (f": {problems[0]}" if problems else ""),
        subject=container.container,
        remedy=f"compare by hand in the CloudKit Console, {CONSOLE}",
    )


def _deploy(path: str, container: str) -> str:
    first = f"import {path} into the development environment, then " if path else ""
    return f"{first}open CloudKit Console ({CONSOLE}) > {container} > Deploy Schema Changes…, then run again"


def _listed(changes: Iterable[Change]) -> str:
    said = [str(change)[2:] for change in changes]
    rest = len(said) - SHOWN
    return ", ".join(said[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
