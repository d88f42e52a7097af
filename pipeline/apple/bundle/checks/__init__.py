"""Judges of archives and exported products; a stage names `archive`, or the four modules of EXPORTED."""

from pipeline.apple.bundle.checks import archive, claims, code, identity, signing

EXPORTED = (identity, signing, claims, code)
"""What an exported product must pass before it is uploaded."""

__all__ = ["EXPORTED", "archive", "claims", "code", "identity", "signing"]
