"""Fits the landmark maps anew, on the skin of synthetic horses: writes kinequimation/assets/skeletons/landmarks_*.json. Needs Blender (pip install 'kinequimation[blender]').

    python tools/fit_landmarks.py [--horses 120] [--seed 0]
"""
import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from kinequimation.landmark_maps import fit_landmarks  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument('--horses', type=int, default=120)
parser.add_argument('--seed', type=int, default=0)
args = parser.parse_args()
for path in fit_landmarks(ROOT/'kinequimation/assets/skeletons', args.horses, args.seed): print(path.relative_to(ROOT))
