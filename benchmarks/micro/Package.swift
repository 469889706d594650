// swift-tools-version: 6.2
// The micro-benchmarks: a package of its own, so that the main one depends on nothing.
import PackageDescription

let package = Package(
  name: "busgate-micro",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(name: "busgate", path: "../.."),
    .package(url: "https://github.com/ordo-one/benchmark", exact: "1.38.1", traits: []),
  ],
  targets: [
    .target(
      name: "Subjects",
      dependencies: [
        .product(name: "DBusWire", package: "busgate"),
        .product(name: "GatePolicy", package: "busgate"),
        .product(name: "GateSession", package: "busgate"),
      ],
      swiftSettings: [.unsafeFlags(["-cross-module-optimization"])]),
    .executableTarget(name: "count", dependencies: ["Subjects"]),
    .executableTarget(
      name: "Micro",
      dependencies: ["Subjects", .product(name: "Benchmark", package: "benchmark")],
      path: "Benchmarks/Micro",
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
  ]
)
