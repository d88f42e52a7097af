"""The small Apple: one door for every host it plays, over a durable state, with the faults of a scenario."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from pipeline.simulator import accounts
from pipeline.simulator.clockface import pacific
from pipeline.simulator.cloudkit import management
from pipeline.simulator.connect import parts, portal, service
from pipeline.simulator.connect.authorization import NOT_AUTHORIZED, RATE_LIMIT_EXCEEDED
from pipeline.simulator.contract import Objection
from pipeline.simulator.faults import Dropped, Fault, Scenario
from pipeline.simulator.request import Answer, Request
from pipeline.simulator.state import Record, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from pipeline.simulator.connect.portal import Issuer

HOSTS = frozenset({service.HOST, parts.HOST, management.HOST})
"""The hosts that are played: the App Store Connect API, the host that takes parts of uploads, CloudKit's management."""

_STATUS = {
    "401": NOT_AUTHORIZED,
    "403": Objection(
        403,
        "FORBIDDEN_ERROR",
        "This request is forbidden for security reasons",
        "The API key in use does not allow this request",
    ),
    "404": Objection(404, "NOT_FOUND", "The specified resource does not exist", "There is no such resource"),
    "429": RATE_LIMIT_EXCEEDED,
    "500": Objection(
        500,
        "UNEXPECTED_ERROR",
        "An unexpected error occurred.",
        "An unexpected error occurred on the server side. If this issue continues, contact us at "
        "https://developer.apple.com/contact/.",
    ),
}


class SimulatedApple:
    """Apple's services for one account.

    Every accepted mutation is durable before it is answered: a new SimulatedApple over the same directory goes on
    where the last one stopped, wherever it was killed. One process at a time owns a directory; threads may share one.

    Args:
        state_dir: where the journal and the uploaded parts lie; made if it is not there.
        scenario: accounts, speed and faults. An account already in the journal is not changed by it.
        now: the hour of requests that bring none.
        keys: PEM public key by key id; with it the signatures of tokens are verified.
        issuer: the certificate authority behind the portal's routes; without it they refuse to issue.

    """

    def __init__(
        self,
        state_dir: Path,
        scenario: Scenario,
        *,
        now: Callable[[], datetime],
        keys: Mapping[str, str] | None = None,
        issuer: Issuer | None = None,
    ) -> None:
        self.scenario = scenario
        self.state_dir = state_dir
        self.origins: dict[str, str] = {host: f"https://{host}" for host in HOSTS}
        """Scheme and host that links and upload operations show, by host; a server sets its own."""
        self._now = now
        self._lock = threading.RLock()
        self._state = State(state_dir)
        self._connect = service.Connect(self._state, scenario, keys, issuer)
        self._management = management.Management(self._state, scenario)
        self._settle(accounts.described(scenario, now().timestamp()))

    def handle(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        now: datetime | None = None,
        remote: bool = False,
    ) -> Answer:
        """Answer one request: (status, headers, body); the answer's header names are lower-case.

        Args:
            method: upper-case.
            url: absolute, of one of HOSTS.
            headers: names in any case.
            body: the whole body.
            now: the hour of the one who asks; states that need time go by it.
            remote: the request came over a socket, where the fixed token of rehearsals is not good.

        Raises:
            Dropped: the scenario lets the connection fail.
            ValueError: the host is none of HOSTS.

        """
        host, path, query = split(url)
        hour = (self._now() if now is None else now).timestamp()
        held = {name.lower(): value for name, value in headers.items()}
        request = Request(method, host, path, query, held, body, hour, remote)
        with self._lock:
            fault = self._fault(request)
            if fault is None:
                return self._answer(request)
            if fault.do in ("reset", "hang"):
                raise Dropped(applied=False, hung=fault.do == "hang")
            if fault.do.endswith("-after"):
                self._answer(request)
            if fault.do == "reset-after":
                raise Dropped(applied=True)
            return self._failed(fault, request)

    def hour(self) -> float:
        """The hour of requests that bring none, in seconds since 1970."""
        return self._now().timestamp()

    def effects(self) -> list[dict[str, Any]]:
        """The accepted mutations in order, each {effect, at, subject, detail}; "METHOD path" is the effect."""
        with self._lock:
            return self._state.effects()

    def console_deploy(self, container: str) -> None:
        """Play the person who clicks Deploy Schema Changes in CloudKit Console: there is no API for it.

        Raises:
            KeyError: there is no such container.

        """
        with self._lock:
            self._management.deploy(container, self._now().timestamp())

    def plant(self, resources: Iterable[Mapping[str, Any]]) -> None:
        """Put resource objects of App Store Connect into the account as they are: what was read at the real Apple.

        Each is {"type", "id", "attributes", "relationships"} as in an answer; one with a known id is replaced.
        """
        with self._lock:
            records = list(accounts.planted(resources, self._now().timestamp()))
            if records:
                self._state.change("", pacific(self._now().timestamp()), records)

    def forbid(self, kind: str, why: str) -> None:
        """Let the portal refuse the API key everything about one kind of resource, in these words: no effect."""
        with self._lock:
            record = Record(portal.FORBIDDEN, kind, {"detail": why})
            self._state.change("", pacific(self.hour()), [record])

    def forget_portal(self, kinds: Iterable[str]) -> None:
        """Take all resources of these kinds out: no effect."""
        with self._lock:
            drops = [(kind, identifier) for kind in kinds for identifier in self._state.table(kind)]
            if drops:
                self._state.change("", pacific(self.hour()), (), drops)

    def forget_app(self, bundle_id: str) -> None:
        """Take the app records of exactly this bundle id out, with builds, groups, testers and uploads: no effect."""
        with self._lock:
            drops = list(accounts.belongings(self._state, bundle_id))
            if drops:
                self._state.change("", pacific(self.hour()), (), drops)

    def plant_container(self, identifier: str, development: str, production: str, name: str = "") -> None:
        """Put a CloudKit container with the exported texts of its environments into the account."""
        with self._lock:
            texts = {"DEVELOPMENT": development, "PRODUCTION": production}
            record = Record(
                "containers", identifier, {"name": name or identifier}, {}, {**texts, "observed": list(texts)}
            )
            self._state.change("", pacific(self._now().timestamp()), [record])

    def shown(self) -> dict[str, Any]:
        """The account in short, for a person who looks at the server's front page."""
        with self._lock:
            kinds = ("apps", "buildUploads", "builds", "betaGroups", "bundleIds", "certificates", "profiles")
            tables = {kind: [{"id": r.id, **r.attributes} for r in self._state.table(kind).values()] for kind in kinds}
            for entry in (*tables["certificates"], *tables["profiles"]):
                entry.pop("certificateContent", None)
                entry.pop("profileContent", None)
            containers = sorted(self._state.table("containers"))
            return {"scenario": self.scenario.name, "team": self.scenario.team_id, **tables, "containers": containers}

    def close(self) -> None:
        """Give the journal's descriptor back."""
        with self._lock:
            self._state.close()

    def _settle(self, records: Iterable[Record]) -> None:
        new = [record for record in records if not self._state.knew(record.kind, record.id)]
        if new:
            self._state.change("", pacific(self._now().timestamp()), new)

    def _answer(self, request: Request) -> Answer:
        if request.host == parts.HOST:
            return parts.receive(self._state, request)
        if request.host == management.HOST:
            return self._management.answer(request)
        return self._connect.answer(request, (self.origins[service.HOST], self.origins[parts.HOST]))

    def _fault(self, request: Request) -> Fault | None:
        if not self.scenario.faults:
            return None
        template = _template(request)
        found = None
        for index, fault in enumerate(self.scenario.faults):
            if not fault.matches(request.method, template):
                continue
            counter = self._state.find("faults", str(index))
            met = counter.attributes["met"] if counter else 0
            if met >= fault.nth - 1 + fault.times:
                continue
            met += 1
            self._state.change("", "", [Record("faults", str(index), {"met": met, "on": fault.on})])
            if found is None and met >= fault.nth:
                found = fault
        return found

    def _failed(self, fault: Fault, request: Request) -> Answer:
        extra = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
        if fault.do in ("502", "503"):
            text = b"Could not process this request"
            return int(fault.do), {**extra, "content-type": "text/plain"}, text
        objection = _STATUS[fault.do.removesuffix("-after")]
        if request.host == management.HOST:
            answer = self._management.error(objection.status, objection.code, objection.detail, fault.retry_after)
        elif request.host == parts.HOST:
            answer = objection.status, {"content-type": "application/xml"}, b"<Error><Code>SlowDown</Code></Error>"
        else:
            answer = self._connect.fault(objection, request.now)
        return answer[0], {**answer[1], **extra}, answer[2]


def split(url: str) -> tuple[str, str, str]:
    """Host, path and query of an absolute URL of one of HOSTS. Raises ValueError for any other."""
    scheme, separator, rest = url.partition("://")
    host, slash, tail = rest.partition("/")
    name = host.partition(":")[0].lower()
    if not separator or scheme not in ("https", "http") or name not in HOSTS:
        raise ValueError(f"no simulated host is meant by {url[:200]!r}")
    path, _, query = (slash + tail).partition("#")[0].partition("?")
    return name, path or "/", query


def _template(request: Request) -> str:
    if request.host == parts.HOST:
        return "/uploads/{id}"
    if request.host == management.HOST:
        return management.template(request.method, request.path)
    return service.template(request.path)
