"""A table as the content of a netCDF-4 file and back, for many small files.

General writers and readers take tens of milliseconds a file, nearly all of it to look up again what
they have just made. A chunk is a few short arrays, so its HDF5 is written here as the netCDF-4
format asks for; any netCDF reader opens the result.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import xarray as xr
from h5py import h5a, h5d, h5ds, h5f, h5p, h5s, h5t
from numpy.typing import NDArray

__all__ = ["arrays_of", "netcdf_of"]

NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable. %9d"
"""What the format calls a dim without values of its own."""
TEXT = h5py.string_dtype()


def netcdf_of(table: xr.Dataset) -> bytes:
    """A table as the content of a netCDF-4 file.

    Parameters
    ----------
    table : xarray.Dataset
        Numbers and text; attributes are text.

    Examples
    --------
    >>> content = netcdf_of(xr.Dataset({"error": ("fit", [0.5, 0.25])}, attrs={"task": "first"}))
    >>> arrays_of(content, ["error"], ["task"])
    ({'error': array([0.5 , 0.25])}, {'task': 'first'})
    """
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fapl_core(1 << 16, False)
    file = h5f.create(b"table", h5f.ACC_TRUNC, fapl=access)
    scales = {}
    for place, (dim, size) in enumerate(table.sizes.items()):
        if dim in table.coords:
            scales[dim] = _dataset(file, dim, table[dim].to_numpy(), table[dim].attrs)
            h5ds.set_scale(scales[dim], str(dim).encode())
        else:
            scales[dim] = _dataset(file, dim, np.zeros(size, ">f4"), {})
            h5ds.set_scale(scales[dim], NO_VARIABLE % size)
        _attribute(scales[dim], "_Netcdf4Dimid", np.array(place, np.int32))
    for name, variable in table.variables.items():
        if name not in scales:
            made = _dataset(file, name, variable.to_numpy(), variable.attrs)
            for axis, dim in enumerate(variable.dims):
                h5ds.attach_scale(made, scales[dim], axis)
    beside = " ".join(str(name) for name in table.coords if name not in scales)
    for name, value in (table.attrs | ({"coordinates": beside} if beside else {})).items():
        _attribute(file, name, np.array(value, TEXT))
    h5f.flush(file)
    content: bytes = file.get_file_image()
    return content


def _dataset(file: Any, name: Any, values: NDArray, attributes: Mapping[Any, Any]) -> Any:
    values = np.ascontiguousarray(values, TEXT if values.dtype.kind in "OU" else values.dtype)
    kind = h5t.py_create(values.dtype, logical=True)
    made = h5d.create(file, str(name).encode(), kind, h5s.create_simple(values.shape))
    made.write(h5s.ALL, h5s.ALL, values)
    for own, value in attributes.items():
        _attribute(made, own, np.array(value, TEXT))
    return made


def _attribute(owner: Any, name: Any, value: NDArray) -> None:
    kind = h5t.py_create(value.dtype, logical=True)
    h5a.create(owner, str(name).encode(), kind, h5s.create(h5s.SCALAR)).write(value)


def arrays_of(
    content: bytes, names: Iterable[str], attributes: Iterable[str]
) -> tuple[dict[str, NDArray], dict[str, str]]:
    """Variables and attributes of a netCDF-4 file from its content.

    Parameters
    ----------
    content : bytes
    names : iterable of str
        Variables that are wanted; those that the file lacks are left out.
    attributes : iterable of str
        Attributes of the file that are wanted, each a text; all must be there.

    Returns
    -------
    variables : dict of array
        Text as dtype object.
    attributes : dict of str

    Raises
    ------
    OSError, KeyError, RuntimeError, TypeError, ValueError
        When the content is no whole HDF5 file, or an attribute is missing.
    """
    file = h5f.open_file_image(content)
    variables = {}
    for name in names:
        if name.encode() in file:
            found = h5d.open(file, name.encode())
            values = np.empty(found.shape, found.dtype)
            found.read(h5s.ALL, h5s.ALL, values)
            variables[name] = _decoded(values)
    marks = {}
    for name in attributes:
        mark = h5a.open(file, name.encode())
        value = np.empty(mark.shape, mark.dtype)
        mark.read(value)
        marks[name] = str(_decoded(value)[()])
    return variables, marks


def _decoded(values: NDArray) -> NDArray:
    if values.dtype.kind not in "OS":
        return values
    texts = [value.decode() for value in values.ravel().tolist()]
    return np.array(texts, dtype=object).reshape(values.shape)
