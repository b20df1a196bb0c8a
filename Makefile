# What people type. CMakeLists.txt and CMakePresets.json do the work; tools/deps sees to the packages.
PRESET ?= release
PREFIX ?= /usr/local
CMAKE_FLAGS ?=
DATA ?= data/tatoeba-eng-fra
BUILD := build/$(PRESET)
# Where a study writes its table and pictures, NAME.tsv and NAME*.svg. A quick one leaves doc/ as it is.
STUDIES := $(if $(QUICK),$(BUILD)/quick,doc)
QUICKLY := $(if $(QUICK),--quick)

.PHONY: all help deps configure build demo test nightly bench bench-models bench-peers study-cost study-longrange study-parameters study-dropout study-stability install format lint clean

all: build

help:
	@echo 'make               build libattn, libattnseq and the command attn (in $(BUILD))'
	@echo 'make demo          translate a few sentences and show what they attended to'
	@echo 'make test          build and run the tests'
	@echo 'make nightly       run the long tests too, among them 20,000 random calls of the operator against fp64'
	@echo 'make bench         speed of the operator, as a ratio to this CPU'"'"'s FMA peak'
	@echo 'make bench-models  speed of training and translating, beside PyTorch and CTranslate2 if installed'
	@echo 'make bench-peers   attention beside PyTorch, ONNX Runtime and JAX (installed in $(BUILD)/peers, or PYTHON=...): doc/benchmarks.md'
	@echo 'make study-cost    time and memory of attention by length, beside the plain way and PyTorch if installed'
	@echo 'make study-longrange  LSTM without and with attention and Transformer by length: copy, reverse, recall, add, translate'
	@echo 'make study-parameters, study-dropout   small translators on DATA=$(DATA): shared heads; dropout on few pairs'
	@echo 'make study-stability   learning rates too high for attention, with a soft cap and QK norm against them'
	@echo '                   QUICK=1: any study in minutes, small, to see it work; writes to $(BUILD)/quick, not doc'
	@echo 'make install       install to PREFIX=$(PREFIX) (DESTDIR is honoured)'
	@echo 'make deps          install the packages that the build needs, or name them'
	@echo 'make format        lay out the C files with clang-format; make lint checks them and the rules of the tree'
	@echo 'PRESET=release|debug|asan|tsan|clang|aarch64|fuzz chooses another build; CMAKE_FLAGS=... adds options.'

deps:
	@tools/deps $(if $(filter aarch64,$(PRESET)),--aarch64)

configure: deps
	@if [ ! -e $(BUILD)/build.ninja ] || [ -n "$(CMAKE_FLAGS)" ]; then cmake --preset $(PRESET) $(CMAKE_FLAGS); fi

build: configure
	@cmake --build --preset $(PRESET)

demo: build
	@tools/demo $(BUILD)

test: build
	@ctest --preset $(PRESET)

# ATTN_GRID_SEED=N in the environment or here draws other random calls of the operator. PYTHON=... names a Python that has
# transformers, without which model/huggingface is skipped.
nightly: build
	@ctest --preset nightly
	@grep -h 'calls forward and backward' build/release/Testing/Temporary/LastTest.log

bench: build
	@cmake --build --preset $(PRESET) --target bench

bench-models: build
	@cmake --build --preset $(PRESET) --target bench-models

bench-peers: build
	@bench/attention_peers.sh $(BUILD) --output doc/benchmarks

study-cost: build
	@cmake --build --preset $(PRESET) --target bench_attention_cost
	@bench/attention_cost.sh $(QUICKLY) $(BUILD)/bin $(STUDIES)/cost

# Many small trainings, as many at a time as there are processors, each on one thread. A study that was stopped goes on where
# doc/NAME.tsv ends; remove that to begin anew. A quick one always begins anew.
study-longrange: build
	@bench/longrange_study.py --attn $(BUILD)/bin/attn --data '$(DATA)' --output $(STUDIES)/longrange $(QUICKLY)

study-stability: build
	@bench/stability_study.py --attn $(BUILD)/bin/attn --output $(STUDIES)/stability $(QUICKLY)

study-parameters study-dropout: build
	@bench/training_study.py $(@:study-%=%) --attn $(BUILD)/bin/attn --data '$(DATA)' --output $(STUDIES)/$(@:study-%=%) $(QUICKLY)

install: build
	@DESTDIR='$(DESTDIR)' cmake --install $(BUILD) --prefix '$(PREFIX)'

format:
	@git ls-files '*.c' '*.h' '*.cc' | xargs clang-format-14 -i

lint: configure
	@ctest --test-dir $(BUILD) -R '^tree/' --output-on-failure

clean:
	@rm -rf build
