"""Both players in a real browser: as an offline file, and as a widget in a real JupyterLab. Screenshots lie in out/player/ afterwards."""
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from browser import browser, chromium
from kinequimation.gait import generate
from kinequimation.player import OverlayPlayer, PosePlayer, SideBySide
from kinequimation.pose import PoseSequence
from kinequimation.video import VideoWriter

ROOT = Path(__file__).resolve().parents[1]
SHOTS = ROOT / 'out/player'
N, FPS, SIZE, BITS = 300, 30., (320, 180), 9
PLAYER = 'document.querySelector(".kinequimation-player")'
# the number of the picture that is shown, from the pixels of the first view: nine bars across the top, bright = 1
NUMBER = f'''(() => {{ const c = {PLAYER}.shadowRoot.querySelector("figure.picture canvas"), g = c.getContext("2d"); let n = 0;
  for (let b = 0; b < {BITS}; b++) n |= (g.getImageData(Math.round(c.width*(b + .5)/{BITS}), Math.round(c.height*.06), 1, 1).data[1] > 127) << b; return n; }})()'''
# the 3D view as a picture's worth of numbers, to see whether it has changed
SPACE = f'''(() => {{ const c = {PLAYER}.shadowRoot.querySelector("figure.space canvas"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data; let n = 0;
  for (let i = 0; i < d.length; i += 28) n = (n*31 + d[i] + 7*d[i + 1] + d[i + 3]) >>> 0; return n; }})()'''


@pytest.fixture(scope='module')
def page():
    if chromium() is None:
        warnings.warn('THE PLAYERS WERE NOT TRIED IN A BROWSER: no Chromium here (apt-get install chromium)')
        pytest.skip('NO CHROMIUM: apt-get install chromium')
    SHOTS.mkdir(parents=True, exist_ok=True)
    with browser() as page: page.size(1100, 700); yield page


def numbered(path):
    "A video of N frames that bear their number as bars across the top, and a trot's keypoints in its lower part."
    motion = generate('trot', n_frames=N, fps=FPS, seed=1)
    xyz = motion.positions() - motion.positions().mean(1, keepdims=True)*[1, 1, 0]
    xy = np.stack([160 + 62*xyz[..., 1], 172 - 62*xyz[..., 2]], -1)
    edges = np.linspace(0, SIZE[0], BITS + 1).round().astype(int)
    with VideoWriter(path, FPS, SIZE) as writer:
        for i in range(N):
            image = np.full((SIZE[1], SIZE[0], 3), 70, np.uint8)
            for b in range(BITS): image[:24, edges[b]:edges[b + 1]] = 235 if i >> b & 1 else 20
            writer.write(image)
    pose2d = PoseSequence.from_arrays(xy, np.ones(xy.shape[:2]), fps=FPS, image_size=SIZE, source=path.name)
    return pose2d, PoseSequence.from_arrays(motion.positions(), fps=FPS, frame='world', contact=motion.contacts, source=path.name)


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp('player')
    pose2d, pose3d = numbered(folder / 'clip.mp4')
    pose2d.save(folder / 'pose2d.nc'); pose3d.save(folder / 'pose3d.nc')
    return folder, pose2d, pose3d


def centre(page, selector):
    "(x, y, width, height) of an element inside the player: its middle and its size."
    return page.run(f'(() => {{ const e = {PLAYER}.shadowRoot.querySelector("{selector}"); e.scrollIntoView({{block: "center"}}); const r = e.getBoundingClientRect(); return [r.x + r.width/2, r.y + r.height/2, r.width, r.height]; }})()')


def frame(page): return page.run(f'+{PLAYER}.dataset.frame')

def stands_at(page, i): page.wait(f'+{PLAYER}.dataset.frame === {i}', timeout=10)


def drive(page, film, space):
    "All that a person does with a player, through the mouse and the keyboard."
    page.wait(f'{PLAYER} && {PLAYER}.player && {PLAYER}.dataset.frame === "0"', timeout=60)
    # scrubbing shows the frame that was asked for: a click on the timeline, and frames asked for by number
    for share in (.3, .77, .5):
        x, y, w, h = centre(page, '.strip canvas')   # anew each time: JupyterLab scrolls to the cell that was clicked
        page.mouse((x - w/2 + share*w, y + h/2 - 25))
        page.wait(f'Math.abs({PLAYER}.dataset.frame - {share*(N - 1)}) < 12', timeout=10)
        if film: assert page.run(NUMBER) == frame(page)
    x, y, w, h = centre(page, '.strip canvas')
    page.mouse((x - w/2 + .2*w, y + h/2 - 25), (x - w/2 + .64*w, y + h/2 - 25))   # dragged along it
    page.wait(f'Math.abs({PLAYER}.dataset.frame - {.64*(N - 1)}) < 12', timeout=10)
    if film: assert page.run(NUMBER) == frame(page)
    for i in (0, 299, 17, 150, 255, 256, 1):
        page.run(f'{PLAYER}.player.seek({i})'); stands_at(page, i)
        if film: assert page.run(NUMBER) == i, f'frame {i} was asked for and another picture came'
    # keys step, and come back
    for key, then in (('ArrowRight', 2), ('ArrowRight', 3), ('ArrowLeft', 2), ('Home', 0), ('ArrowLeft', 299), ('ArrowRight', 0), ('End', 299), ('Home', 0)):
        page.key(key); stands_at(page, then)
        if film: assert page.run(NUMBER) == then
    # play moves frames, at the clip's own rate
    page.key(' ')
    page.wait(f'{PLAYER}.dataset.playing === "true" && {PLAYER}.dataset.frame > 3', timeout=10)
    for _ in range(3):   # what the player can do, not how busy the machine is: three tries
        rate = page.run(f'new Promise(done => {{ const s = {PLAYER}.player.state, a = s.shown, t = performance.now(); setTimeout(() => done((s.shown - a)/(performance.now() - t)*1000), 3000); }})')
        if rate >= 25: break
    if film: assert page.run(f'{NUMBER} === +{PLAYER}.dataset.frame'), 'while playing, the number beside is not that of the picture'
    # the 3D view is turned by the mouse while it plays
    if space:
        x, y, w, h = centre(page, 'figure.space canvas')
        before, turned = frame(page), f'{PLAYER}.player.eyes.world.azimuth'
        clock = f'[{PLAYER}.player.state.shown, performance.now()]'
        for back in (1, -1, 1):
            azimuth, (shown, since) = page.run(turned), page.run(clock)
            page.mouse((x - 80*back, y), (x + 80*back, y + 20), steps=80)
            more, now = page.run(clock)
            assert abs(page.run(turned) - azimuth) > .8, 'the mouse did not turn the horse'
            turning = (more - shown)/(now - since)*1000
            if turning >= 25: break
        print(f'{turning:.1f} frames a second over {(now - since)/1000:.1f} s of turning')
        assert turning >= 25, f'while it is turned it plays {turning:.1f} frames a second'
        x, y, w, h = centre(page, 'figure.space canvas')
        assert page.run(f'{PLAYER}.dataset.playing') == 'true'
        page.wait(f'{PLAYER}.dataset.frame != {before}', timeout=5)
    page.key(' ')
    page.wait(f'{PLAYER}.dataset.playing === "false"', timeout=5)
    # when it stands, turning alone changes the picture and not the frame
    if space:
        still, picture = frame(page), page.run(SPACE)
        page.mouse((x, y), (x - 60, y)); time.sleep(.2)
        assert frame(page) == still and page.run(SPACE) != picture
    # speed: half of it takes twice as long; without the loop it ends at the last frame
    page.run(f'{PLAYER}.player.speed(.5); {PLAYER}.player.seek(0)'); stands_at(page, 0)
    page.key(' '); time.sleep(1.2); page.key(' ')
    assert 9 < page.run(f'{PLAYER}.player.state.asked') < 27
    page.run(f'{PLAYER}.player.speed(2); {PLAYER}.player.seek({N - 15})'); page.key('l'); page.key(' ')
    stands_at(page, N - 1); page.wait(f'{PLAYER}.dataset.playing === "false"', timeout=5)
    page.key('l'); page.run(f'{PLAYER}.player.speed(1)')
    assert page.errors == [] and page.failed == []
    return rate


FORMS = {'overlay': (True, False), 'space': (False, True), 'both': (True, True)}   # name: (has a film, has a 3D view)

def make(form, clip):
    folder, pose2d, pose3d = clip
    return {'overlay': lambda: OverlayPlayer(folder / 'clip.mp4', pose2d, width=320), 'space': lambda: PosePlayer(pose3d),
            'both': lambda: SideBySide(OverlayPlayer(folder / 'clip.mp4', pose2d, width=320), PosePlayer(pose3d))}[form]()


@pytest.mark.parametrize('form', FORMS)
def test_offline_file(form, clip, page):
    path = make(form, clip).to_html(clip[0] / f'{form}.html', title='A trot')
    assert path.stat().st_size < 3e6
    page.offline()
    try:
        page.open(path.as_uri())
        rate = drive(page, *FORMS[form])
        page.screenshot(SHOTS / f'file_{form}.png')
        assert [u for u in page.requests if not u.startswith(('file:', 'data:', 'blob:'))] == []
    finally: page.offline(False)
    print(f'{form}: {rate:.1f} frames a second')
    assert rate >= 25


def test_view_command(clip, page, kinequimation):
    "What `kinequimation view` writes of a folder as `animate` leaves it plays just so, without a network."
    folder = clip[0]
    done = kinequimation('view', folder, '--video', folder / 'clip.mp4', '-o', folder / 'viewed.html', '--no-browser')
    assert done.returncode == 0 and done.stdout.split() == [str(folder / 'viewed.html')], done.stderr
    page.offline()
    try:
        page.open((folder / 'viewed.html').as_uri())
        rate = drive(page, film=True, space=True)
        page.screenshot(SHOTS / 'view_command.png')
        assert [u for u in page.requests if not u.startswith(('file:', 'data:', 'blob:'))] == []
    finally: page.offline(False)
    print(f'kinequimation view: {rate:.1f} frames a second')
    assert rate >= 25


def test_phone_dark_and_light(clip, page):
    path = make('both', clip).to_html(clip[0] / 'phone.html')
    page.size(390, 844)
    paper = {}
    for scheme in ('light', 'dark'):
        page.scheme(scheme); page.open(path.as_uri()); page.wait(f'{PLAYER}.dataset.frame === "0"')
        assert page.run('document.documentElement.scrollWidth') <= 390
        paper[scheme] = page.run(f'getComputedStyle({PLAYER}.shadowRoot.querySelector("figure")).backgroundColor')
        page.screenshot(SHOTS / f'phone_{scheme}.png')
    page.scheme('light'); page.size(1100, 700)
    assert paper['light'] == 'rgb(255, 255, 255)' and paper['dark'] != paper['light']


def test_what_is_missing_or_unsure(clip, page):
    "Gaps, no confidence, known uncertainty, other lengths: the player plays on."
    xyz = clip[2].xyz().copy()
    xyz[10:20] = np.nan; xyz[:, 5] = np.nan
    pose = PoseSequence.from_arrays(xyz, fps=FPS, frame='world')
    path = SideBySide(PosePlayer(pose, title='gaps', trail=10), PosePlayer(clip[2].replace(position_std=np.full((N, 68, 3), .03)), title='<i>unsure')).to_html(clip[0] / 'gaps.html')
    page.open(path.as_uri())
    for i in (0, 9, 15, 25): page.run(f'{PLAYER}.player.seek({i})'); stands_at(page, i)
    page.screenshot(SHOTS / 'unsure.png')
    assert page.run(f'{PLAYER}.shadowRoot.querySelector("figcaption + .label + .presets") !== null')
    assert '<i>unsure' in page.run(f'{PLAYER}.shadowRoot.textContent')
    # halos make a difference, and can be switched off
    canvas = SPACE.replace('figure.space canvas', 'figure.space:nth-child(2) canvas')
    with_halos = page.run(canvas)
    page.run(f'{PLAYER}.shadowRoot.querySelector("[data-toggle=halos]").click()'); time.sleep(.2)
    assert page.run(canvas) != with_halos and page.errors == []


def pixels(page, selector, expression, start='0'):
    "A sum over the pixels of a canvas inside the player: `expression` of r, g, b, a, x, y."
    return page.run(f'''(() => {{ const c = {PLAYER}.shadowRoot.querySelector("{selector}"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data; let n = {start};
      for (let i = 0; i < d.length; i += 4) {{ const [r, g, b, a] = [d[i], d[i+1], d[i+2], d[i+3]], x = (i/4) % c.width, y = Math.floor(i/4/c.width); n += {expression}; }} return n; }})()''')

def joint(page, view, name, names):
    "Where a joint is on its canvas, and on the page: ((x, y), (x, y)) px."
    x, y = page.run(f'(p => [p.x, p.y])({PLAYER}.player.joints({view})[{names.index(name)}])')
    left, top = page.run(f'(r => [r.x, r.y])({PLAYER}.shadowRoot.querySelectorAll("figure canvas")[{view}].getBoundingClientRect())')
    return (x, y), (left + x, top + y)


def test_sides_confidence_and_footfalls_are_drawn(clip, page):
    "Before and after beside one another: what is unsure is pale, left is orange and right is blue, and the strip shows who stands."
    xyz, names = clip[2].xyz(), list(clip[2].skeleton.names)
    camera = np.stack([-xyz[..., 1], -xyz[..., 2], xyz[..., 0] + 8], -1)
    before = PoseSequence.from_arrays(camera, np.full((N, 68), .1), fps=FPS, frame='camera')
    after = PoseSequence.from_arrays(camera, np.ones((N, 68)), fps=FPS, frame='camera')
    path = SideBySide(PosePlayer(before, title='before'), PosePlayer(after, title='after'), PosePlayer(clip[2], title='refined')).to_html(clip[0] / 'sides.html')
    page.open(path.as_uri()); stands_at(page, 0)
    ink = [pixels(page, f'figure:nth-child({i}) canvas', 'a*(255 - Math.min(r, g, b))') for i in (1, 2)]
    assert 0 < ink[0] < .55*ink[1], f'unsure joints are as dark as sure ones: {ink}'
    page.run(f'[...{PLAYER}.shadowRoot.querySelectorAll("figure:nth-child(3) .presets button")].find(b => b.textContent === "front").click()'); time.sleep(.2)
    for side, warm in (('L', True), ('R', False)):
        x, y = joint(page, 2, f'f_hoof.{side}', names)[0]
        r, _, b = page.run(f'[...{PLAYER}.shadowRoot.querySelectorAll("figure canvas")[2].getContext("2d").getImageData({x}, {y}, 1, 1).data.slice(0, 3)]')
        assert (r > b + 60) if warm else (b > r + 60), f'the hoof on the {side} is drawn in {r}, {b}'
    stood = clip[2].contact()
    for foot in range(4):
        row = page.run(f'''(() => {{ const c = {PLAYER}.shadowRoot.querySelector(".strip canvas"), g = c.getContext("2d"), x = t => 30 + (c.width - 36)*t/{N - 1};
          return [...Array({N}).keys()].map(t => {{ const d = g.getImageData(Math.round(x(t)), {7 + 13*foot}, 1, 1).data; return Math.max(d[0], d[1], d[2]) - Math.min(d[0], d[1], d[2]) > 60; }}); }})()''')
        assert (np.array(row)[3:-2] == stood[3:-2, foot]).mean() > .98, f'the strip shows other steps for foot {foot}'
    page.screenshot(SHOTS / 'sides.png')
    assert page.errors == []


def test_every_switch_changes_the_picture(clip, page):
    sigma = np.full((N, 68, 3), .03)
    path = SideBySide(OverlayPlayer(clip[0] / 'clip.mp4', clip[1], width=320), PosePlayer(clip[2], sigma=sigma)).to_html(clip[0] / 'switches.html')
    page.open(path.as_uri()); page.run(f'{PLAYER}.player.seek(60)'); stands_at(page, 60)
    for key, views in (('trails', (1, 2)), ('follow', (2,)), ('halos', (2,)), ('bare', (1,))):
        look = lambda: [pixels(page, f'figure:nth-child({i}) canvas', '((r + 3*g + 7*b + 11*a)*(x + 2*y)) % 9973') for i in views]
        was = look()
        page.run(f'{PLAYER}.shadowRoot.querySelector("[data-toggle={key}]").click()'); time.sleep(.2); changed = look()
        page.run(f'{PLAYER}.shadowRoot.querySelector("[data-toggle={key}]").click()'); time.sleep(.2)
        assert all(a != b for a, b in zip(was, changed)) and look() == was, f'{key} changes nothing, or does not come back'
    page.run(f'{PLAYER}.focus()')
    for key, speed in (('ArrowUp', '2'), ('ArrowDown', '1'), ('ArrowDown', '0.5')):
        page.key(key); assert page.run(f'{PLAYER}.shadowRoot.querySelector(".speed").value') == speed
    assert page.errors == []


def test_a_joint_that_is_pointed_at_tells_its_name_and_spread(clip, page):
    "By mouse and by finger; the label goes along with its joint, and the uncertainty of all hides no leg."
    names = list(clip[2].skeleton.names)
    path = PosePlayer(clip[2], sigma=np.full((N, 68, 3), .05)).to_html(clip[0] / 'pointed.html')
    page.open(path.as_uri()); stands_at(page, 0)
    label = f'{PLAYER}.shadowRoot.querySelector(".label")'
    (_, at), cloud = joint(page, 0, 'f_hoof.L', names), pixels(page, 'figure canvas', '(a > 150 && r > 200 && b < 160)')
    page.mouse(at); page.wait(f'!{label}.hidden')
    told = page.run(f'{label}.textContent')
    assert told.startswith('f_hoof.L ·') and told.endswith('± 5.0 cm'), told
    where = page.run(f'{label}.style.left'); page.run(f'{PLAYER}.player.seek(4)'); stands_at(page, 4)
    assert page.run(f'{label}.style.left') != where, 'the label stayed where its joint had been'
    page.screenshot(SHOTS / 'pointed.png')
    page.run(f'{PLAYER}.shadowRoot.querySelector("[data-toggle=halos]").click(); {PLAYER}.player.seek(0)'); stands_at(page, 0); time.sleep(.2)
    assert pixels(page, 'figure canvas', '(a > 150 && r > 200 && b < 160)') > .9*cloud, 'the clouds are as strong as the legs'
    touch = lambda kind, *points: page.call('Input.dispatchTouchEvent', type=kind, touchPoints=[dict(x=x, y=y) for x, y in points])
    at = joint(page, 0, 'head', names)[1]
    touch('touchStart', at); touch('touchEnd')
    page.wait(f'{label}.textContent.startsWith("head ·") && !{label}.hidden')
    assert page.errors == []


# --- JupyterLab

CELLS = ['from kinequimation.player import *\nfrom kinequimation.pose import PoseSequence\np2, p3 = (PoseSequence.load(f"pose{d}d.nc") for d in (2, 3))',
         'w = {make}.show("A trot")\nw']
MAKE = {'overlay': 'OverlayPlayer("clip.mp4", p2, width=320)', 'space': 'PosePlayer(p3)'}
MAKE['both'] = f'SideBySide({", ".join(MAKE.values())})'

NOTEBOOK = '[...jupyterapp.shell.widgets("main")].find(w => w.context && w.content.widgets)'


def notebook(path, form):
    cells = [dict(cell_type='code', id=f'c{i}', execution_count=None, metadata={}, outputs=[], source=s.replace('{make}', MAKE[form])) for i, s in enumerate(CELLS)]
    kernel = dict(kernelspec=dict(name='python3', display_name='Python 3', language='python'), language_info=dict(name='python'))
    path.write_text(json.dumps(dict(cells=cells, metadata=kernel, nbformat=4, nbformat_minor=5)))


@contextmanager
def jupyterlab(folder):
    "The address of a JupyterLab on the loopback interface, with `folder` as its root and nothing of the user's settings."
    with socket.socket() as s: s.bind(('127.0.0.1', 0)); port = s.getsockname()[1]
    own = {name: str(folder / '.jupyter' / name.lower()) for name in ('JUPYTER_CONFIG_DIR', 'JUPYTER_RUNTIME_DIR', 'JUPYTERLAB_SETTINGS_DIR', 'JUPYTERLAB_WORKSPACES_DIR', 'IPYTHONDIR')}
    command = [sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', '--ip=127.0.0.1', f'--port={port}', '--ServerApp.port_retries=0', f'--ServerApp.root_dir={folder}', '--IdentityProvider.token=',
               '--ServerApp.password=', '--LabApp.expose_app_in_browser=True', '--LabApp.news_url=', '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate']
    with open(folder / 'lab.log', 'w') as log:
        process = subprocess.Popen(command, cwd=folder, env=dict(os.environ, PYTHONPATH=str(ROOT), **own), stdout=log, stderr=log)
    try:
        end = time.monotonic() + 180
        while True:
            try: socket.create_connection(('127.0.0.1', port), timeout=1).close(); break
            except OSError:
                if time.monotonic() > end or process.poll() is not None: raise TimeoutError('JupyterLab did not start: ' + (folder / 'lab.log').read_text()[-1500:])
                time.sleep(.1)
        yield f'http://127.0.0.1:{port}'
    finally:
        process.terminate()
        try: process.wait(20)
        except subprocess.TimeoutExpired: process.kill(); process.wait()


@pytest.fixture(scope='module')
def lab(clip):
    missing = [n for n in ('jupyterlab', 'anywidget') if importlib.util.find_spec(n) is None]
    if missing:
        warnings.warn(f'THE PLAYERS WERE NOT TRIED IN JUPYTERLAB: no {missing} here')
        pytest.skip(f'NO {missing}: make install')
    for form in MAKE: notebook(clip[0] / f'{form}.ipynb', form)
    with jupyterlab(clip[0]) as address: yield address, clip[0]


@pytest.mark.parametrize('form', MAKE)
def test_jupyterlab(form, lab, page):
    with browser() as own: play_in_lab(form, *lab, own)   # a browser of its own: JupyterLab asks before it lets a changed notebook go


def play_in_lab(form, lab, folder, page):
    page.size(1100, 1000)
    page.open(f'{lab}/lab/tree/{form}.ipynb?reset')
    page.wait(f'window.jupyterapp && {NOTEBOOK} && {NOTEBOOK}.sessionContext.session?.kernel?.status === "idle"', timeout=240)
    page.run(f'jupyterapp.shell.activateById({NOTEBOOK}.id)')
    page.run('jupyterapp.commands.execute("application:toggle-left-area")')
    page.run('jupyterapp.commands.execute("notebook:run-all-cells")')
    page.wait(f'{PLAYER} && {PLAYER}.player', timeout=240)
    page.events[:] = [e for e in page.events if e.get('method') == 'Network.requestWillBeSent']   # what JupyterLab itself complains of while it starts is not ours
    active = NOTEBOOK + '.content.activeCellIndex'
    before = page.run(active)
    rate = drive(page, *FORMS[form])
    assert page.run(active) == before, 'the arrows moved through the notebook'
    page.screenshot(SHOTS / f'lab_{form}.png')
    assert [u for u in page.requests if not u.startswith((lab, 'data:', 'blob:', lab.replace('http', 'ws')))] == []
    # Python knows where it stands: the widget's frame is that of the browser
    page.run(f'{PLAYER}.player.seek(42)')
    code, told = 'import pathlib; pathlib.Path("frame.txt").write_text(str(w.frame))', None
    for _ in range(40):
        page.run(f'{NOTEBOOK}.sessionContext.session.kernel.requestExecute({{code: {json.dumps(code)}}}).done.then(() => 1)')
        told = (folder / 'frame.txt').read_text()
        if told == '42': break
        time.sleep(.1)
    assert told == '42'
    # it goes with JupyterLab into the dark, and back
    for theme, dark in (('Dark', 'true'), ('Light', 'false')):
        page.run(f'jupyterapp.commands.execute("apputils:change-theme", {{theme: "JupyterLab {theme}"}})')
        page.wait(f'{PLAYER}.classList.contains("dark") === {dark}', timeout=30)
        page.wait('!document.querySelector("#jupyterlab-splash")')
        if dark == 'true': page.screenshot(SHOTS / f'lab_{form}_dark.png')
    print(f'{form} in JupyterLab: {rate:.1f} frames a second')
    assert rate >= 25
