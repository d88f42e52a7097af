"""The one place where a request is sent again: by what is known about its effect, never past the stage's deadline.

What may be sent again:

- a request that does no harm twice (GET, HEAD, or `repeatable`): after any lost connection and after 429, 500, 502,
  503, 504;
- any other request: only when it is known to have had no effect: no connection came about, 429 (turned away by the
  rate limiter), 401 (turned away at the door, and the token could be signed anew), or 503 with a Retry-After header
  (RFC 9110, 15.6.4: refused for now, come back later). After anything else the caller has to look before it decides.
"""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipeline.model import AppleFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import RetryCallState

    from pipeline.ports.clock import Clock
    from pipeline.ports.http import Http, Request, Response

    Outcome = Response | AppleFailure

TRANSIENT = frozenset({429, 500, 502, 503, 504})
RECONSIDERED = TRANSIENT | {401}
HOPELESS = frozenset({"UNTRUSTED", "MALFORMED", "GARBLED", "ANSWER_TOO_LONG"})
"""Failures that another try does not mend; see `live_http`."""
ATTEMPTS = 7
SIGNATURES = 3
"""How often a refused token is tried at all: App Store Connect refuses valid ones now and then."""
FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
LONGEST_ASKED = 3600.0
"""Longer than Apple's whole rolling hour no Retry-After makes sense."""
SCARCE = 0.1
"""The share of a request budget below which requests are spread out."""
WINDOWS = {"user-hour": 3600.0, "user-minute": 60.0}


class RequestBudget:
    """What is left of the request budgets, by host: shared by all threads that use one key.

    Source: Apple, "Identifying Rate Limits": `X-Rate-Limit: user-hour-lim:3600;user-hour-rem:3567;`, per key and
    rolling hour; some endpoints add user-minute-lim and user-minute-rem.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: dict[str, dict[str, tuple[int, int]]] = {}
        self._held_until: dict[str, datetime] = {}

    def note(self, host: str, header: str) -> None:
        """Take in what an answer's X-Rate-Limit header says; what cannot be read is left out."""
        numbers: dict[str, int] = {}
        for pair in header[:500].replace(",", ";").split(";"):
            name, _, value = pair.strip().partition(":")
            if value.strip().isdecimal() and len(value) < 12:
                numbers[name.strip()] = int(value)
        with self._lock:
            for window in WINDOWS:
                limit, left = numbers.get(f"{window}-lim", 0), numbers.get(f"{window}-rem")
                if limit > 0 and left is not None:
                    self._left.setdefault(host, {})[window] = (left, limit)

    def hold(self, host: str, until: datetime) -> None:
        """Keep every thread from asking that host before that hour: it has said 429."""
        with self._lock:
            self._held_until[host] = max(until, self._held_until.get(host, until))

    def pause(self, host: str, now: datetime) -> float:
        """Seconds to wait before the next request to that host: none while the budget is ample."""
        with self._lock:
            seconds = max((_share(window, *left) for window, left in self._left.get(host, {}).items()), default=0.0)
            held = self._held_until.get(host, now)
            if held <= now:
                self._held_until.pop(host, None)
            return max(seconds, (held - now).total_seconds())


def _share(window: str, left: int, limit: int) -> float:
    """Scarce: one fair share of the window per request. Used up: ten, so that the rolling window frees some."""
    if left >= limit * SCARCE:
        return 0.0
    return WINDOWS[window] / limit * (10 if left == 0 else 1)


class RetryingHttp:
    """An Http port that sends again what may be sent again. See the module for what that is.

    Args:
        inner: the port that really sends. If it has `renew(url, server_time) -> bool`, a refused token is signed anew.
        clock: all waiting is its `sleep`; nothing waits beyond its `deadline`.
        budget: the request budget of the key, shared by every port that uses the key.
        chance: numbers from 0 to 1 for the jitter.

    """

    def __init__(
        self, inner: Http, clock: Clock, budget: RequestBudget | None = None, chance: Callable[[], float] | None = None
    ) -> None:
        self.source = inner.source
        self._inner = inner
        self._clock = clock
        self._budget = budget or RequestBudget()
        self._chance = chance

    def send(self, request: Request) -> Response:
        """The first answer that is worth keeping, whatever its status; the last one when all tries are used up.

        Raises:
            AppleFailure: no answer came, or the stage's deadline leaves no time for another try.

        """
        first = self._once(request)
        if not isinstance(first, AppleFailure) and first.status not in RECONSIDERED:
            return first
        return self._persist(request, first)

    def _once(self, request: Request) -> Outcome:
        pause = self._budget.pause(_host(request), self._clock.now())
        if pause:
            self._wait(pause, request, "the request budget of the key is nearly used up")
        try:
            response = self._inner.send(self._within_deadline(request))
        except AppleFailure as failure:
            return failure
        if "x-rate-limit" in response.headers:
            self._budget.note(_host(request), response.headers["x-rate-limit"])
        return response

    def _within_deadline(self, request: Request) -> Request:
        left = self._left()
        return request if left >= request.timeout else replace(request, timeout=max(5.0, left))

    def _left(self) -> float:
        if self._clock.deadline is None:
            return math.inf
        return (self._clock.deadline - self._clock.now()).total_seconds()

    def _wait(self, seconds: float, request: Request, why: str, *, ambiguous: bool = False) -> None:
        if seconds > self._left():
            raise _out_of_time(request, seconds, why, ambiguous=ambiguous)
        self._clock.sleep(seconds)

    def _persist(self, request: Request, first: Outcome) -> Response:
        import random

        import tenacity

        patience = _Patience(request, self._chance or random.random, self._clock, self._budget, self._inner)
        known = [first]

        def attempt() -> Outcome:
            return known.pop() if known else self._once(request)

        def wait(seconds: float) -> None:
            self._wait(seconds, request, patience.why, ambiguous=patience.ambiguous)

        tries = tenacity.Retrying(
            retry=tenacity.retry_if_result(patience.worth_another),
            wait=patience.seconds,
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            sleep=wait,
            retry_error_callback=_last,
        )
        last: Outcome = tries(attempt)
        if isinstance(last, AppleFailure):
            raise last
        return last


class _Patience:
    """What one request may still hope for, and how long until then."""

    def __init__(
        self, request: Request, chance: Callable[[], float], clock: Clock, budget: RequestBudget, inner: Http
    ) -> None:
        self._request = request
        self._chance = chance
        self._clock = clock
        self._budget = budget
        self._renew: Callable[[str, float | None], bool] | None = getattr(inner, "renew", None)
        self._signatures = 1
        self.why = ""
        self.ambiguous = False

    def worth_another(self, outcome: Outcome) -> bool:
        if isinstance(outcome, AppleFailure):
            self.why = str(outcome)
            self.ambiguous = self.ambiguous or outcome.ambiguous
            return outcome.code not in HOPELESS and (self._request.may_repeat or not outcome.ambiguous)
        self.why = f"it answered {outcome.status}"
        if outcome.status == 401:
            return self._signed_anew(outcome)
        if outcome.status == 429:
            return True
        turned_away = outcome.status == 503 and retry_after(outcome, self._clock.now()) is not None
        return turned_away or (self._request.may_repeat and outcome.status in TRANSIENT)

    def seconds(self, state: RetryCallState) -> float:
        outcome: Any = state.outcome.result() if state.outcome else None
        grown: float = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (state.attempt_number - 1))
        seconds = grown * (0.5 + self._chance() / 2)
        if outcome is None or isinstance(outcome, AppleFailure):
            return seconds
        now = self._clock.now()
        asked = retry_after(outcome, now)
        if asked is not None:
            seconds = asked + self._chance() * FIRST_WAIT
        if outcome.status == 429:
            self._budget.hold(_host(self._request), now + timedelta(seconds=seconds))
        return seconds

    def _signed_anew(self, refused: Response) -> bool:
        if self._renew is None or self._signatures >= SIGNATURES:
            return False
        self._signatures += 1
        return self._renew(self._request.url, server_time(refused))


def _host(request: Request) -> str:
    return urlsplit(request.url).hostname or ""


def _last(state: RetryCallState) -> Any:
    return state.outcome.result() if state.outcome else None


def _out_of_time(request: Request, seconds: float, why: str, *, ambiguous: bool) -> AppleFailure:
    parts = urlsplit(request.url)
    return AppleFailure(
        f"{request.method} {parts.hostname}{parts.path} did not succeed in time",
        why=f"{why}; the next try would come in {seconds:.0f} s, after the stage's deadline",
        remedy="run again later: what was done already is not done twice",
        code="DEADLINE",
        ambiguous=ambiguous,
    )


def retry_after(response: Response, now: datetime) -> float | None:
    """Seconds that the answer asks to wait, from 0 to 3600; None when it asks nothing readable (RFC 9110, 10.2.3)."""
    text = response.headers.get("retry-after", "").strip()[:100]
    if text.isdecimal() and text.isascii():
        return min(float(text), LONGEST_ASKED)
    moment = _http_date(text)
    if moment is None:
        return None
    return min(max(0.0, (moment - now).total_seconds()), LONGEST_ASKED)


def server_time(response: Response) -> float | None:
    """The hour by the server's clock, in seconds since 1970, where the answer tells it."""
    moment = _http_date(response.headers.get("date", "")[:100])
    return None if moment is None else moment.timestamp()


def _http_date(text: str) -> datetime | None:
    from email.utils import parsedate_to_datetime

    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
