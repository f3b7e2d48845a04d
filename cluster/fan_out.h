// SPDX-License-Identifier: MIT
// Decides from whom a worker should fetch a tensor, so that one copy leaves the coordinator however
// many want it: a tree, in which those that have a tensor come first and each gives it to two more.
#ifndef TERN_CLUSTER_FAN_OUT_H_
#define TERN_CLUSTER_FAN_OUT_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "cluster/messages.h"

namespace tern {

// Workers are known by their data addresses. Thread-compatible.
class FanOut {
 public:
  // A worker holds these tensors and can give them away.
  void Hold(const std::string& address, const std::vector<TensorRef>& tensors);
  // A worker is gone.
  void Forget(const std::string& address);

  // Fills in the peers of tensors that workers are about to gather together: wanted[i] by the
  // worker at addresses[i]. The first that wants a tensor which nobody holds gets no peers.
  void FillPeers(const std::vector<std::string>& addresses,
                 const std::vector<std::vector<TensorRef>*>& wanted) const;

 private:
  std::map<std::string, std::set<std::string>> holders_;  // by digest
};

}  // namespace tern

#endif  // TERN_CLUSTER_FAN_OUT_H_
