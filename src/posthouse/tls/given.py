"""A certificate that somebody else keeps, such as certbot: the daemons read it where it is.

The link `current` (see `self_signed`) leads to its folder, so a renewed file there is the one in use as soon as
the daemons read it again.
"""

from __future__ import annotations

import os
from pathlib import Path

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.tls.self_signed import CHAIN, CURRENT, KEY, link


def ensure(given: Path, folder: Path = paths.TLS) -> bool:
    """See that the daemons read the pair in `given`; True where they read another one before.

    Raises:
        PosthouseError: there is no pair of certificate and key there, or they do not belong together.
    """
    check(given)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        current = folder / CURRENT
        link(folder / CHAIN, f"{CURRENT}/{CHAIN}")
        link(folder / KEY, f"{CURRENT}/{KEY}")
        if current.is_symlink() and os.readlink(current) == str(given):  # noqa: PTH115 - as in self_signed
            return False
        link(current, str(given), replace=True)
    except OSError as error:
        raise PosthouseError(f"{error.filename or folder}: {error.strerror}", "run this as root") from error
    return True


def check(given: Path) -> tuple[str, ...]:
    """Return the names that the certificate in a folder is for. PosthouseError where there is no pair."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    hint = f"see `ls -lL {given}`, or set tls.folder in {paths.SITE_FILE} to where the certificate is"
    try:
        certificate = x509.load_pem_x509_certificate((given / CHAIN).read_bytes())
        key = load_pem_private_key((given / KEY).read_bytes(), None)
    except OSError as error:
        raise PosthouseError(f"{error.filename}: {error.strerror}", hint) from error
    except (ValueError, TypeError) as error:
        raise PosthouseError(
            f"{given}: expected {CHAIN} and {KEY} in PEM form, the key without a passphrase", hint
        ) from error
    if key.public_key() != certificate.public_key():
        raise PosthouseError(f"{given}: {KEY} is not the key of the certificate in {CHAIN}", hint)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(names.get_values_for_type(x509.DNSName))
