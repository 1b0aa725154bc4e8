"""The documentation is built, and every page of it opened in a headless Chromium: no complaint, nothing missing, nothing from elsewhere."""
import importlib.util
import re
import subprocess
import sys
import warnings
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from browser import browser, chromium, served
from kinequimation.files import assets_dir
from kinequimation.pose import PoseSequence

ROOT = Path(__file__).resolve().parents[1]
needs_smalldocs = pytest.mark.skipif(importlib.util.find_spec('smalldocs') is None, reason='smalldocs is not installed: make install')


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp('docs') / 'site'
    done = subprocess.run([sys.executable, ROOT / 'tools/docs.py', out], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'broken link' not in done.stdout, done.stdout
    return out


@pytest.fixture(scope='module')
def page():
    if chromium() is None:
        warnings.warn('THE DOCUMENTATION WAS NOT OPENED IN A BROWSER: no Chromium here (apt-get install chromium)')
        pytest.skip('NO CHROMIUM: apt-get install chromium')
    with browser() as page: yield page


@needs_smalldocs
def test_every_notebook_is_a_page(site):
    notebooks = {p.relative_to(ROOT / 'nbs').with_suffix('.html') for p in (ROOT / 'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts}
    assert notebooks <= {p.relative_to(site) for p in site.rglob('*.html')}


@needs_smalldocs
def test_pages_link_to_what_is_there(site):
    for html in site.rglob('*.html'):
        for link in re.findall(r'(?:href|src)="([^"]+)"', html.read_text(encoding='utf-8')):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not parts.path: continue
            target = (html.parent / unquote(parts.path)).resolve()
            assert target.exists(), f'{html.relative_to(site)} links to {link}, which is not there'


@needs_smalldocs
def test_names_lead_to_headings_of_this_site(site):
    "A name in code leads to the page beside it, not to the site in the web, which nobody reaches from the folder; and to a heading that is there."
    text = {html.resolve(): html.read_text(encoding='utf-8') for html in site.rglob('*.html')}
    home = re.search(r'^doc_host\s*=\s*(\S+)', (ROOT / 'settings.ini').read_text(), re.M)[1]
    assert [html.name for html, page in text.items() if home in page] == []
    headings = {html: set(re.findall(r'id="([^"]+)"', page)) for html, page in text.items()}
    assert 'href="00a_files.html#inputerror"' in text[(site / '10_gait.html').resolve()]
    for html, page in text.items():
        for link in set(re.findall(r'href="([^"]+)"', page)):
            parts = urlsplit(link)
            target = (html.parent / unquote(parts.path)).resolve() if parts.path else html
            if parts.scheme or not parts.fragment or target not in text: continue
            assert unquote(parts.fragment) in headings[target], f'{html.name} links to {link}, which is no heading there'


@needs_smalldocs
def test_every_page_opens(site, page):
    said = {}
    with served(site) as address:
        for html in sorted(site.rglob('*.html')):
            name = html.relative_to(site).as_posix()
            page.open(f'{address}/{name}')
            elsewhere = [u for u in page.requests if not u.startswith((address, 'data:', 'blob:'))]
            if page.errors or page.failed or elsewhere: said[name] = dict(errors=page.errors, failed=page.failed, elsewhere=elsewhere)
            text = page.run('document.querySelector("main").innerText')
            assert len(text) > 200 or html.name == '404.html' or 'kinequimation-player' in html.read_text(encoding='utf-8'), f'{name} is as good as empty: {text!r}'
    assert said == {}


@needs_smalldocs
def test_pages_are_small(site):
    large = {p.relative_to(site).as_posix(): p.stat().st_size for p in site.rglob('*.html') if p.stat().st_size >= 3e6}
    assert large == {}


PAPER = 'getComputedStyle(document.body).backgroundColor'

@needs_smalldocs
def test_pages_fit_a_phone_dark_and_light(site, page):
    wide, paper = {}, {}
    try:
        page.size(390, 844)
        for html in sorted(site.rglob('*.html')):
            page.open(html.as_uri(), settle=.05)
            if (width := page.run('document.documentElement.scrollWidth')) > 390: wide[html.relative_to(site).as_posix()] = width
        for scheme in ('dark', 'light'): page.scheme(scheme); page.open((site / 'index.html').as_uri()); paper[scheme] = page.run(PAPER)
    finally: page.scheme('light'); page.size(1100, 700)
    assert wide == {}, 'wider than a telephone'
    assert paper['dark'] != paper['light']


@needs_smalldocs
@pytest.mark.parametrize('start', ['index.html', 'tutorials/gait_analysis.html'])
def test_search_from_the_folder(start, site, page):
    "Opened as a file and without a network: a word is typed, what has it appears, and opens. Nonsense finds nothing."
    page.offline()
    try:
        page.open((site / start).as_uri())
        def find(word):
            page.run('(() => { const i = [...document.querySelectorAll(".smalldocs-search input")].find(i => i.offsetParent) || document.querySelector(".smalldocs-search input"); i.value = ""; i.focus(); })()')
            page.call('Input.insertText', text=word)
        find('HORSE68')
        page.wait('!!document.querySelector(".smalldocs-search-results.show .search-result")')
        assert 'horse68' in page.run('document.querySelector(".smalldocs-search-results.show").innerText').lower()
        text, paper = page.run("""(() => { const words = document.querySelector(".smalldocs-search-results.show .search-result-text"), light = (e, of) => getComputedStyle(e)[of].match(/[\\d.]+/g).slice(0, 3).reduce((a, v) => a + v/3, 0);
            return [light(words, "color"), light(words.closest(".show"), "backgroundColor")] })()""")
        assert abs(text - paper) > 100, 'what was found can hardly be read'
        link = page.run('document.querySelector(".smalldocs-search-results.show .search-result").href')
        page.run('document.querySelector(".smalldocs-search-results.show .search-result").click()')
        page.wait(f'location.href.split("#")[0] === {link.split("#")[0]!r} && document.readyState === "complete" && !!document.querySelector("main")')
        assert 'HORSE68' in page.run('document.querySelector("main").textContent')
        find('qzxwvj')
        page.wait('!!document.querySelector(".smalldocs-search-results.show .search-none")')
        assert page.errors == [] and page.failed == []
        assert [u for u in page.requests if not u.startswith((site.as_uri(), 'data:', 'blob:'))] == []
    finally: page.offline(False)


def test_the_start_page_plays_the_film_that_ships():
    "The poses beside its player are those of today's film, found by a detector: a film that was made anew wants `make picture`."
    seen, truth = PoseSequence.load(ROOT / 'tools/site/demo/pose2d.nc'), PoseSequence.load(assets_dir() / 'clips/demo_pose2d.nc')
    size = np.ptp(truth.xyz(), axis=1).max(1)[:, None]
    near = np.linalg.norm(seen.xyz() - truth.xyz(), axis=-1) < .05*size
    assert near.mean() > .85, f'only {near.mean():.0%} of the keypoints lie on the horse: make demo picture'


@needs_smalldocs
def test_the_start_page_plays(site, page):
    "From the folder, without a network: the horse on the start page moves, steps, stands, and turns while it moves."
    player = 'document.querySelector(".start-player .kinequimation-player")'
    page.offline()
    try:
        page.open((site / 'index.html').as_uri())
        page.wait(f'{player} && {player}.dataset.frame === "0"')
        page.run(f'{player}.scrollIntoView({{block: "center"}}); {player}.focus({{preventScroll: true}})')
        for key, then in (('ArrowRight', 1), ('End', 74), ('Home', 0)): page.key(key); page.wait(f'{player}.dataset.frame === "{then}"')
        page.key(' '); page.wait(f'+{player}.dataset.frame > 10')
        x, y = page.run(f'(r => [r.x + r.width/2, r.y + r.height/2])({player}.shadowRoot.querySelector("figure.space canvas").getBoundingClientRect())')
        azimuth = page.run(f'{player}.player.eyes.world.azimuth')
        page.mouse((x, y), (x + 60, y))
        assert page.run(f'{player}.player.eyes.world.azimuth') != azimuth and page.run(f'{player}.dataset.playing') == 'true'
        page.key(' '); page.wait(f'{player}.dataset.playing === "false"')
        assert page.errors == [] and page.failed == []
    finally: page.offline(False)


def test_the_check_hears_errors(page, tmp_path):
    "A test of the test: a page that throws, asks for what is not there, and looks elsewhere is caught."
    (tmp_path / 'bad.html').write_text('<main>x</main><script>console.error("one")</script><script>throw new Error("two")</script><img src="none.png">')
    with served(tmp_path) as address:
        page.open(f'{address}/bad.html')
        assert any('one' in e for e in page.errors) and any('two' in e for e in page.errors)
        assert any('none.png' in u for u in page.failed)
