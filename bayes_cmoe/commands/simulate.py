"""`bayes-cmoe simulate`: data from a variant at a regime's truth, as a file to fit."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from bayes_cmoe.commands.tabular import check_seed
from bayes_cmoe.commands.words import Exponent, Place, Whole, program
from bayes_cmoe.errors import InputError
from bayes_cmoe.files.outputs import check_file_writable, whole_file
from bayes_cmoe.files.tables import check_ending, write_table
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.frozen import SCALED
from bayes_cmoe.study.regime import Regime, Truth
from bayes_cmoe.study.simulate import simulate as draw
from bayes_cmoe.study.variant import Variant, variant_named

__all__ = ["simulate"]

MOST_ROWS = 10**9


def simulate(
    variant: str,
    *,
    regime: str,
    n: Annotated[Whole, Parameter(name="-n")],
    output: Annotated[Place, Parameter(name=["-o", "--output"])],
    seed: Whole = 0,
    alpha: Exponent | None = None,
    gamma: Exponent | None = None,
) -> int:
    """Draw data from a variant at a regime's truth and write them with the frozen expert's columns.

    The truth, and the command that fits the file, go to stderr.

    Parameters
    ----------
    variant
        Name of the variant; `bayes-cmoe variants` lists them.
    regime
        Name of the regime.
    n
        Number of rows.
    output
        The file: .csv, .tsv or .parquet.
    seed
        Seed of the random numbers.
    alpha
        Exponent at which the prompt vanishes, such as 1/8, in place of the regime's own.
    gamma
        Exponent at which the prompt merges with the frozen expert, likewise.
    """
    chosen = variant_named(variant)
    setting = chosen.regime(regime)
    if not 1 <= n <= MOST_ROWS:
        raise InputError(f"-n {n}: give a number of rows from 1 to {MOST_ROWS}")
    check_seed(seed)
    truth = setting.truth(n, alpha, gamma)
    check_ending(output)
    check_file_writable(output)
    data = draw(chosen, setting, n, seed, alpha=alpha, gamma=gamma)
    with whole_file(output) as staging:
        write_table(_columns(setting, data), staging)
    print(f"truth: {_spelled(truth)}", file=sys.stderr)
    print(shlex.join(_fit_command(chosen, setting, output)), file=sys.stderr)
    return 0


def _columns(regime: Regime, data: Data) -> dict[str, NDArray]:
    response = data.y if data.classes is None else data.y.astype(np.int64)
    columns = {name: data.x[:, j] for j, name in enumerate(data.features)} | {"y": response}
    frozen = regime.frozen.columns(data.x)
    if "frozen_logits" in frozen:
        from scipy.special import softmax

        logits = frozen.pop("frozen_logits")
        frozen["frozen_probs"] = softmax(np.column_stack([logits, np.zeros(data.n)]), axis=1)
    if "frozen_probs" in frozen:
        probs = frozen.pop("frozen_probs")
        frozen |= {f"frozen_p{k}": probs[:, k] for k in range(probs.shape[1])}
    return columns | frozen


def _spelled(truth: Truth) -> str:
    return ", ".join(f"{name} = {np.round(value, 6).tolist()}" for name, value in truth.items())


def _fit_command(variant: Variant, regime: Regime, output: Path) -> list[str]:
    features = ",".join(f"x{j + 1}" for j in range(regime.features))
    expert = regime.expert.removesuffix("-nobias")
    command = [*program(), "fit", variant.name, str(output), "-y", "y", "-x", features]
    command += ["--expert", expert]
    if expert != regime.expert:
        command.append("--no-bias")
    if not variant.frozen:
        return [*command, "--experts", str(regime.prompts)]
    family = regime.frozen.family
    if regime.classes is not None:
        command += ["--frozen-probs", ",".join(f"frozen_p{k}" for k in range(regime.classes))]
    elif family.name in SCALED:
        command += ["--frozen-family", family.name]
        for argument in family.arguments:
            command += [f"--frozen-{argument}", f"frozen_{argument}"]
    else:
        columns = ",".join(f"{argument}=frozen_{argument}" for argument in family.arguments)
        command += ["--frozen-family", family.name, "--frozen-arguments", columns]
    if len(variant.gates) > 1:
        command += ["--gate", regime.gate.name]
    if regime.prompts > 1:
        command += ["--prompts", str(regime.prompts)]
    return command
