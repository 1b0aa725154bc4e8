"""The lifter: geometry that must hold exactly, and accuracy that the shipped weights must have."""
import numpy as np
import pytest

from kinequimation.camera import look_at
from kinequimation.files import InputError
from kinequimation.gait import generate
from kinequimation.horses import draw_horse
from kinequimation.lift import Lifter, deal, insert_between, matrix_from_6d, mirror_answer, mirror_input, network_input, root_in_camera, turn_to
from kinequimation.metrics import mpjpe
from kinequimation.pose import PoseSequence
from kinequimation.skeleton import HORSE68

SIZE = (1280, 720)


@pytest.fixture(scope='module')
def lifter(): return Lifter(threads=1)


def filmed(gait='trot', n=40, fps=25., seed=3, azimuth=.3, distance=12., fov=40):
    "2D poses of another horse, and where its joints are in the camera, root-relative, at 1.60 m withers."
    rng = np.random.default_rng(seed + 500)
    motion = generate(gait, n_frames=n, fps=fps, skeleton=draw_horse(rng, 'warmblood').skeleton, rng=rng)
    target = motion.root_location + [0, -.4, -.3]
    camera = look_at(motion.root_location[n//2] + distance*np.array([np.cos(azimuth), np.sin(azimuth), .1]), target, SIZE, fov)
    xyz = camera.to_camera(motion.positions())*1.6/motion.skeleton.head[motion.skeleton.index('shoulder.L'), 2]
    return PoseSequence.from_arrays(camera.project(motion.positions()), None, fps, image_size=SIZE, focal_px=camera.K[0, 0]), xyz


@pytest.mark.parametrize('gait', ['stand', 'walk', 'trot', 'canter_left', 'gallop_right'])
def test_accuracy(lifter, gait):
    errors = []
    for seed in range(3):
        pose2d, xyz = filmed(gait, seed=seed, azimuth=2.*seed)
        errors.append(1000*mpjpe(lifter(pose2d).xyz(), xyz - xyz[:, :1]))
    assert np.mean(errors) < 100, errors


def test_the_root_is_where_the_horse_is(lifter):
    pose2d, xyz = filmed('walk')
    found = lifter(pose2d).root_location()
    assert np.median(np.abs(found[:, 2]/xyz[:, 0, 2] - 1)) < .12


@pytest.mark.parametrize('fps', [12., 15., 25., 30., 50., 60., 120.])
def test_any_frame_rate(lifter, fps):
    pose2d, xyz = filmed('trot', n=int(1.2*fps), fps=fps)
    got = lifter(pose2d)
    assert got.n_frames == pose2d.n_frames and got.fps == fps
    assert 1000*mpjpe(got.xyz(), xyz - xyz[:, :1]) < 110


def test_a_mirrored_video_gives_the_mirrored_answer(lifter):
    pose2d, _ = filmed('canter_left')
    flip = HORSE68.flip_indices
    mirrored = pose2d.replace(position=pose2d.xyz()[:, flip]*[-1, 1] + [SIZE[0], 0])
    a, b = lifter(pose2d), lifter(mirrored)
    np.testing.assert_allclose(b.xyz()[:, flip]*[-1, 1, 1], a.xyz(), atol=5e-3)
    np.testing.assert_array_equal(b.contact()[:, [2, 3, 0, 1]], a.contact())


def test_rotations_agree_with_positions(lifter):
    pose = lifter(filmed('trot')[0])
    from kinequimation.skeleton import quat_to_matrix
    Q = quat_to_matrix(pose.rotation())
    np.testing.assert_allclose(np.linalg.det(Q), 1, atol=1e-5)
    for name, child in (('forearm.L', 'forefoot.L'), ('thigh.R', 'lower_leg.R'), ('spine.001', 'spine.002')):
        i, j = HORSE68.index(name), HORSE68.index(child)
        bone = pose.xyz()[:, j] - pose.xyz()[:, i]
        predicted = Q[:, i] @ (HORSE68.head[j] - HORSE68.head[i])
        cos = (bone*predicted).sum(1)/np.linalg.norm(bone, axis=1)/np.linalg.norm(predicted, axis=1)
        assert np.median(cos) > .95


def test_long_gap_is_nan_and_short_gap_is_not(lifter):
    pose2d, _ = filmed('walk', n=80)
    xyz = pose2d.xyz().copy(); xyz[5:8] = np.nan; xyz[20:75] = np.nan
    pose = lifter(pose2d.replace(position=xyz, confidence=None))
    assert np.isfinite(pose.xyz()[:20]).all() and np.isnan(pose.xyz()[47]).all() and (pose.scores()[47] == 0).all()


def test_virtual_camera():
    rng = np.random.default_rng(0)
    t = rng.normal(0, .5, (50, 2))
    R = turn_to(t)
    ray = np.concatenate([t, np.ones((50, 1))], 1)
    np.testing.assert_allclose((R @ ray[..., None])[..., 0], np.linalg.norm(ray, axis=1)[:, None]*[0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(R @ np.swapaxes(R, 1, 2), np.broadcast_to(np.eye(3), R.shape), atol=1e-12)


def test_mirrors_are_involutions_and_inputs_finite():
    rng, flip = np.random.default_rng(0), HORSE68.flip_indices
    x, R = network_input(rng.normal(0, .1, (1, 68, 2)), np.ones((1, 68)))
    assert x.shape == (1, 208) and np.isfinite(x).all()
    np.testing.assert_allclose(mirror_input(mirror_input(x, flip), flip), x)
    y = rng.normal(size=(3, 622))
    np.testing.assert_allclose(mirror_answer(mirror_answer(y, flip), flip), y)
    assert np.isfinite(matrix_from_6d(np.zeros((2, 6)))).all()


def test_dealing_and_drawing_between():
    assert deal(25, 25) == (1, 1) and deal(100, 25) == (4, 1) and deal(10, 25) == (1, 2)
    v, w = insert_between(np.array([[[0., 0]], [[2., 4]]]), np.array([[1.], [.5]]), 2)
    np.testing.assert_allclose(v[:, 0], [[0, 0], [1, 2], [2, 4]]); np.testing.assert_allclose(w[:, 0], [1, .5, .5])


def test_root_by_least_squares():
    rng = np.random.default_rng(0)
    shape, root = rng.normal(0, .6, (4, 68, 3)), np.array([1., -.5, 9.])
    seen = (shape + root)[..., :2]/(shape + root)[..., 2:]
    np.testing.assert_allclose(root_in_camera(shape, seen, np.ones((4, 68))), np.tile(root, (4, 1)), atol=1e-3)
    assert np.isnan(root_in_camera(shape, np.full_like(seen, np.nan), np.ones((4, 68)))).all()


def test_refuses(lifter, tmp_path):
    pose2d, _ = filmed('walk', n=5)
    with pytest.raises(InputError, match='positive focal length'): lifter(pose2d, focal_px=-1)
    with pytest.raises(InputError, match='can not read'):
        (tmp_path/'x.onnx').write_text('no'); Lifter(tmp_path/'x.onnx')
    with pytest.raises(InputError, match='Choose other weights'): Lifter(skeleton=HORSE68.subset(20, 'twenty'))
