// Worlds from seeds, as long as told: `make soak`. What fails says its seed, and is repeated with everything that happened.
//
//   simulate SECONDS [FIRST-SEED]     worlds for so long
//   simulate seed N                   that one, told step by step

import GateSimulation
import Glibc

/// The world that is alive, for the last word if it takes the process with it.
nonisolated(unsafe) var seed: UInt64 = 0

for number in [SIGILL, SIGTRAP, SIGABRT, SIGSEGV] {
  signal(number) { number in
    print("seed \(seed): crashed with signal \(number); 'simulate seed \(seed)' repeats it")
    fflush(nil)
    _exit(1)
  }
}

func now() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Lives one life; says what did not hold.
func live(_ seed: UInt64, isTold: Bool = false) -> (steps: Int, failure: String?) {
  var steps = 0
  do {
    let world = try World(Choices(seed: seed))
    if isTold { world.tell = { print($0) } }
    defer { steps = world.steps }
    try world.run()
  } catch {
    return (steps, "\(error)")
  }
  return (steps, nil)
}

let words = CommandLine.arguments.dropFirst()
if words.first == "seed", let number = words.dropFirst().first.flatMap({ UInt64($0) }) {
  seed = number
  let (steps, failure) = live(seed, isTold: true)
  print("seed \(seed): \(steps) steps, \(failure ?? "all held")")
  exit(failure == nil ? 0 : 1)
}
guard let seconds = words.first.flatMap({ Double($0) }) else {
  print("usage: simulate SECONDS [FIRST-SEED] | simulate seed N")
  exit(64)
}
let first = words.dropFirst().first.flatMap { UInt64($0) } ?? UInt64(clock_t(time(nil))) << 20
let start = now()
seed = first
var steps = 0
while now() - start < seconds {
  let life = live(seed)
  steps += life.steps
  if let failure = life.failure {
    print("seed \(seed): \(failure)\nafter \(seed - first) worlds; 'simulate seed \(seed)' repeats it")
    exit(1)
  }
  seed += 1
}
print("\(seed - first) worlds from seed \(first) on, \(steps) steps in \(Int(now() - start)) s, all held")
