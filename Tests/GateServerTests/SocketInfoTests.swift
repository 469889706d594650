import Glibc
import Testing

@testable import GateServer

@Suite("what the kernel tells of a socket")
struct SocketInfoTests {
  private static let before = "pos:\t0\nflags:\t02004002\nmnt_id:\t10\nino:\t512\n"

  @Test(
    "descriptors wait where their number is not 0",
    arguments: [
      ("scm_fds: 0\n", false), ("scm_fds:\t0\n", false), ("scm_fds:0", false), ("scm_fds: 000\n", false),
      ("scm_fds: 1\n", true), ("scm_fds: 253\n", true), ("scm_fds: 10", true), ("scm_fds: 010\nlater: 0\n", true),
      ("scm_fds: 4294967295\n", true), ("scm_fds: 99999999999999999999999999\n", true),
    ])
  func descriptors(line: String, wait: Bool) {
    #expect(SocketInfo.descriptorsWait(text: Array((Self.before + line).utf8).span) == wait)
    #expect(SocketInfo.descriptorsWait(text: Array(line.utf8).span) == wait)
  }

  @Test(
    "what does not say so is not taken for none",
    arguments: [
      "", "\n", "scm_fds", "scm_fds:", "scm_fds: \n", "scm_fds: x\n", "scm_fds: 0x\n", "scm_fds: -1\n", "scm_fd: 0\n",
      "xscm_fds: 0\n",
      " scm_fds: 0\n", "SCM_FDS: 0\n",
    ])
  func silence(line: String) {
    #expect(SocketInfo.descriptorsWait(text: Array((Self.before + line).utf8).span) == nil)
  }

  @Test("the kernel says it of a socket, and not of a pipe")
  func kernel() throws {
    var (ends, pipes): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
    try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
    try #require(pipe(&pipes) == 0)
    defer { for end in ends + pipes { close(end) } }
    func told(_ descriptor: Int32) throws -> Bool? {
      let file = open("/proc/self/fdinfo/\(descriptor)", O_RDONLY | O_CLOEXEC)
      try #require(file >= 0)
      defer { close(file) }
      return SocketInfo.descriptorsWait(file: file)
    }
    #expect(try told(ends[0]) == false)
    #expect(try told(pipes[0]) == nil)
  }
}
