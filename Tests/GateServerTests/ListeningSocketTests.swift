// Sockets that accept: what their files look like while they are made, which files are replaced, and what is known of who connects.

import GateSession
import Glibc
import Testing

@testable import GateServer

@Suite("a socket that listens", .serialized)
struct ListeningSocketTests {
  private static func mode(_ path: String) -> mode_t? {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode : nil
  }

  /// setxattr(2), which Glibc's module does not have.
  private static let setAttribute = unsafeBitCast(
    dlsym(nil, "setxattr"),
    to: (@convention(c) (UnsafePointer<CChar>, UnsafePointer<CChar>, UnsafeRawPointer, Int, Int32) -> Int32).self)

  private static func socket() -> Int32 { Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0) }

  /// A socket that was bound, as a gate does it, and does not listen yet.
  private static func halfMade(_ path: String) throws -> Int32 {
    let fd = socket()
    try ListeningSocket.bindUnpublished(fd, UnixSocketName(path: path), path)
    return fd
  }

  // MARK: Its file

  @Test("has a file without permissions at first, whatever the umask", arguments: [0, 0o022, 0o777] as [mode_t])
  func hidden(mask: mode_t) throws {
    let directory = TemporaryDirectory()
    // Other tests make no files whose mode counts.
    let old = umask(mask)
    defer { umask(old) }
    let plain = Self.socket()
    try #require(UnixSocketName(path: "\(directory.path)/plain").bind(plain) == 0)
    #expect(Self.mode("\(directory.path)/plain") == S_IFSOCK | 0o777 & ~mask, "another socket's has some")
    let fd = try Self.halfMade("\(directory.path)/gate")
    defer { for fd in [fd, plain] { close(fd) } }
    #expect(Self.mode("\(directory.path)/gate") == S_IFSOCK)
    #expect(SocketFile.isUnpublished(path: "\(directory.path)/gate"))
  }

  @Test("has a file without permissions at first also where a directory's default ACL lets others in")
  func hiddenByACL() throws {
    let directory = TemporaryDirectory()
    // acl(5) as the kernel has it: version 2; the owner, user 1234, the group and the mask may do everything, others nothing.
    func entry(_ tag: UInt8, _ permissions: UInt8, _ id: UInt32 = .max) -> [UInt8] {
      [tag, 0, permissions, 0] + withUnsafeBytes(of: id.littleEndian) { Array($0) }
    }
    let acl = [2, 0, 0, 0] + entry(1, 7) + entry(2, 7, 1234) + entry(4, 7) + entry(0x10, 7) + entry(0x20, 0)
    let set = Self.setAttribute(directory.path, "system.posix_acl_default", acl, acl.count, 0)
    if set != 0 && errno == EOPNOTSUPP { return }
    try #require(set == 0)
    let old = umask(0)
    defer { umask(old) }
    let plain = Self.socket()
    try #require(UnixSocketName(path: "\(directory.path)/plain").bind(plain) == 0)
    #expect(Self.mode("\(directory.path)/plain") == S_IFSOCK | 0o770, "the ACL is in force")
    let fd = try Self.halfMade("\(directory.path)/gate")
    defer { for fd in [fd, plain] { close(fd) } }
    #expect(Self.mode("\(directory.path)/gate") == S_IFSOCK)
  }

  @Test("gets the permissions that were asked for, and takes its file with it, unless that is another's")
  func file() throws {
    let directory = TemporaryDirectory()
    let path = "\(directory.path)/made/gate"
    var options = SocketFileOptions()
    options.mode = 0o640
    let gate = try ListeningSocket(.path(path), options)
    #expect(Self.mode(path) == S_IFSOCK | 0o640)
    gate.close()
    #expect(Self.mode(path) == nil)
    let replaced = try ListeningSocket(.path(path), options)
    unlink(path)
    let other = try ListeningSocket(.path(path), options)
    replaced.close()
    #expect(Self.mode(path) != nil)
    other.close()
    rmdir("\(directory.path)/made")
  }

  // MARK: What was there before

  @Test(
    "waits while another gate replaces a socket in its directory, though not for ever, and only where there is one to be replaced"
  )
  func locked() throws {
    let directory = TemporaryDirectory()
    let path = "\(directory.path)/gate"
    let left = Self.socket()
    try #require(UnixSocketName(path: path).bind(left) == 0)
    close(left)
    let lock = try #require(try DirectoryLock(of: path, yields: true))
    #expect(throws: ListenFailure.halfMade(path)) { try DirectoryLock(of: path, yields: true)?.release() }
    #expect(throws: ListenFailure.halfMade(path)) { try ListeningSocket(.path(path)) }
    #expect(Self.mode(path) != nil, "it is left alone meanwhile")
    try ListeningSocket(.path("\(directory.path)/beside")).close()
    try ListeningSocket(.path(path), takesOverHalfMade: true).close()
    lock.release()
    try #require(try DirectoryLock(of: path, yields: true)).release()
  }

  @Test(
    "says at once that another gate may be making the same one, and takes its place if it is told to",
    .enabled(if: geteuid() == 0))
  func halfMade() throws {
    let directory = TemporaryDirectory()
    let path = "\(directory.path)/gate"
    let other = try Self.halfMade(path)
    let before = FileIdentity(path: path)
    #expect(throws: ListenFailure.halfMade(path)) { try ListeningSocket(.path(path)) }
    #expect(FileIdentity(path: path) == before)
    let gate = try ListeningSocket(.path(path), takesOverHalfMade: true)
    #expect(FileIdentity(path: path) != before && Self.mode(path) == S_IFSOCK | 0o666)
    gate.close()
    close(other)
  }

  @Test("leaves one alone that listens by now, whatever it is told", arguments: [true, false])
  func live(takesOver: Bool) throws {
    let directory = TemporaryDirectory()
    let path = "\(directory.path)/gate"
    let other = try Self.halfMade(path)
    try #require(listen(other, 1) == 0)
    defer { close(other) }
    #expect { try ListeningSocket(.path(path), takesOverHalfMade: takesOver) } throws: { error in
      guard case .refused? = error as? ListenFailure else { return geteuid() != 0 && error as? ListenFailure == .halfMade(path) }
      return true
    }
    #expect(SocketFile.isUnpublished(path: path))
  }

  @Test("replaces one that lost its process, which has permissions, and no file of another kind")
  func stale() throws {
    let directory = TemporaryDirectory()
    let path = "\(directory.path)/gate"
    let lost = Self.socket()
    try #require(UnixSocketName(path: path).bind(lost) == 0)
    close(lost)
    try ListeningSocket(.path(path)).close()
    close(open(path, O_CREAT | O_WRONLY, 0o600))
    #expect(throws: ListenFailure.refused("\(path) exists and is no socket; it is left alone")) {
      try ListeningSocket(.path(path))
    }
  }

  // MARK: Who connects

  @Test("says what its connections carry, and whether a directory is its access control")
  func transport() throws {
    let directory = TemporaryDirectory()
    let path = try ListeningSocket(.path("\(directory.path)/gate"))
    let abstract = try ListeningSocket(.abstract(Array(directory.path.utf8)))
    let chosen = try ListeningSocket(.directory(directory.path))
    let inherited = try ListeningSocket(.inherited(path.fd))
    defer { for listener in [path, abstract, chosen] { listener.close() } }
    #expect([path, abstract, chosen, inherited].map(\.hasDirectory) == [true, false, true, true])
    #expect([path, abstract, chosen, inherited].allSatisfy { $0.transport == .unix })
    #expect(path.name == "\(directory.path)/gate" && abstract.name == "@\(directory.path)")
    #expect(chosen.name.hasPrefix("\(directory.path)/dbus-"))
  }

  @Test("knows a connection that leads to itself")
  func itself() throws {
    let directory = TemporaryDirectory()
    let (gate, other) = (
      try ListeningSocket(.path("\(directory.path)/gate")), try ListeningSocket(.path("\(directory.path)/other"))
    )
    defer { for listener in [gate, other] { listener.close() } }
    guard case .connected(let opened) = try BusEndpoint(address: "unix:path=\(directory.path)/gate").connect() else {
      Issue.record("nobody listens")
      return
    }
    defer { close(opened.fd) }
    #expect(gate.isOther(end: opened.fd) && !other.isOther(end: opened.fd))
  }

  @Test("believes the kernel about a client only where the transport carries credentials")
  func credentials() throws {
    var ends: [Int32] = [-1, -1]
    try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
    let bus = Loopback(listens: true)
    guard case .inProgress(let far) = LoopbackConnector(port: bus.port).connect() else {
      Issue.record("no connection in progress")
      return
    }
    let accepted = bus.accepted()
    defer { for fd in ends + [far, accepted] { close(fd) } }
    #expect(PeerCredentials(of: ends[0], over: .unix)?.uid == geteuid())
    #expect(PeerCredentials(of: ends[0], over: LoopbackConnector.transport) == nil)
    #expect(PeerCredentials(of: accepted, over: .unix) == nil, "of TCP the kernel says uid 2³²−1")
  }
}
