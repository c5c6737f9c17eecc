"""Draw the picture of README.md: python docs/overview.py [FILE], default docs/images/overview.png.

The quick start's penguins: what a line fitted to one species says of all of them, which rows
the fit finds new, what its adapter does with them, and how its share rises.
"""

import sys
from pathlib import Path

import matplotlib

if __name__ == "__main__":
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import palmerpenguins
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.linear_model import LinearRegression

from bayes_cmoe import fit, predict
from bayes_cmoe.report.figure_style import COLORS, STYLE

PLACE = Path(__file__).parent / "images" / "overview.png"
X, Y = "bill_length_mm", "bill_depth_mm"


def rows_of_penguins() -> tuple[xr.Dataset, xr.Dataset]:
    """The fit's predictions at its rows, in order of bill length, and the rows themselves."""
    penguins = palmerpenguins.load_penguins().dropna(subset=[X, Y]).sort_values(X)
    adelie = penguins[penguins["species"] == "Adelie"]
    frozen = LinearRegression().fit(adelie[[X]][::2], adelie[Y][::2])
    held_out = (adelie[[X]][1::2], adelie[Y][1::2])
    new = penguins[[X, Y]]
    tree = fit(new, y=Y, frozen=frozen, held_out=held_out, expert="linear", method="nested", seed=1)
    return predict(tree, new, frozen=frozen), xr.Dataset.from_dataframe(new.reset_index(drop=True))


def overview(found: xr.Dataset, rows: xr.Dataset) -> Figure:
    """Three panels: before, after, and the share below."""
    figure = Figure(figsize=(8.0, 3.9), layout="constrained")
    panels = figure.subplot_mosaic([["before", "after"], ["words", "share"]], height_ratios=(3, 1))
    before, after, words, share = (panels[name] for name in ("before", "after", "words", "share"))
    x, y = rows[X], rows[Y]
    for panel in (before, after):
        panel.plot(x, found["frozen_mean"], "--", color=COLORS[0], label="frozen model")
        panel.set_ylabel("bill depth, mm")
        panel.sharex(share)
    before.scatter(x, y, color="0.55", s=9, linewidths=0, label="new data")
    before.set_title("You have: a model of one species, and new data")
    points = after.scatter(x, y, c=found["responsibility"], cmap="RdYlBu_r", s=9, linewidths=0)
    after.plot(x, found["prompt_mean"], color=COLORS[1], label="adapter")
    after.set_ylim(before.get_ylim())
    after.set_title("You get: which rows are new, and what they do")
    figure.colorbar(points, ax=after, label="probability to be new", aspect=30)
    for panel in (before, after):
        panel.legend(loc="upper left", ncols=2)
    _draw_share(share, x, found)
    _say(words, found)
    return figure


def _draw_share(panel: Axes, x: xr.DataArray, found: xr.Dataset) -> None:
    panel.fill_between(
        x, found["share_lower"], found["share_upper"], color=COLORS[2], alpha=0.3, linewidth=0
    )
    panel.plot(x, found["share"], color=COLORS[2])
    panel.set(ylim=(-0.05, 1.05), xlabel="bill length, mm", ylabel="adapter's share")


def _say(panel: Axes, found: xr.Dataset) -> None:
    panel.axis("off")
    gain = float((found["log_score"] - found["frozen_log_score"]).mean())
    new = float(found["responsibility"].mean())
    said = (
        f"{new:.0%} of {found.sizes['obs']} rows are the adapter's.\n"
        f"At all rows the mixture's log-score is {gain:.2f} nats\n"
        "a row better than the frozen model's alone."
    )
    panel.text(0.0, 0.85, said, va="top", fontsize=9.0)


def main(place: Path) -> None:
    with plt.rc_context(STYLE):
        figure = overview(*rows_of_penguins())
        place.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(place, dpi=130)
    print(f"{place}: {place.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PLACE)
