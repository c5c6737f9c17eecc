"""Arrays as the content of one sealed file: an Arrow stream, and the SHA-256 of it behind its end.

A file that a disk or a person has changed is refused before any parser sees it. Readers of Arrow
streams stop at the stream's end, so any of them opens such a file: one row, a list an array.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["BrokenSealError", "sealed", "unsealed"]

SEAL = hashlib.sha256().digest_size


class BrokenSealError(ValueError):
    """The content is not what was sealed."""


def sealed(arrays: Mapping[str, NDArray], marks: Mapping[str, str]) -> bytes:
    """Arrays and what they are marked with, as the content of a file.

        content = stream || SHA-256(stream)

    Parameters
    ----------
    arrays : mapping of str to array
        Numbers, or text of dtype object; any shapes.
    marks : mapping of str to str
        What the file is to say of itself.

    Returns
    -------
    bytes

    Examples
    --------
    >>> content = sealed({"error": np.array([[0.5], [0.25]])}, {"task": "first"})
    >>> arrays, marks = unsealed(content)
    >>> arrays["error"].tolist(), marks
    ([[0.5], [0.25]], {'task': 'first'})
    >>> unsealed(content[:-1])
    Traceback (most recent call last):
        ...
    bayes_cmoe.files.sealed.BrokenSealError: its digest is not that of its content
    """
    fields, columns = [], []
    for name, values in arrays.items():
        kind = pa.string() if values.dtype.kind in "OU" else None
        flat = pa.array(np.ascontiguousarray(values).ravel(), kind)
        shape = {"shape": json.dumps(values.shape)}
        fields.append(pa.field(name, pa.large_list(flat.type), metadata=shape))
        columns.append(pa.LargeListArray.from_arrays(pa.array([0, len(flat)], pa.int64()), flat))
    schema = pa.schema(fields, metadata=dict(marks))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch(columns, schema=schema))
    stream: bytes = sink.getvalue().to_pybytes()
    return stream + hashlib.sha256(stream).digest()


def unsealed(
    content: bytes, names: Iterable[str] | None = None
) -> tuple[dict[str, NDArray], dict[str, str]]:
    """Arrays and marks of a sealed file's content.

    Parameters
    ----------
    content : bytes
    names : iterable of str, optional
        Arrays that are wanted, all by default; those that the file lacks are left out.

    Returns
    -------
    arrays : dict of array
        Text as dtype object.
    marks : dict of str

    Raises
    ------
    BrokenSealError
        When a bit of the content is not as it was sealed.
    """
    stream = memoryview(content)[:-SEAL]
    if len(content) <= SEAL or hashlib.sha256(stream).digest() != content[-SEAL:]:
        raise BrokenSealError("its digest is not that of its content")
    # What was sealed was an Arrow stream: from here on nothing can be wrong with it.
    with pa.ipc.open_stream(pa.py_buffer(stream)) as reader:
        schema, batch = reader.schema, reader.read_next_batch()
    wanted = schema.names if names is None else [name for name in names if name in schema.names]
    arrays = {}
    for name in wanted:
        shape = json.loads(schema.field(name).metadata[b"shape"])
        values = batch.column(name).values.to_numpy(zero_copy_only=False)
        arrays[name] = values.reshape(shape)
    marks = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    return arrays, marks
