# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator and other programs get: a scene that opens, and exports with the same motion."""
import json
import re

import numpy as np
import pytest
from blender_side import BLENDER, SKELETON, wiggle
from kinequimation_blender.maths import posed


@pytest.fixture(scope="module")
def heads(skeleton, clip):
    return posed(skeleton, clip["rotation"], clip["root_location"])[..., :3, 3]


def test_four_files_and_nothing_else(applied):
    assert sorted(p.name for p in applied.iterdir() if not p.name.endswith(".npz")) == ["motion.bvh", "motion.fbx", "motion.glb", "scene.blend"]


def test_scene_opens_without_scripts(applied, read_back, clip):
    got = read_back(applied / "scene.blend", "rig")
    assert got["objects"]["rig"] == got["objects"]["ML_rig"] == "ARMATURE" and got["objects"]["Camera"] == "CAMERA" and got["objects"]["Floor"] == "MESH"
    assert got["fps"] == pytest.approx(25) and len(got["heads"]) == len(clip["rotation"]) and "ML_rig" in got["hidden"]
    assert got["camera"]["lens"] == pytest.approx(36 * 600 / 320) and got["camera"]["size"] == [320, 180]


def test_scene_opens_without_errors_and_its_drivers_work(applied, child):
    """In a fresh Blender that runs no scripts: Rigify's own text for the sidebar stays unread, and nothing of the motion hangs on it."""
    done = child(BLENDER / "tests/read_back.py", applied / "scene.blend", applied / "fresh.npz", "rig")
    assert done.returncode == 0 and not [line for line in (done.stdout + done.stderr).splitlines() if re.search(r"error|warn|traceback|fail|missing|not found", line, re.I)], done.stdout + done.stderr
    with np.load(applied / "fresh.npz", allow_pickle=False) as data:
        meta = json.loads(str(data["meta"]))
    assert meta["drivers"] > 100 and meta["broken_drivers"] == []


@pytest.mark.parametrize("name", ["motion.bvh", "motion.fbx", "motion.glb"])
def test_exports_come_back(applied, read_back, skeleton, heads, name):
    got = read_back(applied / name)
    assert sorted(got["bones"]) == sorted(skeleton["names"])
    index = [got["bones"].index(n) for n in skeleton["names"]]
    assert got["fps"] == pytest.approx(25, abs=0.01)
    assert got["heads"].shape[0] == len(heads)
    assert 1000 * np.linalg.norm(got["heads"][:, index] - heads, axis=-1).max() < 1


def write(path, clip):
    np.savez(path, **{**clip, "meta": json.dumps(clip["meta"])})
    return path


def test_bad_clips_are_refused_in_one_line(child, skeleton, tmp_path):
    good = wiggle(skeleton, n_frames=2)
    nan = dict(good, rotation=good["rotation"] * np.nan)
    other = dict(good, meta=dict(good["meta"], bones=good["meta"]["bones"][:-1]))
    empty = dict(good, rotation=good["rotation"][:0], root_location=good["root_location"][:0])
    hashed = dict(good, meta=dict(good["meta"], rest_hash="0123456789abcdef"))
    long = dict(good, rotation=np.tile(good["rotation"], (10000, 1, 1)).astype(np.float32), root_location=np.tile(good["root_location"], (10000, 1)))
    (tmp_path / "text.npz").write_text("hello")
    for path, what in [(write(tmp_path / "nan.npz", nan), "NaN"), (write(tmp_path / "other.npz", other), "mane_top"), (write(tmp_path / "empty.npz", empty), "none"), (tmp_path / "text.npz", "motion clip"),
                       (write(tmp_path / "hashed.npz", hashed), "0123456789abcdef"), (write(tmp_path / "long.npz", long), "long.npz has 20000. Take a part of it: --frames 1 10000")]:
        done = child(BLENDER / "scripts/apply_clip.py", path, "--skeleton", SKELETON, "-o", tmp_path / "out")
        assert done.returncode == 2, done.stderr
        assert what in json.loads(done.stdout.splitlines()[-1])["error"]
    assert not (tmp_path / "out").exists()


def test_a_part_of_a_clip(child, read_back, skeleton, tmp_path):
    path = write(tmp_path / "c.npz", wiggle(skeleton, n_frames=9))
    go = lambda *frames: child(BLENDER / "scripts/apply_clip.py", path, "--skeleton", SKELETON, "-o", tmp_path / "out", "--no-mesh", "--frames", *frames)
    done = go(3, 5)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(read_back(tmp_path / "out/scene.blend", "rig")["heads"]) == 3
    done = go(3, 12)
    assert done.returncode == 2 and "between 1 and 9" in done.stdout


def test_camera_moves_with_the_clip(child, read_back, skeleton, tmp_path):
    clip = wiggle(skeleton, n_frames=4)
    clip["camera_location"] = np.array([[8.0, -0.1 * t, 1.5] for t in range(4)])
    clip["camera_rotation"] = np.tile([0.5, 0.5, 0.5, 0.5], (4, 1))  # looks along -X, Z up
    clip["contacts"] = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 1, 0], [1, 0, 0, 0]], bool)
    done = child(BLENDER / "scripts/apply_clip.py", write(tmp_path / "c.npz", clip), "--skeleton", SKELETON, "-o", tmp_path, "--no-mesh")
    assert done.returncode == 0, done.stdout + done.stderr
    got = read_back(tmp_path / "scene.blend", "rig")
    assert np.allclose(np.array(got["camera"]["matrix"])[:3, 3], [8, -0.3, 1.5], atol=1e-5) and np.allclose(np.array(got["camera"]["matrix"])[:3, 2], [1, 0, 0], atol=1e-5)
    assert got["markers"] == {"LH": 2, "RH": 3}
