"""Sets of files: whole, and never a mixture of an old and a new one, wherever a kill comes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bayes_cmoe.errors import InputError
from bayes_cmoe.files.outputs import settle, whole_file, whole_folder

OLD = {"page.html": "old", "table.csv": "old", "figures/one.svg": "old", "figures/gone.svg": "old"}
NEW = {"page.html": "new", "table.csv": "new", "figures/one.svg": "new", "figures/two.svg": "new"}
MINE = {"notes.txt": "mine", "figures/mine.png": "mine"}


def put(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def found(folder):
    """The texts by name, and the names that are hidden."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    names = [(file, file.relative_to(folder).as_posix()) for file in files]
    seen = {name: file.read_text() for file, name in names if not name.startswith(".")}
    return seen, sorted({name.split("/")[0] for _, name in names if name.startswith(".")})


def half_written(file):
    file.write_text("new")
    raise OSError(28, "No space left on device")


def replaced(folder, files, former=OLD):
    with whole_folder(folder, former) as place:
        put(place, files)


def test_a_set_takes_the_old_ones_place_and_leaves_others_alone(tmp_path):
    put(tmp_path, OLD | MINE)
    replaced(tmp_path, NEW)
    assert found(tmp_path) == (NEW | MINE, [])


def test_a_new_folder_is_made_only_when_all_is_well(tmp_path):
    folder = tmp_path / "new" / "deep"
    with pytest.raises(ZeroDivisionError), whole_folder(folder) as place:
        put(place, {"page.html": str(1 / 0)})
    assert not list(tmp_path.iterdir())
    replaced(folder, NEW)
    assert found(folder) == (NEW, [])
    assert [file.name for file in tmp_path.iterdir()] == ["new"]
    assert oct((folder / "figures").stat().st_mode) == oct((tmp_path / "new").stat().st_mode)


def test_an_error_leaves_the_old_set(tmp_path):
    put(tmp_path, OLD | MINE)
    with pytest.raises(InputError, match="No space"), whole_folder(tmp_path, OLD) as place:
        half_written(place / "page.html")
    assert found(tmp_path) == (OLD | MINE, [])


def test_what_cannot_be_moved_is_refused_before_the_old_set_goes(tmp_path):
    put(tmp_path, OLD)
    (tmp_path / "z").mkdir()
    with pytest.raises(InputError, match="z is a folder"):
        replaced(tmp_path, {"page.html": "new", "z": "new"})
    with pytest.raises(InputError, match=r"table\.csv is a file"):
        replaced(tmp_path, {"page.html": "new", "table.csv/deep": "new"})
    assert found(tmp_path) == (OLD, [])


def test_a_link_in_a_files_place_is_replaced_and_not_followed(tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.write_text("mine")
    folder.mkdir()
    (folder / "page.html").symlink_to(outside)
    replaced(folder, NEW, ())
    assert outside.read_text() == "mine"
    assert found(folder) == (NEW, [])


PROGRAM = """
import json, os, sys, shutil
from pathlib import Path
import bayes_cmoe.files.outputs as outputs
from tests.files.test_outputs import MINE, NEW, OLD, found, put, replaced

former = OLD if sys.argv[2] == "former" else ()
old = OLD if former else dict.fromkeys(list(OLD)[:3], "old")

def child(folder, kill):
    lines = 0
    def trace(frame, event, argument):
        nonlocal lines
        if frame.f_code.co_filename != outputs.__file__:
            return None
        if event == "line":
            lines += 1
            if lines == kill:
                os._exit(9)
        return trace
    sys.settrace(trace)
    replaced(folder, NEW, former)
    sys.settrace(None)
    os._exit(0)

kill, seen = 0, []
while not seen or seen[-1]["code"]:
    kill += 1
    folder = Path(sys.argv[1]) / str(kill)
    put(folder, old | MINE)
    process = os.fork()
    if process == 0:
        child(folder, kill)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    at_once = found(folder)[0]
    outputs.settle(folder)
    settled = found(folder)[0]
    replaced(folder, NEW, former)
    seen.append({"code": code, "at_once": at_once, "settled": settled, "end": found(folder)})
print(json.dumps(seen))
"""


@pytest.mark.parametrize("former", ["former", "unlisted"])
def test_a_kill_at_any_line_leaves_no_mixture(tmp_path, former):
    root = Path(__file__).parents[2]
    words = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(tmp_path), former]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    old = OLD if former == "former" else dict.fromkeys(list(OLD)[:3], "old")
    kinds = set()
    for one in seen:
        own = {name: text for name, text in one["at_once"].items() if name not in MINE}
        assert len(set(own.values())) <= 1, own
        assert one["settled"] in (old | MINE, NEW | MINE)
        assert one["end"] == [NEW | MINE, []]
        kinds.add((own == old, own == NEW))
    # Some kills came before, some after, and some in the middle.
    assert len(kinds) == 3
    assert len(seen) > 50


def test_a_living_neighbours_set_is_left_alone(tmp_path):
    with whole_folder(tmp_path) as first:
        put(first, OLD)
        replaced(tmp_path, NEW, ())
        assert found(first) == (OLD, [])
    assert found(tmp_path) == (NEW | OLD, [])


def test_settling_needs_no_leave_where_nothing_is_left(tmp_path):
    tmp_path.chmod(0o500)
    settle(tmp_path)
    settle(tmp_path / "nowhere")


def test_one_file(tmp_path):
    with whole_file(tmp_path / "deep" / "d.csv") as place:
        place.write_text("rows")
    assert (tmp_path / "deep" / "d.csv").read_text() == "rows"
    said = pytest.raises(InputError, match=r"d\.csv: cannot be written")
    with said, whole_file(tmp_path / "deep" / "d.csv") as place:
        half_written(place)
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["d.csv"]
    assert (tmp_path / "deep" / "d.csv").read_text() == "rows"
