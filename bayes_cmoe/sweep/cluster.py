"""Calls on the workers of a Dask cluster, and what is said when it is not as it should be."""

import queue
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

from bayes_cmoe.errors import InputError
from bayes_cmoe.parts.outside import plugins
from bayes_cmoe.quiet import quiet
from bayes_cmoe.sweep.processes import with_plugins
from bayes_cmoe.sweep.provenance import difference, versions

__all__ = ["ClusterLostError", "WorkerLostError", "connected", "over_cluster"]

CONNECTION_SECONDS = 10
PATIENCE = 60
"""Seconds that a run waits for workers when all have left."""
LOOK = 1.0
"""Seconds between two looks at whether the cluster is there."""
_ADDRESS = re.compile(r"((tcp|tls|wss?|ucx)://)?(\[[0-9A-Fa-f:.]+\]|[^\s/:\[\]]+):\d{1,5}")
_LOGGERS = ("distributed", "tornado", "asyncio")


class ClusterLostError(RuntimeError):
    """The scheduler went away, or all workers did."""


class WorkerLostError(RuntimeError):
    """A task took its workers down with it."""


@contextmanager
def connected(address: str, prepare: Callable[[], None]) -> Iterator[Any]:
    """A client of a cluster whose workers are there, prepared, and have our versions.

    Parameters
    ----------
    address : str
        Of the scheduler.
    prepare : callable
        Is called on each worker.

    Yields
    ------
    distributed.Client

    Raises
    ------
    InputError
        When there is no cluster, no worker, or one with other versions.
    """
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "a cluster needs Dask: pip install 'bayes-cmoe[cluster]', or leave --cluster out"
        ) from None
    if not _ADDRESS.fullmatch(address):
        # Dask would take twenty seconds and a traceback to say so.
        raise InputError(f"{address!r} is no Dask scheduler's address: write tcp://host:8786")
    with quiet(*_LOGGERS):
        try:
            # Not as the default client: xarray would then ask the cluster for leave to write.
            client = Client(address, timeout=CONNECTION_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"no Dask scheduler answers at {address!r} ({reason}): start one, or check the "
                "address"
            ) from None
        try:
            _check_workers(client, address, prepare)
            yield client
        finally:
            client.close(timeout=1)


def _check_workers(client: Any, address: str, prepare: Callable[[], None]) -> None:
    try:
        client.wait_for_workers(1, timeout=CONNECTION_SECONDS)
    except TimeoutError:
        raise InputError(
            f"the cluster at {address} has no workers: start some (dask worker {address})"
        ) from None
    try:
        client.run(prepare)
        found = client.run(versions)
    except ImportError as error:
        raise InputError(
            f"a worker of the cluster at {address} lacks a package ({error}): install bayes_cmoe "
            "there, in the same version"
        ) from None
    except OSError as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"a worker of the cluster at {address} went away at once ({reason}): run again"
        ) from None
    for worker, there in found.items():
        check_versions(there, f"the worker {worker}")


def check_versions(there: dict[str, str], who: str) -> None:
    """Refuse a worker with other versions than this process has.

    Raises
    ------
    InputError
    """
    differing = difference(there, versions())
    if differing:
        raise InputError(
            f"{who} has other versions than this process ({differing}): install the same there"
        )


def over_cluster(
    client: Any, function: Callable[..., Any], calls: Iterable[Sequence[Any]]
) -> Generator[Any]:
    """Results of a function's calls on the cluster's workers, as they are finished.

    Also with one worker of one thread all calls are made there, and none in this process.

    Parameters
    ----------
    client : distributed.Client
    function : callable
    calls : iterable of sequence
        Arguments of each call.

    Raises
    ------
    ClusterLostError
        When the scheduler or all workers went away.
    WorkerLostError
        When a call ended several workers.
    """
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    # With every call: a worker may come when the others have begun.
    given = plugins()
    done: queue.SimpleQueue[Any] = queue.SimpleQueue()
    waiting = set()
    try:
        for arguments in calls:
            future = client.submit(with_plugins, given, function, *arguments, pure=False)
            waiting.add(future)
            future.add_done_callback(done.put)
        while waiting:
            future = _next(done, client)
            try:
                result = future.result()
            except KilledWorker as error:
                raise WorkerLostError(str(error)) from None
            except (CancelledError, CommClosedError):
                raise ClusterLostError("the scheduler of the cluster went away") from None
            waiting.discard(future)
            future.release()
            yield result
    finally:
        if client.status == "running":
            client.cancel(list(waiting), force=True)


def _next(done: "queue.SimpleQueue[Any]", client: Any) -> Any:
    """The next finished call; the wait ends when nobody is left to finish one."""
    alone = 0.0
    while True:
        try:
            return done.get(timeout=LOOK)
        except queue.Empty:
            pass
        if client.status != "running":
            raise ClusterLostError("the scheduler of the cluster went away")
        try:
            alone = 0.0 if client.ncores() else alone + LOOK
        except (OSError, CancelledError):
            raise ClusterLostError("the scheduler of the cluster went away") from None
        if alone >= PATIENCE:
            raise ClusterLostError(f"the cluster has had no workers for {PATIENCE} seconds")
