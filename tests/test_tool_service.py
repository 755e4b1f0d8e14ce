"""The tool service over HTTP, with tools in its own process: same results as here, and clear refusals."""

from __future__ import annotations

import hashlib
import http.client
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import PIL.Image
import pytest
from pydantic import TypeAdapter
from service_tools import Moody, moody, remote

from envs.datasets.embedded import render, sample_tables
from tools.errors import Fault, ModelError
from tools.image import Image
from tools.registry import get_tool, make_tools
from tools.service.config import ServiceConfig
from tools.service.images import ImageStore, blank
from tools.service.server import Server, running_server
from tools.tool import ToolCall, ToolResult

TOKEN = "a token that nobody guesses"
SERVED = ("ocr", "chart_to_table", "chart_extract_data", "chart_describe", "zoom", "calculator")
SPEC = next(spec for spec in sample_tables(5, 200) if spec.kind == "v_bar" and len(spec.series) == 1 and spec.labelled)
LIMITS = {"max_request_bytes": 20_000, "max_image_bytes": 300_000, "max_calls": 8}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    tools = [{"tool": name} for name in (*SERVED, Moody.name)]
    with running_server(ServiceConfig.checked({"port": 0, "tools": tools, **LIMITS}), token="") as server:
        yield server


@pytest.fixture(scope="module")
def chart() -> Image:
    return Image.from_bytes(render(SPEC))


def ask(
    server: Server, method: str, path: str, body: bytes | str = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """Status and decoded body of one request, without any client of ours."""
    parts = urlsplit(server.address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    is_json = response.headers.get_content_type() == "application/json"
    return response.status, json.loads(content) if is_json else content.decode()


def call(server: Server, body: Any, tool: str = Moody.name) -> tuple[int, Any]:
    return ask(server, "POST", f"/v1/tools/{tool}/calls", body if isinstance(body, bytes) else json.dumps(body))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ocr", {"min_confidence": 0.6}),
        ("chart_to_table", {}),
        ("chart_extract_data", {"items": [SPEC.labels[0]]}),
        ("chart_extract_data", {"items": ["no such label"]}),
        ("chart_describe", {}),
        ("zoom", {"bbox_2d": [0.1, 0.1, 0.6, 0.5]}),
        ("zoom", {"bbox": [9000, 9000, 9100, 9100]}),
        ("zoom", {"bbox_2d": [0, 0, 1, 1], "image": 7}),
        ("calculator", {"expression": "(45.2 - 12.1) / 2"}),
        ("calculator", {"expression": "9**9**9**9"}),
    ],
)
def test_a_remote_result_is_the_local_one(server: Server, chart: Image, name: str, arguments: dict[str, Any]) -> None:
    images = (chart,) if get_tool(name).family != "math" and name != "calculator" else ()
    asked = ToolCall(name, arguments, images)
    (there,) = remote(get_tool(name), server.address).run([asked])
    (here,) = make_tools([name])[name].run([asked])
    data = TypeAdapter(Any).dump_python(here.data, mode="json")  # tuples are lists in JSON
    assert replace(there, wall_s=0.0) == replace(here, data=data, wall_s=0.0)
    assert there.wall_s >= 0


def test_an_image_is_uploaded_once_and_a_returned_one_never(server: Server) -> None:
    picture = Image.from_pil(PIL.Image.effect_noise((90, 60), 40))
    unseen = Image.from_pil(PIL.Image.effect_noise((91, 61), 40))
    zoom = remote(get_tool("zoom"), server.address)
    asked = ToolCall("zoom", {"bbox_2d": [0, 0, 1, 1]}, (picture, unseen))

    def missing_images() -> float:
        text = ask(server, "GET", "/metrics")[1]
        lines = [
            line for line in text.splitlines() if line.startswith('vista_tool_refused_total{kind="missing_images"}')
        ]
        return float(lines[0].split()[1]) if lines else 0.0

    before = missing_images()
    (first,) = zoom.run([asked])
    assert missing_images() == before + 1
    (second,) = zoom.run([asked])
    (third,) = zoom.run([ToolCall("zoom", {"bbox_2d": [0, 0, 1, 1]}, first.images)])
    assert missing_images() == before + 1
    assert first.images == second.images and third.error is None
    status, refused = call(
        server, {"calls": [{"arguments": {"bbox_2d": [0, 0, 1, 1]}, "images": [unseen.hash]}]}, "zoom"
    )
    assert (status, refused["error"]["kind"], refused["error"]["missing"]) == (409, "missing_images", [unseen.hash])


def test_calls_come_back_in_order_and_more_than_one_request_holds(server: Server) -> None:
    results = remote(Moody, server.address, max_batch=4).run([moody("fine", n) for n in range(30)])
    assert [result.text for result in results] == [f"fine {n}" for n in range(30)]


def test_errors_stay_with_their_calls(server: Server) -> None:
    asked = [moody("fine"), moody("raises"), moody("refuses"), moody("not_json"), ToolCall(Moody.name, {"moood": "?"})]
    results = remote(Moody, server.address).run(asked)
    errors = [result.error for result in results]
    assert errors[0] is None
    assert errors[1] == Fault("RuntimeError", "tool:service_moody", "no mood for this")
    assert isinstance(errors[2], ModelError) and errors[2].code == "E4"
    assert isinstance(errors[3], Fault) and errors[3].kind == "PydanticSerializationError"
    assert isinstance(errors[4], ModelError) and errors[4].code == "E2" and "moood" in errors[4].message


@pytest.mark.parametrize(
    ("path", "body", "status", "kind"),
    [
        ("/v1/tools/no_such/calls", {"calls": [{}]}, 404, "unknown_tool"),
        ("/v1/tools/service_moody/calls", {"calls": [{}], "backend": "gpt"}, 404, "unknown_backend"),
        ("/v1/tools/service_moody/calls", {"calls": [{}], "version": "99"}, 412, "version_mismatch"),
        ("/v2/tools/service_moody/calls", {"calls": [{}]}, 404, "unknown_version"),
        ("/v1/tool", {"calls": [{}]}, 404, "unknown_path"),
        ("/v1/tools", {"calls": [{}]}, 405, "unknown_path"),
        ("/v1/tools/service_moody/calls", {"calls": []}, 422, "bad_request"),
        ("/v1/tools/service_moody/calls", {"calls": [{}] * 9}, 413, "too_large"),
        ("/v1/tools/service_moody/calls", {"calls": [{"images": ["../../etc/passwd"]}]}, 422, "bad_request"),
        ("/v1/tools/service_moody/calls", {"calls": [{"arguments": []}]}, 422, "bad_request"),
        ("/v1/tools/service_moody/calls", {"calls": [{"argument": {}}]}, 422, "bad_request"),
        ("/v1/tools/service_moody/calls", {"calls": [{"arguments": {"mood": "x" * 20_000}}]}, 413, "too_large"),
        ("/v1/tools/service_moody/calls", b"", 422, "bad_request"),
        ("/v1/tools/service_moody/calls", b"{", 422, "bad_request"),
        ("/v1/tools/service_moody/calls", b"\xff\x00", 422, "bad_request"),
        ("/v1/tools/service_moody/calls", b'{"calls":[{"arguments":{"a":' + b"[" * 9000, 422, "bad_request"),
    ],
)
def test_a_wrong_request_is_refused_and_says_why(server: Server, path: str, body: Any, status: int, kind: str) -> None:
    got, refused = ask(server, "POST", path, body if isinstance(body, bytes) else json.dumps(body))
    assert (got, refused["error"]["kind"]) == (status, kind)
    assert 0 < len(refused["error"]["message"]) < 700


def test_a_body_that_is_not_declared_as_json_is_refused(server: Server) -> None:
    body = json.dumps({"calls": [{}]})
    status, refused = ask(server, "POST", "/v1/tools/service_moody/calls", body, {"Content-Type": "text/plain"})
    assert (status, refused["error"]["kind"]) == (415, "bad_request")


def test_a_body_without_a_length_is_cut_off_where_it_is_too_long(server: Server) -> None:
    parts = urlsplit(server.address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    chunks = iter([b" " * 9000] * 5)
    connection.request("POST", "/v1/tools/service_moody/calls", chunks, {"Content-Type": "application/json"})
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [(b"no image", "bad_image", 422), (b"", "bad_image", 422), (b"x" * 300_001, "too_large", 413)],
)
def test_what_is_no_image_is_not_kept(server: Server, data: bytes, kind: str, status: int) -> None:
    got, refused = ask(server, "PUT", f"/v1/images/{hashlib.sha256(data).hexdigest()}", data)
    assert (got, refused["error"]["kind"]) == (status, kind)


def test_an_image_is_kept_under_its_own_hash_only(server: Server, chart: Image) -> None:
    status, refused = ask(server, "PUT", f"/v1/images/{'0' * 64}", chart.data)
    assert (status, refused["error"]["kind"]) == (422, "bad_image")


def test_a_huge_image_is_refused_by_its_header(server: Server) -> None:
    header = Image.from_pil(PIL.Image.new("1", (1, 1))).data
    huge = header[:16] + (20_000).to_bytes(4, "big") * 2 + header[24:29]
    data = huge + zlib.crc32(huge[12:29]).to_bytes(4, "big") + header[33:]
    status, refused = ask(server, "PUT", f"/v1/images/{hashlib.sha256(data).hexdigest()}", data)
    assert (status, refused["error"]["kind"]) == (422, "bad_image") and "pixels" in refused["error"]["message"]


def test_a_truncated_image_is_the_calls_fault(server: Server, chart: Image) -> None:
    cut = Image.from_bytes(chart.data[: len(chart.data) // 2])
    (result,) = remote(get_tool("zoom"), server.address).run([ToolCall("zoom", {"bbox_2d": [0, 0, 1, 1]}, (cut,))])
    assert isinstance(result.error, Fault) and result.error.kind == "ImageError"


def test_metrics_count_requests_errors_and_batches(server: Server) -> None:
    remote(Moody, server.address).run([moody("refuses"), moody("raises")])
    text = ask(server, "GET", "/metrics")[1]
    of = 'backend="embedded"'
    for line in (
        f'vista_tool_errors_total{{{of},kind="E4",tool="service_moody"}}',
        f'vista_tool_errors_total{{{of},kind="RuntimeError",tool="service_moody"}}',
        f'vista_tool_requests_total{{{of},tool="service_moody"}}',
        f'vista_tool_calls_total{{{of},tool="service_moody"}}',
        f'vista_tool_request_seconds_bucket{{{of},le="0.05",tool="service_moody"}}',
        f'vista_tool_batch_calls_bucket{{{of},le="4.0",tool="service_moody"}}',
    ):
        assert line in text, line


def test_the_interface_describes_itself(server: Server) -> None:
    status, described = ask(server, "GET", "/openapi.json")
    assert status == 200 and described["openapi"].startswith("3.")
    assert set(described["paths"]) == {
        "/health", "/metrics", "/v1/tools", "/v1/images/{hash}", "/v1/tools/{tool}/calls",
    }  # fmt: skip
    known = described["components"]["schemas"]
    text = json.dumps(described)
    references = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert references <= set(known) and {"CallRequest", "CallReply", "WireCall", "ProblemReply"} <= references
    post = described["paths"]["/v1/tools/{tool}/calls"]["post"]
    assert {"200", "401", "404", "409", "412", "413", "422", "503"} <= set(post["responses"])


def test_offers_tell_tools_backends_and_arguments(server: Server) -> None:
    offers = {offer["tool"]: offer for offer in ask(server, "GET", "/v1/tools")[1]["offers"]}
    assert set(offers) == {*SERVED, Moody.name}
    assert "expression" in offers["calculator"]["parameters"]["properties"]
    assert offers["zoom"]["backend"] == "embedded" and offers["zoom"]["replicas"] is False


def test_a_token_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    config = ServiceConfig.checked({"port": 0, "host": "0.0.0.0", "tools": [{"tool": Moody.name}]})
    with running_server(config, token=TOKEN) as server:
        url = server.address.replace("0.0.0.0", "127.0.0.1")
        server = replace_address(server, url)
        assert ask(server, "GET", "/health")[0] == 200
        for path in ("/metrics", "/v1/tools", "/openapi.json"):
            assert ask(server, "GET", path)[0] == 401
        for given in ("", "Bearer", f"Bearer {TOKEN}x", TOKEN, f"Basic {TOKEN}", "Bearer \xe4"):
            assert ask(server, "GET", "/v1/tools", headers={"Authorization": given})[0] == 401
        assert ask(server, "GET", "/v1/tools", headers={"Authorization": f"Bearer {TOKEN}"})[0] == 200
        client = remote(Moody, url, token_env="TEST_TOKEN")
        (refused,) = client.run([moody("fine")])
        assert isinstance(refused.error, Fault) and refused.error.kind == "ServiceRefused"
        assert "unauthorized" in refused.error.message
        assert "status 401" in str(type(client).unavailable(client.settings))
        monkeypatch.setenv("TEST_TOKEN", TOKEN)
        client = remote(Moody, url, token_env="TEST_TOKEN")
        assert type(client).unavailable(client.settings) is None
        assert client.run([moody("fine", 3)])[0].text == "fine 3"


def replace_address(server: Server, url: str) -> Server:
    """The server under an address that can be connected to."""

    class There:
        address = url

    return There()  # type: ignore[return-value]


def test_health_names_what_fails(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(server, "GET", "/health") == (200, {"status": "ok", "protocol": 1, "failing": {}})
    executor = server.service._routes[Moody.name]["embedded"].executor
    monkeypatch.setattr(executor, "_abandoned", 99)
    status, health = ask(server, "GET", "/health")
    assert (status, health["failing"]) == (503, {"service_moody/embedded": "99 runs hang"})


def test_the_image_store_keeps_what_was_used_last() -> None:
    images = [Image.from_pil(PIL.Image.effect_noise((40, 40 + n), 40)) for n in range(3)]
    sizes = [len(image.data) for image in images]
    store = ImageStore(max_bytes=sizes[0] + max(sizes[1:]))
    store.put(images[0])
    store.put(images[1])
    assert store.find([images[0].hash, None]) == ((images[0], blank()), [])
    store.put(images[2])
    assert store.find([image.hash for image in images]) == ((images[0], images[2]), [images[1].hash])


def test_a_dropped_image_is_uploaded_again(chart: Image) -> None:
    config = ServiceConfig.checked({"port": 0, "image_cache_bytes": 0, "tools": [{"tool": "zoom"}]})
    other = Image.from_pil(PIL.Image.effect_noise((64, 64), 40))
    with running_server(config, token="") as server:
        zoom = remote(get_tool("zoom"), server.address)
        results: list[ToolResult] = []
        for picture in (chart, other, chart):
            results += zoom.run([ToolCall("zoom", {"bbox_2d": [0, 0, 1, 1]}, (picture,))])
    assert [result.error for result in results] == [None] * 3
    assert results[0].images == results[2].images
