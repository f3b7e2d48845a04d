// SPDX-License-Identifier: MIT
#include "kernels/tuner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_replace.h"

namespace tern {
namespace {

class TunerTest : public ::testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string ReadCache() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  void WriteCache(const std::string& text) const { std::ofstream(path_, std::ios::trunc) << text; }

  const std::string folder_ = ::testing::TempDir() + "tuner_test." + std::to_string(::getpid());
  const std::string path_ = folder_ + "/new/kernels";
  const std::unique_ptr<ThreadPool> pool_ = ThreadPool::Create({.threads = 2, .cpus = {}}).value();
};

TEST_F(TunerTest, ChoosesKernelsOfOnePackingThatThisCpuRuns) {
  KernelTuner tuner(pool_.get(), "");
  for (const size_t rows : {16, 100, 2560}) {
    const MatrixKernels kernels = tuner.Choose(rows, 640);
    EXPECT_EQ(kernels.few.packing, kernels.packing());
    EXPECT_EQ(kernels.many.packing, kernels.packing());
    EXPECT_TRUE(CpuSupports(kernels.one.isa) && CpuSupports(kernels.few.isa) &&
                CpuSupports(kernels.many.isa))
        << kernels.ToString();
  }
}

// What a former run chose is taken without measuring: here it is made to be something that no
// measurement would choose.
TEST_F(TunerTest, RemembersChoices) {
  const std::string chosen = KernelTuner(pool_.get(), path_).Choose(64, 256).ToString();
  const std::string written = ReadCache();
  EXPECT_THAT(written, ::testing::HasSubstr("|2 threads|64x256\t" + chosen + "\n"));
  const std::string portable = BestKernels(Packing::kB3R16, Isa::kPortable).ToString();
  WriteCache(absl::StrReplaceAll(written, {{chosen, portable}}));
  EXPECT_EQ(KernelTuner(pool_.get(), path_).Choose(64, 256).ToString(), portable);
}

TEST_F(TunerTest, MeasuresAgainWhereTheFileIsOfNoUse) {
  KernelTuner(pool_.get(), path_).Choose(64, 256);
  const std::string written = ReadCache();
  const std::string key = written.substr(0, written.find('\t'));
  const std::string of_another_build = "another CPU|1.2.3|2 threads|64x256\tgemv gemm gemm\n";
  for (const std::string& choice :
       {std::string("gemv_abacus gemm_abacus gemm_abacus"), std::string("\t\t"), std::string(),
        std::string("gemv_t2r16_portable gemm_b3r16_portable gemm_b3r16_portable")}) {
    WriteCache(of_another_build + key + "\t" + choice + "\n\n\xff rubbish");
    const MatrixKernels kernels = KernelTuner(pool_.get(), path_).Choose(64, 256);
    EXPECT_EQ(ReadCache(), key + "\t" + kernels.ToString() + "\n") << choice;
  }
}

TEST_F(TunerTest, NeedsNoFile) {
  KernelTuner tuner(pool_.get(), "/dev/null/no/such/folder");
  EXPECT_TRUE(CpuSupports(tuner.Choose(16, 16).one.isa));
}

}  // namespace
}  // namespace tern
