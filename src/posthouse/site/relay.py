"""`[relay]`: the smart hosts that mail leaves by, for everything, for a sender's domain, or for a destination."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from posthouse.site import names
from posthouse.site.table import Domain, HostName, Path, Table

Region = Annotated[str, AfterValidator(names.region)]
Login = Annotated[str, AfterValidator(names.relay_login)]
Token = Annotated[str, AfterValidator(names.label)]
RecordName = Annotated[str, AfterValidator(names.record_name)]
Mechanism = Annotated[str, AfterValidator(names.spf_mechanism)]

INSIDE_TLS = (
    465,
    2465,
)  # ports on which TLS begins at once; on all others by STARTTLS (RFC 8314 section 3.3)
_SPF = {"ses": "include:amazonses.com", "sendgrid": "include:sendgrid.net"}


class Smarthost(Table):
    """A server that takes our mail and sends it on."""

    provider: Literal["ses", "sendgrid"] | None = Field(
        None, description="Amazon SES or SendGrid, whose host is known then."
    )
    region: Region | None = Field(None, description="Of Amazon SES: its region, such as `eu-west-1`.")
    host: HostName | None = Field(None, description="Name of the smart host; its certificate must have it.")
    port: int = Field(
        587, ge=1, le=65535, description="587: TLS by STARTTLS, as on all others; 465 and 2465: TLS at once."
    )
    username: Login | None = Field(
        None, description="Name to log in with (SendGrid's is `apikey`); unset: no login."
    )
    password_file: Path | None = Field(
        None, description="The file, for root only, that holds the password as its one line."
    )
    credentials: Literal["file", "directory"] = Field(
        "file",
        description="`directory`: name and password are those of `posthouse relay login set`, and stand in no file.",
    )
    tls: Literal["verify", "encrypt"] = Field(
        "verify", description="`encrypt`: whoever answers there is believed, whatever its certificate says."
    )
    spf: Mechanism | None = Field(
        None,
        description="What SPF records name its hosts by, such as `include:spf.example.net`;"
        " unset: the provider's, else `a:HOST`.",
    )

    @property
    def server(self) -> str | None:
        """The smart host's name; None where there is none."""
        if self.provider == "ses":
            return f"email-smtp.{self.region}.amazonaws.com"
        return "smtp.sendgrid.net" if self.provider == "sendgrid" else self.host

    @property
    def login(self) -> str | None:
        """Whom to log in as; None: nobody, or whom the directory says."""
        if self.credentials == "directory":
            return None
        return self.username or ("apikey" if self.provider == "sendgrid" else None)

    @property
    def tls_at_once(self) -> bool:
        """Whether the session begins with TLS."""
        return self.port in INSIDE_TLS

    @property
    def mechanism(self) -> str:
        """What an SPF record names its hosts by (RFC 7208 section 5)."""
        return self.spf or _SPF.get(self.provider or "") or f"a:{self.server}"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.provider is not None and self.host is not None:
            raise ValueError("provider and host are both set: the provider's host is known; take host out")
        if (self.region is not None) != (self.provider == "ses"):
            raise ValueError(
                'provider = "ses" and region belong together: write both, such as region = "eu-west-1"'
            )
        if self.server is None and self.model_fields_set & {
            "username",
            "password_file",
            "credentials",
            "port",
            "tls",
            "spf",
        }:
            raise ValueError("there is neither host nor provider: write the smart host's name as host")
        if self.credentials == "directory":
            if self.username is not None or self.password_file is not None:
                raise ValueError(
                    'with credentials = "directory" name and password stand there: take username and password_file out'
                )
        elif (self.login is None) != (self.password_file is None) or (self.provider and not self.login):
            raise ValueError(
                "username and password_file belong together: write the password into a file for root only,"
                ' such as "/etc/posthouse/relay-password", and name that file here'
            )
        return self


class Route(Smarthost):
    """A smart host for the mail of one sender's domain (`from`, one of ours), or to one destination (`to`, which comes
    before `from`)."""

    from_: Domain | None = Field(None, alias="from", description="Domain of ours whose mail goes this way.")
    to: Domain | None = Field(None, description="Domain elsewhere to which mail goes this way.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.from_ is None) == (self.to is None):
            raise ValueError("a route has either from or to: the sender's domain, or the destination's")
        if self.server is None:
            raise ValueError("there is neither host nor provider: write the smart host's name as host")
        return self


class Identity(Table):
    """What a smart host's service wants published for one of our domains, as its own pages show it: in `posthouse dns`
    with the rest."""

    domain: Domain = Field(description="The domain after the @.")
    dkim_tokens: list[Token] = Field(
        [],
        max_length=10,
        description="Amazon SES: its DKIM tokens, for CNAMEs to `TOKEN.dkim.amazonses.com`.",
    )
    mail_from: Domain | None = Field(
        None,
        description="Amazon SES: the custom MAIL FROM domain, such as `bounce.example.org`: its MX and SPF.",
    )
    cnames: dict[RecordName, HostName] = Field(
        {}, description="SendGrid and others: each name, full or without the domain, and where it leads."
    )


class Relay(Smarthost):
    """The smart host for all mail that leaves, and those for some of it. How: docs/relay.md."""

    route: list[Route] = Field([], max_length=200)
    identity: list[Identity] = Field([], max_length=1000)

    @model_validator(mode="after")
    def _routes_differ(self) -> Self:
        seen = set()
        for route in self.route:
            way = ("from", route.from_) if route.from_ else ("to", route.to)
            if way in seen:
                raise ValueError(f'there are two routes with {way[0]} = "{way[1]}": keep one')
            seen.add(way)
        return self

    @model_validator(mode="after")
    def _identities_fit(self) -> Self:
        named = [identity.domain for identity in self.identity]
        for identity in self.identity:
            if named.count(identity.domain) > 1:
                raise ValueError(f"there are two identities of {identity.domain}: make one of them")
            if (identity.dkim_tokens or identity.mail_from) and self.region_of(identity.domain) is None:
                raise ValueError(
                    f"dkim_tokens and mail_from are Amazon SES's, and mail of {identity.domain} does not leave by it:"
                    " write other services' records as cnames"
                )
            if identity.mail_from is not None and not identity.mail_from.endswith(f".{identity.domain}"):
                raise ValueError(
                    f"mail_from must be below {identity.domain}, such as bounce.{identity.domain}"
                )
        return self

    def region_of(self, domain: str) -> str | None:
        """The region of Amazon SES by which mail of a domain leaves; None where it does not."""
        return next((host.region for host in self.of(domain) if host.provider == "ses"), None)

    @property
    def default(self) -> Smarthost | None:
        """The smart host for all mail; None where mail goes to its recipients' own hosts."""
        return None if self.server is None else self

    @property
    def all(self) -> tuple[Smarthost, ...]:
        """Every smart host: the one for all mail first."""
        return (*([self] if self.server else []), *self.route)

    def of(self, domain: str) -> tuple[Smarthost, ...]:
        """The smart hosts by which mail of one of our domains may leave."""
        own: list[Smarthost] = [route for route in self.route if route.from_ == domain]
        if not own and self.default is not None:
            own = [self.default]
        return (*own, *(route for route in self.route if route.to))
