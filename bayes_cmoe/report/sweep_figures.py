"""The pictures of a comparison, one panel each so that a page may lay them out at any width.

They are those of `bayes_cmoe.plots`, of the page's controlled averages, with a key below.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from arviz_plots import PlotCollection
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from bayes_cmoe.plots.efficiency import plot_efficiency
from bayes_cmoe.plots.fits import path_of
from bayes_cmoe.plots.sweeps import plot_contraction, plot_coverage
from bayes_cmoe.report.comparison import Comparison
from bayes_cmoe.report.coverage import LEVEL, pooled_tree
from bayes_cmoe.report.figure_style import (
    COLORS,
    MARKERS,
    NOT_LOCAL,
    STYLE,
    heading,
    log_ticks,
    power_of_ten,
)
from bayes_cmoe.report.numbers import fraction
from bayes_cmoe.report.sweep_parts import kind_of
from bayes_cmoe.report.sweep_trees import averages_of, by_variant, parameters_of, tree_of
from bayes_cmoe.study.losses import LOSS
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.sweep.setting import Setting

__all__ = ["picture_name", "sweep_figures"]

SIZE = (3.75, 3.55)
"""Inches: a phone's width."""
OFF_SCALE = 20.0
"""Errors more than so many times the largest bound are marked at the panel's edge."""
MOST = 4.0
"""Efficiencies beyond this are."""
LOOKS: dict[str, dict[str, Any]] = {
    "map": {"color": "black", "marker": "o"},
    "nuts": {"color": "#d97f24", "marker": "D"},
}
SAID = {
    "map": ("RMSE of the MAP", "information bound"),
    "nuts": ("posterior's expected loss", "its limit"),
}
"""Method -> what is measured, what theory says of it."""
MEDIANS = {"map": "median error of the MAP", "nuts": "median of the posterior's loss"}
"""What is measured where the fit has more experts than the truth."""
NOT_LOCAL_SAID = "theory not local"
LINES: dict[str, dict[str, Any]] = {
    "bound": {"color": "C0", "linestyle": "C0"},
    "exponent": {"color": "0.4", "linestyle": "C1"},
    "modulus": {"color": "C0", "linestyle": "C2"},
}
WORDS: dict[str, Any] = dict.fromkeys(("title", "xlabel", "ylabel"), False)
"""What the page says in its own way."""
FRAME = {"figsize": SIZE}
SHADE = {"color": NOT_LOCAL, "alpha": 1.0}
Span = tuple[float, float]
Beyond = tuple[NDArray, NDArray, str]


def picture_name(kind: str, setting: Setting, parameter: str = "") -> str:
    """The name of a picture, and of its files."""
    named = "".join(letter if letter.isalnum() else "_" for letter in parameter)
    return "-".join(filter(None, (kind, setting.slug, named)))


def sweep_figures(comparison: Comparison) -> dict[str, Figure]:
    """The pictures of a comparison by name.

    Parameters
    ----------
    comparison : Comparison
        Sizes and methods may be missing, as in a run that is still under way.

    Returns
    -------
    dict of str to Figure
        For each regime ``errors-REGIME-PARAMETER`` and ``efficiency-REGIME``; over all of them
        ``coverage-KIND-ROLE``. A figure with nothing to draw is left out.
    """
    found: dict[str, Figure] = {}
    with mpl.rc_context(STYLE):
        for settings in by_variant(comparison).values():
            found |= _errors_of(comparison, settings)
            for setting in settings:
                if (drawn := _efficiency(comparison, setting)) is not None:
                    found[picture_name("efficiency", setting)] = drawn
        found |= _coverage(comparison)
    return found


def _errors_of(comparison: Comparison, settings: Sequence[Setting]) -> dict[str, Figure]:
    """A variant's errors, a parameter's on the same scale in all regimes that measure the same."""
    known = {one: parameters_of(one, comparison.bounds[one.label]) for one in settings}
    found = {}
    # Losses of fits with more experts than the truth are no two on one scale.
    alone = [[one] for one in settings if one.study.over_specified]
    groups = [[one for one in settings if not one.study.over_specified], *alone]
    for group in groups:
        for name in dict.fromkeys(name for one in group for name in known[one]):
            limits = _limits(comparison, group, name)
            if limits is None:
                continue
            for setting in (one for one in group if name in known[one]):
                figure = _errors(comparison, setting, name, limits)
                found[picture_name("errors", setting, name)] = figure
    return found


def _limits(comparison: Comparison, settings: Iterable[Setting], name: str) -> Span | None:
    """All of theory and nearly all errors, as log10; none where nothing is measured."""
    if comparison.errors.empty:
        return None
    labels = [setting.label for setting in settings]
    rows = comparison.errors[comparison.errors["parameter"] == name]
    rows = rows[rows["regime"].isin(labels)]
    parts = (rows[["rmse", "low", "high"]].to_numpy(dtype=float).ravel(), rows["bound"].to_numpy())
    measured, theory = (part[np.isfinite(part) & (part > 0)] for part in parts)
    if not measured.size or not np.isfinite(rows["rmse"]).any():
        return None
    center = theory if theory.size else np.median(measured)[None]
    low = max(np.concatenate([theory, measured]).min(), center.min() / OFF_SCALE)
    high = min(np.concatenate([theory, measured]).max(), center.max() * OFF_SCALE)
    return np.log10(low / 1.5), np.log10(high * 1.5)


def _errors(comparison: Comparison, setting: Setting, name: str, limits: Span) -> Figure:
    """Error of the MAP and expected loss of the posterior in one panel, beside theory."""
    drawn: PlotCollection | None = None
    key: dict[str, Artist] = {}
    beyond: list[Beyond] = []
    for method in (own for own in LOOKS if own in comparison.design.plans):
        stats = averages_of(comparison, setting.label, method, [name])
        if name not in stats or not stats[name].notnull().any():
            continue
        first, look = drawn is None, LOOKS[method]
        frame: dict[str, Any] = {"figure_kwargs": FRAME} if first else {}
        drawn = plot_contraction(
            tree_of(comparison, setting.label, method), method=method, var_names=name,
            plot_collection=drawn, stats={"error": stats}, backend="matplotlib",
            visuals=_visuals(look, first), **frame,
        )  # fmt: skip
        measured, limit = SAID[method]
        if setting.study.over_specified:
            measured = MEDIANS[method]
        said = {"error": measured, "bound": limit, "modulus": "modulus", "local": NOT_LOCAL_SAID}
        said |= {"exponent": _rate(comparison, setting, name)} if first else {}
        key |= _artists(drawn, said, path_of(setting.label), name)
        beyond.append(
            (stats["n"].to_numpy(), stats[name].sel(part="value")[0].to_numpy(), look["color"])
        )
    figure, panel = _framed(drawn)
    heading(panel, f"{setting.name}: {name}", ", ".join([kind_of(setting), *_powers(setting)]))
    panel.set_ylim(*limits)
    log_ticks(panel.yaxis, power_of_ten)
    for place, value, color in beyond:
        _off_scale(panel, np.log10(place), np.log10(value), color)
    if drawn is None:
        panel.text(0.5, 0.5, "no finished fit", transform=panel.transAxes, ha="center")
    _finish(figure, panel, "error (parameter's units)", key)
    return figure


def _visuals(look: Mapping[str, Any], first: bool) -> dict[str, Any]:
    """How a method is drawn; what both share is drawn once."""
    color = {"color": look["color"]}
    return {
        **WORDS,
        "error": {**look, "size": 22},
        "line": {**color, "alpha": 0.3},
        "interval": color,
        "bound": {**LINES["bound"], **({} if first else color)},
        "exponent": first and LINES["exponent"],
        "modulus": LINES["modulus"],
        "local": SHADE,
    }


def _rate(comparison: Comparison, setting: Setting, name: str) -> str:
    """The rate, named minimax where its lower bound is the same, else published or derived."""
    theory = comparison.bounds[setting.label].sel(target=name)
    upper, lower = float(theory["exponent"]), float(theory["lower"])
    kind = "minimax" if upper == lower else _mark(setting.study, name)
    return f"{kind} rate n^({fraction(upper)})"


def _mark(regime: Regime, name: str) -> str:
    """Whether a rate is published or derived; the own loss has the first of no other name."""
    own = [
        rate.mark
        for rate in regime.published
        if rate.parameter == name or (name == LOSS and rate.parameter not in regime.further)
    ]
    return own[0] if own else "published"


def _powers(setting: Setting) -> list[str]:
    pairs = zip("αγ", setting.powers, strict=True)
    return [f"{sign} = {fraction(float(value))}" for sign, value in pairs if value]


def _efficiency(comparison: Comparison, setting: Setting) -> Figure | None:
    """Bound over error of the MAP, every parameter in one panel."""
    names = parameters_of(setting, comparison.bounds[setting.label])
    stats = averages_of(comparison, setting.label, "map", names)
    known = [name for name in names if name in stats and stats[name].notnull().any()]
    tree = tree_of(comparison, setting.label, "map")
    bounds = comparison.bounds[setting.label]["bound"]
    ratios = stats[known].map(
        lambda own: bounds.sel(target=own.name, drop=True).reindex(n=stats["n"]) / own
    )
    if not any(own.notnull().any() for own in ratios.values()):
        return None
    path = path_of(setting.label)
    drawn = plot_efficiency(
        tree, var_names=known, stats={"efficiency": ratios}, backend="matplotlib",
        cols=["regime"], aes={"color": ["__variable__"], "marker": ["__variable__"]},
        color=COLORS[: len(known)], marker=MARKERS[: len(known)],
        visuals={**WORDS, "interval": False, "one": {"color": "0.3"},
                 "local": SHADE, "efficiency": {"size": 22}},
        aes_by_visuals={"one": (), "local": (), "line": ("color",)},
        figure_kwargs=FRAME,
    )  # fmt: skip
    figure, panel = _framed(drawn)
    heading(panel, f"{setting.name}: efficiency of the MAP", "1 where it is as near as the bound")
    key = {str(name): drawn.viz["efficiency"][name].item() for name in ratios.data_vars}
    key |= _artists(drawn, {"local": NOT_LOCAL_SAID}, path, known[0])
    panel.set_ylim(0.0, min(MOST, max(1.25, 1.1 * panel.get_ylim()[1])))
    _finish(figure, panel, "bound / RMSE (1)", key)
    return figure


def _coverage(comparison: Comparison) -> dict[str, Figure]:
    """Coverage of the intervals over all regimes of a kind, the share apart from the rest."""
    tree, stats = pooled_tree(comparison)
    found = {}
    for kind in stats["regime"].to_numpy() if stats else ():
        own = stats.sel(regime=kind)
        for role in (str(name) for name, rows in own.items() if rows.notnull().any()):
            drawn = plot_coverage(
                tree, level=LEVEL, var_names=role, regimes=kind, backend="matplotlib",
                stats={"coverage": stats[[role]].sel(regime=[kind])}, figure_kwargs=FRAME,
                visuals={**WORDS, "coverage": {"size": 22}, "level": {"color": "0.3"}},
            )  # fmt: skip
            figure, panel = _framed(drawn)
            heading(panel, f"{role}", str(kind))
            panel.set_ylim(0.0, 1.02)
            panel.yaxis.set_major_formatter(PercentFormatter(1.0))
            said = {"coverage": "covered, 95% interval", "level": f"nominal {LEVEL:.0%}"}
            key = _artists(drawn, said, str(kind), role)
            _finish(figure, panel, f"{LEVEL:.0%} intervals that hold the truth", key)
            named = role.replace(" ", "-").replace("'", "")
            found[f"coverage-{str(kind).replace(' ', '-')}-{named}"] = figure
    return found


def _artists(
    drawn: PlotCollection, said: Mapping[str, str], regime: str, name: str
) -> dict[str, Artist]:
    """What was drawn, by what the key says of it."""
    found = {}
    for visual, text in said.items():
        own = drawn.viz[visual][name].sel(regime=regime).item() if visual in drawn.viz else None
        if own is not None:
            found[text] = own
    return found


def _framed(drawn: PlotCollection | None) -> tuple[Figure, Axes]:
    """The figure with its one panel; an empty one where nothing is drawn."""
    if drawn is None:
        figure = Figure(figsize=SIZE, layout="constrained")
        return figure, figure.subplots()
    figure = drawn.viz["figure"].item()
    # ArviZ's figures are pyplot's, which would keep them, and show them in a notebook.
    plt.close(figure)
    return figure, figure.axes[0]


def _off_scale(panel: Axes, x: NDArray, y: NDArray, color: str) -> None:
    """Arrows at the edges of a panel for values that lie beyond them."""
    low, high = panel.get_ylim()
    # 6 and 7 are matplotlib's arrow heads up and down, their tips on the point.
    for beyond, place, arrow in ((y > high, 0.97, 6), (y < low, 0.03, 7)):
        if beyond.any():
            panel.plot(
                x[beyond], np.full(beyond.sum(), place), linestyle="none", marker=arrow,
                color=color, transform=panel.get_xaxis_transform(),
                label="beyond the edge",
            )  # fmt: skip


def _finish(figure: Figure, panel: Axes, measured: str, key: Mapping[str, Artist]) -> None:
    """Axes in rows and units, the key below."""
    log_ticks(panel.xaxis, power_of_ten)
    panel.set_xlabel("sample size n (rows)")
    panel.set_ylabel(measured)
    if key:
        figure.legend(
            list(key.values()), list(key), loc="outside lower left", ncols=2, columnspacing=1.0,
            handlelength=1.8,
        )  # fmt: skip
