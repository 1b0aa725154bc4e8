"Points in, rotations out: what must not change, what may be missing, and where the hooves end."
import numpy as np
import pytest

from kinequimation.camera import intrinsics, look_at
from kinequimation.files import InputError
from kinequimation.gait import generate
from kinequimation.horses import random_horse
from kinequimation.pose import PoseSequence
from kinequimation.retarget import LEGS, retarget, size_ratio
from kinequimation.skeleton import HORSE68, HORSE_RIG, matrix_to_quat

HOOVES = [HORSE_RIG.index(leg[-1]) for leg in LEGS.values()]


def sequence(motion, position=None, rotations=False, **more):
    rotation = matrix_to_quat(motion.Q[:, :68]) if rotations else None
    return PoseSequence.from_arrays(motion.positions() if position is None else position, fps=motion.fps, frame='world', contact=motion.contacts, rotation=rotation, **more)


@pytest.fixture(scope='module', params=['walk', 'trot', 'canter_right', 'gallop_left'])
def motion(request):
    return generate(request.param, n_frames=60, fps=50, seed=5)


def test_same_proportions_stay_the_same(motion):
    off_mm = 1000*np.linalg.norm(retarget(sequence(motion)).heads()[:, :68] - motion.positions(), axis=-1)
    assert np.median(off_mm) < 2 and np.percentile(off_mm, 95) < 12


def test_with_rotations_it_is_exact(motion):
    clip = retarget(sequence(motion, rotations=True))
    assert 1000*np.median(np.linalg.norm(clip.heads()[:, :68] - motion.positions(), axis=-1)) < .5
    cosine = (np.einsum('tbij,tbij->tb', clip.global_rotation()[:, :68], motion.Q[:, :68]) - 1)/2
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean() < .2


@pytest.mark.parametrize('seed', [0, 1, 2, 3])
@pytest.mark.parametrize('gait', ['walk', 'gallop_right'])
def test_hooves_of_another_horse_are_planted(gait, seed):
    horse = random_horse(np.random.default_rng(seed))
    motion = generate(gait, n_frames=80, fps=50, seed=seed, skeleton=horse)
    clip = retarget(sequence(motion))
    tips, planted = clip.tails()[:, HOOVES], motion.contacts
    slide_mm = 1000*np.linalg.norm(np.diff(tips[..., :2], axis=0), axis=-1)[planted[1:] & planted[:-1]]
    assert np.abs(1000*tips[..., 2][planted]).mean() < 5 and slide_mm.mean() < 1
    assert tips[..., 2].min() > -.03


def test_the_view_of_the_camera_stays():
    motion = generate('trot', n_frames=10, fps=25, seed=1, skeleton=random_horse(np.random.default_rng(7)))
    camera = look_at([6, 0, 1.5], [0, 0, 1], (640, 360))
    clip = retarget(sequence(motion, world_to_camera=np.tile(camera.world_to_camera, (10, 1, 1)), focal_px=camera.K[0, 0], image_size=(640, 360)))
    from scipy.spatial.transform import Rotation
    R = Rotation.from_quat(clip.camera_rotation[:, [1, 2, 3, 0]]).as_matrix() @ np.diag([1., -1, -1])   # Blender's camera looks along -Z
    seen = np.einsum('tji,tkj->tki', R, clip.heads()[:, :1] - clip.camera_location[:, None]) @ intrinsics((640, 360), focal_px=clip.meta['focal_px']).T
    want = camera.project(motion.positions()[:, :1])
    assert np.abs(seen[..., :2]/seen[..., 2:] - want)[..., 0].max() < 2   # px; the height moves when the hooves are planted
    assert clip.meta['image_size'] == [640, 360]


def test_missing_points_do_not_spread():
    motion = generate('walk', n_frames=30, fps=25, seed=2)
    position = motion.positions().copy()
    gone = [HORSE68.index(n) for n in ('ear.L', 'tail.004', 'breast.R', 'eye.L')]
    position[:, gone] = np.nan
    position[10, 0] = np.nan
    clip = retarget(sequence(motion, position))
    off_mm = 1000*np.linalg.norm(clip.heads()[:, :68] - motion.positions(), axis=-1)
    assert np.isfinite(clip.rotation).all() and np.median(off_mm) < 3


def test_scale():
    motion = generate('walk', n_frames=10, fps=25)
    assert size_ratio(1.3*motion.positions()) == pytest.approx(1/1.3, rel=1e-5)


def test_it_refuses_what_is_not_in_the_world():
    motion = generate('stand', n_frames=3, fps=25)
    with pytest.raises(InputError, match="frame 'world'"): retarget(PoseSequence.from_arrays(motion.positions(), fps=25, frame='camera'))
    nothing = motion.positions()*np.nan
    with pytest.raises(InputError, match='root'): retarget(sequence(motion, nothing))
