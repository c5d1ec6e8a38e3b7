"""What is answered: to whom it is for, in the form that each program reads, and nothing of ours or theirs beside it."""

from __future__ import annotations

import plistlib
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.web import account, names, policy, question
from posthouse.web.answer import Settings, answer
from posthouse.web.http import Answer, Refused, Request

FIXED = {"Not Found\n", "Bad Request\n"}  # nothing of the request stands in them
POLICY = policy.text("testing", ["mail.snorl.ax", "mx2.example"], 604_800)
SAID = Settings("mail.snorl.ax", POLICY, frozenset({"snorl.ax", "second.example"}))
OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/"
REQUEST = "<Autodiscover xmlns='{outlook}requestschema/2006'><Request>{inside}</Request></Autodiscover>"


def get(host: str, path: str, query: str = "", method: str = "GET") -> Answer:
    return answer(SAID, Request(method, path, query, host))


def status(host: str, path: str, query: str = "", method: str = "GET") -> int:
    try:
        return get(host, path, query, method).status
    except Refused as refused:
        return refused.status if refused.answer.body in FIXED else 0


def asked(address: str, schema: str = f"{OUTLOOK}responseschema/2006a") -> bytes:
    form = f"<AcceptableResponseSchema>{schema}</AcceptableResponseSchema>"
    inside = f"<EMailAddress>{address}</EMailAddress>{form}"
    return REQUEST.format(outlook=OUTLOOK, inside=inside).encode()


def discovered(
    body: bytes, host: str = "autodiscover.snorl.ax", path: str = "/autodiscover/autodiscover.xml"
) -> str:
    return answer(SAID, Request("POST", path, "", host, len(body)), body).body


def test_the_policy_and_its_record() -> None:
    found = get("mta-sts.snorl.ax", "/.well-known/mta-sts.txt")
    assert found.type.startswith("text/plain")
    assert found.body.split("\r\n") == [
        "version: STSv1",
        "mode: testing",
        "mx: mail.snorl.ax",
        "mx: mx2.example",
        "max_age: 604800",
        "",
    ]
    assert get("mta-sts.second.example", "/.well-known/mta-sts.txt") == found
    assert re.fullmatch(r"v=STSv1; id=[0-9a-z]{1,32}", policy.record(POLICY))


@given(*[st.tuples(st.sampled_from(["none", "testing", "enforce"]), st.integers(86400, 86403))] * 2)
def test_the_id_changes_exactly_with_the_policy(one: tuple[str, int], other: tuple[str, int]) -> None:
    texts = [policy.text(mode, ["mail.snorl.ax"], seconds) for mode, seconds in (one, other)]
    assert (policy.record(texts[0]) == policy.record(texts[1])) == (one == other)


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("autoconfig.snorl.ax", "/mail/config-v1.1.xml"),
        ("autoconfig.snorl.ax", "/.well-known/autoconfig/mail/config-v1.1.xml"),
        ("snorl.ax", "/.well-known/autoconfig/mail/config-v1.1.xml"),
    ],
)
def test_thunderbird(host: str, path: str) -> None:
    found = get(host, path, "emailaddress=%3Cscript%3E")
    assert "script" not in found.body
    tree = ElementTree.fromstring(found.body)
    assert tree.findtext("emailProvider/domain") == "snorl.ax"
    first = tree.find("emailProvider/incomingServer")
    assert first is not None
    assert (first.get("type"), first.findtext("port"), first.findtext("socketType")) == ("imap", "993", "SSL")
    servers = [*tree.iterfind(".//incomingServer"), *tree.iterfind(".//outgoingServer")]
    assert [one.findtext("port") for one in servers] == ["993", "143", "995", "110", "465", "587"]
    assert {one.findtext("hostname") for one in servers} == {"mail.snorl.ax"}
    assert {one.findtext("username") for one in servers} == {"%EMAILADDRESS%"}


@pytest.mark.parametrize("path", ["/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml"])
@pytest.mark.parametrize("host", ["autodiscover.snorl.ax", "snorl.ax", "mail.snorl.ax"])
def test_outlook(host: str, path: str) -> None:
    tree = ElementTree.fromstring(discovered(asked(" Kim.O&apos;Hara@SNORL.ax "), host, path))
    space = {"o": f"{OUTLOOK}responseschema/2006a"}
    found = {
        one.findtext("o:Type", "", space): (
            one.findtext("o:Server", "", space),
            one.findtext("o:Port", "", space),
            one.findtext("o:LoginName", "", space),
            one.findtext("o:SSL", "", space),
        )
        for one in tree.iterfind(".//o:Protocol", space)
    }
    name = "Kim.O'Hara@snorl.ax"
    assert found == {
        "IMAP": ("mail.snorl.ax", "993", name, "on"),
        "POP3": ("mail.snorl.ax", "995", name, "on"),
        "SMTP": ("mail.snorl.ax", "465", name, "on"),
    }


def test_outlook_is_told_no_more_than_that() -> None:
    assert "<ErrorCode>500<" in discovered(asked("somebody@elsewhere.example"))
    assert "elsewhere" not in discovered(asked("somebody@elsewhere.example"))
    assert "<ErrorCode>500<" in discovered(asked("&lt;b&gt;@snorl.ax"))
    assert "<ErrorCode>601<" in discovered(asked("user@snorl.ax", f"{OUTLOOK}mobilesync/2006"))
    assert status("autodiscover.snorl.ax", "/autodiscover/autodiscover.xml") == 405


TENFOLD = (f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
BOMB = f'<!DOCTYPE a [<!ENTITY e0 "aaaaaaaaaa">{"".join(TENFOLD)}]>'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<Autodiscover>",
        (BOMB + asked("&e9;@snorl.ax").decode()).encode(),
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + asked("&x;@snorl.ax"),
        b'<!DOCTYPE a SYSTEM "http://elsewhere.example/a.dtd">' + asked("user@snorl.ax"),
        asked("&undefined;@snorl.ax"),
        b'<?xml version="1.0" encoding="utf-7"?>' + b"<Autodiscover>+ADw-</Autodiscover\xff>",
        b'<?xml version="1.0" encoding="idna"?>\xff' + asked("user@snorl.ax"),
        b"<a>" * 5000,
        b"<Autodiscover>" + b"<a/>" * 100 + b"</Autodiscover>",
        asked("u" * 600 + "@snorl.ax"),
        asked("user@snorl.ax</EMailAddress><EMailAddress>other@snorl.ax"),
        b"<Envelope/>",
    ],
)
def test_what_is_no_question(body: bytes) -> None:
    with pytest.raises(question.NoQuestion):
        question.read(body)
    with pytest.raises(Refused) as refused:
        discovered(body)
    assert refused.value.status == 400


def test_utf_16_is_read_as_well() -> None:
    assert question.read(asked("user@snorl.ax").decode().encode("utf-16")).address == "user@snorl.ax"


def test_apple_s_profile_is_of_one_address_and_has_no_password() -> None:
    found = get("autoconfig.snorl.ax", "/apple.mobileconfig", "address=kim%2Bnews@Snorl.ax")
    assert found.type == "application/x-apple-aspen-config"
    (mail,) = plistlib.loads(found.body.encode())["PayloadContent"]
    assert mail["EmailAddress"] == mail["IncomingMailServerUsername"] == "kim+news@snorl.ax"
    assert (mail["IncomingMailServerPortNumber"], mail["IncomingMailServerUseSSL"]) == (993, True)
    assert (mail["OutgoingMailServerPortNumber"], mail["OutgoingMailServerUseSSL"]) == (465, True)
    assert not [
        key for key in mail if key.endswith("Password") and key != "OutgoingPasswordSameAsIncomingPassword"
    ]
    assert get("mail.snorl.ax", "/apple.mobileconfig", "address=kim%2Bnews@snorl.ax") == found
    for query in ("", "address=", "address=a@elsewhere.example", "address=%3Ca%3E@snorl.ax"):
        assert status("autoconfig.snorl.ax", "/apple.mobileconfig", query) == 404
    assert status("autoconfig.snorl.ax", "/apple.mobileconfig", "address=%ff@snorl.ax") == 400
    assert status("autoconfig.snorl.ax", "/apple.mobileconfig", "&".join(["a=b"] * 9)) == 400


PATHS = (
    "/",
    policy.PATH,
    "/mail/config-v1.1.xml",
    "/.well-known/autoconfig/mail/config-v1.1.xml",
    "/autodiscover/autodiscover.xml",
    "/apple.mobileconfig",
    "/../etc/passwd",
)
HOSTS = ("elsewhere.example", "mta-sts.elsewhere.example", "mta-sts", "snorl.ax.elsewhere.example", "xsnorl.ax",
         "www.snorl.ax", "mta-sts.mta-sts.snorl.ax", "mta-sts.mail.snorl.ax", "198.18.0.10", "")  # fmt: skip


EVERY_HOST = (*HOSTS, "snorl.ax", "mail.snorl.ax", *names.served(["snorl.ax"]))


@pytest.mark.parametrize("host", HOSTS)
def test_nobody_is_served_in_another_name(host: str) -> None:
    for path in PATHS:
        assert status(host, path, "address=user@snorl.ax") == 404
        assert status(host, path, method="POST") == 404


@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS"]),
    st.sampled_from(PATHS),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
    st.sampled_from(EVERY_HOST),
    st.one_of(st.binary(max_size=200), st.text(max_size=60).map(lambda text: asked(text, ""))),
)  # fmt: skip
def test_any_request(method: str, path: str, query: str, host: str, body: bytes) -> None:
    try:
        found = answer(SAID, Request(method, path, query, host, len(body)), body)
    except Refused as refused:
        found = refused.answer
    assert found.status in (200, 400, 404, 405)
    if found.status == 200 and "xml" in found.type:
        ElementTree.fromstring(found.body)


@given(st.text(max_size=80))
def test_any_address(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    try:
        body = discovered(asked(f"{escaped}@snorl.ax"))
    except Refused:
        return
    tree = ElementTree.fromstring(body)
    names = {one.text for one in tree.iterfind(f".//{{{account.OUTLOOK_SETTINGS}}}LoginName")}
    assert names <= {f"{text.strip()}@snorl.ax"}
    assert all(re.fullmatch(r"[!-~]+", name or "") for name in names)
