"""The reference pages of the site, made from the code by tools/api.py: every public name, with its signature, and every command with its options."""
import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = [p for p in sorted((ROOT / 'kinequimation').glob('*.py')) if not p.stem.startswith('_')]
pytestmark = pytest.mark.skipif(any(importlib.util.find_spec(m) is None for m in ('nbdev', 'torch', 'mmpose')), reason='the training modules are described too: make install')


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    out = tmp_path_factory.mktemp('reference')
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    done = subprocess.run([sys.executable, ROOT / 'tools/api.py', out], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return out


def public(path):
    "The names that the module itself says are public, read without importing it."
    for node in ast.parse(path.read_text(encoding='utf-8')).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', '') == '__all__': return ast.literal_eval(node.value)
    return []


@pytest.mark.parametrize('path', MODULES, ids=lambda p: p.stem)
def test_every_public_name_has_an_entry(pages, path):
    text, index = (pages / f'api/{path.stem}.qmd').read_text(encoding='utf-8'), (pages / 'api/index.qmd').read_text(encoding='utf-8')
    for name in public(path):
        assert f'{{#{name}}}' in text, f'{path.stem}.{name} is on no page'
        assert f'({path.stem}.qmd#{name})' in index, f'{path.stem}.{name} is not among all names'


def test_modules_were_read(): assert sum(len(public(p)) for p in MODULES) > 150


def test_an_entry_says_what_the_code_says(pages):
    text = (pages / 'api/detect.qmd').read_text(encoding='utf-8')
    entry = text[text.index('{#Detector.predict}'):].split('\n##')[0]
    assert 'Detector.predict(' in entry and 'bbox_xyxy=None, # (4,) px; found if None' in entry and 'NoneType' not in entry
    assert 'The keypoints of the horse in a picture.' in entry


def test_every_command_has_its_options(pages):
    import typer
    from kinequimation.cli import app
    text = (pages / 'commands.qmd').read_text(encoding='utf-8')
    def leaves(command, name=''):
        if not hasattr(command, 'commands'): yield name.strip(), command; return
        for n, c in command.commands.items(): yield from leaves(c, f'{name} {n}')
    for name, command in leaves(typer.main.get_command(app)):
        part = re.split(r'^## ', text, flags=re.M)
        entry = next((p for p in part if p.startswith(f'{name}\n')), None)
        assert entry, f'{name} is not on the page of commands'
        for p in command.params:
            for option in getattr(p, 'opts', ()) if p.param_type_name == 'option' else ():
                if 'help' not in p.name: assert f'`{option}`' in entry, f'{name} {option} is not on the page of commands'


def test_no_paths_of_this_machine(pages):
    bad = [p.name for p in pages.rglob('*.qmd') if re.search('|'.join(re.escape(str(p)) for p in (ROOT, Path.home(), Path('/home'))), p.read_text(encoding='utf-8'))]
    assert bad == []
