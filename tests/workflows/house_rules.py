"""What no validator at hand sees: that steps, options, outputs, artifacts and secrets fit each other and the menu."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from invoke.exceptions import ParseError
from invoke.parser import Parser

from pipeline.tasks import OPTIONS, namespace
from tests.workflows.folder import OURS, Document, Folder, expressions, references

SCRIPTS = re.compile(r"scripts/(?:test(?: [\w/.-]+)*|run (?P<menu>[\w. =/-]+))")
OWN_SCRIPT = re.compile(r'exec "\$GITHUB_ACTION_PATH/(?P<name>[\w-]+)"(?: "\$\w+")*')
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+\n")
WRITES = {("code-scanning", "security-events")}
"""The only job that may write anything."""


def complaints(folder: Folder) -> list[str]:
    """Everything that is wrong with a `.github` folder, one sentence each."""
    return [
        complaint
        for rule in (
            *(runs, pins, permissions, jobs, schedules, secrets),
            *(tasks, action_inputs, outputs, needs, inputs, artifacts),
        )
        for complaint in rule(folder)
    ]


def runs(folder: Folder) -> Iterator[str]:
    """A `run` is one command: scripts/test, the menu, or the one script of a composite action."""
    for document, job, at, step in folder.steps():
        if "run" not in step:
            continue
        where, script = f"{document.name} {job} step {at}", step["run"].strip()
        if "${{" in script:
            yield f"{where}: an expression within a script"
        if step.get("shell") != "bash":
            yield f"{where}: shell is not bash"
        own, call = OWN_SCRIPT.fullmatch(script), SCRIPTS.fullmatch(script)
        if own and not (document.path.parent / own["name"]).is_file():
            yield f"{where}: there is no script {own['name']}"
        if not (own if not job else call):
            yield f"{where}: {script.splitlines()[0]!r} is not one invocation"
        elif call and call["menu"]:
            yield from _parsed(where, shlex.split(call["menu"]))


def _parsed(where: str, arguments: list[str]) -> Iterator[str]:
    try:
        Parser(contexts=namespace.to_contexts()).parse_argv(arguments)
    except ParseError as fault:
        yield f"{where}: the menu does not take {arguments}: {fault}"


def pins(folder: Folder) -> Iterator[str]:
    """Foreign actions are pinned by a full SHA with its version beside it; ours come from the running commit."""
    for document in (*folder.workflows, *folder.actions.values()):
        for line in document.text.splitlines(keepends=True):
            used = line.strip().removeprefix("- ")
            if used.startswith("uses:") and not used.startswith(f"uses: {OURS}") and not PINNED.fullmatch(f"{used}\n"):
                yield f"{document.name}: not pinned: {used}"
    for document, job, at, step in folder.steps():
        if str(step.get("uses", "")).startswith(OURS) and folder.action_of(step) is None:
            yield f"{document.name} {job} step {at}: there is no action {step['uses']}"


def permissions(folder: Folder) -> Iterator[str]:
    """Nothing by default; each job says what it needs; one job writes one thing."""
    for workflow in folder.workflows:
        if workflow.data.get("permissions") != {}:
            yield f"{workflow.name}: permissions are not {{}} at the top"
        for name, job in workflow.jobs.items():
            granted = job.get("permissions")
            if not isinstance(granted, Mapping):
                yield f"{workflow.name} {name}: permissions are not declared one by one"
                continue
            checks_out = any("actions/checkout@" in str(step.get("uses")) for step in job["steps"])
            if checks_out != ("contents" in granted) and name != "code-scanning":
                yield f"{workflow.name} {name}: contents is granted, and nothing is checked out, or the reverse"
            for scope, level in granted.items():
                if level != "read" and (name, scope) not in WRITES:
                    yield f"{workflow.name} {name}: {scope}: {level}"


def jobs(folder: Folder) -> Iterator[str]:
    """Every job ends by itself, every checkout forgets its token, and releases do not cancel each other."""
    for workflow in folder.workflows:
        if "concurrency" not in workflow.data:
            yield f"{workflow.name}: no concurrency"
        for name, job in workflow.jobs.items():
            if not str(job.get("timeout-minutes", "")).isdigit():
                yield f"{workflow.name} {name}: no timeout"
            for step in job["steps"]:
                checkout = "actions/checkout@" in str(step.get("uses"))
                if checkout and (step.get("with") or {}).get("persist-credentials") != "false":
                    yield f"{workflow.name} {name}: the checkout keeps its token"


def schedules(folder: Folder) -> Iterator[str]:
    """A schedule begins at an odd minute, asks for nothing at once, and stands in for the inputs that it cannot give."""
    for workflow in folder.workflows:
        events = workflow.data["on"] if isinstance(workflow.data["on"], Mapping) else {}
        for each in events.get("schedule") or ():
            minute = each["cron"].split()[0]
            if not minute.isdigit() or int(minute) % 2 == 0:
                yield f"{workflow.name}: {each['cron']!r} does not begin at an odd minute"
            for name, job in workflow.jobs.items():
                for key in ("environment", "runs-on"):
                    if any("inputs." in asked and "||" not in asked for asked in expressions(job.get(key))):
                        yield f"{workflow.name} {name}: a schedule gives no input for {key}"


def secrets(folder: Folder) -> Iterator[str]:
    """A secret stands only in the `env` of a step, under its own name, is declared, and comes from an environment."""
    for workflow in folder.workflows:
        placed = list(_placed(workflow))
        everywhere = [found for (found, *_) in references(workflow.data, "secrets")]
        if len(everywhere) != len(placed):
            yield f"{workflow.name}: a secret stands outside the env of a step"
        for job, name, found in placed:
            if name != found:
                yield f"{workflow.name} {job}: the secret {found} is called {name}"
            if "environment" not in workflow.jobs[job]:
                yield f"{workflow.name} {job}: secrets without an environment"
        if re.search(r"secrets\s*\[|toJSON\(\s*secrets|secrets: inherit", workflow.text):
            yield f"{workflow.name}: all secrets at once"
        declared, used = set(workflow.secrets), set(everywhere)
        yield from (f"{workflow.name}: the secret {name} is not declared" for name in sorted(used - declared))
        yield from (f"{workflow.name}: the secret {name} is never used" for name in sorted(declared - used))
    for action in folder.actions.values():
        if list(references(action.data, "secrets")):
            yield f"{action.name}: an action has no secrets"


def _placed(workflow: Document) -> Iterator[tuple[str, str, str]]:
    """Job, variable and secret, for every secret in the env of a step."""
    for job, told in workflow.jobs.items():
        for step in told["steps"]:
            for name, value in (step.get("env") or {}).items():
                yield from ((job, name, found) for (found, *_) in references(value, "secrets"))


def tasks(folder: Folder) -> Iterator[str]:
    """Every step that uses the pipeline names a task of the menu and only options that this task offers."""
    for document, job, at, step in folder.steps():
        if folder.action_of(step) is not folder.actions["pipeline"] or "uses" not in step:
            continue
        where, given = f"{document.name} {job} step {at}", step.get("with") or {}
        task = given.get("task", "")
        if task not in namespace.task_names:
            yield f"{where}: the menu has no task {task!r}"
            continue
        offered = {argument.name for argument in namespace[task].get_arguments()}
        for option in set(given) - {"task", "working-directory", "python-version"}:
            if option.replace("-", "_") not in offered:
                yield f"{where}: {task} has no option {option!r}"


def action_inputs(folder: Folder) -> Iterator[str]:
    """Steps give only inputs that exist, and all that are required; an action uses all it declares, and no other."""
    for document, job, at, step in folder.steps():
        action = folder.action_of(step)
        if action is None:
            continue
        given, declared = set(step.get("with") or {}), action.inputs()
        where = f"{document.name} {job} step {at}"
        yield from (f"{where}: {action.name} has no input {name!r}" for name in sorted(given - set(declared)))
        required = {name for name, told in declared.items() if told.get("required") == "true"}
        yield from (f"{where}: {action.name} needs the input {name!r}" for name in sorted(required - given))
    for action in folder.actions.values():
        used, known = {found[0] for found in references(action.data, "inputs")}, set(action.inputs())
        yield from (f"{action.name}: the input {name!r} is not declared" for name in sorted(used - known))
        yield from (f"{action.name}: the input {name!r} is never used" for name in sorted(known - used))
    yield from _environment(folder.actions["pipeline"])


def _environment(action: Document) -> Iterator[str]:
    """STEP_X is the input x, an option of the menu."""
    own = {"task", "working-directory", "python-version"}
    menu = action.data["runs"]["steps"][-1]["env"]
    for name in action.inputs():
        option = name.replace("-", "_")
        if name not in own and option not in OPTIONS:
            yield f"pipeline: the menu has no option {name!r}"
        if name not in own - {"task"} and menu.get(f"STEP_{option.upper()}") != f"${{{{ inputs.{name} }}}}":
            yield f"pipeline: STEP_{option.upper()} is not the input {name!r}"


def outputs(folder: Folder) -> Iterator[str]:
    """`steps.x.outputs.y` names an earlier step of the same job, and an output that it has."""
    for document in (*folder.workflows, *folder.actions.values()):
        for name, job in (document.jobs or {"": document.data.get("runs", {})}).items():
            told: dict[str, Mapping[str, Any]] = {}
            for step in job.get("steps", []):
                yield from _told(folder, f"{document.name} {name}", references(step, "steps"), told)
                if "id" in step:
                    told[step["id"]] = step
            rest = job.get("outputs") if name else document.data.get("outputs")
            yield from _told(folder, f"{document.name} {name}", references(rest or {}, "steps"), told)


def _told(
    folder: Folder, where: str, asked: Iterator[tuple[str, ...]], told: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    for step, *rest in asked:
        action = folder.action_of(told[step]) if step in told else None
        if step not in told:
            yield f"{where}: no earlier step has the id {step!r}"
        elif action and rest[0] == "outputs" and rest[1] not in (action.data.get("outputs") or {}):
            yield f"{where}: {action.name} has no output {rest[1]!r}"


def needs(folder: Folder) -> Iterator[str]:
    """`needs` names jobs, without a circle; what is asked of a job is among its outputs."""
    for workflow in folder.workflows:
        for name, job in workflow.jobs.items():
            listed = job.get("needs", [])
            yield from (f"{workflow.name} {name}: needs no job: {each}" for each in listed if each not in workflow.jobs)
            if name in _before(workflow, name):
                yield f"{workflow.name} {name}: needs itself"
            for asked in references(job, "needs"):
                if asked[0] not in listed:
                    yield f"{workflow.name} {name}: asks {asked[0]!r}, which it does not need"
                elif asked[1] == "outputs" and asked[2] not in (workflow.jobs[asked[0]].get("outputs") or {}):
                    yield f"{workflow.name} {name}: {asked[0]} has no output {asked[2]!r}"
            matrix = set((job.get("strategy") or {}).get("matrix") or {})
            yield from (
                f"{workflow.name} {name}: no matrix key {asked[0]!r}"
                for asked in references(job, "matrix")
                if asked[0] not in matrix
            )
        for asked in references(workflow.data["on"], "jobs"):
            if asked[2] not in (workflow.jobs.get(asked[0], {}).get("outputs") or {}):
                yield f"{workflow.name}: {asked[0]} has no output {asked[2]!r}"


def _before(workflow: Document, job: str) -> set[str]:
    """All jobs that are over before this one begins."""
    seen: set[str] = set()
    open_ends = list(workflow.jobs[job].get("needs", []))
    while open_ends:
        name = open_ends.pop()
        if name in workflow.jobs and name not in seen:
            seen.add(name)
            open_ends.extend(workflow.jobs[name].get("needs", []))
    return seen


def inputs(folder: Folder) -> Iterator[str]:
    """Both events of a workflow offer the same inputs, each is used, and none is used that is not there."""
    for workflow in folder.workflows:
        events = workflow.data["on"] if isinstance(workflow.data["on"], Mapping) else {}
        offered = [workflow.inputs(event) for event in ("workflow_dispatch", "workflow_call") if event in events]
        if len(offered) == 2 and offered[0] != offered[1]:
            yield f"{workflow.name}: called and dispatched, it takes different inputs"
        declared = set(offered[0]) if offered else set()
        used = {found[0] for found in references(workflow.data, "inputs")}
        yield from (f"{workflow.name}: the input {name!r} is not declared" for name in sorted(used - declared))
        yield from (f"{workflow.name}: the input {name!r} is never used" for name in sorted(declared - used))


def artifacts(folder: Folder) -> Iterator[str]:
    """What a job fetches was kept by a job that was over before, under a name that no other job uses."""
    for workflow in folder.workflows:
        kept = {name: [_words(step) for step in _using(job, "upload-artifact")] for name, job in workflow.jobs.items()}
        names = [word for words in kept.values() for word in words]
        yield from (f"{workflow.name}: the artifact {name!r} is kept twice" for name in names if names.count(name) > 1)
        for name, job in workflow.jobs.items():
            within_reach = [word for earlier in _before(workflow, name) for word in kept[earlier]]
            for step in _using(job, "download-artifact"):
                wanted = _words(step)
                if not any(fnmatchcase(word, wanted) for word in within_reach):
                    yield f"{workflow.name} {name}: nobody kept the artifact {wanted!r} before"
            if "matrix" in (job.get("strategy") or {}):
                yield from (
                    f"{workflow.name} {name}: every cell of the matrix keeps the artifact {word!r}"
                    for word in kept[name]
                    if "*" not in word
                )


def _using(job: Mapping[str, Any], action: str) -> Iterator[Mapping[str, Any]]:
    yield from (step for step in job["steps"] if f"actions/{action}@" in str(step.get("uses")))


def _words(step: Mapping[str, Any]) -> str:
    """The name of an artifact, or the pattern, with a star for every expression."""
    given = step["with"]
    return re.sub(r"\$\{\{.*?\}\}", "*", given.get("name") or given["pattern"])
