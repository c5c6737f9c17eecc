"""An expert with a hidden layer of three units, h = tanh(x A' + c) w, constant gate."""

import pytensor.tensor as pt

from bayes_cmoe import (
    Expert,
    Path,
    Regime,
    along,
    contaminated_variant,
    frozen_expert,
    register_expert,
)
from bayes_cmoe.parts.gates import constant

LAYER = register_expert(
    Expert(
        "hidden",
        {"A": ("hidden", "feature"), "c": ("hidden",), "w": ("hidden",)},
        lambda x, A, c, w: pt.tanh(x @ A.T + c) @ w,
        sizes={"hidden": 3},
    )
)

CENTER = {"A": [[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]], "c": [0.0, 0.5, -0.5], "w": [2.0, 1.0, -1.5]}

VARIANT = contaminated_variant(
    "hidden_layer",
    title="Contaminated Gaussian MoE with a hidden layer, constant gate",
    source="an example",
    gates=[constant],
    expert=LAYER,
    regimes=[
        Regime(
            "far",
            "a linear Laplace f0, and a prompt of three hidden units",
            Path({"lam": 0.5}, {**CENTER, "nu": 0.25}, along(w=[1.0, 1.0, -0.5])),
            constant,
            "hidden",
            frozen_expert("laplace", "linear", {"a": [0.5, -0.5], "b": 0.0}, scale=0.7),
            features=2,
            box={
                "lam": (0.0, 1.0),
                "A": (-5.0, 5.0),
                "c": (-5.0, 5.0),
                "w": (-8.0, 8.0),
                "nu": (0.01, 10.0),
            },
        )
    ],
)
