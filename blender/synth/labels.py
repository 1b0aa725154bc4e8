# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the picture, exactly: of each horse the keypoints with visibility, box, mask and every bone in 3D; and the camera.

Visibility as in COCO: 0 outside of the picture, 1 inside but hidden, 2 seen. Joints lie under flesh, so a joint is hidden only when the first
thing that the line of sight meets, horse or other, is nearer than the joint by more than the flesh over it (`flesh`).
The mask is what can be seen of the horse with its hair and tack; a rider in front of it hides it, as does any other thing. It is what the picture's first
sample met: in a picture blurred by motion, each pixel at its own instant of the open shutter. All else is true for the middle of that time.
"""
import bpy
import numpy as np
from kinequimation_blender import maths
from mathutils import Vector

SCHEMA, N_KEYPOINTS = 2, 68
NEAREST_M = .05  # what is nearer to the lens, or behind it, is not in the picture


def project(points, camera):
    """(N,2) px and (N,) depth in m of points in the world; camera: K, R, t with x_camera = R x + t."""
    seen = points @ camera["R"].T + camera["t"]
    uvw = seen @ camera["K"].T
    return uvw[:, :2] / np.where(np.abs(uvw[:, 2:]) < 1e-6, 1e-6, uvw[:, 2:]), seen[:, 2]


def flesh(horse, rest, skeleton):
    """(68,) m: how deep under the skin each keypoint of this horse lies at rest, and a little more."""
    body, heads = rest[horse["part"] == 0], skeleton["head"][:N_KEYPOINTS]
    squared = (heads ** 2).sum(1)[:, None] - 2 * heads @ body.T + (body ** 2).sum(1)
    return np.sqrt(np.maximum(squared.min(1), 0)) * 1.4 + .03


def horse(matrices, skeleton, camera, size, skin, depth, mask):
    """The label of one horse, or None where nothing of it is inside the picture.

    `matrices` (B,4,4) of its bones, `skin` (V,3) its vertices, `depth` (68,) m as from `flesh`, `mask` (h,w) bool."""
    frame = box(skin, camera, size)
    if frame[2] <= 0 or frame[3] <= 0:
        return None
    delta = matrices[:, :3, :3] @ np.swapaxes(skeleton["matrix_local"][:, :3, :3], 1, 2)
    heads = matrices[:, :3, 3]
    tails = heads + np.einsum("bij,bj->bi", delta, skeleton["tail"] - skeleton["head"])
    return dict(keypoints=rounded(keypoints(heads, camera, size, depth), 3), bbox_xywh=rounded(frame, 2), area=int(mask.sum()), segmentation=runs(mask),
                **bones("", heads, tails, delta), **bones("_camera", *(p @ camera["R"].T + camera["t"] for p in (heads, tails)), camera["R"] @ delta))


def bones(where, heads, tails, delta):
    """Every bone's ends in m and its rotation from rest (wxyz), in the world or (`_camera`) as the camera sees them."""
    return {f"heads{where}": rounded(heads, 5), f"tails{where}": rounded(tails, 5), f"rotation{where}": rounded(maths.matrix_to_quat(delta), 6)}


def keypoints(heads, camera, size, depth):
    """(68,3): x, y, visibility. `depth` (68,) m is the flesh over each."""
    points, z = project(heads[:N_KEYPOINTS], camera)
    inside = ((points >= 0) & (points < size)).all(1) & (z > NEAREST_M)
    eye = -camera["R"].T @ camera["t"]
    graph = bpy.context.evaluated_depsgraph_get()
    seen = [2 if inside[k] and not hidden(graph, eye, heads[k], depth[k]) else int(inside[k]) for k in range(N_KEYPOINTS)]
    return np.concatenate([np.where(inside[:, None], points, 0), np.array(seen)[:, None]], 1)


def hidden(graph, eye, point, depth):
    """Whether a ray from the eye meets anything before the flesh over the point."""
    away = point - eye
    far = np.linalg.norm(away)
    if far <= depth:
        return False
    return bpy.context.scene.ray_cast(graph, Vector(eye), Vector(away / far), distance=far - depth)[0]


def box(vertices, camera, size):
    """[x, y, width, height] px around the horse's skin, cut at the picture's edges; zeros where nothing is left."""
    points, z = project(vertices, camera)
    points = points[z > NEAREST_M]
    if len(points) == 0:
        return [0.0] * 4
    low, high = np.clip(points.min(0), 0, size), np.clip(points.max(0), 0, size)
    return [*map(float, low), *map(float, high - low)]


def runs(mask):
    """COCO's uncompressed run lengths of a mask (h,w): column after column, first how many pixels are outside."""
    flat = mask.ravel(order="F")
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate([[0], ends, [flat.size]])).tolist()
    return dict(size=list(mask.shape), counts=([0] if flat[0] else []) + counts)


def rounded(a, digits):
    """As lists; without a sign on zeros, which would tell one run from the next."""
    return (np.round(np.asarray(a, float), digits) + 0.0).tolist()


def mostly(mask):
    """(h,w) bool: true where most of the 3x3 pixels around are. In a blurred picture each pixel was met at an instant of its own, so this is where the horse was for most of the time."""
    padded = np.pad(mask.astype(np.int8), 1, "edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] > 4
