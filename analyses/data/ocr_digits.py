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

The network's own features are what its last layer reads, 120 numbers a place. A place where it sees
nothing says nothing of the digit, so an image has their mean over the places, weighted by
1 - p_t(blank): in nearly every image that is one place. Of them the table holds the first principal
components, of variance one, as `net1`, ...: fitted to the even rows alone, so that who holds out
the odd ones has not looked at them.
"""

from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

HEIGHT, WIDTH, DIGIT = 48, 48, 40
"""Pixels of a line, and of the digit in its middle."""
FEATURES = "p2o.pd_op.transpose.8.0"
"""What the last layer reads: (1, T, 120), multiplied by its weights, shifted, and softmax."""
COMPONENTS = 16
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


def varint(number: int) -> bytes:
    """A whole number as protobuf writes it: seven bits a byte, the lowest first."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message: its number, its type 2 (so many bytes), and the bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def with_output(model: bytes, tensor: str) -> bytes:
    """An ONNX model that returns one more of its tensors, behind its own outputs.

    Bytes are appended, and nothing is parsed: where a protobuf message has an embedded one twice,
    readers merge the two, lists end to end. So a second ModelProto.graph (field 7) of nothing but a
    GraphProto.output (12) of nothing but a ValueInfoProto.name (1) adds an output to the graph; its
    type and shape are the runtime's to infer. It spares a dependency on the package onnx.
    """
    return model + field(7, field(12, field(1, tensor.encode())))


def pooled(features: NDArray, blank: NDArray) -> NDArray:
    """Mean of the features (T, feature) over places, weighted by 1 - blank (T,)."""
    return np.average(features, axis=0, weights=1.0 - blank)


def main() -> None:
    import onnxruntime

    model = files("rapidocr") / "models" / "PP-OCRv6_rec_small.onnx"
    session = onnxruntime.InferenceSession(with_output(model.read_bytes(), FEATURES))
    names = session.get_modelmeta().custom_metadata_map["character"].splitlines()
    places = [1 + names.index(str(digit)) for digit in range(10)]
    digits = load_digits()
    rows, features = [], []
    for image in digits.images:
        given = ((line_of(image) - 0.5) / 0.5).astype(np.float32)
        found = session.run(None, {session.get_inputs()[0].name: np.stack([given] * 3)[None]})
        probs, seen = (output[0].astype(float) for output in found)
        log = np.array([log_single(probs, place) for place in places])
        rows.append(log - np.logaddexp.reduce(log))
        features.append(pooled(seen, probs[:, 0]))
    table = np.exp(rows)
    f0 = table / table.sum(axis=1, keepdims=True)
    net = PCA(COMPONENTS, whiten=True, random_state=0).fit(features[::2]).transform(features)
    names = [f"f0_{digit}" for digit in range(10)] + [f"net{j + 1}" for j in range(COMPONENTS)]
    header = ",".join(["digit", *names])
    lines = [
        ",".join([str(label), *(f"{own:.6g}" for own in law), *(f"{own:.3f}" for own in seen)])
        for label, law, seen in zip(digits.target, f0, net, strict=True)
    ]
    PLACE.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    right = table.argmax(axis=1) == digits.target
    score = np.log(table[np.arange(len(table)), digits.target])
    print(f"accuracy {right.mean():.3f}, mean log-score {score.mean():.3f} nats, {len(table)} rows")


if __name__ == "__main__":
    main()
