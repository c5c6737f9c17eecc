"""The data a model is fitted to: inputs, responses and their names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.errors import InputError, shortened
from bayes_cmoe.lazy import pd
from bayes_cmoe.parts.arrays import check_same_rows, finite_rows, numbers, row_labels
from bayes_cmoe.shown import Shown

__all__ = ["Data"]


@dataclass(frozen=True, eq=False, repr=False)
class Data(Shown):
    """Inputs and responses, checked: copies of what is given, and read-only.

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
        When shapes do not fit, there is no row or no input, a value is masked, no number or not
        finite, x and y label their rows differently, or a class label lies outside 0..K-1.

    Examples
    --------
    >>> data = Data(x=[0.0, 1.0, 2.0], y=[1.0, 1.5, 1.9])
    >>> data
    Data(n=3, features=x1, y=1 to 1.9)
    """

    x: NDArray
    y: NDArray
    features: tuple[str, ...] = ()
    classes: int | None = None
    labels: pd.Index | None = field(default=None)
    """Labels of the rows, where x or y is labelled."""

    def __init__(
        self,
        x: ArrayLike | pd.DataFrame,
        y: ArrayLike,
        features: str | tuple[str, ...] | list[str] = (),
        classes: int | None = None,
    ) -> None:
        inputs, responses = numbers("x", x), numbers("y", y)
        inputs = inputs[:, None] if inputs.ndim == 1 else inputs
        if inputs.ndim != 2 or responses.shape != (len(inputs),):
            raise InputError(
                f"x has shape {np.shape(x)} and y {np.shape(y)}: give x as (n, features), y as (n,)"
            )
        if len(responses) == 0:
            raise InputError("the data have no rows: give at least one")
        if inputs.shape[1] == 0:
            raise InputError("the data have no inputs: give x at least one column")
        finite_rows("x", inputs)
        finite_rows("y", responses)
        labels = check_same_rows({"x": row_labels(x), "y": row_labels(y)})
        given = (features,) if isinstance(features, str) else tuple(features)
        names = given or tuple(f"x{j + 1}" for j in range(inputs.shape[1]))
        if len(names) != inputs.shape[1] or len(set(names)) != len(names):
            named = shortened(", ".join(map(str, names)), 200)
            raise InputError(f"{inputs.shape[1]} inputs need as many different names; got {named}")
        if classes is not None:
            _check_labels(responses, classes)
        object.__setattr__(self, "x", inputs)
        object.__setattr__(self, "y", responses)
        object.__setattr__(self, "features", names)
        object.__setattr__(self, "classes", classes)
        object.__setattr__(self, "labels", labels)

    def shown(self) -> dict[str, Any]:
        """How many rows, of what, and what the response is."""
        about = {"n": self.n, "features": self.features}
        if self.classes is not None:
            return about | {"classes": self.classes}
        return about | {"y": f"{self.y.min():.4g} to {self.y.max():.4g}"}

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)


def _check_labels(y: NDArray, classes: Any) -> None:
    if not isinstance(classes, int | np.integer) or isinstance(classes, bool):
        raise InputError(f"classes is {classes!r}: give the number of classes, a whole number")
    if classes < 2:
        raise InputError(f"a class response needs at least 2 classes, got {classes}")
    wrong = (y != np.floor(y)) | (y < 0) | (y >= classes)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"class label {y[row]:g} in row {row} (counting from 0) is not in 0..{classes - 1}: "
            "recode the labels or correct the number of classes"
        )
