"""Services under systemd, by systemctl(1) and journalctl(1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from posthouse.host.run import run
from posthouse.host.services.base import ServiceManager, ServiceState
from posthouse.host.services.ready import Standing
from posthouse.resources import Program, Service

_PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result", "UnitFileState", "CanReload")
_UNIT_FOLDERS = (Path("/etc/systemd/system"), Path("/usr/lib/systemd/system"), Path("/lib/systemd/system"))
_ENABLED = ("enabled", "enabled-runtime", "alias", "linked")
_RUN_LEVELS = Path("/etc")
_STOP_SECONDS = 120
_START_SECONDS = 960  # a unit's own limit (TimeoutStartSec) comes first
_NO_PROGRAM = Program(())


class Systemd(ServiceManager):
    """systemd as PID 1."""

    def states(self, services: Sequence[Service]) -> Mapping[str, ServiceState]:
        """Ask for all units in one call of systemctl."""
        asked = {unit for service in services for unit in (boots_as(service.unit), runs_as(service.unit))}
        shown = _show(sorted(asked))
        return {service.name: _state(shown, service.unit) for service in services}

    def standing(self, service: Service) -> tuple[Standing, str]:
        """Ask systemctl; what is being restarted after a crash counts as ended."""
        unit = runs_as(service.unit)
        shown = _show([unit])[unit]
        word = f"its unit {unit} is {shown['ActiveState']} ({shown['SubState']}, {shown['Result']})"
        if shown["ActiveState"] in ("active", "reloading"):
            return "up", word
        coming = shown["ActiveState"] == "activating" and shown["SubState"] != "auto-restart"
        return ("coming" if coming else "ended"), word

    def configure(self) -> None:
        """Have systemd read its unit files again."""
        run(["systemctl", "daemon-reload"])

    def start(self, service: Service) -> None:
        """Start the unit, whatever became of it before."""
        run(["systemctl", "reset-failed", runs_as(service.unit)], check=False)
        self._tell("start", service, boots_as(service.unit), runs_as(service.unit))

    def stop(self, service: Service) -> None:
        """Stop the unit and all that runs in its control group."""
        boot = boots_as(service.unit)
        shown = _show([boot])[boot]
        # What runs goes on running when its file is taken away, and is still known by its name.
        if shown["LoadState"] != "not-found" or _is_active(shown):
            self._tell("stop", service, boot, runs_as(service.unit))

    def restart(self, service: Service) -> None:
        """Restart the unit."""
        run(["systemctl", "reset-failed", runs_as(service.unit)], check=False)
        self._tell("restart", service, runs_as(service.unit))
        self._tell("start", service, boots_as(service.unit))  # the one that boot knows, where that is another

    def reload(self, service: Service) -> None:
        """Reload the unit where it can, by the service's own command where only that can."""
        unit = runs_as(service.unit)
        if service.reload is None:
            self.restart(service)
        elif _show([unit])[unit]["CanReload"] == "yes":
            self._tell("reload", service, unit)
        else:
            done = run(service.reload, check=False)
            if done.returncode != 0:
                raise self.failure(service, f"could not be reloaded: {done.said}")

    def enable(self, service: Service) -> None:
        """Enable the unit."""
        self._tell("enable", service, boots_as(service.unit))

    def disable(self, service: Service) -> None:
        """Disable the unit."""
        boot = boots_as(service.unit)
        if _show([boot])[boot]["LoadState"] != "not-found":
            self._tell("disable", service, boot)
        else:  # a link to a file that is there no longer may be left, or nothing
            run(["systemctl", "disable", boot], check=False, timeout=_STOP_SECONDS)

    def quiet(self, units: Sequence[str]) -> None:
        """Stop and disable those units that are there."""
        there = [unit for unit, shown in _show(units).items() if shown["LoadState"] == "loaded"]
        for unit in there:
            service = Service(unit, unit, _NO_PROGRAM)
            self._tell("stop", service, unit)
            self._tell("disable", service, unit)

    def last_words(self, service: Service, lines: int = 15) -> str:
        """Quote the journal of the unit."""
        units = [f"--unit={unit}" for unit in dict.fromkeys([boots_as(service.unit), runs_as(service.unit)])]
        argv = ["journalctl", *units, f"--lines={lines}", "--no-pager", "--output=short-iso", "--quiet"]
        return run(argv, check=False).stdout.strip()

    def _tell(self, verb: str, service: Service, *units: str) -> None:
        names = list(dict.fromkeys(units))
        seconds = _START_SECONDS if verb in ("start", "restart") else _STOP_SECONDS
        done = run(["systemctl", verb, *names], check=False, timeout=seconds)
        if done.returncode != 0:
            why = (done.stderr.strip() or done.stdout.strip() or "systemctl does not say why").splitlines()[0]
            raise self.failure(service, f"did not {verb}: {why}")


# Debian 12's postfix.service is an empty unit, active whether Postfix runs or not. It is what boot starts;
# it pulls in `postfix@-.service`, where Postfix lives. Either may be named. In Debian 13 it is Postfix.
_SHELL, _INSTANCE, _EMPTY = "postfix.service", "postfix@-.service", "ExecStart=/bin/true"


def runs_as(unit: str) -> str:
    """Return the unit that a unit's processes live in."""
    return _INSTANCE if unit in (_SHELL, _INSTANCE) and _has_empty_shell() else unit


def boots_as(unit: str) -> str:
    """Return the unit that is enabled to have a unit started at boot."""
    return _SHELL if unit == _INSTANCE else unit


def _has_empty_shell() -> bool:
    found = [folder / _SHELL for folder in _UNIT_FOLDERS if (folder / _SHELL).exists()]
    return bool(found) and _EMPTY in found[0].read_text(encoding="utf-8", errors="replace")


def _show(units: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the properties of units: systemctl answers a paragraph for each, in the order asked."""
    if not units:
        return {}
    done = run(["systemctl", "show", "--no-pager", f"--property={','.join(_PROPERTIES)}", "--", *units])
    paragraphs = [block for block in done.stdout.split("\n\n") if block.strip()]
    found = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in paragraphs]
    empty = dict.fromkeys(_PROPERTIES, "")
    return {unit: {**empty, **properties} for unit, properties in zip(units, found, strict=True)}


def _state(shown: Mapping[str, Mapping[str, str]], unit: str) -> ServiceState:
    own, real = shown[boots_as(unit)], shown[runs_as(unit)]
    if own["LoadState"] == "not-found":
        return ServiceState(running=_is_active(own), enabled=False)
    failed = None
    if real["ActiveState"] == "failed" or real["SubState"] == "auto-restart":
        failed = f"{real['Result']} ({real['SubState']})"
    return ServiceState(
        running=_is_active(real),
        enabled=_is_enabled(own["UnitFileState"], boots_as(unit)),
        failed=failed,
    )


def _is_enabled(state: str, unit: str) -> bool:
    """Tell whether boot starts a unit. Source: systemctl(1), systemd-sysv-generator(8)."""
    if state == "generated":  # of a script in /etc/init.d, whose links say it
        return any(_RUN_LEVELS.glob(f"rc[2-5].d/S[0-9][0-9]{unit.removesuffix('.service')}"))
    return state in _ENABLED


def _is_active(shown: Mapping[str, str]) -> bool:
    return shown["ActiveState"] in ("active", "reloading", "refreshing")
