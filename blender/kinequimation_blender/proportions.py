# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip on a horse of other proportions: every bone turned as in the clip, the way scaled to the legs, and the hooves set down again."""
import numpy as np

from .maths import from_rotvec, inverse, posed, rigid, swing

LEGS = {  # in the order of a clip's contacts; from hip or shoulder down to the hoof
    "LH": ("thigh.L", "lower_leg.L", "hind_foot.L", "r_toe.L", "r_hoof.L"), "LF": ("upper_arm.L", "forearm.L", "forefoot.L", "f_toe.L", "f_hoof.L"),
    "RH": ("thigh.R", "lower_leg.R", "hind_foot.R", "r_toe.R", "r_hoof.R"), "RF": ("upper_arm.R", "forearm.R", "forefoot.R", "f_toe.R", "f_hoof.R")}


def fit(skeleton, clip, own):
    """World matrices (T,B,4,4) of `own`'s bones in the motion of a clip that was made for `skeleton`."""
    source = posed(skeleton, clip["rotation"], clip["root_location"])
    if own is skeleton:
        return source
    turn = source[..., :3, :3] @ np.swapaxes(skeleton["matrix_local"][:, :3, :3], -1, -2)
    root = source[:, 0, :3, 3] * leg_length(own) / leg_length(skeleton)
    contacts = clip["contacts"] if "contacts" in clip else find_contacts(tips(skeleton, source), clip["meta"]["fps"])
    return planted(own, turn, root, np.asarray(contacts, bool), clip["meta"])


def leg_length(skeleton):
    """Metres, mean of the four legs."""
    joints = np.array([[skeleton["names"].index(n) for n in leg] for leg in LEGS.values()])
    heads = skeleton["head"][joints]
    return np.linalg.norm(np.diff(heads, axis=1), axis=-1).sum(1).mean()


def turned(own, turn, root):
    """World matrices (T,B,4,4) of bones turned by `turn` (T,B,3,3) from their rest pose, in the world's axes."""
    out = rigid(turn @ own["matrix_local"][:, :3, :3], np.zeros(turn.shape[:2] + (3,)))
    for b, parent in enumerate(own["parents"]):
        out[:, b, :3, 3] = root if parent < 0 else out[:, parent, :3, 3] + turn[:, parent] @ (own["head"][b] - own["head"][parent])
    return out


def horse_legs(skeleton):
    """What `plant` needs to know of each leg, in the order of a clip's contacts.

    `turns`: the bones that may turn, from the top, each a list of those that turn as one; `holds`: the bone whose head they carry, which keeps
    its slope as all below it; `tip`: the bone whose tail stands on the ground; `ground_m`: how high that is at rest.
    """
    index = {n: i for i, n in enumerate(skeleton["names"])}
    return [{"turns": [[index[n] for n in (name, name + ".001") if n in index] for name in leg[:3]], "holds": index[leg[3]], "tip": index[leg[4]], "ground_m": 0.0}
            for leg in LEGS.values()]


def tips(skeleton, source, legs=None):
    """(T,4,3) the hooves' tips."""
    hooves = [leg["tip"] for leg in legs or horse_legs(skeleton)]
    local = (inverse(skeleton["matrix_local"][hooves]) @ np.append(skeleton["tail"][hooves], np.ones((len(hooves), 1)), 1)[..., None])[..., 0]
    return (source[:, hooves] @ local[..., None])[..., :3, 0]


def find_contacts(tip, fps, height_m=0.04, speed=0.5):
    """(T,4) bool: low, and not moving along with the horse, by the speed that the fastest hoof has."""
    velocity = np.linalg.norm(np.gradient(tip, axis=0), axis=-1) * fps if len(tip) > 1 else np.zeros(tip.shape[:2])
    return (tip[..., 2] < height_m) & (velocity < max(speed, 0.15 * velocity.max()))


def planted(own, turn, root, contacts, meta, legs=None):
    """`plant`; a loop (its last frame is its first, a stride further on) between the strides before and after it, so that it goes on closing."""
    if not meta.get("loop"):
        return plant(own, turn, root, contacts, meta["fps"], legs)
    n, step = len(root) - 1, root[-1] - root[0]
    rounds = np.concatenate([root[:-1] + k * step for k in (-1, 0, 1)])
    done = plant(own, np.tile(turn[:-1], (3, 1, 1, 1)), rounds, np.tile(contacts[:-1], (3, 1)), meta["fps"], legs)[n:2 * n]
    done = np.concatenate([done, done[:1]])
    done[-1, :, :3, 3] += step
    return done


def plant(own, turn, root, contacts, fps, legs=None):
    """Planted hooves stand still on the ground: the trunk's height first, then the legs; where a leg is too short the trunk gives way."""
    turn, legs = turn.copy(), legs or horse_legs(own)
    lift = np.array([[0, 0, leg["ground_m"]] for leg in legs])
    place = lambda: turned(own, turn, root)
    above = lambda: tips(own, place(), legs) - lift
    root = root - [0, 0, 1] * carried_over(above()[..., 2], contacts, fps)[:, None]
    target = targets(above(), contacts) + lift
    root = root - [0, 0, 1] * kept_above(too_short(own, place(), target, contacts, legs), fps)[:, None]
    reach(own, turn, place(), target, legs)
    return place()


def too_short(own, source, target, contacts, legs, straight=0.9985):
    """(T,) m by how much the trunk must come down for every planted hoof to be reached by a leg that is not quite straight."""
    tip, out = tips(own, source, legs), np.zeros(len(source))
    for k, leg in enumerate(legs):
        joints = [group[0] for group in leg["turns"]] + [leg["holds"]]
        longest = straight * np.linalg.norm(np.diff(source[0, joints, :3, 3], axis=0), axis=-1).sum()
        way = source[:, joints[-1], :3, 3] + target[:, k] - tip[:, k] - source[:, joints[0], :3, 3]
        room = np.sqrt(np.maximum(longest**2 - np.square(way[:, :2]).sum(-1), 0.5 * longest**2))  # no leg slants by more than 45 degrees
        out = np.maximum(out, np.where(contacts[:, k], -way[:, 2] - room, 0))
    return out


def kept_above(height, fps):
    """(T,) a smooth curve that is nowhere below `height`: the highest around, averaged over as many frames."""
    n = max(1, int(0.12 * fps))
    highest = np.lib.stride_tricks.sliding_window_view(np.pad(height, 2 * n, mode="edge"), 2 * n + 1).max(-1)
    kernel = np.hanning(2 * n + 3)[1:-1]
    return np.convolve(highest, kernel / kernel.sum(), "valid")


def targets(tip, contacts):
    """(T,4,3) where the hooves should be: at one place on the ground while planted; in between what was mended fades over; none sinks."""
    out, time = tip.copy(), np.arange(len(tip))
    for leg in range(4):
        planted = np.flatnonzero(contacts[:, leg])
        if len(planted) == 0:
            continue
        for stance in np.split(planted, np.flatnonzero(np.diff(planted) > 1) + 1):
            out[stance, leg] = [*tip[stance, leg, :2].mean(0), 0]
        mended = (out - tip)[planted, leg]
        out[:, leg] = tip[:, leg] + np.stack([np.interp(time, planted, mended[:, k]) for k in range(3)], -1)
    out[..., 2] = np.maximum(out[..., 2], 0)
    return out


def carried_over(height, contacts, fps):
    """(T,) the planted hooves' heights, one a frame, carried over flight and smoothed."""
    some, time = contacts.any(1), np.arange(len(height))
    if not some.any():
        return np.zeros(len(height))
    value = np.interp(time, time[some], [h[c].mean() for h, c in zip(height[some], contacts[some])])
    n = max(1, int(0.25 * fps))
    kernel = np.exp(-0.5 * (np.arange(-n, n + 1) / max(0.08 * fps, 0.3)) ** 2)
    return np.convolve(np.pad(value, n, mode="edge"), kernel / kernel.sum(), "valid")


def reach(own, turn, source, target, legs):
    """Turns the legs' bones, in place, by the least that brings the hooves' tips to `target` (T,4,3); hooves and pasterns keep their slope."""
    tip = tips(own, source, legs)
    for k, leg in enumerate(legs):
        joints = [group[0] for group in leg["turns"]] + [leg["holds"]]
        at, end = source[:, joints][..., :3, 3], source[:, leg["holds"], :3, 3] + target[:, k] - tip[:, k]
        above = own["parents"][joints[0]]
        more = closed(at, end, least_turns(at, end)) if len(joints) > 3 or above < 0 else two_bones(at, end, source[:, above, :3, :3])
        for n, group in enumerate(leg["turns"]):
            for b in group:
                turn[:, b] = more[:, n] @ turn[:, b]


def least_turns(joints, target, rounds=25):
    """Rotations (T,n,3,3) of the n bones between `joints` (T,n+1,3) that bring the last joint to `target` (T,3), or as near as it reaches."""
    bones = np.diff(joints, axis=1)
    turn = np.tile(np.eye(3), bones.shape[:2] + (1, 1))
    for _ in range(rounds):
        arm = np.cumsum((turn @ bones[..., None])[:, ::-1, :, 0], 1)[:, ::-1]  # from each joint to the end
        away = target - joints[:, 0] - arm[:, 0]
        if np.abs(away).max() < 1e-6:
            break
        system = (np.square(arm).sum((1, 2))[:, None, None] + 1e-4) * np.eye(3) - np.einsum("tja,tjb->tab", arm, arm)
        omega = np.cumsum(np.cross(arm, np.linalg.solve(system, away[..., None])[:, None, :, 0]), 1)  # a bone turns with those above it
        size = np.linalg.norm(omega, axis=-1, keepdims=True)
        turn = from_rotvec(omega * np.minimum(1, 0.3 / np.maximum(size, 1e-9))) @ turn  # no leaps: the formula holds for small turns
    return turn


def closed(joints, target, turn, halvings=30):
    """The turns with what was left of the way: all bones turn towards the line to `target`, or away from it, by one share of their angle, until it is met."""
    bones = (turn @ np.diff(joints, axis=1)[..., None])[..., 0]
    way = target - joints[:, 0]
    bones_now = lambda share: (from_rotvec(share[:, None, None] * to_line) @ bones[..., None])[..., 0]
    arm = bones.sum(1)
    along = unit(arm)
    across = np.cross(bones, along[:, None])
    size = np.linalg.norm(across, axis=-1, keepdims=True)
    to_line = across / np.maximum(size, 1e-9) * np.arctan2(size, (bones * along[:, None]).sum(-1, keepdims=True))
    low, high, wanted = np.full(len(joints), -1.0), np.ones(len(joints)), np.linalg.norm(way, axis=-1)
    for _ in range(halvings):
        share = (low + high) / 2
        longer = np.linalg.norm(bones_now(share).sum(1), axis=-1) < wanted
        low, high = np.where(longer, share, low), np.where(longer, high, share)
    bend = from_rotvec(((low + high) / 2)[:, None, None] * to_line)
    end = (bend @ bones[..., None]).sum(1)[..., 0]
    return swing(unit(end), unit(way))[:, None] @ bend @ turn


def two_bones(joints, target, body):
    """Rotations (T,2,3,3) that bring the end of a leg of two bones to `target`, or as near as it reaches, by the law of cosines.

    The joint between them bends to the side to which it bends most in the whole motion, as seen from the body (T,3,3): a leg that is
    straight in some frames would else bend to the one side now and to the other then.
    """
    upper, lower = (joints[:, i + 1] - joints[:, i] for i in (0, 1))
    axis = unit((np.swapaxes(body, -1, -2) @ np.cross(upper, lower)[..., None])[..., 0].sum(0))
    way = target - joints[:, 0]
    a, b = (np.linalg.norm(bone, axis=-1) for bone in (upper, lower))
    far = np.clip(np.linalg.norm(way, axis=-1), np.abs(a - b) + 1e-6, (a + b) * (1 - 1e-7))
    along, cosine = unit(way), np.clip((a**2 + far**2 - b**2) / (2 * a * far), -1, 1)
    ahead = unit(np.cross(along, (body @ axis)))  # where the joint goes
    joint = a[:, None] * (cosine[:, None] * along + np.sqrt(1 - cosine**2)[:, None] * ahead)
    return np.stack([swing(unit(upper), unit(joint)), swing(unit(lower), unit(far[:, None] * along - joint))], 1)


def unit(vector):
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)
