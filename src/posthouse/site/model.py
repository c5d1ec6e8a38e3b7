"""The site file's model: every field with its meaning, its default and its errors.

`docs/site-file.md` and `posthouse config reference` are generated from this module.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from posthouse.site import names
from posthouse.site.octodns import Octodns
from posthouse.site.relay import Relay
from posthouse.site.table import Domain, HostName, Path, Table


def _size(value: object) -> object:
    return names.size(value) if isinstance(value, str) else value


Address = Annotated[str, AfterValidator(names.address)]
LocalPart = Annotated[str, AfterValidator(names.local_part)]
Bytes = Annotated[int, BeforeValidator(_size)]
IPv4 = Annotated[str, AfterValidator(names.ipv4)]
IPv6 = Annotated[str, AfterValidator(names.ipv6)]
DatabaseUrl = Annotated[str, AfterValidator(names.database_url)]

FailureOptions = Annotated[str, AfterValidator(names.failure_options)]
ResolverAddress = Annotated[str, AfterValidator(names.ip)]
NetworkAddress = Annotated[str, AfterValidator(names.network)]
Filter = Literal["rspamd", "spamassassin"]
JUNK_SCORES: dict[Filter, float] = {"rspamd": 6.0, "spamassassin": 3.0}
AcmeUrl = Annotated[str, AfterValidator(names.https_url)]
KeyName = Annotated[str, AfterValidator(names.key_name)]
Folder = Annotated[str, AfterValidator(names.folder)]
Unit = Annotated[str, AfterValidator(names.unit)]


class Network(Table):
    """The machine's public addresses, found on its interfaces when `up` writes the file."""

    ipv4: IPv4 | None = Field(None, description="Public IPv4 address of this host.")
    ipv6: IPv6 | None = Field(None, description="Public IPv6 address of this host.")


class DirectoryTable(Table):
    """Where domains, accounts and aliases live."""

    backend: Literal["sqlite", "postgresql"] = Field(
        "sqlite", description="Kind of database. To change it on a live server: `posthouse directory move`."
    )
    url: DatabaseUrl | None = Field(
        None,
        description="Where PostgreSQL is, `postgresql://ROLE@HOST:5432/DATABASE`, its TLS certificate checked;"
        " unset: on this host, installed and set up by Posthouse.",
    )
    password_file: Path | None = Field(
        None, description="With `url`: the file, for root only, that holds the password of its role."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.url is not None and self.backend != "postgresql":
            raise ValueError('url is set, and backend is "sqlite": write backend = "postgresql", or no url')
        if self.url is None and self.password_file is not None:
            raise ValueError("password_file is set without url: PostgreSQL on this host needs no password")
        if self.url is not None and self.password_file is None:
            raise ValueError(
                "url is set without password_file: write the role's password into a file for root only, such"
                ' as "/etc/posthouse/directory-password", and name that file here'
            )
        return self


class Mail(Table):
    """How mail is stored."""

    format: Literal["maildir", "mdbox"] = Field(
        "maildir",
        description="Format of mailboxes that `posthouse user add` makes; those that are there keep theirs.",
    )


class Auth(Table):
    """How accounts log in. PLAIN and LOGIN are always offered, inside TLS."""

    sasl: Literal["dovecot", "cyrus"] = Field(
        "dovecot",
        description="By which library Postfix takes logins; `cyrus` knows no other mechanisms: see docs/logins.md.",
    )
    mechanisms: list[Literal["scram-sha-256", "cram-md5"]] = Field(
        [],
        max_length=2,
        description="Offered beside them, for accounts whose password was set since: see docs/logins.md.",
    )
    realm: HostName | None = Field(
        None,
        description="Domain of a login that names none (smtpd_sasl_local_domain); unset: the main domain.",
    )
    broken_sasl_auth_clients: bool = Field(
        True, description="Offer AUTH in the old form too, for programs such as Outlook Express."
    )


class Limits(Table):
    """Bounds on size."""

    message_size: Bytes = Field(52_428_800, ge=1_048_576, description="Largest message accepted.")
    quota: Bytes = Field(0, ge=0, description="What a mailbox may hold unless its account says; 0: no limit.")


class Spam(Table):
    """What the filter does with what it judges."""

    junk_score: float | None = Field(
        None,
        gt=0,
        description="Score from which a message is filed in Junk; unset: 6 with Rspamd, 3 with SpamAssassin.",
    )
    reject_score: float | None = Field(
        None, gt=0, description="Score from which mail is refused; unset: never."
    )
    scan_size: Bytes = Field(
        10_485_760,
        ge=1_048_576,
        description="How much is looked at: by Rspamd's patterns of each part, by SpamAssassin of the whole.",
    )


class Dmarc(Table):
    """The DMARC policy that our domains publish (RFC 7489 section 6.3)."""

    policy: Literal["none", "quarantine", "reject"] = Field("quarantine", description="Tag p.")
    subdomain_policy: Literal["none", "quarantine", "reject"] | None = Field(
        None, description="Tag sp; unset: as policy."
    )
    dkim_alignment: Literal["relaxed", "strict"] = Field("relaxed", description="Tag adkim.")
    spf_alignment: Literal["relaxed", "strict"] = Field("relaxed", description="Tag aspf.")
    failure_options: FailureOptions = Field("1", description="Tag fo: of 0, 1, d and s, joined by colons.")
    percent: int = Field(
        100, ge=0, le=100, description="Tag pct: the share of failing mail that the policy is for."
    )
    report_interval: int = Field(
        86_400, ge=3_600, le=604_800, description="Tag ri: seconds between aggregate reports."
    )
    report_to: LocalPart = Field(
        "dmarc-reports", description="Tag rua: local part that takes aggregate reports."
    )
    failures_to: Address | None = Field(
        None, description="Tag ruf: address that takes reports of single messages; unset: none are asked for."
    )


class DnsUpdate(Table):
    """A name server that takes our records by dynamic update (RFC 2136): `posthouse dns push`, and key rotation."""

    server: ResolverAddress = Field(description="Address of the zones' primary name server.")
    port: int = Field(53, ge=1, le=65535, description="Its TCP port.")
    key: KeyName = Field(description="Name of the key that signs the updates (TSIG, RFC 8945).")
    algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = Field(
        "hmac-sha256", description="The key's algorithm."
    )
    secret_file: Path = Field(description="File, for root only, that holds the key's secret in Base64.")


class Dns(Table):
    """How the published records are looked at, and who takes ours."""

    resolvers: list[ResolverAddress] = Field(
        ["1.1.1.1", "9.9.9.9"],
        max_length=8,
        description="Resolvers that `posthouse dns check` asks beside the domain's own name servers.",
    )
    update: DnsUpdate | None = None
    octodns: Octodns | None = None

    @property
    def pushed(self) -> bool:
        """Whether records can be published without a hand."""
        return self.update is not None or self.octodns is not None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.update is not None and self.octodns is not None:
            raise ValueError("[dns.update] and [dns.octodns] are two ways to the same: keep one")
        return self


class Dkim(Table):
    """The keys that sign (RFC 6376)."""

    rotate_days: int | None = Field(
        None,
        ge=7,
        le=1095,
        description="Days after which a key is replaced without a hand; unset: `posthouse dkim rotate` begins it."
        " Either way it goes on by itself once DNS shows the new key, which `[dns.update]` or `[dns.octodns]` sees to.",
    )


class Tls(Table):
    """The certificate that every daemon shows: docs/certificates.md."""

    mode: Literal["self-signed", "acme", "files"] | None = Field(
        None,
        description="Where it comes from: from nobody, from a certificate authority by ACME, or from you; unset:"
        ' "files" where `folder` is set, else "self-signed".',
    )
    names: list[HostName] = Field(
        [], max_length=99, description="Names that clients use beside `hostname`; the certificate is for all."
    )
    email: Address | None = Field(None, description="ACME: where the authority writes to; unset: nowhere.")
    acme_server: AcmeUrl = Field(
        "https://acme-v02.api.letsencrypt.org/directory", description="ACME: the authority's directory."
    )
    acme_ca_file: Path | None = Field(
        None, description="ACME: certificates that vouch for `acme_server`, PEM; unset: the system's."
    )
    challenge: Literal["http-01", "dns-01"] = Field(
        "http-01",
        description="ACME: how the authority sees that the names are ours: `http-01` asks this machine on port 80;"
        " `dns-01` looks for records, which `[dns.update]` or `[dns.octodns]` takes.",
    )
    webroot: Folder | None = Field(
        None,
        description="ACME: the folder that a web server on this machine shows on port 80 for all names; unset:"
        " port 80 is free, and answered while the authority looks.",
    )
    certificate: Path | None = Field(None, description="Yours: the certificate and its chain, PEM.")
    key: Path | None = Field(None, description="Yours: its key, PEM, without a passphrase.")
    folder: Folder | None = Field(
        None,
        description="Yours: a folder with fullchain.pem and privkey.pem, such as /etc/letsencrypt/live/NAME.",
    )

    @property
    def kind(self) -> Literal["self-signed", "acme", "files"]:
        """Where the certificate comes from."""
        return self.mode or ("files" if self.folder else "self-signed")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: set both, or neither")
        if self.webroot is not None and self.challenge == "dns-01":
            raise ValueError('webroot is for challenge = "http-01": with "dns-01" nobody asks on port 80')
        given = (self.folder is not None) + (self.certificate is not None)
        if self.kind == "files" and given != 1:
            raise ValueError('with mode = "files" set certificate and key, or folder, and not both')
        if self.kind != "files" and given:
            raise ValueError(f'folder, certificate and key are for mode = "files", and mode is "{self.kind}"')
        return self


class Web(Table):
    """What mail programs and other mail servers look up by HTTPS, on port 443: docs/web.md."""

    enabled: bool | None = Field(
        None,
        description='Whether anything is served; unset: with `mode = "acme"` in `[tls]` and no `webroot` there.',
    )
    mta_sts: Literal["none", "testing", "enforce"] = Field(
        "testing",
        description="MTA-STS (RFC 8461): who sends mail to our domains does so by verified TLS; `testing`: failures"
        " are only reported.",
    )
    mta_sts_seconds: int = Field(
        604_800, ge=86_400, le=31_557_600, description="For how long senders keep the policy."
    )
    mx: list[HostName] = Field(
        [], max_length=20, description="MTA-STS: hosts that take mail for our domains beside this one."
    )


class Sending(Table):
    """What an account may send; what is more is held in the queue, and the postmaster told. 0: no limit."""

    messages_per_hour: int = Field(100, ge=0, description="Messages of an account in an hour.")
    messages_per_day: int = Field(500, ge=0, description="Messages of an account in a day.")
    recipients_per_hour: int = Field(300, ge=0, description="Recipients of an account in an hour.")
    recipients_per_day: int = Field(1000, ge=0, description="Recipients of an account in a day.")
    new_recipients_per_day: int = Field(
        200, ge=0, description="Recipients in a day that the account never wrote to before."
    )
    per_address: int = Field(
        5,
        ge=0,
        description="How many times as much may come from one client's address, of all accounts; 0: no limit.",
    )
    local_recipients_per_hour: int = Field(
        300, ge=0, description="Recipients in an hour of mail that programs of one Unix user write."
    )
    spam_score: float | None = Field(
        None,
        gt=0,
        description="Score from which submitted mail is held as spam; unset: twice what files a message in Junk.",
    )

    @property
    def numbers(self) -> tuple[int, ...]:
        """All that count, in the order in which they stand here."""
        return (
            self.messages_per_hour,
            self.messages_per_day,
            self.recipients_per_hour,
            self.recipients_per_day,
            self.new_recipients_per_day,
            self.per_address,
            self.local_recipients_per_hour,
        )


class Bans(Table):
    """Who misbehaves is kept from the mail ports for a while, by nftables."""

    enabled: bool = Field(True, description="Whether anybody is banned.")
    never: list[NetworkAddress] = Field(
        [],
        description="Addresses and networks that are never banned, such as the operator's; `up` puts the address"
        " there that its SSH session comes from. This host's own never are.",
    )
    failures: int = Field(
        10,
        ge=3,
        le=20,
        description="Failed logins or attempts to relay, within an hour, for which an address is banned.",
    )
    first: int = Field(
        600, ge=60, le=86_400, description="Seconds of a first ban; each further one is six times as long."
    )
    longest: int = Field(604_800, ge=600, le=31_536_000, description="Seconds of the longest ban.")
    fail2ban: bool = Field(
        False,
        description="Whether fail2ban bars who is banned from every other port, too; Debian's is installed where there"
        " is none: see docs/bans.md.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.longest < self.first:
            raise ValueError(f"longest ({self.longest}) is shorter than first ({self.first})")
        return self


TlsLevel = Literal["may", "encrypt", "verify"]


class Destination(Table):
    """TLS for mail to one domain elsewhere that goes to its own hosts."""

    domain: Domain = Field(description="The domain after the @.")
    tls: TlsLevel = Field(description="As above, for this domain.")


class Outgoing(Table):
    """TLS of the mail that goes to its recipients' own hosts. What cannot be sent so stays in the queue, and then
    comes back."""

    tls: TlsLevel = Field(
        "may",
        description="`may`: where the other side offers it; `encrypt`: not without; `verify`: with a certificate"
        " that a CA signed, for the name that the MX record has.",
    )
    mta_sts: bool = Field(
        False,
        description="Honour MTA-STS (RFC 8461) where DANE says nothing, by Debian's postfix-mta-sts-resolver: with"
        ' `tls = "may"`, and for some 30 MiB of memory.',
    )
    destination: list[Destination] = Field([], max_length=1000)

    @field_validator("destination")
    @classmethod
    def _once(cls, given: list[Destination]) -> list[Destination]:
        seen = [one.domain for one in given]
        if twice := {name for name in seen if seen.count(name) > 1}:
            raise ValueError(f"{min(twice)} stands here twice: keep one")
        return given


class Earlier(Table):
    """What an earlier mail server left on this machine; `posthouse up --adopt` writes it."""

    quiet_units: list[Unit] = Field([], description="Units that must not run beside Posthouse's daemons.")


class Site(Table):
    """The whole file."""

    domain: Domain = Field(description="The main mail domain: the one that system mail carries.")
    hostname: HostName = Field(description="Fully qualified name of this host, as in its MX and PTR records.")
    postmaster: Address = Field(
        description="The mailbox that gets mail for postmaster, abuse, root and reports."
    )
    filter: Filter = Field(
        "rspamd",
        description="The filter chain; `spamassassin`: policyd-spf, OpenDKIM, OpenDMARC and SpamAssassin.",
    )
    network: Network = Network()
    directory: DirectoryTable = DirectoryTable()
    mail: Mail = Mail()
    auth: Auth = Auth()
    limits: Limits = Limits()
    spam: Spam = Spam()
    dmarc: Dmarc = Dmarc()
    dkim: Dkim = Dkim()
    dns: Dns = Dns()
    tls: Tls = Tls()
    web: Web = Web()
    bans: Bans = Bans()
    sending: Sending = Sending()
    relay: Relay = Relay()
    outgoing: Outgoing = Outgoing()
    earlier: Earlier = Earlier()

    @property
    def junk_score(self) -> float:
        """The score from which a message is filed in Junk, by the scale of the chosen filter."""
        return JUNK_SCORES[self.filter] if self.spam.junk_score is None else self.spam.junk_score

    @property
    def web_enabled(self) -> bool:
        """Whether port 443 is answered."""
        unset = self.tls.kind == "acme" and self.tls.webroot is None
        return unset if self.web.enabled is None else self.web.enabled

    @property
    def mail_exchangers(self) -> tuple[str, ...]:
        """The hosts that take mail for our domains, this one first."""
        return tuple(dict.fromkeys((self.hostname, *self.web.mx)))

    @property
    def held_score(self) -> float:
        """The score from which submitted mail is held. Our users write more honest mail than strangers do."""
        return 2 * self.junk_score if self.sending.spam_score is None else self.sending.spam_score

    @field_validator("spam")
    @classmethod
    def _scores_ordered(cls, spam: Spam, given: ValidationInfo) -> Spam:
        junk = spam.junk_score or JUNK_SCORES[given.data.get("filter", "rspamd")]
        if spam.reject_score is not None and spam.reject_score < junk:
            raise ValueError(
                f"reject_score ({spam.reject_score:g}) is below junk_score ({junk:g}):"
                " nothing would ever reach Junk"
            )
        return spam

    @field_validator("relay")
    @classmethod
    def _routes_lead_away(cls, relay: Relay, given: ValidationInfo) -> Relay:
        ours = {given.data.get("domain"), given.data.get("hostname")}
        for route in relay.route:
            if route.to in ours:
                raise ValueError(f'to = "{route.to}" is here: its mail goes nowhere else')
        if ours & {host.server for host in relay.all}:
            raise ValueError("this host cannot be its own smart host")
        return relay

    @model_validator(mode="after")
    def _who_serves_is_trusted(self) -> Self:
        if self.web.enabled and self.tls.kind == "self-signed":
            raise ValueError(
                "web.enabled is true, and the certificate is self-signed, which nobody believes there:"
                ' set mode = "acme" or "files" in [tls]'
            )
        return self

    @model_validator(mode="after")
    def _who_proves_by_dns_can_write_it(self) -> Self:
        if self.tls.kind == "acme" and self.tls.challenge == "dns-01" and not self.dns.pushed:
            raise ValueError(
                'tls.challenge = "dns-01" needs who takes the records: set [dns.update] or [dns.octodns]'
            )
        return self

    @model_validator(mode="after")
    def _host_is_not_the_domain(self) -> Self:
        if self.hostname == self.domain:
            raise ValueError(
                f"hostname and domain are both {self.domain!r}: the host needs a name of its own,"
                f" such as 'mail.{self.domain}'"
            )
        return self
