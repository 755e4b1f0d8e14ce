"""How many requests a second does the tool service answer, and how long do they take?

Many clients at once call a trivial tool, on this machine, client included. Three ways: `wire` speaks HTTP itself (one
call a request), `tool` is the `remote` backend as the policy side uses it, in threads (one call a request), `batch`
sends several calls in a request. A request and a call are counted each for itself.

    taskset -c 0,1 python benchmarks/tool_service.py
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Annotated

import aiohttp
import numpy as np
import psutil
import typer
from rich.console import Console
from rich.table import Table

from tools.registry import get_tool, register_tool
from tools.remote import RemoteSettings, remote_backend
from tools.service.config import ServiceConfig
from tools.service.server import open_server, settle_memory
from tools.service.wire import CallReply, encode_request
from tools.tool import Arguments, Tool, ToolCall, ToolResult

PUBLISHED_RPS = 1000
"""verl-tool's tool server at 32 clients with a trivial tool on two cores, client included; its p99 is 82 ms."""
TARGET_P99_MS = 40


class EchoArguments(Arguments):
    """Arguments of `bench_echo`."""

    text: str


@register_tool
class Echo(Tool):
    """The least that a tool can do."""

    name = "bench_echo"
    description = "Says the text again."
    arguments = EchoArguments

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """The same text."""
        return [ToolResult(text=str(call.arguments["text"])) for call in calls]


@dataclass(frozen=True, slots=True)
class Measured:
    """One way's figures: seconds of each request, wall seconds, CPU seconds of both sides."""

    name: str
    calls_per_request: int
    seconds: list[float]
    wall_s: float
    client_cpu_s: float
    server_cpu_s: float


def serve_echo(ready: Connection) -> None:
    """Runs the service until it is killed; tells its address."""
    config = ServiceConfig.checked({"port": 0, "tools": [{"tool": Echo.name, "max_batch": 64}]})
    with open_server(config, token="") as server:
        settle_memory()  # as `vista tools serve` does
        ready.send(server.address)
        server.run()


def calls(number: int) -> list[ToolCall]:
    """So many calls."""
    return [ToolCall(Echo.name, {"text": "what is said"})] * number


async def wire(url: str, clients: int, requests: int, per_request: int) -> list[float]:
    """`clients` tasks send requests one after the other, and read and check each reply."""
    body = encode_request(get_tool(Echo.name), calls(per_request), "")
    seconds: list[float] = []
    left = iter(range(requests))
    connector = aiohttp.TCPConnector(limit=clients)
    async with aiohttp.ClientSession(connector=connector, headers={"Content-Type": "application/json"}) as session:

        async def client() -> None:
            for _ in left:
                start = time.perf_counter()
                async with session.post(f"{url}/v1/tools/{Echo.name}/calls", data=body) as response:
                    reply = CallReply.model_validate_json(await response.read(), strict=True)
                seconds.append(time.perf_counter() - start)
                if len(reply.results) != per_request or any(result.error for result in reply.results):
                    raise RuntimeError(f"unexpected reply: {reply}")

        await asyncio.gather(*(client() for _ in range(clients)))
    return seconds


def tool(url: str, clients: int, requests: int, per_request: int) -> list[float]:
    """`clients` threads call the remote backend, one call after the other."""
    remote = remote_backend(get_tool(Echo.name))(RemoteSettings(url=url))

    def client(share: int) -> list[float]:
        seconds = []
        for _ in range(share):
            start = time.perf_counter()
            results = remote.run(calls(per_request))
            seconds.append(time.perf_counter() - start)
            if any(result.error for result in results):
                raise RuntimeError(f"unexpected results: {results}")
        return seconds

    with ThreadPoolExecutor(clients) as pool:
        return [second for part in pool.map(client, [requests // clients] * clients) for second in part]


def measure(name: str, run: Callable[[], list[float]], server: psutil.Process, per_request: int) -> Measured:
    """Times one way."""
    client_cpu, server_cpu = time.process_time(), sum(server.cpu_times()[:2])
    start = time.perf_counter()
    seconds = run()
    wall_s = time.perf_counter() - start
    cpu = sum(server.cpu_times()[:2]) - server_cpu
    return Measured(name, per_request, seconds, wall_s, time.process_time() - client_cpu, cpu)


def show(measured: list[Measured], console: Console) -> None:
    """Prints the figures, and how they stand to the target."""
    table = Table(
        "way", "requests/s", "calls/s", "p50 ms", "p99 ms", "client CPU ms", "server CPU ms", title="CPU is per request"
    )
    for one in measured:
        count = len(one.seconds)
        p50, p99 = np.percentile(one.seconds, [50, 99]) * 1000
        rate = count / one.wall_s
        cpu = (1000 * one.client_cpu_s / count, 1000 * one.server_cpu_s / count)
        cells = (f"{rate:,.0f}", f"{rate * one.calls_per_request:,.0f}", f"{p50:.1f}", f"{p99:.1f}")
        table.add_row(one.name, *cells, *(f"{value:.3f}" for value in cpu))
    console.print(table)
    console.print(f"target: {2 * PUBLISHED_RPS:,} requests/s with one call each, p99 at most {TARGET_P99_MS} ms")
    console.print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} (of everything on the machine)")


def main(
    clients: Annotated[int, typer.Option(min=1, help="at the same time")] = 32,
    requests: Annotated[int, typer.Option(min=1, max=1_000_000, help="in all, for each way")] = 20_000,
    per_request: Annotated[int, typer.Option(min=1, max=256, help="calls in a request of `batch`")] = 16,
) -> None:
    """Measures the tool service."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve_echo, args=(there,), daemon=True)
    process.start()
    with closing(here):
        url = here.recv()
        try:
            server = psutil.Process(process.pid)
            warm = max(clients, requests // 20)
            asyncio.run(wire(url, clients, warm, 1))
            tool(url, clients, warm, 1)
            ways = [
                measure("wire", lambda: asyncio.run(wire(url, clients, requests, 1)), server, 1),
                measure("tool", lambda: tool(url, clients, requests, 1), server, 1),
                measure(
                    f"batch of {per_request}",
                    lambda: asyncio.run(wire(url, clients, requests // 4, per_request)),
                    server,
                    per_request,
                ),
            ]
        finally:
            process.kill()
            process.join()
    show(ways, Console())


if __name__ == "__main__":
    typer.run(main)
