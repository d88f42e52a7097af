"""Phrases that several checks of projects share: what is missing, what is undefined, what is spoilt."""

from __future__ import annotations

from pipeline.apple.xcode.facts import ProjectProblems, Undefined
from pipeline.apple.xcode.settings import TEAM


def missing_files(problems: ProjectProblems) -> str:
    """The configuration files that are not here, as a phrase; "" when all are."""
    return ", ".join(dict.fromkeys(problem.missing for problem in problems.problems if problem.missing))


def possible_files(problems: ProjectProblems) -> str:
    """The files that are not here and might define a setting, those among them that need not be here; "" for none."""
    named = (problem.missing or problem.optional for problem in problems.problems)
    return ", ".join(dict.fromkeys(name for name in named if name))


def names_of(each: Undefined) -> str:
    """The undefined settings that a value refers to; "" when it is only the team, of which PROJ020 speaks."""
    return ", ".join(name for name in each.names if name != TEAM)


def is_spoilt(each: Undefined) -> bool:
    """Whether an undefined setting leaves a hole, and not just an empty prefix or suffix of a whole value."""
    rest = each.rest.strip()
    return not rest or rest.startswith((".", "-")) or rest.endswith((".", "-", "/")) or ".." in rest
