// A name that no policy opens and that the client does not know. See Temper.

extension World {
  /// Where one name is open to nobody, whatever the policies say besides, it is in nothing that the client gets from a bus that answers once.
  func checkSecret() throws {
    let stream = rig.client.stream
    if !temper.hasSecret || gate.isAudit || gate.isMonitor || gate.hasListFromNowhere || stream.count == secretsSought { return }
    let secret = Array(MessageScript.secret.utf8)
    for start in max(0, secretsSought - secret.count)..<max(0, stream.count - secret.count + 1)
    where stream[start] == secret[0] && stream[start..<start + secret.count].elementsEqual(secret) {
      throw Failure("the client was told of a name that is hidden")
    }
    secretsSought = stream.count
  }
}
