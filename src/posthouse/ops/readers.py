"""Which services read something that lives on its own, and are to be told when it changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from posthouse.engine import generations
from posthouse.engine.plan import touches
from posthouse.host import services as managers

if TYPE_CHECKING:
    from posthouse.ops.context import Base
    from posthouse.resources import Service


def running(base: Base, path: Path) -> list[Service]:
    """Return the services of the current generation that read a path, and run."""
    store = base.engine.store
    blueprint = generations.blueprint(store, store.state().current, base.platform)
    wanted = [one for one in blueprint.services if touches(one.reload_on, {path})] if blueprint else []
    states = managers.manager(base.ground).states(wanted)
    return [one for one in wanted if states[one.name].running]
