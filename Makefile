# busgate: what people call. `make help` says what there is.

SWIFT  ?= swift
# The same wherever the checkout is: a build ID would come from paths, and so do the hashes of modules that strip removes below.
STATIC = $(SWIFT) build -c release --scratch-path build/static --product busgate \
         -Xswiftc -static-executable -Xswiftc -cross-module-optimization -Xlinker --build-id=none

# Static too: one file for every distribution. By the toolchain's other linker, which says nothing of functions that Foundation has and busgatectl never
# calls (names of users, mktemp).
CTL    = $(SWIFT) build -c release --scratch-path build/tools --product busgatectl --static-swift-stdlib -Xswiftc -static-executable \
         -Xswiftc -use-ld=lld -Xlinker --build-id=none

.PHONY: all help programs sidecar ctl manuals install uninstall deb rpm tarball image demo demo-shell test test-systems test-oracles lint soak mutants fuzz coverage test-asan test-tsan bench bench-check bench-micro bench-report clean

all: programs

help:
	@echo 'make             build/bin/busgate, its names dbus-proxy and xdg-dbus-proxy, and build/bin/busgatectl'
	@echo 'make sidecar     only busgate and its names'
	@echo 'make ctl         only busgatectl'
	@echo 'make manuals     manual pages and completions, below build/share'
	@echo 'make install     everything, below PREFIX=/usr/local, behind DESTDIR=; make uninstall takes it away'
	@echo 'make deb         build/packages/*.deb; make rpm: *.rpm; make tarball: build/busgate-*.tar.xz; make image: build/image, an OCI layout'
	@echo 'make demo        a container, a service, a gate between them: shown and checked'
	@echo 'make demo-shell  the same, and a shell in the container'
	@echo 'make test        every test; installs the Debian packages that are missing'
	@echo 'make test-systems what needs root file systems and a booted systemd: as root; 1 GB below build/systems, made once, with network'
	@echo 'make test-oracles TIME=60   the comparisons with libdbus, GLib and both buses, for about so many seconds'
	@echo 'make soak        simulated worlds for TIME=60 seconds; make mutants: whether they notice what is broken (NAMES="…": only this)'
	@echo 'make fuzz        each fuzzer for TIME=60 seconds'
	@echo 'make coverage    lines of the floors without side effects that no test runs'
	@echo 'make test-asan   unit tests under AddressSanitizer; make test-tsan: under ThreadSanitizer'
	@echo 'make lint        format and layering'
	@echo 'make bench       CPU, counts and memory beside the yardsticks and xdg-dbus-proxy, a verdict per target'
	@echo 'make bench-check instructions of the micro-benchmarks against their thresholds'
	@echo 'make bench-micro the time of the micro-benchmarks'
	@echo 'make bench-report make bench, and writes benchmarks/RESULTS.md'

sidecar:
	$(STATIC)
	@mkdir -p build/bin
	@strip -R .comment -R .swift_modhash -o build/static/stripped build/static/release/busgate 2>/dev/null || cp build/static/release/busgate build/static/stripped
	@# Copied, as installing does: what strip wrote at once is kept in pieces of megabytes, and mapped in such (5.1 MiB resident, not 1.3).
	@cp build/static/stripped build/bin/busgate.new
	@mv build/bin/busgate.new build/bin/busgate
	@ln -sf busgate build/bin/dbus-proxy
	@ln -sf busgate build/bin/xdg-dbus-proxy

ctl:
	$(CTL)
	@mkdir -p build/bin
	@strip -R .comment -R .swift_modhash -o build/bin/busgatectl.new build/tools/release/busgatectl 2>/dev/null || cp build/tools/release/busgatectl build/bin/busgatectl.new
	@mv build/bin/busgatectl.new build/bin/busgatectl

# Side by side: each alone leaves a processor idle for much of its time.
programs:
	@$(MAKE) --no-print-directory --jobs=2 sidecar ctl

manuals: programs
	@rm -rf build/share
	contrib/packaging/manuals build/share/man build/bin/busgate
	contrib/packaging/completions build/share build/bin/busgate
	build/bin/busgatectl --experimental-dump-help | contrib/manual-pages build/share/man/man1 "$$(build/bin/busgatectl --version)"
	contrib/packaging/ctl-completions build/share build/bin/busgatectl

# Where root has no Swift (`make manuals && sudo make install`) what is there is installed.
PREFIX  ?= /usr/local
DESTDIR ?=
install: $(if $(shell command -v $(SWIFT)),manuals)
	@contrib/packaging/install "$(PREFIX)" "$(DESTDIR)"

uninstall:
	@contrib/packaging/install --uninstall "$(PREFIX)" "$(DESTDIR)"

deb: manuals
	@contrib/packaging/deb

rpm: manuals
	@contrib/packaging/rpm

tarball: manuals
	@contrib/packaging/tarball

image: manuals
	@contrib/packaging/image

demo: sidecar
	contrib/demo/run

demo-shell: sidecar
	contrib/demo/run --shell

test: programs manuals
	contrib/packages test prometheus
	contrib/run-tests

test-systems: programs manuals
	contrib/packages test
	contrib/run-tests systems

TIME ?= 60
test-oracles: sidecar
	contrib/packages test
	BUSGATE_ORACLE_SECONDS=$(TIME) contrib/run-tests oracles bus-oracles

soak:
	BUSGATE_PROOF=1 $(SWIFT) build -c release --scratch-path build/proof --product simulate
	build/proof/release/simulate $(TIME)

mutants:
	Tests/Simulate/mutants $(TIME) $(NAMES)

fuzz:
	contrib/fuzz $(TIME)

coverage:
	contrib/coverage

# Fewer worlds: a sanitizer makes them slow. Leaks are not looked for: what a process keeps until its end is not lost.
test-asan:
	ASAN_OPTIONS=detect_leaks=0 BUSGATE_SEEDS=400 $(SWIFT) test --scratch-path build/asan --sanitize=address

test-tsan:
	BUSGATE_SEEDS=400 $(SWIFT) test --scratch-path build/tsan --sanitize=thread

lint: programs
	contrib/packages test
	contrib/lint

bench: sidecar
	contrib/packages bench
	benchmarks/suite $(if $(QUICK),--quick)

bench-check:
	contrib/packages bench
	benchmarks/check

bench-micro:
	$(SWIFT) package --package-path benchmarks/micro --scratch-path build/micro benchmark --target Micro --no-progress

bench-report: sidecar
	contrib/packages bench
	benchmarks/suite --report $(if $(QUICK),--quick)

clean:
	rm -rf build
