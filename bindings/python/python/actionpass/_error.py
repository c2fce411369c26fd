"""The one error, and calls of the native half that raise it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from . import _native

T = TypeVar("T")


class ActionPassError(Exception):
    """What every failure of the library is. A refusal of a pass has all its codes."""

    def __init__(
        self,
        message: str,
        *,
        codes: Sequence[str],
        offset: int | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(f"{message} [{', '.join(codes)}]")
        self.message = message
        #: The stable code: of several, the first in the order of the checks.
        self.code: str = codes[0]
        self.codes: tuple[str, ...] = tuple(codes)
        #: Where in raw JSON it is, in bytes from its start.
        self.offset = offset
        #: The member that it is about.
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., ActionPassError], tuple[object, ...]]:
        return _restored, (self.message, self.codes, self.offset, self.path)


def _restored(message: str, codes: Sequence[str], offset: int | None, path: str | None) -> ActionPassError:
    return ActionPassError(message, codes=codes, offset=offset, path=path)


def wrong_argument(path: str, problem: str) -> ActionPassError:
    """An argument that is none."""
    return ActionPassError(f"`{path}`: {problem}", codes=["argument_invalid"], path=path)


def ask(function: Callable[..., T], *arguments: object) -> T:
    """Asks the native half."""
    try:
        return function(*arguments)
    except _native.NativeError as error:
        told = json.loads(error.args[0])
    raise ActionPassError(told["message"], codes=told["codes"], offset=told.get("offset"), path=told.get("path"))
