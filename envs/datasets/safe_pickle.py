"""Pickles of strangers: builtin containers and numpy arrays are read, any other global is refused by its name.

A pickle is a program: it calls whatever it can name. Here it can name nothing but the few functions that numpy's own
pickles call, and each of those is one of ours that makes a plain array from bytes.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from envs.datasets.registry import DatasetError
from tools.errors import FaultError, boundary

Array = np.ndarray[Any, np.dtype[Any]]


class _Dtype:
    """What a pickle says about an array's type: its code and byte order, nothing else."""

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        self._code, self._order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._order = state[1]

    def dtype(self) -> np.dtype[Any]:
        if not isinstance(self._code, str) or self._code[:1] not in "biufcUS" or self._order not in "<>|=":
            raise pickle.UnpicklingError(f"an array of type {self._code!r} is refused")
        return np.dtype(("" if self._order == "|" else self._order) + self._code)


class _Array:
    """An array while it is read; `plain` takes the array out."""

    array: Array

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, data = state
        self.array = _from_buffer(data, dtype, shape, "F" if is_fortran else "C").array


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any = "C") -> _Array:
    if isinstance(data, str):
        data = data.encode("latin-1")
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray):
        raise pickle.UnpicklingError("an array that holds objects is refused")
    found = _Array()
    found.array = np.frombuffer(data, dtype.dtype()).reshape(shape, order="F" if order == "F" else "C")
    return found


def _scalar(dtype: Any, data: Any = b"") -> Any:
    return _from_buffer(data, dtype, (1,)).array[0].item()


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    return _Array()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """How protocol 2 writes bytes."""
    return text.encode("latin-1")


def _bytes() -> bytes:
    """How protocol 2 writes no bytes."""
    return b""


def _bytearray(data: Any = b"") -> bytearray:
    if not isinstance(data, bytes):
        raise pickle.UnpicklingError("a bytearray of something else than bytes is refused")
    return bytearray(data)


_NUMPY: dict[str, Callable[..., Any] | str] = {
    "ndarray": "numpy.ndarray",  # a text: it is only ever an argument
    "dtype": _Dtype, "_reconstruct": _reconstruct, "scalar": _scalar, "_frombuffer": _from_buffer,
}  # fmt: skip
_NUMPY_MODULES = {
    "numpy",
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "numpy.core.numeric",
    "numpy._core.numeric",
}
_BUILTINS: dict[str, Any] = {
    "set": set,
    "frozenset": frozenset,
    "complex": complex,
    "bytes": _bytes,
    "bytearray": _bytearray,
}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in _NUMPY_MODULES and name in _NUMPY:
            return _NUMPY[name]
        module = "builtins" if module == "__builtin__" else module  # its name in old protocols
        if module == "builtins" and name in _BUILTINS:
            return _BUILTINS[name]
        if (module, name) == ("_codecs", "encode"):
            return _encode
        raise pickle.UnpicklingError(
            f"global '{module}.{name}' is refused: only arrays and builtin containers are read"
        )


def load_pickle(file: BinaryIO, name: str) -> Any:
    """The object in a pickle of any protocol; arrays in it are taken out with `plain`.

    Raises:
        DatasetError: it names a global that is not allowed, or is damaged. `name` is what the message calls the file.
    """
    try:
        with boundary(name):
            return _Restricted(file).load()
    except FaultError as error:
        raise DatasetError(f"{name}: cannot be read as a pickle: {error.fault.message}") from error


def plain(value: Any) -> Any:
    """The same with every array of a loaded pickle as a numpy array, through lists, tuples and dictionaries."""
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value
