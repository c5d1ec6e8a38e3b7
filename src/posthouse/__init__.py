"""Posthouse: a Debian server as a complete, trustworthy e-mail service."""

__version__ = "0.1.0"
