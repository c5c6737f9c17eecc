"""Calls in processes of this machine, one thread each, that end when this one does."""

import os
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config

from bayes_cmoe.compiled.private import let_grow
from bayes_cmoe.parts.outside import Plugin, plugins, take_plugins
from bayes_cmoe.sweep.parent import end_with
from bayes_cmoe.sweep.worker import limit_threads

__all__ = ["over_processes", "with_plugins"]

LEAST_GROWTH, MOST_GROWTH = 3e8, 1.5e9
"""Bytes by which a worker may grow until it is renewed, which takes ten seconds."""


@contextmanager
def over_processes(
    count: int, function: Callable[..., Any], calls: Iterable[Sequence[Any]]
) -> Iterator[Generator[Any]]:
    """Results of a function's calls, as they are finished; what is left at the end is called off.

    Parameters
    ----------
    count : int
        Processes; with 1, everything happens in this one.
    function : callable
    calls : iterable of sequence
        Arguments of each call.

    Raises
    ------
    joblib.externals.loky.process_executor.TerminatedWorkerError
        When a process dies.
    """
    with ExitStack() as stack:
        if count > 1:
            stack.enter_context(_one_thread_each())
            stack.enter_context(warnings.catch_warnings())
            # A worker that has grown too large is renewed; nothing is lost by it but seconds.
            warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
            own = {"initializer": _begin, "initargs": (os.getpid(), _growth(count))}
            stack.enter_context(parallel_config(backend="loky", inner_max_num_threads=1, **own))
        parallel = Parallel(n_jobs=count, return_as="generator_unordered", batch_size=1)
        given = plugins()
        results = parallel(delayed(with_plugins)(given, function, *call) for call in calls)
        stack.callback(_end, results)
        yield results


def _begin(parent: int, growth: float) -> None:
    """What a worker does first: end with its parent, and grow so many bytes until it is renewed."""
    end_with(parent)
    let_grow(growth)


def _growth(count: int) -> float:
    """Bytes by which each of some workers may grow: all together by a quarter of the memory."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # not on this system
        memory = 0
    return float(np.clip(memory / (4 * count), LEAST_GROWTH, MOST_GROWTH))


def with_plugins(given: Sequence[Plugin], function: Callable[..., Any], *arguments: Any) -> Any:
    """A call in a process that first loads the plugins that its parent has."""
    take_plugins(given)
    return function(*arguments)


def _end(results: Generator[Any]) -> None:
    """Call off what is still under way; after an early end joblib warns of results not used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        results.close()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that are started meanwhile begin with one thread each."""
    before = dict(os.environ)
    limit_threads()
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
