"""Legs that a lifter was not sure of swing as far as they are likely to have swung."""
import numpy as np
import pytest

from kinequimation.gait import GAITS, generate
from kinequimation.refine import fit_trunk
from kinequimation.skeleton import HORSE68
from kinequimation.swing import FEET, hooves_about, let_swing, played_down

FPS = 25.


def motion(gait='trot', n=60, seed=0):
    xyz = generate(gait, n_frames=n, fps=FPS, seed=seed).positions()
    return xyz - xyz[:, :1], fit_trunk(xyz)


def believed(xyz, axes, share):
    "The middle of what may be, and how far off it may be, where so large a share of the swing's variance is not known."
    shrunk, off = let_swing(xyz, np.full((len(xyz), 4, 2), np.sqrt(1 - share)), axes, FPS), hooves_about(xyz, axes).std(0)*np.sqrt(share)
    std = np.zeros(xyz.shape)
    std[:, FEET] = np.sqrt((np.square(axes[:, None, :, 1:])*np.square(off)[None, :, None]).sum(-1))   # the axes of the world are nearly the horse's
    return shrunk, std


@pytest.mark.parametrize('gait', [g for g in GAITS if g != 'stand'])
def test_what_an_ideal_mean_plays_down_comes_back(gait, monkeypatch):
    "Of an ideal mean the law of total variance holds: c = 1."
    monkeypatch.setattr('kinequimation.swing._PLAYED_DOWN', [(1., 1.)]*2)
    xyz, axes = motion(gait, n=100)
    shrunk, std = believed(xyz, axes, .2)
    let = let_swing(shrunk, played_down(shrunk, std, axes, FPS), axes, FPS)
    off = [hooves_about(p, axes).std(0)/hooves_about(xyz, axes).std(0) for p in (shrunk, let)]
    assert (off[0] < .93).all() and np.abs(off[1] - 1).max() < .05


def test_our_detector_plays_down_as_well():
    xyz, axes = motion()
    shrunk, std = believed(xyz, axes, .1)
    assert (played_down(shrunk, std, axes, FPS, detected=True) > played_down(shrunk, std, axes, FPS) + .02).all()


def test_who_is_sure_or_stands_or_knows_nothing_is_left_alone():
    xyz, axes = motion()
    assert (played_down(xyz, np.zeros(xyz.shape), axes, FPS) == 1).all() and (played_down(xyz, np.full(xyz.shape, np.nan), axes, FPS) == 1).all()
    still = HORSE68.head + np.random.default_rng(0).normal(0, .01, (40, 68, 3))
    assert played_down(still, np.full(still.shape, .05), np.tile(np.eye(3), (40, 1, 1)), FPS).max() < 1.01
    times = played_down(xyz, np.full(xyz.shape, 50.), axes, FPS)
    assert np.isfinite(times).all() and (times < 1.1).all()   # so far off that it says nothing


def test_only_the_legs_move_and_only_about_their_mean():
    xyz, axes = motion('gallop_left', 75)
    let = let_swing(xyz, np.full((75, 4, 2), 1.3), axes, FPS)
    legs = [i for i, n in enumerate(HORSE68.names) if n.split('.')[0] in ('thigh', 'lower_leg', 'hind_foot', 'r_toe', 'r_hoof', 'upper_arm', 'forearm', 'forefoot', 'f_toe', 'f_hoof') and n[:-1] not in ('thigh.', 'upper_arm.')]
    others = np.setdiff1d(np.arange(68), legs)
    assert np.array_equal(let[:, others], xyz[:, others]) and (np.abs(let - xyz).max((0, 2))[legs] > 1e-3).all()
    assert np.abs((hooves_about(let, axes) - hooves_about(xyz, axes)).mean(0)).max() < .03
    turn = np.array([[0., -1, 0], [1, 0, 0], [0, 0, 1]])   # another view of the same horse
    assert np.allclose(let_swing(xyz @ turn.T, np.full((75, 4, 2), 1.3), turn @ axes, FPS), let @ turn.T)


@pytest.mark.parametrize('n', [1, 2, 5])
def test_clips_of_a_few_frames(n):
    xyz, axes = motion(n=60)
    times = played_down(xyz[:n], np.full((n, 68, 3), .1), axes[:n], FPS)
    assert np.isfinite(let_swing(xyz[:n], times, axes[:n], FPS)).all() and (times >= 1).all()
