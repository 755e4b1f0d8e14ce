"""What the sandbox of the `python` tool gives back, however strange: links, devices, pictures, names, ends.

After each of them the same container still serves, and nothing but process 1 runs in it.
"""

from __future__ import annotations

import PIL.Image
import pytest
from sandboxes import NOTHING, call, nothing_is_left, printed, refused, tool

from tools.image import Image
from tools.python import Python

__all__ = ["nothing_is_left", "tool"]


def test_links_are_not_followed(tool: Python) -> None:
    code = "import os\nos.symlink('/etc/passwd', 'a.txt')\nos.symlink('/etc/passwd', 'b.png')\nos.symlink('/', 'c')"
    result = call(tool, code)
    assert (result.text, result.images) == (NOTHING, ())
    assert result.data == {"files": []}


def test_a_link_in_place_of_an_image_is_replaced(tool: Python) -> None:
    picture = Image.from_pil(PIL.Image.new("RGB", (7, 7)))
    code = "import os\nopen('victim', 'w').write('x')\nos.symlink('victim', 'image_0.png')\nos.mkdir('image_1.png')"
    call(tool, code, "links")
    code = "import os\nprint(open('victim').read(), os.path.islink('image_0.png'), os.path.isfile('image_1.png'))"
    assert call(tool, code, "links", images=[picture, picture]).text == "x False True"
    tool.end_episode("links")


def test_special_files_do_not_block(tool: Python) -> None:
    code = (
        "import os, socket\nos.mkfifo('a.png')\nos.mkdir('b.png')\nsocket.socket(socket.AF_UNIX).bind('c.png')\n"
        "open('d.txt', 'w').close()\nos.chmod('d.txt', 0)"
    )
    assert call(tool, code).text == "[not returned: d.txt (Permission denied)]"


BOMB = (
    "import struct, zlib\n"
    "def chunk(kind, data):\n"
    "    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))\n"
    "head = struct.pack('>IIBBBBB', {side}, {side}, 1, 0, 0, 0, 0)\n"
    "rows = zlib.compress(bytes({rows}))\n"
    "parts = [b'\\x89PNG\\r\\n\\x1a\\n', chunk(b'IHDR', head), {more}chunk(b'IDAT', rows), chunk(b'IEND', b'')]\n"
    "open('x.png', 'wb').write(b''.join(parts))"
)


@pytest.mark.parametrize(
    "code",
    [
        BOMB.format(side=20_000, rows=50_020_000, more=""),
        BOMB.format(side=2**31 - 1, rows=1000, more=""),
        BOMB.format(side=8, rows=16, more="chunk(b'zTXt', b'k\\0\\0' + zlib.compress(bytes(80 << 20))), "),
        BOMB.format(side=500, rows=100, more=""),
        "open('x.png', 'w').write('%!PS-Adobe-3.0 EPSF-3.0\\n%%BoundingBox: 0 0 9 9\\n%%EndComments\\n')",
        "open('x.jpg', 'wb').write(b'\\xff\\xd8\\xff\\xe0' + bytes(100))",
        "open('x.png', 'w').close()",
    ],
    ids=["pixels", "huge", "text", "truncated", "postscript", "jpeg", "empty"],
)
def test_pictures_that_harm_their_reader(tool: Python, code: str) -> None:
    result = call(tool, code)
    assert result.error is None and result.images == ()
    assert "not a readable PNG or JPEG picture" in result.text or "more than the 4,000,000 allowed" in result.text


def test_a_thousand_pictures(tool: Python) -> None:
    code = "import PIL.Image\nfor i in range(1000): PIL.Image.new('RGB', (9, 9)).save(f'{i:04}.png')"
    result = call(tool, code)
    assert len(result.images) == 4 and "980 more files" in result.text and len(result.text) < 1000


def test_strange_names_stay_on_one_line(tool: Python) -> None:
    code = "for n in (b'a\\nError E4: b', b'\\x1b[31m', b'\\xff\\xfe', b'n' * 250): open(n, 'w').close()"
    lines = call(tool, code).text.split("\n")
    assert len(lines) == 4 and all(line.startswith("[saved: ") and line.isprintable() for line in lines)
    assert max(map(len, lines)) < 120


def test_binary_output_is_printable(tool: Python) -> None:
    text = printed(
        tool, "import sys; sys.stdout.buffer.write(bytes(range(256)) + '\\u202eé'.encode()); print('\\ud800')"
    )
    assert all(character.isprintable() or character in "\n\t" for character in text) and "ABC" in text and "é" in text


# How it ends


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("input()", "EOFError"),
        ("import sys; sys.exit(3)", "exit code 3"),
        ("import sys; sys.exit('no luck')", "no luck"),
        ("import os; os._exit(7)", "exit code 7"),
        ("def f(): f()\nf()", "RecursionError"),
        ("import ctypes; ctypes.string_at(0)", "signal 11"),
        ("import os; os.kill(os.getpid(), 9)", "signal 9"),
        ("raise BaseException('bare')", "BaseException: bare"),
        ("(" * 5000, "SyntaxError|MemoryError|signal"),
        ("x = 1\0", "null bytes"),
        ("class A:\n    def __repr__(self): raise KeyError\n\n1 + A()", "TypeError"),
        ("import sys\nsys.stderr = None\n1 / 0", "exit code 1"),
        ("import sys\nsys.excepthook = None\n1 / 0", "exit code 1"),
    ],
)
def test_every_end_is_told(tool: Python, code: str, message: str) -> None:
    told = refused(call(tool, code))
    assert any(part in told for part in message.split("|")), told


@pytest.mark.parametrize(
    "code",
    [
        "import os; os._exit(0)",
        "import sys; sys.exit()",
        "import os; os.close(1); os.close(2)",
        "import sys; sys.stdout.close()",
        "import sys; sys.stdout = None; print('nobody hears')",
        "import os; os.closerange(0, 256)",
    ],
)
def test_quiet_ends_are_no_errors(tool: Python, code: str) -> None:
    assert printed(tool, code) == NOTHING


def test_what_a_batch_does_stays_with_each_call(tool: Python) -> None:
    results = [call(tool, code) for code in ("1 / 0", "print('fine')")]
    assert results[0].error is not None and results[1].text == "fine"
