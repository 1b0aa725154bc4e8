"""What the detector does wrong on rendered pictures that no training has seen: for the lifter to be measured with (and to learn from), and for the detector to tell how far off its keypoints may be.

    python tools/measure_errors.py data/synthetic-seed33 [--weights detector.onnx] [-o kinequimation/assets/models]

Writes detector_errors.npz and detector_film_errors.npz, and into the weights how far off a keypoint with a certain score is (`far_off`), fitted on the half of the horses with which no lifter is measured.
"""
import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import onnx  # noqa: E402

from kinequimation.certainty import fit_spread, spread_of  # noqa: E402
from kinequimation.detect import Detector, calibrate  # noqa: E402
from kinequimation.evaluate import markdown_table  # noqa: E402
from kinequimation.files import atomic_path  # noqa: E402
from kinequimation.lifter_baselines import detector_errors, film_errors  # noqa: E402
from kinequimation.weights import METADATA_KEY  # noqa: E402


def written(path, **found):
    with atomic_path(path) as partial: np.savez_compressed(partial, **found)
    return path


def calibrated(found, table):
    "With confidences as the detector tells them, from the network's own scores."
    own = found['confidence'].astype(float)
    return found | dict(confidence=np.where(own > 0, calibrate(own, table), 0).astype(np.float16))


def offsets(found, half):
    "(scores (n, 68), errors (n, 68, 2) NaN = not seen) of the horses of one half."
    scores = found['confidence'][half].astype(float)
    return scores, np.where((scores > 0)[..., None], found['error'][half].astype(float), np.nan)


def row_of(name, scores, errors, table):
    "How good the points are, and how many coordinates are within the told spread."
    off, within = np.linalg.norm(errors, axis=-1), np.abs(errors) <= spread_of(scores, table)[..., None]
    seen = np.isfinite(off)
    return dict(horses=name, pictures=len(off), **{f'pck@{t}': round(float((off[seen] <= t).mean()), 3) for t in (.05, .1)}, within_std=round(float(within[seen].mean()), 3))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('data', type=Path, help='what render-dataset wrote')
    parser.add_argument('--weights', type=Path, default=ROOT/'kinequimation/assets/models/detector.onnx')
    parser.add_argument('-o', '--out', type=Path, default=ROOT/'kinequimation/assets/models')
    parser.add_argument('--threads', type=int)
    args = parser.parse_args()
    detector = Detector(args.weights, threads=args.threads)
    table, detector.calibration = detector.calibration, None   # the network's own scores first
    stills, films = detector_errors(args.data, detector=detector), film_errors(args.data, detector=detector)
    args.out.mkdir(parents=True, exist_ok=True)
    files = [written(args.out/f'{name}.npz', **calibrated(found, table)) for name, found in (('detector_errors', stills), ('detector_film_errors', films))]
    far_off = fit_spread(*offsets(stills, ~stills['held_out']))
    graph = onnx.load(str(args.weights))
    onnx.helper.set_model_props(graph, {METADATA_KEY: json.dumps(detector.meta | dict(far_off=far_off))})
    with atomic_path(args.weights) as partial: onnx.save(graph, str(partial))
    print(markdown_table([row_of(name, *offsets(stills, half), far_off) for name, half in (('fitted on', ~stills['held_out']), ('held out', stills['held_out'])) if half.any()]))
    for path in (*files, args.weights): print(path)


if __name__ == '__main__': main()
