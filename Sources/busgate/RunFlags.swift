// The flags of `busgate run`, as a table: the help and the operators' tables are made of it, and the command line is read by it. A new flag is
// a row here, and a property of ``RunOptions`` that it sets.

import GateServer

extension RunFlag {
  /// In the order of the help. No array, whose type each start would have to make first: 14,000 instructions.
  static let all: InlineArray<_, RunFlag> = [
    RunFlag(
      .policy, "--config", "PATH", "gateway configuration, or a directory of such (*.json); several are put together",
      expected: "a gateway configuration, or a directory of them"
    ) { options, value in options.configurations.append(.path(value.text)) },
    RunFlag(
      .policy, "--config-base", "PATH", "PATH.json and the *.json of PATH.d, of which one at least must be there",
      expected: "a path, to which .json and .d are added"
    ) { options, value in options.configurations.append(.base(value.text)) },
    RunFlag(
      .policy, "--manifest-dir", "PATH",
      "directory of service manifests (*.json), or one manifest: capabilities that may be asked for",
      expected: "a directory of service manifests, or one manifest"
    ) { options, value in options.manifests.paths.append(value.text) },
    RunFlag(
      .policy, "--default-manifest-dir", "PATH", "the same, but its capabilities always apply",
      expected: "a directory of service manifests, or one manifest"
    ) { options, value in options.manifests.defaultPaths.append(value.text) },
    RunFlag(
      .policy, "--capability", "NAME", "apply this capability of the manifests (repeatable)", expected: "the name of a capability"
    ) { options, value in options.manifests.capabilities.append(value.text) },
    RunFlag(
      .policy, "--stdin", "", "configurations come on standard input too, one a line, each adding rules"
    ) { options, _ in options.readsStandardInput = true },
    RunFlag(
      .gates, "--session", "ADDRESS", "listen on a path or an address for the session bus, as --listen session=ADDRESS",
      expected: "a path to listen on"
    ) { options, value throws(UsageError) in try options.listen(value, "session", at: value.text) },
    RunFlag(
      .gates, "--system", "ADDRESS", "listen on a path or an address for the system bus, as --listen system=ADDRESS",
      expected: "a path to listen on"
    ) { options, value throws(UsageError) in try options.listen(value, "system", at: value.text) },
    RunFlag(
      .gates, "--listen", "NAME=ADDRESS",
      "listen for gate NAME on a path or on unix:path=, abstract=, dir=, tmpdir= or runtime=yes",
      expected: "NAME=ADDRESS"
    ) { options, value throws(UsageError) in try options.listen(value) },
    RunFlag(
      .gates, "--policy", "NAME=session|system",
      "which array of the configuration gate NAME uses; session and system use their own",
      expected: "NAME=session or NAME=system"
    ) { options, value throws(UsageError) in try options.addPolicy(value) },
    RunFlag(
      .gates, "--require-all", "", "exit 78 if a socket cannot be had at the start, also if other gates accept"
    ) { options, _ in options.requiresAll = true },
    RunFlag(
      .gates, "--socket-mode", "MODE", "permissions of the sockets, octal; 0666 if not given",
      expected: "an octal mode such as 0660"
    ) { options, value throws(UsageError) in options.socketFile.mode = try value.mode() },
    RunFlag(.gates, "--socket-owner", "USER[:GROUP]", "owner of the sockets", expected: "USER or USER:GROUP") {
      options, value throws(UsageError) in try options.setOwner(value)
    },
    RunFlag(
      .gates, "--allow-uid", "USER", "only this user may connect (repeatable), by the kernel's word",
      expected: "a user's number or name"
    ) { options, value throws(UsageError) in options.allow(try value.user()) },
    RunFlag(.gates, "--allow-anonymous", "", "clients may authenticate as ANONYMOUS") { options, _ in
      options.allowsAnonymous = true
    },
    RunFlag(
      .gates, "--limit", "NAME=VALUE", "a limit, as fds-per-message-max=32 or auth-timeout=10s", expected: "NAME=VALUE"
    ) { options, value throws(UsageError) in options.limits.append(try LimitFlag.parse(value.text)) },
    RunFlag(
      .bus, "--bus", "NAME=ADDRESS", "where the bus of gate NAME is; else DBUS_*_BUS_ADDRESS, or the usual place",
      expected: "NAME=ADDRESS"
    ) { options, value throws(UsageError) in try options.addBus(value) },
    RunFlag(
      .bus, "--require-bus", "", "exit 69 if a bus does not answer a Hello at the start"
    ) { options, _ in options.requiresBus = true },
    RunFlag(
      .log, "--mode", "enforce|audit", "audit forwards what the rules do not allow, and logs it; enforce if not given",
      expected: "enforce or audit"
    ) { options, value throws(UsageError) in try value.check(options.log.set(mode: value.text)) },
    RunFlag(
      .log, "--log", "denied|all|none", "which decisions are logged; denied if not given", expected: "denied, all or none"
    ) { options, value throws(UsageError) in try value.check(options.log.set(logging: value.text)) },
    RunFlag(
      .log, "--log-format", "text|json|journal", "text and json go to standard error, journal to journald; text if not given",
      expected: "text, json or journal"
    ) { options, value throws(UsageError) in try value.check(options.log.set(format: value.text)) },
    RunFlag(
      .log, "--log-rate", "N", "decisions a second that a gate logs, 50 if not given; what is held back is counted",
      expected: "events a second, from 1 to 1000000"
    ) { options, value throws(UsageError) in try value.check(options.log.set(rate: value.text)) },
    RunFlag(
      .log, "--log-fold", "SECONDS", "repetitions are counted so long and logged as one, 5 if not given; 0: each by itself",
      expected: "seconds from 0 (repetitions are written one by one) to 3600"
    ) { options, value throws(UsageError) in try value.check(options.log.set(window: value.text)) },
    RunFlag(
      .log, "--log-target", "PATH", "the journal's socket, /run/systemd/journal/socket if not given",
      expected: "the path of the journal's socket"
    ) { options, value in options.log.set(target: value.text) },
    RunFlag(
      .log, "--instance", "NAME", "which of several programs this is, as systemd's %i: in every event and metric",
      expected: "a name of at most 255 letters, digits, and : - _ . \\ @"
    ) { options, value throws(UsageError) in try value.check(options.log.set(instance: value.text)) },
    RunFlag(
      .supervision, "--ready-fd", "N", "write one byte to descriptor N once every socket accepts, or has failed its first try",
      expected: "a descriptor number"
    ) { options, value throws(UsageError) in options.readyDescriptor = try value.descriptor() },
    RunFlag(
      .supervision, "--metrics", "PATH", "metrics for Prometheus on the socket PATH: HTTP, GET /metrics",
      expected: "a path to listen on"
    ) { options, value throws(UsageError) in options.metricsPath = try value.path(unless: options.metricsPath) },
    RunFlag(
      .supervision, "--metrics-mode", "MODE", "permissions of that socket, octal; 0600 if not given",
      expected: "an octal mode such as 0660"
    ) { options, value throws(UsageError) in options.metricsMode = try value.mode() },
    RunFlag(
      .supervision, "--control", "PATH",
      "questions about the running gate on the socket PATH, of the gate's own user and of root only",
      expected: "a path to listen on"
    ) { options, value throws(UsageError) in options.controlPath = try value.path(unless: options.controlPath) },
    RunFlag(
      .supervision, "--as-root", "", "serve a system bus as root of the host, whose rights the container then has there"
    ) { options, _ in options.servesAsRoot = true },
    RunFlag(
      .help, "--list", "flags|limits|metrics|log-keys|reasons|message-ids",
      "print that table, a row a line, columns between tabs",
      expected: "flags, limits, metrics, log-keys, reasons or message-ids"
    ) { _, _ throws(UsageError) in
      throw UsageError("--list stands alone, expected busgate --list flags, limits, metrics, log-keys, reasons or message-ids")
    },
  ]
}
