"What the tests share: the command line as a child process, clips good and bad, and where optional data lies."
import os
import subprocess
import sys
import uuid
from pathlib import Path

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')   # two busy processes on two cores: spinning threads would starve each other
import numpy as np
import pytest

from kinequimation.files import assets_dir
from kinequimation.video import VideoWriter, frames, probe

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent/'shared'/'data'
CLI = [sys.executable, '-c', 'from kinequimation.cli import main; main()']


def cli_env(tmp):
    "The environment of a child: this checkout importable from any folder, nobody's own Blender settings touched."
    path = os.pathsep.join([str(ROOT)] + [p for p in [os.environ.get('PYTHONPATH')] if p])
    return dict(os.environ, PYTHONPATH=path, BLENDER_USER_RESOURCES=str(tmp), OMP_WAIT_POLICY='PASSIVE', COLUMNS='100')


@pytest.fixture
def kinequimation(tmp_path_factory):
    "`kinequimation('detect', clip, ...)` runs the command line in a child process and gives the finished process."
    def run(*args, cwd=None, timeout=240, prefix=(), **kwargs):
        return subprocess.run([*prefix, *CLI, *map(str, args)], cwd=cwd, env=cli_env(tmp_path_factory.getbasetemp()/'blender_user'), capture_output=True, text=True, timeout=timeout, **kwargs)
    return run


@pytest.fixture
def quickly():
    "The same command line in this process, for the many ways in which input can be bad: starting Python anew for each would take minutes."
    def run(*args, cwd=None):
        from typer.testing import CliRunner
        from kinequimation.cli import app
        result = CliRunner().invoke(app, [str(a) for a in args], env={'COLUMNS': '100'})
        if result.exception and not isinstance(result.exception, SystemExit): raise result.exception
        return subprocess.CompletedProcess(args, result.exit_code, result.stdout, result.stderr)
    return run


def complaint(done):
    "The one line on stderr of a run that failed with exit code 2; asserts that it is one, and no traceback."
    said = [line for line in done.stderr.splitlines() if line.startswith('kinequimation: ')]
    assert done.returncode == 2, f'Expected exit code 2, but got {done.returncode}\n{done.stdout}\n{done.stderr}'
    assert 'Traceback' not in done.stderr and 'Error' not in done.stderr.replace(said[0] if said else '', ''), done.stderr
    assert len(said) == 1 and done.stderr.rstrip().endswith(said[0]), done.stderr
    return said[0]


def cut(source, out, n, start=0, step=1):
    "The first `n` pictures of a video (from `start`, every `step`-th) as a video of their own."
    info = probe(source)
    with VideoWriter(out, info.fps/step, info.size) as writer:
        for i, image in enumerate(frames(source)):
            if i >= start + n*step: break
            if i >= start and (i - start) % step == 0: writer.write(image)
    return Path(out)


@pytest.fixture(scope='session')
def demo():
    "The clip that ships with the project: a few seconds of its own synthetic horse."
    return assets_dir()/'clips'/'demo.mp4'


@pytest.fixture(scope='session')
def short_clip(demo, tmp_path_factory):
    "The first 12 pictures of the demo clip: enough for every stage, quick enough for every test."
    return cut(demo, tmp_path_factory.mktemp('clips')/'short.mp4', 12)


@pytest.fixture(scope='session')
def muybridge():
    "The real clip: a race horse of 1878, or a loud skip."
    path = SHARED_DATA/'muybridge'/'muybridge-1.mp4'
    if not path.exists(): pytest.skip(f'NO REAL DATA: {path} is absent, so the real clip is not tested')
    return path


def no_horse(kind, size=(320, 180), n=6, seed=0):
    "Pictures without a horse: `noise`, a `gradient`, `boxes` that move, a `grey` wall, `black`."
    w, h = size
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:h, :w]
    for i in range(n):
        image = np.zeros((h, w, 3), np.uint8)
        if kind == 'noise': image[:] = rng.integers(0, 256, image.shape)
        if kind == 'gradient': image[:] = np.stack([x*255//w, y*255//h, (x + y)*255//(w + h)], -1)
        if kind == 'grey': image[:] = 128
        if kind == 'boxes':
            image[:] = 90, 150, 120
            image[40:110, 20 + 10*i:80 + 10*i] = 40, 60, 200
            image[100:150, 250 - 12*i:290 - 12*i] = 220, 220, 60
        yield image


@pytest.fixture
def make_clip(tmp_path):
    "`make_clip('noise')` writes a clip without a horse and gives its path."
    def make(kind):
        path = tmp_path/f'{kind}.mp4'
        with VideoWriter(path, 24, (320, 180)) as writer:
            for image in no_horse(kind): writer.write(image)
        return path
    return make


@pytest.fixture
def mark():
    "An environment variable that marks all descendants of a test's child, so that orphans are found whatever their parent is."
    return f'KINEQUIMATION_TEST_{uuid.uuid4().hex}'


def alive(mark):
    "The pids of running processes that bear the mark in their environment."
    pids = []
    for entry in Path('/proc').iterdir():
        if not entry.name.isdigit(): continue
        try:
            if mark.encode() in (entry/'environ').read_bytes() and (entry/'stat').read_text().rsplit(')', 1)[1].split()[0] != 'Z': pids.append(int(entry.name))
        except OSError: pass
    return pids


def listing(folder):
    "Everything under a folder as {relative name: bytes}."
    folder = Path(folder)
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob('*'))}
