"""Calls tools of the MCP server for Tinybird, over standard input and output, and prints what came back as JSON.

The argument is a JSON list of [tool, arguments].
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def _call(calls: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "mcp_tinybird", "stdio"], env=dict(os.environ)
    )
    async with stdio_client(parameters) as (reading, writing), ClientSession(reading, writing) as session:
        await session.initialize()
        listed = await session.list_tools()
        answers = []
        for tool, arguments in calls:
            result = await session.call_tool(tool, arguments)
            answers.append("\n".join(item.text for item in result.content))
        return {"tools": {tool.name: tool.inputSchema for tool in listed.tools}, "answers": answers}


print(json.dumps(asyncio.run(_call(json.loads(sys.argv[1])))))
