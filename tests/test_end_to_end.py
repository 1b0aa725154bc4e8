"From a video to eight files, on the shipped clip and on real film; every file is opened by somebody who did not write it."
import json
import subprocess
import sys

import numpy as np
import pytest

from conftest import cli_env, cut
from kinequimation.clip import MotionClip
from kinequimation.pose import PoseSequence
from kinequimation.skeleton import HORSE68, HORSE_RIG
from kinequimation.video import frames, probe

FILES = ['clip.npz', 'motion.bvh', 'motion.fbx', 'motion.glb', 'overlay.mp4', 'pose2d.nc', 'pose3d.nc', 'scene.blend']

LOOK_INTO = '''
import bpy, json, os, sys
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
scene, found = bpy.context.scene, {}
found['objects'] = {o.name: o.type for o in bpy.data.objects}
found['frames'] = [scene.frame_start, scene.frame_end]
found['fps'] = scene.render.fps/scene.render.fps_base
found['camera'] = scene.camera.name if scene.camera else None
found['background'] = [bool(b.clip or b.image) for b in scene.camera.data.background_images] if scene.camera else []
found['fitted'] = [b.frame_method for b in scene.camera.data.background_images] if scene.camera else []
found['video'] = [bpy.path.abspath(c.filepath) for c in bpy.data.movieclips] + [bpy.path.abspath(i.filepath) for i in bpy.data.images if i.source == 'MOVIE']
rigs = {n: bpy.data.objects[n] for n in ('ML_rig', 'rig')}
found['keyed'] = {n: bool(o.animation_data and o.animation_data.action) for n, o in rigs.items()}
found['constraints'] = sum(len(b.constraints) for b in rigs['ML_rig'].pose.bones)
found['skinned'] = [o.name for o in bpy.data.objects if o.type == 'MESH' and any(m.type == 'ARMATURE' for m in o.modifiers)]
found['heads'] = []
for f in range(scene.frame_start, scene.frame_end + 1):
    scene.frame_set(f)
    world = rigs['ML_rig'].matrix_world
    found['heads'].append({b.name: list(world @ b.head) for b in rigs['ML_rig'].pose.bones})
found['rig_heads'] = {b.name: list(rigs['rig'].matrix_world @ b.head) for b in rigs['rig'].pose.bones if b.name.startswith('DEF-')}
found['operators'] = bpy.app.version_string
open(sys.argv[2], 'w').write(json.dumps(found))
sys.stdout.flush(); os._exit(0)
'''


def look_into(scene, tmp_path):
    "What a fresh Blender finds in a .blend, as a dict."
    (tmp_path/'look.py').write_text(LOOK_INTO)
    done = subprocess.run([sys.executable, tmp_path/'look.py', scene, tmp_path/'found.json'], capture_output=True, text=True, env=cli_env(tmp_path/'user'), timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((tmp_path/'found.json').read_text())


@pytest.fixture(scope='module')
def result(tmp_path_factory, short_clip):
    "The shipped clip's first pictures through the whole command, once for all tests below."
    tmp = tmp_path_factory.mktemp('animate')
    from conftest import CLI
    done = subprocess.run([*CLI, 'animate', str(short_clip), '-o', str(tmp/'out')], cwd=tmp, env=cli_env(tmp/'user'), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done, tmp/'out', tmp


def test_all_eight_files_and_no_other(result):
    done, out, tmp = result
    assert sorted(p.name for p in out.iterdir()) == FILES
    assert sorted(done.stdout.split()) == sorted(str(out/f) for f in FILES)
    assert done.stderr.count('\n') == 8 and 'Building the scene in Blender' in done.stderr, done.stderr   # seven stages and a hint


def test_the_measurements(result, short_clip):
    _, out, _ = result
    info, pose2d, pose3d = probe(short_clip), PoseSequence.load(out/'pose2d.nc'), PoseSequence.load(out/'pose3d.nc')
    assert pose2d.frame == 'image' and pose3d.frame == 'world' and pose2d.n_frames == pose3d.n_frames == info.n_frames
    assert np.isfinite(pose3d.xyz()).all()
    spread = pose3d.position_std()[:, 1:]
    assert np.isfinite(spread).all() and .005 < np.median(spread) < .3, 'how far off each joint may be, m'
    assert [s['step'] for s in pose3d.log][0] == 'detect' and 'refine' in [s['step'] for s in pose3d.log]
    clip = MotionClip.load(out/'clip.npz')
    assert clip.rotation.shape == (info.n_frames, 80, 4) and clip.fps == pytest.approx(info.fps)
    assert clip.heads(HORSE_RIG).shape == (info.n_frames, 80, 3) if clip.rest_hash == HORSE_RIG.rest_hash else True


def test_the_overlay_is_the_video_with_something_drawn_on_it(result, short_clip):
    _, out, _ = result
    assert probe(out/'overlay.mp4') == probe(short_clip)
    change = [np.abs(a.astype(int) - b).max(-1) > 40 for a, b in zip(frames(out/'overlay.mp4'), frames(short_clip))]
    share = np.mean(change)
    assert .002 < share < .2, f'{share:.1%} of the pixels changed'


def test_the_scene_opens_with_everything_in_it(result, short_clip, tmp_path):
    _, out, _ = result
    found = look_into(out/'scene.blend', tmp_path)
    n = probe(short_clip).n_frames
    assert found['objects']['ML_rig'] == found['objects']['rig'] == 'ARMATURE' and found['keyed'] == {'ML_rig': True, 'rig': True}
    assert found['constraints'] == 0 and found['skinned'], 'ML_rig is bare, and a mesh hangs on a rig'
    assert found['frames'][1] - found['frames'][0] + 1 == n and found['fps'] == pytest.approx(probe(short_clip).fps, rel=1e-3)
    assert found['camera'] and any(found['background']), 'a camera with the video behind'
    assert found['fitted'] == ['STRETCH'], 'in the shape in which it was looked at, though its pixels may not be square'
    from pathlib import Path
    assert found['video'] and all(Path(v).exists() for v in found['video']), f"the scene's video must be found from where the scene lies now: {found['video']}"


def test_the_bones_in_blender_are_where_the_clip_says(result, tmp_path):
    _, out, _ = result
    found, clip = look_into(out/'scene.blend', tmp_path), MotionClip.load(out/'clip.npz')
    assert clip.rest_hash == HORSE_RIG.rest_hash, 'the clip must be for the rig of the scene, whatever horse was filmed'
    want = clip.heads(HORSE_RIG)
    got = np.array([[f[n if n in f else f'DEF-{n}'] for n in clip.bones] for f in found['heads']])
    assert np.abs(got - want).max() < .005, f'ML_rig is off by {np.abs(got - want).max()*1000:.1f} mm'
    last = np.array([found['rig_heads'][f'DEF-{n}'] for n in clip.bones])
    error = np.linalg.norm(last - want[-1], axis=-1)
    assert np.median(error) < .005, f'the controls leave the bones {np.median(error)*1000:.1f} mm off in the median'


def test_the_exports_are_what_their_names_say(result):
    _, out, _ = result
    assert (out/'motion.bvh').read_text().startswith('HIERARCHY') and 'MOTION' in (out/'motion.bvh').read_text()
    assert (out/'motion.fbx').read_bytes().startswith(b'Kaydara FBX Binary')
    data = (out/'motion.glb').read_bytes()
    assert data[:4] == b'glTF' and int.from_bytes(data[8:12], 'little') == len(data)
    glb = json.loads(data[20:20 + int.from_bytes(data[12:16], 'little')])
    assert glb['animations'] and glb['skins'] and glb['meshes']


def test_a_second_run_replaces_the_first(result, quickly, short_clip):
    _, out, tmp = result
    (out/'notes.txt').write_text('my own')
    before = (out/'scene.blend').read_bytes()
    done = quickly('animate', short_clip, '-o', out, '--no-blender', '-q')
    assert done.returncode == 0 and done.stdout.split() == [str(out/n) for n in ('pose2d.nc', 'overlay.mp4', 'pose3d.nc', 'clip.npz')], done.stderr
    assert (out/'notes.txt').read_text() == 'my own' and (out/'scene.blend').read_bytes() == before
    (out/'notes.txt').unlink()


def test_real_film(muybridge, quickly, tmp_path):
    "A race horse of 1878: found in most frames, where it is, and galloping to its side of the picture."
    clip = cut(muybridge, tmp_path/'horse.mp4', 20, step=3)
    done = quickly('animate', clip, '-o', tmp_path/'out', '--no-blender')
    assert done.returncode == 0, done.stderr
    pose, i = PoseSequence.load(tmp_path/'out'/'pose2d.nc'), HORSE68.index
    found = (pose.scores() > 0).any(1)
    assert found.mean() > .7, f'found in {found.mean():.0%} of the frames'
    xy = pose.xyz()[found]
    assert (xy[:, i('head'), 0] > xy[:, i('tail.001'), 0] + 200).mean() > .9, 'its head is on the right of the picture'
    low, high = np.median(xy.min(1), 0), np.median(xy.max(1), 0)
    assert (low > [60, 30]).all() and (high < [900, 530]).all() and (high - low > [400, 150]).all(), f'the horse fills the middle of the picture, but got {low} to {high}'
    world = PoseSequence.load(tmp_path/'out'/'pose3d.nc').xyz()
    assert np.isfinite(world).all()
    assert world[-1, 0, 1] < world[0, 0, 1] - .3, f'it moves towards where it faces, -Y, but got {world[-1, 0] - world[0, 0]}'
    assert (world[:, i('head'), 2] > world[:, i('f_hoof.L'), 2] + .5).all(), 'and stands on its feet'
