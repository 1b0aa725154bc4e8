# SPDX-License-Identifier: GPL-3.0-or-later
"""The horse as numbers: vertices at rest, triangles, bone weights. Built once by Blender, kept in a cache, posed by numpy.

A horse of other proportions is the same skin, each vertex moved along with the bones that carry it and stretched as they are.
"""
import json
import os
import tempfile
from pathlib import Path

import bpy
import numpy as np

from . import shape

BODY, TAIL, MANE, EYES = 0, 1, 2, 3
# bones whose heads lie on or outside the skin, or that would pull at flesh that another bone carries
NO_FLESH = ("mane", "tail", "eye", "nose", "skull.L", "skull.R", "breast", "chest", "jaw.001")
PER_VERTEX = 6
VERSION = 4  # part of the cache's name: counts changes of the shape


def load_horse(skeleton, cache):
    """Dict of `vertices` (V,3) m, `triangles` (F,3), `bones` and `weights` (V,6), `part` (V,); from the cache, or built into it (some seconds).

    Building empties the Blender file that is open.
    """
    path = Path(cache) / f"horse-{VERSION}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(suffix=".npz", dir=path.parent)
        os.close(handle)
        np.savez(partial, **build_horse(skeleton))
        os.replace(partial, path)  # two workers may build at once: the same file, whoever is last
    with np.load(path, allow_pickle=False) as data:
        return dict(data)


def build_horse(skeleton):
    """Body, eyes, tail and mane as one mesh with weights."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    made = shape.parts(skeleton)
    body = body_weights(made["body"], skeleton)
    weights = {"body": body, "tail": tail_weights(made["tail"][0], skeleton)}
    for name in ("eyes", "mane"):
        weights[name] = skin_weights(made[name][0], made["body"][0], body, skeleton)
    kinds = {"body": BODY, "tail": TAIL, "mane": MANE, "eyes": EYES}
    vertices, faces = shape.joined(*[(made[name][0], triangles(made[name][1])) for name in kinds])
    return dict(vertices=vertices, triangles=faces, part=np.concatenate([np.full(len(made[name][0]), kind) for name, kind in kinds.items()]),
                **strongest(np.concatenate([weights[name] for name in kinds])))


def strongest(weights):
    """The few bones that count for each vertex, and their shares."""
    bones = np.argsort(-weights, 1)[:, :PER_VERTEX]
    weights = np.take_along_axis(weights, bones, 1)
    return dict(bones=bones, weights=weights / weights.sum(1, keepdims=True))


def triangles(faces):
    return np.asarray(faces) if np.shape(faces)[1] == 3 else np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])


def body_weights(mesh, skeleton):
    """(V,B): Blender's automatic weights (heat diffusion) on the bones that carry flesh, made softer so that joints bend without creases."""
    body, armature = shape.mesh_object(*mesh, "body"), plain_armature(skeleton)
    bpy.ops.object.select_all(action="DESELECT")
    body.select_set(True)
    armature.select_set(True)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.parent_set(type="ARMATURE_AUTO")
    weights = np.zeros((len(mesh[0]), len(skeleton["names"])))
    column = {group.index: skeleton["names"].index(group.name.removeprefix("DEF-")) for group in body.vertex_groups}
    for vertex in body.data.vertices:
        for group in vertex.groups:
            weights[vertex.index, column[group.group]] = group.weight
    bare = weights.sum(1) == 0
    weights[bare, nearest_bone(mesh[0][bare], skeleton)] = 1
    return softened(weights / weights.sum(1, keepdims=True), mesh[1])


def softened(weights, faces, n=2):
    """Weights averaged with those of the neighbours on the mesh."""
    a, b = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    count = np.bincount(a, minlength=len(weights))[:, None]
    for _ in range(n):
        around = np.zeros_like(weights)
        np.add.at(around, a, weights[b])
        weights = .5 * weights + .5 * around / np.maximum(count, 1)
    return weights / weights.sum(1, keepdims=True)


def skin_weights(points, body, weights, skeleton):
    """(V,B): the weights of the nearest skin without the ears', for what lies on it: it goes where the skin goes."""
    weights = weights * ~np.char.startswith(skeleton["names"], "ear")
    nearest = np.array([np.argmin(((body - p) ** 2).sum(1) + 9 * (weights.sum(1) < .5)) for p in points])
    return weights[nearest] / weights[nearest].sum(1, keepdims=True)


def nearest_bone(points, skeleton):
    flesh = [b for b, n in enumerate(skeleton["names"]) if not n.startswith(NO_FLESH)]
    return np.array(flesh, int)[np.argmin(np.stack([distance(points, skeleton, b) for b in flesh], 1), 1)] if len(points) else np.zeros(0, int)


def distance(points, skeleton, bone):
    """(V,) m from points to a bone."""
    a, along = skeleton["head"][bone], skeleton["tail"][bone] - skeleton["head"][bone]
    t = np.clip((points - a) @ along / (along @ along), 0, 1)
    return np.linalg.norm(points - a - t[:, None] * along, axis=1)


def plain_armature(skeleton):
    data = bpy.data.armatures.new("bones")
    armature = bpy.data.objects.new("bones", data)
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for name, head, tail in zip(skeleton["names"], skeleton["head"], skeleton["tail"]):
        bone = data.edit_bones.new("DEF-" + name)
        bone.head, bone.tail = head, tail
    bpy.ops.object.mode_set(mode="OBJECT")
    for bone in data.bones:
        bone.use_deform = not bone.name.removeprefix("DEF-").startswith(NO_FLESH)
    return armature


def tail_weights(points, skeleton, soft_m=.09):
    """(V,B) by distance to the tail's bones: soft, so that the lock bends and does not break."""
    bones = [skeleton["names"].index(f"tail.00{k}") for k in range(1, 6)]
    weights = np.zeros((len(points), len(skeleton["names"])))
    weights[:, bones] = np.exp(-(np.stack([distance(points, skeleton, b) for b in bones], 1) / soft_m) ** 2) + 1e-9
    return weights / weights.sum(1, keepdims=True)


def groomed(horse, rest, rng):
    """(V,3) m: the rest vertices with another side and length of the mane, another length of the tail."""
    out = rest.copy()
    for kind, rows, length in ((MANE, shape.ROWS, rng.choice([rng.uniform(.45, 1), .12], p=[.85, .15])), (TAIL, shape.TAIL_ROWS, rng.uniform(.65, 1))):
        strands = out[horse["part"] == kind].reshape(-1, rows, 3)
        at = np.arange(rows) * length
        i, f = np.minimum(at.astype(int), rows - 2), (at - np.minimum(at.astype(int), rows - 2))[None, :, None]
        out[horse["part"] == kind] = (strands[:, i] * (1 - f) + strands[:, i + 1] * f).reshape(-1, 3)
    out[horse["part"] == MANE, 0] *= rng.choice([-1, 1])
    return out


def proportioned(horse, standard, skeleton, girth=1.0):
    """(V,3) m: the rest vertices on a skeleton with other bone lengths; `girth` thickens everything across the bones."""
    axis = standard["tail"] - standard["head"]
    length = np.linalg.norm(axis, axis=1)
    axis, factor = axis / length[:, None], np.linalg.norm(skeleton["tail"] - skeleton["head"], axis=1) / length
    out = np.zeros_like(horse["vertices"])
    for bone, weight in zip(horse["bones"].T, horse["weights"].T):
        offset = horse["vertices"] - standard["head"][bone]
        along = (offset * axis[bone]).sum(1, keepdims=True) * axis[bone]
        grown = along * factor[bone, None] + (offset - along) * np.sqrt(factor[bone, None]) * girth
        out += weight[:, None] * (skeleton["head"][bone] + grown)
    return out


def skinned(horse, rest, skeleton, matrices):
    """(V,3) m: the vertices posed by the bones' world matrices (B,4,4), linear blend."""
    delta = matrices @ np.linalg.inv(skeleton["matrix_local"])
    out = np.zeros_like(rest)
    for bone, weight in zip(horse["bones"].T, horse["weights"].T):
        out += weight[:, None] * (np.einsum("vij,vj->vi", delta[bone, :3, :3], rest) + delta[bone, :3, 3])
    return out


def mesh_object(horse, vertices, colours, name="Horse"):
    """The horse as a Blender object: smooth, its coat in the colour attribute `coat`."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices.tolist(), [], horse["triangles"].tolist())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
    mesh.attributes.new("coat", "FLOAT_COLOR", "POINT")
    paint(mesh, colours)
    made = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(made)
    return made


def paint(mesh, colours):
    rgba = np.ones((len(colours), 4), np.float32)
    rgba[:, :3] = colours
    mesh.attributes["coat"].data.foreach_set("color", rgba.ravel())


def add_vertex_groups(made, horse, skeleton):
    """A vertex group per bone, named as the rig's DEF bones are."""
    for bone, name in enumerate(skeleton["names"]):
        at = np.argwhere((horse["bones"] == bone) & (horse["weights"] > 1e-3))
        if len(at) == 0:
            continue
        group = made.vertex_groups.new(name="DEF-" + name)
        for vertex, k in at:
            group.add([int(vertex)], float(horse["weights"][vertex, k]), "REPLACE")
