"Whether there is a horse at all: what the shipped file thinks, what comes of it in stills and films, and the tool that fits it."
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from kinequimation.detect import Detector, box_iou, pose_box
from kinequimation.files import assets_dir
from kinequimation.video import VideoWriter, frames

ROOT = Path(__file__).parent.parent
WEIGHTS, DEMO = assets_dir()/'models'/'detector.onnx', assets_dir()/'clips'/'demo.mp4'


@pytest.fixture(scope='module', params=['detector', 'detector_lite0', 'detector_synthetic'])
def shipped(request): return Detector(assets_dir()/'models'/f'{request.param}.onnx', threads=1)

@pytest.fixture
def detector(): return Detector(threads=1)

@pytest.fixture(scope='module')
def image(): return next(iter(frames(DEMO)))


def person(size=240):
    "Somebody in front of a wall."
    picture = np.full((size, size, 3), (170, 185, 195), np.uint8)
    picture[size*3//4:] = (80, 130, 110)
    cv2.rectangle(picture, (100, 70), (140, 135), (70, 60, 150), -1)
    for x in (104, 124): cv2.rectangle(picture, (x, 130), (x + 13, 205), (60, 60, 60), -1)
    for x in (90, 140): cv2.rectangle(picture, (x, 75), (x + 10, 135), (80, 70, 150), -1)
    cv2.circle(picture, (120, 54), 15, (120, 150, 190), -1)
    return cv2.GaussianBlur(picture, (0, 0), 1.2)


def test_believes_a_horse_and_not_a_person(shipped, image):
    "A drawn person and a rendered horse, in each file that ships."
    assert shipped.least > 0, 'the shipped files have an opinion'
    horse, nobody = (shipped.verdict(p, pose_box(*shipped.seek(p)[:2])) for p in (image, person()))
    assert horse > .9 and nobody < .5*horse
    assert 0 <= shipped.verdict(image, (0, 0, 40, 40)) < shipped.least


def test_what_is_not_believed_is_not_found(detector, image, tmp_path):
    box = pose_box(*detector.seek(image)[:2])
    assert np.isfinite(detector.predict(image)[0]).all() and len(detector.find_all(image)) == 1
    detector.least = 1.1   # believes nobody
    assert np.isnan(detector.predict(image)[0]).all() and detector.find_all(image) == [] and detector.seek(image)[2] <= 0
    assert np.isfinite(detector.predict(image, box)[0]).all()   # who gives a box knows that there is one
    with VideoWriter(tmp_path/'few.mp4', 25, image.shape[1::-1]) as film:
        for _ in range(4): film.write(image)
    assert np.isnan(detector.predict_video(tmp_path/'few.mp4').xyz()).all()
    assert np.isfinite(detector.predict_video(tmp_path/'few.mp4', bbox_xyxy=box).xyz()).all()


def test_where_one_is_not_believed_another_is_heard(detector, image, monkeypatch):
    "Two horses; the one that the finder likes best is said to be none."
    pair = np.concatenate([image, cv2.resize(image, None, fx=.6, fy=.6)[[0]*(image.shape[0] - int(image.shape[0]*.6)) + list(range(int(image.shape[0]*.6)))]], 1)
    first, opinion = pose_box(*detector.predict(pair, looks=(1.,))), detector.verdict
    monkeypatch.setattr(Detector, 'verdict', lambda self, picture, box: 0. if box_iou(box, first) > .5 else opinion(picture, box))
    second = pose_box(*detector.predict(pair, looks=(1.,)))
    assert np.isfinite(second).all() and box_iou(first, second) < .1


def test_is_asked_once_for_a_claim_and_never_where_nothing_is_claimed(detector, image, monkeypatch):
    asked, opinion = [], detector.verdict
    monkeypatch.setattr(Detector, 'verdict', lambda self, *a: asked.append(a) or opinion(*a))
    detector.seek(image)
    assert len(asked) == 1
    detector.seek(np.full((240, 320, 3), 90, np.uint8))
    assert len(asked) == 1


def test_the_tool_fits_and_writes(tmp_path):
    "Toy horses and toy places: a file gets another opinion, which tells the two apart."
    pytest.importorskip('mmpose', reason='NO MMPOSE: fitting is for those who train')
    from kinequimation.train_detector import toy_dataset
    data = toy_dataset(tmp_path/'toys', 120, seed=5, negatives=.5)
    shutil.copy(WEIGHTS, tmp_path/'mine.onnx')
    told = subprocess.run([sys.executable, str(ROOT/'tools'/'fit_verdict.py'), str(data), '--weights', str(tmp_path/'mine.onnx'), '--threads', '1', '--sheet', str(tmp_path/'sheet.png')], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr[-2000:]
    assert '| claimed_from | believed_from |' in told.stdout
    before, after = Detector(WEIGHTS, threads=1), Detector(tmp_path/'mine.onnx', threads=1)
    assert after.least > 0 and before.least != after.least
    held_out = json.loads((data/'annotations'/'val.json').read_text())
    horses = {a['image_id'] for a in held_out['annotations'] if any(a['keypoints'][2::3])}
    said = {True: [], False: []}
    for record in held_out['images']:
        picture = cv2.imread(str(data/record['file_name']))
        said[record['id'] in horses].append(after.verdict(picture, pose_box(*after.seek(picture)[:2])))
    assert np.median(said[True]) > .8 and np.median(said[False]) < .2
    window = cv2.resize(picture, (after.size, after.size))[None]
    np.testing.assert_array_equal(before.heatmaps(window), after.heatmaps(window))
