# SPDX-License-Identifier: GPL-3.0-or-later
"""How near the rig's DEF bones come to a clip, read back in Blender after evaluation: JSON with medians and percentiles.

    python blender/scripts/measure_retarget.py clip.npz --skeleton horse.json -o retarget.json
"""
import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from kinequimation_blender import child, files, retarget, rig, scene


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--skeleton", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    skeleton = files.read_skeleton(args.skeleton)
    clip = files.read_clip(args.clip, skeleton)
    frames = scene.new_scene(clip["meta"]["fps"], len(clip["rotation"]))
    horse, start = rig.build_rig(), time.perf_counter()
    source = retarget.retarget(horse, skeleton, clip, retarget.read_mapping(), frames, args.clip.stem, lambda i, n: child.report(stage="keys", done=i, total=n + 1))
    seconds = time.perf_counter() - start
    result = summary(skeleton["names"], *retarget.measure(horse, skeleton, source, frames), seconds)
    with files.atomic_path(args.output) as partial:
        partial.write_text(json.dumps(result, indent=1) + "\n")
    child.report(median_mm=result["median_mm"], p99_mm=result["p99_mm"])


def summary(names, distance, angle, seconds):
    """Over all frames and bones; hooves apart; the median a bone."""
    hooves = [i for i, n in enumerate(names) if "hoof" in n]
    rounded = lambda x, digits=4: round(float(x), digits)
    return {"n_frames": len(distance), "n_bones": len(names), "seconds": rounded(seconds, 2),
            "median_mm": rounded(np.median(distance)), "mean_mm": rounded(distance.mean()), "p99_mm": rounded(np.percentile(distance, 99)),
            "max_mm": rounded(distance.max()), "hoof_max_mm": rounded(distance[:, hooves].max()), "median_deg": rounded(np.median(angle)),
            "per_bone_mm": {n: rounded(np.median(distance[:, i])) for i, n in enumerate(names)},
            "per_bone_max_mm": {n: rounded(distance[:, i].max()) for i, n in enumerate(names)}}


child.run(main)
