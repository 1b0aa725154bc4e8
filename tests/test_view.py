"""`kinequimation view` with what people give it: a page that plays, or one line, exit code 2 and nothing half-written."""
import shutil
import sys

import numpy as np
import pytest

from kinequimation.cli import main
from kinequimation.files import assets_dir
from kinequimation.pose import PoseSequence

CLIPS = assets_dir()/'clips'


@pytest.fixture(scope='module')
def things(tmp_path_factory):
    "Good files and bad ones, in one folder."
    folder = tmp_path_factory.mktemp('view')
    for d in (2, 3): shutil.copy(CLIPS/f'demo_pose{d}d.nc', folder/f'good{d}.nc')
    good2, good3 = (PoseSequence.load(folder/f'good{d}.nc') for d in (2, 3))
    for name, pose, n in (('none2', good2, 0), ('none3', good3, 0), ('short3', good3, 9)): pose.ds.isel(time=slice(0, n)).to_netcdf(folder/f'{name}.nc')
    good3.replace(position=np.full(good3.xyz().shape, np.nan)).save(folder/'unknown3.nc')
    (folder/'text.nc').write_text('a shopping list'); (folder/'text.mp4').write_text('a shopping list'); (folder/'empty.nc').touch(); (folder/'empty.mp4').touch()
    for whole, cut in ((CLIPS/'demo_pose2d.nc', 'cut.nc'), (CLIPS/'demo.mp4', 'cut.mp4')): (folder/cut).write_bytes(whole.read_bytes()[:whole.stat().st_size//2])
    np.savez(folder/'clip.npz', a=1)
    (folder/'folder').mkdir()
    return folder


def view(folder, words, monkeypatch, capsys):
    "(exit code, lines on stdout, lines on stderr, names that are new) of one call in that folder."
    before = set(folder.rglob('*'))
    monkeypatch.chdir(folder); monkeypatch.setattr(sys, 'argv', ['kinequimation', 'view', *words, '--no-browser'])
    try: main(); code = 0
    except SystemExit as end: code = end.code or 0
    said = capsys.readouterr()
    return code, said.out.splitlines(), said.err.splitlines(), sorted(p.name for p in set(folder.rglob('*')) - before)


BAD = {   # what is typed: what the line has to say
    'missing.nc': 'missing.nc does not exist', 'text.nc': 'text.nc can not be read', 'empty.nc': 'empty.nc is empty', 'cut.nc': 'cut.nc can not be read', 'clip.npz': 'clip.npz can not be read',
    'none2.nc': 'at least one frame', 'none3.nc': 'at least one frame', 'unknown3.nc': 'all of them are missing', 'folder': 'neither pose2d.nc nor pose3d.nc', 'good3.nc short3.nc': 'poses of one clip',
    'good2.nc --video missing.mp4': 'missing.mp4 does not exist', 'good3.nc --video missing.mp4': 'missing.mp4 does not exist', 'good2.nc --video text.mp4': 'cannot read as a video', 'good2.nc --video empty.mp4': 'empty.mp4 is empty',
    'good2.nc --video cut.mp4': 'breaks off', 'good2.nc --video folder': 'folder is a folder', f'good2.nc --video {CLIPS}/heldout.mp4': 'Is it the same video?', 'good3.nc -o page.txt': 'ends in .html',
}

@pytest.mark.parametrize('typed', BAD, ids=lambda typed: typed.replace(f'{CLIPS}/', ''))
def test_bad_input_is_one_line(typed, things, monkeypatch, capsys):
    words = typed.split() + ([] if '-o' in typed else ['-o', 'page.html'])
    code, out, err, new = view(things, words, monkeypatch, capsys)
    assert (code, out, new) == (2, [], []) and len(err) == 1 and BAD[typed] in err[0], f'{code} {out} {err} {new}'


def test_a_page_and_what_it_lacks(things, monkeypatch, capsys):
    film = str(CLIPS/'demo.mp4')
    for words, hint in ((['good2.nc', 'good3.nc', '--video', film], ''), (['good2.nc'], 'Name it with --video'), (['good3.nc', '--video', film], 'demo.mp4 is not shown')):
        code, out, err, new = view(things, [*words, '-o', 'page.html'], monkeypatch, capsys)
        assert (code, out, new) == (0, ['page.html'], ['page.html']), f'{code} {out} {err} {new}'
        assert hint in ' '.join(err) and ('image/webp' in (things/'page.html').read_text(encoding='utf-8')) == (words[0] == 'good2.nc' and film in words)
        (things/'page.html').unlink()
