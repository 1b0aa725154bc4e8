"""Whatever the README, the pages and the notebooks tell people to type can be typed: the command is there, with these options, and make has that target."""
import json
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', ROOT / 'CHANGELOG.md', *sorted((ROOT / 'nbs').glob('*.md')), *sorted((ROOT / 'nbs').rglob('*.ipynb'))]
PAGES = [p for p in PAGES if '.ipynb_checkpoints' not in p.parts]
PLAIN = re.compile(r'^\s*(?:\.venv/bin/)?kinequimation +(?P<rest>[a-z][^`]*)$')


def prose(path):
    "The text of a page; of a notebook its prose."
    text = path.read_text(encoding='utf-8')
    if path.suffix != '.ipynb': return text
    return '\n\n'.join(''.join(c['source']) for c in json.loads(text)['cells'] if c['cell_type'] == 'markdown')


def told(path):
    "Every shell line of the page's blocks, and every `kinequimation ...` in its sentences."
    text = prose(path)
    blocks = [line for block in re.findall(r'```sh\n(.*?)```', text, re.S) for line in block.splitlines()]
    inline = re.findall(r'`((?:\.venv/bin/)?kinequimation [a-z][^`\n]*|make [a-z][^`\n]*)`', re.sub(r'```.*?```', '', text, flags=re.S))
    return [line.split(' #')[0].strip() for line in blocks + inline]


def check(line):
    "Raises where `line` can not be typed; click itself parses it."
    import click
    import typer
    from kinequimation.cli import app
    words = shlex.split(PLAIN.match(line)['rest'].replace('|', ' ').replace('...', ''))
    command = typer.main.get_command(app)
    while words and hasattr(command, 'commands'):
        name = words.pop(0)
        assert name in command.commands, f'there is no command {name!r}'
        command = command.commands[name]
    with click.Context(command) as context: command.make_parser(context).parse_args(words)


LINES = sorted({(p.relative_to(ROOT).as_posix(), line) for p in PAGES for line in told(p) if PLAIN.match(line)})


def test_commands_are_told(): assert len(LINES) > 30


@pytest.mark.parametrize('page, line', LINES, ids=lambda v: str(v).replace(' ', '_')[:60])
def test_command_can_be_typed(page, line):
    try: check(line)
    except Exception as error: pytest.fail(f'{page} tells to type `{line}`: {getattr(error, "message", "") or error}')


def test_the_check_notices_slips():
    for line in ('kinequimation animate clip.mp4 --wither 1.6', 'kinequimation animat clip.mp4', 'kinequimation lift a.csv --fps'):
        with pytest.raises(BaseException): check(line)


def test_make_has_what_is_told():
    targets = set(re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text(), re.M))
    said = {(p.name, word) for p in PAGES for line in told(p) if line.startswith('make ') for word in line.split()[1:] if '=' not in word}
    assert len(said) > 5
    assert [s for s in sorted(said) if s[1] not in targets] == []


def test_scripts_that_are_told_exist():
    said = {(p.name, m) for p in PAGES for line in told(p) for m in re.findall(r'\b(?:blender|tools|maya)/[\w/]+\.\w+', line)}
    assert [s for s in sorted(said) if not (ROOT / s[1]).exists()] == []
