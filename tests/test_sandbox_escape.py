"""Attempts to get out of the `python` tool's sandbox, to harm it, or to abuse it. All run in the real one.

After each of them the same container still serves, and nothing but process 1 runs in it.
"""

from __future__ import annotations

import platform
import socket
from pathlib import Path

import PIL.Image
import pytest
from sandboxes import NOTHING, SECRET, call, nothing_is_left, printed, refused, tool

from tools.image import Image
from tools.python import Python

__all__ = ["nothing_is_left", "tool"]


def libc(expression: str) -> str:
    """Code that prints the error name of a call into the C library."""
    return (
        "import ctypes, errno\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        f"print({expression}, errno.errorcode.get(ctypes.get_errno()))"
    )


# Time, processes, memory, disk


def test_an_endless_loop_is_stopped(tool: Python) -> None:
    assert refused(call(tool, "while True: pass", timeout=0.5)) == "the code was stopped after 0.5 s"


def test_code_that_refuses_to_stop_is_stopped(tool: Python) -> None:
    code = (
        "import signal, time\n"
        "for s in set(signal.valid_signals()) - {9, 19, 32, 33}: signal.signal(s, signal.SIG_IGN)\n"
        "while True:\n    try: time.sleep(9)\n    except BaseException: pass"
    )
    assert "stopped after 0.5 s" in refused(call(tool, code, timeout=0.5))


def test_the_timeout_ends_children_too(tool: Python) -> None:
    code = "import subprocess\n[subprocess.Popen(['sleep', '60'], start_new_session=True) for _ in range(5)][0].wait()"
    assert "stopped after 0.5 s" in refused(call(tool, code, timeout=0.5))


def test_a_child_that_keeps_the_output_open_does_not_keep_the_call(tool: Python) -> None:
    assert printed(tool, "import subprocess; subprocess.Popen(['sleep', '60']); print('done')") == "done"


def test_a_daemon_does_not_survive_its_call(tool: Python) -> None:
    code = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        while True:\n"
        "            open('alive', 'a').write('x'); time.sleep(0.01)\n    os._exit(0)\ntime.sleep(0.3)"
    )
    printed(tool, code)
    size = "import os, time; a = os.stat('alive').st_size; time.sleep(0.2); print(a > 0, os.stat('alive').st_size - a)"
    assert printed(tool, size) == "True 0"


def test_a_fork_bomb(tool: Python) -> None:
    assert "Resource temporarily unavailable" in refused(call(tool, "import os\nwhile True: os.fork()", timeout=3))


def test_a_fork_bomb_that_catches_its_errors(tool: Python) -> None:
    code = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    assert "stopped after 1 s" in refused(call(tool, code, timeout=1))


def test_a_thread_bomb(tool: Python) -> None:
    code = "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    assert "can't start new thread" in refused(call(tool, code))


def test_filling_the_memory(tool: Python) -> None:
    assert "more memory than the sandbox has (256 MiB" in refused(call(tool, "x = bytearray(300 << 20)"))


def test_filling_the_memory_from_many_processes(tool: Python) -> None:
    code = "import os, time\nfor _ in range(4): os.fork()\nx = bytearray(b'x') * (30 << 20)\ntime.sleep(2)"
    message = refused(call(tool, code, "memory"))
    assert "more memory" in message or "most likely by using more than 256 MiB" in message
    tool.end_episode("memory")


def test_an_absurd_allocation(tool: Python) -> None:
    assert "MemoryError" in refused(call(tool, "x = bytearray(1 << 50)"))


def test_filling_the_disk(tool: Python) -> None:
    code = "with open('big.bin', 'wb') as f:\n    while True: f.write(bytes(1 << 20))"
    assert "No space left on device" in refused(call(tool, code))
    size = int(printed(tool, "import os; print(os.stat('big.bin').st_size)").split("\n")[0])
    assert size <= 64 << 20


def test_filling_the_disk_with_empty_files(tool: Python) -> None:
    assert "No space left" in refused(call(tool, "for i in range(10**6): open(f'{i}.txt', 'w').close()"))
    result = call(tool, "print('on')\nfor i in range(100): open(f'{i}.txt', 'w').write('x')")
    assert len(result.data["files"]) == 16 and "more files" in result.text


def test_a_picture_does_not_fit_into_a_full_folder(tool: Python) -> None:
    picture = Image.from_pil(PIL.Image.effect_noise((300, 300), 90))
    call(tool, "with open('big.bin', 'wb') as f:\n    while True: f.write(bytes(4096))")
    assert "image_0.png could not be put" in call(tool, "print(1)", images=[picture]).text
    result = call(tool, "import os; os.unlink('big.bin')", images=[picture])
    assert result.error is None
    code = "import PIL.Image; print(PIL.Image.open('image_0.png').size)"
    assert call(tool, code, images=[picture]).text == "(300, 300)"


def test_a_sparse_file_larger_than_the_memory(tool: Python) -> None:
    result = call(tool, "open('x.png', 'wb').truncate(1 << 40); open('x.bin', 'wb').truncate(1 << 40)")
    assert result.text == "[not returned: x.bin (too large)]\n[not returned: x.png (too large)]"


def test_endless_output_is_cut(tool: Python) -> None:
    message = refused(call(tool, "while True: print('x' * 1000)", timeout=0.5))
    assert "output cut after 1,048,576 bytes" in message and "characters left out" in message
    assert len(message) < 9_000


def test_a_crash_leaves_no_core_dump(tool: Python) -> None:
    assert "signal 6" in refused(call(tool, "import os; os.abort()"))
    assert printed(tool, "import os; print([n for n in os.listdir() if 'core' in n])") == "[]"


def test_more_open_files_than_allowed(tool: Python) -> None:
    assert "Too many open files" in refused(call(tool, "x = [open('/dev/null') for _ in range(1000)]"))


def test_limits_cannot_be_raised(tool: Python) -> None:
    code = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))"
    assert "not allowed to raise maximum limit" in refused(call(tool, code))


# The file system


@pytest.mark.parametrize(
    "path",
    [
        "/x", "/bin/x", "/dev/x", "/dev/shm/x", "/etc/passwd", "/home/x", "/opt/x", "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger", "/root/x", "/run/x", "/sys/fs/cgroup/memory/release_agent",
        "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/kernel/uevent_helper",
        "/tmp/x", "/usr/lib/x", "/var/tmp/x",
    ],
)  # fmt: skip
def test_writing_outside_the_work_folder(tool: Python, path: str) -> None:
    message = refused(call(tool, f"open({path!r}, 'w').write('1')"))
    assert "Read-only file system" in message or "Permission denied" in message or "No such file" in message


def test_the_work_folder_is_not_the_policys(tool: Python) -> None:
    for code in ("os.chmod('/work', 0)", "os.rename('/work', '/x')", "os.rmdir('/work')", "os.symlink('/', '/work2')"):
        assert "Error" in refused(call(tool, f"import os; {code}"))


def test_nothing_in_the_work_folder_can_be_executed(tool: Python) -> None:
    code = "import os, shutil, subprocess\nshutil.copy('/bin/true', 'x')\nos.chmod('x', 0o777)\nsubprocess.run(['./x'])"
    assert "Permission denied" in refused(call(tool, code))


def test_no_program_gives_privileges(tool: Python) -> None:
    find = "find / -xdev -type f -perm /6000 2>/dev/null"
    assert printed(tool, f"import subprocess\nsubprocess.run({find!r}, shell=True)") == NOTHING


def test_devices_are_the_harmless_ones(tool: Python) -> None:
    code = (
        "import os, stat\nfor name in os.listdir('/dev'):\n    mode = os.lstat('/dev/' + name).st_mode\n"
        "    if stat.S_ISBLK(mode) or stat.S_ISCHR(mode): print(name)"
    )
    assert set(printed(tool, code).split()) <= {"full", "null", "ptmx", "random", "tty", "urandom", "zero"}


def test_the_hosts_files_are_not_there(tool: Python) -> None:
    paths = [__file__, str(Path.home() / ".docker"), "/var/lib/docker", "/var/run/docker.sock", "/run/containerd"]
    assert printed(tool, f"import os; print([p for p in {paths} if os.path.exists(p)])") == "[]"


# Privileges


@pytest.mark.parametrize(
    "expression",
    [
        "libc.mount(b'none', b'/work', b'tmpfs', 0, None)",
        "libc.mount(None, b'/', None, 32 | 4096, None)",  # remount and bind
        "libc.umount2(b'/proc/sys', 2)",
        "libc.chroot(b'/work')",
        "libc.unshare(0x10000000)",  # a user namespace
        "libc.unshare(0x00020000)",  # a mount namespace
        "libc.setns(3, 0)",
        "libc.sethostname(b'x', 1)",
        "libc.setuid(0)",
        "libc.setgid(0)",
        "libc.setgroups(0, None)",
        "libc.mknod(b'/work/disk', 0o60666, 0xfe00)",
        "libc.ptrace(16, 1, 0, 0)",
        "libc.reboot(0x1234567)",
        "libc.swapoff(b'/x')",
        "libc.init_module(None, 0, b'')",
        "libc.iopl(3)",
    ],
)
def test_privileged_calls_are_refused(tool: Python, expression: str) -> None:
    if "iopl" in expression and platform.machine() != "x86_64":
        pytest.skip("only x86 has it")
    assert printed(tool, libc(expression)) in ("-1 EPERM", "-1 EACCES", "-1 EBADF", "-1 ENOSYS")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="system call numbers of x86-64")
@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("add_key", 248), ("keyctl", 250), ("bpf", 321), ("perf_event_open", 298), ("userfaultfd", 323),
        ("kexec_load", 246), ("open_by_handle_at", 304), ("pivot_root", 155), ("settimeofday", 164),
        ("finit_module", 313), ("delete_module", 176), ("clone3", 435), ("fsopen", 430), ("move_mount", 429),
        ("io_uring_setup", 425), ("io_uring_enter", 426), ("socket(AF_INET) of x32", 0x40000029),
    ],
)  # fmt: skip
def test_dangerous_system_calls_are_refused(tool: Python, name: str, number: int) -> None:
    assert printed(tool, libc(f"libc.syscall({number}, 0, 0, 0, 0, 0)")) in ("-1 EPERM", "-1 ENOSYS")


def test_no_capability_no_new_privileges_and_a_system_call_filter(tool: Python) -> None:
    code = "print(*[l.split()[1] for l in open('/proc/self/status') if l.startswith(('Cap', 'NoNew', 'Seccomp:'))])"
    assert printed(tool, code) == " ".join(["0" * 16] * 5) + " 1 2"


def test_a_program_that_would_give_root_does_not(tool: Python) -> None:
    message = refused(call(tool, "import subprocess; subprocess.run(['su', '-c', 'id'], check=True, timeout=5)"))
    assert "non-zero exit status" in message


# The process that runs the code


@pytest.mark.parametrize("what", ["mem", "environ", "fd/0", "fd/1", "maps", "root/etc/hostname", "cwd/x"])
def test_process_1_is_closed(tool: Python, what: str) -> None:
    assert "Permission denied" in refused(call(tool, f"open('/proc/1/{what}', 'rb').read()"))


def test_process_1_cannot_be_signalled(tool: Python) -> None:
    code = "import os, signal\nfor s in signal.valid_signals():\n    if s not in (32, 33): os.kill(1, s)\nprint('sent')"
    assert printed(tool, code) == "sent"


def test_killing_everything_kills_nothing_else(tool: Python) -> None:
    assert printed(tool, "import os\ntry: os.kill(-1, 9)\nexcept ProcessLookupError: print('nobody')") == "nobody"


def test_process_1s_memory_cannot_be_written(tool: Python) -> None:
    code = libc("libc.process_vm_writev(1, None, 0, None, 0, 0), libc.process_vm_readv(1, None, 0, None, 0, 0)")
    assert printed(tool, code) in ("-1 -1 EPERM", "0 0 None")
    code = (
        "import ctypes, errno\nlibc = ctypes.CDLL(None, use_errno=True)\nb = ctypes.create_string_buffer(8)\n"
        "class V(ctypes.Structure): _fields_ = [('p', ctypes.c_void_p), ('n', ctypes.c_size_t)]\n"
        "v = V(ctypes.addressof(b), 8)\n"
        "v = ctypes.byref(v)\nprint(libc.process_vm_readv(1, v, 1, v, 1, 0), errno.errorcode[ctypes.get_errno()])"
    )
    assert printed(tool, code) == "-1 EPERM"


def test_a_reply_cannot_be_forged(tool: Python) -> None:
    code = (
        'import os, struct\nforged = b\'{"status": "exit", "sizes": []}\'\n'
        "for fd in range(3, 256):\n    try: os.write(fd, struct.pack('>I', len(forged)) + forged)\n"
        "    except OSError: pass\nprint('real')"
    )
    assert printed(tool, code) == "real"


def test_bringing_process_1_down_costs_the_policy_its_files(tool: Python) -> None:
    printed(tool, "open('kept.bin', 'w').write('x')", "sabotage")
    code = "import resource\nfor r in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE): resource.prlimit(1, r, (0, 0))"
    message = refused(call(tool, code, "sabotage"))
    assert "brought the sandbox down" in message and "saved files are gone" in message
    assert printed(tool, "import os; print(os.path.exists('kept.bin'))", "sabotage") == "False"
    tool.end_episode("sabotage")


def test_modules_left_behind_do_not_reach_process_1(tool: Python) -> None:
    code = (
        "for n in ('numpy', 'json', 'os', 'code', 'sitecustomize'): open(n + '.py', 'w').write('raise SystemExit(9)')"
    )
    call(tool, code)
    assert printed(tool, "import json, numpy; print(json.dumps(numpy.arange(3).tolist()))") == "[0, 1, 2]"


# The network


@pytest.mark.parametrize(
    "code",
    [
        "socket.create_connection(('1.1.1.1', 53), 2)",
        "socket.create_connection(('172.17.0.1', 22), 2)",
        "socket.create_connection(('169.254.169.254', 80), 2)",
        "socket.socket(socket.AF_INET6).connect(('2606:4700:4700::1111', 53))",
        "socket.getaddrinfo('example.org', 443)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('8.8.8.8', 53))",
        "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).connect((2, 1024))",
        "socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')",
        "urllib.request.urlopen('http://example.com', timeout=2)",
    ],
)
def test_there_is_no_network(tool: Python, code: str) -> None:
    assert "error" in refused(call(tool, f"import socket, urllib.request; {code}")).lower()


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG", "AF_CAN"])
def test_only_unix_sockets_can_be_opened(tool: Python, family: str) -> None:
    message = refused(call(tool, f"import socket; socket.socket(socket.{family}, socket.SOCK_DGRAM)"))
    assert "PermissionError" in message
    assert printed(tool, "import socket; print(len(socket.socketpair()))") == "2"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of x86")
def test_32_bit_system_calls_do_not_open_sockets(tool: Python) -> None:
    code = (
        "import ctypes, mmap\npage = mmap.mmap(-1, 4096, prot=7)\n"
        "page.write(bytes.fromhex('53 b867010000 bb02000000 b901000000 31d2 cd80 5b c3'))\n"  # socket(AF_INET, ...)
        "address = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "print(ctypes.CFUNCTYPE(ctypes.c_int)(address)() < 0)"
    )
    result = call(tool, code)
    assert result.text == "True" or "signal" in refused(result)  # where the kernel knows no 32-bit calls at all


def test_the_hosts_abstract_sockets_are_not_there(tool: Python) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("\0vista-test")
        listening.listen()
        code = "import socket; socket.socket(socket.AF_UNIX).connect('\\0vista-test')"
        assert "Connection refused" in refused(call(tool, code))


# What it can learn


def test_the_hosts_environment_is_not_there(tool: Python) -> None:
    code = (
        "import glob, os\nseen = str(os.environ)\nfor path in glob.glob('/proc/*/environ'):\n"
        "    try: seen += open(path).read()\n    except OSError: pass\n"
        f"print({SECRET!r} in seen, 'VISTA_SECRET' in seen, 'proxy' in seen.lower())"
    )
    assert printed(tool, code) == "False False False"


def test_the_host_has_no_name(tool: Python) -> None:
    assert printed(tool, "import os, socket; print(socket.gethostname(), os.getuid())") == "sandbox 65532"


def test_another_episodes_files_are_not_there(tool: Python) -> None:
    call(tool, "open('secret.txt', 'w').write('x')", "other")
    assert printed(tool, "import os; print(os.path.exists('secret.txt'))") == "False"
    tool.end_episode("other")


def test_an_ended_episodes_files_are_gone(tool: Python) -> None:
    call(tool, "open('secret.txt', 'w').write('x')", "twice")
    tool.end_episode("twice")
    assert printed(tool, "import os; print(os.path.exists('secret.txt'))", "twice") == "False"
    tool.end_episode("twice")
