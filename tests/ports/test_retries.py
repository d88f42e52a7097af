"""What is sent again, how long it waits, and when it stops: with a clock that is never waited for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model import AppleFailure, Source
from pipeline.ports.http import Request, Response
from pipeline.ports.retries import ATTEMPTS, RequestBudget, RetryingHttp, retry_after, server_time

if TYPE_CHECKING:
    from pipeline.ports.http import Http

HOST = "example.com"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GET = Request("GET", "https://example.com/v1/apps?secret=1")
POST = Request("POST", "https://example.com/v1/buildUploads")
LOST = AppleFailure("lost", ambiguous=True)
UNREACHABLE = AppleFailure("unreachable", ambiguous=False)


class Stopped:
    """A clock that moves only by being slept."""

    source = Source.LIVE

    def __init__(self, deadline: float | None = None) -> None:
        self.hour = NOON
        self.deadline = None if deadline is None else NOON + timedelta(seconds=deadline)
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.hour

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.hour += timedelta(seconds=seconds)


class Script:
    """An Http port that gives the answers it was told to, then 200."""

    source = Source.LIVE

    def __init__(self, *answers: Response | AppleFailure) -> None:
        self.answers = list(answers)
        self.sent: list[Request] = []

    def send(self, request: Request) -> Response:
        self.sent.append(request)
        answer = self.answers.pop(0) if self.answers else Response(200)
        if isinstance(answer, AppleFailure):
            raise answer
        return answer


class Signing(Script):
    """One that can sign anew."""

    def __init__(self, *answers: Response | AppleFailure) -> None:
        super().__init__(*answers)
        self.renewed: list[float | None] = []

    def renew(self, url: str, server_time: float | None = None) -> bool:
        self.renewed.append(server_time)
        return True


def send(inner: Http, request: Request, clock: Stopped | None = None, budget: RequestBudget | None = None) -> Response:
    return RetryingHttp(inner, clock or Stopped(), budget, lambda: 1.0).send(request)


@pytest.mark.parametrize(
    "trouble", [LOST, UNREACHABLE, *(Response(status) for status in (429, 500, 502, 503, 504))], ids=str
)
def test_reads_are_sent_again(trouble: Response | AppleFailure) -> None:
    inner, clock = Script(trouble, trouble, trouble), Stopped()
    assert send(inner, GET, clock).status == 200
    assert clock.slept == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("trouble", [UNREACHABLE, Response(429), Response(503, {"retry-after": "1"})], ids=str)
def test_writes_without_effect_are_sent_again(trouble: Response | AppleFailure) -> None:
    inner = Script(trouble)
    assert send(inner, POST).status == 200
    assert len(inner.sent) == 2


def test_a_write_with_unknown_effect_is_never_sent_again() -> None:
    inner = Script(LOST)
    with pytest.raises(AppleFailure) as raised:
        send(inner, POST)
    assert raised.value.ambiguous
    assert len(inner.sent) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 400, 403, 404, 409])
def test_other_answers_to_writes_are_handed_on(status: int) -> None:
    inner = Script(Response(status))
    assert send(inner, POST).status == status
    assert len(inner.sent) == 1


def test_a_write_that_does_no_harm_twice_counts_as_a_read() -> None:
    inner = Script(LOST, Response(500))
    assert send(inner, Request("PUT", "https://example.com/", repeatable=True)).status == 200


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409])
def test_what_will_not_change_is_not_asked_again(status: int) -> None:
    inner = Script(Response(status))
    assert send(inner, GET).status == status
    assert len(inner.sent) == 1


@pytest.mark.parametrize("code", ["UNTRUSTED", "MALFORMED"])
def test_what_another_try_does_not_mend_is_told_at_once(code: str) -> None:
    inner = Script(AppleFailure("no", code=code))
    with pytest.raises(AppleFailure):
        send(inner, GET)
    assert len(inner.sent) == 1


def test_the_last_answer_is_kept_when_the_tries_are_used_up() -> None:
    inner = Script(*[Response(500)] * 50)
    assert send(inner, GET).status == 500
    assert len(inner.sent) == ATTEMPTS


def test_the_last_failure_is_raised_when_the_tries_are_used_up() -> None:
    with pytest.raises(AppleFailure, match="lost"):
        send(Script(*[LOST] * 50), GET)


def test_retry_after_is_obeyed() -> None:
    clock = Stopped()
    send(Script(Response(429, {"retry-after": "17"})), GET, clock)
    assert clock.slept[0] == pytest.approx(18.0)


def test_nothing_waits_beyond_the_deadline() -> None:
    inner, clock = Script(*[Response(503, {"retry-after": "20"})] * 9), Stopped(deadline=50)
    with pytest.raises(AppleFailure, match="did not succeed in time") as raised:
        send(inner, GET, clock)
    assert sum(clock.slept) <= 50
    assert "503" in raised.value.why
    assert "secret" not in str(raised.value)


def test_a_lost_answer_before_the_deadline_tells_its_cause() -> None:
    with pytest.raises(AppleFailure, match="lost"):
        send(Script(*[LOST] * 9), GET, Stopped(deadline=0.5))


def test_a_repeatable_write_that_ran_out_of_time_may_have_had_its_effect() -> None:
    write = Request("PUT", "https://example.com/", repeatable=True)
    with pytest.raises(AppleFailure, match="in time") as raised:
        send(Script(*[LOST] * 9), write, Stopped(deadline=2))
    assert raised.value.ambiguous


def test_one_request_does_not_outlast_the_deadline() -> None:
    inner = Script()
    send(inner, GET, Stopped(deadline=30))
    assert inner.sent[0].timeout == 30


def test_a_refused_token_is_signed_anew_twice() -> None:
    refused = Response(401, {"date": "Thu, 01 Jan 2026 12:00:00 GMT"})
    inner = Signing(refused, refused)
    assert send(inner, POST).status == 200
    assert inner.renewed == [NOON.timestamp()] * 2
    assert send(Signing(*[refused] * 9), GET).status == 401


def test_a_429_holds_every_thread_of_the_key() -> None:
    clock, budget = Stopped(), RequestBudget()
    first = RetryingHttp(Script(Response(429, {"retry-after": "30"})), clock, budget, lambda: 0.0)
    budget.hold(HOST, NOON + timedelta(seconds=30))
    assert budget.pause(HOST, NOON) == 30
    assert budget.pause("other.example.com", NOON) == 0
    first.send(GET)
    assert budget.pause(HOST, clock.now()) == 0


def test_requests_are_spread_out_when_the_budget_is_nearly_used_up() -> None:
    clock, budget = Stopped(), RequestBudget()
    for left, expected in ((3567, 0.0), (359, 1.0), (0, 10.0)):
        budget.note(HOST, f"user-hour-lim:3600;user-hour-rem:{left};")
        assert budget.pause(HOST, NOON) == expected
    send(Script(), GET, clock, budget)
    assert clock.slept == [10.0]


def test_both_windows_are_read_from_joined_headers() -> None:
    budget = RequestBudget()
    budget.note(HOST, "user-hour-lim:3600;user-hour-rem:3000;, user-minute-lim:150;user-minute-rem:3;")
    assert budget.pause(HOST, NOON) == pytest.approx(0.4)


def test_a_used_up_budget_past_the_deadline_is_a_failure() -> None:
    budget = RequestBudget()
    budget.hold(HOST, NOON + timedelta(hours=1))
    with pytest.raises(AppleFailure, match="budget"):
        send(Script(), GET, Stopped(deadline=60), budget)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5.0),
        ("Thu, 01 Jan 2026 12:00:09 GMT", 9.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("999999999", 3600.0),
        ("soon", None),
        ("-5", None),
        ("٣", None),
        ("", None),
    ],
)
def test_retry_after_is_read(text: str, seconds: float | None) -> None:
    assert retry_after(Response(429, {"retry-after": text}), NOON) == seconds


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_headers_of_any_kind_are_read_without_a_traceback(text: str) -> None:
    budget = RequestBudget()
    budget.note(HOST, text)
    assert 0 <= budget.pause(HOST, NOON) <= 3600
    answer = Response(429, {"retry-after": text, "date": text})
    asked = retry_after(answer, NOON)
    assert asked is None or 0 <= asked <= 3600
    server_time(answer)
