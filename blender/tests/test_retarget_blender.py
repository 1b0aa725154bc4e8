# SPDX-License-Identifier: GPL-3.0-or-later
"""The retargeter: near the clip, with few keys, on horses of other proportions; and afterwards the rig is still a rig."""
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from blender_side import BLENDER, SKELETON, wiggle
from kinequimation_blender import files, keys_fit, proportions
from kinequimation_blender.maths import posed, unposed

SCRIPTS = BLENDER / "scripts"
GAITS = ["stand", "walk", "trot", "canter_left", "canter_right", "gallop_left", "gallop_right"]
ANIMAL = BLENDER.parents[1] / "shared/data/animals/glb/Bull.glb"
MAKE = """
import sys, numpy as np
from kinequimation import gait, horses
folder = sys.argv[1]
for name in gait.GAITS: gait.generate(name, n_frames=48, fps=40, seed=1).clip.save(f"{folder}/{name}.npz")
gait.generate("gallop_left", n_frames=300, fps=50, seed=1).clip.save(f"{folder}/long.npz")
other = horses.random_horse(np.random.default_rng(5))
other = getattr(other, "skeleton", other)
other.save(f"{folder}/other.json")
gait.generate("trot", n_frames=30, fps=40, skeleton=other, seed=2).clip.save(f"{folder}/other.npz")
gait.generate("gallop_left", n_frames=30, fps=40, skeleton=other, seed=2).clip.save(f"{folder}/other_gallop.npz")
"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Generated motion with true rotations: the library makes it in a process of its own, Blender's side knows only the files."""
    folder = tmp_path_factory.mktemp("clips")
    python = os.environ.get("KINEQUIMATION_PYTHON", sys.executable)  # older Blenders come with a Python of their own, without the library
    done = subprocess.run([python, "-c", MAKE, str(folder)], cwd=BLENDER.parent, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"the library that generates gaits is not here: {done.stderr.splitlines()[-1]}")
    return folder


def measured(child, clips, name, *args, skeleton=SKELETON):
    out = clips / f"{name}-{len(args)}.json"
    done = child(SCRIPTS / "measure_retarget.py", clips / f"{name}.npz", "--skeleton", skeleton, "-o", out, *args)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(out.read_text())


def many(child, clips, names, *args, skeleton=SKELETON):
    """The same of several clips in one Blender, by name."""
    out = clips / f"{names[0]}-{len(names)}-{len(args)}.json"
    done = child(SCRIPTS / "measure_retarget.py", *(clips / f"{n}.npz" for n in names), "--skeleton", skeleton, "-o", out, *args)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(out.read_text())["clips"]


def test_controls_follow_every_gait(child, clips):
    for gait, got in many(child, clips, GAITS).items():
        assert got["median_mm"] < 0.1 and got["p99_mm"] < 1 and got["hoof_planted_max_mm"] < 0.1 and got["slide_max_mm"] < 0.1, gait
        assert got["keyed_bones_that_are_no_controls"] == [] and got["share_of_keys"] == 1, gait


def test_few_keys_are_enough_for_every_gait(child, clips):
    for gait, got in many(child, clips, GAITS, "--reduce", 3, 1).items():
        assert 0.05 < got["median_mm"] < 3 and got["share_of_keys"] <= 0.2 and got["hoof_planted_max_mm"] <= 1 and got["slide_max_mm"] < 2, gait


def test_300_frames_take_less_than_5_seconds(child, clips, slow):
    """Of a processor that is no slower than `slow` supposes; with few keys, which takes longer than a key a frame."""
    got = measured(child, clips, "long", "--reduce", 3, 1)
    assert got["n_frames"] == 300 and got["cpu_seconds_per_300_frames"] < 5 * slow


@pytest.mark.parametrize("reduce", [(), ("--reduce", 3, 1)], ids=["a key a frame", "few keys"])
def test_a_horse_of_other_proportions(child, clips, reduce):
    for name, got in many(child, clips, ["other", "other_gallop"], *reduce, skeleton=clips / "other.json").items():
        assert got["median_mm"] < (3 if reduce else 0.1) and got["hoof_planted_max_mm"] < 5 and got["slide_max_mm"] < 5 and got["sink_max_mm"] < 5, name


@pytest.mark.parametrize("reduce", [(), ("--reduce", 3, 1)], ids=["a key a frame", "few keys"])
def test_a_rig_of_other_proportions(child, clips, reduce):
    for name, got in many(child, clips, ["walk", "gallop_right"], *reduce, "--rig-skeleton", clips / "other.json").items():
        assert got["median_mm"] < (3 if reduce else 0.1) and got["hoof_planted_max_mm"] < 5 and got["slide_max_mm"] < 5 and got["sink_max_mm"] < 5, name
        assert abs(got["leg_m"] / got["clip_leg_m"] - 1) > 0.05, "else it is the same horse"


@pytest.fixture(scope="module")
def answers(child, clips):
    done = child(BLENDER / "tests/retarget_side.py", clips / "walk.npz", SKELETON, clips / "answers.json")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads((clips / "answers.json").read_text())


def test_switching_keeps_the_pose(answers):
    for to, value in (("FK", 1), ("IK", 0)):
        got = answers["switch"][to]
        assert got["mm"] < 1 and got["degrees"] < 3 and got["property"] == [value, value], to


def test_legs_stretch_only_when_a_mapping_asks_for_it(answers):
    assert np.allclose(answers["stretch"], [[0, 0], [0.1, 1], [0, 0]])


def fore_leg(side):
    return {f"{n}.{side}{part}" for n in ("upper_arm", "forearm", "forefoot") for part in ("", ".001")} | {f"f_toe.{side}", f"f_hoof.{side}"}


@pytest.mark.parametrize("limbs", ["IK", "FK"])
def test_an_edit_moves_what_it_should_in_one_frame_and_nothing_else(answers, limbs):
    edits = answers["edit"][limbs]
    assert len(edits) > 100, "every channel of every control"
    for edit, got in edits.items():
        asleep = got["only_in"] not in (None, limbs)  # FK controls move nothing while the leg listens to IK, and the other way round
        assert got["frames"] == ([] if asleep else [0]) and bool(got["bones"]) != asleep and got["others"] == [], edit


def test_an_edit_moves_these_bones(answers, skeleton):
    ik, fk = (answers["edit"][limbs] for limbs in ("IK", "FK"))
    bones = lambda edit, edits=ik: set(edits[edit]["bones"])
    assert bones("root location 1") == set(skeleton["names"]) and ik["root location 1"]["mm"] < 0.01, "the whole horse, as one"
    feet = {f"{n}.{side}" for n in ("r_hoof", "f_hoof", "r_toe", "f_toe") for side in "LR"}
    assert bones("torso location 1") == set(skeleton["names"]) - feet, "hooves stay where they stand"
    assert bones("forefoot_ik.L location 1") == fore_leg("L")
    assert bones("upper_arm_ik.L rotation_euler 1") == fore_leg("L") - feet, "the knee turns aside, the hoof stays"
    assert bones("tail.003 rotation_quaternion 1") == {"tail.003", "tail.004", "tail.005"}
    assert bones("ear.R rotation_quaternion 1") == {"ear.R", "ear.R.001"} and bones("jaw rotation_quaternion 1") == {"jaw", "jaw.001"}
    assert {"skull", "head", "ear.L", "nose.R"} <= bones("head rotation_quaternion 1") and not [b for b in bones("head rotation_quaternion 1") if b.startswith(("neck.00", "spine", "mane"))]
    assert bones("f_toe_fk.R rotation_quaternion 1", fk) <= fore_leg("R") and {"f_toe.R", "f_hoof.R"} <= bones("f_toe_fk.R rotation_quaternion 1", fk)


def test_an_edit_of_few_keys_reaches_as_far_as_the_next(answers):
    got = answers["edit_few"]
    assert got["interpolation"] == ["BEZIER"] and set(got["bones"]) <= fore_leg("L") and "f_hoof.L" in got["bones"]
    first, last = got["between"]
    assert last - first > 3 and first < got["frames"][0] and got["frames"][-1] < last, got


def test_fk_in_place_and_elsewhere(answers):
    assert answers["fk_mm"] < 1 and answers["moved_mm"] < 1
    assert answers["in_place"]["root_moves_mm"] < 0.01 and answers["in_place"]["mm"] < 1 and answers["in_place"]["goes_m"] < 0.1
    assert answers["mapping"]


def test_a_loop_closes(answers):
    got = answers["loop"]
    assert 20 <= got["frames"] <= 47 and got["closes_mm"] < 0.01 and got["second_round_mm"] < 0.5 and got["slide_mm"] < 0.1
    assert abs(got["step_m"][0]) < 1e-6 and got["step_m"][1] < -1 and abs(got["step_m"][2]) < 1e-6


@pytest.mark.parametrize("case, what", [("not rigify", "that Rigify generated, but ML_rig"), ("nothing", "got nothing"), ("rest", "locked in its rest position"), ("hidden", "hidden"),
                                        ("lacks a control", "control torso"), ("lacks a bone", "DEF-head"), ("lacks a property", "IK_FK on the bone torso"), ("linked", "is linked from"), ("rokoko", "Rokoko")])
def test_what_cannot_be_keyed_is_said(answers, case, what):
    assert what in answers["refused"][case] and "SCENE CHANGED" not in answers["refused"][case]


def test_mapping_and_tree_of_a_rig(child, tmp_path):
    done = child(SCRIPTS / "export_def_to_controller_mapping.py", "-o", tmp_path / "m.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "m.json").read_text()) == json.loads((BLENDER / "kinequimation_blender/mappings/horse.json").read_text())
    assert json.loads(done.stdout.splitlines()[-1])["bones_that_nothing_moves"] == []
    broken = (tmp_path / "m.json").read_text().replace('"control": "jaw"', '"control": "jawbone"')
    (tmp_path / "m.json").write_text(broken)
    done = child(SCRIPTS / "export_def_to_controller_mapping.py", "--check", tmp_path / "m.json")
    assert done.returncode == 2 and "control jawbone" in json.loads(done.stdout.splitlines()[-1])["error"]
    assert child(SCRIPTS / "export_skeleton_edges_from_rig.py", "-o", tmp_path / "e.json").returncode == 0
    tree, skeleton = json.loads((tmp_path / "e.json").read_text()), files.read_skeleton(SKELETON)
    assert sorted(map(tuple, tree["edges"])) == sorted((skeleton["names"][p], n) for n, p in zip(skeleton["names"], skeleton["parents"]) if p >= 0)


def test_ml_rig_by_commands(child, clips, read_back, tmp_path, skeleton):
    assert child(SCRIPTS / "build_ml_rig.py", SKELETON, "-o", tmp_path / "ml.blend").returncode == 0
    done = child(SCRIPTS / "apply_ml_rig.py", clips / "walk.npz", "--skeleton", SKELETON, "--scene", tmp_path / "ml.blend", "-o", tmp_path / "moving.blend")
    assert done.returncode == 0, done.stdout + done.stderr
    got, clip = read_back(tmp_path / "moving.blend", "ML_rig"), files.read_clip(clips / "walk.npz", skeleton)
    index = [got["bones"].index(n) for n in skeleton["names"]]
    assert got["fps"] == pytest.approx(40) and 1000 * np.linalg.norm(got["heads"][:, index] - posed(skeleton, clip["rotation"], clip["root_location"])[..., :3, 3], axis=-1).max() < 0.1
    done = child(SCRIPTS / "apply_ml_rig.py", clips / "walk.npz", "--skeleton", SKELETON, "--scene", clips / "walk.npz", "-o", tmp_path / "no.blend")
    assert done.returncode == 2 and "Blender file" in done.stdout and not (tmp_path / "no.blend").exists()


@pytest.mark.skipif(not ANIMAL.exists(), reason="needs ../shared/data/animals")
def test_a_bull_walks_like_the_horse(child, clips, tmp_path):
    assert child(SCRIPTS / "propose_mapping.py", ANIMAL, "-o", tmp_path / "bull.json").returncode == 0
    mapping = json.loads((tmp_path / "bull.json").read_text())
    rows = {r["bone"]: r for r in mapping["bones"]}
    assert rows["BackLeg.L"]["from"] == "thigh.L" and rows["FF.R"]["from"] == "f_hoof.R" and rows["IKBackLeg.L"]["follows"] == "BackLowerLeg.L" and rows["Head"]["from"] == "head"
    go = lambda *args: child(SCRIPTS / "retarget_any.py", clips / "walk.npz", ANIMAL, "--mapping", tmp_path / "bull.json", "--skeleton", SKELETON, "-o", tmp_path / "bull.blend", *args)
    done = go()
    assert done.returncode == 0, done.stdout + done.stderr
    got = json.loads(done.stdout.splitlines()[-1])
    assert got["max_permille"] < 0.1 and got["slide_max_permille"] < 1
    done = go("--loop")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["next_round_permille"] < 2
    (tmp_path / "bull.json").write_text(json.dumps(dict(mapping, bones=mapping["bones"] + [{"bone": "Wing.L", "from": "head"}])))
    done = go()
    assert done.returncode == 2 and "Wing.L" in json.loads(done.stdout.splitlines()[-1])["error"]


def test_planting_and_clips_without_blender(skeleton, clip):
    source = posed(skeleton, clip["rotation"], clip["root_location"])
    rotation, root = unposed(skeleton, source)
    assert np.abs(posed(skeleton, rotation, root) - source).max() < 1e-9
    bones = np.diff(np.array([[0, 0, 1.0], [0, 0.2, 0.7], [0, 0, 0.35], [0, 0.05, 0.1]]), axis=0)
    joints = np.cumsum(np.concatenate([[[0, 0, 1.0]], bones]), 0)[None]
    turn = proportions.least_turns(joints, np.array([[0.05, 0.1, 0.15]]))
    assert np.allclose((turn[0] @ bones[..., None]).sum(0)[:, 0] + joints[0, 0], [0.05, 0.1, 0.15], atol=1e-5)


def test_a_loop_on_a_horse_of_other_size_closes(skeleton):
    clip = wiggle(skeleton, n_frames=17)
    clip["rotation"][-1], clip["root_location"][-1, [0, 2]] = clip["rotation"][0], clip["root_location"][0, [0, 2]]
    clip["contacts"] = np.zeros((17, 4), bool)
    clip["contacts"][[0, 1, 2, 14, 15, 16], 0] = True  # a stance that the loop's ends cut in two
    own = dict(skeleton, head=1.2 * skeleton["head"], tail=1.2 * skeleton["tail"], matrix_local=skeleton["matrix_local"].copy())
    own["matrix_local"][:, :3, 3] *= 1.2

    def open_mm(**meta):
        at = proportions.fit(skeleton, dict(clip, meta=dict(clip["meta"], **meta)), own)[..., :3, 3]
        return 1000 * np.abs(at[-1] - at[0] - (at[-1, 0] - at[0, 0])).max()

    assert open_mm(loop=True) < 1e-6 and open_mm() > 20, "without being told that it is a loop it has no reason to close"


def test_legs_of_two_bones_bend_to_one_side():
    time = np.linspace(0, 1, 30)
    bend = np.where(time > 0.5, 0.8, 1) * np.sin(9 * time) * 0.3 + 0.25  # at times straight, at times a little to the wrong side
    points = np.stack([np.stack([0 * time, 0 * time, 1 + 0 * time], -1), np.stack([0 * time, -0.5 * np.sin(bend), 1 - 0.5 * np.cos(bend)], -1)], 1)
    joints = np.concatenate([points, points[:, 1:] - [0, 0, 0.45]], 1)
    target = np.stack([0 * time, 0.1 * np.sin(7 * time), 0.2 - 0.1 * time], -1)
    bones = proportions.two_bones(joints, target, np.broadcast_to(np.eye(3), (30, 3, 3))) @ np.diff(joints, axis=1)[..., None]
    knee = joints[:, 0] + bones[:, 0, :, 0]
    assert np.allclose(knee + bones[:, 1, :, 0], target, atol=1e-6)
    assert (np.cross(knee - joints[:, 0], target - joints[:, 0])[:, 0] > 0).all() and np.abs(np.diff(knee, axis=0)).max() < 0.05
    height = proportions.kept_above(np.maximum(0, np.sin(9 * time)), 25)
    assert (height >= np.maximum(0, np.sin(9 * time)) - 1e-9).all() and np.abs(np.diff(height)).max() < 0.3


def test_fitting_curves():
    time = np.arange(120)
    smooth = np.stack([np.sin(time / 9), np.cos(time / 14) * 0.3], -1)
    fit = keys_fit.fit(smooth, lambda got, frames: np.abs(got - smooth[frames]).max(1) / 0.01)
    assert len(fit.at) < 10 and np.abs(fit.all - smooth).max() <= 0.01 and (fit.value[[0, -1]] == smooth[[0, -1]]).all()
    assert np.abs(np.diff(fit.all, n=3, axis=0)).max() < 0.02  # no corners: neighbours share their slope
    assert np.abs(keys_fit.hermite(120, fit.at) @ np.concatenate([fit.value, fit.slope]) - fit.all).max() < 1e-12, "what is told of all frames is what the keys say"
    asked = keys_fit.fit(smooth, lambda got, frames: np.abs(got - smooth[frames]).max(1) / 0.01, forced=(40, 41))
    assert {40, 41} <= set(asked.at), "keys at a touch-down stay, needed or not"
    noise = np.random.default_rng(0).normal(size=(40, 1))
    assert np.abs(keys_fit.fit(noise, lambda got, frames: np.abs(got - noise[frames]).max(1) / 1e-3).all - noise).max() < 1e-3
