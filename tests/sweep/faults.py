"""Faults of files, and what becomes of a run's table when one is there."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np

from bayes_cmoe.errors import InputError
from bayes_cmoe.files.sealed import unsealed
from bayes_cmoe.sweep.run import state_of
from bayes_cmoe.sweep.store import Store


def flipped(content, rng):
    """One bit is another."""
    changed = bytearray(content)
    place = int(rng.integers(8 * len(content)))
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def zeroed(content, rng):
    """A range of a disk's block comes back as zeros."""
    begin = int(rng.integers(len(content) - 1))
    end = begin + int(rng.integers(1, 4096))
    return content[:begin] + bytes(len(content[begin:end])) + content[end:]


def truncated(content, rng):
    """The end is missing."""
    return content[: int(rng.integers(len(content)))]


def lengthened(content, rng):
    """Something is behind the end."""
    return content + rng.bytes(int(rng.integers(1, 100)))


def moved(content, rng):
    """Two blocks have changed places."""
    size = len(content) // 4
    return content[size : 2 * size] + content[:size] + content[2 * size :]


def edited(content, rng):
    """A number of the table, the error of a fit, is another one."""
    value = unsealed(content, ["error"])[0]["error"].ravel()[0]
    place = content.index(np.float64(value).tobytes())
    return content[:place] + rng.standard_normal(1).tobytes() + content[place + 8 :]


FAULTS = {
    "single bit": flipped,
    "zeroed range": zeroed,
    "truncated": truncated,
    "lengthened": lengthened,
    "blocks exchanged": moved,
    "edited value": edited,
}


def outcome(store, file, whole):
    """What is made of a folder in which a file is wrong.

    ``named``: refused by that file's name, in one line, by the table and by `status`;
    ``harmless``: the table has the same bits. Anything else is a fault of ours.
    """
    try:
        table = store.collect()
    except InputError as error:
        said = [str(error), *state_of(store.folder).damaged]
        one_line = all("\n" not in line for line in said)
        return "named" if len(said) == 2 and one_line and all(file in s for s in said) else "lost"
    return "harmless" if table.identical(whole) else "silent"


def tried(folder: Path, finished: Path, kind: str, count: int, seed: int) -> Counter:
    """Outcomes of so many faults of a kind, each of one chunk of a copy of a finished run."""
    rng, store = np.random.default_rng(seed), Store(shutil.copytree(finished, folder))
    whole, found = store.collect(), Counter[str]()
    files = sorted(store.chunks.iterdir())
    for _ in range(count):
        file = files[int(rng.integers(len(files)))]
        content = file.read_bytes()
        changed = FAULTS[kind](content, rng)
        if changed == content:
            continue
        file.write_bytes(changed)
        found[outcome(store, file.name, whole)] += 1
        file.write_bytes(content)
    assert store.collect().identical(whole)
    return found
