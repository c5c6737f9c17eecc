"""Small linear algebra beside XLA's threads: one BLAS thread, or each call waits for the others.

L-BFGS-B factors matrices of a few rows. With OpenBLAS's threads that costs milliseconds a call
while XLA's pool holds the processors: more than the gradient of 10^5 rows.
"""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["one_blas_thread"]


@cache
def _controller() -> Any:
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[Any]:
    """A context in which BLAS keeps to one thread, whole process."""
    return _controller().limit(limits=1, user_api="blas")
