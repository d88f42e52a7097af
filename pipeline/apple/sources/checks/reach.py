"""Says what of the sources was not looked at, and what no compiler takes."""

from collections.abc import Iterator

from pipeline.apple.sources.facts import EmbeddedSources, TargetSources, Topic
from pipeline.model import Finding, Lane, Location, check, error, note

_SHOWN = 5


@check("SRCE020", "the sources were read")
def sources_were_read(sources: TargetSources, lane: Lane) -> Iterator[Finding]:
    told = [
        text
        for text in (
            _counted("member is not in the checkout", "members are not in the checkout", sources.absent),
            _counted("file could not be read", "files could not be read", sources.unread),
            _counted("package is fetched from elsewhere", "packages are fetched from elsewhere", sources.remote),
            f"{', '.join(sources.undecided)} could not be resolved" if sources.undecided else "",
        )
        if text
    ]
    if not sources.files:
        told.insert(0, "no source file of the target is here")
    if told:
        yield note(
            f"of {lane.target}, {sources.files} source files were read; not judged: {'; '.join(told)}",
            subject=lane.target,
            at=Location(lane.project),
        )


def _counted(one: str, many: str, names: tuple[str, ...]) -> str:
    if not names:
        return ""
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return f"{len(names)} {one if len(names) == 1 else many} ({shown})"


@check("SRCE022", "every merge was brought to its end")
def merges_are_brought_to_their_end(sources: TargetSources, embedded: EmbeddedSources) -> Iterator[Finding]:
    for each in (sources, *(carried.sources for carried in embedded.targets)):
        for use in each.of(Topic.CONFLICT):
            if use.certain and use.location:
                yield error(
                    "the markers of a merge conflict stand in this file: the compiler stops at them",
                    subject=use.location.path,
                    at=use.location,
                    remedy="settle what both sides say, and take out the lines <<<<<<<, ======= and >>>>>>>",
                )
