"""Properties that are computed when first asked for, without the lock that functools shared among all instances.

Until Python 3.11 `functools.cached_property` holds one lock for all objects of a class while it computes. Two lanes
that look at the same workspace side by side, which has a lock of its own, then wait for each other for ever. From 3.12
on the standard library has no such lock; computing twice, which may happen instead, gives equal values.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.version_info >= (3, 12):
    from functools import cached_property
else:

    class cached_property:  # noqa: N801 - it stands for functools'
        """A property whose value is kept in the instance's `__dict__` under its own name."""

        def __init__(self, function) -> None:  # noqa: ANN001
            self.function = function
            self.__doc__ = function.__doc__

        def __set_name__(self, owner, name) -> None:  # noqa: ANN001
            self.name = name

        def __get__(self, instance, owner=None):  # noqa: ANN001, ANN204
            if instance is None:
                return self
            value = self.function(instance)
            return instance.__dict__.setdefault(self.name, value)


__all__ = ["cached_property"]
