"""Frozen dataclasses that are cheap to define: a run defines more than a hundred, and each costs a start its share.

`dataclasses.dataclass(frozen=True)` compiles six methods a class. Here only `__init__` is compiled, in a form that is
also cheaper to call; equality, hash, repr and immutability are shared functions that read the fields. `fields`,
`replace`, `asdict` and type checkers see no difference. From Python 3.13 on the standard library compiles all methods
of a class at once, and is used as it is.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.version_info >= (3, 13):
    from dataclasses import dataclass
else:
    import dataclasses
    from reprlib import recursive_repr

    def _told(self) -> tuple:  # noqa: ANN001
        return tuple([getattr(self, told.name) for told in self.__value_fields__ if told.compare])

    def _eq(self, other) -> bool:  # noqa: ANN001
        return _told(self) == _told(other) if other.__class__ is self.__class__ else NotImplemented

    def _hash(self) -> int:  # noqa: ANN001
        return hash(_told(self))

    @recursive_repr()
    def _repr(self) -> str:  # noqa: ANN001
        shown = [f"{told.name}={getattr(self, told.name)!r}" for told in self.__value_fields__ if told.repr]
        return f"{self.__class__.__qualname__}({', '.join(shown)})"

    def _set(self, name: str, value: object) -> None:  # noqa: ANN001
        # A field can be set once, which is what `__init__` does.
        if name in self.__dict__ or name not in self.__value_names__:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        self.__dict__[name] = value

    def _init(made):  # noqa: ANN001, ANN202
        """Fills the instance's dictionary at once: setting one field after another would take `_set` each time."""
        arguments, body, names = ["self"], ["_into = self.__dict__"], {"_absent": _ABSENT}
        for each in made.__value_fields__:
            given = each.name
            if each.default_factory is not dataclasses.MISSING:
                names[f"_make_{given}"] = each.default_factory
                arguments.append(f"{given}=_absent")
                body.append(f"_into[{given!r}] = _make_{given}() if {given} is _absent else {given}")
                continue
            if each.default is not dataclasses.MISSING:
                names[f"_default_{given}"] = each.default
                arguments.append(f"{given}=_default_{given}")
            else:
                arguments.append(given)
            body.append(f"_into[{given!r}] = {given}")
        if hasattr(made, "__post_init__"):
            body.append("self.__post_init__()")
        source = f"def __init__({', '.join(arguments)}):\n  " + "\n  ".join(body)
        exec(source, names)  # noqa: S102 -- as dataclasses does
        return names["__init__"]

    def _delete(_self, name: str) -> None:  # noqa: ANN001
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    _ABSENT = object()
    _SHARED = {
        "__eq__": _eq,
        "__hash__": _hash,
        "__repr__": _repr,
        "__setattr__": _set,
        "__delattr__": _delete,
    }

    def dataclass(cls=None, /, *, frozen=False, **options):  # noqa: ANN001, ANN003, ANN201
        """As `dataclasses.dataclass`; the short way is taken for a plain frozen class."""
        if cls is None:
            return lambda late: dataclass(late, frozen=frozen, **options)
        if not frozen or options or any(dataclasses.is_dataclass(base) for base in cls.__mro__[1:]):
            return dataclasses.dataclass(cls, frozen=frozen, **options)
        made = dataclasses.dataclass(cls, init=False, repr=False, eq=False)
        for option in ("init", "frozen", "eq", "repr"):
            setattr(made.__dataclass_params__, option, True)
        made.__value_fields__ = told = dataclasses.fields(made)
        made.__value_names__ = frozenset(each.name for each in told)
        made.__init__ = _init(made)
        for name, method in _SHARED.items():
            if name not in cls.__dict__:
                setattr(made, name, method)
        return made


__all__ = ["dataclass"]
