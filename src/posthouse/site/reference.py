"""The site file's reference, made from the model: `docs/site-file.md` and `posthouse config reference`."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from posthouse.site import names
from posthouse.site.model import Site

_INTRODUCTION = """\
# The site file

`/etc/posthouse/posthouse.toml` says what the mail service is ([TOML](https://toml.io)). Edit it, look at
`posthouse plan`, and say `posthouse apply`. `posthouse config check` names every error with its line.

Domains, accounts and aliases do not stand here: see `posthouse domain`, `user` and `alias`.
Sizes are bytes, or a text such as `"50 MiB"`.
"""


def fields() -> list[dict[str, Any]]:
    """Return every key: its dotted name, kind, whether it must be set, default, bound and meaning."""
    return [
        {
            "key": ".".join((*prefix, name)),
            "kind": _kind(info),
            "required": info.is_required(),
            "default": None if info.is_required() else info.default,
            "bound": _bound(info),
            "meaning": info.description or "",
        }
        for prefix, _, name, info in _walk(Site, ())
    ]


def markdown() -> str:
    """Return the whole reference page."""
    parts = [_INTRODUCTION]
    shown: type[BaseModel] | None = None
    for prefix, model, name, info in _walk(Site, ()):
        if model is not shown:
            shown = model
            title = f"## `{_heading(prefix)}`" if prefix else "## At the top"
            about = " ".join((model.__doc__ or "").split()) if prefix else "Before the first table."
            parts.append(
                f"\n{title}\n\n{about}\n\n| key | kind | default | meaning |\n| --- | --- | --- | --- |\n"
            )
        default = "must be set" if info.is_required() else _shown(info)
        bound = f" {_bound(info)[:1].upper()}{_bound(info)[1:]}." if _bound(info) else ""
        parts.append(f"| `{name}` | {_kind(info)} | {default} | {info.description}{bound} |\n")
    return "".join(parts)


def _walk(
    model: type[BaseModel], prefix: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], type[BaseModel], str, FieldInfo]]:
    """Yield the keys of a table before those of the tables in it, as TOML wants them."""
    inner = []
    for name, info in model.model_fields.items():
        table = _table(info)
        if table is not None:
            inner.append((f"{name}[]" if get_origin(info.annotation) is list else name, table))
        else:
            yield prefix, model, info.alias or name, info
    for name, table in inner:
        yield from _walk(table, (*prefix, name))


def _table(info: FieldInfo) -> type[BaseModel] | None:
    """The table that a key is, one that may be left out included."""
    for kind in (info.annotation, *get_args(info.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _heading(prefix: tuple[str, ...]) -> str:
    """A table's header in TOML; the last name of a list of tables ends in []."""
    name = ".".join(prefix)
    return f"[[{name.removesuffix('[]')}]]" if name.endswith("[]") else f"[{name}]"


def _kind(info: FieldInfo) -> str:
    if get_origin(info.annotation) is dict:
        values = get_args(info.annotation)[1]
        functions = [getattr(check, "func", None) for check in getattr(values, "__metadata__", ())]
        kinds = {names.host_name: "names", names.absolute_path: "paths"}
        return f"table of {next((kinds[one] for one in functions if one in kinds), 'values')}"
    options = [info.annotation]
    if get_args(info.annotation) and get_origin(info.annotation) is not Literal:
        options = [part for part in get_args(info.annotation) if part is not NoneType]
    kind: Any = options[0]
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    said = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    checks = [*info.metadata, *getattr(kind, "__metadata__", ())]
    functions = [getattr(check, "func", None) for check in checks]
    special = {
        names.key_name: "name of a key",
        names.provider_class: "class",
        names.dns_name: "domain",
        names.host_name: "host name",
        names.address: "mail address",
        names.local_part: "local part",
        names.ipv4: "IPv4 address",
        names.ipv6: "IPv6 address",
        names.folder: "folder",
        names.unit: "list of units",
        names.database_url: "URL",
        names.https_url: "URL",
        names.absolute_path: "path",
        names.region: "region",
        names.relay_login: "login",
        names.spf_mechanism: "SPF mechanisms",
    }
    for function in functions:
        if function in special:
            one = special[function]
            return (
                f"list of {one}s" if get_origin(info.annotation) is list and function != names.unit else one
            )
        if getattr(function, "__name__", "") == "_size":
            return "size"
    return said.get(kind, "text")


def _bound(info: FieldInfo) -> str:
    for check in info.metadata:
        if isinstance(check, Ge) and check.ge != 0:
            return f"at least {_size(check.ge) if _kind(info) == 'size' else check.ge}"
        if isinstance(check, Gt):
            return f"more than {check.gt:g}"
    return ""


def _shown(info: FieldInfo) -> str:
    value = info.default
    if value is None or value is PydanticUndefined:
        return "unset"
    if _kind(info) == "size":
        return f"`{_size(value)}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def _size(value: Any) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value and value % factor == 0:
            return f'"{value // factor} {unit}"'
    return str(value)
