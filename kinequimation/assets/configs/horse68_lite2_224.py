# The shipped default: EfficientNet-Lite2 (ImageNet weights from a pip package); all else stands in the configuration of the smaller backbone.
_base_ = ['horse68_lite0_224.py']

model = dict(backbone=dict(kind=2), neck=dict(channels=(24, 48, 120, 352)))   # the backbone's, at strides 4 to 32
