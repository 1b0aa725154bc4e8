"Rendered sets: complete and the same whoever renders them and whatever happens on the way. Blender runs as a child."
import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from kinequimation import dataset, render
from kinequimation.files import InputError

SMALL = dict(seed=3, size=(48, 48), samples=1)
N = 3*dataset.FRAMES_PER_CLIP


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
    return render.render_dataset(tmp_path_factory.mktemp('set'), N, workers=1, **SMALL)


def labels(folder): return {p.name: p.read_bytes() for p in sorted((folder/'labels').glob('*.json'))}

def index(folder): return (folder/'index.jsonl').read_text()


def test_sound_and_tidy(undisturbed):
    assert dataset.check(undisturbed) == []
    assert len(labels(undisturbed)) == N and len(list((undisturbed/'images').glob('*.jpg'))) == N
    assert not [p.name for p in undisturbed.rglob('.*')] and not (undisturbed/'failed.jsonl').exists(), 'nothing hidden is left behind'


def test_every_stored_point_is_where_the_stored_camera_sees_it(undisturbed):
    worst = 0
    for text in labels(undisturbed).values():
        label = json.loads(text)
        K, R, t = (np.array(label['camera'][k]) for k in 'KRt')
        for horse in label['horses']:
            points, seen = np.array(horse['keypoints']), np.array(horse['heads'])[:68] @ R.T + np.ravel(t)
            uv = (seen @ K.T)[:, :2]/seen[:, 2:]
            shown = points[:, 2] > 0
            if shown.any(): worst = max(worst, np.abs(uv - points[:, :2])[shown].max())
            np.testing.assert_allclose(np.array(horse['heads']) @ R.T + np.ravel(t), horse['heads_camera'], atol=1e-4)
    assert 0 < worst < .1


def test_a_second_run_renders_nothing(undisturbed):
    before, seen = {p: p.stat().st_mtime_ns for p in undisturbed.rglob('*.jpg')}, []
    render.render_dataset(undisturbed, N, workers=2, progress=lambda done, total: seen.append((done, total)), **SMALL)
    assert seen == [(N, N)] and before == {p: p.stat().st_mtime_ns for p in undisturbed.rglob('*.jpg')}


def test_a_worker_killed_in_the_middle_costs_nothing_but_time(undisturbed, tmp_path, monkeypatch):
    "Two workers; as soon as a third of the pictures is there, one of their Blenders gets SIGKILL. The set ends complete, with the labels of the undisturbed run."
    started, real = [], render.Studio.__init__
    def noted(self, *args): real(self, *args); started.append(self.process.pid)
    monkeypatch.setattr(render.Studio, '__init__', noted)
    killed = []
    def progress(done, total):
        if done == total//3 and not killed: killed.append(started[0]); os.kill(started[0], signal.SIGKILL)
    out = render.render_dataset(tmp_path/'set', N, workers=2, progress=progress, **SMALL)
    assert killed and len(started) == 3, 'the killed one was replaced'
    assert labels(out) == labels(undisturbed) and index(out) == index(undisturbed) and dataset.check(out) == []
    assert not [p.name for p in out.rglob('.*')] and not (out/'failed.jsonl').exists()


def test_going_on_after_an_interruption(undisturbed, tmp_path):
    "Ctrl-C in the middle; then the same command again."
    def progress(done, total):
        if done == 5: raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): render.render_dataset(tmp_path/'set', N, workers=2, progress=progress, **SMALL)
    there = len(labels(tmp_path/'set'))
    assert 5 <= there < N and not [p.name for p in (tmp_path/'set').rglob('.*')]
    seen = []
    out = render.render_dataset(tmp_path/'set', N, workers=2, progress=lambda done, total: seen.append(done), **SMALL)
    assert seen[0] == there and seen[-1] == N and labels(out) == labels(undisturbed)


def test_a_picture_that_always_fails_is_named_and_the_others_are_made(undisturbed, tmp_path):
    for i in range(3): dataset.planned(i, out=tmp_path, **SMALL)
    (tmp_path/'images').mkdir()
    (tmp_path/'images'/'000001_2.jpg').mkdir()    # a folder where the picture should be: it can't be put in place
    with pytest.raises(InputError, match='1 could not be rendered in two tries, the first of them 000001_2') as error: render.render_dataset(tmp_path, N, workers=1, **SMALL)
    assert '\n' not in str(error.value)
    assert [json.loads(l)['frame'] for l in (tmp_path/'failed.jsonl').read_text().splitlines()] == ['000001_2']
    assert {k: v for k, v in labels(undisturbed).items() if k != '000001_2.json'} == labels(tmp_path)
    (tmp_path/'images'/'000001_2.jpg').rmdir()
    assert labels(render.render_dataset(tmp_path, N, workers=1, **SMALL)) == labels(undisturbed) and not (tmp_path/'failed.jsonl').exists()


def test_the_same_on_a_cluster(undisturbed, tmp_path):
    "dask.distributed: a scheduler and two worker processes on this machine."
    distributed = pytest.importorskip('distributed', reason='dask.distributed is not installed: pip install kinequimation[cluster]')
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        out = render.render_dataset(tmp_path/'set', N, scheduler=cluster.scheduler_address, **SMALL)
    assert labels(out) == labels(undisturbed) and index(out) == index(undisturbed)


def test_no_cluster_there(tmp_path, monkeypatch):
    pytest.importorskip('distributed', reason='dask.distributed is not installed: pip install kinequimation[cluster]')
    with pytest.raises(InputError, match='none answers'): render.render_dataset(tmp_path, 8, scheduler='tcp://127.0.0.1:9', **SMALL)


def test_another_seed_in_the_same_folder_is_refused(undisturbed):
    with pytest.raises(InputError, match='same seed, size and samples'): render.render_dataset(undisturbed, N, seed=4, size=(48, 48), samples=1)


def test_empty_places_alone(tmp_path):
    out = render.render_dataset(tmp_path/'set', 8, workers=1, empty=True, **SMALL)
    assert [l['horses'] for l in map(json.loads, labels(out).values())] == [[]]*8 and dataset.check(out) == []
    sets = [json.loads((out/'annotations'/f'{s}.json').read_text()) for s in ('train', 'val')]
    assert sum(len(s['images']) for s in sets) == 8 and not any(s['annotations'] for s in sets)
    with pytest.raises(InputError, match='--empty'): render.render_dataset(out, 8, workers=1, **SMALL)


def test_a_film_with_its_truth(tmp_path):
    from kinequimation.pose import PoseSequence
    video = render.render_clip(tmp_path, 'walk', n_frames=10, size=(96, 64), workers=2, samples=1)
    pose2d, pose3d = PoseSequence.load(tmp_path/'pose2d.nc'), PoseSequence.load(tmp_path/'pose3d.nc')
    assert video.exists() and pose2d.n_frames == pose3d.n_frames == 10
    camera = pose3d.world_to_camera()
    seen = np.einsum('tij,tkj->tki', camera[:, :3, :3], pose3d.xyz()) + camera[:, None, :3, 3]
    uv = seen[..., :2]/seen[..., 2:]*pose3d.focal_px + np.array([48, 32]) - np.array([0, 0])
    error = np.abs(uv - pose2d.xyz())[np.isfinite(pose2d.xyz())]
    assert np.median(error) < 1


def test_what_the_detector_does_wrong_is_measured_by_a_command(undisturbed, tmp_path):
    "tools/measure_errors.py: both files, and the spread in a copy of the weights, whose keypoints stay the same."
    import shutil
    import subprocess
    import sys
    from kinequimation.certainty import check_spread
    from kinequimation.detect import Detector
    from kinequimation.files import assets_dir
    shipped, copy = assets_dir()/'models'/'detector.onnx', tmp_path/'detector.onnx'
    shutil.copy(shipped, copy)
    tool = Path(__file__).parent.parent/'tools'/'measure_errors.py'
    told = subprocess.run([sys.executable, str(tool), str(undisturbed), '--weights', str(copy), '-o', str(tmp_path/'out'), '--threads', '1'], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert check_spread(Detector(copy, threads=1).far_off) and 'within_std' in told.stdout
    with np.load(tmp_path/'out'/'detector_errors.npz') as stills, np.load(tmp_path/'out'/'detector_film_errors.npz') as films:
        assert stills['error'].shape[1:] == (68, 2) and len(stills['error']) >= 8
        assert all(len(films[k]) == len(films['motion']) for k in ('error', 'confidence', 'azimuth'))
        assert (stills['confidence'][(stills['error'] != 0).all(-1)] > 0).all()
    window = np.random.default_rng(0).integers(0, 255, (1, 224, 224, 3), np.uint8)
    assert (Detector(copy, threads=1).heatmaps(window) == Detector(shipped, threads=1).heatmaps(window)).all()
