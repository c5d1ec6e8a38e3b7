"""A machine in a folder: real files below a root, and a service manager that is files too.

A service is a file `services/NAME` below the root: whether it runs, whether it starts at boot, and what
it read of its configuration when it last started or reloaded. So a test can ask of every running service
whether it runs with exactly what is on the disk.
"""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from posthouse.engine.core import Engine
from posthouse.engine.store import Store
from posthouse.errors import PosthouseError
from posthouse.host.run import Completed
from posthouse.resources import Derived, File, Group, Package, Program, Service, User

ME = pwd.getpwuid(os.getuid()).pw_name
MY_GROUP = grp.getgrgid(os.getgid()).gr_name


@dataclass(frozen=True)
class Unit:
    running: bool = False
    enabled: bool = False
    failed: str | None = None
    read: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Scratch:
    """`refuse`: a word in a service's files with which it will not start."""

    root: Path
    refuse: str = "BROKEN"
    step: Callable[[str], None] = lambda _: None
    log: list[str] = field(default_factory=list)

    def path(self, live: str | Path) -> Path:
        return self.root / Path(live).relative_to("/")

    def unit(self, name: str) -> Unit:
        path = self.root / "services" / name
        return Unit(**json.loads(path.read_text())) if path.exists() else Unit()

    def set_unit(self, name: str, unit: Unit) -> None:
        (self.root / "services").mkdir(exist_ok=True)
        (self.root / "services" / name).write_text(json.dumps(unit.__dict__))
        self.step(f"unit {name}")

    def reads(self, service: Service) -> dict[str, str]:
        """Return the digests of what a service reads."""
        found = {}
        for path in (*service.restart_on, *service.reload_on):
            real = self.path(path)
            files = [real] if real.is_file() else sorted(p for p in real.rglob("*") if p.is_file())
            for item in files:
                if ".posthouse-" not in item.name:
                    found[str(item)] = hashlib.sha256(item.read_bytes()).hexdigest()
        return found

    # the protocol of the engine

    def installed(self, names: Sequence[str]) -> dict[str, str | None]:
        there = self.root / "packages"
        return {name: "1.0" if (there / name).exists() else None for name in names}

    def install(self, packages: Sequence[Package], note: Callable[[str], None]) -> None:
        (self.root / "packages").mkdir(exist_ok=True)
        for package in packages:
            (self.root / "packages" / package.name).touch()
            self.step("package")

    def lacking(self, groups: Sequence[Group], users: Sequence[User]) -> Mapping[str, str]:
        return {}

    def ensure_group(self, group: Group) -> None:
        raise AssertionError("no test here makes groups")

    def ensure_user(self, user: User) -> None:
        raise AssertionError("no test here makes users")

    def states(self, services: Sequence[Service]) -> Mapping[str, Unit]:
        return {service.name: self.unit(service.name) for service in services}

    def configure(self) -> None:
        self.log.append("configure")

    def _read_again(self, service: Service) -> None:
        self.set_unit(service.name, replace(self.unit(service.name), running=False))
        for path in self.reads(service):
            if self.refuse in Path(path).read_text():
                raise PosthouseError(f"{service.name} does not start: {self.refuse} in {path}")
        unit = replace(self.unit(service.name), running=True, read=self.reads(service))
        self.set_unit(service.name, unit)

    def start(self, service: Service) -> None:
        self.log.append(f"start {service.name}")
        self._read_again(service)

    def restart(self, service: Service) -> None:
        self.log.append(f"restart {service.name}")
        self._read_again(service)

    def reload(self, service: Service) -> None:
        self.log.append(f"reload {service.name}")
        self._read_again(service)

    def stop(self, service: Service) -> None:
        self.log.append(f"stop {service.name}")
        self.set_unit(service.name, replace(self.unit(service.name), running=False))

    def enable(self, service: Service) -> None:
        self.set_unit(service.name, replace(self.unit(service.name), enabled=True))

    def disable(self, service: Service) -> None:
        self.set_unit(service.name, replace(self.unit(service.name), enabled=False))

    def wait_ready(self, service: Service, timeout: float) -> None:
        if not self.unit(service.name).running:
            raise PosthouseError(f"{service.name} does not answer")

    def run(self, argv: Sequence[str], env: Mapping[str, str]) -> Completed:
        done = subprocess.run(
            [word.replace("{root}", str(self.root)) for word in argv], capture_output=True, text=True
        )
        self.step("run")
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


def engine_of(machine: Scratch, **more: Any) -> Engine:
    store = Store(machine.root / "var/lib/posthouse/engine")
    store.open()
    return Engine(store, machine, **more)


def a_file(path: str, content: str, **more: Any) -> File:
    return File(Path(path), content, **{"owner": ME, "group": MY_GROUP, **more})


def a_service(name: str, *, reload_on: Sequence[str] = (), restart_on: Sequence[str] = ()) -> Service:
    return Service(
        name,
        f"{name}.service",
        Program(("/bin/true",)),
        reload=("/bin/true",),
        reload_on=tuple(map(Path, reload_on)),
        restart_on=tuple(map(Path, restart_on)),
    )


def upper(source: str, target: str) -> Derived:
    """A file that a program makes of another one: its text in capitals."""
    script = f"tr a-z A-Z < {{root}}{source} > {{root}}{target}.t && mv {{root}}{target}.t {{root}}{target}"
    return Derived(Path(target), ("/bin/sh", "-c", script), (Path(source),))
