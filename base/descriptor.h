// SPDX-License-Identifier: MIT
// A file descriptor that is closed by whoever holds it.
#ifndef TERN_BASE_DESCRIPTOR_H_
#define TERN_BASE_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace tern {

// Owns it. Thread-compatible.
class Descriptor {
 public:
  // Of no file if it is negative, as system calls return it that failed.
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { Close(); }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this == &other) return *this;
    Close();
    number_ = std::exchange(other.number_, -1);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  void Close() {
    if (is_open()) close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

}  // namespace tern

#endif  // TERN_BASE_DESCRIPTOR_H_
