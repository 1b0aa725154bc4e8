"""The reference pages of the site: every public name of every module, and every command. Called by docs.py in the folder of the pages.

Signatures and comments come from the code, through nbdev's own renderer; constants and commands, which it does not know, are added here.
"""
import ast
import importlib
import inspect
import json
import re
import sys
from functools import cached_property
from pathlib import Path


def names(module):
    "The public names of a module: (functions and classes, constants)."
    public = [n for n in getattr(module, '__all__', ()) if not n.startswith('_')]
    code = [n for n in public if inspect.isfunction(v := getattr(module, n)) or inspect.isclass(v)]
    return code, [n for n in public if n not in code]


def methods(cls):
    "(name, function, is it read without brackets?) of what a class offers, in its own order; what it inherits is described where it comes from."
    for name, value in vars(cls).items():
        if name.startswith('_') and name != '__call__': continue
        value, read = getattr(value, '__func__', value), isinstance(value, (property, cached_property))
        value = value.fget if isinstance(value, property) else value.func if isinstance(value, cached_property) else value
        if inspect.isfunction(value) and value.__module__ == cls.__module__: yield name, value, read


def said_of(value): return (inspect.getdoc(value) or '').strip() if value.__doc__ else ''


def entry(value, name, level, read=False):
    "A heading, the signature with its comments (of what is read like a variable: none), and the docstring."
    from nbdev.showdoc import MarkdownRenderer
    head = f'{"#"*level} {name} {{#{name}}}'
    if read: return f'{head}\n\n{said_of(value) or "Read without brackets."}'
    try: text = MarkdownRenderer(value, name=name, title_level=level)._repr_markdown_()
    except Exception: text = ''   # an exception class or a metaclass without a signature of its own
    text = re.sub(r'```python\n[^\n]*\n\s*\*args, \*\*kwargs\n\):?\n```', '', text)   # a class that is made without arguments of its own
    if not value.__doc__: text = re.sub(r'\n\*Call self as a function\.\*\s*$', '', text)   # what Python says of every function of which nobody says anything
    if not text.strip(): text = said_of(value)
    text = re.sub(r':NoneType=None', '=None', text)
    text = re.sub(r'^def [\w.]+\(', f'{name}(', text, count=1, flags=re.M)
    text = re.sub(r'^\*(.+)\*$', r'\1', text.strip(), flags=re.M | re.S) if not text.startswith('```') else re.sub(r'(```\n\n)\*(.+)\*\s*$', r'\1\2', text, flags=re.S)
    return f'{head}\n\n{text}'


def said_of_constants(module):
    "Constant -> the string that stands under it in the code."
    body, said = ast.parse(Path(module.__file__).read_text(encoding='utf-8')).body, {}
    for node, after in zip(body, body[1:]):
        if isinstance(node, ast.Assign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            said.update({t.id: after.value.value for t in node.targets if isinstance(t, ast.Name)})
    return said


def constant(name, value, said):
    "One constant: what is said of it, else what it holds, shortened."
    held = ' '.join(repr(value).split())
    if ' at 0x' in held or held.startswith('typing.'): held = ''
    held = f'\n\n```python\n{held[:200] + " ..." if len(held) > 200 else held}\n```' if held else ''
    return f'### {name} {{#{name}}}{held}' + (f'\n\n{said}' if said else '')


def module_page(module):
    "The text of one module's page."
    short = module.__name__.rpartition('.')[2]
    code, constants = names(module)
    first = (inspect.getdoc(module) or '').strip().splitlines()[0] if module.__doc__ else ''
    notebook = re.search(r'File to edit: \.\./nbs/([\w.]+\.ipynb)', Path(module.__file__).read_text(encoding='utf-8'))
    parts = [f'---\ntitle: {json.dumps(short)}\ndescription: {json.dumps(first)}\n---']
    if notebook: parts.append(f'`from {module.__name__} import …` · why it is so, with pictures: [the notebook](../{notebook[1]})')
    for name in code:
        value = getattr(module, name)
        parts.append(entry(value, name, 2))
        if inspect.isclass(value): parts += [entry(f, f'{name}.{n}', 3, read) for n, f, read in methods(value)]
    said = said_of_constants(module)
    if constants: parts += ['## Constants {#constants}', *(constant(n, getattr(module, n), said.get(n, '')) for n in constants)]
    return '\n\n'.join(parts) + '\n'


def modules(package):
    "The package's modules in the order of the notebooks."
    files = [p for p in Path(package.__file__).parent.glob('*.py') if not p.stem.startswith('_')]
    number = lambda p: re.search(r'nbs/(\w+)\.ipynb', p.read_text(encoding='utf-8'))[1]
    return [importlib.import_module(f'{package.__name__}.{p.stem}') for p in sorted(files, key=number)]


def index_page(found):
    "All names on one page, for those who know what they look for."
    rows = []
    for m in found:
        short, (code, constants) = m.__name__.rpartition('.')[2], names(m)
        links = ' · '.join(f'[{n}]({short}.qmd#{n})' for n in code + constants)
        rows.append(f'## [{short}]({short}.qmd)\n\n{(m.__doc__ or "").strip().splitlines()[0] if m.__doc__ else ""}\n\n{links}')
    return '---\ntitle: All names\ndescription: Every public name of the library, by module, in the order of the book.\ntoc: false\n---\n\n' + '\n\n'.join(rows) + '\n'


def parameters(command):
    "The table of a command's arguments and options."
    rows = []
    for p in command.params:
        if getattr(p, 'hidden', False) or 'help' in p.name: continue
        plain = lambda text: re.sub(r'\[/?\w+\]', '', ' '.join((text or '').split())).replace('|', r'\|')
        option = p.param_type_name == 'option'
        what = ', '.join(f'`{o}`' for o in sorted(p.opts, key=len)) if option else f'`{p.metavar or p.name.upper()}`'
        value = '' if not option or getattr(p, 'is_flag', False) else f'`{p.metavar}`'.replace('|', r'\|') if p.metavar else ''
        default = '' if p.default is None or getattr(p, 'is_flag', False) or not option or callable(p.default) else f' If not given: `{getattr(p.default, "value", p.default)}`.'
        rows.append(f'| {what} {value} | {plain(getattr(p, "help", ""))}{default} |')
    return '\n'.join(['| | |', '|---|---|', *rows]) if rows else ''


def commands_page():
    "Every command, as `--help` tells it."
    import typer
    from kinequimation.cli import app
    plain = lambda text: re.sub(r'\[/?\w+\]', '', ' '.join((text or '').split()))
    parts = ['---\ntitle: Command line\ndescription: Every command with its options, as `--help` tells it.\n---', 'Bad input, a full disk and Ctrl-C end with one line and exit code 2; files of an earlier run stay as they were.']
    def walk(command, name):
        if hasattr(command, 'commands'):
            for n, c in command.commands.items(): walk(c, f'{name} {n}')
            return
        words = ' '.join(p.metavar or p.name.upper() for p in command.params if p.param_type_name == 'argument')
        parts.extend([f'## {name.removeprefix("kinequimation ")}', plain(command.help), f'```sh\n{name} {words} [OPTIONS]\n```', parameters(command)])
    walk(typer.main.get_command(app), 'kinequimation')
    return '\n\n'.join(p for p in parts if p) + '\n'


def write(folder):
    "All reference pages into `folder`/api, and commands.qmd beside it."
    import kinequimation
    folder, found = Path(folder), modules(kinequimation)
    (folder/'api').mkdir(parents=True, exist_ok=True)
    for m in found: (folder/'api'/f'{m.__name__.rpartition(".")[2]}.qmd').write_text(module_page(m), encoding='utf-8')
    (folder/'api'/'index.qmd').write_text(index_page(found), encoding='utf-8')
    (folder/'commands.qmd').write_text(commands_page(), encoding='utf-8')


if __name__ == '__main__': write(sys.argv[1])
