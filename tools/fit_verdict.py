"""Gives a detector an opinion of whether a window holds a horse at all: fitted where its finder is led to in the training parts of rendered sets, the line drawn and the outcome told on the
held-out parts.

    python tools/fit_verdict.py data/synthetic-seed36 data/empty-seed37 [--line data/synthetic-seed35 --line data/empty-seed34] [--weights detector.onnx] [--limit 3000] [--sheet claimed.jpg]

The sets that are fitted on should be new to the network; of those that it was trained on, the held-out parts can still draw the line.
"""
import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from kinequimation.detect import Detector, crop, crop_matrix, crop_window, pose_box  # noqa: E402
from kinequimation.evaluate import markdown_table  # noqa: E402
from kinequimation.train_detector import spoil  # noqa: E402
from kinequimation.verdict import asked_windows, fit_verdict, pooled, verdicts, write_verdict  # noqa: E402


def labelled(folder, part):
    "[(picture, (n, 4) xyxy px boxes of its horses)] of a rendered set, as JSON has them."
    coco = json.loads((folder/'annotations'/f'{part}.json').read_text())
    boxes = {i['id']: [] for i in coco['images']}
    for a in coco['annotations']:
        if any(a['keypoints'][2::3]): boxes[a['image_id']].append(np.array(a['bbox']) + [0, 0, *a['bbox'][:2]])
    return [(folder/i['file_name'], np.reshape(boxes[i['id']], (-1, 4))) for i in coco['images']]


def thinned(rows, limit): return rows[::-(-len(rows)//limit)] if rows else rows


def windows(rows, detector, rng):
    "(windows, is a horse): each window twice, as it is and spoiled as photographs are."
    found = []
    for n, (path, boxes) in enumerate(rows):
        found.append(asked_windows(detector, cv2.imread(str(path)), boxes, rng))
        print(f'\r{n + 1} of {len(rows)}', end='', file=sys.stderr)
    cut, horse = (np.concatenate([f[k] for f in found]) for k in range(2))
    return np.concatenate([cut, [spoil(w.copy(), rng) for w in cut]]), np.tile(horse, 2)


def features(see, cut):
    "Of windows and of their mirror images."
    return [np.concatenate([see(w[i:i + 16]) for i in range(0, len(w), 16)]) for w in (cut, cut[:, :, ::-1])]


def claims(rows, detector):
    "Of each picture: the claim, its verdict, the window."
    said = []
    for n, (path, _) in enumerate(rows):
        image = cv2.imread(str(path))
        *answer, claimed = detector.seek(image)
        box = pose_box(*answer)
        said.append((claimed, detector.verdict(image, box), crop(image, crop_matrix(*crop_window(box), 160), 160)))
        print(f'\r{n + 1} of {len(rows)}', end='', file=sys.stderr)
    return said


def line_of(said, found, silent):
    "The lowest verdict from which on to believe, so that as many empty places are left alone as shall be."
    values = np.sort([v for c, v, _ in said if c >= found])[::-1]   # of those that are claimed
    spare = int((1 - silent)*len(said))
    return round(float(max(values[spare], 1e-3)) + 1e-3, 3) if len(values) > spare else 1e-3


def sheet(said, found, least, columns=8):
    "Claimed empty places, the surest first; framed green where the verdict saves us."
    tiles = [cv2.copyMakeBorder(w, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=(60, 160, 60) if v < least else (50, 50, 220)) for c, v, w in sorted(said, key=lambda s: -s[0]) if c >= found][:4*columns]
    tiles += [np.full_like(tiles[0], 255)]*(-len(tiles) % columns)
    return np.concatenate([np.concatenate(tiles[i:i + columns], 1) for i in range(0, len(tiles), columns)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('data', type=Path, nargs='+', help='what render-dataset wrote, with and without horses')
    parser.add_argument('--line', type=Path, action='append', metavar='DATA', help='further sets whose held-out parts count for the line and for what is told')
    parser.add_argument('--weights', type=Path, default=ROOT/'kinequimation/assets/models/detector.onnx')
    parser.add_argument('--limit', type=int, default=3000, help='pictures of each kind, with and without a horse')
    parser.add_argument('--found', type=float, default=.2, help='from which claim on to ask for the verdict')
    parser.add_argument('--silent', type=float, default=.985, help='the share of the held-out empty places that shall be left alone')
    parser.add_argument('--threads', type=int)
    parser.add_argument('--sheet', type=Path, help='also draw the empty places that were claimed')
    args = parser.parse_args()
    rng, detector = np.random.default_rng(0), Detector(args.weights, threads=args.threads)
    detector.least = 0.   # as if it had no opinion yet
    rows = {(part, some): [] for part in ('train', 'val') for some in (True, False)}
    for folder in [*args.data, *(args.line or [])]:
        for part in ('train', 'val') if folder in args.data else ('val',):
            for row in labelled(folder, part): rows[part, len(row[1]) > 0].append(row)
    cut, horse = windows(thinned(rows['train', True], args.limit) + thinned(rows['train', False], args.limit), detector, rng)
    x = np.concatenate(features(pooled(args.weights, args.threads), cut))
    line = fit_verdict(x, np.tile(horse, 2))
    write_verdict(args.weights, *line, 1e-4)   # believes nearly everything, and says what it thinks
    detector = Detector(args.weights, threads=args.threads)
    said = {some: claims(thinned(rows['val', some], args.limit), detector) for some in (True, False)}
    least = line_of(said[False], args.found, args.silent)
    write_verdict(args.weights, *line, least, args.found)
    share = lambda some, found, least: round(float(np.mean([c >= found and v >= least for c, v, _ in said[some]])), 4)
    rows = [dict(claimed_from=f, believed_from=l, horses=len(said[True]), found=share(True, f, l), empty_places=len(said[False]), silent=round(1 - share(False, f, l), 4))
            for f in sorted({.15, .2, .25, args.found}) for l in (0., least)]
    print(f'\n{len(x)} windows\n' + markdown_table(rows))
    if args.sheet and any(c >= args.found for c, *_ in said[False]): cv2.imwrite(str(args.sheet), sheet(said[False], args.found, least))


if __name__ == '__main__': main()
