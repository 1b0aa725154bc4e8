# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations and forward kinematics in numpy, over all frames at once. Quaternions are wxyz, as in Blender."""
import numpy as np


def quat_to_matrix(quat):
    """(...,4) wxyz -> (...,3,3)."""
    w, x, y, z = np.moveaxis(quat / np.linalg.norm(quat, axis=-1, keepdims=True), -1, 0)
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]
    return np.stack(rows, -1).reshape(quat.shape[:-1] + (3, 3))


def matrix_to_quat(matrix):
    """(...,3,3) -> (...,4) wxyz, by the largest of the four components (no division by something small)."""
    m = np.asarray(matrix, float)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    # each row is the quaternion times four of its own components: take the row that is longest
    table = np.stack([
        np.stack([1 + xx + yy + zz, m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]], -1),
        np.stack([m[..., 2, 1] - m[..., 1, 2], 1 + xx - yy - zz, m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0]], -1),
        np.stack([m[..., 0, 2] - m[..., 2, 0], m[..., 0, 1] + m[..., 1, 0], 1 - xx + yy - zz, m[..., 1, 2] + m[..., 2, 1]], -1),
        np.stack([m[..., 1, 0] - m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1], 1 - xx - yy + zz], -1)], -2)
    best = np.argmax(np.stack([table[..., i, i] for i in range(4)], -1), -1)
    quat = np.take_along_axis(table, best[..., None, None], -2)[..., 0, :]
    return quat / np.linalg.norm(quat, axis=-1, keepdims=True)


def continuous(quat):
    """Signs chosen along the first axis so that neighbours in time are near each other (curves without jumps)."""
    flips = np.where((quat[1:] * quat[:-1]).sum(-1) < 0, -1.0, 1.0)
    signs = np.concatenate([np.ones_like(flips[:1]), np.cumprod(flips, 0)])
    return quat * signs[..., None]


def rigid(rotation, location):
    """(...,3,3) and (...,3) -> (...,4,4)."""
    out = np.zeros(rotation.shape[:-2] + (4, 4))
    out[..., :3, :3], out[..., :3, 3], out[..., 3, 3] = rotation, location, 1
    return out


def inverse(matrix):
    """The inverse of rigid (...,4,4) matrices."""
    rotation = np.swapaxes(matrix[..., :3, :3], -1, -2)
    return rigid(rotation, -(rotation @ matrix[..., :3, 3, None])[..., 0])


def pure_rotation(matrix):
    """(...,3,3) with some scale in it -> its columns made orthonormal, Y (along the bone) kept."""
    y = matrix[..., 1] / np.linalg.norm(matrix[..., 1], axis=-1, keepdims=True)
    x = matrix[..., 0] - (matrix[..., 0] * y).sum(-1, keepdims=True) * y
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return np.stack([x, y, np.cross(x, y)], -1)


def swing(a, b):
    """The least rotation (...,3,3) that turns unit vectors a (...,3) into b."""
    a, b = np.broadcast_arrays(a, b)
    cross, cosine = np.cross(a, b), (a * b).sum(-1)[..., None, None]
    k = np.zeros(a.shape + (3,))
    k[..., 0, 1], k[..., 0, 2], k[..., 1, 2] = -cross[..., 2], cross[..., 1], -cross[..., 0]
    k = k - np.swapaxes(k, -1, -2)
    return np.eye(3) + k + k @ k / np.maximum(1 + cosine, 1e-9)


def posed(skeleton, rotation, root_location):
    """World matrices (T,B,4,4) of every bone from the clip's pose basis (T,B,4) wxyz and the root's head (T,3)."""
    rest, basis = skeleton["matrix_local"], quat_to_matrix(rotation.astype(float))
    out = np.empty(basis.shape[:2] + (4, 4))
    for b, parent in enumerate(skeleton["parents"]):
        if parent < 0:
            out[:, b] = rigid(rest[b, :3, :3] @ basis[:, b], root_location)
        else:
            local = np.linalg.inv(rest[parent]) @ rest[b]
            out[:, b] = out[:, parent] @ local @ rigid(basis[:, b], np.zeros(3))
    return out


def unposed(skeleton, world):
    """Pose basis (T,B,4) wxyz and the root's head (T,3) of a clip from world matrices (T,B,4,4): what `posed` undoes."""
    rest, turn = skeleton["matrix_local"][:, :3, :3], world[..., :3, :3]
    basis = np.empty_like(turn)
    for b, parent in enumerate(skeleton["parents"]):
        above = np.eye(3) if parent < 0 else turn[:, parent] @ rest[parent].T
        basis[:, b] = rest[b].T @ np.swapaxes(np.broadcast_to(above, turn[:, b].shape), -1, -2) @ turn[:, b]
    return continuous(matrix_to_quat(basis)), world[:, 0, :3, 3].copy()


def slerp(a, b, share):
    """Between unit quaternions a and b (...,4), the shorter way round."""
    cosine = (a * b).sum(-1, keepdims=True)
    b, angle = np.where(cosine < 0, -b, b), np.arccos(np.clip(np.abs(cosine), 0, 1))
    sine = np.maximum(np.sin(angle), 1e-9)
    mixed = np.where(angle < 1e-5, (1 - share) * a + share * b, (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / sine)
    return mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)


def blend(a, b, share):
    """Between rigid matrices (...,4,4), as Blender's constraints with less than full influence do."""
    turn = quat_to_matrix(slerp(matrix_to_quat(a[..., :3, :3]), matrix_to_quat(b[..., :3, :3]), share))
    return rigid(turn, (1 - share) * a[..., :3, 3] + share * b[..., :3, 3])


def euler_xyz(matrix):
    """Angles (...,3) rad of rotations (...,3,3), about X first, Y between -90 and 90 degrees."""
    across = np.hypot(matrix[..., 0, 0], matrix[..., 1, 0])
    return np.stack([np.arctan2(matrix[..., 2, 1], matrix[..., 2, 2]), np.arctan2(-matrix[..., 2, 0], across), np.arctan2(matrix[..., 1, 0], matrix[..., 0, 0])], -1)


def from_euler_xyz(angles):
    """Rotations (...,3,3) by angles (...,3) rad: about X, then Y, then Z."""
    (cx, cy, cz), (sx, sy, sz) = np.moveaxis(np.cos(angles), -1, 0), np.moveaxis(np.sin(angles), -1, 0)
    rows = [cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz, cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz, -sy, sx * cy, cx * cy]
    return np.stack(rows, -1).reshape(np.shape(angles)[:-1] + (3, 3))


def rotvec(matrix):
    """Axis times angle (...,3) rad of rotations (...,3,3)."""
    quat = matrix_to_quat(matrix)
    quat = np.where(quat[..., :1] < 0, -quat, quat)
    size = np.linalg.norm(quat[..., 1:], axis=-1, keepdims=True)
    return quat[..., 1:] * np.where(size < 1e-9, 2, 2 * np.arctan2(size, quat[..., :1]) / np.maximum(size, 1e-12))


def from_rotvec(vector):
    """Rotations (...,3,3) about vectors (...,3), by their length in rad."""
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    quat = np.concatenate([np.cos(angle / 2), vector * np.where(angle < 1e-9, 0.5, np.sin(angle / 2) / np.maximum(angle, 1e-12))], -1)
    return quat_to_matrix(quat)
