"""Rehearse, plan and perform releases of Apple apps."""

__version__ = "0.1.0"
