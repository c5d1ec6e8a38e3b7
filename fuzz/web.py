"""Requests by HTTPS: for the MTA-STS policy, autoconfig and autodiscover (`posthouse.web`)."""

from __future__ import annotations

import plistlib
import re
from xml.etree import ElementTree

from fuzz.run import Target
from posthouse.web import account, http, policy
from posthouse.web.answer import Settings, answer

_SAID = Settings(
    "mail.snorl.ax", policy.text("testing", ["mail.snorl.ax"], 86_400), frozenset({"snorl.ax", "b.example"})
)
_ADDRESS = re.compile(r"[!-~]{1,64}@(snorl\.ax|b\.example)")
_HOSTS = ("mta-sts.snorl.ax", "autoconfig.snorl.ax", "autodiscover.b.example", "snorl.ax", "mail.snorl.ax")
_WORDS = (
    *(host.encode() for host in _HOSTS),
    *(
        b"GET ",
        b"HEAD ",
        b"POST ",
        b" HTTP/1.1",
        b" HTTP/1.0",
        b"\r\n\r\n",
        b"\r\nHost: ",
        b"\r\nContent-Length: ",
    ),
    *(
        b"\r\nTransfer-Encoding: chunked",
        b"\r\nExpect: 100-continue",
        b"/../",
        b"//",
        b"?",
        b"#",
        b"%2e",
        b"\r\n ",
    ),
    *(
        b"/.well-known/",
        b"/mail/config-v1.1.xml",
        b"/autodiscover/autodiscover.xml",
        b"?address=a%40snorl.ax",
    ),
)
_XML = (
    *(
        b"<?xml version='1.0' encoding='utf-16'?>",
        b"<!DOCTYPE a [",
        b"<!ENTITY a 'b'>",
        b"&a;",
        b"&#0;",
        b"&#60;",
    ),
    *(
        b"<![CDATA[",
        b"]]>",
        b"<!--",
        b"-->",
        b"<Request>",
        b"</Request>",
        b"<EMailAddress>",
        b"</EMailAddress>",
    ),
    *(
        b" xmlns='x'",
        b"<x:Request>",
        b"<?php ?>",
        b"SYSTEM 'file:///etc/passwd'",
        b"%p;",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
    ),
)


def _request(host: str, path: str, method: str = "GET", body: bytes = b"") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: x\r\n{length}\r\n".encode() + body


def _question(address: str, schema: str = account.OUTLOOK_SETTINGS) -> bytes:
    inside = (
        f"<EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>{schema}</AcceptableResponseSchema>"
    )
    return f"<?xml version='1.0'?><Autodiscover xmlns='a'><Request>{inside}</Request></Autodiscover>".encode()


def feed(data: bytes) -> None:
    """Give one connection's bytes to the parsers, as the listener does, and look at every byte of the answer."""
    head, end, body = data.partition(b"\r\n\r\n")
    try:
        request = http.request(head + end)
        said = answer(_SAID, request, body[: request.length])
        octets = said.octets(head=request.method == "HEAD")
    except http.Refused as refused:
        said = refused.answer
        octets = said.octets()
        assert re.fullmatch(r"[A-Za-z ]+\n", said.body)
    first, _, rest = octets.partition(b"\r\n")
    assert re.fullmatch(rb"HTTP/1\.1 (200|400|404|405|413|431|501) [A-Za-z ]+", first)
    fields = rest.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert all(re.fullmatch(rb"[A-Za-z-]+: [ -~]+", field) for field in fields)
    if said.status == 200 and said.body != _SAID.policy:
        names = _names(said)
        assert all(name == "%EMAILADDRESS%" or _ADDRESS.fullmatch(name) for name in names)


def _names(said: http.Answer) -> list[str]:
    """The addresses that an answer names."""
    if "aspen" in said.type:
        (mail,) = plistlib.loads(said.body.encode())["PayloadContent"]
        return [mail["EmailAddress"], mail["IncomingMailServerUsername"]]
    tree = ElementTree.fromstring(said.body)
    found = [one for one in tree.iter() if one.tag.endswith(("username", "LoginName"))]
    return [one.text or "" for one in found]


def feed_question(data: bytes) -> None:
    """The same, and the body whole, whatever its head says of its length."""
    feed(data)
    body = data.partition(b"\r\n\r\n")[2][: http.BODY]
    feed(_request("snorl.ax", "/autodiscover/autodiscover.xml", "POST", body))


MTA_STS = Target(
    "mta-sts",
    feed,
    (_request(_HOSTS[0], policy.PATH), _request(_HOSTS[0], policy.PATH, "HEAD"), _request("snorl.ax", "/")),
    _WORDS,
)
AUTOCONFIG = Target(
    "autoconfig",
    feed,
    (
        _request(_HOSTS[1], "/mail/config-v1.1.xml?emailaddress=a%40snorl.ax"),
        _request(_HOSTS[3], "/.well-known/autoconfig/mail/config-v1.1.xml"),
        _request(_HOSTS[1], "/apple.mobileconfig?address=kim%2Bnews@snorl.ax"),
    ),
    _WORDS,
)
_LONG = _question("user@snorl.ax").ljust(3_000)  # a length that stays right when the body changes a little
AUTODISCOVER = Target(
    "autodiscover",
    feed_question,
    (
        _request(_HOSTS[2], "/autodiscover/autodiscover.xml", "POST", _question("user@snorl.ax")),
        _request(_HOSTS[4], "/Autodiscover/Autodiscover.xml", "POST", _LONG),
        _request(
            _HOSTS[3], "/autodiscover/autodiscover.xml", "POST", _question("x@elsewhere.example", "mobile")
        ),
    ),
    (*_WORDS, *_XML, *_XML),
)
