"""What every command on the engine starts from: the machine, the operator's files, what they render to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from posthouse import paths
from posthouse.engine import generations
from posthouse.engine.core import Engine
from posthouse.engine.generations import Inputs
from posthouse.engine.live import LiveMachine
from posthouse.engine.store import Store
from posthouse.errors import UsageError
from posthouse.host import machine
from posthouse.host.packages import installed
from posthouse.ops.rendered import remembered
from posthouse.resources import Blueprint
from posthouse.site.release import Ground, Release

if TYPE_CHECKING:
    from posthouse.site.model import Site

Note = Callable[[str], None]


@dataclass(frozen=True)
class Base:
    """The machine, and the operator's files as text: all that is known without a right site file.

    `release` is the Debian that the daemons are of.
    """

    engine: Engine
    release: Release
    ground: Ground
    inputs: Inputs

    @property
    def platform(self) -> str:
        """Return what a blueprint is rendered for, as generations name it."""
        return f"debian{self.release.debian}-{self.ground.manager}"

    def site(self, inputs: Inputs) -> Site:
        """Return the site that the operator's file describes. SiteFileError where it is wrong."""
        from posthouse.site import load

        if any("\udc80" <= char <= "\udcff" for char in inputs.site):
            load.read(paths.SITE_FILE)  # says where it is not UTF-8
        return load.parse(inputs.site.removeprefix("\ufeff"), str(paths.SITE_FILE))

    def render(self, inputs: Inputs) -> Blueprint:
        """Return what the operator's files ask of this machine. UsageError where they are wrong."""

        def afresh() -> Blueprint:
            from posthouse import stack

            return stack.assemble(self.site(inputs), self.release, self.ground, inputs.overrides or {})

        where = f"{self.platform} {self.ground.hosts}"
        if self.ground != Ground(self.ground.manager, self.ground.hosts):
            where += f" {self.ground}"
        return remembered(self.engine.store, inputs, where, afresh)

    def telling(self, note: Note) -> Base:
        """Return the same, with somebody who is told what happens."""
        return replace(self, engine=replace(self.engine, note=note))


@dataclass(frozen=True)
class Context:
    """A right site file on this machine, and all that it asks for."""

    base: Base
    blueprint: Blueprint

    @cached_property
    def site(self) -> Site:
        """Return the site; parsed only for who asks."""
        return self.base.site(self.base.inputs)

    @property
    def engine(self) -> Engine:
        """Return the engine."""
        return self.base.engine


def base() -> Base:
    """Look at the machine and read the operator's files, whatever is in them.

    Raises:
        UnsupportedMachine: no Debian that Posthouse knows.
        UsageError: an override is not UTF-8 text.
    """
    ground = machine.ground()
    engine = Engine(Store(paths.ENGINE), LiveMachine(ground))
    # Whatever is in it: a rollback must be able to put it away, and keep a copy.
    site = paths.SITE_FILE.read_bytes().decode(errors="surrogateescape") if paths.SITE_FILE.exists() else ""
    if "fail2ban" in site:
        ground = _looked_at_for_fail2ban(ground)
    return Base(engine, _daemons(machine.release(), engine.store), ground, Inputs(site, overrides()))


def _looked_at_for_fail2ban(ground: Ground) -> Ground:
    from posthouse.host.packages import brought
    from posthouse.stack import fail2ban
    from posthouse.watch import table

    others = fail2ban.SERVER.exists() and not brought.came("fail2ban")
    return replace(ground, fail2ban=others, packet_filter=not table.missing_right())


def _daemons(system: Release, store: Store) -> Release:
    """Return the Debian that the daemons are of: the system's, or, in the middle of an upgrade, the one before.

    apt keeps them at their versions (`stack.apt`) until `posthouse release upgrade` takes them over.
    """
    if system.debian == 12 or not (current := store.state().current):
        return system
    if not generations.load(store, current).platform.startswith("debian12-"):
        return system
    version = installed(["dovecot-core"])["dovecot-core"] or ""
    return Release(12) if version.startswith("1:2.3.") else system


def load() -> Context:
    """Return everything that the present site file asks of this machine. UsageError where it is wrong."""
    found = base()
    if not paths.SITE_FILE.exists():
        raise UsageError(f"{paths.SITE_FILE}: there is no site file yet.", "Begin with: posthouse up DOMAIN")
    return Context(found, found.render(found.inputs))


def current(found: Base) -> Context:
    """Return what the current generation's site file and overrides ask of this machine."""
    given = generations.inputs(found.engine.store, found.engine.store.state().current)
    return Context(replace(found, inputs=given), found.render(given))


def overrides(folder: Path = paths.OVERRIDES) -> dict[str, str]:
    """Return the operator's own settings by path below `folder`, without hidden files and editors' copies.

    UsageError where one is not UTF-8 text.
    """
    if not folder.is_dir():
        return {}
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): _text(path)
        for path in files
        if not path.name.startswith(".") and not path.name.endswith("~")
    }


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path}: expected UTF-8 text, found byte 0x{error.object[error.start]:02x}"
        ) from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", "Run this as root.") from error
