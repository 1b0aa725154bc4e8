# SPDX-License-Identifier: GPL-3.0-or-later
"""Places keep out of the way of horses and lenses, come again from their seed, are well exposed, and plain ones are plain."""
import json

import numpy as np
import pytest
from blender_side import BLENDER

N, LOOKED_AT = 40, 16
KINDS = {"meadow", "paddock", "arena", "yard", "track", "snow", "beach", "hall", "anything", "studio"}


def told(i, seed=None):
    """A place for eight lenses all around and a horse that walks some metres along -Y; every fourth is plain."""
    rng = np.random.default_rng([9, i])
    angle, far = rng.uniform(0, 2 * np.pi, 8), rng.uniform(3, 22, 8)
    eyes = np.stack([far * np.cos(angle), far * np.sin(angle), rng.uniform(.5, 2.4, 8)], 1)
    paths = [[0, -y] for y in np.linspace(0, rng.uniform(0, 9), 6)]
    eyes[np.abs(eyes[:, 0]) < 3, 0] += 6  # not in the horse's way
    return dict(seed=i if seed is None else seed, eyes=eyes.tolist(), root=[0, 0, 1.4], paths=paths, plain=i % 4 == 3, look=i < LOOKED_AT)


@pytest.fixture(scope="module")
def places(child, tmp_path_factory):
    """[{place, digest, eyes, horse, seen, light, cpu}], and how many blocks Blender held: N places, then the first two again, then the first with another seed."""
    folder = tmp_path_factory.mktemp("places")
    cases = [told(i) for i in range(N)] + [told(0), told(1), told(0, seed=777)]
    (folder / "places.json").write_text(json.dumps(cases))
    done = child(BLENDER / "tests/place_numbers.py", folder / "places.json", folder / "out.npz")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    with np.load(folder / "out.npz") as data:
        found = [{name.split("_", 1)[1]: data[name] for name in data.files if name.startswith(f"{i}_")} for i in range(len(cases))]
        return [dict(f, place=json.loads(str(f["place"])), plain=case["plain"]) for f, case in zip(found, cases)], data["count"]


def test_a_seed_names_a_place_whatever_was_there_before(places):
    (first, second, *rest), _ = places
    again, too, other = rest[-3:]
    for a, b in ((first, again), (second, too)):
        assert a["place"] == b["place"] and str(a["digest"]) == str(b["digest"])
        np.testing.assert_allclose(a["light"], b["light"], atol=1e-5, err_msg="the same seed must look the same")
    assert other["place"] != first["place"] and str(other["digest"]) != str(first["digest"])


def test_nothing_stands_where_the_horse_goes(places):
    for i, found in enumerate(places[0]):
        assert found["horse"].min() > .3, f"place {i}, a {found['place']['kind']} with {found['place'].get('things')}: {found['horse'].min():.2f} m from inside the horse"


def test_nothing_stands_before_a_lens_and_most_of_the_horse_is_seen_from_everywhere(places):
    seen = np.concatenate([found["seen"] for found in places[0]])
    assert min(found["eyes"].min() for found in places[0]) > .5, "a lens in a hedge sees no horse"
    assert (seen < .3).mean() < .03 and seen.mean() > .9
    assert (seen < 1).any(), "rails and twigs hide a part of some horses"


def test_places_differ_and_say_what_they_are(places):
    kinds = {found["place"]["kind"] for found in places[0]}
    assert kinds <= KINDS and len(kinds) >= 7
    assert len({found["place"]["ground"] for found in places[0]}) >= 5 and len({found["place"]["sky"] for found in places[0]}) >= 4
    there = {name for found in places[0] for name in found["place"]["things"]}
    assert there >= {"fence", "trees", "hedge", "houses", "things"}
    lit = [found["place"]["sun"]["strength"] > 0 for found in places[0]]
    assert .2 < np.mean(lit) < .9, "some sun, some none"


def test_pictures_are_neither_black_nor_burnt_out_and_hold_something(places):
    for i, found in enumerate(places[0][:LOOKED_AT]):
        light = found["light"]
        assert np.isfinite(light).all() and .04 < np.median(light) < 1.6, f"place {i}: {found['place']}"
        ground = light[-16:]
        assert .01 < ground.mean() < 1.2, f"the ground of place {i} is {ground.mean():.3f}: {found['place']}"


def test_plain_places_are_plain_and_others_are_not(places):
    """Along a row of the ground nothing changes in a studio but the light, and that slowly."""
    texture = lambda light: float(np.mean(np.abs(np.diff(light[-16:].mean(-1), axis=1))) / light[-16:].mean())
    plain = [found for found in places[0][:LOOKED_AT] if found["plain"]]
    other = [found for found in places[0][:LOOKED_AT] if not found["plain"]]
    assert all(found["place"]["kind"] == "studio" and not found["place"]["things"] for found in places[0] if found["plain"])
    assert not any(found["place"]["kind"] == "studio" for found in places[0] if not found["plain"])
    assert max(texture(found["light"]) for found in plain) < .01 < .012 < np.median([texture(found["light"]) for found in other])


def test_grounds_have_the_colours_that_grounds_have(places):
    """Strong tints stay few: a network that meets purple meadows learns nothing of green ones."""
    natural = dict(grass=lambda r, g, b: g > .85 * r and g > 1.5 * b, dry=lambda r, g, b: max(r, g) > 1.5 * b, sand=lambda r, g, b: r > g > b, dust=lambda r, g, b: r > g > b, earth=lambda r, g, b: r > g > b,
                   straw=lambda r, g, b: r > b and g > b, gravel=lambda r, g, b: max(r, g, b) < 1.5 * min(r, g, b), tarmac=lambda r, g, b: max(r, g, b) < 1.4 * min(r, g, b), snow=lambda r, g, b: max(r, g, b) < 1.4 * min(r, g, b))
    shares = [np.mean([natural[found["place"]["ground"]](*colour) for colour in found["ground"]]) for found in places[0] if not found["plain"] and not found["place"]["tinted"]]
    assert len(shares) > 15 and np.mean(shares) > .85
    tinted = [found["place"]["tinted"] for found in places[0] if not found["plain"]]
    assert np.mean(tinted) < .2


def test_a_hundred_places_leave_no_more_behind_than_one(places):
    _, count = places
    np.testing.assert_array_equal(count[5], count[-1], "objects, meshes, materials, images")
