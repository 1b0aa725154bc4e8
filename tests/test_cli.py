"The command line as people meet it: its help, its speed, where it writes what."
import inspect
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from conftest import CLI, ROOT, cli_env, complaint
from kinequimation.cli import EXIT_CODE, What, _noticed, app, explain
from kinequimation.evaluate import EVALUATIONS, evaluate_rig
from kinequimation.files import InputError
from kinequimation.formats import read_pose
from kinequimation.lifter_baselines import evaluate_lifters
from kinequimation.pose import PoseSequence
from kinequimation.speed import evaluate_speed

COMMANDS = ['animate', 'detect', 'overlay', 'lift', 'refine', 'retarget', 'apply', 'export', 'view', 'gait', 'render-dataset', 'train-detector', 'fine-tune', 'train-lifter', 'evaluate', 'doctor']


def test_help_lists_every_command_and_reads_in_80_columns():
    text = CliRunner().invoke(app, ['--help'], env={'COLUMNS': '80', 'TERM': 'dumb'}).stdout
    for name in COMMANDS: assert re.search(rf'\b{name}\b', text), f'{name} is not in the help'
    assert max(map(len, text.splitlines())) <= 80 and 'animate your_clip.mp4 -o out' in text


@pytest.mark.parametrize('name', COMMANDS)
def test_every_command_has_help(name):
    result = CliRunner().invoke(app, [name, '--help'], env={'COLUMNS': '80', 'TERM': 'dumb'})
    assert result.exit_code == 0 and 'Usage' in result.stdout and '…' not in result.stdout, result.stdout


def test_help_is_quick_and_imports_nothing_heavy(kinequimation, tmp_path):
    took = []
    for _ in range(3):
        start = time.perf_counter()
        assert kinequimation('--help').returncode == 0
        took.append(time.perf_counter() - start)
    assert min(took) < 1.5, f'--help took {min(took):.2f} s'   # about .3 s on a quiet machine
    code = 'import sys, kinequimation.cli, kinequimation.pipeline; print([m for m in ("torch", "mmpose", "bpy", "numpy", "xarray", "cv2", "av", "onnxruntime") if m in sys.modules])'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=cli_env(tmp_path))
    assert done.stdout.strip() == '[]', done.stdout


def test_whatever_can_be_measured_can_be_asked_for(quickly, tmp_path):
    "Each by its name, and each takes what the command hands it: as far as the weights, which are not there."
    assert {w.value for w in What} == {*EVALUATIONS, 'gait', 'all'}
    for name in ('3d', 'retarget', 'refine', 'lifter'): assert 'nowhere.onnx' in complaint(quickly('evaluate', name, '--lifter', tmp_path/'nowhere.onnx')), name
    assert 'Expected a folder' in complaint(quickly('evaluate', 'animals'))
    for name, measure in dict(lifters=evaluate_lifters, rig=evaluate_rig, speed=evaluate_speed).items():
        inspect.signature(measure).bind(None, **({} if name == 'speed' else dict(lifter=None)), detector=None, threads=None, progress=None)


@pytest.mark.parametrize('args', [('evaluate', 'lifter'), ('render-dataset', '--benchmark'), ('fine-tune', '--coco', 'nowhere.json')], ids=lambda a: a[0])
@pytest.mark.parametrize('content', ['', '{"2d": ', '[1]'], ids=['empty', 'cut', 'a list'])
def test_tables_that_can_not_be_read_are_told_before_the_work(args, content, quickly, tmp_path):
    tables = tmp_path/'tables.json'
    tables.write_text(content)
    assert 'the tables of an earlier evaluation' in complaint(quickly(*args, '--json', tables))
    assert tables.read_text() == content


def test_version(kinequimation):
    import kinequimation as package
    assert kinequimation('--version').stdout.split() == ['kinequimation', package.__version__]


def test_wrong_words_get_one_line(kinequimation):
    assert 'anim8' in complaint(kinequimation('anim8', 'clip.mp4'))
    assert 'VIDEO' in complaint(kinequimation('animate'))
    assert '--withers-height' in complaint(kinequimation('animate', 'clip.mp4', '--withers-height', 'tall'))


def test_one_line_is_one_line_however_long_the_path(quickly, tmp_path):
    line = complaint(quickly('animate', tmp_path/('long name '*18 + '.mp4')))
    assert 'does not exist' in line


def test_what_is_ours_keeps_its_traceback():
    assert explain(ZeroDivisionError('ours')) is None and explain(ValueError('ours')) is None
    assert explain(InputError('two\nlines')) == 'two lines' and EXIT_CODE == 2


def test_stages_one_by_one_give_what_animate_gives(quickly, short_clip, tmp_path, monkeypatch):
    "Files in and out: paths on stdout, one line a stage on stderr, and every stage can begin from the file before."
    monkeypatch.chdir(tmp_path)
    def step(*args):
        done = quickly(*args)
        assert done.returncode == 0, done.stderr
        return done
    done = step('detect', short_clip, '-o', 'pose2d.nc')
    assert done.stdout == 'pose2d.nc\n' and re.fullmatch(r'Finding the horse: [\d.]+ s\nFollowing the background: [\d.]+ s\n', done.stderr), done
    assert step('overlay', short_clip, 'pose2d.nc', '-o', 'overlay.mp4', '-q').stderr == ''
    step('animate', short_clip, '-o', 'all', '--no-blender')
    first, again = (read_pose(p) for p in ('pose2d.nc', 'all/pose2d.nc'))
    np.testing.assert_allclose(first.xyz(), again.xyz(), atol=.05)  # px: two runs on many threads need not round alike, and a hidden leg makes much of it

    step('lift', 'all/pose2d.nc', '-o', 'pose3d.nc')
    step('refine', 'pose3d.nc', '-o', 'world3d.nc', '--pose2d', 'all/pose2d.nc')
    assert step('retarget', 'world3d.nc', '-o', 'clip.npz').stdout == 'clip.npz\n'
    assert sorted(p.name for p in tmp_path.iterdir()) == ['all', 'clip.npz', 'overlay.mp4', 'pose2d.nc', 'pose3d.nc', 'world3d.nc']
    one, two = np.load('clip.npz')['rotation'], np.load('all/clip.npz')['rotation']
    np.testing.assert_allclose(one, two, atol=1e-4)

    # and a stage refuses the wrong frame of reference
    line = complaint(quickly('retarget', 'pose2d.nc', '-o', 'wrong.npz'))
    assert 'world' in line and 'image' in line and not (tmp_path/'wrong.npz').exists()


def test_doctor_finds_this_machine_fit(kinequimation, tmp_path):
    done = kinequimation('doctor', cwd=tmp_path)
    assert done.returncode == 0 and 'Ready: kinequimation animate' in done.stdout, done.stdout
    for word in ('Python 3.11', 'weights', 'Blender', 'GB free', 'can be written'): assert word in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_what_to_do(tmp_path):
    "A machine without onnxruntime: a folder first on the path in which the package is broken."
    (tmp_path/'onnxruntime').mkdir()
    (tmp_path/'onnxruntime'/'__init__.py').write_text("raise ImportError('libgomp.so.1: cannot open shared object file')\n")
    env = cli_env(tmp_path)
    done = subprocess.run(CLI + ['doctor'], cwd=tmp_path, capture_output=True, text=True, env=dict(env, PYTHONPATH=f"{tmp_path}:{env['PYTHONPATH']}"))
    assert done.returncode == 1 and 'libgomp.so.1' in done.stdout and 'pip install' in done.stdout and 'Traceback' not in done.stderr, done


def test_what_was_noticed_in_a_film_is_told_in_one_line(tmp_path):
    told = lambda **step: _noticed(PoseSequence.from_arrays(np.ones((9, 68, 2)), log=[dict(step='detect', **step)], fps=25).save(tmp_path/'pose2d.nc'))
    assert told() == told(other_horses=[], leapt=[]) == ''
    assert 'frame 3 the horse leapt' in told(leapt=[3]) and 'frames 0, 1, 2, 3, 4, 5 and 3 more the horse leapt' in told(leapt=list(range(9)))
    both = told(leapt=[3], other_horses=[dict(frame=2, bbox_xyxy=[1, 2, 30, 40])])
    assert 'leapt' in both and '1 other horse in frame 2, at 1,2,30,40' in both and '\n' not in both
    held = PoseSequence.from_arrays(np.ones((9, 68, 2)), fps=25, repeated=np.arange(9) % 3 == 2)
    assert _noticed(held.save(tmp_path/'pose2d.nc')).startswith('3 of 9 frames show the picture before again, as in a film of 16.7 pictures a second')


def test_an_interrupt_that_a_library_swallows_stops_at_the_next_progress(monkeypatch):
    "A film that was interrupted as its overlay began went on to its end, now and then, as if nobody had asked it to stop."
    import signal

    from kinequimation import cli
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(cli, '_asked', [])
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        cli._calm_signals()
        with cli.Bars(quiet=True) as bars:
            bars('detect', 0, 3)
            try: signal.raise_signal(signal.SIGINT)
            except BaseException: pass
            with pytest.raises(KeyboardInterrupt): bars('detect', 1, 3)
            bars('detect', 2, 3)   # once is enough: cleaning up is not interrupted
    finally:
        for number, handler in kept.items(): signal.signal(number, handler)
