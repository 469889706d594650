// The keys of the log, and what they mean: the one place that says so. In `text` and `json` a key is written as it is; in the
// journal it is BUSGATE_ and the key in capitals, with `_` for `-`.

/// A key of the log. Keys are stable: one that is there keeps its name and its meaning.
public enum LogKey: String, CaseIterable, Sendable {
  case time, event, instance, verdict, gate, connection, pid, uid, cgroup, direction, type, sender, destination, name, path
  case interface, member, about
  case error, signature, serial
  case replySerial = "reply-serial"
  case bytes, fds, reason, rule, nearest, miss, count, clients, allowed, denied, limit, outcome, decisions, connections, lost,
    message

  /// What its value is, in a sentence.
  public var meaning: String {
    switch self {
    case .time: "when it was written, in UTC, to the millisecond"
    case .event: "what happened: decision, opened, closed, limit, reload, suppressed, lost, error, warning, note"
    case .instance: "which of several programs wrote it, as --instance names it"
    case .verdict:
      "allow; deny (its sender is told, if it asked for an answer); drop (nobody is told); audit (forwarded, would be denied)"
    case .gate: "the gate's label: session, system, or as --listen named it"
    case .connection: "number of the client's connection since the start; not there beside clients"
    case .pid: "the client's process when it connected, as the kernel says; not there beside clients"
    case .uid: "the client's user, as the kernel says"
    case .cgroup: "the client's control group, where it could be read"
    case .direction: "outgoing (client to bus) or incoming (bus to client)"
    case .type: "method_call, method_return, error, signal, or the number of a type that nobody knows"
    case .sender: "unique name of who sent the message: of the client, as the bus told it, or as the bus wrote it"
    case .destination: "DESTINATION of the message"
    case .name:
      "well-known name behind the unique one at the other end, where it is known: in audit mode, and of names that rules ask for"
    case .path: "PATH of the message"
    case .interface: "INTERFACE of the message"
    case .member: "MEMBER of the message"
    case .about: "of a call of the bus itself that was denied, the name that it was about"
    case .error: "ERROR_NAME of the message"
    case .signature: "SIGNATURE of the message"
    case .serial: "serial of the message"
    case .replySerial: "REPLY_SERIAL of the message"
    case .bytes: "length of the message, header and body"
    case .fds: "number of file descriptors, if there are any"
    case .reason:
      "why: of a decision one word (rule, no-rule, reply, stray-reply, driver, the name of a limit, …), of a close a sentence"
    case .rule: "file:line of the rule that decided"
    case .nearest: "for a denial, file:line of the rule that came nearest to allowing it"
    case .miss:
      "what that rule misses: direction, type, interface, object-path, method, name, max-fds; or literal, where no wildcard does"
    case .count: "so many such messages, or events, since the last event about them; 1 if it is not there"
    case .clients: "so many clients are counted there, at least, besides the one that the last event named"
    case .allowed: "messages of the connection that were forwarded; with count, of all the connections"
    case .denied: "messages of the connection that were not"
    case .limit: "name of the limit that was hit; descriptors if the process may open no more"
    case .outcome: "of a reload: done or refused"
    case .decisions: "decisions that --log-rate held back since the last event that said so"
    case .connections: "events about connections that --log-rate held back since then"
    case .lost: "events that could not be written: the reader was too slow, the disk full"
    case .message: "a sentence for people; it may change"
    }
  }
}
