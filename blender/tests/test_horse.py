# SPDX-License-Identifier: GPL-3.0-or-later
"""The skin's promises: it suits every horse and every look, joints keep their thickness, hair lies on the skin, hooves stand on the ground."""
import json

import numpy as np
import pytest
from blender_side import BLENDER, SKELETON
from kinequimation_blender.files import read_skeleton

BODY, TAIL, MANE, EYES, FEATHER = range(5)
LOOKS = {
    "plain": {}, "fat": {"girth": 1.25, "belly": 1.25, "neck_depth": 1.3, "condition": 1.3, "muscle": 1.2}, "thin": {"girth": .85, "belly": .85, "neck_depth": .8, "condition": -1.2, "muscle": .85},
    "foal": {"girth": .8, "dome": 1., "dish": .3, "mane": {"style": "upright", "length": .2}, "tail": {"length": .3, "bulk": 1}}, "shire": {"bone": 1.3, "feather": 1., "dish": -1., "fur": 1., "seed": 3},
    "right": {"mane": {"style": "long", "length": 1., "side": -1}}, "roached": {"mane": {"style": "roached", "length": .06, "forelock": False}}}
SCRIPT = """
import json, sys
import numpy as np
sys.path.insert(0, {blender!r})
from kinequimation_blender import child, files
from synth import horse
def main():
    standard, taller = (files.read_skeleton(p) for p in sys.argv[1:3])
    made = horse.load_horse(standard, sys.argv[3])
    out = dict(made, varied=0)
    for name, look in json.load(open(sys.argv[4])).items():
        out["look_" + name] = horse.shaped(made, standard, standard, look)
    out["taller"] = horse.shaped(made, standard, taller, {{}})
    poses = np.load(sys.argv[5])
    for name in poses.files:
        out["pose_" + name] = horse.skinned(made, out["look_plain"], standard, poses[name])
    np.savez(sys.argv[6], **out)
child.run(main)
"""


def longer_legged(path, factor=1.2):
    """A horse with longer cannons, written as any skeleton is: what hangs on a bone moves with its end."""
    data = json.loads(SKELETON.read_text())
    standard, names = read_skeleton(SKELETON), [b["name"] for b in data["bones"]]
    length = np.array([factor if n.startswith(("hind_foot", "forefoot")) else 1.0 for n in names])
    head = standard["head"].copy()
    for b, parent in enumerate(standard["parents"]):
        if parent >= 0:
            head[b] = head[parent] + length[parent] * (standard["head"][b] - standard["head"][parent])
    tail = head + length[:, None] * (standard["tail"] - standard["head"])
    for bone, h, t in zip(data["bones"], head, tail):
        bone["head"], bone["tail"] = h.tolist(), t.tolist()
        for axis in range(3):
            bone["matrix_local"][axis][3] = h[axis]
    path.write_text(json.dumps(data))
    return path


def bent(skeleton, **degrees):
    """(B,4,4): the standard horse with bones pitched by `degrees` about X, their children going along (positive lowers what points forward)."""
    total, out = np.zeros(len(skeleton["names"])), np.array(skeleton["matrix_local"])
    heads = np.array(skeleton["head"])
    for b, (name, parent) in enumerate(zip(skeleton["names"], skeleton["parents"])):
        total[b] = np.radians(degrees.get(name.replace(".", "_"), 0)) + (total[parent] if parent >= 0 else 0)
        if parent >= 0:
            heads[b] = heads[parent] + about_x(total[parent]) @ (skeleton["head"][b] - skeleton["head"][parent])
        out[b, :3, :3], out[b, :3, 3] = about_x(total[b]) @ skeleton["matrix_local"][b][:3, :3], heads[b]
    return out


def about_x(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


POSES = {"graze": dict(neck_001=45, neck_002=25, neck_003=15, neck_004=10, head=-10), "folded": dict(forefoot_L=105, lower_leg_L=45, hind_foot_L=-55, f_toe_L=75, r_toe_L=75)}


def poses(skeleton):
    turned = np.eye(4)
    turned[:3, :3], turned[:3, 3] = about_x(2.5) @ np.diag([-1, -1, 1]), (3, -4, 5)
    return dict({name: bent(skeleton, **angles) for name, angles in POSES.items()}, rest=np.array(skeleton["matrix_local"]), moved=turned @ skeleton["matrix_local"])


@pytest.fixture(scope="module")
def made(child, skeleton, tmp_path_factory):
    """All that the child made of one skin: looks, a taller horse, poses."""
    folder = tmp_path_factory.mktemp("horse")
    (folder / "child.py").write_text(SCRIPT.format(blender=str(BLENDER)))
    (folder / "looks.json").write_text(json.dumps(LOOKS))
    np.savez(folder / "poses.npz", **poses(skeleton))
    done = child(folder / "child.py", SKELETON, longer_legged(folder / "taller.json"), folder / "cache", folder / "looks.json", folder / "poses.npz", folder / "skin.npz")
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    with np.load(folder / "skin.npz") as data:
        return dict(data, taller_foot=read_skeleton(folder / "taller.json")["tail"][:, 2].min())


def edges(made, kinds=(BODY,)):
    triangles = made["triangles"][np.isin(made["part"][made["triangles"]], kinds).all(1)]
    return np.unique(np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), 1), axis=0)


def lengths(vertices, ends):
    return np.linalg.norm(vertices[ends[:, 0]] - vertices[ends[:, 1]], axis=1)


@pytest.mark.parametrize("look", LOOKS)
def test_no_look_tears_the_skin_or_lifts_a_hoof(made, look):
    ends, skin = edges(made), made["look_" + look]
    before, after = lengths(made["vertices"], ends), lengths(skin, ends)
    assert (after < 2 * before + .01).all(), ends[np.argmax(after - 2 * before)]
    for x in (1, -1):
        for hind in (False, True):
            sole = skin[(made["part"] == BODY) & (made["vertices"][:, 2] < .02) & (made["vertices"][:, 0] * x > 0) & ((made["vertices"][:, 1] > 0) == hind)]
            assert np.abs(sole[:, 2]).max() < .025 and abs(sole[:, 2].min()) < .004, "soles are level and on the ground"
    hair = np.isin(made["part"], (MANE, TAIL, FEATHER))
    assert skin[hair, 2].min() > 0, "hair does not reach into the ground"


def test_looks_do_what_they_say(made):
    at, body = made["vertices"], made["part"] == BODY
    barrel = body & (np.abs(at[:, 1] - .1) < .1)
    width = lambda look: np.ptp(made["look_" + look][barrel, 0])
    depth = lambda look: np.ptp(made["look_" + look][barrel, 2])
    assert width("fat") > 1.2 * width("plain") > 1.3 * width("thin")
    assert depth("fat") > depth("plain") + .03 and depth("thin") < depth("plain") - .02
    cannon = body & (np.abs(at[:, 2] - .33) < .02) & (at[:, 1] < 0) & (at[:, 0] > 0)
    assert np.ptp(made["look_shire"][cannon, 0]) > 1.2 * np.ptp(made["look_plain"][cannon, 0])
    mane = made["part"] == MANE
    lifted = {look: ((made["look_" + look] - made["look_" + look][made["under"]]) * made["normals"]).sum(1)[mane] for look in ("plain", "right", "roached")}
    x = at[mane, 0]  # where each strand would fall: what is not wanted lies under the skin
    assert (lifted["right"][x > .06] < -.01).all() and (lifted["right"][x < -.06] > -.01).mean() > .8
    assert (lifted["plain"][x < -.06] < -.01).all() and (lifted["plain"][x > .06] > -.01).mean() > .8
    assert np.abs(made["look_roached"][mane, 0][lifted["roached"] > 0]).max() < .06
    tips = lambda look: made["look_" + look][made["part"] == TAIL].reshape(-1, 26, 3)
    assert np.linalg.norm(np.ptp(tips("foal"), axis=1), axis=1).mean() < .6 * np.linalg.norm(np.ptp(tips("plain"), axis=1), axis=1).mean()
    feather = made["part"] == FEATHER
    assert lengths(made["look_plain"], edges(made, (FEATHER,))).max() < .08 and np.ptp(made["look_shire"][feather & (at[:, 1] < 0) & (at[:, 0] > 0), 1]) > np.ptp(made["look_plain"][feather & (at[:, 1] < 0) & (at[:, 0] > 0), 1])


def test_other_bones_carry_the_skin_along(made):
    other, plain = made["taller"], made["look_plain"]
    body = made["part"] == BODY
    before, after = lengths(plain, edges(made)), lengths(other, edges(made))
    assert (after < 2 * before + .01).all() and np.median(after / before) == pytest.approx(1, abs=.05)
    assert made["taller_foot"] < -.03, "longer cannons reach below the standard horse's ground"
    assert other[body, 2].min() == pytest.approx(made["taller_foot"], abs=.02)


def test_a_horse_moved_as_a_whole_is_the_same_horse(made, skeleton):
    np.testing.assert_allclose(made["pose_rest"], made["look_plain"], atol=1e-5)
    moved = poses(skeleton)["moved"] @ np.linalg.inv(skeleton["matrix_local"])
    np.testing.assert_allclose(made["pose_moved"], made["look_plain"] @ moved[0, :3, :3].T + moved[0, :3, 3], atol=1e-4)


@pytest.mark.parametrize("bone", ["forefoot.L", "hind_foot.L", "f_toe.L", "lower_leg.L"])
def test_a_folded_joint_keeps_its_thickness(made, skeleton, bone):
    """Where a mean of matrices pinches a joint, the skin comes near it; side to side a hinge stays as wide as it was."""
    b = skeleton["names"].index(bone)
    near = (made["part"] == BODY) & (np.linalg.norm(made["look_plain"] - skeleton["head"][b], axis=1) < (.16 if bone == "lower_leg.L" else .07))
    joint = bent(skeleton, **POSES["folded"])[b, :3, 3]
    before, after = (np.linalg.norm((v[near] - j), axis=1) for v, j in ((made["look_plain"], skeleton["head"][b]), (made["pose_folded"], joint)))
    assert near.sum() > 10 and (after > .95 * before).all()
    assert np.ptp(made["pose_folded"][near, 0]) > .95 * np.ptp(made["look_plain"][near, 0])


@pytest.mark.parametrize("pose", POSES)
def test_nothing_flies_off_when_joints_fold(made, pose):
    ends = edges(made)
    before, after = lengths(made["look_plain"], ends), lengths(made["pose_" + pose], ends)
    assert (after < 3.2 * before + .02).all() and np.median(after / before) == pytest.approx(1, abs=.03)


def test_the_mane_stays_on_the_neck_when_the_head_goes_down(made):
    hair = np.isin(made["part"], (MANE, FEATHER))
    under = made["under"][hair]
    gap = lambda v: np.linalg.norm(v[hair] - v[under], axis=1)
    assert np.abs(gap(made["pose_graze"]) - gap(made["look_plain"])).max() < .06


def test_hair_is_made_of_strands(made):
    for kind, rows in ((TAIL, 26), (MANE, 9), (FEATHER, 5)):
        number, count = np.unique(made["strand"][made["part"] == kind], return_counts=True)
        assert (count == rows).all() and (number >= 0).all()
    assert (made["strand"][np.isin(made["part"], (BODY, EYES))] == -1).all()
