"""A headless Chromium, driven over its DevTools protocol: open a page, hear what it says and fetches, press things, take a picture."""
import base64
import json
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--enable-unsafe-swiftshader', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--disable-extensions', '--hide-scrollbars', '--mute-audio', '--remote-allow-origins=*']


def chromium():
    "The browser's path, or None."
    return next((p for p in (shutil.which(n) for n in ('chromium', 'chromium-browser', 'google-chrome')) if p), None)


@contextmanager
def served(folder):
    "The address of a server for `folder` on the loopback interface."
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args): pass
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try: yield f'http://127.0.0.1:{server.server_port}'
    finally: server.shutdown()


class Page:
    "One tab: `open` a page, then look at `errors`, `failed` and `requests`."
    def __init__(self, port):
        import urllib.request
        import websocket
        target = json.load(urllib.request.urlopen(f'http://127.0.0.1:{port}/json/list'))
        address = next(t['webSocketDebuggerUrl'] for t in target if t['type'] == 'page')
        self.socket, self.number, self.events = websocket.create_connection(address, timeout=60), 0, []
        for domain in ('Page', 'Network', 'Runtime', 'Log'): self.call(f'{domain}.enable')

    def call(self, method, **params):
        self.number += 1
        self.socket.send(json.dumps(dict(id=self.number, method=method, params=params)))
        while (answer := json.loads(self.socket.recv())).get('id') != self.number: self.events.append(answer)
        if 'error' in answer: raise RuntimeError(f'{method}: {answer["error"]}')
        return answer['result']

    def run(self, script):
        "What a piece of JavaScript gives (promises are awaited)."
        answer = self.call('Runtime.evaluate', expression=script, awaitPromise=True, returnByValue=True)
        if 'exceptionDetails' in answer: raise RuntimeError(answer['exceptionDetails'])
        return answer['result'].get('value')

    def open(self, address, settle=.4, timeout=60):
        "Open a page and wait until it is loaded and `settle` seconds have passed."
        self.events.clear()
        self.call('Page.navigate', url=address)
        end = time.monotonic() + timeout
        while not any(e.get('method') == 'Page.loadEventFired' for e in self.events):
            if time.monotonic() > end: raise TimeoutError(f'{address} did not load in {timeout} s')
            self.run('1'); time.sleep(.02)
        time.sleep(settle)
        self.run('1')   # fetches the events of meanwhile

    def wait(self, script, timeout=20):
        "Wait until the script gives something true."
        end = time.monotonic() + timeout
        while not (value := self.run(script)):
            if time.monotonic() > end: raise TimeoutError(f'{script} stayed {value!r} for {timeout} s')
            time.sleep(.05)
        return value

    def screenshot(self, path):
        Path(path).write_bytes(base64.b64decode(self.call('Page.captureScreenshot')['data']))

    def mouse(self, *path, steps=6):
        "Press the left button at the first (x, y), drag over the others, let go; a click where there is but one."
        at = lambda kind, x, y, **more: self.call('Input.dispatchMouseEvent', type=kind, x=x, y=y, **more)
        at('mouseMoved', *path[0]); at('mousePressed', *path[0], button='left', buttons=1, clickCount=1)
        for (x0, y0), (x1, y1) in zip(path, path[1:]):
            for k in range(1, steps + 1): at('mouseMoved', x0 + (x1 - x0)*k/steps, y0 + (y1 - y0)*k/steps, button='left', buttons=1)
        at('mouseReleased', *path[-1], button='left', clickCount=1)

    def key(self, name, code=0):
        "Press and release a key, as `KeyboardEvent.key` calls it."
        for kind in ('rawKeyDown', 'keyUp'): self.call('Input.dispatchKeyEvent', type=kind, key=name, code='Space' if name == ' ' else name, windowsVirtualKeyCode=code or {' ': 32, 'ArrowLeft': 37, 'ArrowUp': 38, 'ArrowRight': 39, 'ArrowDown': 40, 'Home': 36, 'End': 35}.get(name, 0))

    def offline(self, yes=True): self.call('Network.emulateNetworkConditions', offline=yes, latency=0, downloadThroughput=-1, uploadThroughput=-1)

    def scheme(self, name): self.call('Emulation.setEmulatedMedia', features=[dict(name='prefers-color-scheme', value=name)])

    def size(self, width, height): self.call('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=False)

    def _params(self, method): return [e['params'] for e in self.events if e.get('method') == method]

    @property
    def requests(self): return [p['request']['url'] for p in self._params('Network.requestWillBeSent')]

    @property
    def failed(self):
        "Requests that came to nothing, or to an error of the server."
        urls = {p['requestId']: p['request']['url'] for p in self._params('Network.requestWillBeSent')}
        return ([urls.get(p['requestId'], '?') for p in self._params('Network.loadingFailed') if not p.get('canceled')]
                + [p['response']['url'] for p in self._params('Network.responseReceived') if p['response']['status'] >= 400])

    @property
    def errors(self):
        "What the page complained of: console.error, uncaught exceptions, the browser's own log."
        said = [' '.join(str(a.get('value', a.get('description', ''))) for a in p['args']) for p in self._params('Runtime.consoleAPICalled') if p['type'] in ('error', 'assert')]
        thrown = [p['exceptionDetails'].get('exception', {}).get('description') or p['exceptionDetails']['text'] for p in self._params('Runtime.exceptionThrown')]
        return said + thrown + [p['entry']['text'] + ' ' + p['entry'].get('url', '') for p in self._params('Log.entryAdded') if p['entry']['level'] == 'error']


@contextmanager
def browser():
    "A `Page` of a fresh Chromium."
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen([chromium(), *FLAGS, '--remote-debugging-port=0', f'--user-data-dir={profile}', 'about:blank'],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port, end = Path(profile) / 'DevToolsActivePort', time.monotonic() + 60
            while not (port.exists() and '\n' in port.read_text()):
                if time.monotonic() > end or process.poll() is not None: raise TimeoutError('Chromium did not start')
                time.sleep(.05)
            page = Page(int(port.read_text().split()[0]))
            yield page
            page.socket.close()
        finally:
            process.terminate()
            try: process.wait(20)
            except subprocess.TimeoutExpired: process.kill(); process.wait()
