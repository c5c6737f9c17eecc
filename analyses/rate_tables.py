# %% [markdown]
# # What rate to expect: the tables of powers, by calculation
# Prints, as Markdown, the power of the shift delta in the information bound of every parameter
# (n^-1/2 taken out): constant gate by direction of the shift, softmax gate with a level and with a
# varying gate, multinomial experts homogeneous and heterogeneous, with K = 2 and 3 classes; then
# the slopes of the bound for the designs of arXiv:2505.18455. Takes about four minutes.

# %%
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import xarray as xr

from bayes_cmoe import Path, Regime, frozen_expert, variant_named
from bayes_cmoe.study.regime import along
from bayes_cmoe.theory.exponents import exponents, powers

THIRD = 3**-0.5
DELTA = (0.01, 0.02)


def print_table(title: str, rows: Iterator[tuple[str, xr.Dataset]], value: str) -> None:
    """A Markdown table: one row each, a column for each parameter."""
    print(f"\n{title}\n")
    names: list[str] = []
    for label, found in rows:
        own = [str(name) for name in found.parameter.values]
        if own != names:
            names = own
            print("\n| | " + " | ".join(names) + " |\n" + "|---" * (len(names) + 1) + "|")
        cells = zip(found[value].values, found[f"{value}_se"].values, strict=True)
        print(f"| {label} | " + " | ".join(f"{v:+.3f} ± {s:.3f}" for v, s in cells) + " |")


def moved(regime: Regime, **direction: object) -> Regime:
    """The regime with another direction of the shift."""
    return replace(regime, path=replace(regime.path, shift=along(**direction)))


# %% [markdown]
# ## Constant gate


# %%
def constant_gate() -> Iterator[tuple[str, xr.Dataset]]:
    variant = variant_named("constant_contaminated")
    for direction, name in (("a", "a"), ("nu", "nu"), ("b", "b"), ("b, Dnu = Db²/3", "degenerate")):
        yield (
            f"linear, {direction}",
            powers(variant, f"linear-merging-{name}", delta=(0.02, 0.04)),
        )
    together = moved(variant.regime("linear-merging-a"), a=[THIRD], b=THIRD, nu=THIRD)
    yield "linear, a, b and nu", powers(variant, together, delta=DELTA)
    tanh = variant.regime("merging")
    for name, shift in {"a": {"a": [1.0]}, "b": {"b": 1.0}, "nu": {"nu": 1.0}}.items():
        yield f"tanh, {name}", powers(variant, moved(tanh, **shift), delta=DELTA)
    yield "tanh, a, b and nu", powers(variant, tanh, delta=DELTA)


# %% [markdown]
# ## Softmax gate


# %%
def softmax_gate() -> Iterator[tuple[str, xr.Dataset]]:
    variant = variant_named("softmax_contaminated")
    for gate, name in (("beta* = 0", "merging"), ("beta* ≠ 0", "merging-varying-gate")):
        regime = variant.regime(name)
        for label, shift in {"a": {"a": [0.6, 0.8]}, "nu": {"nu": 1.0}}.items():
            yield f"{gate}, {label}", powers(variant, moved(regime, **shift), delta=DELTA)


def paper_b() -> Iterator[tuple[str, xr.Dataset]]:
    sizes = np.geomspace(1e3, 1e5, 20)
    for name in ("paper-b-a", "paper-b-b1", "paper-b-b2", "paper-b-mended"):
        yield name, exponents("softmax_contaminated", name, n=sizes, draws=2**17)


# %% [markdown]
# ## Multinomial experts
# Homogeneous: a linear prompt that merges with a linear f0. Heterogeneous: a tanh prompt whose
# parameters approach those of the linear f0, which it cannot equal.


# %%
GATES = {
    "constant": ({"lam": 0.4}, "constant"),
    "softmax, beta* = 0": ({"beta": [0.0, 0.0], "tau": 0.5}, "softmax"),
    "softmax, beta* ≠ 0": ({"beta": [1.0, -1.0], "tau": 0.5}, "softmax"),
}
FROZEN = {
    2: {"a": [[1.5, -0.5]], "b": [0.5]},
    3: {"a": [[1.5, 0.0], [0.0, 1.5]], "b": [0.5, 0.0]},
}
SHIFTS = {
    2: {"a": {"a": [[0.6, 0.8]]}, "b": {"b": [1.0]}, "a and b": {"a": [[0.6, -0.6]], "b": [0.6]}},
    3: {
        "a": {"a": [[0.6, 0.0], [0.0, -0.8]]},
        "b": {"b": [0.6, -0.8]},
        "a and b": {"a": [[0.5, -0.5], [-0.5, -0.5]], "b": [-0.5, 0.5]},
    },
}


def multinomial_regime(classes: int, gate: str, prompt: str, shift: dict, frozen: str) -> Regime:
    """A regime of the multinomial variant with other numbers of classes, gates and experts."""
    own = variant_named("multinomial_contaminated").regime("homogeneous-merging")
    values, form = GATES[gate]
    box = {"lam": (0.0, 1.0), "beta": (-9.0, 9.0), "tau": (-9.0, 9.0), "a": (-9.0, 9.0)}
    return replace(
        own,
        name=f"{prompt}-{classes}",
        path=Path(values, FROZEN[classes], along(**shift), 2.0),
        expert=prompt,
        frozen=frozen_expert("multinomial_logistic", frozen, FROZEN[classes]),
        classes=classes,
        box=MappingProxyType({**box, "b": (-9.0, 9.0)}),
        options=MappingProxyType({"gate": form}),
        published=(),
    )


def multinomial(
    prompt: str, frozen: str, choices: tuple[int, ...] = (2, 3)
) -> Iterator[tuple[str, xr.Dataset]]:
    variant = variant_named("multinomial_contaminated")
    for classes in choices:
        for gate in GATES:
            for name, shift in SHIFTS[classes].items():
                regime = multinomial_regime(classes, gate, prompt, shift, frozen)
                yield (
                    f"K = {classes}, {gate}, shift in {name}",
                    powers(variant, regime, delta=DELTA),
                )


# %% [markdown]
# ## Run
# The other tables are made alike; in the notebook two of them.

# %% tags=["parameters", "active-ipynb"]
# CLASSES_OF_THE_PAPER = True

# %% tags=["active-ipynb"]
# print_table("Softmax gate: power of delta", softmax_gate(), "power")

# %% tags=["active-ipynb"]
# if CLASSES_OF_THE_PAPER:
#     print_table("Designs of arXiv:2505.18455: slope of the bound", paper_b(), "slope")


# %% tags=["active-py"]
def main() -> None:
    print_table("Constant gate: power of delta", constant_gate(), "power")
    print_table("Softmax gate: power of delta", softmax_gate(), "power")
    print_table("Designs of arXiv:2505.18455: slope of the bound", paper_b(), "slope")
    for prompt, frozen in (("linear", "linear"), ("tanh", "tanh"), ("tanh", "linear")):
        kind = "homogeneous" if prompt == frozen else "heterogeneous"
        title = f"Multinomial, {kind} ({prompt} prompt, {frozen} f0): power of delta"
        print_table(title, multinomial(prompt, frozen), "power")


if __name__ == "__main__":
    main()
