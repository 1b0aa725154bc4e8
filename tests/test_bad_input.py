"""What goes wrong at the user's end: one clear line, exit code 2, nothing half-written, and an earlier run's files as they were.

No mocks: real files, a real small disk, a real limit on file sizes, real signals to real process groups."""
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from conftest import CLI, alive, cli_env, complaint, listing
from kinequimation.files import assets_dir

MODELS = assets_dir()/'models'
EARLIER = {'pose2d.nc': b'of an earlier run', 'scene.blend': b'of an earlier run too', 'notes.txt': b'my own'}


@pytest.fixture
def out(tmp_path):
    "A folder that holds what an earlier run (and its owner) left there."
    folder = tmp_path/'out'
    folder.mkdir()
    for name, text in EARLIER.items(): (folder/name).write_bytes(text)
    return folder


def refused(done, out, *words):
    "Exit code 2, one line with all the words, and `out` untouched."
    line = complaint(done)
    for word in words: assert word in line, f'Expected {word!r} in: {line}'
    assert listing(out) == EARLIER
    return line


# ---------------------------------------------------------------- no video

def text_called_mp4(path): path.write_text('This is a shopping list.\n'*40)

def header_only(path):
    "A container with a video stream and not one picture in it."
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 64, 'yuv420p'
        container.start_encoding()

def no_frames(path):
    "A good header with a video track, as a recorder leaves it that was switched off before its first picture."
    with av.open(str(path), 'w', format='mp4', options={'movflags': 'empty_moov'}) as container:
        stream = container.add_stream('libx264', rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 64, 'yuv420p'
        container.start_encoding()

def sound_only(path):
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('aac', rate=16000)
        for i in range(8):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format='fltp', layout='mono')
            frame.sample_rate, frame.pts = 16000, 1024*i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

def cut_off(path): path.write_bytes((assets_dir()/'clips'/'demo.mp4').read_bytes()[:20_000])

NO_VIDEO = {
    'missing': (lambda path: None, 'does not exist'),
    'text': (text_called_mp4, 'video'),
    'empty': (lambda path: path.write_bytes(b''), 'is empty'),
    'folder': (lambda path: path.mkdir(), 'is a folder'),
    'header_only': (header_only, 'picture'),
    'no_frames': (no_frames, 'no frame'),
    'sound_only': (sound_only, 'picture'),
    'cut_off': (cut_off, 'video'),
}

@pytest.mark.parametrize('case', NO_VIDEO)
def test_what_is_no_video(case, quickly, tmp_path, out):
    make, word = NO_VIDEO[case]
    clip = tmp_path/f'{case}.mp4'
    make(clip)
    line = refused(quickly('animate', clip, '-o', out), out, word)
    assert clip.name in line
    refused(quickly('detect', clip, '-o', out/'pose2d.nc'), out, word)


@pytest.mark.parametrize('case', ['missing', 'text', 'no_frames'])
def test_what_is_no_video_in_a_process_of_its_own(case, kinequimation, tmp_path, out):
    "As in a terminal: the exit code is the process', and stderr holds that line and nothing else."
    make, word = NO_VIDEO[case]
    make(tmp_path/'clip.mp4')
    done = kinequimation('animate', tmp_path/'clip.mp4', '-o', out)
    assert refused(done, out, word) == done.stderr.rstrip() and done.stdout == ''


def test_a_new_folder_is_not_left_behind(quickly, make_clip, tmp_path):
    complaint(quickly('animate', make_clip('noise'), '-o', tmp_path/'a'/'b', '--no-blender'))
    assert not (tmp_path/'a').exists()


# ---------------------------------------------------------------- no horse

@pytest.mark.parametrize('kind', ['noise', 'gradient', 'boxes', 'grey', 'black'])
def test_a_clip_without_a_horse(kind, quickly, make_clip, out):
    refused(quickly('animate', make_clip(kind), '-o', out, '--no-blender'), out, 'horse', 'frames')


def test_a_clip_without_a_horse_in_a_process_of_its_own(kinequimation, make_clip, out):
    refused(kinequimation('animate', make_clip('noise'), '-o', out), out, 'horse', 'frames')


# ---------------------------------------------------------------- files of the stages

@pytest.mark.parametrize('command, ending', [('lift', '.nc'), ('refine', '.nc'), ('retarget', '.npz')])
def test_a_stage_refuses_what_is_no_pose_file(command, ending, quickly, tmp_path, out):
    wrong = tmp_path/'pose.nc'
    wrong.write_text('not a netCDF file at all\n'*10)
    refused(quickly(command, wrong, '-o', out/f'new{ending}'), out, 'pose.nc')
    refused(quickly(command, tmp_path/'nowhere.nc', '-o', out/f'new{ending}'), out, 'nowhere.nc', 'does not exist')


def test_apply_refuses_what_is_no_clip(quickly, tmp_path, out):
    np.savez(tmp_path/'other.npz', a=np.zeros(3))
    refused(quickly('apply', tmp_path/'other.npz', '-o', out), out, 'other.npz')


def test_options_are_checked_before_the_work(quickly, short_clip, out):
    refused(quickly('animate', short_clip, '-o', out, '--bbox', '10,20,oops'), out, '--bbox', 'LEFT,TOP,RIGHT,BOTTOM')
    refused(quickly('animate', short_clip, '-o', out, '--bbox', '900,900,950,950'), out, 'inside the')
    refused(quickly('animate', short_clip, '-o', out, '--withers-height', '160'), out, 'metres', '160')
    refused(quickly('animate', short_clip, '-o', out, '--fov', '500'), out, 'degrees', '500')
    refused(quickly('animate', short_clip, '-o', out, '--fps', '0.5'), out, '1 to 10,000 pictures a second', '0.5')
    refused(quickly('detect', short_clip, '-o', out/'pose.nc', '--fps', 'nan'), out, '1 to 10,000 pictures a second')
    refused(quickly('animate', short_clip, '-o', out/'notes.txt'), out, 'folder')
    refused(quickly('detect', short_clip, '-o', out/'pose.txt'), out, '.nc')


def test_an_output_never_overwrites_its_input(quickly, short_clip, tmp_path, out):
    clip = shutil.copy(short_clip, tmp_path/'clip.mp4')
    before = Path(clip).read_bytes()
    refused(quickly('overlay', clip, out/'pose2d.nc', '-o', clip), out, 'both')
    assert Path(clip).read_bytes() == before


# ---------------------------------------------------------------- weights for another skeleton

def other_skeleton(source, target):
    "A copy of a network file that declares itself to be for a dog of as many keypoints; the network itself stays as it is."
    import onnx
    model = onnx.load(str(source))
    values = {p.key: p.value for p in model.metadata_props}
    changed = 0
    for key, text in values.items():
        meta = json.loads(text)
        for name in ('skeleton', 'names_hash', 'names'):
            if name in meta: meta[name], changed = ['dog'] if name == 'names' else 'dog68', changed + 1
        values[key] = json.dumps(meta)
    assert changed, f'Expected weights that name their skeleton, but got {values}'
    onnx.helper.set_model_props(model, values)
    onnx.save(model, str(target))
    return target


@pytest.mark.parametrize('which', ['detector', 'lifter'])
def test_weights_for_another_skeleton(which, kinequimation, tmp_path, short_clip, out):
    wrong = other_skeleton(MODELS/f'{which}.onnx', tmp_path/'dog.onnx')
    refused(kinequimation('animate', short_clip, '-o', out, f'--{which}', wrong), out, 'dog')


def test_weights_of_the_other_kind_and_no_weights_at_all(quickly, tmp_path, short_clip, out):
    (tmp_path/'text.onnx').write_text('no network\n')
    refused(quickly('animate', short_clip, '-o', out, '--detector', MODELS/'lifter.onnx'), out, 'lifter.onnx')
    refused(quickly('animate', short_clip, '-o', out, '--detector', tmp_path/'text.onnx'), out, 'text.onnx')
    refused(quickly('animate', short_clip, '-o', out, '--lifter', tmp_path/'none.onnx'), out, 'none.onnx')


# ---------------------------------------------------------------- a full disk

def small_disk(tmp_path, kilobytes):
    "A command prefix that runs its command with a real disk of that size mounted on `disk`; in the end the disk's listing is written to `left`."
    disk, left, earlier = tmp_path/'disk', tmp_path/'left.txt', tmp_path/'out'
    disk.mkdir()
    script = f'mount -t tmpfs -o size={kilobytes}k tmpfs {disk} && cp -r {earlier}/. {disk} || exit 99; "$@"; code=$?; (cd {disk} && find . -type f -exec sha256sum {{}} +; find . -mindepth 1 -type d) > {left}; exit $code'
    return disk, left, ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', script, 'sh']


def can_mount():
    test = 'mount -t tmpfs -o size=64k tmpfs /mnt'
    return shutil.which('unshare') and subprocess.run(['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', test], capture_output=True).returncode == 0


@pytest.mark.parametrize('kilobytes, blender', [(16, False), (100, False), (1500, True), (2500, True)])
def test_a_full_disk(kilobytes, blender, kinequimation, tmp_path, short_clip, out):
    "Small enough for the 2D file, for the overlay, for Blender's scene, for its exports to be what doesn't fit."
    if not can_mount(): pytest.skip('NO SMALL DISK: this machine lets nobody mount a tmpfs; the limit on file sizes is tested instead')
    disk, left, prefix = small_disk(tmp_path, kilobytes)
    done = kinequimation('animate', short_clip, '-o', disk, *([] if blender else ['--no-blender']), prefix=prefix)
    line = complaint(done)
    assert 'full' in line
    import hashlib
    names = sorted(f'{hashlib.sha256(text).hexdigest()}  ./{name}' for name, text in EARLIER.items())
    assert sorted(left.read_text().splitlines()) == names


@pytest.mark.parametrize('kilobytes, blender', [(40, False), (400, True)])
def test_a_limit_on_file_sizes(kilobytes, blender, kinequimation, short_clip, out):
    "What `ulimit -f` does: works everywhere, without a mount."
    def limit(): resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes*1024,)*2)
    done = kinequimation('animate', short_clip, '-o', out, *([] if blender else ['--no-blender']), preexec_fn=limit)
    refused(done, out, 'Could not write')


def test_a_folder_that_may_not_be_written(quickly, short_clip):
    refused_by = Path('/proc/kinequimation')   # not even root can make it
    line = complaint(quickly('animate', short_clip, '-o', refused_by, '--no-blender'))
    assert '/proc/kinequimation' in line


# ---------------------------------------------------------------- Ctrl-C

def wait_for(what, process, seconds=120):
    "Wait until `what()` is true while the process runs."
    end = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, f'it ended ({process.returncode}) before it could be interrupted: {process.stderr.read()}'
        assert time.monotonic() < end, 'it never came so far'
        time.sleep(.02)


def started(out): return lambda: any(p.name.startswith('.unfinished') for p in out.iterdir())
def has_file(out, name): return lambda: any((p/name).exists() for p in out.iterdir() if p.is_dir())
def children(mark, n): return lambda: len(alive(mark)) > n

MOMENTS = {'detect': (lambda out, mark: started(out), .5), 'overlay': (lambda out, mark: has_file(out, 'pose2d.nc'), .05), 'blender': (lambda out, mark: has_file(out, 'clip.npz'), 1.)}


@pytest.mark.parametrize('moment, whom', [('detect', 'group'), ('overlay', 'process'), ('blender', 'group'), ('blender', 'process')])
def test_ctrl_c(moment, whom, demo, short_clip, out, tmp_path, mark):
    "A terminal's Ctrl-C goes to the whole process group; `kill -INT` to the one process alone, whose Blender must not live on."
    env, clip = dict(cli_env(tmp_path/'user'), **{mark: '1'}), demo if moment == 'detect' else short_clip
    process = subprocess.Popen([*CLI, 'animate', str(clip), '-o', str(out)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        condition, pause = MOMENTS[moment]
        wait_for(condition(out, mark), process)
        if moment == 'blender': wait_for(children(mark, 1), process)
        time.sleep(pause)
        (os.killpg if whom == 'group' else os.kill)(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    finally:
        if process.poll() is None: process.kill()
    refused(subprocess.CompletedProcess([], process.returncode, stdout, stderr), out, 'Stopped')
    assert alive(mark) == [], 'a child process lives on'


def test_ctrl_c_in_the_midst_of_cleaning_up_is_no_accident():
    "Python ignores what is raised where an object dies, and draws a traceback; the wish to stop is remembered, and nothing is drawn."
    code = """
import os, signal, weakref
from kinequimation import cli
cli._calm_signals()
class Thing: pass
thing = Thing()
dies = weakref.ref(thing, lambda _: [os.kill(os.getpid(), signal.SIGINT), [0 for _ in range(9)]])
del thing
try: cli.Bars(quiet=True)('detect', 1, 2)
except KeyboardInterrupt: print('stopped')
def other(_): raise ValueError('seen')
dies = weakref.ref(thing := Thing(), other)
del thing
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout == 'stopped\n' and 'KeyboardInterrupt' not in done.stderr and 'ValueError: seen' in done.stderr, done.stderr


def test_terminated_cleans_up_too(demo, out, tmp_path, mark):
    "A batch system's SIGTERM leaves as little behind as Ctrl-C, and a second signal doesn't interrupt the cleaning."
    env = dict(cli_env(tmp_path/'user'), **{mark: '1'})
    process = subprocess.Popen([*CLI, 'animate', str(demo), '-o', str(out)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(started(out), process)
    for _ in range(3): process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=30)
    refused(subprocess.CompletedProcess([], process.returncode, stdout, stderr), out, 'Stopped')
    assert alive(mark) == []
