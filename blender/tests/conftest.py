# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender runs in children; the tests themselves never import bpy."""
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from blender_side import BLENDER, SKELETON, wiggle
from kinequimation_blender.files import read_skeleton


@pytest.fixture
def slow():
    """How many times as long this machine takes, as it is now, for a fixed piece of work of Python and small matrices: 1 at least. Limits in seconds are for one that takes .02 s."""
    def took():
        start, turn, at = time.process_time(), np.linalg.qr(np.arange(16.0).reshape(4, 4) % 7)[0], np.eye(4)
        for _ in range(20_000):
            at = turn @ at
            at[0, 3] = float(at[1, 2]) + sum((at[2, 1], at[3, 0])) * 0.5
        return time.process_time() - start
    return max(1.0, float(np.median([took() for _ in range(5)])) / 0.02)


@pytest.fixture(scope="session")
def skeleton():
    return read_skeleton(SKELETON)


@pytest.fixture(scope="session")
def child(tmp_path_factory):
    """`child(script, *args)` runs a script in Blender's Python and gives the finished process."""
    def run(script, *args, timeout=1200):  # a busy machine may give a child a tenth of a core
        env = dict(os.environ, BLENDER_USER_RESOURCES=str(tmp_path_factory.getbasetemp() / "blender_user"), OMP_WAIT_POLICY="PASSIVE")
        return subprocess.run([sys.executable, str(script), *map(str, args)], env=env, capture_output=True, text=True, timeout=timeout)
    return run


@pytest.fixture(scope="session")
def read_back(child):
    """`read_back(file)` opens it in a fresh Blender and gives the heads of its bones, frame by frame, and more."""
    def run(path, *args):
        out = path.with_name(path.name + ".heads.npz")
        done = child(BLENDER / "tests/read_back.py", path, out, *args)
        assert done.returncode == 0, done.stdout + done.stderr
        with np.load(out, allow_pickle=False) as data:
            return {k: data[k] for k in data.files} | json.loads(str(data["meta"]))
    return run


@pytest.fixture(scope="session")
def clip(skeleton):
    return wiggle(skeleton)


@pytest.fixture(scope="session")
def clip_path(clip, tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "wiggle.npz"
    np.savez(path, **{**clip, "meta": json.dumps(clip["meta"])})
    return path


@pytest.fixture(scope="session")
def applied(child, clip_path, tmp_path_factory):
    """The folder with scene.blend and the exports of the clip."""
    out = tmp_path_factory.mktemp("applied")
    done = child(BLENDER / "scripts/apply_clip.py", clip_path, "--skeleton", SKELETON, "-o", out, "--cache", tmp_path_factory.getbasetemp() / "cache")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return out
