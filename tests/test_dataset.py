"Rendered sets: complete, the same for any number of workers, resumable, and clear about what went wrong. Blender runs as a child."
import json

import numpy as np
import pytest

from kinequimation import dataset
from kinequimation.files import InputError


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    return dataset.render_dataset(tmp_path_factory.mktemp('set'), 8, seed=3, workers=2, size=(64, 64))


def label(folder, stem):
    return json.loads((folder/'labels'/f'{stem}.json').read_text())


def test_sound_and_tidy(small):
    assert dataset.check(small) == []
    index = [json.loads(line) for line in (small/'index.jsonl').read_text().splitlines()]
    assert [r['split'] for r in index] == ['val']*4 + ['train']*4 and len({r['frame'] for r in index}) == 8
    assert not [p.name for p in small.rglob('.*')], 'nothing hidden is left behind'
    coco = json.loads((small/'annotations'/'val.json').read_text())
    points = np.array([a['keypoints'] for a in coco['annotations']]).reshape(-1, 68, 3)
    assert set(np.unique(points[..., 2])) <= {0, 1, 2} and (points[..., 2] == 2).mean() > .3


def test_a_second_run_renders_nothing(small):
    before = {p: p.stat().st_mtime_ns for p in small.rglob('*.jpg')}
    seen = []
    dataset.render_dataset(small, 8, seed=3, workers=2, size=(64, 64), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(8, 8)] and before == {p: p.stat().st_mtime_ns for p in small.rglob('*.jpg')}


def test_the_same_with_one_worker_and_going_on_where_it_was(small, tmp_path):
    dataset.render_dataset(tmp_path, 4, seed=3, workers=1, size=(64, 64))
    (tmp_path/'labels'/'lost.json').write_text('{}')   # what isn't planned is no part of the set
    stem = sorted((tmp_path/'images').glob('*.jpg'))[2].stem
    (tmp_path/'labels'/f'{stem}.json').unlink()
    dataset.render_dataset(tmp_path, 4, seed=3, workers=1, size=(64, 64))
    assert label(tmp_path, stem) == label(small, stem)
    assert dataset.check(tmp_path) == []


def test_another_seed_in_the_same_folder_is_refused(small):
    with pytest.raises(InputError, match='same seed and size'): dataset.render_dataset(small, 8, seed=4, size=(64, 64))


def test_a_child_that_dies_twice_is_named(tmp_path):
    out = tmp_path/'set'
    (out/'clips').mkdir(parents=True)
    job = dataset.plan_clip(0, 3, out, (64, 64))
    (out/'clips'/'000000.npz').write_bytes(b'no clip at all')
    with pytest.raises(InputError, match='stopped twice') as error: dataset.run_jobs([job], out, 1)
    assert job['names'][0] in str(error.value) and '\n' not in str(error.value)
    assert not list(out.glob('.jobs-*'))
