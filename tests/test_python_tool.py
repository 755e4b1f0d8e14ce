"""What the `python` tool returns, what stays within an episode, and how its containers come and go."""

from __future__ import annotations

import base64
import io
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import PIL.Image
import pytest
from docker.client import DockerClient
from pydantic import ValidationError
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from sandboxes import call, need_sandbox, printed, refused, sandbox

from policies.request import Request
from policies.tool import ToolModule
from tools.errors import Fault, ModelError, ToolUnavailableError
from tools.image import Image
from tools.python import Python, PythonArguments, decoded_again, printable_name
from tools.registry import select_backend
from tools.sandbox import daemon, owner
from tools.sandbox.container import Container, SandboxError, create, refuse_unprotected
from tools.sandbox.settings import SandboxSettings
from tools.tool import ToolCall


@pytest.fixture(scope="module")
def tool() -> Iterator[Python]:
    with sandbox(warm=1) as python:
        yield python


@pytest.fixture(scope="module")
def docker() -> Iterator[DockerClient]:
    need_sandbox()
    client = daemon.connect()
    yield client
    client.close()


def containers(client: DockerClient, of: str = "") -> list[str]:
    """Ids of the sandbox containers of an owner (of this process by default), in whatever state."""
    label = f"{owner.LABEL}={of or owner.owner()}"
    return [c.id for c in client.containers.list(all=True, filters={"label": label}, ignore_removed=True)]


def gone(client: DockerClient, of: str = "") -> bool:
    """Whether an owner's containers are all removed within 30 seconds."""
    deadline = time.monotonic() + 30
    while containers(client, of) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not containers(client, of)


def fault(tool: Python, code: str, episode: str) -> Fault:
    """Our fault that a call must end with."""
    error = call(tool, code, episode).error
    assert isinstance(error, Fault), error
    return error


# Results


def test_what_is_printed_is_the_text(tool: Python) -> None:
    result = call(tool, "import sys\nprint(6 * 7)\nprint('low', file=sys.stderr)\nprint('ä\\t|')")
    assert (result.text, result.images, result.data, result.error) == ("42\nlow\nä\t|", (), {"files": []}, None)


def test_a_traceback_shows_the_policys_lines_only(tool: Python) -> None:
    assert refused(call(tool, "def half(x):\n    return x / 0\n\nprint('before')\nhalf(3)")) == (
        "the code failed with exit code 1\nbefore\nTraceback (most recent call last):\n"
        '  File "<python>", line 5, in <module>\n    half(3)\n  File "<python>", line 2, in half\n'
        "    return x / 0\n           ~~^~~\nZeroDivisionError: division by zero"
    )


def test_a_syntax_error_is_told(tool: Python) -> None:
    message = refused(call(tool, "print('a'\nx = 1"))
    assert '"<python>", line 1' in message and "SyntaxError" in message


def test_the_packages_are_there(tool: Python) -> None:
    code = (
        "import cv2, matplotlib, numpy, pandas, PIL, sympy\nx = sympy.symbols('x')\n"
        "print(sympy.solve(x**2 - 4, x), pandas.Series([1, 2]).sum(), cv2.cvtColor(numpy.zeros((2, 2, 3), 'uint8'), "
        "cv2.COLOR_BGR2GRAY).shape)"
    )
    assert printed(tool, code) == "[-2, 2] 3 (2, 2)"


def test_a_script_is_the_main_module(tool: Python) -> None:
    code = (
        "import dataclasses, pickle\n@dataclasses.dataclass\nclass A:\n    x: int\n"
        "if __name__ == '__main__':\n    print(pickle.loads(pickle.dumps(A(1))))"
    )
    assert printed(tool, code) == "A(x=1)"


def test_random_numbers_differ_from_call_to_call(tool: Python) -> None:
    code = "import random, numpy; print(random.random(), numpy.random.rand())"
    first, second = (printed(tool, code).split() for _ in range(2))
    assert first[0] != second[0] and first[1] != second[1]


def test_long_output_keeps_its_ends(tool: Python) -> None:
    text = printed(tool, "print('start' + 'x' * 20_000 + 'end')")
    assert text.startswith("startxxx") and text.endswith("xxxend") and len(text) < 8_100
    assert "[... 12,008 characters left out ...]" in text


def test_figures_are_shown_once(tool: Python) -> None:
    result = call(
        tool, "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nplt.figure()\nplt.bar([1], [2])"
    )
    assert [image.size for image in result.images] == [(640, 480), (640, 480)]
    assert result.text == "[shown: figure_1.png]\n[shown: figure_2.png]"
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.savefig('mine.png', dpi=50)"
    result = call(tool, code, "figures")
    tool.end_episode("figures")
    assert (result.text, [image.size for image in result.images]) == ("[shown: mine.png]", [(320, 240)])


def test_saved_pictures_come_back_as_they_are(tool: Python) -> None:
    code = "import PIL.Image\nfor n in ('a.png', 'b.jpg'): PIL.Image.new('RGB', (30, 20), (255, 0, 0)).save(n)"
    first, second = call(tool, code).images
    assert first.pil().getcolors() == [(600, (255, 0, 0))] and second.size == (30, 20)


def test_files_come_back_and_unchanged_ones_do_not(tool: Python) -> None:
    result = call(tool, "open('t.csv', 'w').write('a,b\\n')", "files")
    assert result.data == {"files": [{"name": "t.csv", "size": 4, "base64": base64.b64encode(b"a,b\n").decode()}]}
    assert result.text == "[saved: t.csv (4 bytes)]"
    assert call(tool, "print(open('t.csv').read())", "files").data == {"files": []}
    tool.end_episode("files")


def test_the_episodes_images_are_files(tool: Python) -> None:
    grey = io.BytesIO()
    PIL.Image.new("L", (5, 4), 9).save(grey, "JPEG")
    pictures = [Image.from_pil(PIL.Image.new("RGB", (3, 2), (1, 2, 3))), Image.from_bytes(grey.getvalue())]
    code = "import cv2, matplotlib.image, PIL.Image\nfor i in range(3):\n    n = f'image_{i}.png'\n"
    code += "    print(PIL.Image.open(n).size, cv2.imread(n).shape, matplotlib.image.imread(n).shape)"
    assert "FileNotFoundError" in refused(call(tool, code, "images", images=pictures))
    pictures.append(Image.from_pil(PIL.Image.new("RGB", (1, 1))))  # what a tool returned meanwhile
    assert call(tool, code, "images", images=pictures).text.split("\n") == [
        "(3, 2) (2, 3, 3) (2, 3, 3)",
        "(5, 4) (4, 5, 3) (4, 5, 3)",
        "(1, 1) (1, 1, 3) (1, 1, 3)",
    ]
    tool.end_episode("images")


def test_files_stay_variables_do_not(tool: Python) -> None:
    printed(tool, "x = 1\nopen('helper.py', 'w').write('y = 2')", "state")
    assert printed(tool, "import helper; print(helper.y, 'x' in globals())", "state").startswith("2 False")
    assert "No module named 'helper'" in refused(call(tool, "import helper", "state2"))
    tool.end_episode("state")
    assert "No module named 'helper'" in refused(call(tool, "import helper", "state"))
    for episode in ("state", "state2", "never seen"):
        tool.end_episode(episode)


def test_arguments() -> None:
    assert PythonArguments.model_validate({"code": "1", "timeout_s": 3}).timeout == 3
    for wrong in ({}, {"code": ""}, {"code": "1", "timeout": 0}, {"code": "1", "timeout": 31}, {"code": "x" * 100_001}):
        with pytest.raises(ValidationError):
            PythonArguments.model_validate(wrong)


def test_transparent_pictures_get_a_white_ground() -> None:
    data = io.BytesIO()
    PIL.Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(data, "PNG", pnginfo=None)
    assert decoded_again(data.getvalue(), 100).pil().getcolors() == [(4, (255, 255, 255))]


def test_names_are_printable() -> None:
    assert printable_name("a b.png") == "a b.png"
    assert printable_name("a\nb\x1b\udcff") == "a\\nb\\x1b\\udcff"


# Containers


def test_every_protection_is_asked_for(docker: DockerClient) -> None:
    container = create(docker, SandboxSettings())
    try:
        facts = container.attrs or docker.api.inspect_container(container.id)
        host = facts["HostConfig"]
        assert (host["NetworkMode"], host["IpcMode"], host["ReadonlyRootfs"], host["Privileged"]) == (
            "none", "none", True, False,
        )  # fmt: skip
        assert (host["CapDrop"], host["CapAdd"], host["SecurityOpt"]) == (["ALL"], None, ["no-new-privileges"])
        assert (host["Memory"], host["MemorySwap"], host["PidsLimit"], host["NanoCpus"]) == (
            256 << 20, 256 << 20, 64, 1_000_000_000,
        )  # fmt: skip
        assert not host["Binds"] and not host["Devices"] and not facts["Mounts"] and not host["OomKillDisable"]
        assert list(host["Tmpfs"]) == ["/work"] and "size=64m" in host["Tmpfs"]["/work"]
        assert facts["Config"]["User"] == "65532:65532" and host["AutoRemove"] and facts["Config"]["StdinOnce"]
        assert host["LogConfig"]["Type"] == "none"
    finally:
        container.remove(force=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("uid", 0), ("capabilities", 8), ("no_new_privileges", 0), ("seccomp", 0), ("read_only_root", False),
        ("routes", 1), ("sockets", True), ("pids", -1), ("memory", 1 << 40), ("swap", -1), ("cpus", None),
    ],
)  # fmt: skip
def test_a_protection_that_does_not_hold_is_refused(name: str, value: object) -> None:
    held = {
        "uid": 65532, "capabilities": 0, "no_new_privileges": 1, "seccomp": 2, "read_only_root": True, "routes": 0,
        "sockets": False,         "pids": 64, "memory": 256 << 20, "swap": 0, "cpus": 1.0,
    }  # fmt: skip
    refuse_unprotected(held, SandboxSettings())
    with pytest.raises(SandboxError, match=f"would not hold on this machine: {name} is {value}"):
        refuse_unprotected({**held, name: value}, SandboxSettings())


def test_a_container_with_other_limits_than_asked_for_does_not_start(
    docker: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak = create(docker, SandboxSettings(pids=99))
    monkeypatch.setattr("tools.sandbox.container.create", lambda client, settings: weak)
    with pytest.raises(SandboxError, match="pids is 99, not 64"):
        Container(docker, SandboxSettings())
    assert weak.id not in containers(docker)


def test_without_docker_or_image_it_is_unavailable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    need_sandbox()
    reason = Python.unavailable(SandboxSettings(image="vista-no-such-image:1"))
    assert reason == "there is no Docker image vista-no-such-image:1: run docker/build.sh"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    with pytest.raises(ToolUnavailableError, match=r"no Docker daemon answers .*docker/build\.sh"):
        select_backend("python")


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"PidsLimit": False}, "limits of processes"),
        ({"MemoryLimit": False, "CpuCfsQuota": False}, "memory limits, processor limits"),
        ({"SecurityOptions": ["name=seccomp,profile=unconfined"]}, "seccomp"),
    ],
)
def test_a_daemon_that_cannot_enforce_is_refused(
    monkeypatch: pytest.MonkeyPatch, docker: DockerClient, change: dict, missing: str
) -> None:
    info = {**docker.info(), **change}
    monkeypatch.setattr(DockerClient, "info", lambda self: info)
    assert missing in str(Python.unavailable(SandboxSettings()))


def test_an_episode_is_one_container_and_takes_a_warm_one(docker: DockerClient) -> None:
    with sandbox(warm=1) as python:
        printed(python, "print(1)", "first")
        deadline = time.monotonic() + 30
        while not python._pool._warm and time.monotonic() < deadline:
            time.sleep(0.05)
        (ready,) = (container.id for container in python._pool._warm)
        for _ in range(3):
            printed(python, "print(1)", "a")
        assert python._pool._sessions["a"].container.id == ready


def test_a_call_without_an_episode_leaves_nothing(docker: DockerClient) -> None:
    before = set(containers(docker))
    with sandbox() as python:
        printed(python, "open('x.txt', 'w')", "")
        assert not python._pool._sessions
    assert set(containers(docker)) <= before


def test_the_longest_idle_episode_makes_room_and_is_told(docker: DockerClient) -> None:
    with sandbox(max_containers=2) as python:
        for episode in ("a", "b", "a", "c"):
            printed(python, "print(1)", episode)
        assert "had to make room: at most 2" in fault(python, "print(1)", "b").message
        assert set(python._pool._sessions) == {"a", "c"}


def test_an_idle_container_ends_by_itself(docker: DockerClient) -> None:
    with sandbox(idle_s=0.5) as python:
        printed(python, "print(1)", "a")
        time.sleep(1.5)
        assert "0.5 s without a call" in fault(python, "print(1)", "a").message
        assert printed(python, "print(1)", "a") == "1"


def test_a_container_that_somebody_removes_during_a_call_is_our_fault(docker: DockerClient) -> None:
    with sandbox() as python:
        printed(python, "print(1)", "a")
        container = docker.containers.get(python._pool._sessions["a"].container.id)
        killer = threading.Timer(0.5, lambda: container.remove(force=True))
        killer.start()
        assert "ended from outside" in fault(python, "import time; time.sleep(5)", "a").message
        killer.join()


def test_an_episode_that_ends_during_a_call_takes_its_container_along(docker: DockerClient) -> None:
    with sandbox() as python:
        printed(python, "print(1)", "a")
        before = containers(docker)
        ender = threading.Timer(0.5, lambda: python.end_episode("a"))
        ender.start()
        assert "SandboxError" in fault(python, "import time; time.sleep(5)", "a").kind
        ender.join()
    assert len(containers(docker)) < len(before)


def test_a_dead_daemon_is_our_fault(monkeypatch: pytest.MonkeyPatch, docker: DockerClient, tmp_path: Path) -> None:
    with sandbox() as python:
        printed(python, "print(1)", "a")
        connected = python._pool._client
        monkeypatch.setattr(connected.api, "base_url", "http+docker://nowhere")
        monkeypatch.setattr(connected.api.get_adapter("http+docker://"), "socket_path", f"{tmp_path}/no.sock")
        connected.api.get_adapter("http+docker://").pools.clear()
        error = fault(python, "import resource; resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))", "a")
        monkeypatch.undo()
        connected.api.get_adapter("http+docker://").pools.clear()
    assert error.where == "tool:python"


def test_a_closed_tool_says_so(docker: DockerClient) -> None:
    with sandbox() as python:
        python.close()
        python.end_episode("a")
        assert "closed" in fault(python, "print(1)", "a").message


def test_nothing_remains_after_a_thousand_calls(docker: DockerClient) -> None:
    before = set(containers(docker))
    with sandbox(warm=1) as python:
        done = 0
        for episode in range(5):
            calls = [ToolCall("python", {"code": f"print({i})"}, (), f"e{episode}") for i in range(200)]
            results = python.run(calls)
            assert [result.text for result in results] == [str(i) for i in range(200)]
            done += len(results)
            python.end_episode(f"e{episode}")
        assert done == 1000
    assert set(containers(docker)) <= before


DRIVER = """
import sys, threading
from tools.python import Python
from tools.sandbox.owner import owner
from tools.sandbox.settings import SandboxSettings
from tools.tool import ToolCall
tool = Python(SandboxSettings(warm=1))
for episode, code in (("a", "print(1)"), ("b", "print(2)")):
    assert tool.run([ToolCall("python", {"code": code}, (), episode)])[0].error is None
call = ToolCall("python", {"code": "import time; time.sleep(25)", "timeout": 30}, (), "a")
threading.Thread(target=tool.run, args=([call],), daemon=True).start()
sys.stdout.write(owner() + "\\n")
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.mark.parametrize("kill", [True, False], ids=["kill -9", "exit"])
def test_nothing_remains_after_the_driver(docker: DockerClient, kill: bool) -> None:
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", DRIVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as driver:
        assert driver.stdout is not None
        name = driver.stdout.readline().strip()
        assert len(containers(docker, name)) >= 2
        if kill:
            driver.send_signal(signal.SIGKILL)
    assert gone(docker, name)


def test_what_a_driver_left_unstarted_is_removed_when_it_is_killed(docker: DockerClient) -> None:
    code = (
        "import sys\nfrom tools.sandbox import daemon, owner\nfrom tools.sandbox.container import create\n"
        "from tools.sandbox.settings import SandboxSettings\nowner.watch_owner()\n"
        "create(daemon.connect(), SandboxSettings())\nprint(owner.owner(), flush=True)\nsys.stdin.read()"
    )
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as driver:
        assert driver.stdout is not None
        name = driver.stdout.readline().strip()
        assert len(containers(docker, name)) == 1
        driver.send_signal(signal.SIGKILL)
    assert gone(docker, name)


def test_what_a_dead_driver_left_unstarted_is_removed_by_the_next(
    docker: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = owner.owner().rsplit("/", 2)[0]
    dead, elsewhere = f"{place}/1/0.0", "another-machine/1/1/0.0"
    left = []
    for name in (dead, elsewhere):
        monkeypatch.setattr("tools.sandbox.container.owner", lambda name=name: name)
        left.append(create(docker, SandboxSettings()))
    monkeypatch.undo()
    try:
        assert owner.remove_orphans(docker) >= 1
        assert not containers(docker, dead) and containers(docker, elsewhere)
    finally:
        left[1].remove(force=True)


def test_the_image_has_the_pinned_versions() -> None:
    root = Path(__file__).resolve().parents[1]
    pins = set((root / "constraints.txt").read_text().lower().splitlines())
    wanted = (root / "docker" / "sandbox" / "requirements.txt").read_text().lower().splitlines()
    assert [line for line in wanted if not line.startswith("#") and line not in pins] == []


def test_it_is_an_agent_like_any_other(docker: DockerClient) -> None:
    need_sandbox()
    space = gymnasium.spaces.Discrete(1)  # not looked at
    settings = {"tool": "python", "settings": {"warm": 0}, "concurrency": 2}
    module = RLModuleSpec(ToolModule, observation_space=space, action_space=space, model_config=settings).build()
    before = set(containers(docker))
    codes = ("print(1)", "1 / 0", "while True: pass", "import os; os._exit(0)")
    calls = [ToolCall("python", {"code": code, "timeout": 1}, (), f"m{i % 2}") for i, code in enumerate(codes)]
    results = module.run([Request("m", "python", call) for call in calls])
    assert [result.error is None for result in results] == [True, False, False, True]
    assert all(isinstance(result.error, ModelError) for result in results[1:3])
    assert not any(result.cached for result in module.run([Request("m", "python", calls[0])]))
    assert len(set(containers(docker)) - before) == 2
    module.end_episode("m0")
    module.end_episode("m1")
    module.close()
    assert set(containers(docker)) <= before
