# SPDX-License-Identifier: GPL-3.0-or-later
"""Dresses horses as a list of cases says, poses them, and writes how far from the skin each point of the tack lies.

    python tack_numbers.py CASES.json STANDARD.json CACHE OUT.npz

A case: `skeleton` and `clip` (files), `frames`, `look`, `tack`, `tip` (degrees the whole horse is raised in front). Written for case i and frame k: `i_k_outside` (N,) m from the skin
(negative within), `i_k_points` (N,3), and once a case `i_kind` (N,): 0 lies on the skin, 1 a person's, 2 ropes and iron; and `i_names` of its objects.
"""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bpy
import numpy as np
from mathutils import Matrix, Vector
from mathutils.bvhtree import BVHTree

from kinequimation_blender import child, files, maths
from synth import horse as horses
from synth import tack


def outside(tree, points):
    """(N,) m from the surface, negative on its inner side (where the nearest place is a ridge, one of its faces may look away from a point outside: those are not within)."""
    out = []
    for point in map(Vector, points.tolist()):
        place, normal, *_ = tree.find_nearest(point)
        away = point - place
        out.append(away.length * (-1 if away.dot(normal) < -.5 * away.length else 1))
    return np.array(out)


def tipped(matrices, degrees):
    """The posed bones turned about the croup, head up."""
    turn, there = np.array(Matrix.Rotation(np.radians(-degrees), 4, "X")), np.eye(4)
    there[:3, 3] = matrices[0, :3, 3]
    return there @ turn @ np.linalg.inv(there) @ matrices


def coordinates(mesh):
    out = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", out.ravel())
    return out


def kinds(worn):
    body = worn.people[:-1] if worn.handler and worn.look["rope"] else worn.people
    return np.concatenate([np.full(len(p.colour), 0 if isinstance(p, tack.Sheet) else 1 if p in body else 2) for p in worn.pieces + worn.people])


def main():
    cases, standard, cache, out = sys.argv[1:5]
    standard = files.read_skeleton(standard)
    horse, found = horses.load_horse(standard, cache), {}
    body = horse["triangles"][(horse["part"][horse["triangles"]] == horses.BODY).all(1)].tolist()
    before = len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.materials)
    for i, case in enumerate(json.loads(Path(cases).read_text())):
        skeleton = files.read_skeleton(case["skeleton"])
        clip = files.read_clip(case["clip"], skeleton)
        rest = horses.shaped(horse, standard, skeleton, case["look"])
        worn = tack.Tack(horse, rest, skeleton, case["tack"])
        found[f"{i}_kind"] = kinds(worn) if worn.pieces else np.zeros(0)
        found[f"{i}_names"] = np.array([made.name.split(".")[0] for made in worn.objects])
        for k in case["frames"]:
            matrices = tipped(maths.posed(skeleton, clip["rotation"][[k]], clip["root_location"][[k]])[0], case.get("tip", 0))
            skin = horses.skinned(horse, rest, skeleton, matrices)
            points = worn.pose(skin, matrices)
            if points is not None:
                found[f"{i}_{k}_outside"] = outside(BVHTree.FromPolygons(skin.tolist(), body, all_triangles=True), points)
                found[f"{i}_{k}_points"] = np.concatenate([coordinates(made.data) for made in worn.objects])
        worn.remove()
    found["left"] = np.subtract((len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.materials)), before)
    np.savez(out, **found)


child.run(main)
