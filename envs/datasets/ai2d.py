"""AI2D (Kembhavi et al., 2016, arXiv 1603.07396): school diagrams with four choices.

Release: `ai2d/{images/<name>,annotations/<name>.json,questions/<name>.json}` (folder or zip); `ai2d_test_ids.csv`, one
picture id to a line, names the test pictures (all others are train; without the file all are). Questions with
`abcLabel` ask for letters that are not in the picture: they are drawn over the texts that they replace.
Mirror: `lmms-lab/ai2d` (`question, options, answer, image`), where the letters are in the pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

import PIL.ImageDraw
import PIL.ImageFont

from envs.datasets.fields import extras, index_field, letter, texts
from envs.datasets.layout import Item, Layout, Raw, Records, by_split, register_adapter
from envs.datasets.mirror import cell_image, mirror
from envs.datasets.reader import RecordError, text_field
from envs.datasets.registry import DatasetError
from envs.datasets.release import Release, parent
from envs.task import Task
from tools.image import Image


def _find(release: Release) -> Mapping[str, Records]:
    names = release.find("questions/*.png.json", "questions/*.jpg.json")
    lists = release.find("ai2d_test_ids.csv") if names else []
    test = {line.removesuffix(".png") for line in release.lines(lists[0])} if lists else set()
    splits = (("test" if _stem(name) in test else "train", name) for name in sorted(names, key=_order))
    return by_split(splits, partial(_questions, release))


def _stem(name: str) -> str:
    return name.rpartition("/")[2].split(".")[0]


def _order(name: str) -> tuple[int, str]:
    return len(_stem(name)), name


def _questions(release: Release, name: str) -> Iterator[Raw]:
    try:
        content = release.json(name, dict)
    except DatasetError as error:
        yield Raw(_stem(name), name, RecordError("malformed record", str(error)))
        return
    questions = content.get("questions")
    if not isinstance(questions, dict):
        yield Raw(_stem(name), name, RecordError("malformed record", "field 'questions': expected an object"))
        return
    for n, (question, record) in enumerate(questions.items()):
        if isinstance(record, dict):
            image = content.get("imageName", name.rpartition("/")[2].removesuffix(".json"))
            folder = parent(parent(name).rstrip("/"))
            record = {**record, "question": question, "image": image, "folder": folder}
        yield Raw(str(record.get("questionId") or f"{_stem(name)}-{n}") if isinstance(record, dict)
                  else f"{_stem(name)}-{n}", f"{name} question {n}", record)  # fmt: skip


def _build(item: Item) -> Task:
    record, folder = item.record, item.record["folder"]
    name = text_field(record, "image", "image missing")
    image = item.release.image(f"{folder}images/{name}")
    if record.get("abcLabel"):
        image = with_letters(image, _labels(item.release, f"{folder}annotations/{name}.json"))
    choices = texts(record, "answerTexts", "choices missing")
    metadata = {
        "original_id": record.get("questionId"),
        "image_filename": name,
        "abc_label": bool(record.get("abcLabel")),
    }
    return _task(item, image, choices, index_field(record, "correctAnswer", len(choices)), metadata)


def _build_row(item: Item) -> Task:
    choices = texts(item.record, "options", "choices missing")
    index = index_field(item.record, "answer", len(choices))
    metadata = extras(item.record, "question", "options", "answer", "image")
    return _task(item, cell_image(item, "image"), choices, index, metadata)


def _task(item: Item, image: Image, choices: tuple[str, ...], index: int, metadata: dict[str, Any]) -> Task:
    own = {
        **metadata, "split": item.split, "answer_letter": letter(index), "answer_index": index,
        "num_choices": len(choices), "has_image": True, "language": "en", "domain": "science",
        "question_type": "multiple_choice",
    }  # fmt: skip
    question = text_field(item.record, "question", "question missing")
    return item.task(question, choices[index], [image], choices=choices, metadata=own)


def _labels(release: Release, name: str) -> tuple[tuple[str, tuple[float, float, float, float]], ...]:
    """The letters of a picture and the boxes of the texts they replace, `(left, top, right, bottom)` in pixels."""
    try:
        content = release.json(name, dict).get("text")
    except DatasetError as error:
        raise RecordError("annotation unreadable", str(error)) from error
    labels = []
    for blob in content.values() if isinstance(content, dict) else ():
        try:
            (left, top), (right, bottom) = blob["rectangle"]
            box = (float(left), float(top), float(right), float(bottom))
            labels.append((text_field(blob, "replacementText"), box))
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError("annotation unreadable", f"{name}: field 'text': {error!r}") from error
    if not labels:
        raise RecordError("annotation unreadable", f"{name}: field 'text': no letters to draw")
    return tuple(labels)


@lru_cache(maxsize=8)
def with_letters(image: Image, labels: tuple[tuple[str, tuple[float, float, float, float]], ...]) -> Image:
    """The picture with each box painted white and its letter drawn in the middle, as a PNG image."""
    picture = image.pil().copy()
    draw = PIL.ImageDraw.Draw(picture)
    for text, (left, top, right, bottom) in labels:
        box = (min(left, right), min(top, bottom), max(left, right), max(top, bottom))
        draw.rectangle(box, fill="white", outline="black")
        size = min(max(box[3] - box[1] - 2, 8), 40)
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        draw.text(middle, text, fill="black", font=PIL.ImageFont.load_default(size), anchor="mm")
    return Image.from_pil(picture)


register_adapter(
    "ai2d",
    title="AI2D",
    task_type="science",
    evaluation_only=True,
    layout="ai2d/ (or ai2d-all.zip) with images/, annotations/, questions/<picture>.json, and ai2d_test_ids.csv, "
    "or Parquet files with columns question, options, answer, image",
    layouts=(
        Layout(_find, _build),
        mirror({"question", "options", "answer", "image"}, _build_row, without=frozenset({"decoded_image"})),
    ),
)
