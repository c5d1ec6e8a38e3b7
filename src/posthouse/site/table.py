"""What every table of the site file is, and the kinds of values that several have."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from posthouse.site import names

Domain = Annotated[str, AfterValidator(names.dns_name)]
HostName = Annotated[str, AfterValidator(names.host_name)]
Path = Annotated[str, AfterValidator(names.absolute_path)]


class Table(BaseModel):
    """A table: no other keys than its own, no value taken for another kind."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
