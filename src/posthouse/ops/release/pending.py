"""An upgrade of Debian that is under way: how far it has come, kept in the engine's folder until it is through.

`step`: "system" (the sources lead to the next Debian; the daemons run on, at their versions), "daemons" (they are
stopped and held while they change), "configuration" (they are the next Debian's, and get its configuration).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from posthouse.engine.store import Store
from posthouse.errors import PosthouseError
from posthouse.host import machine
from posthouse.ops.context import Base

Step = Literal["system", "daemons", "configuration"]
_FILE = "release.json"
AGAIN = "posthouse release upgrade"


@dataclass(frozen=True)
class Pending:
    """An upgrade.

    `to`: the Debian that comes; `looked`: digest of the site file and overrides that its daemons have read; `edited`:
    files that had hand edits before the daemons' packages changed: what their maintainer scripts edit gives way.
    """

    to: int
    step: Step
    looked: str
    edited: tuple[str, ...] = ()


def read(store: Store) -> Pending | None:
    """Return the upgrade that is under way; None: none is."""
    data = store.read(_FILE)
    return None if data is None else Pending(**(data | {"edited": tuple(data.get("edited", ()))}))


def write(store: Store, pending: Pending) -> None:
    """Remember how far it has come. OSError on a full disk."""
    store.write(_FILE, asdict(pending))


def applied(store: Store) -> None:
    """The configuration is in place: forget an upgrade that waited for nothing else."""
    found = read(store)
    if found is not None and found.step == "configuration":
        store.remove(_FILE)


def refuse(store: Store) -> None:
    """PosthouseError where the daemons are between two versions: only the upgrade itself may go on there."""
    found = read(store)
    if found is not None and found.step == "daemons":
        raise PosthouseError(
            f"the upgrade to Debian {found.to} was cut off while its daemons were installed", f"Say: {AGAIN}"
        )


def notes(base: Base) -> list[str]:
    """Say what is under way, for a plan and for `status`."""
    found = read(base.engine.store)
    if found is not None and found.step == "configuration":
        return [f"Debian {found.to} is here; its daemons get their configuration with the next apply."]
    if found is not None and found.step == "daemons":
        return [
            f"The upgrade to Debian {found.to} was cut off while its daemons were installed; `{AGAIN}` goes on."
        ]
    system = machine.release()
    if system != base.release:
        return [
            f"Debian {system.debian} runs with the mail daemons of Debian {base.release.debian}, "
            f"which apt keeps at their versions; `{AGAIN}` takes them over."
        ]
    if found is not None:
        return [f"The upgrade to Debian {found.to} was begun; `{AGAIN}` goes on."]
    return []
