"""How fast are raw releases converted, and does memory grow with them?

Writes releases in PlotQA's layout and times their conversion, hashing and checking included: questions about few
pictures (text), and one question about each of many pictures of chart size, in a folder, a zip and a compressed tar.

    python benchmarks/convert.py --tasks 200000 --images 2000
"""

from __future__ import annotations

import io
import json
import multiprocessing
import resource
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Annotated

import numpy as np
import PIL.Image
import PIL.ImageDraw
import typer
from rich.console import Console
from rich.table import Table

from envs.datasets.convert import convert


def picture(seed: int, kind: str) -> bytes:
    """A picture of chart size (800 x 560), drawn so that it packs like one; JPEG with the noise of a photo."""
    rng = np.random.default_rng(seed)
    image = PIL.Image.new("RGB", (800, 560), "white")
    draw = PIL.ImageDraw.Draw(image)
    for n in range(20):
        height = int(rng.integers(20, 500))
        draw.rectangle((40 * n, 560 - height, 40 * n + 30, 560), fill=tuple(int(c) for c in rng.integers(0, 256, 3)))
        draw.text((40 * n, 540 - height), f"{height / 7:.3f}", fill="black")
    if kind == "JPEG":
        noise = rng.normal(0, 12, (560, 800, 3)) + np.asarray(image, dtype=float)
        image = PIL.Image.fromarray(noise.clip(0, 255).astype(np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def write_questions(folder: Path, count: int, images: int) -> None:
    """`count` questions about `images` pictures, one after the other."""
    folder.mkdir(parents=True)
    with (folder / "qa_pairs_V1.json").open("w") as file:
        file.write('{"qa_pairs": [')
        for n in range(count):
            pair = {
                "image_index": n * images // count, "qid": n, "question_string": f"What is the value of bar {n % 20}?",
                "answer": n / 7, "answer_bbox": {"x": 1.5, "y": 2.5, "w": 30.0, "h": 4.0}, "type": "vbar_categorical",
                "template": "data_retrieval",
            }  # fmt: skip
            file.write(f"{', ' if n else ''}{json.dumps(pair)}")
        file.write("]}")


def write_pictures(folder: Path, count: int, kind: str, form: str) -> None:
    """`png/<n>.png` (whatever the kind of picture), in a folder or packed."""
    if form == "folder":
        (folder / "png").mkdir()
        for n in range(count):
            (folder / "png" / f"{n}.png").write_bytes(picture(n, kind))
    elif form == "zip":
        with zipfile.ZipFile(folder / "png.zip", "w") as packed:
            for n in range(count):
                packed.writestr(f"png/{n}.png", picture(n, kind))
    else:
        with tarfile.open(folder / "png.tar.gz", "w:gz", compresslevel=1) as tar:
            for n in range(count):
                info, data = tarfile.TarInfo(f"png/{n}.png"), picture(n, kind)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def timed(source: Path, out: Path) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak memory (MiB) of a conversion, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_convert, (source, out))


def _convert(source: Path, out: Path) -> tuple[float, float, float]:
    start, cpu = time.perf_counter(), time.process_time()
    convert("plotqa", source, out)
    return (
        time.perf_counter() - start,
        time.process_time() - cpu,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def main(
    tasks: Annotated[int, typer.Option(help="Questions of the text run.")] = 200_000,
    images: Annotated[int, typer.Option(help="Pictures of each image run.")] = 2000,
) -> None:
    """Prints tasks and images per second (and per second of one core, for busy machines), and peak memory."""
    table = Table("release", "tasks", "images", "seconds", "tasks/s", "tasks/CPU s", "peak MiB")
    with tempfile.TemporaryDirectory(prefix="vista-convert-") as folder:
        runs = [
            ("text", tasks // 10, 20, "PNG", "folder"), ("text", tasks, 20, "PNG", "folder"),
            *((f"{kind}, {form}", images, images, kind, form)
              for kind in ("PNG", "JPEG") for form in ("folder", "zip", "tar.gz")),
        ]  # fmt: skip
        for n, (name, count, pictures, kind, form) in enumerate(runs):
            root = Path(folder) / str(n)
            write_questions(root / "train", count, pictures)
            write_pictures(root / "train", pictures, kind, form)
            seconds, cpu, peak = timed(root, Path(folder) / f"set-{n}")
            rates = (f"{count / seconds:,.0f}", f"{count / cpu:,.0f}")
            table.add_row(name, f"{count:,}", f"{pictures:,}", f"{seconds:.1f}", *rates, f"{peak:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
