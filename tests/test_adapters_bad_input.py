"""What files of strangers may hold: an adapter answers with a task, a counted skip or a `DatasetError`, never else."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import FIXTURES, write, write_mirror
from layouts.files import cell, encoded

from envs.datasets import hub
from envs.datasets.convert import convert
from envs.datasets.dialogue import short_answer, split_choices
from envs.datasets.fields import fill_placeholders, letter_index, number_text, without_tags
from envs.datasets.json_stream import stream_lines, stream_list, stream_object
from envs.datasets.reader import RecordError
from envs.datasets.registry import DatasetError, ReadRequest, Skip, get_dataset
from envs.datasets.text_set import TextSet
from envs.task import Task

JUNK = (
    b"",
    b'"text"',
    b'[1, null, "x", [], {}]',
    b'{"a": 1, "b": null, "questions": 5, "data": {}, "qa_pairs": "x"}',
    b"\xff\xfe\x00",
    b"[" * 2000,
)
VALUES = (None, "", "x", -1, 5.5, True, [], [None, "x"], {"a": 1}, "../../x.png\0")
WITH_JSON = [name for name in FIXTURES if name not in ("geoqa", "unigeo")]


def items(name: str, root: Path) -> list[Task | Skip]:
    """All that an adapter gives; a refusal counts as nothing."""
    try:
        found = list(get_dataset(name).read(ReadRequest(root)))
    except DatasetError as error:
        assert str(error)
        return []
    assert all(isinstance(item, Task | Skip) for item in found)
    return found


@pytest.mark.parametrize("name", WITH_JSON)
def test_junk_in_place_of_any_file(name: str, tmp_path: Path) -> None:
    root = write(tmp_path, FIXTURES[name].release())
    for file in sorted([*root.rglob("*.json"), *root.rglob("*.jsonl"), *root.rglob("*.csv")]):
        content = file.read_bytes()
        for junk in JUNK:
            file.write_bytes(junk)
            items(name, root)
        file.write_bytes(content)
    assert len(items(name, root)) == sum((FIXTURES[name].tasks | FIXTURES[name].skipped).values())


def records_in(value: Any) -> list[dict[str, Any]]:
    """The first records of a file: objects with a question, however they are nested."""
    if isinstance(value, dict):
        own = [value] if {"question", "query", "problem_text", "question_string", "questionId"} & value.keys() else []
        return own + [found for inner in list(value.values())[:8] for found in records_in(inner)]
    return [found for inner in value[:1] for found in records_in(inner)] if isinstance(value, list) else []


@pytest.mark.parametrize("name", [name for name in WITH_JSON if name not in ("thinkvl", "mathv360k")])
def test_any_value_in_any_field(name: str, tmp_path: Path) -> None:
    files = FIXTURES[name].release()
    root = write(tmp_path, files)
    seen = 0
    for path, content in files.items():
        if isinstance(content, bytes):
            if not path.endswith(".jsonl"):
                continue
            content = [json.loads(line) for line in content.decode("utf-8-sig").splitlines() if line.strip()]
        for record in records_in(content)[:1]:
            for field, value in list(record.items()):
                for bad in VALUES:
                    record[field] = bad
                    lines = (
                        "\n".join(map(json.dumps, content)).encode() if path.endswith(".jsonl") else encoded(content)
                    )
                    (root / path).write_bytes(lines)
                    seen += bool(items(name, root))
                record[field] = value
        (root / path).write_bytes(encoded(files[path]))
    assert seen > 40


@pytest.mark.parametrize(("name", "n"), [(name, n) for name, f in FIXTURES.items() for n in range(len(f.mirrors))])
def test_columns_of_other_types_in_mirrors(name: str, n: int, tmp_path: Path) -> None:
    tables = FIXTURES[name].mirrors[n]()
    path, rows = next(iter(tables.items()))
    write_mirror(tmp_path, tables)
    for column in rows[0]:
        for bad in (None, "", "x", 5, [], ["x"], {"bytes": b"no picture", "path": None}, {"a": 1}):
            pq.write_table(pa.Table.from_pylist([{**rows[0], column: bad}]), tmp_path / path)
            items(name, tmp_path)


@pytest.mark.parametrize("name", ["chartqa", "scienceqa", "docvqa", "iconqa", "mathvista"])
def test_damaged_mirror(name: str, tmp_path: Path) -> None:
    (tmp_path / "train-00000-of-00001.parquet").write_bytes(b"PAR1 nothing more")
    with pytest.raises(DatasetError, match=r"train-00000-of-00001\.parquet: damaged Parquet"):
        list(get_dataset(name).read(ReadRequest(tmp_path)))
    assert not get_dataset(name).detect(tmp_path)


def test_a_mirror_whose_files_are_several(tmp_path: Path) -> None:
    row = FIXTURES["clevr_math"].mirrors[0]()["general/validation/0000.parquet"][0]
    tables = {f"data/train-0000{n}-of-00002.parquet": [{**row, "label": n}] * 40 for n in (0, 1)}
    found = items("clevr_math", write_mirror(tmp_path, tables))
    assert [item.id for item in found] == [f"clevr_math-train-{n}" for n in range(80)], "positions go on"
    assert [item.answer for item in found if isinstance(item, Task)] == ["0"] * 40 + ["1"] * 40


def test_fields_that_no_task_set_can_store_are_skips(tmp_path: Path) -> None:
    row = FIXTURES["mathvista"].mirrors[0]()["data/testmini-00000-of-00001-abc.parquet"][0]
    rows = [{**row, "pid": "1", "precision": float("nan")}, {**row, "pid": "2"}]
    report = convert("mathvista", write_mirror(tmp_path / "raw", {"testmini.parquet": rows}), tmp_path / "set")
    assert report.tasks == {"test": 1} and report.skipped == {"malformed record": 1}
    assert "JSON" in report.listed["malformed record"][0][1]


# --- JSON ---


def opened(tmp_path: Path, data: bytes) -> Any:
    (tmp_path / "x.json").write_bytes(data)
    return partial((tmp_path / "x.json").open, "rb"), "x.json"


def test_streamed_lists_equal_parsed_ones(tmp_path: Path) -> None:
    rows = [{"n": n, "f": n / 7, "t": "ü日" * n, "l": [n, [None, True]], "big": 7**n % 2**63} for n in range(200)]
    source, name = opened(tmp_path, json.dumps(rows).encode())
    assert list(stream_list(source, name)) == rows
    source, name = opened(tmp_path, b"\xef\xbb\xbf \n" + json.dumps({"x": 1, "data": rows, "y": []}).encode())
    assert list(stream_list(source, name, "data")) == rows
    source, name = opened(tmp_path, json.dumps({str(n): row for n, row in enumerate(rows)}).encode())
    assert list(stream_object(source, name)) == [(str(n), row) for n, row in enumerate(rows)]
    source, name = opened(tmp_path, b"\xef\xbb\xbf" + "\r\n\r\n".join(map(json.dumps, rows)).encode())
    assert list(stream_lines(source, name)) == rows


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a JSON list, or an object with 'data', found 'nothing'"), (b"5", ".*found '5'"),
        (b'{"dat": []}', "no field 'data'"), (b'{"data": {"a": 1}}', "field 'data': expected a list, got map"),
        (b'{"data": 5}', "field 'data': expected a list, got number"), (b"[1, 2", "not JSON"),
            (b'[{"a": }]', "not JSON"),
        (b'["\xff"]', "not JSON"),
    ],
)  # fmt: skip
def test_wrong_json_names_the_file_and_what_was_expected(data: bytes, message: str, tmp_path: Path) -> None:
    source, name = opened(tmp_path, data)
    with pytest.raises(DatasetError, match=rf"x\.json: {message}"):
        list(stream_list(source, name, "data"))


def test_an_empty_list_is_a_list(tmp_path: Path) -> None:
    for data in (b"[]", b'{"data": []}'):
        source, name = opened(tmp_path, data)
        assert list(stream_list(source, name, "data")) == []


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    source, name = opened(tmp_path, b'{"a": 1}\n{"a": \n')
    with pytest.raises(DatasetError, match=r"x\.json: line 2: not JSON"):
        list(stream_lines(source, name))


# --- texts ---


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Which?\n<image1>", "Which?"), ("<image>\nWhich?", "Which?"), ("<image><image>Which?", "Which?"),
        ("Is <image2> in <image>?", "Is image 2 in the image?"), ("a < b > c", "a < b > c"), ("Like <image1>", "Like"),
        ("Two\n\nlines", "Two\n\nlines"),
    ],
)  # fmt: skip
def test_image_markers(text: str, question: str) -> None:
    assert without_tags(text) == question


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("The answer is B", "B"), ("The answer is 12.5.", "12.5"), ("so \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("<think>The answer is 4</think><answer> 5 </answer>", "5"), ("Answer: B", "B"), ("Ohio, Iowa.", "Ohio, Iowa"),
        ("Wait...", "Wait..."), ("answer is: C.", "C"),
    ],
)  # fmt: skip
def test_short_answers(reply: str, answer: str) -> None:
    assert short_answer(reply) == answer


def test_choices_in_questions() -> None:
    assert split_choices("Which?\nChoices:\nA. one\nB. two\nAnswer with the letter.") == ("Which?", ("one", "two"))
    assert split_choices("Question: Which?\nOptions:\n(A) 1\n(C) 2") == ("Which?", ("1",))
    assert split_choices("No choices: none") == ("No choices: none", ())


def test_numbers_and_letters() -> None:
    assert fill_placeholders("N_0 + N_10 = N_1", [1.0, 2.5, *range(8), 10**6]) == "1 + 1000000 = 2.5"
    with pytest.raises(RecordError, match="placeholder without a number"):
        fill_placeholders("N_1", [1.0])
    assert [number_text(n, "n") for n in (40.0, 0.5, 7, "x", 1e300)] == ["40", "0.5", "7", "x", "1e+300"]
    for bad in (float("nan"), float("inf"), True, None, [1]):
        with pytest.raises(RecordError):
            number_text(bad, "n")
    assert [letter_index(text, 3) for text in ("B", "(c)", "A.", "D", "BB", "", "é")] == [
        1,
        2,
        0,
        None,
        None,
        None,
        None,
    ]


@given(st.lists(st.text(max_size=4)))
def test_text_set_is_a_set(texts: list[str]) -> None:
    small, plain = TextSet(in_memory=3), set[str]()
    for text in texts:
        assert small.add(text) == (text not in plain)
        plain.add(text)
        assert text in small and len(small) == len(plain)
    assert "never there" not in small and 5 not in small


# --- the hub ---


@pytest.mark.parametrize("source", ["hub:owner", "hub:", "hub:/x"])
def test_hub_names_that_are_none(source: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="expected hub:owner/name"):
        convert("chartqa", Path(source), tmp_path / "set")


def test_hub_out_of_reach_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> str:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(DatasetError, match=r"(?s)no route to host.*hf download owner/name --repo-type dataset"):
        convert("chartqa", Path("hub:owner/name"), tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_hub_gives_a_folder_of_parquet_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def download(repo: str, **options: Any) -> str:
        asked.update(options, repo=repo)
        return str(tmp_path / "hub")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    (tmp_path / "hub" / "DocVQA").mkdir(parents=True)
    with pytest.raises(DatasetError, match="no Parquet files"):
        hub.download(Path("hub:lmms-lab/DocVQA"))
    write_mirror(tmp_path / "hub", FIXTURES["docvqa"].mirrors[0]())
    report = convert("docvqa", Path("hub:lmms-lab/DocVQA/DocVQA"), tmp_path / "set")
    assert report.tasks == {"val": 1} and report.source == "hub:lmms-lab/DocVQA/DocVQA"
    assert asked["repo"] == "lmms-lab/DocVQA" and asked["repo_type"] == "dataset"


def test_pictures_are_shared_between_the_questions_of_one(tmp_path: Path) -> None:
    row = {"image": cell(1), "qa": [{"question": f"Is it {n}?", "answer": "no"} for n in range(5)]}
    root = write_mirror(tmp_path / "raw", {"train-00000-of-00001.parquet": [row]})
    convert("figureqa", root, tmp_path / "set")
    report = json.loads((tmp_path / "set" / "report.json").read_text())
    assert report["tasks"] == 5 and report["images"] == 1
