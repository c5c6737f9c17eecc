"""`bayes-cmoe status`: how far a run is."""

import json as json_format
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from bayes_cmoe.commands.tabular import plain_table, print_result
from bayes_cmoe.commands.words import Place, program, recall
from bayes_cmoe.files.outputs import settle

__all__ = ["status"]


def status(folder: Place, *, json: Annotated[bool, Parameter(negative=())] = False) -> int:
    """Say how far a run is: finished fits by method, their status codes, files that are not right.

    Parameters
    ----------
    folder
        Folder of the run, as given to `compare` with -o.
    json
        Print one JSON object instead of a table.
    """
    from bayes_cmoe.sweep.store import Store

    settle(folder)
    recall(folder)
    store = Store(folder)
    design = store.design()
    from bayes_cmoe.sweep.run import state_of

    state = state_of(folder)
    counts = {
        method: {code: n for (own, code), n in state.statuses.items() if own == method}
        for method in design.plans
    }
    totals = {name: sum(own.values()) + state.waiting[name] for name, own in counts.items()}
    record = {
        "design": design.name,
        "hash": design.hash,
        "fits": state.fits,
        "finished": state.finished,
        "failed": state.failed,
        "methods": {name: {"fits": totals[name], "statuses": counts[name]} for name in totals},
        "damaged": list(state.damaged),
        "foreign": list(state.foreign),
        "other_versions": state.other_versions,
        "moved_truths": state.moved_truths,
        "running": store.is_busy(),
        "report": (folder / "report.html").exists(),
    }
    if json:
        print(json_format.dumps(record, allow_nan=False))
        return 0
    codes = list(dict.fromkeys(code for _, code in state.statuses))
    view = plain_table("method", "fits", "finished", *codes)
    for method, own in counts.items():
        numbers = (totals[method], sum(own.values()), *(own.get(code, 0) for code in codes))
        view.add_row(method.upper(), *map(str, numbers))
    share = 100 * state.finished // state.fits
    print_result(
        f"{design.name}: {state.finished} of {state.fits} fits finished ({share} %), "
        f"{state.failed} failed",
        view,
        note=f"chunk files that are damaged: {len(state.damaged)}; of other runs: "
        f"{len(state.foreign)}",
    )
    # Not through the console, which would break commands and file names into lines.
    for line in (*state.damaged, *state.foreign, *_changes(record), _next(folder, record)):
        print(line)
    return 0


def _changes(record: Mapping[str, Any]) -> list[str]:
    """What is not as it was when the fits were made."""
    lines = []
    if record["other_versions"]:
        lines.append(f"the fits were made with {record['other_versions']}")
    if record["moved_truths"]:
        lines.append(
            f"the truth, box or frozen expert of {record['moved_truths']} changed since the fits"
        )
    return lines


def _next(folder: Path, record: Mapping[str, Any]) -> str:
    """What to do next, in one line; good files are to be kept, whatever it is."""
    place, file = shlex.quote(str(folder)), shlex.quote(str(folder / "design.toml"))
    ours = shlex.join(program())
    go_on = f"{ours} compare {file} -o {place}"
    anew = f"begin anew in another folder: {ours} compare {file} -o OTHER"
    if record["running"]:
        return "a run is at work there"
    if record["foreign"]:
        return (
            f"to go on: move what is of other runs elsewhere, or put {file} back if it was edited, "
            f"then {go_on}"
        )
    if record["moved_truths"]:
        return f"to go on: put the regime back, or {anew}"
    undone = record["finished"] < record["fits"]
    if record["other_versions"] and undone:
        return f"to go on: install those versions again, or {anew}"
    if record["damaged"]:
        return f"to go on: delete the damaged files, then {go_on}"
    if undone:
        return f"to go on: {go_on}"
    if record["failed"]:
        return f"all done; to run the failed fits again: {go_on} --retry-failed"
    if not record["report"]:
        return f"all done; to write the report: {ours} report {place}"
    return f"all done; the report: {folder / 'report.html'}"
