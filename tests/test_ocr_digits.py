"""The frozen network's table, and what the analysis says of it."""

import itertools
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

ANALYSES = Path(__file__).parents[1] / "analyses"


def test_the_probability_of_one_character_is_that_of_all_ways_to_write_it():
    log_single = runpy.run_path(str(ANALYSES / "data" / "ocr_digits.py"))["log_single"]
    probs = np.random.default_rng(1).dirichlet(np.ones(4), 6)
    for character in (1, 2, 3):
        total = 0.0
        for path in itertools.product(range(4), repeat=6):
            # Repeats are merged first, blanks (0) go then.
            merged = [c for c, _ in itertools.groupby(path) if c]
            if merged == [character]:
                total += np.prod([probs[t, c] for t, c in enumerate(path)])
        assert np.exp(log_single(probs, character)) == pytest.approx(total, rel=1e-12)


def test_the_table_is_the_networks_law_of_the_digits():
    table = pd.read_csv(ANALYSES / "data" / "ocr_digits.csv")
    np.testing.assert_array_equal(table["digit"], load_digits().target)
    probs = table[[f"f0_{digit}" for digit in range(10)]].to_numpy()
    np.testing.assert_allclose(probs.sum(axis=1), 1.0, atol=1e-5)
    # Far better than chance, and weakest at the sevens, which many cross.
    right = probs.argmax(axis=1) == table["digit"]
    assert right.mean() == pytest.approx(0.957, abs=0.0005)
    assert right.groupby(table["digit"]).mean().idxmin() in (1, 7, 8)


@pytest.mark.slow
def test_the_prompt_takes_the_sevens(tmp_path):
    main = runpy.run_path(str(ANALYSES / "ocr_digits.py"))["main"]
    fits = main(["-o", str(tmp_path)])
    labels = pd.read_csv(ANALYSES / "data" / "ocr_digits.csv")["digit"].to_numpy()[1::2]
    found = fits["softmax gate"].found
    gain = (found["log_score"] - found["frozen_log_score"]).to_numpy()
    by_digit = [gain[labels == digit].mean() for digit in range(10)]
    assert int(np.argmax(by_digit)) == 7
    assert by_digit[7] > 0.1
    assert float(found["responsibility"].to_numpy()[labels == 7].mean()) > 0.4
    around = fits["softmax gate, log f0 + Ax"].found
    gain = (around["log_score"] - around["frozen_log_score"]).to_numpy()
    assert gain.mean() > 3.0 * gain.std() / np.sqrt(len(gain))
    assert gain[labels == 7].mean() > 0.3
    right = around["probability"].to_numpy().argmax(axis=1) == labels
    assert right.mean() > 0.98
    assert (tmp_path / "gains.png").stat().st_size > 10_000
