"""The marks on the four verbs: a function asks for what it needs by annotation, and the engine answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from pipeline.values import dataclass

C = TypeVar("C", bound=Callable[..., Any])


@dataclass(frozen=True)
class CheckMark:
    """The identity of a check. `rule` names its page under docs/rules; `title` is one line for lists."""

    rule: str
    title: str


def check(rule: str, title: str = "") -> Callable[[C], C]:
    """Mark a pure function `(facts…) -> Iterator[Finding]` as the judge of one rule.

    A parameter annotated with a fact type is given the value; the check is not run when it could not be observed. A
    parameter annotated `Reading[Fact]` is given the reading itself, for a check that can do without the value.
    """

    def mark(function: C) -> C:
        function.check_mark = CheckMark(rule, title or function.__name__.replace("_", " "))  # type: ignore[attr-defined]
        return function

    return mark


@overload
def probe(function: C) -> C: ...


@overload
def probe(*, lasting: bool = False, scope: str = "LANE") -> Callable[[C], C]: ...


def probe(function: C | None = None, *, lasting: bool = False, scope: str = "LANE") -> C | Callable[[C], C]:
    """Mark `(ports or facts…) -> Fact` in a gateway as the way to observe that fact.

    `lasting` says that nothing a run does changes the fact, so one observation serves the whole run. `scope="APP"`
    says that all lanes share one observation. A probe may return a `Reading` to say UNKNOWN with a reason, or to name
    a source other than that of its ports.
    """

    def mark(inner: C) -> C:
        inner.probe_mark = (lasting, scope)  # type: ignore[attr-defined]
        return inner

    return mark if function is None else mark(function)


def performer(function: C) -> C:
    """Mark `(action, ports…) -> Mapping` in a gateway as the way to perform that kind of action.

    The mapping holds plain JSON values for the receipt; the key "already" set to True says that nothing had to be
    done.
    """
    function.performer_mark = True  # type: ignore[attr-defined]
    return function
