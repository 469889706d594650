// Who is on the other end of an accepted socket, as the kernel says.

import CLinux
import GateSession
import Glibc

/// The peer's process and user at the time it connected. Source: unix(7), SO_PEERCRED.
struct PeerCredentials {
  let pid: Int32
  let uid: UInt32
  /// When the process began, in ticks since the machine was started: on a kernel that names a peer by its number alone, by which a later
  /// process of that number is told from it. Nil where the kernel names it by a descriptor (SO_PEERPIDFD, Linux 6.5).
  private let began: UInt64?

  private static let isNamedByDescriptor = clinux_has_peer_pidfd() != 0

  /// Nil where the transport carries none, whatever the kernel may say there: of TIPC it says uid 2³²−1.
  init?(of fd: Int32, over transport: Transport) {
    var credentials = clinux_credentials()
    if !transport.carriesCredentials { return nil }
    if unsafe clinux_peer_credentials(fd, &credentials) != 0 || credentials.uid == .max { return nil }
    pid = credentials.pid
    uid = credentials.uid
    began = Self.isNamedByDescriptor ? nil : Self.beginning(of: credentials.pid)
  }

  /// Whether the peer, in its own user namespace, is `claimed`: libdbus and GDBus inside a container claim the user they see.
  ///
  /// The map is read from /proc/PID/uid_map while a pidfd of the peer is held; if the process behind the number has
  /// ended meanwhile, what was read may be another's and is not believed.
  func isKnownInside(as claimed: UInt32, socket: Int32) -> Bool {
    guard let text = processFile("uid_map", socket: socket) else { return false }
    return Self.maps(text[...], outside: uid, to: claimed)
  }

  /// The peer's control group, as cgroups(7) writes it: of version 2, else systemd's own. Nil if it cannot be read.
  func cgroup(socket: Int32) -> String? {
    guard let text = processFile("cgroup", socket: socket) else { return nil }
    let lines = text.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    for hierarchy in ["0::", "1:name=systemd:"] {
      if let line = lines.first(where: { $0.hasPrefix(hierarchy) }) { return String(line.dropFirst(hierarchy.count)) }
    }
    return nil
  }

  /// What /proc/PID/`name` says, at most 16 KiB of it: 340 lines of a uid_map (user_namespaces(7)) have 33 bytes each. Nil if it
  /// cannot be read, or the peer has ended.
  private func processFile(_ name: String, socket: Int32) -> [UInt8]? {
    let pidfd = Self.isNamedByDescriptor ? clinux_peer_pidfd(socket) : clinux_pidfd_open(pid)
    if pidfd < 0 { return nil }
    defer { closeDescriptor(pidfd) }
    if !Self.isNamedByDescriptor && (began == nil || Self.beginning(of: pid) != began) { return nil }
    guard let text = Self.contents(of: "/proc/\(pid)/\(name)", upTo: 16384), clinux_pidfd_is_alive(pidfd) != 0 else { return nil }
    return text
  }

  /// When a process began; nil if that can't be read. Source: proc_pid_stat(5), field 22; the second, its name, may have anything in it.
  private static func beginning(of pid: Int32) -> UInt64? {
    guard let text = contents(of: "/proc/\(pid)/stat", upTo: 1024) else { return nil }
    return startTime(text[...])
  }

  /// Field 22 of a /proc/PID/stat.
  static func startTime(_ stat: ArraySlice<UInt8>) -> UInt64? {
    guard let name = stat.lastIndex(of: UInt8(ascii: ")")) else { return nil }
    let fields = stat[(name + 1)...].split(separator: UInt8(ascii: " "))
    return fields.count > 19 ? UInt64(String(decoding: fields[19], as: UTF8.self)) : nil
  }

  private static func contents(of path: String, upTo countMax: Int) -> [UInt8]? {
    let file = unsafe clinux_open(path, O_RDONLY)
    if file < 0 { return nil }
    defer { closeDescriptor(file) }
    var text = [UInt8](repeating: 0, count: countMax)
    var count = 0
    while count < text.count {
      let n = unsafe text.withUnsafeMutableBytes { unsafe clinux_read(file, $0.baseAddress! + count, $0.count - count) }
      if n <= 0 { break }
      count += n
    }
    text.removeLast(text.count - count)
    return text
  }

  /// Whether a uid_map, lines of "inside outside count", maps `outside` to `inside`.
  static func maps(_ text: ArraySlice<UInt8>, outside: UInt32, to inside: UInt32) -> Bool {
    for line in text.split(separator: UInt8(ascii: "\n")) {
      let numbers = line.split(separator: UInt8(ascii: " ")).compactMap { UInt64(String(decoding: $0, as: UTF8.self)) }
      guard numbers.count == 3 else { return false }
      let (first, lower, length) = (numbers[0], numbers[1], numbers[2])
      if UInt64(outside) >= lower && UInt64(outside) - lower < length && first + (UInt64(outside) - lower) == UInt64(inside) {
        return true
      }
    }
    return false
  }
}
