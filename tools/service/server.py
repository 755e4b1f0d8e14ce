"""Starts a tool service and keeps it running."""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import uvicorn

from tools.remote import TOKEN_VARIABLE
from tools.service.app import application
from tools.service.config import ServiceConfig, ServiceConfigError
from tools.service.runner import Executor, ToolRunner
from tools.service.served_tool import ServedTool, resolve
from tools.service.service import ToolService

_KEEP_ALIVE_S = 75
"""Seconds that an idle connection stays open: longer than clients keep it, so that none is closed under a request."""
_DRAIN_S = 5
"""Seconds that requests under way get when the service ends."""


class _Uvicorn(uvicorn.Server):
    """Leaves signals to the program: uvicorn would end it by the signal again, before deployments are taken down."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Server:
    """A service with its tools loaded, listening on `address`, that `run` answers."""

    def __init__(self, service: ToolService, token: str, listening: socket.socket, served: list[ServedTool]) -> None:
        self.service = service
        self.served = served
        self._socket = listening
        settings = uvicorn.Config(
            application(service, token),
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_DRAIN_S,
        )
        self._uvicorn = _Uvicorn(settings)

    @property
    def address(self) -> str:
        """Base URL."""
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self) -> None:
        """Answers until `stop`."""
        self._uvicorn.run(sockets=[self._socket])

    def stop(self) -> None:
        """Lets `run` end. From any thread."""
        self._uvicorn.should_exit = True


def settle_memory() -> None:
    """Takes all that is loaded out of the garbage collector's sight, for a process that only serves from now on.

    A full collection over the libraries of tools and models halts every request for about 50 ms, often.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def open_server(config: ServiceConfig, token: str | None = None) -> Iterator[Server]:
    """Loads tools, deploys those that are deployments, and listens; takes all down at the end.

    Args:
        config: what to serve, and where.
        token: what clients must send; None: the environment variable `VISTA_TOOL_TOKEN`.

    Raises:
        ServiceConfigError: the configuration is wrong, the address is taken, or open to all without a token.
        DeploymentFailed: a tool's replicas do not start.
        UnknownToolError, ToolSettingsError, ToolUnavailableError: as `tools.registry.select_backend`.
    """
    token = os.environ.get(TOKEN_VARIABLE, "") if token is None else token
    config.check_address(token)
    served = resolve(config)
    with ExitStack() as stack:
        listening = stack.enter_context(_listen(config.host, config.port))
        executors = _executors(config, served, stack)
        yield Server(ToolService(config, executors), token, listening, served)


@contextmanager
def running_server(config: ServiceConfig, token: str | None = None) -> Iterator[Server]:
    """As `open_server`, answering in a thread of its own."""
    with open_server(config, token) as server:
        thread = threading.Thread(target=server.run, name="tool service", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join(2 * _DRAIN_S)


def _executors(config: ServiceConfig, served: list[ServedTool], stack: ExitStack) -> dict[ServedTool, Executor]:
    executors: dict[tuple[str, str], Executor] = {}
    deployed = [tool for tool in served if tool.deployed]
    if deployed:
        # Ray Serve is imported only where something runs on it.
        from tools.service.deployments import deployments

        executors.update(stack.enter_context(deployments(deployed, config)))
    for tool in served:
        if not tool.deployed:
            plan = tool.plan
            runner = ToolRunner(
                tool.selection.build(),
                max_batch=plan.max_batch,
                batch_wait_s=plan.batch_wait_s,
                threads=plan.threads,
                timeout_s=plan.timeout_s,
                max_waiting=plan.max_waiting,
            )
            stack.callback(runner.close)
            executors[tool.key] = runner
    return {tool: executors[tool.key] for tool in served}


@contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ServiceConfigError(f"host {host}: {error.strerror or error}") from error
    with listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            raise ServiceConfigError(f"{host}, port {port}: {error.strerror or error}") from error
        listening.listen(1024)
        yield listening
