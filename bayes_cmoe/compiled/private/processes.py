"""nutpie's chains, and joblib's workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.lazy import xr

__all__ = ["dead_worker_error", "let_grow", "sampled_by_nutpie"]


def sampled_by_nutpie(
    log_density: Callable[[NDArray], tuple[float, NDArray]],
    starts: NDArray,
    *,
    seeds: Sequence[int],
    cores: int,
    progress: bool,
    settings: Mapping[str, Any],
) -> xr.DataTree:
    """Draws z, in the posterior's variable ``z``, by nutpie from a density in NumPy.

    nutpie does not let its chains begin where each is told to, so each is a call of its own.

    Parameters
    ----------
    log_density : callable
        ``log_density(z)``: its value and its gradient.
    starts : array, shape (chain, parameter)
        Where each chain begins; the gradient must not be zero there.
    seeds : sequence of int
        One for each chain.
    cores : int
        Chains that run at a time, in threads.
    progress : bool
    settings : mapping
        What else `nutpie.sample` takes: draws, tune, target_accept.
    """
    from concurrent.futures import ThreadPoolExecutor

    import nutpie

    size = starts.shape[1]

    def chain(begin: NDArray, seed: int) -> xr.DataTree:
        compiled = nutpie.compiled_pyfunc.from_pyfunc(
            ndim=size,
            make_logp_fn=lambda: log_density,
            make_expand_fn=lambda _seed1, _seed2, _chain: lambda z: {"z": np.asarray(z)},
            expanded_dtypes=[np.dtype("float64")],
            expanded_shapes=[(size,)],
            expanded_names=["z"],
            make_initial_point_fn=lambda _seed: begin,
        )
        # Waited for here: nutpie's own waiting takes an interrupt for the wish to go on with the
        # draws that there are, and a stopped sweep would keep a row of them.
        sampler = nutpie.sample(
            compiled,
            blocking=False,
            chains=1,
            cores=1,
            seed=seed,
            progress_bar=progress,
            save_warmup=False,
            **settings,
        )
        try:
            return sampler.wait()
        except BaseException:
            sampler.cancel()
            raise

    if cores == 1:
        sampled = [chain(begin, seed) for begin, seed in zip(starts, seeds, strict=True)]
    else:
        with ThreadPoolExecutor(cores) as pool:
            sampled = list(pool.map(chain, starts, seeds))
    groups = {
        group: xr.concat([one[group].to_dataset() for one in sampled], dim="chain").assign_coords(
            chain=np.arange(len(sampled))
        )
        for group in ("posterior", "sample_stats")
    }
    return xr.DataTree.from_dict(groups)


def let_grow(size: float) -> None:
    """Let this process, a worker of joblib's, grow by so many bytes until it is renewed.

    By itself joblib takes 300 MB for a leak: by that a worker grows when it compiles once more.
    """
    from joblib.externals.loky import process_executor

    process_executor._MAX_MEMORY_LEAK_SIZE = size


def dead_worker_error() -> type[Exception]:
    """What joblib raises when a worker process is killed."""
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    return TerminatedWorkerError
