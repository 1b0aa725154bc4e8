"Training with MMPose, in small: both configurations run, resume, export and give what the detector expects."
import json

import cv2
import numpy as np
import pytest

pytest.importorskip('mmpose', reason="needs the extra 'train'")
from kinequimation.detect import Detector
from kinequimation.files import InputError
from kinequimation.fine_tune import checkpoint_of
from kinequimation.skeleton import HORSE68
from kinequimation.train_detector import (Horse68Dataset, HorseCrop, HorseLook, best_checkpoint, choose_threshold, dataset_info, export_detector, facing, load_config, load_model, measure_detector, mix_styles, mmpose_keypoints,
                                          summarise, target_distribution, toy_dataset, toy_picture, train_detector)
from kinequimation.weights import names_hash
import torch


@pytest.fixture(scope='module')
def toys(tmp_path_factory): return toy_dataset(tmp_path_factory.mktemp('toys'), 24, seed=5, negatives=.2)


@pytest.fixture(scope='module')
def trained(toys, tmp_path_factory):
    out = tmp_path_factory.mktemp('run')
    best = train_detector(toys, out, epochs=1, batch_size=6, threads=1)
    return out, best, export_detector(best, out/'detector.onnx', threshold=0.)


def test_mmpose_and_detector_agree(trained, toys):
    "MMPose's pipeline and ours cut, run and decode independently: the keypoints must be the same."
    _, best, weights = trained
    detector = Detector(weights, threads=1, flip_test=False)
    for path, box, points, scores in mmpose_keypoints(best, toys):
        ours, sure = detector.predict(cv2.imread(str(path)), box, looks=(1.,))
        assert np.abs(ours - points).max() < 1 and np.abs(sure - scores).max() < .02


def test_styles_are_exchanged_and_nothing_else():
    x, std = torch.randn(6, 4, 9, 9)*torch.rand(6, 4, 1, 1) + torch.randn(6, 4, 1, 1), lambda a: a.std((2, 3), keepdim=True, unbiased=True)
    torch.manual_seed(1)
    mixed = mix_styles(x, share=1., alpha=1e-3)   # one style or the other, hardly a mixture
    normal = lambda a: (a - a.mean((2, 3), keepdim=True))/std(a)
    assert torch.allclose(normal(mixed), normal(x), atol=1e-3)      # where things are stays
    lent = [int(np.argmin([float((std(m[None]) - std(o[None])).abs().max()) for o in x])) for m in mixed]
    assert all(float((std(m[None]) - std(x[k:k + 1])).abs().max()) < 1e-2 for m, k in zip(mixed, lent)) and lent != list(range(6))
    assert mix_styles(x, share=0.) is x


def test_onnx_equals_torch(trained):
    _, best, weights = trained
    model, _ = load_model(best)
    x = torch.randn(3, 3, 224, 224)
    with torch.no_grad(): prob = model.head.probabilities(model.extract_feat(x))[0].numpy()
    answer = Detector(weights, threads=1).session.run(None, {'windows': x.numpy()})[0]
    assert np.abs(answer - prob).max() < 1e-4
    assert (answer.sum((2, 3)) <= 1 + 1e-4).all()


def test_the_file_says_what_it_is(trained):
    meta = Detector(trained[2], threads=1).meta
    assert (meta['kind'], meta['skeleton'], meta['names_hash'], meta['input_size']) == ('detector', 'horse68', names_hash(HORSE68), [224, 224])


def test_a_training_begins_with_the_weights_that_ship(toys, tmp_path):
    "From ONNX, also from a file that answers for landmarks besides: the answers are those of the file, and training begins with them."
    start = checkpoint_of(None, toys, tmp_path/'start.pth', n=8)
    x = torch.randn(2, 3, 224, 224)
    model, _ = load_model(start)
    with torch.no_grad(): prob = model.head.probabilities(model.extract_feat(x))[0].numpy()
    assert np.abs(Detector(threads=1).session.run(['prob'], {'windows': x.numpy()})[0] - prob).max() < 1e-3
    last = torch.load(best_checkpoint(train_detector(toys, tmp_path/'run', epochs=.01, batch_size=6, threads=1, init=start).parent), weights_only=False, map_location='cpu')['state_dict']
    assert max(float((last[k] - v).abs().max()) for k, v in model.state_dict().items() if k.startswith('head')) < .05   # one step away


def test_another_backbone_takes_over_what_the_head_knows(toys, tmp_path):
    "The pyramid and head that ship on a smaller backbone: before it has learned anything it sees on toy horses much of what the other sees."
    other = 'horse68_lite0_224'
    start = checkpoint_of(None, toys, tmp_path/'start.pth', n=96, config=other)
    model, _ = load_model(start, other)
    fresh, images = load_model(start, other)[0], sorted((toys/'images').glob('*.jpg'))[:12]
    torch.manual_seed(0)
    for m in fresh.neck.lateral: torch.nn.init.kaiming_normal_(m[0].weight)
    windows = torch.from_numpy(Detector(threads=1)._blob(np.array([cv2.resize(cv2.imread(str(p)), (224, 224)) for p in images]), False))
    with torch.no_grad(): seen = [m.head.probabilities(m.extract_feat(windows))[0].flatten(2).numpy() for m in (model, fresh)]
    theirs = Detector(threads=1).session.run(['prob'], {'windows': windows.numpy()})[0].reshape(seen[0].shape)
    shared = [np.minimum(s, theirs).sum(-1).mean() for s in seen]
    assert shared[0] > .1 and shared[0] > 5*shared[1], shared
    assert torch.load(start, weights_only=True)['meta']['rate'] == 1   # nothing here has learned to the end
    with pytest.raises(InputError, match='Expected a config with the head'): checkpoint_of(None, toys, tmp_path/'no.pth', config='horse68_hrnet-w32_256')


def test_training_goes_on_where_it_stopped(trained, toys, monkeypatch):
    "And prepares no picture again to get there."
    out, _, _ = trained
    before, prepared = torch.load(out/'last.pth', weights_only=False, map_location='cpu')['meta']['iter'], []
    monkeypatch.setattr(HorseLook, '__call__', lambda self, results, look=HorseLook.__call__: prepared.append(1) or look(self, results))
    train_detector(toys, out, epochs=2, batch_size=6, threads=1)
    after = torch.load(out/'last.pth', weights_only=False, map_location='cpu')['meta']['iter']
    assert before < after == 2*before and len(prepared) == 6*(after - before)


def test_measuring(trained, toys):
    rows = measure_detector(Detector(trained[2], threads=1), toys, limit=6)
    numbers = summarise(rows, choose_threshold(rows))
    assert 0 <= numbers['PCK@0.05 box given'] <= 1 and numbers['pictures'] + numbers['pictures without a horse'] == 6


def test_hrnet_w32_runs(toys, tmp_path, monkeypatch):
    "MMPose's own network on the same set: a few iterations, without its published weights."
    import kinequimation.train_detector as t
    monkeypatch.setattr(t, '_reachable', lambda url: None)
    best = train_detector(toys, tmp_path, epochs=.2, batch_size=2, config='horse68_hrnet-w32_256', threads=1)
    state = torch.load(best, weights_only=False, map_location='cpu')['state_dict']
    assert state['head.final_layer.weight'].shape[0] == 68


def test_hrnet_w32_begins_from_animals():
    cfg = load_config('horse68_hrnet-w32_256')
    assert cfg.load_from.startswith('https://') and 'ap10k' in cfg.load_from
    assert cfg.model.backbone.extra.stage2.num_channels == (32, 64)


def test_pictures_without_a_horse_stay_in(toys):
    both = Horse68Dataset(ann_file='annotations/train.json', data_root=f'{toys}/', pipeline=[])
    horses = Horse68Dataset(ann_file='annotations/train.json', data_root=f'{toys}/', pipeline=[], negatives=False)
    n = sum(not any(a['keypoints'][2::3]) for a in json.loads((toys/'annotations'/'train.json').read_text())['annotations'])
    assert n > 0 and len(both) == len(horses) + n
    assert Horse68Dataset.METAINFO == dataset_info()


@pytest.mark.parametrize('seed', range(12))
def test_augmented_labels_stay_on_the_horse(seed):
    "A mark painted at a keypoint is where the label says, after cutting, turning and mirroring; a mirrored left is a right."
    np.random.seed(seed)
    points = np.zeros((68, 3))
    points[:] = [128, 128, 2]
    l, r = HORSE68.index('r_hoof.L'), HORSE68.index('r_hoof.R')
    points[l, :2], points[r, :2] = (90, 150), (170, 110)
    image = np.zeros((256, 256, 3), np.uint8)
    cv2.circle(image, (90, 150), 6, (255, 0, 0), -1)
    cv2.circle(image, (170, 110), 6, (0, 255, 0), -1)
    record = dict(img=image, bbox=np.array([[60., 60., 200., 200.]]), keypoints=points[None, :, :2], keypoints_visible=points[None, :, 2], facing=1., is_horse=True)
    record = HorseCrop(train=True)(record)
    where = lambda c: np.argwhere(record['img'][..., c] - record['img'][..., 2].astype(int) > 150).mean(0)[::-1]
    labels = record['keypoint_labels'][0]
    first, second = (r, l) if record['flip'] else (l, r)
    for k, c in ((first, 0), (second, 1)):
        if (labels[k] > 8).all() and (labels[k] < 184).all() and (record['img'][..., c] - record['img'][..., 2].astype(int) > 150).any(): assert np.linalg.norm(where(c) - labels[k]) < 2
    assert record['facing_target'] == (-1 if record['flip'] else 1)


def test_looks_keep_the_shape():
    rng = np.random.default_rng(0)
    for seed in range(20):
        np.random.seed(seed)
        image, points, azimuth = toy_picture(rng)
        record = HorseCrop(train=True)(dict(img=image, bbox=np.array([[0., 0, 256, 256]]), keypoints=points[None, :, :2], keypoints_visible=points[None, :, 2], facing=azimuth, is_horse=True))
        record = HorseLook()(record)
        assert record['img'].shape == (224, 224, 3) and record['img'].dtype == np.uint8


def test_target_is_a_distribution_about_the_point():
    t = target_distribution(torch.tensor([[[97.5, 57.5], [0, 0]]]), torch.tensor([[1., 0.]]), (48, 48), 4, 1.2)
    assert torch.allclose(t.sum(-1), torch.ones(1, 2)) and t[0, 1, -1] == 1
    assert int(t[0, 0].argmax()) == 14*48 + 24


def test_facing_is_what_the_picture_shows():
    assert facing(np.array([1., 0, 0]), np.array([0, 0, 5.])) == pytest.approx(np.pi/2)
    assert facing(np.array([1., 0, 1]), np.array([5., 0, 5])) == pytest.approx(0)  # straight away from the camera, at the edge of the picture


def test_bad_input(tmp_path):
    with pytest.raises(InputError, match='Expected annotations/train.json in the data set'): train_detector(tmp_path, tmp_path/'run', epochs=1)
    with pytest.raises(InputError, match='either epochs or minutes'): train_detector(tmp_path, tmp_path/'run')
    with pytest.raises(InputError, match='has no checkpoint'): best_checkpoint(tmp_path)


def test_background_horses_are_learned_from_only_where_one_says_so(tmp_path):
    "A picture without the filmed horse, but with others, is no picture without a horse."
    from kinequimation.dataset import sketch_dataset
    from kinequimation.train_detector import facing_of, read_coco
    folder = sketch_dataset(tmp_path/'set', 80, seed=7, size=(96, 96))
    coco = json.loads((folder/'annotations'/'train.json').read_text())
    shown = [a for a in coco['annotations'] if any(a['keypoints'][2::3])]
    behind = [a for a in shown if a['background']]
    empty = [i for i in coco['images'] if not i['has_horse']]
    assert behind and empty
    load = lambda **k: Horse68Dataset(ann_file=str(folder/'annotations'/'train.json'), data_root=str(folder), data_prefix=dict(img=''), pipeline=[], **k)
    assert len(load()) == len(shown) - len(behind) + len(empty) and len(load(background=True)) == len(shown) + len(empty) and len(load(negatives=False)) == len(shown) - len(behind)
    assert sum(r['keypoints'] is None for r in read_coco(folder/'annotations'/'train.json')) == len(empty)
    a = shown[0]
    name = next(i['file_name'] for i in coco['images'] if i['id'] == a['image_id'])
    assert facing_of({k: v for k, v in a.items() if k != 'facing'}, folder/name) == pytest.approx(a['facing'], abs=1e-3)


def test_sets_are_mixed_by_their_shares(toys):
    "A picture of a set with share 3 is drawn three times as often as one of a set with share 1."
    from kinequimation.train_detector import WeightedSets, set_shares
    assert set_shares([toys, f'{toys}:2.5']) == ([toys, toys], [1., 2.5]) and set_shares(str(toys)) == ([toys], [1.])
    with pytest.raises(InputError, match='share above 0'): set_shares([f'{toys}:0'])
    class Two:
        _lens = [10, 30]
        def __len__(self): return 40
    draw = iter(WeightedSets(Two(), [3., 1.], seed=0))
    counts = np.bincount([next(draw) for _ in range(6000)], minlength=40)
    assert abs(counts[:10].mean()/counts[10:].mean() - 3) < .3
    from mmengine.registry import init_default_scope
    from mmengine.runner import Runner
    init_default_scope('mmpose')
    cfg = load_config(data=[toys, f'{toys}:2'], batch_size=4)
    batch = next(iter(Runner.build_dataloader(cfg.train_dataloader, seed=0)))
    assert len(batch['inputs']) == 4 and batch['inputs'][0].shape == (3, 224, 224)


def test_the_learning_curve_is_drawn(trained, tmp_path):
    from kinequimation.train_detector import draw_curves, read_log
    log = read_log(trained[0])
    assert len(log['PCK']) >= 1 and 0 <= log['PCK'][-1, 1] <= 1
    image = cv2.imread(str(draw_curves({'loss': [(0, 4.), (10, 2.), (20, 3.)], 'PCK': []}, tmp_path/'c.png')))
    blue = (image.astype(int)[..., 0] - image[..., 2] > 100)[:, 60:580]
    low = [np.flatnonzero(blue[:, x])[0] for x in (3, 260, 500)]
    assert low[0] < low[2] < low[1]   # falls, then rises again, and a picture has its zero on top


def test_a_horse_is_cut_out_along_its_mask():
    from kinequimation.train_detector import HorsePaste
    image, mask = np.full((60, 80, 3), 200, np.uint8), np.zeros((60, 80), bool)
    mask[20:50, 30:60] = True
    runs = np.diff(np.concatenate([[0], np.flatnonzero(np.diff(mask.ravel('F').astype(int))) + 1, [mask.size]]))
    results = dict(img=image.copy(), is_horse=True, raw_ann_info=dict(segmentation=dict(size=[60, 80], counts=runs.tolist())))
    pasted = HorsePaste(1.)(results)['img']
    assert (np.abs(pasted[26:44, 36:54].astype(int) - 200) <= 1).all() and (pasted[:14] != 200).mean() > .9
    same = HorsePaste(1.)(dict(img=image.copy(), is_horse=True, raw_ann_info={}))['img']
    assert (same == image).all()
    with pytest.raises(InputError, match='Expected pictures in'): HorsePaste(1., backgrounds='tests')


def test_only_a_picture_without_a_horse_becomes_grain():
    "What shows a horse stays to be seen under its labels; an empty place is now and then nothing at all."
    like = {True: [], False: []}
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8), (0, 0), 6)
    picture = cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX)
    for seed in range(120):
        np.random.seed(seed)
        for horse in like:
            spoiled = HorseLook(riders=0.)(dict(img=picture.copy(), is_horse=horse, keypoint_labels=np.zeros((1, 68, 2))))['img']
            soft = [cv2.GaussianBlur(i.astype(np.float32).mean(-1), (0, 0), 3).ravel() for i in (picture, spoiled)]
            like[horse].append(abs(np.corrcoef(*soft)[0, 1]))
    lost = {horse: np.mean(np.array(c) < .3) for horse, c in like.items()}
    assert lost[True] < .15 and .15 < lost[False] - lost[True] < .4   # other filters and lights alone lose few
