"""From values to JSON text, once: what isn't a JSON value, or would silently become another, is refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, Union

from . import _native
from ._error import ActionPassError, ask, wrong_argument

#: A JSON value: exactly ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` and ``None``, no subclasses.
Json: TypeAlias = Union[None, bool, int, float, str, "Sequence[Json]", "Mapping[str, Json]"]

#: A value, or raw JSON as it was received, in which duplicate members are seen.
JsonInput: TypeAlias = Union[Json, bytes, bytearray, memoryview]

#: Nothing that the gate admits is nested deeper; a value that contains itself is.
_MAX_DEPTH = 100

#: No number that the gate admits has more bits.
_MAX_BITS = 1100

_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*\Z")


def _not_json(path: str, what: str) -> ActionPassError:
    place = f"`{path}`" if path else "the value"
    return ActionPassError(
        f"{place} is {what}, which is no JSON value", codes=["value_not_json"], path=path or None
    )


def _is_well_formed(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _member(path: str, name: str) -> str:
    if not _NAME.match(name):
        return f"{path}[{json.dumps(name)}]"
    return f"{path}.{name}" if path else name


def _copied(value: Any, path: str, depth: int) -> Any:
    """The same value, of which nobody else has a part: no other thread changes it any more."""
    kind = type(value)
    if kind is str:
        if not _is_well_formed(value):
            raise _not_json(path, "text with half of a surrogate pair")
        return value
    if value is None or kind is bool:
        return value
    if kind is int:
        if value.bit_length() > _MAX_BITS:
            raise _not_json(path, "an integer that is too large")
        return value
    if kind is float:
        if not math.isfinite(value):
            raise _not_json(path, str(value))
        return value
    if kind is not dict and kind is not list:
        raise _not_json(path, f"of type {kind.__name__}")
    if depth > _MAX_DEPTH:
        raise _not_json(path, f"nested deeper than {_MAX_DEPTH}, or contains itself")
    if kind is list:
        return [_copied(element, f"{path}[{index}]", depth + 1) for index, element in enumerate(value[:])]
    members = {}
    for name, member in list(value.items()):
        if type(name) is not str:
            raise _not_json(path, f"a dict with a key of type {type(name).__name__}")
        at = _member(path, name)
        if not _is_well_formed(name):
            raise _not_json(at, "a name with half of a surrogate pair")
        members[name] = _copied(member, at, depth + 1)
    return members


def to_json(value: object, path: str = "") -> str:
    """The JSON text of a value, each part of which is read once."""
    copy = _copied(value, path, 0)
    return json.dumps(copy, allow_nan=False, ensure_ascii=False, separators=(",", ":"), check_circular=False)


def raw_of(value: object, path: str) -> bytes:
    """Raw JSON for the gate: bytes as they are, values as their text."""
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if type(value) is str:
        raise wrong_argument(
            path or "payload", "a str may be a value or JSON text: hand over JSON text as bytes, `text.encode()`"
        )
    return to_json(value, path).encode()


def options_of(**options: object) -> str:
    """Options as JSON, named as the native half names them: those that are ``None`` are not there."""
    return to_json({_camel(name): value for name, value in options.items() if value is not None})


def _camel(name: str) -> str:
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in rest)


def text_of(value: object, path: str) -> str:
    """Text that crosses as it is."""
    if not isinstance(value, str):
        raise wrong_argument(path, "it is not a str")
    if not _is_well_formed(value):
        raise _not_json(path, "text with half of a surrogate pair")
    return value


def list_of(value: Sequence[object] | None, path: str) -> list[object] | None:
    """A sequence as the list that JSON knows; a str is none."""
    if value is None:
        return None
    if isinstance(value, (str, bytes)):
        raise wrong_argument(path, "it is text, not a sequence")
    try:
        return list(value)
    except TypeError:
        raise wrong_argument(path, "it is no sequence") from None


def hash(payload: JsonInput) -> str:  # noqa: A001
    """The hash of a payload, ``sha256:…``: SHA-256 of its RFC 8785 bytes."""
    return ask(_native.hash, raw_of(payload, ""))


def canonicalize(payload: JsonInput) -> str:
    """The RFC 8785 text of a payload."""
    return ask(_native.canonicalize, raw_of(payload, ""))
