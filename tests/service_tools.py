"""Tools that only the tests of the tool service serve, and a server that says whatever a test wants."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

from tools.errors import ToolInputError
from tools.registry import register_tool
from tools.remote import RemoteSettings, RemoteTool, remote_backend
from tools.tool import Arguments, Tool, ToolCall, ToolResult, ToolSettings


class MoodyArguments(Arguments):
    """What the tool is to do."""

    mood: str = "fine"
    number: int = 0


@register_tool
class Moody(Tool):
    """Does what its argument says, however bad."""

    name = "service_moody"
    description = "For tests."
    arguments = MoodyArguments
    remote = True
    batches: ClassVar[list[int]] = []

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        self.batches.append(len(calls))
        moods = [str(call.arguments.get("mood", "fine")) for call in calls]
        for mood in moods:
            match mood:
                case "raises":
                    raise RuntimeError("no mood for this")
                case "refuses":
                    raise ToolInputError("ask something else")
                case "hangs":
                    time.sleep(30)
                case "slow":
                    time.sleep(0.05)
                case "exits":
                    raise SystemExit(3)
                case "dies":
                    os._exit(1)
                case "miscounts":
                    return []
        data = {"raw": object()} if "not_json" in moods else {"batch": len(calls)}
        return [ToolResult(text=f"{mood} {call.arguments.get('number', 0)}", data=data)
                for mood, call in zip(moods, calls, strict=True)]  # fmt: skip


class EchoHome(ToolSettings):
    """Settings of `ServiceHome`."""

    greeting: str = "at home"


@register_tool
class ServiceHome(Tool):
    """Tells in which process it runs."""

    name = "service_home"
    description = "For tests."
    remote = True
    settings_type = EchoHome
    settings: EchoHome

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        return [ToolResult(text=self.settings.greeting, data={"pid": os.getpid()})] * len(calls)


def remote(tool: type[Tool], url: str, **settings: object) -> RemoteTool:
    """A client of a tool at this address."""
    client = remote_backend(tool)(RemoteSettings.model_validate({"url": url, "timeout_s": 10.0} | settings))
    assert isinstance(client, RemoteTool)
    return client


def moody(mood: str, number: int = 0) -> ToolCall:
    """A call of `Moody`."""
    return ToolCall(Moody.name, {"mood": mood, "number": number})


@contextmanager
def scripted(answer: Callable[[socket.socket, bytes], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A TCP server: each connection's request goes to `answer`, then it is closed. Yields its URL and what it read."""
    seen: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        with connection:
            try:
                request = _request(connection)
                seen.append(request)
                answer(connection, request)
            except OSError:
                return  # the client is gone

    def listen() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return  # the test is over
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=listen, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", seen
        listening.shutdown(socket.SHUT_RDWR)


def http(body: bytes, status: str = "200 OK", headers: str = "") -> Callable[[socket.socket, bytes], None]:
    """Answers every request like this."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n".encode()
    return lambda connection, _: connection.sendall(head + body)


def _request(connection: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request and (part := connection.recv(65536)):
        request += part
    head, _, body = request.partition(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < sum(lengths) and (part := connection.recv(65536)):
        body += part
    return head + b"\r\n\r\n" + body
