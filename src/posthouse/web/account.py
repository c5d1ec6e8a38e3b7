"""Where an account of ours is reached, in the forms that mail programs read: pure.

Each is for one server and one address; whether there is such an account is not known here, and no password stands in
any of them.
"""

from __future__ import annotations

import plistlib
import uuid
from xml.sax.saxutils import escape

_SPACE = uuid.UUID("2f1e7d0c-6d0b-5c40-9d3a-2c7c1c8c5a10")  # the same profile has the same name each time
_OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover"
OUTLOOK_SETTINGS = f"{_OUTLOOK}/outlook/responseschema/2006a"
# Thunderbird takes the first that it can use: TLS from the first byte goes before STARTTLS (RFC 8314 section 3).
_INCOMING = (("imap", 993, "SSL"), ("imap", 143, "STARTTLS"), ("pop3", 995, "SSL"), ("pop3", 110, "STARTTLS"))
_OUTGOING = ((465, "SSL"), (587, "STARTTLS"))


def thunderbird(domain: str, host: str) -> str:
    """Return the file that Thunderbird looks for; it fills in the address itself.

    Source: https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat
    """
    user = "<username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication>"

    def server(tag: str, kind: str, port: int, security: str) -> str:
        where = f"<hostname>{escape(host)}</hostname><port>{port}</port><socketType>{security}</socketType>"
        return f'    <{tag} type="{kind}">{where}{user}</{tag}>\n'

    incoming = (server("incomingServer", *one) for one in _INCOMING)
    outgoing = (server("outgoingServer", "smtp", *one) for one in _OUTGOING)
    name = escape(domain)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<clientConfig version="1.1">\n  <emailProvider id="{name}">\n    <domain>{name}</domain>\n'
        f"    <displayName>{name}</displayName>\n    <displayShortName>{name}</displayShortName>\n"
        f"{''.join(incoming)}{''.join(outgoing)}  </emailProvider>\n</clientConfig>\n"
    )


def outlook(address: str, host: str) -> str:
    """Return the answer to Outlook's question for an address (MS-OXDSCLI section 2.2.4)."""
    ends = "<DomainRequired>off</DomainRequired><SPA>off</SPA><AuthRequired>on</AuthRequired>"
    more = "<UsePOPAuth>on</UsePOPAuth><SMTPLast>off</SMTPLast>"

    def protocol(kind: str, port: int, after: str = "") -> str:
        return (
            f"      <Protocol><Type>{kind}</Type><Server>{escape(host)}</Server><Port>{port}</Port>"
            f"<LoginName>{escape(address)}</LoginName><SSL>on</SSL><Encryption>SSL</Encryption>"
            f"{ends}{after}</Protocol>\n"
        )

    servers = protocol("IMAP", 993) + protocol("POP3", 995) + protocol("SMTP", 465, more)
    return _enveloped(
        f'  <Response xmlns="{OUTLOOK_SETTINGS}">\n'
        f"    <User><DisplayName>{escape(address)}</DisplayName></User>\n"
        f"    <Account>\n      <AccountType>email</AccountType><Action>settings</Action>\n{servers}"
        "    </Account>\n  </Response>\n"
    )


def outlook_error(code: int, message: str) -> str:
    """Return the refusal of Outlook's question (MS-OXDSCLI section 2.2.4.1.1.1)."""
    return _enveloped(
        f'  <Response>\n    <Error Time="00:00:00" Id="0"><ErrorCode>{code}</ErrorCode>'
        f"<Message>{escape(message)}</Message><DebugData/></Error>\n  </Response>\n"
    )


def _enveloped(text: str) -> str:
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    return f'{head}<Autodiscover xmlns="{_OUTLOOK}/responseschema/2006">\n{text}</Autodiscover>\n'


def apple(address: str, domain: str, host: str) -> str:
    """Return the configuration profile of an address for Apple's systems, which ask for the password themselves.

    Source: Apple's Configuration Profile Reference, com.apple.mail.managed.
    """
    unique = uuid.uuid5(_SPACE, f"{address} {host}")
    reverse = ".".join(reversed(host.split(".")))
    mail = {
        "PayloadType": "com.apple.mail.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{reverse}.mail.{unique}.account",
        "PayloadUUID": str(uuid.uuid5(unique, "account")).upper(),
        "PayloadDisplayName": address,
        "EmailAccountType": "EmailTypeIMAP",
        "EmailAccountDescription": domain,
        "EmailAddress": address,
        "IncomingMailServerAuthentication": "EmailAuthPassword",
        "IncomingMailServerHostName": host,
        "IncomingMailServerPortNumber": 993,
        "IncomingMailServerUseSSL": True,
        "IncomingMailServerUsername": address,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerHostName": host,
        "OutgoingMailServerPortNumber": 465,
        "OutgoingMailServerUseSSL": True,
        "OutgoingMailServerUsername": address,
        "OutgoingPasswordSameAsIncomingPassword": True,
    }
    profile = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{reverse}.mail.{unique}",
        "PayloadUUID": str(unique).upper(),
        "PayloadDisplayName": f"Mail of {address}",
        "PayloadOrganization": domain,
        "PayloadRemovalDisallowed": False,
        "PayloadContent": [mail],
    }
    return plistlib.dumps(profile).decode()
