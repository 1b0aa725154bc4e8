"Blender as a child: what comes out, what it says when it can't, and that nothing is left behind."
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kinequimation import blender
from kinequimation.files import InputError
from kinequimation.gait import generate
from kinequimation.horses import random_horse
from kinequimation.video import VideoWriter

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    return generate('walk', n_frames=8, fps=25).clip.save(tmp_path_factory.mktemp('clip')/'walk.npz')


def test_four_files_with_progress(clip, tmp_path):
    video = tmp_path/'in'/'video.mp4'
    video.parent.mkdir()
    with VideoWriter(video, 25, (64, 48)) as writer:
        for i in range(8): writer.write(np.full((48, 64, 3), 20*i, np.uint8))
    steps = []
    files = blender.apply_clip(clip, tmp_path/'out', video=video, progress=lambda done, total: steps.append((done, total)))
    assert sorted(files) == sorted(p.name for p in (tmp_path/'out').iterdir()) == sorted(blender.OUTPUTS)
    assert steps == sorted(steps) and steps[-1][0] == steps[-1][1]
    code = f"import bpy, os; bpy.ops.wm.open_mainfile(filepath={str(files['scene.blend'])!r}); i = bpy.data.images['video.mp4']; print('PATH', i.filepath, os.path.exists(bpy.path.abspath(i.filepath))); os._exit(0)"
    said = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout
    assert 'PATH //../in/video.mp4 True' in said


def test_retargeting_error(clip):
    result = blender.measure_retarget(clip)
    assert result['median_mm'] < 1 and result['hoof_max_mm'] < 1


def test_another_horses_clip_is_refused(tmp_path):
    clip = generate('walk', n_frames=3, skeleton=random_horse(np.random.default_rng(0))).clip.save(tmp_path/'other.npz')
    with pytest.raises(InputError, match=r'other\.npz: .*rest pose'): blender.apply_clip(clip, tmp_path/'out')
    assert not (tmp_path/'out').exists()


def test_a_file_where_a_folder_should_be(clip, tmp_path):
    (tmp_path/'out').write_text('')
    with pytest.raises(InputError, match='is a file'): blender.apply_clip(clip, tmp_path/'out')


def test_missing_bpy_is_said(monkeypatch, clip, tmp_path):
    monkeypatch.setattr(blender, 'find_spec', lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'kinequimation\[blender\]'"): blender.apply_clip(clip, tmp_path/'out')
    assert not list((tmp_path/'out').iterdir())


def fake_script(monkeypatch, folder, text):
    (folder/'job.py').write_text(text)
    monkeypatch.setattr(blender, 'find_blender_scripts', lambda: folder)


@pytest.mark.parametrize('text, message', [
    ('import os, signal; os.kill(os.getpid(), signal.SIGSEGV)', 'SIGSEGV'),
    ('raise ImportError("libXi.so.6: cannot open shared object file")', 'apt-get install'),
    ('print(\'{"error": "Two\\\\nlines"}\'); raise SystemExit(2)', '^Two lines$'),
    ('import time; time.sleep(30)', 'said nothing for')])
def test_a_child_that_fails_says_one_line(monkeypatch, tmp_path, text, message):
    fake_script(monkeypatch, tmp_path, text)
    with pytest.raises(InputError, match=message) as error: blender.run_script('job', silence_s=2)
    assert '\n' not in str(error.value)


def test_a_full_disk_leaves_nothing(clip, tmp_path):
    "A limit on the size of a file stands in for a full disk: the same failed write, wherever it comes."
    code = f'''import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
from kinequimation.blender import apply_clip
try: apply_clip({str(clip)!r}, {str(tmp_path / 'out')!r}, mesh=False)
except ValueError as error: print('SAID', type(error).__name__, error)'''
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=dict(os.environ, PYTHONPATH=str(ROOT)))
    assert 'SAID' in done.stdout, done.stdout + done.stderr
    assert not list((tmp_path/'out').iterdir())


def test_ctrl_c_leaves_nothing(clip, tmp_path):
    code = f'''from kinequimation.blender import apply_clip
apply_clip({str(clip)!r}, {str(tmp_path / 'out')!r}, progress=lambda done, total: print('STEP', done, flush=True))'''
    child = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ, PYTHONPATH=str(ROOT)))
    for line in child.stdout:
        if line.startswith('STEP 4'): break
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    time.sleep(.2)
    assert child.returncode != 0 and 'KeyboardInterrupt' in said
    assert not list((tmp_path/'out').iterdir())


def test_the_scenes_camera_sees_what_the_video_did(tmp_path):
    "Each joint of the control rig, through the scene's camera, at the pixel where the original camera had it."
    from kinequimation.camera import look_at
    from kinequimation.pose import PoseSequence
    from kinequimation.retarget import retarget
    from kinequimation.skeleton import HORSE_RIG, matrix_to_quat
    size, motion = (640, 360), generate('canter_right', n_frames=6, fps=25, seed=4)
    camera = look_at(motion.root_location + [7., -2, .4], motion.root_location, size, fov_deg=35)
    pose = PoseSequence.from_arrays(1.2*motion.positions(), fps=25, frame='world', rotation=matrix_to_quat(motion.Q[:, :68]), image_size=size, focal_px=camera.K[0, 0],
                                    world_to_camera=np.array([np.vstack([np.c_[R, 1.2*t], [[0, 0, 0, 1]]]) for R, t in zip(camera.R, camera.t)]))
    files = blender.apply_clip(retarget(pose).save(tmp_path/'clip.npz'), tmp_path/'out', mesh=False)
    code = f'''import bpy, os, numpy as np
from bpy_extras.object_utils import world_to_camera_view
bpy.ops.wm.open_mainfile(filepath={str(files['scene.blend'])!r}, use_scripts=False)
scene, rig, out = bpy.context.scene, bpy.data.objects['rig'], []
for frame in range(1, 7):
    scene.frame_set(frame)
    out.append([list(world_to_camera_view(scene, scene.camera, rig.pose.bones['DEF-' + n].head)) for n in {HORSE_RIG.names[:68]!r}])
np.save({str(tmp_path / 'seen.npy')!r}, out)
os._exit(0)'''
    subprocess.run([sys.executable, '-c', code], check=True, capture_output=True)
    seen = np.load(tmp_path/'seen.npy')[..., :2]
    pixels = np.stack([seen[..., 0]*size[0], (1 - seen[..., 1])*size[1]], -1)
    assert np.abs(pixels - camera.project(motion.positions())).max() < .5
