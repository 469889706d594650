// Which files a name on a command line stands for: itself, or what is in a directory.

import Glibc

extension ConfigurationFile {
  /// The gateway configurations that `path` stands for: itself, or if it is a directory the names in it that end in `.json` and do not begin
  /// with a dot, in order of their bytes. A directory without any is refused: nobody names one to close a gate.
  public static func configurations(at path: String) throws(ConfigurationFailure) -> [String] {
    let files = try documents(at: path, expected: configuration)
    if files.isEmpty { throw failure(path, "no name in it ends in .json", configuration) }
    return files
  }

  /// The gateway configurations that belong to `base`: `base.json`, and those of the directory `base.d`. One of the two must be there.
  public static func configurations(of base: String) throws(ConfigurationFailure) -> [String] {
    let (file, directory) = ("\(base).json", "\(base).d")
    var files: [String] = []
    if exists(file) { files.append(file) }
    if exists(directory) { files += try documents(at: directory, expected: configuration) }
    if files.isEmpty { throw failure(file, ENOENT, "a gateway configuration there, or in \(directory)/") }
    return files
  }

  private static let configuration = "a gateway configuration, or a directory of them"

  /// Whether there is something, be it of no use: that is said by whoever reads it.
  private static func exists(_ path: String) -> Bool {
    var status = stat()
    return unsafe lstat(path, &status) == 0 || errno != ENOENT
  }

  /// `path`, if it is a file; if it is a directory, the names in it that end in `.json` and do not begin with a dot, sorted bytewise.
  /// The root directory is refused: whoever names it has an empty variable in front of the slash.
  ///
  /// - Parameter expected: what should be there, for the message.
  static func documents(at path: String, expected: String) throws(ConfigurationFailure) -> [String] {
    var (status, root) = (stat(), stat())
    if unsafe stat(path, &status) < 0 { throw failure(path, errno, expected) }
    if status.st_mode & S_IFMT != S_IFDIR { return [path] }
    if unsafe stat("/", &root) == 0 && (root.st_dev, root.st_ino) == (status.st_dev, status.st_ino) {
      throw ConfigurationFailure(description: "\(path): error: it is the root directory, expected \(expected)")
    }
    guard let directory = unsafe opendir(path) else { throw failure(path, errno, expected) }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    errno = 0
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) {
        unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name.hasSuffix(".json") && !name.hasPrefix(".") { names.append(name) }
    }
    if errno != 0 { throw failure(path, errno, expected) }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { path.hasSuffix("/") ? path + $0 : "\(path)/\($0)" }
  }
}
