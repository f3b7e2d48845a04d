// SPDX-License-Identifier: MIT
// What several tests of text read.
#ifndef TERN_TESTS_TEXT_TESTDATA_FILES_H_
#define TERN_TESTS_TEXT_TESTDATA_FILES_H_

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "formats/gguf.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace tern {

inline std::string Slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

// That of testdata/tokenizer.gguf.
inline const Tokenizer& Sample() {
  static const auto file = GgufFile::Open(TERN_TESTDATA "/tokenizer.gguf").value();
  static const auto tokenizer = Tokenizer::Create(ReadVocabulary(*file).value()).value();
  return *tokenizer;
}

}  // namespace tern

#endif  // TERN_TESTS_TEXT_TESTDATA_FILES_H_
