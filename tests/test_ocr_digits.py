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


def fields(message: bytes) -> list[tuple[int, bytes]]:
    """Numbers and contents of a protobuf message whose fields are all of type 2, read by hand."""

    def whole(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = message[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value, at

    found, place = [], 0
    while place < len(message):
        key, place = whole(place)
        assert key & 7 == 2
        size, place = whole(place)
        assert place + size <= len(message)
        found.append((key >> 3, message[place : place + size]))
        place += size
    return found


@pytest.mark.parametrize("tensor", ["a", "p2o.pd_op.transpose.8.0", "é" * 100, "x" * 40_000])
def test_an_output_is_added_by_bytes_that_protobuf_merges(tensor):
    """ModelProto.graph is field 7, GraphProto.output 12, ValueInfoProto.name 1 (onnx.proto3)."""
    rebuilt = runpy.run_path(str(ANALYSES / "data" / "ocr_digits.py"))
    model = b"\x08\x07anything"
    patched = rebuilt["with_output"](model, tensor)
    assert patched.startswith(model)
    ((number, graph),) = fields(patched[len(model) :])
    assert number == 7
    ((number, output),) = fields(graph)
    assert number == 12
    assert fields(output) == [(1, tensor.encode())]


def test_a_place_where_the_network_sees_nothing_counts_nothing():
    pooled = runpy.run_path(str(ANALYSES / "data" / "ocr_digits.py"))["pooled"]
    features = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(pooled(features, np.array([1.0, 0.0, 1.0])), features[1])
    half = pooled(features, np.array([0.25, 1.0, 0.75]))
    np.testing.assert_allclose(half, 0.75 * features[0] + 0.25 * features[2])


def test_the_networks_components_are_of_the_even_rows_alone():
    table = pd.read_csv(ANALYSES / "data" / "ocr_digits.csv")
    net = table[[f"net{j}" for j in range(1, 17)]].to_numpy()
    even, odd = net[::2], net[1::2]
    # Uncorrelated and of variance one where they were fitted, up to the three digits written.
    covariance = np.cov(even, rowvar=False)
    np.testing.assert_allclose(covariance, np.eye(16), atol=2e-3)
    np.testing.assert_allclose(even.mean(axis=0), 0.0, atol=5e-4)
    # Of other rows that holds up to chance, 1 / sqrt(898), and no better.
    off = np.cov(odd, rowvar=False) - np.eye(16)
    assert 0.5 / np.sqrt(898) < np.sqrt(np.mean(off**2)) < 4.0 / np.sqrt(898)


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
    found = fits["pixels, softmax gate"].found
    gain = (found["log_score"] - found["frozen_log_score"]).to_numpy()
    by_digit = [gain[labels == digit].mean() for digit in range(10)]
    assert int(np.argmax(by_digit)) == 7
    assert by_digit[7] > 0.1
    assert float(found["responsibility"].to_numpy()[labels == 7].mean()) > 0.4
    around = fits["pixels, softmax gate, log f0 + Ax"].found
    gain = (around["log_score"] - around["frozen_log_score"]).to_numpy()
    assert gain.mean() > 3.0 * gain.std() / np.sqrt(len(gain))
    assert gain[labels == 7].mean() > 0.3
    right = around["probability"].to_numpy().argmax(axis=1) == labels
    assert right.mean() > 0.98
    # A prompt that does not know the network gains more on the network's features than on pixels.
    within = fits["features, softmax gate"].found
    more = (within["log_score"] - found["log_score"]).to_numpy()
    assert more.mean() > 2.0 * more.std() / np.sqrt(len(more))
    assert (tmp_path / "gains.png").stat().st_size > 10_000
