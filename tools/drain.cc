// SPDX-License-Identifier: MIT
// `tern drain`: takes a worker out of a running cluster, without losing a request.
#include <cstdio>
#include <memory>
#include <string>

#include "base/status_macros.h"
#include "cluster/address.h"
#include "cluster/grpc_util.h"
#include "proto/cluster.grpc.pb.h"
#include "tools/commands.h"

namespace tern {
namespace {

struct DrainFlags {
  std::string coordinator = "127.0.0.1:7000";
  std::string worker;
};

absl::Status Drain(const DrainFlags& flags) {
  TERN_ASSIGN_OR_RETURN(const Address peer, ParseAddress("--coordinator", flags.coordinator));
  const std::unique_ptr<v1::Cluster::Stub> stub = v1::Cluster::NewStub(ConnectTo(peer.ToString()));
  grpc::ClientContext context;  // no deadline: weights may have to be fetched first
  v1::DrainRequest request;
  request.set_worker(flags.worker);
  v1::DrainResponse response;
  TERN_RETURN_IF_ERROR(
      FromGrpc(stub->Drain(&context, request, &response), "coordinator " + flags.coordinator));
  std::printf("worker %s is drained\n", flags.worker.c_str());
  return absl::OkStatus();
}

}  // namespace

void AddDrain(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<DrainFlags>();
  CLI::App* command =
      app.add_subcommand("drain", "Move a worker's layers to others and end the worker");
  command->add_option("worker", flags->worker, "Its name, as the coordinator's log says it")
      ->required();
  command->add_option("--coordinator", flags->coordinator, "HOST:PORT of `tern serve`")
      ->capture_default_str();
  command->callback([flags, &status] { status = Drain(*flags); });
}

}  // namespace tern
