# A thin front for Meson and the test runner: see `make help`. Every target first makes sure of its dependencies
# (tools/deps.sh, which does nothing when they are there).
BUILD ?= build
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
SECONDS ?= 600
PYTHON := .deps/venv/bin/python
sources = $(shell git ls-files --cached --others --exclude-standard -- '*.c' '*.h')

.PHONY: help deps build demo run test test-clients bench bench-sql bench-coord fuzz soak format lint install package package-test clean

help:
	@echo "make deps      install what is missing (Debian packages, DuckDB, a Python environment, the demo's data)"
	@echo "make build     build into $(BUILD)/"
	@echo "make demo      the tour: start a node, replay real flights, query them meanwhile, kill it, lose nothing"
	@echo "make run       a server on ./pyralog-data and the usual ports, until Ctrl-C"
	@echo "make test      every suite of tests/suites.toml (SUITE=name for one, V=1 to see its output)"
	@echo "make test-clients   clients of other languages: Java, Node.js, Go and Rust fetch and build them; writes"
	@echo "               docs/COMPATIBILITY.md"
	@echo "make bench     measure beside Apache Kafka, as docs/PERFORMANCE.md tells: 15 minutes; LONG=1 all of it;"
	@echo "               CASES=100x5000,fetch only those, no documents written; DATA=DIR the disk to measure on"
	@echo "make bench-sql   SQL beside PostgreSQL 15, over 10 M rows: 5 minutes; TRIAL=1: few rows, no documents written"
	@echo "make bench-coord   coordination: sequencer, Pharaoh services, a simulated network: 2 minutes; TRIAL=1: shorter, no"
	@echo "               documents written"
	@echo "make fuzz      the fuzz targets, SECONDS=$(SECONDS) each"
	@echo "make soak      simulations, kill -9 rounds and TSan for SECONDS=$(SECONDS)"
	@echo "make format    clang-format in place;  make lint  the rules of the repository and clang-tidy"
	@echo "make package   Debian packages in build/packages; make package-test  installs, upgrades, removes them in a bare Debian 12"
	@echo "make install   into PREFIX=$(PREFIX);  make clean  remove $(BUILD)/"

deps:
	@tools/deps.sh

build: deps
	@test -f $(BUILD)/build.ninja || CC=$(CC) meson setup $(BUILD) --prefix $(PREFIX) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@ninja -C $(BUILD) $(if $(V),-v,--quiet)

demo: build
	@$(PYTHON) tools/demo.py $(BUILD)

run: build
	@exec $(BUILD)/src/cli/pyralog server

test: deps
	@$(PYTHON) tests/run $(if $(V),--verbose) $(SUITE)

test-clients: deps
	@tools/deps.sh clients
	@rm -rf .deps/clients/results
	@$(PYTHON) tests/run $(if $(V),--verbose) clients clients-kafka; status=$$?; $(PYTHON) tools/compatibility.py; exit $$status

bench: build
	@tools/deps.sh bench
	@$(PYTHON) bench/run.py $(BUILD) $(if $(LONG),--long) $(if $(CASES),--cases $(CASES)) $(if $(DATA),--data $(DATA))

bench-sql: build
	@$(PYTHON) bench/sql.py $(BUILD) $(if $(TRIAL),--trial) $(if $(ROWS),--rows $(ROWS))

bench-coord: build
	@tools/deps.sh coord
	@$(PYTHON) bench/coord.py $(BUILD) $(if $(TRIAL),--trial)

fuzz: deps
	@$(PYTHON) tests/run --seconds $(SECONDS) fuzz

soak: deps
	@$(PYTHON) tests/run --soak --seconds $(SECONDS)

format: deps
	@clang-format-14 -i $(sources)

lint: deps
	@$(PYTHON) tests/run rules tidy

install: build
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@meson install -C $(BUILD) --quiet
	@echo "installed: $(PREFIX)/bin/pyralog"

package: build
	@packaging/build.sh $(BUILD)

package-test: build
	@tools/deps.sh package
	@packaging/test.sh $$(packaging/build.sh $(BUILD))

clean:
	@rm -rf build
