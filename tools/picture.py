"""The README's pictures, from what `make demo` wrote. Still: some frames of the video with the skeleton on it, and under each the horse in Blender.
Moving: the two side by side, over two strides. Run: make picture (after make demo)"""
import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from kinequimation.files import atomic_path
from kinequimation.gait_analysis import analyse
from kinequimation.pose import PoseSequence
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


def both(out, numbers, width):
    "The numbered frames of the overlay, and of the scene in Blender; all of one size."
    seen = {i: image for i, image in enumerate(frames(out / 'overlay.mp4')) if i in set(numbers)}
    with tempfile.TemporaryDirectory() as folder: blender = render(out / 'scene.blend', numbers, folder, width)
    return [cv2.resize(seen[n], blender[0].shape[1::-1], interpolation=cv2.INTER_AREA) for n in numbers], blender


def write_still(picture, overlay, blender):
    with atomic_path(picture) as part: cv2.imwrite(str(part), np.vstack([np.hstack(overlay), np.hstack(blender)]), [cv2.IMWRITE_JPEG_QUALITY, 82])
    print(picture)


def write_moving(picture, overlay, blender, fps):
    "An animated WebP that goes round."
    film = cv2.Animation()
    film.frames = [np.hstack(pair) for pair in zip(overlay, blender)]
    film.durations = [round(1000 / fps)] * len(overlay)
    with atomic_path(picture) as part: cv2.imwriteanimation(str(part), film, [cv2.IMWRITE_WEBP_QUALITY, 62])
    print(f'{picture}: {picture.stat().st_size / 1000:.0f} kB')


def main(out, picture, count, width, strides):
    info, moving = probe(out / 'overlay.mp4'), picture.with_suffix('.webp')
    still = np.linspace(0, info.n_frames - 1, count + 2).round().astype(int)[1:-1]
    found = analyse(PoseSequence.load(out / 'pose3d.nc'))
    first = round(found.strides[0]['start_s'] * info.fps)
    loop = range(first, min(first + round(strides * info.fps / found.summary['stride_hz']), info.n_frames))   # whole strides, so that it closes
    numbers = sorted({*still.tolist(), *loop})
    at = dict(zip(numbers, zip(*both(out, numbers, width))))
    write_still(picture, *zip(*[at[n] for n in still.tolist()]))
    write_moving(moving, *zip(*[at[n] for n in loop]), info.fps)
    for name in ('pose2d.nc', 'pose3d.nc'): shutil.copy(out / name, ROOT / 'tools/site/demo')   # the start page's player


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', type=Path, help='the folder that `animate` wrote')
    parser.add_argument('picture', type=Path, help='the still one (.jpg); the moving one (.webp) goes beside it')
    parser.add_argument('--count', type=int, default=3, help='frames of the still one')
    parser.add_argument('--strides', type=int, default=2, help='of the moving one')
    parser.add_argument('--width', type=int, default=400, help='px, of a frame')
    args = parser.parse_args()
    main(args.out, args.picture, args.count, args.width, args.strides)
