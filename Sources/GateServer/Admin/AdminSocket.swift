// An admin socket. What is done with its clients stands in Server+Admin.swift.

/// A listening socket and its clients.
struct AdminSocket {
  let service: AdminService
  let listener: ListeningSocket
  var clients: [AdminClient] = []
  var isPaused = false

  /// Closes it and its clients, and removes its file if that is still ours.
  func close() {
    for client in clients { closeDescriptor(client.fd) }
    listener.close()
  }
}
