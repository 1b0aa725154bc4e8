"""The documentation site, built into _docs/ without Quarto and without a network. Run: make docs

nbdev turns the notebooks into pages (API tables, hidden cells), smalldocs turns those into HTML. All happens in a copy, so that the
working tree stays as it is; KaTeX and plotly are laid beside the pages, so that they open offline.
"""
import argparse
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KATEX_ELSEWHERE = re.compile(r'https://cdn\.jsdelivr\.net/npm/katex@[\d.]+/dist')
PLOTLY_ELSEWHERE = re.compile(r'<script[^>]*src="https://cdn\.plot\.ly/[^"]*"[^>]*></script>')

# what smalldocs says of a project that Quarto can build too; files outside nbs/ get links into the repository below
EXPECTED = re.compile(r'format commonmark is not built|output-file is not read|outside the project')

# not nbdev_proc_nbs itself: without Quarto it sets out to download and install it
PROCESS = '''
from nbdev.quarto import refresh_quarto_yml
from nbdev.doclinks import _build_modidx
from nbdev.serve import proc_nbs
if __name__ == '__main__':   # proc_nbs starts workers
    refresh_quarto_yml(); _build_modidx(); proc_nbs(n_workers=2)
    import api
    api.write('_proc')
    from pathlib import Path
    from kinequimation.files import assets_dir
    from kinequimation.player import OverlayPlayer, PosePlayer, SideBySide
    from kinequimation.pose import PoseSequence
    seen, space = (PoseSequence.load(f'demo/pose{d}.nc') for d in ('2d', '3d'))
    Path('player.html').write_text(SideBySide(OverlayPlayer(assets_dir()/'clips'/'demo.mp4', seen), PosePlayer(space)).html('demo.mp4'), encoding='utf-8')
'''


def copy_sources(to):
    "What the pages are made from. The notebooks' own links to CONTRIBUTING and such lead out of nbs/; those files become pages."
    ignore = shutil.ignore_patterns('__pycache__', '.ipynb_checkpoints')
    for folder in ('nbs', 'kinequimation'): shutil.copytree(ROOT / folder, to / folder, ignore=ignore)
    for file in ('settings.ini', 'pyproject.toml'): shutil.copy(ROOT / file, to)
    (to / 'process.py').write_text(PROCESS)
    shutil.copy(ROOT / 'tools/api.py', to)
    shutil.copytree(ROOT / 'tools/site/demo', to / 'demo')
    (to / 'nbs/changelog.md').write_text((ROOT / 'CHANGELOG.md').read_text(encoding='utf-8'), encoding='utf-8')
    (to / 'nbs/contributing.md').write_text((ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8'), encoding='utf-8')
    (to / 'nbs/models.md').write_text(models(), encoding='utf-8')
    arrange_tables(to / 'nbs/benchmarks.ipynb')
    for notebook in (to / 'nbs').rglob('*.ipynb'): spare(notebook)


def models():
    "The page of the networks that ship: their cards, one after the other, each a level lower."
    cards = [p.read_text(encoding='utf-8').strip() for p in sorted((ROOT / 'kinequimation/assets/models').glob('*.md'))]
    cards = [re.sub(r'^\| command \| ([^`,|]+?)(,[^|]*)? \|$', r'| command | `\1`\2 |', card, flags=re.M) for card in cards]   # or -- becomes a dash
    head = '---\ntitle: Models\ndescription: "The networks that ship: what they learned from, what they were measured on, what they fail at."\n---\n'
    note = 'Each network is one ONNX file that runs without PyTorch, and says itself which skeleton and which input it wants. Others are chosen with `--detector` and `--lifter`. How they are trained: ' \
           '[the detector](21_train_detector.ipynb), [the lifter](31_train_lifter.ipynb), [on your own horses](tutorials/train_on_your_own_horses.ipynb).'
    return '\n\n'.join([head + '\n' + note, *(re.sub(r'^#', '##', card, flags=re.M) for card in cards)]) + '\n'


def arrange_tables(notebook):
    "What most readers look for stands first; and where several sets were measured under one title each heading gets its set, so that the list beside the page says which is which."
    nb = json.loads(notebook.read_text(encoding='utf-8'))
    shown = [out['data'] for cell in nb['cells'] for out in cell.get('outputs', []) if 'text/markdown' in out.get('data', {})]
    title = re.compile(r'### (.+)\n\n`(.+)`')
    found = [title.match(''.join(data['text/markdown'])) for data in shown]
    titles = [m[1] for m in found if m]
    for data, m in zip(shown, found):
        if not m or titles.count(m[1]) == 1: continue
        of = re.search(r'\| data \|[^\n]*\n\|[^\n]*\n\| ([^|]+) \|', text := ''.join(data['text/markdown']))
        data['text/markdown'] = text.replace(m[1], f'{m[1]} ({of[1] if of else m[2].split("evaluate ")[-1]})', 1)
    first = lambda out: next((i for i, word in enumerate(('share of keypoints', 'Fine-tuned')) if word in ''.join(out.get('data', {}).get('text/markdown', ''))[:60]), 9)
    for cell in nb['cells']: cell.get('outputs', []).sort(key=first)
    notebook.write_text(json.dumps(nb), encoding='utf-8')


def spare(notebook):
    "nbdev runs every cell that imports anything, by itself, to make the API tables. Spare lesson cells that do more than import: their outputs are stored."
    nb = json.loads(notebook.read_text(encoding='utf-8'))
    split_first(nb['cells'])
    for cell in nb['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] != 'code' or re.match(r'#\s*\|\s*(export|eval: *false)', source): continue
        try: body = ast.parse(source).body
        except SyntaxError: continue
        if not all(isinstance(node, (ast.Import, ast.ImportFrom)) for node in body): cell['source'] = '#| eval: false\n' + source
    notebook.write_text(json.dumps(nb), encoding='utf-8')


def split_first(cells):
    "nbdev makes title and subtitle out of the first cell and drops the rest of it; the rest becomes a cell of its own."
    title = re.match(r'# .+\n(?:\n?> .+(?:\n> .+)*)?', first := ''.join(cells[0]['source']))
    if title and first[title.end():].strip():
        cells[0]['source'] = title[0]
        cells.insert(1, dict(cell_type='markdown', id='rest-of-title', metadata={}, source=first[title.end():].strip()))


def run(command, cwd):
    env = dict(os.environ, PYTHONPATH=str(cwd if (cwd / 'nbs').exists() else cwd.parent), PATH=f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}')
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode: sys.exit(f'{command[0]} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}')
    return done.stdout + done.stderr


def drop_missing(sidebar):
    "The sidebar without pages that are not there (yet): a link into nothing is worse than none."
    lines = sidebar.read_text().splitlines()
    there = lambda line: not (m := re.search(r'([\w/]+\.ipynb)', line)) or (sidebar.parent / m[1]).exists()
    missing = [line.strip() for line in lines if not there(line)]
    if missing: print(f'Not there, so not in the sidebar: {missing}')
    sidebar.write_text('\n'.join(line for line in lines if there(line)) + '\n')


def make_local(site):
    "Point each page at the copies beside it of what it would fetch from elsewhere; returns the number of pages."
    libs = site / 'site_libs'
    shutil.copytree(ROOT / 'tools/site/katex', libs / 'katex', dirs_exist_ok=True)
    shutil.copy(Path(find_spec('plotly').origin).parent / 'package_data/plotly.min.js', libs)
    pages = list(site.rglob('*.html'))
    chapters = {re.sub(r'^\d+[a-z]?_', '', p.stem): (p.stem, set(re.findall(r'id="([\w.]+)"', p.read_text(encoding='utf-8')))) for p in site.glob('*.html')}
    for page in pages:
        html, up = page.read_text(encoding='utf-8'), '../' * (len(page.relative_to(site).parts) - 1)
        html = names_at_home(html, page.stem, up, chapters)
        html = html.replace('<p><em>Call self as a function.</em></p>', '')   # what Python says of every function of which nobody says anything
        html = KATEX_ELSEWHERE.sub(f'{up}site_libs/katex', html)
        html = PLOTLY_ELSEWHERE.sub('', html)
        if 'Plotly.newPlot' in html: html = html.replace('</head>', f'<script src="{up}site_libs/plotly.min.js"></script>\n</head>', 1)
        # what is a page here and a file there; files that are no pages of the site are read in the repository
        html = re.sub(r'href="(?:\.\./)+(CHANGELOG|CONTRIBUTING)\.md"', lambda m: f'href="{up}{m[1].lower()}.html"', html)
        html = re.sub(r'href="(?:\.\./)+(\w[\w/]*(?:\.md)?|LICENSE)"', lambda m: f'href="{repository()}/blob/main/{m[1]}"' if (ROOT / m[1]).is_file() else m[0], html)
        page.write_text(html, encoding='utf-8')
    return len(pages)


DOORS = {'pipeline', 'metrics', 'gait_analysis'}   # chapters whose plain words are meant wherever they stand: refine, pck, analyse

def names_at_home(
    html,       # a page
    stem,       # its name
    up,         # from there to the site's folder
    chapters,   # {a chapter's name without its number: (its page's name, the headings there)}
):
    "nbdev links names in code to the site in the web, under the chapter's name without its number: link them to the page beside it. What has no heading there, and everyday words (train, place), stay words."
    def link(m):
        chapter, headings = chapters.get(m[1], ('', ()))
        everyday = m[2].isalpha() and re.search(r'>([a-z]+)<', m[3]) and m[1] not in DOORS and chapter != stem
        return m[3] if everyday or m[2] not in headings else f'<a href="{up if chapter != stem else ""}{chapter}.html#{m[2]}">{m[3]}</a>'
    html = re.sub(rf'\[(`[^`]+`)\]\({re.escape(home())}/[^)]*\)', r'\1', html)   # in the comments of a signature, where a link can't be
    return re.sub(rf'<a href="{re.escape(home())}/(\w+)\.html#([\w.]+)"[^>]*>(.*?)</a>', link, html)


FETCH = 'const r = await fetch(offset + "search.json");\n      index = await r.json();'
LOAD = """index = await new Promise((done, fail) => {
        if (window.searchIndex) return done(window.searchIndex);
        const script = Object.assign(document.createElement("script"), { src: offset + "site_libs/search.js", onload: () => done(window.searchIndex), onerror: fail });
        document.head.append(script);
      });"""


def search_from_the_folder(site):
    "A page that was opened as a file may not fetch another: so the words to search come as a script, which it may load."
    script = site / 'site_libs/smalldocs.js'
    text = script.read_text(encoding='utf-8')
    if FETCH not in text: sys.exit("Expected the search of smalldocs to fetch search.json, but it does not: tools/docs.py has to be fitted to this version.")
    script.write_text(text.replace(FETCH, LOAD), encoding='utf-8')
    (site / 'site_libs/search.js').write_text(f'window.searchIndex = {(site / "search.json").read_text(encoding="utf-8")};\n', encoding='utf-8')


def play_on_the_start_page(site, player):
    "The result itself, to turn round and step through, before the start page's first heading; what `make demo` found (tools/picture.py keeps it)."
    page = site / 'index.html'
    html = page.read_text(encoding='utf-8')
    heading = re.search(r'<section id="[\w-]+" class="level2">', html)
    if not heading: sys.exit('Expected a heading on the start page, but there is none: where shall the player go?')
    words = '<p class="player-words">Press Space. Turn the horse on the right with the mouse or a finger; the bars below are hooves on the ground.</p>'
    page.write_text(html[:heading.start()] + f'<div class="start-player">{player}{words}</div>\n' + html[heading.start():], encoding='utf-8')


def setting(name): return re.search(rf'^{name}\s*=\s*(\S+)', (ROOT / 'settings.ini').read_text(), re.M)[1]

def repository(): return setting('git_url')

def home(): return setting('doc_host') + setting('doc_baseurl')


def build(out):
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        copy_sources(copy)
        run([sys.executable, 'process.py'], copy)
        drop_missing(copy / '_proc/sidebar.yml')
        said = run([Path(sys.executable).parent / 'smalldocs', 'render', '--quiet', '_proc'], copy)
        print(*[line for line in said.splitlines() if not EXPECTED.search(line)], sep='\n')
        n = make_local(copy / '_proc/_docs')
        search_from_the_folder(copy / '_proc/_docs')
        play_on_the_start_page(copy / '_proc/_docs', (copy / 'player.html').read_text(encoding='utf-8'))
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(copy / '_proc/_docs', out)
    print(f'{n} pages in {out}: open {out}/index.html')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', nargs='?', type=Path, default=ROOT / '_docs')
    build(parser.parse_args().out)
