"What is planned, labelled, checked and shown; without Blender. Sketches stand for pictures: their labels are true."
import json
import shutil

import numpy as np
import pytest

from kinequimation import dataset
from kinequimation.camera import Camera
from kinequimation.clip import MotionClip
from kinequimation.files import InputError
from kinequimation.skeleton import load_skeleton

SIZE = (96, 64)


@pytest.fixture(scope='module')
def sound(tmp_path_factory): return dataset.sketch_dataset(tmp_path_factory.mktemp('sketches'), 48, seed=11, size=SIZE)


@pytest.fixture
def copy(sound, tmp_path):
    "A sound set to spoil."
    return shutil.copytree(sound, tmp_path/'set')


def stems(folder, with_horse=True): return [r['frame'] for r in dataset.read_index(folder) if r['horse'] or not with_horse]


def spoil_label(folder, change, stem=None):
    stem = stem or stems(folder)[9]
    path = folder/'labels'/f'{stem}.json'
    label = json.loads(path.read_text())
    change(label)
    path.write_text(json.dumps(label))
    return stem


def spoil_json(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def spoil_index(folder, change):
    lines = [json.loads(line) for line in (folder/'index.jsonl').read_text().splitlines()]
    (folder/'index.jsonl').write_text(''.join(json.dumps(r) + '\n' for r in (change(lines) or lines)))


def test_a_sound_set_has_no_faults_and_two_processes_find_the_same(sound):
    seen = []
    assert dataset.check(sound, progress=lambda done, total: seen.append((done, total))) == [] and seen[-1] == (48, 48)


def test_processes_share_the_work(sound, monkeypatch):
    tasks = [(str(sound), [r], .1) for r in dataset.read_index(sound)[:6]]
    assert [a[0][0] for a in dataset._map(dataset._check_chunk, tasks, 2)] == [t[1][0]['frame'] for t in tasks]


H = lambda change: lambda label: change(label['horses'][0])

LABEL_FAULTS = {
    'camera moved': (lambda l: l['camera']['t'].__setitem__(0, l['camera']['t'][0] + .05), '3D and 2D differ by'),
    'camera and world': (H(lambda h: h['heads_camera'][70].__setitem__(2, h['heads_camera'][70][2] + .01)), 'heads and heads_camera differ by 10.0 mm'),
    'turned in the camera': (H(lambda h: h.update(rotation_camera=h['rotation'])), 'rotation and rotation_camera differ'),
    'half a bone': (H(lambda h: h['tails'][3].__setitem__(0, h['tails'][3][0] + .1)), 'tails and tails_camera differ'),
    'visibility': (H(lambda h: h['keypoints'][5].__setitem__(2, 3)), 'visibility is 3'),
    'inside said to be outside': (H(lambda h: next(p for p in h['keypoints'] if p[2]).__setitem__(2, 0)), 'is in the picture, but its visibility is 0'),
    'a key is missing': (H(lambda h: h.pop('tails')), 'horses[0].tails is missing'),
    'shape': (H(lambda h: h['heads'].pop()), 'horses[0].heads is 79x3, not 80x3'),
    'ragged': (H(lambda h: h['heads'][0].pop()), 'horses[0].heads is not 80x3 numbers'),
    'NaN': (H(lambda h: h['heads'][0].__setitem__(0, float('nan'))), 'heads holds NaN'),
    'no unit quaternion': (H(lambda h: h.update(rotation=(2*np.array(h['rotation'])).tolist())), 'no unit quaternion'),
    'area': (H(lambda h: h.update(area=h['area'] + 1)), 'but the mask has'),
    'mask of another size': (H(lambda h: h['segmentation'].update(size=[96, 64])), 'the mask is 64x96, not 96x64'),
    'mask cut short': (H(lambda h: h['segmentation']['counts'].pop()), 'run lengths that fill'),
    'mask without counts': (H(lambda h: h['segmentation'].pop('counts')), 'no run-length mask'),
    'box outside': (H(lambda h: h.update(bbox_xywh=[-9, 0, 20, 20])), 'is not in the picture'),
    'box elsewhere': (H(lambda h: h.update(bbox_xywh=[0, 0, 1, 1])), 'the mask reaches out of the box'),
    'schema': (lambda l: l.update(schema=1), 'schema is 1, not 2'),
    'no rotation': (lambda l: l['camera'].update(R=(1.1*np.array(l['camera']['R'])).tolist()), 'camera.R is no rotation'),
    'another frame': (lambda l: l.update(frame='000000_0'), 'the label is that of 000000_0'),
    'size': (lambda l: l.update(size=[64, 64]), 'the picture is 96x64, not [64, 64]'),
    'twice the same horse': (lambda l: l['horses'].append(l['horses'][0]), 'a horse is there twice'),
    'a stranger': (H(lambda h: h.update(id='11-00000x')), 'in the label, but not in the index'),
    'no object': (lambda l: l.update(horses=[3]), 'horses[0] is no object'),
}


@pytest.mark.parametrize('name', LABEL_FAULTS)
def test_every_fault_of_a_label_is_found(copy, name):
    change, words = LABEL_FAULTS[name]
    stem = spoil_label(copy, change)
    found = [f for f in dataset.check(copy) if f.startswith(stem)]
    assert any(words in f for f in found), found


def test_what_hangs_from_a_horse_that_is_cut_may_reach_out_of_its_box():
    mask = np.zeros((256, 256), bool)
    mask[50:, :180] = mask[8:50, 60] = True   # the hide, and a rein that a rider holds up
    horse = dict(segmentation=dataset.mask_to_rle(mask), area=int(mask.sum()), tack=dict(headgear='bridle', colours={}))
    verdict = lambda tack, length: dataset._check_mask(horse | dict(tack=tack), dict(bbox_xywh=np.array([0, 50, 180, 206.])), [256, 256], 0, length)
    assert verdict(horse['tack'], 400.) == []
    assert verdict(horse['tack'], 200.) == verdict(dict(colours={}), 400.) == ['the mask reaches out of the box']


def bones_of_another(folder):
    horse = json.loads((folder/'labels'/f'{stems(folder)[9]}.json').read_text())['horses'][0]['id']
    other = next(p for p in sorted((folder/'horses').glob('*.json')) if p.stem != horse)
    shutil.copy(other, folder/'horses'/f'{horse}.json')


def both_sides(records):
    train, val = (next(r for r in records if r['split'] == s and r['horse']) for s in ('train', 'val'))
    val.update(horse=train['horse'])


SET_FAULTS = {
    'no picture': (lambda d: (d/'images'/f'{stems(d)[3]}.jpg').unlink(), 'no picture'),
    'empty picture': (lambda d: (d/'images'/f'{stems(d)[3]}.jpg').write_bytes(b''), 'broken or cut short'),
    'half a picture': (lambda d: (d/'images'/f'{stems(d)[3]}.jpg').write_bytes((d/'images'/f'{stems(d)[3]}.jpg').read_bytes()[:-200]), 'broken or cut short'),
    'no label': (lambda d: (d/'labels'/f'{stems(d)[3]}.json').unlink(), 'no label'),
    'half a label': (lambda d: (d/'labels'/f'{stems(d)[3]}.json').write_text('{"schema": 2,'), 'the label is no JSON'),
    'a list for a label': (lambda d: (d/'labels'/f'{stems(d)[3]}.json').write_text('[]'), 'no JSON object'),
    'one picture for two': (lambda d: shutil.copy(d/'images'/f'{stems(d)[3]}.jpg', d/'images'/f'{stems(d)[12]}.jpg'), 'the same picture as'),
    'a picture too many': (lambda d: shutil.copy(d/'images'/f'{stems(d)[3]}.jpg', d/'images'/'extra.jpg'), 'images/extra.jpg: belongs to no record'),
    'half-written': (lambda d: (d/'labels'/'.000001_2-x.json').write_text('{'), 'labels/.000001_2-x.json: belongs to no record'),
    'doubled record': (lambda d: spoil_index(d, lambda r: r + r[:1]), '000000_0: 2 times in the index'),
    'lost record': (lambda d: spoil_index(d, lambda r: r[:-1]), 'planned, but not in the index'),
    'unplanned record': (lambda d: spoil_index(d, lambda r: r[0].update(frame='999999_0')), '999999_0: in the index, but never planned'),
    'broken line': (lambda d: (d/'index.jsonl').write_text((d/'index.jsonl').read_text() + '{"frame"\n'), 'index.jsonl, line 49: no JSON'),
    'a key of the index': (lambda d: spoil_index(d, lambda r: r[0].pop('view') and None), 'index.jsonl, line 1: view is missing'),
    'another gait': (lambda d: spoil_index(d, lambda r: r[0].update(gait='tölt')), '000000_0: the index does not say what was planned'),
    'no split': (lambda d: spoil_index(d, lambda r: r[0].update(split='test')), "split is 'test'"),
    'horse on both sides': (lambda d: spoil_index(d, both_sides), 'is on both sides of the split'),
    'background on both sides': (lambda d: spoil_index(d, lambda r: r[0].update(background=[x['horse'] for x in r if x['split'] == 'val'][:1])), 'is on both sides of the split'),
    'clip and camera on both sides': (lambda d: spoil_index(d, lambda r: r[0].update(split='val')), 'clip 11-000000 is on both sides'),
    'lost clip': (lambda d: (d/'clips'/'000002.job.json').unlink(), 'clip 000002 is missing'),
    'broken plan': (lambda d: (d/'clips'/'000002.job.json').write_text('{'), 'is not JSON'),
    'lost horse': (lambda d: [p.unlink() for p in (d/'horses').iterdir()], 'no skeleton horses/'),
    'bones of another': (bones_of_another, 'mm off where the rotations have them'),
    'no COCO': (lambda d: (d/'annotations'/'val.json').unlink(), 'annotations/val.json: can not be read'),
    'COCO lacks a picture': (lambda d: spoil_json(d/'annotations'/'train.json', lambda c: c['images'].pop()), 'annotations/train.json: '),
    'COCO has an id twice': (lambda d: spoil_json(d/'annotations'/'train.json', lambda c: c['annotations'][1].update(id=1)), 'annotation 1 is there 2 times'),
    'COCO has an orphan': (lambda d: spoil_json(d/'annotations'/'train.json', lambda c: c['annotations'][1].update(image_id=10**6)), 'belongs to no picture'),
    'COCO says otherwise': (lambda d: spoil_json(d/'annotations'/'train.json', lambda c: c['annotations'][0]['keypoints'].__setitem__(0, -50.)), 'and the label differ'),
}


@pytest.mark.parametrize('name', SET_FAULTS)
def test_every_fault_of_a_set_is_found(copy, name):
    change, words = SET_FAULTS[name]
    change(copy)
    found = dataset.check(copy)
    assert any(words in f for f in found), found


def test_no_set_at_all(tmp_path):
    with pytest.raises(InputError, match='index.jsonl'): dataset.check(tmp_path)
    with pytest.raises(InputError, match='index.jsonl'): dataset.show(tmp_path)


def test_a_clip_is_what_seed_and_number_say(tmp_path):
    "Whoever plans it, after whatever else; files included."
    for i in (2, 0): dataset.plan_clip(i, 5, tmp_path/'a', SIZE)
    dataset.plan_clip(0, 5, tmp_path/'b', SIZE)
    texts = [dataset.plan_clip(2, 5, tmp_path/x, SIZE) for x in 'ab']
    assert json.dumps(texts[0]).replace(str(tmp_path/'a'), '') == json.dumps(texts[1]).replace(str(tmp_path/'b'), '')
    for name in ('000000.npz', '000002.npz'): np.testing.assert_array_equal(MotionClip.load(tmp_path/'a'/'clips'/name).rotation, MotionClip.load(tmp_path/'b'/'clips'/name).rotation)


def test_a_set_may_be_moved(sound, tmp_path):
    moved = shutil.copytree(sound, tmp_path/'elsewhere')
    assert str(sound) not in (moved/'clips'/'000000.job.json').read_text()
    assert dataset.planned(0, 11, moved, SIZE)['horses'][0]['clip'].startswith(str(moved))
    with pytest.raises(InputError, match='another seed or size'): dataset.planned(0, 12, moved, SIZE)


@pytest.fixture(scope='module')
def jobs(tmp_path_factory):
    folder = tmp_path_factory.mktemp('plans')
    return [dataset.plan_clip(i, 1, folder, SIZE) for i in range(48)]


def heads_of(job):
    skeleton = load_skeleton(job['horses'][0]['skeleton'])
    clip = MotionClip.load(job['horses'][0]['clip'])
    return clip.heads(skeleton)[job['frames']][:, :68], clip


def test_films_are_smooth_and_stills_stay_where_they_are(jobs):
    kinds = [j['kind'] for j in jobs]
    assert .08 < kinds.count('film')/len(jobs) < .4
    for job in (j for j in jobs if j['horses']):
        heads, clip = heads_of(job)
        R, t, eye = np.array(job['camera']['R']), np.array(job['camera']['t']), np.array(job['place']['eyes'])
        assert len(clip) > max(job['frames']) + 1 and clip.fps == job['fps'], 'the next instant is there, for what moves while the shutter is open'
        if job['kind'] == 'film':
            assert np.diff(job['frame_idx']).tolist() == [1]*7 and np.shape(job['camera']['K']) == (3, 3) and len(set(job['camera_ids'])) == 1
            turn = np.degrees(np.arccos(np.clip((np.einsum('tij,tij->t', R[1:], R[:-1]) - 1)/2, -1, 1)))
            assert np.abs(np.diff(turn)).max() < 6, 'no camera jerks'
            assert np.abs(np.diff(eye, 3, axis=0)).max() < .15
        else:
            assert len(set(job['camera_ids'])) == 8 and np.abs(clip.root_location[job['frames'], :2]).max() < 1e-6
        np.testing.assert_allclose(-np.einsum('tij,ti->tj', R, t), eye, atol=1e-3)


def test_horses_are_in_the_picture_and_cameras_above_the_ground(jobs):
    shares, inside = [], []
    for job in (j for j in jobs if j['horses']):
        heads, _ = heads_of(job)
        uv = Camera(**job['camera'], image_size=SIZE).project(heads)
        seen = ((uv >= 0) & (uv < SIZE)).all(2).sum(1)
        assert seen.min() >= 4 and (job['kind'] == 'film' or seen.min() >= 10)
        assert np.array(job['place']['eyes'])[:, 2].min() > .1
        inside += (seen/68).tolist()
    assert .15 < np.mean(np.array(inside) < 1) < .65, 'some horses are cut by the edge, most are whole'
    views = {v for j in jobs for v in j['views']}
    assert views == set(dataset.VIEWS), views


def test_other_horses_keep_away(jobs):
    others = [(j, h) for j in jobs for h in j['horses'][1:]]
    assert others, 'there are some'
    for job, horse in others:
        heads, _ = heads_of(job)
        spot = np.array(horse['at'][:2])
        assert np.linalg.norm(heads.mean(1)[:, :2] - spot, axis=1).min() > 3 and np.linalg.norm(np.array(job['place']['eyes'])[:, :2] - spot, axis=1).min() > 3.4


def test_splits_go_by_horse(jobs):
    sides = {}
    for job in jobs:
        for h in job['horses']: sides.setdefault(h['id'], set()).add(job['split'])
    assert all(len(s) == 1 for s in sides.values()) and {s for v in sides.values() for s in v} == {'train', 'val'}
    assert len({j['horse_id'] for j in jobs if j['horses']}) == len(jobs)//3, 'a horse has three clips'
    looks = {h['id']: json.dumps(h['look']) for j in jobs for h in j['horses']}
    assert all(json.dumps(h['look']) == looks[h['id']] for j in jobs for h in j['horses']), 'and looks the same in all'


def test_coco_marks_the_background_and_the_filmed_horse_comes_first(sound):
    coco = json.loads((sound/'annotations'/'train.json').read_text())
    of = {}
    for a in coco['annotations']: of.setdefault(a['image_id'], []).append(a)
    for image in coco['images']:
        found = of.get(image['id'], [])
        assert image['has_horse'] == bool(found) and [a['background'] for a in found] == sorted(a['background'] for a in found)
        for a in found: assert a['horse'] == image['horse'] or a['background'] and a['horse'] in image['background']
        if found: assert {'look', 'facing', 'segmentation', 'rider'} <= set(found[0])


def test_facing_is_what_the_detector_learns(sound):
    facing = pytest.importorskip('kinequimation.train_detector').facing
    for a in json.loads((sound/'annotations'/'train.json').read_text())['annotations'][:20]:
        label = dataset.load_label(next((sound/'labels').glob(f"{stems(sound, False)[0]}.json")))
        break
    heads = np.array(label['horses'][0]['heads_camera'])
    assert abs(dataset._facing(heads) - facing(heads[4] - heads[0], heads[:5].mean(0))) < 1e-3


def test_show_draws_at_random_and_filters(sound):
    a, b = dataset.show(sound, 12, 4, seed=1, cell=48), dataset.show(sound, 12, 4, seed=2, cell=48)
    assert a.shape == (3*32, 4*48, 3) and not np.array_equal(a, b)
    assert not np.array_equal(a, dataset.show(sound, 12, 4, seed=1, cell=48, labels=True))
    view = dataset.read_index(sound)[0]['view']
    n = sum(r['view'] == view for r in dataset.read_index(sound))
    assert dataset.show(sound, 999, 1, view=view, cell=48).shape == (n*32, 48, 3)
    with pytest.raises(InputError, match='Views: '): dataset.show(sound, view='inside')


def test_the_command_line_checks_and_shows(copy, quickly, tmp_path):
    done = quickly('dataset', 'check', copy, '--workers', 1)
    assert done.returncode == 0 and done.stdout.startswith('Sound: 48 pictures'), done
    assert quickly('dataset', 'show', copy, '-o', tmp_path/'sheet.jpg', '--labels', '-n', 6).stdout.strip().endswith('sheet.jpg') and (tmp_path/'sheet.jpg').stat().st_size > 1000
    for stem in stems(copy)[:5]: (copy/'labels'/f'{stem}.json').unlink()
    done = quickly('dataset', 'check', copy, '--limit', 3, '--workers', 1)
    assert done.returncode == 2 and len(done.stdout.splitlines()) == 4 and 'no label' in done.stdout and 'has 5 faults' in done.stderr, done
    assert quickly('dataset', 'show', copy, '-o', tmp_path/'sheet.gif').returncode == 2
