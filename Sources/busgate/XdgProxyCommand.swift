// `xdg-dbus-proxy [ADDRESS PATH [options]]…`: the drop-in for xdg-dbus-proxy, as flatpak, firejail and WebKitGTK start it: for one sandbox,
// whose end closes the descriptor of `--fd`.
//
// The corresponding manual page is xdg-dbus-proxy(1).

import GatePolicy
import GateServer
import Glibc

/// The personality `xdg-dbus-proxy`.
enum XdgProxyCommand {
  /// The version whose command line this is.
  static let peerVersion = "0.1.7"

  /// Every failure has this status, as its users expect.
  private static let failure: Int32 = 1

  static let usage = """
    usage: xdg-dbus-proxy [OPTION…] [ADDRESS PATH [OPTION…]…]

    Listens on each PATH and forwards to the bus at ADDRESS what the options behind
    them allow.

      --help                   print this
      --version                print the version
      --fd=FD                  write a byte to descriptor FD when all sockets
                               accept, stop when its other end closes
      --args=FD                read arguments from descriptor FD, each ended by a
                               NUL (repeatable)
      --limit=NAME=VALUE       a limit, as connections-max=32 or auth-timeout=10s
                               (repeatable); busgate --list limits has them

    Behind ADDRESS PATH:

      --filter                 forward only what the following allow; without it
                               everything is forwarded, whatever they say
      --log                    log every message on standard output
      --sloppy-names           show all unique names
      --see=NAME               NAME, or NAME.* for it and all below it, is visible
      --talk=NAME              and may be called, started and listened to
      --own=NAME               and may be requested
      --call=NAME=RULE         these calls to NAME are allowed
      --broadcast=NAME=RULE    these broadcasts of NAME are let in

    RULE is [METHOD][@PATH]: METHOD is *, INTERFACE.* or INTERFACE.MEMBER, PATH an
    object path, or one and /* for it and all below it.
    """

  static func perform(_ arguments: [String]) -> Int32 {
    if arguments.isEmpty {
      for line in usage.split(separator: "\n", omittingEmptySubsequences: false) { printError(String(line)) }
      return failure
    }
    do {
      let options = try XdgProxyOptions(arguments, read: readToEnd)
      switch options.request {
      case .help: print(usage)
      case .version: print("xdg-dbus-proxy \(peerVersion) (busgate \(Invocation.version))")
      case .serve: try serve(options)
      }
      return ExitStatus.success
    } catch {
      printError("\(error)")
      return failure
    }
  }

  private static func serve(_ options: XdgProxyOptions) throws {
    // This is nobody's service: what a service manager told the one who started us is not for us, nor for a program of unixexec.
    _ = try? InheritedSockets()
    _ = ServiceNotifier()
    let isLogged = options.proxies.contains(where: \.isLogged)
    let log = isLogged ? try Log(fullLog) : Log(fd: STDERR_FILENO)
    var server = try Server(log: log)
    try Signals([SIGTERM, SIGINT, SIGHUP], in: &server) { server, _ in server.stop() }
    for proxy in options.proxies {
      do {
        let gate = try gateOptions(proxy, options)
        removePlaceholder(proxy.path)
        try server.addGatePatiently(gate)
      } catch {
        throw UsageError("Failed to start proxy for \(proxy.address): \(error)")
      }
    }
    warnOfIdleOptions(options.proxies)
    if let syncDescriptor = options.syncDescriptor {
      writeReady(syncDescriptor, log)
      try server.stopWhenClosed(syncDescriptor)
    }
    forgetStartUpCode()
    try server.run()
  }

  /// Options about names change nothing without `--filter`, as in the peer; and whoever gives them hardly means that.
  private static func warnOfIdleOptions(_ proxies: [XdgProxyOptions.Proxy]) {
    let idle = proxies.filter { !$0.isFiltered && !$0.idleOptions.isEmpty }
    if idle.isEmpty { return }
    var given: [String] = []
    for option in idle.flatMap(\.idleOptions) where !given.contains(option) { given.append(option) }
    printError(
      "warning: \(given.joined(separator: ", ")) without --filter: everything is forwarded at \(idle.map(\.path).joined(separator: ", ")), "
        + "expected --filter as well")
  }

  private static func gateOptions(
    _ proxy: XdgProxyOptions.Proxy, _ options: XdgProxyOptions
  ) throws(UsageError) -> GateOptions {
    let policy = Policy(rules: [], names: proxy.isFiltered ? proxy.names : nil, busName: "--filter")
    var gate = GateOptions(
      label: proxy.path, address: .path(proxy.path), bus: try BusEndpoint(address: proxy.address), policy: policy)
    if (try? BusKind.system.defaultAddress()) == proxy.address { gate.setSystemBusDefaults() }
    for change in options.limits { change(&gate) }
    gate.settings.isUnfiltered = !proxy.isFiltered
    gate.settings.logging = proxy.isLogged ? .everything : .nothing
    let mask = umask(0o077)
    umask(mask)
    gate.socketFile.mode = 0o777 & ~mask
    return gate
  }

  /// `--log` is for every message, on standard output, where firejail's `--dbus-log` looks for it.
  private static var fullLog: LogOptions {
    var options = LogOptions()
    options.descriptor = STDOUT_FILENO
    options.coalescingWindow = 0
    options.eventsPerSecond = 100_000
    return options
  }

  /// flatpak and WebKitGTK find a name for the socket with mkstemp(3): what they made is to be replaced, anything else is left alone.
  private static func removePlaceholder(_ path: String) {
    var status = stat()
    if unsafe lstat(path, &status) != 0 { return }
    if status.st_mode & S_IFMT == S_IFREG && status.st_size == 0 && status.st_uid == geteuid() { unsafe unlink(path) }
  }

  private static func writeReady(_ descriptor: Int32, _ log: Log) {
    if descriptor > STDERR_FILENO { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    var byte = UInt8(ascii: "x")
    // EPIPE: the other end is closed already, and the server will stop at once by itself.
    if unsafe write(descriptor, &byte, 1) < 0 && errno != EPIPE {
      log.warning("\(SystemError("cannot tell descriptor \(descriptor) (--fd) that all sockets accept", errno))")
    }
  }

  /// Bytes that arguments from one descriptor may have: far more than a command line.
  private static let argumentBytesMax = 16 * 1024 * 1024

  private static func readToEnd(_ descriptor: Int32) throws(UsageError) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress!, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw UsageError("\(SystemError("Failed to load --args", errno, hint: "descriptor \(descriptor)"))") }
      if count == 0 { break }
      bytes += chunk[..<count]
      if bytes.count > argumentBytesMax {
        throw UsageError("Failed to load --args: expected at most \(argumentBytesMax) bytes from descriptor \(descriptor)")
      }
    }
    // The standard descriptors stay taken, so that no socket becomes one.
    if descriptor > STDERR_FILENO { close(descriptor) }
    return bytes
  }
}
