# SPDX-License-Identifier: GPL-3.0-or-later
"""What horses wear lies on their skin, and whoever rides them sits on it, at every gait, on every size of horse."""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kinequimation import gait, horses
from kinequimation.files import assets_dir

BLENDER = Path(__file__).resolve().parents[1] / "blender"
SKELETON = assets_dir() / "skeletons/horse.json"

COLOURS = dict(pad=[.7, .7, .7], trim=[.3, 0, 0], cover=[0, 0, .2], legs=[.7, .7, .7], rope=[.1, .2, .5], leather=[.04, .02, .01], halter=[.3, 0, 0])
PERSON = dict(jacket=[0, 0, .2], sleeves=[0, 0, .2], trousers=[.6, .6, .5], boots=[.01, .01, .01], face=[.5, .3, .2], hat=[.01, .01, .01], hair=[.1, 0, 0])
LEGS = dict(kind="bandages", which=[1, 1, 1, 1])


def ridden(seat, saddle, pad, size=1.):
    return dict(headgear="bridle", saddle=saddle, pad=pad, legs=LEGS, breast=True, colours=COLOURS, rider=dict(seat=seat, size=size, lean=0., hat="helmet", colours=PERSON))


SEATS = [ridden("dressage", "dressage", "square"), ridden("hunt", "english", "shaped"), ridden("two_point", "english", "square"), ridden("jockey", "racing", "shaped"),
         ridden("western", "western", "western"), ridden("bareback", None, None)]
WORN = dict(headgear="halter", cover="rug", surcingle=True, legs=dict(kind="bells", which=[1, 1, 1, 1]), mask=True, rope=True, colours=COLOURS, handler=dict(size=1., colours=PERSON))


@pytest.fixture(scope="module")
def child(tmp_path_factory):
    """`child(script, *args)` runs a script in Blender's Python and gives the finished process."""
    def run(script, *args):
        env = dict(os.environ, BLENDER_USER_RESOURCES=str(tmp_path_factory.getbasetemp() / "blender_user"), OMP_WAIT_POLICY="PASSIVE")
        return subprocess.run([sys.executable, str(script), *map(str, args)], env=env, capture_output=True, text=True, timeout=300)
    return run


@pytest.fixture(scope="module")
def numbers(child, tmp_path_factory):
    """(cases, what they measured): every seat at walk, gallop and rearing; ponies, drafts and foals; everything that is worn without a rider."""
    folder = tmp_path_factory.mktemp("tack")
    drawn = {kind: horses.draw_horse(np.random.default_rng(3), kind) for kind in ("shetland", "draft", "foal")}
    clips = {}

    def case(tack, way="walk", frames=(0, 7), horse=None, **more):
        skeleton = horse.skeleton if horse else horses.HORSE_RIG
        name = f"{horse.look['kind'] if horse else 'standard'}-{way}"
        if name not in clips:
            clips[name] = folder / f"{name}.npz", folder / f"{name}.json"
            gait.generate(way, n_frames=12, fps=30, skeleton=skeleton, seed=2).clip.save(clips[name][0])
            skeleton.save(clips[name][1])
        return dict(tack=tack, clip=str(clips[name][0]), skeleton=str(clips[name][1]), look=horse.look if horse else {}, frames=list(frames), **more)

    cases = [case(seat, way) for seat in SEATS for way in ("walk", "gallop_left")] + [case(seat, "stand", [0], tip=55) for seat in SEATS]
    cases += [case(ridden("hunt", "english", "square", .72), "trot", [3], drawn["shetland"]), case(ridden("dressage", "dressage", "square"), "walk", [5], drawn["draft"])]
    cases += [case(WORN), case(WORN | dict(cover="sheet", legs=dict(kind="boots", which=[0, 1, 0, 1])), "trot", [4]), case(dict(headgear="halter", colours=COLOURS), "stand", [0], drawn["foal"])]
    (folder / "cases.json").write_text(json.dumps(cases))
    done = child(BLENDER / "tests/tack_numbers.py", folder / "cases.json", SKELETON, folder.parent / "cache", folder / "out.npz")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    with np.load(folder / "out.npz") as data:
        return cases, dict(data)


def each(numbers, kind):
    """(case, (N,) m outside of the skin, (N,3) points) of every case and frame, for one kind of piece."""
    cases, found = numbers
    for i, case in enumerate(cases):
        for k in case["frames"]:
            mine = found[f"{i}_kind"] == kind
            yield case, found[f"{i}_{k}_outside"][mine], found[f"{i}_{k}_points"][mine]


def test_what_lies_on_the_skin_is_never_under_it(numbers):
    for case, outside, _ in each(numbers, 0):
        assert outside.min() > -.04 and (outside < -.004).mean() < .005, f"{case['clip']}: {1000 * outside.min():.0f} mm, {(outside < 0).sum()} points"  # the elbow folds over the girth
        assert np.median(outside) < .05


def test_the_rider_is_outside_of_the_horse_and_on_it(numbers):
    for case, outside, points in each(numbers, 1):
        seat = (case["tack"].get("rider") or {}).get("seat")
        if seat is None:
            continue
        assert outside.min() > (-.002 if case["tack"]["saddle"] else -.025), f"{seat} at {case['clip']}, tipped {case.get('tip', 0)}: {1000 * outside.min():.0f} mm"  # without a saddle thighs are pressed flat
        assert outside.min() < .06, "nobody floats"
        near = (outside < .08).mean()
        assert near > .08, f"{seat}: legs lie on the flanks, but {near:.0%} of the rider is near the skin"


def test_reins_and_stirrups_hardly_enter_the_skin(numbers):
    for case, outside, _ in each(numbers, 2):
        if len(outside):
            assert (outside < -.03).mean() < .08, f"{case['clip']}: {(outside < -.03).mean():.0%}"


def test_whoever_leads_stands_on_the_ground_beside_the_horse(numbers):
    led = [(outside, points) for case, outside, points in each(numbers, 1) if case["tack"].get("handler")]
    assert len(led) == 3
    for outside, points in led:
        assert points[:, 2].min() == pytest.approx(0, abs=.06) and 1.6 < points[:, 2].max() < 1.9
        assert outside.min() > .1


def test_the_rider_goes_with_the_horse(numbers):
    cases, found = numbers
    riders = [i for i, case in enumerate(cases) if case["tack"].get("rider") and len(case["frames"]) == 2]
    for i in riders:
        mine = found[f"{i}_kind"] == 1
        moved = found[f"{i}_7_points"][mine].mean(0) - found[f"{i}_0_points"][mine].mean(0)
        skin = found[f"{i}_7_points"][~mine].mean(0) - found[f"{i}_0_points"][~mine].mean(0)
        assert moved[1] < -.2 and np.abs(moved - skin).max() < .15


def test_people_are_objects_of_their_own(numbers):
    cases, found = numbers
    for i, case in enumerate(cases):
        assert list(found[f"{i}_names"]) == ["Tack", "Rider"] if case["tack"].get("rider") or case["tack"].get("handler") else ["Tack"]


def test_removing_leaves_nothing(numbers):
    assert list(numbers[1]["left"]) == [0, 0, 0]  # objects, meshes, materials


@pytest.fixture(scope="module")
def drawn(child, tmp_path_factory):
    """What `draw_tack` makes of 1500 seeds, for a riding horse, a pony and a foal; and the first fifty drawn again."""
    folder = tmp_path_factory.mktemp("drawn")
    script = folder / "draw.py"
    script.write_text(f"import sys, json\nsys.path.insert(0, {str(BLENDER)!r})\nimport numpy as np\nfrom pathlib import Path\nfrom kinequimation_blender import child\nfrom synth.tack import draw_tack\n"
                      "looks = dict(horse={}, pony=dict(height_m=1.2), foal=dict(kind='foal', height_m=1.1))\n"
                      "def main():\n    draw = lambda n, look: [draw_tack(np.random.default_rng(k), look) for k in range(n)]\n"
                      "    Path(sys.argv[1]).write_text(json.dumps({**{k: draw(1500, v) for k, v in looks.items()}, 'again': draw(50, {})}))\nchild.run(main)\n")
    done = child(script, folder / "out.json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "out.json").read_text())


def bare(tack):
    return not any(tack[key] for key in ("headgear", "saddle", "cover", "surcingle", "legs", "mask", "rider"))


def test_half_wear_nothing_and_a_quarter_are_ridden(drawn):
    share = lambda what: np.mean([bool(what(t)) for t in drawn["horse"]])
    assert .45 < share(bare) < .58 and .21 < share(lambda t: t["rider"]) < .30
    assert all(t["headgear"] == "bridle" for t in drawn["horse"] if t["rider"])
    assert {t["rider"]["seat"] for t in drawn["horse"] if t["rider"]} == {"dressage", "hunt", "two_point", "jockey", "western", "bareback"}


def test_foals_are_not_ridden_and_ponies_carry_children(drawn):
    assert not any(t["saddle"] or t["rider"] or t["cover"] for t in drawn["foal"])
    assert all(t["rider"]["size"] < .8 for t in drawn["pony"] if t["rider"])


def test_the_seed_decides(drawn):
    assert drawn["again"] == drawn["horse"][:50] and drawn["horse"][0] != drawn["horse"][1]
