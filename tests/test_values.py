"""Cheap frozen dataclasses behave as the standard library's."""

from __future__ import annotations

import dataclasses
from dataclasses import field
from functools import cached_property
from typing import ClassVar

import pytest

from pipeline.values import dataclass


@dataclass(frozen=True)
class Ours:
    a: int
    b: tuple[str, ...] = ()
    c: dict[str, int] = field(default_factory=dict, compare=False, repr=False)
    kind: ClassVar[str] = "k"

    @cached_property
    def double(self) -> int:
        return 2 * self.a


@dataclasses.dataclass(frozen=True)
class Theirs:
    a: int
    b: tuple[str, ...] = ()
    c: dict[str, int] = field(default_factory=dict, compare=False, repr=False)
    kind: ClassVar[str] = "k"


@dataclass(frozen=True)
class Below(Ours):
    d: int = 4


@dataclasses.dataclass(frozen=True)
class AlsoBelow(Ours):
    d: int = 4


def test_equality_hash_and_repr() -> None:
    assert Ours(1) == Ours(1, c={"x": 1})
    assert Ours(1) != Ours(2)
    assert Ours(1) != Theirs(1)
    assert hash(Ours(1, ("x",))) == hash(Ours(1, ("x",)))
    assert repr(Ours(1, ("x",))) == "Ours(a=1, b=('x',))"
    assert repr(Theirs(1, ("x",))) == "Theirs(a=1, b=('x',))"


@pytest.mark.parametrize("value", [Ours(1), Below(1), AlsoBelow(1)])
def test_nothing_can_be_changed(value: Ours) -> None:
    for name in ("a", "b", "c", "kind", "new"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, 3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        del value.a  # type: ignore[misc]
    assert value.double == 2


def test_the_tools_of_dataclasses_work() -> None:
    assert [f.name for f in dataclasses.fields(Below)] == ["a", "b", "c", "d"]
    assert dataclasses.replace(Below(1), a=5) == Below(5)
    assert dataclasses.asdict(Ours(1)) == dataclasses.asdict(Theirs(1))
    assert dataclasses.is_dataclass(Ours)
    with pytest.raises(TypeError):
        Ours()  # type: ignore[call-arg]


def test_own_methods_are_kept() -> None:
    @dataclass(frozen=True)
    class Loud:
        a: int

        def __repr__(self) -> str:
            return "!"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    assert repr(Loud(1)) == "!"
    assert Loud(1) == 3
    assert hash(Loud(1)) == 7
