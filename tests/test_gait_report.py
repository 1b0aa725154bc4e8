"The gait report as a file: whole, offline, readable in a browser, and one clear line for what can't be reported on."
import csv
import re

import numpy as np
import pytest

from browser import browser, chromium
from conftest import SHARED_DATA, complaint
from kinequimation.gait import generate
from kinequimation.gait_analysis import analyse, noisy_pose
from kinequimation.gait_report import report_html, write_report
from kinequimation.pose import PoseSequence


@pytest.fixture(scope='module')
def pose(): return noisy_pose(generate('canter_right', 4.5, n_frames=90, fps=30, seed=2))


def test_page_loads_nothing_and_hides_nothing(pose):
    page = report_html(analyse(pose), title='<b>&')
    assert 'Canter, right lead' in page and '&lt;b&gt;&amp;' in page and '<b>&' not in page
    assert not re.search(r'<script|<link|<img|src=|@import|url\(|https?://(?!www\.w3\.org/2000/svg)', page)
    assert not re.search(r'\bnan\b|\binf\b', page) and 'What to trust' in page and 'KinEquiMation' in page and 'prefers-color-scheme:dark' in page


def test_csv_files_hold_what_the_page_shows(pose, tmp_path):
    paths = write_report(pose, tmp_path/'deep'/'r.html')
    assert [p.name for p in paths] == ['r.html', 'r_strides.csv', 'r_stances.csv', 'r_angles.csv'] and sorted(p.name for p in paths) == sorted(p.name for p in (tmp_path/'deep').iterdir())
    rows = list(csv.DictReader(open(paths[1])))
    a = analyse(pose)
    assert [float(r['hz']) for r in rows] == pytest.approx([s['hz'] for s in a.strides], rel=1e-4) and {r['gait'] for r in rows} == {'canter_right'}
    assert len(list(csv.DictReader(open(paths[3])))) == 101*len(a.angles)


def test_command(quickly, pose, tmp_path):
    path = pose.save(tmp_path/'pose3d.nc')
    done = quickly('gait', path, '-o', tmp_path/'report.html')
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(tmp_path/'report.html') and len(done.stdout.splitlines()) == 4 and 'pose3d.nc' in (tmp_path/'report.html').read_text()


def test_bad_input_is_one_line_and_leaves_nothing(quickly, pose, tmp_path):
    bad = dict(nan=pose.replace(position=np.full((90, 68, 3), np.nan), rotation=None), short=pose.clip(0, 8), root=pose.replace(frame='root'))
    for name, word in dict(nan='no frame', short='stride', root='refine').items():
        bad[name].save(tmp_path/f'{name}.nc')
        assert word in complaint(quickly('gait', tmp_path/f'{name}.nc', '-o', tmp_path/'r.html'))
    (tmp_path/'m.csv').write_text('a,b\n1,2\n')
    assert 'columns' in complaint(quickly('gait', tmp_path/'m.csv', '-o', tmp_path/'r.html'))
    assert '.html' in complaint(quickly('gait', tmp_path/'m.csv', '-o', tmp_path/'r.pdf'))
    assert not list(tmp_path.glob('r*.html')) and not list(tmp_path.glob('r_*'))


@pytest.mark.skipif(not chromium(), reason='SKIPPED: no Chromium at hand')
def test_browser_shows_it(pose, tmp_path):
    "No complaint, no request but the page, nothing wider than the screen, on a desk and on a telephone, dark and light."
    page_file = write_report(pose, tmp_path/'r.html')[0]
    with browser() as page:
        for width in (1100, 390):
            page.size(width, 900)
            page.open(page_file.as_uri(), settle=.1)
            assert not page.errors and not page.failed and page.requests == [page_file.as_uri()]
            assert page.run('document.documentElement.scrollWidth') <= width
        light = page.run('getComputedStyle(document.body).backgroundColor')
        page.call('Emulation.setEmulatedMedia', features=[dict(name='prefers-color-scheme', value='dark')])
        assert page.run('getComputedStyle(document.body).backgroundColor') != light
        assert page.run("document.querySelectorAll('svg').length") == 3


PLAYER = 'document.querySelector(".kinequimation-player")'

@pytest.mark.skipif(not chromium(), reason='SKIPPED: no Chromium at hand')
def test_the_horse_plays_above_with_the_footfalls_of_the_page(pose, tmp_path):
    "The strip under the timeline is that of the diagrams, in the same two colours; on paper all is white."
    page_file = write_report(pose, tmp_path/'r.html')[0]
    assert page_file.stat().st_size < 6e5
    strip = re.search(r'"contacts":\["([01]+)","([01]+)","([01]+)","([01]+)"\]', page_file.read_text()).groups()
    assert list(strip) == [''.join('01'[v] for v in foot) for foot in (analyse(pose).probability > .5).T.astype(int)]
    with browser() as page:
        page.offline(); page.scheme('dark')
        page.open(page_file.as_uri()); page.wait(f'{PLAYER}.dataset.frame === "0"', timeout=60)
        page.run(f'{PLAYER}.player.seek(40)'); page.wait(f'{PLAYER}.dataset.frame === "40"', timeout=60)
        for side in ('left', 'right'):
            colours = page.run(f"""['path.{side}:not(.band)', '.key'].map((s, i) => i ? getComputedStyle({PLAYER}.shadowRoot.querySelectorAll('.key i')[{int(side == 'right')}]).backgroundColor : getComputedStyle(document.querySelector(s)).stroke)""")
            assert len(set(c.replace('rgba', 'rgb').replace(', 1)', ')') for c in colours)) == 1, colours
        printed = page.run(f"""(() => {{ const f = {PLAYER}.shadowRoot.querySelector('figure'), paper = () => getComputedStyle(f).backgroundColor, drawn = () => f.firstChild.toDataURL(), was = [paper(), drawn()];
            dispatchEvent(new Event('beforeprint')); return [was[0], paper(), was[1] !== drawn()] }})()""")
        assert printed == ['rgb(20, 23, 26)', 'rgb(255, 255, 255)', True]
        assert not page.errors and not page.failed
