"""Calls in processes of this machine, one thread each, that end when this one does."""

import os
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from joblib import Parallel, delayed, parallel_config

from bayes_cmoe.parts.outside import Plugin, plugins, take_plugins
from bayes_cmoe.sweep.parent import end_with
from bayes_cmoe.sweep.worker import limit_threads

__all__ = ["over_processes", "with_plugins"]


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
            # loky renews a worker that has grown by a large size's data; nothing is lost by it.
            warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
            own = {"initializer": end_with, "initargs": (os.getpid(),)}
            stack.enter_context(parallel_config(backend="loky", inner_max_num_threads=1, **own))
        parallel = Parallel(n_jobs=count, return_as="generator_unordered", batch_size=1)
        given = plugins()
        results = parallel(delayed(with_plugins)(given, function, *call) for call in calls)
        stack.callback(_end, results)
        yield results


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
