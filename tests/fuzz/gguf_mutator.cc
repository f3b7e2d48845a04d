// SPDX-License-Identifier: MIT
#include "tests/fuzz/gguf_mutator.h"

#include <cstring>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "formats/gguf_types.h"

namespace tern {
namespace {

// Where a number lies in a part.
struct Field {
  size_t offset;
  size_t bytes;
};

// A key with its value, or the info of a tensor.
struct Part {
  std::string bytes;
  std::vector<Field> fields;
};

struct Parts {
  uint32_t version = 3;
  std::vector<Part> keys;
  std::vector<Part> tensors;
  std::string data;
};

// Walks through a file and stops quietly at what is not there.
class Walker {
 public:
  explicit Walker(absl::string_view rest) : rest_(rest) {}

  absl::string_view rest() const { return rest_; }

  // The number, which is then a field of the part; 0 past the end.
  uint64_t Number(size_t bytes) {
    part_.fields.push_back({part_.bytes.size(), bytes});
    uint64_t value = 0;
    const absl::string_view taken = Take(bytes);
    std::memcpy(&value, taken.data(), taken.size());
    return value;
  }
  void String() { Take(Number(8)); }
  void Value(uint64_t type) {
    switch (static_cast<GgufType>(type)) {
      case GgufType::kString:
        return String();
      case GgufType::kArray: {
        const uint64_t element = Number(4), count = Number(8);
        const bool is_text = element == static_cast<uint64_t>(GgufType::kString);
        if (!is_text && ScalarBytes(element) == 0) return;
        for (uint64_t i = 0; i < count && !rest_.empty(); ++i) Value(element);
        return;
      }
      default:
        Number(ScalarBytes(type));
    }
  }
  // What was walked through since the last call; nothing if it was cut short.
  std::optional<Part> Finish() {
    Part part = std::exchange(part_, {});
    if (short_) return std::nullopt;
    return part;
  }

 private:
  static size_t ScalarBytes(uint64_t type) {
    constexpr size_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < std::size(kBytes) ? kBytes[type] : 0;
  }
  absl::string_view Take(uint64_t bytes) {
    short_ = short_ || bytes > rest_.size();
    const absl::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(taken.size());
    part_.bytes.append(taken.data(), taken.size());
    return taken;
  }

  absl::string_view rest_;
  Part part_;
  bool short_ = false;
};

std::optional<Parts> Split(absl::string_view bytes) {
  Walker walker(bytes);
  Parts parts;
  const bool is_gguf = walker.Number(4) == kGgufMagic;
  parts.version = static_cast<uint32_t>(walker.Number(4));
  const uint64_t tensors = walker.Number(8), keys = walker.Number(8);
  if (!walker.Finish() || !is_gguf) return std::nullopt;
  for (uint64_t i = 0; i < keys; ++i) {
    walker.String();
    walker.Value(walker.Number(4));
    std::optional<Part> key = walker.Finish();
    if (!key) return std::nullopt;
    parts.keys.push_back(*std::move(key));
  }
  for (uint64_t i = 0; i < tensors; ++i) {
    walker.String();
    const uint64_t dimensions = walker.Number(4);
    for (uint64_t d = 0; d < dimensions && !walker.rest().empty(); ++d) walker.Number(8);
    walker.Number(4);
    walker.Number(8);
    std::optional<Part> tensor = walker.Finish();
    if (!tensor) return std::nullopt;
    parts.tensors.push_back(*std::move(tensor));
  }
  const size_t header = bytes.size() - walker.rest().size();
  const size_t data = GgufAlign(header, kGgufDefaultAlignment);
  if (data < bytes.size()) parts.data = std::string(bytes.substr(data));
  return parts;
}

template <typename T>
void AppendNumber(T value, std::string& to) {
  to.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

class Mutator {
 public:
  Mutator(uint32_t seed, const BlindMutation& blind) : rng_(seed), blind_(blind) {}

  std::string Mutate(absl::string_view bytes) {
    std::string all(bytes);
    std::optional<Parts> parts = Split(bytes);
    if (!parts || Below(16) == 0) {
      blind_(all);
      return all;
    }
    uint64_t more_tensors = 0, more_keys = 0;  // than there are: counts that lie
    for (uint64_t times = 1 + Below(3); times > 0; --times) {
      std::vector<Part>& list = Below(2) == 0 ? parts->keys : parts->tensors;
      switch (Below(8)) {
        case 0:
          parts->version = static_cast<uint32_t>(Odd(parts->version));
          break;
        case 1:
          (Below(2) == 0 ? more_tensors : more_keys) = Odd(0);
          break;
        case 2:
          MutateData(parts->data);
          break;
        case 3:
          Rearrange(list);
          break;
        case 4:
          if (!list.empty()) blind_(list[Below(list.size())].bytes);
          break;
        default:
          if (!list.empty()) ChangeField(list[Below(list.size())]);
      }
    }
    return Join(*parts, more_tensors, more_keys);
  }

 private:
  uint64_t Below(uint64_t bound) { return rng_() % bound; }

  // A number near the old one, near a power of two, or any.
  uint64_t Odd(uint64_t old) {
    const uint64_t near = Below(5) - 2;
    switch (Below(4)) {
      case 0:
        return old + near;
      case 1:
        return (uint64_t{1} << Below(64)) + near;
      case 2:
        return Below(64);
      default:
        return rng_() << 32 | rng_();
    }
  }

  void ChangeField(Part& part) {
    if (part.fields.empty()) return;
    const Field field = part.fields[Below(part.fields.size())];
    if (field.offset + field.bytes > part.bytes.size()) return;  // `blind` has been here
    uint64_t value = 0;
    std::memcpy(&value, part.bytes.data() + field.offset, field.bytes);
    value = Odd(value);
    std::memcpy(part.bytes.data() + field.offset, &value, field.bytes);
  }

  void Rearrange(std::vector<Part>& list) {
    if (list.empty()) return;
    const size_t i = Below(list.size()), j = Below(list.size());
    switch (Below(3)) {
      case 0:
        std::swap(list[i], list[j]);
        break;
      case 1:
        list.erase(list.begin() + static_cast<ptrdiff_t>(i));
        break;
      default:
        list.insert(list.begin() + static_cast<ptrdiff_t>(j), Part(list[i]));
    }
  }

  void MutateData(std::string& data) {
    switch (Below(3)) {
      case 0:
        data.resize(Below(data.size() + 1));
        break;
      case 1:
        data.resize(data.size() + Below(256));
        break;
      default:
        blind_(data);
    }
  }

  static std::string Join(const Parts& parts, uint64_t more_tensors, uint64_t more_keys) {
    std::string bytes = "GGUF";
    AppendNumber(parts.version, bytes);
    AppendNumber(parts.tensors.size() + more_tensors, bytes);
    AppendNumber(parts.keys.size() + more_keys, bytes);
    for (const Part& key : parts.keys) bytes += key.bytes;
    for (const Part& tensor : parts.tensors) bytes += tensor.bytes;
    bytes.resize(GgufAlign(bytes.size(), kGgufDefaultAlignment));
    return bytes + parts.data;
  }

  std::mt19937_64 rng_;
  const BlindMutation& blind_;
};

}  // namespace

std::string MutateGguf(absl::string_view bytes, uint32_t seed, const BlindMutation& blind) {
  return Mutator(seed, blind).Mutate(bytes);
}

}  // namespace tern
