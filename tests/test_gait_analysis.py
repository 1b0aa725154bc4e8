"Gait logic on motion whose contacts are known exactly, and on a real horse's markers where they are at hand."
from dataclasses import replace

import numpy as np
import pytest

from conftest import SHARED_DATA
from kinequimation.files import InputError
from kinequimation.gait import GAITS, generate
from kinequimation.gait_analysis import analyse, angle_curves, classify, contacts, event_hits, events, noisy_pose, recognise, strides, symmetry, symmetry_summary, track
from kinequimation.horses import draw_horse
from kinequimation.pose import PoseSequence
from kinequimation.real_horse import analyse as measured, read_markers
from kinequimation.skeleton import HORSE68


@pytest.fixture(scope='module')
def motions():
    "A clip of each gait: horses of different kinds, 25 to 120 frames a second."
    out = {}
    for i, gait in enumerate(GAITS):
        rng, fps = np.random.default_rng([4, i]), (30, 60, 25, 30, 60, 30, 120)[i]
        out[gait] = generate(gait, n_frames=3*fps, fps=fps, skeleton=draw_horse(rng).skeleton, rng=rng)
    return out


@pytest.mark.parametrize('gait', GAITS)
def test_gait_events_and_frequency(motions, gait):
    m = motions[gait]
    pose = noisy_pose(m, seed=2)
    p = contacts(pose)
    assert p.shape == m.contacts.shape and np.isfinite(p).all() and p.min() >= 0 and p.max() <= 1
    assert recognise(pose, p) == gait
    hits, n, _ = event_hits(events(p, m.fps), m.contacts, m.fps)
    assert hits >= .9*n
    if gait == 'stand': return
    a = analyse(pose)
    assert abs(a.summary['stride_hz']/m.stride_hz - 1) < .03 and abs(a.summary['speed_mps']/m.speed - 1) < .06
    true = m.parts['style'].duty
    found = [a.summary[f'duty_{l}'] for l in ('LH', 'LF', 'RH', 'RF')]
    assert np.abs(found - true).max() < .09, (found, true)


def test_mirror_changes_the_lead(motions):
    "Left and right exchanged: the same strides on the other lead."
    k = track(noisy_pose(motions['canter_left']))
    swap = replace(k, hooves=k.hooves[:, [2, 3, 0, 1]]*[-1, 1, 1])
    assert (recognise(k), recognise(swap)) == ('canter_left', 'canter_right')


def test_scale_and_place_change_no_share(motions):
    "A horse at twice the size, elsewhere and heading elsewhere: the same contacts."
    k = track(noisy_pose(motions['walk']))
    turned = k.hooves @ np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1.]]) + [30, -7, .4]
    np.testing.assert_allclose(contacts(replace(k, hooves=turned)), contacts(k), atol=1e-6)


def test_gaps_do_not_stop_it(motions):
    pose = noisy_pose(motions['trot'])
    xyz = pose.xyz().copy(); xyz[20:24] = np.nan; xyz[40:42, HORSE68.index('f_hoof.L')] = np.nan
    p = contacts(pose.replace(position=xyz))
    assert np.isfinite(p).all() and recognise(pose.replace(position=xyz)) == 'trot'


def test_stored_contacts_count(motions):
    m = motions['gallop_left']
    p = contacts(noisy_pose(m).replace(contact=m.contacts))
    hits, n, _ = event_hits(events(p, m.fps), m.contacts, m.fps)
    assert hits >= .97*n


@pytest.mark.parametrize('phase, duty, speed, want', [
    ((0, .25, .5, .75), .62, 1.5, 'walk'), ((0, .5, .5, 0), .4, 3.5, 'trot'), ((.97, .48, .47, .98), .4, 3.5, 'trot'),
    ((0, .28, .21, .48), .45, 4.5, 'canter_right'), ((0, .3, .15, .46), .27, 11., 'gallop_right'),
    ((0, 0, .5, .5), .4, 4., 'other'), ((0, .25, .5, .75), .4, 4., 'other'), ((0, np.nan, np.nan, .5), .4, 4., 'other')])
def test_classify(phase, duty, speed, want): assert classify(np.array(phase, float), np.full(4, duty), speed, 1.6) == want


def test_suspension_and_phases_are_those_of_the_motion(motions):
    "From the true contacts: a walk never leaves the ground, a gallop does."
    for gait, low, high in (('walk', 0, .001), ('gallop_right', .1, .5)):
        m = motions[gait]
        rows = strides(track(noisy_pose(m, 0, 0)), m.contacts.astype(float))
        assert rows and low <= np.median([r['suspension'] for r in rows]) <= high
        phase = (m.parts['style'].phase - m.parts['style'].phase[0])[2]
        off = (np.median([r['phase_RH'] for r in rows]) - phase + .5) % 1 - .5
        assert abs(off) < .04


def test_what_lands_with_the_left_hind_has_a_phase_whichever_is_first(motions):
    "A trot's right fore, late by two frames and early by two in turn: each stride has its landing, none has two."
    m, on = motions['trot'], motions['trot'].contacts.astype(float)
    landings = np.flatnonzero(np.diff(on[:, 0]) > 0) + 1   # of the left hind, whose diagonal it is
    on[:, 3] = 0
    for i, at in enumerate(landings): on[max(at + (2, -2)[i % 2], 0):at + round(.3*m.fps/m.stride_hz), 3] = 1
    phases = np.array([row['phase_RF'] for row in strides(track(noisy_pose(m, 0, 0)), on)])
    off = 2*m.stride_hz/m.fps
    assert len(phases) >= 3 and np.isfinite(phases).all(), phases
    np.testing.assert_allclose(np.abs((phases + .5) % 1 - .5), off, atol=off/2)


def test_a_nod_is_found_and_has_its_sign():
    m = generate('trot', 3.2, n_frames=300, fps=60, seed=1)
    k = track(noisy_pose(m, 0, 0))
    left_fore = m.phase - m.parts['style'].phase[1] - m.parts['style'].duty[1]/2      # 0 in the middle of its stance
    def nod(side): head = k.body['head'].copy(); head[:, 2] += side*.02*np.cos(2*np.pi*left_fore); return symmetry_summary(symmetry(replace(k, body={**k.body, 'head': head})))[0]['min_diff_mm']
    assert nod(1) > 20 and nod(-1) < -20 and abs(nod(0)) < 12
    assert symmetry(noisy_pose(generate('gallop_right', n_frames=60, fps=30))) == []


def test_angle_curves_are_those_of_the_motion():
    "Over the stride without noise: closed curves, left like right in a trot, a carpus that folds in swing alone."
    curves = angle_curves(noisy_pose(generate('trot', 3.5, n_frames=240, fps=60, seed=3), 0, 0))
    assert len(curves) == 16
    for c in curves.values(): assert abs(c['mean'][0] - c['mean'][-1]) < 6 and c['n'] >= 3 and (c['sd'] >= 0).all()
    carpus = curves['carpus.L']
    stance = int(100*carpus['stance'])
    assert np.ptp(carpus['mean'][5:stance - 8]) < 15 < 50 < np.ptp(carpus['mean'])
    assert np.abs(curves['stifle.L']['mean'] - curves['stifle.R']['mean']).max() < 20


def _pose(xyz, **kw): return PoseSequence.from_arrays(xyz, fps=30, **dict(dict(frame='world'), **kw))


@pytest.mark.parametrize('make, word', [
    (lambda: _pose(np.full((30, 68, 3), np.nan)), 'no frame has a keypoint'), (lambda: _pose(np.zeros((1, 68, 3))), '1 frame'),
    (lambda: _pose(np.zeros((30, 68, 3)), frame='root'), "'world'"), (lambda: _pose(np.zeros((30, 17, 3)), skeleton=HORSE68.subset(17, 'trunk')), 'hooves'),
    (lambda: noisy_pose(generate('walk', n_frames=12, fps=30)), 'whole stride')])
def test_bad_input_is_one_line(make, word):
    with pytest.raises(InputError, match=word) as e: analyse(make())
    assert '\n' not in str(e.value)


def test_a_frozen_horse_stands(): assert analyse(_pose(np.tile(HORSE68.head, (40, 1, 1)))).gait == 'stand'


VHDC = sorted((SHARED_DATA/'vhdc').glob('Horse1_*_kinematics.csv'))

@pytest.mark.skipif(not VHDC, reason='SKIPPED: the recordings of the real horse are not at hand (../shared/data/vhdc)')
def test_the_real_horse():
    "All eighteen gaits, and stride frequencies as the laboratory's own way of reading them."
    assert len(VHDC) == 18
    for path in VHDC:
        m = read_markers(path)
        a = analyse(m)
        assert a.gait == ('walk' if 'walk' in path.name else 'trot'), path.name
        assert abs(a.summary['stride_hz']/measured(m).hz - 1) < .02, path.name
