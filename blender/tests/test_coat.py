# SPDX-License-Identifier: GPL-3.0-or-later
"""Coats: every word gives colours, and markings are where they are said to be."""
import json

import numpy as np
import pytest
from blender_side import BLENDER, SKELETON

SCRIPT = """import json, sys, bpy
sys.path.insert(0, {blender!r})
import numpy as np
from pathlib import Path
from kinequimation_blender import child, files
from synth import coat, horse

def main():
    made = horse.load_horse(files.read_skeleton(sys.argv[1]), sys.argv[2])
    words = dict(COATS=list(coat.COATS), PATTERNS=coat.PATTERNS, FACES=coat.FACES, HAIR=coat.HAIR, DIRT=coat.DIRT)
    looks = {{f"{{c}} {{p}}": dict(coat=c, pattern=p, seed=5) for c in coat.COATS for p in (None,) + coat.PATTERNS}}
    looks |= {{f"face {{f}}": dict(markings=dict(face=f), seed=5) for f in coat.FACES}}
    looks |= {{f"leg {{k}}": dict(markings=dict(legs=[.4 * (i == k) for i in range(4)]), seed=5) for k in range(4)}}
    looks |= {{f"dirt {{d}}": dict(dirt=d, seed=5) for d in coat.DIRT}} | {{f"hair {{h}}": dict(hair=h, seed=5) for h in coat.HAIR}}
    looks |= {{"plain": {{}}, "bay": dict(coat="bay", seed=0), "again": dict(coat="grey", pattern="dapple", seed=5), "other seed": dict(coat="grey", pattern="dapple", seed=6), "foal": dict(kind="foal", seed=5)}}
    found = {{name: coat.coat_colours(made, look).astype(np.float32) for name, look in looks.items()}}
    try:
        coat.coat_colours(made, dict(coat="zebra"))
    except ValueError as error:
        words["error"] = str(error)
    np.savez(sys.argv[3], at=made["vertices"], part=made["part"], words=json.dumps(words), **found)
child.run(main)
"""


@pytest.fixture(scope="module")
def coats(child, tmp_path_factory):
    """{name: (V,3) colours} of every coat with every pattern and more; `at` (V,3), `part` (V,), and the words."""
    folder = tmp_path_factory.mktemp("coats")
    (folder / "paint.py").write_text(SCRIPT.format(blender=str(BLENDER)))
    done = child(folder / "paint.py", SKELETON, folder.parent / "cache", folder / "out.npz")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    with np.load(folder / "out.npz") as data:
        made = dict(data)
    return made | json.loads(str(made.pop("words")))


def trunk(coats):
    x, y, z = coats["at"].T
    return (coats["part"] == 0) & (z > .95) & (np.abs(y) < .6)


def leg(coats, left, hind, low=.16, high=.22):
    x, y, z = coats["at"].T
    return (coats["part"] == 0) & (z > low) & (z < high) & (x * left > 0) & ((y > 0) == hind)


def test_every_coat_with_every_pattern_has_colours_in_range(coats):
    for coat in coats["COATS"]:
        for pattern in [None, *coats["PATTERNS"]]:
            colours = coats[f"{coat} {pattern}"]
            assert np.isfinite(colours).all() and colours.min() > 0 and colours.max() < .95
            assert colours[trunk(coats)].std(0).max() > .0005, "a coat is never quite even"


def test_every_coat_looks_different(coats):
    middle = np.array([np.log(coats[f"{coat} None"][trunk(coats)].mean(0)) for coat in coats["COATS"]])
    apart = np.abs(middle[:, None] - middle).max(-1) + 9 * np.eye(len(middle))
    assert apart.min() > .05
    for pattern in coats["PATTERNS"]:
        changed = np.abs(coats[f"chestnut {pattern}"] - coats["chestnut None"])[trunk(coats)].mean()
        assert changed > .004, pattern


def test_nothing_said_is_a_plain_bay(coats):
    np.testing.assert_array_equal(coats["plain"], coats["bay"])
    r, g, b = coats["plain"][trunk(coats)].mean(0)
    assert r > 2 * g > 2 * b
    assert coats["plain"][leg(coats, 1, False)].mean() < .3 * coats["plain"][trunk(coats)].mean(), "black points"
    assert coats["foal"][leg(coats, 1, False)].mean() > 1.5 * coats["plain"][leg(coats, 1, False)].mean(), "which foals have not yet"
    assert coats["plain"][coats["part"] == 2].mean() < .04, "a black mane"


def test_the_seed_decides(coats):
    np.testing.assert_array_equal(coats["again"], coats["grey dapple"])
    assert np.abs(coats["other seed"] - coats["again"]).mean() > .005


def test_a_white_leg_is_that_leg_and_its_hoof_is_pale(coats):
    plain = coats["bay None"]
    for k, (left, hind) in enumerate(((1, True), (1, False), (-1, True), (-1, False))):
        made = coats[f"leg {k}"]
        assert made[leg(coats, left, hind)].mean() > .4
        assert made[leg(coats, left, hind, .01, .06)].mean() > .12 > plain[leg(coats, left, hind, .01, .06)].mean()
        elsewhere = ~leg(coats, left, hind, -1, .6) & (coats["part"] < 4)
        np.testing.assert_array_equal(made[elsewhere], plain[elsewhere])


def test_faces_are_whiter_and_whiter(coats):
    head = (coats["part"] == 0) & (coats["at"][:, 1] < -1.25)
    white = [int((coats[f"face {face}"][head].min(1) > .4).sum()) for face in ("star", "stripe", "blaze", "bald")]
    assert 3 < white[0] < white[1] < white[2] < white[3], white
    assert white[3] < .6 * head.sum()


def test_patterns_leave_dark_what_they_should(coats):
    x, y, z = coats["at"].T
    body = coats["part"] == 0
    back = body & (np.abs(x) < .06) & (z > 1.5) & (np.abs(y) < .5)
    white = lambda name, where: (coats[name][where].min(1) > .3).mean()
    assert white("black overo", back) < .05, "overo does not cross the back"
    assert white("black tobiano", leg(coats, 1, True)) > .9, "a tobiano has white legs"
    assert white("black blanket", body & (y < -.5) & (y > -1.1)) < .05 < white("black blanket", body & (y > .6) & (z > 1.2))
    assert .3 < white("black leopard", trunk(coats)) < .95
    stripe, flank = body & (np.abs(x) < .012) & (z > 1.5) & (np.abs(y) < .5), body & (np.abs(x) > .2) & (z > 1.1) & (np.abs(y) < .5)
    assert coats["dun None"][stripe].mean() < .5 * coats["dun None"][flank].mean(), "the dun's stripe"


def test_dirt_and_hair_change_what_they_name(coats):
    for dirt in coats["DIRT"]:
        assert np.abs(coats[f"dirt {dirt}"] - coats["bay None"]).mean() > .002, dirt
    mane = coats["part"] == 2
    tone = {hair: coats[f"hair {hair}"][mane].mean() for hair in coats["HAIR"]}
    assert tone["black"] < tone["mixed"] < tone["flaxen"] < tone["white"]


def test_unknown_words_are_refused(coats):
    assert coats["error"].startswith("Expected the look's coat to be one of bay, dark_bay") and "'zebra'" in coats["error"]
