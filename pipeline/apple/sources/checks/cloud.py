"""Judges what the sources call in CloudKit against entitlements and schema."""

from collections.abc import Iterator

from pipeline.apple.cloudkit.facts import LocalSchema
from pipeline.apple.cloudkit.schema import IMPLICIT_FIELDS
from pipeline.apple.sources.facts import TargetSources, Topic
from pipeline.apple.sources.wording import grouped, holder, where
from pipeline.apple.xcode.facts import TargetEntitlements
from pipeline.model import Finding, check, error, warning

_CONTAINERS = "com.apple.developer.icloud-container-identifiers"
_SYSTEM = ("cloudkit.", "_")


@check("SRCE005", "the CloudKit containers that the code opens are entitled")
def containers_are_entitled(sources: TargetSources, entitlements: TargetEntitlements) -> Iterator[Finding]:
    if any(each.key.split("/")[0] == _CONTAINERS for each in entitlements.undefined) or any(
        "*" in container for container in entitlements.containers
    ):
        return
    held = entitlements.containers
    opened = grouped(sources.of(Topic.CONTAINER, Topic.CONTAINER_TEXT))
    for container, uses in opened.items():
        if container in held or not uses[0].certain:
            continue
        direct = [use for use in uses if use.topic is Topic.CONTAINER and use.certain]
        say = error if direct and direct[0].imported else warning
        named = where(direct) if direct else "the code"
        yield say(
            f"{named}{holder((direct or uses)[0])} {'opens' if direct else 'names'} {container}; the entitlements name "
            f"{', '.join(held) or 'no container'}, and CloudKit opens no other",
            subject=container,
            at=(direct or uses)[0].location,
            remedy="name one container in the code, in the entitlements and in config",
            apple="CKError.badContainer",
        )


@check("SRCE006", "the record types and fields that the code names are in the schema file")
def record_types_are_in_the_schema(sources: TargetSources, local: LocalSchema) -> Iterator[Finding]:
    schema = local.reading.schema
    if schema is None or any(problem.certain for problem in local.reading.problems):
        # SCHM001 tells of a file that cannot be understood, SCHM010 of one that is missing.
        return
    for name, uses in grouped(sources.of(Topic.RECORD_TYPE)).items():
        if name in schema.by_name or name == "Users" or name.startswith(_SYSTEM) or not uses[0].certain:
            continue
        yield warning(
            f"{where(uses)}{holder(uses[0])} names the record type {name}, which {local.path} does not have: "
            "production makes none by itself",
            subject=name,
            at=uses[0].location,
            remedy=f"add {name} to {local.path} and deploy it, or correct the name",
        )
    for name, uses in grouped(sources.of(Topic.FIELD)).items():
        kind, _, field = name.partition(".")
        record_type = schema.by_name.get(kind)
        if record_type is None or field in IMPLICIT_FIELDS or not uses[0].certain:
            continue
        if not any(held.name == field for held in record_type.fields):
            yield warning(
                f"the code uses the field {field} of {kind}, which {local.path} does not have: production makes none "
                "by itself",
                subject=name,
                at=uses[0].location,
                remedy=f"add {field} to {kind} in {local.path} and deploy it, or correct the name",
            )
