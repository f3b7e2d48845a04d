// SPDX-License-Identifier: MIT
// How quickly a vocabulary encodes text: the best of some runs, on one thread.
//
//   tokenizer_bench DIRECTORY|FILE.gguf TEXT_FILE
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <string>

#include "absl/strings/match.h"
#include "base/mapped_file.h"
#include "base/status_macros.h"
#include "formats/gguf.h"
#include "text/tokenizer.h"
#include "text/vocabulary_directory.h"

namespace tern {
namespace {

constexpr size_t kTextBytes = 8 << 20;
constexpr size_t kLetters = 1 << 20;
constexpr int kRuns = 5;

absl::StatusOr<Vocabulary> ReadAny(const std::string& path) {
  if (!absl::EndsWith(path, ".gguf")) return ReadVocabularyOfDirectory(path);
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<GgufFile> file, GgufFile::Open(path));
  return ReadVocabulary(*file);
}

// Of this thread, whatever else the machine does.
double CpuSeconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void Measure(const Tokenizer& tokenizer, const char* what, const std::string& text) {
  double best = std::numeric_limits<double>::infinity();
  size_t tokens = 0;
  for (int run = 0; run < kRuns; ++run) {
    const double start = CpuSeconds();
    tokens = tokenizer.Encode(text).size();
    best = std::min(best, CpuSeconds() - start);
  }
  std::printf("%s: %zu bytes, %zu tokens, %.1f MB/s\n", what, text.size(), tokens,
              static_cast<double>(text.size()) / 1e6 / best);
}

absl::Status Run(const std::string& vocabulary_path, const std::string& text_path) {
  TERN_ASSIGN_OR_RETURN(const Vocabulary vocabulary, ReadAny(vocabulary_path));
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer, Tokenizer::Create(vocabulary));
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<MappedFile> file, MappedFile::Open(text_path));
  const std::string once(file->bytes().begin(), file->bytes().end());
  if (once.empty()) return absl::InvalidArgumentError("text: found none");
  std::string text;
  while (text.size() < kTextBytes) text += once;
  Measure(*tokenizer, "text", text);
  Measure(*tokenizer, "one letter", std::string(kLetters, 'a'));
  Measure(*tokenizer, "two letters by turns", [] {
    std::string letters;
    while (letters.size() < kLetters) letters += "ab";
    return letters;
  }());
  Measure(*tokenizer, "spaces", std::string(kLetters, ' '));
  return absl::OkStatus();
}

}  // namespace
}  // namespace tern

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s DIRECTORY|FILE.gguf TEXT_FILE\n", argv[0]);
    return 2;
  }
  const absl::Status status = tern::Run(argv[1], argv[2]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
