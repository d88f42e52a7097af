"""What docs/github.md says of the nightly look at certificates is what the workflow offers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.workflows.folder import Document, read

NIGHTLY = re.compile(r"<!-- example: nightly -->\n```yaml\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="session")
def nightly(root: Path) -> Document:
    return next(workflow for workflow in read(root / ".github").workflows if workflow.name == "certificates")


@pytest.fixture(scope="session")
def page(root: Path) -> str:
    return (root / "docs/github.md").read_text(encoding="utf-8")


def test_the_example_fits_the_workflow(nightly: Document, page: str) -> None:
    (example,) = NIGHTLY.findall(page)
    job = yaml.safe_load(example)["jobs"]["certificates"]
    assert job["uses"] == "OWNER/REPO/.github/workflows/certificates.yml@SHA"
    assert set(job["with"]) <= set(nightly.inputs("workflow_call"))
    assert set(job["secrets"]) == set(nightly.secrets)
    assert job["permissions"] == {
        scope: level for each in nightly.jobs.values() for scope, level in each["permissions"].items()
    }


def test_the_hour_is_the_one_that_is_told(nightly: Document, page: str) -> None:
    (schedule,) = nightly.data["on"]["schedule"]
    minute, hour, *_ = schedule["cron"].split()
    assert f"at {int(hour):02}:{minute} UTC" in page
    assert f'- cron: "{schedule["cron"]}"' in page


def test_every_input_and_secret_is_explained(nightly: Document, page: str) -> None:
    for name in (*nightly.secrets, *nightly.inputs("workflow_call")):
        assert f"`{name}`" in page
