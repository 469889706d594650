// Files that policies are made of, read whole: configurations and service manifests. What is in them is GatePolicy's. Shared by the
// sidecar and the operator's tool, so that both see the same files in the same order.

import GatePolicy
import Glibc

/// Reads files and directories.
public enum ConfigurationFile {
  /// The largest file that is read: what a document may have, and one byte more, so that the parser says what is wrong.
  private static let bytesMax = 16 * 1024 * 1024 + 1

  /// Milliseconds that a pipe may take for more bytes.
  private static let patience: Int32 = 5000

  /// What the file has, up to a bound that the parser refuses.
  ///
  /// - Parameters:
  ///   - expected: what the file should be, for the message.
  ///   - mustBeRegular: whether a pipe is refused, and whatever else may not answer at once or a second time.
  public static func contents(
    of file: String, expected: String, mustBeRegular: Bool = false
  ) throws(ConfigurationFailure) -> [UInt8] {
    // Opening a pipe does not wait for a writer.
    let fd = unsafe open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    if fd < 0 { throw failure(file, errno, expected) }
    defer { close(fd) }
    var status = stat()
    if unsafe fstat(fd, &status) != 0 { throw failure(file, errno, expected) }
    if mustBeRegular && status.st_mode & S_IFMT != S_IFREG {
      throw failure(file, "it is no regular file and cannot be read a second time", expected)
    }
    return try contents(of: fd, named: file, expected: expected)
  }

  /// What is still to be read from `descriptor`, which stays open. A regular file that is written to meanwhile is refused: half old and
  /// half new, it might be a policy that nobody wrote. (Before Linux 6.13 a file's times are as coarse as a tick, see
  /// Documentation/filesystems/multigrain-ts.rst, and a change within one tick is not seen.)
  public static func contents(
    of descriptor: Int32, named name: String, expected: String
  ) throws(ConfigurationFailure) -> [UInt8] {
    var text: [UInt8] = []
    var status = stat()
    // A small file is not worth a large chunk, whose pages would all be touched.
    let isRegular = unsafe fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    let size = isRegular ? Int(status.st_size) + 1 : 65536
    var chunk = [UInt8](repeating: 0, count: min(65536, size))
    while text.count < bytesMax {
      let n = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress!, $0.count) }
      if n < 0 && errno == EINTR { continue }
      if n < 0 && errno == EAGAIN {
        // Of a regular file all is there at once. What says otherwise, /proc/kmsg for one, would hold up a reload, and clients with it.
        if isRegular { throw failure(name, errno, expected) }
        try awaitMore(descriptor, name, expected)
        continue
      }
      if n < 0 { throw failure(name, errno, expected) }
      if n == 0 { break }
      text.append(contentsOf: chunk[..<n])
    }
    if isRegular {
      var after = stat()
      if unsafe fstat(descriptor, &after) != 0 { throw failure(name, errno, expected) }
      if !isUnwritten(status, after) {
        throw failure(name, "it changed while it was read", "\(expected) that stays as it is, or is replaced by mv")
      }
    }
    return text
  }

  /// Whether nobody wrote to the file between two looks at it. Its name may belong to another file by then: that is how files are
  /// replaced.
  private static func isUnwritten(_ before: stat, _ after: stat) -> Bool {
    before.st_size == after.st_size && before.st_mtim.tv_sec == after.st_mtim.tv_sec
      && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec
  }

  private static func awaitMore(_ fd: Int32, _ file: String, _ expected: String) throws(ConfigurationFailure) {
    var poll = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
    let count = unsafe Glibc.poll(&poll, 1, patience)
    if count < 0 && errno != EINTR { throw failure(file, errno, expected) }
    if count == 0 { throw failure(file, "nothing came for \(patience / 1000) s", expected) }
  }

  /// The manifests at `paths`, each a directory of `*.json` or one file. Throws what is wrong with each of them.
  ///
  /// - Parameter mustBeRegular: as for ``contents(of:expected:mustBeRegular:)``.
  public static func manifests(
    at paths: [String], mustBeRegular: Bool = false
  ) throws(ConfigurationFailure) -> [ServiceManifest] {
    var manifests: [ServiceManifest] = []
    var failures: [ConfigurationFailure] = []
    for path in paths {
      do throws(ConfigurationFailure) {
        for file in try documents(at: path, expected: "a service manifest or a directory of them") {
          do throws(ConfigurationFailure) {
            manifests.append(try manifest(file, mustBeRegular: mustBeRegular))
          } catch {
            failures.append(error)
          }
        }
      } catch {
        failures.append(error)
      }
    }
    if !failures.isEmpty { throw ConfigurationFailure(failures) }
    return manifests
  }

  private static func manifest(_ file: String, mustBeRegular: Bool) throws(ConfigurationFailure) -> ServiceManifest {
    let text = try contents(of: file, expected: "a service manifest", mustBeRegular: mustBeRegular)
    do throws(ConfigurationError) {
      return try ServiceManifest.parse(text, file: file)
    } catch {
      throw ConfigurationFailure(description: "\(error)")
    }
  }

  static func failure(_ file: String, _ number: Int32, _ expected: String) -> ConfigurationFailure {
    failure(file, unsafe String(cString: strerror(number)), expected)
  }

  static func failure(_ file: String, _ reason: String, _ expected: String) -> ConfigurationFailure {
    ConfigurationFailure(description: "\(file): error: cannot be read: \(reason), expected \(expected)")
  }
}
