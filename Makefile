# The whole workflow. Each target sets up what it needs, once, in .venv.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
DEMO := demo
BENCH := peak_flops features training epoch inference startup memory callers
BENCH_GPU := peak_flops features training epoch inference memory
FORMS := $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
CAMPAIGNS := crashes.kill:kills crashes.damaged_files:damage crashes.crossval:sweeps crashes.resources:resources \
	fuzzing.extreme_audio:extremes fuzzing.fuzz:fuzz fuzzing.coverage_guided:guided demo.security:trust demo.load:load
PORTABLE := encoders fusion inference training/test_compilation.py training/test_feature_cache.py \
	training/test_nonfinite.py training/test_nonfinite_runs.py training/test_scoring.py \
	training/test_training.py data/test_dataset.py export/onnx/test_onnx_operators.py \
	export/test_same_scores.py testing/test_builtin_plugins.py test_model.py test_segments.py

.PHONY: demo test test-slow test-portable test-oldest test-newest coverage audit mutants \
	docs tutorials release-check lint bench bench-gpu robustness clean

demo: $(INSTALLED)  ## a synthetic corpus, one fold trained, tested and exported: two minutes on two cores
	test -d $(DEMO)/corpus || $(BIN)/camser synthesize-corpus $(DEMO)/corpus \
		--dialogues-per-session 8
	$(BIN)/python recipes/IEMOCAP/train.py hparams/demo.yaml --data_folder=$(DEMO)/corpus \
		--output_folder=$(DEMO)/run --prepared_folder=$(DEMO)/prepared --export_folder=$(DEMO)/export \
		--seed=1

test: lint  ## under ten minutes on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-slow: lint  ## what takes longer
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow --timeout 3600 --numprocesses 2 --dist load

docs: $(INSTALLED)  ## the site, in docs/_build; strict, and without the network
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -n -q -c docs . docs/_build
	@echo docs/_build/index.html

tutorials: $(INSTALLED)  ## execute the notebooks whose code has changed, for the site: minutes
	$(BIN)/python docs/run_tutorials.py

release-check: docs  ## versions, changelog, and the wheel in a new environment of each Python at hand
	$(BIN)/python .ci/release_check.py

# Older x86-64 processors, as far as PyTorch's and oneDNN's own kernels go; MKL's choose for themselves.
test-portable: $(INSTALLED)  ## what depends on the processor, as on one with AVX2 alone and as on one without
	set -e; for kernels in "AVX2 avx2" "SSE41 default"; do set -- $$kernels; \
		ONEDNN_MAX_CPU_ISA=$$1 ATEN_CPU_CAPABILITY=$$2 OMP_NUM_THREADS=1 $(BIN)/python -m pytest \
			--numprocesses 2 --dist loadfile $(PORTABLE:%=tests/%); \
	done

coverage: $(INSTALLED)  ## the branches of camser that the quick tests take: at least 90 %
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --cov

test-oldest: RESOLUTION = lowest-direct
test-newest: RESOLUTION = highest
test-oldest test-newest: test-%:  ## the quick tests with the lowest and highest versions that setup.cfg allows
	$(PYTHON) -m venv --clear .venv-$*
	.venv-$*/bin/python -m pip install --quiet uv
	.venv-$*/bin/uv pip install --quiet --python .venv-$*/bin/python --resolution $(RESOLUTION) \
		--editable ".[test]"
	OMP_NUM_THREADS=1 .venv-$*/bin/python -m pytest -W default  # other versions, other warnings

audit:  ## known vulnerabilities of what constraints.txt names; asks PyPI, and fails where it has no answer
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet pip-audit
	.venv-audit/bin/pip-audit --strict --disable-pip --no-deps --requirement constraints.txt

mutants: $(INSTALLED)  ## whether the tests of folds, metrics and segments notice any small change
	$(BIN)/python -m pip install --quiet mutmut
	OMP_NUM_THREADS=1 $(BIN)/python -m robustness.mutants --output robustness/results/mutants.json
	$(BIN)/python -m robustness.harness.write_tables docs/robustness.md

bench: $(INSTALLED)  ## speed and memory on the CPU, into docs/speed.md; wants an idle machine
	set -e; for name in $(BENCH); do \
		$(BIN)/python bench/$$name.py --output bench/results/$$name-cpu.json; \
	done
	$(BIN)/python bench/harness/tables.py docs/speed.md

bench-gpu: $(INSTALLED)  ## the same on a GPU
	set -e; for name in $(BENCH_GPU); do \
		$(BIN)/python bench/$$name.py --device cuda --output bench/results/$$name-gpu.json; \
	done
	$(BIN)/python bench/harness/tables.py docs/speed.md

robustness: $(INSTALLED)  ## what killing, damage, hostile input and load do, into docs/robustness.md; hours
	$(BIN)/python -m pip install --quiet atheris
	set -e; for pair in $(CAMPAIGNS); do \
		$(BIN)/python -m robustness.$${pair%:*} --output robustness/results/$${pair#*:}.json; \
	done
	$(BIN)/python -m robustness.harness.write_tables docs/robustness.md

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms $(FORMS)
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

$(INSTALLED): setup.cfg setup.py pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

clean:
	rm -rf .venv .venv-* build dist *.egg-info docs/_build docs/reference/made $(DEMO)
