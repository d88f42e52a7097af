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
        return Reading.of(observe(Sight(WORKSPACES.of(files), lane, declared.team_id)), files.source)
    except UNREADABLE as fault:
        return Reading.unknown(fact, str(fault))


@probe(lasting=True)
def sources_of_target(files: Files, lane: Lane, declared: Declaration) -> Reading[TargetSources]:
    """What the lane's sources use."""
    from pipeline.apple.sources import observation

    return _seen(files, lane, declared, TargetSources, lambda sight: sight.kept(observation.target_sources))


@probe(lasting=True)
def sources_of_embedded_programs(files: Files, lane: Lane, declared: Declaration) -> Reading[EmbeddedSources]:
    """What the sources of the programs use that travel inside the lane's app."""
    from pipeline.apple.sources import observation

    return _seen(files, lane, declared, EmbeddedSources, lambda sight: sight.kept(observation.embedded_sources))


@probe(lasting=True)
def reasons_of_target(files: Files, lane: Lane, declared: Declaration) -> Reading[DeclaredReasons]:
    """What the lane's privacy manifests declare."""
    from pipeline.apple.sources import observation

    return _seen(files, lane, declared, DeclaredReasons, lambda sight: sight.kept(observation.declared_reasons))
