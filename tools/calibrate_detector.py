"""Makes a detector's confidence mean something: fits the share of points that are right to its scores, and how far off they are, on held-out pictures, draws the line between a
horse and none on the pictures for training (the held-out ones are what it is measured on), and writes all three into the weights.

    python tools/calibrate_detector.py data/synthetic [--weights detector.onnx] [--limit 400]
"""
import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import onnx  # noqa: E402

from kinequimation.accuracy_2d import answer, fit_found, fit_scores, load_pictures  # noqa: E402
from kinequimation.certainty import fit_spread  # noqa: E402
from kinequimation.detect import Detector  # noqa: E402
from kinequimation.evaluate import markdown_table  # noqa: E402
from kinequimation.files import atomic_path  # noqa: E402
from kinequimation.weights import METADATA_KEY  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument('data', type=Path, help='labelled pictures that the detector was not trained on')
parser.add_argument('--weights', type=Path, default=ROOT/'kinequimation/assets/models/detector.onnx')
parser.add_argument('--threads', type=int)
parser.add_argument('--limit', type=int, default=400, help='pictures for each of the two')
args = parser.parse_args()
detector = Detector(args.weights, threads=args.threads)
detector.calibration = None
pictures, set_ = load_pictures(args.data, args.limit)
answer(pictures, detector, hows=('given', 'once'))
table, rows = fit_scores(pictures, set_)
print(markdown_table(rows))

new = dict(calibration=table)
if len(set_) == len(detector.skeleton):   # labels of all keypoints: in films, which are looked at once
    horses = [p for p in pictures if p.true is not None]
    off = np.array([(p.said['once'][0] - p.true)/p.side for p in horses])
    new['far_off'] = fit_spread(np.array([p.said['once'][1] for p in horses]), off)
if (args.data/'annotations'/'train.json').exists() and not detector.least:   # where there is a verdict, `fit_verdict.py` has drawn both lines together
    claims = {True: [], False: []}
    for p in load_pictures(args.data, part='train')[0]:
        if len(claims[p.true is not None]) < args.limit: claims[p.true is not None].append(detector.seek(cv2.imread(str(p.path)))[2])
    new['found'], rows = fit_found(claims[True], claims[False])
    print(markdown_table(rows))
graph = onnx.load(str(args.weights))
onnx.helper.set_model_props(graph, {METADATA_KEY: json.dumps(detector.meta | new)})
with atomic_path(args.weights) as partial: onnx.save(graph, str(partial))
print(args.weights.name)
