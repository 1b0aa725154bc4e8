# SPDX-License-Identifier: GPL-3.0-or-later
"""The two armatures: the bare skeleton is exact, the control rig follows it."""
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from blender_side import BLENDER, SKELETON
from kinequimation_blender.maths import continuous, inverse, matrix_to_quat, posed, quat_to_matrix, swing


@pytest.fixture(scope="module")
def truth(skeleton, clip):
    return posed(skeleton, clip["rotation"], clip["root_location"])


def test_maths_round_trips():
    rng = np.random.default_rng(0)
    quat = rng.normal(size=(500, 4))
    quat[:4] = np.eye(4)  # half turns, where the trace is no help
    quat /= np.linalg.norm(quat, axis=-1, keepdims=True)
    matrix = quat_to_matrix(quat)
    assert np.abs((matrix_to_quat(matrix) * quat).sum(-1)).min() > 1 - 1e-12
    assert (continuous(np.repeat(quat[None], 3, 0) * [[[1]], [[-1]], [[1]]])[1:] == quat).all()
    a, b = matrix[:, 0], matrix[:, 1]
    assert np.abs((swing(a, b) @ a[..., None])[..., 0] - b).max() < 1e-9


def test_posed_at_rest(skeleton):
    identity = np.tile([1.0, 0, 0, 0], (2, len(skeleton["names"]), 1))
    got = posed(skeleton, identity, np.tile(skeleton["head"][0], (2, 1)))
    assert np.abs(got[1] - skeleton["matrix_local"]).max() < 1e-5
    assert np.abs(got @ inverse(got) - np.eye(4)).max() < 1e-9


def test_ml_rig_is_the_clip(applied, read_back, skeleton, truth):
    got = read_back(applied / "scene.blend", "ML_rig")
    index = [got["bones"].index(n) for n in skeleton["names"]]
    assert len(got["bones"]) == 80 and got["constraints"] == 0
    assert [got["parents"][i] for i in index] == [skeleton["names"][p] if p >= 0 else "" for p in skeleton["parents"]]
    assert np.abs(got["heads"][:, index] - truth[..., :3, 3]).max() < 1e-4
    assert np.abs(got["matrices"][:, index, :3, :3] - truth[..., :3, :3]).max() < 1e-3


def test_control_rig_follows(applied, read_back, skeleton, truth):
    got = read_back(applied / "scene.blend", "rig")
    index = [got["bones"].index(n) for n in skeleton["names"]]
    off_mm = 1000 * np.linalg.norm(got["heads"][:, index] - truth[..., :3, 3], axis=-1)
    hooves = [i for i, n in enumerate(skeleton["names"]) if "hoof" in n]
    assert np.median(off_mm) < 0.1 and np.percentile(off_mm, 99) < 2 and off_mm[:, hooves].max() < 0.1


def test_measure(child, clip_path, tmp_path):
    done = child(BLENDER / "scripts/measure_retarget.py", clip_path, "--skeleton", SKELETON, "-o", tmp_path / "m.json")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "m.json").read_text())
    assert result["median_mm"] < 0.1 and result["n_bones"] == 80 and len(result["per_bone_mm"]) == 80


def break_mapping(tmp_path, **changes):
    mapping = json.loads((BLENDER / "kinequimation_blender/mappings/horse.json").read_text())
    mapping["controls"][0].update(changes)
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps(mapping))
    return path


@pytest.mark.parametrize("changes, what", [({"control": "tors"}, "control tors"), ({"bone": "spine.9"}, "spine.9"), ({"channels": ["warp"]}, "warp")])
def test_a_wrong_mapping_is_named(child, clip_path, tmp_path, changes, what):
    done = child(BLENDER / "scripts/apply_clip.py", clip_path, "--skeleton", SKELETON, "-o", tmp_path / "out", "--mapping", break_mapping(tmp_path, **changes))
    assert done.returncode == 2 and what in json.loads(done.stdout.splitlines()[-1])["error"]
    assert not list(tmp_path.glob("out/*"))


def test_the_extension_imports_a_clip(child, clip_path, tmp_path):
    """Registered as Blender does it; a clip that can't be read leaves the scene as it was."""
    script = tmp_path / "use.py"
    script.write_text(f"""
import sys, os
sys.path.insert(0, {str(BLENDER)!r})
import bpy, kinequimation_blender
bpy.ops.wm.read_factory_settings(use_empty=True)
kinequimation_blender.register()
try: bpy.ops.import_anim.kinequimation_clip(filepath={str(tmp_path / 'use.py')!r})
except RuntimeError as error: print('REFUSED', str(error).strip().splitlines()[0], len(bpy.data.objects))
print(bpy.ops.import_anim.kinequimation_clip(filepath={str(clip_path)!r}), sorted(o.name for o in bpy.data.objects if o.type == 'ARMATURE'))
kinequimation_blender.unregister()
sys.stdout.flush()
os._exit(0)
""")
    done = child(script)
    assert "{'FINISHED'} ['ML_rig', 'rig']" in done.stdout, done.stdout + done.stderr
    assert "REFUSED Error: Expected a motion clip" in done.stdout and "read as one" in done.stdout


def test_the_extension_is_valid(child):
    script = next(Path(find_spec("bpy").origin).parent.rglob("bl_pkg/cli/blender_ext.py"))
    done = child(script, "validate", BLENDER / "kinequimation_blender")
    assert done.returncode == 0, done.stdout + done.stderr
