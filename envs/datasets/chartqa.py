"""ChartQA (Masry et al., 2022, arXiv 2203.10244): the released folder and the Hugging Face Parquet mirrors.

Released layout (https://github.com/vis-nlp/ChartQA): `{train,val,test}/{split}_{human,augmented}.json` with records
`{"imgname", "query", "label"}`, `png/<imgname>`, and optionally `tables/<stem>.csv` and `annotations/<stem>.json`.
Mirrors: `HuggingFaceM4/ChartQA` (`image, query, label: list, human_or_machine`), `ahmed-masry/ChartQA`
(`imgname, query, label, type, image`), one or several Parquet files per split.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from envs.datasets.reader import (
    SPLITS,
    ImageReader,
    RecordError,
    check_image,
    load_json,
    load_table,
    safe_path,
    text_field,
)
from envs.datasets.registry import DatasetError, ReadRequest, Skip, register_dataset
from envs.task import Task
from tools.image import Image

SOURCES = ("human", "augmented")
_MIRROR_FILE = re.compile(r"(train|val|validation|test)(-\d+-of-\d+.*)?\.parquet$")


def find_release(path: Path) -> Path | None:
    """The folder that holds the splits: `path`, or one at most two levels below it. None when there is none."""
    for pattern in (".", "*", "*/*"):
        for split in SPLITS:
            for source in SOURCES:
                found = next(iter(sorted(path.glob(f"{pattern}/{split}/{split}_{source}.json"))), None)
                if found is not None:
                    return found.parents[1]
    return None


def find_mirror(path: Path) -> dict[str, list[Path]]:
    """The Parquet files of each split, in `path` itself or its `data` folder (or `path` is one such file)."""
    files = [path] if path.is_file() else sorted([*path.glob("*.parquet"), *path.glob("data/*.parquet")])
    splits: dict[str, list[Path]] = {}
    for file in files:
        match = _MIRROR_FILE.match(file.name)
        if match and _has_columns(file):
            splits.setdefault({"validation": "val"}.get(match[1], match[1]), []).append(file)
    return splits


def _has_columns(file: Path) -> bool:
    try:
        return {"image", "query", "label"} <= set(pq.read_schema(file).names)
    except (pa.ArrowException, OSError):
        return True  # named like a mirror but damaged: reading it gives the error


def detect(path: Path) -> bool:
    """Whether `path` is a ChartQA release or mirror."""
    return find_release(path) is not None or bool(find_mirror(path))


@register_dataset(
    "chartqa",
    title="ChartQA",
    layout="a folder with train|val|test/{split}_human|augmented.json and png/ (itself, or up to two levels below), "
    "or Parquet files train|val|test-*.parquet with columns image, query, label",
    detect=detect,
)
def read(request: ReadRequest) -> Iterator[Task | Skip]:
    """Tasks of a release or mirror, ids `chartqa-<split>-<human|augmented>-<n>` with n the record's position.

    Raises:
        DatasetError: neither layout is there, a JSON or Parquet file is damaged, or the split is absent.
    """
    yield from read_as(request, "chartqa")


def read_as(request: ReadRequest, prefix: str) -> Iterator[Task | Skip]:
    """Like `read`, with another prefix for the ids (for sets that borrow ChartQA's layout)."""
    release = find_release(request.source)
    mirror = {} if release else find_mirror(request.source)
    if release is None and not mirror:
        raise DatasetError(f"{request.source}: not ChartQA: no {{split}}/{{split}}_human.json and no Parquet mirror")
    present = [s for s in SPLITS if (s in mirror if release is None else (release / s).is_dir())]
    if request.split is not None and request.split not in present:
        raise DatasetError(f"{release or request.source}: no split {request.split!r}; it has {', '.join(present)}")
    for split in present if request.split is None else [request.split]:
        records = _release_tasks(release, split, prefix) if release else _mirror_tasks(mirror[split], split, prefix)
        count = 0
        for item in records:
            if count == request.limit:
                break
            count += isinstance(item, Task)
            yield item


def _release_tasks(release: Path, split: str, prefix: str) -> Iterator[Task | Skip]:
    folder = release / split
    files = [file for source in SOURCES if (file := folder / f"{split}_{source}.json").is_file()]
    if not files:
        raise DatasetError(f"{folder}: neither {split}_human.json nor {split}_augmented.json is there")
    images = ImageReader()
    for file in files:
        source = file.stem.removeprefix(f"{split}_")
        for n, record in enumerate(load_json(file)):
            id = f"{prefix}-{split}-{source}-{n}"
            try:
                if not isinstance(record, dict):
                    raise RecordError("malformed record", f"expected an object, got {type(record).__name__}")
                name = text_field(record, "imgname")
                path = safe_path(folder / "png", name)
                question, answers = _question(record)
                extra = {k: v for k, v in record.items() if k not in ("imgname", "query", "label")}
                metadata = {"source": source, "imgname": name, **_chart(folder, path.stem), **extra}
                yield _task(id, split, question, answers, images.read(path), metadata)
            except RecordError as error:
                yield Skip(id, error.reason, f"{file.name} record {n}: {error.detail}")


def _chart(folder: Path, stem: str) -> dict[str, Any]:
    """The chart's gold table, type and title where the release has them."""
    found: dict[str, Any] = {}
    table = load_table(folder / "tables" / f"{stem}.csv")
    if table is not None:
        found["table"] = table
    file = folder / "annotations" / f"{stem}.json"
    if file.is_file():
        try:
            annotation = load_json(file, dict)
        except DatasetError as error:
            raise RecordError("annotation unreadable", str(error)) from error
        if isinstance(annotation.get("type"), str):
            found["chart_type"] = annotation["type"]
        info = annotation.get("general_figure_info")
        title = info.get("title") if isinstance(info, dict) else None
        if isinstance(title, dict) and isinstance(title.get("text"), str):
            found["title"] = title["text"]
    return found


def _mirror_tasks(files: list[Path], split: str, prefix: str) -> Iterator[Task | Skip]:
    position: Counter[str] = Counter()
    for file in files:
        try:
            for batch in pq.ParquetFile(file).iter_batches(batch_size=64):
                for record in batch.to_pylist():
                    source = _mirror_source(record)
                    n = position[source]
                    position[source] += 1
                    id = f"{prefix}-{split}-{source}-{n}"
                    try:
                        question, answers = _question(record)
                        image = record["image"]
                        data = image.get("bytes") if isinstance(image, dict) else image
                        name = record.get("imgname") or (image.get("path") if isinstance(image, dict) else None)
                        if not isinstance(data, bytes) or not data:
                            raise RecordError("image missing", "field 'image' has no bytes")
                        metadata = {"source": source, **({"imgname": name} if name else {})}
                        yield _task(id, split, question, answers, check_image(data, f"{file.name}: {id}"), metadata)
                    except RecordError as error:
                        yield Skip(id, error.reason, f"{file.name}: {error.detail}")
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(f"{file}: damaged Parquet file: {error}") from error


def _mirror_source(record: dict[str, Any]) -> str:
    """`human_or_machine` is 0 for human; the other mirror has a text column `type` such as `human_test`."""
    machine = record.get("human_or_machine")
    if machine is not None:
        return "human" if str(machine) in ("0", "human") else "augmented"
    return "human" if str(record.get("type", "")).startswith("human") else "augmented"


def _question(record: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    question = text_field(record, "query", "question missing")
    label = record.get("label")
    labels = label if isinstance(label, list) else [label]
    return question, tuple(text_field({"label": entry}, "label", "answer missing") for entry in labels or [None])


def _task(id: str, split: str, question: str, answers: tuple[str, ...], image: Image, metadata: dict[str, Any]) -> Task:
    return Task(
        id=id,
        dataset="chartqa",
        question=question,
        answer=answers[0],
        answers=answers if len(answers) > 1 else (),
        images=(image,),
        task_type="chart",
        split=split,
        metadata=metadata,
    )
