# EfficientNet-Lite0 (ImageNet weights from a pip package), a light pyramid, a head that knows which way the horse faces: what `--detector lite0` is, and all but the backbone of the shipped default.
# `kinequimation train-detector` points it at a data set and gives it a budget.
custom_imports = dict(imports=['kinequimation.train_detector'], allow_failed_imports=False)
default_scope = 'mmpose'
input_size = 224

model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(type='PoseDataPreprocessor', mean=[126.99] * 3, std=[128.01] * 3, bgr_to_rgb=True),  # (x - .498) / .502, as the backbone wants it
    backbone=dict(type='EfficientNetLite', kind=0, size=input_size, frozen=8, pretrained=True),
    neck=dict(type='LightPyramid'),
    head=dict(type='FacingHead', out_channels=68, stride=4),
    test_cfg=dict(flip_test=False))

pack = dict(type='PackPoseInputs', meta_keys=('id', 'img_id', 'img_path', 'category_id', 'input_size', 'input_center', 'input_scale', 'flip', 'facing_target', 'is_horse', 'raw_ann_info', 'dataset_name'))
train_dataloader = dict(
    batch_size=32, num_workers=0, drop_last=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type='Horse68Dataset', pipeline=[dict(type='LoadImage'), dict(type='HorsePaste', share=.15), dict(type='HorseCrop', size=input_size, train=True), dict(type='HorseLook'), pack]))
val_dataloader = dict(
    batch_size=32, num_workers=0, drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(type='Horse68Dataset', negatives=False, test_mode=True, pipeline=[dict(type='LoadImage'), dict(type='HorseCrop', size=input_size), pack]))
val_evaluator = dict(type='PCKAccuracy', thr=0.05, norm_item='bbox')
val_cfg = dict()

optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.02),
    clip_grad=dict(max_norm=5.),
    paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.3)}, norm_decay_mult=0., bias_decay_mult=0.))

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=20),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False),
    sampler_seed=dict(type='DistSamplerSeedHook'))
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0), dist_cfg=dict(backend='gloo'))
log_processor = dict(type='LogProcessor', window_size=20, by_epoch=False, num_digits=4)
log_level = 'INFO'
load_from = None
resume = False
