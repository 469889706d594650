// How a command ends that could not do what it was asked for: lines on standard error, and the status that belongs to it.

import ArgumentParser
import GateServer
import PolicyTools

/// Runs `body`; what it throws becomes lines and a status.
func reportingFailures(_ console: Console, _ body: () throws -> Void) throws {
  do {
    try body()
  } catch let failure as ConfigurationFailure {
    for line in failure.lines { console.printError(line) }
    throw ExitCode.badInput
  } catch let failure as AdminCall.Failure {
    console.printErrorLine(failure.description)
    throw ExitCode.systemError
  } catch let failure as MessageQueryError {
    console.printError("busgatectl: error: \(failure)")
    throw ExitCode.badInput
  }
}
