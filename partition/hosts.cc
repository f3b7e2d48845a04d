// SPDX-License-Identifier: MIT
#include "partition/hosts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/mapped_file.h"
#include "base/status_macros.h"

namespace tern {
namespace {

using Json = nlohmann::json;

// What machines of usual build do where their description does not say. Decoding keeps the memory
// busy for most of the time. Floats are multiplied at an eighth of the rate of int8: a quarter of
// the lanes, and products and sums take an instruction each.
constexpr double kReadEfficiency = 0.85;
constexpr double kFloatShare = 1.0 / 8;
constexpr double kTernaryPerByte = 4;
constexpr double kDensePerByte = 0.5;
constexpr double kMostWorkers = 100'000;

// The fields of one object. The first error is kept.
class Fields {
 public:
  Fields(const Json& object, std::string owner) : object_(object), owner_(std::move(owner)) {
    if (!object_.is_object()) Refuse("want an object");
  }

  // Null if it is not there.
  const Json* Find(const char* field) {
    known_.push_back(field);
    if (!object_.is_object()) return nullptr;
    const auto found = object_.find(field);
    return found == object_.end() ? nullptr : &*found;
  }

  // In [least, most]; `otherwise` if it is not there, which is an error for a negative one.
  double Number(const char* field, double least, double most, double otherwise = -1) {
    const Json* found = Find(field);
    if (found == nullptr) {
      if (otherwise < 0) Refuse(absl::StrCat(field, ": it is missing"));
      return otherwise;
    }
    const double number = found->is_number() ? found->get<double>() : -1;
    if (number >= least && number <= most) return number;
    Refuse(absl::StrCat(field, ": found ", Dump(*found), ", want ", least, " to ", most));
    return least;
  }

  std::string Text(const char* field) {
    const Json* found = Find(field);
    if (found != nullptr && found->is_string() && *found != "") return found->get<std::string>();
    Refuse(absl::StrCat(field, ": ", found == nullptr ? "it is missing" : "want a text"));
    return "";
  }

  // The first error, or that of a field that nobody asked for.
  absl::Status Done() {
    if (!object_.is_object()) return status_;
    for (const auto& [field, value] : object_.items()) {
      if (std::find(known_.begin(), known_.end(), field) != known_.end()) continue;
      Refuse(absl::StrCat(Dump(Json(field)), ": there is no such field; want ",
                          absl::StrJoin(known_, ", ")));
    }
    return status_;
  }

 private:
  static std::string Dump(const Json& value) {
    return value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  }
  void Refuse(absl::string_view what) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat(owner_, ": ", what));
  }

  const Json& object_;
  const std::string owner_;
  std::vector<std::string> known_;
  absl::Status status_;
};

LinkSpeed ReadLink(Fields& fields, const char* gbit, const char* latency_us) {
  constexpr double kBytesPerGbit = 1e9 / 8;
  return {.bytes_per_second = fields.Number(gbit, 1e-6, 1e6) * kBytesPerGbit,
          .latency_seconds = fields.Number(latency_us, 0, 1e9) * 1e-6};
}

// Memory or products, whichever takes longer.
WorkerSpeed Roofline(double read_bytes_per_second, double int8_products, double float_products) {
  WorkerSpeed speed;
  speed.read_bytes_per_second = read_bytes_per_second * kReadEfficiency;
  speed.attention = 1e9 / float_products;
  speed.attention_q8 = speed.attention;  // it is faster; by how much is another of each processor
  const double read_second = 1e9 / speed.read_bytes_per_second;  // of a gigabyte
  for (size_t i = 0; i < kMeasuredRows.size(); ++i) {
    const double products = 1e9 * kMeasuredRows[i];
    speed.ternary.seconds[i] = std::max(read_second / kTernaryPerByte, products / int8_products);
    speed.dense.seconds[i] = std::max(read_second, products * kDensePerByte / float_products);
  }
  return speed;
}

// Appends the workers of one entry of "hosts".
absl::Status AddHosts(const Json& entry, const std::string& owner, ClusterProfile& cluster) {
  Fields fields(entry, owner);
  WorkerProfile worker;
  worker.name = fields.Text("name");
  const auto count = static_cast<size_t>(fields.Number("count", 1, kMostWorkers, 1));
  worker.memory_bytes = static_cast<uint64_t>(fields.Number("memory_gib", 0, 1e6) * 0x1p30);
  const double cores = fields.Number("cores", 1, 1e6);
  const double read = fields.Number("read_gb_per_s", 1e-3, 1e6) * 1e9;
  const double int8_gmacs = fields.Number("int8_gmacs_per_core", 1e-3, 1e6);
  const double float_gmacs =
      fields.Number("float_gmacs_per_core", 1e-3, 1e6, int8_gmacs * kFloatShare);
  worker.link = ReadLink(fields, "link_gbit", "link_latency_us");
  TERN_RETURN_IF_ERROR(fields.Done());
  worker.speed = Roofline(read, cores * int8_gmacs * 1e9, cores * float_gmacs * 1e9);
  if (cluster.workers.size() + count > kMostWorkers) {
    return absl::InvalidArgumentError(
        absl::StrCat(owner, ": found more than ", kMostWorkers, " hosts in all, want fewer"));
  }
  for (size_t i = 1; i <= count; ++i) {
    cluster.workers.push_back(worker);
    if (count > 1) absl::StrAppend(&cluster.workers.back().name, "-", i);
  }
  return absl::OkStatus();
}

// Appends a path between two hosts, both ways.
absl::Status AddLink(const Json& entry, const std::string& owner,
                     const std::map<std::string, size_t>& by_name, ClusterProfile& cluster) {
  Fields fields(entry, owner);
  const std::string names[] = {fields.Text("from"), fields.Text("to")};
  const LinkSpeed speed = ReadLink(fields, "gbit", "latency_us");
  TERN_RETURN_IF_ERROR(fields.Done());
  size_t ends[2] = {};
  for (int i = 0; i < 2; ++i) {
    const auto found = by_name.find(names[i]);
    if (found == by_name.end()) {
      return absl::InvalidArgumentError(absl::StrCat(owner, ": no host is named ", names[i]));
    }
    ends[i] = found->second;
  }
  cluster.pairs.push_back({ends[0], ends[1], speed});
  cluster.pairs.push_back({ends[1], ends[0], speed});
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, size_t>> ByName(const ClusterProfile& cluster,
                                                     const std::string& owner) {
  std::map<std::string, size_t> by_name;
  for (size_t i = 0; i < cluster.workers.size(); ++i) {
    if (by_name.emplace(cluster.workers[i].name, i).second) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(owner, ": found two hosts named ", cluster.workers[i].name));
  }
  return by_name;
}

}  // namespace

absl::StatusOr<ClusterProfile> ParseHosts(absl::string_view text, const std::string& name) {
  const Json root = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false,
                                /*ignore_comments=*/true);
  if (root.is_discarded()) return absl::InvalidArgumentError(absl::StrCat(name, ": no JSON"));
  Fields fields(root, name);
  const Json* hosts = fields.Find("hosts");
  const Json* links = fields.Find("links");
  TERN_RETURN_IF_ERROR(fields.Done());
  if (hosts == nullptr || !hosts->is_array() || (links != nullptr && !links->is_array())) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": want an array \"hosts\", and perhaps another, \"links\""));
  }
  ClusterProfile cluster;
  for (size_t i = 0; i < hosts->size(); ++i) {
    TERN_RETURN_IF_ERROR(AddHosts((*hosts)[i], absl::StrCat(name, ": host ", i), cluster));
  }
  TERN_ASSIGN_OR_RETURN(const auto by_name, ByName(cluster, name));
  for (size_t i = 0; links != nullptr && i < links->size(); ++i) {
    TERN_RETURN_IF_ERROR(AddLink((*links)[i], absl::StrCat(name, ": link ", i), by_name, cluster));
  }
  const absl::Status valid = Validate(cluster);
  if (valid.ok()) return cluster;
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", valid.message()));
}

absl::StatusOr<ClusterProfile> ReadHosts(const std::string& path) {
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<MappedFile> file, MappedFile::Open(path));
  const std::span<const uint8_t> bytes = file->bytes();
  return ParseHosts({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

}  // namespace tern
