# SPDX-License-Identifier: GPL-3.0-or-later
"""Dresses a stage for each of a list of places and writes what stands where, and what a camera would see of it.

    python place_numbers.py PLACES.json OUT.npz

A place: `seed`, `eyes` (n,3), `root` (3,), `paths` (m,2), `plain`, and `look`: whether to render it from the first eye. Written for place i: `i_place` (JSON), `i_cpu` (s of dressing it),
`i_digest` (of all that stands there), `i_eyes` (n,) m from each lens to the nearest thing, `i_horse` (p,) m from points inside the horse, `i_ground` (2,3) linear colours, `i_seen` (n,) share of these that each lens can see,
and, rendered, `i_light` (h,w,3) linear as exposed. `count`: objects, meshes, materials and images after each place.
"""
import hashlib
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bpy
import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from kinequimation_blender import child
from synth import exr, render
from synth.stage import Stage

SIZE, SAMPLES = 48, 32  # enough of them that grain cannot be taken for texture
HORSE = np.array([[0, y, z] for y in (-1.5, -1.1, -.6, 0, .25) for z in (.7, 1.1, 1.4)])  # inside of one that faces -Y, from its croup


def mesh_of(made):
    """(vertices (V,3), triangles (F,3)) of what a heap filled."""
    vertices, triangles = np.empty((len(made.data.vertices), 3), np.float32), np.empty((len(made.data.polygons), 3), np.int32)
    made.data.vertices.foreach_get("co", vertices.ravel())
    made.data.loops.foreach_get("vertex_index", triangles.ravel())
    return vertices, triangles


def camera(eye, target):
    """{K, R, t} at `eye` that looks at `target`, 50 degrees wide."""
    z = np.subtract(target, eye) / np.linalg.norm(np.subtract(target, eye))
    x = np.cross(z, [0, 0, 1]) / np.linalg.norm(np.cross(z, [0, 0, 1]))
    R = np.stack([x, np.cross(z, x), z])
    return dict(K=np.array([[SIZE * 1.07, 0, SIZE / 2], [0, SIZE * 1.07, SIZE / 2], [0, 0, 1]]), R=R, t=-R @ eye)


def measure(stage, told):
    eyes, root = np.array(told["eyes"], float), np.array(told["root"], float)
    start = time.process_time()
    place = stage.dress(np.random.default_rng(told["seed"]), eyes[0], root, told["plain"], eyes, told["paths"])
    found = dict(cpu=time.process_time() - start, place=json.dumps(place))
    (things, faces), (boards, more) = mesh_of(stage.things), mesh_of(stage.boards)
    found["digest"] = hashlib.sha1(b"".join(a.tobytes() for a in (things, boards, faces, more))).hexdigest()
    vertices, faces = np.concatenate([things, boards]), np.concatenate([faces, more + len(things)])
    tall = faces[vertices[faces][:, :, 2].max(1) > .5]  # grass and the like may stand anywhere
    tree = BVHTree.FromPolygons(vertices.tolist(), tall.tolist(), all_triangles=True) if len(tall) else None
    away = lambda points: np.array([(tree.find_nearest(Vector(p))[3] if tree else None) or 1e3 for p in points])
    body = HORSE + root * [1, 1, 0]
    clear = lambda eye, point: tree is None or tree.ray_cast(Vector(eye), Vector(point - eye).normalized(), np.linalg.norm(point - eye))[0] is None
    found["ground"] = np.array([stage.mixed.inputs[name].default_value[:3] for name in "AB"])
    return dict(found, eyes=away(eyes), horse=np.concatenate([away(HORSE + [*p, 0]) for p in [root[:2], *told["paths"]]]), seen=np.array([np.mean([clear(e, p) for p in body]) for e in eyes]))


def filmed(stage, told, folder):
    """(h,w,3) linear light, as render.py has it."""
    stage.film(camera(np.array(told["eyes"][0]), np.array(told["root"]) * [1, 1, .7]), (SIZE, SIZE))
    stage.scene.cycles.samples, stage.scene.render.filepath = SAMPLES, str(folder / "seen.exr")
    bpy.ops.render.render(write_still=True)
    layer = {name.split(".", 1)[1]: pixels for name, pixels in exr.read(folder / "seen.exr").items()}
    return np.stack([layer[f"Combined.{c}"] for c in "RGB"], -1) * np.float32(2 ** stage.scene.view_settings.exposure)


def main():
    places, out = map(Path, sys.argv[1:3])
    stage, found, count = Stage(), {}, []
    render.to_exr(stage.scene)
    for i, told in enumerate(json.loads(places.read_text())):
        found |= {f"{i}_{name}": value for name, value in measure(stage, told).items()}
        if told["look"]:
            found[f"{i}_light"] = filmed(stage, told, out.parent)
        count.append([len(store) for store in (bpy.data.objects, bpy.data.meshes, bpy.data.materials, bpy.data.images)])
    np.savez(out, **found, count=count)


child.run(main)
