"""Which rows came from the prompt: both experts' densities, taken from the model's own graph.

    r(x, y) = pi(x) f(y|x) / p(y|x)

The response of a contaminated model carries log (1 - pi) and log pi as its first two arguments.
Its log-density with these set to (0, -inf) is log f0, with (-inf, 0) it is log f: no density is
written a second time.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.blocks import BLOCK, Rows, blocked_map
from bayes_cmoe.compiled.graphs import row_function
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.likelihood import columns_of, layout_of
from bayes_cmoe.errors import InputError

__all__ = ["Components", "RowParts", "responsibilities"]

Tensor = Any


class RowParts(NamedTuple):
    """The two experts at the rows, each of shape (n,).

    Parameters
    ----------
    frozen : array
        log f0(y|x).
    prompt : array
        log f(y | h(x; eta), nu).
    share : array
        pi(x), the prompt's share at x.
    responsibility : array
        pi f / ((1 - pi) f0 + pi f), the probability that the row came from the prompt.
    """

    frozen: NDArray
    prompt: NDArray
    share: NDArray
    responsibility: NDArray


class Components:
    """The experts and the gate of a contaminated model, row by row; compiled once.

    Parameters
    ----------
    model : pm.Model
        A model whose response is `bayes_cmoe.parts.mixture.contaminated_response`.

    Raises
    ------
    InputError
        When the response is not a contaminated mixture.
    """

    def __init__(self, model: pm.Model) -> None:
        (response,) = model.observed_RVs
        op = response.owner.op
        if getattr(op, "_print_name", ("",))[0] != "ContaminatedMixture":
            raise InputError(
                f"the response {response.name} is not a contaminated mixture: responsibilities "
                "need a model with a frozen expert and a prompt"
            )
        self.layout: Layout = layout_of(model)
        self.model = model
        self.columns = tuple(columns_of(model))
        rng, size, log_stay, log_move, *arguments = response.owner.inputs
        observed = model.rvs_to_values[response]

        def log_density(stay: float, move: float) -> Tensor:
            node = op.make_node(rng, size, pt.constant(stay), pt.constant(move), *arguments)
            return pm.logp(node.outputs[1], observed)

        wanted = [log_density(0.0, -np.inf), log_density(-np.inf, 0.0), log_stay, log_move]
        parts = row_function(model, self.columns, wanted)

        def block(theta: Any, columns: list[Any]) -> RowParts:
            found = parts(*self.layout.split(theta), *columns)
            frozen, prompt, stay, move = (jnp.broadcast_to(part, (BLOCK,)) for part in found)
            log_odds = (move + prompt) - (stay + frozen)
            return RowParts(frozen, prompt, jnp.exp(move), jax.nn.sigmoid(log_odds))

        self._parts = blocked_map(block)

    def rows(self) -> Rows:
        """The model's own rows."""
        return Rows.of(columns_of(self.model), self.columns)

    def at(self, theta: ArrayLike, rows: Rows | None = None) -> RowParts:
        """The parts at a parameter value.

        Parameters
        ----------
        theta : array, shape (parameter,)
            Natural scale, laid out as `layout`.
        rows : Rows, optional
            The model's own when left out.

        Returns
        -------
        RowParts of arrays of shape (n,).
        """
        return self._parts(np.asarray(theta, dtype=float), self.rows() if rows is None else rows)


def responsibilities(
    model: pm.Model, tree: xr.DataTree, *, components: Components | None = None
) -> xr.Dataset:
    """Posterior probability of each row to have come from the prompt.

    With draws it is the mean of r(x, y) over them, which is P(row i from the prompt | data);
    without, it is r at the point estimate.

    Parameters
    ----------
    model : pm.Model
        A contaminated model.
    tree : DataTree
        Its fit, by `fit_map` or `fit_nuts`.
    components : Components, optional
        The model compiled already.

    Returns
    -------
    xarray.Dataset
        ``responsibility`` (obs); ``share`` (obs), pi(x), averaged over the draws;
        ``mean_share``, the mean of pi(x) over the rows, with the dims (chain, draw) where there
        are draws.

    Raises
    ------
    InputError
        When the response is not a contaminated mixture.

    Examples
    --------
    >>> from bayes_cmoe import simulate, variant_named
    >>> from bayes_cmoe.estimate.map import fit_map
    >>> variant = variant_named("constant_contaminated")
    >>> regime = variant.regime("distinguishable")
    >>> model = variant.model(regime, simulate(variant, regime, 500, seed=1))
    >>> tree = fit_map(model, near=regime.truth(500))
    >>> found = responsibilities(model, tree)
    >>> bool(abs(found["responsibility"].mean() - found["mean_share"]) < 1e-6)
    True
    """
    compiled = Components(model) if components is None else components
    drawn = "posterior" in tree.children
    group = tree["posterior" if drawn else "point_estimate"].to_dataset()
    leading = ("chain", "draw") if drawn else ()
    parameters = [
        group[name].transpose(*leading, *dims).to_numpy()
        for name, dims in zip(compiled.layout.names, compiled.layout.dims, strict=True)
    ]
    front = tuple(group.sizes[dim] for dim in leading)
    flat = [p.reshape((*front, -1)) for p in parameters]
    vectors = np.concatenate(flat, axis=-1).reshape(-1, compiled.layout.size)
    rows = compiled.rows()
    responsibility, share = np.zeros(rows.n), np.zeros(rows.n)
    mean_share = np.empty(len(vectors))
    for i, theta in enumerate(vectors):
        parts = compiled.at(theta, rows)
        responsibility += parts.responsibility / len(vectors)
        share += parts.share / len(vectors)
        mean_share[i] = parts.share.mean()
    return xr.Dataset(
        {
            "responsibility": ("obs", responsibility),
            "share": ("obs", share),
            "mean_share": (leading, mean_share.reshape(front)),
        },
        coords={"obs": np.arange(rows.n)} | {dim: group[dim] for dim in leading},
    )
