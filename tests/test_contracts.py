"The Python that is promised to users, literally: names, shapes, types, frames of reference, and what comes back when there is no horse."
import numpy as np
import pytest

from conftest import no_horse
from kinequimation.clip import MotionClip
from kinequimation.detect import Detector
from kinequimation.files import InputError
from kinequimation.lift import Lifter
from kinequimation.pose import PoseSequence
from kinequimation.skeleton import HORSE68, HORSE_RIG
from kinequimation.video import frames, probe


@pytest.fixture(scope='module')
def detector(): return Detector()

@pytest.fixture(scope='module')
def lifter(): return Lifter()

@pytest.fixture(scope='module')
def pose2d(detector, short_clip): return detector.predict_video(short_clip)


# ---------------------------------------------------------------- the skeleton

def test_horse68_is_the_rig_less_its_mane():
    assert len(HORSE68) == len(HORSE68.names) == 68 and len(HORSE_RIG) == 80
    assert HORSE_RIG.names[:68] == HORSE68.names and all('mane' in n.lower() for n in HORSE_RIG.names[68:])
    assert all(isinstance(n, str) and not n.startswith('DEF-') for n in HORSE68.names) and len(set(HORSE68.names)) == 68


def test_names_are_the_order_of_every_array(pose2d, detector):
    assert list(pose2d.ds.keypoint.values) == list(HORSE68.names) == list(detector.skeleton.names)
    assert pose2d.skeleton == HORSE68 or pose2d.skeleton.names == HORSE68.names


# ---------------------------------------------------------------- 2D

def test_predict_gives_keypoints_in_pixels_and_scores(detector, short_clip):
    image = next(frames(short_clip))
    answer = detector.predict(image)
    assert isinstance(answer, tuple) and len(answer) == 2
    keypoints, scores = answer
    assert keypoints.shape == (68, 2) and scores.shape == (68,)
    assert np.isfinite(keypoints).all() and (scores >= 0).all() and (scores <= 1).all() and scores.mean() > .2
    h, w = image.shape[:2]
    inside = ((keypoints > -.1*max(w, h)) & (keypoints < 1.1*np.array([w, h]))).all(1)
    assert inside.mean() > .9, 'keypoints should be pixels of the picture that was handed in'


def test_predict_takes_a_box_and_no_box_gives_about_the_same(detector, short_clip):
    image = next(frames(short_clip))
    keypoints, scores = detector.predict(image, bbox_xyxy=None)
    low, high = keypoints.min(0), keypoints.max(0)
    boxed, boxed_scores = detector.predict(image, bbox_xyxy=(*low, *high))
    assert boxed.shape == (68, 2) and boxed_scores.shape == (68,)
    assert np.median(np.linalg.norm(boxed - keypoints, axis=1)) < .05*(high - low).max()


def test_predict_follows_a_shifted_picture(detector, short_clip):
    "Pixels are pixels of the whole picture: a border of 40 on the left and 20 on top moves every keypoint by just that."
    image = next(frames(short_clip))
    keypoints, scores = detector.predict(image)
    moved, _ = detector.predict(np.pad(image, ((20, 0), (40, 0), (0, 0)), mode='edge'))
    sure = scores > .5
    offset = np.median(moved[sure] - keypoints[sure], axis=0)
    assert np.abs(offset - [40, 20]).max() < .03*max(image.shape), offset


@pytest.mark.parametrize('kind', ['black', 'grey', 'noise', 'gradient', 'boxes'])
def test_no_horse_is_nan_and_zero(kind, detector):
    for image in no_horse(kind, n=2):
        keypoints, scores = detector.predict(image)
        assert keypoints.shape == (68, 2) and np.isnan(keypoints).all()
        assert scores.shape == (68,) and (scores == 0).all()


def test_predict_refuses_what_is_no_picture(detector):
    for wrong in (np.zeros((10, 10), np.uint8), np.zeros((10, 10, 3)), np.zeros((0, 10, 3), np.uint8)):
        with pytest.raises(InputError, match='Expected'): detector.predict(wrong)
    with pytest.raises(InputError, match='Expected'): detector.predict(np.zeros((10, 10, 3), np.uint8), bbox_xyxy=(5, 5, 1, 1))


def test_predict_video(pose2d, short_clip):
    info = probe(short_clip)
    assert isinstance(pose2d, PoseSequence) and pose2d.frame == 'image' and pose2d.n_dims == 2
    assert pose2d.xyz().shape == (info.n_frames, 68, 2) and pose2d.scores().shape == (info.n_frames, 68)
    assert pose2d.fps == pytest.approx(info.fps) and tuple(pose2d.image_size) == tuple(info.size)
    assert (pose2d.scores() > 0).any(1).mean() > .8, 'the shipped detector should find the shipped horse'


def test_predict_video_without_a_horse_is_nan_and_zero(detector, make_clip):
    pose = detector.predict_video(make_clip('noise'))
    assert pose.n_frames == 6 and np.isnan(pose.xyz()).all() and (pose.scores() == 0).all()


# ---------------------------------------------------------------- 3D

def answered(pose, T):
    "What every answer of the lifter must be."
    assert isinstance(pose, PoseSequence) and pose.frame == 'root' and pose.n_dims == 3
    assert pose.n_frames == T and pose.xyz().shape == (T, 68, 3) and pose.skeleton.names == HORSE68.names
    assert np.isfinite(pose.xyz()).all(), 'all 68 keypoints are answered wherever some were seen'
    np.testing.assert_allclose(pose.xyz()[:, HORSE68.root], 0, atol=1e-4)   # root-relative
    size = np.ptp(pose.xyz(), axis=1).max(-1)
    assert (.8 < size).all() and (size < 4).all(), f'metres of a horse, but got {size.min():.2f} to {size.max():.2f}'
    return pose


def test_lifter(lifter, pose2d):
    pose = answered(lifter(pose2d, focal_px=None), pose2d.n_frames)
    assert pose.fps == pose2d.fps and pose.root_location().shape == (pose2d.n_frames, 3)
    assert (pose.root_location()[:, 2] > 1).all(), 'the horse stands before the camera'
    head, tail, hoof = (pose.xyz()[:, HORSE68.index(n)] for n in ('head', 'tail.001', 'f_hoof.L'))
    assert (hoof[:, 1] > head[:, 1]).mean() > .9, 'camera axes: y points down, so a hoof has more of it than the head'


def test_lifter_takes_a_focal_length(lifter, pose2d):
    near, far = lifter(pose2d, focal_px=500.), lifter(pose2d, focal_px=2000.)
    answered(near, pose2d.n_frames), answered(far, pose2d.n_frames)
    ratio = np.median(far.root_location()[:, 2])/np.median(near.root_location()[:, 2])
    assert 2.5 < ratio < 6, f'four times the focal length is about four times as far away, but got {ratio:.2f}'


@pytest.mark.parametrize('n', [1, 2, 3, 9])
def test_lifter_takes_as_few_frames_as_there_are(lifter, pose2d, n):
    answered(lifter(pose2d.clip(0, n)), n)


def test_lifter_takes_any_subset_of_the_keypoints(lifter, pose2d):
    rng = np.random.default_rng(0)
    xyz, scores = pose2d.xyz().copy(), pose2d.scores().copy()
    gone = rng.random(scores.shape) < .4
    xyz[gone], scores[gone] = np.nan, 0
    some = answered(lifter(pose2d.replace(position=xyz, confidence=scores)), pose2d.n_frames)
    every = lifter(pose2d)
    assert np.median(np.linalg.norm(some.xyz() - every.xyz(), axis=-1)) < .25, 'm: without four in ten it should still be about the same horse'


def test_lifter_answers_frames_in_which_nothing_was_seen(lifter, pose2d):
    "Three blank frames between seen ones: as many frames come out as went in."
    xyz, scores = pose2d.xyz().copy(), pose2d.scores().copy()
    xyz[5:8], scores[5:8] = np.nan, 0
    pose = lifter(pose2d.replace(position=xyz, confidence=scores))
    assert pose.n_frames == pose2d.n_frames
    seen = np.r_[0:5, 8:pose2d.n_frames]
    assert np.isfinite(pose.xyz()[seen]).all()


def test_lifter_takes_poses_from_elsewhere(lifter, pose2d):
    "Built by hand as a user with another tracker would: positions without any confidence."
    mine = PoseSequence.from_arrays(pose2d.xyz(), None, 30., HORSE68, image_size=pose2d.image_size, frame='image')
    answered(lifter(mine), mine.n_frames)


def test_lifter_refuses_other_frames_and_nothing_at_all(lifter, pose2d):
    with pytest.raises(InputError, match='image'): lifter(lifter(pose2d))
    nothing = pose2d.replace(position=np.full_like(pose2d.xyz(), np.nan), confidence=np.zeros(pose2d.scores().shape))
    with pytest.raises(InputError, match='Expected'): lifter(nothing)


# ---------------------------------------------------------------- PoseSequence.from_arrays, and files

def test_from_arrays_as_promised(tmp_path):
    position, confidence = np.zeros((5, 68, 2)), np.ones((5, 68))
    pose = PoseSequence.from_arrays(position, confidence, 25., HORSE68, image_size=(640, 480), frame='image')
    assert pose.xyz().shape == (5, 68, 2) and pose.scores().shape == (5, 68) and pose.fps == 25 and tuple(pose.image_size) == (640, 480)
    pose.save(tmp_path/'pose2d.nc')
    back = PoseSequence.load(tmp_path/'pose2d.nc')
    np.testing.assert_array_equal(back.xyz(), pose.xyz())
    assert back.frame == 'image' and back.ds.position.attrs['space_unit'] == 'px'


@pytest.mark.parametrize('far_m, exact', [(5., np.float32), (1600., np.float64)])
def test_bones_keep_their_length_far_away(tmp_path, far_m, exact):
    "A quarter of an hour at a trot is miles, and float32 knows a place there to a tenth of a millimetre only."
    way = np.linspace(0, far_m, 50)[:, None, None]*[0., -1., 0.]
    pose = PoseSequence.from_arrays(HORSE68.head + way, None, 25., frame='world', root_location=(HORSE68.head[0] + way)[:, 0])
    pose.save(tmp_path/'far.nc')
    xyz = PoseSequence.load(tmp_path/'far.nc').xyz()
    assert xyz.dtype == pose.root_location().dtype == exact
    bones = np.linalg.norm(np.diff(xyz[:, np.array(HORSE68.edges)], axis=2)[:, :, 0], axis=-1)
    bones = bones[:, bones.mean(0) > 1e-3]
    assert (np.ptp(bones, axis=0)/bones.mean(0)).max() < 1e-3


@pytest.mark.parametrize('position, confidence, more', [
    (np.zeros((5, 67, 2)), None, {}), (np.zeros((5, 68, 3)), None, {}), (np.zeros((5, 68, 2)), np.ones((4, 68)), {}),
    (np.zeros((5, 68, 2)), np.full((5, 68), 2.), {}), (np.full((5, 68, 2), np.inf), None, {}), (np.zeros((5, 68, 2)), None, dict(frame='sideways')), (np.zeros((5, 68, 2)), None, dict(fps=0))])
def test_from_arrays_refuses(position, confidence, more):
    with pytest.raises(InputError, match='^Expected .* but got'):
        PoseSequence.from_arrays(position, confidence, **dict(dict(fps=25., skeleton=HORSE68, image_size=(640, 480), frame='image'), **more))


# ---------------------------------------------------------------- the stages after

def test_refine_and_retarget_keep_count(lifter, pose2d):
    from kinequimation.refine import refine
    from kinequimation.retarget import retarget
    world = refine(lifter(pose2d), pose2d, withers_height_m=1.5)
    assert world.frame == 'world' and world.n_frames == pose2d.n_frames and np.isfinite(world.xyz()).all()
    hooves = world.xyz()[:, [HORSE68.index(f'{a}_hoof.{s}') for a in 'fr' for s in 'LR'], 2]
    assert -.15 < hooves.min() < .35, f'the lowest hoof joint is near the ground, but got {hooves.min():.2f} m'
    withers = world.xyz()[:, HORSE68.index('spine.005'), 2]
    assert 1. < np.median(withers) < 1.8, f'a horse of 1.5 m, but its withers are at {np.median(withers):.2f} m'
    clip = retarget(world)
    assert isinstance(clip, MotionClip) and clip.rotation.shape == (pose2d.n_frames, 80, 4) and clip.root_location.shape == (pose2d.n_frames, 3)
    assert tuple(clip.bones) == HORSE_RIG.names and clip.fps == pytest.approx(pose2d.fps)


def test_everything_is_deterministic(detector, lifter, pose2d, short_clip):
    again = detector.predict_video(short_clip)
    np.testing.assert_array_equal(again.xyz(), pose2d.xyz())
    np.testing.assert_array_equal(lifter(pose2d).xyz(), lifter(again).xyz())
