// SPDX-License-Identifier: MIT
// SHA-256 (FIPS 180-4), by OpenSSL.
#ifndef TERN_BASE_SHA256_H_
#define TERN_BASE_SHA256_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace tern {

// Hashes bytes that come in pieces. Thread-compatible.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void Update(std::span<const uint8_t> bytes);
  // The digest of everything so far, as 64 lower-case hexadecimal digits. Ends the hash.
  std::string Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string Sha256Hex(std::span<const uint8_t> bytes);

// Whether `text` could be a digest: 64 lower-case hexadecimal digits. Check before using one that
// came from outside as a file name.
bool IsSha256Hex(const std::string& text);

}  // namespace tern

#endif  // TERN_BASE_SHA256_H_
