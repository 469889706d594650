// A socket that accepts, and the file it is known by, removed on exit only if it is still ours.

import CLinux
import Glibc

/// A socket that accepts.
struct ListeningSocket {
  let fd: Int32
  let name: UnixSocketName
  /// Whether who may connect is decided by who can reach the directory that the socket is in.
  let hasDirectory: Bool
  /// The file that we made and will remove; nil where we made none.
  private let file: FileIdentity?

  init(
    _ address: ListenAddress, _ options: SocketFileOptions = SocketFileOptions(), takesOverHalfMade: Bool = false
  ) throws(ListenFailure) {
    switch address {
    case .path(let path): self = try Self(path: path, options)
    case .directory(let directory): self = try Self(path: "\(directory)/dbus-\(Self.randomName())", options)
    case .abstract(let bytes): self = try Self(abstract: UnixSocketName(abstract: bytes))
    case .inherited(let fd): self = try Self(inherited: fd)
    }
  }

  /// Listens on a path. A missing parent directory is made; a socket file that nobody listens on is replaced.
  ///
  /// Throws `refused` where another process listens there, or the file is no socket.
  init(path: String, _ options: SocketFileOptions) throws(ListenFailure) {
    name = UnixSocketName(path: path)
    try Self.makeParent(of: path)
    try Self.removeStale(name, path)
    let fd = try Self.makeSocket()
    do throws(ListenFailure) {
      // Nobody may connect before owner and mode are set. Another gate that tries the path meanwhile finds it taken.
      let old = umask(0o777)
      let bound = name.bind(fd)
      umask(old)
      if -bound == EADDRINUSE { throw .refused("something else came to be at \(path) meanwhile; it is left alone") }
      if bound < 0 { throw .system(SystemError("cannot listen on \(path)", bound, hint: Self.hint(bound, path))) }
      file = try Self.open(fd, at: path, options)
    } catch {
      closeDescriptor(fd)
      throw error
    }
    self.fd = fd
    hasDirectory = true
  }

  /// Makes a socket that was just bound to `path` listen, and sets owner and mode of its file. A file that cannot be opened does
  /// not stay.
  private static func open(_ fd: Int32, at path: String, _ options: SocketFileOptions) throws(ListenFailure) -> FileIdentity? {
    let socketFile: SocketFile
    do throws(ListenFailure) {
      let listening = clinux_listen(fd, backlog)
      if listening < 0 { throw .system(SystemError("cannot listen on \(path)", listening)) }
      socketFile = try SocketFile(path: path)
    } catch {
      SocketFile.removeUnpublished(path: path)
      throw error
    }
    return try socketFile.applyPermissions(options)
  }

  private init(abstract name: UnixSocketName) throws(ListenFailure) {
    self.name = name
    file = nil
    hasDirectory = false
    fd = try Self.makeSocket()
    var result = name.bind(fd)
    if result == 0 { result = clinux_listen(fd, Self.backlog) }
    if result == 0 { return }
    closeDescriptor(fd)
    if -result == EADDRINUSE { throw .refused("another process listens on \(name); stop it, or choose another name") }
    throw .system(SystemError("cannot listen on \(name)", result))
  }

  private init(inherited fd: Int32) throws(ListenFailure) {
    if clinux_is_listening_unix(fd) == 0 {
      throw .refused(
        "the inherited descriptor \(fd) is no listening Unix stream socket; expected one, as systemd's ListenStream= makes")
    }
    let result = clinux_make_private(fd)
    if result < 0 { throw .system(SystemError("cannot set up the inherited descriptor \(fd)", result)) }
    self.fd = fd
    hasDirectory = clinux_is_bound_to_path(fd) != 0
    name = UnixSocketName(path: "(inherited descriptor \(fd))")
    file = nil
  }

  /// As many clients as the kernel lets wait (net.core.somaxconn is the real bound).
  private static let backlog: Int32 = 4096

  /// Stops listening and removes the socket's file if it is still the one we made.
  func close() {
    // As long as the socket is open, no other file can have its number.
    if let path = name.path, let file, FileIdentity(path: path) == file { unsafe unlink(path) }
    closeDescriptor(fd)
  }

  /// Whether a connected socket leads to this one: each connection to the bus would be another client, for ever.
  func isOther(end connected: Int32) -> Bool { clinux_leads_to(connected, fd) != 0 }

  private static func makeSocket() throws(ListenFailure) -> Int32 {
    let fd = clinux_socket_unix()
    if fd < 0 { throw .system(SystemError("cannot make a socket", fd)) }
    // At first its file has no permissions, also where a directory's default ACL takes the place of the umask.
    _ = fchmod(fd, 0)
    return fd
  }

  /// A path that does not fit into an address is reached through its directory. Its last part still has to fit.
  private static func hint(_ result: Int32, _ path: String) -> String {
    if -result != ENAMETOOLONG { return "" }
    return "a socket's path may have 107 bytes; of a longer one the last part may have \(UnixSocketName.lastPartBytesMax)"
  }

  private static func makeParent(of path: String) throws(ListenFailure) {
    var at = path.utf8.startIndex
    while let slash = path.utf8[at...].dropFirst().firstIndex(of: UInt8(ascii: "/")) {
      let parent = String(path[..<slash])
      if unsafe mkdir(parent, 0o755) != 0 && errno != EEXIST {
        throw .system(SystemError("cannot make the directory \(parent)", errno))
      }
      at = slash
    }
  }

  /// How often, and after how many microseconds each time, a socket is tried again that another gate may be making at this moment.
  private static let halfMadeAttempts = 50
  private static let halfMadeInterval: UInt32 = 20_000

  /// A socket that refuses connections has lost its process. One that accepts them, or that we may not connect to, is in use. One
  /// without any permission may be another gate's between bind(2) and listen(2), which root, whom permissions do not stop, would
  /// take for a lost one.
  private static func removeStale(_ name: UnixSocketName, _ path: String) throws(ListenFailure) {
    guard let file = FileIdentity(path: path) else { return }
    if !file.isSocket { throw .refused("\(path) exists and is no socket; it is left alone") }
    let probe = try makeSocket()
    defer { closeDescriptor(probe) }
    var result = name.connect(probe)
    for _ in 0..<halfMadeAttempts where -result == ECONNREFUSED && SocketFile.isUnpublished(path: path) {
      usleep(halfMadeInterval)
      result = name.connect(probe)
    }
    switch -result {
    case ENOENT: return
    case ECONNREFUSED:
      // What is there now may have come meanwhile.
      if FileIdentity(path: path) == file, unsafe unlink(path) != 0 && errno != ENOENT {
        throw .system(SystemError("cannot remove the stale socket \(path)", errno))
      }
    case 0, EAGAIN: throw .refused("another process listens on \(path); stop it, or choose another path")
    default:
      throw .refused("\(SystemError("cannot tell whether another process listens on \(path)", result)); it is left alone")
    }
  }

  private static func randomName() -> String {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    return String((0..<10).map { _ in letters[Int.random(in: 0..<letters.count)] })
  }
}
