"""Drives a server with the Python SDK, as drive.mjs does with those for TypeScript."""

import asyncio
import contextlib
import json
import os
import sys

from mcp import ClientSession, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

options = json.loads(sys.argv[1])
seen = {"elicitations": [], "progress": 0}
running = {}


async def progress(*_):
    seen["progress"] += 1


async def call(session, tool, arguments):
    try:
        result = await session.call_tool(tool, arguments, read_timeout_seconds=60, progress_callback=progress)
        return {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}
    except MCPError as error:
        return {"error": {"code": error.error.code, "message": error.error.message, "data": error.error.data}}
    except asyncio.CancelledError:
        return {"error": {"code": None, "message": "cancelled", "data": None}}


async def step(session, ask):
    op = ask["op"]
    if op == "list":
        tools, cursor = [], None
        while True:
            from mcp.types import PaginatedRequestParams

            page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor) if cursor else None)
            tools += [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in page.tools]
            cursor = page.next_cursor
            if not cursor:
                return {"tools": tools}
    if op == "call":
        return await call(session, ask["tool"], ask["arguments"])
    if op == "begin":
        running[ask["key"]] = asyncio.create_task(call(session, ask["tool"], ask["arguments"]))
        return {}
    if op == "cancel":
        running[ask["key"]].cancel()
        return {}
    if op == "await":
        return await running[ask["key"]]
    if op == "all":
        return {"answers": await asyncio.gather(*(call(session, tool, arguments) for tool, arguments in ask["calls"]))}
    if op == "seen":
        return seen
    raise ValueError(op)


@contextlib.asynccontextmanager
async def streams():
    if "url" in options:
        client = create_mcp_http_client(headers=options["headers"])
        async with client, streamable_http_client(options["url"], http_client=client) as streams:
            yield streams[:2]
    else:
        command = options["command"]
        server = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
        async with stdio_client(server) as streams:
            yield streams


async def main():
    async with streams() as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            try:
                answer = await step(session, json.loads(line))
            except Exception as error:  # noqa: BLE001 - the test says what it makes of it
                answer = {"failed": repr(error)}
            print(json.dumps(answer), flush=True)


asyncio.run(main())
