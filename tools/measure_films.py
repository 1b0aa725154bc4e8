"""How far off the horse is at the end of the way from a video to space: films of horses, places and cameras that no training has seen, rendered, detected, lifted, refined.

    python tools/measure_films.py data/films [-n 18] [--json nbs/benchmarks.json]
    python tools/measure_films.py data/films --turns -n 8
    python tools/measure_films.py data/films --first 18 --fit

Renders what is not there yet (half a minute a film on two cores), forty frames in each of the gaits in turn, from any side, the camera going along or standing; with `--turns`, of a camera that stands and turns after a horse that passes.
With `--fit` it tells what the lifter's standard deviations have to add for each metre that the detector tells a keypoint to be off (`lift._AS_TOLD`), and by how much doubtful legs are played down (`swing._PLAYED_DOWN`), from other films than those of the table.
"""
import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from kinequimation import swing  # noqa: E402
from kinequimation.detect import Detector  # noqa: E402
from kinequimation.evaluate import evaluate_2d, evaluate_3d, load_film, markdown_table, true_root, write_benchmarks  # noqa: E402
from kinequimation.gait import GAITS  # noqa: E402
from kinequimation.lift import Lifter, _told_off  # noqa: E402
from kinequimation.pose import PoseSequence  # noqa: E402
from kinequimation.refine import fit_trunk  # noqa: E402
from kinequimation.render import render_clip  # noqa: E402

SEED, FRAMES = 910_000, 40   # of the first film; above HELD_OUT_SEED


def gait_of(i, turns=False):
    "That of film number i; a horse that stands does not pass."
    gaits = GAITS[1:] if turns else GAITS
    return gaits[i % len(gaits)]


def filmed(folder, i, turns=False):
    "The folder of film number i; `turns`: the camera stands, and turns after a horse that passes."
    out, rng = Path(folder)/(f'turns-{i:02d}' if turns else f'{i:02d}'), np.random.default_rng([78 if turns else 77, i])
    azimuth = rng.choice([0, 180]) + rng.uniform(-50, 50) if turns else rng.uniform(-180, 180)
    follow = not turns and bool(rng.random() < .6)
    if not (out/'clip.mp4').exists():
        render_clip(out, gait_of(i, turns), FRAMES, 25, SEED + i + 10_000*turns, (480, 270), follow=follow, azimuth_deg=float(azimuth), turns=turns)
    return out


def misses(folder, detector, lifter, threads):
    "Of one film from detected 2D: how far off each coordinate is, how far the lifter alone tells it to be, how far the keypoints are told to be (T, 67, 3) m; and of `swings`."
    film, lifter = load_film(folder), Lifter(lifter, threads=threads)
    pose2d = Detector(detector, threads=threads).predict_video(film.video)
    alone = lifter(PoseSequence(pose2d.ds.drop_vars('position_std')))
    off = _told_off(pose2d, alone.root_location(), alone.focal_px)
    return *[a[:, 1:] for a in (np.abs(alone.xyz() - true_root(film.pose3d)), alone.position_std(), np.repeat(off[..., None], 3, -1))], swings(lifter(pose2d), true_root(film.pose3d))

PLAYED_DOWN = np.arange(0, 10.5, .5)

def swings(lifted, true):
    "For each number of PLAYED_DOWN and each leg, the logarithm of how many times as far it went to and fro, and up and down, as it is let (N, 4, 2); NaN for a horse that stands."
    xyz, out = lifted.xyz().astype(float), []
    swung = [swing.hooves_about(p, fit_trunk(p)).std(0) for p in (true, xyz)]
    for c in PLAYED_DOWN:
        swing._PLAYED_DOWN = [(c, c)]
        out.append(np.log(swung[0]/swung[1]/swing.played_down(xyz, lifted.position_std().astype(float), fit_trunk(xyz), lifted.fps, detected=True).mean(0)))
    return np.where(swung[0][:, :1] > .1, out, np.nan)


def fitted(films, share=.6827):
    "Along x, y and z of the camera: what to take a keypoint's spread times, so that 68 % of the coordinates are within both together; across the view one number."
    off, alone, told = (np.concatenate(a) for a in list(zip(*films))[:3])
    times = lambda axes: np.quantile((np.sqrt(np.maximum(off**2 - alone**2, 0))/told)[..., axes], share)
    return [round(float(times(axes)), 2) for axes in ([0, 1], [0, 1], [2])]


def summed(films):
    "One row for each 2D and each stage, over all films."
    keys = dict.fromkeys((r['from_2d'], r['after']) for r in films)
    of = lambda key, what: np.array([r[what] for r in films if (r['from_2d'], r['after']) == key])
    return [dict(from_2d=key[0], after=key[1], films=len(of(key, 'mpjpe_mm')), **{f'{name}_mm': round(float(reduce(of(key, what))), 1) for name, what, reduce in (
        ('mean', 'mpjpe_mm', np.mean), ('median', 'mpjpe_mm', np.median), ('worst', 'mpjpe_mm', np.max), ('pa_median', 'pa_mpjpe_mm', np.median))},
        swing=round(float(np.mean([v for v in of(key, 'swing') if v is not None])), 3), **_ways([w for w in of(key, 'way') if w is not None]), within_std=round(float(of(key, 'within_std').mean()), 3), worst_within=round(float(of(key, 'within_std').min()), 3)) for key in keys]


def _ways(ways):
    "How far the horse came against how far it did: the median, and by what share half of the films are more off; '' for poses that have no place."
    return dict(way=round(float(np.median(ways)), 3) if ways else '', way_off=round(float(np.median(np.abs(np.array(ways) - 1))), 3) if ways else '')


def summed_2d(films):
    "The same for what the detector found, one row."
    of = lambda what: np.array([r[what] for r in films if r['missed'] < 1])
    told = of('within_std')
    return [dict(films=len(films), **{k: round(float(of(k).mean()), 3) for k in ('pck@0.05', 'pck@0.10', 'hidden_pck@0.10')}, within_std=round(float(told.mean()), 3),
                 worst=round(float(told.min()), 3), best=round(float(told.max()), 3))]


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument('data', type=Path, help='where the films are, or are to be')
parser.add_argument('-n', type=int, default=18, help='films')
parser.add_argument('--first', type=int, default=0, help='the number of the first one')
parser.add_argument('--turns', action='store_true', help='films of a camera that turns after a horse that passes')
parser.add_argument('--fit', action='store_true', help='fit the spread in space instead of measuring')
parser.add_argument('--detector', help="weights, or 'synthetic'; the shipped ones if not given")
parser.add_argument('--lifter', type=Path, help='weights; the shipped ones if not given')
parser.add_argument('--threads', type=int)
parser.add_argument('--json', type=Path, help='also put the table there')
args = parser.parse_args()
numbers = range(args.first, args.first + args.n)
if args.fit:
    told = [misses(filmed(args.data, i, args.turns), args.detector, args.lifter, args.threads) for i in numbers]
    print('_AS_TOLD =', fitted(told))
    for way, left in zip(('to and fro', 'up and down'), np.nanmedian(np.abs(np.concatenate([film[3] for film in told], 1)), 1).T):
        print(f'_PLAYED_DOWN, {way}: {PLAYED_DOWN[left.argmin()]:g}; half of the legs go at least {left.min():.0%} more or less far than they did, {left[0]:.0%} if nothing is made good')
    sys.exit()
films, seen = [], []
for i in numbers:
    film = filmed(args.data, i, args.turns)
    films += [r | dict(data=gait_of(i, args.turns)) for r in evaluate_3d(film, args.lifter, args.detector, args.threads)]
    seen += evaluate_2d(film, args.detector, args.threads)[1:]
    print(f'{len(seen)} of {args.n}: {films[-1]["data"]}, ' + ', '.join(f'{r["from_2d"]} {r["after"]} {r["mpjpe_mm"]:.0f}' for r in films[-4:]), file=sys.stderr, flush=True)
command = f'python tools/measure_films.py {args.data.name if args.data.is_absolute() else args.data} -n {args.n}' + f' --first {args.first}'*bool(args.first) + ' --turns'*args.turns
first = dict(data='turning') if args.turns else {}
for title, rows in (('2d films', summed_2d(seen)), ('3d films', summed(films))):
    rows = [first | r for r in rows]
    print(markdown_table(rows))
    if args.json: write_benchmarks(args.json, title, rows, command)
