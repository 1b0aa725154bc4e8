# KinEquiMation. `make` alone lists what there is. A second run installs nothing: stamps in .venv bear the hash of what was installed.
PYTHON ?= python3.11
OUT    ?= out/demo
CLIP   ?= kinequimation/assets/clips/demo.mp4
WORKERS ?= 2

BIN   := .venv/bin
HASH  := $(shell cat setup.py constraints.txt settings.ini | sha256sum | cut -c1-12)
BASE  := .venv/.made
DEMO  := .venv/.installed-demo-$(HASH)
LAB   := .venv/.installed-lab-$(HASH)
ALL   := .venv/.installed-all-$(HASH)
PIP   := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt
# Two busy processes on two cores: torch's and OpenMP's waiting threads would otherwise spin and starve each other.
QUIET := OMP_WAIT_POLICY=PASSIVE OMP_NUM_THREADS=1 PATH="$(CURDIR)/$(BIN):$$PATH"

.DEFAULT_GOAL := help
.PHONY: help check demo lab test notebooks-test test-walkthroughs pytest test-blender-all extension wheel-test install-demo install docs readme picture measure-detector clean pins

help:  ## this list
	@echo "KinEquiMation: a horse video in, an editable Rigify animation in Blender out."
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' Makefile | awk -F'|' '{printf "%-22s %s\n", $$1, $$2}'

check:  ## does this machine have Python 3.11 and the shared libraries? Says what to install if not
	@sh tools/check_machine.sh $(PYTHON)

$(BASE): | check
	$(PYTHON) -m venv .venv
	$(PIP) 'setuptools>=77.0.3,<82'
	@touch $@

$(DEMO): $(BASE) | check
	@echo "Installing the run time and Blender (about a minute, 1.5 GB) ..."
	$(PIP) --no-build-isolation -e '.[blender]'
	@rm -f .venv/.installed-demo-*; touch $@

$(LAB): $(DEMO) | check
	@echo "Installing JupyterLab and the players (about a minute) ..."
	$(PIP) --no-build-isolation -e '.[blender,notebooks]'
	@rm -f .venv/.installed-lab-*; touch $@

$(ALL): $(DEMO) | check
	@echo "Installing training, notebooks and development tools (some minutes, 1.5 GB more) ..."
	$(PIP) --no-build-isolation -e '.[train,blender,cluster,notebooks,dev]'
	@rm -f .venv/.installed-all-*; touch $@

install-demo: $(DEMO)  ## .venv with what `kinequimation animate` needs, pinned
install: $(ALL)  ## .venv with everything: training, notebooks, development

demo: $(DEMO)  ## animate the clip that ships with the project, into out/demo
	$(BIN)/kinequimation animate $(CLIP) -o $(OUT)
	@echo; echo "Film and horse side by side, in your browser:  $(BIN)/kinequimation view $(OUT) --video $(CLIP)"
	@echo "The scene wants Blender 5.0 or later, from https://www.blender.org/download/ ."

lab: $(LAB)  ## the walkthroughs in JupyterLab, to press the buttons yourself
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/nbs/tutorials   # from up here, or the pages' pictures and links would lie outside

test: notebooks-test pytest  ## everything: the notebooks, then pytest with the Blender tests

notebooks-test: $(ALL)  ## run every notebook
	$(QUIET) $(BIN)/nbdev_test --path nbs --n_workers $(WORKERS) --timing

test-walkthroughs: $(ALL)  ## run the walkthroughs from top to bottom, with training and Blender (20 minutes at most)
	$(QUIET) $(BIN)/nbdev_test --path nbs/tutorials --flags 'slow mmpose blender' --n_workers 1 --timing

# two runs, for each side has a conftest.py of its own
pytest: $(ALL)  ## tests/ and blender/tests/
	$(QUIET) $(BIN)/python -m pytest blender/tests
	$(QUIET) $(BIN)/python -m pytest tests

# Each version of Blender in an environment of its own: bpy's wheels are for one Python each, and bring 1.2 GB.
OLDER := 4.2.23 4.5.15
test-blender-all: pytest-blender-5.0 $(OLDER:%=pytest-blender-%)  ## blender/tests in Blender 4.2 LTS, 4.5 LTS and 5.0, one after the other

.PHONY: pytest-blender-5.0 $(OLDER:%=pytest-blender-%)
pytest-blender-5.0: $(ALL)
	$(QUIET) $(BIN)/python -m pytest blender/tests

$(OLDER:%=pytest-blender-%): pytest-blender-%: .venv-blender-%/.made $(ALL)
	$(QUIET) KINEQUIMATION_PYTHON=$(CURDIR)/$(BIN)/python .venv-blender-$*/bin/python -m pytest -p no:cacheprovider blender/tests

.venv-blender-%/.made: | check
	$(PYTHON) -m venv .venv-blender-$*
	.venv-blender-$*/bin/python -m pip install -q --disable-pip-version-check 'bpy==$*' 'numpy<2' pytest
	@touch $@

extension: $(DEMO)  ## the extension for Blender 4.2 and later as a zip, into dist/
	$(QUIET) $(BIN)/python blender/scripts/build_extension.py --skeleton kinequimation/assets/skeletons/horse.json -o dist

wheel-test: $(ALL)  ## build a wheel, install it in an empty environment, animate from another folder
	$(QUIET) KINEQUIMATION_WHEEL_TEST=1 $(BIN)/python -m pytest tests/test_wheel.py -s

docs: $(ALL)  ## the documentation site, into _docs/
	$(QUIET) $(BIN)/python tools/docs.py

readme: $(ALL)  ## README.md from nbs/index.ipynb
	$(BIN)/python tools/readme.py

SET    ?= data/synthetic-seed33
FILMS  ?= data/films
PHOTOS ?= ../shared/data/horse_photos
KINEQUIMATION := $(BIN)/python -c 'from kinequimation.cli import main; main()'
TABLES := --json nbs/benchmarks.json

# All that other weights of the detector change. First what it does wrong, which the lifter is measured with; then two at a time, on a thread each; speeds last, for they want the machine for themselves.
TWO_AT_A_TIME := measured-film measured-set measured-photos measured-finder measured-films measured-turning measured-refine
.PHONY: measured-errors measured-lifter measured-speed $(TWO_AT_A_TIME)

measure-detector: $(ALL)  ## after a new detector: all tables of the Benchmarks page that it changes (renders 3,096 pictures and 26 films if need be; some hours)
	$(KINEQUIMATION) render-dataset -n 3096 --seed 33 -o $(SET)
	$(MAKE) measured-errors
	$(MAKE) -j2 $(TWO_AT_A_TIME)
	$(MAKE) measured-lifter measured-speed

measured-errors:;  $(QUIET) $(BIN)/python tools/measure_errors.py $(SET)
measured-film:;    $(QUIET) $(KINEQUIMATION) evaluate 2d $(TABLES) --threads 1 && $(QUIET) $(KINEQUIMATION) evaluate 3d $(TABLES) --threads 1
measured-set:;     $(QUIET) $(KINEQUIMATION) evaluate 2d $(SET) $(TABLES) --threads 1
measured-photos:;  $(QUIET) $(KINEQUIMATION) evaluate 2d $(PHOTOS) $(TABLES) --threads 1
measured-finder:;  $(QUIET) $(BIN)/python tools/measure_finder.py $(SET) $(TABLES) --threads 1
measured-films:;   $(QUIET) $(BIN)/python tools/measure_films.py $(FILMS) -n 18 $(TABLES) --threads 1
measured-turning:; $(QUIET) $(BIN)/python tools/measure_films.py $(FILMS) -n 8 --turns $(TABLES) --threads 1
measured-refine:;  $(QUIET) $(KINEQUIMATION) evaluate refine $(TABLES) --threads 1
measured-lifter:;  $(KINEQUIMATION) evaluate lifter $(TABLES)
measured-speed:;   $(KINEQUIMATION) evaluate speed $(TABLES)

picture: $(DEMO)  ## the README's picture, from a run of `make demo`
	$(BIN)/python tools/picture.py $(OUT) nbs/images/first_screen.jpg

pins: $(ALL)  ## rewrite the lower half of constraints.txt from what is installed
	$(BIN)/python tools/pins.py

clean:  ## what was built, but not .venv
	rm -rf _docs _proc build dist out *.egg-info .pytest_cache .hypothesis
