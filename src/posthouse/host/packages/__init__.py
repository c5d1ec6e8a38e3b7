"""Debian packages: what is installed, and installing what is missing without a daemon ever starting."""

from posthouse.host.packages.apt import PackagesFailed, install
from posthouse.host.packages.dpkg import installed

__all__ = ["PackagesFailed", "install", "installed"]
