# SPDX-License-Identifier: GPL-3.0-or-later
"""Where anatomical points of the skin go on horses of any build in any pose: what landmark maps are fitted on.

    python blender/scripts/skin_points.py jobs.jsonl --points skin_points.json --skeleton horse.json --cache DIR -o out.npz

A point is told on the standard horse: from `inside` (m, under the skin) rays go out `towards` some directions, and the point is the mean of where they leave the body.
One ray gives a spot on the skin; four about a limb give its middle, which is where a limb is seen from any side. A job a line: `skeleton` and `clip` (files), `frames`, `look`.
"""
import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from kinequimation_blender import child, files, maths
from synth import horse as horses


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jobs", type=Path)
    parser.add_argument("--points", type=Path, required=True, help="definitions (JSON)")
    parser.add_argument("--skeleton", type=Path, required=True, help="the standard horse's skeleton file")
    parser.add_argument("--cache", type=Path, required=True, help="where the horse's mesh is kept between runs")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    standard, told = files.read_skeleton(args.skeleton), json.loads(args.points.read_text(encoding="utf-8"))["points"]
    skin = horses.load_horse(standard, args.cache)
    corners, shares = located(skin, both_sides(told))
    rows, jobs = [], [json.loads(line) for line in args.jobs.read_text(encoding="utf-8").splitlines() if line.strip()]
    for i, job in enumerate(jobs):
        rows += posed_points(skin, standard, job, corners, shares)
        child.report(stage="horse", done=i + 1, total=len(jobs))
    with files.atomic_path(args.output) as partial:
        np.savez(partial, names=np.array(list(both_sides(told))), points=np.array([p for p, _ in rows]), heads=np.array([h for _, h in rows]))


def both_sides(told):
    """The points with those of the right, `.R`, which mirror the left ones, `.L`."""
    out = {}
    for name, point in told.items():
        out[name] = [(np.array(point["inside"], float), np.array(d, float)) for d in point["towards"]]
        if name.endswith(".L"):
            out[name[:-2] + ".R"] = [(a * (-1, 1, 1), d * (-1, 1, 1)) for a, d in out[name]]
    return out


def located(skin, points):
    """Triangles (P,R,3) and shares of their corners (P,R,3), a ray each; a point with fewer rays repeats them."""
    body = skin["triangles"][(skin["part"] == horses.BODY)[skin["triangles"]].all(1)]
    most = max(len(rays) for rays in points.values())
    hits = [[leaves(skin["vertices"], body, *rays[k % len(rays)], name) for k in range(most if most % len(rays) == 0 else len(rays) * most)][:most] for name, rays in points.items()]
    return np.array([[corners for corners, _ in row] for row in hits]), np.array([[shares for _, shares in row] for row in hits])


def leaves(vertices, triangles, start, along, name):
    """The triangle where a ray from inside first leaves the skin, and the place in it (barycentric)."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    e, f = b - a, c - a
    p = np.cross(along, f)
    det = (e * p).sum(1)
    safe = np.where(abs(det) < 1e-12, np.inf, det)
    s = start - a
    u, q = (s * p).sum(1) / safe, np.cross(s, e)
    v, t = q @ along / safe, (f * q).sum(1) / safe
    met = np.flatnonzero((u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9) & (t > 1e-6) & np.isfinite(safe))
    if len(met) == 0:
        raise files.ClipError(f"Expected the rays of {name} to leave the horse's skin, but one from {start.tolist()} towards {along.tolist()} meets none.")
    first = met[t[met].argmin()]
    return triangles[first], np.array([1 - u[first] - v[first], u[first], v[first]])


def posed_points(skin, standard, job, corners, shares):
    """[(points (P,3), heads (B,3)) m] of each frame of a job."""
    skeleton = files.read_skeleton(job["skeleton"])
    clip, frames = files.read_clip(job["clip"], skeleton), np.asarray(job["frames"])
    rest = horses.shaped(skin, standard, skeleton, job.get("look") or {})
    used = np.unique(corners)
    few = dict(bones=skin["bones"][used], weights=skin["weights"][used])
    at = np.searchsorted(used, corners)
    out = []
    for matrices in maths.posed(skeleton, clip["rotation"][frames], clip["root_location"][frames]):
        there = horses.skinned(few, rest[used], skeleton, matrices)
        out.append((np.einsum("prk,prkx->prx", shares, there[at]).mean(1), matrices[:, :3, 3]))
    return out


if __name__ == "__main__":
    child.run(main)
