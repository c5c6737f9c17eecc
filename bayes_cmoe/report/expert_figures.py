"""The figure of a mixture of trainable experts: the data with every expert, and the gates."""

import numpy as np
import pytensor.tensor as pt
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bayes_cmoe.compiled.graphs import jaxify
from bayes_cmoe.parts.experts import evaluate, expert_named
from bayes_cmoe.parts.families import family_named
from bayes_cmoe.parts.gates import gate_named

__all__ = ["data_with_experts", "shares_at"]

MOST_POINTS = 5000
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)), (0, (1, 3)), (0, (3, 1)))
"""One an expert, so that they are told apart in grey."""


def shares_at(tree: xr.DataTree, x: NDArray) -> NDArray:
    """The components' shares at the estimate, from the gate's own expression.

    Parameters
    ----------
    tree : DataTree
        A fit whose attrs name the ``gate``.
    x : array, shape (n, feature)

    Returns
    -------
    array, shape (component, n)
        The frozen expert's first, where there is one.
    """
    gate, point = gate_named(tree.attrs["gate"]), tree["point_estimate"].to_dataset()
    if point.sizes.get("expert") == 1:
        return np.ones((1, len(x)))
    node = pt.matrix("x", dtype="float64")
    values = {name: pt.as_tensor(point[name].to_numpy()) for name in gate.dims}
    logs = jaxify([node], list(gate.log_weights(node, **values)))(x)
    return np.array([np.broadcast_to(np.exp(one), len(x)) for one in logs])


def data_with_experts(tree: xr.DataTree) -> Figure:
    """Data of one feature with the experts' means and spreads, and below the gate.

    Parameters
    ----------
    tree : DataTree
        A fit of a mixture of trainable experts; its attrs name ``variant``, ``expert``, ``family``
        and ``gate``.
    """
    data, point = tree["constant_data"].to_dataset(), tree["point_estimate"].to_dataset()
    x, y = data["x"].to_numpy()[:, 0], tree["observed_data"]["y"].to_numpy()
    shown = slice(None, None, -(-len(x) // MOST_POINTS))
    grid = np.linspace(x.min(), x.max(), 400)
    form, family = expert_named(tree.attrs["expert"]), family_named(tree.attrs["family"])
    shares = shares_at(tree, grid[:, None])
    figure = Figure(figsize=(7, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot(x[shown], y[shown], ".", color="0.7", markersize=2, label="data", zorder=1)
    for j, share in enumerate(shares):
        colour, style = f"C{j}", STYLES[j % len(STYLES)]
        own = {name: point[name].to_numpy()[j] for name in form.dims}
        mean = family.expected(evaluate(form, grid[:, None], own))
        # An expert is drawn where it has rows: elsewhere its line says nothing of the data.
        said = np.where(share > 0.01, mean, np.nan)
        above.plot(grid, said, color=colour, linestyle=style, label=f"expert {j}")
        if "variance" in family.own:
            spread = np.sqrt(point[family.own["variance"].name].to_numpy()[j])
            above.fill_between(grid, said - spread, said + spread, color=colour, alpha=0.2)
        below.plot(grid, share, color=colour, linestyle=style)
    above.set_ylabel("y (units of the data)")
    above.legend(fontsize="small", title="mean ± 1 sd", title_fontsize="small")
    below.set_ylim(-0.02, 1.02)
    below.set_ylabel("experts' shares")
    below.set_xlabel(f"{data['feature'].values[0]} (units of the data)", parse_math=False)
    figure.suptitle(f"{tree.attrs['variant']}: {len(shares)} {form.name} experts, n = {len(x)}")
    return figure
