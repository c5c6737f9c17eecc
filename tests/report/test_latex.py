"""Tables as LaTeX: what they say, and that LaTeX could read them."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bayes_cmoe.report.latex import latex_files, plain_latex
from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan
from bayes_cmoe.sweep.setting import Setting
from tests.report.fakes import comparison_of

DESIGN = Design(
    "100 % of a_1 & {b} ~ $x^2$",
    (Setting("constant_contaminated", "merging"),),
    map=MapPlan((300, 12_000), 5),
    nuts=NutsPlan((100,), 3),
)
RATE = {
    "regime": "constant_contaminated/merging", "method": "map", "parameter": "$a_1$",
    "slope": -0.4321, "low": -0.5, "high": -0.25, "bound_slope": np.nan, "exponent": -0.375,
    "efficiency": 0.987, "verdict": "undecided",
}  # fmt: skip


ERROR = "$0.0980$ $[0.0899, 0.114]$"
"""The fake's 0.8 * 300^-0.4 by a fifth, a tenth and two fifths."""


@pytest.fixture(scope="module")
def comparison():
    pooled = {"regime": "r", "over": "all sizes", "level": 0.9, "covered": 0.85, "low": 0.5,
              "high": 1.0, "fits": 20}  # fmt: skip
    fake = comparison_of(DESIGN)
    errors = fake.errors.assign(fits=5)
    return replace(fake, errors=errors, rates=pd.DataFrame([RATE]), pooled=pd.DataFrame([pooled]))


@pytest.fixture(scope="module")
def files(comparison):
    return latex_files(comparison, {})


def rows_of(text):
    """Cells of a table's body."""
    body = text.partition(r"\endfoot")[2].partition(r"\end{longtable}")[0]
    lines = [line for line in body.splitlines() if line]
    assert all(line.endswith(r" \\") for line in lines)
    return [line.removesuffix(r" \\").split(" & ") for line in lines]


def test_tables_say_what_the_comparison_says(files, comparison):
    assert list(files) == ["rates.tex", "errors.tex", "coverage.tex"]
    (rate,) = rows_of(files["rates.tex"])
    assert rate == [
        r"constant\_contaminated/merging", "MAP", r"\$a\_1\$", "$-0.432$ $[-0.500, -0.250]$", "--",
        "$-3/8$", "$0.99$", "undecided",
    ]  # fmt: skip
    errors = rows_of(files["errors.tex"])
    assert len(errors) == len(comparison.errors)
    assert errors[0] == [
        r"constant\_contaminated/merging", "MAP", "lam", "300", ERROR, "$0.0817$", "5",
    ]  # fmt: skip
    assert {row[3] for row in errors} == {"300", r"12\,000", "100"}
    assert rows_of(files["coverage.tex"]) == [
        ["r", "all sizes", r"90\,\%", "$0.85$ $[0.50, 1.00]$", "20"]
    ]


def test_latex_can_read_them(files):
    """Braces and environments are closed, every row has the columns that were declared."""
    for text in files.values():
        bare = re.sub(r"\\[{}$&%#_]", "", text)
        code = "\n".join(line for line in bare.splitlines() if not line.startswith("%"))
        depth = np.cumsum([(letter == "{") - (letter == "}") for letter in code])
        assert depth.min() >= 0
        assert depth[-1] == 0
        assert code.count("$") % 2 == 0
        assert "#" not in code
        assert all(ord(letter) < 128 for letter in code)
        sides = re.search(r"\\begin{longtable}{([lr]+)}", text)
        assert sides is not None
        assert {len(row) for row in rows_of(text)} == {len(sides[1])}
        assert text.count(r"\begin{longtable}") == text.count(r"\end{longtable}") == 1


def test_numbers_out_of_reach_are_powers_and_what_is_not_known_is_a_dash(comparison):
    errors = comparison.errors.head(2).assign(rmse=[1.5e-7, np.nan], low=np.nan)
    found = rows_of(latex_files(replace(comparison, errors=errors), {})["errors.tex"])
    assert found[0][4] == r"$1.50 \times 10^{-7}$"
    assert found[1][4] == "--"


def test_names_are_no_commands():
    assert plain_latex("a_1 {x} 5 % $y^2$ \\input #1 & ~") == (
        r"a\_1 \{x\} 5 \% \$y\textasciicircum{}2\$ \textbackslash{}input \#1 \& "
        r"\textasciitilde{}"
    )
