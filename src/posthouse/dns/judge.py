"""Is what is published right? By what it means, not by its text: pure functions of a wanted record and values seen."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from posthouse.dns import caa
from posthouse.dns.record import Record

State = Literal["ok", "warning", "missing", "wrong", "unknown"]
# From best to worst, to take the worst of several.
STATES: tuple[State, ...] = ("ok", "warning", "unknown", "missing", "wrong")

# (text of the SPF record) -> the first of our addresses that it does not pass, its result and why; None: all pass
SpfCheck = Callable[[str], tuple[str, str, str] | None]


@dataclass(frozen=True)
class Judgement:
    """`detail` says what was found, in words; "" where there is nothing to add."""

    state: State
    detail: str = ""


def judge(record: Record, values: tuple[str, ...], spf: SpfCheck) -> Judgement:
    """Judge what a server shows at a record's name. `spf` is asked where the record is one of SPF."""
    if record.role in ("spf", "host-spf"):
        return _with_relays(record, values, _spf(values, spf))
    if record.role == "relay-spf":
        return _with_relays(record, values, _spf(values, lambda _: None))
    if record.role == "dkim":
        return _dkim(record, values)
    if record.role == "dmarc":
        return _dmarc(record, values)
    if record.role == "tls-rpt":
        return _tls_rpt(record, values)
    if record.role == "mta-sts":
        return _mta_sts(record, values)
    if not values:
        return Judgement("missing")
    if record.role in ("mx", "relay-mx"):
        return _mx(record, values)
    if record.role == "caa":
        return _caa(record, values)
    if record.role == "srv":
        return _srv(record, values)
    if record.role == "tlsa" and record.value not in (value.lower() for value in values):
        return Judgement(
            "wrong", f"it shows {_listed(values)}: who looks at it sends no mail to a server with our key"
        )
    if record.value.lower() not in {value.lower() for value in values}:
        return Judgement("wrong", f"it shows {_listed(values)}")
    others = [value for value in values if value.lower() != record.value.lower()]
    if others and record.role == "address":
        return Judgement("warning", f"it shows {_listed(others)} too: mail and clients go there as well")
    if others and record.role == "reverse":
        return Judgement("warning", f"it shows {_listed(others)} too; some receivers take the first")
    return Judgement("ok")


def _caa(record: Record, values: tuple[str, ...]) -> Judgement:
    issuer = record.value.split('"')[1]
    why = caa.forbidden(values, record.name.rstrip("."), {issuer})
    return Judgement("ok") if why is None else Judgement("wrong", f"{why}: the next renewal fails")


def _srv(record: Record, values: tuple[str, ...]) -> Judgement:
    """Port and host must be ours; priority and weight are the operator's."""
    ours = record.value.lower().split()[2:]
    others = [value for value in values if value.lower().split()[2:] != ours]
    if len(others) == len(values):
        return Judgement("wrong", f"it shows {_listed(values)}: mail programs go there")
    return Judgement("warning", f"it shows {_listed(others)} too") if others else Judgement("ok")


def _tls_rpt(record: Record, values: tuple[str, ...]) -> Judgement:
    found = [value for value in values if re.match(r"v=TLSRPTv1\s*(;|$)", value)]
    if not found:
        return Judgement("missing")
    if len(found) > 1:
        return Judgement("wrong", f"there are {len(found)} records, so none counts: leave the one")
    ours, shown = _tags(record.value), _tags(found[0])
    assert ours is not None
    if shown is None or not re.match(r"(mailto|https):", shown.get("rua", ""), re.IGNORECASE):
        return Judgement("wrong", f"expected rua=mailto:ADDRESS, it shows {_short(found[0])}")
    if ours["rua"].lower() not in [one.strip().lower() for one in shown["rua"].split(",")]:
        return Judgement("ok", f"reports go to {_short(shown['rua'])}")
    return Judgement("ok")


def _mta_sts(record: Record, values: tuple[str, ...]) -> Judgement:
    """RFC 8461 section 3.1: one record; who has the policy already looks again when the id is another."""
    found = [value for value in values if re.match(r"v=STSv1\s*;", value)]
    if not found:
        return Judgement("missing")
    if len(found) > 1:
        return Judgement("wrong", f"there are {len(found)} records, so none counts: leave the one")
    ours, shown = _tags(record.value), _tags(found[0])
    assert ours is not None
    if shown is None or not re.fullmatch(r"[A-Za-z0-9]{1,32}", shown.get("id", "")):
        return Judgement("wrong", f"expected id=LETTERS AND DIGITS, it shows {_short(found[0])}")
    if shown["id"] != ours["id"]:
        return Judgement(
            "wrong", f"the policy is another than with id={shown['id']}: others keep the old one"
        )
    return Judgement("ok")


def leads_here(record: Record, addresses: tuple[str, ...], ours: Collection[str]) -> Judgement:
    """Judge a name that must lead to this machine, by which addresses it has, however it comes to them."""
    if not addresses:
        return Judgement("missing")
    wrong = [one for one in addresses if one not in ours]
    return Judgement("wrong", f"{record.name} leads to {_listed(wrong)}") if wrong else Judgement("ok")


def beside(mx: tuple[str, ...], policy: Collection[str], mode: str) -> Judgement:
    """Judge the MX hosts of an MTA-STS record's domain by the policy's: who is not in it gets no mail."""
    hosts = {value.split()[-1].rstrip(".").lower() for value in mx}
    others = sorted(hosts - set(policy))
    if not others or mode == "none":
        return Judgement("ok")
    detail = (
        f"mx in [web] does not name {_listed(others)}, which the MX record does: others send no mail there"
    )
    return Judgement("wrong" if mode == "enforce" else "warning", detail)


def _mx(record: Record, values: tuple[str, ...]) -> Judgement:
    ours = record.value.split()[1].lower()
    found = sorted((int(value.split()[0]), value.split()[1].lower()) for value in values)
    hosts = [host for _, host in found]
    if hosts == ["."]:
        return Judgement("wrong", 'it shows "0 .": the domain takes no mail (RFC 7505)')
    if ours not in hosts:
        return Judgement("wrong", f"it shows {_listed(values)}: mail goes elsewhere")
    first = [host for preference, host in found if preference == found[0][0]]
    if ours not in first:
        return Judgement("warning", f"{found[0][1]} is asked first, with preference {found[0][0]}")
    if len(first) > 1:
        return Judgement(
            "warning", f"half of the mail goes to {_listed(host for host in first if host != ours)}"
        )
    return Judgement("ok", "" if len(hosts) == 1 else f"beside {_listed(hosts[1:])}")


def _spf(values: tuple[str, ...], check: SpfCheck) -> Judgement:
    found = [value for value in values if re.match(r"v=spf1( |$)", value, re.IGNORECASE)]
    if not found:
        return Judgement("missing")
    if len(found) > 1:
        return Judgement("wrong", f"there are {len(found)} SPF records, so none counts: make one of them")
    bad = check(found[0])
    if bad is not None:
        address, result, why = bad
        state: State = "unknown" if result == "temperror" else "wrong"
        return Judgement(state, f"mail from {address} gets {result} ({why}); it shows {found[0]}")
    if re.search(r"(^| )\+?all( |$)", found[0], re.IGNORECASE):
        return Judgement("wrong", f"it lets everybody send as the domain: {found[0]}")
    if not re.search(r"(^| )[-~]all( |$)|(^| )redirect=", found[0], re.IGNORECASE):
        return Judgement(
            "warning", f"it tells nobody to refuse forged mail: end it with -all; it shows {found[0]}"
        )
    return Judgement("ok")


def _with_relays(record: Record, values: tuple[str, ...], found: Judgement) -> Judgement:
    """Judge that smart hosts are named, too: their addresses are unknown, so by the name that the services give."""
    if found.state not in ("ok", "warning"):
        return found
    shown = {
        term.lower().lstrip("+")
        for value in values
        if value.lower().startswith("v=spf1")
        for term in value.split()
    }
    lacking = [term for term in record.value.split() if ":" in term and term.lower() not in shown]
    if not lacking:
        return found
    detail = f"it does not name {' '.join(lacking)} itself, from where the smart host sends"
    return Judgement("warning", "; ".join(part for part in (found.detail, detail) if part))


def _dkim(record: Record, values: tuple[str, ...]) -> Judgement:
    if not values:
        return Judgement("missing")
    if len(values) > 1:
        return Judgement("wrong", f"there are {len(values)} TXT records, so none counts: leave the one")
    shown, wanted = _tags(values[0]), _tags(record.value)
    assert wanted is not None
    if shown is None:
        return Judgement("wrong", f'expected "tag=value; tag=value", it shows {_short(values[0])}')
    if shown.get("v", "DKIM1") != "DKIM1" or (next(iter(shown)) != "v" and "v" in shown):
        return Judgement("wrong", f"expected v=DKIM1 at its beginning, it shows {_short(values[0])}")
    if (cut := _key_differs(shown.get("p"), wanted["p"])) is not None:
        return Judgement("wrong", cut)
    if shown.get("k", "rsa") != wanted.get("k", "rsa"):
        return Judgement("wrong", f"expected k={wanted.get('k', 'rsa')}, it shows k={shown['k']}")
    if "h" in shown and "sha256" not in shown["h"].split(":"):
        return Judgement("wrong", f"expected h=sha256, it shows h={shown['h']}")
    if not {"*", "email"} & set(shown.get("s", "*").split(":")):
        return Judgement("wrong", f"expected s=email, it shows s={shown['s']}")
    if "y" in shown.get("t", "").split(":"):
        return Judgement(
            "warning", "t=y says that the domain is only testing: receivers need not mind signatures"
        )
    return Judgement("ok")


def _key_differs(shown: str | None, wanted: str) -> str | None:
    """Say in words how a published key is not the wanted one."""
    if shown is None:
        return "it has no p=, the key"
    text = re.sub(r"\s", "", shown)
    if not text:
        return "its p= is empty, which withdraws the key"
    if text == wanted:
        return None
    ends = min(len(text), len(wanted))
    same = next((at for at in range(ends) if text[at] != wanted[at]), ends)
    if same == len(text):
        return f"the key is cut after {len(text)} of {len(wanted)} characters: enter it as strings of at most 255"
    if same == len(wanted):
        return f"after the key stands what does not belong to it: {_short(text[same:])}"
    if text[same] in '"\\':
        return f"the key has {text[same]} at character {same + 1}: enter it without, or each string in quotation marks"
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return f"the key is no Base64, and other than ours from character {same + 1} on"
    return f"it is another key, from character {same + 1} of {len(wanted)} on"


def _dmarc(record: Record, values: tuple[str, ...]) -> Judgement:
    found = [value for value in values if re.match(r"v\s*=\s*DMARC1\s*(;|$)", value)]
    if not found:
        return Judgement(
            "missing" if not values else "wrong", "" if not values else f"it shows {_listed(values)}"
        )
    if len(found) > 1:
        return Judgement("wrong", f"there are {len(found)} DMARC records, so none counts: leave the one")
    shown, wanted = _tags(found[0]), _tags(record.value)
    assert wanted is not None
    if shown is None or shown.get("p", "").lower() not in ("none", "quarantine", "reject"):
        return Judgement("wrong", f"expected p=none, quarantine or reject, it shows {_short(found[0])}")
    defaults = {
        "sp": shown["p"],
        "adkim": "r",
        "aspf": "r",
        "fo": "0",
        "pct": "100",
        "ri": "86400",
        "rf": "afrf",
    }
    unlike = [
        f"{tag}={seen or '(none)'}"
        for tag in dict.fromkeys((*wanted, *shown))
        if (seen := shown.get(tag, defaults.get(tag, ""))).lower()
        != wanted.get(tag, defaults.get(tag, "")).lower()
    ]
    if unlike:
        return Judgement("warning", f"other than the site file says: {', '.join(unlike)}")
    return Judgement("ok")


def _tags(text: str) -> dict[str, str] | None:
    """The tags of a list (RFC 6376 section 3.2), in order; None where it is none: a name may stand there once."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name.strip()) or name.strip() in found:
            return None
        found[name.strip()] = value.strip()
    return found or None


def _listed(values: object) -> str:
    return ", ".join(_short(str(value)) for value in values)  # type: ignore[attr-defined]


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}..."
