"""The data a model is fitted to: inputs, responses and their names."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.errors import InputError

__all__ = ["Data"]


@dataclass(frozen=True, eq=False)
class Data:
    """Inputs and responses, checked.

    Parameters
    ----------
    x : array, shape (n, feature) or (n,)
        Inputs, in any units.
    y : array, shape (n,)
        Responses: numbers, or class labels 0..K-1.
    features : tuple of str, optional
        Names of the inputs; x1, x2, ... when left out.
    classes : int, optional
        Number of classes K of a class response; None for a scalar response.

    Raises
    ------
    InputError
        When shapes do not fit, a value is not finite, or a label lies outside 0..K-1.

    Examples
    --------
    >>> data = Data(x=[0.0, 1.0, 2.0], y=[1.0, 1.5, 1.9])
    >>> data.n, data.features
    (3, ('x1',))
    """

    x: NDArray = field(repr=False)
    y: NDArray = field(repr=False)
    features: tuple[str, ...] = ()
    classes: int | None = None

    def __init__(
        self,
        x: ArrayLike,
        y: ArrayLike,
        features: tuple[str, ...] | list[str] = (),
        classes: int | None = None,
    ) -> None:
        inputs = np.asarray(x, dtype=float)
        inputs = inputs[:, None] if inputs.ndim == 1 else inputs
        responses = np.asarray(y, dtype=float)
        if inputs.ndim != 2 or responses.shape != (len(inputs),):
            raise InputError(
                f"x has shape {np.shape(x)} and y {np.shape(y)}: give x as (n, features), y as (n,)"
            )
        if len(responses) == 0:
            raise InputError("the data have no rows: give at least one")
        for name, column in (("x", inputs), ("y", responses)):
            finite = np.isfinite(column).reshape(len(column), -1).all(axis=1)
            if not finite.all():
                row = int(np.argmin(finite))
                raise InputError(
                    f"{name} is not finite in row {row} (counting from 0): remove or impute the row"
                )
        names = tuple(features) or tuple(f"x{j + 1}" for j in range(inputs.shape[1]))
        if len(names) != inputs.shape[1] or len(set(names)) != len(names):
            raise InputError(
                f"{inputs.shape[1]} inputs need as many different names; got {', '.join(names)}"
            )
        if classes is not None:
            _check_labels(responses, classes)
        object.__setattr__(self, "x", inputs)
        object.__setattr__(self, "y", responses)
        object.__setattr__(self, "features", names)
        object.__setattr__(self, "classes", classes)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)


def _check_labels(y: NDArray, classes: int) -> None:
    if classes < 2:
        raise InputError(f"a class response needs at least 2 classes, got {classes}")
    wrong = (y != np.floor(y)) | (y < 0) | (y >= classes)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"class label {y[row]:g} in row {row} (counting from 0) is not in 0..{classes - 1}: "
            "recode the labels or correct the number of classes"
        )
