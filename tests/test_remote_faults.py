"""A tool service that is away, hangs, dies or talks nonsense: typed faults, in time, no more requests than allowed."""

from __future__ import annotations

import copy
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service_tools import Moody, http, moody, remote, scripted

from tools.errors import Fault
from tools.registry import ToolSettingsError, backends_of, select_backend
from tools.remote import RemoteSettings, RemoteTool, remote_backend
from tools.service.config import ServiceConfig
from tools.service.server import running_server
from tools.tool import ToolResult

RESULT = {"text": "fine", "data": None, "images": [], "error": None, "wall_s": 0.1}
REPLY = {"protocol": 1, "tool": Moody.name, "backend": "embedded", "version": "1", "results": [RESULT]}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="


def fault(result: ToolResult) -> Fault:
    assert isinstance(result.error, Fault)
    assert result.error.where == "tool:service_moody" and result.error.message
    return result.error


def asked(answer: Callable[[socket.socket, bytes], None], **how: Any) -> tuple[ToolResult, int]:
    """The result of one call to a server that answers like this, and how many requests it took."""
    with scripted(answer) as (url, seen):
        (result,) = remote(Moody, url, **how).run([moody("fine")])
        return result, len(seen)


def changed(path: tuple[str | int, ...], value: Any) -> bytes:
    """A right reply, but for one place."""
    reply = copy.deepcopy(REPLY)
    place: Any = reply
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(reply).encode()


def test_the_right_reply_is_accepted() -> None:
    result, requests = asked(http(json.dumps(REPLY | {"news": "of a later service"}).encode()))
    assert (result, requests) == (ToolResult(text="fine", wall_s=0.1), 1)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("protocol",), 2),
        (("protocol",), "1"),
        (("tool",), "zoom"),
        (("tool",), None),
        (("backend",), 1),
        (("version",), []),
        (("results",), []),
        (("results",), [RESULT, RESULT]),
        (("results",), None),
        (("results", 0), "fine"),
        (("results", 0, "text"), 5),
        (("results", 0, "text"), None),
        (("results", 0, "images"), {}),
        (("results", 0, "images"), [{"hash": "0" * 64, "data": "AAAA"}]),
        (("results", 0, "images"), [{"hash": "0" * 64, "data": PNG}]),
        (("results", 0, "images"), [{"hash": "0" * 64, "data": "?"}]),
        (("results", 0, "images"), [{"hash": "x", "data": PNG}]),
        (("results", 0, "error"), "oh"),
        (("results", 0, "error"), {"type": "model_error", "code": "E9", "message": ""}),
        (("results", 0, "error"), {"type": "fault", "kind": "", "where": "", "message": ""}),
        (("results", 0, "error"), {"type": "other"}),
        (("results", 0, "wall_s"), -1),
        (("results", 0, "wall_s"), "1"),
        (("results", 0, "wall_s"), float("nan")),
        (("results", 0, "wall_s"), 10**400),
    ],
)
def test_a_wrong_field_is_a_bad_reply(path: tuple[str | int, ...], value: Any) -> None:
    result, requests = asked(http(changed(path, value)))
    assert (fault(result).kind, requests) == ("BadServiceReply", 1)


@pytest.mark.parametrize(
    "body", [b"", b"ok", b"\xff\xfe\x00", b"[]", b"null", b"{}", b"[" * 100_000, b'{"protocol":1', b"9" * 5000]
)
def test_a_body_that_is_no_reply_is_a_bad_reply(body: bytes) -> None:
    result, requests = asked(http(body))
    assert (fault(result).kind, requests) == ("BadServiceReply", 1)


@pytest.mark.parametrize(
    ("status", "kind", "requests"),
    [
        ("204 No Content", "BadServiceReply", 1),
        ("301 Moved Permanently", "BadServiceReply", 1),
        ("400 Bad Request", "ServiceRefused", 1),
        ("409 Conflict", "ServiceRefused", 1),
        ("429 Too Many Requests", "ServiceRefused", 1),
        ("500 Internal Server Error", "BadServiceReply", 1),
        ("502 Bad Gateway", "ServiceUnreachable", 2),
        ("503 Service Unavailable", "ServiceUnreachable", 2),
    ],
)
def test_only_an_unreached_server_is_asked_again(status: str, kind: str, requests: int) -> None:
    result, seen = asked(http(b"why", status, "Location: http://127.0.0.1:9/\r\n"), attempts=2)
    assert (fault(result).kind, seen) == (kind, requests)


def test_a_service_that_wants_unknown_or_the_same_images_for_ever() -> None:
    def wants(hash: str) -> bytes:
        return json.dumps({"error": {"kind": "missing_images", "message": "", "missing": [hash]}}).encode()

    result, requests = asked(http(wants("0" * 64), "409 Conflict"))
    assert (fault(result).kind, requests) == ("BadServiceReply", 1)


def test_a_typed_fault_of_the_tool_is_not_asked_again() -> None:
    error = {"type": "fault", "kind": "CudaOutOfMemory", "where": "tool:service_moody", "message": "80 GiB"}
    result, requests = asked(http(changed(("results", 0, "error"), error)))
    assert (fault(result).kind, requests) == ("CudaOutOfMemory", 1)


@pytest.mark.parametrize(
    "bytes_",
    [b"\x00\x01garbage\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nA" * 9000],
)
def test_bytes_that_are_no_http_are_a_fault(bytes_: bytes) -> None:
    result, _ = asked(lambda connection, _: connection.sendall(bytes_), attempts=2, timeout_s=3)
    assert fault(result).kind in ("BadServiceReply", "ServiceUnreachable")


@settings(max_examples=25)
@given(st.binary(min_size=1, max_size=300))
def test_random_bytes_are_a_fault(bytes_: bytes) -> None:
    result, _ = asked(lambda connection, _: connection.sendall(bytes_), attempts=1, timeout_s=3)
    assert fault(result).kind in ("BadServiceReply", "ServiceUnreachable")


def test_a_body_in_a_broken_encoding_is_a_fault() -> None:
    result, _ = asked(http(b"not zipped", headers="Content-Encoding: gzip\r\n"), attempts=1)
    assert fault(result).kind in ("BadServiceReply", "ServiceUnreachable")


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{", b"HTTP/1.1 200"])
def test_a_connection_that_breaks_is_tried_again(sent: bytes) -> None:
    result, requests = asked(lambda connection, _: connection.sendall(sent), attempts=3)
    assert fault(result).kind in ("ServiceUnreachable", "BadServiceReply")
    assert requests == (3 if fault(result).kind == "ServiceUnreachable" else 1)


def test_a_service_that_comes_back_is_used() -> None:
    replies = iter([b"", b"", json.dumps(REPLY).encode()])

    def answer(connection: socket.socket, request: bytes) -> None:
        if body := next(replies):
            http(body)(connection, request)

    result, requests = asked(answer)
    assert (result.text, requests) == ("fine", 3)


def test_no_server_at_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (result,) = remote(Moody, f"http://127.0.0.1:{port}", attempts=2).run([moody("fine")])
    assert fault(result).kind == "ServiceUnreachable"
    (result,) = remote(Moody, "http://no-such-host.invalid", attempts=1).run([moody("fine")])
    assert fault(result).kind == "ServiceUnreachable"


def dripping(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(200):
        connection.sendall(b" ")
        time.sleep(0.02)


@pytest.mark.parametrize("answer", [lambda connection, _: connection.recv(1), dripping], ids=["silent", "dripping"])
def test_no_call_takes_longer_than_its_timeout(answer: Callable[[socket.socket, bytes], None]) -> None:
    with scripted(answer) as (url, _):
        client = remote(Moody, url, timeout_s=0.4, max_batch=2)
        start = time.monotonic()
        results = client.run([moody("fine")] * 6)
        assert time.monotonic() - start < 1.4
    assert {fault(result).kind for result in results} == {"ServiceTimeout"} and len(results) == 6


def test_a_server_that_does_not_accept_connections_counts_as_unreachable() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        crowd = [socket.socket() for _ in range(4)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(address)
        client = remote(Moody, f"http://127.0.0.1:{address[1]}", timeout_s=2, connect_timeout_s=0.2, attempts=2)
        start = time.monotonic()
        (result,) = client.run([moody("fine")])
        assert time.monotonic() - start < 2.5
        for one in crowd:
            one.close()
    assert fault(result).kind in ("ServiceUnreachable", "ServiceTimeout")


def test_the_circuit_opens_and_closes_again() -> None:
    healthy = threading.Event()

    def answer(connection: socket.socket, request: bytes) -> None:
        if healthy.is_set():
            http(json.dumps(REPLY).encode())(connection, request)

    with scripted(answer) as (url, seen):
        client = remote(Moody, url, attempts=1, breaker_failures=3, breaker_reset_s=0.3)
        kinds = [fault(client.run([moody("fine")])[0]).kind for _ in range(5)]
        assert kinds == ["ServiceUnreachable"] * 3 + ["CircuitOpen"] * 2 and len(seen) == 3
        healthy.set()
        time.sleep(0.35)
        assert client.run([moody("fine")])[0].text == "fine"
        assert client.run([moody("fine")])[0].text == "fine"


def test_a_refusal_does_not_open_the_circuit() -> None:
    with scripted(http(b"no", "401 Unauthorized")) as (url, seen):
        client = remote(Moody, url, breaker_failures=1)
        kinds = [fault(client.run([moody("fine")])[0]).kind for _ in range(3)]
    assert kinds == ["ServiceRefused"] * 3 and len(seen) == 3


def test_a_server_that_stops_in_the_middle_of_a_call() -> None:
    config = ServiceConfig.checked({"port": 0, "tools": [{"tool": Moody.name, "timeout_s": 0.5}]})
    results: list[ToolResult] = []
    with running_server(config, token="") as server:
        client = remote(Moody, server.address, attempts=1)
        asking = threading.Thread(target=lambda: results.extend(client.run([moody("hangs")])))
        asking.start()
        time.sleep(0.1)
    asking.join(10)
    assert fault(results[0]).kind in ("ToolTimeout", "ServiceUnreachable")
    assert fault(client.run([moody("fine")])[0]).kind == "ServiceUnreachable"


def test_availability(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = remote_backend(Moody)
    monkeypatch.delenv("VISTA_TOOL_SERVICE", raising=False)
    assert "no tool service" in str(kind.unavailable(RemoteSettings()))
    monkeypatch.setenv("VISTA_TOOL_SERVICE", "localhost:8500")
    assert "expected an address" in str(kind.unavailable(RemoteSettings()))
    with scripted(http(b"hello")) as (url, _):
        assert "no tool service that speaks version 1" in str(kind.unavailable(RemoteSettings(url=url)))
    with scripted(http(json.dumps({"protocol": 1, "offers": []}).encode())) as (url, seen):
        for _ in range(3):
            assert f"does not serve {Moody.name}" in str(kind.unavailable(RemoteSettings(url=url)))
        assert len(seen) == 1
    offer = {"tool": Moody.name, "backend": "embedded", "version": "0", "device": "cpu", "replicas": False}
    body = {"protocol": 1, "offers": [offer | {"parameters": {}, "backend_version": "0"}]}
    with scripted(http(json.dumps(body).encode())) as (url, _):
        assert "has version '0'" in str(kind.unavailable(RemoteSettings(url=url)))
        assert "backend 'gpt'" in str(kind.unavailable(RemoteSettings(url=url, service_backend="gpt")))


def test_the_registry_offers_the_remote_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    config = ServiceConfig.checked({"port": 0, "tools": [{"tool": Moody.name}]})
    assert issubclass(backends_of(Moody.name)["remote"], RemoteTool)
    with running_server(config, token="") as server:
        monkeypatch.setenv("VISTA_TOOL_SERVICE", server.address)
        selection = select_backend(Moody.name, "remote")
        assert selection.tool.device(RemoteSettings()) == server.address
        tool = selection.build()
        assert tool.run([moody("fine", 4)])[0].text == "fine 4"
        assert tool.settings.model_dump()["served_by"] == f"embedded {Moody.version}"
    with pytest.raises(ToolSettingsError, match="expected an address"):
        select_backend(Moody.name, "remote", {"url": "ftp://x"})
