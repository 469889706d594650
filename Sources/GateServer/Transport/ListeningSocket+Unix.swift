// Listening on Unix sockets: on a path, whose file nobody can connect through before its permissions are set, on an abstract name, or on one
// that somebody else has made.

import CLinux
import GateSession
import Glibc

extension ListeningSocket {
  /// Listens on a path. A missing parent directory is made; a socket file that nobody listens on is replaced.
  ///
  /// Throws `refused` where another process listens there, or the file is no socket; `halfMade` where one may be about to.
  init(path: String, _ options: SocketFileOptions, takesOverHalfMade: Bool = false) throws(ListenFailure) {
    let name = UnixSocketName(path: path)
    try Self.makeParent(of: path)
    let lock = FileIdentity(path: path) == nil ? nil : try DirectoryLock(of: path, yields: !takesOverHalfMade)
    defer { lock?.release() }
    try Self.removeStale(name, path, takesOverHalfMade: takesOverHalfMade)
    let fd = try Self.makeSocket()
    do throws(ListenFailure) {
      try Self.bindUnpublished(fd, name, path)
      let identity = try Self.publish(fd, at: path, options)
      self.init(
        listening: fd, name: path, transport: .unix, hasDirectory: true, file: identity.map { MadeFile(path: path, identity: $0) }
      )
    } catch {
      closeDescriptor(fd)
      throw error
    }
  }

  /// Listens on a name in the abstract name space.
  init(abstract name: UnixSocketName) throws(ListenFailure) {
    let fd = try Self.makeSocket()
    var result = name.bind(fd)
    if result == 0 { result = clinux_listen(fd, Self.backlog) }
    if result != 0 {
      closeDescriptor(fd)
      if -result == EADDRINUSE { throw .refused("another process listens on \(name); stop it, or choose another name") }
      throw .system(SystemError("cannot listen on \(name)", result))
    }
    self.init(listening: fd, name: "\(name)", transport: .unix, hasDirectory: false)
  }

  /// Accepts on a descriptor that was listening before.
  init(inherited fd: Int32) throws(ListenFailure) {
    if clinux_is_listening_unix(fd) == 0 {
      throw .refused(
        "the inherited descriptor \(fd) is no listening Unix stream socket; expected one, as systemd's ListenStream= makes")
    }
    let result = clinux_make_private(fd)
    if result < 0 { throw .system(SystemError("cannot set up the inherited descriptor \(fd)", result)) }
    let name = Self.boundName(fd).map { "\($0)" } ?? "(inherited descriptor \(fd))"
    self.init(listening: fd, name: name, transport: .unix, hasDirectory: clinux_is_bound_to_path(fd) != 0)
  }

  /// What somebody else has bound `fd` to; nil if nothing.
  private static func boundName(_ fd: Int32) -> UnixSocketName? {
    var bytes = [UInt8](repeating: 0, count: 108)
    let count = unsafe bytes.withUnsafeMutableBufferPointer { unsafe clinux_bound_name(fd, $0.baseAddress!, $0.count) }
    if count == 0 { return nil }
    return bytes[0] == 0 ? UnixSocketName(abstract: Array(bytes[1..<count])) : UnixSocketName(path: Array(bytes[..<count]))
  }

  private static func makeSocket() throws(ListenFailure) -> Int32 {
    let fd = clinux_socket_unix()
    if fd < 0 { throw .system(SystemError("cannot make a socket", fd)) }
    return fd
  }

  /// Binds `fd` to a path. Nobody may connect before owner and mode are set, so the file has no permissions: Linux gives it those of the
  /// socket itself, less the umask, and less what a directory's default ACL leaves out. Another gate that tries the path meanwhile finds it
  /// taken. Source: unix_bind_bsd() of net/unix/af_unix.c.
  static func bindUnpublished(_ fd: Int32, _ name: UnixSocketName, _ path: String) throws(ListenFailure) {
    if fchmod(fd, 0) != 0 { throw .system(SystemError("cannot take the permissions of a socket", errno)) }
    let bound = name.bind(fd)
    if -bound == EADDRINUSE { throw .refused("something else came to be at \(path) meanwhile; it is left alone") }
    if bound < 0 { throw .system(SystemError("cannot listen on \(path)", bound, hint: Self.hint(bound, path))) }
  }

  /// Makes a socket that was just bound to `path` listen, and sets owner and mode of its file. A file that cannot be opened does
  /// not stay.
  private static func publish(_ fd: Int32, at path: String, _ options: SocketFileOptions) throws(ListenFailure) -> FileIdentity? {
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

  /// Removes a socket that refuses connections: it has lost its process. One that accepts them, or that we may not connect to, is in use.
  /// One without any permission may be another gate's between bind(2) and the end of ``publish(_:at:_:)``: root, whom permissions do not
  /// stop, would take it for a lost one; others can only tell once it has its permissions.
  private static func removeStale(_ name: UnixSocketName, _ path: String, takesOverHalfMade: Bool) throws(ListenFailure) {
    guard let file = FileIdentity(path: path) else { return }
    if !file.isSocket { throw .refused("\(path) exists and is no socket; it is left alone") }
    let probe = try makeSocket()
    defer { closeDescriptor(probe) }
    let result = name.connect(probe)
    if !takesOverHalfMade && (-result == ECONNREFUSED || -result == EACCES) && SocketFile.isUnpublished(path: path) {
      throw .halfMade(path)
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
}
