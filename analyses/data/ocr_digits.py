"""Rebuild analyses/data/ocr_digits.csv: what a frozen text recogniser says of hand-written digits.

    pip install -e '.[frozen-networks]'
    python analyses/data/ocr_digits.py

The recogniser is PP-OCRv6 as the wheel `rapidocr` carries it (Apache-2.0), run by onnxruntime
alone. It reads lines of text; each of scikit-learn's 1,797 digits becomes a line of one character.
Its output is, at each of T places along the line, a law over its 18,708 characters and the blank,
and a text has the probability of all ways to write it with blanks and repeats (connectionist
temporal classification, Graves et al. 2006, doi:10.1145/1143844.1143891). Of one character c:

    P(c) = sum over 1 <= i <= j <= T of
           prod_{t<i} p_t(blank)  prod_{i<=t<=j} p_t(c)  prod_{t>j} p_t(blank)

f0 is P(0), ..., P(9), divided by their sum.
"""

from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

HEIGHT, WIDTH, DIGIT = 48, 48, 40
"""Pixels of a line, and of the digit in its middle."""
PLACE = Path(__file__).with_suffix(".csv")


def line_of(image: NDArray) -> NDArray:
    """A digit of 8 x 8 grey values 0..16 as dark ink on a white line, shape (HEIGHT, WIDTH)."""
    ink = zoom(image / 16.0, DIGIT / 8, order=3).clip(0.0, 1.0)
    line = np.ones((HEIGHT, WIDTH))
    top, left = (HEIGHT - DIGIT) // 2, (WIDTH - DIGIT) // 2
    line[top : top + DIGIT, left : left + DIGIT] -= ink
    return line


def log_single(probs: NDArray, character: int) -> float:
    """log P of a text of one character; probs of shape (T, character), the blank first."""
    blank, own = np.log(probs[:, 0]), np.log(probs[:, character])
    before, inside, after = 0.0, -np.inf, -np.inf
    for stay, write in zip(blank, own, strict=True):
        after = np.logaddexp(after, inside) + stay
        inside = np.logaddexp(before, inside) + write
        before = before + stay
    return float(np.logaddexp(inside, after))


def main() -> None:
    import onnxruntime

    model = files("rapidocr") / "models" / "PP-OCRv6_rec_small.onnx"
    session = onnxruntime.InferenceSession(str(model))
    names = session.get_modelmeta().custom_metadata_map["character"].splitlines()
    places = [1 + names.index(str(digit)) for digit in range(10)]
    digits = load_digits()
    rows = []
    for image in digits.images:
        given = ((line_of(image) - 0.5) / 0.5).astype(np.float32)
        found = session.run(None, {session.get_inputs()[0].name: np.stack([given] * 3)[None]})
        probs = found[0][0].astype(float)
        log = np.array([log_single(probs, place) for place in places])
        rows.append(log - np.logaddexp.reduce(log))
    table = np.exp(rows)
    header = ",".join(["digit", *(f"f0_{digit}" for digit in range(10))])
    lines = [
        ",".join([str(label), *(f"{value:.6g}" for value in row)])
        for label, row in zip(digits.target, table / table.sum(axis=1, keepdims=True), strict=True)
    ]
    PLACE.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    right = table.argmax(axis=1) == digits.target
    score = np.log(table[np.arange(len(table)), digits.target])
    print(f"accuracy {right.mean():.3f}, mean log-score {score.mean():.3f} nats, {len(table)} rows")


if __name__ == "__main__":
    main()
