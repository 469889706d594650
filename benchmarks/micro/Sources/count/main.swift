// count NAME RUNS: runs one subject so often and says nothing, for a tool that counts instructions. Without arguments: names and operations.

import Subjects

if CommandLine.argc < 3 {
  for subject in Subject.all { print("\(subject.operations)\t\(subject.name)") }
} else {
  guard let subject = Subject.all.first(where: { $0.name == CommandLine.arguments[1] }), let runs = Int(CommandLine.arguments[2])
  else { fatalError("usage: count NAME RUNS") }
  let run = subject.prepare()
  for _ in 0..<runs { run() }
}
