"""Process 1 of a sandbox container: runs one piece of code at a time, each in a forked child, and reports how it went.

This file's text is handed to the container's `python3 -c`, so it imports only what the image has. It talks to the host
over its own standard input and output, which no child ever gets.

Why the child, which has the same user id, can neither forge a report nor stop this process: process 1 cannot be
signalled from inside its own namespace, and it is not dumpable, so that its memory, its descriptors and `ptrace` are
closed to it. What a child can still do (use up the memory, change the limits of this process) ends its own container
only. When the host goes away, standard input ends, this process exits, and the kernel ends all others with it.
"""

from __future__ import annotations

import code
import contextlib
import ctypes
import errno
import gc
import importlib
import json
import linecache
import os
import select
import shutil
import signal
import socket
import stat
import struct
import sys
import threading
import time
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

WORK = "/work"
"""The one folder that can be written to: a tmpfs."""
PRELOADED = ("numpy", "PIL.Image", "matplotlib.pyplot", "pandas", "sympy", "cv2")
"""Imported once a container, so that no call waits for them."""
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_FILES = 16
"""Files beside images that one call gives back."""
FILE_BYTES = 256 * 1024
"""Bytes of all these files together."""
FILENAME = "<python>"
"""What tracebacks call the policy's code."""

_shown: set[str] = set()
"""Names of the pictures of figures that this call has saved."""

_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_LENGTH = struct.Struct(">I")
_CHUNK = 1 << 16

Message = tuple[dict[str, Any], list[bytes]]
"""A JSON header and binary parts."""


def pack(header: Mapping[str, Any], parts: Sequence[bytes] = ()) -> bytes:
    """A message as bytes: length of the header, the header as JSON with the parts' `sizes`, the parts."""
    text = json.dumps({**header, "sizes": [len(part) for part in parts]}).encode()
    return b"".join((_LENGTH.pack(len(text)), text, *parts))


def unpack(read: Callable[[int], bytes]) -> Message:
    """The next message. `read(n)` returns exactly n bytes, or raises."""
    header = json.loads(read(_LENGTH.unpack(read(_LENGTH.size))[0]))
    return header, [read(size) for size in header.pop("sizes")]


def main() -> NoReturn:
    """Serves requests until there are no more. The argument: seconds without a request after which it exits."""
    idle_s = float(sys.argv[1])
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError):  # two belong to the C library
            signal.signal(number, signal.SIG_DFL)
    _set_dumpable(False)
    filter_system_calls()
    requests, replies = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.chdir(WORK)
    os.mkdir(".tmp")
    warnings.filterwarnings("ignore", message=".*FigureCanvasAgg is non-interactive")
    for name in PRELOADED:
        importlib.import_module(name)
    sys.modules["cv2"].setNumThreads(1)
    sys.modules["matplotlib.pyplot"].show = show_figures  # type: ignore[attr-defined]
    gc.freeze()
    _write(replies, pack({"protections": protections()}))
    while True:
        readable, _, _ = select.select([requests], [], [], idle_s)
        if not readable:
            os._exit(0)
        _write(replies, _serve(*unpack(lambda size: _read(requests, size)), requests))


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("value", ctypes.c_uint)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction))]


def filter_system_calls() -> None:
    """Refuses, for this process and all it starts, what Docker's own filter leaves open and no script needs.

    These are sockets other than Unix ones (a VM socket reaches the machine's host past every network namespace, and
    Docker before 24 allows it), io_uring (which opens sockets past any filter), and the 32-bit system calls (numbered
    otherwise). See linux/filter.h and linux/seccomp.h for the instructions.

    Raises:
        OSError: the kernel refuses the filter.
        KeyError: a processor whose system calls are not known here.
    """
    architecture, socket_call = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}[os.uname().machine]
    load, if_equal, if_at_least, answer = 0x20, 0x15, 0x35, 0x06
    lines = [
        (load, 0, 0, 4),
        (if_equal, 0, 8, architecture),
        (load, 0, 0, 0),
        (if_at_least, 6, 0, 0x40000000),
        (if_equal, 5, 0, 425),  # io_uring_setup and its two companions
        (if_equal, 4, 0, 426),
        (if_equal, 3, 0, 427),
        (if_equal, 0, 3, socket_call),
        (load, 0, 0, 16),
        (if_equal, 1, 0, socket.AF_UNIX),
        (answer, 0, 0, 0x00050000 | errno.EPERM),
        (answer, 0, 0, 0x7FFF0000),
    ]
    program = _Program(len(lines), (_Instruction * len(lines))(*(_Instruction(*line) for line in lines)))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_SECCOMP, 2, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the system call filter was refused")


def protections() -> dict[str, Any]:
    """What the kernel says about this process, for the host to compare with what it asked for. Sizes in bytes."""
    with open("/proc/self/status") as lines:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in lines if ":\t" in line)
    quota, period = _first("cpu/cpu.cfs_quota_us", "cpu.max"), _first("cpu/cpu.cfs_period_us", "cpu.max")
    return {
        "uid": os.geteuid(),
        "capabilities": sum(int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")),
        "no_new_privileges": int(status["NoNewPrivs"]),
        "seccomp": int(status["Seccomp"]),
        "read_only_root": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
        "sockets": _can_open_socket(),
        "routes": len(_lines("/proc/net/route")) - 1,
        "pids": int(_first("pids/pids.max", "pids.max")[0]),
        "memory": int(_first("memory/memory.limit_in_bytes", "memory.max")[0]),
        "swap": _swap_limit(),
        "cpus": int(quota[0]) / int(period[-1]) if int(quota[0]) > 0 else None,
    }


def show_figures(*args: Any, **kwargs: Any) -> None:
    """Stands for `matplotlib.pyplot.show`: saves the open figures as figure_N.png in the work folder, closes them."""
    pyplot = sys.modules["matplotlib.pyplot"]
    for number in pyplot.get_fignums():
        free = next(i for i in range(1, 10_000) if not os.path.lexists(f"{WORK}/figure_{i}.png"))
        name = f"figure_{free}.png"
        _shown.add(name)
        pyplot.figure(number).savefig(f"{WORK}/{name}")
        pyplot.close(number)


class _Interpreter(code.InteractiveInterpreter):
    """Runs code; a traceback goes to standard error without the frames of this file."""

    failed = False

    def showtraceback(self) -> None:
        self.failed = True
        super().showtraceback()

    def showsyntaxerror(self, filename: str | None = None, **kwargs: Any) -> None:
        self.failed = True
        super().showsyntaxerror(filename, **kwargs)

    def run(self, source: str, filename: str) -> None:
        try:
            compiled = compile(source, filename, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError):
            self.showsyntaxerror(filename)
        else:
            self.runcode(compiled)


def _serve(header: dict[str, Any], parts: list[bytes], requests: int) -> bytes:
    names = header["names"]
    unwritten = [name for name, part in zip(names, parts, strict=True) if not _put_file(name, part)]
    before = _listing()
    memory_kills = _memory_kills()
    reply: dict[str, Any] = {"unwritten": unwritten}
    status, output, dropped = _run(header["code"], header["timeout_s"], header["output_bytes"], requests, before)
    reply |= {"dropped": dropped, "exit_code": None, "signal": None}
    if status is None:
        reply["status"] = "timeout"
    elif _memory_kills() > memory_kills:
        reply["status"] = "memory"
    elif os.WIFSIGNALED(status):
        reply |= {"status": "signal", "signal": os.WTERMSIG(status)}
    else:
        reply |= {"status": "exit", "exit_code": os.WEXITSTATUS(status)}
    taken, left_out = _collect(before, header["images"], header["image_bytes"])
    # Of many files only the first are told about: their names are the policy's, too.
    reply |= {"files": list(taken), "left_out": left_out[:MAX_FILES], "more": max(0, len(left_out) - MAX_FILES)}
    return pack(reply, [bytes(output), *taken.values()])


def _run(
    source: str, timeout_s: float, output_bytes: int, requests: int, before: Mapping[str, object]
) -> tuple[int | None, bytearray, int]:
    """The child's wait status (None: it ran out of time), what it wrote, and how many more bytes than that."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(source, write_end, before)
    os.close(write_end)
    os.set_blocking(read_end, False)
    process = os.pidfd_open(pid)
    poller = select.poll()
    poller.register(read_end, select.POLLIN)
    poller.register(process, select.POLLIN)
    poller.register(requests, 0)
    output = bytearray()
    seen = 0
    deadline = time.monotonic() + timeout_s
    ended = False
    while not ended and (left := deadline - time.monotonic()) > 0:
        for descriptor, _ in poller.poll(left * 1000):
            if descriptor == requests:
                os._exit(0)  # the host is gone
            if descriptor == process:
                ended = True
            elif chunk := os.read(read_end, _CHUNK):
                seen += len(chunk)
                output += chunk[: output_bytes - len(output)]
            else:
                poller.unregister(read_end)  # the child closed its output and runs on
    status = _kill_all(pid)
    while chunk := os.read(read_end, _CHUNK):  # nobody is left to write: what is in the pipe, then its end
        seen += len(chunk)
        output += chunk[: output_bytes - len(output)]
    os.close(read_end)
    os.close(process)
    return (status if ended else None), output, seen - len(output)


def _kill_all(pid: int) -> int:
    """Ends every process but this one, whoever started it. Returns the wait status of `pid`."""
    status = 0
    while True:
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            return status
        with contextlib.suppress(ChildProcessError):
            while True:
                reaped, value = os.waitpid(-1, 0)
                if reaped == pid:
                    status = value


def _child(source: str, output: int, before: Mapping[str, object]) -> NoReturn:
    exit_code = 1
    try:
        os.setsid()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.closerange(3, 4096)
        _set_dumpable(True)
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")  # when memory runs out, the kernel ends this process before process 1
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
        sys.modules["numpy"].random.seed()  # or every call would draw the same numbers
        exit_code = _execute(source, before)
    finally:
        os._exit(exit_code)


def _execute(source: str, before: Mapping[str, object]) -> int:
    """Runs `source` as a script; returns its exit code."""
    linecache.cache[FILENAME] = (len(source), None, source.splitlines(True), FILENAME)
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    sys.argv = [FILENAME]
    sys.path.insert(0, WORK)
    interpreter = _Interpreter(module.__dict__)
    exit_code = 0
    try:
        interpreter.run(source, FILENAME)
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
        # Figures that are still open are shown, unless the code has saved pictures by itself.
        if all(name in _shown or not name.lower().endswith(IMAGE_SUFFIXES) for name in _changed(before)):
            interpreter.run("import matplotlib.pyplot\nmatplotlib.pyplot.show()", "<figures>")
    except SystemExit as wanted:
        if isinstance(wanted.code, int):
            exit_code = wanted.code & 0xFF
        elif wanted.code is not None:
            interpreter.write(f"{wanted.code}\n")
            exit_code = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed or replaced by the code
            stream.flush()
    return exit_code or int(interpreter.failed)


def _listing() -> dict[str, object]:
    """The regular files of the work folder (not of its sub-folders, no hidden ones), and what changes with them."""
    found: dict[str, object] = {}
    with os.scandir(WORK) as entries:
        for entry in entries:
            facts = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(facts.st_mode) and not entry.name.startswith("."):
                found[entry.name] = (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    return found


def _changed(before: Mapping[str, object]) -> list[str]:
    """Names of the files that are new or not as they were, in alphabetical order."""
    return sorted(name for name, facts in _listing().items() if before.get(name) != facts)


def _collect(
    before: Mapping[str, object], max_images: int, image_bytes: int
) -> tuple[dict[str, bytes], list[list[str]]]:
    """The changed files' contents by name, and names with reasons of those left out. No other process runs now."""
    taken: dict[str, bytes] = {}
    left_out = []
    images, files, left = 0, 0, FILE_BYTES
    for name in _changed(before):
        is_image = name.lower().endswith(IMAGE_SUFFIXES)
        limit = image_bytes if is_image else left
        if images >= max_images if is_image else files >= MAX_FILES:
            left_out.append([name, "too many"])
            continue
        try:
            # A link or a special file would lead out of the folder or block.
            opened = os.open(f"{WORK}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(opened, "rb") as file:
                data = file.read(limit + 1)
        except OSError as error:
            left_out.append([name, str(error.strerror)])
            continue
        if len(data) > limit:
            left_out.append([name, "too large"])
            continue
        taken[name] = data
        images += is_image
        files += not is_image
        left -= 0 if is_image else len(data)
    return taken, left_out


def _put_file(name: str, data: bytes) -> bool:
    """Writes a new file in place of whatever has its name; False when there is no room or it cannot be replaced."""
    path = f"{WORK}/{name}"
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644), "wb") as file:
            file.write(data)
    except OSError:
        return False
    return True


def _memory_kills() -> int:
    """How often the kernel has ended a process of this container because its memory ran out."""
    for path in ("memory/memory.oom_control", "memory.events"):
        with contextlib.suppress(OSError):
            counts = dict(line.split() for line in _lines(f"/sys/fs/cgroup/{path}"))
            return int(counts["oom_kill"])
    return 0


def _swap_limit() -> int:
    """Bytes of swap that this container may use; 0 where the machine has none."""
    if len(_lines("/proc/swaps")) <= 1:
        return 0
    with contextlib.suppress(OSError):
        both = int(_lines("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes")[0])
        return both - int(_lines("/sys/fs/cgroup/memory/memory.limit_in_bytes")[0])
    return int(_first("memory.swap.max")[0])


def _first(*paths: str) -> list[str]:
    """The words in the first of these control-group files that exists; `-1` for `max` and where there is none."""
    for path in paths:
        with contextlib.suppress(OSError):
            return ["-1" if word == "max" else word for word in _lines(f"/sys/fs/cgroup/{path}")[0].split()]
    return ["-1"]


def _lines(path: str) -> list[str]:
    with open(path) as file:
        return file.read().splitlines()


def _can_open_socket() -> bool:
    with contextlib.suppress(PermissionError), socket.socket():
        return True
    return False


def _set_dumpable(dumpable: bool) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, int(dumpable), 0, 0, 0)


def _read(descriptor: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = os.read(descriptor, min(size - len(data), 1 << 20))
        if not chunk:
            os._exit(0)  # the host is gone
        data += chunk
    return bytes(data)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    main()
