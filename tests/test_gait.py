"The gait generator, by properties: whatever the horse, gait, speed and turn, hooves stay where they are put and nothing jumps."
import numpy as np
import pytest

from kinequimation.files import InputError
from kinequimation.gait import GAITS, SPEEDS, footfall, generate, hoof_slide, kind, random_horse
from kinequimation.skeleton import HORSE_RIG

CASES = [(g, seed) for g in GAITS for seed in range(6)]


def _horse(seed):
    return random_horse(np.random.default_rng(seed)) if seed % 3 else HORSE_RIG


@pytest.mark.parametrize('gait, seed', CASES)
def test_hooves_are_planted_for_any_horse(gait, seed):
    turn = (0, .08, -.06)[seed % 3]
    m = generate(gait, n_frames=120, fps=60, skeleton=_horse(seed), seed=seed, turn=turn)
    slide, off, under = hoof_slide(m)
    assert slide < .005, f'{m}: a standing hoof slides {1e3*slide:.1f} mm'
    assert off < .005 and under < .005, f'{m}: a hoof is {1e3*off:.1f} mm off or {1e3*under:.1f} mm under the ground'
    assert m.tails[..., 2].min() > -.005, f'{m}: something is under the ground'


@pytest.mark.parametrize('gait', GAITS[1:])
def test_hooves_are_planted_at_both_ends_of_the_speeds(gait):
    for speed in SPEEDS[kind(gait)]:
        m = generate(gait, speed, n_frames=100, fps=60, seed=1)
        assert max(hoof_slide(m)) < .005, m
        way = m.root_location[-1, 1] - m.root_location[0, 1]
        assert abs(-way/(99/60)/speed - 1) < .12, f'{m}: went {-way:.2f} m towards -Y in 1.65 s'


@pytest.mark.parametrize('gait, seed', CASES)
def test_nothing_jumps(gait, seed):
    m = generate(gait, n_frames=900, fps=960, skeleton=_horse(seed), seed=seed)  # so finely that what is fast is small, and what jumps is not
    turned = np.einsum('tbij,tbij->tb', m.Q[1:], m.Q[:-1])  # 1 + 2 cos, of the step from frame to frame
    degrees = np.degrees(np.arccos(np.clip((turned - 1)/2, -1, 1)))
    worst = np.unravel_index(degrees.argmax(), degrees.shape)
    assert degrees.max() < 7, f'{m}: {m.skeleton.names[worst[1]]} turns {degrees.max():.1f} degrees within 1/960 s at frame {worst[0]}'


def test_a_seed_says_everything():
    a, b = generate('walk', seed=3), generate('walk', seed=3)
    np.testing.assert_array_equal(a.Q, b.Q)
    np.testing.assert_array_equal(a.Q, generate('walk', rng=np.random.default_rng(3)).Q)
    assert np.abs(a.Q - generate('walk', seed=4).Q).max() > .1


@pytest.mark.parametrize('gait', ['canter', 'gallop'])
def test_leads_are_mirror_images(gait):
    left, right = generate(f'{gait}_left', seed=2, turn=.02), generate(f'{gait}_right', seed=2, turn=-.02)
    np.testing.assert_allclose(left.heads[:, HORSE_RIG.flip_indices]*[-1, 1, 1], right.heads, atol=1e-4)
    np.testing.assert_array_equal(left.contacts[:, [2, 3, 0, 1]], right.contacts)


@pytest.mark.parametrize('gait', GAITS[1:])
def test_footfalls_come_in_the_order_of_the_gait(gait):
    m = generate(gait, n_frames=400, fps=200, seed=0)
    v = m.speed
    phase, duty = footfall(gait, v)
    for leg in range(4):
        lands = np.flatnonzero(~m.contacts[:-1, leg] & m.contacts[1:, leg]) + 1
        off = (m.phase[lands] - phase[leg] + .5) % 1 - .5
        assert np.abs(off).max() < .05, f'{gait}: leg {leg} lands {off} of a stride late'
        assert abs(m.contacts[:, leg].mean() - duty[leg]) < .12


@pytest.mark.parametrize('gait', GAITS)
def test_joints_bend_the_right_way(gait):
    m = generate(gait, n_frames=120, fps=60, seed=1)
    i, pitch = HORSE_RIG.index, lambda R: np.degrees(np.arctan2(R[:, 2, 1], R[:, 1, 1]))
    rel = lambda a, b: pitch(np.swapaxes(m.Q[:, i(a)], -1, -2) @ m.Q[:, i(b)])
    for x in 'LR':
        assert rel(f'forearm.{x}', f'forefoot.{x}').min() > -1, 'the carpus bends forward'
        assert rel(f'thigh.{x}', f'lower_leg.{x}').min() > -30 and rel(f'lower_leg.{x}', f'hind_foot.{x}').max() < 30, 'stifle or hock beyond straight'


def test_random_horses_stand_on_the_ground_and_are_alike_on_both_sides():
    rng = np.random.default_rng(0)
    for _ in range(30):
        h = random_horse(rng)
        size = h.head[h.index('shoulder.L'), 2]
        assert 1.19 < size < 1.81
        np.testing.assert_allclose(h.head[h.flip_indices]*[-1, 1, 1], h.head, atol=2e-3)
        hooves = h.tail[[h.index(n) for n in ('f_hoof.L', 'f_hoof.R', 'r_hoof.L', 'r_hoof.R')], 2]
        np.testing.assert_allclose(hooves, 0, atol=.01)
        np.testing.assert_allclose(h.rest_rotation, HORSE_RIG.rest_rotation)


def test_bad_input_is_said_in_one_line():
    with pytest.raises(InputError, match="Expected a gait, one of stand, .* but got 'tolt'"): generate('tolt')
    with pytest.raises(InputError, match='m/s for walk of this horse, but got 9'): generate('walk', 9)
    with pytest.raises(InputError, match='Expected at least one frame'): generate('walk', n_frames=0)
    assert len(generate('walk', n_frames=1)) == 1


def test_the_clip_is_the_motion():
    m = generate('trot', n_frames=20, seed=0)
    np.testing.assert_allclose(m.clip.heads(), m.heads, atol=1e-6)
    assert m.positions().shape == (20, 68, 3) and m.clip.fps == m.fps
