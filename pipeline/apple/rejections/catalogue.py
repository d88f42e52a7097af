"""What Apple refuses and warns of, read from the data beside this file.

catalogue.json holds one entry for each thing that Apple says. It is JSON because that is read in a third of a
millisecond, where YAML takes eleven; it is read when an answer of Apple's is to be explained, and at no other time.
What could not be found in a public thread or page is not in it, or stands in `unproved` and is used for nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from typing import Any

from pipeline.values import dataclass


class Fate(StrEnum):
    """What becomes of a build."""

    REFUSED = "refused at the upload"
    FAILED = "taken, then refused in processing or review"
    MAILED = "kept, with a warning by mail"
    HIDDEN = "kept, and not to be had in TestFlight"
    UNMADE = "not exported at all"
    UNINSTALLED = "not to be installed"
    SILENT = "kept without a word, and does another thing than was tested"


_FATES = {
    "E": Fate.REFUSED,
    "P": Fate.FAILED,
    "W": Fate.MAILED,
    "T": Fate.HIDDEN,
    "X": Fate.UNMADE,
    "I": Fate.UNINSTALLED,
    "S": Fate.SILENT,
}


@dataclass(frozen=True)
class Source:
    """A public page or thread in which code or words were read, and the day (ISO date) on which they were."""

    url: str
    seen: str


@dataclass(frozen=True)
class Rejection:
    """One thing that Apple says of a build.

    Attributes:
        title: what is wrong, in our words.
        name: how it is called here where Apple has no number for it.
        codes: Apple's numbers for it; none where Apple names none.
        phrases: any of them in Apple's text means this; straight quotes, and `…` stands for anything.
        project: our rules that find it in a project, the nearest first; `artifact`: in what was built; `others`: on
            the machine, in signing material, at App Store Connect.
        fates: what becomes of the build since `since` (ISO date, as exact as it is known; empty: as long as we know).
            Several where several were seen.
        formerly: what became of it before that day.
        not_decided: what no rule here can say, and why; empty where the rules say it all.
        remedy: the smallest change that mends it.
        unproved: what is said of it and could not be found; used for nothing.
        sources: where it was read.
    """

    title: str
    name: str = ""
    codes: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    project: tuple[str, ...] = ()
    artifact: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    fates: tuple[Fate, ...] = ()
    since: str = ""
    formerly: tuple[Fate, ...] = ()
    not_decided: str = ""
    remedy: str = ""
    unproved: str = ""
    sources: tuple[Source, ...] = ()

    @property
    def key(self) -> str:
        """Its number, or its name: one entry each."""
        return self.codes[0] if self.codes else self.name

    @property
    def code(self) -> str:
        """The code as Apple's mails write it, ITMS-90717; empty where there is none."""
        return f"ITMS-{self.codes[0]}" if self.codes else ""

    @property
    def rules(self) -> tuple[str, ...]:
        """All rules that find it, those first that find it earliest: a project is judged before anything is built."""
        return self.project + self.artifact + self.others

    @property
    def fate(self) -> Fate:
        """What mostly becomes of the build."""
        return self.fates[0]

    @property
    def before(self) -> Fate | None:
        """What mostly became of the build before `since`."""
        return next(iter(self.formerly), None)

    @property
    def source(self) -> str:
        """The page or thread that is named first."""
        return self.sources[0].url

    @property
    def told(self) -> str:
        """What becomes of the build, with the day since when where that changed."""
        now = "; or ".join(self.fates)
        if not self.since:
            return now
        earlier = f" (before: {'; or '.join(self.formerly)})" if self.formerly else ""
        return f"{now} since {self.since}{earlier}"


def _read(entry: Mapping[str, Any]) -> Rejection:
    def many(field: str) -> tuple[str, ...]:
        return tuple(entry.get(field, ()))

    return Rejection(
        title=entry["title"],
        name=entry.get("name", ""),
        codes=(entry["code"],) if "code" in entry else (),
        phrases=many("phrases"),
        project=many("project"),
        artifact=many("artifact"),
        others=many("others"),
        fates=tuple(_FATES[letter] for letter in entry["becomes"]),
        since=entry.get("since", ""),
        formerly=tuple(_FATES[letter] for letter in many("before")),
        not_decided=entry.get("not_decided", ""),
        remedy=entry["remedy"],
        unproved=entry.get("unproved", ""),
        sources=tuple(Source(**source) for source in entry["sources"]),
    )


REJECTIONS: tuple[Rejection, ...] = tuple(
    _read(entry) for entry in json.loads((files(__package__) / "catalogue.json").read_text(encoding="utf-8"))
)
"""All of them, in the order in which a build is made; where two could be meant, both are told."""
