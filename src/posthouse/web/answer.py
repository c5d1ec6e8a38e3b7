"""What is answered to a request: pure. Hosts and domains that are not ours are not there, and are not named."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from posthouse.web import account, names, policy, question
from posthouse.web.http import Answer, Refused, Request, refusal

_XML = "application/xml; charset=utf-8"
_PROFILE = "application/x-apple-aspen-config"
THUNDERBIRD = ("/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml")
OUTLOOK = "/autodiscover/autodiscover.xml"  # Outlook's versions write it with capitals in several ways
APPLE = "/apple.mobileconfig"


@dataclass(frozen=True)
class Settings:
    """The mail server's name, the text of its policy, and the domains that it serves."""

    hostname: str
    policy: str
    domains: frozenset[str]


def answer(said: Settings, request: Request, body: bytes = b"") -> Answer:
    """Return what to answer; a request that is refused raises `Refused`."""
    label, domain = _whose(said, request.host)
    if label == names.POLICY:
        if request.path != policy.PATH:
            raise Refused(404)
        return _got(request) or Answer(200, said.policy)
    if request.path.lower() == OUTLOOK and label in ("", names.AUTODISCOVER):
        if request.method != "POST":
            return refusal(405, ("Allow", "POST"))
        return _outlook(said, body)
    if domain and request.path in _thunderbird(label):
        return _got(request) or Answer(200, account.thunderbird(domain, said.hostname), _XML)
    if request.path == APPLE and label in ("", names.AUTOCONFIG):
        return _got(request) or _apple(said, request.query)
    raise Refused(404)


def _whose(said: Settings, host: str) -> tuple[str, str]:
    """The label and the domain of ours that a host name is made of; "" for what is not there. Refused: not ours."""
    if host == said.hostname:
        return "", host if host in said.domains else ""
    if host in said.domains:
        return "", host
    label, _, domain = host.partition(".")
    if label in names.LABELS and domain in said.domains:
        return label, domain
    raise Refused(404)


def _thunderbird(label: str) -> tuple[str, ...]:
    """Where it looks: at the domain's own name below .well-known alone."""
    return THUNDERBIRD if label == names.AUTOCONFIG else THUNDERBIRD[1:] if not label else ()


def _got(request: Request) -> Answer | None:
    """A refusal where it is not to be read."""
    return None if request.method in ("GET", "HEAD") else refusal(405, ("Allow", "GET, HEAD"))


def _outlook(said: Settings, body: bytes) -> Answer:
    try:
        asked = question.read(body)
    except question.NoQuestion:
        raise Refused(400) from None
    if asked.schema != account.OUTLOOK_SETTINGS:
        return Answer(200, account.outlook_error(601, "Provider is not available"), _XML)
    found = names.address(asked.address, said.domains)
    if found is None:
        return Answer(200, account.outlook_error(500, "The email address can't be found."), _XML)
    return Answer(200, account.outlook("@".join(found), said.hostname), _XML)


def _apple(said: Settings, query: str) -> Answer:
    try:
        given = dict(parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=4))
    except ValueError:
        raise Refused(400) from None
    found = names.address(given.get("address", ""), said.domains)
    if found is None:
        raise Refused(404)
    named = ("Content-Disposition", 'attachment; filename="mail.mobileconfig"')
    return Answer(200, account.apple("@".join(found), found[1], said.hostname), _PROFILE, (named,))
