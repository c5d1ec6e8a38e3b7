"""What the host knows of the outside: mirrors, pip's settings, certificates. Read at run time, never kept.

A machine must find packages exactly as its host does. Everything here is therefore taken from the host's
own files: Debian's entries among its apt sources (others are left out: a third-party repository is no
part of a bare Debian), its `Acquire` settings, what `pip config list` says, and the CA certificates an
administrator added in /usr/local/share/ca-certificates.
"""

import platform
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from posthouse.lab.errors import LabError, call

SOURCES = Path("/etc/apt")
CERTIFICATES = Path("/usr/local/share/ca-certificates")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_APT_SETTINGS = re.compile(r"^Acquire::(https?|Check-|Retries|ForceIPv|Languages|By-Hash)", re.I)
_PIP_PATHS = ("find-links", "index-url", "extra-index-url")


@dataclass(frozen=True)
class Source:
    """One Debian entry of the host's apt sources, with its suites still those of the host."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]

    def lines(self, host_suite: str, suite: str) -> list[str]:
        """sources.list(5) lines of the same archive for another suite."""
        return [
            f"deb {uri} {name.replace(host_suite, suite, 1)} {' '.join(self.components)}"
            for uri in self.uris
            for name in self.suites
        ]


@dataclass(frozen=True)
class Ground:
    """All that a machine takes over from its host."""

    host_suite: str
    sources: tuple[Source, ...]
    apt_conf: str
    certificates: tuple[Path, ...]
    pip: dict[str, str]
    binds: tuple[Path, ...]
    registries: tuple[str, ...]

    def sources_list(self, suite: str) -> str:
        """The content of /etc/apt/sources.list for `suite`."""
        return "".join(line + "\n" for s in self.sources for line in s.lines(self.host_suite, suite))

    def pip_conf(self) -> str:
        """The content of /etc/pip.conf inside a machine."""
        return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in sorted(self.pip.items()))


def _is_debian(uri: str, signed_by: str) -> bool:
    path = urlsplit(uri).path.rstrip("/")
    return "debian-archive" in signed_by or path.endswith(("/debian", "/debian-security"))


def _from_deb822(text: str) -> list[Source]:
    found = []
    for paragraph in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        fields = {
            key.strip().lower(): value.split()
            for key, _, value in (line.partition(":") for line in paragraph.splitlines())
        }
        uris, signed = fields.get("uris", []), " ".join(fields.get("signed-by", []))
        if "deb" in fields.get("types", []) and uris and _is_debian(uris[0], signed):
            suites, components = fields.get("suites", []), fields.get("components", [])
            found.append(Source(tuple(uris), tuple(suites), tuple(components)))
    return found


def _from_one_line(text: str) -> list[Source]:
    pattern = re.compile(
        r"^deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<rest>.+)$"
    )
    return [
        Source((found["uri"],), (found["suite"],), tuple(found["rest"].split()))
        for line in text.splitlines()
        if (found := pattern.match(line.split("#")[0].strip()))
        and _is_debian(found["uri"], found["options"] or "")
    ]


def _sources(suite: str) -> tuple[Source, ...]:
    found: list[Source] = []
    for path in sorted(SOURCES.glob("sources.list.d/*.sources")):
        found += _from_deb822(path.read_text())
    for path in [SOURCES / "sources.list", *sorted(SOURCES.glob("sources.list.d/*.list"))]:
        if path.exists():
            found += _from_one_line(path.read_text())
    return tuple(source for source in found if any(name.startswith(suite) for name in source.suites))


def _apt_conf() -> str:
    lines = call(["apt-config", "dump", "Acquire"]).splitlines()
    return "".join(line + "\n" for line in lines if _APT_SETTINGS.match(line) and not line.endswith('"";'))


def _with_pip(*arguments: str) -> str:
    """Ask pip, with this Python or, where that has none, the host's."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            return call([python, *arguments])
        except LabError:
            continue
    return ""


def _pip() -> dict[str, str]:
    """pip's settings as it would use them: environment over files, as `pip config list` prints them."""
    settings: dict[str, str] = {}
    for line in sorted(_with_pip("-m", "pip", "config", "list").splitlines(), reverse=True):
        where, _, value = line.partition("=")
        scope, _, key = where.strip().rpartition(".")
        if scope in {"global", ":env:"}:
            # Lists grow over the scopes, everything else is replaced (the environment sorts last here).
            merged = [*settings.get(key, "").split(), *value.strip().strip("'\"").split()]
            settings[key] = " ".join(dict.fromkeys(merged)) if key in _PIP_PATHS else merged[-1]
    if "cert" in settings:
        settings["cert"] = BUNDLE
    return settings


def _pip_defaults() -> list[str]:
    ask = "from pip._internal.models.index import PyPI as i; print(i.netloc, i.file_storage_domain)"
    return _with_pip("-c", ask).split()


@cache
def survey() -> Ground:
    """Read the host's settings (once per process).

    Raises:
        LabError: no Debian entry is among the host's apt sources.
    """
    suite = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    sources = _sources(suite)
    if not sources:
        raise LabError(f"no Debian entry for {suite!r} among the apt sources in {SOURCES}")
    pip = _pip()
    places = [part for key in _PIP_PATHS for part in pip.get(key, "").split()]
    local = [urlsplit(place).path for place in places if place.startswith(("file://", "/"))]
    # An index page points to files beside the index, so its parent comes along.
    binds = {Path(p).parent if Path(p).name == "simple" else Path(p) for p in local}
    remote = [uri for source in sources for uri in source.uris] + [p for p in places if "://" in p]
    names = [urlsplit(uri).hostname or "" for uri in remote] + _pip_defaults()
    return Ground(
        suite,
        sources,
        _apt_conf(),
        tuple(sorted(CERTIFICATES.glob("**/*.crt"))),
        pip,
        tuple(sorted(path for path in binds if path.is_dir())),
        tuple(dict.fromkeys(name for name in names if name)),
    )
