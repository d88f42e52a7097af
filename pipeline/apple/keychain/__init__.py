"""Signing material installed on a Mac in a keychain of its own, and taken away again without a trace."""
