"""Whether a run's chunks were made alike, and as they would be made now.

Most of the chunks say how a run was made: there is no record beside them that could be lost.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path

from bayes_cmoe.errors import InputError
from bayes_cmoe.sweep.chunks import Chunk
from bayes_cmoe.sweep.design import Design, Task
from bayes_cmoe.sweep.provenance import difference, truth_of, versions

__all__ = ["check_truths", "check_versions", "moved_truths", "other_versions", "strangers"]

Found = Mapping[Task, Chunk]


def _most[T: Hashable](values: Iterable[T]) -> T:
    """What is there most often; of those equally often, the first."""
    return Counter(values).most_common(1)[0][0]


def strangers(found: Found) -> dict[Task, str]:
    """Chunks that other versions made than most, or that were made at another truth.

    Parameters
    ----------
    found : mapping of Task to Chunk

    Returns
    -------
    dict of Task to str
        A line that begins with the file's name and says what differs and how to go on.
    """
    if not found:
        return {}
    usual = dict(_most(tuple(sorted(chunk.versions.items())) for chunk in found.values()))
    truths: dict[str, list[str]] = {}
    for task, chunk in found.items():
        truths.setdefault(task.setting.label, []).append(chunk.marks["truth"])
    own = {label: _most(several) for label, several in truths.items()}
    lines = {}
    for task, chunk in found.items():
        differing = [difference(chunk.versions, usual)]
        if chunk.marks["truth"] != own[task.setting.label]:
            differing.append("another truth, box or frozen expert")
        if any(differing):
            lines[task] = (
                f"{task.name}: not made as the other chunks ({', '.join(filter(None, differing))}):"
                " move it elsewhere and run again"
            )
    return lines


def other_versions(found: Found) -> str:
    """What of the versions that made chunks, which agree, is not here; in words, or empty.

    Parameters
    ----------
    found : mapping of Task to Chunk
    """
    chunk = next(iter(found.values()), None)
    return difference(chunk.versions, versions()) if chunk else ""


def moved_truths(design: Design, found: Found) -> str:
    """Labels of the settings whose truth, box or frozen expert changed since, or empty.

    Parameters
    ----------
    design : Design
    found : mapping of Task to Chunk
    """
    moved = {
        task.setting.label
        for task, chunk in found.items()
        if chunk.marks["truth"] != truth_of(design, task.setting)
    }
    return ", ".join(sorted(moved))


def check_versions(folder: Path, found: Found) -> None:
    """Refuse to add to fits that other versions made.

    Parameters
    ----------
    folder : Path
        Of the run.
    found : mapping of Task to Chunk

    Raises
    ------
    InputError
    """
    other = other_versions(found)
    if other:
        raise InputError(
            f"{folder}: its fits were made with {other}: go on with those versions, or choose "
            f"another folder; what is there, bayes-cmoe report {folder} shows"
        )


def check_truths(folder: Path, design: Design, found: Found) -> None:
    """Refuse fits whose regime changed since.

    Parameters
    ----------
    folder : Path
        Of the run.
    design : Design
    found : mapping of Task to Chunk

    Raises
    ------
    InputError
    """
    moved = moved_truths(design, found)
    if moved:
        raise InputError(
            f"{folder}: its fits of {moved} were made at another truth, box or frozen expert than "
            "there is now: put the regime back, or choose another folder"
        )
