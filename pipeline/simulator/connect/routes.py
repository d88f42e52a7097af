"""How a route is declared, what it is given, and how it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pipeline.simulator.clockface import pacific
from pipeline.simulator.contract import Objection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.simulator.contract import Contract
    from pipeline.simulator.faults import Scenario
    from pipeline.simulator.state import Record, State


class Refusal(Exception):
    """A request that is answered with an ErrorResponse document; the first objection decides the status."""

    def __init__(self, objections: Sequence[Objection]) -> None:
        super().__init__("; ".join(objection.detail for objection in objections))
        self.objections = tuple(objections)


def refuse(status: int, code: str, title: str, detail: str, source: Mapping[str, str] | None = None) -> NoReturn:
    """Refuse with one error."""
    raise Refusal([Objection(status, code, title, detail, source or {})])


def not_found(kind: str, identifier: str) -> NoReturn:
    """404 NOT_FOUND, in the words of live answers quoted in public threads."""
    detail = f"There is no resource of type '{kind}' with id '{identifier}'"
    refuse(404, "NOT_FOUND", "The specified resource does not exist", detail)


class Call:
    """One valid request, as a route sees it.

    Attributes:
        now: the hour of the one who asks, in seconds since 1970.
        origin: scheme and host for links.
        upload_origin: scheme and host for upload operations.
        identifier: the identifier in the path, or "".
        document: the request's JSON, checked against the contract; None without a body.
        query: the query's parameters; a name given twice has its values joined by a comma.
        effect: the name under which a mutation is journaled, "METHOD path".

    """

    __slots__ = (
        "contract",
        "document",
        "effect",
        "id",
        "issuer",
        "now",
        "origin",
        "path",
        "query",
        "raw_query",
        "scenario",
        "state",
        "upload_origin",
    )

    def __init__(self, state: State, scenario: Scenario, contract: Contract, now: float, issuer: Any) -> None:
        self.state = state
        self.scenario = scenario
        self.contract = contract
        self.now = now
        self.issuer = issuer
        self.origin = ""
        self.upload_origin = ""
        self.path = ""
        self.id = ""
        self.effect = ""
        self.raw_query: list[tuple[str, str]] = []
        self.query: dict[str, str] = {}
        self.document: Any = None

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the request's document."""
        return self.document["data"].get("attributes") or {}

    def linked(self, name: str) -> Any:
        """The id, or ids, that the request's document gives for a relationship; None without it."""
        data = ((self.document["data"].get("relationships") or {}).get(name) or {}).get("data")
        if isinstance(data, list):
            return [item["id"] for item in data]
        return data["id"] if data else None

    def one(self, kind: str) -> Record:
        """The resource that the path names. Refuses with 404 NOT_FOUND."""
        record = self.state.find(kind, self.id)
        if record is None:
            not_found(kind, self.id)
        return record

    def accept(
        self,
        puts: Sequence[Record] = (),
        drops: Sequence[tuple[str, str]] = (),
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Journal a mutation and put it into memory."""
        subject = f"{puts[0].kind}/{puts[0].id}" if puts else "/".join(drops[0])
        self.state.change(self.effect, pacific(self.now), puts, drops, subject=subject, detail=detail)


Route = Callable[[Call], Any]
R = TypeVar("R", bound=Route)

ROUTES: dict[str, Route] = {}
"""Every route by "METHOD path"."""


def route(method: str, path: str) -> Callable[[R], R]:
    """Declare a route. What it returns becomes the answer's document; None is an answer without a body."""

    def mark(function: R) -> R:
        ROUTES[f"{method} {path}"] = function
        return function

    return mark
