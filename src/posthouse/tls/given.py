"""A certificate that the operator, or his certbot, keeps: judged, then copied to where the daemons read it.

A copy, because a file that is half written, or a key that comes before its certificate, must never be live.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.tls import pair, place
from posthouse.tls.pair import CHAIN, KEY

if TYPE_CHECKING:
    from posthouse.site.model import Site


def places(site: Site) -> tuple[Path, Path]:
    """Return where the operator keeps certificate and key, with mode "files"."""
    if site.tls.folder is not None:
        return Path(site.tls.folder) / CHAIN, Path(site.tls.folder) / KEY
    assert site.tls.certificate is not None
    assert site.tls.key is not None
    return Path(site.tls.certificate), Path(site.tls.key)


def differs(chain: Path, key: Path, folder: Path = paths.TLS) -> bool:
    """Tell whether the daemons read another pair than these files hold; a file that cannot be read tells nothing."""
    try:
        return place.kind(folder) != "files" or (chain.read_bytes(), key.read_bytes()) != (
            (folder / CHAIN).read_bytes(),
            (folder / KEY).read_bytes(),
        )
    except OSError:
        return False


def ensure(
    chain: Path, key: Path, names: Sequence[str] = (), folder: Path = paths.TLS, *, hint: str | None = None
) -> bool:
    """See that the daemons read this pair; True where they read another one before.

    One that is in use already is not judged again: `status` does that.

    Args:
        chain: the certificate and its chain.
        key: its key.
        names: host names that it must be for.
        folder: where the daemons read it.
        hint: what to do about a pair that is no good.

    Raises:
        PosthouseError: there is no pair, it does not belong together, is not for these names, or has expired.
    """
    hint = hint or f"see `ls -lL {chain} {key}`, and [tls] in {paths.SITE_FILE}"
    try:
        found = pair.load(chain, key)
        if place.kind(folder) == "files" and _in_use(found, folder):
            return False
        pair.judge(found, names, datetime.now(UTC))
    except PosthouseError as error:
        where = "" if str(chain.parent) in error.message else f"{chain}: "
        raise PosthouseError(f"{where}{error.message}", error.hint or hint) from error
    place.put("files", found.chain, found.key, folder)
    return True


def _in_use(found: pair.Pair, folder: Path) -> bool:
    try:
        return (folder / CHAIN).read_bytes() == found.chain and (folder / KEY).read_bytes() == found.key
    except OSError:
        return False
