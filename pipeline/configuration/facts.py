"""What `config/` accepts for a time: the waivers, and the day they are judged on."""

from __future__ import annotations

from datetime import date

from pipeline.configuration.settings import Waiver
from pipeline.values import dataclass


@dataclass(frozen=True)
class Waivers:
    """The waivers of a configuration, in its order. `path` is the file as findings name it; `today` is a day in UTC."""

    items: tuple[Waiver, ...] = ()
    path: str = ""
    today: date = date.min

    def __str__(self) -> str:
        return f"{len(self.items)} in {self.path}" if self.items else "none"
