// SPDX-License-Identifier: MIT
#include "partition/deal_workers.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace tern {
namespace {

using Hand = std::vector<size_t>;

// Workers of one kind that nobody has yet, in a pile for each host, the first host's first.
class Piles {
 public:
  Piles(const std::vector<size_t>& kind, const std::vector<size_t>& hosts) {
    for (const size_t worker : kind) {
      const auto [found, is_new] = by_host_.try_emplace(hosts[worker], piles_.size());
      if (is_new) piles_.emplace_back();
      piles_[found->second].push_back(worker);
    }
    for (size_t pile = 0; pile < piles_.size(); ++pile) {
      std::reverse(piles_[pile].begin(), piles_[pile].end());  // to be taken from the end
      by_size_.insert({piles_[pile].size(), pile});
    }
  }

  bool empty() const { return by_size_.empty(); }

  // Moves up to `wanted` workers of a host into `hand`; returns how many.
  size_t TakeOf(size_t host, size_t wanted, Hand& hand) {
    const auto found = by_host_.find(host);
    return found == by_host_.end() ? 0 : Take(found->second, wanted, hand);
  }

  // The same, of the host with the fewest that are enough, else of one with most.
  size_t TakeBest(size_t wanted, Hand& hand) {
    auto best = by_size_.lower_bound({wanted, 0});
    if (best == by_size_.end()) best = by_size_.lower_bound({by_size_.rbegin()->first, 0});
    return Take(best->second, wanted, hand);
  }

 private:
  size_t Take(size_t index, size_t wanted, Hand& hand) {
    std::vector<size_t>& pile = piles_[index];
    const size_t taken = std::min(wanted, pile.size());
    by_size_.erase({pile.size(), index});
    hand.insert(hand.end(), pile.rbegin(), pile.rbegin() + static_cast<std::ptrdiff_t>(taken));
    pile.resize(pile.size() - taken);
    if (!pile.empty()) by_size_.insert({pile.size(), index});
    return taken;
  }

  std::vector<std::vector<size_t>> piles_;
  std::map<size_t, size_t> by_host_;             // index of its pile
  std::set<std::pair<size_t, size_t>> by_size_;  // size and index of those that are not empty
};

// Whether a replica gets one worker more than another goes round from kind to kind: it is the turn
// of `first`.
void DealKind(const std::vector<size_t>& kind, const std::vector<size_t>& hosts, size_t first,
              std::vector<Hand>& hands) {
  const size_t replicas = hands.size();
  Piles piles(kind, hosts);
  std::vector<size_t> wanted(replicas, kind.size() / replicas);
  for (size_t i = 0; i < kind.size() % replicas; ++i) ++wanted[(first + i) % replicas];
  for (size_t replica = 0; replica < replicas; ++replica) {
    Hand& hand = hands[replica];
    Hand more;
    for (const size_t worker : hand) {
      wanted[replica] -= piles.TakeOf(hosts[worker], wanted[replica], more);
    }
    hand.insert(hand.end(), more.begin(), more.end());
  }
  for (size_t turn = first; !piles.empty(); ++turn) {
    const size_t replica = turn % replicas;
    if (wanted[replica] > 0) wanted[replica] -= piles.TakeBest(wanted[replica], hands[replica]);
  }
}

}  // namespace

std::vector<std::vector<size_t>> DealWorkers(const std::vector<std::vector<size_t>>& kinds,
                                             const std::vector<size_t>& hosts, size_t replicas) {
  std::vector<Hand> hands(replicas);
  size_t dealt = 0;
  for (const std::vector<size_t>& kind : kinds) {
    DealKind(kind, hosts, dealt % replicas, hands);
    dealt += kind.size();
  }
  for (Hand& hand : hands) std::sort(hand.begin(), hand.end());
  return hands;
}

}  // namespace tern
