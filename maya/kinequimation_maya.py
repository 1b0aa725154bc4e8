# SPDX-License-Identifier: Apache-2.0
"""A motion clip of a horse onto a skeleton in Maya. Plain Python: Maya needs nothing installed for it.

In Maya's script editor (Python), with this folder on the path:

    import kinequimation_maya as horse
    horse.apply("clip.npz", "horse.json")                      # makes the skeleton, and keys it
    horse.apply("clip.npz", "horse.json", namespace="Horse:")  # keys a skeleton that is there: an FBX exported for Maya, say

`clip.npz` is what `kinequimation animate` writes, `horse.json` the skeleton file of the library (kinequimation/assets/skeletons).
A skeleton that is there has to stand in its rest pose when it is keyed for the first time; its joints may have axes of their own.
The upper part needs no Maya; the lower part is what touches it.
"""
import ast
import json
import math
import re
import struct
import zipfile


class ClipError(ValueError):
    """Bad input: its message is one line."""


# Files: .npz is a zip of arrays, and Maya's Python need not have numpy

FORMATS = {"<f4": "f", "<f8": "d", "|b1": "?", "|u1": "B", "<i8": "q", "<i4": "i"}


def read_clip(path):
    """A dict of nested lists: rotation (T,B,4) wxyz, root_location (T,3) m; and `meta`. Raises `ClipError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            clip = {name[:-4]: read_array(archive.read(name)) for name in archive.namelist() if name.endswith(".npy")}
        clip["meta"] = json.loads(clip["meta"])
        frames = len(clip["rotation"]), len(clip["root_location"])
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise ClipError("Expected a motion clip (.npz), but {} can't be read as one: {}".format(path, error)) from None
    if not frames[0] or frames[0] != frames[1]:
        raise ClipError("Expected a clip with at least one frame, but {} has {} rotations and {} root locations.".format(path, *frames))
    return clip


def read_array(data):
    """A .npy file as nested lists; a text for what holds one text. Nothing in it is run: pickled objects are refused."""
    if data[:6] != b"\x93NUMPY":
        raise ValueError("it holds something else than arrays")
    wide = data[6] > 1
    size, = struct.unpack("<I" if wide else "<H", data[8:12 if wide else 10])
    start = (12 if wide else 10) + size
    head = ast.literal_eval(data[start - size:start].decode("latin1"))
    kind, shape = head["descr"], head["shape"]
    if head["fortran_order"] and len(shape) > 1:
        raise ValueError("arrays in Fortran order are not expected")
    if kind.startswith("<U"):
        return data[start:start + 4 * int(kind[2:])].decode("utf-32-le").rstrip("\0")
    if kind not in FORMATS:
        raise ValueError("arrays of type {} are not expected".format(kind))
    count = 1
    for n in shape:
        count *= n
    return nested(list(struct.unpack_from("<{}{}".format(count, FORMATS[kind]), data, start)), shape)


def nested(values, shape):
    """A flat list as lists in lists."""
    if len(shape) < 2:
        return values if shape else values[0]
    step = len(values) // shape[0] if shape[0] else 0
    return [nested(values[i * step:(i + 1) * step], shape[1:]) for i in range(shape[0])]


def read_skeleton(path):
    """Names, parents, heads (m) and rest rotations (3x3, columns are the bone's axes) of the bones; world axes, Z up."""
    try:
        with open(path, encoding="utf-8") as file:
            bones = json.load(file)["bones"]
        return {"names": [b["name"] for b in bones], "parents": [b["parent"] for b in bones], "head": [b["head"] for b in bones],
                "rest": [orthonormal([row[:3] for row in b["matrix_local"][:3]]) for b in bones]}
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise ClipError("Expected a skeleton file (.json), but {} can't be read as one: {}".format(path, error)) from None


# Rotations: 3x3 matrices as lists of rows, that turn column vectors

IDENTITY = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
Z_TO_Y_UP = [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]  # (x, y, z) -> (x, z, -y): Blender's world to Maya's


def times(a, b):
    return [[sum(a[i][k] * b[k][j] for k in range(3)) for j in range(3)] for i in range(3)]


def turned(a, v):
    return [sum(a[i][k] * v[k] for k in range(3)) for i in range(3)]


def transposed(a):
    return [list(row) for row in zip(*a)]


def plus(a, b):
    return [x + y for x, y in zip(a, b)]


def minus(a, b):
    return [x - y for x, y in zip(a, b)]


def orthonormal(a):
    """Rounded numbers from a file, made a rotation again; the Y column, along the bone, is kept."""
    x, y, _ = transposed(a)
    y = unit(y)
    along = sum(p * q for p, q in zip(x, y))
    x = unit([p - along * q for p, q in zip(x, y)])
    z = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]]
    return transposed([x, y, z])


def unit(v):
    length = math.sqrt(sum(x * x for x in v))
    return [x / length for x in v]


def of_quat(q):
    w, x, y, z = unit(q)
    return [[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]]


def of_euler(degrees):
    """Maya's xyz order: about X first, then Y, then Z."""
    (a, b, c), (d, e, f) = [[g(math.radians(x)) for x in degrees] for g in (math.cos, math.sin)]
    about_x, about_y, about_z = [[1, 0, 0], [0, a, -d], [0, d, a]], [[b, 0, e], [0, 1, 0], [-e, 0, b]], [[c, -f, 0], [f, c, 0], [0, 0, 1]]
    return times(about_z, times(about_y, about_x))


def to_euler(a, near=(0.0, 0.0, 0.0)):
    """Degrees about X, Y, Z (Maya's xyz order), of the two triples that mean the same the one nearer to `near`, whole turns away or not."""
    y = math.asin(max(-1.0, min(1.0, -a[2][0])))
    if abs(a[2][0]) > 1 - 1e-12:  # X and Z turn about the same axis: X stays as it was
        x = math.radians(near[0])
        about = times(a, transposed(of_euler([near[0], 0, 0])))
        z = math.atan2(-about[0][1], about[1][1])
    else:
        x, z = math.atan2(a[2][1], a[2][2]), math.atan2(a[1][0], a[0][0])
    both = [[math.degrees(v) for v in triple] for triple in ((x, y, z), (x + math.pi, math.pi - y, z + math.pi))]
    both = [[v - 360 * round((v - n) / 360) for v, n in zip(triple, near)] for triple in both]
    return min(both, key=lambda triple: sum((v - n) ** 2 for v, n in zip(triple, near)))


# The motion

def world_motion(clip, skeleton):
    """For each frame (root's place in m, list of rotations that turn the rest pose into the pose), world axes, Z up."""
    order = [clip["meta"]["bones"].index(n) for n in skeleton["names"]]
    for row, root in zip(clip["rotation"], clip["root_location"]):
        deltas = []
        for bone, parent in enumerate(skeleton["parents"]):
            rest = skeleton["rest"][bone]
            own = times(rest, times(of_quat(row[order[bone]]), transposed(rest)))
            deltas.append(times(deltas[parent], own) if parent >= 0 else own)
        yield root, deltas


def check(clip, skeleton):
    """Raises `ClipError` for a clip that lacks a bone of the skeleton."""
    missing = [n for n in skeleton["names"] if n not in clip["meta"]["bones"]]
    if missing:
        raise ClipError("Expected a clip with the bone {}, but it has none of that name. Retarget it again.".format(missing[0]))


def in_maya(motion, up, per_metre):
    """The same in Maya's world: its up axis ('y' or 'z'), and how many of its units make a metre."""
    change = Z_TO_Y_UP if up == "y" else IDENTITY
    back = transposed(change)
    for root, deltas in motion:
        yield [per_metre * x for x in turned(change, root)], [times(change, times(delta, back)) for delta in deltas]


def joint_keys(motion, parents, rest_joints, orients, axes, above, moves):
    """Keys (frames of (rotate in degrees, root's translate)) for joints that stand at rest with world rotations `rest_joints`.

    A joint's own turn is what its orient and rotate axis leave of `parent^-1 joint`; `above` is the rotation of what the root hangs on,
    `moves` turns its place in the world into its translate.
    """
    last = [(0.0, 0.0, 0.0)] * len(parents)
    for root, deltas in motion:
        world = [times(delta, rest) for delta, rest in zip(deltas, rest_joints)]
        rotate = []
        for joint, parent in enumerate(parents):
            local = times(transposed(world[parent] if parent >= 0 else above), world[joint])
            local = times(transposed(orients[joint]), times(local, transposed(axes[joint])))
            rotate.append(to_euler(local, last[joint]))
        last = rotate
        yield rotate, moves(root)


# What touches Maya

def apply(clip_path, skeleton_path, namespace="", start=None):
    """Keys the clip on the skeleton whose joints are called DEF_... (or DEF-... as it comes in), made new if there is none; returns the root joint."""
    from maya import cmds
    clip, skeleton = read_clip(clip_path), read_skeleton(skeleton_path)
    check(clip, skeleton)
    up, per_metre = cmds.upAxis(query=True, axis=True), 1.0 / METRES[cmds.currentUnit(query=True, linear=True)]
    cmds.undoInfo(openChunk=True, chunkName="KinEquiMation")
    try:
        joints = find_joints(cmds, skeleton["names"], namespace)
        if not any(joints):
            joints = build_joints(cmds, skeleton, up, per_metre, namespace)
        elif not all(joints):
            name = skeleton["names"][joints.index(None)]
            raise ClipError("Expected a joint {}{}, but the scene has none. Choose another namespace, or none for a new skeleton.".format(namespace, joint_name(name)))
        step = set_rate(cmds, clip["meta"]["fps"])
        key_joints(cmds, joints, clip, skeleton, up, per_metre, cmds.playbackOptions(query=True, minTime=True) if start is None else start, step)
    finally:
        cmds.undoInfo(closeChunk=True)
    return joints[0]


METRES = {"mm": 0.001, "cm": 0.01, "m": 1.0, "km": 1000.0, "in": 0.0254, "ft": 0.3048, "yd": 0.9144, "mi": 1609.344}
REST = "kinequimationRest"  # the joints' world rotations at rest, kept on the root joint so that a second clip finds them
RATES = {15: "game", 24: "film", 25: "pal", 30: "ntsc", 48: "show", 50: "palf", 60: "ntscf"}
RATES.update((fps, "{:g}fps".format(fps)) for fps in (
    2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 23.976, 29.97, 40, 47.952, 59.94, 75, 80, 100, 120, 125, 150, 200, 240, 250, 300, 375, 400, 500, 600, 750, 1200, 1500, 2000, 3000, 6000))


def joint_name(name):
    """A name that Maya allows, as the FBX for Maya has it: thigh.L.001 -> DEF_thigh_L_001."""
    return "DEF_" + re.sub(r"\W", "_", name)


def find_joints(cmds, names, namespace):
    found = {}
    for path in cmds.ls(namespace + "*", type="joint", long=True) or []:
        found.setdefault(re.sub(r"FBXASC\d\d\d|\W", "_", path.split("|")[-1][len(namespace):]), path)
    return [found.get(joint_name(name)) for name in names]


def build_joints(cmds, skeleton, up, per_metre, namespace):
    """A new skeleton, its joints with the world's axes at rest: no orient, so that all rotations are zero at rest."""
    change, made = Z_TO_Y_UP if up == "y" else IDENTITY, []
    if namespace and not cmds.namespace(exists=namespace):
        cmds.namespace(add=namespace.rstrip(":"))
    for name, parent, head in zip(skeleton["names"], skeleton["parents"], skeleton["head"]):
        offset = minus(head, skeleton["head"][parent]) if parent >= 0 else head
        below = {"parent": made[parent]} if parent >= 0 else {}
        joint = cmds.createNode("joint", name=namespace + joint_name(name), skipSelect=True, **below)
        cmds.setAttr(joint + ".translate", *[per_metre * x for x in turned(change, offset)], type="double3")
        made.append((cmds.ls(joint, long=True) or [joint])[0])
    return made


def set_rate(cmds, fps):
    """Gives the scene the clip's rate; returns how many of its frames go by from one of the clip's to the next.

    That is 1, but where Maya has no such rate (12.5, say): then the scene gets the next faster one, and keys come between its frames.
    """
    known = next((rate for rate in sorted(RATES) if abs(rate - fps) < 0.005), None)
    rate = known or next((rate for rate in sorted(RATES) if rate > fps), max(RATES))
    cmds.currentUnit(time=RATES[rate])
    return 1 if known else rate / fps


def key_joints(cmds, joints, clip, skeleton, up, per_metre, start, step=1):
    """A key for each of the clip's frames, `step` of the scene's apart, for each joint's rotate, and for the root's translate."""
    rest, place, above, above_at = at_rest(cmds, joints)
    orients = [of_euler(cmds.getAttr(j + ".jointOrient")[0]) for j in joints]
    axes = [of_euler(cmds.getAttr(j + ".rotateAxis")[0]) for j in joints]
    if any(cmds.getAttr(j + ".rotateOrder") for j in joints):
        raise ClipError("Expected joints that turn in the order xyz, but some don't. Set their rotate order to xyz.")
    head = [per_metre * x for x in turned(Z_TO_Y_UP if up == "y" else IDENTITY, skeleton["head"][0])]

    def moves(root):  # the skeleton may stand elsewhere than the file's: it is moved by as much as the clip's root is
        return turned(transposed(above), minus(plus(place, minus(root, head)), above_at))

    motion = in_maya(world_motion(clip, skeleton), up, per_metre)
    for n, (rotate, translate) in enumerate(joint_keys(motion, skeleton["parents"], rest, orients, axes, above, moves)):
        for joint, degrees in zip(joints, rotate):
            for axis, value in zip("XYZ", degrees):
                cmds.setKeyframe(joint, attribute="rotate" + axis, time=start + step * n, value=value)
        for axis, value in zip("XYZ", translate):
            cmds.setKeyframe(joints[0], attribute="translate" + axis, time=start + step * n, value=value)
    cmds.playbackOptions(minTime=start, maxTime=start + step * (len(clip["rotation"]) - 1))


def at_rest(cmds, joints):
    """World rotations of the joints at rest, the root's place, and rotation and place of what it hangs on; remembered from the first time."""
    if not cmds.attributeQuery(REST, node=joints[0], exists=True):
        above = cmds.listRelatives(joints[0], parent=True, fullPath=True)
        seen = [cmds.xform(j, query=True, worldSpace=True, matrix=True) for j in joints]
        seen.append(cmds.xform(above[0], query=True, worldSpace=True, matrix=True) if above else [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
        cmds.addAttr(joints[0], longName=REST, dataType="string")
        cmds.setAttr(joints[0] + "." + REST, json.dumps(seen), type="string")
    seen = json.loads(cmds.getAttr(joints[0] + "." + REST))
    rotations = [orthonormal(transposed([m[0:3], m[4:7], m[8:11]])) for m in seen]  # Maya's matrices turn row vectors
    return rotations[:-1], seen[0][12:15], rotations[-1], seen[-1][12:15]
