"""Blueprints as JSON: what a generation keeps of the machine it made."""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, cast

from posthouse.resources import Blueprint


def encode(value: Any) -> Any:
    """Return a resource, or a tuple of them, as plain JSON values; fields at their default are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: encode(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != field.default
        }
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def decode(data: Any) -> Blueprint:
    """Return the blueprint that `encode` wrote. KeyError, TypeError where it is none."""
    return cast("Blueprint", _decode(data, Blueprint))


_hints: dict[type, dict[str, Any]] = {}


def _decode(data: Any, kind: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin is tuple:
        arguments = typing.get_args(kind)
        if arguments[-1] is Ellipsis:
            return tuple(_decode(item, arguments[0]) for item in data)
        return tuple(_decode(item, part) for item, part in zip(data, arguments, strict=True))
    if origin is types.UnionType:
        return None if data is None else _decode(data, typing.get_args(kind)[0])
    if dataclasses.is_dataclass(kind):
        cls = cast("type", kind)
        if cls not in _hints:
            _hints[cls] = typing.get_type_hints(cls)
        hints = _hints[cls]
        # Fields of a later version are passed over: an older program can still read the generation.
        return cls(**{name: _decode(item, hints[name]) for name, item in data.items() if name in hints})
    return Path(data) if kind is Path else data
