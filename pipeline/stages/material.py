"""The tables of contents about signing material: shown, installed, made, renewed, shared."""

from pipeline.stages.account import ACCOUNT
from pipeline.stages.certificate import CERTIFICATE
from pipeline.stages.holdings import HOLDINGS
from pipeline.stages.installing import INSTALLING_IDENTITIES, INSTALLING_PROFILES
from pipeline.stages.keeping import KEEP, KEEP_PROFILES
from pipeline.stages.provisioning import PROFILES
from pipeline.stages.request import REQUEST
from pipeline.stages.revoking import REVOKE, TIDY
from pipeline.stages.syncing import SYNCING
from pipeline.stages.uninstalling import UNINSTALLING

CREATE = (ACCOUNT, REQUEST, CERTIFICATE, KEEP, PROFILES, KEEP_PROFILES)
"""From a key that is made here to the profiles in the vault."""

TABLES = {
    "holdings": (HOLDINGS,),
    "install": (INSTALLING_IDENTITIES, INSTALLING_PROFILES),
    "uninstall": (UNINSTALLING,),
    "create": CREATE,
    "renew": (*CREATE, REVOKE, TIDY),
    "sync": (SYNCING,),
}
