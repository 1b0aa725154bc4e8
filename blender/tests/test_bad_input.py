# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands on what they cannot use: one line that says what and where, exit 2, and every file as it was."""
import hashlib
import json
import re

import numpy as np
import pytest
from blender_side import BLENDER, SKELETON, wiggle

SCRIPTS = BLENDER / "scripts"


@pytest.fixture(scope="module")
def folder(child, skeleton, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    done = child(BLENDER / "tests/bad_rigs.py", SKELETON, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    good = wiggle(skeleton, n_frames=6)
    many = lambda n: dict(good, rotation=np.tile(good["rotation"], (n, 1, 1))[:20000].astype(np.float32), root_location=np.tile(good["root_location"], (n, 1))[:20000])
    for name, clip in {"good": good, "empty": many(0), "long": many(3334), "another's": dict(good, meta=dict(good["meta"], rest_hash="0123456789abcdef"))}.items():
        np.savez(folder / f"{name}.npz", **{**clip, "meta": json.dumps(clip["meta"])})
    return folder


def prints(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def refused(child, folder, script, *args):
    """What the command said, once it is clear that it ended with 2 and that no file was changed, made or left half written."""
    before = prints(folder)
    done = child(SCRIPTS / script, *args, "--skeleton", SKELETON, "-o", folder / "out.blend")
    assert done.returncode == 2, done.stdout[-1000:] + done.stderr[-1000:]
    assert prints(folder) == before
    said = json.loads(done.stdout.splitlines()[-1])["error"]
    assert "\n" not in said and said.startswith("Expected ") and "Traceback" not in done.stderr
    return said


@pytest.mark.parametrize("scene, what", [("locked", "rig is locked in its rest position"), ("linked", "rig is linked from"), ("hidden", "rig is hidden"), ("lacks a bone", "the rig rig to have the bone DEF-head"),
                                         ("lacks a control", "the rig rig to have the control torso"), ("not rigify", "that Rigify generated, but ML_rig"), ("none", "there is none")])
def test_rigs_that_cannot_be_keyed(child, folder, scene, what):
    assert what in refused(child, folder, "retarget_rig.py", folder / "good.npz", folder / f"{scene}.blend")


BAD_CLIPS = [("empty", "at least one frame, but {}"), ("long", "at most 10000 frames, but {} has 20000"), ("another's", "rest pose")]


@pytest.mark.parametrize("clip, what", BAD_CLIPS)
def test_clips_that_fit_no_rig(child, folder, clip, what):
    assert what.format(folder / f"{clip}.npz") in refused(child, folder, "retarget_rig.py", folder / f"{clip}.npz", folder / "good.blend")


@pytest.mark.parametrize("script, args", [("retarget_any.py", ("good.blend", "--mapping", "none.json")), ("apply_ml_rig.py", ())])
def test_other_commands_know_how_long_is_too_long(child, folder, script, args):
    assert "has 20000" in refused(child, folder, script, folder / "long.npz", *(folder / a if "." in a else a for a in args))


def test_a_scene_that_is_there_gets_one_more_action(child, folder, read_back, skeleton, tmp_path):
    before = prints(folder)
    done = child(SCRIPTS / "retarget_rig.py", folder / "good.npz", folder / "good.blend", "--skeleton", SKELETON, "-o", tmp_path / "moving.blend")
    assert done.returncode == 0, done.stdout + done.stderr
    assert prints(folder) == before, "the scene that was read is nobody's to change"
    got = read_back(tmp_path / "moving.blend", "rig")
    clip = wiggle(skeleton, n_frames=6)
    root = got["heads"][:, got["bones"].index(skeleton["names"][0])]
    assert got["fps"] == pytest.approx(25) and len(root) == 6 and 1000 * np.abs(root - clip["root_location"]).max() < 1


def test_rokoko_is_asked_for_before_anything_is_done(child, folder):
    said = refused(child, folder, "retarget_rokoko.py", folder / "good.npz")
    assert "the Rokoko add-on" in said or "Rokoko Studio Live" in said


def test_scripts_in_a_scene_are_not_run(child, folder, tmp_path):
    """A file from elsewhere may hold a text that Blender would run on opening it; no command does."""
    trace, scene = tmp_path / "was here", tmp_path / "trap.blend"
    make = tmp_path / "make.py"
    make.write_text(f"""
import bpy, os, sys
bpy.ops.wm.open_mainfile(filepath={str(folder / "good.blend")!r})
text = bpy.data.texts.new("trap.py")
text.write("open({str(trace)!r}, 'w').close()")
text.use_module = True
bpy.ops.wm.save_as_mainfile(filepath={str(scene)!r})
if "run" in sys.argv: bpy.ops.wm.open_mainfile(filepath={str(scene)!r}, use_scripts=True)
os._exit(0)
""")
    assert child(make, "run").returncode == 0 and trace.exists(), "else the trap is none"
    trace.unlink()
    done = child(SCRIPTS / "retarget_rig.py", folder / "good.npz", scene, "--skeleton", SKELETON, "-o", tmp_path / "moving.blend")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not trace.exists()


COMMANDS = sorted(p for p in SCRIPTS.glob("*.py") if "child.run(main)" in p.read_text())


@pytest.mark.parametrize("path", COMMANDS, ids=lambda p: p.stem)
def test_a_command_has_the_options_that_it_tells_of(path):
    text = path.read_text()
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text.split('"""')[1]))
    shared = dict(re.findall(r"def (\w+)\(parser\):(.*?)(?=\ndef|\Z)", (BLENDER / "kinequimation_blender/options.py").read_text(), re.S))
    text += "".join(lines for name, lines in shared.items() if f"options.{name}(parser)" in text)
    has = set(re.findall(r'add_argument\((?:"-\w", )?"(--[a-z-]+)"', text))
    assert told <= has, f"{sorted(told - has)} is told, but not taken"
