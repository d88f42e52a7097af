"""Signing material that a team and its runners share: encrypted for each of them, with a ledger of who wrote what."""
