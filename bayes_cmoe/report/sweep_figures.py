"""The figures of a comparison: errors, contraction, coverage and starts, by name."""

import matplotlib as mpl
from matplotlib.figure import Figure

from bayes_cmoe.report.comparison import Comparison
from bayes_cmoe.report.coverage_figures import coverage_figure, resolution_figure
from bayes_cmoe.report.figure_style import STYLE
from bayes_cmoe.report.rate_figures import contraction_figure, error_figure
from bayes_cmoe.report.ratio_figures import efficiency_figure, spread_figure
from bayes_cmoe.report.regime_panels import by_variant
from bayes_cmoe.report.start_figures import agreement_figure

__all__ = ["sweep_figures"]

BY_VARIANT = {
    "errors": error_figure,
    "efficiency": efficiency_figure,
    "contraction": contraction_figure,
    "spread": spread_figure,
}
"""One figure a variant, a panel a regime."""
OVER_ALL = {
    "coverage": coverage_figure,
    "coverage-resolution": resolution_figure,
    "agreement": agreement_figure,
}


def sweep_figures(comparison: Comparison) -> dict[str, Figure]:
    """The figures of a comparison by name.

    Parameters
    ----------
    comparison : Comparison
        Sizes and methods may be missing, as in a run that is still under way.

    Returns
    -------
    dict of str to Figure
        For each variant ``errors-VARIANT``, ``efficiency-VARIANT``, ``contraction-VARIANT`` and
        ``spread-VARIANT``; over all of them ``coverage``, ``coverage-resolution`` and
        ``agreement``. A figure with nothing to draw is left out.
    """
    with mpl.rc_context(STYLE):
        found = {
            f"{name}-{variant}": draw(comparison, settings)
            for name, draw in BY_VARIANT.items()
            for variant, settings in by_variant(comparison).items()
        }
        found |= {name: draw(comparison) for name, draw in OVER_ALL.items()}
    return {name: figure for name, figure in found.items() if figure is not None}
