"""The right to change something, asked for once more right before what cannot be taken back."""

from __future__ import annotations

from collections.abc import Callable


class Tenure:
    """What a performer holds while it performs one action; the engine makes it, from the lease on the action's subject.

    Whoever was asleep for a while, or was cut off, may have lost the lease to another runner meanwhile.

    Attributes:
        confirm: raises a PipelineError when somebody else took it; otherwise it is ours for a whole term from now on.
    """

    __slots__ = ("confirm",)

    def __init__(self, confirm: Callable[[], None]) -> None:
        self.confirm = confirm
