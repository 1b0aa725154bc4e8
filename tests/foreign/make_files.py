"""Writes files.zip with the libraries whose formats are in it. Not needed to run the tests, which read what it wrote:
pandas 3.1.1 with tables 3.11.1 (what DeepLabCut writes through), sleap-io 0.9.5, movement 0.15.0. In an environment of its own:

    pip install pandas tables sleap-io movement && python make_files.py
"""
import tempfile
import zipfile
from pathlib import Path

import numpy as np

HERE = Path(tempfile.mkdtemp())
NAMES = ['tail_base', 'withers', 'poll', 'L_elbow', 'R_elbow']
T, K = 5, len(NAMES)


def truth(i=0):
    "(T, K, 3) x, y, confidence of the i-th animal; the second keypoint is missing in the third frame."
    t, k = np.mgrid[:T, :K].astype(float)
    data = np.stack([100 + 10*k + t + 50*i, 200 + 7*k - t, .5 + .01*k], -1)
    data[2, 1] = np.nan
    return data


def deeplabcut():
    import pandas as pd
    for animals in (['anna'], ['anna', 'bert']):
        many = len(animals) > 1
        columns = [('DLC',) + ((a,) if many else ()) + (n, c) for a in animals for n in NAMES for c in ('x', 'y', 'likelihood')]
        levels = ['scorer'] + ['individuals']*many + ['bodyparts', 'coords']
        values = np.concatenate([truth(i).reshape(T, -1) for i in range(len(animals))], 1)
        df = pd.DataFrame(values, columns=pd.MultiIndex.from_tuples(columns, names=levels))
        stem = f'dlc_{len(animals)}'
        df.to_csv(HERE/f'{stem}.csv')
        df.to_hdf(HERE/f'{stem}_fixed.h5', key='df_with_missing', mode='w')
        df.to_hdf(HERE/f'{stem}_table.h5', key='df_with_missing', mode='w', format='table')
    labelled = df.drop(columns=[c for c in columns if c[-1] == 'likelihood' or 'bert' in c])
    labelled.columns = pd.MultiIndex.from_tuples([(c[0],) + tuple(c[2:]) for c in labelled.columns], names=['scorer', 'bodyparts', 'coords'])
    labelled.index = pd.MultiIndex.from_tuples([('labeled-data', 'film', f'img{i:03}.png') for i in range(T)])   # what people labelled by hand
    labelled.to_csv(HERE/'dlc_labelled.csv')


def sleap():
    import sleap_io as sio
    skeleton = sio.Skeleton(nodes=list(NAMES), edges=[(0, 1), (1, 2)])
    video = sio.Video(filename='horse.mp4', open_backend=False)
    video.backend_metadata = dict(shape=(8, 720, 1280, 3), type='MediaVideo', filename='horse.mp4')
    instance = lambda i, t, **kw: sio.PredictedInstance.from_numpy(truth(i)[t, :, :2], skeleton=skeleton, point_scores=truth(i)[t, :, 2], score=.9, **kw)
    for animals in (['anna'], ['anna', 'bert']):
        tracks = [sio.Track(a) for a in animals]
        labels = sio.Labels([sio.LabeledFrame(video=video, frame_idx=t + 3, instances=[instance(i, t, track=tr) for i, tr in enumerate(tracks)]) for t in range(T)])
        labels.save(HERE/f'sleap_{len(animals)}.slp')
        sio.save_analysis_h5(labels, str(HERE/f'sleap_{len(animals)}.analysis.h5'))
        sio.save_analysis_h5(labels, str(HERE/f'sleap_{len(animals)}.standard.analysis.h5'), preset='standard')
    guess = instance(0, 0)                                     # a prediction that somebody corrected by hand
    by_hand = sio.Instance.from_numpy(truth()[0, :, :2] + 3, skeleton=skeleton)
    sio.Labels([sio.LabeledFrame(video=video, frame_idx=0, instances=[guess]), sio.LabeledFrame(video=video, frame_idx=1, instances=[by_hand])]).save(HERE/'sleap_untracked.slp')


def movement():
    from movement.io import load_poses
    data = np.stack([truth(i) for i in range(2)], -1)          # time, keypoints, 3, individuals
    ds = load_poses.from_numpy(data[:, :, :2].transpose(0, 2, 1, 3), data[:, :, 2], individual_names=['anna', 'bert'], keypoint_names=NAMES, fps=25, source_software='DeepLabCut')
    ds.attrs = {k: v for k, v in ds.attrs.items() if v is not None}
    ds.to_netcdf(HERE/'movement_plural.nc')


if __name__ == '__main__':
    for make in (deeplabcut, sleap, movement): make()
    with zipfile.ZipFile(Path(__file__).with_name('files.zip'), 'w', zipfile.ZIP_DEFLATED) as z:
        for f in sorted(HERE.iterdir()): z.writestr(zipfile.ZipInfo(f.name), f.read_bytes(), zipfile.ZIP_DEFLATED)
