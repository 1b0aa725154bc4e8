"""Rewrites the lower half of constraints.txt (what the chosen packages pull in) from `pip freeze`. Run: make pins"""
import re
import subprocess
import sys
from pathlib import Path

PATH = Path(__file__).resolve().parents[1] / 'constraints.txt'
MARK = '# ---- what the above pull in: written by `make pins`, by nobody else ----'
NOT_OURS = {'kinequimation', 'setuptools', 'jupytext'}


def name(line): return re.split(r'[=<>! ;\[]', line.strip())[0].lower().replace('_', '-')


def main():
    upper = PATH.read_text().split(MARK)[0].rstrip()
    chosen = {name(line) for line in upper.splitlines() if line and not line.startswith('#')} | NOT_OURS
    freeze = subprocess.run([sys.executable, '-m', 'pip', 'freeze', '--exclude-editable'], capture_output=True, text=True, check=True).stdout
    # a local version ('2.13.0+cpu') is a build, not a version: whoever has a GPU wants another build of the same
    pins = [re.sub(r'\+\w+$', '', line) for line in freeze.splitlines() if '==' in line and name(line) not in chosen]
    PATH.write_text('\n'.join([upper, MARK, *sorted(pins, key=str.lower)]) + '\n')
    print(f'{PATH.name}: {len(pins)} pins below the mark')


if __name__ == '__main__': main()
