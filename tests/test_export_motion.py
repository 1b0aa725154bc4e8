"""`kinequimation export` for scenes and clips: what other animation programs take (blender/tests compare every bone)."""
import importlib.util

import pytest
from typer.testing import CliRunner

from kinequimation import gait
from kinequimation.cli import app
from kinequimation.export_motion import FORMATS, ROOTS, TARGETS
from kinequimation.files import blender_dir

needs_blender = pytest.mark.skipif(importlib.util.find_spec('bpy') is None, reason='NOT TESTED: Blender (bpy) is not installed')


@pytest.fixture(scope='module')
def clip(tmp_path_factory): return gait.generate('walk', n_frames=8, fps=25).clip.save(tmp_path_factory.mktemp('clips')/'walk.npz')


def run(*args): return CliRunner().invoke(app, ['export', *map(str, args)])


def test_the_words_are_blenders_sides():
    "The library checks before Blender starts; both sides have to know the same."
    source = ''.join((blender_dir()/f'kinequimation_blender/{name}.py').read_text() for name in ('export', 'motion'))
    for word in (*TARGETS, *FORMATS, *ROOTS): assert f'"{word}"' in source, word


@needs_blender
def test_a_clip_goes_out_in_two_formats(clip, tmp_path):
    done = run(clip, '-o', tmp_path/'walk.bvh', '-o', tmp_path/'walk.glb', '--for', 'maya', '--quiet')
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ['walk.bvh', 'walk.glb'] and str(tmp_path/'walk.bvh') in done.output
    text = (tmp_path/'walk.bvh').read_text()
    assert text.startswith('HIERARCHY\nROOT root\n') and 'JOINT DEF_thigh_L\n' in text and 'Frames: 8\nFrame Time: 0.04000000' in text
    assert b'glTF' == (tmp_path/'walk.glb').read_bytes()[:4] and b'DEF_thigh_L' in (tmp_path/'walk.glb').read_bytes()


@needs_blender
@pytest.mark.parametrize('args, what', [(['--for', 'godot'], 'unreal, unity, maya'), (['--root', 'tree'], 'bone, none, in_place')])
def test_slips_of_the_pen(clip, tmp_path, args, what):
    done = run(clip, '-o', tmp_path/'a.fbx', *args)
    assert done.exit_code == 2 and what in done.output and not list(tmp_path.iterdir())


@needs_blender
def test_files_that_are_not_what_they_are_called(tmp_path):
    (tmp_path/'text.npz').write_text('hello')
    (tmp_path/'text.blend').write_text('hello')
    for name, what in [('text.npz', 'motion clip'), ('text.blend', 'Blender file'), ('none.blend', 'does not exist')]:
        done = run(tmp_path/name, '-o', tmp_path/'a.fbx')
        assert done.exit_code == 2 and what in done.output and done.output.strip().count('\n') == 0, done.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ['text.blend', 'text.npz']
