// SPDX-License-Identifier: MIT
#include "coordinator/page_pool.h"

#include <numeric>
#include <optional>
#include <span>
#include <vector>

#include "gtest/gtest.h"

namespace tern {
namespace {

std::vector<TokenId> TokensFrom(TokenId first, size_t count) {
  std::vector<TokenId> tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

TEST(PagePoolTest, SharesFullPagesAndGivesUpTheEndOfTheOldestChainFirst) {
  PagePool pool(4);
  const std::vector<TokenId> tokens = TokensFrom(0, 96);
  const std::span<const TokenId> all = tokens;
  const std::vector<uint32_t> pages = {*pool.Take(), *pool.Take(), *pool.Take()};
  PagePool::ChainId chain = PagePool::kNoChain;
  for (size_t i = 0; i < 3; ++i) chain = pool.Index(pages[i], chain, all.subspan(32 * i, 32));
  EXPECT_EQ(pool.available(), 1);
  pool.Return(pages);
  EXPECT_EQ(pool.available(), 4);
  EXPECT_EQ(pool.cached(), 3);

  const PagePool::Match two = pool.Acquire(all, 2);
  EXPECT_EQ(two.pages, (std::vector<uint32_t>{pages[0], pages[1]}));
  EXPECT_EQ(pool.Acquire(TokensFrom(1, 96), 3).pages.size(), 0) << "other tokens";
  EXPECT_EQ(pool.Acquire(all.subspan(32), 3).pages.size(), 0) << "the same, but not at the start";
  EXPECT_EQ(pool.available(), 2);
  pool.Return(two.pages);

  EXPECT_EQ(pool.Take(), std::optional<uint32_t>(3)) << "the free one";
  EXPECT_EQ(pool.Take(), std::optional<uint32_t>(pages[2])) << "the end of the chain";
  EXPECT_EQ(pool.Take(), std::optional<uint32_t>(pages[1]));
  const PagePool::Match one = pool.Acquire(all, 3);
  EXPECT_EQ(one.pages, (std::vector<uint32_t>{pages[0]}));
  EXPECT_EQ(pool.Take(), std::nullopt) << "all are held";
}

TEST(PagePoolTest, TheFirstOfEqualPagesIsTheOneThatIsFound) {
  PagePool pool(4);
  const std::vector<TokenId> tokens = TokensFrom(0, 32);
  const uint32_t first = *pool.Take(), second = *pool.Take();
  const PagePool::ChainId chain = pool.Index(first, PagePool::kNoChain, tokens);
  EXPECT_EQ(pool.Index(second, PagePool::kNoChain, tokens), chain);
  pool.Return(std::vector<uint32_t>{second});
  EXPECT_EQ(pool.cached(), 0) << "the second cannot be found, so it is free";
  EXPECT_EQ(pool.Acquire(tokens, 1).pages, (std::vector<uint32_t>{first}));
}

TEST(PagePoolTest, APageOfTwoSequencesIsHeldUntilBothGiveItBack) {
  PagePool pool(1);
  const std::vector<TokenId> tokens = TokensFrom(0, 32);
  const std::vector<uint32_t> page = {*pool.Take()};
  pool.Index(page[0], PagePool::kNoChain, tokens);
  EXPECT_EQ(pool.Acquire(tokens, 1).pages, page);
  pool.Return(page);
  EXPECT_EQ(pool.available(), 0);
  EXPECT_EQ(pool.Take(), std::nullopt);
  pool.Return(page);
  EXPECT_EQ(pool.cached(), 1);
  EXPECT_EQ(pool.Take(), std::optional<uint32_t>(page[0])) << "its room is wanted";
  EXPECT_EQ(pool.Acquire(tokens, 1).pages.size(), 0) << "what it held is gone";
}

}  // namespace
}  // namespace tern
