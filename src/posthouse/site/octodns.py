"""`[dns.octodns]`: a DNS provider's own API, by octoDNS's module for it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from posthouse.site import names
from posthouse.site.table import Domain, Path, Table

Setting = Annotated[str, AfterValidator(names.setting)]
OpenSetting = Annotated[str, AfterValidator(names.open_setting)]
ProviderClass = Annotated[str, AfterValidator(names.provider_class)]


class Octodns(Table):
    """A DNS provider that takes our records by its own API, in the place of `[dns.update]`: docs/dns.md."""

    provider: ProviderClass = Field(
        description="octoDNS's class for it, such as `octodns_hetzner.HetznerProvider`."
    )
    zones: list[Domain] = Field(
        [], max_length=1000, description="The zones that it holds; unset: those that it names when asked."
    )
    settings: dict[OpenSetting, str | int | bool] = Field(
        {}, description="What its module wants to know, by the names that the module's own page gives."
    )
    secrets: dict[Setting, Path] = Field(
        {}, description="The same for what is secret: each a file, for root only, that holds it."
    )

    @model_validator(mode="after")
    def _said_once(self) -> Self:
        if twice := set(self.settings) & set(self.secrets):
            raise ValueError(f"{min(twice)} stands in settings and in secrets: keep one")
        return self
