"""Who may import whom. The arrows below are the design; an import that is not among them fails here."""
import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY, BLENDER = ROOT / 'kinequimation', ROOT / 'blender'

DATA = {'skeleton', 'pose', 'clip', 'camera', 'formats'}
RUN_TIME = DATA | {'metrics', 'video', 'stream', 'repeats', 'legs', 'certainty', 'kinship', 'overlay', 'weights', 'detect', 'lift', 'camera_motion', 'contacts', 'swing', 'whole_clip', 'refine', 'retarget', 'blender'}
MAY_IMPORT = {  # module: the modules of ours that it may import; `files` may be imported by all
    'files': set(), 'skeleton': set(), 'pose': {'skeleton'}, 'clip': {'skeleton'}, 'formats': {'pose', 'skeleton', 'clip'}, 'weights': {'skeleton'},
    'camera': {'pose', 'skeleton'}, 'metrics': {'camera', 'pose', 'skeleton'}, 'video': set(), 'stream': {'video'}, 'repeats': {'pose'}, 'legs': {'skeleton'}, 'certainty': set(), 'kinship': {'skeleton'}, 'overlay': {'legs', 'pose', 'repeats', 'skeleton', 'stream', 'video'},
    'horses': {'skeleton'}, 'gait': {'skeleton', 'clip', 'camera'}, 'actions': {'gait', 'skeleton', 'clip', 'horses'}, 'real_horse': {'gait', 'skeleton', 'pose'}, 'dataset': {'gait', 'actions', 'horses', 'camera', 'pose', 'clip', 'video', 'skeleton', 'blender'},
    'landmark_maps': {'actions', 'blender', 'gait', 'horses', 'skeleton'}, 'accuracy_2d': {'detect', 'formats', 'legs', 'skeleton', 'weights'}, 'speed': {'detect', 'stream', 'train_detector', 'video'},
    'render': {'dataset', 'horses', 'gait', 'camera', 'pose', 'skeleton', 'video', 'blender'},
    'detect': {'certainty', 'kinship', 'legs', 'overlay', 'pose', 'repeats', 'skeleton', 'stream', 'video', 'weights'}, 'verdict': {'detect', 'weights'}, 'train_detector': {'detect', 'dataset', 'skeleton', 'stream', 'weights'},
    'fine_tune': {'train_detector', 'detect', 'formats', 'kinship', 'skeleton', 'stream', 'verdict', 'weights'},
    'lift': {'pose', 'camera', 'skeleton', 'weights'}, 'train_lifter': {'lift', 'weights', 'gait', 'actions', 'horses', 'camera', 'metrics', 'pose', 'skeleton', 'swing'},
    'lifter_baselines': {'train_lifter', 'lift', 'detect', 'actions', 'camera', 'metrics', 'skeleton'},
    'camera_motion': {'pose', 'camera', 'repeats'}, 'contacts': {'skeleton'}, 'swing': {'skeleton'}, 'whole_clip': {'skeleton'},
    'refine': {'pose', 'camera', 'skeleton', 'camera_motion', 'contacts', 'swing', 'whole_clip'}, 'retarget': {'pose', 'clip', 'refine', 'camera', 'skeleton'},
    'gait_analysis': {'contacts', 'gait', 'horses', 'pose', 'real_horse', 'skeleton'}, 'gait_report': {'gait', 'gait_analysis', 'player', 'pose', 'real_horse'}, 'measure_refine': RUN_TIME | {'gait', 'gait_analysis', 'horses'}, 'measure_animals': RUN_TIME,
    'blender': {'retarget', 'clip', 'skeleton'}, 'export_motion': {'blender'}, 'player': {'overlay', 'pose', 'repeats', 'video', 'skeleton'},
    'pipeline': RUN_TIME, 'evaluate': RUN_TIME | {'accuracy_2d', 'speed', 'gait', 'real_horse', 'horses', 'dataset', 'render', 'train_detector', 'train_lifter', 'lifter_baselines', 'pipeline', 'measure_refine', 'measure_animals'},
}
MAY_IMPORT['cli'] = set(MAY_IMPORT)

ONLY_IN = {  # a package that is heavy, or absent at run time: the modules that may import it, anywhere in their code
    'torch': {'train_detector', 'train_lifter', 'lifter_baselines', 'fine_tune', 'speed'}, 'torchvision': {'train_detector'}, 'mmpose': {'train_detector', 'speed'}, 'mmengine': {'train_detector', 'speed'},
    'mmcv': {'train_detector'}, 'mmdet': {'train_detector'}, 'onnx': {'train_detector', 'train_lifter', 'fine_tune', 'verdict'},
    'ipywidgets': {'player'}, 'plotly': {'player'}, 'matplotlib': {'player'}, 'anywidget': {'player'},
    'typer': {'cli'}, 'rich': {'cli', 'pipeline', 'evaluate'}, 'av': {'video'}, 'onnxruntime': {'weights', 'cli', 'evaluate', 'speed', 'verdict'},
    'ezc3d': {'formats'}, 'bpy': set(), 'mathutils': set(), 'distributed': {'render'}, 'dask': set(), 'IPython': {'player'}, 'nbdev': set(),
}


def modules():
    return sorted(p for p in LIBRARY.glob('*.py') if not p.name.startswith('_'))


def imports(path):
    "Every module that a file imports, anywhere in it, as ('kinequimation', name) or (top level, '')."
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import): names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f'{node.module}.{a.name}' for a in node.names] if node.module == 'kinequimation' else [node.module]
        elif isinstance(node, ast.ImportFrom):
            names = [f'kinequimation.{node.module}'] if node.module else [f'kinequimation.{a.name}' for a in node.names]
        else: continue
        for name in names:
            top, _, rest = name.partition('.')
            found.add((top, rest.split('.')[0] if top == 'kinequimation' else ''))
    return found


@pytest.mark.parametrize('path', modules(), ids=lambda p: p.stem)
def test_arrows(path):
    assert path.stem in MAY_IMPORT, f'{path.name} is not in the design: give it a place in MAY_IMPORT'
    ours = {name for top, name in imports(path) if top == 'kinequimation' and name and (LIBRARY / f'{name}.py').exists()}
    extra = ours - MAY_IMPORT[path.stem] - {'files', path.stem}
    assert not extra, f'{path.stem} imports {sorted(extra)}, but the design allows only files and {sorted(MAY_IMPORT[path.stem])}'


@pytest.mark.parametrize('path', modules(), ids=lambda p: p.stem)
def test_heavy_packages_stay_where_they_belong(path):
    wrong = {top for top, _ in imports(path) if path.stem not in ONLY_IN.get(top, {path.stem})}
    assert not wrong, f'{path.stem} imports {sorted(wrong)}, allowed only in { {w: sorted(ONLY_IN[w]) for w in wrong} }'


def test_the_design_has_no_circle():
    "Kahn: take away what depends on nothing that is left, until nothing is left."
    left = {m: set(d) for m, d in MAY_IMPORT.items()}
    while left:
        free = {m for m, d in left.items() if not d & set(left)}
        assert free, f'these import one another in a circle: {sorted(left)}'
        for m in free: del left[m]


def test_the_check_sees_what_it_must(tmp_path):
    "A test of the test: each form of import is seen, inside functions too."
    f = tmp_path / 'x.py'
    f.write_text('import torch.nn as nn\nfrom .pose import PoseSequence\nfrom . import clip\ndef g():\n    from kinequimation import gait\n    import kinequimation.lift\n')
    assert imports(f) == {('torch', ''), *(('kinequimation', m) for m in ('pose', 'clip', 'gait', 'lift'))}


HEAVY = ('torch', 'torchvision', 'mmpose', 'mmengine', 'mmcv', 'mmdet', 'bpy', 'plotly', 'ipywidgets', 'matplotlib', 'nbdev', 'IPython')


def test_importing_is_light():
    "One child imports our modules one after the other and says after each which heavy package has come with it."
    names = ['kinequimation'] + [f'kinequimation.{p.stem}' for p in modules() if p.stem not in ('player', 'train_detector', 'train_lifter', 'lifter_baselines', 'fine_tune')]
    code = f"""
import importlib, sys
for name in {names!r}:
    importlib.import_module(name)
    heavy = [m for m in {HEAVY!r} if m in sys.modules]
    if heavy: sys.exit(f'import {{name}} also imports {{heavy}}')"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


BLENDERS_OWN = {'bpy', 'bmesh', 'mathutils', 'gpu', 'rigify', 'addon_utils', 'bpy_extras', 'io_scene_gltf2', 'bl_ext', 'bl_math', 'idprop'}


def test_blender_side_imports_nothing_of_ours():
    local = {p.stem for p in BLENDER.rglob('*.py')} | {p.name for p in BLENDER.rglob('*') if p.is_dir()}
    allowed = BLENDERS_OWN | {'numpy'} | set(sys.stdlib_module_names) | local
    for path in BLENDER.rglob('*.py'):
        found = {top for top, _ in imports(path) if path.is_relative_to(BLENDER)}
        if 'tests' in path.parts: found -= {'pytest', 'hypothesis'}
        extra = {t for t in found if t not in allowed and not (t == 'kinequimation' and _relative_only(path))}
        assert not extra, f'{path.relative_to(ROOT)} imports {sorted(extra)}: Blender\'s side may use numpy, json and bpy, and speaks with the library by files'


def _relative_only(path):
    "`imports` reads a relative import as one of the library's; on Blender's side it is one of its own package."
    tree = ast.parse(path.read_text(encoding='utf-8'))
    absolute = [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    absolute += [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level == 0]
    return not any(name == 'kinequimation' or name.startswith('kinequimation.') for name in absolute)
