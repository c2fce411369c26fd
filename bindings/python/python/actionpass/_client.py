"""A client of the service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from . import _native
from ._error import ask
from ._json import options_of, text_of, to_json
from ._threads import on_thread


class Client:
    """Asks one service: questions and answers are those of its HTTP interface.

    Calls block without the interpreter, and threads may share it.
    """

    __slots__ = ("_native",)

    def __init__(self, url: str, token: str) -> None:
        self._native = ask(_native.NativeClient, text_of(url, "url"), text_of(token, "token"))

    def _ask(self, method: str, question: str = "{}") -> Any:
        return json.loads(ask(self._native.ask, method, question))

    def authorize(self, question: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("authorize", to_json(question))
        return answer

    def verify(self, question: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("verify", to_json(question))
        return answer

    def consume(self, question: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("consume", to_json(question))
        return answer

    def outcome(self, report: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("outcome", to_json(report))
        return answer

    def request(self, id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("request", options_of(id=id))
        return answer

    def requests(
        self, *, state: str | None = None, tenant: str | None = None, agent: str | None = None, after: str | None = None
    ) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("requests", options_of(state=state, tenant=tenant, agent=agent, after=after))
        return answer

    def vote(self, id: str, token: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("vote", options_of(id=id, token=token))
        return answer

    def cancel(self, id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("cancel", options_of(id=id))
        return answer

    def revoke(self, revocation: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("revoke", to_json(revocation))
        return answer

    def trust(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("trust")
        return answer

    def jwks(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("jwks")
        return answer

    def ledger_head(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("ledgerHead")
        return answer

    def health(self) -> None:
        """Raises where the service isn't well."""
        self._ask("health")


class AsyncClient:
    """The same for asyncio: each question waits on a thread of its own beside the loop."""

    __slots__ = ("_native",)

    def __init__(self, url: str, token: str) -> None:
        self._native = ask(_native.NativeClient, text_of(url, "url"), text_of(token, "token"))

    async def _ask(self, method: str, question: str = "{}") -> Any:
        return json.loads(await on_thread(lambda: ask(self._native.ask, method, question)))

    async def authorize(self, question: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = await self._ask("authorize", to_json(question))
        return answer

    async def verify(self, question: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = await self._ask("verify", to_json(question))
        return answer

    async def consume(self, question: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = await self._ask("consume", to_json(question))
        return answer

    async def outcome(self, report: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = await self._ask("outcome", to_json(report))
        return answer

    async def request(self, id: str) -> dict[str, Any]:
        answer: dict[str, Any] = await self._ask("request", options_of(id=id))
        return answer

    async def requests(
        self, *, state: str | None = None, tenant: str | None = None, agent: str | None = None, after: str | None = None
    ) -> dict[str, Any]:
        answer: dict[str, Any] = await self._ask("requests", options_of(state=state, tenant=tenant, agent=agent, after=after))
        return answer

    async def vote(self, id: str, token: str) -> dict[str, Any]:
        answer: dict[str, Any] = await self._ask("vote", options_of(id=id, token=token))
        return answer

    async def cancel(self, id: str) -> dict[str, Any]:
        answer: dict[str, Any] = await self._ask("cancel", options_of(id=id))
        return answer

    async def revoke(self, revocation: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = await self._ask("revoke", to_json(revocation))
        return answer

    async def trust(self) -> dict[str, Any]:
        answer: dict[str, Any] = await self._ask("trust")
        return answer

    async def jwks(self) -> dict[str, Any]:
        answer: dict[str, Any] = await self._ask("jwks")
        return answer

    async def ledger_head(self) -> dict[str, Any]:
        answer: dict[str, Any] = await self._ask("ledgerHead")
        return answer

    async def health(self) -> None:
        """Raises where the service isn't well."""
        await self._ask("health")
