// The sidecar: `busgate run …`, and under the name dbus-proxy the drop-in for Pelagicore's. This file is the table of contents.

import GateServer
import Glibc

openStandardDescriptors()
clearSignals()
raiseDescriptorLimit()
exit(Invocation(CommandLine.arguments).perform())
