# SPDX-License-Identifier: GPL-3.0-or-later
"""The renderer's promises: exact labels, a job that resumes, pictures without a horse, and a skin that suits every horse."""
import json

import numpy as np
import pytest
from blender_side import BLENDER, SKELETON
from kinequimation_blender import maths
from kinequimation_blender.files import read_skeleton

SIZE = 96
K = np.array([[110.0, 0, SIZE / 2], [0, 110, SIZE / 2], [0, 0, 1]])
R = np.array([[0.0, 1, 0], [0, 0, -1], [-1, 0, 0]])  # from the horse's left, X towards the camera: its head is on the picture's left
EYE = np.array([4.5, 0.1, 1.1])


@pytest.fixture(scope="module")
def rendered(child, clip_path, tmp_path_factory):
    """(folder, jobs file, what the child printed): two pictures of two horses, one of them behind the other's tail; one of the same place without them; two of the first, blurred by motion."""
    out = tmp_path_factory.mktemp("rendered")
    camera = {"K": K.tolist(), "R": R.tolist(), "t": (-R @ EYE).tolist()}
    horse = dict(id="first", skeleton=str(SKELETON), clip=str(clip_path), look={}, tack_seed=None)
    other = dict(horse, id="second", look={"coat": "grey"}, at=[-2.5, 1.5, 0.0])
    job = dict(out=str(out), size=[SIZE, SIZE], samples=1, fps=25, names=["a", "b"], frames=[0, 3], camera=camera, horses=[horse, other],
               place=dict(seed=4, eye=EYE.tolist(), root=[0, 0, 1.4], plain=True), photo=dict(seed=4, film=True, shutter=0))
    empty = {**job, "frames": [0], "names": ["empty"], "horses": []}
    blurred = {**job, "names": ["c", "d"], "horses": [horse], "photo": dict(seed=4, film=True, shutter=1.0)}
    jobs = out / "jobs.jsonl"
    jobs.write_text("\n".join(json.dumps(j) for j in (job, empty, blurred)))
    return out, jobs, render(child, jobs)


def render(child, jobs):
    done = child(BLENDER / "synth/render.py", jobs, "--skeleton", SKELETON, "--cache", jobs.parent / "cache")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert '"error"' not in done.stdout, done.stdout[-2000:]
    return done.stdout


def label(out, stem):
    return json.loads((out / "labels" / f"{stem}.json").read_text())


def mask(horse):
    counts, (h, w) = horse["segmentation"]["counts"], horse["segmentation"]["size"]
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(w, h).T


def test_keypoints_are_the_clips_joints_seen_by_the_camera(rendered, clip, skeleton):
    for stem, frame in (("a", 0), ("b", 3), ("d", 3)):
        made = label(rendered[0], stem)["horses"][0]
        heads = maths.posed(skeleton, clip["rotation"][[frame]], clip["root_location"][[frame]])[0, :, :3, 3]
        np.testing.assert_allclose(made["heads"], heads, atol=2e-5)
        seen = (heads - EYE) @ R.T
        np.testing.assert_allclose(made["heads_camera"], seen, atol=2e-5)
        expected = (seen @ K.T)[:68, :2] / seen[:68, 2:]
        points = np.array(made["keypoints"])
        inside = points[:, 2] > 0
        assert inside.sum() > 50
        np.testing.assert_allclose(points[inside, :2], expected[inside], atol=.01)
        x, y, w, h = made["bbox_xywh"]
        assert (points[inside, 0] > x - 2).all() and (points[inside, 0] < x + w + 2).all() and (points[inside, 1] < y + h + 2).all()


def test_the_far_eye_is_hidden_and_the_near_one_seen(rendered, skeleton):
    seen = np.array(label(rendered[0], "a")["horses"][0]["keypoints"])[:, 2]
    assert seen[skeleton["names"].index("eye.R")] == 1
    assert seen[skeleton["names"].index("eye.L")] == 2
    assert seen[skeleton["names"].index("forefoot.L")] == 2


def test_masks_are_where_the_horses_are_seen(rendered):
    first, second = label(rendered[0], "a")["horses"]
    assert (first["id"], second["id"]) == ("first", "second")
    assert first["area"] == mask(first).sum() > 300 and second["area"] == mask(second).sum() > 50
    assert not (mask(first) & mask(second)).any(), "a pixel shows one horse"
    for horse in (first, second):
        x, y, w, h = horse["bbox_xywh"]
        rows, columns = np.nonzero(mask(horse))
        assert x - 2 <= columns.min() and columns.max() <= x + w + 2 and y - 2 <= rows.min() and rows.max() <= y + h + 2
    points = np.array(first["keypoints"])
    seen = points[points[:, 2] == 2, :2].astype(int)
    assert mask(first)[seen[:, 1], seen[:, 0]].mean() > .8


def test_the_one_behind_is_hidden_where_the_other_stands_in_front(rendered):
    first, second = label(rendered[0], "a")["horses"]
    points = np.array(second["keypoints"])
    inside = points[:, 2] > 0
    at = points[inside, :2].astype(int)
    covered = mask(first)[at[:, 1], at[:, 0]]
    assert covered.sum() > 3 and (points[inside, 2][covered] == 1).mean() > .8


def test_motion_blurs_the_picture_and_not_the_truth(rendered):
    """With the shutter open for a whole frame the legs smear: fewer pixels are the horse's for certain than in the sharp picture."""
    sharp, blurred = label(rendered[0], "b")["horses"][0], label(rendered[0], "d")["horses"][0]
    assert sharp["keypoints"] != [] and np.array_equal(np.array(sharp["keypoints"])[:, :2], np.array(blurred["keypoints"])[:, :2])
    assert (mask(sharp) ^ mask(blurred)).sum() > 20


def test_a_place_without_a_horse_has_nothing_to_find(rendered):
    assert label(rendered[0], "empty")["horses"] == []
    assert (rendered[0] / "images/empty.jpg").read_bytes() != (rendered[0] / "images/a.jpg").read_bytes()


def test_a_second_run_makes_only_what_is_missing(rendered, child):
    out, jobs, first = rendered
    assert first.count('"frame"') == 5
    before = {p.name: p.stat().st_mtime_ns for p in (out / "images").iterdir()}
    assert set(before) == {f"{s}.jpg" for s in ("a", "b", "c", "d", "empty")}, "nothing half made may stay"
    (out / "labels/b.json").unlink()
    assert render(child, jobs).count('"frame"') == 1
    assert {p.name for p in (out / "images").iterdir() if p.stat().st_mtime_ns != before[p.name]} == {"b.jpg"}
