"""What the machine must run: pure functions of (Site, Release, Ground, overrides), a folder per daemon."""

from posthouse.stack.assemble import assemble

__all__ = ["assemble"]
