# SPDX-License-Identifier: GPL-3.0-or-later
"""Every export, imported again in a fresh Blender: each bone where it should be in each frame, at the right rate, in the other program's names."""
import json
import re

import numpy as np
import pytest
from blender_side import BLENDER, SKELETON, wiggle
from kinequimation_blender.maths import posed, pure_rotation

FORMATS, TARGETS = ("fbx", "glb", "usd", "bvh", "abc"), ("blender", "unreal", "unity", "maya")
NTSC = 30000 / 1001  # a rate that is no whole number shows who rounds
MM, DEGREES = 1.0, {"bvh": 0.2}
UNIT = {"unreal": 0.01, "maya": 0.01}  # m; where the file can't say it (BVH, Alembic), the reader has to know


def script(child, name, *args):
    done = child(BLENDER / name, *args)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.fixture(scope="module")
def film(skeleton):
    return wiggle(skeleton, n_frames=12, fps=NTSC)


@pytest.fixture(scope="module")
def of_skeleton(child, film, tmp_path_factory):
    """(target, format) -> what a fresh Blender reads from the export of the bare skeleton."""
    out = tmp_path_factory.mktemp("exports")
    np.savez(out / "trot.npz", **{**film, "meta": json.dumps(film["meta"])})
    for target in TARGETS:
        paths = [out / f"{target}.{f}" for f in FORMATS]
        script(child, "scripts/export_motion.py", out / "trot.npz", "--skeleton", SKELETON, "--for", target, "-o", *paths)
    files = {(t, f): out / f"{t}.{f}" for t in TARGETS for f in FORMATS}
    script(child, "tests/read_exports.py", NTSC, *(f"{p}@{UNIT[t]}" if f in ("bvh", "abc") and t in UNIT else p for (t, f), p in files.items()))
    return {key: read(path) for key, path in files.items()}


@pytest.fixture(scope="module")
def of_rig(child, applied, tmp_path_factory):
    """The same of the control rig with the horse on it; 'blend' is the scene itself."""
    out = tmp_path_factory.mktemp("rig")
    paths = {f: out / f"horse.{f}" for f in FORMATS}
    (out / "scene.blend").write_bytes((applied / "scene.blend").read_bytes())
    script(child, "scripts/export_motion.py", out / "scene.blend", "--skeleton", SKELETON, "-o", *paths.values())
    script(child, "tests/read_exports.py", 25, *paths.values(), out / "scene.blend")  # a fresh Blender: the exports first
    return {f: read(p) for f, p in {**paths, "blend": out / "scene.blend"}.items()}


def read(path):
    with np.load(str(path) + ".npz", allow_pickle=False) as data:
        return {**data, **json.loads(str(data["meta"]))}


def plain(name):
    return re.sub(r"\W", "_", name)


def ordered(got, names, key="world"):
    found = [plain(n) for n in got["names"]]
    return got[key][..., [found.index(plain("DEF-" + n)) for n in names], :, :]


def off(world, rest, true_world, true_rest):
    """Largest distance in mm, and angle in degrees between how the bones turned from their rest, whichever way a reader lays a bone's axes."""
    turned = lambda world, rest: pure_rotation(world[..., :3, :3]) @ np.swapaxes(pure_rotation(rest[..., :3, :3]), -1, -2)
    chord = np.linalg.norm(turned(world, rest) - turned(true_world, true_rest), axis=(-1, -2)) / np.sqrt(8)
    return 1000 * np.linalg.norm(world[..., :3, 3] - true_world[..., :3, 3], axis=-1).max(), np.degrees(2 * np.arcsin(np.clip(chord, 0, 1))).max()


def rest_of(got, names, true_rest):
    """Alembic has no rest pose: its transforms are compared as they are."""
    return ordered(got, names, "rest") if "rest" in got else true_rest


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("target", TARGETS)
def test_every_bone_comes_back_in_every_frame(of_skeleton, skeleton, film, target, format):
    got, truth = of_skeleton[target, format], posed(skeleton, film["rotation"], film["root_location"])
    world, names, rest = ordered(got, skeleton["names"]), skeleton["names"], skeleton["matrix_local"]
    assert world.shape == truth.shape
    mm, degrees = off(world, rest_of(got, names, rest), truth, rest)
    assert mm < MM and degrees < DEGREES.get(format, 0.1)
    mm, degrees = off(world[1:], rest_of(got, names, rest), truth[:-1], rest)
    assert mm > 20 * MM and degrees > 5, "the measure must notice a single frame's delay"


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("target", TARGETS)
def test_rate_length_names_and_root_are_the_other_programs(of_skeleton, target, format):
    got = of_skeleton[target, format]
    assert got["fps"] == pytest.approx(NTSC, abs=1e-3)
    seconds = (np.array(got["times"]) - got["times"][0]) / (got["whole_fps"] if format == "fbx" else got["fps"])
    np.testing.assert_allclose(seconds, np.arange(12) / NTSC, atol=2e-4)
    assert ("root" in got["names"]) == (target != "blender") and len(got["names"]) == 80 + (target != "blender")
    dots = target in ("blender", "unity") and format not in ("usd", "abc")  # these allow none
    assert any("." in name for name in got["names"]) == dots
    assert len(got["takes"]) <= 1, "one take"


def test_bones_keep_their_axes_where_the_format_has_them(of_skeleton, skeleton):
    for format in ("fbx", "glb", "usd"):
        rest = pure_rotation(ordered(of_skeleton["blender", format], skeleton["names"], "rest")[:, :3, :3])
        assert np.abs(rest - skeleton["matrix_local"][:, :3, :3]).max() < 2e-3


def test_root_bone_goes_along_the_ground(of_skeleton, film):
    got = of_skeleton["unreal", "fbx"]
    path = got["world"][:, got["names"].index("root"), :3, 3]
    assert np.abs(path[:, 2]).max() < 1e-3 and path[-1, 1] - path[0, 1] == pytest.approx(np.diff(film["root_location"][[0, -1], 1])[0], abs=0.05)


@pytest.mark.parametrize("format", FORMATS)
def test_the_rig_goes_out_as_it_was_edited(of_rig, skeleton, format):
    true, got, names = of_rig["blend"], of_rig[format], skeleton["names"]
    rest = ordered(true, names, "rest")
    mm, degrees = off(ordered(got, names), rest_of(got, names, rest), ordered(true, names), rest)
    assert mm < MM and degrees < DEGREES.get(format, 0.1)
    assert got["fps"] == pytest.approx(25) and len(got["times"]) == 16


def test_the_horses_skin_goes_with_it(of_rig):
    """Alembic has the points as they are seen in Blender; a skin is bent by straight bones, as engines bend it."""
    true = of_rig["blend"]
    for format, key in (("abc", "vertices"), ("fbx", "plain"), ("usd", "plain")):
        assert 1000 * np.linalg.norm(of_rig[format]["vertices"] - true[key], axis=-1).max() < MM, format
    assert 1000 * np.median(np.linalg.norm(true["plain"][1:] - true["plain"][:-1], axis=-1)) > 5, "it moves"
    bent = np.linalg.norm(true["plain"] - true["vertices"], axis=-1).max()
    assert 0.02 < bent < 0.1, "bendy bones round what bends far, and nothing jumps"


@pytest.mark.parametrize("args, what", [
    (["nothing.blend", "-o", "a.fbx"], "there is no"), (["text.blend", "-o", "a.fbx"], "can't be read as one"), (["scene.blend", "-o", "a.obj"], "ending in .fbx"),
    (["scene.blend", "-o", "nowhere/a.fbx"], "nowhere"), (["scene.blend", "--of", "cow", "-o", "a.fbx"], "called cow"), (["text.npz", "-o", "a.bvh"], "motion clip")])
def test_bad_input_is_told_in_one_line(child, applied, tmp_path, args, what):
    (tmp_path / "text.blend").write_text("hello")
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "scene.blend").write_bytes((applied / "scene.blend").read_bytes())
    before = sorted(p.name for p in tmp_path.iterdir())
    done = child(BLENDER / "scripts/export_motion.py", *(a if a.startswith("-") or a == "cow" else tmp_path / a for a in args), "--skeleton", SKELETON)
    assert done.returncode == 2 and what in json.loads(done.stdout.splitlines()[-1])["error"], done.stdout + done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == before
