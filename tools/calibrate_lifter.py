"""Makes the standard deviations of a lifter mean something, without training: fits them to its errors on generated motion that it has not learned from, and
writes them into the weights. Its tensors stay as they are.

    python tools/calibrate_lifter.py [lifter.onnx lifter_causal.onnx] [--clips 90]
"""
import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from kinequimation.train_lifter import calibrated  # noqa: E402

MODELS = ROOT/'kinequimation/assets/models'
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument('weights', type=Path, nargs='*', default=[MODELS/'lifter.onnx', MODELS/'lifter_causal.onnx'])
parser.add_argument('--clips', type=int, default=90, help='of motion: a third true, a third with replayed errors, a third with few landmarks')
args = parser.parse_args()
for path in args.weights: print(calibrated(path, n_clips=args.clips).name)
