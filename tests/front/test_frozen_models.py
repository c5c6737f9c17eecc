"""Frozen models of every kind give the columns that independent code gives."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from bayes_cmoe.errors import InputError
from bayes_cmoe.front.frozen_models import columns_named, state

RNG = np.random.default_rng(2)
TABLE = pd.DataFrame({"p": RNG.normal(size=80), "q": RNG.normal(size=80)})
Y = 1.0 + 2.0 * TABLE["p"].to_numpy() - TABLE["q"].to_numpy() + RNG.normal(0.0, 0.5, 80)
KIND = np.array(["low", "mid", "top"])[np.digitize(Y, [0.0, 2.0])]


def columns(stated):
    return stated.frozen.columns(TABLE[["p"]].to_numpy())


def test_a_regressor_takes_its_own_features_and_the_scale_of_held_out_rows():
    model = LinearRegression().fit(TABLE, Y)
    held = pd.DataFrame({"p": RNG.normal(size=50), "q": RNG.normal(size=50)})
    response = held["p"] + RNG.normal(0.0, 3.0, 50)
    # Of the table's columns the prompt sees p alone; the model has its own two.
    stated = state(model, TABLE, TABLE[["p"]], Y, held_out=(held, response))
    found = columns(stated)
    by_hand = model.intercept_ + TABLE.to_numpy() @ model.coef_
    np.testing.assert_allclose(found["frozen_mean"], by_hand)
    errors = response - (model.intercept_ + held.to_numpy() @ model.coef_)
    np.testing.assert_allclose(found["frozen_scale"], np.sqrt((errors**2).mean()))
    assert stated.response == "number"
    assert stated.spec["scale_from"] == "50 held-out rows"


def test_at_new_rows_the_scale_is_the_one_that_was_found():
    model = LinearRegression().fit(TABLE, Y)
    first = state(model, TABLE, TABLE, Y)
    again = state(model, TABLE, TABLE, known=first.spec)
    assert columns(again)["frozen_scale"][0] == first.spec["scale"]
    with pytest.raises(InputError, match="held-out rows"):
        state(model, TABLE, TABLE)


def test_a_classifier_has_its_labels_in_order():
    model = LogisticRegression().fit(TABLE, KIND)
    stated = state(model, TABLE, TABLE[["p"]])
    np.testing.assert_allclose(columns(stated)["frozen_probs"], model.predict_proba(TABLE))
    assert stated.labels == ("low", "mid", "top")
    assert stated.response == "class"


def test_a_class_that_is_ruled_out_may_be_taught():
    probs = np.tile([0.5, 0.5, 0.0], (80, 1))
    found = columns(state(lambda rows: probs, TABLE, TABLE))["frozen_probs"]
    assert (found[:, 2] > 0).all()
    np.testing.assert_allclose(found, probs, atol=1e-11)


def test_a_function_of_the_inputs_by_name():
    stated = state(lambda rows: 2.0 * rows["p"], TABLE, TABLE[["p"]], Y)
    np.testing.assert_allclose(columns(stated)["frozen_mean"], 2.0 * TABLE["p"])
    full = state(
        lambda rows: {"family": "student_t", "mean": rows["p"], "scale": 2.0, "df": 4.0},
        TABLE, TABLE,
    )  # fmt: skip
    found = columns(full)
    np.testing.assert_allclose(found["frozen_mean"], TABLE["p"])
    assert set(found["frozen_scale"]) == {2.0}
    assert set(found["frozen_df"]) == {4.0}


def test_columns_are_named_by_what_they_state():
    table = TABLE.assign(u=0.25, v=0.75, rate=-1.0)
    by_name = {"family": "laplace", "mean": "p", "scale": 0.3}
    found = state(by_name, table, table).frozen.columns(table[["p"]].to_numpy())
    np.testing.assert_array_equal(found["frozen_mean"], TABLE["p"])
    assert set(found["frozen_scale"]) == {0.3}
    assert columns_named(by_name) == ["p"]
    named = {"probs": {"no": "u", "yes": "v"}}
    assert state(named, table, table).labels == ("no", "yes")
    assert columns_named(named) == ["u", "v"]
    assert state({"probs": ["u", "v"]}, table, table).labels is None
    counts = {"family": "poisson", "arguments": {"log_rate": "rate"}}
    assert state(counts, table, table).response == "count"
    assert columns_named(counts) == ["rate"]
    assert state({"logp": "rate"}, table, table).response == "any"


@pytest.mark.parametrize(
    ("frozen", "words"),
    [
        (3.0, "frozen is a float: give a fitted model"),
        ({"family": "gaussian", "mean": "p"}, "frozen lacks 'scale'"),
        ({"family": "gaussian", "mean": "f0", "scale": 1.0}, "no column 'f0'"),
        (lambda rows: np.zeros(3), r"shape \(3,\) and the table 80 rows"),
        (lambda rows: Y, "the scale 0"),
        (lambda rows: np.full((80, 2), 0.7), "not summing to one"),
    ],
)
def test_what_is_no_frozen_model_is_refused(frozen, words):
    with pytest.raises(InputError, match=words):
        state(frozen, TABLE, TABLE, Y)


def test_a_feature_that_the_frozen_model_needs_is_named():
    model = LinearRegression().fit(TABLE, Y)
    with pytest.raises(InputError, match="'q', which the table lacks"):
        state(model, TABLE[["p"]], TABLE[["p"]], Y)


def test_a_prediction_that_is_no_number_is_named_by_its_row():
    table = pd.DataFrame({"p": np.arange(6.0)})
    with pytest.raises(InputError, match=r"prediction of row 3 \(counting from 0\) is nan"):
        state(lambda rows: np.where(rows["p"] == 3, np.nan, rows["p"]), table, table, table["p"])
