"What the background says of the camera, where it says little."
import cv2
import numpy as np
import pytest

from kinequimation.camera_motion import camera_of, camera_travels, focal_from_tags, follow_background, horse_boxes, watch_background, with_camera
from kinequimation.files import InputError
from kinequimation.pose import PoseSequence

SIZE = (320, 180)


def scene(shift, seed=0):
    "A picture that moves to the left by `shift` px."
    rng = np.random.default_rng(seed)
    place = cv2.GaussianBlur(rng.normal(size=(180, 480)).astype(np.float32), (0, 0), 2)*400 + 128
    M = np.float32([[1, 0, -shift], [0, 1, 0]])
    return np.clip(cv2.warpAffine(place, M, SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), 0, 255).astype(np.uint8)


def poses(n, score=1.): return PoseSequence.from_arrays(np.tile(np.linspace(100, 160, 68)[None, :, None], (n, 1, 2)), np.full((n, 68), score), 25., image_size=SIZE)


def test_a_blank_wall_says_nothing_and_breaks_nothing():
    motion = follow_background([np.full((180, 320, 3), 128, np.uint8)]*5)
    assert (motion.tracked[1:] == 0).all() and not motion.moves and np.isfinite(motion.rotation).all()


def test_a_few_pixels_are_the_right_angle():
    motion = follow_background([scene(3.*i) for i in range(10)], focal_px=600.)
    assert motion.turned_deg == pytest.approx(np.degrees(np.arctan(27/600)), rel=.05) and motion.moves
    assert motion.rotation[-1, 0, 2] < 0, 'what moves to the left in the picture: the camera turns to the right'


def test_a_tripod_is_a_tripod_in_noise():
    rng = np.random.default_rng(1)
    film = [np.clip(scene(0).astype(float) + rng.normal(0, 5, SIZE[::-1]), 0, 255).astype(np.uint8) for _ in range(12)]
    assert not follow_background(film).moves


def test_the_horse_is_no_background():
    "What moves inside the box is not looked at."
    film = []
    for i in range(8):
        image = scene(0); image[40:150, 60:200] = scene(9*i, 5)[40:150, 60:200]; film.append(image)
    assert not follow_background(film, np.tile([60., 40, 200, 150], (8, 1))).moves


def layers(n=13, far=2., near=6., share=.4, other=False):
    "Far things above, near things below, or (`other`) something that goes its own way in a corner: (n,) pictures."
    film = []
    for i in range(n):
        image, row = scene(far*i), int(180*(1 - share))
        if other: image[row:, 210:] = scene(-near*i, 5)[row:, 210:]
        else: image[row:] = scene(near*i, 5)[row:]
        film.append(image)
    return film


def test_near_things_that_pass_faster_tell_that_the_camera_travels():
    assert follow_background(layers()).travels
    for film in (layers(near=2.), layers(share=.3, other=True), [scene(5.*i) for i in range(13)], [scene(0)]*13): assert not follow_background(film).travels


def test_no_focal_length_is_read_off_a_turn_that_was_never_made():
    seen = watch_background(layers(13, 4, 12), poses(13))
    assert seen.log[-1]['turned_deg'] > 4 and seen.log[-1]['focal_from'] == 'default' and camera_travels(seen)


def test_boxes_and_lens():
    pose = poses(6)
    np.testing.assert_allclose(horse_boxes(pose)[0], [100, 100, 160, 160], atol=1e-3)
    assert np.isnan(horse_boxes(poses(6, 0.))).all()
    seen = watch_background([scene(0)]*6, pose, tags={'com.apple.quicktime.camera.focal_length.35mm_equivalent': '50'})
    assert seen.log[-1]['focal_from'] == 'metadata' and seen.focal_px == pytest.approx(50/43.27*np.hypot(*SIZE), rel=.01)
    assert watch_background([scene(0)]*6, pose).log[-1]['focal_from'] == 'default'
    assert focal_from_tags({'focallengthin35mmformat': 'wide'}, SIZE) is None


def test_a_film_that_halts_and_leaps_was_taken_by_a_camera_that_turned_on():
    repeated = np.arange(9) % 2 == 1
    held = watch_background([scene(8*(i//2)) for i in range(9)], poses(9).replace(repeated=repeated), 500.)
    even = watch_background([scene(4*i) for i in range(9)], poses(9), 500.)
    for a, b in zip(camera_of(held), camera_of(even)): np.testing.assert_allclose(a, b, atol=2e-3)
    assert np.degrees(np.arccos((np.trace(camera_of(even)[0][-1]) - 1)/2)) > 3   # it did turn


def test_kept_in_the_file(tmp_path):
    seen = watch_background([scene(4*i) for i in range(6)], poses(6), 500.)
    again = PoseSequence.load(seen.save(tmp_path/'p.nc'))
    for a, b in zip(camera_of(seen), camera_of(again)): np.testing.assert_allclose(a, b)
    going = watch_background(layers(), poses(13), 500.)
    assert camera_travels(PoseSequence.load(going.save(tmp_path/'going.nc'))) and not camera_travels(again)


def test_refuses():
    with pytest.raises(InputError, match='no frame'): follow_background([])
    with pytest.raises(InputError, match='as many boxes'): follow_background([scene(0)]*3, np.zeros((2, 4)))
    with pytest.raises(InputError, match='over 9 frames'): with_camera(poses(9), follow_background([scene(0)]*3))
