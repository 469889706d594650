// swift-tools-version: 6.2
import PackageDescription

/// Checked memory access everywhere: what the compiler cannot prove safe is marked `unsafe`, or does not build.
let swift: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatWarning("StrictMemorySafety", as: .error),
]

/// For the few functions that return or keep a span of somebody else's memory.
let lifetimes: [SwiftSetting] = [.enableExperimentalFeature("Lifetimes")]

let package = Package(
  name: "busgate",
  products: [
    .executable(name: "busgate", targets: ["busgate"]),
    .executable(name: "busgatectl", targets: ["busgatectl"]),
    .library(name: "DBusWire", targets: ["DBusWire"]),
    .library(name: "GatePolicy", targets: ["GatePolicy"]),
    .library(name: "GateSession", targets: ["GateSession"]),
    .library(name: "GateServer", targets: ["GateServer"]),
  ],
  dependencies: [
    // For busgatectl alone; the sidecar and the libraries need nothing but the standard library.
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // Ground floor first: an import may only name a target above it in this list.
    .target(name: "DBusWire", swiftSettings: swift + lifetimes),
    .target(name: "GatePolicy", dependencies: ["DBusWire"], swiftSettings: swift + lifetimes),
    .target(name: "GateSession", dependencies: ["DBusWire", "GatePolicy"], swiftSettings: swift + lifetimes),
    .target(name: "CLinux"),
    .target(
      name: "GateServer", dependencies: ["DBusWire", "GatePolicy", "GateSession", "CLinux"], swiftSettings: swift + lifetimes),
    .executableTarget(name: "busgate", dependencies: ["GateServer", "CLinux"], swiftSettings: swift),
    .target(name: "PolicyTools", dependencies: ["DBusWire", "GatePolicy", "GateSession"], swiftSettings: swift),
    .executableTarget(
      name: "busgatectl",
      dependencies: ["PolicyTools", "GateServer", .product(name: "ArgumentParser", package: "swift-argument-parser")],
      swiftSettings: swift),

    // Messages, peers and a world for tests, simulation and fuzzing; no product has it.
    .target(
      name: "GateSimulation", dependencies: ["DBusWire", "GatePolicy", "GateSession"], path: "Tests/Simulation"),
    .target(
      name: "FuzzBodies", dependencies: ["DBusWire", "GatePolicy", "GateSession", "GateServer", "GateSimulation", "PolicyTools"],
      path: "Tests/Fuzz/Bodies"),
    .testTarget(name: "DBusWireTests", dependencies: ["DBusWire"]),
    .testTarget(name: "GatePolicyTests", dependencies: ["GatePolicy"]),
    .testTarget(name: "GateSessionTests", dependencies: ["GateSession", "GateSimulation"]),
    .testTarget(name: "GateServerTests", dependencies: ["GateServer"]),
    .testTarget(name: "PolicyToolsTests", dependencies: ["PolicyTools"]),
    .testTarget(name: "FuzzTests", dependencies: ["FuzzBodies", "busgate"], path: "Tests/Fuzz/Replay"),
  ]
)

// What contrib/run-tests builds, once and for release: every test, and other implementations, asked what they make of the same bytes. Those
// need the Debian packages libdbus-1-dev and libglib2.0-dev, so they are there only for those who ask.
if Context.environment["BUSGATE_ORACLES"] != nil {
  package.targets += [
    .systemLibrary(name: "CDBus", path: "Tests/Libraries/CDBus", pkgConfig: "dbus-1"),
    .systemLibrary(name: "CGLib", path: "Tests/Libraries/CGLib", pkgConfig: "gio-2.0"),
    .testTarget(name: "OracleTests", dependencies: ["DBusWire", "GatePolicy", "GateSession", "CDBus", "CGLib"]),
    // A host with gates in it, which Tests/EndToEnd/test_embedding.py runs.
    .executableTarget(
      name: "gate-host", dependencies: ["GatePolicy", "GateServer"], path: "Tests/Embedder", swiftSettings: swift),
  ]
  // Optimised is what runs for seconds: worlds, oracles, and what they stand on. The rest takes longer to optimise than to run.
  let optimised: Set = ["DBusWire", "GatePolicy", "GateSession", "CLinux", "GateSimulation", "OracleTests"]
  for target in package.targets where target.type != .system && !optimised.contains(target.name) {
    target.swiftSettings = (target.swiftSettings ?? []) + [.unsafeFlags(["-Onone"])]
  }
}

// What proves rather than serves is built only when it is asked for: `make soak`, `make fuzz`. There the sidecar is a library, so that its
// command lines can be fuzzed.
if Context.environment["BUSGATE_PROOF"] != nil {
  package.products.removeAll { $0.name == "busgate" }
  package.targets.removeAll { $0.name == "busgate" }
  package.targets += [
    .target(
      name: "busgate", dependencies: ["GateServer", "CLinux"], exclude: ["main.swift"],
      swiftSettings: swift + [.unsafeFlags(["-enable-testing"])]),
    .executableTarget(name: "simulate", dependencies: ["GateSimulation"], path: "Tests/Simulate", exclude: ["mutants"]),
    .systemLibrary(name: "CLibFuzzer", path: "Tests/Fuzz/CLibFuzzer"),
    .executableTarget(
      name: "fuzz", dependencies: ["FuzzBodies", "CLibFuzzer", "busgate", "GateServer"], path: "Tests/Fuzz/Driver"),
  ]
}
