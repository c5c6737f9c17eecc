"""What expressions and arrays are called in signatures.

The names are those of the packages, looked up by a type checker only: nothing is loaded for them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jax
    from numpy.typing import NDArray
    from pytensor.tensor.variable import TensorVariable

__all__ = ["Array", "Tensor"]

type Tensor = TensorVariable
"""A PyTensor expression."""
type Array = jax.Array | NDArray
"""What JAX computes with: its own arrays, tracers in their place, and NumPy's."""
