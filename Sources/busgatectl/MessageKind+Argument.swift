// A message's type on a command line.

import ArgumentParser
import PolicyTools

extension LoggedDecision.MessageKind: ExpressibleByArgument {}
