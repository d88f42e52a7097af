"""The only file of this room that touches ports: observes sources."""

# mypy: disable-error-code="untyped-decorator"

from collections.abc import Callable
from typing import TypeVar

from pipeline.apple.sources.facts import DeclaredReasons, EmbeddedSources, TargetSources
from pipeline.apple.xcode.discovery import WORKSPACES
from pipeline.apple.xcode.sight import UNREADABLE, Sight
from pipeline.model import Declaration, Lane, Reading, probe
from pipeline.ports.files import Files

F = TypeVar("F")


def _seen(files: Files, lane: Lane, declared: Declaration, fact: type[F], observe: Callable[[Sight], F]) -> Reading[F]:
    try:
        return Reading.of(Sight(WORKSPACES.of(files), lane, declared.team_id).kept(observe), files.source)
    except UNREADABLE as fault:
        return Reading.unknown(fact, str(fault))


# The readers are imported where there is something to read: a second look at unchanged files needs none of them.


def _target_sources(sight: Sight) -> TargetSources:
    from pipeline.apple.sources.observation import target_sources

    return target_sources(sight)


def _embedded_sources(sight: Sight) -> EmbeddedSources:
    from pipeline.apple.sources.observation import embedded_sources

    return embedded_sources(sight)


def _declared_reasons(sight: Sight) -> DeclaredReasons:
    from pipeline.apple.sources.observation import declared_reasons

    return declared_reasons(sight)


@probe(lasting=True)
def sources_of_target(files: Files, lane: Lane, declared: Declaration) -> Reading[TargetSources]:
    """What the lane's sources use."""
    return _seen(files, lane, declared, TargetSources, _target_sources)


@probe(lasting=True)
def sources_of_embedded_programs(files: Files, lane: Lane, declared: Declaration) -> Reading[EmbeddedSources]:
    """What the sources of the programs use that travel inside the lane's app."""
    return _seen(files, lane, declared, EmbeddedSources, _embedded_sources)


@probe(lasting=True)
def reasons_of_target(files: Files, lane: Lane, declared: Declaration) -> Reading[DeclaredReasons]:
    """What the lane's privacy manifests declare."""
    return _seen(files, lane, declared, DeclaredReasons, _declared_reasons)
