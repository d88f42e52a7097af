"""Look at the team's account at the developer portal, and at the vault, before anything is made in either."""

from pipeline.apple.portal import checks
from pipeline.model import Scope, Stage

ACCOUNT = Stage("account", scope=Scope.APP, title="developer portal and vault", checks=(checks,))
