"The detector as it ships: what it says about pictures with and without a horse, and about bad input."
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from pathlib import Path

import cv2
import numpy as np
import pytest

from kinequimation.detect import (FOUND, PADDING, Detector, Horse, _distinct, _with_what_was_lost, Follower, box_iou, calibrate, claim, crop, crop_matrix, crop_window, decode, draw_pose, fit_calibration, measure_speed, other_horses, overlay_video, pose_box, presence, shown)
from kinequimation.kinship import heed, taught_landmarks
from kinequimation.files import InputError, assets_dir
from kinequimation.overlay import Overlay
from kinequimation.pose import PoseSequence
from kinequimation.skeleton import HORSE68
from kinequimation.video import VideoWriter, frames, probe
from kinequimation.weights import METADATA_KEY, names_hash

ROOT = Path(__file__).parent.parent
WEIGHTS = assets_dir()/'models'/'detector.onnx'
DEMO = assets_dir()/'clips'/'demo.mp4'
SHARED = ROOT.parent/'shared'/'data'


@pytest.fixture(scope='module')
def detector(): return Detector(threads=1)


@pytest.fixture
def demo():
    assert DEMO.exists(), f'{DEMO} ships with the project'
    return DEMO


def empty_pictures():
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, 320).astype(np.uint8)
    yield np.zeros((240, 320, 3), np.uint8)
    yield np.full((100, 400, 3), 200, np.uint8)
    yield np.repeat(np.tile(ramp, (240, 1))[..., None], 3, 2)
    yield rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    yield cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)


def write(path, pictures, fps=25.):
    pictures = list(pictures)
    with VideoWriter(path, fps, pictures[0].shape[1::-1]) as w:
        for p in pictures: w.write(p)
    return path


def test_answers_a_tuple_of_keypoints_and_scores(detector, demo):
    image = next(iter(frames(demo)))
    answer = detector.predict(image)
    assert isinstance(answer, tuple)
    keypoints, scores = answer
    assert keypoints.shape == (68, 2) and scores.shape == (68,)
    assert np.isfinite(keypoints).all() and ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize('i', range(5))
def test_no_horse_gives_nan_and_zero(detector, i):
    keypoints, scores = detector.predict(list(empty_pictures())[i])
    assert np.isnan(keypoints).all() and (scores == 0).all()


def test_box_given_and_found_agree(detector, demo):
    image = next(iter(frames(demo)))
    found, scores = detector.predict(image)
    box = np.concatenate([found[scores > .3].min(0) - 5, found[scores > .3].max(0) + 5])
    given, _ = detector.predict(image, box)
    assert np.median(np.linalg.norm(found - given, axis=1)) < .03*(box[2:] - box[:2]).max()


def test_a_small_horse_in_a_large_frame_is_found(detector, demo):
    image = next(iter(frames(demo)))
    found, _ = detector.predict(image)
    small = cv2.resize(image, None, fx=.5, fy=.5, interpolation=cv2.INTER_AREA)
    h, w = small.shape[:2]
    frame = np.full((2*h, 2*w, 3), 120, np.uint8)
    frame[h:, w:] = small
    points, scores = detector.predict(frame)
    assert presence(scores) >= detector.threshold
    assert np.median(np.linalg.norm((points - [w, h])*2 - found, axis=1)) < .06*np.ptp(found, axis=0).max()


def test_mirrored_picture_gives_mirrored_pose(detector, demo):
    image = next(iter(frames(demo)))
    box = np.array([0, 0, *image.shape[1::-1]])
    a, s = detector.predict(image, box)
    b, _ = detector.predict(image[:, ::-1].copy(), box)
    b = b[HORSE68.flip_indices]*[-1, 1] + [image.shape[1] - 1, 0]
    assert np.median(np.linalg.norm(a - b, axis=1)) < 2.5


def test_video_of_a_horse(detector, demo, tmp_path):
    clip = write(tmp_path/'clip.mp4', [f for i, f in enumerate(frames(demo)) if i < 6])
    seen = []
    pose = detector.predict_video(clip, progress=lambda done, total: seen.append((done, total)))
    assert pose.frame == 'image' and pose.n_frames == 6 and pose.skeleton == HORSE68
    assert np.isfinite(pose.xyz()).all(axis=(1, 2)).mean() > .8
    assert seen[-1] == (6, 6)
    out = overlay_video(clip, pose, tmp_path/'overlay.mp4')
    assert probe(out).n_frames == 6 and probe(out).size == probe(clip).size
    a, b = next(iter(frames(clip))), next(iter(frames(out)))
    assert (np.abs(a.astype(int) - b) > 60).any(axis=-1).mean() > .005  # something was drawn
    slow = detector.predict_video(clip, fps=240)   # as its camera did, in slow motion
    assert slow.fps == 240 and slow.ds.time.values[-1] == pytest.approx(5/240)
    np.testing.assert_array_equal(slow.xyz(), pose.xyz())


def test_video_without_a_horse_is_nan(detector, tmp_path):
    clip = write(tmp_path/'empty.mp4', [np.full((120, 160, 3), 90, np.uint8)]*3)
    pose = detector.predict_video(clip)
    assert np.isnan(pose.xyz()).all() and (pose.scores() == 0).all()


def test_overlay_refuses_another_video(tmp_path):
    clip = write(tmp_path/'clip.mp4', [np.zeros((120, 160, 3), np.uint8)]*2)
    pose = PoseSequence.from_arrays(np.zeros((2, 68, 2)), fps=25, image_size=(640, 480))
    with pytest.raises(InputError, match='Expected poses for a picture of 160x120, but they are for 640x480'): overlay_video(clip, pose, tmp_path/'out.mp4')
    assert not (tmp_path/'out.mp4').exists()


def test_drawing_leaves_the_picture_alone_and_skips_what_is_missing():
    image = np.zeros((100, 100, 3), np.uint8)
    points = np.full((68, 2), np.nan)
    assert (draw_pose(image, points, np.zeros(68)) == 0).all()
    points[:2] = [[20, 20], [80, 80]]
    assert draw_pose(image, points, np.ones(68)).any() and not image.any()
    draw_pose(image, np.full((68, 2), 1e9), np.ones(68))  # far outside: nothing, and no crash


@pytest.mark.parametrize('image', [np.zeros((10, 10), np.uint8), np.zeros((10, 10, 3), np.float32), np.zeros((0, 10, 3), np.uint8)])
def test_refuses_what_is_no_picture(detector, image):
    with pytest.raises(InputError, match='Expected a picture as uint8 array'): detector.predict(image)


@pytest.mark.parametrize('box', [(0, 0, 0, 10), (0, 0, np.nan, 10), (5, 5, 1, 1), (1, 2, 3)])
def test_refuses_what_is_no_box(detector, box):
    with pytest.raises(InputError, match='Expected a box x0 y0 x1 y1'): detector.predict(np.zeros((20, 20, 3), np.uint8), box)


def test_refuses_weights_that_are_none(tmp_path):
    with pytest.raises(InputError, match='does not exist'): Detector(tmp_path/'none.onnx')
    (tmp_path/'text.onnx').write_text('not a network')
    with pytest.raises(InputError, match='ONNX Runtime can not read'): Detector(tmp_path/'text.onnx')


def edited(tmp_path, **changes):
    onnx = pytest.importorskip('onnx')
    graph = onnx.load(str(WEIGHTS))
    meta = json.loads({p.key: p.value for p in graph.metadata_props}[METADATA_KEY])
    onnx.helper.set_model_props(graph, {METADATA_KEY: json.dumps({**meta, **changes})} if changes else {})
    onnx.save(graph, str(tmp_path/'edited.onnx'))
    return tmp_path/'edited.onnx'


def test_refuses_weights_for_another_skeleton(tmp_path):
    path = edited(tmp_path, names_hash='0'*16, skeleton='horse16', n_keypoints=16)
    with pytest.raises(InputError) as e: Detector(path)
    assert str(e.value) == f"Expected a detector for the 68 keypoints of horse68, but {path} was trained for 16 of 'horse16'. Choose other weights."


def test_refuses_weights_of_another_kind_or_without_a_name(tmp_path):
    with pytest.raises(InputError, match='is a lifter'): Detector(edited(tmp_path, kind='lifter'))
    with pytest.raises(InputError, match='does not say what it is'): Detector(edited(tmp_path))


def test_shipped_weights_say_what_they_are(detector):
    assert detector.meta['skeleton'] == 'horse68' and detector.meta['names_hash'] == names_hash(HORSE68)
    assert WEIGHTS.stat().st_size < 20e6 and WEIGHTS.with_suffix('.md').exists()


def test_shrinking_keeps_places():
    "A window fetched from a shrunken copy shows things at the same place as one sampled directly."
    image = np.zeros((900, 900, 3), np.uint8)
    cv2.circle(image, (600, 300), 40, (255, 255, 255), -1)
    M = crop_matrix((450, 450), 900, 100)
    grey = crop(image, M, 100, border=(0, 0, 0))[..., 0].astype(float)
    middle = (grey[..., None]*np.stack(np.meshgrid(np.arange(100), np.arange(100)), -1)).sum((0, 1))/grey.sum()
    assert np.abs(middle - (M @ [600, 300, 1])).max() < .1


def test_shrinking_to_a_quarter_is_the_average_of_sixteen_pixels():
    image = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    window = crop(image, crop_matrix((201.5, 201.5), 400, 100), 100).astype(float)   # the middle of the first block, 1.5, becomes 0
    blocks = image.reshape(100, 4, 100, 4, 3).mean((1, 3))
    assert np.abs(window - blocks)[1:-1, 1:-1].max() <= 1


@pytest.mark.parametrize('side', [90, 180, 330, 700, 1500])
def test_a_window_shows_the_same_at_every_resolution(side):
    "Of a smooth picture: the window of the picture at half the size is the same."
    big = cv2.resize(np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8), (1600, 1600), interpolation=cv2.INTER_CUBIC)
    small = cv2.resize(big, (800, 800), interpolation=cv2.INTER_AREA)
    a = crop(big, crop_matrix((799.5, 801.5), side, 96), 96)
    b = crop(small, crop_matrix((399.5, 400.5), side/2, 96), 96)
    assert np.abs(a.astype(int) - b)[2:-2, 2:-2].mean() < 1.5


def test_the_box_goes_round_what_is_doubtful_but_not_round_what_is_not_there():
    points = np.array([[20, 20], [80, 30]]*10 + [[50, 120]]*3 + [[400, 400]])
    box = pose_box(points, np.r_[np.full(20, .9), np.full(3, .15), .02], margin=0)
    assert box.tolist() == [20, 20, 80, 120]


def test_a_closer_look_must_be_surer():
    assert claim(.8, 1.) == .8 and claim(.8, 1.6) < claim(.8, 1.) and claim(.8, 9.) == claim(.8, 2.6)
    assert claim(1., 2.6) > FOUND    # or no horse could be found that is small


def test_looks_closer_only_where_that_may_help(detector):
    def windows(picture):
        before = detector.spent['windows']
        detector.find(picture)
        return detector.spent['windows'] - before
    assert windows(demo_frames(1)[0]) == 1                            # all is clear at once
    assert windows(np.zeros((480, 640, 3), np.uint8)) == 1 + 1 + 6 + 15   # nothing: the whole frame, once more from farther away, then two zooms
    assert windows(np.zeros((240, 240, 3), np.uint8)) == 1 + 1 + 9    # the second zoom would only enlarge what there is


def test_weights_say_from_which_claim_on_a_horse_is_there(tmp_path, detector):
    image = demo_frames(1)[0]
    claimed = detector.seek(image)[2]
    assert detector.found == detector.meta.get('found', FOUND) and claimed > detector.found
    strict = Detector(edited(tmp_path, found=claimed + .01), threads=1)
    assert np.isnan(strict.predict(image)[0]).all()
    strict.threshold = 0.   # who measures wants an answer in any case
    assert np.isfinite(strict.predict(image)[0]).all()


def test_finds_the_horse_in_a_film_of_1878(detector):
    clip = SHARED/'muybridge'/'muybridge-1.mp4'
    if not clip.exists(): pytest.skip(f'NO REAL DATA: {clip} is absent, so the film of 1878 is not tested')
    answers = [detector.predict(f) for i, f in enumerate(frames(clip)) if i < 36 and i % 6 == 0]
    assert np.mean([np.isfinite(p).all() for p, _ in answers]) >= .8


# films made of the demo: comings and goings

def demo_frames(n=75): return [f for i, f in enumerate(frames(DEMO)) if i < n]

def meadow():
    "The demo's place without its horse, blurred."
    return cv2.GaussianBlur(np.repeat(demo_frames(1)[0][:, :40], 12, axis=1), (0, 0), 9)

def held_out(n): return [f[:, ::-1] for i, f in enumerate(frames(assets_dir()/'clips'/'heldout.mp4')) if i < n]

def seen(pose): return (pose.scores() > 0).any(1)

def middles(pose):
    "(T,) px, x of the horse's middle."
    return np.array([np.median(p[s > .3], axis=0)[0] if (s > .3).any() else np.nan for p, s in zip(pose.xyz(), pose.scores())])


@pytest.mark.parametrize('wide', [.5, .6])
def test_a_still_that_was_squeezed_is_looked_at_as_it_was(detector, wide):
    image = list(frames(assets_dir()/'clips'/'heldout.mp4'))[30]
    points, scores = detector.predict(image)
    assert detector.unsqueezed(image, pose_box(points, scores))[2] == 1
    squeezed = cv2.resize(image, (round(image.shape[1]*wide), image.shape[0]), interpolation=cv2.INTER_AREA)
    box = pose_box(points*[wide, 1], scores)
    off = lambda found: np.linalg.norm(found/[wide, 1] - points, axis=1)[scores > .5].mean()/np.ptp(points[:, 0])
    middle, side, aspect = detector.unsqueezed(squeezed, box)
    assert aspect > 1.2
    as_it_was, as_it_is = detector.study(squeezed, (middle, side, aspect))[0], detector.study(squeezed, crop_window(box))[0]
    assert off(as_it_was) < .7*off(as_it_is) and off(as_it_was) < .015
    np.testing.assert_allclose(detector.predict(squeezed, box)[0], as_it_was, atol=1e-3)


def test_a_horse_that_comes_late_and_one_that_comes_back(detector, tmp_path):
    demo, empty = demo_frames(12), meadow()
    pose = detector.predict_video(write(tmp_path/'back.mp4', [empty]*3 + demo[:5] + [empty]*3 + demo[5:9]))
    assert seen(pose).tolist() == [False]*3 + [True]*5 + [False]*3 + [True]*4


def test_of_two_horses_the_chosen_one_is_followed_and_the_other_told(detector, tmp_path):
    film = [np.hstack([a, b]) for a, b in zip(demo_frames(6), held_out(6))]
    clip, (large, small) = write(tmp_path/'pair.mp4', film), [h.box for h in detector.find_all(film[0])]
    first, chosen = detector.predict_video(clip), detector.predict_video(clip, bbox_xyxy=small)
    inside = lambda pose, box: ((middles(pose) > box[0]) & (middles(pose) < box[2])).all()
    assert inside(first, large) and inside(chosen, small)    # the largest; the one in the box
    for pose, other in ((first, small), (chosen, large)):
        [h] = other_horses(pose)
        assert box_iou(h['bbox_xyxy'], other) > .7


def test_a_horse_that_leaves_is_not_mistaken_for_the_one_that_stays(detector, tmp_path):
    clip = write(tmp_path/'leave.mp4', [np.hstack([a, b]) for a, b in zip(demo_frames(3) + [meadow()]*4, held_out(7))])
    pose = detector.predict_video(clip, bbox_xyxy=(110, 75, 410, 258))
    assert seen(pose).tolist() == [True]*3 + [False]*4


def test_a_single_horse_is_not_told_twice(detector):
    assert len(detector.find_all(demo_frames(1)[0])) == 1


def test_half_a_horse_and_a_tree_are_no_second_horse():
    "A box that shares half of itself with a horse is another horse if it is about as sure, and none if it is much less."
    def horse(x0, x1, sure): return Horse(np.stack([np.linspace(x0, x1, 68), np.tile([100., 200.], 34)], 1), np.full(68, sure), np.zeros(3))
    whole = horse(100, 300, .98)
    for sure, n in ((.9, 2), (.74, 1)): assert len(_distinct([horse(210, 430, sure), whole])) == n
    assert len(_distinct([horse(290, 430, .74), whole])) == 2   # one that stands behind it


def test_a_small_horse_in_a_large_film(detector, tmp_path):
    small = [cv2.resize(f, None, fx=.3, fy=.3, interpolation=cv2.INTER_AREA) for f in demo_frames(3)]
    film = [cv2.resize(meadow(), (1280, 720)) for _ in small]
    for big, f in zip(film, small): big[500:500 + f.shape[0], 900:900 + f.shape[1]] = f
    x = middles(detector.predict_video(write(tmp_path/'small.mp4', film)))
    assert ((x > 920) & (x < 1030)).all()


def test_a_horse_that_stays_where_it_was_need_not_be_looked_for(detector):
    "However unsure the network is of it: a search takes ten times as long as a look."
    unsure = copy(detector)
    unsure.threshold, pictures = 1.3, demo_frames(4)   # the demo's horse is below .8 of that, and above half of it
    follower = Follower(unsure)
    assert follower.step(pictures[0]) is not None
    before = unsure.spent['windows']
    assert all(follower.step(p) is not None for p in pictures[1:])
    assert unsure.spent['windows'] - before == 2*3     # the window and its mirror image


def test_the_network_looks_ahead_while_an_answer_is_read(detector):
    "As many windows as one after the other, all but the search's from another thread, and the same horse; where the horse is awaited elsewhere by now, the window is taken anew."
    pictures, there = demo_frames(8), []
    d = copy(detector)
    d._ask = lambda x, *output: there.append(threading.current_thread().name) or Detector._ask(d, x, *output)
    with ThreadPoolExecutor(1, 'network') as pool:
        alone, ahead = Follower(d), Follower(d, pool=pool)
        first = [alone.step(p) for p in pictures]
        looks = len(there)
        second = [ahead.step(p, q) for p, q in zip(pictures, pictures[1:] + [None])]
        assert len(there) == 2*looks and sum(t.startswith('network') for t in there) == len(pictures) - 1   # the first is sought
        for a, b in zip(first, second): assert np.median(np.linalg.norm(a.points - b.points, axis=1)) < .01*np.ptp(a.box.reshape(2, 2), axis=0).max()
        shifted = np.roll(pictures[-1], 25, axis=1)
        horse = ahead.step(pictures[-1], shifted) and ahead.step(shifted, shifted)
        assert abs(np.median((horse.points - second[-1].points)[:, 0]) - 25) < 4
        ahead.box = ahead.box + .1*np.ptp(horse.box.reshape(2, 2), axis=0).max()
        looks, again = len(there), ahead.step(shifted)
        assert len(there) == looks + 1 and np.median(np.linalg.norm(again.points - horse.points, axis=1)) < .01*np.ptp(horse.box.reshape(2, 2), axis=0).max()


@pytest.mark.parametrize('size,n', [((271, 481), 2), ((433, 241), 2), ((480, 270), 1)])
def test_upright_odd_and_single_pictures(detector, tmp_path, size, n):
    film = [cv2.copyMakeBorder(cv2.resize(f, (size[0], size[0]*9//16)), size[1] - size[0]*9//16, 0, 0, 0, cv2.BORDER_REPLICATE) if size[1] > size[0] else cv2.resize(f, size) for f in demo_frames(n)]
    clip = write(tmp_path/'clip.mp4', film)
    pose = detector.predict_video(clip)
    assert pose.n_frames == n and seen(pose).all()
    assert probe(overlay_video(clip, pose, tmp_path/'over.mp4')).size == probe(clip).size


def test_a_quick_look_is_nearly_the_same(detector, tmp_path):
    clip = write(tmp_path/'clip.mp4', demo_frames(9))
    slow, quick = detector.predict_video(clip), detector.predict_video(clip, stride=4, half=True)
    assert quick.n_frames == 9 and quick.image_size == slow.image_size
    sure = slow.scores() > .6
    assert np.median(np.linalg.norm(slow.xyz() - quick.xyz(), axis=-1)[sure]) < 6
    assert quick.scores()[1].max() <= .5 + 1e-6     # nobody looked there
    assert quick.log[-1]['stride'] == 4
    with pytest.raises(InputError, match='Expected a stride of 1 or more'): detector.predict_video(clip, stride=0)


@pytest.mark.parametrize('error', [KeyboardInterrupt, RuntimeError])
def test_threads_end_when_the_work_is_stopped(detector, tmp_path, error):
    clip = write(tmp_path/'clip.mp4', demo_frames(20))
    pose = PoseSequence.from_arrays(np.full((20, 68, 2), 100.), fps=25, image_size=probe(clip).size)
    def stop(done, total):
        if done == 2: raise error
    with pytest.raises(error): detector.predict_video(clip, progress=stop)
    with pytest.raises(error): overlay_video(clip, pose, tmp_path/'over.mp4', progress=stop)
    assert not [t.name for t in threading.enumerate() if t.name == 'ahead']
    assert [p.name for p in tmp_path.iterdir()] == ['clip.mp4']


def test_a_film_that_shows_pictures_again_glides(detector, tmp_path):
    film, times = demo_frames(16), [2, 3]*8
    alone = detector.predict_video(write(tmp_path/'once.mp4', film))
    held = detector.predict_video(write(tmp_path/'held.mp4', [f for f, n in zip(film, times) for _ in range(n)]))
    new = np.cumsum([0] + times[:-1])
    np.testing.assert_array_equal(held.repeated(), ~np.isin(np.arange(40), new))
    assert alone.repeated() is None and held.log[-1]['leapt'] == []
    off = np.linalg.norm(held.xyz()[new] - alone.xyz(), axis=-1)/np.ptp(alone.xyz()[0, :, 0])
    assert np.median(off) < .01    # the median: encoded anew, a film may have a leg read otherwise
    shown = held.xyz()[new].astype(float)
    assert np.abs(np.diff(shown, axis=0)).max((1, 2)).min() > 2    # px: the horse moves, and on straight lines it halts nowhere
    lines = np.stack([np.interp(np.arange(40), new, way) for way in shown.reshape(16, -1).T], -1).reshape(40, 68, 2)
    np.testing.assert_allclose(held.xyz(), lines, atol=1e-3)
    np.testing.assert_allclose(held.scores()[new[1] + 1], np.minimum(held.scores()[new[1]], held.scores()[new[2]]), atol=1e-6)
    drawn = Overlay(held)
    np.testing.assert_array_equal(drawn.points[new[1] + 2], held.xyz()[new[1]].astype(float))   # over a picture that halts, a pose that halts


@pytest.mark.parametrize('t', [0, 8])
def test_a_picture_in_which_the_horse_faces_the_other_way_gives_way_to_its_neighbours(detector, tmp_path, t):
    film = demo_frames(16)
    right = detector.predict_video(write(tmp_path/'right.mp4', film))
    middle, turned = int(right.xyz()[t, :, 0].min() + np.ptp(right.xyz()[t, :, 0])/2), film[t][:, ::-1]
    film[t] = np.roll(turned, middle - (turned.shape[1] - 1 - middle), axis=1)   # where it was, but mirrored
    mended = detector.predict_video(write(tmp_path/'turned.mp4', film))
    assert right.log[-1]['leapt'] == [] and mended.log[-1]['leapt'] == [t]
    off = np.linalg.norm(mended.xyz() - right.xyz(), axis=-1)/np.ptp(right.xyz()[t, :, 0])
    assert np.median(off[t]) < .03
    np.testing.assert_allclose(mended.scores()[t], .5*mended.scores()[[max(t - 1, 1), t + 1]].min(0), atol=1e-6)


def test_keypoints_stay_where_no_landmark_agrees():
    rng = np.random.default_rng(0)
    found, weights = rng.uniform(0, 200, (68, 2)), np.eye(68)[:16]
    far = weights @ found + 100.   # all of them speak of another horse
    np.testing.assert_array_equal(heed(found, np.full(68, .5), weights, far, np.ones(16), 200.), found)
    near = heed(found, np.full(68, .5), weights, weights @ found + 8., np.ones(16), 200.)
    assert (np.linalg.norm(near - found, axis=1)[:16] > 4).all()


def test_tells_how_far_off_its_keypoints_may_be(detector):
    clips = assets_dir()/'clips'
    told, true = detector.predict_video(clips/'heldout.mp4'), PoseSequence.load(clips/'heldout_pose2d.nc')
    off, std = np.abs(told.xyz() - true.xyz()).astype(float), told.position_std().astype(float)
    known = np.isfinite(off) & np.isfinite(std)
    assert np.isfinite(std[told.scores() > 0]).all()
    assert .5 < (off < std)[known].mean() < .9
    surer = std < np.nanmedian(std)
    assert np.median(off[known & surer]) < .8*np.median(off[known & ~surer])
    always = told.scores() > .95   # of the same confidence, it tells those apart that are nearer
    assert np.median(off[known & always[..., None] & (std < np.median(std[always]))]) < .9*np.median(off[known & always[..., None] & (std >= np.median(std[always]))])


def test_scores_are_calibrated_by_the_table_in_the_file(tmp_path):
    plain, halved = (Detector(edited(tmp_path, calibration=table), threads=1) for table in (None, dict(score=[0., 1.], sure=[0., .5])))
    image = demo_frames(1)[0]
    (a, s), (b, t) = plain.predict(image), halved.predict(image)
    assert np.allclose(t, s/2, atol=1e-6) and np.allclose(a, b)   # found all the same: presence is asked of the network's own scores
    with pytest.raises(InputError, match='Expected a calibration with rising scores'): Detector(edited(tmp_path, calibration=dict(score=[1, 0], sure=[0, 1])))


def test_calibration_of_an_honest_network_changes_little():
    rng = np.random.default_rng(3)
    said = rng.random((200, 68))
    table = fit_calibration(said, np.where(rng.random(said.shape) < said, 0., 1.))
    assert np.abs(calibrate(said, table) - said).max() < .09
    assert (np.diff(calibrate(np.linspace(0, 1, 50), table)) >= 0).all()


def test_speed_is_told_beside_the_network_alone(detector, tmp_path):
    row = measure_speed(detector, write(tmp_path/'clip.mp4', demo_frames(4)))
    assert row['frames'] == 4 and row['windows'] >= 8 and row['network_s'] > 0
    assert row['ratio'] == pytest.approx(row['seconds']/row['network_s'], rel=.05)


def test_what_the_first_look_was_surer_of_stays():
    first, last = (np.zeros((68, 2)), np.full(68, .8)), (np.ones((68, 2)), np.r_[np.full(20, .9), np.full(48, .1)])
    points, scores = _with_what_was_lost(last, first)
    assert (points[:20] == 1).all() and (points[20:] == 0).all() and scores.min() == .8
    sure = np.ones((68, 2)), np.full(68, .75)   # nearly as sure: the last look stands
    assert _with_what_was_lost(sure, first) is sure


def test_a_look_that_has_only_a_part_of_the_horse_is_given_up_for_one_that_shows_it(detector):
    image = demo_frames(1)[0]
    whole = pose_box(*detector.windows(image, [crop_window((0, 0, *image.shape[1::-1]))])[0])
    quarters = whole + np.array([.45, 0, 0, 0])*np.ptp(whole[[0, 2]])   # the hindquarters: it looks to the left
    part = detector.windows(image, [crop_window(quarters, 1.)])[0]
    found = detector.rove(image, part)
    assert shown(part[1]) < .75 and box_iou(pose_box(*part), whole) < .7
    assert shown(found[1]) > .85 and box_iou(pose_box(*found), whole) > .85


def test_keypoints_heed_the_landmarks_that_were_taught(detector, demo):
    "The 68 move towards what the network says of landmarks straight: unsure ones much, sure ones hardly, and only where both agree."
    image, alone = next(iter(frames(demo))), copy(detector)
    alone.taught = None
    h, w = image.shape[:2]
    window = ((w/2, h/2), max(w, h))
    matrix = crop_matrix(*window, detector.size)
    prob = detector.heatmaps(crop(image, matrix, detector.size)[None])[0]
    assert len(prob) == 68 + len(detector.taught) == len(detector.flip_indices)
    W, (said, sure) = detector.taught.weights, decode(prob[68:], detector.stride)
    (before, scores), (after, _) = (d.windows(image, [window])[0] for d in (alone, detector))
    expected = heed(before @ matrix[:, :2].T + matrix[:, 2], scores, W, said, sure, detector.size/PADDING)
    assert np.abs(after @ matrix[:, :2].T + matrix[:, 2] - expected).max() < 1e-6 < np.abs(after - before).max()
    there = before @ matrix[:, :2].T + matrix[:, 2]
    off = lambda sureness: np.linalg.norm(W @ heed(there, np.full(68, sureness), W, said, sure, detector.size/PADDING) - said, axis=1)
    near = np.linalg.norm(W @ there - said, axis=1) < .06*detector.size
    assert near.sum() >= 10 and off(.3)[near].mean() < .5*off(.99)[near].mean() and np.abs(off(.99) - np.linalg.norm(W @ there - said, axis=1)).max() < .2


def test_another_networks_landmarks_are_refused():
    with pytest.raises(InputError, match='weights of shape'): taught_landmarks(dict(landmarks=dict(set='mine', names=['a', 'b'], pairs=[], weights=[[1.] + [0.]*67])))
    assert taught_landmarks({}) is None
