"""A directory with the names of the documentation, and the commands on it."""

from __future__ import annotations

from tests.directory.conftest import database
from tests.directory.test_directory_commands import machine, say

__all__ = ["database", "machine", "say"]
