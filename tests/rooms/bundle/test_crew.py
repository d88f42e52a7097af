"""Many hands give the same answers in the same order as one."""

from __future__ import annotations

import pytest

from pipeline.apple.bundle.crew import WORTH_IT, Crew
from pipeline.apple.bundle.faults import Malformed

NAMES = [f"file {number}" for number in range(700)]


def told(name: str) -> str:
    if name == "file 13":
        raise Malformed("file 13 is damaged")
    return name.upper()


@pytest.mark.parametrize("size", [1, WORTH_IT])
def test_answers_come_in_order_and_faults_with_them(size: int) -> None:
    with Crew(size) as crew:
        found = crew.gather(told, NAMES, [size + number for number in range(len(NAMES))])
    assert [str(each) for each in found] == [
        "file 13 is damaged" if name == "file 13" else name.upper() for name in NAMES
    ]
    assert isinstance(found[13], Malformed)


@pytest.mark.parametrize("size", [1, WORTH_IT])
def test_other_faults_are_raised(size: int) -> None:
    def fail(name: str) -> str:
        raise KeyError(name)

    with Crew(size) as crew, pytest.raises(KeyError):
        crew.gather(fail, ["a", "b"], [WORTH_IT, size])


@pytest.mark.parametrize("size", [1, None])
def test_work_that_was_begun_is_answered(size: int | None) -> None:
    with Crew(size) as crew:
        assert crew.begin(str.upper, "abc")() == "ABC"
