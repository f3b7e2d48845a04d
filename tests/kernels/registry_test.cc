// SPDX-License-Identifier: MIT
#include "kernels/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>

namespace tern {
namespace {

using ::testing::HasSubstr;

// Sets TERN_KERNEL for one test, which a developer may have set outside.
class RegistryTest : public ::testing::Test {
 protected:
  void SetUp() override { unsetenv("TERN_KERNEL"); }
  void TearDown() override { unsetenv("TERN_KERNEL"); }
};

TEST_F(RegistryTest, NamesAreUniqueAndEndInTheInstructionSet) {
  std::set<std::string> names;
  const auto check = [&names](const std::string& name, Isa isa) {
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_TRUE(name.ends_with(std::string("_") + IsaName(isa))) << name;
  };
  for (const GemvKernel& kernel : GemvKernels()) check(kernel.name, kernel.isa);
  for (const GemmKernel& kernel : GemmKernels()) check(kernel.name, kernel.isa);
  for (const VectorOps& ops : VectorOpsTable()) check(ops.name, ops.isa);
}

TEST_F(RegistryTest, ChoosesTheFirstThatThisCpuRuns) {
  const absl::StatusOr<Kernels> kernels = ChooseKernels();
  ASSERT_TRUE(kernels.ok()) << kernels.status();
  EXPECT_TRUE(CpuSupports(kernels->gemv.isa));
  for (const GemvKernel& better : GemvKernels()) {
    if (better.isa == kernels->gemv.isa) break;
    EXPECT_FALSE(CpuSupports(better.isa)) << better.name;
  }
}

TEST_F(RegistryTest, TakesTheNamedInstructionSet) {
  for (const GemvKernel& kernel : GemvKernels()) {
    const absl::StatusOr<Kernels> kernels = ChooseKernels(IsaName(kernel.isa));
    if (CpuSupports(kernel.isa)) {
      ASSERT_TRUE(kernels.ok()) << kernels.status();
      EXPECT_EQ(kernels->gemv.isa, kernel.isa);
      EXPECT_EQ(kernels->gemm.isa, kernel.isa);
      EXPECT_EQ(kernels->ops.isa, kernel.isa);
    } else {
      EXPECT_EQ(kernels.status().code(), absl::StatusCode::kFailedPrecondition);
    }
  }
}

TEST_F(RegistryTest, TheEnvironmentChoosesUnlessAskedOtherwise) {
  setenv("TERN_KERNEL", "portable", 1);
  EXPECT_EQ(ChooseKernels()->gemv.isa, Isa::kPortable);
  setenv("TERN_KERNEL", "abacus", 1);
  EXPECT_FALSE(ChooseKernels().ok());
  EXPECT_EQ(ChooseKernels("portable")->ops.isa, Isa::kPortable);
  setenv("TERN_KERNEL", "", 1);
  EXPECT_TRUE(ChooseKernels().ok());
}

TEST_F(RegistryTest, RefusesAnUnknownName) {
  const absl::Status status = ChooseKernels("abacus").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("found \"abacus\", want one of"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("portable"));
}

}  // namespace
}  // namespace tern
