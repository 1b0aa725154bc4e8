"""A wheel of the project, installed with [blender] in an empty environment, animates a clip from another folder. Some minutes, so on demand: make wheel-test

What the wheel must hold is looked at on every run.
"""
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OUTPUTS = {'pose2d.nc', 'overlay.mp4', 'pose3d.nc', 'clip.npz', 'scene.blend', 'motion.bvh', 'motion.fbx', 'motion.glb'}


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    "The wheel, built from a copy (setuptools leaves its build folder behind), without looking for build tools on the network."
    copy, out = tmp_path_factory.mktemp('wheel') / 'copy', tmp_path_factory.mktemp('dist')
    files = ['setup.py', 'settings.ini', 'pyproject.toml', 'MANIFEST.in', 'README.md', 'LICENSE', 'constraints.txt']
    for folder in ('kinequimation', 'blender'): shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns('__pycache__'))
    for file in files: shutil.copy(ROOT / file, copy)
    done = subprocess.run([sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '-w', out, copy], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(out.glob('*.whl'))


def test_wheel_holds_what_animate_needs(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    blender = {f'kinequimation/_blender/{p.relative_to(ROOT / "blender").as_posix()}' for p in (ROOT / 'blender').rglob('*')
               if p.is_file() and not {'tests', '__pycache__'} & set(p.relative_to(ROOT).parts) and p.suffix != '.pyc'}
    assets = {p.relative_to(ROOT).as_posix() for p in (ROOT / 'kinequimation/assets').rglob('*') if p.is_file() and '__pycache__' not in p.parts}
    assert blender | assets <= names, f'not in the wheel: {sorted((blender | assets) - names)}'
    assert not [n for n in names if '/tests/' in n or n.endswith('.pyc') or n.startswith(('nbs/', 'tests/', 'tools/'))]
    licences = ' '.join(n for n in names if 'dist-info' in n)
    assert 'LICENSE' in licences and any(n.endswith('_blender/LICENSE') for n in names)


def test_metadata(wheel):
    with zipfile.ZipFile(wheel) as z: text = z.read(next(n for n in z.namelist() if n.endswith('METADATA'))).decode()
    assert 'Provides-Extra: train' in text and 'Requires-Dist: bpy==5.0.1; extra == "blender"' in text
    run_time = [line for line in text.splitlines() if line.startswith('Requires-Dist') and 'extra ==' not in line]
    assert run_time and not [line for line in run_time if any(heavy in line for heavy in ('torch', 'mm', 'bpy', 'jupyter', 'plotly', 'nbdev'))]


@pytest.mark.skipif(not os.environ.get('KINEQUIMATION_WHEEL_TEST'), reason='installs 1.5 GB: make wheel-test')
def test_an_installed_wheel_animates_from_another_folder(wheel, tmp_path):
    subprocess.run([sys.executable, '-m', 'venv', tmp_path / 'venv'], check=True)
    python, elsewhere = tmp_path / 'venv/bin/python', tmp_path / 'elsewhere'
    subprocess.run([python, '-m', 'pip', 'install', '-q', '-c', ROOT / 'constraints.txt', f'{wheel}[blender]'], check=True)
    elsewhere.mkdir()
    env = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'} | {'BLENDER_USER_RESOURCES': str(tmp_path / 'blender')}
    where = 'import kinequimation; print(kinequimation.__file__)'
    assert str(tmp_path) in subprocess.run([python, '-c', where], cwd=elsewhere, env=env, capture_output=True, text=True, check=True).stdout
    heavy = subprocess.run([python, '-c', 'import torch'], cwd=elsewhere, env=env, capture_output=True)
    assert heavy.returncode != 0, 'torch must not come with [blender]'
    shutil.copy(ROOT / 'kinequimation/assets/clips/demo.mp4', elsewhere / 'my_clip.mp4')
    done = subprocess.run([tmp_path / 'venv/bin/kinequimation', 'animate', 'my_clip.mp4', '-o', 'out'], cwd=elsewhere, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {p.name for p in (elsewhere / 'out').iterdir()} == OUTPUTS and all(p.stat().st_size > 1000 for p in (elsewhere / 'out').iterdir())
