"""How often the detector finds the horse, and keeps silent where there is none, in all pictures of a rendered set that no training has seen.

    python tools/measure_finder.py data/synthetic-seed33 [--json nbs/benchmarks.json]
"""
import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from kinequimation.accuracy_2d import answer, found_figures, load_pictures  # noqa: E402
from kinequimation.detect import Detector  # noqa: E402
from kinequimation.evaluate import markdown_table, write_benchmarks  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument('data', type=Path, help='what render-dataset wrote')
parser.add_argument('--weights', type=Path, help='a detector; the shipped one if not given')
parser.add_argument('--threads', type=int)
parser.add_argument('--json', type=Path, help='also put the table there')
args = parser.parse_args()
pictures = [p for part in ('train', 'val') for p in load_pictures(args.data, part=part)[0]]
answer(pictures, Detector(args.weights, threads=args.threads), hows=('found',),
       progress=lambda done, total: print(f'\r{done} of {total}', end='', file=sys.stderr))
rows = [dict(data=args.data.name, horses=int(sum(p.true is not None and p.shows for p in pictures)), **found_figures(pictures))]
print(markdown_table(rows))
if args.json: write_benchmarks(args.json, '2d finder', rows, f'python tools/measure_finder.py {args.data.name if args.data.is_absolute() else args.data}')
