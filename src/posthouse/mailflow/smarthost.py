"""Would a smart host take our mail now? Asked as Postfix asks it, up to the login; no mail is sent."""

from __future__ import annotations

import smtplib
import socket
import ssl
from dataclasses import dataclass

CAS = "/etc/ssl/certs/ca-certificates.crt"  # Postfix's, too (smtp_tls_CAfile)
SECONDS = 8.0


@dataclass(frozen=True)
class Trouble:
    """What is wrong, in words that go behind the host's name, and what to do."""

    what: str
    mend: str


def attempt(
    host: str,
    port: int,
    *,
    hostname: str,
    tls_at_once: bool,
    verify: bool,
    login: tuple[str, str] | None,
    anew: str,
    cas: str = CAS,
) -> Trouble | None:
    """Connect, begin TLS and log in.

    Args:
        host: its name, which its certificate must have.
        port: TCP port.
        hostname: ours, for EHLO.
        tls_at_once: TLS before any word, not by STARTTLS.
        verify: look at the certificate.
        login: name and password; None: it wants none.
        anew: what to do where that is refused.
        cas: file of the CAs to trust.
    """
    context = ssl.create_default_context(cafile=cas)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    client: smtplib.SMTP | None = None
    try:
        if tls_at_once:
            client = smtplib.SMTP_SSL(host, port, hostname, timeout=SECONDS, context=context)
        else:
            client = smtplib.SMTP(host, port, hostname, SECONDS)
            client.starttls(context=context)
        if login is not None:
            client.login(*login)
    except smtplib.SMTPAuthenticationError as error:
        said = (
            error.smtp_error
            if isinstance(error.smtp_error, str)
            else error.smtp_error.decode("ascii", "replace")
        )
        return Trouble(
            f"refuses the login {login[0] if login else ''}: {error.smtp_code} {said}",
            anew,
        )
    except ssl.SSLCertVerificationError as error:
        return Trouble(
            f"shows a certificate that is not to be trusted: {error.verify_message}",
            "is relay.host the name that its operator gave you? Else ask him",
        )
    except smtplib.SMTPNotSupportedError as error:
        what = "offers no TLS" if "STARTTLS" in str(error) else "takes no login by PLAIN or LOGIN"
        return Trouble(what, "is relay.port right?")
    except socket.gaierror:
        return Trouble(
            "is not found in DNS", "is relay.host right, and does `posthouse status` say DNS works?"
        )
    except (smtplib.SMTPException, OSError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Trouble(
            f"cannot be reached on port {port}: {why}", "is relay.port right? Mail waits until then"
        )
    finally:
        if client is not None:
            client.close()
    return None
