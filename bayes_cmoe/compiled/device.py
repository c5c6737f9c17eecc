"""JAX as the suite needs it: in 64 bits, and waited for. It is loaded and set up at first use.

Both are settings of the whole process, so importing the suite must not make them: a program that
has work of its own for JAX finds it as it was until the first model is compiled.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

from bayes_cmoe.lazy import Lazy

__all__ = ["jax", "jnp", "set_up"]

ASYNC = "jax_cpu_enable_async_dispatch"


def set_up() -> None:
    """Make JAX's settings: 64 bits always, dispatch where the environment does not say."""
    import jax

    # An evaluation is short and always waited for: handing it to another thread costs more than it
    # does on few rows, and hinders threads that evaluate side by side. In force unless a program
    # has used JAX before.
    if ASYNC.upper() not in os.environ:
        jax.config.update(ASYNC, False)
    # Registers the conversions, and switches JAX to 64 bits. A likelihood in 32 has no Hessian.
    import_module("pytensor.link.jax.dispatch")


if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
else:
    jax, jnp = Lazy("jax", first=set_up), Lazy("jax.numpy", first=set_up)
