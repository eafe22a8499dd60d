# What one runs: `make check` while writing, `make test` before a commit, `make reproduce` for numbers.
# Each installs what it needs into .venv first.
PYTHON ?= python3
VENV ?= .venv
RESULTS ?= reproduced
JOBS ?= 2
N ?= 20000
DEVICE ?= cpu
# Options for installing torch alone, such as an index of CPU builds
TORCH_OPTIONS ?=
BIN = $(VENV)/bin
LINTED = wtal_core tests benchmarks tools book
# Small networks are slower with several threads, and each worker of a parallel run has one core
RUN = OMP_NUM_THREADS=1 $(BIN)/python -m

.PHONY: reproduce check test fuzz lint setup docs benchmarks notebooks navigation book book-check clean

reproduce: $(VENV)/.installed
	$(BIN)/wtal reproduce ladder facnet/table1 backtal/table1 ten/table1 gaufuse/table2 --results $(RESULTS) --jobs $(JOBS) --device $(DEVICE)
	-$(BIN)/wtal results compare $(RESULTS)
	@echo "Tables and figures, each with its origin: $(RESULTS)/README.md. The executed notebooks lie beside them."

# Under two minutes: formatter, linter, types, and every test but those that train or take seconds
check: lint
	$(RUN) pytest tests -m "not slow" -n $(JOBS)

# Everything; cells of one notebook stay on one worker, because they share a kernel. Notebooks are checked against
# what is committed: a network that this machine has trained again, on another processor, is not looked at.
test: lint
	$(RUN) pytest tests -n $(JOBS) --dist worksteal
	rm -rf build/notebooks_work
	WTAL_WORK=$(CURDIR)/build/notebooks_work $(RUN) pytest --nbval --nbval-current-env -o filterwarnings=default -n $(JOBS) --dist loadfile notebooks

# Damaged files of every format through the public readers; `make fuzz N=20000` tries as many, new ones each time
fuzz: $(VENV)/.installed
	WTAL_FUZZ_CASES=$(N) $(RUN) pytest tests/fuzz

lint: $(VENV)/.installed
	$(BIN)/ruff format --check $(LINTED)
	$(BIN)/ruff check $(LINTED) notebooks
	$(BIN)/mypy

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(TORCH_OPTIONS) "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

# Pages of docs/ that are made from the code
docs: $(VENV)/.installed
	$(BIN)/python -c 'from pathlib import Path; from wtal_core.cli.reference import write; write(Path("docs/commands.md"))'
	$(BIN)/python -c 'from pathlib import Path; from wtal_core.cli.facts_example import write; write(Path("docs/feature_facts.md"))'
	$(BIN)/python -c 'from pathlib import Path; from wtal_core.cli.formats_example import write; write(Path("docs/formats.md"))'
	$(BIN)/wtal results findings docs/findings.md
	$(BIN)/wtal results profiles docs/profiles.md
	$(BIN)/python -c 'from pathlib import Path; from wtal_core.cli.rows import write; write(Path("results"), Path("docs/rows.md"), Path("README.md"))'
	$(BIN)/python -c 'from pathlib import Path; from wtal_core.workbook.results_index import write_index; write_index(Path("results"))'

benchmarks: $(VENV)/.installed
	$(BIN)/python -m benchmarks.training_step
	$(BIN)/python -m benchmarks.localization
	$(BIN)/python -m benchmarks.test_set_evaluation
	$(BIN)/python -m benchmarks.mean_average_precision
	$(BIN)/python -m benchmarks.diagnosis
	$(BIN)/python -m benchmarks.frames
	$(BIN)/python -m benchmarks.backtal_step
	$(BIN)/python -m benchmarks.random_walk
	$(BIN)/python -m benchmarks.rskp_step
	$(BIN)/python -m benchmarks.fusion
	$(BIN)/python -m benchmarks.pseudo_labels
	$(RUN) benchmarks.hacs_size
	$(RUN) benchmarks.reading_files
	$(RUN) benchmarks.own_data
	$(RUN) benchmarks.video_features
	$(RUN) benchmarks.start_up
	$(RUN) benchmarks.evaluation_size
	$(RUN) benchmarks.training --size quick --steps 3
	$(RUN) benchmarks.training --size thumos14 --steps 1
	$(RUN) benchmarks.many_runs
	$(RUN) benchmarks.growth
	-$(BIN)/python -m benchmarks.gpu
	$(BIN)/python -m benchmarks.page

notebooks: $(VENV)/.installed
	$(BIN)/wtal notebooks

# The last cell of every notebook, which links it with the others; nothing is executed
navigation: $(VENV)/.installed
	$(BIN)/python -m wtal_core.workbook.navigation

# A site of the committed notebooks, docs and results, in build/book; nothing is executed
book: $(VENV)/.installed
	$(RUN) book build/book

# Every link of it, and its pages in a real browser
book-check: $(VENV)/.installed
	$(RUN) book.check build/book

clean:
	rm -rf $(VENV) $(RESULTS) build/book build/book.work *.egg-info
