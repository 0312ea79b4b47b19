# Everything that a newcomer types. `make demo` and `make test` set up their own environment in .venv.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(VENV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt
TESTS := $(RUN) -m pytest -n 2 --dist loadfile

CLIENTS := tests/clients
FUZZ_SECONDS ?= 3600

.PHONY: demo test test-all test-clients clients fuzz instructions lint types tables docs notebook wheel-check clean

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[tflite,openvino,coreml,demo]'
	touch $@

$(VENV)/test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[tflite,openvino,coreml,coreai,demo,test,docs,dev]'
	$(PIP) --no-deps --upgrade --target $(VENV)/clients openvino-model-api rapidocr-onnxruntime  # both want another OpenCV
	touch $@

$(VENV)/gpu: | $(VENV)/test  # a GPU in software, for the tests of what a phone's GPU does; without it they are skipped
	$(VENV)/bin/edgeport devices setup gpu && touch $@ || echo "no GPU in software here: its tests are skipped"

demo: $(VENV)/demo  ## MobileViT-S on photographs, with the verdict; a network that names them, before and after int8
	$(RUN) examples/demo.py demo-output

test: $(VENV)/test $(VENV)/gpu  ## the tests, as CI runs them
	$(TESTS) -m "not exhaustive"

test-all: $(VENV)/test $(VENV)/gpu  ## also the slow, complete ones
	$(TESTS)

test-clients: clients  ## the files in other people's runtimes; those in a browser need Node and Chromium
	$(RUN) -m pytest -m clients -rs

clients: $(VENV)/test  # what is pinned, without the scripts of npm's packages: they would download more
	$(PIP) --editable '.[clients]'
	@if command -v npm > /dev/null; then \
		cmp -s $(CLIENTS)/package-lock.json $(CLIENTS)/node_modules/.installed || \
		{ cd $(CLIENTS) && npm ci --ignore-scripts --no-audit --no-fund && cp package-lock.json node_modules/.installed; }; \
	else echo "no npm (Debian: apt-get install nodejs npm): tests in Node and in a browser are skipped"; fi

fuzz: $(VENV)/test  ## an hour of what nobody wrote: random networks, damaged files and manifests; FUZZ_SECONDS=60 for less
	$(RUN) tests/fuzz.py --seconds $$(($(FUZZ_SECONDS) / 3)) --seed $$(date +%s)
	$(RUN) tests/fuzz_images.py --seconds $$(($(FUZZ_SECONDS) / 3)) --seed $$(date +%s)
	$(RUN) tests/mutations.py --seconds $$(($(FUZZ_SECONDS) / 3)) --first $$(date +%s)

instructions: $(VENV)/test  ## what an inference of ten small files costs, counted by valgrind; over 3 % more fails
	$(RUN) -m benchmarks.instructions

lint: $(VENV)/test
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

types: $(VENV)/test
	$(RUN) -m pyright --pythonpath $(RUN)

tables: $(VENV)/test  ## what is generated: models/index.py, models/checkpoints.py, docs/generated/models.md, docs/reference
	$(RUN) -m edgeport.models.reindex
	PYTHONPATH=tests $(RUN) -c "import torchvision_on_cpu, edgeport.models.recheckpoint as r; r.write()"
	$(RUN) -m benchmarks.models_page
	$(RUN) tools/reference_pages.py

docs: $(VENV)/test  ## the site, in site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

notebook: $(VENV)/test  ## examples/train_to_int8.ipynb with the outputs of a new run
	$(RUN) tools/run_notebook.py

wheel-check: $(VENV)/test  ## build the wheel, install it with each extra alone, use it from another folder
	$(RUN) .ci/wheel_check.py

clean:
	rm -rf $(VENV) demo-output build site .wheel-check *.egg-info
