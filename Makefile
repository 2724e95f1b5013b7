# Everything a newcomer needs, on a machine with make and Python 3.10 to 3.13: `make demo`, `make test`.
# The environment is made once, in .venv; stamps inside it say what is already installed.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Somebody else's modules must not get into our environment.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV

TORCH := torch==2.13.0
ANOMALIB := anomalib==2.7.0
VENV := .venv
RUN := $(VENV)/bin/python
SAMPLE := AnomalyDetection/Resources/SampleData
DEMO := demo-output

# An environment that was moved with the folder, or whose Python is gone, is made anew.
ifneq ($(shell [ "$$(cat $(VENV)/.made-in 2>/dev/null)" = "$$(pwd -P)" ] && $(RUN) -c 'print("works")' 2>/dev/null),works)
$(VENV)/.demo $(VENV)/.test $(VENV)/.lint: anew
endif

# Three processes share the tests of two cores, as some tests wait; more would each load torch and the sample anew.
PYTEST := $(RUN) -m pytest -n 3 --dist worksteal

.PHONY: anew
.PHONY: help demo test test-all fuzz lint constraints reproduce experiments pictures bench clean

help: ## Say what can be made
	@awk -F ': .*## ' '/^[a-z-]+: .*## /{printf "make %-11s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.demo ## Detect anomalies in the built-in sample, into demo-output/
	@$(RUN) -m AnomalyDetectionLib detect --t1 $(SAMPLE)/simulated_T1.nii.gz \
		--flair $(SAMPLE)/simulated_FLAIR.nii.gz --output $(DEMO)
	@echo "Pictures: $(DEMO)/overlay.png; in 3D Slicer open the FLAIR and $(DEMO)/suspected_anomalies.seg.nrrd"

test: $(VENV)/.test ## Run the tests (minutes)
	@$(PYTEST)

test-all: $(VENV)/.test ## Run the slow tests as well
	@$(PYTEST) -m "slow or not slow"

fuzz: $(VENV)/.test ## Feed the readers 1,000 malformed files, for ten minutes at most
	@$(RUN) Testing/fuzz/fuzz.py --seconds 600 --inputs 1000

lint: $(VENV)/.lint ## Check style, formatting and types
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy

constraints: $(VENV)/.test $(VENV)/.lint ## Write down the versions that the tests run on, into constraints/tested.txt
	@{ echo "# What the tests ran on, all extras, with $$($(RUN) -V). To have the same, on Python 3.12 or newer: pip install -c constraints/tested.txt ..."; \
		$(RUN) -m pip freeze --exclude-editable | sed -n 's/^\([A-Za-z0-9._-]*==[0-9A-Za-z.]*\).*/\1/p'; } >constraints/tested.txt

reproduce: $(VENV)/.test ## The paper's experiments in small, as one page in reproduce-output/ (under an hour)
	@$(RUN) -m snakemake --profile Research/Experiments/profiles/local --configfile Research/Experiments/reduced.yaml
	@echo "The page: reproduce-output/index.html"

experiments: $(VENV)/.test ## The same in full, into runs/results/ (hours; on a cluster see Research/Experiments/profiles)
	@$(RUN) -m snakemake --profile Research/Experiments/profiles/local --configfile Research/Experiments/full.yaml

pictures: $(VENV)/.test ## Render icon, screenshots and the README's pictures anew, from the real scene
	@$(RUN) Testing/pictures.py

bench: $(VENV)-bench/.bench ## Measure times, memory and patches a second, into bench-output/
	@$(VENV)-bench/bin/python Testing/benchmarks/bench.py
	@$(VENV)-bench/bin/python Testing/benchmarks/scene_speed.py
	@$(VENV)-bench/bin/python Testing/benchmarks/review_speed.py

clean: ## Remove the environment and everything that was made
	rm -rf $(VENV) $(VENV)-bench $(DEMO) reproduce-output fuzz-output runs/reproduce .snakemake bench-output build dist .pytest_cache .hypothesis .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name '*.egg-info' -type d -prune -exec rm -rf {} +

anew:
	@rm -f $(VENV)/.made-in

$(VENV)/.demo: pyproject.toml
	@.ci/environment $(VENV) "" "$(TORCH)" && touch $@

$(VENV)/.test: pyproject.toml
	@.ci/environment $(VENV) "[cluster,research,test]" "$(TORCH)" && touch $@

$(VENV)/.lint: pyproject.toml
	@.ci/environment $(VENV) "[lint]" "$(TORCH)" && touch $@

# In an environment of its own, and anomalib without the fifty packages it asks for: its GANomaly needs torch alone.
$(VENV)-bench/.bench: pyproject.toml
	@.ci/environment $(VENV)-bench "[test]" "$(TORCH)"
	@$(VENV)-bench/bin/python -m pip install -qq --no-input --disable-pip-version-check --no-deps $(ANOMALIB)
	@touch $@
