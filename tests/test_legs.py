"Exchanged legs are put right in films as people make them: slow motion, pictures shown two and three times, keypoints that tremble."
import numpy as np

from kinequimation.gait import generate
from kinequimation.legs import leg_pairs, undo_swaps
from kinequimation.skeleton import HORSE68


def held_gallop(seed, n_frames=120, stride_frames=36):
    "(T, 68, 2) px: a gallop from the side in slow motion, each picture shown for one to three frames, and scores (T, 68)."
    rng = np.random.default_rng(seed)
    m = generate('gallop_right', 12., n_frames=1200, fps=480., seed=seed)
    shown = np.cumsum(rng.choice([1, 2, 3], n_frames, p=[.25, .5, .25]))
    at = np.repeat(np.arange(n_frames), np.diff(shown, prepend=0))[:n_frames]*2*480/m.stride_hz/stride_frames
    xyz = m.positions()[np.minimum(at.astype(int), 1199)] - m.root_location[np.minimum(at.astype(int), 1199)][:, None]*[1, 1, 0]
    tremble = rng.normal(0, 12, (n_frames, 68, 2))
    return np.stack([-xyz[..., 1], -xyz[..., 2]], -1)*220 + [480, 400] + tremble, rng.uniform(.2, .9, (n_frames, 68))


def test_one_exchanged_picture_of_a_slow_film_is_put_right():
    left, right = leg_pairs(HORSE68)[1]
    still, also = [], []
    for seed in range(40):
        points, scores = held_gallop(seed)
        apart = np.linalg.norm(points[:, left[-1]] - points[:, right[-1]], axis=-1)
        chosen = next(t for t in np.random.default_rng(seed).permutation(np.flatnonzero(apart > 80)) if 3 < t < len(points) - 4)
        wrong = points.copy()
        wrong[chosen, left + right] = wrong[chosen, right + left]
        off = np.abs(undo_swaps(wrong, scores)[0] - points).max((1, 2)) > 1e-9
        still.append(off[chosen]); also.append(off.mean() - off[chosen]/len(off))
    assert np.mean(still) < .15, f'{np.mean(still):.0%} of the pictures are still exchanged'
    assert np.mean(also) < .04, f'{np.mean(also):.1%} of the pictures were exchanged that were right'
