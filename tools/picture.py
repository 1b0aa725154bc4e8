"""The README's picture: some frames of the video with the skeleton on it, and under each the horse in Blender. Run: make picture (after make demo)"""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from kinequimation.files import atomic_path
from kinequimation.video import frames, probe

ROOT = Path(__file__).resolve().parents[1]


def render(scene, numbers, folder, width):
    "Pictures of the scene through its camera, by a Blender child; the scene's first frame is 1."
    script = ROOT / 'blender/scripts/render_frames.py'
    subprocess.run([sys.executable, script, scene, '-o', folder, '--width', str(width), '--frames', *[str(n + 1) for n in numbers]], check=True, stdout=subprocess.DEVNULL)
    return [on_paper(cv2.imread(str(Path(folder) / f'{n + 1:04d}.png'), cv2.IMREAD_UNCHANGED)) for n in numbers]


def on_paper(image, paper=(238, 240, 242)):
    "The scene is transparent where the video shows behind it."
    alpha = image[..., 3:]/255 if image.shape[2] == 4 else 1
    return (image[..., :3]*alpha + np.array(paper)*(1 - alpha)).astype(np.uint8)


def main(out, picture, count, width):
    overlay = out / 'overlay.mp4'
    numbers = np.linspace(0, probe(overlay).n_frames - 1, count + 2).round().astype(int)[1:-1]
    seen = {i: image for i, image in enumerate(frames(overlay)) if i in numbers}
    with tempfile.TemporaryDirectory() as folder: blender = render(out / 'scene.blend', numbers, folder, width)
    rows = [np.hstack([cv2.resize(seen[n], blender[0].shape[1::-1], interpolation=cv2.INTER_AREA) for n in numbers]), np.hstack(blender)]
    with atomic_path(picture) as part: cv2.imwrite(str(part), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 82])
    print(picture)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', type=Path, help='the folder that `animate` wrote')
    parser.add_argument('picture', type=Path)
    parser.add_argument('--count', type=int, default=3)
    parser.add_argument('--width', type=int, default=320)
    args = parser.parse_args()
    main(args.out, args.picture, args.count, args.width)
