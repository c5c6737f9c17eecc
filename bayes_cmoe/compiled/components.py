"""Which rows came from which component: their densities, taken from the model's own graph.

    r_j(x, y) = pi_j(x) f_j(y|x) / p(y|x),   j = 0 (the frozen expert), 1..k (the prompts)

The response of a contaminated model carries log pi_0, log pi_1, ... as its first arguments. Its
log-density with these set to (0, -inf, ...) is log f0, with (-inf, 0, ...) it is the first
prompt's: no density is written a second time. Without a frozen expert j = 0 is the first trainable
one, and the others are together what the prompts are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.blocks import Rows, blocked_map
from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.graphs import row_function
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.likelihood import columns_of, layout_of
from bayes_cmoe.compiled.private import value_variable, with_leading
from bayes_cmoe.compiled.types import Array
from bayes_cmoe.compiled.weighted import component_count, has_frozen, single_component
from bayes_cmoe.errors import InputError
from bayes_cmoe.lazy import pm, pt, xr

__all__ = ["Components", "RowParts", "responsibilities"]


class RowParts(NamedTuple):
    """The experts at the rows.

    Parameters
    ----------
    frozen : array, shape (n,)
        log f0(y|x).
    prompt : array, shape (n,)
        log f(y | h(x; eta), nu); of several prompts that of their own mixture,
        log sum_j pi_j f_j - log sum_j pi_j.
    share : array, shape (n,)
        pi(x), the prompt's share at x; of several prompts all together.
    responsibility : array, shape (n,)
        pi f / ((1 - pi) f0 + pi f), the probability that the row came from a prompt.
    responsibilities : array, shape (n, component)
        The probability that the row came from each component, the frozen expert first.
    log_shares : array, shape (n, component)
        log pi_j(x), the frozen expert's first.
    """

    frozen: Array
    prompt: Array
    share: Array
    responsibility: Array
    responsibilities: Array
    log_shares: Array

    @property
    def shares(self) -> NDArray:
        """pi_j(x), the share of each component, the frozen expert's first; (n, component)."""
        return np.exp(np.asarray(self.log_shares))

    @property
    def log_density(self) -> NDArray:
        """log p(y|x) = log((1 - pi) f0 + pi f), shape (n,)."""
        log_shares = np.asarray(self.log_shares)
        # Not the logarithm of 1 - pi, which is lost where a gate hands over all but a trace.
        stay, move = log_shares[:, 0], np.logaddexp.reduce(log_shares[:, 1:], axis=1)
        return np.logaddexp(stay + self.frozen, move + self.prompt)


class Components:
    """The experts and the gate of a contaminated model, row by row; compiled once.

    Parameters
    ----------
    model : pm.Model
        A model whose response is `bayes_cmoe.parts.response.mixture_response`.

    Attributes
    ----------
    count : int
        Components, a frozen expert included.
    frozen : bool
        Whether the first one is a frozen expert.
    block : callable
        ``block(theta, columns)``, the `RowParts` of some rows; traceable by JAX.

    Raises
    ------
    InputError
        When the response is not a contaminated mixture.
    """

    def __init__(self, model: pm.Model) -> None:
        (response,) = model.observed_RVs
        count = component_count(model)
        if count == 1:
            raise InputError(
                f"the response {response.name} is not a contaminated mixture: responsibilities "
                "need a model with a frozen expert and a prompt"
            )
        self.count, self.frozen = count, has_frozen(model)
        self.layout: Layout = layout_of(model)
        self.model = model
        self.columns = tuple(columns_of(model))
        observed = value_variable(model, response)
        alone = [
            with_leading(response, [pt.constant(weight) for weight in weights])
            for weights in single_component(count)
        ]
        log_weights = alone[0][1]
        wanted = [*(pm.logp(changed, observed) for changed, _ in alone), *log_weights]
        parts = row_function(model, self.columns, wanted)

        def block(theta: Array, columns: list[Array]) -> RowParts:
            rows = (len(columns[0]),)
            # A likelihood's rows have more behind them.
            own = columns[: len(self.columns)]
            found = [
                jnp.broadcast_to(part, rows) for part in parts(*self.layout.split(theta), *own)
            ]
            frozen, *prompts = found[:count]
            stay, *moves = found[count:]
            prompt, move = _together(prompts, moves)
            joint = jnp.stack([stay + frozen, *map(jnp.add, moves, prompts)], axis=-1)
            log_odds = (move + prompt) - (stay + frozen)
            return RowParts(
                frozen,
                prompt,
                jnp.exp(move),
                jax.nn.sigmoid(log_odds),
                jax.nn.softmax(joint, axis=-1),
                jnp.stack([stay, *moves], axis=-1),
            )

        self.block = block
        self._parts = blocked_map(block)

    @property
    def names(self) -> list[str]:
        """What the components are called, in their order."""
        if not self.frozen:
            return [f"expert {j}" for j in range(self.count)]
        prompts = ["prompt"] if self.count == 2 else [f"prompt {j}" for j in range(self.count - 1)]
        return ["frozen", *prompts]

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


def _together(prompts: Sequence[Array], moves: Sequence[Array]) -> tuple[Array, Array]:
    """Log-density and log-share of the prompts' own mixture."""
    if len(prompts) == 1:
        return prompts[0], moves[0]
    densities, shares = jnp.stack(prompts), jnp.stack(moves)
    total = jax.nn.logsumexp(shares, axis=0)
    # Without any share they count alike.
    relative = jnp.where(jnp.isfinite(total), shares - total, -jnp.log(len(prompts)))
    return jax.nn.logsumexp(densities + relative, axis=0), total


def responsibilities(
    model: pm.Model, tree: xr.DataTree, *, components: Components | None = None
) -> xr.Dataset:
    """Posterior probability of each row to have come from a prompt, and from which component.

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
        ``responsibility`` (obs); ``responsibilities`` (obs, component), the frozen expert's first;
        ``share`` (obs), pi(x), averaged over the draws; ``mean_share``, the mean of pi(x) over the
        rows, with the dims (chain, draw) where there are draws.

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
    # A MAP fit has its point estimate as a posterior of one draw, too.
    point = "point_estimate" in tree.children and "sample_stats" not in tree.children
    drawn = "posterior" in tree.children and not point
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
    each: NDArray = np.zeros((rows.n, compiled.count))
    mean_share = np.empty(len(vectors))
    for i, theta in enumerate(vectors):
        parts = compiled.at(theta, rows)
        responsibility += parts.responsibility / len(vectors)
        each += parts.responsibilities / len(vectors)
        share += parts.share / len(vectors)
        mean_share[i] = parts.share.mean()
    return xr.Dataset(
        {
            "responsibility": ("obs", responsibility),
            "responsibilities": (("obs", "component"), each),
            "share": ("obs", share),
            "mean_share": (leading, mean_share.reshape(front)),
        },
        coords={"obs": np.arange(rows.n), "component": compiled.names}
        | {dim: group[dim] for dim in leading},
    )
