"""The restricted unpickler: arrays and containers come back whole, everything else is refused by name."""

from __future__ import annotations

import collections
import datetime
import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import write

from envs.datasets.convert import convert
from envs.datasets.registry import DatasetError
from envs.datasets.safe_pickle import load_pickle, plain


def load(data: bytes) -> Any:
    return plain(load_pickle(io.BytesIO(data), "x.pk"))


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.uint8).reshape(3, 4), np.arange(24.0).reshape(2, 3, 4), np.asfortranarray(np.eye(3)),
        np.array([1, 2], ">i2"), np.array([True, False]), np.array(["ab", "日本"]), np.zeros((0, 3)), np.array(5.5),
    ],
)  # fmt: skip
def test_arrays_come_back(array: np.ndarray[Any, Any], protocol: int) -> None:
    found = load(pickle.dumps({"image": array, "rest": [array, 1]}, protocol))["image"]
    assert np.array_equal(found, array) and found.shape == array.shape and found.dtype == array.dtype


@pytest.mark.parametrize("protocol", range(6))
def test_containers_and_numbers_come_back(protocol: int) -> None:
    value = {"a": [1, 2.5, None, True, "ü", b"\xff\0"], (1, "t"): {"s": {3}, "f": frozenset("x")}, "c": 2j,
             "b": bytearray(b"12"), "n": np.float64(1.5), "i": np.int32(-7)}  # fmt: skip
    found = load_pickle(io.BytesIO(pickle.dumps(value, protocol)), "x.pk")
    assert found == value


REFUSED = {
    "os.system": (Call(os.system, "true"), "posix.system"),
    "eval": (Call(eval, "1"), "builtins.eval"),
    "exec": (Call(exec, "1"), "builtins.exec"),
    "getattr": (Call(getattr, "x", "upper"), "builtins.getattr"),
    "open": (Call(open, "/etc/passwd"), "io.open"),
    "import": (Call(__import__, "os"), "builtins.__import__"),
    "numpy loads files": (Call(np.load, "x.npy"), "numpy.load"),
    "a class": (datetime.date(2020, 1, 1), "datetime.date"),
    "a path": (Path("x"), "pathlib.PosixPath"),
    "an ordered dict": (collections.OrderedDict(a=1), "collections.OrderedDict"),
    "a codec": (Call(pickle.loads, b"N."), "_?pickle.loads"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_other_globals_are_refused_by_name(case: str, protocol: int) -> None:
    value, name = REFUSED[case]
    with pytest.raises(DatasetError, match=rf"x\.pk: .*global '{name}' is refused"):
        load(pickle.dumps([{"image": value}], protocol))


def test_nothing_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    with pytest.raises(DatasetError, match="refused"):
        load(pickle.dumps(Call(os.mkdir, str(mark))))
    assert not mark.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"cnumpy\nndarray\n(I99999999999\ntR.",  # an array of any size
        b"c__builtin__\nbytearray\n(I99999999999\ntR.",
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O'\ntRS'12345678'\ntR.",  # an object at any address
        pickle.dumps(np.array([object, None], dtype=object)),
        pickle.dumps(np.zeros(2, "i4,f8")),
        b"c_codecs\nencode\n(I5\nS'zlib'\ntR.",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",  # a frame of any size
        b"P1\n.",  # a persistent id
        b"", b"N", b"not a pickle", pickle.dumps(list(range(1000)))[:-10],
    ],
)  # fmt: skip
def test_tricks_and_damage_are_errors(data: bytes) -> None:
    with pytest.raises(DatasetError, match=r"x\.pk: cannot be read as a pickle"):
        load(data)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_value_or_the_error(data: bytes) -> None:
    try:
        load(data)
    except DatasetError:
        return


@pytest.mark.parametrize("name", ["geoqa", "unigeo"])
def test_a_malicious_release_is_refused_whole(name: str, tmp_path: Path) -> None:
    file = {"geoqa": "GeoQA3/train.pk", "unigeo": "UniGeo/calculation_train.pk"}[name]
    root = write(tmp_path / "raw", {file: pickle.dumps([{"image": Call(os.system, "true")}])})
    with pytest.raises(DatasetError, match=r"train\.pk: .*'posix\.system' is refused"):
        convert(name, root, tmp_path / "set")
    root = write(tmp_path / "raw", {file: pickle.dumps({"a": 1})})
    with pytest.raises(DatasetError, match="expected a pickled list, got dict"):
        convert(name, root, tmp_path / "set")
    assert not (tmp_path / "set").exists()
