"What horses do besides going, by properties: whatever the horse, the action and the seed, hooves stay where they are put, nothing is under the ground, nothing jumps, no joint breaks."
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kinequimation.actions import ACTIONS, TRANSITIONS, perform
from kinequimation.files import InputError
from kinequimation.gait import GAITS, hoof_slide
from kinequimation.horses import KINDS, draw_horse
from kinequimation.skeleton import HORSE_RIG

SPOT = [a for a in ACTIONS if a not in TRANSITIONS]


def horse(seed, kind=None):
    return HORSE_RIG if seed % 10 == 9 and kind is None else draw_horse(np.random.default_rng(seed), kind or KINDS[seed % len(KINDS)]).skeleton


def angles(m):
    "(T, B, 3) degrees, XYZ Euler of the pose basis."
    q = m.clip.rotation[..., [1, 2, 3, 0]]
    return np.degrees(Rotation.from_quat(q.reshape(-1, 4)).as_euler('xyz')).reshape(q.shape[:2] + (3,))


def turned(m):
    "(T-1, B) degrees from frame to frame."
    trace = np.einsum('tbij,tbij->tb', m.Q[1:], m.Q[:-1])
    return np.degrees(np.arccos(np.clip((trace - 1)/2, -1, 1)))


@pytest.mark.parametrize('action', ACTIONS)
def test_whatever_it_does_it_stands_on_the_ground(action):
    for seed in range(4):
        m = perform(action, 75, 25, horse(seed), seed)
        slide, off, under = hoof_slide(m)
        assert np.isfinite(m.Q).all() and np.isfinite(m.root_location).all()
        assert slide < .001 and off < .001 and under < .001, f'{m}: a hoof slides {1e3*slide:.1f} mm, is {1e3*off:.1f} mm off, {1e3*under:.1f} mm under'
        low = np.minimum(m.heads[..., 2], m.tails[..., 2]).min(0)
        assert low.min() > -.001, f'{m}, seed {seed}: {m.skeleton.names[low.argmin()]} is {-1e3*low.min():.0f} mm under the ground'


@pytest.mark.parametrize('action', ACTIONS)
def test_no_joint_turns_where_none_can(action):
    for seed in range(4, 7):
        m = perform(action, 60, 25, horse(seed), seed)
        limits = m.skeleton.limits
        over = np.maximum(angles(m) - limits[..., 1], limits[..., 0] - angles(m)).max((0, 2))
        over[0] = 0  # the root turns with the horse
        assert over.max() < 28, f'{m}, seed {seed}: {m.skeleton.names[over.argmax()]} is {over.max():.0f} degrees beyond its limit'


@pytest.mark.parametrize('action', ACTIONS)
def test_nothing_pops(action):
    for seed in (3,):
        slow, fast = (perform(action, n, fps, horse(seed), seed, start=0.) for n, fps in ((60, 50), (900, 1000)))
        assert np.abs(np.diff(slow.heads, 2, axis=0)).max()*50**2 < 900, f'{slow}: a joint is thrown about'
        step = turned(fast)
        at = np.unravel_index(step.argmax(), step.shape)
        assert step.max() < 6, f'{fast}: {fast.skeleton.names[at[1]]} turns {step.max():.1f} degrees within a millisecond, at {at[0]/1000:.3f} s'


def test_the_frames_asked_for_change_nothing():
    for action in ('graze', 'rear', 'jump', 'walk_trot'):
        a, b = perform(action, 40, 50, seed=1, start=.2), perform(action, 10, 25, seed=1, start=.4)
        np.testing.assert_allclose(a.Q[10:30:2], b.Q, atol=2e-3)


def test_a_seed_says_everything_also_the_side():
    a = perform('kick', seed=3)
    np.testing.assert_array_equal(a.Q, perform('kick', rng=np.random.default_rng(3)).Q)
    assert {bool(perform('kick', seed=s).contacts[:, 0].all()) for s in range(8)} == {True, False}, 'it always kicks with the same leg'
    assert {perform('jump', 2, seed=s).parts['scene'].styles[0].gait for s in range(8)} == {'canter_left', 'canter_right'}


def test_a_grazing_muzzle_is_at_the_ground_and_a_foals_nearly():
    for kind in KINDS:
        for seed in range(3):
            m = perform('graze', 30, 25, horse(seed, kind), seed, start=2.)
            size = m.skeleton.head[m.skeleton.index('shoulder.L'), 2]
            i = [m.skeleton.index(n) for n in ('skull', 'jaw.001')]
            assert 0 <= m.tails[:, i, 2].min() < (.4 if kind == 'foal' else .12)*size, (kind, seed)


def test_rear_stands_on_the_hind_legs_and_buck_on_the_forelegs():
    for seed in range(6):
        rear, buck = perform('rear', seed=seed, skeleton=horse(seed)), perform('buck', seed=seed, skeleton=horse(seed))
        up, down = rear.parts['trunk']['angles'][:, 5, 2], buck.parts['trunk']['angles'][:, 0, 2]
        assert up.min() < np.radians(-18) and rear.contacts[up.argmin()].tolist() == [True, False, True, False]
        assert down.max() > np.radians(8) and buck.contacts[down.argmax()].tolist() == [False, True, False, True]
        assert rear.contacts[-1].all() and buck.contacts[-1].all()


def test_a_jump_leaves_the_ground_and_goes_on():
    for seed in range(6):
        m = perform('jump', seed=seed, skeleton=horse(seed), height=.9)
        air = ~m.contacts.any(1) & (m.parts['gaits'] == 'jump')
        assert .25 < air.sum()/m.fps < .9, air.sum()/m.fps
        over = m.hooves()[air, :, 2].max(0)
        assert (over > .25).all(), f'{over}: a leg stays at the ground'
        land = [np.flatnonzero(air)[-1] + np.flatnonzero(m.contacts[np.flatnonzero(air)[-1]:, leg])[0] for leg in range(4)]
        assert max(land[1], land[3]) < min(land[0], land[2]) and land[1] != land[3], 'forelegs land first, one after the other'
        assert abs(m.root_location[-1, 1] - m.root_location[0, 1]) > 4


@pytest.mark.parametrize('action', TRANSITIONS)
def test_a_transition_begins_in_one_gait_and_ends_in_the_other(action):
    m = perform(action, 200, 50, seed=2, turn=0.)
    before, after = TRANSITIONS[action]
    assert m.parts['gaits'][0] == before and m.parts['gaits'][-1] == after
    speed = -np.gradient(m.root_location[:, 1])*50
    want = {s.gait: s.speed for s in m.parts['scene'].styles}
    for part, g in ((speed[:25], before), (speed[-25:], after)): assert abs(part.mean() - want[g]) < .35 + .12*want[g], (g, part.mean(), want[g])


def test_any_gait_goes_on_a_figure():
    for gait in GAITS[1:]:
        m = perform(gait, 100, 25, seed=1, figure='serpentine')
        assert max(hoof_slide(m)) < .001 and np.ptp(m.parts['trunk']['heading']) > np.radians(4), gait


def test_bad_input_is_said_in_one_line():
    with pytest.raises(InputError, match="Expected an action, one of graze, .* but got 'tango'"): perform('tango')
    with pytest.raises(InputError, match='Expected rear to be told nothing more, but got height'): perform('rear', height=2)
    with pytest.raises(InputError, match="Expected figure to be straight, circle, serpentine or eight, but got 'square'"): perform('trot', figure='square')
    with pytest.raises(InputError, match='Expected at least one frame'): perform('rear', n_frames=0)
