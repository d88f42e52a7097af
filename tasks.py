"""The menu, for `invoke` in this folder; `release-pipeline` offers the same one from any folder."""

from pipeline.tasks import namespace

__all__ = ["namespace"]
