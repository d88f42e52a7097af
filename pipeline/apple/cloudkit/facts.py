"""What can be known about a container's schema: what the app's files say, and what the container has."""

from __future__ import annotations

from typing import ClassVar

from pipeline.apple.cloudkit.schema import SchemaText, read_schema
from pipeline.lazily import cached_property
from pipeline.values import dataclass


@dataclass(frozen=True)
class LocalSchema:
    """The schema file of the app.

    Attributes:
        path: relative to the app's root where it lies below it; empty when there is no schema file.
        text: what the file holds; None when there is no file or it cannot be read.
        fault: why the file cannot be read.
        others: several schema files were found, none is declared, and so none was chosen.
    """

    path: str = ""
    text: str | None = None
    fault: str = ""
    others: tuple[str, ...] = ()

    @cached_property
    def reading(self) -> SchemaText:
        """What the text means, and its problems."""
        return read_schema(self.text) if self.text is not None else SchemaText(None)


@dataclass(frozen=True)
class ContainerSchema:
    """The schema of one environment of one container, as CloudKit exports it.

    Attributes:
        container: its identifier; empty when the app declares none.
        text: the export; None when nobody asked.
        unasked: why nobody asked although there is a container.
    """

    environment: ClassVar[str]

    container: str = ""
    text: str | None = None
    unasked: str = ""

    @cached_property
    def reading(self) -> SchemaText:
        """What the text means, and its problems."""
        return read_schema(self.text) if self.text is not None else SchemaText(None)


@dataclass(frozen=True)
class DevelopmentSchema(ContainerSchema):
    """The environment that development builds use."""

    environment = "DEVELOPMENT"


@dataclass(frozen=True)
class ProductionSchema(ContainerSchema):
    """The environment that TestFlight and the App Store use; it only ever grows."""

    environment = "PRODUCTION"
