"""What a reader says about bytes that are not what they claim to be."""

from __future__ import annotations


class Malformed(ValueError):
    """The bytes break the rules of their format, or lie about themselves. The text is meant for a person."""


class Unsupported(Malformed):
    """The bytes may be right, but this reader does not know that variant of the format."""


class StaticLibrary(Unsupported):
    """A file for several architectures whose parts are no code to be loaded, but archives of a linker."""


class Excessive(Malformed):
    """Reading on would need more memory or time than an app's product can honestly ask for."""
