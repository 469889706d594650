// libFuzzer's entry, thin: which body is meant says FUZZ_TARGET. Built without -DFUZZ it runs the files it is given, once each.

import FuzzBodies
import Glibc

let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
guard let body = name == CommandLineBody.name ? CommandLineBody.run : FuzzTarget(rawValue: name)?.body else {
  let names = FuzzTarget.allCases.map(\.rawValue) + [CommandLineBody.name]
  print("FUZZ_TARGET=\(name): expected one of \(names.joined(separator: " "))")
  exit(64)
}
nonisolated(unsafe) let run = body

#if FUZZ
  import CLibFuzzer

  var count = CommandLine.argc
  var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
  exit(
    LLVMFuzzerRunDriver(&count, &arguments) { data, size in
      run(Array(UnsafeBufferPointer(start: data, count: size)))
      return 0
    })
#else
  for path in CommandLine.arguments.dropFirst() {
    guard let bytes = contents(of: path) else {
      print("\(path): cannot be read")
      exit(66)
    }
    run(bytes)
  }
#endif
