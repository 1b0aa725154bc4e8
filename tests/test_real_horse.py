"The real horse: reading markers, finding footfalls (on motion whose contacts are known), and the generator beside the recordings."
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinequimation.files import InputError
from kinequimation.gait import generate
from kinequimation.real_horse import BODY, HOOVES, WITHIN, Markers, analyse, as_markers, belt_speed, compare, evaluate_gait, event_errors, hoof_events, read_markers, twin

VHDC = Path(__file__).resolve().parents[2]/'shared'/'data'/'vhdc'
needs_data = pytest.mark.skipif(not VHDC.is_dir(), reason='the recordings of the real horse (../shared/data/vhdc, Vienna Horse Data Collection) are not at hand')
COLUMNS = dict(head='Head', withers='Withers', sacrum='Sacrum') | {'left fore': 'HFL', 'right fore': 'HFR', 'left hind': 'HHL', 'right hind': 'HHR'}


def _write(path, m, cut=0, exchanged=False):
    "Markers as a file of the collection: millimetres, times rounded to milliseconds."
    order = ['head', 'withers', 'sacrum', 'left fore', 'right fore', 'left hind', 'right hind']
    xyz = 1e3*m.at(*order).reshape(len(m), -1)
    if exchanged: xyz = 1e3*m.at(*[{'left fore': 'right fore', 'right fore': 'left fore'}.get(n, n) for n in order]).reshape(len(m), -1)
    lines = [','.join(['"Frame"', '"Time"'] + [f'"{COLUMNS[n]}{x}"' for n in order for x in 'XYZ'])]
    lines += [f'{i + 1},{i/m.fps:.3f},' + ','.join(f'{v:.5f}' for v in row) for i, row in enumerate(xyz)]
    if cut: lines[-1] = lines[-1][:-cut]
    path.write_text('\n'.join(lines) + '\n')
    return path


@pytest.fixture(scope='module')
def motion(): return generate('trot', 2.9, n_frames=600, fps=120, skeleton=twin(1.31), seed=4)


def test_a_file_comes_back_as_it_was(tmp_path, motion):
    m = as_markers(motion)
    back = read_markers(_write(tmp_path/'trot.csv', m))
    assert back.fps == 120 and back.notes == () and len(back) == 600
    np.testing.assert_allclose(back.at(*m.names), m.position, atol=1e-7)


def test_faults_of_a_file_are_mended_and_said(tmp_path, motion):
    m = as_markers(motion)
    back = read_markers(_write(tmp_path/'trot.csv', m, cut=20, exchanged=True))
    assert len(back) == 599 and back.fps == 120
    assert back.notes == ('rows cut short, left out: 1', 'left and right fore hoof exchanged, put back')
    np.testing.assert_allclose(back.at('left fore'), m.at('left fore')[:599], atol=1e-7)


@pytest.mark.parametrize('text, message', [('', 'its columns are missing'), ('a,b\n1,2\n', 'Expected frame, time and then X, Y and Z of Head'), (None, 'there is none at')])
def test_bad_files_are_said_in_one_line(tmp_path, text, message):
    if text is not None: (tmp_path/'x.csv').write_text(text)
    with pytest.raises(InputError, match=message): read_markers(tmp_path/'x.csv')


def test_few_rows_and_words_are_refused(tmp_path, motion):
    m = as_markers(motion)
    path = _write(tmp_path/'x.csv', replace(m, position=m.position[:50]))
    with pytest.raises(InputError, match='100 whole rows or more'): read_markers(path)
    path = _write(tmp_path/'x.csv', m)
    path.write_text(path.read_text().replace('\n7,', '\nseven,'))
    with pytest.raises(InputError, match='Expected numbers'): read_markers(path)


@pytest.mark.parametrize('gait, speed', [('walk', 1.5), ('trot', 2.9)])
@pytest.mark.parametrize('fps', [60, 120])
def test_events_are_found_where_the_contacts_are(gait, speed, fps):
    for what, errors in event_errors(gait, speed, fps=fps, seeds=range(3)).items():
        assert len(errors) >= 6 and np.abs(errors).max() < .028 and errors.std() < .006, f'{what}: {1e3*errors.mean():.1f} +- {1e3*errors.std():.1f} ms, worst {1e3*np.abs(errors).max():.0f}'


@pytest.mark.parametrize('gait, speed', [('walk', 1.2), ('walk', 1.8), ('trot', 2.4), ('trot', 3.6)])
def test_strides_come_back(gait, speed):
    for seed in range(3):
        m = generate(gait, speed, n_frames=600, fps=120, seed=seed)
        s, style = analyse(as_markers(m, seed=seed)), m.parts['style']
        assert abs(s.hz/m.stride_hz - 1) < .03 and abs(s.speed/m.speed - 1) < .03
        assert np.abs((s.phase - style.phase + style.phase[0] + .5) % 1 - .5).max() < .02, 'touch-downs'
        assert np.abs(s.duty - style.duty).max() < .05 and s.n >= 3
        assert set(s.paths) == set(BODY) and all(p.shape == (s.n, 101) for p in s.paths.values())
        assert np.abs(s.paths['withers'].mean(1)).max() < 1e-9 and abs(s.height/1.56 - 1) < .06


def test_the_method_notices_what_is_wrong(motion):
    m = as_markers(motion)
    late = m.position.copy(); k = m.names.index('left fore'); late[:, k] = np.roll(late[:, k], 12, axis=0)  # .1 s, .14 of a stride
    off = analyse(Markers('late', late, m.names, m.fps)).phase - analyse(m).phase
    np.testing.assert_allclose((off + .5) % 1 - .5, [0, .1*motion.stride_hz, 0, 0], atol=.02)
    higher = m.position.copy(); k = m.names.index('sacrum'); higher[:, k, 2] = higher[:, k, 2].mean() + 1.5*(higher[:, k, 2] - higher[:, k, 2].mean())
    assert abs(analyse(Markers('higher', higher, m.names, m.fps)).travel('sacrum')/analyse(m).travel('sacrum') - 1.5) < .02
    assert abs(belt_speed(m) - motion.speed) < .03
    with pytest.raises(InputError, match='two strides or more'): analyse(as_markers(generate('stand', n_frames=300, fps=60)))


def test_a_horse_agrees_with_its_like_and_not_with_another(motion):
    own = replace(analyse(as_markers(motion)), name='trot')
    assert compare(own, 6)['misses'].replace('head', '-').strip('-, ') == ''
    wrong = replace(own, hz=own.hz*1.2, phase=own.phase + [0, .1, 0, 0], paths=own.paths | dict(sacrum=2*own.paths['sacrum']))
    assert {'frequency', 'touch-down of the left fore', 'sacrum'} <= set(compare(wrong, 6)['misses'].split(', '))


@needs_data
def test_the_generator_moves_like_the_real_horse():
    rows = evaluate_gait(VHDC, n=8)
    assert len(rows) == 18
    for r in rows: assert set(r['misses'].split(', ')) <= {'-', 'head'}, f'{r["trial"]}: {r["misses"]}'
    assert sum(r['misses'] == '-' for r in rows) >= 12
    walks = [r for r in rows if 'walk' in r['trial']]
    assert abs(np.mean([r['made_head_cm'] for r in walks])/np.mean([r['head_cm'] for r in walks]) - 1) < WITHIN['travel']


@needs_data
def test_the_recordings_are_read_with_their_faults():
    notes = {p.name: read_markers(p).notes for p in VHDC.glob('*.csv')}
    assert {n for n, x in notes.items() if x} == {'Horse1_M2_trot2_kinematics.csv', 'Horse1_M3_trot2_kinematics.csv'}
    rates = {read_markers(p).fps for p in VHDC.glob('*.csv')}
    assert rates == {60., 120.}
    down, up = hoof_events(read_markers(VHDC/'Horse1_M2_trot2_kinematics.csv'))
    assert len(HOOVES) == len(down) == len(up) and all(12 <= len(d) <= 16 for d in down)


def test_the_command_prints_the_table(tmp_path, motion):
    from typer.testing import CliRunner

    from kinequimation.cli import app
    _write(tmp_path/'my_trot.csv', as_markers(motion))
    result = CliRunner().invoke(app, ['evaluate', 'gait', str(tmp_path), '-q', '--json', str(tmp_path/'b.json')], env={'COLUMNS': '200'})
    assert result.exit_code == 0 and 'my_trot' in result.stdout and 'sacrum' in result.stdout, result.output
    assert '"made_hz"' in (tmp_path/'b.json').read_text()
