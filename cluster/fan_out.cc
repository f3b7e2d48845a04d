// SPDX-License-Identifier: MIT
#include "cluster/fan_out.h"

#include <algorithm>

namespace tern {
namespace {

constexpr size_t kChildren = 2;  // of a node of the tree

// The parent of node `node`, its parent, and so on, at most kMaxPeers.
std::vector<std::string> PeersOf(size_t node, const std::vector<std::string>& tree) {
  std::vector<std::string> peers;
  while (node > 0 && peers.size() < kMaxPeers) {
    node = (node - 1) / kChildren;
    peers.push_back(tree[node]);
  }
  return peers;
}

}  // namespace

void FanOut::Hold(const std::string& address, const std::vector<TensorRef>& tensors) {
  for (const TensorRef& tensor : tensors) holders_[tensor.sha256].insert(address);
}

void FanOut::Forget(const std::string& address) {
  for (auto& [digest, addresses] : holders_) addresses.erase(address);
}

void FanOut::FillPeers(const std::vector<std::string>& addresses,
                       const std::vector<std::vector<TensorRef>*>& wanted) const {
  std::map<std::string, std::vector<std::string>> trees;  // by digest
  for (const auto& [digest, holders] : holders_) trees[digest] = {holders.begin(), holders.end()};
  for (size_t i = 0; i < addresses.size(); ++i) {
    for (TensorRef& tensor : *wanted[i]) {
      std::vector<std::string>& tree = trees[tensor.sha256];
      // One that holds it finds it in its own cache.
      if (std::find(tree.begin(), tree.end(), addresses[i]) != tree.end()) continue;
      tree.push_back(addresses[i]);
      tensor.peers = PeersOf(tree.size() - 1, tree);
    }
  }
}

}  // namespace tern
