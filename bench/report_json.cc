// SPDX-License-Identifier: MIT
#include "bench/report_json.h"

#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "bench/text_file.h"
#include "formats/json_text.h"

namespace tern {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

// Each struct lists its fields once; a writer and a reader visit them.
template <typename Visitor>
void VisitFields(Spread& s, Visitor& v) {
  v("median", s.median);
  v("min", s.min);
  v("max", s.max);
}

template <typename Visitor>
void VisitFields(Latency& l, Visitor& v) {
  v("p50", l.p50);
  v("p95", l.p95);
  v("p99", l.p99);
}

template <typename Visitor>
void VisitFields(Machine& m, Visitor& v) {
  v("cpu", m.cpu);
  v("flags", m.flags);
  v("cores", m.cores);
  v("l3_bytes", m.l3_bytes);
  v("memory_bytes", m.memory_bytes);
  v("governor", m.governor);
  v("huge_pages", m.huge_pages);
  v("os", m.os);
  v("load_average", m.load_average);
  v("kernels", m.kernels);
  v("version", m.version);
  v("commit", m.commit);
  v("compiler", m.compiler);
  v("time", m.time);
}

template <typename Visitor>
void VisitFields(BenchedModel& m, Visitor& v) {
  v("name", m.name);
  v("architecture", m.architecture);
  v("layers", m.layers);
  v("dim", m.dim);
  v("ffn_dim", m.ffn_dim);
  v("vocab", m.vocab);
  v("ternary_weights", m.ternary_weights);
  v("weight_bytes", m.weight_bytes);
  v("head_bytes", m.head_bytes);
  v("kernels", m.kernels);
  v("head", m.head);
  v("kv_type", m.kv_type);
}

template <typename Visitor>
void VisitFields(Limits& l, Visitor& v) {
  v("threads", l.threads);
  v("probe", l.probe);
  v("read_gb_per_s", l.read_gb_per_s);
  v("read_median_gb_per_s", l.read_median_gb_per_s);
  v("int8_gmac_per_s", l.int8_gmac_per_s);
  v("int8_median_gmac_per_s", l.int8_median_gmac_per_s);
  v("sync_ns", l.sync_ns);
  v("sync_median_ns", l.sync_median_ns);
}

template <typename Visitor>
void VisitFields(LoadResult& l, Visitor& v) {
  v("threads", l.threads);
  v("seconds", l.seconds);
  v("peak_rss_bytes", l.peak_rss_bytes);
  v("kv_bytes", l.kv_bytes);
}

template <typename Visitor>
void VisitFields(TestResult& t, Visitor& v) {
  v("test", t.test);
  v("threads", t.threads);
  v("batch", t.batch);
  v("depth", t.depth);
  v("tokens_per_s", t.tokens_per_s);
  v("bytes_per_token", t.bytes_per_token);
  v("weight_bytes_per_token", t.weight_bytes_per_token);
  v("head_bytes_per_token", t.head_bytes_per_token);
  v("kv_bytes_per_token", t.kv_bytes_per_token);
  v("limit_share", t.limit_share);
  v("bandwidth_share", t.bandwidth_share);
  v("int8_share", t.int8_share);
  v("token_latency_ms", t.token_latency_ms);
  v("time_to_first_token_ms", t.time_to_first_token_ms);
  v("joules_per_token", t.joules_per_token);
}

template <typename Visitor>
void VisitFields(KernelResult& k, Visitor& v) {
  v("kernel", k.kernel);
  v("rows", k.rows);
  v("cols", k.cols);
  v("tokens", k.tokens);
  v("threads", k.threads);
  v("seconds", k.seconds);
  v("gb_per_s", k.gb_per_s);
  v("gmac_per_s", k.gmac_per_s);
  v("limit_share", k.limit_share);
}

template <typename Visitor>
void VisitFields(Report& r, Visitor& v) {
  v("machine", r.machine);
  v("model", r.model);
  v("limits", r.limits);
  v("loads", r.loads);
  v("results", r.results);
  v("kernels", r.kernels);
}

template <typename T>
OrderedJson Written(T& value);
template <typename T>
OrderedJson Written(std::vector<T>& values);
template <typename T>
OrderedJson Written(std::optional<T>& value);

struct Writer {
  OrderedJson json = OrderedJson::object();
  template <typename T>
  void operator()(const char* key, T& value) {
    json[key] = Written(value);
  }
};

template <typename T>
OrderedJson Written(T& value) {
  if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
    return value;
  } else {
    Writer writer;
    VisitFields(value, writer);
    return std::move(writer.json);
  }
}

template <typename T>
OrderedJson Written(std::vector<T>& values) {
  OrderedJson json = OrderedJson::array();
  for (T& value : values) json.push_back(Written(value));
  return json;
}

template <typename T>
OrderedJson Written(std::optional<T>& value) {
  return value ? Written(*value) : OrderedJson(nullptr);
}

// Remembers the first value of a wrong type and goes on to the end.
struct Reader {
  const Json& json;
  std::string path;     // of `json`
  std::string refused;  // "" as long as all is well

  template <typename T>
  void operator()(const char* key, T& value) {
    const auto found = json.find(key);
    if (found == json.end() || !refused.empty()) return;
    Read(*found, absl::StrCat(path, path.empty() ? "" : ".", key), value);
  }

  void Read(const Json& from, const std::string& where, std::string& value) {
    if (!from.is_string()) return Refuse(from, where, "a string");
    value = from.get<std::string>();
  }
  void Read(const Json& from, const std::string& where, double& value) {
    if (!from.is_number()) return Refuse(from, where, "a number");
    value = from.get<double>();
  }
  void Read(const Json& from, const std::string& where, uint64_t& value) {
    if (!from.is_number_unsigned()) return Refuse(from, where, "a whole number");
    value = from.get<uint64_t>();
  }
  template <typename T>
  void Read(const Json& from, const std::string& where, std::optional<T>& value) {
    value.reset();
    if (!from.is_null()) Read(from, where, value.emplace());
  }
  template <typename T>
  void Read(const Json& from, const std::string& where, std::vector<T>& values) {
    if (!from.is_array()) return Refuse(from, where, "a list");
    values.clear();
    for (const Json& element : from) {
      const std::string place = absl::StrCat(where, "[", values.size(), "]");
      Read(element, place, values.emplace_back());
    }
  }
  template <typename T>
  void Read(const Json& from, const std::string& where, T& value) {
    if (!from.is_object()) return Refuse(from, where, "an object");
    Reader reader{from, where, ""};
    VisitFields(value, reader);
    if (refused.empty()) refused = reader.refused;
  }

  void Refuse(const Json& found, const std::string& where, const char* want) {
    if (refused.empty()) {
      refused = absl::StrCat(where, ": found ", found.type_name(), ", want ", want);
    }
  }
};

}  // namespace

OrderedJson ToJson(const Report& report) {
  Report copy = report;  // fields are visited through one function for reading and writing
  return Written(copy);
}

absl::StatusOr<Report> ReportFromJson(const Json& json, const std::string& name) {
  Report report;
  Reader reader{json, "", ""};
  VisitFields(report, reader);
  if (reader.refused.empty()) return report;
  return absl::DataLossError(absl::StrCat(name, ": ", reader.refused));
}

absl::StatusOr<Report> ReadReport(const std::string& path) {
  TERN_ASSIGN_OR_RETURN(const Json json, ReadJsonObject(path));
  return ReportFromJson(json, path);
}

absl::Status WriteReport(const Report& report, const std::string& path) {
  // A model's name may be anything.
  return WriteTextFile(path,
                       ToJson(report).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace tern
