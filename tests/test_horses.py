"""Horses of every kind: on their feet, in their breed's range, alike on both sides, and looks in words that Blender's side knows."""
import ast
import json
from pathlib import Path

import numpy as np
import pytest

from kinequimation import horses
from kinequimation.files import InputError
from kinequimation.gait import generate, hoof_slide
from kinequimation.horses import BREEDS, COATS, FACES, KINDS, PATTERNS, draw_horse, random_horse, withers_m
from kinequimation.skeleton import HORSE_RIG

SYNTH = Path(__file__).resolve().parents[1]/'blender'/'synth'


def drawn(kind, n=12): return [draw_horse(np.random.default_rng([3, seed]), kind) for seed in range(n)]


@pytest.mark.parametrize('kind', KINDS)
def test_every_horse_stands_in_its_breeds_range(kind):
    low, high = BREEDS[kind].height_m
    for h in drawn(kind):
        s = h.skeleton
        assert low <= h.height_m <= high and withers_m(s) == pytest.approx(h.height_m, abs=1e-3)
        np.testing.assert_allclose(s.tail[[s.index(f'{n}_hoof.{x}') for n in 'fr' for x in 'LR'], 2], 0, atol=2e-3)
        np.testing.assert_allclose(s.head[s.flip_indices]*[-1, 1, 1], s.head, atol=3e-3)
        np.testing.assert_allclose(s.rest_rotation, HORSE_RIG.rest_rotation)
        assert s.head[0, 2]/h.height_m == pytest.approx(.9, abs=.05), 'withers and croup are about level'


@pytest.mark.parametrize('kind', KINDS)
def test_bones_are_a_horses(kind):
    "Against the two rows of the table (% of the withers height), +-15 % (GAIT.md); a foal's and a Shetland's legs are beyond them."
    row = dict(humerus=('upper_arm.L', 18, 22.5), radius=('forearm.L', 22.8, 26), metacarpus=('forefoot.L', 16.5, 18), femur=('thigh.L', 24.2, 25), tibia=('lower_leg.L', 23, 30), metatarsus=('hind_foot.L', 22, 26.2))
    give = .34 if kind in ('foal', 'shetland') else .17
    for h in drawn(kind):
        for name, (bone, low, high) in row.items():
            s = h.skeleton
            length = 100*(s.lengths[s.index(bone)] + s.lengths[s.index(bone + '.001')])/h.height_m
            assert low*(1 - give) < length < high*(1 + give), (name, length)


def test_kinds_are_told_apart_by_their_proportions():
    middle = lambda kind, f: np.median([f(h) for h in drawn(kind)])
    elbow = lambda h: h.skeleton.head[h.skeleton.index('forearm.L'), 2]/h.height_m
    trunk = lambda h: (h.skeleton.head[0, 1] - h.skeleton.head[h.skeleton.index('upper_arm.L'), 1])/h.height_m
    assert middle('foal', elbow) > middle('thoroughbred', elbow) > middle('warmblood', elbow) > middle('cob', elbow) > middle('shetland', elbow)
    assert middle('shetland', trunk) > middle('cob', trunk) > middle('arab', trunk) > middle('foal', trunk) + .1
    for key, most, least in (('girth', 'draft', 'thoroughbred'), ('bone', 'draft', 'arab'), ('feather', 'draft', 'arab'), ('dome', 'foal', 'draft'), ('dish', 'arab', 'draft')):
        assert middle(most, lambda h: h.look[key]) > middle(least, lambda h: h.look[key]), key
    heights = [withers_m(random_horse(np.random.default_rng(seed))) for seed in range(150)]
    assert min(heights) < 1.1 and max(heights) > 1.75


@pytest.mark.parametrize('kind', KINDS)
def test_every_kind_goes_on_planted_hooves(kind):
    for seed, gait in enumerate(('walk', 'trot', 'gallop_left')):
        m = generate(gait, n_frames=40, fps=25, skeleton=drawn(kind, 3)[seed].skeleton, seed=seed)
        assert max(hoof_slide(m)) < .005, (gait, hoof_slide(m))


def test_a_look_is_plain_data_in_words_that_blender_knows():
    tree = ast.parse((SYNTH/'coat.py').read_text(encoding='utf-8'))
    theirs = {t.id: node.value for node in tree.body if isinstance(node, ast.Assign) for t in node.targets if isinstance(t, ast.Name)}
    assert [k.value for k in theirs['COATS'].keys] == list(COATS)
    assert ast.literal_eval(theirs['PATTERNS']) == PATTERNS and ast.literal_eval(theirs['FACES']) == FACES
    hair = set(ast.literal_eval(theirs['HAIR']))
    assert set(ast.literal_eval(theirs['DIRT'])) - {None} == set(horses.DIRT)
    looks = [draw_horse(np.random.default_rng(seed)).look for seed in range(150)]
    for look in looks:
        assert json.loads(json.dumps(look)) == look
        assert look['coat'] in COATS and look['pattern'] in (None, *PATTERNS) and look['markings']['face'] in (None, *FACES) and look['hair'] in hair and look['dirt'] in (None, *horses.DIRT)
        assert look['mane']['style'] in horses.MANES and look['mane']['side'] in (-1, 0, 1) and 0 <= look['mane']['length'] <= 1
        assert len(look['markings']['legs']) == 4 and all(0 <= x <= 1 for x in look['markings']['legs'])
        assert .6 < look['girth'] < 1.6 and 0 <= look['feather'] <= 1 and 0 <= look['fur'] <= 1
    assert {look['coat'] for look in looks} >= set(COATS) - {'cremello', 'grullo'} and {look['kind'] for look in looks} == set(KINDS)


def test_the_seed_is_the_horse():
    a, b, c = (draw_horse(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert a.look == b.look and a.skeleton == b.skeleton and a.look != c.look and a.skeleton != c.skeleton
    with pytest.raises(InputError, match="Expected a kind of horse, one of warmblood, .* but got 'zebra'"): draw_horse(np.random.default_rng(0), 'zebra')
