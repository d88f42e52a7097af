"""Look at the machine and the checkout before anything else."""

from pipeline.configuration import checks as decisions
from pipeline.model import Stage
from pipeline.workstation import checks

PREFLIGHT = Stage("preflight", title="machine, checkout, version", checks=(checks, decisions))
