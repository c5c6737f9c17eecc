"""Named parameters as one flat vector, and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.errors import InputError

__all__ = ["ByName", "Layout"]


class ByName(Protocol):
    """What has values by name: a mapping, a Dataset, a group of a DataTree."""

    def __getitem__(self, name: str, /) -> Any: ...


@dataclass(frozen=True)
class Layout:
    """Names, shapes, dims and coordinates of a model's parameters, in the order of the vector.

    Examples
    --------
    >>> layout = Layout(("lam", "a"), ((), (2,)), ((), ("feature",)), {"feature": ("x1", "x2")})
    >>> layout.labels
    ('lam', 'a[x1]', 'a[x2]')
    >>> layout.ravel({"lam": 0.5, "a": [1.0, 2.0]})
    array([0.5, 1. , 2. ])
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dims: tuple[tuple[str, ...], ...]
    coords: Mapping[str, tuple[Any, ...]]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of entries of each parameter."""
        return tuple(int(np.prod(shape)) for shape in self.shapes)

    @property
    def size(self) -> int:
        """Length of the flat vector."""
        return sum(self.sizes)

    @property
    def slices(self) -> dict[str, slice]:
        """Where each parameter lies in the flat vector."""
        ends = np.cumsum(self.sizes)
        return {
            name: slice(int(end) - size, int(end))
            for name, end, size in zip(self.names, ends, self.sizes, strict=True)
        }

    @property
    def labels(self) -> tuple[str, ...]:
        """A readable name for each entry of the flat vector, such as ``a[x1]``."""
        labels = []
        for name, shape, dims in zip(self.names, self.shapes, self.dims, strict=True):
            for index in np.ndindex(*shape):
                marks = [str(self.coords[dim][i]) for dim, i in zip(dims, index, strict=True)]
                labels.append(f"{name}[{','.join(marks)}]" if marks else name)
        return tuple(labels)

    def split(self, vector: Any) -> list[Any]:
        """The parameters, shaped, from a flat vector; traceable by JAX."""
        return [
            vector[self.slices[name]].reshape(shape)
            for name, shape in zip(self.names, self.shapes, strict=True)
        ]

    def ravel(self, values: Mapping[str, ArrayLike]) -> NDArray:
        """The flat vector of named values.

        Raises
        ------
        InputError
            When a parameter is missing, unknown, or of the wrong shape.
        """
        if set(values) != set(self.names):
            raise InputError(
                f"the model's parameters are {', '.join(self.names)}; got {', '.join(values)}"
            )
        flat = []
        for name, shape in zip(self.names, self.shapes, strict=True):
            value = np.asarray(values[name], dtype=float)
            if value.shape != shape:
                raise InputError(f"parameter {name} has shape {shape}, got {value.shape}")
            flat.append(value.ravel())
        return np.concatenate(flat)

    def vectors(self, values: ByName) -> NDArray:
        """Flat vectors, shape (..., size), of named values with the same axes in front.

        Undoes `unravel`, also when the values are in a Dataset by now.
        """
        parts = [np.asarray(values[name], dtype=float) for name in self.names]
        front = parts[0].shape[: parts[0].ndim - len(self.shapes[0])]
        return np.concatenate([part.reshape(*front, -1) for part in parts], axis=-1)

    def unravel(self, vectors: ArrayLike) -> dict[str, NDArray]:
        """Named values from flat vectors, shape (..., size)."""
        table = np.asarray(vectors)
        return {
            name: table[..., self.slices[name]].reshape((*table.shape[:-1], *shape))
            for name, shape in zip(self.names, self.shapes, strict=True)
        }
