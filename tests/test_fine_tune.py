"Fine-tuning: labels of every tool that we name, what is wrong in them, and a training in small."
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('mmpose', reason="needs the extra 'train'")
import torch
from typer.testing import CliRunner
from kinequimation.cli import app
from kinequimation.detect import Detector, crop_window
from kinequimation.files import InputError, assets_dir
from kinequimation.fine_tune import (Plan, _toy_labels, cross_validate, draw_window, fine_tune, first_answers, fit_map, fold_of, grow_head, leg_verdicts, measure, photo_samples, read_labels, read_network, score,
                                     settle, synthetic_samples, train)
from kinequimation.kinship import spread_labels
from kinequimation.skeleton import HORSE68, landmarks
from kinequimation.train_detector import toy_dataset

PHOTOS = Path(__file__).parents[2]/'shared'/'data'/'horse_photos'


@pytest.fixture(scope='module')
def labels(tmp_path_factory): return _toy_labels(tmp_path_factory.mktemp('labels'), 8)


@pytest.fixture(scope='module')
def tuned(labels, tmp_path_factory):
    out = tmp_path_factory.mktemp('run')
    return fine_tune(labels, out=out, epochs=1, batch_size=4, threads=1)[0]


def test_believes_what_the_one_that_it_began_as_believes(tuned):
    "Whether there is a horse at all: in the demo's film and beside it, and of pictures of nothing."
    from kinequimation.video import frames
    before, after, image = Detector(threads=1), Detector(tuned, threads=1), next(iter(frames(assets_dir()/'clips'/'demo.mp4')))
    assert before.least > 0 and (after.least, after.found) == (before.least, before.found)
    h, w = image.shape[:2]
    horse = before.predict(image)[0]
    box = np.r_[horse.min(0), horse.max(0)]
    assert after.verdict(image, box) > after.least < before.verdict(image, box)
    places = [np.array([x, y, x + w/8, y + w/8]) for x in np.linspace(0, 7*w/8, 8) for y in np.linspace(0, h - w/8, 4)]
    both = np.array([[d.verdict(image, p) >= d.least for d in (before, after)] for p in places])
    assert (both[:, 0] == both[:, 1]).mean() > .9
    grey = np.full((200, 200, 3), 127, np.uint8)
    assert after.verdict(grey, (20, 20, 180, 180)) < after.least


def test_a_detector_grows_finer_windows(labels, tmp_path):
    path = fine_tune(labels, out=tmp_path, epochs=.5, batch_size=2, size=160, threads=1)[0]
    fine = Detector(path, threads=1)
    assert fine.least == Detector(threads=1).least > 0   # asked of windows of its own size
    assert fine.size == 160 and fine.session.run(None, {'windows': np.zeros((1, 3, 160, 160), np.float32)})[0].shape == (1, 68, 40, 40)
    assert read_network(path)[1]['input_size'] == [160, 160]   # which can be trained on
    with pytest.raises(InputError, match='multiple of 32 px'): fine_tune(labels, out=tmp_path/'odd', epochs=.5, size=150)


def probe():
    size = Detector(threads=1).size
    return np.random.default_rng(0).normal(size=(1, 3, size, size)).astype(np.float32)


# The network from its ONNX file

def test_the_shipped_file_becomes_a_network_to_train():
    model, meta = read_network()
    ask = lambda: model.eval().head.probabilities(model.extract_feat(torch.from_numpy(probe())))[0].detach().numpy()
    onnx = Detector(threads=1).session.run(None, {'windows': probe()})[0]
    before = ask()
    assert np.abs(before[:, :68] - onnx).max() < 1e-4
    settle(model, torch.from_numpy(probe())*2 + .3)
    assert np.abs(ask() - before).max() < 1e-3
    assert all(abs(float(m.running_var.mean()) - 1) > 1e-3 for m in model.neck.modules() if isinstance(m, torch.nn.BatchNorm2d))   # statistics of pictures, not the idle ones


def test_another_network_is_refused(tmp_path):
    with pytest.raises(InputError, match='Expected a detector'): read_network(assets_dir()/'models'/'lifter.onnx')
    import onnx
    graph = onnx.load(assets_dir()/'models'/'detector.onnx')
    next(t for t in graph.graph.initializer if t.name.endswith('common')).name = 'renamed'
    for n in graph.graph.node: n.input[:] = ['renamed' if i.endswith('head.common') else i for i in n.input]
    onnx.save(graph, tmp_path/'other.onnx')
    with pytest.raises(InputError, match='holds another'): read_network(tmp_path/'other.onnx')


# Labels

def test_visibility_names_and_boxes_are_read(labels):
    got = read_labels(labels)
    assert (got.marks.name, len(got), got.records[0]['points'].shape) == ('horse16', 8, (16, 3))
    raw = json.loads(labels.read_text())['annotations'][0]
    x, y, w, h = raw['bbox']
    assert np.allclose(got.records[0]['box'], [x, y, x + w, y + h])


@pytest.mark.parametrize('name', ['horse68', 'ap10k', 'animalpose', 'horse10', 'horse16'])
def test_every_landmark_set_is_known_by_its_names(name, labels, tmp_path):
    marks = landmarks(name)
    order = np.random.default_rng(1).permutation(len(marks))
    coco = json.loads(labels.read_text())
    coco['categories'][0]['keypoints'] = [marks.names[i] for i in order]
    for a in coco['annotations']: a['keypoints'] = [100, 100, 2]*len(marks)
    (tmp_path/'l.json').write_text(json.dumps(coco))
    got = read_labels(tmp_path/'l.json', labels.parent/'images')
    assert got.marks.name == name and got.marks.names == tuple(marks.names[i] for i in order)
    assert np.allclose(got.marks.weights, marks.weights[order])
    assert (got.marks.flip_indices[got.marks.flip_indices] == np.arange(len(marks))).all()


def test_a_part_of_the_68_will_do(labels, tmp_path):
    coco = json.loads(labels.read_text())
    coco['categories'][0]['keypoints'] = ['DEF-r_hoof.L', 'DEF-r_hoof.R', 'DEF-head', 'DEF-spine.005', 'DEF-f_hoof.L']
    for a in coco['annotations']: a['keypoints'] = a['keypoints'][:15]
    (tmp_path/'l.json').write_text(json.dumps(coco))
    got = read_labels(tmp_path/'l.json', labels.parent/'images')
    assert got.marks.name == 'horse68' and len(got.marks) == 5 and got.marks.weights.sum() == 5


def test_deeplabcut_and_label_studio(labels, tmp_path):
    "The same labels, as DeepLabCut's CSV and HDF5 (of pandas, and with three columns of index) and as Label Studio's JSON."
    coco, want = json.loads(labels.read_text()), read_labels(labels)
    names, points = coco['categories'][0]['keypoints'], [np.array(a['keypoints']).reshape(-1, 3) for a in coco['annotations']]
    rows = [['scorer', '', ''] + ['me']*32, ['bodyparts', '', ''] + [n for n in names for _ in 'xy'], ['coords', '', ''] + ['x', 'y']*16]
    rows += [['labeled-data', 'mare', i['file_name']] + [f'{v:.3f}' for v in p[:, :2].ravel()] for i, p in zip(coco['images'], points)]
    rows[3][3:5] = ['', '']   # one that nobody marked
    (tmp_path/'CollectedData_me.csv').write_text('\n'.join(','.join(r) for r in rows))
    got = read_labels(tmp_path/'CollectedData_me.csv', labels.parent/'images')
    assert got.marks.name == 'horse16' and [r['path'] for r in got.records] == [r['path'] for r in want.records]
    assert got.records[0]['points'][0, 2] == 0 and np.allclose(got.records[1]['points'], want.records[1]['points'], atol=1e-3)
    result = lambda n, p: dict(type='keypointlabels', original_width=256, original_height=256, value=dict(x=p[0]/2.56, y=p[1]/2.56, width=.5, keypointlabels=[n]))
    tasks = [dict(id=9 + i['id'], data=dict(img=f'/data/local-files/?d={i["file_name"]}'), annotations=[dict(result=[result(n, q) for n, q in zip(names, p)])]) for i, p in zip(coco['images'], points)]
    (tmp_path/'studio.json').write_text(json.dumps(tasks))
    got = read_labels(tmp_path/'studio.json', labels.parent/'images')
    assert np.allclose([r['points'] for r in got.records], [r['points'] for r in want.records], atol=1e-6)


def test_deeplabcuts_hdf5_as_pandas_wrote_it(labels):
    "`CollectedData_toys.h5` is the first four of these labels, written by pandas with PyTables as DeepLabCut does it: three levels of index, format fixed."
    got, want = read_labels(Path(__file__).parent/'foreign'/'CollectedData_toys.h5', labels.parent/'images'), read_labels(labels)
    assert len(got) == 4 and [r['path'] for r in got.records] == [r['path'] for r in want.records[:4]]
    assert np.allclose([r['points'][:, :2] for r in got.records], [r['points'][:, :2] for r in want.records[:4]], atol=.5)


def test_predictions_are_no_labels(labels, tmp_path):
    import zipfile
    with zipfile.ZipFile(Path(__file__).parent/'foreign'/'files.zip') as z: z.extract('dlc_1_table.h5', tmp_path)
    with pytest.raises(InputError): read_labels(tmp_path/'dlc_1_table.h5', labels.parent/'images')


def spoil(coco, what):
    a, n = coco['annotations'][3], coco['annotations'][3]['id']
    if what == 'unknown keypoints': coco['categories'][0]['keypoints'][2] = 'antler'
    elif what == 'missing image': coco['images'][3]['file_name'] = 'gone.jpg'
    elif what == 'box outside': a['bbox'] = [300, 10, 50, 50]
    elif what == 'box reaches out': a['bbox'] = [200, 10, 90, 50]
    elif what == 'box without area': a['bbox'] = [20, 10, 0, 50]
    elif what == 'box of nan': a['bbox'][2] = float('nan')
    elif what == 'keypoint of nan': a['keypoints'][4] = float('nan')
    elif what == 'keypoint infinite': a['keypoints'][4] = float('inf')
    elif what == 'keypoint outside': a['keypoints'][3] = 900
    elif what == 'too few numbers': a['keypoints'] = a['keypoints'][:-3]
    elif what == 'visibility': a['keypoints'][2] = 7
    elif what == 'image not listed': a['image_id'] = 99
    elif what == 'other size': coco['images'][3]['width'] = 512
    elif what == 'no annotations': coco['annotations'] = []
    elif what == 'nothing labelled':
        for b in coco['annotations']: b['keypoints'] = [0, 0, 0]*16
    return coco


WORDS = {'unknown keypoints': 'antler', 'missing image': 'annotation 3 .* gone.jpg is missing', 'box outside': 'annotation 3 reaches out', 'box reaches out': 'annotation 3 reaches out', 'box without area': 'annotation 3 is', 'box of nan': 'annotation 3 is',
         'keypoint of nan': 'keypoint 2 of annotation 3 has nan', 'keypoint infinite': 'keypoint 2 of annotation 3 has inf', 'keypoint outside': 'annotation 3 has one at 900', 'too few numbers': 'annotation 3 has 45 numbers', 'visibility': 'annotation 3 has 7',
         'image not listed': 'annotation 3 is of image 99', 'other size': 'annotation 3 is 256x256 and not 512x256', 'no annotations': 'has none', 'nothing labelled': 'has none'}


@pytest.mark.parametrize('what', WORDS)
def test_bad_labels_are_one_line_and_exit_2(what, labels, tmp_path):
    (tmp_path/'bad.json').write_text(json.dumps(spoil(json.loads(labels.read_text()), what)))
    result = CliRunner().invoke(app, ['fine-tune', '--coco', str(tmp_path/'bad.json'), '--images', str(labels.parent/'images'), '-o', str(tmp_path/'out')])
    assert result.exit_code == 2
    with pytest.raises(InputError, match=WORDS[what]): read_labels(tmp_path/'bad.json', labels.parent/'images')
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith('kinequimation: Expected') and not (tmp_path/'out').exists()


def test_no_file_no_folder_no_json(labels, tmp_path):
    with pytest.raises(InputError, match='does not exist'): read_labels(tmp_path/'none.json')
    with pytest.raises(InputError, match='is none. Name it with --images'): read_labels(labels, tmp_path/'nowhere')
    (tmp_path/'l.json').write_text('{not json')
    with pytest.raises(InputError, match='is not JSON'): read_labels(tmp_path/'l.json')
    shutil.copytree(labels.parent, tmp_path/'copy')
    (tmp_path/'copy'/'images'/'002.jpg').write_bytes(b'no picture')
    with pytest.raises(InputError, match='002.jpg of annotation 2 can not be read'): read_labels(tmp_path/'copy'/'labels.json')


# What labels say of the 68

def test_labels_of_all_68_are_the_answer():
    rng = np.random.default_rng(0)
    truth, found = rng.normal(size=(68, 2)), rng.normal(size=(68, 2))
    better, counts = spread_labels(np.eye(68), found, np.full(68, .5), truth, np.ones(68, bool), sigma=10., noise=1e-4)
    assert np.abs(better - truth).max() < 1e-3 and counts.min() > .99


def test_what_no_label_speaks_of_stays():
    marks, found = landmarks('horse16'), np.random.default_rng(0).normal(size=(68, 2))
    seen = np.zeros(16, bool)
    seen[marks.names.index('L_hind_hoof')] = True
    y = marks.from_horse68(found) + np.array([.1, 0])
    better, counts = spread_labels(marks.weights, found, np.full(68, .5), y, seen)
    moved = np.linalg.norm(better - found, axis=1)
    assert moved[HORSE68.index('r_hoof.L')] > .03 and moved[HORSE68.index('f_hoof.R')] < .01 and counts[HORSE68.index('r_hoof.L')] > 5*counts[HORSE68.index('head')]


def test_the_map_is_the_same_in_a_mirror():
    rng, marks = np.random.default_rng(0), landmarks('horse16')
    x = HORSE68.head[:68, 1:] + rng.normal(0, .1, (20, 68, 2))
    y = np.einsum('lk,nkd->nld', marks.weights, x) + np.array([.02, -.03])
    fitted = fit_map(marks, x, y, np.ones((20, 16), bool))
    assert np.allclose(fitted[marks.flip_indices][:, HORSE68.flip_indices], fitted, atol=1e-6) and np.allclose(fitted.sum(1), 1)


def test_windows_keep_points_on_the_horse(labels):
    "Mirrored, turned, scaled and cut windows: what the drawn point lies on is what lay under the label; what was cut away is not there."
    got = read_labels(labels)
    sample = photo_samples(got, first_answers(got, threads=1), got.marks.weights)[0]
    flip = np.concatenate([HORSE68.flip_indices, 68 + got.marks.flip_indices])
    straight = draw_window(sample, flip, 192, None)
    seen, cut = [], []
    for seed in range(12):
        window, points, inside, weights, _ = draw_window(sample, flip, 192, np.random.default_rng(seed))
        within = ((points >= 0) & (points < 192)).all(1)
        assert window.shape == (192, 192, 3) and not inside[~within].any()
        cut.append(bool(inside.sum() < within.sum()))
        A, B = np.c_[straight[1][68:], np.ones(16)], points[68:]
        for p, other in ((B, False), (B[got.marks.flip_indices], True)):
            X, rest, *_ = np.linalg.lstsq(A, p, rcond=None)
            if np.abs(A @ X - p).max() < 1e-6: seen.append((other, np.linalg.det(X[:2]) < 0))
    assert 0 < sum(cut) < 8   # about one in four shows a part of the horse
    assert len(seen) == 12 and {(False, False), (True, True)} == set(seen)   # mirrored pictures have their names exchanged, others do not


# Training

def test_the_tuned_file_is_a_detector_and_says_what_it_learned(tuned, labels):
    d, got = Detector(tuned, threads=1), read_labels(labels)
    assert d.meta['landmarks']['names'] == list(got.marks.names) and 'horse16' in tuned.with_suffix('.md').read_text()
    assert (tuned.parent/'losses.jpg').exists() and not [p for p in tuned.parent.iterdir() if p.name.startswith('.')]
    table = score(measure(d, got))
    assert {r['landmarks'] for r in table} == {'straight', 'through the 68'} and all(r['points'] == 128 and r['pck@0.05'] <= r['pck@0.10'] <= r['pck@0.20'] for r in table)
    again, meta = read_network(tuned)
    with torch.no_grad(): ours = again.head.probabilities(again.extract_feat(torch.from_numpy(probe())))[0].numpy()
    theirs = d.session.run(['prob', 'landmarks'], {'windows': probe()})
    assert np.abs(ours - np.concatenate(theirs, 1)).max() < 1e-3
    assert len(grow_head(again, meta, got.marks, got.marks.weights).head.common) == 84


def test_nobody_is_measured_on_what_he_has_learned(tuned, labels, tmp_path, monkeypatch):
    from kinequimation import weights
    from kinequimation.accuracy_2d import fair_detector, load_pictures
    shutil.copytree(labels.parent/'images', tmp_path/'images')
    shutil.copy(labels, tmp_path/'annotations.json')
    pictures, _ = load_pictures(tmp_path)
    assert fair_detector(pictures, threads=1)[1] == 'shipped'
    with pytest.raises(InputError, match='has from 8 of 8'): fair_detector(pictures, tuned, 1)
    with pytest.raises(InputError, match='it has from 8 of them. .* --detector synthetic'): cross_validate(read_labels(labels), 2, tuned, out=tmp_path/'cv', threads=1)
    # were it the one that ships, the one without photographs would step in
    shipped = weights.weights_path
    monkeypatch.setattr(weights, 'weights_path', lambda path, kind: tuned if Path(path or 'detector.onnx').name == 'detector.onnx' else shipped(path, kind))
    assert fair_detector(pictures, threads=1)[1] == 'synthetic'
    cv2.imwrite(str(tmp_path/'images'/'000.jpg'), np.zeros((256, 256, 3), np.uint8))
    assert len(weights.learned_from(Detector(tuned, threads=1).meta, [p.path for p in pictures])) == 7


def test_other_labels_in_the_same_folder_are_refused(tuned, labels):
    with pytest.raises(InputError, match='Name another folder with -o, or say --fresh'): fine_tune(labels, out=tuned.parent, epochs=2, batch_size=4, threads=1)


def test_a_stopped_training_goes_on_to_the_same_end(labels, tmp_path):
    "Stopped after one of three steps (Ctrl-C), and gone on with: the same weights as in one go."
    import kinequimation.fine_tune as t
    got = read_labels(labels)
    photos, flip = photo_samples(got, first_answers(got, threads=1), got.marks.weights), np.concatenate([HORSE68.flip_indices, 68 + got.marks.flip_indices])
    def run(path, progress=None):
        torch.manual_seed(0)
        model, meta = read_network()
        return train(grow_head(model, meta, got.marks, got.marks.weights), meta, photos, [], flip, Plan(epochs=.75, batch_size=2, rate=1e-4), path, progress)
    def stop(done, total):
        if done == 1: raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): run(tmp_path/'a.pt', stop)
    assert torch.load(tmp_path/'a.pt', weights_only=True)['step'] == 1
    a, b = run(tmp_path/'a.pt').state_dict(), run(tmp_path/'b.pt').state_dict()
    assert max(float((a[k].float() - b[k].float()).abs().max()) for k in a) < 1e-3


def test_folds_never_share_a_picture(labels):
    got = read_labels(labels)
    fold = fold_of(got, 4, seed=3)
    assert sorted(np.bincount(fold)) == [2, 2, 2, 2] and (fold_of(got, 4, seed=3) == fold).all() and (fold_of(got, 4, seed=4) != fold).any()
    with pytest.raises(InputError, match='as many as there are pictures'): fold_of(got, 9)


def test_renders_hold_the_rest(tmp_path):
    toys, marks = toy_dataset(tmp_path, 8, negatives=.3), landmarks('horse16')
    samples = synthetic_samples(toys, marks.weights)
    assert len(samples) == 6 and {s.is_horse for s in samples} == {True, False}
    horse = next(s for s in samples if s.is_horse)
    assert horse.points.shape == (84, 2) and np.allclose(horse.points[68:], marks.weights @ horse.points[:68]) and not np.isnan(horse.facing)
    with pytest.raises(InputError, match='annotations/train.json in the data set'): synthetic_samples(tmp_path/'images', marks.weights)


@pytest.mark.parametrize('share, photos', [(0, 5), (.4, 3), (.8, 1)])
def test_as_many_renders_in_a_batch_as_asked_for(share, photos):
    "And every photograph equally often, however many renders come along."
    from kinequimation.fine_tune import _draw_batch
    import kinequimation.fine_tune as t
    drawn, plan = [], Plan(epochs=1, batch_size=5, renders=share)
    kept, t.draw_window = t.draw_window, lambda sample, *_: drawn.append(sample)
    try: n = [_draw_batch(step, plan, list('abcde'), ['render'], None, 64)[1] for step in range(5)]
    finally: t.draw_window = kept
    assert n == [photos]*5 and drawn.count('render') == 5*(5 - photos)
    assert {drawn.count(p) for p in 'abcde'} == {photos}


def test_forty_passes_are_forty_passes():
    "Told as 40 or as 40.: whoever goes on with a training goes on."
    assert repr(Plan(40)) == repr(Plan(40.)) and repr(Plan(minutes=3)) == repr(Plan(None, 3.))


@pytest.mark.parametrize('share', [-.1, .95, 1, float('nan')])
def test_a_batch_without_photographs_is_refused(share):
    with pytest.raises(InputError, match='leaves photographs in a batch of 5'): Plan(epochs=1, batch_size=5, renders=share)


def test_legs_are_judged():
    marks = landmarks('horse16')
    true = np.random.default_rng(0).uniform(0, 100, (16, 2))
    seen, l, r = np.zeros(16, bool), marks.names.index('L_hock'), marks.names.index('R_hock')
    seen[[l, r]], true[l], true[r] = True, (0, 0), (50, 0)
    swapped, both = true[marks.flip_indices], true.copy()
    both[r] = true[l]
    assert [leg_verdicts(p, true, seen, 100, marks) for p in (true, swapped, both)] == [['right'], ['exchanged'], ['one leg']] and leg_verdicts(true, true, seen, 1000, marks) == []


def test_real_labels_are_read():
    if not PHOTOS.exists(): pytest.skip(f'NOT CHECKED: {PHOTOS} is not here')
    got = read_labels(PHOTOS/'annotations.json')
    assert (len(got), got.marks.name, len(got.marks)) == (118, 'horse16', 16)
    assert np.bincount(fold_of(got, 5)).tolist() == [24, 24, 24, 23, 23]
