// The best known ways out of a container over a bus: methods that run, or load, what the caller says, outside. Not all there are.
//
// Sources: systemd, org.freedesktop.systemd1(5), org.freedesktop.machine1(5), org.freedesktop.portable1(5); flatpak-spawn(1); the D-Bus
// specification, "message-bus-messages"; documentation of the other services.

/// Methods of one interface that lead out.
struct WayOut: Sendable {
  /// The well-known name of the service.
  let service: String
  let interface: String
  let methods: [String]
  /// What they do, after "which".
  let danger: String

  static let all = [
    WayOut(
      service: "org.freedesktop.systemd1", interface: "org.freedesktop.systemd1.Manager",
      methods: [
        "StartTransientUnit", "LinkUnitFiles", "SetEnvironment", "UnsetAndSetEnvironment", "BindMountUnit", "MountImageUnit",
        "AttachProcessesToUnit", "SwitchRoot", "KExec",
      ], danger: "runs commands, or changes what is run, outside"),
    WayOut(
      service: "org.freedesktop.Flatpak", interface: "org.freedesktop.Flatpak.Development", methods: ["HostCommand"],
      danger: "runs commands outside"),
    WayOut(
      service: "org.freedesktop.machine1", interface: "org.freedesktop.machine1.Manager",
      methods: ["OpenMachineShell", "BindMountMachine", "CopyToMachine", "CopyFromMachine", "OpenMachineRootDirectory"],
      danger: "opens shells, and files, of the host and of other containers"),
    WayOut(
      service: "org.freedesktop.portable1", interface: "org.freedesktop.portable1.Manager",
      methods: ["AttachImage", "AttachImageWithExtensions"], danger: "installs services outside"),
    WayOut(
      service: "org.freedesktop.UDisks2", interface: "org.freedesktop.UDisks2.Manager", methods: ["LoopSetup"],
      danger: "makes devices of the container's files"),
    WayOut(
      service: "org.gnome.Shell", interface: "org.gnome.Shell", methods: ["Eval"], danger: "runs scripts outside"),
    WayOut(
      service: "org.kde.plasmashell", interface: "org.kde.PlasmaShell", methods: ["evaluateScript"],
      danger: "runs scripts outside"),
    WayOut(
      service: "org.kde.KWin", interface: "org.kde.kwin.Scripting", methods: ["loadScript", "loadDeclarativeScript"],
      danger: "runs scripts outside"),
    WayOut(
      service: "org.gnome.Terminal", interface: "org.gnome.Terminal.Terminal0", methods: ["Exec"], danger: "runs commands outside"
    ),
    WayOut(
      service: "org.gnome.SessionManager", interface: "org.gnome.SessionManager", methods: ["Setenv"],
      danger: "changes the environment of what is started outside"),
    WayOut(
      service: "ca.desrt.dconf", interface: "ca.desrt.dconf.Writer", methods: ["Change"],
      danger: "changes settings, commands of keys among them"),
    WayOut(
      service: "org.freedesktop.DBus", interface: "org.freedesktop.DBus", methods: ["UpdateActivationEnvironment"],
      danger: "changes the environment of services that the bus starts"),
    WayOut(
      service: "org.freedesktop.DBus", interface: "org.freedesktop.DBus.Monitoring", methods: ["BecomeMonitor"],
      danger: "is told everything that is said on the bus"),
  ]
}
