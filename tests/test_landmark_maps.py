"""Landmark maps: what the files promise, and whether they keep it on horses that they were not fitted on."""
import json

import cv2
import numpy as np
import pytest

from conftest import complaint
from kinequimation.accuracy_2d import answer, leg_fate, load_pictures, table_calibration, table_legs, table_pck, view_of, Picture
from kinequimation.files import InputError, assets_dir
from kinequimation.landmark_maps import affine_fit, fitted_set, mirrored, rms, skin_definitions, skin_points
from kinequimation.skeleton import HORSE68, landmark_sets, landmarks

SETS = [s for s in landmark_sets() if s != 'horse68']


def read(name): return json.loads((assets_dir()/'skeletons'/f'landmarks_{name}.json').read_text())


@pytest.fixture(scope='module')
def others():
    "Keypoints and spots of horses that no map was fitted on, in heights at the withers."
    pytest.importorskip('bpy', reason='NO BLENDER: the skin of new horses is not measured')
    return skin_points(6, seed=4321)


@pytest.mark.parametrize('name', SETS)
def test_weights_are_affine_and_mirror(name):
    s, data = landmarks(name), read(name)
    np.testing.assert_allclose(s.weights.sum(1), 1, atol=1e-6)
    told = s.back.any(1)
    np.testing.assert_allclose(s.back[told].sum(1), 1, atol=1e-6)
    assert told.sum() >= 40
    points = [r['point'] for r in data['landmarks']]
    for i, p in enumerate(points):
        if mirrored(p) in points: np.testing.assert_allclose(s.weights[points.index(mirrored(p))], s.weights[i][HORSE68.flip_indices], atol=1e-6)
    assert {mirrored(p)[:-1] + 'L' if p.endswith('.R') else p for p in points} <= set(skin_definitions())


@pytest.mark.parametrize('name', SETS)
def test_landmarks_lie_on_the_skin_of_other_horses(name, others):
    heads, points = others
    s, data = landmarks(name), read(name)
    for i, row in enumerate(data['landmarks']):
        off = rms(s.from_horse68(heads)[:, i] - points[row['point']])
        assert off < min(.04, 1.5*row['error'] + .004), f"{row['name']} of {name}: {off:.4f} of the height off, {row['error']} was promised"


@pytest.mark.parametrize('name', SETS)
def test_the_way_back_on_other_horses(name, others):
    heads, points = others
    s = landmarks(name)
    there, sure = s.to_horse68(np.stack([points[r['point']] for r in read(name)['landmarks']], 1))
    off = np.sqrt((np.linalg.norm(there - heads, axis=-1)**2).mean(0))
    by_way = s.back.any(1)
    assert np.nanmax(off[by_way]) < .055 and np.median(off[by_way]) < .025 and (sure[:, by_way] == 1).all()


def test_a_fit_finds_the_combination_and_no_lever():
    rng = np.random.default_rng(0)
    K = rng.normal(size=(300, 8, 3))
    w = affine_fit(K, 1.4*K[:, 2] - .4*K[:, 5], noise=1e-5)
    np.testing.assert_allclose(w, np.eye(8)[2]*1.4 - np.eye(8)[5]*.4, atol=1e-3)
    assert abs(affine_fit(K, 1.4*K[:, 2] - .4*K[:, 5], noise=2.)).max() < 1
    assert affine_fit(K, K[:, 0]/2 + K[:, 1]/2, groups=[[0, 1], [2], [3]], noise=1e-5)[[0, 1]].tolist() == pytest.approx([.5, .5], abs=1e-3)


def test_a_set_whose_spot_is_unknown():
    data = read('horse16') | dict(landmarks=[dict(name='saddle', point='saddle')])
    with pytest.raises(InputError, match='skin_points.json for saddle of horse16'): fitted_set(data, np.zeros((1, 68, 3)), {})


# ---------------------------------------------------------------- tables of 2D accuracy

def pictures(n=4):
    "Horses at rest in profile, as labels of horse16, answered exactly."
    s, out = landmarks('horse16'), []
    for i in range(n):
        points = 100 + 100*HORSE68.head[:, 1:]*[1, -1] + [300, 300]
        true = s.from_horse68(points)
        p = Picture('x.jpg', true, np.ones(16, bool), np.r_[points.min(0), points.max(0)])
        p.said = {k: (points.copy(), np.full(68, .8)) for k in ('given', 'once', 'plain', 'found')}
        out.append(p)
    return out, s


def test_whichever_horse_is_found_was_found():
    (a, b, c, d), s = pictures()
    away = lambda p: (p.said['found'][0] + [900, 0], p.said['found'][1])
    a.said['found'], a.others = away(a), (a.box + [900, 0, 900, 0],)   # another one
    b.said['found'] = away(b)                                          # none
    c.said['found'], c.seen = away(c), np.zeros(16, bool)                # one that nobody sees
    for p in (a, b, c, d): p.size = (2000, 2000)
    last = table_pck([a, b, c, d], s)[-1]
    assert (last['box_iou>0.5'], last['another_horse'], last['missed']) == (.667, .333, 0.)


def test_other_horses_come_with_the_labels(tmp_path):
    (tmp_path/'images').mkdir(); (tmp_path/'annotations').mkdir()
    cv2.imwrite(str(tmp_path/'images'/'a.jpg'), np.zeros((100, 100, 3), np.uint8))
    horse = lambda i, x, **more: dict(id=i, image_id=0, category_id=1, bbox=[x, 10, 40, 30], keypoints=[x + 5, 20, 2]*68, num_keypoints=68, **more)
    coco = dict(images=[dict(id=0, file_name='images/a.jpg', width=100, height=100)], categories=[dict(id=1, name='horse', keypoints=list(HORSE68.names))],
                annotations=[horse(0, 5), horse(1, 50, background=True), horse(2, 50, background=True) | dict(bbox=None), horse(3, 50, background=True) | dict(bbox=['a', 1, 2, 3]),
                             horse(4, 20, background=True) | dict(category_id=2)])   # a dog
    (tmp_path/'annotations'/'val.json').write_text(json.dumps(coco))
    (picture,), _ = load_pictures(tmp_path)
    np.testing.assert_array_equal(picture.box, [5, 10, 45, 40])
    np.testing.assert_array_equal(picture.others, [[50, 10, 90, 40]])


def test_tables_notice_what_is_wrong():
    good, s = pictures()
    assert {view_of(p, s) for p in good} == {'side'}
    assert [r['pck@0.05'] for r in table_pck(good, s)] == [1.]*8 and table_pck(good, s)[-1]['box_iou>0.5'] == 1
    row = table_calibration(good, s)[-1]
    assert (row['mean_said'], row['right'], row['mean_gap']) == (.8, 1., .2)
    for p in good: p.said['given'] = (p.said['given'][0] + [.07*p.side, 0], p.said['given'][1])
    assert [table_pck(good, s)[0][f'pck@{t}'] for t in (.05, .1)] == [0., 1.]
    for p in good: p.said['found'] = (np.full((68, 2), np.nan), np.zeros(68))
    last = table_pck(good, s)[-1]
    assert (last['pck@0.2'], last['missed'], last['box_iou>0.5']) == (0, 1, 0)
    silent = table_pck(good + [Picture('y.jpg', said=dict(found=(np.zeros((68, 2)), np.ones(68))))], s)
    assert [r['silent_there'] for r in silent if 'silent_there' in r] == [0.]


def test_exchanged_legs_are_counted():
    some, s = pictures(1)
    l, r = s.names.index('L_knee'), s.names.index('R_knee')
    some[0].true[l] += [.3*some[0].side, 0]
    rows = {r['legs']: r for r in table_legs(some, s) if r['box'] == 'given'}
    assert rows['both']['pairs'] == 1 and rows['both']['one_leg'] == 1 and set(rows) == {'fore', 'both'}
    some[0].seen[l] = False   # behind the other one: that nobody can know
    some += pictures(1)[0]; some[1].true[l] += [.3*some[1].side, 0]
    rows = {r['legs']: r for r in table_legs(some, s) if r['box'] == 'given'}
    assert (rows['both']['pairs'], rows['both, in sight']['pairs']) == (2, 1)
    found = some[0].true.copy()
    assert leg_fate(found, some[0].true, some[0].side, l, r) == 'right'
    found[[l, r]] = found[[r, l]]
    assert leg_fate(found, some[0].true, some[0].side, l, r) == 'exchanged'


def one_picture(folder):
    "A folder with a black picture in which somebody sees a horse; its labels as a dict."
    cv2.imwrite(str(folder/'0.png'), np.zeros((64, 64, 3), np.uint8))
    data = dict(images=[dict(id=1, file_name='0.png')], categories=[dict(id=1, keypoints=list(landmarks('horse16').names))], annotations=[dict(id=7, image_id=1, bbox=[1, 1, 40, 40], keypoints=[9, 9, 2]*16)])
    (folder/'annotations.json').write_text(json.dumps(data))
    return data


def test_the_command_prints_and_keeps_every_table(quickly, tmp_path):
    (tmp_path/'set').mkdir()
    data = one_picture(tmp_path/'set')
    done = quickly('evaluate', '2d', tmp_path/'set', '--json', tmp_path/'tables.json', '-q')
    assert done.returncode == 0, done.stderr
    assert list(json.loads((tmp_path/'tables.json').read_text())) == [f'2d{t} set' for t in (' calibration', ' landmarks', '', ' views')]   # no legs are apart
    assert done.stdout.count('2D: ') == 4 and 'tail_base' in done.stdout
    data['annotations'][0]['bbox'] = [0, 0, -5, 5]
    (tmp_path/'set'/'annotations.json').write_text(json.dumps(data))
    assert 'annotation 7' in complaint(quickly('evaluate', '2d', tmp_path/'set'))


@pytest.mark.parametrize('change, words', [
    (lambda d: d['categories'][0].update(keypoints=['a'] + d['categories'][0]['keypoints'][1:]), "'a' is not in horse16"), (lambda d: d['images'][0].update(file_name='none.jpg'), 'Expected the picture none.jpg'),
    (lambda d: d['annotations'][0].update(bbox=[0, 0, 0, 5]), r'a box with an area, but that of annotation 7 \(0.png\)'), (lambda d: d['annotations'][0]['keypoints'].__setitem__(0, float('nan')), 'finite coordinates, but annotation 7'),
    (lambda d: d['annotations'][0].update(bbox=[1, 1, float('inf'), 4]), 'finite coordinates, but annotation 7'), (lambda d: d['annotations'][0].update(bbox=[1, 1, 70, 40]), 'annotation 7 .*reaches out of 64x64 px'),
    (lambda d: d['annotations'][0].update(bbox=[900, 900, 40, 40]), 'annotation 7 .*reaches out of 64x64 px'), (lambda d: d['annotations'][0]['keypoints'].__setitem__(1, 1e6), r'annotation 7 .*has one at 9, 1e\+06 of 64x64 px'),
    (lambda d: d['annotations'][0].pop('bbox'), 'annotation 7 .*has none'), (lambda d: d['annotations'][0].pop('keypoints'), 'annotation 7 .*has none'), (lambda d: d['annotations'][0].update(keypoints=None), 'annotation 7 .*something else|annotation 7 .*numbers'), (lambda d: d['annotations'][0]['keypoints'].__setitem__(1, 'far'), 'annotation 7 .*something else'),
    (lambda d: d['annotations'][0]['keypoints'].pop(), 'annotation 7 .*has 47 and 4 numbers'), (lambda d: d['annotations'][0]['keypoints'].__setitem__(2, 7), '0, 1 or 2 as visibility, but annotation 7'),
    (lambda d: d['annotations'][0].pop('image_id'), 'the one with the id 7 has none'), (lambda d: d['annotations'][0].update(image_id=5), 'annotation 7 is of image 5, which is not listed'),
    (lambda d: d['images'][0].pop('file_name'), 'Expected file_name for each of the images'), (lambda d: d.update(images={'a': 1}), 'Expected a list of images'),
    (lambda d: d.pop('annotations'), 'at least one is missing'), (lambda d: d['annotations'][0].update(keypoints=[0]*48), 'labelled horses')])
def test_labels_that_are_wrong(change, words, tmp_path):
    data = one_picture(tmp_path)
    assert len(load_pictures(tmp_path)[0]) == 1
    change(data)
    (tmp_path/'annotations.json').write_text(json.dumps(data))
    with pytest.raises(InputError, match=words): load_pictures(tmp_path)


def test_a_picture_that_was_scaled_after_labelling_or_is_none(tmp_path):
    data = one_picture(tmp_path)
    data['images'][0].update(width=128, height=128)
    (tmp_path/'annotations.json').write_text(json.dumps(data))
    pictures, _ = load_pictures(tmp_path)
    with pytest.raises(InputError, match='0.png is 64x64 and not 128x128. Was it scaled'): answer(pictures, None)
    (tmp_path/'0.png').write_bytes(b'no picture')
    with pytest.raises(InputError, match='0.png can not be read'): answer(pictures, None)
