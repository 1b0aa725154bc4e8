"""Other tools' files, in and out. `foreign/files.zip` holds files that pandas with PyTables, sleap-io and movement wrote themselves (foreign/make_files.py)."""
import json
import pickle
import zipfile

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conftest import ROOT, SHARED_DATA, complaint
from kinequimation.files import InputError, assets_dir
from kinequimation.formats import WRITERS, export_pose, match_landmarks, read_pose, read_pose2d, tool_of
from kinequimation.lift import Lifter
from kinequimation.metrics import pa_mpjpe
from kinequimation.pose import PoseSequence
from kinequimation.skeleton import HORSE68, landmark_sets, landmarks

NAMES = ['tail_base', 'withers', 'poll', 'L_elbow', 'R_elbow']
SIZE = (1280, 720)
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope='session')
def foreign(tmp_path_factory):
    folder = tmp_path_factory.mktemp('foreign')
    with zipfile.ZipFile(ROOT/'tests'/'foreign'/'files.zip') as z: z.extractall(folder)
    return folder


def truth(i=0, T=5, K=5):
    "What make_files.py put into the files: (T, K, 3) x, y, confidence of the i-th animal."
    t, k = np.mgrid[:T, :K].astype(float)
    data = np.stack([100 + 10*k + t + 50*i, 200 + 7*k - t, .5 + .01*k], -1)
    data[2, 1] = np.nan
    return data


def same(a, b, atol=0.): np.testing.assert_allclose(a, b, rtol=0, atol=atol, equal_nan=True)


def dlc_csv(path, names=NAMES, data=None, coords=('x', 'y', 'likelihood'), animals=None, index=None):
    "A CSV in DeepLabCut's form; `data` is (T, animals*K, coords)."
    data = truth() if data is None else data
    many = animals or ['']
    columns = [(a, n, c) for a in many for n in names for c in coords]
    rows = [['scorer'] + ['DLC']*len(columns)] + ([['individuals'] + [a for a, _, _ in columns]] if animals else []) + [['bodyparts'] + [n for _, n, _ in columns], ['coords'] + [c for *_, c in columns]]
    rows += [[index[t] if index else t] + ['' if np.isnan(v) else float(v) for v in row.ravel()] for t, row in enumerate(data)]
    path.write_text('\n'.join(','.join(map(str, r)) for r in rows) + '\n')
    return path


# ---------------------------------------------------------------- files that the tools' own libraries wrote

SINGLE = ['dlc_1.csv', 'dlc_1_table.h5', 'dlc_1_fixed.h5', 'sleap_1.slp', 'sleap_1.analysis.h5', 'sleap_1.standard.analysis.h5']
SEVERAL = ['dlc_2.csv', 'dlc_2_table.h5', 'dlc_2_fixed.h5', 'sleap_2.slp', 'sleap_2.analysis.h5', 'sleap_2.standard.analysis.h5', 'movement_plural.nc']


def in_68(data, names=NAMES):
    "(T, 68, 2) and (T, 68): what horse16 makes of some of its landmarks (T, K, 2 or 3)."
    s = landmarks('horse16')
    full = np.full((len(data), len(s), 3), np.nan)
    full[:, [s.find(n) for n in names], :data.shape[-1]] = data
    return s.to_horse68(full[..., :2], full[..., 2])


def holds(pose, want):
    "The sequence has these landmarks where they belong. SLEAP's films begin at frame 3, and the frames before it are there, empty."
    start = 3 if len(pose) == 8 else 0
    assert len(pose) == start + len(want) and np.isnan(pose.xyz()[:start]).all()
    xy, sure = in_68(want)
    assert np.isfinite(xy).any((0, 2)).sum() >= 5
    same(pose.xyz()[start:], xy, 1e-4)
    same(pose.scores()[start:], sure, 1e-6)


@pytest.mark.parametrize('name', SINGLE)
def test_a_tools_own_file(name, foreign):
    pose = read_pose2d(foreign/name, fps=25)
    holds(pose, truth())
    assert pose.frame == 'image' and pose.fps == 25 and pose.log[0]['landmarks'] == 'horse16'


@pytest.mark.parametrize('name', SEVERAL)
def test_a_tools_own_file_with_several_animals(name, foreign):
    with pytest.raises(InputError, match='anna, bert. Say which with --individual'): read_pose2d(foreign/name, fps=25)
    for i, who in enumerate(('anna', 'bert')): holds(read_pose2d(foreign/name, fps=25, individual=who), truth(i))
    with pytest.raises(InputError, match="out of anna, bert, but got 'carla'"): read_pose2d(foreign/name, fps=25, individual='carla')


def test_things_beside_the_animals(tmp_path):
    "DeepLabCut's projects of several animals may also track things that are there once: columns of the individual `single`."
    rows = ['scorer' + ',D'*18, 'individuals' + ',anna'*15 + ',single'*3, 'bodyparts,' + ','.join(n for n in NAMES + ['gate'] for _ in range(3)), 'coords' + ',x,y,likelihood'*6]
    rows += [f'{t},' + ','.join('' if np.isnan(v) else str(v) for v in d.ravel()) + ',5,5,1' for t, d in enumerate(truth())]
    (tmp_path/'a.csv').write_text('\n'.join(rows))
    holds(read_pose2d(tmp_path/'a.csv', fps=25, individual='anna'), truth())


def test_labels_by_hand(foreign):
    "Pictures that people labelled have paths for an index and no likelihood: what is there counts fully. SLEAP's corrections are read as they stand."
    holds(read_pose2d(foreign/'dlc_labelled.csv', fps=25), np.concatenate([truth()[..., :2], np.ones((5, 5, 1))], -1))
    pose = read_pose2d(foreign/'sleap_untracked.slp', fps=25)
    at = HORSE68.index('tail.001')
    same(pose.xyz()[:, at], in_68(np.array([[[100., 200, 1]], [[103, 203, 1]]]), NAMES[:1])[0][:, at])
    same(pose.scores()[:, at], [.5, 1])


def test_what_a_file_knows_of_its_film(foreign):
    assert read_pose2d(foreign/'sleap_1.slp', fps=25).image_size == SIZE
    assert read_pose2d(foreign/'movement_plural.nc', individual='anna').fps == 25
    assert read_pose2d(foreign/'movement_plural.nc', fps=30, individual='anna').fps == 30   # what is said goes before


def test_movement_singular(foreign, tmp_path):
    "Since 0.17 the dimensions are singular; a film of frames (no fps) has to be told its rate."
    with xr.open_dataset(foreign/'movement_plural.nc', engine='h5netcdf') as ds: ds = ds.load().rename(keypoints='keypoint', individuals='individual')
    ds.to_netcdf(tmp_path/'new.nc', engine='h5netcdf')
    holds(read_pose2d(tmp_path/'new.nc', individual='bert'), truth(1))
    ds.attrs.pop('fps'); ds.to_netcdf(tmp_path/'new.nc', engine='h5netcdf')
    with pytest.raises(InputError, match='Say --fps'): read_pose2d(tmp_path/'new.nc', individual='bert')


# ---------------------------------------------------------------- COCO

def coco(path, data=None, names=NAMES, files=None, **kw):
    data = truth() if data is None else data
    files = files or [f'{i}.jpg' for i in range(len(data))]
    flat = lambda d: np.where(np.isnan(d), 0, np.concatenate([d[..., :2], np.where(np.isnan(d[..., :1]), 0, 2)], -1)).ravel().tolist()
    out = dict(images=[dict(id=10 + i, file_name=f, width=SIZE[0], height=SIZE[1]) for i, f in enumerate(files)], categories=[dict(id=1, name='horse', keypoints=list(names))],
               annotations=[dict(id=i, image_id=10 + i, category_id=1, area=100., keypoints=flat(d)) for i, d in enumerate(data)])
    path.write_text(json.dumps(out | kw))
    return path


def test_coco_keypoints(tmp_path):
    pose = read_pose2d(coco(tmp_path/'c.json'), fps=25)
    holds(pose, np.where(np.isnan(truth()), np.nan, np.concatenate([truth()[..., :2], np.ones((5, 5, 1))], -1)))
    assert pose.image_size == SIZE
    backwards = read_pose2d(coco(tmp_path/'d.json', files=['10.jpg', '9.jpg', '8.jpg', '2.jpg', '1.jpg']), fps=25)   # 10 comes after 9
    same(backwards.xyz(), pose.xyz()[::-1])


def test_coco_hidden_keypoints_count_half(tmp_path):
    path = coco(tmp_path/'c.json')
    data = json.loads(path.read_text())
    data['annotations'][0]['keypoints'][2] = 1
    path.write_text(json.dumps(data))
    assert read_pose2d(path, fps=25).scores()[0, HORSE68.index('tail.001')] == .5


def test_coco_largest_animal_of_an_image(tmp_path):
    path = coco(tmp_path/'c.json')
    data = json.loads(path.read_text())
    data['annotations'] += [dict(a, area=5000., keypoints=[v + 40 if i % 3 < 2 else v for i, v in enumerate(a['keypoints'])]) for a in data['annotations'][:2]]
    path.write_text(json.dumps(data))
    got = read_pose2d(path, fps=25).xyz()[:, HORSE68.index('tail.001'), 0]
    same(got, [140, 141, 102, 103, 104])


def test_coco_results(tmp_path):
    path = tmp_path/'r.json'
    rows = [dict(image_id=i, category_id=1, score=.9, keypoints=np.nan_to_num(d).ravel().tolist()) for i, d in enumerate(np.pad(truth(), ((0, 0), (0, 11), (0, 0))))]
    path.write_text(json.dumps(rows))
    with pytest.raises(InputError, match='do not name their keypoints. Say --landmarks'): read_pose2d(path, fps=25)
    pose = read_pose2d(path, fps=25, landmarks='horse16')
    same(pose.xyz()[:, HORSE68.index('tail.001')], truth()[:, 0, :2], 1e-4)
    with pytest.raises(InputError, match='Expected 17 keypoints'): read_pose2d(path, fps=25, landmarks='ap10k')
    path.write_text(json.dumps(rows[:2] + rows[3:]))   # a frame without a horse
    assert np.isnan(read_pose2d(path, fps=25, landmarks='horse16').xyz()[2]).all()


@pytest.mark.parametrize('change, words', [
    (dict(categories=[]), 'one category with the names'), (dict(annotations=[]), 'has no keypoints'), (dict(images=[dict(id=1, file_name='a.jpg')]), 'the counts do not match'),
    (dict(categories=[dict(id=1, name='horse', keypoints=NAMES[:4])]), 'Expected 4 keypoints')])
def test_coco_that_is_wrong(change, words, tmp_path):
    with pytest.raises(InputError, match=words): read_pose2d(coco(tmp_path/'c.json', **change), fps=25)


def test_photographs(tmp_path):
    "The annotated photographs, one frame each."
    path = SHARED_DATA/'horse_photos'/'annotations.json'
    if not path.exists(): pytest.skip(f'NO REAL DATA: {path} is absent, so labels of real photographs are not read')
    pose = read_pose2d(path, fps=1)
    assert len(pose) == len(json.loads(path.read_text())['images']) and pose.log[0]['landmarks'] == 'horse16' and np.isfinite(pose.xyz()).any((1, 2)).mean() > .9


# ---------------------------------------------------------------- landmarks and their names

@pytest.mark.parametrize('name', landmark_sets())
@QUICK
@given(seed=st.integers(0, 10_000), scale=st.floats(.01, 100))
def test_landmarks_are_affine_and_follow_every_similarity(name, seed, scale):
    rng, s = np.random.default_rng(seed), landmarks(name)
    horse = HORSE68.head + .1*rng.normal(size=HORSE68.head.shape)
    Q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    move = lambda x: scale*x @ Q.T + [3, -2, .5]
    same(s.from_horse68(move(horse)), move(s.from_horse68(horse)), 1e-9*max(scale, 1))
    paired = s.flip_indices != np.arange(len(s)) if name == 'horse10' else slice(None)   # Horse-10 marks some points on one side alone
    mirror = lambda x, flip: x[flip]*[-1, 1, 1]
    same(s.from_horse68(mirror(horse, HORSE68.flip_indices))[paired], mirror(s.from_horse68(horse), s.flip_indices)[paired], 1e-9)
    assert s.from_horse68(np.stack([horse]*3)[None]).shape == (1, 3, len(s), 3) and s.from_horse68(horse[:, :2]).shape == (len(s), 2)


@pytest.mark.parametrize('name', landmark_sets())
def test_landmarks_back_to_the_68(name):
    s = landmarks(name)
    there, sure = s.to_horse68(s.from_horse68(HORSE68.head), np.full(len(s), .7))
    off = np.linalg.norm(there - HORSE68.head, axis=1)
    assert np.nanmax(off) < .16 and np.isfinite(off).sum() >= 16
    same(sure, np.where(np.isfinite(off), .7, 0))
    there, sure = s.to_horse68(np.full((len(s), 2), np.nan))
    assert np.isnan(there).all() and (sure == 0).all()


def test_the_middle_of_a_bone_lies_between_its_ends(tmp_path):
    mine = dict(format='kinequimation-landmarks', name='mine', landmarks=[dict(name='stifle', of='lower_leg.L'), dict(name='hock', of='hind_foot.L')])
    (tmp_path/'mine.json').write_text(json.dumps(mine))
    there, sure = landmarks(tmp_path/'mine.json').to_horse68(np.array([[10., 20], [14, 40]]), np.array([.4, .8]))
    k = HORSE68.index('lower_leg.L.001')
    same(there[k], [12, 30]); assert sure[k] == .4 and np.isfinite(there[:, 0]).sum() == 3


def test_a_landmark_of_an_unknown_keypoint_is_unknown():
    horse = HORSE68.head.copy()
    horse[HORSE68.index('shoulder.L')] = np.nan
    s = landmarks('horse16')
    assert 'withers' in (unknown := [n for n, x in zip(s.names, s.from_horse68(horse)) if np.isnan(x).any()])
    assert unknown == [n for n, w in zip(s.names, s.weights) if w[HORSE68.index('shoulder.L')]]


def test_a_set_of_your_own(tmp_path):
    mine = dict(format='kinequimation-landmarks', name='mine', landmarks=[dict(name=n, of=b) for n, b in zip(NAMES, ['tail.001', 'shoulder.L', 'skull', 'forearm.L', 'forearm.R'])])
    (tmp_path/'mine.json').write_text(json.dumps(mine))
    pose = read_pose2d(dlc_csv(tmp_path/'a.csv'), fps=25, landmarks=tmp_path/'mine.json')
    assert np.isnan(pose.xyz()[:, HORSE68.index('shoulder.R')]).all() and pose.log[0]['landmarks'] == 'mine'
    mine['landmarks'][0]['of'] = {'tail.001': .5}
    (tmp_path/'mine.json').write_text(json.dumps(mine))
    with pytest.raises(InputError, match='sum to 1.*tail_base'): landmarks(tmp_path/'mine.json')
    mine['landmarks'][0]['of'] = 'tail'
    (tmp_path/'mine.json').write_text(json.dumps(mine))
    with pytest.raises(InputError, match="a bone of horse68, but got 'tail'"): landmarks(tmp_path/'mine.json')


@pytest.mark.parametrize('spelt', [str.upper, str.lower, lambda n: n.replace('_', ' '), lambda n: n.replace('L_', 'left_').replace('R_', 'right_'), lambda n: n.replace('L_', 'Left').replace('R_', 'Right')])
@pytest.mark.parametrize('name', ['ap10k', 'animalpose', 'horse16'])
def test_spellings(name, spelt):
    s = landmarks(name)
    assert [s.find(spelt(n)) for n in s.names] == list(range(len(s)))


def test_names_decide_and_numbers_never():
    "Seventeen points that are nobody's stay nobody's; a knee alone could be two joints; AP-10K's knee is the hock."
    with pytest.raises(InputError, match='Expected keypoints of one known set'): match_landmarks([f'kp{i}' for i in range(17)])
    with pytest.raises(InputError, match='Say which with --landmarks'): match_landmarks(['nose', 'L_knee', 'R_knee'])
    main = lambda name, landmark: HORSE68.names[landmarks(name).weights[landmarks(name).find(landmark)].argmax()]
    assert main('ap10k', 'left_knee') == 'hind_foot.L' and main('horse16', 'left_knee') == 'forefoot.L'


# ---------------------------------------------------------------- bad input: one clear line

@pytest.mark.parametrize('change, words', [
    (dict(coords=('x', 'likelihood')), "'tail_base' has no 'y'"),
    (dict(names=['tail_base', 'withers', 'poll', 'L_elbow', 'saddle']), "'saddle' is not in horse16, the nearest .4 of 5 known."),
    (dict(names=['a', 'b', 'c', 'd', 'e']), 'Expected keypoints of one known set .horse68, animalpose, ap10k, horse10, horse16.'),
    (dict(names=['L_Eye', 'left_eye', 'nose', 'neck', 'L_hip']), "every landmark of ap10k once, but 'left_eye'"),
    (dict(data=truth()*np.nan), 'all 5 frames .* are empty'),
    (dict(data=truth()*[.005, .005, 1]), 'Are they metres'),
    (dict(data=truth()*[100, 100, 1]), 'are outside'),
    (dict(data=truth()*[1, 1, 9]), 'confidence between 0 and 1'),
    (dict(data=truth()*[1, 1, -1]), 'confidence between 0 and 1'),
    (dict(data=truth() + [np.inf, 0, 0]), 'finite positions'),
    (dict(index=[0, 1, 1, 2, 3]), 'frame numbers that grow'),
    (dict(index=[0, 1, 2, 3, 10**9]), 'without long gaps'),
    (dict(names=NAMES[:3], data=truth()[:, :3]), 'at least 4'),
    (dict(names=[], data=np.zeros((5, 0, 3))), 'has none')])
def test_a_table_that_is_wrong(change, words, tmp_path):
    if change.get('coords') == ('x', 'likelihood'): change = change | dict(data=truth()[..., [0, 2]])
    path = dlc_csv(tmp_path/'a.csv', **change)
    with pytest.raises(InputError, match=words) as e: read_pose2d(path, fps=25, image_size=SIZE)
    assert '\n' not in str(e.value) and 'a.csv' in str(e.value) or 'names' in change


def test_3d_files_are_not_for_lift(tmp_path):
    with pytest.raises(InputError, match='columns x, y, z'): read_pose2d(dlc_csv(tmp_path/'a.csv', coords=('x', 'y', 'z')), fps=25)


@pytest.mark.parametrize('cut', [lambda lines: lines[:-1] + [lines[-1][:20]], lambda lines: lines[:3] + ['0,1,2'], lambda lines: lines[:4] + [lines[4].replace('101.0', 'oops')], lambda lines: lines[1:2] + lines[3:], lambda lines: lines[:3]])
def test_a_damaged_table(cut, tmp_path):
    path = dlc_csv(tmp_path/'a.csv')
    path.write_text('\n'.join(cut(path.read_text().splitlines())) + '\n')
    with pytest.raises(InputError, match='Expected'): read_pose2d(path, fps=25)


@pytest.mark.parametrize('fps', [0, -5, float('nan')])
def test_a_frame_rate_is_positive(fps, tmp_path):
    with pytest.raises(InputError, match='fps'): read_pose2d(dlc_csv(tmp_path/'a.csv'), fps=fps)


@pytest.mark.parametrize('name', SINGLE[1:] + ['movement_plural.nc'])
def test_a_truncated_binary_file(name, foreign, tmp_path):
    whole = (foreign/name).read_bytes()
    for n in (100, len(whole)//2):
        (tmp_path/name).write_bytes(whole[:n])
        with pytest.raises(InputError, match='Expected'): read_pose2d(tmp_path/name, fps=25)


@pytest.mark.parametrize('content', [b'', b'hello', b'{', b'[1, 2]', b'{"a": 1}', b'\x89HDF\r\n\x1a\n', b'\x00'*500, b'scorer\n', b'frame_idx,\n', b'CDF\x01junk'])
@pytest.mark.parametrize('suffix', ['.h5', '.csv', '.json', '.slp', '.nc'])
def test_rubbish(content, suffix, tmp_path):
    (tmp_path/f'a{suffix}').write_bytes(content)
    with pytest.raises(InputError, match='Expected'): read_pose2d(tmp_path/f'a{suffix}', fps=25)


def test_counts_of_an_analysis_file_have_to_match(foreign, tmp_path):
    for key, shape in (('point_scores', (1, 5, 4)), ('node_names', (3,))):
        path = tmp_path/'a.h5'
        path.write_bytes((foreign/'sleap_1.analysis.h5').read_bytes())
        with h5py.File(path, 'r+') as f: del f[key]; f[key] = np.zeros(shape) if key == 'point_scores' else np.array(['a', 'b', 'c'], 'S')
        with pytest.raises(InputError, match='counts do not match'): read_pose2d(path, fps=25)


def test_a_pickle_runs_nothing(foreign, tmp_path):
    path, trace = tmp_path/'a.h5', tmp_path/'trace'
    path.write_bytes((foreign/'dlc_1_table.h5').read_bytes())
    class Bad:
        def __reduce__(self): return (open, (str(trace), 'w'))
    with h5py.File(path, 'r+') as f: f['df_with_missing/table'].attrs['values_block_0_kind'] = np.bytes_(pickle.dumps([Bad()], 0))
    with pytest.raises(InputError, match='Export it as CSV'): read_pose2d(path, fps=25)
    assert not trace.exists()


# ---------------------------------------------------------------- into the lifter, by the command line

@pytest.fixture(scope='module')
def detected(): return PoseSequence.load(assets_dir()/'clips'/'demo_pose2d.nc')


@pytest.mark.parametrize('name', landmark_sets())
def test_any_set_is_lifted(name, detected, tmp_path):
    "Fewer points, a less certain answer, still an answer: near to that from all points, and nearer the more points there are."
    s = landmarks(name)
    data = np.concatenate([s.from_horse68(detected.xyz()), np.full((len(detected), len(s), 1), .9)], -1)
    pose = read_pose2d(dlc_csv(tmp_path/'a.csv', s.names, data), fps=25, image_size=detected.image_size)
    lifter = Lifter()
    got, best = lifter(pose).xyz(), lifter(detected).xyz()
    assert np.isfinite(got).all()
    assert pa_mpjpe(got, best) < (.03 if name == 'horse68' else .1)


def test_the_command_lifts_a_foreign_file(quickly, foreign, tmp_path):
    out = tmp_path/'out.nc'
    done = quickly('lift', foreign/'dlc_2_table.h5', '--fps', 25, '--image-size', '1280x720', '--individual', 'bert', '--landmarks', 'horse16', '-o', out)
    assert done.returncode == 0, done.stderr
    pose = PoseSequence.load(out)
    assert pose.n_frames == 5 and pose.image_size == SIZE and [s['step'] for s in pose.log] == ['read', 'lift']


@pytest.mark.parametrize('args, words', [
    ((), 'Say --fps'), (('--fps', 25), 'Say --image-size'), (('--fps', 25, '--image-size', '1280'), '1280x720'), (('--fps', 25, '--image-size', '0x20'), '1280x720'),
    (('--fps', 25, '--landmarks', 'horse61'), 'horse68, animalpose, ap10k'), (('--fps', 25, '--landmarks', 'ap10k'), 'not in ap10k'), (('--fps', 25, '--landmarks', 'no.json'), 'no.json does not exist'),
    (('--fps', 25, '--individual', 'zoe'), "'zoe'"), (('--fps', 25, '--image-size', '9x9'), '9x9 picture'), (('--fps', 0, '--image-size', '1280x720'), 'fps')])
def test_the_command_says_what_is_missing(args, words, quickly, tmp_path):
    line = complaint(quickly('lift', dlc_csv(tmp_path/'a.csv'), *args, '-o', tmp_path/'out.nc'))
    assert words in line and not (tmp_path/'out.nc').exists()


def test_one_frame(tmp_path, detected, quickly):
    s = landmarks('ap10k')
    data = np.concatenate([s.from_horse68(detected.xyz()), np.full((len(detected), 17, 1), .9)], -1)[:1]
    done = quickly('lift', dlc_csv(tmp_path/'a.csv', s.names, data), '--fps', 25, '--image-size', 'x'.join(map(str, detected.image_size)), '-o', tmp_path/'out.nc')
    assert done.returncode == 0 and np.isfinite(PoseSequence.load(tmp_path/'out.nc').xyz()).all()


# ---------------------------------------------------------------- out and back

TOLERANCE_M = {'.c3d': 1e-6, '.trc': 1e-6, '.csv': 0., '.nc': 0.}   # beside the 7 digits of a 32-bit number


def sequences(T=6):
    "Strategy: sequences in frame world with holes, at many rates."
    positions = arrays(np.float32, (T, 68, 3), elements=st.floats(-40, 40, width=32)).flatmap(
        lambda p: st.sets(st.tuples(st.integers(0, T - 1), st.integers(0, 67)), max_size=40).map(lambda holes: _holes(p, holes)))
    return st.builds(lambda p, fps, contact: PoseSequence.from_arrays(p, np.where(np.isfinite(p[..., 0]), .7, np.nan), fps, frame='world', contact=contact),
                     positions, st.sampled_from([1, 23.976, 25, 29.97, 59.94, 120, 1000/3]), arrays(bool, (T, 4)))

def _holes(p, holes):
    p = p.copy()
    for t, k in holes: p[t, k] = np.nan
    p[0, 0] = 1.
    return p


@pytest.mark.parametrize('suffix', WRITERS)
@QUICK
@given(pose=sequences())
def test_round_trip(suffix, pose, tmp_path):
    back = read_pose(export_pose(pose, tmp_path/f'a{suffix}'))
    assert np.array_equal(np.isnan(back.xyz()), np.isnan(pose.xyz()))
    np.testing.assert_allclose(back.xyz(), pose.xyz(), rtol=0 if suffix in ('.csv', '.nc') else 3e-7, atol=TOLERANCE_M[suffix], equal_nan=True)
    assert back.fps == pytest.approx(pose.fps, rel=1e-7) and back.frame == 'world' and back.n_frames == pose.n_frames
    if suffix in ('.csv', '.nc'): same(back.ds.confidence, pose.ds.confidence)
    if suffix == '.nc' or (suffix == '.c3d' and pose.contact().any()): assert np.array_equal(back.contact(), pose.contact())


@QUICK
@given(p=arrays(np.float32, (3, 68, 2), elements=st.floats(0, 2000, width=32)), frame=st.just('image'))
def test_tables_hold_other_frames(p, frame, tmp_path):
    pose = PoseSequence.from_arrays(p, np.full((3, 68), .25), 50, frame=frame)
    back = read_pose(export_pose(pose, tmp_path/'a.csv'))
    assert np.array_equal(back.xyz(), p) and back.frame == frame and np.array_equal(back.scores(), pose.scores())


@pytest.fixture(scope='module')
def world(): return PoseSequence.load(assets_dir()/'clips'/'demo_pose3d.nc')


@pytest.mark.parametrize('suffix', WRITERS)
def test_one_frame_out_and_back(suffix, world, tmp_path):
    one = world.clip(0, 1)
    same(read_pose(export_pose(one, tmp_path/f'a{suffix}')).xyz(), one.xyz(), 1e-6)


def test_units_and_axes(world, tmp_path):
    "Millimetres; C3D has Z up and says so; OpenSim has Y up, X forward, Z right."
    import ezc3d
    c = ezc3d.c3d(str(export_pose(world, tmp_path/'a.c3d')))
    points = c['parameters']['POINT']
    assert points['UNITS']['value'] == ['mm'] and points['Y_SCREEN']['value'] == ['+Z'] and points['LABELS']['value'] == list(HORSE68.names)
    head = HORSE68.index('head')
    same(c['data']['points'][:3, head, 0], world.xyz()[0, head]*1000, 1e-2)
    row = export_pose(world, tmp_path/'a.trc').read_text().splitlines()[6].split('\t')
    x, y, z = world.xyz()[0, head].astype(float)*1000
    same(np.array(row[2 + 3*head:5 + 3*head], float), [-y, z, -x], 1e-4)
    assert [c for c in row[:2]] == ['1', '0.000000']


def test_labs_formats_are_of_the_world(detected, tmp_path):
    for suffix in ('.c3d', '.trc'):
        with pytest.raises(InputError, match="Expected poses in frame 'world'"): export_pose(detected, tmp_path/f'a{suffix}')
    assert not list(tmp_path.iterdir())


def test_c3d_counts_to_65535(world, tmp_path):
    long = PoseSequence.from_arrays(np.zeros((65536, 68, 3)), None, 100, frame='world')
    with pytest.raises(InputError, match='65535'): export_pose(long, tmp_path/'a.c3d')


@pytest.mark.parametrize('suffix', ['.c3d', '.trc', '.csv'])
def test_damaged_exports(suffix, world, tmp_path):
    path = export_pose(world, tmp_path/f'a{suffix}')
    whole = path.read_bytes()
    for content in (b'rubbish', whole[:60], whole.replace(b'spine.001', b'spleen.01')):
        path.write_bytes(content)
        with pytest.raises(InputError, match='Expected'): read_pose(path)
    if suffix == '.trc':
        path.write_bytes(whole[:-3000])
        with pytest.raises(InputError, match='Was it cut short|columns'): read_pose(path)


def test_the_command_exports(quickly, tmp_path):
    source = assets_dir()/'clips'/'demo_pose3d.nc'
    for name in ('a.c3d', 'b.trc', 'c.csv', 'd.nc'):
        done = quickly('export', source, '-o', tmp_path/name)
        assert done.returncode == 0 and done.stdout.strip() == str(tmp_path/name), done.stderr
        source = tmp_path/name   # each from the one before
    same(read_pose(source).xyz(), PoseSequence.load(assets_dir()/'clips'/'demo_pose3d.nc').xyz(), 3e-6)
    for args, words in ((('a.bvh',), 'ends in .c3d, .trc, .csv, .nc'), (('d.nc',), 'is both')):
        assert words in complaint(quickly('export', source, '-o', *(tmp_path/a for a in args)))


def test_whose_file(foreign, tmp_path):
    assert [tool_of(foreign/f) for f in ('dlc_1.csv', 'dlc_1_fixed.h5', 'sleap_1.slp', 'sleap_1.analysis.h5', 'movement_plural.nc')] == ['dlc_csv', 'dlc_h5', 'slp', 'sleap_analysis', 'movement']
    assert tool_of(assets_dir()/'clips'/'demo_pose2d.nc') == 'own'


# ---- files that were changed on their way: one line each, and a file that can be read may still not be believed

def _own(change):
    "The shipped 2D pose with something changed, in our own format."
    def write(path, detected):
        change(detected.ds.load().copy(deep=True)).to_netcdf(path, engine='h5netcdf')
        return path
    return write

def _told(**attrs): return _own(lambda ds: ds.assign_attrs(**attrs))

def _fewer_scores(ds):
    return xr.Dataset({**{k: v for k, v in ds.data_vars.items() if k != 'confidence'}, 'confidence': (('frame', 'keypoint', 'individual'), ds.confidence.values[:-3])},
                      coords=ds.coords, attrs=ds.attrs)

def _text(ds):
    words = ds.position.astype(str)
    words.attrs.update(ds.position.attrs)
    return ds.assign(position=words)

CHANGED = dict(fps_as_text=(_told(fps='fast'), 'fps as a number'), fps_below_0=(_told(fps=-1.), 'positive number'), size_0=(_told(image_size='[0, 0]'), 'two positive numbers of pixels'),
               size_broken=(_told(image_size='{'), 'as JSON'), skeleton_broken=(_told(skeleton='{'), 'as JSON'), skeleton_a_list=(_told(skeleton='[]'), 'keypoints'),
               keypoints_lost=(_own(lambda ds: ds.isel(keypoint=slice(0, 60))), 'Expected 68 keypoints'), two_horses=(_own(lambda ds: xr.concat([ds, ds], 'individual')), 'Expected one horse'),
               text=(_own(_text), 'numbers as position'), fewer_scores=(_own(_fewer_scores), 'the counts do not match'), no_fps=(_own(lambda ds: ds.drop_attrs().assign_attrs(skeleton=ds.skeleton)), 'fps'))

@pytest.mark.parametrize('what', CHANGED)
def test_our_own_file_changed_by_another_tool(what, detected, tmp_path, quickly):
    write, words = CHANGED[what]
    assert words in complaint(quickly('lift', write(tmp_path/'own.nc', detected), '-o', tmp_path/'out.nc'))
    assert not (tmp_path/'out.nc').exists()


def movement_file(path, change=lambda ds: ds):
    xy = truth()[:, :, None]
    ds = xr.Dataset(dict(position=(('time', 'space', 'keypoints', 'individuals'), xy[..., :2].transpose(0, 3, 1, 2)), confidence=(('time', 'keypoints', 'individuals'), xy[..., 2].transpose(0, 1, 2))),
                    coords=dict(time=np.arange(len(xy)), space=['x', 'y'], keypoints=NAMES, individuals=['horse']), attrs=dict(fps=25.))
    change(ds).to_netcdf(path, engine='h5netcdf')
    return path

@pytest.mark.parametrize('change, words', [
    (lambda ds: ds.assign_attrs(fps='25 fps'), 'Expected numbers'),
    (lambda ds: ds.drop_vars('confidence').assign(confidence=(('frame', 'keypoints', 'individuals'), ds.confidence.values[:-2])), 'the counts do not match'),
    (lambda ds: ds.assign(confidence=ds.confidence.isel(individuals=0, drop=True)), 'the counts do not match')])
def test_a_movement_file_that_is_wrong(change, words, tmp_path):
    with pytest.raises(InputError, match=words): read_pose2d(movement_file(tmp_path/'m.nc', change), 25, image_size=SIZE)

def test_movement_axes_are_known_by_their_names(tmp_path):
    want, turned = (read_pose2d(movement_file(tmp_path/'m.nc', change), image_size=SIZE) for change in (lambda ds: ds, lambda ds: ds.isel(space=[1, 0])))
    same(turned.xyz(), want.xyz())

@pytest.mark.parametrize('factor', [[1, -1, 1], [9, 9, 1]], ids=['y grows upwards', 'other pixels'])
def test_positions_outside_of_the_picture(factor, tmp_path):
    with pytest.raises(InputError, match='does y grow downwards'): read_pose2d(dlc_csv(tmp_path/'a.csv', data=truth()*factor), 25, image_size=SIZE)

def test_y_that_grows_upwards_inside_the_picture(tmp_path):
    over = truth()*[1, -1, 1] + [0, SIZE[1], 0]
    with pytest.raises(InputError, match='legs are above the back.*height - y'): read_pose2d(dlc_csv(tmp_path/'a.csv', data=over), 25, image_size=SIZE)

def test_width_and_height_exchanged(tmp_path):
    data = truth()
    data[..., 0] *= .98*1280/np.nanmax(data[..., 0])
    read_pose2d(dlc_csv(tmp_path/'a.csv', data=data), 25, image_size=(1280, 720))
    with pytest.raises(InputError, match='a 720x1280 picture.*exchanged'): read_pose2d(dlc_csv(tmp_path/'a.csv', data=data), 25, image_size=(720, 1280))

@pytest.mark.parametrize('size, unit, words', [((1280, 720), [1/12.8, 1/7.2, 1], 'per cent of the picture'), ((99999, 99999), [1, 1, 1], 'Is it the right size')], ids=['per cent', 'a picture of 100,000 pixels'])
def test_a_horse_that_can_not_be_seen(size, unit, words, tmp_path):
    with pytest.raises(InputError, match=words): read_pose2d(dlc_csv(tmp_path/'a.csv', data=truth()*unit), 25, image_size=size)

def test_a_table_without_frames(tmp_path):
    path = dlc_csv(tmp_path/'a.csv')
    path.write_text(''.join(path.read_text().splitlines(True)[:3]))
    with pytest.raises(InputError, match='below the header'): read_pose2d(path, 25, image_size=SIZE)

def test_a_number_that_no_float32_holds(tmp_path):
    data = truth()
    data[1, 1, 0] = 1e300
    with pytest.raises(InputError, match='finite positions'): read_pose2d(dlc_csv(tmp_path/'a.csv', data=data), 25, image_size=SIZE)

@pytest.mark.parametrize('fps', ['1e-9', '1e9'])
def test_a_frame_rate_that_no_camera_has(fps, foreign, quickly, tmp_path):
    path = dlc_csv(tmp_path/'a.csv')
    assert 'frames a second' in complaint(quickly('lift', path, '--fps', fps, '--image-size', '1280x720', '-o', tmp_path/'out.nc'))
