# busgate: what people call. `make help` says what there is.

SWIFT  ?= swift
STATIC = $(SWIFT) build -c release --scratch-path build/static --product busgate \
         -Xswiftc -static-executable -Xswiftc -cross-module-optimization

.PHONY: all help sidecar demo demo-shell test test-oracles lint bench clean

all: sidecar

help:
	@echo 'make             build/bin/busgate, and its names dbus-proxy and xdg-dbus-proxy'
	@echo 'make demo        a container, a service, a gate between them: shown and checked'
	@echo 'make demo-shell  the same, and a shell in the container'
	@echo 'make test        every test; installs the Debian packages that are missing'
	@echo 'make test-oracles TIME=60   the comparisons with libdbus, GLib and both buses, for about so many seconds'
	@echo 'make lint        format and layering'
	@echo 'make bench       CPU per operation beside the yardsticks and xdg-dbus-proxy'

sidecar:
	$(STATIC)
	@mkdir -p build/bin
	@strip -o build/bin/busgate.new build/static/release/busgate 2>/dev/null || cp build/static/release/busgate build/bin/busgate.new
	@mv build/bin/busgate.new build/bin/busgate
	@ln -sf busgate build/bin/dbus-proxy
	@ln -sf busgate build/bin/xdg-dbus-proxy

demo: sidecar
	contrib/demo/run

demo-shell: sidecar
	contrib/demo/run --shell

test: sidecar
	contrib/packages test prometheus
	contrib/run-tests

TIME ?= 60
test-oracles: sidecar
	contrib/packages test
	BUSGATE_ORACLE_SECONDS=$(TIME) contrib/run-tests oracles bus-oracles

lint: sidecar
	contrib/packages test
	contrib/lint

bench: sidecar
	contrib/packages bench
	benchmarks/run
	benchmarks/footprint

clean:
	rm -rf build
