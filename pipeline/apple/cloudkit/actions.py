"""What can be changed about a container's schema."""

from __future__ import annotations

from typing import ClassVar

from pipeline.model import Action, Risk, late
from pipeline.values import dataclass


@dataclass(frozen=True)
class ImportSchema(Action):
    """Make the development environment say what a schema file says.

    There is no such action for production: deploying is a person's click in the CloudKit Console (the management API
    answers "endpoint not applicable in the environment 'production'").

    Attributes:
        team_id, container: where.
        sha256: lower-case hex digest of the file that was judged.
        path: the file, relative to the app's root or absolute.
    """

    risk: ClassVar[Risk] = Risk.GUARDED

    team_id: str
    container: str
    sha256: str
    path: str = late()

    @property
    def subject(self) -> str:
        return f"cloudkit/{self.container}/DEVELOPMENT"

    def describe(self) -> str:
        return f"import schema {self.sha256[:12]} into the development environment of {self.container}"
