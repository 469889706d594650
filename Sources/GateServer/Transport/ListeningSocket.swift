// A socket that accepts, and the file it is known by, removed on exit only if it is still ours. How each kind of address is listened on
// stands in an extension. Nothing here waits, and nothing changes the process as a whole.

import CLinux
import GateSession
import Glibc

/// A socket that accepts.
struct ListeningSocket {
  /// As many clients as the kernel lets wait (net.core.somaxconn is the real bound).
  static let backlog: Int32 = 4096

  /// A file that was made to be listened on.
  struct MadeFile {
    let path: String
    let identity: FileIdentity
  }

  let fd: Int32
  /// Where it listens, for people.
  let name: String
  /// What the connections that it accepts can carry.
  let transport: Transport
  /// Whether who may connect is decided by who can reach the directory that the socket is in.
  let hasDirectory: Bool
  /// The file that we made and will remove; nil where we made none.
  let file: MadeFile?

  /// Listens.
  ///
  /// - Parameter takesOverHalfMade: Whether a socket file that another gate seems to be making is one that it left behind, and replaced.
  ///   Else ``ListenFailure/halfMade(_:)`` is thrown, and it may be tried again a moment later.
  init(
    _ address: ListenAddress, _ options: SocketFileOptions = SocketFileOptions(), takesOverHalfMade: Bool = false
  ) throws(ListenFailure) {
    switch address {
    case .path(let path): self = try Self(path: path, options, takesOverHalfMade: takesOverHalfMade)
    case .directory(let directory): self = try Self(path: "\(directory)/dbus-\(Self.randomName())", options)
    case .abstract(let bytes): self = try Self(abstract: UnixSocketName(abstract: bytes))
    case .inherited(let fd): self = try Self(inherited: fd)
    }
  }

  /// A descriptor that listens already. What is in the file system is ours to remove if `file` is not nil.
  init(listening fd: Int32, name: String, transport: Transport, hasDirectory: Bool, file: MadeFile? = nil) {
    (self.fd, self.name, self.transport, self.hasDirectory, self.file) = (fd, name, transport, hasDirectory, file)
  }

  /// Stops listening and removes the socket's file if it is still the one we made.
  func close() {
    // As long as the socket is open, no other file can have its number.
    if let file, FileIdentity(path: file.path) == file.identity { unsafe unlink(file.path) }
    closeDescriptor(fd)
  }

  /// Whether a connected socket leads to this one: each connection to the bus would be another client, for ever.
  func isOther(end connected: Int32) -> Bool { clinux_leads_to(connected, fd) != 0 }

  private static func randomName() -> String {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    return String((0..<10).map { _ in letters[Int.random(in: 0..<letters.count)] })
  }
}
