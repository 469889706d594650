// Places that the connections of one gate share: `pending-replies-total`. Half of them are divided among the connections that there may
// be, so that each is always good for its share; the other half goes to whoever asks first. No number of busy connections can take a
// quiet one's share, and there are never more in all than the bound says.
//
// A connection takes places of the common half, and gives them back, some at a time. So a message costs it one comparison, as without.

/// Places that the connections of a gate share. Of one thread.
///
/// Source: contrib/OPERATORS.md, "Limits".
public final class SharedBudget {
  /// Places that each connection always has.
  let share: Int
  /// Places that are whoever's asks first.
  let common: Int
  /// How many of those a connection takes at a time. Untuned: a connection that has one more than its share keeps no more than a
  /// thousandth from the others, and with a small budget none.
  let batch: Int
  /// How many of the common places are taken.
  private(set) var taken = 0

  /// A budget of which nothing is taken.
  ///
  /// - Parameters:
  ///   - total: Places in all, at least 1. Where half of them are fewer than there may be connections, each is good for one all the same.
  ///   - connectionsMax: Connections that there may be at a time, at least 1.
  public init(total: Int, connectionsMax: Int) {
    precondition(total > 0 && connectionsMax > 0, "a budget for nothing, or for nobody")
    share = max(1, total / 2 / connectionsMax)
    common = max(total / 2, total - share * connectionsMax)
    batch = min(64, max(1, common / 1024))
  }

  /// Whether less than half of the common places is left.
  var isScarce: Bool { 2 * taken > common }

  /// Takes a batch of common places, or what is left of it; returns how many.
  func take() -> Int {
    let count = min(batch, common - taken)
    taken += count
    return count
  }

  func giveBack(_ count: Int) {
    precondition(count <= taken, "gave back what nobody had taken")
    taken -= count
  }
}

/// The budgets of a gate for calls without an answer.
///
/// Source: contrib/OPERATORS.md, "Limits".
public struct CallBudgets {
  /// For calls of the clients.
  public let outgoing: SharedBudget
  /// For calls that clients are asked.
  public let incoming: SharedBudget

  package init(outgoing: SharedBudget, incoming: SharedBudget) {
    self.outgoing = outgoing
    self.incoming = incoming
  }

  /// Two budgets of `total` places each, which is at least 1.
  public init(total: Int, connectionsMax: Int) {
    outgoing = SharedBudget(total: total, connectionsMax: connectionsMax)
    incoming = SharedBudget(total: total, connectionsMax: connectionsMax)
  }
}

/// What one connection has of a ``SharedBudget``, within its own limit. Gives all of it back when the connection ends.
struct BudgetLease: ~Copyable {
  private let budget: SharedBudget?
  private let limit: Int
  private var leased = 0
  /// So many may be there without asking for more.
  private(set) var room: Int
  /// With fewer, some are to be given back: ``shrink(to:)``.
  private(set) var shrinksBelow = 0

  init(limit: Int, budget: SharedBudget?) {
    self.limit = limit
    self.budget = budget
    room = min(limit, budget?.share ?? limit)
  }

  deinit { budget?.giveBack(leased) }

  /// Whether this connection has more than its share while others may want it.
  var isScarce: Bool { leased > 0 && budget?.isScarce ?? false }

  /// Makes room for more; says whether there is any.
  mutating func extend() -> Bool {
    guard let budget, room < limit else { return false }
    let more = budget.take()
    leased += more
    settle(budget)
    return more > 0
  }

  /// Gives back what is not needed for `count`.
  mutating func shrink(to count: Int) {
    guard let budget else { return }
    let unneeded = count == 0 ? leased : min(leased, (room - count - budget.batch) / budget.batch * budget.batch)
    if unneeded <= 0 { return }
    budget.giveBack(unneeded)
    leased -= unneeded
    settle(budget)
  }

  private mutating func settle(_ budget: SharedBudget) {
    room = min(limit, budget.share + leased)
    shrinksBelow = leased == 0 ? 0 : max(1, room - 2 * budget.batch + 1)
  }
}
