// A host of gates with a loop of its own: poll(2) over its standard input and the descriptor of its server. Tests/EndToEnd/test_embedding.py
// runs it and says what to do, a line each; Commands.swift has them. It changes nothing of its process: SIGPIPE, umask and limits stay.
//
//   gate-host            reads its commands itself, so that they come between two calls of dispatch()
//   gate-host --inside   has the server watch its standard input, so that they come in the middle of one

import GateServer
import Glibc

/// Waits until standard input, unless it is left to the server, or the server has something to do.
func awaitEvents(_ server: Int32?, _ input: Int32?) -> (server: Bool, input: Bool) {
  var polled = [server ?? -1, input ?? -1].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
  let count = unsafe poll(&polled, 2, -1)
  precondition(count > 0 || errno == EINTR, "poll(2) failed")
  if count < 0 { return (false, false) }
  return (polled[0].revents != 0, polled[1].revents != 0)
}

func serve(isInside: Bool) throws {
  let commands = Commands()
  var server = try commands.makeServer()
  if isInside { try server.watch(STDIN_FILENO) { server, _, _ in commands.read(&server) } }
  while !server.isStopped && !commands.isAtEnd {
    let ready = awaitEvents(commands.isHolding ? nil : server.fileDescriptor, isInside ? nil : STDIN_FILENO)
    if ready.server {
      commands.dispatches += 1
      try server.dispatch()
    }
    if ready.input { commands.read(&server) }
    if commands.isToRenew {
      server = try commands.makeServer()
      commands.answer("ok")
    }
  }
}

do {
  try serve(isInside: CommandLine.arguments.dropFirst() == ["--inside"])
} catch {
  Commands().answer("error \(error)")
  exit(1)
}
