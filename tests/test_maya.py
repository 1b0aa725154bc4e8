"""The script for Maya, as far as it goes without Maya.

Its files, its arithmetic and its keys are real. Maya is not here: `Cmds` stands in for `maya.cmds` at that one boundary. It keeps joints as Maya's
documentation defines them (a joint's matrix is [rotate axis][rotate][joint orient][translate] for row vectors) and is asked where they are in each frame.
"""
import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from kinequimation import gait
from kinequimation.clip import MotionClip
from kinequimation.skeleton import HORSE_RIG, fk

ROOT = Path(__file__).resolve().parents[1]
SKELETON = ROOT / 'kinequimation/assets/skeletons/horse.json'
Y_UP = np.array([[1., 0, 0], [0, 0, 1], [0, -1, 0]])
spec = importlib.util.spec_from_file_location('kinequimation_maya', ROOT / 'maya/kinequimation_maya.py')
horse = importlib.util.module_from_spec(spec)
spec.loader.exec_module(horse)


def euler(degrees):
    "Row-vector matrix of Maya's xyz order: X, then Y, then Z."
    (a, b, c), (d, e, f) = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    x, y, z = np.array([[1, 0, 0], [0, a, d], [0, -d, a]]), np.array([[b, 0, -e], [0, 1, 0], [e, 0, b]]), np.array([[c, f, 0], [-f, c, 0], [0, 0, 1]])
    return x @ y @ z


# what the documentation of currentUnit lists
NAMED = set('game film pal ntsc show palf ntscf 23.976fps 29.97fps 47.952fps 59.94fps 2fps 3fps 4fps 5fps 6fps 8fps 10fps 12fps 16fps 20fps 40fps 75fps 80fps 100fps 120fps 125fps 150fps 200fps '
            '240fps 250fps 300fps 375fps 400fps 500fps 600fps 750fps 1200fps 1500fps 2000fps 3000fps 6000fps'.split())


class Cmds(types.ModuleType):
    "Joints in a scene: paths, attributes, keys; nothing but what the script asks of `maya.cmds`."
    def __init__(self, up='y', unit='cm'):
        super().__init__('maya.cmds')
        self.up, self.unit, self.rate, self.nodes, self.keys, self.range, self.chunks = up, unit, None, {}, {}, (1, 10), []

    def upAxis(self, query, axis): return self.up
    def currentUnit(self, query=False, linear=None, time=None):
        if query: return self.unit
        if time not in NAMED: raise RuntimeError(f'Invalid time unit: {time}')
        self.rate = time
    def undoInfo(self, openChunk=False, closeChunk=False, chunkName=''): self.chunks.append('open' if openChunk else 'close')
    def playbackOptions(self, query=False, **at):
        if query: return self.range[0]
        self.range = at['minTime'], at['maxTime']
    def namespace(self, exists=None, add=None): return bool(exists)

    def add(self, name, parent=None, **attributes):
        path = f'{parent or ""}|{name}'
        self.nodes[path] = dict(translate=(0., 0, 0), rotate=(0., 0, 0), jointOrient=(0., 0, 0), rotateAxis=(0., 0, 0), rotateOrder=0, **attributes)
        return path
    def createNode(self, kind, name, parent=None, skipSelect=True): return self.add(name, parent)
    def ls(self, pattern, type=None, long=True): return [p for p in self.nodes if pattern in ('*', p) or (pattern.endswith('*') and p.split('|')[-1].startswith(pattern[:-1]))]
    def listRelatives(self, path, parent, fullPath): return [p] if (p := path.rpartition('|')[0]) else None
    def getAttr(self, plug):
        path, _, name = plug.rpartition('.')
        value = self.nodes[path][name]
        return [value] if isinstance(value, tuple) else value
    def setAttr(self, plug, *value, type=None): path, _, name = plug.rpartition('.'); self.nodes[path][name] = value if type == 'double3' else value[0]
    def addAttr(self, path, longName, dataType): self.nodes[path][longName] = ''
    def attributeQuery(self, name, node, exists): return name in self.nodes[node]
    def setKeyframe(self, path, attribute, time, value): self.keys.setdefault((path, attribute), {})[time] = value

    def matrix(self, path, time=None):
        "Its world matrix for row vectors, with the keys at `time`."
        node, value = self.nodes[path], {}
        for kind in ('translate', 'rotate'):
            value[kind] = [self.keys[path, kind + a][time] if time is not None and (path, kind + a) in self.keys else v for a, v in zip('XYZ', node[kind])]
        local = np.eye(4)
        local[:3, :3] = euler(node['rotateAxis']) @ euler(value['rotate']) @ euler(node['jointOrient'])
        local[3, :3] = value['translate']
        above = path.rpartition('|')[0]
        return local @ self.matrix(above, time) if above else local
    def xform(self, path, query, worldSpace, matrix): return list(self.matrix(path).ravel())


@pytest.fixture
def maya(monkeypatch):
    def make(**scene):
        cmds = Cmds(**scene)
        package = types.ModuleType('maya')
        package.cmds = cmds
        monkeypatch.setitem(sys.modules, 'maya', package)
        monkeypatch.setitem(sys.modules, 'maya.cmds', cmds)
        return cmds
    return make


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    "(path, clip, joints (T,B,3), global turns (T,B,3,3)) of a gallop that turns."
    clip = gait.generate('gallop_left', n_frames=10, fps=25, turn=.3).clip
    path = clip.save(tmp_path_factory.mktemp('maya')/'gallop.npz')
    Q = clip.global_rotation(HORSE_RIG)
    return path, clip, fk(HORSE_RIG, Q, clip.root_location), Q


def compare(cmds, root, clip, change, per_metre, rest=None, start=1):
    "Every joint in every frame: place and turn from rest against the clip."
    _, _, heads, Q = clip
    paths = {p.split('|')[-1].split(':')[-1]: p for p in cmds.nodes}
    for t in range(len(heads)):
        for b, name in enumerate(HORSE_RIG.names):
            m = cmds.matrix(paths[horse.joint_name(name)], start + t)
            np.testing.assert_allclose(m[3, :3]/per_metre, change @ heads[t, b], atol=1e-4)
            turned = m[:3, :3].T @ (rest[b].T if rest is not None else np.eye(3))
            np.testing.assert_allclose(turned, change @ Q[t, b] @ change.T, atol=1e-5)


@pytest.mark.parametrize('up, unit, per_metre', [('y', 'cm', 100), ('z', 'm', 1), ('y', 'in', 1/.0254)])
def test_a_new_skeleton_moves_as_the_clip_does(maya, clip, up, unit, per_metre):
    cmds = maya(up=up, unit=unit)
    root = horse.apply(str(clip[0]), str(SKELETON))
    assert len(cmds.nodes) == 80 and cmds.rate == 'pal' and cmds.range == (1, 10) and cmds.chunks == ['open', 'close']
    compare(cmds, root, clip, Y_UP if up == 'y' else np.eye(3), per_metre)
    steps = [abs(v[t + 1] - v[t]) for (path, a), v in cmds.keys.items() if a.startswith('rotate') for t in range(1, 10)]
    assert max(steps) < 120, 'no curve leaps by whole turns'


@pytest.mark.parametrize('fps, rate, step', [(24, 'film', 1), (30000/1001, '29.97fps', 1), (59.94, '59.94fps', 1), (120, '120fps', 1), (12.5, 'game', 1.2), (99, '100fps', 100/99)])
def test_every_rate_has_a_place_in_maya(maya, clip, tmp_path, fps, rate, step):
    data = dict(np.load(clip[0]))
    path = tmp_path/'other.npz'
    np.savez(path, **{**data, 'meta': json.dumps({**json.loads(str(data['meta'])), 'fps': fps})})
    cmds = maya()
    root = horse.apply(str(path), str(SKELETON), start=1)
    assert cmds.rate == rate and np.allclose(cmds.range, (1, 1 + 9*step))
    np.testing.assert_allclose(sorted(cmds.keys[root, 'translateX']), 1 + step*np.arange(10))


def with_axes(cmds, per_metre=100, seed=0):
    "A skeleton as an FBX brings it in: below a group that is turned, with orients and rotate axes of its own, and with Maya's names."
    rng, paths = np.random.default_rng(seed), []
    group = cmds.add('Armature')
    cmds.nodes[group].update(translate=(3., 0, 7), jointOrient=(-90., 0, 0))
    rest = [euler(rng.uniform(-170, 170, 3)) for _ in HORSE_RIG.names]   # row-vector world rotations
    for b, (name, parent) in enumerate(zip(HORSE_RIG.names, HORSE_RIG.parents)):
        above = cmds.matrix(paths[parent] if parent >= 0 else group)
        path = cmds.add('DEFFBXASC045' + name.replace('.', 'FBXASC046'), paths[parent] if parent >= 0 else group)
        place = np.append(per_metre*(Y_UP @ HORSE_RIG.head[b]), 1) @ np.linalg.inv(above)
        axis = rng.uniform(-80, 80, 3)
        orient = np.linalg.inv(euler(axis)) @ rest[b] @ np.linalg.inv(above[:3, :3])
        y = np.arcsin(-np.clip(orient[0, 2], -1, 1))
        degrees = np.degrees([np.arctan2(orient[1, 2], orient[2, 2]), y, np.arctan2(orient[0, 1], orient[0, 0])])
        cmds.nodes[path].update(translate=tuple(place[:3]), rotateAxis=tuple(axis), jointOrient=tuple(degrees))
        paths.append(path)
    return paths, [r.T for r in rest]


def test_a_skeleton_with_axes_of_its_own_moves_the_same(maya, clip):
    cmds = maya()
    paths, rest = with_axes(cmds)
    for b, path in enumerate(paths): np.testing.assert_allclose(cmds.matrix(path)[:3, :3], rest[b].T, atol=1e-9)
    for start in (1, 101):                                    # the second clip finds the rest pose that the first one remembered
        root = horse.apply(str(clip[0]), str(SKELETON), start=start)
        _, _, heads, Q = clip
        for t in (0, 4, 9):
            for b, path in enumerate(paths):
                m = cmds.matrix(path, start + t)
                np.testing.assert_allclose(m[3, :3]/100, Y_UP @ heads[t, b], atol=1e-4)
                np.testing.assert_allclose(m[:3, :3].T @ rest[b].T, Y_UP @ Q[t, b] @ Y_UP.T, atol=1e-5)
        for path in paths: cmds.nodes[path]['rotate'] = (10., 20, 30)   # no longer at rest
    assert len(cmds.nodes) == 81 and cmds.range == (101, 110)


def test_it_reads_what_numpy_wrote(clip):
    got = horse.read_clip(str(clip[0]))
    np.testing.assert_array_equal(np.array(got['rotation'], 'f4'), clip[1].rotation.astype('f4'))
    assert got['meta']['bones'] == list(HORSE_RIG.names) and np.array(got['contacts']).dtype == bool


def test_bad_input_in_one_line_and_nothing_keyed(maya, clip, tmp_path):
    (tmp_path/'text.npz').write_text('hello')
    np.savez(tmp_path/'pickled.npz', rotation=np.array([object()], object), root_location=np.zeros((1, 3)), meta='{}')
    data = dict(np.load(clip[0]))
    np.savez(tmp_path/'empty.npz', **{**data, 'rotation': data['rotation'][:0], 'root_location': data['root_location'][:0]})
    np.savez(tmp_path/'other.npz', **{**data, 'meta': json.dumps({**json.loads(str(data['meta'])), 'bones': ['x']*80})})
    cmds = maya()
    for name, what in [('text.npz', 'zip'), ('pickled.npz', 'not expected'), ('empty.npz', 'at least one frame'), ('other.npz', 'spine.001'), ('none.npz', 'No such file')]:
        with pytest.raises(horse.ClipError, match=what) as error: horse.apply(str(tmp_path/name), str(SKELETON))
        assert '\n' not in str(error.value) and not cmds.keys and not cmds.nodes
    with pytest.raises(horse.ClipError, match='skeleton file'): horse.apply(str(clip[0]), str(clip[0]))
    cmds.add('DEF_thigh_L')
    with pytest.raises(horse.ClipError, match='DEF_spine_001'): horse.apply(str(clip[0]), str(SKELETON))
    assert not cmds.keys and cmds.chunks.count('open') == cmds.chunks.count('close')


def test_angles_stay_near_where_they_were():
    for degrees in ([10, 20, 30], [170, 89.9999999999, -170], [-20, -90, 40], [350, 100, -725]):
        turn = horse.of_euler(degrees)
        near = horse.to_euler(turn, degrees)
        np.testing.assert_allclose(horse.of_euler(near), turn, atol=1e-7)
        assert max(abs(a - b) for a, b in zip(near, degrees)) < 1e-3 or abs(abs(degrees[1]) - 90) < 1e-3
    np.testing.assert_allclose(np.array(horse.of_euler([10, 20, 30])).T, euler([10, 20, 30]), atol=1e-12)
