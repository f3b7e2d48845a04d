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
  for (const GroupGemmKernel& kernel : GroupGemmKernels()) check(kernel.name, kernel.isa);
  for (const ScreenKernel& kernel : ScreenKernels()) check(kernel.name, kernel.isa);
  for (const VectorOps& ops : VectorOpsTable()) check(ops.name, ops.isa);
}

TEST_F(RegistryTest, ChoosesTheBestThatThisCpuRuns) {
  const absl::StatusOr<Kernels> kernels = ChooseKernels();
  ASSERT_TRUE(kernels.ok()) << kernels.status();
  EXPECT_TRUE(CpuSupports(kernels->isa));
  EXPECT_FALSE(kernels->is_forced);
  for (const Isa better : Isas()) {
    if (better == kernels->isa) break;
    EXPECT_FALSE(CpuSupports(better)) << IsaName(better);
  }
}

TEST_F(RegistryTest, TakesTheNamedInstructionSet) {
  for (const Isa isa : Isas()) {
    const absl::StatusOr<Kernels> kernels = ChooseKernels(IsaName(isa));
    if (CpuSupports(isa)) {
      ASSERT_TRUE(kernels.ok()) << kernels.status();
      EXPECT_EQ(kernels->isa, isa);
      EXPECT_TRUE(kernels->is_forced);
      EXPECT_LE(kernels->matrix.one.isa, isa);
      EXPECT_LE(kernels->matrix.few.isa, isa);
      EXPECT_LE(kernels->matrix.many.isa, isa);
      EXPECT_LE(kernels->group_gemm.isa, isa);
      EXPECT_LE(kernels->screen.isa, isa);
      EXPECT_LE(kernels->ops.isa, isa);
    } else {
      EXPECT_EQ(kernels.status().code(), absl::StatusCode::kFailedPrecondition);
    }
  }
}

TEST_F(RegistryTest, TakesTheNamedPacking) {
  for (const PackingInfo& info : Packings()) {
    for (const Isa isa : {Isa::kPortable, ChooseKernels()->isa}) {
      const std::string names = std::string(IsaName(isa)) + "," + info.name;
      const absl::StatusOr<Kernels> kernels = ChooseKernels(names);
      ASSERT_TRUE(kernels.ok()) << kernels.status();
      EXPECT_EQ(kernels->matrix.one.packing, info.packing) << names;
      EXPECT_EQ(kernels->matrix.few.packing, info.packing) << names;
      EXPECT_EQ(kernels->matrix.many.packing, info.packing) << names;
      EXPECT_EQ(kernels->isa, isa) << names;
    }
  }
}

TEST_F(RegistryTest, AFullHeadForcesNoKernel) {
  EXPECT_EQ(ChooseKernels()->screen_from_rows, kScreenFromRows);
  EXPECT_GT(ChooseKernels("full_head")->screen_from_rows, size_t{1} << 32);
  EXPECT_FALSE(ChooseKernels("full_head")->is_forced);
  EXPECT_TRUE(ChooseKernels("portable,full_head")->is_forced);
}

TEST_F(RegistryTest, TheEnvironmentChoosesUnlessAskedOtherwise) {
  setenv("TERN_KERNEL", "portable", 1);
  EXPECT_EQ(ChooseKernels()->isa, Isa::kPortable);
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
