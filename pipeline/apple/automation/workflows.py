"""Reads the YAML of build services as jobs and steps, and remembers where each script begins.

GitHub's grammar: docs.github.com, Workflow syntax. Of other services only scripts, images and versions are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from pipeline.values import dataclass

if TYPE_CHECKING:
    # The stubs give a node neither its kind nor its style.
    Node = Any

SIZE_LIMIT = 1024 * 1024
NODE_LIMIT = 50_000
STEP_LIMIT = 500
JOB_LIMIT = 300
DEPTH_LIMIT = 200

EXPRESSION = re.compile(r"\$\{\{\s{0,40}((?:[^}]|\}(?!\})){0,500}?)\s{0,40}\}\}")
_STEEP = re.compile(r"^(?: {1000}|[ ]*+(?:[-?] ){200})", re.MULTILINE)
_SAVED = re.compile(r"\b([A-Za-z_]\w*)(?:=|<<)")


class BrokenWorkflow(ValueError):  # reads as what happened
    """A file that is no YAML. `line` counts from 1."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


@dataclass(frozen=True)
class Text:
    """A scalar and where it begins, from 1. `block` says that it is written below its key, line for line."""

    text: str
    line: int
    block: bool = False


@dataclass(frozen=True)
class Step:
    """One step: a script, or an action that it uses. `folder` is None where it cannot be told."""

    line: int
    script: Text | None = None
    folder: str | None = ""
    names: Mapping[str, str] = field(default_factory=dict)
    uses: str = ""
    inputs: Mapping[str, Text] = field(default_factory=dict)
    tolerated: bool = False


@dataclass(frozen=True)
class JobText:
    """A job as it is written.

    `here` says that the steps work on a checkout of this repository at the usual place, `off` that it never runs; then
    nothing else of it is told.
    """

    name: str
    line: int
    service: str
    runners: tuple[Text, ...] = ()
    steps: tuple[Step, ...] = ()
    here: bool = True
    xcodes: tuple[Text, ...] = ()
    publishes: Text | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    off: bool = False


def composed(data: bytes) -> Node | None:
    """The first document of a YAML file as nodes; None when it is empty.

    Raises:
        BrokenWorkflow: it is too large, or no YAML.
    """
    import yaml

    if len(data) > SIZE_LIMIT:
        raise BrokenWorkflow(f"it is larger than {SIZE_LIMIT:,} bytes")
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = data.decode("utf-8-sig")
        if _is_deep(text):
            raise BrokenWorkflow(f"it is nested more than {DEPTH_LIMIT} deep")
        return next(iter(yaml.compose_all(text, Loader=loader)), None)
    except UnicodeDecodeError as fault:
        raise BrokenWorkflow("it is not UTF-8 text", data.count(b"\n", 0, fault.start) + 1) from fault
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        raise BrokenWorkflow(fault.problem or "it is no YAML", mark.line + 1 if mark else None) from fault
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as fault:
        if isinstance(fault, BrokenWorkflow):
            raise
        raise BrokenWorkflow("it is no YAML that can be read") from fault


def _is_deep(text: str) -> bool:
    """Whether brackets or indentation open more levels than a person writes: libyaml recurses into each."""
    if text.count("[") + text.count("{") > DEPTH_LIMIT:
        depth = most = 0
        for bracket in re.findall(r"[\[\]{}]", text):
            depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
            most = max(most, depth)
        if most > DEPTH_LIMIT:
            return True
    # A block needs a space at least for each level below the first, or a dash and a space.
    return bool(_STEEP.search(text))


def entries(node: Node | None) -> dict[str, Node]:
    """The entries of a mapping by name; empty for anything else. Merged mappings (`<<`) come last."""
    found: dict[str, Node] = {}
    merged: list[Node] = []
    for key, value in node.value if node is not None and node.id == "mapping" else ():
        if key.id != "scalar":
            continue
        if key.value == "<<":
            merged += value.value if value.id == "sequence" else [value]
        else:
            found[key.value] = value
    for other in merged[:20]:
        for key, value in other.value if other.id == "mapping" else ():
            if key.id == "scalar":
                found.setdefault(key.value, value)
    return found


def items(node: Node | None) -> list[Node]:
    """The items of a sequence; a lone value is a sequence of one."""
    if node is None:
        return []
    return list(node.value) if node.id == "sequence" else [node]


def text_of(node: Node | None) -> Text | None:
    """A scalar with its line; None for anything else."""
    if node is None or node.id != "scalar":
        return None
    block = node.style in ("|", ">")
    return Text(node.value, node.start_mark.line + (2 if block else 1), block)


def plain(node: Node | None) -> str:
    """The text of a scalar; "" for anything else."""
    return node.value if node is not None and node.id == "scalar" else ""


def filled(text: str, names: Mapping[str, str]) -> str | None:
    """A text with its expressions replaced by what is known; None where one is not."""
    missing = False

    def known(match: re.Match[str]) -> str:
        nonlocal missing
        value = names.get(match[1])
        missing = missing or value is None
        return value or ""

    told = EXPRESSION.sub(known, text) if "${{" in text else text
    return None if missing else told


def github_jobs(root: Node | None) -> Iterator[JobText]:
    """The jobs of a GitHub workflow, or the one job that a composite action is."""
    top = entries(root)
    names: dict[str, str] = {"github.workspace": ".", "GITHUB_WORKSPACE": ".", "runner.os": "macOS"}
    outer = _with_env(names, top.get("env"))
    folder = _folder(top.get("defaults"), "", outer)
    if "runs" in top:
        steps = items(entries(top["runs"]).get("steps"))
        yield JobText("", 1, "github", steps=tuple(_steps(steps, "", names)))
        return
    for name, node in list(entries(top.get("jobs")).items())[:JOB_LIMIT]:
        job = entries(node)
        if _is_false(job.get("if")):
            place = job["if"].start_mark.line + 1
            yield JobText(name, place, "github", off=True)
            continue
        if "steps" not in job:
            continue
        matrix = _matrix(entries(job.get("strategy")).get("matrix"))
        single = {key: texts[0].text for key, texts in matrix.items() if len({one.text for one in texts}) == 1}
        inner = _with_env({**outer, **single}, job.get("env"))
        raw = items(job["steps"])[:STEP_LIMIT]
        for saved in _saved(raw):
            inner.pop(saved, None)
            inner.pop(f"env.{saved}", None)
        steps_read = tuple(_steps(raw, _folder(job.get("defaults"), folder, inner), inner))
        yield JobText(
            name,
            node.start_mark.line + 1 if node.start_mark.line else 1,
            "github",
            tuple(_runners(job.get("runs-on"), matrix, inner)),
            steps_read,
            _is_here(steps_read),
            names=inner,
        )


def action_steps(root: Node | None, used: Step) -> tuple[Step, ...] | None:
    """The steps of a composite action, with the inputs that a step gives it; None for an action of another kind."""
    top = entries(root)
    runs = entries(top.get("runs"))
    if "steps" not in runs:
        return None
    names = {key: value for key, value in used.names.items() if not key.startswith("inputs.")}
    for name, node in entries(top.get("inputs")).items():
        given = used.inputs.get(name) or text_of(entries(node).get("default"))
        told = filled(given.text, used.names) if given else None
        if told is not None:
            names[f"inputs.{name}"] = told
    return tuple(_steps(items(runs["steps"])[:STEP_LIMIT], "", names))


def _is_here(steps: tuple[Step, ...]) -> bool:
    checkouts = [step for step in steps if step.uses.partition("@")[0].lower() == "actions/checkout"]
    return len(checkouts) == 1 and not {"path", "repository"} & set(checkouts[0].inputs)


def _with_env(names: Mapping[str, str], node: Node | None) -> dict[str, str]:
    found = dict(names)
    for key, value in entries(node).items():
        told = filled(value.value, names) if value.id == "scalar" else None
        for name in (key, f"env.{key}"):
            if told is None:
                found.pop(name, None)
            else:
                found[name] = told
    return found


def _saved(steps: list[Node]) -> Iterator[str]:
    """The names that steps write into the environment of those after them."""
    for node in steps:
        script = plain(entries(node).get("run"))
        if "GITHUB_ENV" in script:
            for line in script.split("\n"):
                yield from _SAVED.findall(line)


def _folder(defaults: Node | None, outer: str | None, names: Mapping[str, str]) -> str | None:
    named = entries(entries(defaults).get("run")).get("working-directory")
    return outer if named is None else filled(plain(named), names)


def _is_false(node: Node | None) -> bool:
    return re.sub(r"[\s${}]", "", plain(node)).lower() == "false" if node is not None else False


def _steps(nodes: list[Node], folder: str | None, names: Mapping[str, str]) -> Iterator[Step]:
    for node in nodes:
        step = entries(node)
        if not step or _is_false(step.get("if")):
            continue
        inner = _with_env(names, step.get("env"))
        own = step.get("working-directory")
        shell = plain(step.get("shell"))
        script = text_of(step.get("run"))
        if script is not None and shell and not re.match(r"(?:bash|sh|zsh|/bin/)", shell):
            script = None
        inputs = {key: told for key, value in entries(step.get("with")).items() if (told := text_of(value))}
        yield Step(
            node.start_mark.line + 1,
            script,
            folder if own is None else filled(plain(own), inner),
            inner,
            plain(step.get("uses")),
            inputs,
            plain(step.get("continue-on-error")) == "true",
        )


def _matrix(node: Node | None) -> dict[str, list[Text]]:
    found: dict[str, list[Text]] = {}
    held = entries(node)
    for key, value in held.items():
        if key in ("include", "exclude"):
            continue
        if value.id == "sequence":
            found[f"matrix.{key}"] = [told for one in value.value[:100] if (told := text_of(one))]
    for one in items(held.get("include"))[:100]:
        for key, value in entries(one).items():
            if told := text_of(value):
                found.setdefault(f"matrix.{key}", []).append(told)
    return found


def _runners(node: Node | None, matrix: Mapping[str, list[Text]], names: Mapping[str, str]) -> Iterator[Text]:
    labels = entries(node).get("labels") if node is not None and node.id == "mapping" else node
    told = [one for each in items(labels) if (one := text_of(each))]
    if len(told) != 1:
        # A list of labels asks for a runner that bears them all: a machine of one's own.
        return
    match = re.fullmatch(r"\$\{\{\s*(matrix\.[\w-]+)\s*\}\}", told[0].text.strip())
    if match:
        yield from matrix.get(match[1], ())
        return
    known = filled(told[0].text, names)
    if known is not None:
        yield replace(told[0], text=known)


_SCRIPTS = frozenset({"script", "scripts", "before_script", "after_script", "content", "bash", "inlineScript", "run"})


def other_jobs(root: Node | None, service: str) -> Iterator[JobText]:
    """The scripts of another service's file: one job each for Codemagic's workflows, else one for the whole file."""
    if service == "codemagic":
        for name, node in list(entries(entries(root).get("workflows")).items())[:JOB_LIMIT]:
            workflow = entries(node)
            environment = entries(workflow.get("environment"))
            xcode = text_of(environment.get("xcode"))
            published = entries(workflow.get("publishing")).get("app_store_connect")
            yield JobText(
                name,
                node.start_mark.line + 1,
                service,
                steps=tuple(_scripts(node)),
                xcodes=(xcode,) if xcode else (),
                publishes=Text("", published.start_mark.line + 1) if published is not None else None,
            )
        return
    if root is not None:
        yield JobText("", 1, service, tuple(_images(root)), tuple(_scripts(root)))


def _walk(node: Node) -> Iterator[tuple[str, Node]]:
    """All entries of all mappings below a node, each with its key; bounded, and each shared node once."""
    pending, seen = [node], set[int]()
    while pending and len(seen) < NODE_LIMIT:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if one.id == "mapping":
            for key, value in reversed(one.value):
                pending.append(value)
                if key.id == "scalar":
                    yield key.value, value
        elif one.id == "sequence":
            pending.extend(reversed(one.value))


def _scripts(node: Node) -> Iterator[Step]:
    found: dict[int, Step] = {}
    for key, value in _walk(node):
        if key not in _SCRIPTS:
            continue
        for one in items(value)[:STEP_LIMIT]:
            told = text_of(one)
            if told and len(found) < STEP_LIMIT:
                found[one.start_mark.index] = Step(told.line, told, None)
    for position in sorted(found):
        yield found[position]


def _images(node: Node) -> Iterator[Text]:
    for key, value in _walk(node):
        if key == "vmImage" and (told := text_of(value)) and "$" not in told.text:
            yield told
