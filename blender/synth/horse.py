# SPDX-License-Identifier: GPL-3.0-or-later
"""The horse as numbers: vertices at rest, triangles, bone weights. Built once by Blender, kept in a cache, shaped and posed by numpy.

A horse of another kind is the same skin: its flesh and face changed as the look says, its hair groomed, each vertex moved along with the bones that carry it.
"""
import os
import tempfile
from pathlib import Path

import bpy
import numpy as np
from kinequimation_blender import maths
from mathutils.kdtree import KDTree

from . import hair, shape

BODY, TAIL, MANE, EYES, FEATHER = 0, 1, 2, 3, 4
STRANDS = {TAIL: shape.TAIL_ROWS, MANE: shape.ROWS, FEATHER: hair.FEATHER_ROWS}  # vertices of a strand of each kind of hair
# bones whose heads lie on or outside the skin, or that would pull at flesh that another bone carries
NO_FLESH = ("mane", "tail", "eye", "nose", "skull.L", "skull.R", "breast", "chest", "jaw.001")
PER_VERTEX = 8
VERSION = 10  # part of the cache's name: counts changes of the shape


def load_horse(skeleton, cache):
    """The skin of the standard horse with all hair there is, from the cache, or built into it (some seconds; building empties the Blender file that is open).

    Dict of `vertices` (V,3) m, `triangles` (F,3), `bones` and `weights` (V,8), `part` (V,), `strand` (V,) the number of its strand of hair, -1 elsewhere, `normals` (V,3),
    `under` (V,) the vertex of the body that is nearest, `varied` (N,V,3) m: where the skin goes with each of `shape.VARIATIONS` in full.
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
    """Body, tail, mane, eyes and feathers as one mesh with weights."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    rng = np.random.default_rng(7)
    body, sampler = shape.body()
    kinds = {BODY: body, TAIL: hair.tail(tail_line(skeleton), rng), MANE: shape.joined(hair.mane(sampler, 1, rng), hair.mane(sampler, -1, rng), hair.forelock(sampler, rng)),
             EYES: shape.eyes(), FEATHER: hair.feathers(sampler, rng)}
    parts = np.concatenate([np.full(len(mesh[0]), kind) for kind, mesh in kinds.items()])
    vertices, faces = shape.joined(*[(mesh[0], triangles(mesh[1])) for mesh in kinds.values()])
    under = nearest(vertices, body[0])
    roots = np.flatnonzero(parts == FEATHER)[::hair.FEATHER_ROWS]  # a feather hangs from where it grows, it does not wrap the joint below
    under[parts == FEATHER] = np.repeat(under[roots], hair.FEATHER_ROWS)
    flesh = body_weights(body, skeleton)
    weights = skin_weights(flesh, under, parts, skeleton)
    weights[parts == TAIL] = tail_weights(vertices[parts == TAIL], skeleton)
    eye = parts == EYES  # each eyeball moves as one
    for side in (1, -1):
        under[eye & (vertices[:, 0] * side > 0)] = nearest(vertices[eye & (vertices[:, 0] * side > 0)].mean(0, keepdims=True), body[0])[0]
    varied = np.stack(list(shape.variations(*body).values())).astype(np.float32)[:, under]
    varied[:, parts == TAIL] = 0
    return dict(vertices=vertices, triangles=faces, part=parts, strand=strand_numbers(parts), under=under, normals=shape.normals(*body)[under], varied=varied, **strongest(weights))


def tail_line(skeleton):
    """(6,3) m: heads of the tail's bones and the last one's end; the root sunk a little."""
    index = skeleton["names"].index
    line = np.array([skeleton["head"][index(f"tail.00{k}")] for k in range(1, 6)] + [skeleton["tail"][index("tail.005")]])
    line[0] += 0, -.03, .0
    return line


def strand_numbers(parts):
    out = np.full(len(parts), -1)
    for kind, rows in STRANDS.items():
        out[parts == kind] = np.arange((parts == kind).sum()) // rows + out.max() + 1
    return out


def nearest(points, among):
    tree = KDTree(len(among))
    for k, point in enumerate(among):
        tree.insert(point, k)
    tree.balance()
    return np.array([tree.find(point)[1] for point in points])


def strongest(weights):
    """The few bones that count for each vertex, and their shares: less what the first one left out has, so that nothing jumps where two change places."""
    order = np.argsort(-weights, 1)
    bones, most = order[:, :PER_VERTEX], np.take_along_axis(weights, order[:, PER_VERTEX:PER_VERTEX + 1], 1)
    weights = np.take_along_axis(weights, bones, 1) - .98 * most
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
    weights = shape.averaged(parted(weights / weights.sum(1, keepdims=True), mesh[0], skeleton), mesh[1], n=3)
    return stiffened(weights, mesh[0], skeleton)


def parted(weights, vertices, skeleton, limbs=("thigh", "lower_leg", "upper_arm", "forearm")):
    """A leg does not pull at the other side's flesh: its hold ends at the middle of the belly, and what lies between two legs goes with the trunk."""
    out = weights.copy()
    for b, name in enumerate(skeleton["names"]):
        if name.startswith(limbs):
            hold = np.clip((vertices[:, 0] * (1 if ".L" in name else -1) + .04) / .15, 0, 1)
            out[:, b] *= hold ** 2 * (3 - 2 * hold)
    spine = [b for b, name in enumerate(skeleton["names"]) if name.startswith("spine")]
    middle = .5 * (skeleton["head"] + skeleton["tail"])[spine, 1]
    near = np.exp(-((vertices[:, 1:2] - middle) / .15) ** 2) + 1e-9
    out[:, spine] += (1 - out.sum(1, keepdims=True)) * near / near.sum(1, keepdims=True)
    return out


def stiffened(weights, vertices, skeleton):
    """Hooves are horn: they bend nowhere."""
    horn = np.clip((.105 - vertices[:, 2]) / .03, 0, 1)[:, None]
    for x, side in (("L", 1), ("R", -1)):
        for hind, name in ((False, "f_hoof"), (True, "r_hoof")):
            only = np.zeros(len(skeleton["names"]))
            only[skeleton["names"].index(f"{name}.{x}")] = 1
            leg = (vertices[:, 0] * side > 0) & ((vertices[:, 1] > 0) == hind)
            weights[leg] = weights[leg] * (1 - horn[leg]) + only * horn[leg]
    return weights / weights.sum(1, keepdims=True)


def skin_weights(flesh, under, parts, skeleton):
    """(V,B): what lies on the skin goes where the skin goes; the ears carry nothing but themselves."""
    weights = flesh[under]
    ears = np.char.startswith(skeleton["names"], "ear")
    weights[np.ix_(parts != BODY, ears)] = 0
    bare = weights.sum(1) < 1e-6
    weights[np.ix_(bare, [skeleton["names"].index("head")])] = 1
    return weights / weights.sum(1, keepdims=True)


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


def shaped(horse, standard, skeleton, look):
    """(V,3) m: the rest vertices of the horse that `look` describes on its `skeleton`; {} is a riding horse in fair condition.

    `standard` is the skeleton on which the skin was modelled."""
    vertices = horse["vertices"] + np.tensordot(amounts(look), horse["varied"], 1) + fur(horse, look.get("fur", 0.))
    vertices = groomed(horse, vertices, look)
    return proportioned(horse, standard, skeleton, vertices, look)


def amounts(look):
    """(N,) how much of each of `shape.VARIATIONS`; factors of the look count from 1, and .2 is a lot."""
    get, least_most = look.get, {"belly": (-.8, 1.3), "lean": (0, 1), "muscle": (-1, 1.3), "crest": (-.9, 1.3), "dish": (-1.2, 1.3), "dome": (0, 1.1)}
    given = {"belly": (get("belly", 1) - 1) / .2, "lean": -.8 * get("condition", 0), "muscle": (get("muscle", 1) - 1) / .2, "crest": (get("neck_depth", 1) - 1) / .2,
             "dish": get("dish", 0), "dome": get("dome", 0)}
    return np.array([np.clip(given[name], *least_most[name]) for name in shape.VARIATIONS])


def fur(horse, amount):
    """(V,3) m: a winter coat makes everything rounder but face, joints and hooves."""
    along, _, _ = shape.head_coordinates(horse["vertices"])
    face = (horse["vertices"][:, 1] < -1.25) * np.clip(along / .3, 0, 1)
    legs = np.clip((horse["vertices"][:, 2] - .1) / .9, 0, 1)
    return horse["normals"] * (.011 * amount * (horse["part"] == BODY) * (1 - face) * legs)[:, None]


def groomed(horse, vertices, look):
    """(V,3) m: mane, tail and feathers as the look has them; all chance comes from its seed."""
    rng, out, part = np.random.default_rng([look.get("seed", 0), 1]), vertices.copy(), horse["part"]
    mane, tail = look.get("mane") or {}, look.get("tail") or {}
    strands = {kind: vertices[part == kind].reshape(-1, rows, 3) for kind, rows in STRANDS.items()}
    beneath = {kind: (vertices[horse["under"]] - .025 * horse["normals"])[part == kind].reshape(-1, rows, 3) for kind, rows in STRANDS.items()}
    out[part == MANE] = hair.groomed_mane(strands[MANE], beneath[MANE], mane.get("style", "long"), mane.get("length", .7), mane.get("side", 1), mane.get("forelock", True), rng).reshape(-1, 3)
    out[part == TAIL] = hair.groomed_tail(strands[TAIL], tail.get("length", .8), tail.get("bulk", 1.), rng).reshape(-1, 3)
    out[part == FEATHER] = hair.groomed_feathers(strands[FEATHER], beneath[FEATHER], look.get("feather", 0.), rng).reshape(-1, 3)
    return out


def proportioned(horse, standard, skeleton, vertices, look):
    """(V,3) m: the vertices on a skeleton with other bone lengths, as thick around each bone as `thickness` says."""
    change = stretches(standard, skeleton, look)
    out = np.zeros_like(vertices)
    for bone, weight in zip(horse["bones"].T, horse["weights"].T):
        out += weight[:, None] * (skeleton["head"][bone] + np.einsum("vij,vj->vi", change[bone], vertices - standard["head"][bone]))
    return out


def stretches(standard, skeleton, look):
    """(B,3,3) how the flesh about each bone grows: by the bone's own factor along it, by `thickness` across; the soles of the hooves stay level."""
    along = standard["tail"] - standard["head"]
    length = np.linalg.norm(along, axis=1)
    factor = np.linalg.norm(skeleton["tail"] - skeleton["head"], axis=1) / length
    along, wide = along / length[:, None], thickness(standard, skeleton, factor, look)
    out = np.einsum("bi,ij->bij", wide, np.eye(3))
    out += np.einsum("bi,bj->bij", (factor[:, None] - wide) * along, along)
    for b, name in enumerate(standard["names"]):
        if "hoof" in name:
            axes = np.stack([[1, 0, 0], [0, 1, 0], along[b]], 1)
            out[b] = axes @ np.diag([wide[b, 0], wide[b, 1], factor[b]]) @ np.linalg.inv(axes)
    return out


def thickness(standard, skeleton, factor, look):
    """(B,3) factors across each bone (to the side, along the horse, upwards), in the sizes of the standard horse.

    The depth of the chest follows from the bones: the belly's line starts at the elbow."""
    index, get = standard["names"].index, look.get
    height = lambda s, bone: s["head"][index(bone), 2]
    size = (height(skeleton, "shoulder.L") - skeleton["tail"][index("f_hoof.L"), 2]) / (height(standard, "shoulder.L") - standard["tail"][index("f_hoof.L"), 2])
    deep = (height(skeleton, "spine.005") - height(skeleton, "forearm.L")) / (height(standard, "spine.005") - height(standard, "forearm.L")) * get("chest", 1)
    long, head, ear = (factor[index(n)] for n in ("spine.003", "head", "ear.L"))
    girth, bone, neck = get("girth", 1), get("bone", 1), .5 * (deep + head)
    wide = deep ** .6 * long ** .4 * girth
    strong = size * np.sqrt(bone * girth)
    rules = {"spine": (wide, long, deep), "pelvis": (wide, long, deep), "thigh": (wide, .5 * (long + size * girth), deep), "lower_leg": (strong,) * 3, "shoulder": (wide, .5 * (deep + long), deep),
             "upper_arm": (wide, .5 * (deep + long), deep), "forearm": (strong,) * 3, "forefoot": (size * bone,) * 3, "hind_foot": (size * bone,) * 3, "f_toe": (size * bone,) * 3,
             "r_toe": (size * bone,) * 3, "f_hoof": (size * bone,) * 3, "r_hoof": (size * bone,) * 3, "neck": (.5 * (wide + head), neck, neck), "ear": (ear,) * 3, "tail": (size,) * 3}
    rest = (head * get("head", 1), head, head)
    return np.array([rules.get(name.split(".")[0], rest) for name in standard["names"]])


def skinned(horse, rest, skeleton, matrices):
    """(V,3) m: the vertices posed by the bones' world matrices (B,4,4), by dual quaternions: a bent joint keeps its thickness, where a mean of matrices would pinch it."""
    delta = matrices @ np.linalg.inv(skeleton["matrix_local"])
    mixed = dense_weights(horse, len(delta)) @ dual_quaternions(delta, skeleton["parents"]).astype(np.float32)
    mixed /= np.linalg.norm(mixed[:, :4], axis=1, keepdims=True)
    w, x, y, z, dw, dx, dy, dz = mixed.T
    px, py, pz = rest.T.astype(np.float32)
    ax, ay, az = y * pz - z * py + w * px, z * px - x * pz + w * py, x * py - y * px + w * pz
    out = np.empty((len(rest), 3), np.float32)
    out[:, 0] = px + 2 * (y * az - z * ay + w * dx - dw * x + y * dz - z * dy)
    out[:, 1] = py + 2 * (z * ax - x * az + w * dy - dw * y + z * dx - x * dz)
    out[:, 2] = pz + 2 * (x * ay - y * ax + w * dz - dw * z + x * dy - y * dx)
    return out


def dual_quaternions(delta, parents):
    """(B,8) of rigid (B,4,4), each on its parent's side of the sphere, so that neighbours mix the short way."""
    q = maths.matrix_to_quat(delta[:, :3, :3])
    for b, parent in enumerate(parents):
        if parent >= 0 and q[b] @ q[parent] < 0:
            q[b] = -q[b]
    t, w, v = delta[:, :3, 3], q[:, :1], q[:, 1:]
    return np.concatenate([q, -.5 * (t * v).sum(1, keepdims=True), .5 * (w * t + np.cross(t, v))], 1)


def dense_weights(horse, n_bones):
    """(V,B) float32, made once and kept in the dict: a matrix product is the fastest way of mixing."""
    if "dense" not in horse:
        dense = np.zeros((len(horse["bones"]), n_bones), np.float32)
        for bone, weight in zip(horse["bones"].T, horse["weights"].T):
            dense[np.arange(len(dense)), bone] += weight
        horse["dense"] = dense
    return horse["dense"]


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
