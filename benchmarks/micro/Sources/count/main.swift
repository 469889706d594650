// count NAME RUNS: runs one subject so often and says nothing, for a tool that counts instructions. With `best` behind it, it says how many
// nanoseconds of CPU the best run took. Without arguments: names and operations.

import Glibc
import Subjects

/// Nanoseconds of CPU that this process has had.
func cpuNanoseconds() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

if CommandLine.argc < 3 {
  for subject in Subject.all { print("\(subject.operations)\t\(subject.name)") }
} else {
  guard let subject = Subject.all.first(where: { $0.name == CommandLine.arguments[1] }), let runs = Int(CommandLine.arguments[2])
  else { fatalError("usage: count NAME RUNS [best]") }
  let run = subject.prepare()
  var best = Int.max
  for _ in 0..<runs {
    let start = cpuNanoseconds()
    run()
    best = min(best, cpuNanoseconds() - start)
  }
  if CommandLine.argc > 3 { print(best) }
}
