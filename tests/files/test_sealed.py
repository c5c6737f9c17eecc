"""Sealed arrays: the same bits back, from any reader of Arrow streams, or a refusal."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from bayes_cmoe.files.sealed import BrokenSealError, sealed, unsealed

ARRAYS = {
    "numbers": np.array([[0.1, -0.0, np.inf], [5e-324, -np.inf, np.nan]]),
    "other": np.frombuffer(np.uint64(0x7FF8000000000ABC).tobytes(), dtype=float),
    "cube": np.arange(24.0).reshape(2, 3, 4)[:, ::-1],
    "counts": np.array([-(2**62), 2**62]),
    "seeds": np.array([2**64 - 1], dtype=np.uint64),
    "text": np.array(["", "ä\n\u2202", "x" * 1000], dtype=object),
    "none": np.empty((0, 3)),
    "words": np.array([], dtype=object),
}
MARKS = {"task": "first", "why": "ö"}


def test_the_same_bits_come_back():
    arrays, marks = unsealed(sealed(ARRAYS, MARKS))
    assert marks == MARKS
    assert list(arrays) == list(ARRAYS)
    for name, values in ARRAYS.items():
        assert (arrays[name].shape, arrays[name].dtype) == (values.shape, values.dtype)
        if values.dtype == object:
            assert arrays[name].tolist() == values.tolist()
        else:
            assert arrays[name].tobytes() == np.ascontiguousarray(values).tobytes()


def test_only_what_is_wanted_and_there():
    arrays, _ = unsealed(sealed(ARRAYS, MARKS), ["counts", "missing"])
    assert list(arrays) == ["counts"]


def test_any_reader_of_arrow_streams_opens_it():
    content = sealed(ARRAYS, MARKS)
    table = pa.ipc.open_stream(pa.BufferReader(content)).read_all()
    assert table.column("cube").to_pylist() == [ARRAYS["cube"].ravel().tolist()]
    assert table.schema.metadata[b"task"] == b"first"


def test_the_seal_is_the_sha256_of_the_stream():
    content = sealed(ARRAYS, MARKS)
    assert content[-32:] == hashlib.sha256(content[:-32]).digest()
    assert sealed(ARRAYS, MARKS) == content


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 100, -1])
def test_a_part_is_refused(size):
    with pytest.raises(BrokenSealError):
        unsealed(sealed(ARRAYS, MARKS)[:size])


def test_no_parser_sees_what_is_not_as_it_was(monkeypatch):
    content = bytearray(sealed(ARRAYS, MARKS))
    content[len(content) // 2] ^= 1
    monkeypatch.setattr(pa.ipc, "open_stream", None)
    with pytest.raises(BrokenSealError, match="digest"):
        unsealed(bytes(content))


def test_the_digest_of_nothing_is_no_seal():
    with pytest.raises(BrokenSealError):
        unsealed(hashlib.sha256(b"").digest())
