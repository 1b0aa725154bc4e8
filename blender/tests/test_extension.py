# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension as a user has it: the zip that `make extension` builds, installed by Blender itself, its buttons pressed."""
import importlib.util
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from blender_side import BLENDER, SKELETON, wiggle
from kinequimation_blender import files, jobs

ROOT = BLENDER.parent
POSES = """
import sys
from kinequimation import gait
from kinequimation.pose import PoseSequence
from kinequimation.skeleton import HORSE68
motion = gait.generate('trot', n_frames=50, fps=25)
PoseSequence.from_arrays(motion.positions(), fps=25, skeleton=HORSE68, frame='world').save(sys.argv[1])
"""


def python():
    """A Python that has kinequimation, or None: Blender's own need not."""
    if os.environ.get("KINEQUIMATION_PYTHON"):
        return os.path.abspath(os.environ["KINEQUIMATION_PYTHON"])
    return sys.executable if importlib.util.find_spec("xarray") else None


@pytest.fixture(scope="module")
def with_library(monkeypatch_module):
    """The environment in which that Python finds this checkout's library."""
    if python() is None:
        pytest.skip("KINEQUIMATION_PYTHON is not set, and this Python has no kinequimation")
    monkeypatch_module.setenv("PYTHONPATH", str(ROOT))
    return python()


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def package(child, tmp_path_factory):
    out = tmp_path_factory.mktemp("extension")
    done = child(BLENDER / "scripts/build_extension.py", "--skeleton", SKELETON, "-o", out, "--cache", tmp_path_factory.getbasetemp() / "cache")
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(json.loads(done.stdout.splitlines()[-1])["path"])


def write(path, clip, **changes):
    np.savez(path, **{**clip, **changes, "meta": json.dumps({**clip["meta"], **changes.get("meta", {})})})


@pytest.fixture(scope="module")
def folder(skeleton, tmp_path_factory):
    """A folder of files that are not what they should be."""
    out, good = tmp_path_factory.mktemp("used"), wiggle(skeleton, n_frames=4)
    for name in ("text.npz", "text.nc", "text.mp4"):
        (out / name).write_text("hello")
    np.savez(out / "pickled.npz", **{**good, "meta": np.array({"bones": object}, object)})
    write(out / "good.npz", good)
    write(out / "other.npz", good, meta={"rest_hash": "0123456789abcdef"})
    write(out / "empty.npz", good, rotation=good["rotation"][:0], root_location=good["root_location"][:0])
    long = wiggle(skeleton, n_frames=2)
    write(out / "long.npz", long, rotation=np.tile(long["rotation"], (10000, 1, 1)).astype(np.float32), root_location=np.tile(long["root_location"], (10000, 1)))
    mapping = json.loads((BLENDER / "kinequimation_blender/mappings/horse.json").read_text())
    mapping["controls"][0]["control"] = "tors"
    (out / "mapping.json").write_text(json.dumps(mapping))
    return out


@pytest.fixture(scope="module")
def used(child, package, clip_path, folder, tmp_path_factory):
    """What came of each button."""
    outside = []
    if python():
        env = dict(os.environ, PYTHONPATH=str(ROOT))
        poses = tmp_path_factory.mktemp("poses") / "poses.nc"
        subprocess.run([python(), "-c", POSES, str(poses)], check=True, env=env)
        outside = [python(), poses]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        done = child(BLENDER / "tests/use_extension.py", package, clip_path, folder, *outside)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    steps = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"step"')]
    return {step["step"]: step for step in steps}


def test_the_zip_holds_what_it_needs_and_nothing_else(package):
    names = set(zipfile.ZipFile(package).namelist())
    assert {"blender_manifest.toml", "__init__.py", "LICENSE", "horse.json", "skin.npz", "mappings/horse.json", "ui.py"} <= names
    assert not [n for n in names if "__pycache__" in n or n.endswith((".pyc", ".blend"))] and package.stat().st_size < 2e6


def test_blender_installs_and_removes_it(used):
    assert used["installed"]["enabled"] and used["installed"]["objects"] == []
    assert used["switched off"]["left"] is False


def test_build_and_retarget_can_be_undone(used):
    assert used["build"]["result"] == ["FINISHED"] and "rig" in used["build"]["objects"] and "Horse" in used["build"]["objects"]
    assert used["build undone"]["objects"] == []
    assert used["redone"]["rig"] == "rig" and used["redone"]["skin"]
    assert used["retarget"]["result"] == ["FINISHED"]
    assert used["keyed"]["action"] == "wiggle" and used["keyed"]["range"] == [1, 16]
    assert used["retarget undone"]["action"] is None and used["retarget undone"]["range"] == [1, 250]


def test_legs_are_switched_where_they_are(used):
    assert used["legs"]["result"] == ["FINISHED"] and used["switched"]["ik_fk"] == [1.0, 1.0] and used["switched"]["moved_mm"] < 2
    assert used["legs without keys"]["result"] == ["REFUSED"] and "no keys" in used["legs without keys"]["error"]


def test_export_leaves_the_scene_as_it_was(used, folder):
    for name in ("FBX", "GLB", "USD", "BVH", "ABC"):
        assert used["export " + name]["result"] == ["FINISHED"], used["export " + name]
        assert (folder / f"panel.{name.lower()}").stat().st_size > 1000
    assert used["exported"]["objects"] == used["retarget"]["objects"] and used["exported"]["scenes"] == ["Scene"]
    assert used["exported"]["actions"] == used["keyed"]["actions"] and used["exported"]["action"] == "wiggle"


@pytest.mark.parametrize("step, what", [
    ("retarget without a clip", "no file chosen"), ("clip text.npz", "read as one"), ("clip nothing.npz", "there is no"), ("clip pickled.npz", "allow_pickle"),
    ("clip other.npz", "0123456789abcdef"), ("clip empty.npz", "at least one frame"), ("clip long.npz", "20000"), ("frames", "5 to 3"),
    ("not rigify", "that Rigify generated"), ("export not rigify", "DEF-spine.001"), ("hidden", "is hidden"), ("linked", "is linked from"), ("locked", "locked in its rest position"),
    ("lacks a bone", "bone DEF-head"), ("lacks a control", "control torso"), ("mapping", "the control tors")])
def test_bad_input_is_reported_and_changes_nothing(used, step, what):
    assert used[step]["result"] == ["REFUSED"] and what in used[step]["error"], used[step]
    if step != "retarget without a clip":
        assert used["kept " + step]["changed"] == [], "objects, actions, time line, markers, and of the rig its action, every bone and every constraint"


@pytest.mark.parametrize("where", ["on the rig", "without a rig"])
def test_retargeting_goes_slice_by_slice_and_can_be_given_up(used, where, slow):
    given_up, done, again = (used[f"{how} {where}"] for how in ("given up", "sliced", "given up again"))
    assert given_up["result"] == ["CANCELLED"] and "nothing was changed" in given_up["said"] and given_up["busy"] and given_up["free"]
    assert given_up["changed"] == [] and given_up["rig_kept"], "the scene must be as it was"
    assert done["result"] == ["FINISHED"] and done["ticks"] > 5 and done["action"].startswith("sliced") and "16 frames" in done["said"] and done["range"] == [1, 16]
    assert again["result"] == ["CANCELLED"] and again["action"] == done["action"] and again["actions"] == done["actions"]
    assert max(given_up["slowest"], done["slowest"]) < 2 * slow, "no tick may keep the window waiting"


def test_rokoko_is_refused_where_it_is_not(used):
    assert used["rokoko"]["result"] == ["REFUSED"] and "Rokoko" in used["rokoko"]["error"] and used["rokoko left"]["changed"] == []


def test_another_animal_in_the_panel(used, folder):
    assert "none is chosen" in used["no animal"]["error"] and "Propose one" in used["no mapping"]["error"]
    for step in ("propose", "save", "load", "animal"):
        assert used[step]["result"] == ["FINISHED"], used[step]
    assert json.loads((folder / "animal.json").read_text())["format"] == "kinequimation-any-rig"
    assert used["animal moves"]["action"].startswith("good") or used["animal moves"]["action"].startswith("wiggle")
    assert used["animal moves"]["range"] == [1, 16]
    assert used["load nonsense"]["result"] == ["REFUSED"] and "text.nc" in used["load nonsense"]["error"]
    assert used["animal spoiled"]["result"] == ["REFUSED"] and "horn" in used["animal spoiled"]["error"]


@pytest.mark.skipif(sys.platform == "win32", reason="its commands end with .exe")
def test_the_preferences_find_the_python_of_the_command(used, folder):
    assert used["no python"]["result"] == ["REFUSED"] and "choose the Python by hand" in used["no python"]["error"]
    assert used["python"]["result"] == ["FINISHED"] and used["preferences"]["python"] == str(folder / "environment/bin/python3")


def test_poses_go_through_the_installed_library(used, with_library):
    assert "can't be started" in used["wrong python"]["error"]
    assert used["not poses"]["result"] == ["REFUSED"] and "text.nc" in used["not poses"]["error"]
    assert used["poses"]["result"] == ["FINISHED"] and "rig.001" in used["poses"]["objects"]
    assert used["loop"]["result"] == ["FINISHED"], used["loop"]
    first, last = used["looped"]["range"]
    assert 10 < last - first < 30, "one stride of a trot"
    assert used["looped"]["gone_m"] < 0.02 and used["looped"]["ik_fk"] == [1.0, 1.0]
    assert used["not a video"]["result"] == ["REFUSED"] and "text.mp4" in used["not a video"]["error"]


def test_the_window_is_never_kept_waiting(used, with_library, slow):
    modal = used["modal"]
    assert modal["ticks"] > 5 and modal["slowest"] < 0.1 * slow, "each tick must return at once"
    assert modal["result"] == ["FINISHED"] and modal["used"] and modal["busy"] == [False, True] and modal["free"]


def test_a_film_is_given_up_on_request(with_library, tmp_path):
    job = jobs.Job(with_library, "animate", next((p for p in (ROOT / "kinequimation/assets/clips/demo.mp4", ROOT / "assets/clips/demo.mp4") if p.exists())), "-o", tmp_path / "out", "--no-blender")
    end = time.monotonic() + 120
    while job.poll() == "RUNNING" and job.done < 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert job.state == "RUNNING" and job.stage and job.total > 2 and 0 < job.share < 1, (job.state, job.error, job.lines)
    job.cancel()
    assert job.wait() == "CANCELLED" and not (tmp_path / "out").exists(), "nothing half done may stay behind"


def test_a_python_without_the_library_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.chdir(tmp_path)
    job = jobs.Job("/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable, "--version")
    if job.wait() == "DONE":
        pytest.skip("kinequimation is installed in this machine's own Python")
    assert "pip install kinequimation" in job.error
    with pytest.raises(files.ClipError, match="preferences"):
        jobs.Job("", "--version")


def test_the_hash_is_the_librarys(with_library, skeleton):
    done = subprocess.run([with_library, "-c", "from kinequimation.skeleton import HORSE_RIG; print(HORSE_RIG.rest_hash)"], capture_output=True, text=True)
    assert done.stdout.strip() == files.rest_hash(skeleton)
