"""Seeded defects: each is one slip of the pen in our own files, and one rule or validator must tell it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflows.folder import read
from tests.workflows.house_rules import complaints
from tests.workflows.test_validators import run

CI, RELEASE, NIGHTLY = "workflows/ci.yml", "workflows/release.yml", "workflows/certificates.yml"
PIPELINE = "actions/pipeline/action.yml"
CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"

# file, what stands there, what stands there instead, what is said of it
HOUSE = {
    "logic in a script": (CI, "run: scripts/test\n", "run: scripts/test && rm -rf build\n", "not one invocation"),
    "another command": (CI, "run: scripts/test\n", "run: make\n", "not one invocation"),
    "an unknown option": (CI, "release --dry-run", "release --dryrun", "the menu does not take"),
    "an unknown task": (CI, "run: scripts/run release", "run: scripts/run relaese", "the menu does not take"),
    "an expression in a script": (CI, "run: scripts/test\n", "run: scripts/test ${{ github.head_ref }}\n", "within a script"),
    "no shell": (CI, "shell: bash\n        run: scripts/test\n", "run: scripts/test\n", "shell is not bash"),
    "a script that is not there": (PIPELINE, '/step"', '/stop"', "there is no script stop"),
    "a tag for a pin": (CI, CHECKOUT, "actions/checkout@v7", "not pinned"),
    "a short pin": (CI, CHECKOUT, "actions/checkout@3d3c42e5 # v7.0.1", "not pinned"),
    "a pin without its version": (CI, CHECKOUT, CHECKOUT.partition(" ")[0], "not pinned"),
    "an action from the checkout": (CI, "uses: $/", "uses: ./", "not pinned"),
    "an action that is not there": (CI, "$/.github/actions/pipeline", "$/.github/actions/pipelines", "there is no action"),
    "permissions for all": (CI, "permissions: {}", "permissions: read-all", "not {} at the top"),
    "a job without permissions": (CI, "    permissions:\n      contents: read # to check out\n", "", "not declared"),
    "a job that may write": (RELEASE, "contents: read # to check out", "contents: write", "contents: write"),
    "a job that may more than it must": (RELEASE, "permissions: {}\n    steps", "permissions:\n      contents: read\n    steps", "or the reverse"),
    "no timeout": (CI, "    timeout-minutes: 30\n", "", "no timeout"),
    "a kept token": (CI, "persist-credentials: false", "persist-credentials: true", "keeps its token"),
    "no concurrency": (CI, "concurrency:\n  group: ci-${{ github.ref }}\n  cancel-in-progress: true\n", "", "no concurrency"),
    "a schedule on the hour": (NIGHTLY, '"37 4 * * *"', '"0 4 * * *"', "does not begin at an odd minute"),
    "an environment that a schedule cannot name": (NIGHTLY, " || 'app-store-connect'", "", "a schedule gives no input for environment"),
    "an option that the table does not offer": (NIGHTLY, "          vault: ${{", "          kind: ${{", "certs.table has no option 'kind'"),
    "a secret of a whole job": (RELEASE, "    outputs:\n      run: ${{ steps.plan", "    env:\n      ASC_KEY_ID: ${{ secrets.ASC_KEY_ID }}\n    outputs:\n      run: ${{ steps.plan", "outside the env"),
    "a secret as an argument": (RELEASE, "by: ${{ github.actor }}", "by: ${{ secrets.ASC_KEY_ID }}", "outside the env"),
    "a secret in a condition": (RELEASE, "if: ${{ always() }}", "if: secrets.SIGNING_PROFILES", "outside the env"),
    "a secret that is not declared": (RELEASE, "secrets.SIGNING_PROFILES }}", "secrets.SIGNING_PROFILE }}", "is not declared"),
    "a secret under another's name": (RELEASE, "ASC_KEY_ID: ${{ secrets.ASC_KEY_ID", "ASC_KEY_ID: ${{ secrets.ASC_ISSUER_ID", "is called"),
    "secrets of the whole repository": (RELEASE, "    environment: ${{ inputs.credentials-environment }}\n", "", "without an environment"),
    "all secrets": (RELEASE, "ASC_KEY_ID: ${{ secrets.ASC_KEY_ID }}", "ASC_KEY_ID: ${{ toJSON(secrets) }}", "all secrets at once"),
    "a task that is not there": (RELEASE, "task: runs.show", "task: run.show", "the menu has no task"),
    "an option of another task": (RELEASE, "          task: status\n", "          task: status\n          by: me\n", "status has no option 'by'"),
    "a bad input of our action": (RELEASE, "          until: export", "          untill: export", "has no input 'untill'"),
    "a required input left out": (RELEASE, "          task: approve\n", "", "needs the input 'task'"),
    "an input that leads nowhere": (PIPELINE, "STEP_IPA: ${{ inputs.ipa }}", "STEP_IPA: ''", "'ipa' is never used"),
    "two inputs crossed": (PIPELINE, "STEP_PKG: ${{ inputs.pkg }}", "STEP_PKG: ${{ inputs.ipa }}", "STEP_PKG is not the input"),
    "an undeclared input": (PIPELINE, "inputs.approved }}", "inputs.aproved }}", "'aproved' is not declared"),
    "a step id that is not there": (RELEASE, "id: plan\n", "id: plans\n", "no earlier step has the id 'plan'"),
    "an output that the action lacks": (RELEASE, "steps.plan.outputs.lanes", "steps.plan.outputs.lane", "has no output 'lane'"),
    "an output of the action that leads nowhere": (PIPELINE, "id: menu", "id: menus", "no earlier step has the id 'menu'"),
    "an output that the job lacks": (RELEASE, "needs.rehearse.outputs.lanes", "needs.rehearse.outputs.lane", "has no output 'lane'"),
    "a need that is not told": (RELEASE, "needs: [rehearse, build]", "needs: [build]", "asks 'rehearse'"),
    "a need that is not there": (RELEASE, "needs: [rehearse, approve]", "needs: [rehearse, approval]", "needs no job: approval"),
    "a circle": (RELEASE, "  approve:\n    name: approve\n    needs: [rehearse]", "  approve:\n    name: approve\n    needs: [rehearse, promote]", "needs itself"),
    "the approval left out": (RELEASE, "needs: [rehearse, approve]", "needs: [rehearse]", "nobody kept the artifact 'runs-approve'"),
    "a matrix key that is not there": (RELEASE, "lane: ${{ matrix.lane }}", "lane: ${{ matrix.lanes }}", "no matrix key 'lanes'"),
    "a workflow output that is not there": (RELEASE, "jobs.upload.outputs.verdict", "jobs.upload.outputs.vredict", "has no output 'vredict'"),
    "inputs that differ": (RELEASE, "default: macos-26\n", "default: macos-15\n", "different inputs"),
    "an input of a workflow that is not there": (RELEASE, "inputs.runner }}", "inputs.mac }}", "the input 'mac' is not declared"),
    "an artifact under another name": (RELEASE, "name: product-", "name: products-", "nobody kept the artifact 'product-*'"),
    "an artifact kept twice": (RELEASE, "name: reports-release", "name: reports-rehearse", "is kept twice"),
    "one name for a whole matrix": (RELEASE, "name: runs-build-${{ matrix.lane }}", "name: runs-build", "every cell of the matrix"),
}  # fmt: skip

SCHEMA = {
    "an unknown key": (CI, "timeout-minutes: 30", "timeout: 30"),
    "an unknown event": (CI, "  pull_request:", "  pull_requests:"),
    "an unknown permission": (RELEASE, "security-events: write", "security-event: write"),
    "an action without a description": (PIPELINE, "description: One task", "summary: One task"),
}

ZIZMOR = {
    "template-injection": (PIPELINE, '/step"', '/step" ${{ inputs.task }}'),
    "unpinned-uses": (CI, CHECKOUT, "actions/checkout@v7"),
    "excessive-permissions": (CI, "permissions: {}", "permissions: write-all"),
    "artipacked": (CI, "          persist-credentials: false\n", "          path: .\n"),
    "dangerous-triggers": (CI, "  pull_request:", "  pull_request_target:"),
    "self-repository": (CI, "uses: $/", "uses: ./"),
    "concurrency-limits": (CI, "concurrency:\n  group: ci-${{ github.ref }}\n  cancel-in-progress: true\n", ""),
}


def seeded(root: Path, tmp_path: Path, file: str, old: str, new: str) -> Path:
    """A copy of our folder with the first place that says `old` changed."""
    github = tmp_path / ".github"
    shutil.copytree(root / ".github", github, ignore=shutil.ignore_patterns("__pycache__"))
    path = github / file
    text = path.read_text(encoding="utf-8")
    assert old in text, "the seed does not fit the file any more"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return github


@pytest.mark.parametrize("defect", HOUSE)
def test_the_rules_of_the_house_tell(root: Path, tmp_path: Path, defect: str) -> None:
    file, old, new, said = HOUSE[defect]
    told = set(complaints(read(seeded(root, tmp_path, file, old, new)))) - set(complaints(read(root / ".github")))
    assert any(said in complaint for complaint in told), told


def test_a_key_that_stands_twice_is_told(root: Path, tmp_path: Path) -> None:
    github = seeded(
        root, tmp_path, CI, "    timeout-minutes: 30\n", "    timeout-minutes: 30\n    timeout-minutes: 3\n"
    )
    with pytest.raises(yaml.YAMLError, match="stands twice"):
        read(github)


@pytest.mark.parametrize("defect", SCHEMA)
def test_the_schema_tells(root: Path, tmp_path: Path, defect: str) -> None:
    file, old, new = SCHEMA[defect]
    schema = "vendor.github-actions" if file == PIPELINE else "vendor.github-workflows"
    path = seeded(root, tmp_path, file, old, new) / file
    done = run(Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", schema, path)
    assert done.returncode == 1, done.stdout


@pytest.mark.parametrize("audit", ZIZMOR)
def test_zizmor_tells(root: Path, tmp_path: Path, audit: str) -> None:
    github = seeded(root, tmp_path, *ZIZMOR[audit])
    command = ("--offline", "--persona", "auditor", "--no-progress", "--format", "json")
    done = run(Path(sys.executable).with_name("zizmor"), *command, github)
    assert f'"{audit}"' in done.stdout


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("actions/pipeline/step", '"$here/step.py"', "$here/step.py"),
        ("actions/pipeline/step", 'source "$here', 'unused=1\nsource "$here'),
        ("actions/pipeline/step", 'PYTHONPATH="$root"', "PYTHONPATH=$rot"),
    ],
)
def test_shellcheck_tells(root: Path, tmp_path: Path, file: str, old: str, new: str) -> None:
    path = seeded(root, tmp_path, file, old, new) / file
    done = run(Path(sys.executable).with_name("shellcheck"), "-x", path, cwd=root)
    assert done.returncode == 1, done.stdout
