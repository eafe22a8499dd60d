# Two commands: `make reproduce` and `make test`. Both install what they need into .venv first.
PYTHON ?= python3
VENV ?= .venv
RESULTS ?= reproduced
JOBS ?= 2
DEVICE ?= cpu
# Options for installing torch alone, such as an index of CPU builds
TORCH_OPTIONS ?=
BIN = $(VENV)/bin

.PHONY: reproduce test setup benchmarks notebooks clean

reproduce: $(VENV)/.installed
	$(BIN)/wtal reproduce facnet --results $(RESULTS) --jobs $(JOBS) --device $(DEVICE)
	-$(BIN)/wtal results compare $(RESULTS)
	@echo "Tables and figures, each with its origin: $(RESULTS)/README.md. The executed notebooks lie beside them."

test: $(VENV)/.installed
	$(BIN)/ruff check wtal_core tests benchmarks notebooks
	$(BIN)/python -m pytest tests
	$(BIN)/python -m pytest --nbval --nbval-current-env -o filterwarnings=default notebooks

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(TORCH_OPTIONS) "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

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

notebooks: $(VENV)/.installed
	$(BIN)/wtal notebooks

clean:
	rm -rf $(VENV) $(RESULTS) *.egg-info
