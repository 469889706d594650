// A socket that accepts, and the file it is known by, removed on exit only if it is still ours.

import CLinux
import Glibc

/// How the file of a socket is to look.
public struct SocketFileOptions: Sendable {
  /// Permissions. 0666: who can reach the directory decides who may connect.
  public var mode: UInt32 = 0o666
  /// Owner and group; nil: as they come.
  public var owner: UInt32?
  /// The group; nil: as it comes.
  public var group: UInt32?

  /// Everybody who can reach it may connect.
  public init() {}
}

/// A socket that accepts.
struct ListeningSocket {
  let fd: Int32
  let name: UnixSocketName
  /// The file that we made and will remove; nil where we made none.
  private let file: FileIdentity?

  init(_ address: ListenAddress, _ options: SocketFileOptions = SocketFileOptions()) throws(ListenFailure) {
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
      // Nobody may connect between bind and the mode that was asked for.
      let old = umask(0o777)
      let bound = name.bind(fd)
      umask(old)
      if bound < 0 { throw .system(SystemError("cannot bind \(path)", bound)) }
      file = FileIdentity(path: path)
      try Self.dress(path, options)
      let listening = clinux_listen(fd, Self.backlog)
      if listening < 0 { throw .system(SystemError("cannot listen on \(path)", listening)) }
    } catch {
      closeDescriptor(fd)
      throw error
    }
    self.fd = fd
  }

  private init(abstract name: UnixSocketName) throws(ListenFailure) {
    self.name = name
    file = nil
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
    name = UnixSocketName(path: "(inherited descriptor \(fd))")
    file = nil
  }

  /// As many clients as the kernel lets wait (net.core.somaxconn is the real bound).
  private static let backlog: Int32 = 4096

  /// Stops listening and removes the socket's file if it is still the one we made.
  func close() {
    closeDescriptor(fd)
    guard let path = name.path, let file else { return }
    if FileIdentity(path: path) == file { unsafe unlink(path) }
  }

  /// Whether the other end of a connected socket is this one: each client would be the next one's bus, for ever.
  func isOther(end fd: Int32) -> Bool {
    if clinux_leads_to(fd, self.fd) == 0 { return false }
    // What was inherited has its maker's credentials; what we bound has ours, unless somebody has taken its path since.
    guard file != nil, let peer = PeerCredentials(of: fd) else { return true }
    return peer.pid == getpid()
  }

  private static func makeSocket() throws(ListenFailure) -> Int32 {
    let fd = clinux_socket_unix()
    if fd < 0 { throw .system(SystemError("cannot make a socket", fd)) }
    return fd
  }

  /// Sets owner and mode; a file that could not be dressed does not stay.
  private static func dress(_ path: String, _ options: SocketFileOptions) throws(ListenFailure) {
    if options.owner != nil || options.group != nil {
      if unsafe lchown(path, options.owner ?? .max, options.group ?? .max) != 0 {
        let error = SystemError("cannot set the owner of \(path)", errno)
        unsafe unlink(path)
        throw .system(error)
      }
    }
    if unsafe chmod(path, options.mode) != 0 {
      let error = SystemError("cannot set the mode of \(path)", errno)
      unsafe unlink(path)
      throw .system(error)
    }
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

  /// A socket that refuses connections has lost its process; one that takes them, or that we may not try, is somebody's.
  private static func removeStale(_ name: UnixSocketName, _ path: String) throws(ListenFailure) {
    guard let file = FileIdentity(path: path) else { return }
    if !file.isSocket { throw .refused("\(path) exists and is no socket; it is left alone") }
    let probe = try makeSocket()
    defer { closeDescriptor(probe) }
    let result = name.connect(probe)
    if -result == ECONNREFUSED {
      if unsafe unlink(path) != 0 && errno != ENOENT {
        throw .system(SystemError("cannot remove the stale socket \(path)", errno))
      }
    } else if -result != ENOENT {
      throw .refused("another process listens on \(path); stop it, or choose another path")
    }
  }

  private static func randomName() -> String {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    return String((0..<10).map { _ in letters[Int.random(in: 0..<letters.count)] })
  }
}

/// Why a socket could not be listened on.
public enum ListenFailure: Error, Equatable, Sendable, CustomStringConvertible {
  /// A system call failed.
  case system(SystemError)
  /// It would have done harm: the path is in use.
  case refused(String)

  /// A sentence.
  public var description: String {
    switch self {
    case .system(let error): error.description
    case .refused(let text): text
    }
  }
}
