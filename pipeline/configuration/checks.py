"""What must hold of the decisions in `config/` themselves."""

from collections.abc import Iterator
from datetime import timedelta

from pipeline.configuration.facts import Waivers
from pipeline.configuration.settings import Waiver
from pipeline.model import Finding, Location, check, note, warning

SOON = timedelta(days=7)


@check("PLCY001", "no waiver has run out")
def waivers_have_not_run_out(waivers: Waivers) -> Iterator[Finding]:
    for waiver in waivers.items:
        place = Location(waivers.path, waiver.line) if waivers.path else None
        if waiver.until < waivers.today:
            yield warning(
                f"the waiver of {_named(waiver)} ran out on {waiver.until} and waives nothing now: {waiver.reason}",
                subject=waiver.rule,
                at=place,
                remedy="mend what it waived and remove it; or, if the reason still holds, give it another day",
            )
        elif waiver.until - waivers.today < SOON:
            yield note(
                f"the waiver of {_named(waiver)} runs out on {waiver.until}",
                subject=waiver.rule,
                at=place,
                remedy="mend what it waives until then, or decide anew",
            )


def _named(waiver: Waiver) -> str:
    narrower = " and ".join(filter(None, (waiver.subject, waiver.path)))
    return f"{waiver.rule} for {narrower}" if narrower else waiver.rule
