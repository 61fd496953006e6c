# The short names for what one does with this tree; CMakePresets.json says how each build is made.
#   make demo    from a bare Debian 12 to a first answer        make check   install, build, run every test
# Every target may be run on its own, needs no terminal, and does nothing twice.

JOBS ?= $(shell nproc 2>/dev/null || echo 2)
# Seconds that `make fuzz` spends on each target.
N ?= 30
# DESTDIR and PREFIX mean what they mean everywhere else.
PREFIX ?= /usr/local
DEMO_CAPTURE ?= tests/captures/twovms-tsc

CMAKE_CONFIGURE = cmake --preset
CMAKE_BUILD = cmake --build --parallel $(JOBS) --preset
CTEST = ctest --parallel $(JOBS) --preset

SOURCES = git ls-files --cached --others --exclude-standard -- '*.cc' '*.h'

.DEFAULT_GOAL := build
.PHONY: web demo check setup setup-test setup-developer setup-bench build dev test asan tsan clang fuzz format \
        format-check tidy bench install clean

demo: build
	@echo
	@echo '$$ build/virtscope report $(DEMO_CAPTURE)'
	@build/virtscope report $(DEMO_CAPTURE) || test $$? -eq 1
	@echo
	@echo 'That was a real host with two guests. The same for yours: docs/recording.md'
	@echo 'Next:  build/virtscope stat $(DEMO_CAPTURE)'
	@echo '       build/virtscope serve $(DEMO_CAPTURE) --open'
	@echo '       build/virtscope --help'
	@if [ -t 0 ] && [ -t 1 ] && [ -z "$$CI" ]; then echo; echo 'The page, until Ctrl+C:'; build/virtscope serve $(DEMO_CAPTURE); fi

check: setup-test dev
	@$(CTEST) dev

setup:
	@scripts/setup.sh build web

setup-test:
	@scripts/setup.sh build test web web-test

setup-developer:
	@scripts/setup.sh build test web web-test developer

setup-bench:
	@scripts/setup.sh build web bench

# The page alone; `build` and `dev` make it as part of the program (cmake/page.cmake).
web:
	@cd web && npm ci --no-fund --no-audit --loglevel=error && npm run --silent build -- --logLevel warn

build: setup
	@$(CMAKE_CONFIGURE) release
	@$(CMAKE_BUILD) release

dev:
	@$(CMAKE_CONFIGURE) dev
	@$(CMAKE_BUILD) dev

test: dev
	@$(CTEST) dev

asan: setup-developer
	@$(CMAKE_CONFIGURE) asan
	@$(CMAKE_BUILD) asan
	@$(CTEST) asan -L 'unit|fuzz'

tsan: setup-developer
	@$(CMAKE_CONFIGURE) tsan
	@$(CMAKE_BUILD) tsan
	@$(CTEST) tsan -L 'unit|fuzz'

clang: setup-developer
	@$(CMAKE_CONFIGURE) clang
	@$(CMAKE_BUILD) clang
	@$(CTEST) clang

fuzz: setup-developer
	@$(CMAKE_CONFIGURE) fuzz
	@$(CMAKE_BUILD) fuzz
	@scripts/fuzz.sh build-fuzz $(N)

format: setup-developer
	@$(SOURCES) | xargs clang-format -i

format-check: setup-developer
	@$(SOURCES) | xargs clang-format --dry-run --Werror

tidy: setup-developer
	@$(CMAKE_CONFIGURE) clang
	@scripts/tidy.sh build-clang $(JOBS)

# Ours beside the peers that this machine has and the floor; docs/performance.md says how to read it.
# QUICK=1: small inputs, to see that it works. BENCH_ARGS="--only ctf --json table.json" goes to bench/run.py.
bench: setup-bench
	@$(CMAKE_CONFIGURE) bench
	@$(CMAKE_BUILD) bench
	@python3 -B bench/run.py --build build-bench $(if $(QUICK),--quick) $(BENCH_ARGS)

install: build
	@DESTDIR='$(DESTDIR)' cmake --install build --prefix '$(PREFIX)'

clean:
	rm -rf web/dist web/node_modules build build-dev build-clang build-asan build-tsan build-bench build-fuzz
