// SPDX-License-Identifier: MIT
#include "base/cache_eviction.h"

#include <cstddef>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace tern {
namespace {

// The shortest cache line of processors that are in use: a longer one is evicted more than once.
constexpr size_t kLineBytes = 64;

// Evicts the lines of `bytes` and waits until that is done.
#if defined(__x86_64__)
bool HasClflushopt() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned kClflushoptBit = 1u << 23;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ebx & kClflushoptBit) != 0;
}

// Unlike clflush these do not wait for each other, which is several times as fast.
__attribute__((target("clflushopt"))) void EvictTogether(std::span<const uint8_t> bytes) {
  for (size_t i = 0; i < bytes.size(); i += kLineBytes) {
    _mm_clflushopt(const_cast<uint8_t*>(&bytes[i]));
  }
  _mm_clflushopt(const_cast<uint8_t*>(&bytes.back()));
  _mm_mfence();
}

void Evict(std::span<const uint8_t> bytes) {
  static const bool has_clflushopt = HasClflushopt();
  if (has_clflushopt) return EvictTogether(bytes);
  for (size_t i = 0; i < bytes.size(); i += kLineBytes) _mm_clflush(&bytes[i]);
  _mm_clflush(&bytes.back());
  _mm_mfence();
}
#elif defined(__aarch64__)
void EvictLine(const uint8_t& byte) { asm volatile("dc civac, %0" : : "r"(&byte) : "memory"); }

void Evict(std::span<const uint8_t> bytes) {
  for (size_t i = 0; i < bytes.size(); i += kLineBytes) EvictLine(bytes[i]);
  EvictLine(bytes.back());
  asm volatile("dsb ish" : : : "memory");
}
#else
void Evict(std::span<const uint8_t>) {}
#endif

}  // namespace

void EvictFromCaches(std::span<const uint8_t> bytes) {
  if (!bytes.empty()) Evict(bytes);
}

}  // namespace tern
