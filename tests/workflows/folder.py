"""A `.github` folder as values: workflows, jobs, steps and composite actions, every scalar as its text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

OURS = "$/.github/actions/"
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice; YAML would keep the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        if len(keys) != len(set(keys)):
            raise yaml.constructor.ConstructorError(None, None, f"a key stands twice in {keys}", node.start_mark)
        return super().construct_mapping(node, deep=deep)


# Everything a text, as GitHub sees inputs: `on`, `yes` and 3.10 must stay what they are.
_Loader.yaml_implicit_resolvers = {}


@dataclass(frozen=True)
class Document:
    """One file: a workflow, or the definition of a composite action."""

    path: Path
    text: str
    data: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.path.stem if self.path.parent.name == "workflows" else self.path.parent.name

    @property
    def jobs(self) -> Mapping[str, Mapping[str, Any]]:
        return self.data.get("jobs") or {}

    @property
    def secrets(self) -> Mapping[str, Any]:
        """What a caller of the workflow hands over."""
        events = self.data["on"]
        return ((events.get("workflow_call") or {}) if isinstance(events, Mapping) else {}).get("secrets") or {}

    def inputs(self, event: str = "") -> Mapping[str, Mapping[str, Any]]:
        """The inputs of an action, or of one event of a workflow."""
        return ((self.data["on"].get(event) or {}) if event else self.data).get("inputs") or {}


@dataclass(frozen=True)
class Folder:
    """All workflows and composite actions."""

    workflows: tuple[Document, ...]
    actions: Mapping[str, Document]

    def steps(self) -> Iterator[tuple[Document, str, int, Mapping[str, Any]]]:
        """Document, job ("" in an action), position and step."""
        for workflow in self.workflows:
            for job, told in workflow.jobs.items():
                yield from ((workflow, job, at, step) for at, step in enumerate(told.get("steps", [])))
        for action in self.actions.values():
            yield from ((action, "", at, step) for at, step in enumerate(action.data["runs"]["steps"]))

    def action_of(self, step: Mapping[str, Any]) -> Document | None:
        """Our composite action that a step uses."""
        uses = str(step.get("uses", ""))
        return self.actions.get(uses.removeprefix(OURS)) if uses.startswith(OURS) else None


def read(github: Path) -> Folder:
    """Read a `.github` folder. Raises yaml.YAMLError."""
    return Folder(
        tuple(_document(path) for path in sorted(github.glob("workflows/*.yml"))),
        {path.parent.name: _document(path) for path in sorted(github.glob("actions/*/action.yml"))},
    )


def _document(path: Path) -> Document:
    text = path.read_text(encoding="utf-8")
    return Document(path, text, yaml.load(text, _Loader))


def expressions(value: Any) -> Iterator[str]:
    """Every `${{ … }}` below a value; an `if` is one even without the braces."""
    if isinstance(value, str):
        yield from (found.strip() for found in _EXPRESSION.findall(value))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "if" and isinstance(inner, str) and "${{" not in inner:
                yield inner
            yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)


def references(value: Any, context: str) -> Iterator[tuple[str, ...]]:
    """The paths below a context that expressions ask for: `needs.a.outputs.b` is ("a", "outputs", "b")."""
    for expression in expressions(value):
        bare = re.sub(r"'[^']*'", "''", expression)
        for found in re.findall(rf"(?<![\w.-]){context}((?:\.[\w-]+)+)", bare):
            yield tuple(found[1:].split("."))
